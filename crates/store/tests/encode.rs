//! Records that are handed in as structs, read back by `opentelemetry-proto`: the oracle of how they are encoded.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use flightring_store::{
    Attribute, Event, Filter, Limits, Link, Log, LogStore, Span, TraceStore, Value,
};
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, KeyValue, KeyValueList, any_value,
};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::{self as proto, span};
use proptest::prelude::*;
use prost::Message;

/// Lengths on both sides of where one more byte is needed, or where short texts are copied in another way.
fn text() -> impl Strategy<Value = String> {
    let edges = [
        0, 1, 3, 4, 7, 8, 9, 16, 17, 100, 119, 122, 123, 124, 125, 126, 127, 128, 129, 400, 16_370,
        16_376, 16_377, 16_378, 16_379, 16_380, 16_381, 16_382, 16_383, 16_384, 16_385,
    ];
    prop_oneof![8 => 0_usize..30, 4 => prop::sample::select(edges.to_vec())]
        .prop_map(|len| ('a'..='z').cycle().take(len).collect())
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..300_u64, any::<u64>(), Just(0x3fff), Just(0x4000), Just(u64::MAX)]
}

fn value() -> impl Strategy<Value = any_value::Value> {
    use any_value::Value;
    let leaf = prop_oneof![
        6 => text().prop_map(Value::StringValue),
        1 => any::<bool>().prop_map(Value::BoolValue),
        1 => number().prop_map(|n| Value::IntValue(n as i64)),
        1 => any::<i32>().prop_map(|n| Value::DoubleValue(f64::from(n))),
        1 => text().prop_map(|text| Value::BytesValue(text.into_bytes())),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| {
                let values = values.into_iter().map(|value| AnyValue { value: Some(value) });
                Value::ArrayValue(ArrayValue { values: values.collect() })
            }),
            prop::collection::vec((text(), inner), 0..4)
                .prop_map(|list| Value::KvlistValue(KeyValueList { values: key_values(list) })),
        ]
    })
}

fn key_values(list: Vec<(String, any_value::Value)>) -> Vec<KeyValue> {
    let one = |(key, value)| KeyValue {
        key,
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    list.into_iter().map(one).collect()
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    prop::collection::vec((text(), value()), 0..4).prop_map(key_values)
}

/// No record of these is too large.
fn limits() -> Limits {
    Limits::with_capacity(10).max_bytes(64 << 20).max_record_bytes(16 << 20)
}

/// Borrowed for ever, which tests may.
fn leak<T>(list: Vec<T>) -> &'static [T] {
    list.leak()
}

fn ours(value: &any_value::Value) -> Value<'static> {
    let text = |text: &str| &*text.to_owned().leak();
    match value {
        any_value::Value::StringValue(value) => Value::Str(text(value)),
        any_value::Value::BoolValue(value) => Value::Bool(*value),
        any_value::Value::IntValue(value) => Value::Int(*value),
        any_value::Value::DoubleValue(value) => Value::Double(*value),
        any_value::Value::BytesValue(value) => Value::Bytes(leak(value.clone())),
        any_value::Value::ArrayValue(array) => {
            let values = array.values.iter().map(|value| ours(value.value.as_ref().unwrap()));
            Value::Array(leak(values.collect()))
        }
        any_value::Value::KvlistValue(list) => Value::Map(our_attributes(&list.values)),
        _ => unreachable!("not made"),
    }
}

fn our_attributes(list: &[KeyValue]) -> &'static [Attribute<'static>] {
    let one = |attribute: &KeyValue| Attribute {
        key: attribute.key.clone().leak(),
        value: ours(attribute.value.as_ref().unwrap().value.as_ref().unwrap()),
    };
    leak(list.iter().map(one).collect())
}

fn bytes<const N: usize>(id: [u8; N]) -> Vec<u8> {
    if id == [0; N] { Vec::new() } else { id.to_vec() }
}

fn id<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    prop_oneof![Just([0; N]), Just([7; N])]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_span_is_read_as_it_was_meant(
        (trace_id, span_id, parent_id) in (id::<16>(), id::<8>(), id::<8>()),
        (name, status_message) in (text(), text()),
        (start_ns, end_ns) in (number(), number()),
        (kind, status) in (any::<u8>(), any::<u8>()),
        (own, of_event, of_link) in (attributes(), attributes(), attributes()),
        (events, links) in (0_usize..3, 0_usize..3),
    ) {
        let event =
            Event { time_ns: end_ns, name: &status_message, attributes: our_attributes(&of_event) };
        let link = Link { trace_id, span_id, attributes: our_attributes(&of_link) };
        let store = TraceStore::new(&limits()).unwrap();
        store.add(&Span {
            trace_id,
            span_id,
            parent_id,
            name: &name,
            service: "service",
            kind,
            start_ns,
            end_ns,
            status,
            status_message: &status_message,
            attributes: our_attributes(&own),
            events: &vec![event; events],
            links: &vec![link; links],
        });
        let expected = proto::Span {
            trace_id: bytes(trace_id),
            span_id: bytes(span_id),
            parent_span_id: bytes(parent_id),
            name,
            kind: i32::from(kind),
            start_time_unix_nano: start_ns,
            end_time_unix_nano: end_ns,
            attributes: own,
            events: vec![
                span::Event {
                    time_unix_nano: end_ns,
                    name: status_message.clone(),
                    attributes: of_event,
                    ..Default::default()
                };
                events
            ],
            links: vec![
                span::Link {
                    trace_id: bytes(trace_id),
                    span_id: bytes(span_id),
                    attributes: of_link,
                    ..Default::default()
                };
                links
            ],
            status: (status != 0 || !status_message.is_empty())
                .then(|| proto::Status { message: status_message, code: i32::from(status) }),
            ..Default::default()
        };
        let mut cursor = store.query(Filter::default()).unwrap();
        let record = cursor.next().unwrap();
        prop_assert_eq!(proto::Span::decode(record.wire()).unwrap(), expected);
    }

    #[test]
    fn a_log_record_is_read_as_it_was_meant(
        (trace_id, span_id) in (id::<16>(), id::<8>()),
        (severity_text, event_name) in (text(), text()),
        (time_ns, observed_ns) in (number(), number()),
        severity in any::<u8>(),
        body in prop::option::of(value()),
        own in attributes(),
    ) {
        let store = LogStore::new(&limits()).unwrap();
        store.add(&Log {
            time_ns,
            observed_ns,
            severity,
            severity_text: &severity_text,
            body: body.as_ref().map(ours),
            trace_id,
            span_id,
            service: "service",
            event_name: &event_name,
            attributes: our_attributes(&own),
        });
        let expected = LogRecord {
            time_unix_nano: time_ns,
            observed_time_unix_nano: observed_ns,
            severity_number: i32::from(severity),
            severity_text,
            body: body.map(|value| AnyValue { value: Some(value) }),
            attributes: own,
            trace_id: bytes(trace_id),
            span_id: bytes(span_id),
            event_name,
            ..Default::default()
        };
        let mut cursor = store.query(Filter::default()).unwrap();
        let record = cursor.next().unwrap();
        prop_assert_eq!(LogRecord::decode(record.wire()).unwrap(), expected);
    }
}
