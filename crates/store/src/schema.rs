//! The messages of OTLP as tables, from which the conversions between JSON and wire bytes follow.
//!
//! Field numbers, names and kinds are those of `opentelemetry-proto` 1.x; the JSON mapping is OTLP's
//! (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>): Protocol Buffers JSON, but ids in
//! hexadecimal and enums as numbers.

use crate::decode::Signal;
use crate::wire::{Value, wire_type};

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Base64,
    /// An id of so many bytes, or none; in JSON in hexadecimal digits.
    Hex(usize),
    Bool,
    /// Unsigned 32 bits or an enum, as a JSON number.
    Uint,
    /// Signed 64 bits as a varint, in JSON a string.
    Int64,
    Zigzag32,
    Fixed32,
    Fixed64,
    SignedFixed64,
    Double,
    /// Repeated numbers in one field.
    PackedFixed64,
    PackedDouble,
    PackedUint64,
    Message(&'static Schema),
    Repeated(&'static Schema),
    RepeatedText,
}

#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

pub(crate) struct Schema {
    pub(crate) fields: &'static [Field],
    /// Of each number one more than the place of its field, or 0.
    places: [u8; HIGHEST + 1],
    /// Of each number the wire types with which nothing can be wrong, as [`Value::wire_type`] has them: all if there is no such field.
    plain: [u8; HIGHEST + 1],
    /// The number of the field with its attributes, or [`NO_ATTRIBUTES`].
    pub(crate) attributes: u32,
}

/// A number that no field with attributes has.
const NO_ATTRIBUTES: u32 = 1 << 8;

/// The highest number that a field has.
const HIGHEST: usize = 16;

impl Schema {
    const fn new(fields: &'static [Field]) -> Self {
        let (mut places, mut plain) = ([0; HIGHEST + 1], [u8::MAX; HIGHEST + 1]);
        let (mut attributes, mut i) = (NO_ATTRIBUTES, 0);
        while i < fields.len() {
            let Field { number, kind, .. } = fields[i];
            places[number as usize] = i as u8 + 1;
            plain[number as usize] = match kind {
                Text | Base64 | RepeatedText => wire_type::BYTES,
                Bool | Uint | Int64 | Zigzag32 | PackedUint64 => wire_type::VARINT,
                Fixed32 => wire_type::FIXED32,
                Fixed64 | SignedFixed64 | Double | PackedFixed64 | PackedDouble => {
                    wire_type::FIXED64
                }
                Hex(_) | Message(_) => 0,
                Repeated(of) => {
                    if matches!(of.fields[0].name.as_bytes(), b"key") {
                        attributes = number;
                    }
                    0
                }
            };
            i += 1;
        }
        Self { fields, places, plain, attributes }
    }

    /// Whether nothing can be wrong with this field: OTLP does not know it, or its wire type is right and there is no more to it.
    /// Quick, and `false` says nothing.
    #[inline(always)]
    pub(crate) fn is_plain(&self, number: u32, value: Value<'_>) -> bool {
        self.plain.get(number as usize).is_none_or(|plain| plain & value.wire_type() != 0)
    }

    /// The field with this number.
    #[inline]
    pub(crate) fn field(&self, number: u32) -> Option<&'static Field> {
        let place = self.places.get(usize::try_from(number).ok()?)?;
        self.fields.get(usize::from(*place).checked_sub(1)?)
    }
}

const fn f(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind }
}

use Kind::{
    Base64, Bool, Double, Fixed32, Fixed64, Hex, Int64, Message, PackedDouble, PackedFixed64,
    PackedUint64, Repeated, RepeatedText, SignedFixed64, Text, Uint, Zigzag32,
};

/// Bytes of the id of a trace.
pub(crate) const TRACE_ID: usize = 16;
/// Bytes of the id of a span.
pub(crate) const SPAN_ID: usize = 8;

