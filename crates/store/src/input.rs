//! Records as a program hands them in: plain structs of borrowed parts, copied on the way in.

use crate::decode::{MAX_NAME, Signal, cut};
use crate::wire::{Encode, varint_len};
use crate::writer::{Record, trace_words};

/// The value of an attribute, or the body of a log record.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Text.
    Str(&'a str),
    /// True or false.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// Bytes that are not text.
    Bytes(&'a [u8]),
    /// A list.
    Array(&'a [Value<'a>]),
    /// A list of named values.
    Map(&'a [Attribute<'a>]),
}

/// A named value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attribute<'a> {
    /// The name.
    pub key: &'a str,
    /// The value.
    pub value: Value<'a>,
}

impl<'a> Attribute<'a> {
    /// A text attribute.
    #[must_use]
    pub fn text(key: &'a str, value: &'a str) -> Self {
        Self { key, value: Value::Str(value) }
    }
}

/// Something that happened during a span.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Event<'a> {
    /// When, in nanoseconds since 1970.
    pub time_ns: u64,
    /// What.
    pub name: &'a str,
    /// More about it.
    pub attributes: &'a [Attribute<'a>],
}

/// A span of another trace that this one belongs with.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Link<'a> {
    /// That trace.
    pub trace_id: [u8; 16],
    /// That span.
    pub span_id: [u8; 8],
    /// Why.
    pub attributes: &'a [Attribute<'a>],
}

/// A unit of work.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Span<'a> {
    /// All spans of one request have the same; all zero means none.
    pub trace_id: [u8; 16],
    /// This span.
    pub span_id: [u8; 8],
    /// The span that this one is a part of; all zero for a root.
    pub parent_id: [u8; 8],
    /// What was done.
    pub name: &'a str,
    /// Who did it; empty is taken as `unknown`.
    pub service: &'a str,
    /// OTLP's number: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    pub kind: u8,
    /// Begin, in nanoseconds since 1970.
    pub start_ns: u64,
    /// End, in nanoseconds since 1970.
    pub end_ns: u64,
    /// OTLP's number: 0 unset, 1 ok, 2 error.
    pub status: u8,
    /// What went wrong.
    pub status_message: &'a str,
    /// More about it.
    pub attributes: &'a [Attribute<'a>],
    /// What happened meanwhile.
    pub events: &'a [Event<'a>],
    /// What it belongs with.
    pub links: &'a [Link<'a>],
}

/// A log record.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Log<'a> {
    /// When it happened, in nanoseconds since 1970; 0 if only `observed_ns` is known.
    pub time_ns: u64,
    /// When it was seen, in nanoseconds since 1970.
    pub observed_ns: u64,
    /// OTLP's number: 1 to 4 trace, 5 debug, 9 info, 13 warn, 17 error, 21 to 24 fatal, 0 unknown.
    pub severity: u8,
    /// The severity as its source calls it.
    pub severity_text: &'a str,
    /// The message.
    pub body: Option<Value<'a>>,
    /// The trace it belongs to; all zero means none.
    pub trace_id: [u8; 16],
    /// The span it belongs to; all zero means none.
    pub span_id: [u8; 8],
    /// Who wrote it; empty is taken as `unknown`.
    pub service: &'a str,
    /// The name of the event, if it is one.
    pub event_name: &'a str,
    /// More about it.
    pub attributes: &'a [Attribute<'a>],
}

/// How successive points of a sum or histogram relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Temporality {
    /// Not said.
    #[default]
    Unspecified = 0,
    /// Each point counts since the one before.
    Delta = 1,
    /// Each point counts since the start time.
    Cumulative = 2,
}

/// A number as it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A floating-point number.
    Double(f64),
    /// An integer.
    Int(i64),
}

/// The buckets of one side of an exponential histogram.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Buckets<'a> {
    /// Index of the first bucket.
    pub offset: i32,
    /// The counts from there on.
    pub counts: &'a [u64],
}

