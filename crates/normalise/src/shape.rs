//! The mode `shape`: what a line looks like when its words are taken out.
//!
//! 1. Each byte that is not part of valid UTF-8 becomes U+FFFD.
//! 2. Each ASCII letter or digit becomes `Y`.
//! 3. What stands between a pair of `[] {} <> () "" ''` becomes one `X`. Pairs nest. A character is tried as the closer of
//!    the innermost open pair first, and as an opener second. A pair that is not closed by the end of the line is no
//!    pair: all that was produced inside it stays.
//! 4. Each run of `Y` becomes one `Y`.
//!
//! The fourth step can be taken together with the second, because masking never moves two words next to each other: the
//! delimiters stay between them. So a kernel squeezes the text and says where the delimiters are, and only
//! those are looked at one by one here.
//!
//! Nesting may be as deep as the line is long. An open pair is remembered by its distance to the one around it, in a stack
//! of bytes that takes less room than the distances themselves; that is why a buffer of
//! [`max_len`](crate::Masker::max_len) bytes holds both it and the output.

use crate::kernel::{Engine, PIECE, Scratch, Squeeze};
use crate::target::Target;

/// The pairs, each by its opener and its closer.
const PAIRS: [(u8, u8); 6] =
    [(b'[', b']'), (b'{', b'}'), (b'<', b'>'), (b'(', b')'), (b'"', b'"'), (b'\'', b'\'')];

/// Which of [`PAIRS`] a byte opens; [`NONE`] for all others.
static OPENS: [u8; 256] = {
    let mut opens = [NONE; 256];
    let mut pair = 0;
    while pair < PAIRS.len() {
        opens[PAIRS[pair].0 as usize] = pair as u8;
        pair += 1;
    }
    opens
};
const NONE: u8 = 0xff;

/// The UTF-8 of U+FFFD.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Text between an opener and the end of what was read.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// Where the opener is in the output.
    at: usize,
    /// Which of [`PAIRS`].
    pair: u8,
}

/// What is known about the line so far.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    in_run: bool,
    innermost: Option<Open>,
}

impl Shape {
    /// Masks `text`, which continues what was fed before. Unless it is the `last`, a character that is cut by its end
    /// is left for the next call: returned is how much was taken, all but three bytes at most.
    pub(crate) fn feed(
        &mut self,
        engine: Engine,
        text: &[u8],
        last: bool,
        target: &mut impl Target,
    ) -> usize {
        let mut scratch = Scratch::new();
        let mut rest = text;
        while !rest.is_empty() {
            let piece = &rest[..rest.len().min(PIECE)];
            if piece.is_ascii() {
                self.piece(engine, piece, &mut scratch, target);
                rest = &rest[piece.len()..];
                continue;
            }
            let valid = match str::from_utf8(piece) {
                Ok(_) => piece.len(),
                Err(error) => error.valid_up_to(),
            };
            if valid > 0 {
                self.piece(engine, &piece[..valid], &mut scratch, target);
                rest = &rest[valid..];
                continue;
            }
            // The character here is either invalid or cut by the end of the text.
            let head = &rest[..rest.len().min(4)];
            let is_cut = matches!(str::from_utf8(head), Err(e) if e.error_len().is_none());
            if is_cut && !last && rest.len() < 4 {
                break;
            }
            rest = self.repair(engine, rest, last, &mut scratch, target);
        }
        text.len() - rest.len()
    }

    /// Takes text that begins with an invalid byte, as much of it as fits into one piece when it is repaired, and
    /// returns the rest.
    fn repair<'a>(
        &mut self,
        engine: Engine,
        text: &'a [u8],
        last: bool,
        scratch: &mut Scratch,
        target: &mut impl Target,
    ) -> &'a [u8] {
        let mut repaired = [0; PIECE];
        let mut len = 0;
        let mut rest = text;
        while !rest.is_empty() && len + 4 <= PIECE {
            let head = &rest[..rest.len().min(4)];
            let (taken, bytes) = match str::from_utf8(head) {
                Ok(_) => (head.len(), head),
                Err(error) if error.valid_up_to() > 0 => {
                    (error.valid_up_to(), &head[..error.valid_up_to()])
                }
                Err(error) if error.error_len().is_none() && !last && rest.len() < 4 => break,
                Err(_) => (1, REPLACEMENT),
            };
            repaired[len..len + bytes.len()].copy_from_slice(bytes);
            len += bytes.len();
            rest = &rest[taken..];
        }
        self.piece(engine, &repaired[..len], scratch, target);
        rest
    }

    fn piece(
        &mut self,
        engine: Engine,
        piece: &[u8],
        scratch: &mut Scratch,
        target: &mut impl Target,
    ) {
        if target.is_full() {
            return;
        }
        let (squeezed, marks) = engine.squeeze(Squeeze::Words, piece, &mut self.in_run, scratch);
        // Everything before this is in the target, or dropped.
        let mut from = 0;
        for &mark in marks {
            let at = usize::from(mark);
            let byte = squeezed[at];
            if let Some(open) =
                self.innermost.filter(|open| PAIRS[usize::from(open.pair)].1 == byte)
            {
                let appended = target.len();
                if open.at >= appended {
                    target.append(&squeezed[from..=from + (open.at - appended)]);
                } else {
                    target.truncate(open.at + 1);
                }
                target.append(&[b'X', byte]);
                if target.is_full() {
                    return;
                }
                from = at + 1;
                self.close(open, target);
            } else if byte == b'\n' {
                self.innermost = None;
                target.clear_stack();
            } else {
                let pair = OPENS[usize::from(byte)];
                if pair != NONE {
                    self.open(target.len() + (at - from), pair, target);
                }
            }
        }
        target.append(&squeezed[from..]);
    }

    /// Makes the pair at `at` the innermost one, and puts the one around it on the stack: the distance to it and its kind
    /// as one number, seven bits a byte, the lowest on top; the top bit says that more follow.
    fn open(&mut self, at: usize, pair: u8, target: &mut impl Target) {
        if let Some(outer) = self.innermost {
            let number = (((at - outer.at) as u64) << 3) | u64::from(outer.pair);
            // The highest group that is not 0 goes first.
            let mut shift = (63 - number.leading_zeros()) / 7 * 7;
            let mut more = 0;
            loop {
                target.push((number >> shift & 0x7f) as u8 | more);
                if shift == 0 {
                    break;
                }
                shift -= 7;
                more = 0x80;
            }
        }
        self.innermost = Some(Open { at, pair });
    }

    /// Makes the pair around `inner` the innermost one.
    fn close(&mut self, inner: Open, target: &mut impl Target) {
        let mut number = 0_u64;
        let mut shift = 0;
        self.innermost = None;
        while let Some(byte) = target.pop() {
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                let distance = (number >> 3) as usize;
                self.innermost = Some(Open { at: inner.at - distance, pair: (number & 7) as u8 });
                break;
            }
        }
    }
}
