//! What a cursor fetches at a time, in memory that the next cursor uses again.

use std::sync::Arc;

use crate::arena::words;
use crate::core::{Origin, Shared, Slot};
use crate::series::Answer;
use crate::sync::{Counter, Mutex};

/// A record of a page.
pub(crate) struct Hit {
    pub(crate) slot: Slot,
    /// Where its wire bytes begin.
    pub(crate) start: usize,
    /// Which of the page's origins it has.
    pub(crate) origin: usize,
}

/// Records, copied.
#[derive(Default)]
pub(crate) struct Page {
    /// Longer than what is used of it, so that it need not be cleared again and again.
    bytes: Vec<u8>,
    used: usize,
    pub(crate) hits: Vec<Hit>,
    pub(crate) origins: Vec<Arc<Origin>>,
    /// The hit to be returned next.
    pub(crate) next: usize,
}

impl Page {
    pub(crate) fn clear(&mut self) {
        self.used = 0;
        self.hits.clear();
        self.origins.clear();
        self.next = 0;
    }

    /// Room for one more record's slot.
    #[inline]
    pub(crate) fn next_slot(&mut self) -> &mut Slot {
        let index = self.hits.len();
        self.hits.push(Hit { slot: Slot::default(), start: 0, origin: 0 });
        &mut self.hits[index].slot
    }

    /// Copies a record's bytes in and returns where they begin.
    #[inline]
    pub(crate) fn copy(&mut self, shared: &Shared, slot: &Slot) -> usize {
        let start = self.used;
        self.used += words(slot.len as usize) as usize * 8;
        if self.bytes.len() < self.used {
            self.bytes.resize(self.used, 0);
        }
        shared.arena.read(slot.offset, &mut self.bytes[start..self.used]);
        start
    }

    /// Takes what was copied to `start` out again.
    pub(crate) fn take_back(&mut self, start: usize) {
        self.used = start;
    }

    pub(crate) fn wire(&self, start: usize, len: u32) -> &[u8] {
        &self.bytes[start..start + len as usize]
    }

    /// Takes points of an answer; `false` if there were fewer than `room`.
    pub(crate) fn fill(&mut self, shared: &Shared, answer: &mut Answer, room: usize) -> bool {
        self.bytes.truncate(self.used);
        while self.hits.len() < room {
            let start = self.bytes.len();
            let Some((slot, origin)) = answer.next(shared, &mut self.bytes) else { return false };
            self.hits.push(Hit { slot, start, origin: self.origins.len() });
            self.origins.push(origin);
        }
        true
    }

    fn heap_bytes(&self) -> u64 {
        (self.bytes.capacity()
            + self.hits.capacity() * size_of::<Hit>()
            + self.origins.capacity() * size_of::<Arc<Origin>>()) as u64
    }
}

/// A few pages that no cursor uses at the moment.
pub(crate) struct Pages {
    spare: Mutex<Vec<Page>>,
    bytes: Counter,
}

impl Pages {
    const MOST: usize = 4;
    /// A larger one is not kept.
    const MOST_BYTES: u64 = 128 << 10;

    pub(crate) fn new() -> Self {
        Self { spare: Mutex::default(), bytes: Counter::new() }
    }

    pub(crate) fn take(&self) -> Page {
        let mut spare = self.spare.lock();
        let page = spare.pop().unwrap_or_default();
        self.bytes.sub(page.heap_bytes());
        page
    }

    pub(crate) fn give_back(&self, mut page: Page) {
        // Dropping origins may free memory: not under the lock.
        page.clear();
        let mut spare = self.spare.lock();
        if spare.len() < Self::MOST && page.heap_bytes() <= Self::MOST_BYTES {
            let list = spare.capacity();
            self.bytes.add(page.heap_bytes());
            spare.push(page);
            self.bytes.add(((spare.capacity() - list) * size_of::<Page>()) as u64);
        }
    }

    /// Heap bytes of the pages that are not in use.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }
}
