//! The one who changes a store: see `core` for the protocol.

use crate::arena::{ArenaWriter, words};
use crate::core::{FLAG_OVERSIZE, NO_NAME, OriginExtra, Shared, join, split, word};
use crate::intern::{NONE, NamesWriter};
use crate::series::{SeriesWriter, arrival_of};
use crate::sync::{Ordering, fence};

/// A record on its way in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) time: u64,
    pub(crate) end: u64,
    /// All zero: of no trace.
    pub(crate) trace: [u8; 16],
    /// Empty: no name.
    pub(crate) name: &'a [u8],
    pub(crate) class: u8,
    pub(crate) kind: u8,
    pub(crate) oversize: bool,
    pub(crate) wire: &'a [u8],
}

/// Called with the sequence number and the wire bytes of a record that is about to be evicted.
pub(crate) type OnEvict = Box<dyn FnMut(u64, &[u8]) + Send>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Count,
    Bytes,
    Age,
    Clear,
}

/// The state that only the holder of the writer's lock sees.
pub(crate) struct Writer {
    head: u64,
    tail: u64,
    head_index: usize,
    tail_index: usize,
    live_words: u64,
    arena: ArenaWriter,
    services: NamesWriter<()>,
    names: NamesWriter<()>,
    origins: NamesWriter<OriginExtra>,
    series: Option<SeriesWriter>,
    on_evict: Option<OnEvict>,
    /// For encoding records.
    pub(crate) scratch: Vec<u8>,
    evicted: Vec<u8>,
}

pub(crate) fn trace_words(trace: [u8; 16]) -> [u64; 2] {
    let value = u128::from_le_bytes(trace);
    [value as u64, (value >> 64) as u64]
}

pub(crate) fn trace_bytes(trace: [u64; 2]) -> [u8; 16] {
    (u128::from(trace[1]) << 64 | u128::from(trace[0])).to_le_bytes()
}

/// Where a trace's newest record is linked from.
struct Found {
    before: Option<u64>,
    position: Option<u64>,
}

impl Writer {
    pub(crate) fn new(
        shared: &Shared,
        arena: ArenaWriter,
        services: NamesWriter<()>,
        names: NamesWriter<()>,
        origins: NamesWriter<OriginExtra>,
        series: Option<SeriesWriter>,
    ) -> Self {
        let start = shared.head.load(Ordering::Relaxed);
        let index = (start % shared.limits.capacity as u64) as usize;
        let mut writer = Self {
            head: start,
            tail: start,
            head_index: index,
            tail_index: index,
            live_words: 0,
            arena,
            services,
            names,
            origins,
            series,
            on_evict: None,
            scratch: Vec::new(),
            evicted: Vec::new(),
        };
        writer.account(shared);
        writer
    }

    pub(crate) fn set_on_evict(&mut self, on_evict: Option<OnEvict>) -> Option<OnEvict> {
        std::mem::replace(&mut self.on_evict, on_evict)
    }

    /// The id of an origin, kept until [`unpin`](Self::unpin). `service` is only asked for if the key is new.
    pub(crate) fn pin(&mut self, shared: &Shared, key: &[u8], service: &[u8]) -> u32 {
        let services = &mut self.services;
        self.origins.acquire(&shared.origins, key, || {
            let id = services.acquire(&shared.services, service, || ());
            OriginExtra { service: id, service_entry: services.share(id) }
        })
    }

    pub(crate) fn unpin(&mut self, shared: &Shared, origin: u32) {
        if let Some(gone) = self.origins.release(&shared.origins, origin) {
            self.services.release(&shared.services, gone.extra.service);
        }
    }

