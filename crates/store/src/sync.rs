//! What the crate synchronises with; real or loom's, which only `flightring_sync` knows.

pub(crate) use flightring_sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
pub(crate) use flightring_sync::{Mutex, RwLock};

/// A counter that one thread at a time (the holder of the writer's lock) changes and anybody reads. A load and a
/// store are enough, and cheaper than a read-modify-write. Not modelled: nothing is ordered by it.
#[derive(Debug)]
pub(crate) struct Counter(std::sync::atomic::AtomicU64);

impl Counter {
    pub(crate) fn new() -> Self {
        Self::starting_at(0)
    }

    pub(crate) fn starting_at(n: u64) -> Self {
        Self(std::sync::atomic::AtomicU64::new(n))
    }

    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn sub(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_sub(n), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
