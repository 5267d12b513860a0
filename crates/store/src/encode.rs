//! From the plain structs of [`input`](crate::input) to wire bytes, and to what the indexes need.

use crate::decode::{MAX_NAME, Signal, cut};
use crate::input::{
    Attribute, Buckets, Event, Link, Log, Metric, Number, Point, Span, Temporality, Value,
};
use crate::room::{self, HEAD, Room};
use crate::wire::{Encode, varint_len};
use crate::writer::{Record, trace_words};

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
#[inline(always)]
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

/// At least the bytes of an attribute in a message.
#[inline]
fn attribute_bound(attribute: &Attribute<'_>) -> usize {
    4 * HEAD
        + attribute.key.len()
        + match &attribute.value {
            Value::Str(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            value @ (Value::Array(_) | Value::Map(_)) => inner_len(value, 0),
            Value::Bool(_) | Value::Int(_) | Value::Double(_) => 0,
        }
}

/// At least the bytes of the attributes.
#[inline]
fn attributes_bound(attributes: &[Attribute<'_>]) -> usize {
    attributes.iter().map(attribute_bound).sum()
}

/// The bytes of the attributes, in fields with a number below 16.
fn attributes_len(attributes: &[Attribute<'_>]) -> usize {
    attributes.iter().map(|attribute| delimited(attribute_len(attribute, 0))).sum()
}

#[inline(always)]
fn put_any<'r>(mut out: Room<'r>, value: &Value<'_>, depth: usize) -> Room<'r> {
    match value {
        Value::Str(text) => out.put_bytes(1, text.as_bytes()),
        Value::Bool(value) => out.put_uint(2, u64::from(*value)),
        Value::Int(value) => out.put_uint(3, *value as u64),
        Value::Double(value) => out.put_fixed64(4, value.to_bits()),
        Value::Bytes(bytes) => out.put_bytes(7, bytes),
        Value::Array(_) | Value::Map(_) => out = put_nested(out, value, depth),
    }
    out
}

fn put_nested<'r>(mut out: Room<'r>, value: &Value<'_>, depth: usize) -> Room<'r> {
    let inside = depth < MAX_DEPTH;
    match value {
        Value::Array(values) => {
            out.put_len(5, inner_len(value, depth));
            for value in values.iter().filter(|_| inside) {
                out.put_len(1, any_len(value, depth + 1));
                out = put_any(out, value, depth + 1);
            }
        }
        Value::Map(entries) => {
            out.put_len(6, inner_len(value, depth));
            if inside {
                out = put_attributes_at(out, 1, entries, depth + 1);
            }
        }
        _ => {}
    }
    out
}

#[inline(always)]
fn put_attributes_at<'r>(
    mut out: Room<'r>,
    number: u8,
    attributes: &[Attribute<'_>],
    depth: usize,
) -> Room<'r> {
    for attribute in attributes {
        let value_len = any_len(&attribute.value, depth);
        out.put_len(number, delimited(attribute.key.len()) + delimited(value_len));
        out.put_bytes(1, attribute.key.as_bytes());
        out.put_len(2, value_len);
        out = put_any(out, &attribute.value, depth);
    }
    out
}

#[inline(always)]
fn put_attributes<'r>(out: Room<'r>, number: u8, attributes: &[Attribute<'_>]) -> Room<'r> {
    put_attributes_at(out, number, attributes, 0)
}

/// Bytes of a text field, which is left out if it is empty.
#[inline]
fn text_len(text: &str) -> usize {
    if text.is_empty() { 0 } else { delimited(text.len()) }
}

#[inline(always)]
fn put_text(out: &mut Room<'_>, number: u8, text: &str) {
    if !text.is_empty() {
        out.put_bytes(number, text.as_bytes());
    }
}

/// Bytes of an id's field, which is left out if all of it is zero.
fn id_len<const N: usize>(id: [u8; N]) -> usize {
    if id == [0; N] { 0 } else { delimited(N) }
}

#[inline(always)]
fn put_id<const N: usize>(out: &mut Room<'_>, number: u8, id: [u8; N]) {
    if id != [0; N] {
        out.put_id(number, id);
    }
}

#[inline(always)]
fn put_time(out: &mut Room<'_>, number: u8, time: u64) {
    if time != 0 {
        out.put_fixed64(number, time);
    }
}

fn put_event<'r>(mut out: Room<'r>, event: &Event<'_>) -> Room<'r> {
    out.put_len(11, event_len(event));
    put_time(&mut out, 1, event.time_ns);
    put_text(&mut out, 2, event.name);
    put_attributes(out, 3, event.attributes)
}

fn event_len(event: &Event<'_>) -> usize {
    let time = if event.time_ns == 0 { 0 } else { 9 };
    time + text_len(event.name) + attributes_len(event.attributes)
}

fn put_link<'r>(mut out: Room<'r>, link: &Link<'_>) -> Room<'r> {
    out.put_len(13, link_len(link));
    put_id(&mut out, 1, link.trace_id);
    put_id(&mut out, 2, link.span_id);
    put_attributes(out, 4, link.attributes)
}

fn link_len(link: &Link<'_>) -> usize {
    id_len(link.trace_id) + id_len(link.span_id) + attributes_len(link.attributes)
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

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        // Ids, times, kind and the code of the status take less than 100.
        let bound = 100
            + 3 * HEAD
            + self.name.len()
            + attributes_bound(self.attributes)
            + self.events.iter().map(|event| HEAD + event_len(event)).sum::<usize>()
            + self.links.iter().map(|link| HEAD + link_len(link)).sum::<usize>()
            + self.status_message.len();
        room::append(out, bound, |mut out| {
            put_id(&mut out, 1, self.trace_id);
            put_id(&mut out, 2, self.span_id);
            put_id(&mut out, 4, self.parent_id);
            put_text(&mut out, 5, self.name);
            if self.kind != 0 {
                out.put_uint(6, u64::from(self.kind));
            }
            put_time(&mut out, 7, self.start_ns);
            put_time(&mut out, 8, self.end_ns);
            out = put_attributes(out, 9, self.attributes);
            for event in self.events {
                out = put_event(out, event);
            }
            for link in self.links {
                out = put_link(out, link);
            }
            if self.status != 0 || !self.status_message.is_empty() {
                let code = u64::from(self.status);
                let code_len = if code == 0 { 0 } else { 1 + varint_len(code) };
                out.put_len(15, text_len(self.status_message) + code_len);
                put_text(&mut out, 2, self.status_message);
                if code != 0 {
                    out.put_uint(3, code);
                }
            }
            out
        });
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

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        let body = self.body.as_ref().map(|body| any_len(body, 0));
        // Ids, times and severity take less than 100.
        let bound = 100
            + 3 * HEAD
            + self.severity_text.len()
            + body.unwrap_or(0)
            + attributes_bound(self.attributes)
            + self.event_name.len();
        room::append(out, bound, |mut out| {
            put_time(&mut out, 1, self.time_ns);
            if self.severity != 0 {
                out.put_uint(2, u64::from(self.severity));
            }
            put_text(&mut out, 3, self.severity_text);
            if let (Some(body), Some(len)) = (&self.body, body) {
                out.put_len(5, len);
                out = put_any(out, body, 0);
            }
            out = put_attributes(out, 6, self.attributes);
            put_id(&mut out, 9, self.trace_id);
            put_id(&mut out, 10, self.span_id);
            put_time(&mut out, 11, self.observed_ns);
            put_text(&mut out, 12, self.event_name);
            out
        });
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
        let texts = [self.name, self.description, self.unit];
        let bound = texts.iter().map(|text| HEAD + text.len()).sum();
        room::append(out, bound, |mut out| {
            for (number, text) in (1..).zip(texts) {
                put_text(&mut out, number, text);
            }
            out
        });
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
        let attributes = |out: &mut Vec<u8>, number| {
            let bound = attributes_bound(self.attributes);
            room::append(out, bound, |out| put_attributes(out, number, self.attributes));
        };
        for (number, time) in [(2, self.start_ns), (3, self.time_ns)] {
            if time != 0 {
                out.put_fixed64(number, time);
            }
        }
        match self.point {
            Point::Gauge(value) | Point::Sum { value, .. } => {
                match value {
                    Number::Double(value) => out.put_fixed64(4, value.to_bits()),
                    Number::Int(value) => out.put_fixed64(6, value as u64),
                }
                exemplars(out, 5);
                attributes(out, 7);
            }
            Point::Histogram { count, sum, bucket_counts, bounds, .. } => {
                out.put_fixed64(4, count);
                put_double(out, 5, sum);
                put_packed(out, 6, bucket_counts.iter().copied());
                put_packed(out, 7, bounds.iter().map(|bound| bound.to_bits()));
                exemplars(out, 8);
                attributes(out, 9);
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
                attributes(out, 1);
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
                attributes(out, 7);
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