    /// Adds a record of a pinned origin. `Err`: its trace holds as many as it may.
    pub(crate) fn insert(
        &mut self,
        shared: &Shared,
        origin: u32,
        record: &Record<'_>,
        now: u64,
    ) -> Result<u64, TraceFull> {
        if self.series.is_some() {
            return Ok(self.insert_point(shared, origin, record, now));
        }
        let trace = trace_words(record.trace);
        if let Some(most) = shared.limits.max_per_trace
            && trace != [0; 2]
            && self.held_of(shared, trace) >= most
        {
            shared.counters.refused_by_trace.add(1);
            return Err(TraceFull);
        }
        // References first, so that evicting the last record of a name that
        // this one has too does not throw the name away.
        let name = if record.name.is_empty() {
            NO_NAME
        } else {
            self.names.acquire(&shared.names, record.name, || ())
        };
        self.origins.retain(origin);
        let needed = words(record.wire.len());
        self.make_room(shared, needed, now);

        let position = self.head;
        let taken_before = self.arena.allocated_bytes();
        let offset = self.arena.write(&shared.arena, record.wire);
        self.live_words += needed;
        let found = if trace == [0; 2] { None } else { Some(self.find(shared, trace)) };
        let (trace_link, next, rank) = match &found {
            Some(Found { position: Some(newest), .. }) => {
                let slot = self.slot(shared, *newest);
                let (rank, base) = split(slot[word::TRACE_RANK].load(Ordering::Relaxed));
                let (_, next) = split(slot[word::TRACE_LINKS].load(Ordering::Relaxed));
                let next = if next == *newest as u32 { position as u32 } else { next };
                ((position - newest) as u32, next, join(rank.wrapping_add(1), base))
            }
            Some(Found { position: None, .. }) => {
                let first = shared.bucket(trace).load(Ordering::Relaxed);
                shared.counters.traces.add(1);
                (0, if first == NONE { position as u32 } else { first as u32 }, 0)
            }
            None => (0, position as u32, 0),
        };
        let service = self.origins.get(origin).extra.service;
        let class = usize::from(record.class).min(shared.classes.len() - 1);
        let service_chain = &self.services.get(service).chain;
        let name_chain = (name != NO_NAME).then(|| &self.names.get(name).chain);
        let service_link = service_chain.reserve(position);
        let name_link = name_chain.map_or(0, |chain| chain.reserve(position));
        let class_link = shared.classes[class].reserve(position);
        let flags = if record.oversize { FLAG_OVERSIZE } else { 0 };
        let meta = u32::from_le_bytes([class as u8, record.kind, flags, 0]);

        let slot = shared.slot_at(self.head_index);
        let set = |w: usize, value: u64| slot[w].store(value, Ordering::Relaxed);
        set(word::OFFSET, offset);
        set(word::LEN_ORIGIN, join(record.wire.len() as u32, origin));
        set(word::TIME, record.time);
        set(word::END, record.end);
        set(word::TRACE, trace[0]);
        set(word::TRACE + 1, trace[1]);
        set(word::TRACE_LINKS, join(trace_link, next));
        set(word::TRACE_RANK, rank);
        set(word::LINKS, join(service_link, name_link));
        set(word::CLASS_LINK_NAME, join(class_link, name));
        set(word::ARRIVAL, now);
        set(word::META, join(service, meta));

        service_chain.publish(position);
        if let Some(chain) = name_chain {
            chain.publish(position);
        }
        shared.classes[class].publish(position);
        match found {
            Some(Found { before: Some(before), position: Some(_) }) => {
                self.relink(shared, before, position as u32)
            }
            Some(_) => shared.bucket(trace).store(position, Ordering::Release),
            None => {}
        }
        self.head += 1;
        self.head_index = self.after(shared, self.head_index);
        shared.head.store(self.head, Ordering::Release);

        let counters = &shared.counters;
        counters.added.add(1);
        counters.last_arrival.set(now);
        counters.live_bytes.add(record.wire.len() as u64);
        counters.live_words.add(needed);
        if record.oversize {
            counters.oversize.add(1);
        }
        if self.arena.allocated_bytes() != taken_before {
            self.account(shared);
        }
        Ok(position)
    }

    /// Adds a record that is kept by series.
    fn insert_point(&mut self, shared: &Shared, origin: u32, record: &Record<'_>, now: u64) -> u64 {
        let Self { series: Some(series), names, origins, .. } = self else { return self.head };
        let id = series.acquire(shared, origin, record, || {
            origins.retain(origin);
            let name = match record.name {
                [] => NO_NAME,
                name => names.acquire(&shared.names, name, || ()),
            };
            (origins.share(origin), origins.get(origin).extra.service, name)
        });
        // A new point takes little; what it adds is counted before the next.
        self.make_room(shared, words(record.wire.len()).min(64), now);
        let (position, index) = (self.head, self.head_index);
        let Self { series: Some(series), names, services, .. } = self else { return position };
        series.push(shared, id, index, position, record, now);
        let of = series.get(id);
        let name_chain = (of.name != NO_NAME).then(|| &names.get(of.name).chain);
        let class_chain = &shared.classes[usize::from(of.class).min(shared.classes.len() - 1)];
        for chain in [Some(&services.get(of.service).chain), Some(class_chain), name_chain]
            .into_iter()
            .flatten()
        {
            chain.reserve(position);
            chain.publish(position);
        }
        self.head += 1;
        self.head_index = self.after(shared, index);
        shared.head.store(self.head, Ordering::Release);
        shared.counters.added.add(1);
        shared.counters.last_arrival.set(now);
        if record.oversize {
            shared.counters.oversize.add(1);
        }
        self.account(shared);
        position
    }

