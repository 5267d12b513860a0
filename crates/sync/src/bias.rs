use std::array;

use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::{Patience, fences, thread};

/// How often in a row a thread takes the lock before it owns it, at first and at most. Each time that the ownership is
/// taken away it becomes harder to get, because taking it away costs microseconds.
const OWN_AFTER: u32 = if cfg!(loom) { 2 } else { 64 };
const OWN_AFTER_AT_MOST: u32 = if cfg!(loom) { OWN_AFTER } else { 4096 };

/// How many threads may have a seat: a power of two.
const SEATS: usize = if cfg!(loom) { 2 } else { 8 };

/// A lock's preference for one thread: its *owner*, who takes it without a read-modify-write.
///
/// Such an instruction waits until everything that was stored before has left the store buffer. Behind a copy to memory
/// that is not in the cache, that is as long as all the rest of a short critical section. So a thread that takes the lock
/// many times in a row is made its owner: it announces itself in `busy` with a plain store, and then looks whether it still
/// is the owner. Whoever else wants the lock takes the *word*, which is the lock proper and not a part of this, takes the
/// ownership away, and waits until the owner is not busy. Either side writes first and then looks at what the other one
/// wrote, which needs a full fence on both: these are [`fences`], the owner's being the light one.
///
/// Threads that take turns never become owners, and have a plain lock.
///
/// # Seats
///
/// A thread may be interrupted after it saw that it is the owner and before it has said that it is busy, and go on when
/// another one has long been made the owner: it says that it is busy, sees that it no longer owns the lock, and says that it
/// is not. If all owners said so in the same place, that would call off what the new owner has said. So each has a *seat*,
/// where nobody else says anything, and keeps it until it comes back and takes the word, which it cannot do in the middle of
/// this, or until it has ended. When there is no seat for another thread, because those who have them live and never came back,
/// the lock remains a plain one for it.
#[derive(Debug)]
#[repr(C)] // what the owner looks at is together
pub struct Bias {
    /// The owner's thread number, and its seat in the lowest bits; 0 if there is none. Written by who holds the word.
    owner: AtomicU64,
    /// Whether the thread on the seat holds the lock without the word. Written by that thread.
    busy: [AtomicU32; SEATS],
    /// The seat of the newest owner. Guarded by the lock.
    seat: AtomicU32,
    /// The number of the thread on the seat; 0 if it is free. Guarded by the word, as are those below.
    seated: [AtomicU64; SEATS],
    /// What the kernel calls that thread.
    kernel_ids: [AtomicU32; SEATS],
    /// Who took the word last, how often in a row, and what that takes to become the owner.
    last: AtomicU64,
    streak: AtomicU32,
    needed: AtomicU32,
}

impl Default for Bias {
    fn default() -> Self {
        Self::new()
    }
}

impl Bias {
    /// Without an owner.
    #[must_use]
    pub fn new() -> Self {
        Self {
            owner: AtomicU64::new(0),
            busy: array::from_fn(|_| AtomicU32::new(0)),
            seat: AtomicU32::new(0),
            seated: array::from_fn(|_| AtomicU64::new(0)),
            kernel_ids: array::from_fn(|_| AtomicU32::new(0)),
            last: AtomicU64::new(0),
            streak: AtomicU32::new(0),
            needed: AtomicU32::new(OWN_AFTER),
        }
    }

    /// Takes the lock if the calling thread owns it, which then must [`leave`](Self::leave). Otherwise it must take the word,
    /// and then [`settle`](Self::settle).
    ///
    /// # Panics
    /// If the thread has entered and not left yet. A plain lock would wait for itself for ever.
    #[inline(always)]
    #[must_use]
    pub fn enter(&self) -> bool {
        let owner = self.owner.load(Ordering::Relaxed);
        if owner / SEATS as u64 != thread::number() {
            return false;
        }
        // Not `seat`: that may be another's by now.
        let busy = &self.busy[owner as usize % SEATS];
        assert!(busy.load(Ordering::Relaxed) == 0, "the thread has the lock already");
        busy.store(1, Ordering::Relaxed);
        fences::light();
        if self.owner.load(Ordering::Relaxed) == owner {
            return true;
        }
        // Taken away just now.
        busy.store(0, Ordering::Release);
        false
    }

    /// Gives the lock back, for the thread that has it as its owner.
    #[inline(always)]
    pub fn leave(&self) {
        let seat = self.seat.load(Ordering::Relaxed);
        self.busy[seat as usize % SEATS].store(0, Ordering::Release);
    }

    /// For a thread that has just taken the word: when this returns, no owner has the lock. `true`: the calling thread has
    /// become the owner, and entered; it must give the word back at once, and [`leave`](Self::leave) in the end.
    #[must_use]
    pub fn settle(&self) -> bool {
        self.settle_as(thread::number())
    }

