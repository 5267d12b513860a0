//! How often a busy subscription looks.
//!
//! Being woken costs the writer a system call, and being read costs it, too: each cache line that a reader has taken over has to
//! be fetched back before it can be written again. So a subscription takes what is there, and then sleeps for a
//! while before it looks again, or asks to be woken.

use std::time::{Duration, Instant};

/// The pause between two looks, as long as the history holds what comes meanwhile.
const PAUSE: Duration = Duration::from_millis(1);
/// A writer that fills half of the history faster than this is too fast for anybody to follow it without gaps.
const TOO_FAST: Duration = Duration::from_micros(250);
/// Then all subscriptions together read for one part of the time in so many, and at least once in [`PAUSE_MAX`].
const SHARE: u32 = 8;
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// Measures how fast the writer is.
pub(crate) struct Pace {
    capacity: usize,
    /// When the first byte that has not been taken may have been written.
    since: Instant,
    /// How long the reading itself has taken since, without what was done with it.
    reading: Duration,
}

impl Pace {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, since: Instant::now(), reading: Duration::ZERO }
    }

    /// Nothing was written until now.
    pub(crate) fn begin(&mut self) {
        (self.since, self.reading) = (Instant::now(), Duration::ZERO);
    }

    pub(crate) fn has_read(&mut self, took: Duration) {
        self.reading += took;
    }

    /// How long to sleep after all that was there, `taken` bytes, was taken by one of `readers`.
    pub(crate) fn pause(&mut self, taken: u64, readers: usize) -> Duration {
        let elapsed = self.since.elapsed();
        let pause = pause(self.capacity, taken, elapsed, self.reading, readers);
        self.begin();
        pause
    }
}

fn pause(
    capacity: usize,
    taken: u64,
    elapsed: Duration,
    reading: Duration,
    readers: usize,
) -> Duration {
    let half_full = elapsed.mul_f64(capacity as f64 / 2.0 / taken.max(1) as f64);
    if half_full < TOO_FAST {
        let readers = u32::try_from(readers).unwrap_or(u32::MAX);
        reading.saturating_mul(SHARE).saturating_mul(readers).min(PAUSE_MAX)
    } else {
        half_full.min(PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    #[test]
    fn as_long_as_the_history_holds_what_comes() {
        // 100 MB/s into a megabyte; into 32 KiB; and the first output after a pause.
        assert_eq!(pause(1 << 20, 100_000, 1000 * US, 20 * US, 1), PAUSE);
        let short = pause(1 << 16, 100_000, 1000 * US, 20 * US, 1);
        assert!(300 * US < short && short < 340 * US, "{short:?}");
        assert_eq!(pause(1 << 20, 10, 5 * US, US, 1), PAUSE);
    }

    #[test]
    fn whom_nobody_can_follow_is_left_alone_most_of_the_time() {
        // 4 GB/s into a megabyte.
        let too_fast = |readers| pause(1 << 20, 4_000_000, 1000 * US, 100 * US, readers);
        assert_eq!(too_fast(1), 800 * US);
        assert_eq!(too_fast(5), 4000 * US);
        assert_eq!(too_fast(1000), PAUSE_MAX);
    }
}
