//! The patterns of one part of a file, counted by the worker that masked it.
//!
//! Most lines of a part have a pattern that an earlier line of it had. Those are counted here, in parallel; what is left
//! for the one [`Table`](super::table::Table) of the run is one step for each pattern of the part.

use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use memchr::memchr;

/// Most lines of a pattern in a part whose place is kept.
const MAX_PLACES: usize = 64;
/// Stretches of a part in which occurrences are counted.
pub(super) const STRETCHES: usize = 16;

/// What a part has of one pattern. Ranges are in the text and the patterns of the part.
#[derive(Debug)]
pub(super) struct Count {
    pub(super) hash: u64,
    pub(super) pattern: Range<u32>,
    pub(super) count: u32,
    /// Lines of the part, from 0.
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) last_text: Range<u32>,
    /// The texts of the first lines.
    pub(super) texts: Vec<Range<u32>>,
    pub(super) stretches: [u32; STRETCHES],
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tally {
    state: RandomState,
    index: HashTable<u32>,
    /// In the order of their first lines.
    counts: Vec<Count>,
    /// How many of `counts` count; the others are kept for their memory.
    len: usize,
}

impl Tally {
    pub(crate) fn new(state: RandomState) -> Self {
        Self { state, index: HashTable::new(), counts: Vec::new(), len: 0 }
    }

    pub(super) fn counts(&self) -> &[Count] {
        &self.counts[..self.len]
    }

    /// Counts `lines` lines of `text`, whose patterns are those of `patterns`. Both are shorter than 4 GiB.
    pub(crate) fn count(&mut self, text: &[u8], patterns: &[u8], lines: u64) {
        self.index.clear();
        self.len = 0;
        let (mut text_at, mut pattern_at) = (0, 0);
        for line in 0..lines {
            let text_end = end_of_line(text, text_at);
            let pattern_end = end_of_line(patterns, pattern_at);
            let stretch = (line * STRETCHES as u64 / lines) as usize;
            self.add(
                patterns,
                pattern_at as u32..pattern_end as u32,
                text_at as u32..text_end as u32,
                line as u32,
                stretch,
            );
            text_at = text_end + 1;
            pattern_at = pattern_end + 1;
        }
    }

    fn add(
        &mut self,
        patterns: &[u8],
        pattern: Range<u32>,
        text: Range<u32>,
        line: u32,
        stretch: usize,
    ) {
        let slice = |range: &Range<u32>| &patterns[range.start as usize..range.end as usize];
        let bytes = slice(&pattern);
        let hash = self.state.hash_one(bytes);
        let found = self.index.find(hash, |&index| {
            let known = &self.counts[index as usize];
            known.hash == hash && slice(&known.pattern) == bytes
        });
        let count = match found {
            Some(&index) => &mut self.counts[index as usize],
            None => {
                let index = self.len;
                self.len += 1;
                let counts = &mut self.counts;
                match counts.get_mut(index) {
                    Some(count) => {
                        count.texts.clear();
                        count.hash = hash;
                        count.pattern = pattern;
                        count.count = 0;
                        count.first = line;
                        count.stretches = [0; STRETCHES];
                    }
                    None => counts.push(Count {
                        hash,
                        pattern,
                        count: 0,
                        first: line,
                        last: line,
                        last_text: 0..0,
                        texts: Vec::new(),
                        stretches: [0; STRETCHES],
                    }),
                }
                self.index.insert_unique(hash, index as u32, |&index| counts[index as usize].hash);
                &mut self.counts[index]
            }
        };
        count.count += 1;
        count.last = line;
        count.last_text = text.clone();
        count.stretches[stretch] += 1;
        if count.texts.len() < MAX_PLACES {
            count.texts.push(text);
        }
    }
}

fn end_of_line(text: &[u8], from: usize) -> usize {
    text.get(from..).and_then(|rest| memchr(b'\n', rest)).map_or(text.len(), |at| from + at)
}
