//! The values behind the placeholders of a pattern.

use std::ops::Range;

use crate::masker::{Masker, Mode};
use crate::typed::{Kind, Scanner};

/// Most placeholders of one pattern that are looked into.
pub(super) const MAX_SLOTS: usize = 32;
/// Most values of one placeholder that are counted by themselves.
const MAX_VALUES: usize = 24;
/// Most bytes of a value that are kept.
const MAX_VALUE: usize = 64;

/// What stood behind one placeholder.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) label: String,
    pub(super) values: Vec<(Box<[u8]>, u64)>,
    /// Occurrences of values that came when there was no room for one more.
    pub(super) other: u64,
}

impl Slot {
    fn new(label: &str) -> Self {
        Self { label: label.to_owned(), values: Vec::new(), other: 0 }
    }

    /// Counts a value; a new one takes its memory from `room`.
    fn add(&mut self, value: &[u8], room: &mut usize) {
        let value = &value[..value.len().min(MAX_VALUE)];
        let cost = size_of::<(Box<[u8]>, u64)>() + value.len();
        if let Some((_, count)) = self.values.iter_mut().find(|(known, _)| **known == *value) {
            *count += 1;
        } else if self.values.len() < MAX_VALUES && cost <= *room {
            *room -= cost;
            self.values.push((value.into(), 1));
        } else {
            self.other += 1;
        }
    }
}

/// Counts the values of `line`, in memory of which `room` bytes are left.
pub(super) fn count(masker: &Masker, line: &[u8], slots: &mut Vec<Slot>, room: &mut usize) {
    let mut index = 0;
    visit(masker, line, &mut |range, label| {
        let cost = size_of::<Slot>() + label.len();
        if index == slots.len() && index < MAX_SLOTS && cost <= *room {
            *room -= cost;
            slots.push(Slot::new(label));
        }
        if let Some(slot) = slots.get_mut(index) {
            slot.add(&line[range], room);
        }
        index += 1;
    });
}

/// Calls `each` with every stretch of `line` that becomes a placeholder, from left to right.
fn visit(masker: &Masker, line: &[u8], each: &mut dyn FnMut(Range<usize>, &str)) {
    let mut from = 0;
    if let Some(rules) = masker.rules() {
        for (found, placeholder) in rules.find(line) {
            between(masker.mode(), line, from..found.start, each);
            from = found.end;
            each(found, placeholder);
        }
    }
    between(masker.mode(), line, from..line.len(), each);
}

/// The same for what a mode takes out of one stretch of a line.
fn between(
    mode: Mode,
    line: &[u8],
    stretch: Range<usize>,
    each: &mut dyn FnMut(Range<usize>, &str),
) {
    let (start, text) = (stretch.start, &line[stretch]);
    let mut each = |range: Range<usize>, label: &str| {
        each(start + range.start..start + range.end, label);
    };
    match mode {
        Mode::Keep => {}
        Mode::Digits => runs(text, |byte| byte.is_ascii_digit(), |range| each(range, "#")),
        Mode::Tokens => runs(
            text,
            |byte| !matches!(byte, b'\t'..=b'\r' | b' '),
            |range| {
                if text[range.clone()].iter().any(u8::is_ascii_digit) {
                    each(range, "#");
                }
            },
        ),
        Mode::Typed => {
            for (range, kind) in Scanner::new(text, 0, false) {
                each(range, kind.placeholder());
            }
        }
        Mode::Shape => shape(text, &mut each),
    }
}

/// Calls `each` with every run of bytes of a class.
fn runs(text: &[u8], is_in: impl Fn(u8) -> bool, mut each: impl FnMut(Range<usize>)) {
    let mut at = 0;
    for run in text.chunk_by(|&a, &b| is_in(a) == is_in(b)) {
        if is_in(run[0]) {
            each(at..at + run.len());
        }
        at += run.len();
    }
}

