//! Where a thread finds its shard again, and says that it is using it.
//!
//! Each logger has a table of seats. A thread that claims a shard takes a seat and keeps it until it ends: if it can, one of the two
//! that a hash of its *token* points to, so that every later call finds it with a few instructions (see [`crate::token`]).
//!
//! While a thread is on a seat nobody else writes its `owner`, so it is entered and left with plain stores. The shard on it is
//! another matter: a burst of others may *take* it from a thread that is silent (see [`crate::pool`]). The thread says that it is
//! inside and then looks for its shard; who takes it removes it and then looks whether the thread is inside. As one of
//! the two sees the other's store (see [`crate::sync`]), a shard is never used by both.

use std::ptr;
use std::sync::Arc;

use crate::shard::{Late, Shard, Slot};
use crate::sync::{AtomicPtr, AtomicU32, AtomicUsize, Ordering, asymmetric, fence_light};

/// The thread is in a call. Tokens are even.
const INSIDE: usize = 1;
/// How many seats are found by their threads' tokens.
const NEAR: usize = if cfg!(loom) { 2 } else { 128 };

#[repr(align(64))]
pub(crate) struct Seat {
    /// The token of the thread whose seat it is, and [`INSIDE`] while that is in a call; 0 = nobody's.
    owner: AtomicUsize,
    shard: AtomicPtr<Shard>,
    asymmetric: bool,
    /// The kernel's id of the thread; 0 = not asked for, or many threads.
    thread: AtomicU32,
}

impl Seat {
    pub(crate) fn new() -> Self {
        Self {
            owner: AtomicUsize::new(0),
            shard: AtomicPtr::new(ptr::null_mut()),
            asymmetric: asymmetric(),
            thread: AtomicU32::new(0),
        }
    }

    /// Begins a record of `need` bytes, its length included, if the thread with this token is on the seat and outside, and
    /// its shard has room at hand. Every slot must be given to [`Self::publish`] or [`Self::abandon`].
    ///
    /// What is rare is left to the pool, so that all of the slot stays in registers: a record's position depends on the
    /// last one's, and each detour through memory on that way costs as much as the rest of the call.
    #[inline(always)]
    pub(crate) fn begin(&self, token: usize, need: usize) -> Option<(&Shard, Slot)> {
        if self.owner.load(Ordering::Relaxed) != token {
            return None;
        }
        self.enter_as(token);
        if let Some(shard) = self.shard()
            && let Some(slot) = shard.at_hand(need)
        {
            return Some((shard, slot));
        }
        self.leave(token);
        None
    }

    /// Accepts the first `used` bytes of the slot as a record, unless the shard may have been sealed meanwhile: then
    /// [`Shard::took`] says whether it did.
    #[inline(always)]
    pub(crate) fn publish(
        &self,
        token: usize,
        shard: &Shard,
        slot: Slot,
        used: usize,
    ) -> Result<(), Late> {
        let published = shard.publish(slot, used, self.asymmetric);
        self.leave(token);
        published
    }

    /// Ends a call without a record.
    pub(crate) fn abandon(&self) {
        self.leave(self.owner.load(Ordering::Relaxed) & !INSIDE);
    }

    #[inline(always)]
    fn enter_as(&self, token: usize) {
        self.owner.store(token | INSIDE, Ordering::Relaxed);
        fence_light(self.asymmetric);
    }

    #[inline(always)]
    fn leave(&self, token: usize) {
        self.owner.store(token, Ordering::Release);
    }

    /// Enters a call, for the thread whose seat it is (or that holds the lock of a shared one). False: it is in one already,
    /// as a signal handler that interrupted it is. `abandon` or `publish` must follow.
    pub(crate) fn enter(&self) -> bool {
        let owner = self.owner.load(Ordering::Relaxed);
        if owner & INSIDE != 0 {
            return false;
        }
        self.enter_as(owner);
        true
    }

    /// The shard on the seat. Whoever is inside keeps it; for others it is a guess.
    #[inline(always)]
    pub(crate) fn shard(&self) -> Option<&Shard> {
        // SAFETY: `put` wants a shard that outlives the seat.
        unsafe { self.shard.load(Ordering::Acquire).as_ref() }
    }

    /// Puts a shard on the seat.
    ///
    /// # Safety
    ///
    /// The shard must live as long as the seat does.
    pub(crate) unsafe fn put(&self, shard: &Shard) {
        self.shard.store(ptr::from_ref(shard).cast_mut(), Ordering::Release);
    }

    /// Takes a shard off the seat, if it is on it.
    pub(crate) fn take(&self, shard: &Shard) -> bool {
        self.replace(ptr::from_ref(shard).cast_mut(), ptr::null_mut())
    }

    /// Puts a shard that was taken off the seat back, unless the thread has another by now.
    pub(crate) fn put_back(&self, shard: &Shard) {
        self.replace(ptr::null_mut(), ptr::from_ref(shard).cast_mut());
    }

