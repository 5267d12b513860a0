//! OTLP in: the body of an exporter's request, as Protocol Buffers or JSON.
//!
//! The request is walked, not decoded: each record's bytes go into the store as they are, after a look at the few
//! fields that the indexes need. The framing is checked before anything is stored, so a damaged request leaves no half of itself
//! behind; a single record that cannot be read is refused alone, as OTLP's partial success provides. So it is in JSON, where
//! everything within the request's own list counts as its records: see `salvage`.

use std::fmt;

use crate::biased::Guard;
use crate::decode::{self, MAX_NAME, METRIC_FIELDS, Signal, cut, messages};
use crate::encode::{UNKNOWN_SERVICE, put_origin};
use crate::salvage::{mended, salvage};
use crate::store::{Added, Store};
use crate::wire::{Encode, Value, WireError, fields};
use crate::writer::{BATCH, Pinned, Record, Writer};
use crate::{json_in, schema};

/// How records are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`.
    Protobuf,
    /// `application/json`.
    Json,
    /// `application/x-ndjson`: the lines that exporting records gives, one a record, in place of a request.
    Ndjson,
}

/// What became of a request's records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Ingested {
    /// Records that are held now (or were evicted by later ones of the same request).
    pub accepted: u64,
    /// Of these, records that were too large and left a placeholder.
    pub placeholders: u64,
    /// Records refused because they could not be read.
    pub malformed: u64,
    /// What was wrong with the first of those; empty if there are none.
    pub first_malformed: String,
    /// Records refused because their trace holds as many as it may.
    pub trace_full: u64,
}

impl Ingested {
    /// All refused records, for OTLP's partial success reply.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.malformed + self.trace_full
    }

    /// Why records were refused, in words; empty if none were.
    #[must_use]
    pub fn message(&self) -> String {
        let mut message = String::new();
        if self.malformed > 0 {
            message = format!("{} could not be read", self.malformed);
            if !self.first_malformed.is_empty() {
                message = format!("{message} (the first: {})", self.first_malformed);
            }
        }
        if self.trace_full > 0 {
            let separator = if message.is_empty() { "" } else { ", " };
            message = format!(
                "{message}{separator}{} belong to a trace that holds as many records as it may",
                self.trace_full
            );
        }
        message
    }

    fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.placeholders += other.placeholders;
        self.lose(other.malformed, || other.first_malformed.clone());
        self.trace_full += other.trace_full;
    }

    fn lose(&mut self, records: u64, reason: impl FnOnce() -> String) {
        if self.malformed == 0 && records > 0 {
            self.first_malformed = reason();
        }
        self.malformed += records;
    }

    fn count(&mut self, added: Added) {
        match added {
            Added::Held(_) => self.accepted += 1,
            Added::Placeholder(_) => {
                self.accepted += 1;
                self.placeholders += 1;
            }
            Added::TraceFull => self.trace_full += 1,
        }
    }
}

/// Why a request was refused as a whole. Nothing of it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IngestError {
    /// It is larger than a request may be.
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// The most bytes that a request may have.
        limit: usize,
    },
    /// Its framing is damaged.
    Wire(WireError),
    /// It is no JSON, or not an object with the list of an OTLP request.
    Json(String),
}

impl fmt::Display for IngestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, limit } => {
                write!(
                    f,
                    "the request has {bytes} bytes, at most {limit} are accepted; send smaller batches"
                )
            }
            Self::Wire(error) => write!(f, "not an OTLP request: {error}"),
            Self::Json(error) => write!(f, "not an OTLP request in JSON: {error}"),
        }
    }
}

impl std::error::Error for IngestError {}

impl From<WireError> for IngestError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// The most bytes of a request.
pub(crate) const MAX_REQUEST: usize = 64 << 20;

