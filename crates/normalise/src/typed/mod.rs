//! The mode `typed`: tokens that are recognised become the name of what they are.
//!
//! A token stands between white space and the punctuation that separates values (`, ; ( ) [ ] { } " ' < > | =` and the
//! backtick). First the token as a whole is tried, the most telling types first; URLs, paths and points in time may reach
//! past its end. If it is nothing as a whole, it is searched for parts: digits in it become `<num>`, so `eth0` and `eth1`,
//! or `worker-17` and `worker-18`, have one pattern.
//!
//! A token of more than [`MAX_TOKEN`] bytes is data rather than a word of the message, and stays as it is.

mod moment;
mod recognise;

use std::fmt;
use std::ops::Range;

use crate::target::Target;

/// Longest token that is looked into, and longest URL or path, in bytes.
pub const MAX_TOKEN: usize = 4096;

/// How far beyond the start of a token anything is read.
const LOOKAHEAD: usize = MAX_TOKEN + 64;

/// What a token was recognised as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// An IPv4 or IPv6 address.
    Ip,
    /// A UUID in its usual form with four hyphens.
    Uuid,
    /// An identifier: `0x` and hexadecimal digits, a MAC address, or hexadecimal digits alone, 7 and more when letters and
    /// decimal digits are mixed, and 16 and more in any case (such a run of decimal digits names something, and counts
    /// nothing).
    Hex,
    /// A time of day, or a date and a time in one token.
    Time,
    /// A day.
    Date,
    /// A decimal number, with its sign and fraction.
    Num,
    /// An absolute path, or one that begins with `./`, `../`, `~/` or a drive.
    Path,
    /// An e-mail address.
    Email,
    /// `scheme://` and what follows.
    Url,
}

impl Kind {
    /// What it becomes in a pattern.
    #[must_use]
    pub const fn placeholder(self) -> &'static str {
        match self {
            Self::Ip => "<ip>",
            Self::Uuid => "<uuid>",
            Self::Hex => "<hex>",
            Self::Time => "<time>",
            Self::Date => "<date>",
            Self::Num => "<num>",
            Self::Path => "<path>",
            Self::Email => "<email>",
            Self::Url => "<url>",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.placeholder())
    }
}

const DELIMITER: u8 = 1;
const DIGIT: u8 = 2;
/// Punctuation without which there is no URL, path, address or e-mail.
const TELLING: u8 = 4;
const LETTER: u8 = 8;

static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        classes[byte as usize] = match byte {
            b'\t'..=b'\r' | b' ' | b',' | b';' | b'(' | b')' | b'[' | b']' | b'{' | b'}' => {
                DELIMITER
            }
            b'"' | b'\'' | b'<' | b'>' | b'|' | b'=' | b'`' => DELIMITER,
            b'0'..=b'9' => DIGIT,
            b'/' | b':' | b'@' | b'\\' => TELLING,
            b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => LETTER,
            _ => 0,
        };
        if byte == u8::MAX {
            return classes;
        }
        byte += 1;
    }
}

fn class(byte: u8) -> u8 {
    CLASS[usize::from(byte)]
}

/// Letters, digits, and every byte beyond ASCII.
fn is_word(byte: u8) -> bool {
    class(byte) & (LETTER | DIGIT) != 0
}

/// Walks over a text and yields the parts of it that are recognised.
pub(crate) struct Scanner<'a> {
    text: &'a [u8],
    /// Everything before this is decided.
    at: usize,
    /// End of the token that `at` is in.
    token_end: usize,
    /// Whether more text may follow, so that a token near the end cannot be judged yet.
    more: bool,
}

impl<'a> Scanner<'a> {
    /// Begins at `from`; `more` says whether more text may follow.
    pub(crate) fn new(text: &'a [u8], from: usize, more: bool) -> Self {
        Self { text, at: from, token_end: from, more }
    }

    /// Finds the next token and what it is as a whole; `None` in the inner option means that it may have parts.
    fn next_token(&mut self) -> Option<Option<(Range<usize>, Kind)>> {
        let text = self.text;
        loop {
            while self.at < text.len() && class(text[self.at]) == DELIMITER {
                self.at += 1;
            }
            let start = self.at;
            if start == text.len() || (self.more && text.len() - start < LOOKAHEAD) {
                return None;
            }
            let mut seen = 0;
            let mut end = start;
            while end < text.len() {
                let class = class(text[end]);
                if class == DELIMITER {
                    break;
                }
                seen |= class;
                end += 1;
            }
            self.token_end = end;
            if end - start > MAX_TOKEN {
                self.at = end;
                continue;
            }
            if seen & (DIGIT | TELLING) == 0 {
                if let Some(end) = moment::named_day(text, start, end) {
                    return Some(Some((start..end, Kind::Date)));
                }
                self.at = end;
                continue;
            }
            return Some(recognise::whole(text, start..end, seen & TELLING != 0));
        }
    }
}

impl Iterator for Scanner<'_> {
    type Item = (Range<usize>, Kind);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.at >= self.token_end
                && let Some(found) = self.next_token()?
            {
                self.at = found.0.end;
                return Some(found);
            }
            if let Some(found) = recognise::part(self.text, self.at..self.token_end) {
                self.at = found.0.end;
                return Some(found);
            }
            self.at = self.token_end;
        }
    }
}

/// What is known about the line so far.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    /// The text ended inside a token that is longer than [`MAX_TOKEN`].
    in_long_token: bool,
}

impl Typed {
    /// Masks `text`, which continues what was fed before. Unless it is the `last`, what cannot be judged yet is left for
    /// the next call: returned is how much was taken, all but [`LOOKAHEAD`] bytes at most.
    pub(crate) fn feed(&mut self, text: &[u8], last: bool, target: &mut impl Target) -> usize {
        let mut from = 0;
        if self.in_long_token {
            from = text.iter().position(|&byte| class(byte) == DELIMITER).unwrap_or(text.len());
            target.append(&text[..from]);
            if from == text.len() {
                return from;
            }
            self.in_long_token = false;
        }
        let mut scanner = Scanner::new(text, from, !last);
        for (found, kind) in &mut scanner {
            target.append(&text[from..found.start]);
            target.append(kind.placeholder().as_bytes());
            from = found.end;
        }
        // Where the scanner stopped: at the end, or before a token that it could not judge.
        let end = scanner.at.max(from);
        target.append(&text[from..end]);
        // Only a long token ends a scan at the very end although more may follow.
        self.in_long_token =
            !last && end == text.len() && text.last().is_some_and(|&byte| class(byte) != DELIMITER);
        end
    }
}
