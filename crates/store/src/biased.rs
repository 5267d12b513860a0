//! The writer's lock: free for a thread that takes it all the time.
//!
//! Taking a lock costs a read-modify-write, and that waits until everything that was stored before has left the store
//! buffer. After a record was copied to memory that is not in the cache, this is as long as all the rest of an insert.
//! So a thread that takes the lock many times in a row becomes its *owner*: it announces itself in `busy` with a plain
//! store, and then looks whether it still is the owner. Whoever else wants the lock takes the real one, takes the
//! ownership away, and waits until the owner is not busy. Either side writes first and then looks at what the other one
//! wrote, which needs a full fence on both; here the owner's is a compiler fence, and the other side makes up for it by
//! `membarrier`, which runs a fence on every CPU that runs a thread of this process ("asymmetric fences").
//!
//! Threads that take turns never become owners, and have a plain lock.

#![allow(unsafe_code)] // a lock has to hand out what it guards

use std::cell::UnsafeCell;
use std::mem;
use std::ops::{Deref, DerefMut};

use crossbeam_utils::CachePadded;

use crate::sync::{
    AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering, fence_heavy, fence_light, fences_available,
    patience, thread_number, unlock_fair,
};

/// How often in a row a thread takes the lock before it owns it, at first and at most. Each time that the ownership is
/// taken away it becomes harder to get, because taking it away costs microseconds.
const OWN_AFTER: u32 = if cfg!(loom) { 2 } else { 64 };
const OWN_AFTER_AT_MOST: u32 = 4096;

pub(crate) struct Biased<T> {
    state: CachePadded<State>,
    word: Mutex<()>,
    value: UnsafeCell<T>,
}

struct State {
    /// The owner's thread number; 0 if there is none. Written by who holds the word.
    owner: AtomicU64,
    /// Whether the owner holds the lock without the word.
    busy: AtomicU32,
    /// Who took the word last, how often in a row, and what that takes to become the owner. Guarded by the word.
    last: AtomicU64,
    streak: AtomicU32,
    needed: AtomicU32,
}

// SAFETY: as for a mutex: one thread at a time gets at the value (see `lock`), and it may be another one each time.
unsafe impl<T: Send> Sync for Biased<T> {}

/// The lock is held until this is dropped, by the thread that took it.
pub(crate) struct Guard<'a, T> {
    lock: &'a Biased<T>,
    /// `None`: held by the owner.
    word: Option<MutexGuard<'a, ()>>,
}

impl<T> Biased<T> {
    pub(crate) fn new(value: T) -> Self {
        let state = State {
            owner: AtomicU64::new(0),
            busy: AtomicU32::new(0),
            last: AtomicU64::new(0),
            streak: AtomicU32::new(0),
            needed: AtomicU32::new(OWN_AFTER),
        };
        Self { state: CachePadded::new(state), word: Mutex::new(()), value: UnsafeCell::new(value) }
    }

    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        Guard { lock: self, word: self.take() }
    }

    #[inline]
    fn take(&self) -> Option<MutexGuard<'_, ()>> {
        let (state, me) = (&self.state, thread_number());
        if state.owner.load(Ordering::Relaxed) == me {
            // A plain lock would wait for itself for ever.
            assert!(state.busy.load(Ordering::Relaxed) == 0, "the thread has the lock already");
            state.busy.store(1, Ordering::Relaxed);
            fence_light();
            if state.owner.load(Ordering::Relaxed) == me {
                return None;
            }
            // Taken away just now.
            state.busy.store(0, Ordering::Release);
        }
        self.take_word(me)
    }

    #[cold]
    fn take_word(&self, me: u64) -> Option<MutexGuard<'_, ()>> {
        let state = &self.state;
        let word = self.word.lock();
        if state.owner.load(Ordering::Relaxed) != 0 {
            self.disown();
        }
        let again = state.last.load(Ordering::Relaxed) == me;
        let streak = if again { state.streak.load(Ordering::Relaxed) + 1 } else { 1 };
        state.last.store(me, Ordering::Relaxed);
        if streak < state.needed.load(Ordering::Relaxed) || !fences_available() {
            state.streak.store(streak, Ordering::Relaxed);
            return Some(word);
        }
        state.streak.store(0, Ordering::Relaxed);
        // Busy before the word is given back: whoever takes it next waits for that.
        state.busy.store(1, Ordering::Relaxed);
        state.owner.store(me, Ordering::Relaxed);
        None
    }

    /// Takes the ownership away, and waits until the owner is through. The word is held.
    #[cold]
    fn disown(&self) {
        let state = &self.state;
        let needed = state.needed.load(Ordering::Relaxed) * 4;
        state.needed.store(needed.min(OWN_AFTER_AT_MOST), Ordering::Relaxed);
        state.owner.store(0, Ordering::Relaxed);
        fence_heavy();
        let mut waited = 0;
        while state.busy.load(Ordering::Acquire) != 0 {
            patience(&mut waited);
        }
    }
}

impl<T> Guard<'_, T> {
    /// Calls `f` without the lock, so that somebody else who waits for it may have it.
    pub(crate) fn unlocked(&mut self, f: impl FnOnce()) {
        /// Takes the lock again, also if `f` panics.
        struct Again<'g, 'a, T>(&'g mut Guard<'a, T>);
        impl<T> Drop for Again<'_, '_, T> {
            fn drop(&mut self) {
                self.0.word = self.0.lock.take();
            }
        }
        self.give_back();
        let _again = Again(self);
        f();
    }

    #[inline]
    fn give_back(&mut self) {
        match mem::take(&mut self.word) {
            None => self.lock.state.busy.store(0, Ordering::Release),
            Some(word) => unlock_fair(word),
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held: either the word is, and its holder has seen that no owner is busy; or this thread
        // is the owner and busy, and whoever holds the word meanwhile waits for it. `unlocked`, which gives the lock
        // back, borrows the guard until it has it again. One thread cannot have two guards: the word cannot be taken
        // twice, a busy owner is not let in again, and an owner is made only by giving the word back.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; and the guard is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // The word gives itself back.
        if self.word.is_none() {
            self.lock.state.busy.store(0, Ordering::Release);
        }
    }
}
