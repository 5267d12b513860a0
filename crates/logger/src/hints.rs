//! How a thread finds its shard again: a guess that costs two instructions, and that the shard itself confirms.
//!
//! Each logger has a small table from a hash of the calling thread's *token* to a shard. The table is written by whoever
//! claims a shard and belongs to nobody, so an entry may be stale or another thread's; [`Shard::begin_own`] compares
//! the shard's owner with the token and refuses what is not the caller's. That saves the thread-local storage of a
//! library that was loaded at run time, which is a call into the dynamic linker for each record.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use crate::shard::Shard;

const ENTRIES: usize = 128;

pub(crate) struct Hints([AtomicPtr<Shard>; ENTRIES]);

impl Hints {
    pub(crate) const fn new() -> Self {
        Self([const { AtomicPtr::new(ptr::null_mut()) }; ENTRIES])
    }

    /// A shard that may be the thread's.
    #[inline(always)]
    pub(crate) fn first(&self, token: usize) -> *const Shard {
        self.0[index(token)].load(Ordering::Acquire)
    }

    /// Another one, for threads whose tokens collide.
    #[inline(always)]
    pub(crate) fn second(&self, token: usize) -> *const Shard {
        self.0[index(token) ^ 1].load(Ordering::Acquire)
    }

    /// Notes that the thread with this token owns `shard`.
    pub(crate) fn put(&self, token: usize, shard: &Shard) {
        let index = index(token);
        let shard = ptr::from_ref(shard).cast_mut();
        let (first, second) = (&self.0[index], &self.0[index ^ 1]);
        // The other place if this one is taken and that one is not; which of two threads wins does not matter.
        let taken = first.load(Ordering::Relaxed);
        let to = if taken.is_null() || taken == shard || !second.load(Ordering::Relaxed).is_null() {
            first
        } else {
            second
        };
        to.store(shard, Ordering::Release);
    }
}

/// Spreads addresses that are multiples of a thread's stack apart.
#[inline(always)]
fn index(token: usize) -> usize {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    ((token as u64 >> 6).wrapping_mul(SPREAD) >> (u64::BITS - ENTRIES.ilog2())) as usize
}

/// What a fork adds to the tokens of the child, so that its thread owns none of the parent's shards. Even.
static SALT: AtomicUsize = AtomicUsize::new(0);

/// Makes the calling thread another one, in the child of a fork.
pub(crate) fn forked() {
    SALT.fetch_add(2, Ordering::Relaxed);
}

/// A number that no other living thread of the process has, even and not 0. That of an ended thread may come back.
#[inline(always)]
pub(crate) fn token() -> usize {
    thread_address().wrapping_add(SALT.load(Ordering::Relaxed))
}

/// The address of the thread's control block, which the ABI keeps in its own first word.
#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
#[inline(always)]
fn thread_address() -> usize {
    let address;
    // SAFETY: on x86-64 Linux `fs:0` holds the thread pointer in every thread that has thread-local storage.
    unsafe {
        std::arch::asm!("mov {}, fs:0", out(reg) address, options(pure, readonly, nostack, preserves_flags));
    }
    address
}

/// The address of something that each thread has its own of.
#[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(miri))))]
#[inline(always)]
fn thread_address() -> usize {
    thread_local! { static HERE: u64 = const { 0 }; }
    HERE.with(|here| ptr::from_ref(here).addr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::Barrier;

    #[test]
    fn living_threads_have_different_even_tokens_that_stay() {
        let barrier = Barrier::new(50);
        let tokens = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..50)
                .map(|_| {
                    scope.spawn(|| {
                        let mine = token();
                        barrier.wait();
                        assert_eq!(mine, token());
                        mine
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<HashSet<_>>()
        });
        assert_eq!(tokens.len(), 50);
        assert!(tokens.iter().all(|token| *token != 0 && token.is_multiple_of(2)));
    }
}