    /// Takes the oldest point out of its series, and the series away if it was the last.
    fn forget_point(&mut self, shared: &Shared) {
        let Self { series: Some(series), names, services, .. } = self else { return };
        let of = &series.oldest(self.tail_index).extra;
        services.get(of.service).chain.shrink();
        shared.classes[usize::from(of.class).min(shared.classes.len() - 1)].shrink();
        if of.name != NO_NAME {
            names.get(of.name).chain.shrink();
        }
        if let Some(gone) = series.evict(shared, self.tail_index, self.tail) {
            if gone.name != NO_NAME {
                names.release(&shared.names, gone.name);
            }
            self.unpin(shared, gone.origin);
        }
        self.account(shared);
    }

    fn make_room(&mut self, shared: &Shared, needed: u64, now: u64) {
        let max_words = words(shared.limits.max_bytes as usize);
        while self.head - self.tail >= shared.limits.capacity as u64 {
            self.evict(shared, Why::Count);
        }
        while self.live_words + needed + self.name_words() > max_words && self.tail < self.head {
            self.evict(shared, Why::Bytes);
        }
        self.expire(shared, now);
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

    /// Evicts what is older than the limits allow at `now`.
    pub(crate) fn expire(&mut self, shared: &Shared, now: u64) {
        let Some(age) = shared.limits.max_age else { return };
        let age = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
        while self.tail < self.head {
            let arrival = match self.series {
                Some(_) => arrival_of(shared, self.tail),
                None => shared.slot_at(self.tail_index)[word::ARRIVAL].load(Ordering::Relaxed),
            };
            if now.saturating_sub(arrival) <= age {
                break;
            }
            self.evict(shared, Why::Age);
        }
    }

    /// Forgets every record. Sequence numbers and counters go on.
    pub(crate) fn clear(&mut self, shared: &Shared) {
        while self.tail < self.head {
            self.evict(shared, Why::Clear);
        }
    }

    #[inline]
    fn evict(&mut self, shared: &Shared, why: Why) {
        if self.series.is_some() {
            if why != Why::Clear && self.on_evict.is_some() {
                self.call_back(shared, self.tail, 0, 0);
            }
            self.tail += 1;
            shared.tail.store(self.tail, Ordering::Relaxed);
            fence(Ordering::Release);
            self.forget_point(shared);
            self.tail_index = self.after(shared, self.tail_index);
            return count(shared, why);
        }
        let position = self.tail;
        let slot = shared.slot_at(self.tail_index);
        let get = |w: usize| slot[w].load(Ordering::Relaxed);
        let offset = get(word::OFFSET);
        let (len, origin) = split(get(word::LEN_ORIGIN));
        if why != Why::Clear && self.on_evict.is_some() {
            self.call_back(shared, position, offset, len);
        }
        // From here on no reader will believe what it reads of this record.
        self.tail += 1;
        shared.tail.store(self.tail, Ordering::Relaxed);
        fence(Ordering::Release);

        let trace = [get(word::TRACE), get(word::TRACE + 1)];
        if trace != [0; 2] {
            self.forget_trace(shared, position, trace, split(get(word::TRACE_RANK)).0);
        }
        let (service, meta) = split(get(word::META));
        self.services.get(service).chain.shrink();
        shared.classes[usize::from(meta.to_le_bytes()[0])].shrink();
        let (_, name) = split(get(word::CLASS_LINK_NAME));
        if name != NO_NAME {
            self.names.get(name).chain.shrink();
            self.names.release(&shared.names, name);
        }
        self.unpin(shared, origin);

        let taken = words(len as usize);
        self.arena.release(&shared.arena, offset + taken);
        self.live_words -= taken;
        self.tail_index = self.after(shared, self.tail_index);
        let counters = &shared.counters;
        counters.live_bytes.sub(u64::from(len));
        counters.live_words.sub(taken);
        count(shared, why);
    }

    #[cold]
    fn call_back(&mut self, shared: &Shared, position: u64, offset: u64, len: u32) {
        self.evicted.clear();
        match &self.series {
            Some(series) => series.put_oldest(self.tail_index, &mut self.evicted),
            None => shared.arena.read(offset, len as usize, &mut self.evicted),
        }
        if let Some(on_evict) = &mut self.on_evict {
            on_evict(shared.sequence(position), &self.evicted);
        }
    }

    /// Takes the oldest record of a trace out of the trace's count, and the trace out of its bucket if it was the
    /// last.
    fn forget_trace(&mut self, shared: &Shared, position: u64, trace: [u64; 2], rank: u32) {
        let Found { before, position: newest } = self.find(shared, trace);
        let Some(newest) = newest else { return };
        let slot = self.slot(shared, newest);
        if newest != position {
            let (last, _) = split(slot[word::TRACE_RANK].load(Ordering::Relaxed));
            slot[word::TRACE_RANK].store(join(last, rank.wrapping_add(1)), Ordering::Relaxed);
            return;
        }
        let (_, next) = split(slot[word::TRACE_LINKS].load(Ordering::Relaxed));
        let ends = next == position as u32;
        match before {
            Some(before) => self.relink(shared, before, if ends { before as u32 } else { next }),
            None => {
                let first = if ends { NONE } else { self.widen(next) };
                shared.bucket(trace).store(first, Ordering::Release);
            }
        }
        shared.counters.traces.sub(1);
    }

    fn relink(&self, shared: &Shared, before: u64, next: u32) {
        let links = &self.slot(shared, before)[word::TRACE_LINKS];
        let (back, _) = split(links.load(Ordering::Relaxed));
        links.store(join(back, next), Ordering::Release);
    }

    /// The held position (or the one being evicted) with these low bits.
    fn widen(&self, low: u32) -> u64 {
        self.head - u64::from((self.head as u32).wrapping_sub(low))
    }

    #[inline]
    fn find(&self, shared: &Shared, trace: [u64; 2]) -> Found {
        let first = shared.bucket(trace).load(Ordering::Relaxed);
        let mut found = Found { before: None, position: None };
        if first == NONE {
            return found;
        }
        let mut position = first;
        loop {
            let slot = self.slot(shared, position);
            if slot[word::TRACE].load(Ordering::Relaxed) == trace[0]
                && slot[word::TRACE + 1].load(Ordering::Relaxed) == trace[1]
            {
                found.position = Some(position);
                return found;
            }
            let (_, next) = split(slot[word::TRACE_LINKS].load(Ordering::Relaxed));
            if next == position as u32 {
                return Found { before: None, position: None };
            }
            found.before = Some(position);
            position = self.widen(next);
        }
    }

    fn held_of(&self, shared: &Shared, trace: [u64; 2]) -> u32 {
        let Some(newest) = self.find(shared, trace).position else { return 0 };
        let (rank, base) =
            split(self.slot(shared, newest)[word::TRACE_RANK].load(Ordering::Relaxed));
        rank.wrapping_sub(base).wrapping_add(1)
    }

    /// The slot of a held position, without a division.
    #[inline]
    fn slot<'a>(&self, shared: &'a Shared, position: u64) -> &'a [crate::sync::AtomicU64] {
        let back = (self.head - position) as usize;
        let index = if back <= self.head_index {
            self.head_index - back
        } else {
            self.head_index + shared.limits.capacity - back
        };
        shared.slot_at(index)
    }

    fn after(&self, shared: &Shared, index: usize) -> usize {
        if index + 1 == shared.limits.capacity { 0 } else { index + 1 }
    }

    fn account(&mut self, shared: &Shared) {
        let mut lists = self.arena.list_bytes() + shared.arena.table_bytes();
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

    /// Counts the buffers, when one of them may have grown.
    pub(crate) fn account_buffers(&self, shared: &Shared) {
        shared
            .counters
            .scratch_bytes
            .set((self.scratch.capacity() + self.evicted.capacity()) as u64);
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
