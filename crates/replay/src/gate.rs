use std::marker::PhantomData;
use std::mem;
use std::task::Waker;
use std::time::Instant;

use flightring_sync::{Bias, Patience, fences};

use crate::sync::{AtomicU32, Bell, Mutex, Ordering};

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Free, and somebody sleeps until the next publication.
const WATCHED: u32 = 2;

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
/// Most buffers have one writer, and for it even one exchange is most of what a short write costs. So the lock has a
/// [`Bias`], of which this is the word: an owner takes the lock without it. In the same way as others find out that the
/// owner is busy, an owner that has published looks for a mark, and who marks an owned lock makes up for the owner's
/// missing fence before it looks at what was published.
///
/// The store's lock has the same bias, and another word: nobody sleeps until something happens to a store, so that is a
/// plain mutex, on which those who wait queue for themselves.
pub(crate) struct Gate {
    word: AtomicU32,
    bias: Bias,
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
    /// Not to be sent: whoever owns the lock takes it to be held by itself.
    here: PhantomData<*const ()>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicU32::new(FREE),
            bias: Bias::new(),
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
        // Not `then_some`: a hold that is dropped gives the lock back.
        self.bias.enter().then(|| Held {
            gate: self,
            watched: false,
            owned: true,
            published: false,
            here: PhantomData,
        })
    }

    /// Takes the lock for a thread that does not own it.
    pub(crate) fn lock_word(&self) -> Held<'_> {
        let mut held = self.try_lock().unwrap_or_else(|| self.lock_contended());
        if self.bias.settle() {
            // A mark stays: the owner looks for it.
            self.word.store(if held.watched { WATCHED } else { FREE }, Ordering::Release);
            held.owned = true;
        }
        held
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
        Some(Held { gate: self, watched, owned: false, published: false, here: PhantomData })
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
        if self.bias.is_owned() {
            fences::heavy();
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
            gate.bias.leave();
            fences::light();
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
