//! The one who changes a store: see `core` for the protocol.

mod by_series;
mod pinned;
mod traces;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use flightring_sync::prefetch;

use crate::arena::{ArenaWriter, words};
use crate::config::{ConfigError, filled};
use crate::core::{
    FLAG_OVERSIZE, FLAG_PLAIN, FLAG_SUPERSEDED, NO_NAME, OriginExtra, Shared, join, split, word,
};
use crate::evictions::{Evicted, OnEvict, Report};
use crate::intern::NamesWriter;
use crate::parts::{Parts, Record};
use crate::reverse::Scratch;
use crate::series::{SeriesWriter, arrival_of};
use crate::sync::{Ordering, fence};

pub(crate) use self::pinned::Pinned;

/// Records that are expired, or taken in, between two chances for others to have the lock.
pub(crate) const BATCH: u64 = 64;

/// How many inserts before a slot is written it is fetched, and how many evictions before what it says will be changed that is.
const SLOTS_AHEAD: usize = 8;
const EVICTIONS_AHEAD: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Count,
    Bytes,
    Age,
    Clear,
}

/// The state of who changes a store.
pub(crate) struct Writer {
    head: u64,
    tail: u64,
    head_index: usize,
    tail_index: usize,
    live_words: u64,
    max_words: u64,
    arena: ArenaWriter,
    /// Each with one more than the id of the origin that says nothing but the service; 0 if there is none.
    services: NamesWriter<()>,
    names: NamesWriter<()>,
    origins: NamesWriter<OriginExtra>,
    series: Option<SeriesWriter>,
    /// Of each slot, if a trace may only hold so many records: how many of its trace came before it, and how many of
    /// these are evicted (kept true for the newest of each trace).
    ranks: Box<[(u32, u32)]>,
    on_evict: Option<Arc<OnEvict>>,
    /// What the callback is still to be told.
    evicted: Evicted,
    /// Heap bytes of the [`Locked::scratch`].
    scratch_bytes: u64,
    /// For the keys of origins.
    pub(crate) key: Vec<u8>,
}

/// What only the holder of the lock sees.
pub(crate) struct Locked {
    pub(crate) writer: Writer,
    /// For encoding records.
    pub(crate) scratch: Scratch,
}

impl Deref for Locked {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        &self.writer
    }
}

impl DerefMut for Locked {
    fn deref_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }
}

impl Writer {
    pub(crate) fn new(
        shared: &Shared,
        arena: ArenaWriter,
        services: NamesWriter<()>,
        names: NamesWriter<()>,
        origins: NamesWriter<OriginExtra>,
        series: Option<SeriesWriter>,
    ) -> Result<Self, ConfigError> {
        let ranked = shared.limits.max_per_trace.is_some() && series.is_none();
        let ranks = if ranked { shared.limits.capacity } else { 0 };
        let start = shared.head.load(Ordering::Relaxed);
        let index = (start % shared.limits.capacity as u64) as usize;
        let mut writer = Self {
            head: start,
            tail: start,
            head_index: index,
            tail_index: index,
            live_words: 0,
            max_words: words(shared.limits.max_bytes as usize),
            arena,
            services,
            names,
            origins,
            series,
            ranks: filled(ranks, || (0, 0))?,
            on_evict: None,
            evicted: Evicted::default(),
            scratch_bytes: 0,
            key: Vec::new(),
        };
        writer.account(shared);
        Ok(writer)
    }

    pub(crate) fn set_on_evict(&mut self, on_evict: Arc<OnEvict>) -> Option<Arc<OnEvict>> {
        self.on_evict.replace(on_evict)
    }

    /// Whether somebody is to be told of what is evicted.
    pub(crate) fn is_watched(&self) -> bool {
        self.on_evict.is_some()
    }

    /// Whether [`take_report`](Self::take_report) has something.
    #[inline]
    pub(crate) fn has_report(&self) -> bool {
        !self.evicted.is_empty()
    }