pub(crate) fn ingest(
    store: &Store,
    encoding: Encoding,
    body: &[u8],
    now: u64,
) -> Result<Ingested, IngestError> {
    if body.len() > MAX_REQUEST {
        return Err(IngestError::TooLarge { bytes: body.len(), limit: MAX_REQUEST });
    }
    match encoding {
        Encoding::Protobuf => protobuf(store, body, now),
        Encoding::Json => match json_in::to_wire(schema::request(store.signal), body) {
            Ok(wire) => protobuf(store, &wire, now),
            Err(_) => {
                let saved = salvage(store.signal, body).map_err(IngestError::Json)?;
                let mut result = protobuf(store, &saved.wire, now)?;
                result.lose(saved.lost, || saved.reason);
                Ok(result)
            }
        },
        Encoding::Ndjson => lines(store, body, now),
    }
}

/// Takes lines in, each a record; those that are none are refused alone.
fn lines(store: &Store, body: &[u8], now: u64) -> Result<Ingested, IngestError> {
    let mut result = Ingested::default();
    for line in body.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii) {
        if line.is_empty() {
            continue;
        }
        let mut request = json_in::line_to_request(store.signal, line);
        if request.is_err()
            && let Some(mended) = mended(line)
        {
            request = json_in::line_to_request(store.signal, &mended);
        }
        match request {
            Ok(request) => match protobuf(store, &request, now)? {
                nothing if nothing == Ingested::default() => {
                    result.lose(1, || "the metric has no point".to_owned());
                }
                taken => result.add(&taken),
            },
            Err(reason) => result.lose(1, || json_in::message_of(&reason).to_owned()),
        }
    }
    Ok(result)
}

fn protobuf(store: &Store, request: &[u8], now: u64) -> Result<Ingested, IngestError> {
    let heads = check(request)?;
    let mut ingest = Ingest {
        store,
        writer: store.lock_for(now),
        now,
        result: Ingested::default(),
        seen: 0,
        key: Vec::new(),
        point: Vec::new(),
        heads: heads.into_iter(),
    };
    for resource_records in messages(request, 1) {
        ingest.resource(resource_records);
    }
    let Ingest { writer, result, .. } = ingest;
    writer.account_buffers(&store.core.shared);
    store.release(writer);
    Ok(result)
}

/// Of a message that holds the records of a resource or of a scope: that resource or scope, and the URL of its schema.
type Head<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// Scopes of a request of which it is remembered where their heads are, which may stand before or behind the records.
const MAX_HEADS: usize = 1024;

