//! Figures: counted as things happen, never estimated, never scanned for.

use crate::core::{CLASSES, Core};
use crate::decode::Signal;

/// The figures of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// The most records held.
    pub capacity: u64,
    /// Records held now.
    pub count: u64,
    /// Distinct trace ids held.
    pub traces: u64,
    /// Distinct services held.
    pub services: u64,
    /// Distinct names held: of spans, events or metrics.
    pub names: u64,
    /// Distinct severities, statuses or metric types held.
    pub classes: u64,
    /// Sequence number of the oldest held record; equal to `next_sequence` if there is none.
    pub first_sequence: u64,
    /// Sequence number of the next record.
    pub next_sequence: u64,
    /// Records ever added. `added = count + evicted + cleared`, always.
    pub added: u64,
    /// Records that made room for others: the sum of the three that follow.
    pub evicted: u64,
    /// Evicted because there were `capacity` of them.
    pub evicted_by_count: u64,
    /// Evicted because they took too many bytes.
    pub evicted_by_bytes: u64,
    /// Evicted because they were too old.
    pub evicted_by_age: u64,
    /// Records removed by `clear`.
    pub cleared: u64,
    /// Records refused because their trace held as many as it may.
    pub refused_by_trace: u64,
    /// Records that left a placeholder because they were too large.
    pub oversize: u64,
    /// Evicted records of which the eviction callback was not told, because it evicted them itself, or panicked before.
    pub unreported: u64,
    /// The most bytes of records, names and resources.
    pub max_bytes: u64,
    /// Bytes of the held records.
    pub live_bytes: u64,
    /// Heap bytes reserved for records: `live_bytes`, rounding, room for the next ones, and buffers.
    pub reserved_bytes: u64,
    /// Heap bytes of slots, buckets and tables.
    pub index_bytes: u64,
    /// Heap bytes of names and origins.
    pub dictionary_bytes: u64,
}

impl Stats {
    /// All heap bytes of the store.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.reserved_bytes + self.index_bytes + self.dictionary_bytes
    }

    /// The figures as JSON: the names that readers of the origin's statistics expect, then the rest.
    #[must_use]
    pub fn to_json(&self, signal: Signal) -> serde_json::Value {
        let (count, third, third_entries) = match signal {
            Signal::Traces => ("span_count", "name_index_entries", self.names),
            Signal::Logs => ("log_count", "severity_index_entries", self.classes),
            Signal::Metrics => ("metric_count", "name_index_entries", self.names),
        };
        let mut json = serde_json::json!({
            "capacity": self.capacity,
            count: self.count,
            "trace_count": self.traces,
            "index_memory_bytes": self.index_bytes + self.dictionary_bytes,
            "data_memory_bytes": self.reserved_bytes,
            "total_memory_bytes": self.total_bytes(),
            "trace_index_entries": self.traces,
            "service_index_entries": self.services,
            third: third_entries,
            "first_sequence": self.first_sequence,
            "next_sequence": self.next_sequence,
            "added": self.added,
            "evicted": self.evicted,
            "evicted_by_count": self.evicted_by_count,
            "evicted_by_bytes": self.evicted_by_bytes,
            "evicted_by_age": self.evicted_by_age,
            "cleared": self.cleared,
            "refused_by_trace": self.refused_by_trace,
            "oversize": self.oversize,
            "unreported": self.unreported,
            "max_bytes": self.max_bytes,
            "live_bytes": self.live_bytes,
            "reserved_bytes": self.reserved_bytes,
            "dictionary_bytes": self.dictionary_bytes,
        });
        if signal == Signal::Metrics
            && let Some(map) = json.as_object_mut()
        {
            map.remove("trace_count");
            map.remove("trace_index_entries");
            map.insert("type_index_entries".to_owned(), self.classes.into());
        }
        json
    }
}

impl Core {
    pub(crate) fn stats(&self) -> Stats {
        let shared = &self.shared;
        let counters = &shared.counters;
        let (tail, head) = shared.bounds();
        let (by_count, by_bytes, by_age) = (
            counters.evicted_by_count.get(),
            counters.evicted_by_bytes.get(),
            counters.evicted_by_age.get(),
        );
        Stats {
            capacity: shared.limits.capacity as u64,
            count: head - tail,
            traces: counters.traces.get(),
            services: shared.services.len(),
            names: shared.names.len(),
            classes: (0..CLASSES).filter(|&class| shared.classes[class].head().count > 0).count()
                as u64,
            first_sequence: shared.sequence(tail),
            next_sequence: shared.sequence(head),
            added: head - shared.first_position(),
            evicted: by_count + by_bytes + by_age,
            evicted_by_count: by_count,
            evicted_by_bytes: by_bytes,
            evicted_by_age: by_age,
            cleared: counters.cleared.get(),
            refused_by_trace: counters.refused_by_trace.get(),
            oversize: counters.oversize.get(),
            unreported: counters.unreported.get(),
            max_bytes: shared.limits.max_bytes,
            live_bytes: counters.live_bytes.get(),
            reserved_bytes: counters.arena_bytes.get()
                + counters.scratch_bytes.get()
                + shared.pages.bytes(),
            index_bytes: shared.index_bytes() + counters.list_bytes.get(),
            dictionary_bytes: shared.series.bytes()
                + shared.services.bytes()
                + shared.names.bytes()
                + shared.origins.bytes(),
        }
    }
}

/// How many records have one service, name or severity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Which.
    pub key: String,
    /// How many records are held.
    pub count: u64,
}