static ANY_VALUE: Schema = Schema::new(&[
    f(1, "stringValue", Text),
    f(2, "boolValue", Bool),
    f(3, "intValue", Int64),
    f(4, "doubleValue", Double),
    f(5, "arrayValue", Message(&ARRAY_VALUE)),
    f(6, "kvlistValue", Message(&KEY_VALUE_LIST)),
    f(7, "bytesValue", Base64),
]);
static ARRAY_VALUE: Schema = Schema::new(&[f(1, "values", Repeated(&ANY_VALUE))]);
static KEY_VALUE_LIST: Schema = Schema::new(&[f(1, "values", Repeated(&KEY_VALUE))]);
pub(crate) static KEY_VALUE: Schema =
    Schema::new(&[f(1, "key", Text), f(2, "value", Message(&ANY_VALUE))]);
static ENTITY_REF: Schema = Schema::new(&[
    f(1, "schemaUrl", Text),
    f(2, "type", Text),
    f(3, "idKeys", RepeatedText),
    f(4, "descriptionKeys", RepeatedText),
]);
static RESOURCE: Schema = Schema::new(&[
    f(1, "attributes", Repeated(&KEY_VALUE)),
    f(2, "droppedAttributesCount", Uint),
    f(3, "entityRefs", Repeated(&ENTITY_REF)),
]);
static SCOPE: Schema = Schema::new(&[
    f(1, "name", Text),
    f(2, "version", Text),
    f(3, "attributes", Repeated(&KEY_VALUE)),
    f(4, "droppedAttributesCount", Uint),
]);

/// What an exporter sends, which is the same for all records but for the names.
macro_rules! request {
    ($request:ident, $resource:ident: $resources:literal, $scope:ident: $scopes:literal, $record:ident: $records:literal) => {
        static $scope: Schema = Schema::new(&[
            f(1, "scope", Message(&SCOPE)),
            f(2, $records, Repeated(&$record)),
            f(3, "schemaUrl", Text),
        ]);
        static $resource: Schema = Schema::new(&[
            f(1, "resource", Message(&RESOURCE)),
            f(2, $scopes, Repeated(&$scope)),
            f(3, "schemaUrl", Text),
        ]);
        static $request: Schema = Schema::new(&[f(1, $resources, Repeated(&$resource))]);
    };
}

pub(crate) static EVENT: Schema = Schema::new(&[
    f(1, "timeUnixNano", Fixed64),
    f(2, "name", Text),
    f(3, "attributes", Repeated(&KEY_VALUE)),
    f(4, "droppedAttributesCount", Uint),
]);
static LINK: Schema = Schema::new(&[
    f(1, "traceId", Hex(TRACE_ID)),
    f(2, "spanId", Hex(SPAN_ID)),
    f(3, "traceState", Text),
    f(4, "attributes", Repeated(&KEY_VALUE)),
    f(5, "droppedAttributesCount", Uint),
    f(6, "flags", Fixed32),
]);
static STATUS: Schema = Schema::new(&[f(2, "message", Text), f(3, "code", Uint)]);
pub(crate) static SPAN: Schema = Schema::new(&[
    f(1, "traceId", Hex(TRACE_ID)),
    f(2, "spanId", Hex(SPAN_ID)),
    f(3, "traceState", Text),
    f(4, "parentSpanId", Hex(SPAN_ID)),
    f(5, "name", Text),
    f(6, "kind", Uint),
    f(7, "startTimeUnixNano", Fixed64),
    f(8, "endTimeUnixNano", Fixed64),
    f(9, "attributes", Repeated(&KEY_VALUE)),
    f(10, "droppedAttributesCount", Uint),
    f(11, "events", Repeated(&EVENT)),
    f(12, "droppedEventsCount", Uint),
    f(13, "links", Repeated(&LINK)),
    f(14, "droppedLinksCount", Uint),
    f(15, "status", Message(&STATUS)),
    f(16, "flags", Fixed32),
]);
request!(TRACES, RESOURCE_SPANS: "resourceSpans", SCOPE_SPANS: "scopeSpans", SPAN: "spans");

