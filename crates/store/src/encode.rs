//! From the plain structs of [`input`](crate::input) to wire bytes, and to what the indexes need.

use crate::decode::{MAX_NAME, Signal, cut};
use crate::input::{
    Attribute, Buckets, Event, Link, Log, Metric, Number, Point, Span, Temporality, Value,
};
use crate::parts::{Parts, trace_words};
use crate::reverse::Reverse;
use crate::wire::Encode;

/// The attribute of a resource that names the service.
pub(crate) const SERVICE_NAME: &[u8] = b"service.name";

/// The service of records that do not name one.
pub(crate) const UNKNOWN_SERVICE: &str = "unknown";

/// Nested deeper than this, a value is cut: the same bound that decoding has.
pub(crate) const MAX_DEPTH: usize = 32;

#[inline(always)]
fn put_any<'r>(mut out: Reverse<'r>, value: &Value<'_>, depth: usize) -> Reverse<'r> {
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

#[inline(never)]
fn put_nested<'r>(mut out: Reverse<'r>, value: &Value<'_>, depth: usize) -> Reverse<'r> {
    let inside = depth < MAX_DEPTH;
    let end = out.end();
    match value {
        Value::Array(values) => {
            for value in values.iter().rev().filter(|_| inside) {
                let end = out.end();
                out = put_any(out, value, depth + 1);
                out.begin(1, end);
            }
            out.begin(5, end);
        }
        Value::Map(entries) => {
            if inside {
                out = put_attributes_at(out, 1, entries, depth + 1);
            }
            out.begin(6, end);
        }
        _ => {}
    }
    out
}

#[inline(always)]
fn put_attributes_at<'r>(
    mut out: Reverse<'r>,
    number: u8,
    attributes: &[Attribute<'_>],
    depth: usize,
) -> Reverse<'r> {
    for attribute in attributes.iter().rev() {
        let end = out.end();
        out = put_any(out, &attribute.value, depth);
        out.begin(2, end);
        out.put_bytes(1, attribute.key.as_bytes());
        out.begin(number, end);
    }
    out
}

#[inline(always)]
fn put_attributes<'r>(out: Reverse<'r>, number: u8, attributes: &[Attribute<'_>]) -> Reverse<'r> {
    put_attributes_at(out, number, attributes, 0)
}

/// A text field, which is left out if it is empty.
#[inline(always)]
fn put_text(out: &mut Reverse<'_>, number: u8, text: &str) {
    if !text.is_empty() {
        out.put_bytes(number, text.as_bytes());
    }
}

/// An id's field, which is left out if all of it is zero.
#[inline(always)]
fn put_id<const N: usize>(out: &mut Reverse<'_>, number: u8, id: [u8; N]) {
    if id != [0; N] {
        out.put_array(number, id);
    }
}

#[inline(always)]
fn put_time(out: &mut Reverse<'_>, number: u8, time: u64) {
    if time != 0 {
        out.put_fixed64(number, time);
    }
}

#[inline(never)]
fn put_event<'r>(mut out: Reverse<'r>, event: &Event<'_>) -> Reverse<'r> {
    let end = out.end();
    out = put_attributes(out, 3, event.attributes);
    put_text(&mut out, 2, event.name);
    put_time(&mut out, 1, event.time_ns);
    out.begin(11, end);
    out
}

#[inline(never)]
fn put_link<'r>(mut out: Reverse<'r>, link: &Link<'_>) -> Reverse<'r> {
    let end = out.end();
    out = put_attributes(out, 4, link.attributes);
    put_id(&mut out, 2, link.span_id);
    put_id(&mut out, 1, link.trace_id);
    out.begin(13, end);
    out
}

#[inline(never)]
fn put_status<'r>(mut out: Reverse<'r>, status: u8, message: &str) -> Reverse<'r> {
    let end = out.end();
    if status != 0 {
        out.put_uint(3, u64::from(status));
    }
    put_text(&mut out, 2, message);
    out.begin(15, end);
    out
}

/// A record that is handed in.
pub(crate) trait Input: Parts {
    const SIGNAL: Signal;

    fn service(&self) -> &str;

    /// Writes the record's wire bytes. The parts are as `decode` would read them from these.
    fn encode<'r>(&self, out: Reverse<'r>) -> Reverse<'r>;
}

