use httparse::Status;

/// The longest chunk-size line, extensions included, and the longest trailer section, in bytes.
const LINE_LIMIT: usize = 256;
const TRAILER_LIMIT: usize = 4096;

/// Decodes a body in the chunked transfer coding (RFC 9112, section 7.1), piece by piece as it arrives.
/// Chunk extensions and trailer fields are read and ignored.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Data {
        left: u64,
    },
    DataEnd,
    Trailer {
        seen: usize,
    },
    Done,
}

/// What one step of decoding came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// All input was used up to what is incomplete; more is needed.
    NeedMore,
    /// The body is complete.
    Done,
    /// The body would be longer than `limit`.
    TooLarge,
    /// The framing is broken.
    Malformed,
}

impl Decoder {
    /// Decodes what `input` holds, appends it to `body`, and says how many bytes of `input` are spent.
    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
        limit: usize,
    ) -> (usize, Step) {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            match self.state {
                // The parser takes a line without digits as size 0.
                State::Size if rest.first().is_some_and(|b| !b.is_ascii_hexdigit()) => {
                    return (used, Step::Malformed);
                }
                State::Size => match httparse::parse_chunk_size(rest) {
                    Ok(Status::Complete((line, 0))) => {
                        used += line;
                        self.state = State::Trailer { seen: 0 };
                    }
                    Ok(Status::Complete((line, size))) => {
                        if size > (limit - body.len()) as u64 {
                            return (used, Step::TooLarge);
                        }
                        used += line;
                        self.state = State::Data { left: size };
                    }
                    Ok(Status::Partial) if rest.len() < LINE_LIMIT => {
                        return (used, Step::NeedMore);
                    }
                    Ok(Status::Partial) | Err(_) => return (used, Step::Malformed),
                },
                State::Data { left } => {
                    // `left` is at most the limit, which is a usize.
                    let take = rest.len().min(left as usize);
                    body.extend_from_slice(&rest[..take]);
                    used += take;
                    let left = left - take as u64;
                    if left > 0 {
                        self.state = State::Data { left };
                        return (used, Step::NeedMore);
                    }
                    self.state = State::DataEnd;
                }
                State::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        used += 2;
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => return (used, Step::NeedMore),
                    _ => return (used, Step::Malformed),
                },
                State::Trailer { seen } => {
                    let Some(end) = memchr::memchr(b'\n', rest) else {
                        let step = if seen + rest.len() < TRAILER_LIMIT {
                            Step::NeedMore
                        } else {
                            Step::Malformed
                        };
                        return (used, step);
                    };
                    used += end + 1;
                    let empty = matches!(&rest[..end], [] | [b'\r']);
                    self.state =
                        if empty { State::Done } else { State::Trailer { seen: seen + end + 1 } };
                    if seen + end >= TRAILER_LIMIT {
                        return (used, Step::Malformed);
                    }
                }
                State::Done => return (used, Step::Done),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(input: &[u8], limit: usize) -> (Vec<u8>, usize, Step) {
        let mut body = Vec::new();
        let (used, step) = Decoder::default().decode(input, &mut body, limit);
        (body, used, step)
    }

    #[test]
    fn whole_and_byte_by_byte_agree() {
        let input = b"4;name=\"v\"\r\nWiki\r\n5\r\npedia\r\n0\r\nTrailer: x\r\n\r\nGET";
        let (body, used, step) = decode(input, 100);
        assert_eq!(
            (body.as_slice(), used, &step),
            (&b"Wikipedia"[..], input.len() - 3, &Step::Done)
        );

        let (mut decoder, mut body, mut pending) = (Decoder::default(), Vec::new(), Vec::new());
        for (i, &byte) in input.iter().enumerate() {
            pending.push(byte);
            let (used, step) = decoder.decode(&pending, &mut body, 100);
            pending.drain(..used);
            if step == Step::Done {
                assert_eq!(i, input.len() - 4);
                break;
            }
            assert_eq!(step, Step::NeedMore, "at byte {i}");
        }
        assert_eq!(body, b"Wikipedia");
    }

    #[test]
    fn broken_framing_is_refused() {
        for input in [
            &b"zz\r\n"[..],
            b"-1\r\n",
            b"5\r\nabcdeX\r\n",
            b"fffffffffffffffff\r\n",
            b"\r\n",
            b"0x5\r\nabcde\r\n",
        ] {
            let (_, _, step) = decode(input, 1000);
            assert_eq!(step, Step::Malformed, "{:?}", String::from_utf8_lossy(input));
        }
    }

    #[test]
    fn limits_hold() {
        assert_eq!(decode(b"5\r\nabcde\r\n0\r\n\r\n", 5).2, Step::Done);
        assert_eq!(decode(b"6\r\nabcdef\r\n0\r\n\r\n", 5).2, Step::TooLarge);
        assert_eq!(decode(b"3\r\nabc\r\n3\r\nabc\r\n", 5).2, Step::TooLarge);
        assert_eq!(decode(b"ffffffffffffffff\r\n", 5).2, Step::TooLarge);
        let mut long = b"1;".to_vec();
        long.resize(LINE_LIMIT, b'x');
        assert_eq!(decode(&long, 5).2, Step::Malformed);
        let mut trailers = b"0\r\n".to_vec();
        trailers.extend(b"a: b\r\n".repeat(TRAILER_LIMIT));
        assert_eq!(decode(&trailers, 5).2, Step::Malformed);
    }

    proptest::proptest! {
        /// However the input is cut, and whatever it is, the outcome is the same and nothing panics.
        #[test]
        fn cuts_do_not_matter(input in "([0-9a-fA-F]{0,2}(;x)?\r?\n|[a-z]{0,12}|\r?\n|0\r\n\r\n){0,12}", cut in 0_usize..200) {
            let input = input.as_bytes();
            let (whole, _, outcome) = decode(input, 30);
            let (mut decoder, mut body, mut pending) = (Decoder::default(), Vec::new(), Vec::new());
            let (first, second) = input.split_at(cut.min(input.len()));
            let mut step = Step::NeedMore;
            for part in [first, second] {
                if step == Step::NeedMore {
                    pending.extend_from_slice(part);
                    let used;
                    (used, step) = decoder.decode(&pending, &mut body, 30);
                    pending.drain(..used);
                }
            }
            proptest::prop_assert_eq!((whole, outcome), (body, step));
        }
    }
}