/// What a metric point says.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Point<'a> {
    /// A value that goes up and down.
    Gauge(Number),
    /// A value that adds up.
    Sum {
        /// The value.
        value: Number,
        /// Since when it counts.
        temporality: Temporality,
        /// Whether it never falls.
        monotonic: bool,
    },
    /// Counts between explicit bounds.
    Histogram {
        /// How many were measured.
        count: u64,
        /// Their sum, if known.
        sum: Option<f64>,
        /// One more than there are bounds, or none.
        bucket_counts: &'a [u64],
        /// Upper bounds, rising.
        bounds: &'a [f64],
        /// Since when it counts.
        temporality: Temporality,
    },
    /// Counts in buckets that grow exponentially.
    ExponentialHistogram {
        /// How many were measured.
        count: u64,
        /// Their sum, if known.
        sum: Option<f64>,
        /// Resolution: bounds are powers of 2^(2^-scale).
        scale: i32,
        /// How many were zero.
        zero_count: u64,
        /// Buckets of positive values.
        positive: Buckets<'a>,
        /// Buckets of negative values.
        negative: Buckets<'a>,
        /// Since when it counts.
        temporality: Temporality,
    },
    /// Quantiles computed by the source.
    Summary {
        /// How many were measured.
        count: u64,
        /// Their sum.
        sum: f64,
        /// Pairs of quantile (0 to 1) and value.
        quantiles: &'a [(f64, f64)],
    },
}

/// One point of one metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric<'a> {
    /// The metric.
    pub name: &'a str,
    /// Its unit (UCUM).
    pub unit: &'a str,
    /// What it means.
    pub description: &'a str,
    /// Who measured; empty is taken as `unknown`.
    pub service: &'a str,
    /// When, in nanoseconds since 1970.
    pub time_ns: u64,
    /// Since when a sum or histogram counts; 0 if not known.
    pub start_ns: u64,
    /// The point.
    pub point: Point<'a>,
    /// Which of the metric's series.
    pub attributes: &'a [Attribute<'a>],
    /// Measurements that stand for the rest, with the traces they belong to: OTLP's `Exemplar` messages. Summaries have
    /// none.
    pub exemplars: &'a [&'a [u8]],
}

/// The attribute of a resource that names the service.
pub(crate) const SERVICE_NAME: &[u8] = b"service.name";

/// The service of records that do not name one.
pub(crate) const UNKNOWN_SERVICE: &str = "unknown";

/// Nested deeper than this, a value is cut: the same bound that decoding has.
pub(crate) const MAX_DEPTH: usize = 32;

