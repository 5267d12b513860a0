//! Times of records, in Unix nanoseconds.

use rustix::time::{ClockId, clock_gettime};

use crate::{TimeSource, tsc};

/// The time now, from `source`.
#[inline]
pub(crate) fn now(source: TimeSource) -> u64 {
    let clock = match source {
        TimeSource::Realtime => ClockId::Realtime,
        TimeSource::Coarse => ClockId::RealtimeCoarse,
        TimeSource::Tsc => return tsc::now(),
    };
    let time = clock_gettime(clock);
    // A clock set before 1970 gives 0, which readers take for "not known".
    u64::try_from(time.tv_sec)
        .unwrap_or(0)
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// What is used where `source` is asked for.
pub(crate) fn usable(source: TimeSource) -> TimeSource {
    match source {
        TimeSource::Tsc if !tsc::start() => TimeSource::Realtime,
        usable => usable,
    }
}
