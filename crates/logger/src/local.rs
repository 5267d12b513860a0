//! What a thread remembers: which shard it owns in which logger.
//!
//! It is a list of claims in thread-local storage without a destructor, so that a call from another destructor (of a
//! thread or of a static) finds it as usable as ever. The shards are given back by the destructor of a pthread key, and
//! the list is kept for the next thread, whose first call then allocates nothing. Only the first record in a logger, and
//! what else is rare, looks here; see [`crate::seat`] for the rest.
//!
//! A child of `fork` has one thread, and none of the shards are its own. A handler in the child forgets that
//! thread's claims and gives it another token, so its next call takes the slow path, which looks at the generation.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::{OnceLock, Weak};

use crate::place;
use crate::pool::Pool;
use crate::token;

/// All zeroes when a thread begins.
pub(crate) struct Local {
    claims: Cell<*mut Claims>,
    /// The kernel's id of the thread; 0 = not asked yet.
    thread: Cell<u32>,
    /// Inside the slow path, which a signal handler must not enter again.
    inside: Cell<bool>,
    /// The claims were given back: the thread is being torn down.
    leaving: Cell<bool>,
    /// A worker of ours: must never wait for itself.
    worker: Cell<bool>,
}

/// A thread's place in one logger.
pub(crate) struct Claim {
    logger: u64,
    pool: Weak<Pool>,
    /// The seat it has; none = it shares the overflow.
    pub(crate) seat: Option<usize>,
    /// Whether it will be given back. Otherwise it must not take a seat.
    pub(crate) kept: bool,
}

/// A thread's places in all loggers.
struct Claims(Vec<Claim>);

impl Claim {
    fn give_back(&self) {
        if let (Some(pool), Some(index)) = (self.pool.upgrade(), self.seat) {
            pool.stand_up(index);
        }
    }
}

/// Empty lists that ended threads have left for new ones. Taking and leaving one wait for nobody, so a child of `fork` may do so,
/// whatever its parent's threads were doing.
struct Spares([AtomicPtr<Claims>; 64]);

static SPARES: Spares = Spares([const { AtomicPtr::new(ptr::null_mut()) }; 64]);

/// A list that grew beyond this is not kept.
const SPARE_CLAIMS: usize = 16;

impl Spares {
    fn take(&self) -> Box<Claims> {
        for place in &self.0 {
            if !place.load(Ordering::Relaxed).is_null() {
                let list = place.swap(ptr::null_mut(), Ordering::Acquire);
                if !list.is_null() {
                    // SAFETY: `put_back` made it from a box, and whoever swaps it out has it alone.
                    return unsafe { Box::from_raw(list) };
                }
            }
        }
        Box::new(Claims(Vec::with_capacity(4)))
    }

    fn put_back(&self, mut list: Box<Claims>) {
        list.0.clear();
        if list.0.capacity() > SPARE_CLAIMS {
            return;
        }
        let list = Box::into_raw(list);
        for place in &self.0 {
            if place.load(Ordering::Relaxed).is_null()
                && (place.compare_exchange(
                    ptr::null_mut(),
                    list,
                    Ordering::Release,
                    Ordering::Relaxed,
                ))
                .is_ok()
            {
                return;
            }
        }
        // SAFETY: it was made from a box just above, and no place has it.
        drop(unsafe { Box::from_raw(list) });
    }
}

/// Proof that the thread is in the slow path, once.
pub(crate) struct Inside(());

impl Inside {
    /// None if the thread is in there already.
    pub(crate) fn enter() -> Option<Self> {
        place::with(|local| (!local.inside.replace(true)).then_some(Self(())))
    }

    /// Lets `f` look at the thread's claim for a logger, which `first` makes when there is none. A thread that is
    /// being torn down gets a claim without a seat, and so does one whose claims cannot be given back.
    pub(crate) fn with_claim<R>(
        &self,
        logger: u64,
        pool: impl FnOnce() -> Weak<Pool>,
        first: impl FnOnce() -> Option<usize>,
        f: impl FnOnce(&mut Claim) -> R,
    ) -> R {
        place::with(|local| {
            if local.leaving.get() {
                return f(&mut Claim { logger, pool: Weak::new(), seat: None, kept: false });
            }
            let mut list = local.claims.get();
            if list.is_null() {
                list = Box::into_raw(SPARES.take());
                if !remember(list) {
                    // SAFETY: `list` was made from a box just above and given to nobody.
                    SPARES.put_back(unsafe { Box::from_raw(list) });
                    return f(&mut Claim { logger, pool: Weak::new(), seat: None, kept: false });
                }
                local.claims.set(list);
            }
            // SAFETY: the list belongs to this thread alone, `self` proves that nothing else in the thread is using
            // it, and only the key's destructor, which runs outside of any call, frees it.
            let list = unsafe { &mut (*list).0 };
            let index = list.iter().position(|claim| claim.logger == logger).unwrap_or_else(|| {
                list.retain(|claim| claim.pool.strong_count() > 0);
                list.push(Claim { logger, pool: pool(), seat: first(), kept: true });
                list.len() - 1
            });
            f(&mut list[index])
        })
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        place::with(|local| local.inside.set(false));
    }
}

/// Marks the calling thread as one of the library's own.
pub(crate) fn become_worker() {
    place::with(|local| local.worker.set(true));
}

/// Whether the calling thread is one of the library's own, which must not wait for room that it has to make.
pub(crate) fn is_worker() -> bool {
    place::with(|local| local.worker.get())
}

/// The kernel's id of the calling thread.
#[inline]
pub(crate) fn thread_id() -> u32 {
    place::with(|local| match local.thread.get() {
        0 => {
            let id = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
            local.thread.set(id);
            id
        }
        id => id,
    })
}

/// Grows with every fork: what was made under another generation belongs to the parent.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The generation of the calling process.
#[inline]
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Registers the fork handler and the pthread key, once a process. Returns whether the key exists.
pub(crate) fn prepare() -> bool {
    key().is_some()
}

fn key() -> Option<libc::pthread_key_t> {
    static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();
    *KEY.get_or_init(|| {
        // SAFETY: the handler only touches atomics and the calling thread's own cells.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        let mut key = 0;
        // SAFETY: `key` is a valid place for the answer, and the destructor takes what `remember` stores.
        (unsafe { libc::pthread_key_create(&raw mut key, Some(thread_ends)) } == 0).then_some(key)
    })
}

fn remember(list: *mut Claims) -> bool {
    key().is_some_and(|key| {
        // SAFETY: the key was created and is never deleted.
        unsafe { libc::pthread_setspecific(key, list.cast()) == 0 }
    })
}

extern "C" fn thread_ends(list: *mut libc::c_void) {
    place::with(|local| {
        local.leaving.set(true);
        local.claims.set(ptr::null_mut());
    });
    // SAFETY: the key's value is the box that `with_claim` leaked, and pthread passes it exactly once; no call of
    // this thread is using it, because destructors run after the thread's function has returned.
    let list = unsafe { Box::from_raw(list.cast::<Claims>()) };
    list.0.iter().for_each(Claim::give_back);
    SPARES.put_back(list);
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    token::forked();
    place::with(|local| {
        // Leaked: freeing it here could need a lock that another thread held when the process forked.
        local.claims.set(ptr::null_mut());
        local.inside.set(false);
        local.worker.set(false);
        local.thread.set(0);
    });
    if let Some(key) = key() {
        // SAFETY: the key exists; a null value has no destructor to run.
        unsafe { libc::pthread_setspecific(key, ptr::null()) };
    }
}
