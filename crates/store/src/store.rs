//! The three stores, by the kind of record they hold.

use std::sync::Arc;

use flightring_sync::prefetch;

use crate::biased::Guard;
use crate::config::{ConfigError, Limits};
use crate::core::Core;
use crate::cursor::Cursor;
use crate::decode::{self, METRIC_TYPES, Signal, placeholder};
use crate::encode::{Input, UNKNOWN_SERVICE, put_origin};
use crate::evictions::OnEvict;
use crate::filter::{Filter, FilterError};
use crate::input::{Log, Metric, Span};
use crate::parts::{Parts, Record};
use crate::stats::{Count, Stats};
use crate::writer::{Locked, Pinned, TraceFull, Writer};

/// What became of a record that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is held, under this sequence number.
    Held(u64),
    /// It was larger than a record may be: a placeholder is held under this sequence number.
    Placeholder(u64),
    /// Its trace holds as many records as it may; it was refused and counted.
    TraceFull,
}

impl Added {
    /// The sequence number, if the record is held in some form.
    #[must_use]
    pub fn sequence(self) -> Option<u64> {
        match self {
            Self::Held(sequence) | Self::Placeholder(sequence) => Some(sequence),
            Self::TraceFull => None,
        }
    }
}

/// A store of one kind of records. Clones share it.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) core: Arc<Core>,
    pub(crate) signal: Signal,
}

/// Now, in nanoseconds since 1970, as coarse as the kernel's tick: it orders arrivals, and costs next to nothing.
pub(crate) fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    // A clock that is set to before 1970 is not worth a branch.
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

impl Store {
    pub(crate) fn new(signal: Signal, limits: &Limits) -> Result<Self, ConfigError> {
        Ok(Self { core: Arc::new(Core::new(limits, signal == Signal::Metrics)?), signal })
    }

    /// Adds a record that is handed in.
    #[inline]
    pub(crate) fn add<I: Input>(&self, input: &I, now: u64) -> Added {
        self.add_with(self.lock_for(now), input, now)
    }

    /// The same, unless a callback for evictions is set: then nothing happens.
    #[inline]
    pub(crate) fn add_unwatched<I: Input>(&self, input: &I, now: u64) -> Option<Added> {
        loop {
            let mut writer = self.core.writer.lock();
            if writer.is_watched() {
                return None;
            }
            if !writer.expire(&self.core.shared, now) {
                return Some(self.add_with(writer, input, now));
            }
        }
    }

    fn add_with<I: Input>(&self, mut locked: Guard<'_, Locked>, input: &I, now: u64) -> Added {
        let service = if input.service().is_empty() { UNKNOWN_SERVICE } else { input.service() };
        let Locked { writer, scratch } = &mut *locked;
        self.expect(input.trace());
        let pinned = self.pin_service(writer, service);
        let wire = scratch.message(|out| input.encode(out));
        let added = self.insert(writer, pinned, input, wire, now);
        let shared = &self.core.shared;
        if scratch.heap_bytes() != writer.scratch_bytes() {
            scratch.give_back_beyond(shared.limits.max_record_bytes);
            writer.set_scratch_bytes(shared, scratch.heap_bytes());
        }
        self.release(locked);
        added
    }

    /// Has the bucket of a trace fetched, of which a record will be inserted: nothing else of an insert is as likely not to be in the
    /// cache.
    #[inline(always)]
    pub(crate) fn expect(&self, trace: [u64; 2]) {
        let shared = &self.core.shared;
        if shared.is_large {
            prefetch::for_writing(shared.bucket(trace));
        }
    }