/// Walks the framing, which is the same for the three signals: request, resources, scopes, records. Returns the heads of the
/// first scopes.
fn check(request: &[u8]) -> Result<Vec<Head<'_>>, WireError> {
    let mut heads = Vec::new();
    for field in fields(request) {
        let (1, resource) = field? else { continue };
        for field in fields(resource.bytes()?) {
            match field? {
                (1 | 3, value) => {
                    value.bytes()?;
                }
                (2, scope) => {
                    let head = check_scope(scope.bytes()?)?;
                    if heads.len() < MAX_HEADS {
                        heads.push(head);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(heads)
}

/// Of several heads the last counts.
fn check_scope(scope_records: &[u8]) -> Result<Head<'_>, WireError> {
    let mut head = (None, None);
    let mut rest = fields(scope_records);
    loop {
        // Records are nearly all that there is.
        while rest.expected(2).is_some() {}
        match rest.next().transpose()? {
            Some((1, value)) => head.0 = Some(value.bytes()?),
            Some((2, value)) => drop(value.bytes()?),
            Some((3, value)) => head.1 = Some(value.bytes()?),
            Some(_) => {}
            None => return Ok(head),
        }
    }
}

struct Ingest<'a> {
    store: &'a Store,
    writer: Guard<'a, Writer>,
    now: u64,
    result: Ingested,
    seen: u64,
    /// The key of the origin at hand.
    key: Vec<u8>,
    /// A metric with one point.
    point: Vec<u8>,
    /// Of the scopes to come, as far as they were remembered.
    heads: std::vec::IntoIter<Head<'a>>,
}

impl<'a> Ingest<'a> {
    fn resource(&mut self, resource_records: &'a [u8]) {
        let mut resource = (None, None);
        for field in fields(resource_records).flatten() {
            match field {
                (1, Value::Bytes(bytes)) => resource.0 = Some(bytes),
                (3, Value::Bytes(url)) => resource.1 = Some(url),
                _ => {}
            }
        }
        for scope_records in messages(resource_records, 2) {
            let head = match self.heads.next() {
                Some(head) => head,
                None => check_scope(scope_records).unwrap_or_default(),
            };
            self.scope(resource, head, scope_records);
        }
    }

    fn scope(
        &mut self,
        (resource, resource_url): Head<'_>,
        (scope, scope_url): Head<'_>,
        scope_records: &[u8],
    ) {
        let parts = [(1, resource), (2, scope), (3, resource_url), (4, scope_url)];
        let service = resource.map_or(Ok(UNKNOWN_SERVICE.as_bytes()), decode::service_of);
        let service = service.unwrap_or(UNKNOWN_SERVICE.as_bytes());
        self.key.clear();
        for (number, part) in parts {
            if let Some(part) = part {
                self.key.put_bytes(number, part);
            }
        }
        let shared = &self.store.core.shared;
        if self.key.len() > shared.limits.max_record_bytes {
            // A resource larger than a record may be is cut to its service.
            self.key.clear();
            put_origin(service, &mut self.key);
        }
        let pinned = self.writer.pin(shared, &self.key, cut(service, MAX_NAME));
        for record in messages(scope_records, 2) {
            match self.store.signal {
                Signal::Traces | Signal::Logs => self.record(pinned, record),
                Signal::Metrics => self.metric(pinned, record),
            }
        }
        self.writer.unpin(shared, pinned.origin);
    }

    #[inline]
    fn record(&mut self, pinned: Pinned, wire: &[u8]) {
        let mut record = Record::of(wire);
        match decode::read(self.store.signal, &mut record) {
            Ok(()) => {
                self.writer.retain(pinned.origin);
                let added = self.store.insert(&mut self.writer, pinned, &record, self.now);
                self.result.count(added);
            }
            Err(error) => self.result.lose(1, || error.to_string()),
        }
        self.seen += 1;
        if self.seen.is_multiple_of(BATCH) {
            let report = self.writer.take_report();
            let core = &self.store.core;
            self.writer.unlocked(|| {
                if let Some(report) = report {
                    report.deliver(core);
                }
            });
        }
    }

    /// Cuts a metric into metrics of one point each.
    fn metric(&mut self, pinned: Pinned, metric: &[u8]) {
        let Some((number, data)) = data_of(metric) else {
            self.result.lose(1, || "the metric has no data".to_owned());
            return;
        };
        let mut wire = std::mem::take(&mut self.point);
        for point in messages(data, 1) {
            wire.clear();
            for (field, value) in fields(metric).flatten() {
                if !METRIC_FIELDS.contains(&field) {
                    wire.put_value(field, value);
                }
            }
            wire.put_message(number, |wire| {
                wire.put_bytes(1, point);
                for (field, value) in fields(data).flatten() {
                    if field != 1 {
                        wire.put_value(field, value);
                    }
                }
            });
            self.record(pinned, &wire);
        }
        self.point = wire;
    }
}

/// Which type of data a metric has, and the data; `None` if it has none or cannot be read.
fn data_of(metric: &[u8]) -> Option<(u32, &[u8])> {
    let mut found = None;
    for field in fields(metric) {
        if let (number, Value::Bytes(data)) = field.ok()?
            && METRIC_FIELDS[1..].contains(&number)
        {
            if fields(data).any(|field| field.is_err()) {
                return None;
            }
            found = Some((number, data));
        }
    }
    found
}
