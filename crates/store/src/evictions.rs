//! Telling a callback what was evicted, without holding a lock.
//!
//! The writer copies what it evicts into a [`Report`] if somebody wants to know. The thread whose call evicted it takes the
//! report along when it gives the writer's lock back, and calls the callback then. So the callback may do anything with
//! the store, also end it. What it evicts itself by adding records is not reported to it, since that would never end; it
//! is counted.

use std::cell::Cell;
use std::sync::Arc;

use crate::core::Core;

/// Called with the sequence number and the wire bytes of an evicted record.
pub(crate) type OnEvict = dyn Fn(u64, &[u8]) + Send + Sync;

/// Evicted records, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Evicted {
    bytes: Vec<u8>,
    /// Of each its sequence number and where its bytes end.
    records: Vec<(u64, usize)>,
}

impl Evicted {
    /// Appends a record, whose bytes `put` appends.
    pub(crate) fn push(&mut self, sequence: u64, put: impl FnOnce(&mut Vec<u8>)) {
        put(&mut self.bytes);
        self.records.push((sequence, self.bytes.len()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(crate) fn heap_bytes(&self) -> u64 {
        (self.bytes.capacity() + self.records.capacity() * size_of::<(u64, usize)>()) as u64
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }
}

/// Evicted records and whom to tell.
#[must_use = "the callback is to be called after the lock is released"]
pub(crate) struct Report {
    pub(crate) callback: Arc<OnEvict>,
    pub(crate) evicted: Evicted,
}

impl Report {
    /// Calls the callback for each record. The caller holds no lock of the store.
    #[cold]
    pub(crate) fn deliver(self, core: &Core) {
        let Self { callback, evicted } = self;
        let mut delivery = Delivery { core, evicted, told: 0 };
        let Some(_inside) = Inside::enter(core) else { return };
        let mut start = 0;
        for i in 0..delivery.evicted.records.len() {
            let (sequence, end) = delivery.evicted.records[i];
            delivery.told = i + 1;
            callback(sequence, &delivery.evicted.bytes[start..end]);
            start = end;
        }
    }
}

/// A report on its way. However that ends, also if the callback panics, the writer gets the memory back, and what nobody was
/// told of is counted.
struct Delivery<'a> {
    core: &'a Core,
    evicted: Evicted,
    told: usize,
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        let mut evicted = std::mem::take(&mut self.evicted);
        let untold = evicted.records.len() - self.told;
        evicted.clear();
        self.core.writer.lock().take_back(&self.core.shared, evicted, untold as u64);
    }
}

/// The stores whose callbacks this thread is inside of, by their addresses; without a destructor, so that it can be used
/// while a thread ends.
type Stack = [usize; 8];

thread_local! {
    static INSIDE: Cell<Stack> = const { Cell::new([0; 8]) };
}

/// While it lives, the thread is inside a store's callback.
struct Inside(Stack);

impl Inside {
    /// `None` if it is already, or if callbacks are nested very deep.
    fn enter(core: &Core) -> Option<Self> {
        let (before, address) = (INSIDE.get(), std::ptr::from_ref(core).addr());
        let free = before.iter().position(|&other| other == 0)?;
        if before.contains(&address) {
            return None;
        }
        let mut now = before;
        now[free] = address;
        INSIDE.set(now);
        Some(Self(before))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}