    /// What was evicted since the last time, to be delivered when the lock is released.
    #[cold]
    pub(crate) fn take_report(&mut self) -> Option<Report> {
        if self.evicted.is_empty() {
            return None;
        }
        let callback = Arc::clone(self.on_evict.as_ref()?);
        Some(Report { callback, evicted: std::mem::take(&mut self.evicted) })
    }

    /// Takes a delivered report's memory back.
    pub(crate) fn take_back(&mut self, shared: &Shared, evicted: Evicted, unreported: u64) {
        shared.counters.unreported.add(unreported);
        if self.evicted.is_empty() {
            self.evicted = evicted;
        }
        self.account_buffers(shared);
    }

    /// Adds a record of a pinned origin, which is unpinned when the record goes. `Err`: its trace holds as many as it
    /// may, and the origin is still pinned.
    ///
    /// Each part of the record is read where it is needed and stored where it belongs at once: there are more than registers, and
    /// one that waits would be stored and loaded once more.
    #[inline(always)]
    pub(crate) fn insert(
        &mut self,
        shared: &Shared,
        pinned: Pinned,
        parts: &impl Parts,
        wire: &[u8],
        now: u64,
    ) -> Result<u64, TraceFull> {
        if self.series.is_some() {
            return Ok(self.insert_point(shared, pinned, &parts.record(wire), now));
        }
        if let Some(most) = shared.limits.max_per_trace
            && parts.trace() != [0; 2]
            && self.held_of(shared, parts.trace()) >= most
        {
            shared.counters.refused_by_trace.add(1);
            return Err(TraceFull);
        }
        let bucket = shared.bucket(parts.trace());

        // References first, so that evicting the last record of a name that
        // this one has too does not throw the name away.
        if !pinned.is_plain() {
            self.services.chain(pinned.service()).hold();
        }
        let name = match parts.name() {
            [] => NO_NAME,
            name => self.names.acquire(&shared.names, name, || ()),
        };
        self.make_room(shared, words(wire.len()));

        let slot = shared.slot_at(self.head_index);
        let set = |w: usize, value: u64| slot[w].store(value, Ordering::Relaxed);
        set(word::OFFSET, self.arena.head());
        set(word::LEN_ORIGIN, join(wire.len() as u32, pinned.origin));
        set(word::TIME, parts.time());
        set(word::END, parts.end());
        set(word::TRACE, parts.trace()[0]);
        set(word::TRACE + 1, parts.trace()[1]);
        set(word::ARRIVAL, now);
        let memory_before = self.arena.allocated_bytes();
        self.arena.write(&shared.arena, wire);
        if self.arena.allocated_bytes() != memory_before {
            self.account(shared);
        }
        self.live_words += words(wire.len());
        shared.counters.live_bytes.add(wire.len() as u64);

        let link = self.link_trace(shared, bucket, parts.trace());
        set(word::TRACE_LINKS, link.words);
        let position = self.head;
        let class = usize::from(parts.class()).min(shared.classes.len() - 1);
        let of_class = &shared.classes[class];
        of_class.hold();
        set(word::CLASS_LINK_NAME, join(of_class.link(position), name));
        let flags = (u8::from(parts.oversize()) * FLAG_OVERSIZE)
            | (u8::from(pinned.is_plain()) * FLAG_PLAIN);
        let service = pinned.service();
        set(word::META, join(service, u32::from_le_bytes([class as u8, parts.kind(), flags, 0])));
        let of_service = self.services.chain(service);
        let service_link = of_service.link(position);
        if name == NO_NAME {
            set(word::LINKS, join(service_link, 0));
        } else {
            let of_name = self.names.chain(name);
            set(word::LINKS, join(service_link, of_name.link(position)));
            of_name.publish(position);
        }
        of_service.publish(position);
        of_class.publish(position);
        match link.before {
            Some(before) => self.relink(shared, before, position as u32),
            None if parts.trace() == [0; 2] => {}
            None => bucket.store(position, Ordering::Release),
        }
        self.head = position + 1;
        self.head_index = self.after(shared, self.head_index);
        shared.head.store(position + 1, Ordering::Release);
        if parts.oversize() {
            shared.counters.oversize.add(1);
        }
        let later = self.head_index + SLOTS_AHEAD;
        if later < shared.limits.capacity {
            prefetch::for_writing(shared.slot_at(later));
        }
        Ok(position)
    }

