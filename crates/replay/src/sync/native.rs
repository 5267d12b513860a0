use std::cell::Cell;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::compiler_fence;
use std::thread;
use std::time::{Duration, Instant};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use rustix::thread::futex;

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub(crate) use std::thread::yield_now;

pub(crate) use parking_lot::Mutex;

const WORD: usize = size_of::<u64>();

/// A number that no other thread of this process has or had; never 0. Without a destructor, so that it is there in every
/// destructor.
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
    let fence_all = || membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
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
    membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the call takes three integers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Lets a thread that holds the CPU's attention for a while give it up for good.
pub(crate) fn rest() {
    std::thread::sleep(Duration::from_micros(50));
}

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
