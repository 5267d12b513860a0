//! A number for each living thread, that costs one instruction.
//!
//! It is what a thread finds its place in a logger by (see [`crate::seat`]). Thread-local storage of a library that was loaded at
//! run time would be a call into the dynamic linker for each record.

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(miri))))]
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

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
