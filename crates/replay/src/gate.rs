use std::mem;
use std::task::Waker;
use std::time::Instant;

use crate::sync::{
    AtomicU32, AtomicU64, Bell, Mutex, Ordering, fence_heavy, fence_light, fences_available, rest,
    spin_loop, thread_number, yield_now,
};

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Free, and somebody sleeps until the next publication.
const WATCHED: u32 = 2;

/// How often in a row a thread takes the lock before it is given the bias. Each time the bias is taken away it becomes
/// harder to get.
const BIAS_AFTER: u32 = if cfg!(loom) { 1 } else { 64 };

/// The lock that serialises writers, together with the bell that wakes readers who wait for data.
///
/// # Nobody is missed
///
/// A sleeper must not be missed, and the usual protocol pays for that on the writer's side with a full fence between
/// "publish" and "does anybody sleep?". Here the question is answered by the exchange that takes the lock anyway: who
/// wants to sleep marks the *free* lock as watched, and never touches it while it is held. So a mark is set either
/// before a writer takes the lock, which then finds it, or after the writer published, which the marker then sees.
/// That also lets the lock be released by a plain store: while it is held, nobody else writes to the word.
///
/// The price is that a contender cannot leave a note for the holder. Contenders queue on a mutex instead, so that at
/// most one of them at a time tries in a loop, first spinning, then yielding, then sleeping briefly: the critical
/// section is one copy.
///
/// # One writer
///
/// Most buffers have one writer, and for it even one exchange is most of what a short write costs, because it waits until
/// the copy before has left the store buffer. So a thread that takes the lock many times in a row is made its *owner*:
/// it announces itself in `busy` with a plain store and looks whether it still is the owner. Whoever else wants the lock
/// takes the word, takes the ownership away, and waits until the owner is not busy. Either side writes first and then
/// looks at what the other one wrote, which needs a full fence on both; here the owner's is a compiler fence, and the
/// other side makes up for it by `membarrier`, which runs a fence on every CPU that runs a thread of this process
/// ("asymmetric fences"). In the same way an owner that has published looks for a mark, and who marks an owned lock
/// makes up for the owner's missing fence before it looks at what was published.
pub(crate) struct Gate {
    word: AtomicU32,
    /// The owner's thread number; 0 if there is none. Written under the word.
    owner: AtomicU64,
    /// Whether the owner holds the lock without having taken the word.
    busy: AtomicU32,
    /// Who took the word last, how often in a row, and what that takes for
    /// the bias. Guarded by the word.
    last: AtomicU64,
    streak: AtomicU32,
    needed: AtomicU32,
    bell: Bell,
    queue: Mutex<()>,
    /// Those who want to be called rather than to sleep.
    wakers: Mutex<Vec<Waker>>,
}

