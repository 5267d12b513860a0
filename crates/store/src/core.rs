//! What the three stores have in common: a window of records that moves over an endless sequence.
//!
//! A record has a position that only grows; its slot is `position % capacity`. It is *held* while
//! `tail <= position < head`, and from the moment it is published until the tail passes it nothing that a reader
//! uses changes. That gives the whole protocol between one writer and any number of readers:
//!
//! * the writer moves `tail` first, then (after a release fence) overwrites what the tail gave free, and stores
//!   `head` last, with release;
//! * a reader copies what it wants, then (after an acquire fence) looks at `tail` again: if the position is still
//!   held, the copy is a true one, otherwise the record was evicted meanwhile and the copy is thrown away.
//!
//! So nobody waits: a reader never stops a writer, and a writer only costs a reader records that are gone anyway.
//!
//! Indexes are back-chains: for each key the newest position is known, and each slot says how far back the
//! previous record with the same key is. A link that leads behind the tail is the end of the chain, so evicting a
//! record touches no other record: it takes one from the count of each of its keys, and a key at zero is deleted.
//!
//! Service, name and class (severity, metric type, status) have a chain each, headed by an interned name or a
//! fixed cell. Trace ids are too many for that: a bucket array holds for each hash the newest record of one trace, and
//! the newest records of the other traces in the same bucket are linked from there, in the slots themselves.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;

use crossbeam_utils::CachePadded;
use foldhash::fast::RandomState;

use crate::arena::{Arena, words};
use crate::biased::Biased;
use crate::config::{ConfigError, Limits, filled};
use crate::intern::{Chain, Entry, NONE, Names};
use crate::page::Pages;
use crate::reverse::Scratch;
use crate::series::{Series, SeriesWriter, arrival_of};
use crate::sync::{AtomicU64, Counter, Mutex, Ordering, fence};
use crate::writer::{Locked, Writer};

/// Words in a slot.
pub(crate) const SLOT_WORDS: usize = 11;
/// Severities are 0 to 24, metric types 1 to 5, status codes 0 to 2.
pub(crate) const CLASSES: usize = 25;
/// The id of a record without a name.
pub(crate) const NO_NAME: u32 = u32::MAX;

pub(crate) mod word {
    //! Which word of a slot holds what.
    //! What is needed to find a trace stands together.
    pub(crate) const TRACE: usize = 0; // and 1
    pub(crate) const TRACE_LINKS: usize = 2;
    pub(crate) const META: usize = 3;
    pub(crate) const OFFSET: usize = 4;
    pub(crate) const LEN_ORIGIN: usize = 5;
    pub(crate) const TIME: usize = 6;
    pub(crate) const END: usize = 7;
    pub(crate) const LINKS: usize = 8;
    pub(crate) const CLASS_LINK_NAME: usize = 9;
    pub(crate) const ARRIVAL: usize = 10;
}

/// Flag of a record that was too large and left a placeholder.
pub(crate) const FLAG_OVERSIZE: u8 = 1;
/// Flag of a record that is not the newest of its trace, for the writer.
pub(crate) const FLAG_SUPERSEDED: u8 = 2;
/// Flag of a record whose origin is the plain one of its service, for the writer.
pub(crate) const FLAG_PLAIN: u8 = 4;

/// Who sent a record: the resource and the scope it came with.
#[derive(Debug)]
pub(crate) struct OriginExtra {
    pub(crate) service: u32,
    pub(crate) service_entry: Arc<Entry<()>>,
}

pub(crate) type Origin = Entry<OriginExtra>;

/// A slot's words.
pub(crate) type SlotWords = [AtomicU64; SLOT_WORDS];

/// A slot, copied out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slot {
    pub(crate) position: u64,
    pub(crate) offset: u64,
    pub(crate) len: u32,
    pub(crate) origin: u32,
    pub(crate) time: u64,
    pub(crate) end: u64,
    pub(crate) trace: [u64; 2],
    pub(crate) links: [u32; 4],
    pub(crate) name: u32,
    pub(crate) service: u32,
    pub(crate) arrival: u64,
    pub(crate) class: u8,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
}

/// Which chain a walk follows; the number is the index into [`Slot::links`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Trace = 0,
    Service = 1,
    Name = 2,
    Class = 3,
}

pub(crate) fn split(value: u64) -> (u32, u32) {
    ((value >> 32) as u32, value as u32)
}

pub(crate) fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// The figures that are counted, not derived.
#[derive(Debug)]
pub(crate) struct Counters {
    /// When the newest record arrived, as of the last time that none was left.
    pub(crate) last_arrival: Counter,
    pub(crate) evicted_by_count: Counter,
    pub(crate) evicted_by_bytes: Counter,
    pub(crate) evicted_by_age: Counter,
    pub(crate) cleared: Counter,
    pub(crate) refused_by_trace: Counter,
    pub(crate) oversize: Counter,
    pub(crate) traces: Counter,
    /// Bytes of the held records, before rounding.
    pub(crate) live_bytes: Counter,
    /// Evicted records of which the callback was not told.
    pub(crate) unreported: Counter,
    pub(crate) arena_bytes: Counter,
    pub(crate) list_bytes: Counter,
    pub(crate) scratch_bytes: Counter,
}

