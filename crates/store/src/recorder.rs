//! The three stores together.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::config::{ConfigError, Limits};
use crate::cursor::Cursor;
use crate::decode::Signal;
use crate::filter::{Filter, FilterError};
use crate::ingest::{Encoding, ingest};
use crate::input::{Log, Metric, Span};
use crate::outcome::{IngestError, Ingested};
use crate::stats::{Count, Stats};
use crate::store::{Added, LogStore, MetricStore, Store, TraceStore, now};
use crate::sync::Mutex;

/// The limits of the three stores.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecorderOptions {
    /// Of spans.
    pub traces: Limits,
    /// Of log records.
    pub logs: Limits,
    /// Of metric points.
    pub metrics: Limits,
}

impl Default for RecorderOptions {
    fn default() -> Self {
        Self {
            traces: Limits::with_capacity(TraceStore::DEFAULT_CAPACITY),
            logs: Limits::with_capacity(LogStore::DEFAULT_CAPACITY),
            metrics: Limits::with_capacity(MetricStore::DEFAULT_CAPACITY),
        }
    }
}

/// The positions of the three stores at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// When it was taken, in nanoseconds since 1970.
    pub time_ns: u64,
    /// The sequence number that the next span had.
    pub traces: u64,
    /// The sequence number that the next log record had.
    pub logs: u64,
    /// The sequence number that the next metric point had.
    pub metrics: u64,
}

impl Snapshot {
    /// The sequence number that the next record of a kind had.
    #[must_use]
    pub fn sequence(&self, signal: Signal) -> u64 {
        match signal {
            Signal::Traces => self.traces,
            Signal::Logs => self.logs,
            Signal::Metrics => self.metrics,
        }
    }
}

/// Why there is no snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotError {
    /// No snapshot has this name.
    Unknown(String),
    /// The name is empty or longer than 256 bytes.
    Name,
    /// There are 1024 already; delete one.
    TooMany,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "no snapshot is named \"{name}\""),
            Self::Name => f.write_str("the name of a snapshot has 1 to 256 bytes"),
            Self::TooMany => write!(f, "there are {MAX_SNAPSHOTS} snapshots; delete one first"),
        }
    }
}

impl std::error::Error for SnapshotError {}

const MAX_SNAPSHOTS: usize = 1024;

/// Spans, logs and metrics of the recent past. Clones share them; every function may be called from any thread.
#[derive(Clone)]
pub struct Recorder {
    traces: TraceStore,
    logs: LogStore,
    metrics: MetricStore,
    snapshots: Arc<Mutex<BTreeMap<String, Snapshot>>>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("stats", &Signal::ALL.map(|signal| self.stats(signal)))
            .finish()
    }
}

impl Recorder {
    /// Creates three empty stores.
    pub fn new(options: &RecorderOptions) -> Result<Self, ConfigError> {
        Ok(Self {
            traces: TraceStore::new(&options.traces)?,
            logs: LogStore::new(&options.logs)?,
            metrics: MetricStore::new(&options.metrics)?,
            snapshots: Arc::default(),
        })
    }

    /// The spans.
    #[must_use]
    pub fn traces(&self) -> &TraceStore {
        &self.traces
    }

    /// The log records.
    #[must_use]
    pub fn logs(&self) -> &LogStore {
        &self.logs
    }

    /// The metric points.
    #[must_use]
    pub fn metrics(&self) -> &MetricStore {
        &self.metrics
    }

    /// Copies a span in.
    pub fn add_span(&self, span: &Span<'_>) -> Added {
        self.traces.add(span)
    }

    /// Copies a log record in.
    pub fn add_log(&self, log: &Log<'_>) -> Added {
        self.logs.add(log)
    }

    /// Copies a metric point in.
    pub fn add_metric(&self, metric: &Metric<'_>) -> Added {
        self.metrics.add(metric)
    }

    /// Takes in the body of an OTLP request (not compressed), or lines of records: at most 64 MiB.
    pub fn ingest(
        &self,
        signal: Signal,
        encoding: Encoding,
        body: &[u8],
    ) -> Result<Ingested, IngestError> {
        ingest(self.store(signal), encoding, body, now())
    }

    /// The records of a kind that pass `filter`.
    pub fn query(&self, signal: Signal, filter: Filter) -> Result<Cursor, FilterError> {
        self.store(signal).query(filter)
    }

