//! Spans, log records and metric points of the recent past: bounded, indexed, in memory, fed by OpenTelemetry.
//!
//! # The window
//!
//! A store is a window over an endless sequence of records. Each record gets the next sequence number, which is
//! never given twice; record `n` lies in slot `n % capacity`. The window's end is the newest record, its begin
//! moves up when a limit (of count, bytes or age) is met:
//!
//! ```text
//!   evicted        held: tail <= n < head               to come
//!  . . . . . .  | 7 | 8 | 9 | 10 | 11 | 12 | 13 |  . . . . . .
//!               tail                             head
//! ```
//!
//! # Back-chains
//!
//! An index is a set of chains through the slots. For each key the newest record is known, and every record says
//! how far back the previous one with the same key is:
//!
//! ```text
//!   service "api"  -> 13 ──▶ 11 ──▶ 8 ──▶ (6: behind the tail, the end)
//!   service "web"  -> 12 ──▶ 10 ──▶ 9 ──▶ 7
//! ```
//!
//! Evicting a record touches no other record: links that lead behind the tail end there by themselves. What is left to do is to
//! count down the record's keys and to delete a key at zero. So an insert costs the same whether a service has ten
//! records or a million, and it does not allocate.
//!
//! # Bytes
//!
//! A record is kept as its OTLP wire bytes, in a first-in first-out arena; a slot holds only what the indexes and the
//! cheap filters need. Attributes are looked at when somebody asks for them. Resource and scope, which many records share, are
//! kept once, as names are.
//!
//! # Metrics
//!
//! Most metric points are one more number of a series that is known. So points are kept by series, their times and values
//! compressed as Gorilla does (see `chunk`): a regular series costs a few bytes a point, all indexes included, and answers
//! are still exact.
//!
//! # Readers never wait, and never make a writer wait
//!
//! Readers copy what they want and then look whether the tail has passed it meanwhile; see `core`. Every answer ends with
//! a [`Coverage`]: from where on it is complete, how much of what was asked for is evicted, whether the limit cut it.
//!
//! ```
//! use flightring_store::{Filter, Recorder, RecorderOptions, Signal, Span};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let recorder = Recorder::new(&RecorderOptions::default())?;
//! recorder.snapshot("before")?;
//! recorder.add_span(&Span { name: "GET /", service: "web", status: 2, ..Span::default() });
//! let mut filter = Filter::default().within(recorder.between(Signal::Traces, "before", None)?);
//! filter.errors_only = true;
//! let mut spans = recorder.query(Signal::Traces, filter)?;
//! assert_eq!(spans.next().map(|span| span.service().into_owned()).as_deref(), Some("web"));
//! assert!(spans.next().is_none());
//! assert_eq!(spans.coverage().evicted, 0);
//! # Ok(()) }
//! ```

#![deny(unsafe_code)]

mod arena;
mod biased;
mod check;
mod chunk;
mod config;
mod core;
mod cursor;
mod decode;
mod encode;
mod evictions;
mod explain;
mod export;
mod filter;
mod ingest;
mod input;
mod intern;
mod json_in;
mod json_out;
mod outcome;
mod page;
mod params;
mod parts;
mod points;
mod record;
mod recorder;
mod reverse;
mod salvage;
mod schema;
mod series;
mod stats;
mod store;
mod sync;
mod tree;
mod wire;
mod writer;

pub use config::{ConfigError, Limits};
pub use cursor::{Coverage, Cursor};
pub use decode::{Signal, check_exemplar};
pub use export::{Export, Form};
pub use filter::{AttributeFilter, Filter, FilterError, MetricType, Order};
pub use ingest::Encoding;
pub use input::{
    Attribute, Buckets, Event, Link, Log, Metric, Number, Point, Span, Temporality, Value,
};
pub use outcome::{IngestError, Ingested};
pub use params::{DEFAULT_LIMIT, MAX_LIMIT};
pub use record::{Parts, RecordRef};
pub use recorder::{Recorder, RecorderOptions, Snapshot, SnapshotError};
pub use stats::{Count, Stats};
pub use store::{Added, LogStore, MetricStore, TraceStore};
pub use wire::WireError;
