//! The writer's lock: free for a thread that takes it all the time.
//!
//! A plain lock with a [`Bias`]: a thread that takes it many times in a row becomes its owner, and takes it without a
//! read-modify-write until another one wants it.

#![allow(unsafe_code)] // a lock has to hand out what it guards

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem;
use std::ops::{Deref, DerefMut};

use crossbeam_utils::CachePadded;
use flightring_sync::{Bias, MutexGuard, unlock_fair};

use crate::sync::Mutex;

pub(crate) struct Biased<T> {
    bias: CachePadded<Bias>,
    word: Mutex<()>,
    value: UnsafeCell<T>,
}

// SAFETY: as for a mutex: one thread at a time gets at the value (see `lock`), and it may be another one each time.
unsafe impl<T: Send> Sync for Biased<T> {}

/// The lock is held until this is dropped, by the thread that took it.
pub(crate) struct Guard<'a, T> {
    lock: &'a Biased<T>,
    /// `None`: held by the owner.
    word: Option<MutexGuard<'a, ()>>,
    value: PhantomData<&'a mut T>,
}

impl<T> Biased<T> {
    pub(crate) fn new(value: T) -> Self {
        let bias = CachePadded::new(Bias::new());
        Self { bias, word: Mutex::new(()), value: UnsafeCell::new(value) }
    }

    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        Guard { lock: self, word: self.take(), value: PhantomData }
    }

    #[inline]
    fn take(&self) -> Option<MutexGuard<'_, ()>> {
        if self.bias.enter() { None } else { self.take_word() }
    }

    #[cold]
    fn take_word(&self) -> Option<MutexGuard<'_, ()>> {
        let word = self.word.lock();
        if self.bias.settle() { None } else { Some(word) }
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
            None => self.lock.bias.leave(),
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
            self.lock.bias.leave();
        }
    }
}
