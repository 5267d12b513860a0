//! Times from the processor's time stamp counter: about as cheap as the coarse clock, and fine.
//!
//! A line through two points turns ticks into nanoseconds since 1970. It is renewed every second or so against
//! `CLOCK_REALTIME`: its slope is what was measured since the last time, bent a little so that it comes back to the clock
//! within seconds. So times do not jump, except where the clock itself was set. The line is shared by all loggers of the
//! process, and guarded by a sequence number that readers check before and after; nobody waits.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

use parking_lot::Mutex;

use crate::TimeSource;
use crate::clock;

/// How often the line should be renewed.
pub(crate) const PERIOD: Duration = Duration::from_secs(1);
/// How long the first measurement takes.
const FIRST: Duration = Duration::from_millis(20);
/// Less than this between two points says too little about the slope.
const SHORTEST_NS: u64 = 10_000_000;
/// Beyond this, somebody has set the clock: the line jumps.
const STEP_NS: i64 = 10_000_000;
/// Ticks and clock are brought together within so many periods: more is slower, much less would swing.
const GAIN: i64 = 8;

/// Odd while the line is being changed.
static SEQUENCE: AtomicU64 = AtomicU64::new(0);
static BASE_TICKS: AtomicU64 = AtomicU64::new(0);
static BASE_NS: AtomicU64 = AtomicU64::new(0);
/// Nanoseconds a tick, times 2^32.
static SLOPE: AtomicU64 = AtomicU64::new(0);

/// The time now. [`start`] must have returned true before.
#[inline]
pub(crate) fn now() -> u64 {
    let before = SEQUENCE.load(Ordering::Acquire);
    let line = Line {
        ticks: BASE_TICKS.load(Ordering::Relaxed),
        ns: BASE_NS.load(Ordering::Relaxed),
        slope: SLOPE.load(Ordering::Relaxed),
    };
    fence(Ordering::Acquire);
    if before & 1 != 0 || SEQUENCE.load(Ordering::Relaxed) != before {
        return clock::now(TimeSource::Realtime);
    }
    line.at(ticks())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    ticks: u64,
    ns: u64,
    slope: u64,
}

impl Line {
    #[inline]
    fn at(self, ticks: u64) -> u64 {
        // Another processor's counter may be a little behind.
        let passed = ticks.wrapping_sub(self.ticks) as i64;
        let ns = (i128::from(passed) * i128::from(self.slope)) >> 32;
        self.ns.saturating_add_signed(ns as i64)
    }

    /// The line to go on with, given the last point and this one.
    fn renewed(self, last: Point, point: Point) -> Self {
        let ns = point.ns.wrapping_sub(last.ns) as i64;
        let ticks = point.ticks.wrapping_sub(last.ticks);
        let measured = (u128::from(ns.unsigned_abs()) << 32) / u128::from(ticks.max(1));
        let measured = u64::try_from(measured).unwrap_or(u64::MAX);
        let predicted = self.at(point.ticks);
        let error = point.ns.wrapping_sub(predicted) as i64;
        // The clock itself may be slewed by 500 parts in a million; more is a step, or a poor measurement.
        let is_plausible = ns > 0 && measured.abs_diff(self.slope) <= self.slope / 200;
        let slope = if is_plausible { measured } else { self.slope };
        if error.abs() > STEP_NS {
            return Self { ticks: point.ticks, ns: point.ns, slope };
        }
        let bend = i128::from(slope) * i128::from(error / GAIN) / PERIOD.as_nanos() as i128;
        let slope = slope.saturating_add_signed(i64::try_from(bend).unwrap_or(0));
        Self { ticks: point.ticks, ns: predicted, slope }
    }