/// The words and the closed pairs of the mode `shape`.
fn shape(text: &[u8], each: &mut dyn FnMut(Range<usize>, &str)) {
    let mut found: Vec<(Range<usize>, &str)> = Vec::new();
    // The closer that is waited for, how much was found before, and where the content begins.
    let mut open: Vec<(u8, usize, usize)> = Vec::new();
    for (at, &byte) in text.iter().enumerate() {
        if byte.is_ascii_alphanumeric() {
            match found.last_mut() {
                Some((word, "Y")) if word.end == at => word.end += 1,
                _ => found.push((at..at + 1, "Y")),
            }
        } else if let Some((_, before, start)) = open.pop_if(|(closer, ..)| *closer == byte) {
            found.truncate(before);
            found.push((start..at, "X"));
        } else {
            let closer = match byte {
                b'[' => b']',
                b'{' => b'}',
                b'<' => b'>',
                b'(' => b')',
                b'"' | b'\'' => byte,
                _ => continue,
            };
            open.push((closer, found.len(), at + 1));
        }
    }
    for (range, label) in found {
        each(range, label);
    }
}

/// The first point in time that a line names, as it stands there: of what a log line begins with.
pub(super) fn time_of(line: &[u8]) -> Option<&[u8]> {
    const HEAD: usize = 160;
    let head = &line[..line.len().min(HEAD)];
    let mut day: Option<Range<usize>> = None;
    for (range, kind) in Scanner::new(head, 0, false) {
        match kind {
            // The day just before it belongs to it.
            Kind::Time => {
                let start = day.filter(|day| range.start - day.end <= 1).map(|day| day.start);
                return Some(&head[start.unwrap_or(range.start)..range.end]);
            }
            Kind::Date => day = Some(range),
            _ => {}
        }
    }
    day.map(|day| &head[day])
}

#[cfg(test)]
mod tests {
    use super::{time_of, visit};
    use crate::{Masker, Mode, Rules};

    /// Putting the placeholders in for what was found must give the pattern.
    fn check(masker: &Masker, line: &str) {
        let mut pattern = Vec::new();
        let mut from = 0;
        visit(masker, line.as_bytes(), &mut |range, label| {
            pattern.extend_from_slice(&line.as_bytes()[from..range.start]);
            pattern.extend_from_slice(label.as_bytes());
            from = range.end;
        });
        pattern.extend_from_slice(&line.as_bytes()[from..]);
        assert_eq!(pattern, masker.mask(line.as_bytes()), "{} of {line}", masker.mode());
    }

    #[test]
    fn what_is_found_is_what_is_masked() {
        let lines = [
            "",
            "03-17 16:13:38.936  1702 D Pm: lock=189667585, tag=\"*launch*\", name=android\", ws=W{10113}",
            "a (b [c] \"d) e",
            "x () 'y' don't (z) can't 'ab",
            "GET /a/b?x=1 from 10.0.0.1:80 in 12ms id 550e8400-e29b-41d4-a716-446655440000",
            "((a) (b) c",
        ];
        for line in lines {
            for mode in Mode::ALL {
                check(&Masker::new(mode), line);
            }
            let rules = Rules::new([("n", "[0-9]+"), ("get", "GET")]).expect("valid");
            check(&Masker::new(Mode::Tokens).with_rules(rules).expect("no shape"), line);
        }
    }

    #[test]
    fn the_time_of_a_line() {
        let time =
            |line: &str| time_of(line.as_bytes()).map(|t| String::from_utf8_lossy(t).into_owned());
        assert_eq!(time("Mar  7 06:25:01 host x 07:00:00").as_deref(), Some("Mar  7 06:25:01"));
        assert_eq!(time("[2024-03-17T16:13:38Z] x").as_deref(), Some("2024-03-17T16:13:38Z"));
        assert_eq!(time("on 2024-03-17 x").as_deref(), Some("2024-03-17"));
        assert_eq!(time("nothing 12"), None);
    }
}
