use std::ptr;
use std::time::Instant;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use rustix::thread::futex;

use super::{AtomicU32, AtomicU64, Ordering};

const WORD: usize = size_of::<u64>();

/// Words of memory, straight from the system: so the memory can be given back while the addresses stay good.
pub(crate) struct Memory;

impl Memory {
    /// `count` words, all zero and in whole pages, of which none is there before it is written. `None` if there are not so many.
    pub(crate) fn allocate(count: usize) -> Option<*mut AtomicU64> {
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping, where the system likes.
        let mapped = unsafe { mmap_anonymous(ptr::null_mut(), count * WORD, protection, flags) };
        mapped.ok().map(<*mut _>::cast)
    }

    /// Makes all of it zero, as a store by this thread would.
    pub(crate) fn discard(words: &[AtomicU64]) {
        let start = words.as_ptr().cast_mut().cast();
        // SAFETY: the mapping is ours, and atomics may be changed through a shared reference: the system replaces whole pages by
        // zeros, which is a valid value of every byte.
        // It fails for memory that the host has locked, which then stays; what is in it nobody asks for.
        let _ = unsafe { madvise(start, size_of_val(words), Advice::LinuxDontNeed) };
    }

    /// # Safety
    /// The words are from [`allocate`](Self::allocate), with this count, and nothing uses them any more.
    pub(crate) unsafe fn free(words: *mut AtomicU64, count: usize) {
        // SAFETY: the caller's promise. It cannot fail for a whole mapping, and nothing could be done.
        let _ = unsafe { munmap(words.cast(), count * WORD) };
    }
}

/// A number to sleep on until it changes.
pub(crate) struct Bell(AtomicU32);

impl Bell {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Wakes everybody who sleeps, and keeps those awake who were about to.
    #[cold]
    pub(crate) fn ring(&self) {
        self.0.fetch_add(1, Ordering::Release);
        // It fails for no address that we can pass.
        let _ = futex::wake(&self.0, futex::Flags::PRIVATE, i32::MAX as u32);
    }

    /// Sleeps until the bell is rung after `count` was read, or until `deadline`, or for no reason at all.
    pub(crate) fn sleep(&self, count: u32, deadline: Option<Instant>) {
        let timeout = deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            rustix::time::Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        // Woken, changed before, interrupted, timed out: the caller looks at the state in each case.
        let _ = futex::wait(&self.0, futex::Flags::PRIVATE, count, timeout.as_ref());
    }
}
