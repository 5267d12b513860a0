//! loom's primitives, with the functions that the real ones have.

use std::sync::PoisonError;

use loom::sync::{RwLockReadGuard, RwLockWriteGuard};

pub use loom::hint;
pub use loom::sync::{MutexGuard, atomic};

/// As the real one; whom loom lets have the lock is not decided here.
pub fn unlock_fair<T>(guard: MutexGuard<'_, T>) {
    drop(guard);
}

/// Both sides have the full fence that the real ones make up together.
pub mod fences {
    use loom::sync::atomic::{Ordering, fence};

    /// The fast side's fence.
    pub fn light() {
        fence(Ordering::SeqCst);
    }

    /// The other side's fence.
    pub fn heavy() {
        fence(Ordering::SeqCst);
    }

    /// Whether there are such fences.
    pub fn available() -> bool {
        true
    }
}

/// What concerns the calling thread.
pub mod thread {
    use std::sync::atomic::{AtomicU64, Ordering};

    pub use loom::thread::{yield_now, yield_now as rest};

    /// A thread's number; the model's threads come and go, so they are never given twice.
    #[must_use]
    pub fn number() -> u64 {
        static LAST: AtomicU64 = AtomicU64::new(0);
        loom::thread_local! {
            static NUMBER: u64 = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        }
        NUMBER.with(|number| *number)
    }

    /// Not asked for in a model.
    #[must_use]
    pub fn kernel_id() -> u32 {
        0
    }

    /// All threads of a model live on.
    #[must_use]
    pub fn has_ended(_kernel_id: u32) -> bool {
        false
    }
}

/// A lock that nobody poisons.
#[derive(Debug)]
pub struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// A free lock.
    pub fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// A lock for one writer or many readers that nobody poisons.
#[derive(Debug)]
pub struct RwLock<T>(loom::sync::RwLock<T>);

impl<T> RwLock<T> {
    /// A free lock.
    pub fn new(value: T) -> Self {
        Self(loom::sync::RwLock::new(value))
    }

    /// Waits for a reader's lock.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the writer's lock.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
