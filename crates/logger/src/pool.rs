//! Who owns which shard.
//!
//! A free shard is a bit in a bitmap, and claiming it is one compare-and-swap. Threads that find no free bit share the
//! shard of the *overflow*, under a lock. A thread (or the overflow) whose shard is full moves to another free one
//! that has room before anything is dropped, so a burst may use all that no other living thread owns. It always owns
//! exactly one; the one it leaves is free for others at once, and its older records there go to the file first, which
//! the new shard's [`Gate`] sees to.
//!
//! A shard is not taken from a thread that is silent: its owner may come back at any moment and writes without looking at
//! anything that is not its own, so taking it back would cost a comparison in every call.

use crate::bell::Bell;
use crate::shard::{Gate, Refused, Shard, Slot};
use crate::sync::{AtomicU64, Mutex, Ordering};

#[cfg(not(loom))]
pub(crate) type OverflowGuard<'a> = crate::sync::MutexGuard<'a, usize>;
#[cfg(loom)]
pub(crate) type OverflowGuard<'a> = loom::sync::MutexGuard<'a, usize>;

pub(crate) struct Pool {
    shards: Box<[Shard]>,
    free: Box<[AtomicU64]>,
    /// The shard that the threads without one share.
    overflow: Mutex<usize>,
}

impl Pool {
    /// All shards but the last are free; the last is the overflow's. There must be at least one.
    pub(crate) fn new(shards: Box<[Shard]>) -> Self {
        let last = shards.len() - 1;
        let free: Box<[AtomicU64]> = (0..shards.len().div_ceil(64))
            .map(|word| {
                let bits = last.saturating_sub(word * 64).min(64);
                AtomicU64::new(if bits == 64 { u64::MAX } else { (1 << bits) - 1 })
            })
            .collect();
        Self { shards, free, overflow: Mutex::new(last) }
    }

    pub(crate) fn shards(&self) -> &[Shard] {
        &self.shards
    }

    #[inline]
    pub(crate) fn shard(&self, index: usize) -> &Shard {
        &self.shards[index]
    }

    /// Claims a free shard with room for a record of `need` bytes, or any free one if `need` is 0.
    pub(crate) fn claim(&self, need: usize) -> Option<usize> {
        for (word, bits) in self.free.iter().enumerate() {
            let mut candidates = bits.load(Ordering::Relaxed);
            while candidates != 0 {
                let bit = candidates.trailing_zeros();
                candidates &= candidates - 1;
                let index = word * 64 + bit as usize;
                if need > 0 && !self.shards[index].has_room(need) {
                    continue;
                }
                // Acquire: the owner's fields are as the last owner left them.
                if bits.fetch_and(!(1 << bit), Ordering::Acquire) & (1 << bit) == 0 {
                    continue;
                }
                if need == 0 || (self.shards[index].has_room(need) && self.gate_is_open(index)) {
                    return Some(index);
                }
                self.release(index);
            }
        }
        None
    }

    /// Makes a shard free again. Only its owner may do so. A record that was begun there and not published ends with that.
    pub(crate) fn release(&self, index: usize) {
        self.shards[index].disown();
        self.free[index / 64].fetch_or(1 << (index % 64), Ordering::Release);
    }

    /// Whether any shard is free: a hint.
    pub(crate) fn any_free(&self) -> bool {
        self.free.iter().any(|bits| bits.load(Ordering::Relaxed) != 0)
    }

    /// Whether [`Self::claim`] would find a shard: a hint.
    pub(crate) fn may_claim(&self, need: usize) -> bool {
        self.shards.iter().enumerate().any(|(index, shard)| {
            self.free[index / 64].load(Ordering::Relaxed) & (1 << (index % 64)) != 0
                && shard.has_room(need)
                && self.gate_is_open(index)
        })
    }

    fn gate_is_open(&self, index: usize) -> bool {
        let gate = self.shards[index].gate();
        self.shards[gate.shard].head() >= gate.position
    }

    fn set_gate(&self, index: usize, from: usize) {
        let gate =
            Gate { at: self.shards[index].tail(), shard: from, position: self.shards[from].tail() };
        self.shards[index].set_gate(gate);
    }

    /// Moves the owner of the full shard `from` to a free one with room for `need` bytes. The caller must publish a
    /// record there next.
    pub(crate) fn migrate(&self, from: usize, need: usize) -> Option<usize> {
        let to = self.claim(need)?;
        self.set_gate(to, from);
        self.release(from);
        Some(to)
    }

    /// Claims a shard for a thread that wrote through the overflow so far.
    pub(crate) fn leave_overflow(&self, need: usize) -> Option<usize> {
        // The lock keeps the overflow's tail still while the gate is set.
        let current = self.overflow.lock();
        let to = self.claim(need)?;
        self.set_gate(to, *current);
        Some(to)
    }

    /// Begins a record in the overflow. The guard must live until the slot is published or abandoned.
    pub(crate) fn begin_overflow(
        &self,
        need: usize,
        bell: &Bell,
    ) -> (OverflowGuard<'_>, Result<Slot, Refused>) {
        let mut current = self.overflow.lock();
        let mut begun = self.shards[*current].begin(need, bell);
        if matches!(begun, Err(Refused::Full))
            && let Some(to) = self.migrate(*current, need)
        {
            *current = to;
            begun = self.shards[to].begin(need, bell);
        }
        (current, begun)
    }

    /// The positions up to which a pass may flush: what is published now, less what has to wait for older records
    /// of the same thread that are not in the pass. `copied` is where each shard's cursor stands.
    pub(crate) fn targets(&self, copied: impl Fn(usize) -> u64, targets: &mut Vec<u64>) {
        targets.clear();
        targets.extend(self.shards.iter().map(Shard::tail));
        // Lowering one target may bring down another that depends on it.
        for _ in 0..self.shards.len() {
            let mut lowered = false;
            for (index, shard) in self.shards.iter().enumerate() {
                if targets[index] <= copied(index) {
                    continue;
                }
                let gate = shard.gate();
                if targets[index] > gate.at && targets[gate.shard] < gate.position {
                    targets[index] = gate.at.max(copied(index));
                    lowered = true;
                }
            }
            if !lowered {
                break;
            }
        }
    }

    /// How far `index` may be copied now, given how far the others are.
    pub(crate) fn stop(&self, index: usize, target: u64, copied: impl Fn(usize) -> u64) -> u64 {
        let gate = self.shards[index].gate();
        if target > gate.at && copied(gate.shard) < gate.position { gate.at } else { target }
    }
}