/// The right to write.
pub(crate) struct Held<'a> {
    gate: &'a Gate,
    watched: bool,
    /// Held by the owner, who has not taken the word.
    owned: bool,
    /// Whether there is something new for those who wait.
    pub(crate) published: bool,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicU32::new(FREE),
            owner: AtomicU64::new(0),
            busy: AtomicU32::new(0),
            last: AtomicU64::new(0),
            streak: AtomicU32::new(0),
            needed: AtomicU32::new(BIAS_AFTER),
            bell: Bell::new(),
            queue: Mutex::new(()),
            wakers: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn lock(&self) -> Held<'_> {
        self.lock_as_owner().unwrap_or_else(|| self.lock_word())
    }

    /// Takes the lock if this thread owns it, which costs no read-modify-write.
    #[inline(always)]
    pub(crate) fn lock_as_owner(&self) -> Option<Held<'_>> {
        let me = thread_number();
        if self.owner.load(Ordering::Relaxed) == me {
            self.busy.store(1, Ordering::Relaxed);
            fence_light();
            if self.owner.load(Ordering::Relaxed) == me {
                return Some(Held { gate: self, watched: false, owned: true, published: false });
            }
            self.step_back();
        }
        None
    }

    /// The ownership was taken away just now.
    #[cold]
    fn step_back(&self) {
        self.busy.store(0, Ordering::Release);
    }

    /// Takes the lock for a thread that does not own it.
    pub(crate) fn lock_word(&self) -> Held<'_> {
        let held = self.try_lock().unwrap_or_else(|| self.lock_contended());
        self.settle_owner(thread_number());
        held
    }

    /// Takes the ownership away from another thread, or gives it to this one. The word is held.
    fn settle_owner(&self, me: u64) {
        let owner = self.owner.load(Ordering::Relaxed);
        if owner != 0 {
            // This thread's own ownership was seen above, unless it was given up there.
            self.disown();
        }
        let again = self.last.load(Ordering::Relaxed) == me;
        let streak = if again { self.streak.load(Ordering::Relaxed) + 1 } else { 1 };
        self.last.store(me, Ordering::Relaxed);
        self.streak.store(streak, Ordering::Relaxed);
        if streak >= self.needed.load(Ordering::Relaxed) && me != 0 && fences_available() {
            self.streak.store(0, Ordering::Relaxed);
            self.owner.store(me, Ordering::Relaxed);
        }
    }

    #[cold]
    fn disown(&self) {
        let needed = self.needed.load(Ordering::Relaxed);
        self.needed.store(needed.saturating_mul(4), Ordering::Relaxed);
        self.owner.store(0, Ordering::Relaxed);
        fence_heavy();
        let mut patience = Patience::new();
        while self.busy.load(Ordering::Acquire) != 0 {
            patience.pause();
        }
    }

    #[inline]
    fn try_lock(&self) -> Option<Held<'_>> {
        let take =
            |mark| self.word.compare_exchange(mark, HELD, Ordering::Acquire, Ordering::Relaxed);
        let watched = match take(FREE) {
            Ok(_) => false,
            Err(WATCHED) => take(WATCHED).is_ok().then_some(true)?,
            Err(_) => return None,
        };
        Some(Held { gate: self, watched, owned: false, published: false })
    }

    #[cold]
    fn lock_contended(&self) -> Held<'_> {
        let _turn = self.queue.lock();
        let mut patience = Patience::new();
        loop {
            if let Some(held) = self.try_lock() {
                return held;
            }
            patience.pause();
        }
    }

    /// Sleeps until something is published or [`alarm`](Self::alarm) is called, unless `ready` says that there is
    /// nothing to wait for. It may also return for no reason at all.
    pub(crate) fn sleep(&self, deadline: Option<Instant>, ready: impl FnOnce() -> bool) {
        // Read first: whoever publishes after `ready` looked changes it.
        let count = self.bell.count();
        self.mark();
        if !ready() {
            self.bell.sleep(count, deadline);
        }
    }

    fn mark(&self) {
        let mut patience = Patience::new();
        loop {
            match self.word.compare_exchange_weak(
                FREE,
                WATCHED,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) | Err(WATCHED) => break,
                // A writer is at work, or the exchange failed for no reason.
                Err(_) => patience.pause(),
            }
        }
        // An owner becomes one under the word, which was free: it is seen here, or it takes the word again first.
        if self.owner.load(Ordering::Relaxed) != 0 {
            fence_heavy();
        }
    }

    /// Has `waker` called after the next publication, once, unless `ready` says that there is nothing to wait for.
    pub(crate) fn call_later<T>(
        &self,
        waker: &Waker,
        ready: impl FnOnce() -> Option<T>,
    ) -> Option<T> {
        {
            let mut wakers = self.wakers.lock();
            if !wakers.iter().any(|known| known.will_wake(waker)) {
                wakers.push(waker.clone());
            }
        }
        self.mark();
        ready()
    }

    /// Takes back what [`call_later`](Self::call_later) asked for.
    pub(crate) fn call_no_more(&self, waker: &Waker) {
        // Dropped outside of the lock: a waker may run anything.
        let unwanted = {
            let mut wakers = self.wakers.lock();
            let found = wakers.iter().position(|known| known.will_wake(waker));
            found.map(|index| wakers.swap_remove(index))
        };
        drop(unwanted);
    }

    /// The owner published, and somebody has marked the word.
    #[cold]
    fn answer_mark(&self) {
        // Another writer may have found the mark, too; it may have nothing to tell, so both tell.
        let _ = self.word.compare_exchange(WATCHED, FREE, Ordering::AcqRel, Ordering::Relaxed);
        self.alarm();
    }

    /// Wakes everybody who waits.
    #[cold]
    pub(crate) fn alarm(&self) {
        self.bell.ring();
        let wakers = mem::take(&mut *self.wakers.lock());
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        let gate = self.gate;
        if self.owned {
            gate.busy.store(0, Ordering::Release);
            fence_light();
            if self.published && gate.word.load(Ordering::Relaxed) != FREE {
                gate.answer_mark();
            }
            return;
        }
        // Without news, whoever waits goes on waiting.
        let mark = if self.watched && !self.published { WATCHED } else { FREE };
        gate.word.store(mark, Ordering::Release);
        if self.watched && self.published {
            gate.alarm();
        }
    }
}

/// Waiting for something that takes about as long as a copy of some bytes, unless its thread was preempted.
struct Patience(u32);

impl Patience {
    fn new() -> Self {
        Self(0)
    }

    fn pause(&mut self) {
        self.0 += 1;
        match self.0 {
            0..16 if !cfg!(loom) => (0..4).for_each(|_| spin_loop()),
            0..64 => yield_now(),
            // Also reached when a thread of higher priority keeps the holder off the CPU by yielding only.
            _ => rest(),
        }
    }
}