/// Bytes of a tag below 16 and of a length-delimited value behind it.
#[inline]
fn delimited(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

/// Bytes of an `AnyValue` message. Sizes are computed before the bytes are written, so that nothing is moved.
#[inline]
fn any_len(value: &Value<'_>, depth: usize) -> usize {
    match value {
        Value::Str(text) => delimited(text.len()),
        Value::Bool(_) => 2,
        Value::Int(value) => 1 + varint_len(*value as u64),
        Value::Double(_) => 9,
        Value::Bytes(bytes) => delimited(bytes.len()),
        Value::Array(_) | Value::Map(_) => delimited(inner_len(value, depth)),
    }
}

/// Bytes of an `ArrayValue` or `KeyValueList` message.
fn inner_len(value: &Value<'_>, depth: usize) -> usize {
    match value {
        Value::Array(values) if depth < MAX_DEPTH => {
            values.iter().map(|value| delimited(any_len(value, depth + 1))).sum()
        }
        Value::Map(entries) if depth < MAX_DEPTH => {
            entries.iter().map(|entry| delimited(attribute_len(entry, depth + 1))).sum()
        }
        _ => 0,
    }
}

/// Bytes of a `KeyValue` message.
fn attribute_len(attribute: &Attribute<'_>, depth: usize) -> usize {
    delimited(attribute.key.len()) + delimited(any_len(&attribute.value, depth))
}

fn put_any(out: &mut Vec<u8>, value: &Value<'_>, depth: usize) {
    match value {
        Value::Str(text) => out.put_bytes(1, text.as_bytes()),
        Value::Bool(value) => out.put_uint(2, u64::from(*value)),
        Value::Int(value) => out.put_uint(3, *value as u64),
        Value::Double(value) => out.put_fixed64(4, value.to_bits()),
        Value::Bytes(bytes) => out.put_bytes(7, bytes),
        Value::Array(values) => {
            out.put_len(5, inner_len(value, depth));
            for value in values.iter().filter(|_| depth < MAX_DEPTH) {
                out.put_len(1, any_len(value, depth + 1));
                put_any(out, value, depth + 1);
            }
        }
        Value::Map(entries) => {
            out.put_len(6, inner_len(value, depth));
            if depth < MAX_DEPTH {
                put_attributes_at(out, 1, entries, depth + 1);
            }
        }
    }
}

#[inline]
fn put_attributes_at(out: &mut Vec<u8>, number: u32, attributes: &[Attribute<'_>], depth: usize) {
    for attribute in attributes {
        let value_len = any_len(&attribute.value, depth);
        out.put_len(number, delimited(attribute.key.len()) + delimited(value_len));
        out.put_bytes(1, attribute.key.as_bytes());
        out.put_len(2, value_len);
        match attribute.value {
            Value::Str(text) => out.put_bytes(1, text.as_bytes()),
            ref other => put_any(out, other, depth),
        }
    }
}

#[inline]
fn put_attributes(out: &mut Vec<u8>, number: u32, attributes: &[Attribute<'_>]) {
    put_attributes_at(out, number, attributes, 0);
}

#[inline]
fn put_text(out: &mut Vec<u8>, number: u32, text: &str) {
    if !text.is_empty() {
        out.put_bytes(number, text.as_bytes());
    }
}

#[inline]
fn put_id<const N: usize>(out: &mut Vec<u8>, number: u32, id: [u8; N]) {
    if id != [0; N] {
        out.put_bytes(number, &id);
    }
}

#[inline]
fn put_time(out: &mut Vec<u8>, number: u32, time: u64) {
    if time != 0 {
        out.put_fixed64(number, time);
    }
}

/// What the stores need of a record that is handed in.
pub(crate) trait Input {
    const SIGNAL: Signal;

    fn service(&self) -> &str;

    /// Appends the record's wire bytes.
    fn encode(&self, out: &mut Vec<u8>);

    /// What the indexes need, as [`crate::decode::read`] would read it from `wire`.
    fn record<'a>(&'a self, wire: &'a [u8]) -> Record<'a>;
}

fn name(text: &str) -> &[u8] {
    cut(text.as_bytes(), MAX_NAME)
}

impl Input for Span<'_> {
    const SIGNAL: Signal = Signal::Traces;

    fn service(&self) -> &str {
        self.service
    }

    fn record<'a>(&'a self, wire: &'a [u8]) -> Record<'a> {
        Record {
            time: self.start_ns,
            end: self.end_ns,
            trace: trace_words(self.trace_id),
            name: name(self.name),
            class: self.status.min(2),
            kind: self.kind,
            oversize: false,
            wire,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_id(out, 1, self.trace_id);
        put_id(out, 2, self.span_id);
        put_id(out, 4, self.parent_id);
        put_text(out, 5, self.name);
        if self.kind != 0 {
            out.put_uint(6, u64::from(self.kind));
        }
        put_time(out, 7, self.start_ns);
        put_time(out, 8, self.end_ns);
        put_attributes(out, 9, self.attributes);
        for event in self.events {
            out.put_message(11, |out| {
                put_time(out, 1, event.time_ns);
                put_text(out, 2, event.name);
                put_attributes(out, 3, event.attributes);
            });
        }
        for link in self.links {
            out.put_message(13, |out| {
                put_id(out, 1, link.trace_id);
                put_id(out, 2, link.span_id);
                put_attributes(out, 4, link.attributes);
            });
        }
        if self.status != 0 || !self.status_message.is_empty() {
            out.put_message(15, |out| {
                put_text(out, 2, self.status_message);
                if self.status != 0 {
                    out.put_uint(3, u64::from(self.status));
                }
            });
        }
    }
}

impl Input for Log<'_> {
    const SIGNAL: Signal = Signal::Logs;

    fn service(&self) -> &str {
        self.service
    }

    fn record<'a>(&'a self, wire: &'a [u8]) -> Record<'a> {
        Record {
            time: if self.time_ns == 0 { self.observed_ns } else { self.time_ns },
            end: self.observed_ns,
            trace: trace_words(self.trace_id),
            name: name(self.event_name),
            class: self.severity.min(24),
            kind: 0,
            oversize: false,
            wire,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_time(out, 1, self.time_ns);
        if self.severity != 0 {
            out.put_uint(2, u64::from(self.severity));
        }
        put_text(out, 3, self.severity_text);
        if let Some(body) = &self.body {
            out.put_len(5, any_len(body, 0));
            put_any(out, body, 0);
        }
        put_attributes(out, 6, self.attributes);
        put_id(out, 9, self.trace_id);
        put_id(out, 10, self.span_id);
        put_time(out, 11, self.observed_ns);
        put_text(out, 12, self.event_name);
    }
}

impl Input for Metric<'_> {
    const SIGNAL: Signal = Signal::Metrics;

    fn service(&self) -> &str {
        self.service
    }

    fn record<'a>(&'a self, wire: &'a [u8]) -> Record<'a> {
        Record {
            time: self.time_ns,
            end: self.start_ns,
            trace: [0; 2],
            name: name(self.name),
            class: match self.point {
                Point::Gauge(_) => 1,
                Point::Sum { .. } => 2,
                Point::Histogram { .. } => 3,
                Point::ExponentialHistogram { .. } => 4,
                Point::Summary { .. } => 5,
            },
            kind: 0,
            oversize: false,
            wire,
        }
    }

    /// OTLP's `Metric` message with this one point.
    fn encode(&self, out: &mut Vec<u8>) {
        put_text(out, 1, self.name);
        put_text(out, 2, self.description);
        put_text(out, 3, self.unit);
        let (field, temporality, monotonic) = match self.point {
            Point::Gauge(_) => (5, Temporality::Unspecified, false),
            Point::Sum { temporality, monotonic, .. } => (7, temporality, monotonic),
            Point::Histogram { temporality, .. } => (9, temporality, false),
            Point::ExponentialHistogram { temporality, .. } => (10, temporality, false),
            Point::Summary { .. } => (11, Temporality::Unspecified, false),
        };
        out.put_message(field, |out| {
            out.put_message(1, |out| self.encode_point(out));
            if temporality != Temporality::Unspecified {
                out.put_uint(2, temporality as u64);
            }
            if monotonic {
                out.put_uint(3, 1);
            }
        });
    }
}

impl Metric<'_> {
    fn encode_point(&self, out: &mut Vec<u8>) {
        let exemplars = |out: &mut Vec<u8>, number| {
            for exemplar in self.exemplars {
                out.put_bytes(number, exemplar);
            }
        };
        put_time(out, 2, self.start_ns);
        put_time(out, 3, self.time_ns);
        match self.point {
            Point::Gauge(value) | Point::Sum { value, .. } => {
                match value {
                    Number::Double(value) => out.put_fixed64(4, value.to_bits()),
                    Number::Int(value) => out.put_fixed64(6, value as u64),
                }
                exemplars(out, 5);
                put_attributes(out, 7, self.attributes);
            }
            Point::Histogram { count, sum, bucket_counts, bounds, .. } => {
                out.put_fixed64(4, count);
                put_double(out, 5, sum);
                put_packed(out, 6, bucket_counts.iter().copied());
                put_packed(out, 7, bounds.iter().map(|bound| bound.to_bits()));
                exemplars(out, 8);
                put_attributes(out, 9, self.attributes);
            }
            Point::ExponentialHistogram {
                count,
                sum,
                scale,
                zero_count,
                positive,
                negative,
                ..
            } => {
                put_attributes(out, 1, self.attributes);
                out.put_fixed64(4, count);
                put_double(out, 5, sum);
                out.put_uint(6, zigzag(scale));
                out.put_fixed64(7, zero_count);
                put_buckets(out, 8, &positive);
                put_buckets(out, 9, &negative);
                exemplars(out, 11);
            }
            Point::Summary { count, sum, quantiles } => {
                out.put_fixed64(4, count);
                out.put_fixed64(5, sum.to_bits());
                for (quantile, value) in quantiles {
                    out.put_message(6, |out| {
                        out.put_fixed64(1, quantile.to_bits());
                        out.put_fixed64(2, value.to_bits());
                    });
                }
                put_attributes(out, 7, self.attributes);
            }
        }
    }
}

fn zigzag(value: i32) -> u64 {
    u64::from((value << 1 ^ value >> 31) as u32)
}

fn put_double(out: &mut Vec<u8>, number: u32, value: Option<f64>) {
    if let Some(value) = value {
        out.put_fixed64(number, value.to_bits());
    }
}

fn put_packed(out: &mut Vec<u8>, number: u32, values: impl ExactSizeIterator<Item = u64>) {
    if values.len() == 0 {
        return;
    }
    out.put_tag(number, 2);
    out.put_varint(8 * values.len() as u64);
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

fn put_buckets(out: &mut Vec<u8>, number: u32, buckets: &Buckets<'_>) {
    if buckets.offset == 0 && buckets.counts.is_empty() {
        return;
    }
    out.put_message(number, |out| {
        out.put_uint(1, zigzag(buckets.offset));
        if !buckets.counts.is_empty() {
            out.put_message(2, |out| {
                for &count in buckets.counts {
                    out.put_varint(count);
                }
            });
        }
    });
}

/// Appends the origin key of a record that names only its service: a resource with that attribute, no scope.
pub(crate) fn put_origin(service: &[u8], out: &mut Vec<u8>) {
    let value = delimited(service.len());
    let attribute = delimited(SERVICE_NAME.len()) + delimited(value);
    out.put_len(1, delimited(attribute));
    out.put_len(1, attribute);
    out.put_bytes(1, SERVICE_NAME);
    out.put_len(2, value);
    out.put_bytes(1, service);
}
