//! What the crate synchronises with beside what `flightring_sync` has, once for real and once for loom; and how it uses the
//! asymmetric fences.
//!
//! A writer announces that it is inside a call and then looks whether its shard was sealed; the closer seals and then
//! looks who is inside. Each must see the other's store, which takes a full fence on both sides, and a full fence would
//! double the price of a record. So the writer's is the light one. Where the kernel refuses the heavy one, both sides
//! use a full fence.

pub(crate) use flightring_sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub(crate) use flightring_sync::hint::spin_loop;
pub(crate) use flightring_sync::thread::yield_now;
pub(crate) use flightring_sync::{Mutex, MutexGuard};

use flightring_sync::fences;

/// Whether writers may use the light fence. Asked once a process, before the first shard exists.
pub(crate) fn asymmetric() -> bool {
    fences::available()
}

/// The writer's half. `asymmetric` is what [`asymmetric`] said when the shard was made.
#[inline(always)]
pub(crate) fn fence_light(asymmetric: bool) {
    if asymmetric {
        fences::light();
    } else {
        fence(Ordering::SeqCst);
    }
}

/// The closer's half: after it, a store that a writer made before its light fence is visible here, or the
/// writer's load after that fence sees what was stored here before.
pub(crate) fn fence_heavy() {
    if asymmetric() {
        fences::heavy();
    } else {
        fence(Ordering::SeqCst);
    }
}

#[cfg(not(loom))]
mod real {
    use std::time::Duration;

    use rustix::thread::futex;

    use super::AtomicU32;

    /// Sleeps while `word` is `expected`, at most `timeout`. Wakes early for reasons of its own; callers look again.
    pub(crate) fn sleep_on(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        let limit = timeout.map(|duration| rustix::fs::Timespec {
            tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: duration.subsec_nanos().into(),
        });
        // Every outcome (woken, changed, timed out, interrupted) means the same to callers: look again.
        let _ = futex::wait(word, futex::Flags::PRIVATE, expected, limit.as_ref());
    }

    /// Wakes at most `count` threads that sleep on `word`.
    pub(crate) fn wake(word: &AtomicU32, count: u32) {
        let _ = futex::wake(word, futex::Flags::PRIVATE, count);
    }
}

#[cfg(loom)]
mod model {
    use std::time::Duration;

    use super::{AtomicU32, Ordering, yield_now};

    /// A sleep that ends only when the word changes: a wake-up that is missing shows as a model that does not end.
    pub(crate) fn sleep_on(word: &AtomicU32, expected: u32, _timeout: Option<Duration>) {
        while word.load(Ordering::Relaxed) == expected {
            yield_now();
        }
    }

    pub(crate) fn wake(_word: &AtomicU32, _count: u32) {}
}

#[cfg(loom)]
pub(crate) use model::*;
#[cfg(not(loom))]
pub(crate) use real::*;