    /// The writer, after what is too old at `now` was evicted.
    #[inline(always)]
    pub(crate) fn lock_for(&self, now: u64) -> Guard<'_, Locked> {
        loop {
            let mut writer = self.core.writer.lock();
            if !writer.expire(&self.core.shared, now) {
                return writer;
            }
            self.release(writer);
        }
    }

    /// Gives the writer's lock back, then tells the callback what was evicted under it.
    #[inline(always)]
    pub(crate) fn release(&self, mut writer: Guard<'_, Locked>) {
        if writer.has_report() {
            let report = writer.take_report();
            drop(writer);
            if let Some(report) = report {
                report.deliver(&self.core);
            }
        }
    }

    /// The pinned origin of records that name only their service.
    #[inline(always)]
    fn pin_service(&self, writer: &mut Writer, service: &str) -> Pinned {
        let name = decode::cut(service.as_bytes(), decode::MAX_NAME);
        // A service that is cut shares its name with others.
        let is_whole = name.len() == service.len();
        if is_whole && let Some(pinned) = writer.pin_plain(&self.core.shared, name) {
            return pinned;
        }
        self.pin_new_service(writer, service, name)
    }

    #[cold]
    fn pin_new_service(&self, writer: &mut Writer, service: &str, name: &[u8]) -> Pinned {
        let is_longer_than_a_record = service.len() > self.core.shared.limits.max_record_bytes;
        let kept = if is_longer_than_a_record { name } else { service.as_bytes() };
        let mut key = std::mem::take(&mut writer.key);
        key.clear();
        put_origin(kept, &mut key);
        let pinned = writer.pin(&self.core.shared, &key, name);
        writer.key = key;
        writer.account_buffers(&self.core.shared);
        // No other service shares its name.
        if name.len() == service.len() { writer.make_plain(pinned) } else { pinned }
    }

    /// Adds a record of a pinned origin, which is its own from here on; the writer is this store's.
    #[inline(always)]
    pub(crate) fn insert(
        &self,
        writer: &mut Writer,
        pinned: Pinned,
        parts: &impl Parts,
        wire: &[u8],
        now: u64,
    ) -> Added {
        let shared = &self.core.shared;
        if wire.len() > shared.limits.max_record_bytes {
            return self.insert_placeholder(writer, pinned, &parts.record(wire), now);
        }
        self.held(writer, pinned, parts, wire, now).map_or(Added::TraceFull, Added::Held)
    }

    /// The sequence number of a record that is held from here on; `None` if its trace holds as many as it may.
    #[inline(always)]
    fn held(
        &self,
        writer: &mut Writer,
        pinned: Pinned,
        parts: &impl Parts,
        wire: &[u8],
        now: u64,
    ) -> Option<u64> {
        let shared = &self.core.shared;
        match writer.insert(shared, pinned, parts, wire, now) {
            Ok(position) => Some(shared.sequence(position)),
            Err(TraceFull) => {
                writer.unpin(shared, pinned);
                None
            }
        }
    }

    #[cold]
    fn insert_placeholder(
        &self,
        writer: &mut Writer,
        pinned: Pinned,
        record: &Record<'_>,
        now: u64,
    ) -> Added {
        let shared = &self.core.shared;
        let mut small = Vec::new();
        // The fields were walked before, so they can be walked again. Without
        // its texts a record has less than the smallest limit.
        for text_limit in [128, 32, 0] {
            small.clear();
            let result = placeholder(self.signal, record.wire, text_limit, &mut small);
            if result.is_ok() && small.len() <= shared.limits.max_record_bytes {
                break;
            }
        }
        let placeholder = Record { wire: &small, oversize: true, ..*record };
        self.held(writer, pinned, &placeholder, &small, now)
            .map_or(Added::TraceFull, Added::Placeholder)
    }

    pub(crate) fn query(&self, filter: Filter) -> Result<Cursor, FilterError> {
        Cursor::new(Arc::clone(&self.core), self.signal, filter)
    }

    pub(crate) fn stats(&self) -> Stats {
        self.core.stats()
    }

    pub(crate) fn services(&self) -> Vec<Count> {
        let entries = self.core.shared.services.list();
        sorted(entries.iter().map(|(entry, count)| (entry.text().into_owned(), *count)))
    }

    pub(crate) fn names(&self) -> Vec<Count> {
        let entries = self.core.shared.names.list();
        sorted(entries.iter().map(|(entry, count)| (entry.text().into_owned(), *count)))
    }

    pub(crate) fn classes(&self) -> Vec<Count> {
        let name = |class: usize| match self.signal {
            Signal::Traces => {
                ["unset", "ok", "error"].get(class).copied().unwrap_or("unset").to_owned()
            }
            Signal::Logs => class.to_string(),
            Signal::Metrics => METRIC_TYPES.get(class).copied().unwrap_or("unknown").to_owned(),
        };
        sorted(
            self.core
                .shared
                .classes
                .iter()
                .enumerate()
                .map(|(class, chain)| (name(class), chain.head().count)),
        )
    }

    pub(crate) fn clear(&self) {
        self.core.writer.lock().clear(&self.core.shared);
    }

    pub(crate) fn expire(&self, now: u64) {
        if self.core.shared.limits.max_age.is_some() {
            self.release(self.lock_for(now));
        }
    }

    pub(crate) fn on_evict(&self, callback: Arc<OnEvict>) {
        // The old one is dropped after the lock: its drop may be anything.
        let old = self.core.writer.lock().set_on_evict(callback);
        drop(old);
    }
}

