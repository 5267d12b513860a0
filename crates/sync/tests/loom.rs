//! Every interleaving of a few threads, and every value that the memory model lets their loads see.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p flightring-sync --release --test loom`; with `FLIGHTRING_LONG` set more
//! preemptions are explored.
#![cfg(loom)]

use flightring_sync::atomic::{AtomicU64, Ordering, fence};
use flightring_sync::{Bias, Mutex, copy};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound =
        Some(if std::env::var_os("FLIGHTRING_LONG").is_some() { 4 } else { 3 });
    builder.check(check);
}

/// The least lock that has a bias, around a number that loom watches.
struct Lock {
    bias: Bias,
    word: Mutex<()>,
    value: UnsafeCell<u32>,
}

// SAFETY: the number is the point: loom checks that its accesses are ordered.
unsafe impl Sync for Lock {}

impl Lock {
    fn new() -> Arc<Self> {
        Arc::new(Self { bias: Bias::new(), word: Mutex::new(()), value: UnsafeCell::new(0) })
    }

    /// Counts, with the lock; whether that was as the owner.
    fn count(&self) -> bool {
        let mut word = None;
        if !self.bias.enter() {
            word = Some(self.word.lock());
            if self.bias.settle() {
                word = None;
            }
        }
        // SAFETY: loom's own check is what is being asked for.
        self.value.with_mut(|value| unsafe { *value += 1 });
        let owner = word.is_none();
        if owner {
            self.bias.leave();
        }
        owner
    }

    /// As many times as make the thread the owner.
    fn become_owner(&self) {
        while !self.count() {}
    }
}

fn counted(lock: &Lock) -> u32 {
    // SAFETY: as in `count`.
    lock.value.with(|value| unsafe { *value })
}

#[test]
fn an_owner_and_another_thread_exclude_one_another() {
    model(|| {
        let lock = Lock::new();
        lock.become_owner();
        let other = thread::spawn({
            let lock = Arc::clone(&lock);
            move || lock.count()
        });
        lock.count();
        other.join().expect("no panic");
        assert_eq!(counted(&lock), 4);
    });
}

/// The first owner may be about to say that it is busy while the second one already is.
#[test]
fn an_owner_and_the_one_before_exclude_one_another() {
    model(|| {
        let lock = Lock::new();
        lock.become_owner();
        let other = thread::spawn({
            let lock = Arc::clone(&lock);
            move || lock.become_owner()
        });
        lock.count();
        other.join().expect("no panic");
        let counted = counted(&lock);
        // The two may have taken turns.
        assert!((5..=6).contains(&counted), "{counted}");
    });
}

/// Who sees a word of a later copy also sees what was announced before it.
#[test]
fn an_overwritten_copy_is_found_out() {
    model(|| {
        let memory = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let reserved = Arc::new(AtomicU64::new(0));
        copy::store_at(&memory[..], 3, b"abcdefgh");
        let writer = thread::spawn({
            let (memory, reserved) = (Arc::clone(&memory), Arc::clone(&reserved));
            move || {
                reserved.store(1, Ordering::Relaxed);
                fence(Ordering::Release);
                copy::store_at(&memory[..], 3, b"ABCDEFGH");
            }
        });
        let mut out = [0; 8];
        copy::load_at(&memory[..], 3, &mut out);
        fence(Ordering::Acquire);
        if reserved.load(Ordering::Relaxed) == 0 {
            assert_eq!(&out, b"abcdefgh");
        }
        writer.join().expect("no panic");
        copy::load_at(&memory[..], 3, &mut out);
        assert_eq!(&out, b"ABCDEFGH");
    });
}
