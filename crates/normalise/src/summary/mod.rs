//! What kinds of lines a run had: counts, places, samples and values.
//!
//! A table has room for a number of patterns. Those that come first get it, and are counted exactly; the lines of all others
//! are counted together as `(other)`. So the counts always sum to the number of lines, and a summary does not depend on how
//! many threads made it.

mod diff;
mod html;
mod rate;
mod render;
mod slots;
mod table;
mod tally;

pub use diff::{Change, ChangeKind, Diff, DiffOptions};
pub(crate) use table::{MAX_PATTERN, Table};
pub(crate) use tally::Tally;

use crate::id::PatternId;
use crate::masker::Mode;

/// How much is kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SummaryOptions {
    /// Most patterns that are counted by themselves: 10,000 by default.
    pub max_patterns: usize,
    /// Most bytes for them, with their texts, samples and values: 64 MiB by default. When it is used up, lines of new
    /// patterns are counted as others, and new values too.
    pub max_bytes: usize,
    /// Whether the values behind placeholders are counted: yes by default.
    pub slots: bool,
}

impl Default for SummaryOptions {
    fn default() -> Self {
        Self { max_patterns: 10_000, max_bytes: 64 << 20, slots: true }
    }
}

/// A line of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which of [`Summary::inputs`].
    pub input: usize,
    /// The number of the line in it, from 1.
    pub line: u64,
}

/// An input and how many lines it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputLines {
    /// Its name.
    pub name: String,
    /// Lines read of it.
    pub lines: u64,
}

/// What stood behind one placeholder of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotSummary {
    /// The placeholder.
    pub placeholder: String,
    /// The most frequent values, with their counts among [`PatternSummary::slot_lines`] lines, most frequent first. Values
    /// are cut at 64 bytes.
    pub values: Vec<(String, u64)>,
    /// Occurrences of other values.
    pub other: u64,
}

impl SlotSummary {
    fn new(slot: slots::Slot) -> Self {
        let mut values: Vec<(String, u64)> = slot
            .values
            .into_iter()
            .map(|(value, count)| (String::from_utf8_lossy(&value).into_owned(), count))
            .collect();
        values.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Self { placeholder: slot.label, values, other: slot.other }
    }
}

/// One pattern and its lines. Texts that are not UTF-8 have U+FFFD in place of what is not.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PatternSummary {
    /// Its number.
    pub id: PatternId,
    /// Its text.
    pub pattern: String,
    /// How many lines have it: exactly.
    pub count: u64,
    /// The first line that has it.
    pub first: Place,
    /// The last line that has it.
    pub last: Place,
    /// The time that the first line names, as it stands there.
    pub first_time: Option<String>,
    /// The time that the last line names.
    pub last_time: Option<String>,
    /// The first five lines, each cut at 1,024 bytes.
    pub samples: Vec<String>,
    /// How many lines were looked into for `slots`: at first all, later a few of each part of the input.
    pub slot_lines: u64,
    /// The values behind its placeholders, of the first 32 of them, in their order.
    pub slots: Vec<SlotSummary>,
    /// Lines of this pattern in each step along the input; a step has [`Summary::step_lines`] lines.
    pub rate: Vec<u32>,
}

/// The patterns of a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Summary {
    /// What was taken out of the lines.
    pub mode: Mode,
    /// All lines: the sum of all counts and `other`.
    pub lines: u64,
    /// The inputs.
    pub inputs: Vec<InputLines>,
    /// The patterns, most frequent first, and among equals the earlier first.
    pub patterns: Vec<PatternSummary>,
    /// Lines of patterns for which there was no room.
    pub other: u64,
    /// The first of those lines: from there on patterns may be missing.
    pub first_other: Option<Place>,
    /// Those lines in each step along the input.
    pub other_rate: Vec<u32>,
    /// Lines in a step of a rate.
    pub step_lines: u64,
}

impl Summary {
    /// Which part of all lines `count` is: 0 to 1.
    #[must_use]
    pub fn share(&self, count: u64) -> f64 {
        if self.lines == 0 { 0.0 } else { count as f64 / self.lines as f64 }
    }

    /// A place as text: the line, after the last part of the input's name when there is more than one.
    #[must_use]
    pub fn place(&self, place: Place) -> String {
        match self.inputs.get(place.input) {
            Some(input) if self.inputs.len() > 1 => {
                let name = input.name.rsplit('/').next().unwrap_or(&input.name);
                format!("{name}:{}", place.line)
            }
            _ => place.line.to_string(),
        }
    }
}
