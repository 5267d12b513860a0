//! The only place that knows whether atomics and locks are real or loom's.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

#[cfg(loom)]
pub(crate) use modelled::{Mutex, MutexGuard, RwLock};
#[cfg(not(loom))]
pub(crate) use parking_lot::{Mutex, MutexGuard, RwLock};

/// Gives a lock to whoever waits for it longest.
pub(crate) fn unlock_fair<T>(guard: MutexGuard<'_, T>) {
    #[cfg(not(loom))]
    MutexGuard::unlock_fair(guard);
    #[cfg(loom)]
    drop(guard);
}

#[cfg(loom)]
pub(crate) use modelled::{fence_heavy, fence_light, fences_available, patience, thread_number};
#[cfg(not(loom))]
pub(crate) use real::{fence_heavy, fence_light, fences_available, patience, thread_number};

/// Fences of which one side costs nothing, see `biased`.
#[cfg(not(loom))]
mod real {
    use std::cell::Cell;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering, compiler_fence, fence};
    use std::thread;
    use std::time::Duration;

    use rustix::thread::{MembarrierCommand, membarrier};

    /// A number that no other thread of this process has or had; never 0. Without a destructor, so that it is there in
    /// every destructor.
    #[inline]
    pub(crate) fn thread_number() -> u64 {
        static LAST: AtomicU64 = AtomicU64::new(0);
        thread_local! {
            static NUMBER: Cell<u64> = const { Cell::new(0) };
        }
        NUMBER.with(|number| {
            if number.get() == 0 {
                number.set(LAST.fetch_add(1, Ordering::Relaxed) + 1);
            }
            number.get()
        })
    }

    /// Half of a full fence, for the side that must be fast: the other half is [`fence_heavy`], on the other side.
    #[inline]
    pub(crate) fn fence_light() {
        compiler_fence(Ordering::SeqCst);
    }

    /// A full fence here and, as seen from here, in every other thread of the process.
    #[cold]
    pub(crate) fn fence_heavy() {
        fence(Ordering::SeqCst);
        // Registration does not survive in every child of fork(), and a sandbox may have been closed meanwhile.
        let fence_all = || membarrier(MembarrierCommand::PrivateExpedited).is_ok();
        let fenced = fence_all() || (register() && fence_all());
        if !fenced {
            // What was stored leaves its CPU within microseconds by itself.
            thread::sleep(Duration::from_millis(1));
        }
        fence(Ordering::SeqCst);
    }

    /// Whether [`fence_heavy`] is what it should be: Linux 4.14, and not forbidden to us.
    pub(crate) fn fences_available() -> bool {
        static AVAILABLE: OnceLock<bool> = OnceLock::new();
        *AVAILABLE.get_or_init(register)
    }

    fn register() -> bool {
        membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
    }

    /// Waits for something that takes as long as copying some bytes, unless its thread was preempted.
    pub(crate) fn patience(waited: &mut u32) {
        *waited += 1;
        match waited {
            0..16 => (0..4).for_each(|_| std::hint::spin_loop()),
            16..64 => thread::yield_now(),
            // Also reached when a thread of higher priority keeps the other one off the CPU by yielding only.
            _ => thread::sleep(Duration::from_micros(50)),
        }
    }
}

/// loom's locks, with the functions that parking_lot's have, and fences that are whole on both sides.
#[cfg(loom)]
mod modelled {
    use std::sync::PoisonError;

    use super::{Ordering, fence};

    pub(crate) use loom::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

    /// A thread's number; the model's threads come and go, so they are never given twice.
    pub(crate) fn thread_number() -> u64 {
        static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        loom::thread_local! {
            static NUMBER: u64 = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        }
        NUMBER.with(|number| *number)
    }

    pub(crate) fn fence_light() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn fence_heavy() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn fences_available() -> bool {
        true
    }

    pub(crate) fn patience(_waited: &mut u32) {
        loom::thread::yield_now();
    }

    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }

    #[derive(Debug)]
    pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::RwLock::new(value))
        }

        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

/// A counter that one thread at a time (the holder of the writer's lock) changes and anybody reads. A load and a
/// store are enough, and cheaper than a read-modify-write. Not modelled: nothing is ordered by it.
#[derive(Debug)]
pub(crate) struct Counter(std::sync::atomic::AtomicU64);

impl Counter {
    pub(crate) fn new() -> Self {
        Self(std::sync::atomic::AtomicU64::new(0))
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