    fn replace(&self, from: *mut Shard, to: *mut Shard) -> bool {
        self.shard.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// The kernel's id of the thread, or 0.
    #[inline(always)]
    pub(crate) fn thread(&self) -> u32 {
        self.thread.load(Ordering::Relaxed)
    }

    /// Whether a thread is in a call there.
    pub(crate) fn is_inside(&self) -> bool {
        self.owner.load(Ordering::Acquire) & INSIDE != 0
    }

    /// Takes the seat if it is free.
    fn sit(&self, token: usize, thread: u32) -> bool {
        let free = self.owner.load(Ordering::Relaxed) == 0
            && self.owner.compare_exchange(0, token, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if free {
            self.thread.store(thread, Ordering::Relaxed);
        }
        free
    }

    /// Gives the seat back. For the thread whose seat it is; the shard must be gone.
    pub(crate) fn stand_up(&self) {
        self.owner.store(0, Ordering::Release);
    }
}

/// A table of seats. Clones are the same table.
#[derive(Clone)]
pub(crate) struct Seats(Arc<Table>);

struct Table {
    near: [Seat; NEAR],
    /// Seats whose threads find them by the slow path only; the last is shared.
    far: Box<[Seat]>,
}

impl Seats {
    /// Enough for the owners of so many shards, and for silent threads that lost theirs.
    pub(crate) fn new(shards: usize) -> Self {
        let far = if cfg!(loom) { 0 } else { (2 * shards).saturating_sub(NEAR) };
        Self(Arc::new(Table {
            near: std::array::from_fn(|_| Seat::new()),
            far: (0..=far).map(|_| Seat::new()).collect(),
        }))
    }

    /// The first place of a thread.
    #[inline(always)]
    fn index(token: usize) -> usize {
        // Spreads addresses that are multiples of a thread's stack apart.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        ((token as u64 >> 6).wrapping_mul(SPREAD) >> (u64::BITS - NEAR.ilog2())) as usize
    }

    /// The seat where the thread with this token most often is.
    #[inline(always)]
    pub(crate) fn first(&self, token: usize) -> &Seat {
        &self.0.near[Self::index(token)]
    }

    /// Another one, for threads whose tokens collide.
    #[inline(always)]
    pub(crate) fn second(&self, token: usize) -> &Seat {
        &self.0.near[Self::index(token) ^ 1]
    }

    pub(crate) fn get(&self, index: usize) -> &Seat {
        self.0.near.get(index).unwrap_or_else(|| &self.0.far[index - NEAR])
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Seat> {
        self.0.near.iter().chain(&self.0.far)
    }

    /// The seat that no thread takes for itself.
    pub(crate) fn shared(&self) -> usize {
        NEAR + self.0.far.len() - 1
    }

    /// Takes a free seat for a thread, as near to its first place as can be.
    pub(crate) fn sit(&self, token: usize, thread: u32) -> Option<usize> {
        let first = Self::index(token);
        let near = (0..NEAR).map(|step| first ^ step);
        near.chain(NEAR..self.shared()).find(|&index| self.get(index).sit(token, thread))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::bell::Bell;

    fn shard(storage: &mut [u8]) -> Shard {
        // SAFETY: the tests keep the storage, which is the shard's alone, as long as the shard.
        unsafe {
            Shard::new(
                0,
                storage.as_mut_ptr(),
                crate::frame::Frames::undivided(storage.len()),
                None,
            )
        }
    }

    #[test]
    fn only_its_thread_gets_in_and_only_once() {
        let mut storage = vec![0u8; 64 * 1024];
        let (shard, bell) = (shard(&mut storage), Bell::default());
        let seats = Seats::new(1);
        let seat = seats.get(seats.sit(16, 0).unwrap());
        // SAFETY: the shard is dropped after the last use of the seat.
        unsafe { seat.put(&shard) };
        // The first record has no room at hand yet.
        assert!(seat.begin(16, 8).is_none());
        assert!(seat.enter());
        let slot = shard.begin(8, &bell).unwrap();
        assert!(!seat.enter() && seat.is_inside());
        assert!(seat.begin(16, 8).is_none());
        assert!(seat.publish(16, &shard, slot, 8).is_ok());
        assert!(seat.begin(18, 8).is_none() && !seat.is_inside());
        let (same, slot) = seat.begin(16, 8).unwrap();
        assert!(seat.publish(16, same, slot, 8).is_ok());
        assert!(seat.take(&shard) && !seat.take(&shard));
        assert!(seat.begin(16, 8).is_none() && !seat.is_inside());
        seat.stand_up();
        assert!(seat.begin(16, 8).is_none());
    }

    #[test]
    fn threads_find_seats_until_there_are_none() {
        let seats = Seats::new(100);
        let tokens = (1..=seats.shared()).map(|n| n * 4096);
        let mut taken: Vec<usize> = tokens.map(|token| seats.sit(token, 0).unwrap()).collect();
        assert!(taken.len() >= 200);
        assert_eq!(seats.sit(2, 0), None);
        seats.get(taken[7]).stand_up();
        assert_eq!(seats.sit(2, 0), Some(taken[7]));
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken.len(), seats.shared());
    }
}
