//! From wire bytes to what the indexes need, and to what a reader asks for.

use crate::check::{check, check_field, is_text};
use crate::core::CLASSES;
use crate::encode::{MAX_DEPTH, SERVICE_NAME, UNKNOWN_SERVICE};
use crate::parts::{Record, trace_words};
use crate::schema::{self, EVENT, EXEMPLAR, LOG_RECORD, SPAN};
use crate::wire::{Encode, Fields, Value, WireError, array, fields};

/// Which kind of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Signal {
    /// Spans.
    Traces = 0,
    /// Log records.
    Logs = 1,
    /// Metric points.
    Metrics = 2,
}

impl Signal {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Logs, Self::Metrics];

    /// The name in OTLP's paths: `traces`, `logs`, `metrics`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
        }
    }
}

/// The metric types, by the number under which they are indexed.
pub(crate) const METRIC_TYPES: [&str; 6] =
    ["unknown", "gauge", "sum", "histogram", "exponential_histogram", "summary"];

/// The field of OTLP's `Metric` message that holds points of each type.
pub(crate) const METRIC_FIELDS: [u32; 6] = [0, 5, 7, 9, 10, 11];

/// Names and services are indexed, and told apart, by their first bytes up to this many.
pub(crate) const MAX_NAME: usize = 256;

/// Reads what the indexes need of a span's wire bytes, and checks the rest. In place, because a record that was put together from its
/// parts must not be read as a whole soon after: that waits until the parts have left the store buffer.
#[inline(always)]
pub(crate) fn span(record: &mut Record<'_>) -> Result<(), WireError> {
    let mut rest = fields(start_of_span(record));
    loop {
        while rest.pass_attribute(9) {}
        let Some(field) = rest.next() else { return Ok(()) };
        match field? {
            (1, value) => record.trace = trace_words(id(value.bytes()?)?),
            (5, value) => record.name = value.bytes()?,
            (6, value) => record.kind = small(value.varint()?),
            (7, value) => record.time = value.fixed64()?,
            (8, value) => record.end = value.fixed64()?,
            (15, value) => {
                check_field(&SPAN, 15, value)?;
                for field in fields(value.bytes()?) {
                    if let (3, Value::Varint(code)) = field? {
                        record.class = small(code).min(2);
                    }
                }
            }
            // As below, without looking for what an event is.
            (11, Value::Bytes(event)) => check(&EVENT, event)?,
            (number, value) => check_field(&SPAN, number, value)?,
        }
    }
}

/// Reads the fields that a span begins with, if they are those that exporters send, in the order in which they send them: that of
/// the numbers. Returns what is left of the message.
#[inline(always)]
fn start_of_span<'a>(record: &mut Record<'a>) -> &'a [u8] {
    let mut rest = record.wire;
    if let Some(([0x0a, 16, ids @ ..], after)) = rest.split_first_chunk::<28>()
        && let [trace @ .., 0x12, 8, _, _, _, _, _, _, _, _] = ids
    {
        record.trace = trace_words(*trace);
        rest = after;
    }
    // The parent.
    if let Some(([0x22, 8, ..], after)) = rest.split_first_chunk::<10>() {
        rest = after;
    }
    if let [0x2a, len @ ..0x80, after @ ..] = rest
        && let Some((name, after)) = after.split_at_checked(usize::from(*len))
    {
        record.name = name;
        rest = after;
    }
    if let [0x30, kind @ ..0x80, after @ ..] = rest {
        record.kind = *kind;
        rest = after;
    }
    if let Some(([0x39, times @ ..], after)) = rest.split_first_chunk::<18>()
        && times[8] == 0x41
    {
        record.time = u64::from_le_bytes(array(&times[..8]));
        record.end = u64::from_le_bytes(array(&times[9..]));
        rest = after;
    }
    rest
}

