use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flightring_normalise::{Masker, PatternCount, PatternCounter, SummaryOptions};
use parking_lot::Mutex;

use crate::follow::Start;
use crate::lines::{Lines, NextLine};
use crate::monitor::Monitor;
use crate::threads;

/// Longest beginning of a line that is looked at.
const MAX_LINE: usize = 16 << 10;
const STACK: usize = 1 << 19;
/// How much the counting thread steps back behind others: as `nice` does by default.
const NICE: i32 = 10;

/// Counts the patterns of a monitor's lines while they are written.
pub(crate) struct Patterns {
    counter: Mutex<PatternCounter>,
    /// Bytes that were evicted before they could be counted.
    skipped: AtomicU64,
}

impl fmt::Debug for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patterns").field("counter", &*self.counter.lock()).finish_non_exhaustive()
    }
}

/// The most frequent patterns of a monitor's lines.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopPatterns {
    /// Lines counted: of all patterns, and `other`.
    pub lines: u64,
    /// Patterns that are counted by themselves, each exactly.
    pub patterns: usize,
    /// Lines of other patterns, for which there was no room.
    pub other: u64,
    /// Bytes of output that were evicted before they could be counted.
    pub skipped: u64,
    /// The most frequent patterns, most frequent first.
    pub top: Vec<PatternCount>,
}

impl Monitor {
    /// Counts the patterns of all lines from the oldest retained on, on a thread of its own, until the monitor is closed.
    ///
    /// Writers are not held up: the thread, which has a low priority, follows the output as a [`Follower`](crate::Follower)
    /// does, and what is evicted before it comes to it is counted as [skipped](TopPatterns::skipped). Of a line longer than
    /// 16 KiB only the beginning is looked at. A second call changes nothing.
    pub fn count_patterns(
        self: &Arc<Self>,
        masker: &Masker,
        options: &SummaryOptions,
    ) -> io::Result<()> {
        let patterns = Arc::new(Patterns {
            counter: Mutex::new(PatternCounter::new(masker, options)),
            skipped: AtomicU64::new(0),
        });
        let Ok(mut lines) = Lines::new(self, Start::Oldest, MAX_LINE) else {
            // The oldest byte is never in the future.
            return Ok(());
        };
        lines.hide();
        if self.patterns.set(Arc::clone(&patterns)).is_err() {
            return Ok(());
        }
        threads::spawn("flr-patterns", STACK, move || count(&mut lines, &patterns)).map(drop)
    }

    /// The `most` most frequent patterns; `None` if [`count_patterns`](Self::count_patterns) was not called.
    #[must_use]
    pub fn top_patterns(&self, most: usize) -> Option<TopPatterns> {
        let patterns = self.patterns.get()?;
        let counter = patterns.counter.lock();
        Some(TopPatterns {
            lines: counter.lines(),
            patterns: counter.patterns(),
            other: counter.other(),
            skipped: patterns.skipped.load(Ordering::Relaxed),
            top: counter.top(most),
        })
    }

    /// Whether patterns are counted.
    #[must_use]
    pub fn counts_patterns(&self) -> bool {
        self.patterns.get().is_some()
    }
}

fn count(lines: &mut Lines, patterns: &Patterns) {
    // Counting waits for the work that is counted. On Linux this is about the calling thread alone; where it is refused the
    // thread is one as others are.
    let _ = rustix::process::setpriority_process(None, NICE);
    loop {
        match lines.next() {
            // The rest of a line that was cut is not a line.
            NextLine::Line(line) if line.continued => {}
            NextLine::Line(line) => patterns.counter.lock().feed_line(line.text),
            NextLine::Gap { skipped, .. } => {
                patterns.skipped.fetch_add(skipped, Ordering::Relaxed);
            }
            NextLine::Empty => {
                lines.wait(None);
            }
            NextLine::End => return,
        }
    }
}