    #[inline]
    fn make_room(&mut self, shared: &Shared, needed: u64) {
        // There is never one more than there may be.
        if self.head - self.tail == shared.limits.capacity as u64 {
            self.evict(shared, Why::Count);
        }
        while self.live_words + needed + self.name_words() > self.max_words && self.tail < self.head
        {
            self.evict(shared, Why::Bytes);
        }
    }

    /// What names and origins add to the bytes of the records.
    fn name_words(&self) -> u64 {
        let series = self.series.as_ref().map_or(0, SeriesWriter::entry_bytes);
        (self.services.entry_bytes()
            + self.names.entry_bytes()
            + self.origins.entry_bytes()
            + series)
            / 8
    }

    /// Evicts what is older than the limits allow at `now`, or the first of it: `true` means that there may be more.
    #[inline]
    pub(crate) fn expire(&mut self, shared: &Shared, now: u64) -> bool {
        shared.limits.max_age.is_some_and(|age| {
            self.expire_older(shared, now, u64::try_from(age.as_nanos()).unwrap_or(u64::MAX))
        })
    }

    fn expire_older(&mut self, shared: &Shared, now: u64, age: u64) -> bool {
        for _ in 0..BATCH {
            if self.tail == self.head {
                return false;
            }
            if now.saturating_sub(self.oldest_arrival(shared)) <= age {
                return false;
            }
            self.evict(shared, Why::Age);
        }
        true
    }

    /// Forgets every record. Sequence numbers and counters go on.
    pub(crate) fn clear(&mut self, shared: &Shared) {
        while self.tail < self.head {
            self.evict(shared, Why::Clear);
        }
    }

    #[inline(never)]
    fn evict(&mut self, shared: &Shared, why: Why) {
        if self.series.is_some() {
            return self.evict_point(shared, why);
        }
        if why != Why::Clear && self.on_evict.is_some() {
            self.report(shared);
        }
        count(shared, why);
        self.pass_oldest(shared);

        let slot = shared.slot_at(self.tail_index);
        let get = |w: usize| slot[w].load(Ordering::Relaxed);
        let (len, _) = split(get(word::LEN_ORIGIN));
        let taken = words(len as usize);
        self.live_words -= taken;
        shared.counters.live_bytes.sub(u64::from(len));
        if self.arena.release(&shared.arena, get(word::OFFSET) + taken) {
            self.account(shared);
        }
        let trace = [get(word::TRACE), get(word::TRACE + 1)];
        let [_, _, flags, _] = (get(word::META) as u32).to_le_bytes();
        if trace != [0; 2] && (flags & FLAG_SUPERSEDED == 0 || !self.ranks.is_empty()) {
            self.forget_trace(shared, trace);
        }
        let (service, meta) = split(get(word::META));
        let [class, _, flags, _] = meta.to_le_bytes();
        shared.classes[usize::from(class)].shrink();
        self.release_service(shared, service);
        if flags & FLAG_PLAIN == 0 {
            let (_, origin) = split(get(word::LEN_ORIGIN));
            self.release_origin(shared, origin);
        }
        let (_, name) = split(get(word::CLASS_LINK_NAME));
        if name != NO_NAME {
            self.names.release(&shared.names, name);
        }
        self.tail_index = self.after(shared, self.tail_index);
        if shared.is_large {
            self.expect_eviction(shared);
        }
    }

    /// From here on no reader will believe what it reads of the oldest record.
    #[inline(always)]
    fn pass_oldest(&mut self, shared: &Shared) {
        if self.tail + 1 == self.head {
            shared.counters.last_arrival.set(self.oldest_arrival(shared));
            // For who sees that there is no other.
            fence(Ordering::Release);
        }
        self.tail += 1;
        shared.tail.store(self.tail, Ordering::Relaxed);
        fence(Ordering::Release);
    }

