//! The patterns of a run, in bounded memory.

use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::rate::Rate;
use super::slots::{self, Slot};
use super::tally::{STRETCHES, Tally};
use super::{InputLines, PatternSummary, Place, SlotSummary, Summary, SummaryOptions};
use crate::id::PatternId;
use crate::masker::Masker;

/// Samples of a pattern.
const SAMPLES: usize = 5;
/// Most bytes of a sample that are kept.
const MAX_SAMPLE: usize = 1024;
/// Most bytes of a time that are kept.
const MAX_TIME: usize = 64;
/// Most bytes of a pattern that is counted by itself.
pub(crate) const MAX_PATTERN: usize = 64 << 10;
/// Lines of a pattern whose values are counted, of the first ones; and then in every part.
const SLOT_LINES: u64 = 512;
const SLOT_LINES_LATER: usize = 2;

/// A line that is remembered.
#[derive(Debug, Clone)]
struct Seen {
    line: u64,
    time: Option<Box<[u8]>>,
}

impl Seen {
    fn new(line: u64, text: &[u8]) -> Self {
        let time = slots::time_of(text).map(|time| time[..time.len().min(MAX_TIME)].into());
        Self { line, time }
    }
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    pattern: Box<[u8]>,
    count: u64,
    first: Seen,
    last: Seen,
    samples: Vec<Box<[u8]>>,
    slots: Vec<Slot>,
    slot_lines: u64,
    rate: Rate,
}

/// Counts patterns exactly, as long as there is room: a pattern is either counted from its first line on, or all its lines
/// go to `other`. So no count is ever a guess, and the counts sum to the number of lines.
#[derive(Debug)]
pub(crate) struct Table {
    options: SummaryOptions,
    masker: Masker,
    state: RandomState,
    index: HashTable<u32>,
    entries: Vec<Entry>,
    /// Bytes that the entries take, with everything in them.
    bytes: usize,
    lines: u64,
    other: u64,
    other_rate: Rate,
    /// The first line that went to `other`.
    first_other: Option<u64>,
}

impl Table {
    pub(crate) fn new(masker: &Masker, options: &SummaryOptions) -> Self {
        Self {
            options: options.clone(),
            masker: masker.clone(),
            state: RandomState::default(),
            index: HashTable::new(),
            entries: Vec::new(),
            bytes: 0,
            lines: 0,
            other: 0,
            other_rate: Rate::new(),
            first_other: None,
        }
    }

    /// A tally for parts that will be [merged](Self::merge) into this table.
    pub(crate) fn tally(&self) -> Tally {
        Tally::new(self.state.clone())
    }

    /// Where the entry of a pattern is; one is made if there is room for it.
    fn entry(&mut self, hash: u64, pattern: &[u8], line: u64, text: &[u8]) -> Option<usize> {
        let entries = &self.entries;
        let found = self.index.find(hash, |&index| {
            let entry = &entries[index as usize];
            entry.hash == hash && *entry.pattern == *pattern
        });
        if let Some(&index) = found {
            return Some(index as usize);
        }
        if self.entries.len() >= self.options.max_patterns
            || pattern.len() > MAX_PATTERN
            || self.bytes + size_of::<Entry>() + pattern.len() > self.options.max_bytes
        {
            return None;
        }
        self.bytes += size_of::<Entry>() + pattern.len();
        let index = self.entries.len();
        let seen = Seen::new(line, text);
        self.entries.push(Entry {
            hash,
            pattern: pattern.into(),
            count: 0,
            first: seen.clone(),
            last: seen,
            samples: Vec::new(),
            slots: Vec::new(),
            slot_lines: 0,
            rate: Rate::new(),
        });
        let entries = &self.entries;
        self.index.insert_unique(hash, index as u32, |&index| entries[index as usize].hash);
        Some(index)
    }

    /// Keeps a line as a sample, if one is wanted and there is room for it.
    fn sample(&mut self, index: usize, line: &[u8]) {
        let line = &line[..line.len().min(MAX_SAMPLE)];
        let samples = &mut self.entries[index].samples;
        if samples.len() < SAMPLES && self.bytes + line.len() <= self.options.max_bytes {
            self.bytes += line.len();
            samples.push(line.into());
        }
    }

    fn add_other(&mut self, line: u64, count: u64) {
        self.other += count;
        self.other_rate.add(line, u32::try_from(count).unwrap_or(u32::MAX));
        self.first_other.get_or_insert(line);
    }