pub(crate) static LOG_RECORD: Schema = Schema::new(&[
    f(1, "timeUnixNano", Fixed64),
    f(2, "severityNumber", Uint),
    f(3, "severityText", Text),
    f(5, "body", Message(&ANY_VALUE)),
    f(6, "attributes", Repeated(&KEY_VALUE)),
    f(7, "droppedAttributesCount", Uint),
    f(8, "flags", Fixed32),
    f(9, "traceId", Hex(TRACE_ID)),
    f(10, "spanId", Hex(SPAN_ID)),
    f(11, "observedTimeUnixNano", Fixed64),
    f(12, "eventName", Text),
]);
request!(LOGS, RESOURCE_LOGS: "resourceLogs", SCOPE_LOGS: "scopeLogs", LOG_RECORD: "logRecords");

pub(crate) static EXEMPLAR: Schema = Schema::new(&[
    f(2, "timeUnixNano", Fixed64),
    f(3, "asDouble", Double),
    f(4, "spanId", Hex(SPAN_ID)),
    f(5, "traceId", Hex(TRACE_ID)),
    f(6, "asInt", SignedFixed64),
    f(7, "filteredAttributes", Repeated(&KEY_VALUE)),
]);
static NUMBER_POINT: Schema = Schema::new(&[
    f(2, "startTimeUnixNano", Fixed64),
    f(3, "timeUnixNano", Fixed64),
    f(4, "asDouble", Double),
    f(5, "exemplars", Repeated(&EXEMPLAR)),
    f(6, "asInt", SignedFixed64),
    f(7, "attributes", Repeated(&KEY_VALUE)),
    f(8, "flags", Uint),
]);
static HISTOGRAM_POINT: Schema = Schema::new(&[
    f(2, "startTimeUnixNano", Fixed64),
    f(3, "timeUnixNano", Fixed64),
    f(4, "count", Fixed64),
    f(5, "sum", Double),
    f(6, "bucketCounts", PackedFixed64),
    f(7, "explicitBounds", PackedDouble),
    f(8, "exemplars", Repeated(&EXEMPLAR)),
    f(9, "attributes", Repeated(&KEY_VALUE)),
    f(10, "flags", Uint),
    f(11, "min", Double),
    f(12, "max", Double),
]);
static BUCKETS: Schema =
    Schema::new(&[f(1, "offset", Zigzag32), f(2, "bucketCounts", PackedUint64)]);
