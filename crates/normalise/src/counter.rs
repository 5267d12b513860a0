//! Patterns of a stream as it comes.

use std::fmt;

use memchr::memchr_iter;

use crate::id::PatternId;
use crate::masker::Masker;
use crate::summary::{Summary, SummaryOptions, Table, Tally};

/// Most bytes of one line that are looked at.
const MAX_LINE: usize = 16 << 10;
/// Most bytes that are counted at once.
const BATCH: usize = 64 << 10;

/// A pattern and how often it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternCount {
    /// Its number.
    pub id: PatternId,
    /// Its text.
    pub pattern: String,
    /// Lines that had it.
    pub count: u64,
}

/// Counts the patterns of what a process writes, while it does: for a monitor or a logger to feed.
///
/// Memory is bounded by the options, and by some 300 KiB for what is being counted. Of a line longer than 16 KiB only the
/// beginning is looked at.
///
/// ```
/// use flightring_normalise::{Masker, Mode, PatternCounter, SummaryOptions};
/// let mut counter = PatternCounter::new(&Masker::new(Mode::Typed), &SummaryOptions::default());
/// counter.feed(b"job 1 done\njob 2 do");
/// counter.feed(b"ne\n");
/// let top = counter.top(10);
/// assert_eq!((top[0].pattern.as_str(), top[0].count), ("job <num> done", 2));
/// ```
pub struct PatternCounter {
    masker: Masker,
    table: Table,
    tally: Tally,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// Room for patterns.
    patterns: Vec<u8>,
}

impl fmt::Debug for PatternCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatternCounter").field("lines", &self.lines()).finish_non_exhaustive()
    }
}

impl PatternCounter {
    /// A counter that has counted nothing.
    #[must_use]
    pub fn new(masker: &Masker, options: &SummaryOptions) -> Self {
        let table = Table::new(masker, options);
        let tally = table.tally();
        Self { masker: masker.clone(), table, tally, partial: Vec::new(), patterns: Vec::new() }
    }

    /// Counts the lines that `bytes` end; what follows the last line feed waits for the next call.
    pub fn feed(&mut self, bytes: &[u8]) {
        // Lines from `batch` to `start` are to be counted together.
        let (mut batch, mut start) = (0, 0);
        for end in memchr_iter(b'\n', bytes) {
            if !self.partial.is_empty() || end - start > MAX_LINE {
                self.count_lines(&bytes[batch..start]);
                self.extend_partial(&bytes[start..end]);
                self.line();
                batch = end + 1;
            } else if end - batch > BATCH {
                self.count_lines(&bytes[batch..start]);
                batch = start;
            }
            start = end + 1;
        }
        self.count_lines(&bytes[batch..start]);
        self.extend_partial(&bytes[start..]);
    }

    /// Counts one line, without its end.
    pub fn feed_line(&mut self, line: &[u8]) {
        let partial = std::mem::take(&mut self.partial);
        self.extend_partial(line);
        self.line();
        self.partial = partial;
    }

    /// Counts the line whose end has not come, as it stands: the stream has ended.
    pub fn finish_line(&mut self) {
        if !self.partial.is_empty() {
            self.line();
        }
    }

    fn extend_partial(&mut self, bytes: &[u8]) {
        let room = MAX_LINE.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn line(&mut self) {
        let mut line = std::mem::take(&mut self.partial);
        // A caller's line may have line feeds inside; it counts as one.
        for byte in line.iter_mut().filter(|byte| **byte == b'\n') {
            *byte = b' ';
        }
        self.count(&line, 1);
        line.clear();
        self.partial = line;
    }

    fn count_lines(&mut self, text: &[u8]) {
        if !text.is_empty() {
            self.count(text, memchr_iter(b'\n', text).count() as u64);
        }
    }

    fn count(&mut self, text: &[u8], lines: u64) {
        let room = self.masker.max_len(text.len());
        if self.patterns.len() < room {
            self.patterns.resize(room, 0);
        }
        // The room is what was promised to be enough.
        let len = self.masker.mask_into(text, &mut self.patterns).unwrap_or_default();
        let patterns = &self.patterns[..len];
        self.tally.count(text, patterns, lines);
        self.table.merge(text, patterns, lines, &self.tally);
    }

    /// Lines counted.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.table.lines()
    }

    /// Lines of patterns for which there was no room.
    #[must_use]
    pub fn other(&self) -> u64 {
        self.table.other()
    }

    /// How many patterns are counted.
    #[must_use]
    pub fn patterns(&self) -> usize {
        self.table.len()
    }

    /// The `most` most frequent patterns.
    #[must_use]
    pub fn top(&self, most: usize) -> Vec<PatternCount> {
        self.table
            .top(most)
            .into_iter()
            .map(|(pattern, count)| PatternCount {
                id: PatternId::of(pattern),
                pattern: String::from_utf8_lossy(pattern).into_owned(),
                count,
            })
            .collect()
    }

    /// Everything that was counted, under a name for where the lines came from.
    #[must_use]
    pub fn into_summary(self, name: &str) -> Summary {
        let lines = self.lines();
        let input = crate::summary::InputLines { name: name.to_owned(), lines };
        self.table.finish(vec![input])
    }
}