/// The same of a log record.
#[inline(always)]
pub(crate) fn log(record: &mut Record<'_>) -> Result<(), WireError> {
    let mut rest = fields(record.wire);
    loop {
        while rest.pass_attribute(6) {}
        let Some(field) = rest.next() else { break };
        match field? {
            (1, value) => record.time = value.fixed64()?,
            (2, value) => record.class = small(value.varint()?).min(CLASSES as u8 - 1),
            (9, value) => record.trace = trace_words(id(value.bytes()?)?),
            (11, value) => record.end = value.fixed64()?,
            (12, value) => record.name = value.bytes()?,
            (5, Value::Bytes(body)) if is_text(body) => {}
            (number, value) => check_field(&LOG_RECORD, number, value)?,
        }
    }
    if record.time == 0 {
        record.time = record.end;
    }
    Ok(())
}

/// The same of a `Metric` message with one point. What is not of the point was checked before: many have it in common.
#[inline(always)]
pub(crate) fn metric(record: &mut Record<'_>) -> Result<(), WireError> {
    for field in fields(record.wire) {
        match field? {
            (1, value) => record.name = value.bytes()?,
            (number @ (5 | 7 | 9 | 10 | 11), value) => {
                record.class = METRIC_FIELDS.iter().position(|&f| f == number).unwrap_or(0) as u8;
                for field in fields(value.bytes()?) {
                    if let (1, Value::Bytes(point)) = field? {
                        (record.end, record.time) = read_point(record.class, point)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Start and time of a data point: fields 2 and 3 in every type.
fn read_point(metric_type: u8, point: &[u8]) -> Result<(u64, u64), WireError> {
    let (schema, attributes) = (schema::point(metric_type), point_attributes(metric_type));
    let mut times = (0, 0);
    let mut rest = fields(point);
    loop {
        while rest.pass_attribute(attributes) {}
        let Some(field) = rest.next() else { return Ok(times) };
        match field? {
            (2, value) => times.0 = value.fixed64()?,
            (3, value) => times.1 = value.fixed64()?,
            (number, value) => check_field(schema, number, value)?,
        }
    }
}

/// An id: all of its bytes, or none. OTLP calls any other length invalid, and collectors refuse it.
#[inline(always)]
fn id<const N: usize>(bytes: &[u8]) -> Result<[u8; N], WireError> {
    match <[u8; N]>::try_from(bytes) {
        Ok(id) => Ok(id),
        Err(_) if bytes.is_empty() => Ok([0; N]),
        Err(_) => Err(WireError::IdLength),
    }
}

/// Whether `message` can be read as OTLP's `Exemplar`: its framing, the wire types of the fields that OTLP knows, and its ids.
pub fn check_exemplar(message: &[u8]) -> Result<(), WireError> {
    check(&EXEMPLAR, message)
}

fn small(value: u64) -> u8 {
    u8::try_from(value).unwrap_or(0)
}

/// Whether a field of a record's message is left out of the placeholder of an oversize record.
fn is_bulk(signal: Signal, number: u32) -> bool {
    match signal {
        Signal::Traces => matches!(number, 9 | 11 | 13),
        Signal::Logs => matches!(number, 5 | 6),
        Signal::Metrics => matches!(number, 12),
    }
}

/// What is kept of a record that is larger than a record may be: a valid message with texts of at most `text_limit`
/// bytes, and some 120 bytes for the rest.
pub(crate) fn placeholder(
    signal: Signal,
    wire: &[u8],
    text_limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), WireError> {
    let mut seen = 0_u32;
    for field in fields(wire) {
        let (number, value) = field?;
        // Once each, so that repeating a field cannot make it large again.
        let bit = 1_u32.checked_shl(number).unwrap_or(0);
        if bit == 0 || seen & bit != 0 || is_bulk(signal, number) {
            continue;
        }
        seen |= bit;
        match (signal, number, value) {
            (_, _, Value::Varint(value)) => out.put_uint(number, value),
            (_, _, Value::Fixed64(value)) => out.put_fixed64(number, value),
            (_, _, Value::Fixed32(value)) => out.put_fixed32(number, value),
            (Signal::Traces, 3 | 5, Value::Bytes(text))
            | (Signal::Logs, 3 | 12, Value::Bytes(text))
            | (Signal::Metrics, 1..=3, Value::Bytes(text)) => {
                out.put_bytes(number, cut(text, text_limit))
            }
            (Signal::Traces, 15, Value::Bytes(status)) => out.put_message(15, |out| {
                for field in fields(status).flatten() {
                    if let (3, Value::Varint(code)) = field {
                        out.put_uint(3, code);
                    }
                }
            }),
            // The points of a metric are gone, the type stays known.
            (Signal::Metrics, _, Value::Bytes(_)) => out.put_bytes(number, &[]),
            (_, _, Value::Bytes(bytes)) if bytes.len() <= 16 => out.put_bytes(number, bytes),
            _ => {}
        }
    }
    Ok(())
}

/// At most `limit` bytes of a text, not ending inside a character.
pub(crate) fn cut(text: &[u8], limit: usize) -> &[u8] {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while end > 0 && text[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    &text[..end]
}

/// The service that a resource names.
pub(crate) fn service_of(resource: &[u8]) -> Result<&[u8], WireError> {
    for field in fields(resource) {
        if let (1, Value::Bytes(attribute)) = field? {
            let (key, value) = key_value(attribute)?;
            if key == SERVICE_NAME
                && let Some(AnyValue::Str(text)) = value
                && !text.is_empty()
            {
                return Ok(cut(text, MAX_NAME));
            }
        }
    }
    Ok(UNKNOWN_SERVICE.as_bytes())
}

/// The value of an attribute or a body, as it lies in the wire bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub(crate) enum AnyValue<'a> {
    /// Text, which a careless sender may have left invalid.
    Str(&'a [u8]),
    /// True or false.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// Bytes that are not text.
    Bytes(&'a [u8]),
    /// OTLP's `ArrayValue` message.
    Array(&'a [u8]),
    /// OTLP's `KeyValueList` message.
    Map(&'a [u8]),
}

/// Reads an `AnyValue` message; `None` if it holds no value. Of several the last counts.
pub(crate) fn any_value(message: &[u8]) -> Result<Option<AnyValue<'_>>, WireError> {
    let mut result = None;
    for field in fields(message) {
        result = Some(match field? {
            (1, value) => AnyValue::Str(value.bytes()?),
            (2, value) => AnyValue::Bool(value.varint()? != 0),
            (3, value) => AnyValue::Int(value.varint()? as i64),
            (4, value) => AnyValue::Double(f64::from_bits(value.fixed64()?)),
            (5, value) => AnyValue::Array(value.bytes()?),
            (6, value) => AnyValue::Map(value.bytes()?),
            (7, value) => AnyValue::Bytes(value.bytes()?),
            _ => continue,
        });
    }
    Ok(result)
}

/// Reads a `KeyValue` message.
pub(crate) fn key_value(message: &[u8]) -> Result<(&[u8], Option<AnyValue<'_>>), WireError> {
    let mut key: &[u8] = &[];
    let mut value = None;
    for field in fields(message) {
        match field? {
            (1, text) => key = text.bytes()?,
            (2, any) => value = any_value(any.bytes()?)?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// The `KeyValue` messages of a record's own attributes.
pub(crate) fn attributes(signal: Signal, wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (message, number) = match signal {
        Signal::Traces => (wire, 9),
        Signal::Logs => (wire, 6),
        Signal::Metrics => point_of(wire)
            .map_or((&[][..], 0), |(metric_type, point)| (point, point_attributes(metric_type))),
    };
    messages(message, number)
}

/// The field of a data point that holds its attributes.
pub(crate) fn point_attributes(metric_type: u8) -> u32 {
    match metric_type {
        3 => 9,
        4 => 1,
        _ => 7,
    }
}

/// Type and data point of a `Metric` message with one point.
pub(crate) fn point_of(metric: &[u8]) -> Option<(u8, &[u8])> {
    fields(metric).flatten().find_map(|(number, value)| {
        let metric_type = METRIC_FIELDS.iter().skip(1).position(|&f| f == number)? as u8 + 1;
        let Value::Bytes(data) = value else { return None };
        messages(data, 1).next().map(|point| (metric_type, point))
    })
}

/// The `KeyValue` messages of the resource in an origin key.
pub(crate) fn resource_attributes(origin: &[u8]) -> impl Iterator<Item = &[u8]> {
    messages(messages(origin, 1).next().unwrap_or_default(), 1)
}

/// The messages (or texts) with this field number, up to where the message is damaged.
#[inline]
pub(crate) fn messages(message: &[u8], number: u32) -> Messages<'_> {
    Messages { fields: fields(message), number }
}

/// See [`messages`].
pub(crate) struct Messages<'a> {
    fields: Fields<'a>,
    number: u32,
}

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [u8];

    #[inline(always)]
    fn next(&mut self) -> Option<&'a [u8]> {
        if let Some(message) = self.fields.expected(self.number) {
            return Some(message);
        }
        loop {
            match self.fields.next()? {
                Ok((number, Value::Bytes(bytes))) if number == self.number => return Some(bytes),
                _ => {}
            }
        }
    }
}

/// Whether a value equals what was written in a filter.
pub(crate) fn value_is(value: &AnyValue<'_>, wanted: &str) -> bool {
    match value {
        AnyValue::Str(text) | AnyValue::Bytes(text) => *text == wanted.as_bytes(),
        AnyValue::Bool(value) => wanted == if *value { "true" } else { "false" },
        AnyValue::Int(value) => wanted.parse() == Ok(*value),
        AnyValue::Double(value) => wanted.parse::<f64>().is_ok_and(|wanted| wanted == *value),
        AnyValue::Array(_) | AnyValue::Map(_) => false,
    }
}

/// Whether some text in a value contains `needle`.
pub(crate) fn value_contains(
    value: &AnyValue<'_>,
    needle: &memchr::memmem::Finder<'_>,
    depth: usize,
) -> bool {
    if depth > MAX_DEPTH {
        return false;
    }
    let inner = |message: &[u8], in_map: bool| {
        fields(message).flatten().any(|field| {
            let (1, Value::Bytes(item)) = field else { return false };
            let value =
                if in_map { key_value(item).map(|(_, value)| value) } else { any_value(item) };
            matches!(value, Ok(Some(value)) if value_contains(&value, needle, depth + 1))
        })
    };
    match value {
        AnyValue::Str(text) => needle.find(text).is_some(),
        AnyValue::Array(message) => inner(message, false),
        AnyValue::Map(message) => inner(message, true),
        _ => false,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A span by its fields one by one, whatever their order.
    fn span_by_fields(wire: &[u8]) -> Result<Record<'_>, WireError> {
        let mut record = Record::of(wire);
        for field in fields(wire) {
            match field? {
                (1, value) => record.trace = trace_words(id(value.bytes()?)?),
                (5, value) => record.name = value.bytes()?,
                (6, value) => record.kind = small(value.varint()?),
                (7, value) => record.time = value.fixed64()?,
                (8, value) => record.end = value.fixed64()?,
                (number, value) => check_field(&SPAN, number, value)?,
            }
        }
        Ok(record)
    }

    /// Appends a field of a span; `odd` makes it one that no exporter would send.
    fn put_field(out: &mut Vec<u8>, number: u32, value: u64, odd: bool) {
        let bytes = value.to_le_bytes().repeat(40);
        match number {
            1 => out.put_bytes(1, &bytes[..if odd { 7 } else { 16 }]),
            2 | 4 => out.put_bytes(number, &bytes[..if odd { 0 } else { 8 }]),
            6 => out.put_uint(6, if odd { value } else { value % 6 }),
            7 | 8 => out.put_fixed64(number, value),
            3 | 5 | 9 => out.put_bytes(number, &bytes[..if odd { 300 } else { 10 }]),
            _ if odd => out.put_bytes(7, &[]),
            _ => out.put_fixed32(number, 1),
        }
    }

    proptest! {
        #[test]
        fn a_span_reads_the_same_in_the_usual_order_and_in_any_other(
            mut list in prop::collection::vec((1..=10_u32, any::<u64>(), prop::bool::weighted(0.05)), 0..14),
            is_sorted in any::<bool>(),
            cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
        ) {
            if is_sorted {
                list.sort_by_key(|field| field.0);
            }
            let mut wire = Vec::new();
            for (number, value, odd) in list {
                put_field(&mut wire, number, value, odd);
            }
            wire.truncate(cut.map_or(wire.len(), |at| at.index(wire.len() + 1)));
            let mut record = Record::of(&wire);
            prop_assert_eq!(span(&mut record).map(|()| record), span_by_fields(&wire));
        }
    }
}