static EXPONENTIAL_POINT: Schema = Schema::new(&[
    f(1, "attributes", Repeated(&KEY_VALUE)),
    f(2, "startTimeUnixNano", Fixed64),
    f(3, "timeUnixNano", Fixed64),
    f(4, "count", Fixed64),
    f(5, "sum", Double),
    f(6, "scale", Zigzag32),
    f(7, "zeroCount", Fixed64),
    f(8, "positive", Message(&BUCKETS)),
    f(9, "negative", Message(&BUCKETS)),
    f(10, "flags", Uint),
    f(11, "exemplars", Repeated(&EXEMPLAR)),
    f(12, "min", Double),
    f(13, "max", Double),
    f(14, "zeroThreshold", Double),
]);
static QUANTILE: Schema = Schema::new(&[f(1, "quantile", Double), f(2, "value", Double)]);
static SUMMARY_POINT: Schema = Schema::new(&[
    f(2, "startTimeUnixNano", Fixed64),
    f(3, "timeUnixNano", Fixed64),
    f(4, "count", Fixed64),
    f(5, "sum", Double),
    f(6, "quantileValues", Repeated(&QUANTILE)),
    f(7, "attributes", Repeated(&KEY_VALUE)),
    f(8, "flags", Uint),
]);
static GAUGE: Schema = Schema::new(&[f(1, "dataPoints", Repeated(&NUMBER_POINT))]);
static SUM: Schema = Schema::new(&[
    f(1, "dataPoints", Repeated(&NUMBER_POINT)),
    f(2, "aggregationTemporality", Uint),
    f(3, "isMonotonic", Bool),
]);
static HISTOGRAM: Schema = Schema::new(&[
    f(1, "dataPoints", Repeated(&HISTOGRAM_POINT)),
    f(2, "aggregationTemporality", Uint),
]);
static EXPONENTIAL: Schema = Schema::new(&[
    f(1, "dataPoints", Repeated(&EXPONENTIAL_POINT)),
    f(2, "aggregationTemporality", Uint),
]);
static SUMMARY: Schema = Schema::new(&[f(1, "dataPoints", Repeated(&SUMMARY_POINT))]);
pub(crate) static METRIC: Schema = Schema::new(&[
    f(1, "name", Text),
    f(2, "description", Text),
    f(3, "unit", Text),
    f(5, "gauge", Message(&GAUGE)),
    f(7, "sum", Message(&SUM)),
    f(9, "histogram", Message(&HISTOGRAM)),
    f(10, "exponentialHistogram", Message(&EXPONENTIAL)),
    f(11, "summary", Message(&SUMMARY)),
    f(12, "metadata", Repeated(&KEY_VALUE)),
]);
request!(METRICS, RESOURCE_METRICS: "resourceMetrics", SCOPE_METRICS: "scopeMetrics", METRIC: "metrics");

/// Resource, scope and schema URLs of a record, as they are kept: see [`crate::RecordRef`].
static ORIGIN: Schema = Schema::new(&[
    f(1, "resource", Message(&RESOURCE)),
    f(2, "scope", Message(&SCOPE)),
    f(3, "resourceSchemaUrl", Text),
    f(4, "scopeSchemaUrl", Text),
]);

/// The message that an exporter sends.
pub(crate) fn request(signal: Signal) -> &'static Schema {
    match signal {
        Signal::Traces => &TRACES,
        Signal::Logs => &LOGS,
        Signal::Metrics => &METRICS,
    }
}

/// The message of one record.
pub(crate) fn record(signal: Signal) -> &'static Schema {
    match signal {
        Signal::Traces => &SPAN,
        Signal::Logs => &LOG_RECORD,
        Signal::Metrics => &METRIC,
    }
}

/// A list of a request: of resources, of scopes, or of records.
pub(crate) struct List {
    pub(crate) name: &'static str,
    pub(crate) of: &'static Schema,
}

/// The lists that lead from a request to its records.
pub(crate) fn lists(signal: Signal) -> [List; 3] {
    let [resources, scopes, records] = match signal {
        Signal::Traces => [&RESOURCE_SPANS, &SCOPE_SPANS, &SPAN],
        Signal::Logs => [&RESOURCE_LOGS, &SCOPE_LOGS, &LOG_RECORD],
        Signal::Metrics => [&RESOURCE_METRICS, &SCOPE_METRICS, &METRIC],
    };
    [
        List { name: list_name(request(signal)), of: resources },
        List { name: resources.fields[1].name, of: scopes },
        List { name: scopes.fields[1].name, of: records },
    ]
}

/// The message of a point of a metric of this type.
pub(crate) fn point(metric_type: u8) -> &'static Schema {
    match metric_type {
        1 | 2 => &NUMBER_POINT,
        3 => &HISTOGRAM_POINT,
        4 => &EXPONENTIAL_POINT,
        _ => &SUMMARY_POINT,
    }
}

/// The message of an origin key.
pub(crate) fn origin() -> &'static Schema {
    &ORIGIN
}

/// The name of the list that a request consists of.
pub(crate) fn list_name(request: &Schema) -> &'static str {
    request.fields.first().map_or("", |field| field.name)
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).map(|digit| digit as u8);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}
