use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::compiler_fence;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_epoch::{Atomic, Collector, LocalHandle, Owned, Shared};
use rustix::thread::futex;

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub(crate) use std::thread::yield_now;

pub(crate) use crossbeam_epoch::Guard;
pub(crate) use parking_lot::Mutex;

/// One for all buffers of the process, and not crossbeam's default one: what the host does there is not ours
/// to delay.
fn collector() -> &'static Collector {
    static COLLECTOR: OnceLock<Collector> = OnceLock::new();
    COLLECTOR.get_or_init(Collector::new)
}

thread_local! {
    static HANDLE: LocalHandle = collector().register();
    static PINS: Cell<u32> = const { Cell::new(0) };
}

/// How often a thread pins before it passes on what it has to free. Reclaiming gives every thread that pins a share of the
/// work, and by itself a share of up to 64 entries of 2 KiB would be kept by each.
const PINS_PER_FLUSH: u32 = 256;

/// While the guard lives, nothing that a [`Slot`] held at its creation or later is freed.
#[inline]
pub(crate) fn pin() -> Guard {
    // A thread that is being torn down has lost its handle, and may still call.
    let guard = HANDLE.try_with(LocalHandle::pin).unwrap_or_else(|_| collector().register().pin());
    let pins = PINS.get().wrapping_add(1);
    PINS.set(pins);
    if pins.is_multiple_of(PINS_PER_FLUSH) {
        guard.flush();
    }
    guard
}

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

/// Owns at most one `T`, readable while it is being replaced.
pub(crate) struct Slot<T>(Atomic<T>);

impl<T: Send + Sync + 'static> Slot<T> {
    pub(crate) fn empty() -> Self {
        Self(Atomic::null())
    }

    #[inline]
    pub(crate) fn get<'g>(&self, guard: &'g Guard) -> Option<&'g T> {
        // SAFETY: the pointer is null or came from `fill`, and `retire` defers freeing it past every guard that
        // could have loaded it, this one included.
        unsafe { self.0.load(Ordering::Acquire, guard).as_ref() }
    }

    /// As [`get`](Self::get), without a guard.
    ///
    /// # Safety
    /// While the reference lives, nobody may call `retire`.
    #[inline]
    pub(crate) unsafe fn get_unguarded(&self) -> Option<&T> {
        // SAFETY: by the caller's promise the value stays in the slot, which owns it, so it is not freed.
        unsafe { self.0.load(Ordering::Acquire, crossbeam_epoch::unprotected()).as_ref() }
    }

    /// Puts `value` into the slot, which must be empty.
    pub(crate) fn fill(&self, value: Box<T>) {
        self.0.store(Owned::from(value), Ordering::Release);
    }

    pub(crate) fn is_empty(&self) -> bool {
        // The pointer is compared with null, never followed.
        self.0.load(Ordering::Relaxed, &pin()).is_null()
    }

    /// Takes the value out; it is freed once no guard from before remains.
    ///
    /// # Safety
    /// No reference from `get_unguarded` may live, and no other thread may be inside `retire` or `fill`.
    pub(crate) unsafe fn retire(&self) {
        let guard = pin();
        let old = self.0.swap(Shared::null(), Ordering::AcqRel, &guard);
        if !old.is_null() {
            // SAFETY: `old` is out of the slot, so no later guard finds it, and by the caller's promise it was
            // taken out once.
            unsafe { guard.defer_destroy(old) };
        }
    }
}

/// Frees what was retired, as far as readers let it: the epoch has to advance twice.
pub(crate) fn reclaim() {
    for _ in 0..3 {
        pin().flush();
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        // SAFETY: `&mut self`: nobody else can load the pointer any more, and the slot owns what it points to.
        unsafe { drop(std::mem::replace(&mut self.0, Atomic::null()).try_into_owned()) };
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