fn sorted(counts: impl Iterator<Item = (String, u64)>) -> Vec<Count> {
    let mut counts = counts
        .filter(|(_, count)| *count > 0)
        .map(|(key, count)| Count { key, count })
        .collect::<Vec<_>>();
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
    counts
}

macro_rules! typed_store {
    ($(#[$doc:meta])* $name:ident, $record:ident, $capacity:expr) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(pub(crate) Store);

        impl $name {
            const SIGNAL: Signal = <$record<'static> as Input>::SIGNAL;

            /// How many records it holds unless told otherwise.
            pub const DEFAULT_CAPACITY: usize = $capacity;

            /// Creates an empty store.
            pub fn new(limits: &Limits) -> Result<Self, ConfigError> {
                Store::new(Self::SIGNAL, limits).map(Self)
            }

            /// Copies a record in. It arrives now.
            pub fn add(&self, record: &$record<'_>) -> Added {
                self.add_at(record, now())
            }

            /// Copies a record in that arrives at `now_ns`, in nanoseconds since 1970. Arrival times should not fall:
            /// age is measured by them.
            pub fn add_at(&self, record: &$record<'_>, now_ns: u64) -> Added {
                self.0.add(record, now_ns)
            }

            /// Copies a record in as [`add`](Self::add) does, unless a callback for evictions is set: then nothing is
            /// done, and `None` returned. So no code of others runs inside, which may end what the caller has borrowed.
            pub fn add_unwatched(&self, record: &$record<'_>) -> Option<Added> {
                self.0.add_unwatched(record, now())
            }

            /// The records that pass `filter`.
            pub fn query(&self, filter: Filter) -> Result<Cursor, FilterError> {
                self.0.query(filter)
            }

            /// The figures, without stopping anybody.
            #[must_use]
            pub fn stats(&self) -> Stats {
                self.0.stats()
            }

            /// The services of the held records, most frequent first. The counts sum to the number of records.
            #[must_use]
            pub fn services(&self) -> Vec<Count> {
                self.0.services()
            }

            /// The names of the held records (spans, events, metrics), most frequent first.
            #[must_use]
            pub fn names(&self) -> Vec<Count> {
                self.0.names()
            }

            /// Statuses, severity numbers or metric types of the held records, most frequent first. The counts sum to
            /// the number of records.
            #[must_use]
            pub fn classes(&self) -> Vec<Count> {
                self.0.classes()
            }

            /// Forgets all records. Sequence numbers and counters go on.
            pub fn clear(&self) {
                self.0.clear();
            }

            /// Evicts what is older than the limit of age at `now_ns`.
            pub fn expire(&self, now_ns: u64) {
                self.0.expire(now_ns);
            }

            /// Has `callback` called with sequence number and wire bytes of each record that is evicted, in place of an
            /// earlier callback. Each thread reports what its own calls evict, oldest first, before they return and
            /// without holding a lock: with several writers it runs on several threads at a time. It may use the
            /// store in any way. What it evicts itself by adding records to this store is not reported, but counted
            /// as [`Stats::unreported`]. If it panics, so does the call that evicted, after its work is done; what was to be
            /// reported after that is counted there too.
            pub fn on_evict(&self, callback: impl Fn(u64, &[u8]) + Send + Sync + 'static) {
                self.0.on_evict(Arc::new(callback));
            }
        }
    };
}

typed_store! {
    /// The newest spans, indexed by trace id, service, name and status.
    TraceStore, Span, 10_000
}
typed_store! {
    /// The newest log records, indexed by trace id, service, severity and event name.
    LogStore, Log, 50_000
}
typed_store! {
    /// The newest metric points, indexed by name, service and type.
    MetricStore, Metric, 100_000
}