    /// The figures of one store.
    #[must_use]
    pub fn stats(&self, signal: Signal) -> Stats {
        self.store(signal).stats()
    }

    /// The figures of all stores: `{"traces": {...}, "logs": {...}, "metrics": {...}}`.
    #[must_use]
    pub fn stats_json(&self) -> Json {
        let of = |signal| self.stats(signal).to_json(signal);
        json!({ "traces": of(Signal::Traces), "logs": of(Signal::Logs), "metrics": of(Signal::Metrics) })
    }

    /// Services, names and classes (statuses, severity numbers, types) of the held records, each with its count:
    /// `{"services": {"api": 3}, "names": {...}, "classes": {...}}`.
    #[must_use]
    pub fn summary_json(&self, signal: Signal) -> Json {
        let store = self.store(signal);
        let map = |counts: Vec<Count>| -> Json {
            counts
                .into_iter()
                .map(|count| (count.key, Json::from(count.count)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        json!({
            "services": map(store.services()),
            "names": map(store.names()),
            "classes": map(store.classes()),
        })
    }

    /// Forgets all records of a kind. Sequence numbers, counters and snapshots stay.
    pub fn clear(&self, signal: Signal) {
        self.store(signal).clear();
    }

    /// Evicts what is older than the limits of age. Without it, age takes effect when records arrive.
    pub fn expire(&self) {
        let now = now();
        for signal in Signal::ALL {
            self.store(signal).expire(now);
        }
    }

    /// Remembers the positions of the three stores under a name, replacing an older snapshot of that name. The three
    /// belong to one moment: no record can be after one and before another that was added later.
    pub fn snapshot(&self, name: &str) -> Result<Snapshot, SnapshotError> {
        if name.is_empty() || name.len() > 256 {
            return Err(SnapshotError::Name);
        }
        let mut snapshots = self.snapshots.lock();
        if snapshots.len() >= MAX_SNAPSHOTS && !snapshots.contains_key(name) {
            return Err(SnapshotError::TooMany);
        }
        let [traces, logs, metrics] = self.positions();
        let snapshot = Snapshot { time_ns: now(), traces, logs, metrics };
        snapshots.insert(name.to_owned(), snapshot.clone());
        Ok(snapshot)
    }

    /// The snapshot of that name.
    pub fn find_snapshot(&self, name: &str) -> Result<Snapshot, SnapshotError> {
        self.snapshots
            .lock()
            .get(name)
            .cloned()
            .ok_or_else(|| SnapshotError::Unknown(name.to_owned()))
    }

    /// All snapshots, by name.
    #[must_use]
    pub fn snapshots(&self) -> Vec<(String, Snapshot)> {
        self.snapshots
            .lock()
            .iter()
            .map(|(name, snapshot)| (name.clone(), snapshot.clone()))
            .collect()
    }

    /// Forgets a snapshot.
    pub fn delete_snapshot(&self, name: &str) -> Result<(), SnapshotError> {
        let removed = self.snapshots.lock().remove(name);
        removed.map(drop).ok_or_else(|| SnapshotError::Unknown(name.to_owned()))
    }

    /// The sequence numbers between two snapshots, for [`Filter::within`]; to now without a second one. What was
    /// evicted of them is reported in the answer's coverage.
    pub fn between(
        &self,
        signal: Signal,
        from: &str,
        to: Option<&str>,
    ) -> Result<Range<u64>, SnapshotError> {
        let start = self.find_snapshot(from)?.sequence(signal);
        let end = match to {
            Some(name) => self.find_snapshot(name)?.sequence(signal),
            None => self.stats(signal).next_sequence,
        };
        Ok(start..end)
    }

    /// The next sequence numbers of the three stores at one moment.
    fn positions(&self) -> [u64; 3] {
        let read = || Signal::ALL.map(|signal| self.stats(signal).next_sequence);
        // They only grow, so two equal readings mean that all three had these
        // values between the readings. Nobody waits.
        let mut last = read();
        for _ in 0..1000 {
            let again = read();
            if again == last {
                return last;
            }
            last = again;
        }
        // Writers are too fast for that: stop them for the length of three loads.
        let _writers = Signal::ALL.map(|signal| self.store(signal).core.writer.lock());
        read()
    }

    pub(crate) fn store(&self, signal: Signal) -> &Store {
        match signal {
            Signal::Traces => &self.traces.0,
            Signal::Logs => &self.logs.0,
            Signal::Metrics => &self.metrics.0,
        }
    }
}