    fn settle_as(&self, me: u64) -> bool {
        let owner = self.owner.load(Ordering::Relaxed);
        if owner != 0 {
            self.disown(owner as usize % SEATS);
        }
        let mut streak = 1;
        if self.last.load(Ordering::Relaxed) == me {
            streak += self.streak.load(Ordering::Relaxed);
        } else {
            self.last.store(me, Ordering::Relaxed);
            self.stand_up(me);
        }
        let enough = streak >= self.needed.load(Ordering::Relaxed);
        self.streak.store(if enough { 0 } else { streak }, Ordering::Relaxed);
        enough && self.own(me)
    }

    /// Whether there is an owner. Read after the word was free, it is not missed that there was one then.
    #[must_use]
    pub fn is_owned(&self) -> bool {
        self.owner.load(Ordering::Relaxed) != 0
    }

    /// Takes the ownership away, and waits until the owner is through.
    #[cold]
    fn disown(&self, seat: usize) {
        let needed = self.needed.load(Ordering::Relaxed).saturating_mul(4);
        self.needed.store(needed.min(OWN_AFTER_AT_MOST), Ordering::Relaxed);
        self.owner.store(0, Ordering::Relaxed);
        fences::heavy();
        let mut patience = Patience::new();
        while self.busy[seat].load(Ordering::Acquire) != 0 {
            patience.pause();
        }
    }

    /// The calling thread is here and not about to enter, so it needs no seat any more.
    fn stand_up(&self, me: u64) {
        for seated in &self.seated {
            if seated.load(Ordering::Relaxed) == me {
                seated.store(0, Ordering::Relaxed);
            }
        }
    }

    #[cold]
    fn own(&self, me: u64) -> bool {
        let is_free = |seat: &usize| self.seated[*seat].load(Ordering::Relaxed) == 0;
        let has_ended =
            |seat: &usize| thread::has_ended(self.kernel_ids[*seat].load(Ordering::Relaxed));
        let seat = (0..SEATS).find(is_free).or_else(|| (0..SEATS).find(has_ended));
        let Some(seat) = seat.filter(|_| fences::available()) else { return false };
        self.seated[seat].store(me, Ordering::Relaxed);
        self.kernel_ids[seat].store(thread::kernel_id(), Ordering::Relaxed);
        self.seat.store(seat as u32, Ordering::Relaxed);
        // Busy before the word is given back: whoever takes it next waits for that.
        self.busy[seat].store(1, Ordering::Relaxed);
        self.owner.store(me * SEATS as u64 + seat as u64, Ordering::Relaxed);
        true
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Takes the word until that makes thread `me` the owner, which then leaves; how often.
    fn become_owner(bias: &Bias, me: u64) -> Option<u32> {
        let times = (1..=2 * OWN_AFTER_AT_MOST).find(|_| bias.settle_as(me));
        times.inspect(|_| bias.leave())
    }

    #[test]
    fn the_ownership_becomes_harder_to_get_each_time_that_it_is_taken_away() {
        if !fences::available() {
            return;
        }
        let bias = Bias::new();
        for needed in [64, 256, 1024, 4096, 4096] {
            assert!(!bias.is_owned());
            assert_eq!(become_owner(&bias, 7), Some(needed));
            assert!(bias.is_owned());
            assert!(!bias.settle_as(8));
        }
        // Threads that take turns.
        assert!((0..10_000).all(|i| !bias.settle_as(7 + i % 2)));
    }

    #[test]
    fn only_the_owner_enters_and_not_twice() {
        if !fences::available() {
            return;
        }
        let bias = Bias::new();
        assert!(!bias.enter());
        become_owner(&bias, thread::number()).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(!bias.enter())).join().unwrap();
        });
        assert!(bias.enter());
        let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bias.enter()));
        assert!(again.is_err());
        bias.leave();
        assert!(bias.enter());
        bias.leave();
        assert!(!bias.settle_as(u64::MAX));
        assert!(!bias.enter());
    }

    /// A service that has a new thread now and then.
    #[test]
    fn the_seats_of_threads_that_have_ended_are_taken() {
        if !fences::available() {
            return;
        }
        let bias = Bias::new();
        for _ in 0..3 * SEATS {
            std::thread::scope(|scope| {
                let owner = || become_owner(&bias, thread::number());
                assert!(scope.spawn(owner).join().unwrap().is_some());
            });
        }
    }

    /// Threads that may be about to say that they are busy.
    #[test]
    fn a_seat_is_kept_until_its_thread_takes_the_word() {
        if !fences::available() {
            return;
        }
        let bias = Bias::new();
        let threads = 1..=SEATS as u64;
        for me in threads.clone() {
            assert!(become_owner(&bias, me).is_some());
        }
        let seated = || bias.seated.each_ref().map(|seated| seated.load(Ordering::Relaxed));
        assert!(threads.eq(seated()));
        assert_eq!(become_owner(&bias, 100), None);
        assert!(!bias.settle_as(3));
        assert!(become_owner(&bias, 100).is_some());
        assert!(seated().contains(&100) && !seated().contains(&3));
    }
}
