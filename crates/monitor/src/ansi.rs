use vte::{Parser, Perform};

/// Takes terminal escape sequences out of text, also when they are split between pieces.
///
/// What is left is what a reader would see: letters, tabs and line feeds. Other control characters go; bytes that are
/// not UTF-8 become U+FFFD.
#[derive(Default)]
pub struct AnsiStripper {
    parser: Parser,
}

impl AnsiStripper {
    /// A stripper at the beginning of a text.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends what is left of `text` to `out`.
    pub fn strip(&mut self, text: &[u8], out: &mut Vec<u8>) {
        self.parser.advance(&mut Plain(out), text);
    }
}

impl std::fmt::Debug for AnsiStripper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AnsiStripper")
    }
}

/// `text`, which is complete in itself, without escape sequences.
#[must_use]
pub fn strip_ansi(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    AnsiStripper::new().strip(text, &mut out);
    out
}

struct Plain<'a>(&'a mut Vec<u8>);

impl Perform for Plain<'_> {
    fn print(&mut self, c: char) {
        self.0.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn execute(&mut self, byte: u8) {
        if matches!(byte, b'\n' | b'\t') {
            self.0.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_reader_sees_is_left() {
        let text =
            b"\x1b[1;31merror\x1b[0m\tat \x1b]8;;http://x\x1b\\here\x1b]8;;\x07 \xc3\xa9\xff!\r\n";
        assert_eq!(strip_ansi(text), "error\tat here \u{e9}\u{fffd}!\n".as_bytes());
    }

    #[test]
    fn a_sequence_may_be_split_anywhere() {
        let text = b"a\x1b[38;5;196mb\x1b[0m\xe2\x82\xacc\n";
        for cut in 0..text.len() {
            let (mut stripper, mut out) = (AnsiStripper::new(), Vec::new());
            stripper.strip(&text[..cut], &mut out);
            stripper.strip(&text[cut..], &mut out);
            assert_eq!(out, "ab\u{20ac}c\n".as_bytes(), "cut at {cut}");
        }
    }
}