    /// Adds a part: its text, its patterns, and the tally of both.
    pub(crate) fn merge(&mut self, text: &[u8], patterns: &[u8], lines: u64, tally: &Tally) {
        let part_start = self.lines;
        let at = |range: &Range<u32>| &text[range.start as usize..range.end as usize];
        for count in tally.counts() {
            let range = count.pattern.start as usize..count.pattern.end as usize;
            let first = part_start + u64::from(count.first);
            let first_text = count.texts.first().map_or(&[][..], at);
            let Some(index) = self.entry(count.hash, &patterns[range], first, first_text) else {
                self.add_other(first, u64::from(count.count));
                continue;
            };
            for range in count.texts.iter().take(SAMPLES) {
                self.sample(index, at(range));
            }
            let entry = &mut self.entries[index];
            entry.count += u64::from(count.count);
            entry.last = Seen::new(part_start + u64::from(count.last), at(&count.last_text));
            for (stretch, &times) in count.stretches.iter().enumerate().filter(|(_, n)| **n > 0) {
                let line = part_start + stretch as u64 * lines / STRETCHES as u64;
                entry.rate.add(line, times);
            }
            if self.options.slots {
                let mut room = self.options.max_bytes - self.bytes;
                let is_early = entry.slot_lines < SLOT_LINES;
                let wanted = if is_early { count.texts.len() } else { SLOT_LINES_LATER };
                for range in count.texts.iter().take(wanted) {
                    entry.slot_lines += 1;
                    slots::count(&self.masker, at(range), &mut entry.slots, &mut room);
                }
                self.bytes = self.options.max_bytes - room;
            }
        }
        self.lines += lines;
    }

    /// Adds a line whose text is not at hand as a whole: `head` is its beginning. Without a pattern, because that is too long
    /// to be kept, it is one of the others.
    pub(crate) fn add_long(&mut self, head: &[u8], pattern: Option<&[u8]>) {
        let line = self.lines;
        self.lines += 1;
        let index = pattern.and_then(|pattern| {
            let hash = self.state.hash_one(pattern);
            self.entry(hash, pattern, line, head)
        });
        let Some(index) = index else {
            self.add_other(line, 1);
            return;
        };
        self.sample(index, head);
        let entry = &mut self.entries[index];
        entry.count += 1;
        entry.last = Seen::new(line, head);
        entry.rate.add(line, 1);
    }

    /// The largest counts, without the details: pattern and count.
    pub(crate) fn top(&self, most: usize) -> Vec<(&[u8], u64)> {
        let mut order: Vec<&Entry> = self.entries.iter().collect();
        order.sort_by_key(|entry| (std::cmp::Reverse(entry.count), entry.first.line));
        order.truncate(most);
        order.into_iter().map(|entry| (&*entry.pattern, entry.count)).collect()
    }

    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    pub(crate) fn other(&self) -> u64 {
        self.other
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What was counted; `inputs` are the names and numbers of lines of the inputs, in their order.
    pub(crate) fn finish(self, inputs: Vec<InputLines>) -> Summary {
        let lines = self.lines;
        let place = |line: u64| {
            let mut before = 0;
            for (index, input) in inputs.iter().enumerate() {
                if line < before + input.lines {
                    return Place { input: index, line: line - before + 1 };
                }
                before += input.lines;
            }
            Place { input: 0, line: line + 1 }
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let step_lines = Rate::new().finish(lines).1;
        let mut patterns: Vec<PatternSummary> = self
            .entries
            .into_iter()
            .map(|entry| PatternSummary {
                id: PatternId::of(&entry.pattern),
                pattern: text(&entry.pattern),
                count: entry.count,
                first: place(entry.first.line),
                last: place(entry.last.line),
                first_time: entry.first.time.as_deref().map(text),
                last_time: entry.last.time.as_deref().map(text),
                samples: entry.samples.iter().map(|sample| text(sample)).collect(),
                slot_lines: entry.slot_lines,
                slots: entry.slots.into_iter().map(SlotSummary::new).collect(),
                rate: entry.rate.finish(lines).0,
            })
            .collect();
        // The sort is stable, and entries are in the order of their first lines.
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.count));
        Summary {
            mode: self.masker.mode(),
            lines,
            first_other: self.first_other.map(place),
            inputs,
            patterns,
            other: self.other,
            other_rate: self.other_rate.finish(lines).0,
            step_lines,
        }
    }
}