fn name(text: &str) -> &[u8] {
    cut(text.as_bytes(), MAX_NAME)
}

impl Parts for Span<'_> {
    #[inline(always)]
    fn time(&self) -> u64 {
        self.start_ns
    }

    #[inline(always)]
    fn end(&self) -> u64 {
        self.end_ns
    }

    #[inline(always)]
    fn trace(&self) -> [u64; 2] {
        trace_words(self.trace_id)
    }

    #[inline(always)]
    fn name(&self) -> &[u8] {
        name(self.name)
    }

    #[inline(always)]
    fn class(&self) -> u8 {
        self.status.min(2)
    }

    #[inline(always)]
    fn kind(&self) -> u8 {
        self.kind
    }
}

impl Input for Span<'_> {
    const SIGNAL: Signal = Signal::Traces;

    fn service(&self) -> &str {
        self.service
    }

    #[inline(always)]
    fn encode<'r>(&self, mut out: Reverse<'r>) -> Reverse<'r> {
        if self.status != 0 || !self.status_message.is_empty() {
            out = put_status(out, self.status, self.status_message);
        }
        for link in self.links.iter().rev() {
            out = put_link(out, link);
        }
        for event in self.events.iter().rev() {
            out = put_event(out, event);
        }
        out = put_attributes(out, 9, self.attributes);
        put_time(&mut out, 8, self.end_ns);
        put_time(&mut out, 7, self.start_ns);
        if self.kind != 0 {
            out.put_uint(6, u64::from(self.kind));
        }
        put_text(&mut out, 5, self.name);
        put_id(&mut out, 4, self.parent_id);
        put_id(&mut out, 2, self.span_id);
        put_id(&mut out, 1, self.trace_id);
        out
    }
}

impl Parts for Log<'_> {
    #[inline(always)]
    fn time(&self) -> u64 {
        if self.time_ns == 0 { self.observed_ns } else { self.time_ns }
    }

    #[inline(always)]
    fn end(&self) -> u64 {
        self.observed_ns
    }

    #[inline(always)]
    fn trace(&self) -> [u64; 2] {
        trace_words(self.trace_id)
    }

    #[inline(always)]
    fn name(&self) -> &[u8] {
        name(self.event_name)
    }

    #[inline(always)]
    fn class(&self) -> u8 {
        self.severity.min(24)
    }
}

impl Input for Log<'_> {
    const SIGNAL: Signal = Signal::Logs;

    fn service(&self) -> &str {
        self.service
    }

    #[inline(always)]
    fn encode<'r>(&self, mut out: Reverse<'r>) -> Reverse<'r> {
        put_text(&mut out, 12, self.event_name);
        put_time(&mut out, 11, self.observed_ns);
        put_id(&mut out, 10, self.span_id);
        put_id(&mut out, 9, self.trace_id);
        out = put_attributes(out, 6, self.attributes);
        if let Some(body) = &self.body {
            let end = out.end();
            out = put_any(out, body, 0);
            out.begin(5, end);
        }
        put_text(&mut out, 3, self.severity_text);
        if self.severity != 0 {
            out.put_uint(2, u64::from(self.severity));
        }
        put_time(&mut out, 1, self.time_ns);
        out
    }
}

impl Parts for Metric<'_> {
    fn time(&self) -> u64 {
        self.time_ns
    }

    fn end(&self) -> u64 {
        self.start_ns
    }

    fn name(&self) -> &[u8] {
        name(self.name)
    }

    fn class(&self) -> u8 {
        match self.point {
            Point::Gauge(_) => 1,
            Point::Sum { .. } => 2,
            Point::Histogram { .. } => 3,
            Point::ExponentialHistogram { .. } => 4,
            Point::Summary { .. } => 5,
        }
    }
}