    fn publish(self) {
        let before = SEQUENCE.load(Ordering::Relaxed);
        SEQUENCE.store(before + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        BASE_TICKS.store(self.ticks, Ordering::Relaxed);
        BASE_NS.store(self.ns, Ordering::Relaxed);
        SLOPE.store(self.slope, Ordering::Relaxed);
        SEQUENCE.store(before + 2, Ordering::Release);
    }
}

/// Both at the same moment.
#[derive(Debug, Clone, Copy)]
struct Point {
    ticks: u64,
    ns: u64,
}

impl Point {
    /// The best of some attempts: the one that was interrupted least.
    fn measure() -> Self {
        let attempt = |_| {
            let before = ticks();
            let ns = clock::now(TimeSource::Realtime);
            let after = ticks();
            let took = after.wrapping_sub(before);
            (took, Self { ticks: before.wrapping_add(took / 2), ns })
        };
        let mut best = attempt(0);
        for attempt in (1..10).map(attempt) {
            if attempt.0 < best.0 {
                best = attempt;
            }
        }
        best.1
    }
}

/// The line as it is, and the point it was made from.
static CURRENT: Mutex<Option<(Line, Point)>> = Mutex::new(None);

/// Makes the counter ready for use, which takes 20 ms the first time. False: this machine's cannot be relied on.
pub(crate) fn start() -> bool {
    static RELIABLE: OnceLock<bool> = OnceLock::new();
    if !*RELIABLE.get_or_init(is_reliable) {
        return false;
    }
    let mut current = CURRENT.lock();
    if current.is_none() {
        let first = Point::measure();
        std::thread::sleep(FIRST);
        let point = Point::measure();
        let ns = u128::from(point.ns.saturating_sub(first.ns));
        let ticks = u128::from(point.ticks.wrapping_sub(first.ticks));
        let slope = u64::try_from((ns << 32) / ticks.max(1)).unwrap_or(0);
        // Between a tick of 0.1 and one of 10 ns; otherwise somebody has set the clock meanwhile.
        if !(1 << 28..10 << 32).contains(&slope) {
            return false;
        }
        let line = Line { ticks: point.ticks, ns: point.ns, slope };
        line.publish();
        *current = Some((line, point));
    }
    drop(current);
    renew();
    true
}

/// Brings the line up to date, unless that was done a moment ago or is being done.
pub(crate) fn renew() {
    let Some(mut current) = CURRENT.try_lock() else { return };
    let Some((line, last)) = &mut *current else { return };
    let point = Point::measure();
    if point.ns.abs_diff(last.ns) >= SHORTEST_NS {
        *line = line.renewed(*last, point);
        *last = point;
        line.publish();
    }
}

/// The counter runs at one rate whatever the processor does, and the kernel has found those of all processors in step.
#[cfg(target_arch = "x86_64")]
fn is_reliable() -> bool {
    use std::arch::x86_64::__cpuid;
    const POWER: u32 = 0x8000_0007;
    const INVARIANT: u32 = 1 << 8;
    let is_invariant = __cpuid(0x8000_0000).eax >= POWER && __cpuid(POWER).edx & INVARIANT != 0;
    let clocks = "/sys/devices/system/clocksource/clocksource0/available_clocksource";
    let known = std::fs::read_to_string(clocks).unwrap_or_default();
    is_invariant && known.split_whitespace().any(|name| name == "tsc")
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and reading the counter touches no memory.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn is_reliable() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn ticks() -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three gigahertz.
    const TICKS: u64 = 3_000_000_000;

    fn point(seconds: u64, late_ns: i64) -> Point {
        Point {
            ticks: seconds * TICKS,
            ns: (seconds * 1_000_000_000).saturating_add_signed(late_ns),
        }
    }

    #[test]
    fn an_error_dies_away_without_a_jump() {
        // Begun 50 us off, with a slope that is off by 10 parts in a million.
        let slope = (1u64 << 32) / 3;
        let mut line = Line { ticks: 0, ns: 1_050_000, slope: slope + slope / 100_000 };
        let mut last = point(0, 1_000_000);
        for second in 1..60 {
            let now = point(second, 1_000_000);
            let (before, next) = (line.at(now.ticks), line.renewed(last, now));
            assert_eq!(next.at(now.ticks), before, "no jump");
            (line, last) = (next, now);
        }
        assert!(line.at(last.ticks).abs_diff(last.ns) < 1000, "{line:?}");
    }

    #[test]
    fn a_clock_that_is_set_is_followed_at_once() {
        let line = Line { ticks: 0, ns: 0, slope: (1 << 32) / 3 };
        for step in [3_600_000_000_000, -400_000_000] {
            let now = point(1, step);
            let next = line.renewed(point(0, 0), now);
            assert_eq!((next.at(now.ticks), next.slope), (now.ns, line.slope));
        }
    }

    #[test]
    fn it_agrees_with_the_clock() {
        if !start() {
            eprintln!("skipped: no reliable counter here");
            return;
        }
        for _ in 0..300 {
            renew();
            std::thread::sleep(Duration::from_millis(1));
            let before = clock::now(TimeSource::Realtime);
            let here = now();
            let after = clock::now(TimeSource::Realtime);
            // Generous: a clock may be slewed, and a machine stopped, at any moment.
            let margin = 20_000_000;
            assert!(here + margin >= before && here <= after + margin, "{before} {here} {after}");
        }
    }
}
