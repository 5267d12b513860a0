//! The only module that knows whether the crate runs on real threads or under loom.
//!
//! Besides the primitives it holds the **asymmetric fence**. A writer announces that it is inside a call and then looks
//! whether its shard was sealed; the closer seals and then looks who is inside. Each must see the other's store, which
//! takes a full fence on both sides, and a full fence would double the price of a record. `membarrier(2)` lets the
//! rare side pay for both: it makes every running thread of the process execute a fence, so the writer's side
//! shrinks to an order for the compiler. Where the kernel refuses it, both sides use a full fence.

#[cfg(not(loom))]
mod real {
    pub(crate) use parking_lot::{Mutex, MutexGuard};
    pub(crate) use std::hint::spin_loop;
    pub(crate) use std::sync::atomic::{
        AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(crate) use std::thread::yield_now;

    use std::sync::OnceLock;
    use std::sync::atomic::compiler_fence;
    use std::time::Duration;

    use rustix::thread::futex;

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

    const QUERY: libc::c_int = 0;
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    fn membarrier(command: libc::c_int) -> libc::c_long {
        // SAFETY: membarrier takes three integers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }
    }

    /// Whether writers may use the light fence. Asked once a process, before the first shard exists.
    pub(crate) fn asymmetric() -> bool {
        static ASYMMETRIC: OnceLock<bool> = OnceLock::new();
        *ASYMMETRIC.get_or_init(|| {
            membarrier(QUERY) & libc::c_long::from(PRIVATE_EXPEDITED) != 0
                && membarrier(REGISTER_PRIVATE_EXPEDITED) == 0
        })
    }

    /// The writer's half. `asymmetric` is what [`asymmetric`] said when the shard was made.
    #[inline(always)]
    pub(crate) fn fence_light(asymmetric: bool) {
        if asymmetric {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// The closer's half: after it, a store that a writer made before its light fence is visible here, or the
    /// writer's load after that fence sees what was stored here before.
    pub(crate) fn fence_heavy() {
        fence(Ordering::SeqCst);
        if asymmetric() {
            membarrier(PRIVATE_EXPEDITED);
        }
        fence(Ordering::SeqCst);
    }
}

#[cfg(loom)]
mod model {
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::atomic::{
        AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(crate) use loom::thread::yield_now;
    use std::time::Duration;

    /// A sleep that ends only when the word changes: a wake-up that is missing shows as a model that does not end.
    pub(crate) fn sleep_on(word: &AtomicU32, expected: u32, _timeout: Option<Duration>) {
        while word.load(Ordering::Relaxed) == expected {
            yield_now();
        }
    }

    pub(crate) fn wake(_word: &AtomicU32, _count: u32) {}

    /// loom's mutex with the signature of the real one.
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().expect("a model that panicked is over")
        }
    }

    pub(crate) fn asymmetric() -> bool {
        false
    }

    pub(crate) fn fence_light(_asymmetric: bool) {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn fence_heavy() {
        fence(Ordering::SeqCst);
    }
}

#[cfg(loom)]
pub(crate) use model::*;
#[cfg(not(loom))]
pub(crate) use real::*;
