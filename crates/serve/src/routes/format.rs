//! How a piece of output is written into an answer.

use std::io::Write as _;

use flightring_monitor::{Line, Stream, Time};
use serde_json::{Value as Json, json};

use super::cursors::{self, Place};

/// The form of an answer that follows a monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// The bytes as they were written, all streams as they came.
    Text,
    /// Server-sent events: `{source, data}` and more, their id the offset to resume at.
    Events,
    /// Newline-delimited JSON, a piece of output a line, with the members of the events.
    Chunks,
    /// Newline-delimited JSON, a line of output a line.
    Lines,
}

/// A piece of output, as text.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub(super) source: &'a str,
    pub(super) stream: Stream,
    pub(super) offset: u64,
    pub(super) time: Time,
    /// Whether the stream begins afresh with it.
    pub(super) fresh: bool,
    pub(super) text: &'a str,
    /// Where to resume after it.
    pub(super) next: Place,
}

impl Format {
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Events => "text/event-stream",
            Self::Chunks | Self::Lines => "application/x-ndjson",
        }
    }

    /// What shows that nothing happened, rather than that the connection broke.
    pub(super) fn keep_alive(self) -> &'static [u8] {
        match self {
            // Anything would look like output.
            Self::Text => b"",
            Self::Events => b": nothing new\n\n",
            Self::Chunks | Self::Lines => b"\n",
        }
    }

    /// Writes one message: `name` is the kind of event, "" for output; `cursor` is where a client resumes after it.
    fn message(self, out: &mut Vec<u8>, name: &str, cursor: &str, body: &Json) {
        // JSON text has no line break inside, which both forms rely on. Writing
        // to memory does not fail.
        if self != Self::Events {
            let _ = writeln!(out, "{body}");
            return;
        }
        if !name.is_empty() {
            let _ = writeln!(out, "event: {name}");
        }
        if !cursor.is_empty() {
            let _ = writeln!(out, "id: {cursor}");
        }
        let _ = write!(out, "data: {body}\n\n");
    }

    /// Writes output as a message; `cursor` is where a client resumes after it.
    pub(super) fn piece(self, out: &mut Vec<u8>, piece: &Piece<'_>, cursor: &str) {
        let Piece { source, stream, offset, time, fresh, text, next } = *piece;
        let mut body = json!({
            "source": source, "stream": stream.name(), "offset": offset, "next": resume_at(next),
            "time": time.micros() / 1000, "data": text,
        });
        if fresh {
            body["fresh"] = true.into();
        }
        self.message(out, "", cursor, &body);
    }

    /// Writes a whole line; `next` is the place after it.
    pub(super) fn line(self, out: &mut Vec<u8>, source: &str, line: &Line<'_>, next: [u64; 3]) {
        let Line { offset, stream, time, text, partial, continued, .. } = *line;
        if self == Self::Text {
            out.extend_from_slice(text);
            out.push(b'\n');
            return;
        }
        let body = json!({
            "source": source, "stream": stream.name(), "offset": offset, "next": cursors::place(next),
            "time": time.micros() / 1000, "text": String::from_utf8_lossy(text), "partial": partial, "continued": continued,
        });
        self.message(out, "", "", &body);
    }

    /// Writes that bytes are missing.
    pub(super) fn gap(
        self,
        out: &mut Vec<u8>,
        source: &str,
        (offset, skipped): (u64, u64),
        cursor: &str,
    ) {
        if self == Self::Text {
            let _ = write!(out, "\n[flightring: {skipped} bytes skipped]\n");
            return;
        }
        let next = offset + skipped;
        let mut body = json!({ "source": source, "gap": skipped, "offset": offset, "next": next });
        if self == Self::Lines {
            body["next"] = cursors::place([next; 3]).into();
        }
        self.message(out, "gap", cursor, &body);
    }

    /// Writes that nothing will follow.
    pub(super) fn end(self, out: &mut Vec<u8>) {
        if self != Self::Text {
            self.message(out, "end", "", &json!({ "end": true }));
        }
    }
}

/// A place as JSON: a number, where that says it all.
fn resume_at(at: Place) -> Json {
    if at == [at[0]; 3] { at[0].into() } else { cursors::place(at).into() }
}

/// The beginning of a UTF-8 sequence whose rest has not arrived yet.
#[derive(Debug, Default)]
pub(super) struct Carry {
    bytes: Vec<u8>,
    offset: u64,
}

impl Carry {
    /// Where what is held begins, if there is anything.
    pub(super) fn offset(&self) -> Option<u64> {
        (!self.bytes.is_empty()).then_some(self.offset)
    }

    /// The text so far, whatever is no UTF-8 replaced by U+FFFD, and the offset that it begins at. `data` begins at
    /// `offset`. A sequence that is cut at the end waits for its rest.
    pub(super) fn decode(&mut self, offset: u64, data: &[u8]) -> (String, u64) {
        let begin = self.offset().unwrap_or(offset);
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.extend_from_slice(data);
        let cut = incomplete_tail(&bytes);
        if cut <= data.len() {
            self.offset = offset + (data.len() - cut) as u64;
        }
        self.bytes = bytes.split_off(bytes.len() - cut);
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        (text, begin)
    }
}

/// How many bytes at the end are the beginning of a UTF-8 sequence that may still be completed.
fn incomplete_tail(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    for (i, &byte) in tail.iter().enumerate().rev() {
        let have = tail.len() - i;
        let want = match byte {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return 0,
        };
        // What can no longer become valid is not waited for.
        let possible = std::str::from_utf8(&tail[i..]).is_err_and(|e| e.error_len().is_none());
        return if have < want && possible { have } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_joined_however_they_are_cut() {
        let text = "aü日🦀z";
        for cut in 0..=text.len() {
            let mut carry = Carry::default();
            let (first, second) = text.as_bytes().split_at(cut);
            let (mut joined, at) = carry.decode(10, first);
            let held = carry.offset();
            assert_eq!(at, 10);
            // The second begins where the first says that it ends.
            let (rest, at) = carry.decode(10 + cut as u64, second);
            assert_eq!(at, held.unwrap_or(10 + cut as u64));
            assert_eq!(at, 10 + joined.len() as u64);
            joined += &rest;
            assert_eq!((joined.as_str(), carry.offset()), (text, None), "cut at {cut}");
        }
        // Byte by byte.
        let mut carry = Carry::default();
        let pieces = text.bytes().enumerate().map(|(i, byte)| carry.decode(i as u64, &[byte]));
        let pieces: Vec<_> = pieces.filter(|(piece, _)| !piece.is_empty()).collect();
        let begins = text.char_indices().map(|(at, c)| (c.to_string(), at as u64));
        assert_eq!(pieces, begins.collect::<Vec<_>>());
    }

    #[test]
    fn what_is_no_utf_8_is_shown_as_such_and_not_waited_for() {
        let mut carry = Carry::default();
        let mut decode = |data: &[u8]| carry.decode(0, data).0;
        assert_eq!(decode(b"a\xff\xfe"), "a\u{fffd}\u{fffd}");
        assert_eq!(decode(b"\xe2\x28"), "\u{fffd}(");
        assert_eq!(decode(b"\xed\xa0"), "\u{fffd}\u{fffd}");
        assert_eq!(decode(b"\xf0\x9f"), "");
        assert_eq!(decode(b"x"), "\u{fffd}x");
        assert_eq!(carry.offset(), None);
    }
}
