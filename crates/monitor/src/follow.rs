use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};
use std::time::Duration;

use flightring_replay::{FutureOffset, Wait};

use crate::clock::Time;
use crate::monitor::Monitor;
use crate::stream::Stream;
use crate::tail;
use crate::timeline::Piece;

/// Where following begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the oldest byte that is retained.
    Oldest,
    /// With the next byte that is written.
    Now,
    /// At this combined offset; what is gone of it is reported as a gap.
    Offset(u64),
    /// At the first output of this time or later.
    Time(Time),
    /// At the last so many lines, a partial one included.
    Lines(usize),
}

/// A piece of output: bytes of one stream that arrived together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Combined offset of the first byte.
    pub offset: u64,
    /// The stream.
    pub stream: Stream,
    /// Offset of the first byte in its stream.
    pub stream_offset: u64,
    /// When the bytes arrived.
    pub time: Time,
    /// The stream begins afresh here: what came before has ended, with its process or with its descriptor, and goes on in
    /// nothing, also if it ended in the middle of a line.
    pub fresh: bool,
    /// The bytes.
    pub data: &'a [u8],
}

/// What comes next in a monitor's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next<'a> {
    /// Output.
    Chunk(Chunk<'a>),
    /// Bytes that were evicted or cleared before this follower read them.
    Gap {
        /// Combined offset of the first of them.
        offset: u64,
        /// How many they were.
        skipped: u64,
    },
    /// Nothing yet.
    Empty,
    /// The monitor is closed and everything was read.
    End,
}

/// A place in a monitor's output. Reading moves it on, and nobody waits for it: a follower that is too slow misses bytes,
/// gets a [gap](Next::Gap) in their place, and disturbs nobody else.
pub struct Follower {
    monitor: Arc<Monitor>,
    offset: u64,
    hint: u64,
    skipped: u64,
    /// Whether the monitor's counts leave it out.
    hidden: bool,
}

impl Follower {
    pub(crate) fn new(monitor: Arc<Monitor>, start: Start) -> Result<Self, FutureOffset> {
        let offset = match start {
            Start::Oldest => monitor.oldest(),
            Start::Now => monitor.total(),
            Start::Offset(offset) => {
                // Refuses what is in the future.
                monitor.read(offset, &mut [])?;
                offset
            }
            Start::Time(time) => tail::offset_of_time(&monitor, time),
            Start::Lines(count) => tail::tail(&monitor, count).offset,
        };
        monitor.followers.fetch_add(1, Ordering::Relaxed);
        Ok(Self { monitor, offset, hint: 0, skipped: 0, hidden: false })
    }

    /// Takes the next piece of output, its bytes in `buffer`, which must not be empty. Never waits.
    pub fn next<'b>(&mut self, buffer: &'b mut [u8]) -> Next<'b> {
        let piece = self.monitor.timeline.read_piece(self.offset, &mut self.hint, buffer);
        // The offset is one that the monitor gave out, and totals only grow.
        let Ok(Piece { mark, read }) = piece else { return Next::Empty };
        if read.skipped > 0 {
            // The gap alone; what follows it is read again by the next call.
            return self.skip(read.skipped);
        }
        match mark {
            Some(mark) if read.len > 0 => {
                self.offset = read.next();
                Next::Chunk(Chunk {
                    offset: read.start,
                    stream: mark.stream,
                    stream_offset: mark.total_of(mark.stream) + (read.start - mark.offset),
                    time: mark.time,
                    fresh: mark.fresh && read.start == mark.offset,
                    data: &buffer[..read.len],
                })
            }
            _ if read.end => Next::End,
            _ => Next::Empty,
        }
    }

    fn skip(&mut self, skipped: u64) -> Next<'static> {
        let offset = self.offset;
        self.offset += skipped;
        self.skipped += skipped;
        if !self.hidden {
            self.monitor.skipped.fetch_add(skipped, Ordering::Relaxed);
        }
        Next::Gap { offset, skipped }
    }

    /// Has the monitor's counts leave it out: it is nobody's but the monitor's own.
    pub(crate) fn hide(&mut self) {
        if !std::mem::replace(&mut self.hidden, true) {
            self.monitor.followers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether what it would take next is gone already.
    pub(crate) fn is_overtaken(&self) -> bool {
        self.offset < self.monitor.oldest()
    }

    /// Leaves the older half of the history out, to get away from where the writer overwrites it.
    pub(crate) fn leap(&mut self) -> Next<'static> {
        let half = self.monitor.timeline.bytes().capacity() as u64 / 2;
        let middle = self.monitor.total().saturating_sub(half).max(self.monitor.oldest());
        self.skip(middle.saturating_sub(self.offset))
    }

    /// Waits until there is something to take, at most for `timeout` (`None`: for ever).
    pub fn wait(&self, timeout: Option<Duration>) -> Wait {
        self.wait_while(timeout, || true)
    }

    /// As [`wait`](Self::wait), but ends with [`Wait::Interrupted`] when `condition` is false; it is looked at again after
    /// [`Monitor::interrupt`].
    pub fn wait_while(&self, timeout: Option<Duration>, condition: impl Fn() -> bool) -> Wait {
        let waited = self.monitor.timeline.bytes().wait_while(self.offset, timeout, condition);
        waited.unwrap_or(Wait::Ready)
    }

    /// For event loops: whether there is something to take; if not, `waker` is called once when that changes, by the thread
    /// that writes. Give it back with [`forget`](Self::forget) when it is no longer wanted.
    pub fn poll(&self, waker: &Waker) -> Poll<Wait> {
        let polled = self.monitor.timeline.bytes().poll_wait(self.offset, waker);
        polled.unwrap_or(Poll::Ready(Wait::Ready))
    }

    pub(crate) fn is_caught_up(&self) -> bool {
        self.offset >= self.monitor.total()
    }

    /// Takes back a waker that [`poll`](Self::poll) was given.
    pub fn forget(&self, waker: &Waker) {
        self.monitor.timeline.bytes().forget(waker);
    }

    /// Combined offset of the next byte that it will take.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes it has missed so far.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The monitor that is followed.
    #[must_use]
    pub fn monitor(&self) -> &Arc<Monitor> {
        &self.monitor
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.hide();
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("monitor", &self.monitor.name())
            .field("offset", &self.offset)
            .field("skipped", &self.skipped)
            .finish()
    }
}

impl Monitor {
    /// Makes every [`Follower::wait_while`] of this monitor look at its condition again.
    pub fn interrupt(&self) {
        self.timeline.bytes().interrupt();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Stream};

    #[test]
    fn who_is_overtaken_goes_on_in_the_middle_and_knows_what_that_cost() {
        let options = Options { capacity: 1000, ..Options::default() };
        let monitor = Monitor::new("fast", options).expect("a kilobyte");
        let write = |len: usize| monitor.write(Stream::Stdout, &vec![b'x'; len]).expect("open");
        write(5000);
        let mut follower = monitor.follow(Start::Offset(0)).expect("written");
        let mut buffer = [0; 2000];
        assert_eq!(follower.next(&mut buffer), Next::Gap { offset: 0, skipped: 4000 });
        assert!(!follower.is_overtaken());
        write(3000);
        assert!(follower.is_overtaken());
        assert_eq!(follower.leap(), Next::Gap { offset: 4000, skipped: 3500 });
        assert!(
            matches!(follower.next(&mut buffer), Next::Chunk(chunk) if chunk.data.len() == 500)
        );
        assert_eq!((follower.offset(), follower.skipped()), (8000, 7500));
        assert_eq!(monitor.stats().skipped, 7500);
    }
}