    /// When the oldest record, which is held, arrived.
    fn oldest_arrival(&self, shared: &Shared) -> u64 {
        match self.series {
            Some(_) => arrival_of(shared, self.tail),
            None => shared.slot_at(self.tail_index)[word::ARRIVAL].load(Ordering::Relaxed),
        }
    }

    /// Has fetched what a later eviction will change. Nothing is lost if it says something else by then.
    #[inline(always)]
    fn expect_eviction(&self, shared: &Shared) {
        let index = self.tail_index + EVICTIONS_AHEAD;
        if index >= shared.limits.capacity {
            return;
        }
        let slot = shared.slot_at(index);
        let get = |w: usize| slot[w].load(Ordering::Relaxed);
        let (service, meta) = split(get(word::META));
        let (_, origin) = split(get(word::LEN_ORIGIN));
        let [_, _, flags, _] = meta.to_le_bytes();
        self.services.expect(service);
        if flags & FLAG_PLAIN == 0 {
            self.origins.expect(origin);
        }
        if flags & FLAG_SUPERSEDED == 0 {
            prefetch::for_writing(shared.bucket([get(word::TRACE), get(word::TRACE + 1)]));
        }
    }

    /// Copies the oldest record for the callback.
    #[cold]
    fn report(&mut self, shared: &Shared) {
        let (position, slot) = (self.tail, self.tail_index);
        let series = &self.series;
        self.evicted.push(shared.sequence(position), |out| match series {
            Some(series) => series.put_oldest(position, out),
            None => {
                let slot = shared.slot_at(slot);
                let offset = slot[word::OFFSET].load(Ordering::Relaxed);
                let (len, _) = split(slot[word::LEN_ORIGIN].load(Ordering::Relaxed));
                shared.arena.append(offset, len as usize, out);
            }
        });
        self.account_buffers(shared);
    }

    /// Which slot a held position has.
    #[inline]
    fn index(&self, shared: &Shared, position: u64) -> usize {
        let back = (self.head - position) as usize;
        if back <= self.head_index {
            self.head_index - back
        } else {
            self.head_index + shared.limits.capacity - back
        }
    }

    fn after(&self, shared: &Shared, index: usize) -> usize {
        if index + 1 == shared.limits.capacity { 0 } else { index + 1 }
    }

    fn account(&mut self, shared: &Shared) {
        let ranks = (self.ranks.len() * size_of::<(u32, u32)>()) as u64;
        let mut lists = self.arena.list_bytes() + shared.arena.table_bytes() + ranks;
        let mut records = self.arena.allocated_bytes();
        if let Some(series) = &self.series {
            lists += series.own_bytes();
            records += series.heap;
            self.live_words = series.heap.div_ceil(8);
            shared.counters.live_bytes.set(series.used);
        }
        shared.counters.arena_bytes.set(records);
        shared.counters.list_bytes.set(lists);
    }

    /// What was noted last with [`set_scratch_bytes`](Self::set_scratch_bytes).
    #[inline(always)]
    pub(crate) fn scratch_bytes(&self) -> u64 {
        self.scratch_bytes
    }

    /// Notes the memory of the scratch.
    #[cold]
    pub(crate) fn set_scratch_bytes(&mut self, shared: &Shared, bytes: u64) {
        self.scratch_bytes = bytes;
        self.account_buffers(shared);
    }

    /// Counts the buffers, when one of them may have grown.
    #[cold]
    pub(crate) fn account_buffers(&self, shared: &Shared) {
        let others = self.evicted.heap_bytes() + self.key.capacity() as u64;
        shared.counters.scratch_bytes.set(self.scratch_bytes + others);
    }
}

fn count(shared: &Shared, why: Why) {
    let counters = &shared.counters;
    match why {
        Why::Count => counters.evicted_by_count.add(1),
        Why::Bytes => counters.evicted_by_bytes.add(1),
        Why::Age => counters.evicted_by_age.add(1),
        Why::Clear => counters.cleared.add(1),
    }
}

/// The trace of a record holds as many records as it may.
#[derive(Debug)]
pub(crate) struct TraceFull;