impl Input for Metric<'_> {
    const SIGNAL: Signal = Signal::Metrics;

    fn service(&self) -> &str {
        self.service
    }

    /// OTLP's `Metric` message with this one point.
    fn encode<'r>(&self, mut out: Reverse<'r>) -> Reverse<'r> {
        let (field, temporality, monotonic) = match self.point {
            Point::Gauge(_) => (5, Temporality::Unspecified, false),
            Point::Sum { temporality, monotonic, .. } => (7, temporality, monotonic),
            Point::Histogram { temporality, .. } => (9, temporality, false),
            Point::ExponentialHistogram { temporality, .. } => (10, temporality, false),
            Point::Summary { .. } => (11, Temporality::Unspecified, false),
        };
        let end = out.end();
        if monotonic {
            out.put_uint(3, 1);
        }
        if temporality != Temporality::Unspecified {
            out.put_uint(2, temporality as u64);
        }
        let end_of_point = out.end();
        out = self.encode_point(out);
        out.begin(1, end_of_point);
        out.begin(field, end);
        put_text(&mut out, 3, self.unit);
        put_text(&mut out, 2, self.description);
        put_text(&mut out, 1, self.name);
        out
    }
}

impl Metric<'_> {
    fn encode_point<'r>(&self, mut out: Reverse<'r>) -> Reverse<'r> {
        let attributes_and_exemplars = |mut out, [attributes, exemplars]: [u8; 2]| {
            out = put_attributes(out, attributes, self.attributes);
            for exemplar in self.exemplars.iter().rev() {
                out.put_bytes(exemplars, exemplar);
            }
            out
        };
        match self.point {
            Point::Gauge(value) | Point::Sum { value, .. } => {
                out = attributes_and_exemplars(out, [7, 5]);
                match value {
                    Number::Double(value) => out.put_fixed64(4, value.to_bits()),
                    Number::Int(value) => out.put_fixed64(6, value as u64),
                }
            }
            Point::Histogram { count, sum, bucket_counts, bounds, .. } => {
                out = attributes_and_exemplars(out, [9, 8]);
                put_packed(&mut out, 7, bounds.iter().map(|bound| bound.to_bits()));
                put_packed(&mut out, 6, bucket_counts.iter().copied());
                put_double(&mut out, 5, sum);
                out.put_fixed64(4, count);
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
                out = attributes_and_exemplars(out, [1, 11]);
                put_buckets(&mut out, 9, &negative);
                put_buckets(&mut out, 8, &positive);
                out.put_fixed64(7, zero_count);
                out.put_uint(6, zigzag(scale));
                put_double(&mut out, 5, sum);
                out.put_fixed64(4, count);
            }
            Point::Summary { count, sum, quantiles } => {
                out = put_attributes(out, 7, self.attributes);
                for (quantile, value) in quantiles.iter().rev() {
                    let end = out.end();
                    out.put_fixed64(2, value.to_bits());
                    out.put_fixed64(1, quantile.to_bits());
                    out.begin(6, end);
                }
                out.put_fixed64(5, sum.to_bits());
                out.put_fixed64(4, count);
            }
        }
        put_time(&mut out, 3, self.time_ns);
        put_time(&mut out, 2, self.start_ns);
        out
    }
}

fn zigzag(value: i32) -> u64 {
    u64::from((value << 1 ^ value >> 31) as u32)
}

fn put_double(out: &mut Reverse<'_>, number: u8, value: Option<f64>) {
    if let Some(value) = value {
        out.put_fixed64(number, value.to_bits());
    }
}

fn put_packed(
    out: &mut Reverse<'_>,
    number: u8,
    values: impl ExactSizeIterator<Item = u64> + DoubleEndedIterator,
) {
    if values.len() == 0 {
        return;
    }
    let end = out.end();
    values.rev().for_each(|value| out.put_u64(value));
    out.begin(number, end);
}

fn put_buckets(out: &mut Reverse<'_>, number: u8, buckets: &Buckets<'_>) {
    if buckets.offset == 0 && buckets.counts.is_empty() {
        return;
    }
    let end = out.end();
    if !buckets.counts.is_empty() {
        buckets.counts.iter().rev().for_each(|&count| out.put_varint(count));
        out.begin(2, end);
    }
    out.put_uint(1, zigzag(buckets.offset));
    out.begin(number, end);
}

/// Appends the origin key of a record that names only its service: a resource with that attribute, no scope.
pub(crate) fn put_origin(service: &[u8], out: &mut Vec<u8>) {
    out.put_message(1, |out| {
        out.put_message(1, |out| {
            out.put_bytes(1, SERVICE_NAME);
            out.put_message(2, |out| out.put_bytes(1, service));
        });
    });
}
