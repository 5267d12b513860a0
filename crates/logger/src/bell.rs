//! Waking by futex, paid for only by those who wait.

use std::time::Duration;

use crate::sync::{AtomicU32, Ordering, fence, sleep_on, wake};

const AWAKE: u32 = 0;
const PARKED: u32 = 1;

/// Wakes one parked thread. Ringing while nobody is parked is a fence and a load.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    state: AtomicU32,
}

impl Bell {
    /// Wakes the thread that parked here, or is about to.
    #[inline]
    pub(crate) fn ring(&self) {
        // Pairs with the fence in `park`: either its look at the work sees what was published before this ring, or
        // the load below sees that it is parked.
        fence(Ordering::SeqCst);
        if self.state.load(Ordering::Relaxed) == PARKED
            && self.state.swap(AWAKE, Ordering::Relaxed) == PARKED
        {
            wake(&self.state, 1);
        }
    }

    /// Sleeps until somebody rings or the time is over, unless `work` is already there. For one thread only.
    pub(crate) fn park(&self, timeout: Option<Duration>, work: impl FnOnce() -> bool) {
        self.state.store(PARKED, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !work() {
            sleep_on(&self.state, PARKED, timeout);
        }
        self.state.store(AWAKE, Ordering::Relaxed);
    }
}

/// Lets any number of threads wait for a condition that one thread makes true.
#[derive(Debug, Default)]
pub(crate) struct Gong {
    waiting: AtomicU32,
    strokes: AtomicU32,
}

impl Gong {
    /// Says that the condition may have changed. Costs a fence and a load while nobody waits.
    pub(crate) fn strike(&self) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) != 0 {
            self.strokes.fetch_add(1, Ordering::Release);
            wake(&self.strokes, i32::MAX.unsigned_abs());
        }
    }

    /// Sleeps until the next stroke or the time is over, unless `done` already holds. Callers look again after it.
    pub(crate) fn wait(&self, timeout: Duration, done: impl FnOnce() -> bool) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let seen = self.strokes.load(Ordering::Acquire);
        fence(Ordering::SeqCst);
        if !done() {
            sleep_on(&self.strokes, seen, Some(timeout));
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