/// What readers and the writer share.
pub(crate) struct Shared {
    pub(crate) head: CachePadded<AtomicU64>,
    pub(crate) tail: CachePadded<AtomicU64>,
    slots: Box<[SlotWords]>,
    /// Whether what one record has to do with is scattered over more memory than the caches near the processor hold, so that it
    /// has to be asked for before it is needed.
    pub(crate) is_large: bool,
    /// 2^64 divided by the capacity, to find slots without a division.
    reciprocal: u64,
    /// Newest record of the first trace of each bucket.
    buckets: Box<[AtomicU64]>,
    hasher: RandomState,
    pub(crate) arena: Arena,
    pub(crate) pages: Pages,
    pub(crate) services: Names<()>,
    pub(crate) names: Names<()>,
    pub(crate) origins: Names<OriginExtra>,
    /// Whether records are kept by series, in place of slots and arena.
    pub(crate) by_series: bool,
    pub(crate) series: Names<Series>,
    /// From which position on which arrival time holds, for series.
    pub(crate) arrivals: Mutex<VecDeque<(u64, u64)>>,
    pub(crate) classes: [Chain; CLASSES],
    pub(crate) counters: Counters,
    pub(crate) limits: Limits,
    /// What a sequence number has on top of a position.
    base: u64,
    first: u64,
}

/// A store without types: see the module's text.
pub(crate) struct Core {
    pub(crate) shared: Shared,
    pub(crate) writer: Biased<Locked>,
}

impl Core {
    pub(crate) fn new(limits: &Limits, by_series: bool) -> Result<Self, ConfigError> {
        limits.check()?;
        // So many records cannot be longer than this together, however many bytes they may have. (A placeholder may be
        // longer than the least limit of a record by a few words.)
        let longest = words(limits.max_record_bytes) + 64;
        let most = (limits.capacity as u64 + 2).saturating_mul(longest);
        let max_words = if by_series { 0 } else { words(limits.max_bytes as usize).min(most) };
        let (arena, arena_writer) = Arena::new(max_words)?;
        let (services, services_writer) = Names::new();
        let (names, names_writer) = Names::new();
        let (origins, origins_writer) = Names::new();
        let (series, series_names) = Names::new();
        let slots = if by_series { 0 } else { limits.capacity };
        // Half a bucket a record: traces have several records each, and a
        // bucket with two traces costs one more step.
        let buckets = (slots.next_power_of_two() / 2).max(1);
        // Positions start in the low half of the number asked for, so that
        // they cannot overflow; the rest is added to what callers see.
        let start = limits.first_sequence & u64::from(u32::MAX);
        let shared = Shared {
            head: CachePadded::new(AtomicU64::new(start)),
            tail: CachePadded::new(AtomicU64::new(start)),
            is_large: buckets > 1 << 15,
            slots: filled(slots, || std::array::from_fn(|_| AtomicU64::new(0)))?,
            reciprocal: u64::MAX / limits.capacity as u64,
            buckets: filled(buckets, || AtomicU64::new(NONE))?,
            hasher: RandomState::default(),
            arena,
            pages: Pages::new(),
            services,
            names,
            origins,
            by_series,
            series,
            arrivals: Mutex::default(),
            classes: std::array::from_fn(|_| Chain::new()),
            counters: Counters::new(),
            limits: limits.clone(),
            base: limits.first_sequence - start,
            first: start,
        };
        let series = if by_series {
            Some(SeriesWriter::new(limits.capacity, start, series_names)?)
        } else {
            None
        };
        let writer = Writer::new(
            &shared,
            arena_writer,
            services_writer,
            names_writer,
            origins_writer,
            series,
        )?;
        let locked = Locked { writer, scratch: Scratch::default() };
        Ok(Self { shared, writer: Biased::new(locked) })
    }

    /// When the oldest held record arrived; when there is none, or it vanishes while it is looked at, the latest
    /// time known.
    pub(crate) fn oldest_arrival(&self) -> u64 {
        loop {
            let (tail, head) = self.shared.bounds();
            if tail == head {
                return self.shared.counters.last_arrival.get();
            }
            if self.shared.by_series {
                return arrival_of(&self.shared, tail);
            }
            if let Some(slot) = self.shared.load(tail) {
                return slot.arrival;
            }
        }
    }

    /// Newest record of a trace.
    pub(crate) fn newest_of_trace(&self, trace: [u64; 2]) -> Option<u64> {
        // The list may change under a reader so often that it has to begin
        // again; some times are enough unless the machine stalls it each time.
        const ATTEMPTS: usize = 32;
        for _ in 0..ATTEMPTS {
            if let Ok(found) = self.shared.try_newest_of_trace(trace) {
                return found;
            }
        }
        let _writer = self.writer.lock();
        self.shared.try_newest_of_trace(trace).ok().flatten()
    }
}

