use std::fmt;
use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// A point in time: microseconds since 1970-01-01 00:00 UTC.
///
/// The times of output come from the kernel's coarse clock, which is as exact as its tick (1 to 10 ms) and costs a few
/// nanoseconds. Within a monitor they never run backwards, even when the machine's clock is set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Time(pub u64);

impl Time {
    /// Now, by the coarse clock.
    #[inline]
    #[must_use]
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::RealtimeCoarse);
        // Before 1970 the clock was not set.
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        Self(seconds * 1_000_000 + now.tv_nsec as u64 / 1000)
    }

    /// Microseconds since 1970.
    #[must_use]
    pub fn micros(self) -> u64 {
        self.0
    }
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }
}

impl From<Time> for SystemTime {
    fn from(time: Time) -> Self {
        Self::UNIX_EPOCH + Duration::from_micros(time.0)
    }
}

/// As RFC 3339 in UTC with milliseconds.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_microsecond(micros) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => f.write_str("(time out of range)"),
        }
    }
}
