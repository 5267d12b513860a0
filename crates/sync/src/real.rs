//! The primitives that programs run with.

pub use parking_lot::{Mutex, MutexGuard, RwLock};
pub use std::hint;
pub use std::sync::atomic;

/// Gives a lock to whoever waits for it longest.
pub fn unlock_fair<T>(guard: MutexGuard<'_, T>) {
    MutexGuard::unlock_fair(guard);
}

/// Asymmetric fences.
///
/// Two threads that each store something and then look at what the other one stored need a full fence in between, both of
/// them, or they may miss each other. `membarrier(2)` lets one side pay for both: it runs a fence on every CPU that runs a
/// thread of this process, so that on the other side an order for the compiler is enough.
pub mod fences {
    use std::sync::OnceLock;
    use std::sync::atomic::{Ordering, compiler_fence, fence};
    use std::thread;
    use std::time::Duration;

    use rustix::thread::{MembarrierCommand, membarrier};

    /// Half of a full fence, for the side that must be fast: the other half is [`heavy`], on the other side. Only where they
    /// are [`available`].
    #[inline(always)]
    pub fn light() {
        compiler_fence(Ordering::SeqCst);
    }

    /// A full fence here and, as seen from here, in every other thread of the process. Takes microseconds.
    #[cold]
    pub fn heavy() {
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

    /// Whether [`heavy`] is what it should be: Linux 4.14, and not forbidden to us. Asked once a process.
    pub fn available() -> bool {
        static AVAILABLE: OnceLock<bool> = OnceLock::new();
        *AVAILABLE.get_or_init(register)
    }

    fn register() -> bool {
        membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
    }
}

/// What concerns the calling thread.
pub mod thread {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    pub use std::thread::yield_now;

    /// A number that no other thread of this process has or had; never 0. Without a destructor, so that it is there in
    /// every destructor.
    #[inline]
    #[must_use]
    pub fn number() -> u64 {
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

    /// What the kernel calls the calling thread.
    #[must_use]
    pub fn kernel_id() -> u32 {
        rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()
    }

    /// Whether there is no thread of this process any more that the kernel calls so. When in doubt there is one.
    #[must_use]
    #[allow(unsafe_code)] // a system call without a wrapper
    pub fn has_ended(kernel_id: u32) -> bool {
        // SAFETY: signal 0 is none; it is only looked whether one could be sent, and no memory is touched.
        let result = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), kernel_id, 0) };
        result == -1 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
    }

    /// Gives the CPU up for a while, also to threads of lower priority.
    pub fn rest() {
        std::thread::sleep(Duration::from_micros(50));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::{fences, thread};
    use crate::Patience;

    #[test]
    fn threads_have_different_numbers_that_stay() {
        let numbers = std::thread::scope(|scope| {
            let threads = [(); 50].map(|()| {
                scope.spawn(|| {
                    let mine = thread::number();
                    assert_eq!(mine, thread::number());
                    mine
                })
            });
            threads.map(|thread| thread.join().unwrap())
        });
        assert!(!numbers.contains(&0));
        assert_eq!(HashSet::from(numbers).len(), 50);
    }

    /// Without the fences they do, though not in every run.
    #[test]
    fn two_threads_that_store_and_then_look_do_not_miss_each_other() {
        const ROUNDS: u32 = 20_000;
        if !fences::available() {
            return;
        }
        let [arrived, light, heavy] = [const { AtomicU32::new(0) }; 3];
        // Both begin a round at the same time, as nearly as can be.
        let meet = |count: u32| {
            arrived.fetch_add(1, Ordering::AcqRel);
            let mut patience = Patience::new();
            while arrived.load(Ordering::Acquire) < count {
                patience.pause();
            }
        };
        let rounds = |mine: &AtomicU32, other: &AtomicU32, fence: fn()| {
            let round = |round: u32| {
                meet(4 * round - 2);
                mine.store(round, Ordering::Relaxed);
                fence();
                let missed = other.load(Ordering::Relaxed) < round;
                meet(4 * round);
                missed
            };
            (1..=ROUNDS).map(round).collect::<Vec<_>>()
        };
        let (a, b) = std::thread::scope(|scope| {
            let a = scope.spawn(|| rounds(&light, &heavy, fences::light));
            (rounds(&heavy, &light, fences::heavy), a.join().unwrap())
        });
        assert!(a.iter().zip(&b).all(|(a, b)| !(*a && *b)));
    }
}