impl Counters {
    fn new() -> Self {
        Self {
            last_arrival: Counter::new(),
            evicted_by_count: Counter::new(),
            evicted_by_bytes: Counter::new(),
            evicted_by_age: Counter::new(),
            cleared: Counter::new(),
            refused_by_trace: Counter::new(),
            oversize: Counter::new(),
            traces: Counter::new(),
            live_bytes: Counter::new(),
            unreported: Counter::new(),
            arena_bytes: Counter::new(),
            list_bytes: Counter::new(),
            scratch_bytes: Counter::new(),
        }
    }
}

/// A list that a reader follows was changed in a way that it must begin again.
pub(crate) struct Changed;

impl Shared {
    pub(crate) fn sequence(&self, position: u64) -> u64 {
        position + self.base
    }

    /// Position of the first record ever.
    pub(crate) fn first_position(&self) -> u64 {
        self.first
    }

    /// The position of a sequence number; one from before the start is taken as the start.
    pub(crate) fn position(&self, sequence: u64) -> u64 {
        sequence.saturating_sub(self.base).max(self.first)
    }

    #[inline]
    pub(crate) fn slot(&self, position: u64) -> &SlotWords {
        let capacity = self.limits.capacity as u64;
        // At most one less than the true quotient.
        let quotient = ((u128::from(position) * u128::from(self.reciprocal)) >> 64) as u64;
        let rest = position - quotient * capacity;
        self.slot_at((if rest < capacity { rest } else { rest - capacity }) as usize)
    }

    #[inline]
    pub(crate) fn slot_at(&self, index: usize) -> &SlotWords {
        &self.slots[index]
    }

    #[inline]
    pub(crate) fn bucket(&self, trace: [u64; 2]) -> &AtomicU64 {
        let hash = self.hasher.hash_one(u128::from(trace[1]) << 64 | u128::from(trace[0]));
        &self.buckets[hash as usize & (self.buckets.len() - 1)]
    }

    /// Whether what was read of `position` before this call is true.
    #[inline]
    pub(crate) fn still_held(&self, position: u64) -> bool {
        fence(Ordering::Acquire);
        self.tail.load(Ordering::Relaxed) <= position
    }

    pub(crate) fn bounds(&self) -> (u64, u64) {
        // Head after tail: the tail never passes a head that was seen later.
        let tail = self.tail.load(Ordering::Acquire);
        (tail, self.head.load(Ordering::Acquire))
    }

    /// A copy of the slot, if the record is held.
    #[inline]
    pub(crate) fn load(&self, position: u64) -> Option<Slot> {
        let mut copy = Slot::default();
        self.load_to(position, &mut copy).then_some(copy)
    }

    /// Copies the slot to where it will stay; `false` if the record is not held. Moving it right after its parts were stored
    /// one by one would wait for the stores.
    #[inline]
    pub(crate) fn load_to(&self, position: u64, copy: &mut Slot) -> bool {
        let slot = self.slot(position);
        let get = |w: usize| slot[w].load(Ordering::Relaxed);
        let (len, origin) = split(get(word::LEN_ORIGIN));
        let (service_link, name_link) = split(get(word::LINKS));
        let (class_link, name) = split(get(word::CLASS_LINK_NAME));
        let (trace_link, _) = split(get(word::TRACE_LINKS));
        let (service, meta) = split(get(word::META));
        let [class, kind, flags, _] = meta.to_le_bytes();
        *copy = Slot {
            position,
            offset: get(word::OFFSET),
            len,
            origin,
            time: get(word::TIME),
            end: get(word::END),
            trace: [get(word::TRACE), get(word::TRACE + 1)],
            links: [trace_link, service_link, name_link, class_link],
            name,
            service,
            arrival: get(word::ARRIVAL),
            class,
            kind,
            flags,
        };
        self.still_held(position)
    }

    fn try_newest_of_trace(&self, trace: [u64; 2]) -> Result<Option<u64>, Changed> {
        let mut position = self.bucket(trace).load(Ordering::Acquire);
        if position == NONE {
            return Ok(None);
        }
        loop {
            let slot = self.slot(position);
            let id = [
                slot[word::TRACE].load(Ordering::Relaxed),
                slot[word::TRACE + 1].load(Ordering::Relaxed),
            ];
            let (_, next) = split(slot[word::TRACE_LINKS].load(Ordering::Acquire));
            if !self.still_held(position) {
                return Err(Changed);
            }
            if id == trace {
                return Ok(Some(position));
            }
            // A slot that names itself ends the list.
            if next == position as u32 {
                return Ok(None);
            }
            let (tail, head) = self.bounds();
            let ahead = next.wrapping_sub(tail as u32);
            // `head` itself may be linked just before it is published.
            if u64::from(ahead) > head - tail {
                return Err(Changed);
            }
            position = tail + u64::from(ahead);
        }
    }

    /// Heap bytes of slots, buckets and of the store itself, which lies behind an Arc and its two counters.
    pub(crate) fn index_bytes(&self) -> u64 {
        let words = self.slots.len() * SLOT_WORDS + self.buckets.len();
        (words * size_of::<AtomicU64>()
            + size_of::<Core>().next_multiple_of(align_of::<Core>())
            + align_of::<Core>()) as u64
    }
}
