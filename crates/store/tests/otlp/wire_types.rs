//! Wire types that fields do not have, at any depth, against the oracle: what it cannot decode is refused, alone.

use flightring_store::{Encoding, Signal};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest as Logs;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest as Metrics;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest as Traces;
use proptest::prelude::*;
use prost::bytes::Buf;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

use super::make::{Flat, Make};
use super::{cases, oldest_first, recorder};

/// Which fields of a message are messages, and what these are.
struct Of(&'static [(u32, &'static Of)]);

static LEAF: Of = Of(&[]);
static KEY_VALUE: Of = Of(&[(2, &ANY_VALUE)]);
static ANY_VALUE: Of = Of(&[(5, &Of(&[(1, &ANY_VALUE)])), (6, &Of(&[(1, &KEY_VALUE)]))]);
static RESOURCE: Of = Of(&[(1, &KEY_VALUE), (3, &LEAF)]);
static SCOPE: Of = Of(&[(3, &KEY_VALUE)]);
static SPAN: Of = Of(&[
    (9, &KEY_VALUE),
    (11, &Of(&[(3, &KEY_VALUE)])),
    (13, &Of(&[(4, &KEY_VALUE)])),
    (15, &LEAF),
]);
static LOG_RECORD: Of = Of(&[(5, &ANY_VALUE), (6, &KEY_VALUE)]);
static EXEMPLAR: Of = Of(&[(7, &KEY_VALUE)]);
static NUMBERS: Of = Of(&[(1, &Of(&[(5, &EXEMPLAR), (7, &KEY_VALUE)]))]);
static HISTOGRAM: Of = Of(&[(1, &Of(&[(8, &EXEMPLAR), (9, &KEY_VALUE)]))]);
static EXPONENTIAL: Of =
    Of(&[(1, &Of(&[(1, &KEY_VALUE), (8, &LEAF), (9, &LEAF), (11, &EXEMPLAR)]))]);
static SUMMARY: Of = Of(&[(1, &Of(&[(6, &LEAF), (7, &KEY_VALUE)]))]);
static METRIC: Of = Of(&[
    (5, &NUMBERS),
    (7, &NUMBERS),
    (9, &HISTOGRAM),
    (10, &EXPONENTIAL),
    (11, &SUMMARY),
    (12, &KEY_VALUE),
]);
static TRACES: Of = Of(&[(1, &Of(&[(1, &RESOURCE), (2, &Of(&[(1, &SCOPE), (2, &SPAN)]))]))]);
static LOGS: Of = Of(&[(1, &Of(&[(1, &RESOURCE), (2, &Of(&[(1, &SCOPE), (2, &LOG_RECORD)]))]))]);
static METRICS: Of = Of(&[(1, &Of(&[(1, &RESOURCE), (2, &Of(&[(1, &SCOPE), (2, &METRIC)]))]))]);

/// What to do with a field.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// Another wire type, or the same again.
    WireType(WireType),
    /// In front of it one that nobody knows.
    Stranger(WireType),
}

fn put(number: u32, wire_type: WireType, out: &mut Vec<u8>) {
    encode_key(number, wire_type, out);
    match wire_type {
        WireType::Varint => encode_varint(300, out),
        WireType::SixtyFourBit => out.extend_from_slice(&[7; 8]),
        WireType::ThirtyTwoBit => out.extend_from_slice(&[7; 4]),
        _ => out.extend_from_slice(&[3, 0x12, 0x01, 0x08]),
    }
}

/// Copies a message, with the change made to the field that `left` fields, also those inside of others, are in front of. Returns how
/// many are left then.
fn copy(mut message: &[u8], of: &Of, mut left: usize, change: Change, out: &mut Vec<u8>) -> usize {
    while message.has_remaining() {
        let before = message;
        let (number, wire_type) = decode_key(&mut message).unwrap();
        let mut content: &[u8] = &[];
        match wire_type {
            WireType::Varint => drop(decode_varint(&mut message).unwrap()),
            WireType::SixtyFourBit => message.advance(8),
            WireType::ThirtyTwoBit => message.advance(4),
            _ => {
                let len = decode_varint(&mut message).unwrap() as usize;
                (content, message) = message.split_at(len);
            }
        }
        let whole = &before[..before.len() - message.len()];
        let is_target = left == 0;
        left = left.wrapping_sub(1);
        match change {
            Change::WireType(other) if is_target && other != wire_type => {
                put(number, other, out);
                continue;
            }
            Change::Stranger(other) if is_target => put(1000, other, out),
            _ => {}
        }
        match of.0.iter().find(|(of, _)| *of == number) {
            Some((_, inner)) => {
                let mut copied = Vec::new();
                left = copy(content, inner, left, change, &mut copied);
                encode_key(number, wire_type, out);
                encode_varint(copied.len() as u64, out);
                out.extend_from_slice(&copied);
            }
            None => out.extend_from_slice(whole),
        }
    }
    left
}

/// How many fields a message has, also inside of others.
fn count(message: &[u8], of: &Of) -> usize {
    const MANY: usize = usize::MAX / 2;
    MANY - copy(message, of, MANY, Change::WireType(WireType::Varint), &mut Vec::new())
}

type Changes = Vec<Option<(prop::sample::Index, Change)>>;

fn only_what_the_oracle_refuses_is_refused<R: Flat>(seed: u64, of: &Of, changes: &Changes) {
    let (mut body, mut expected, mut refused) = (Vec::new(), Vec::new(), 0);
    // A request is one after the other what it consists of.
    for (one, change) in R::make(&mut Make(seed)).flat().iter().zip(changes.iter().cycle()) {
        let mut part = one.encode_to_vec();
        if let Some((at, change)) = change {
            let mut changed = Vec::new();
            copy(&part, of, at.index(count(&part, of)), *change, &mut changed);
            part = changed;
        }
        match R::decode(part.as_slice()) {
            Ok(one) => expected.extend(one.flat()),
            Err(_) => refused += 1,
        }
        body.extend_from_slice(&part);
    }
    let recorder = recorder();
    let result = recorder.ingest(R::SIGNAL, Encoding::Protobuf, &body).unwrap();
    let counts = (result.accepted, result.malformed);
    assert_eq!(counts, (expected.len() as u64, refused), "{}", result.message());
    assert_eq!(result.message().contains("wire type"), refused > 0, "{}", result.message());
    let query = || recorder.query(R::SIGNAL, oldest_first()).unwrap();
    assert!(R::decode(query().export_protobuf().as_slice()).unwrap().flat() == expected);
    let json = query().export_json();
    assert!(serde_json::from_value::<R>(json.clone()).unwrap().flat() == expected, "{json}");
}

fn change() -> impl Strategy<Value = Change> {
    use WireType::{LengthDelimited, SixtyFourBit, ThirtyTwoBit, Varint};
    let wire_type = prop::sample::select(vec![Varint, SixtyFourBit, LengthDelimited, ThirtyTwoBit]);
    prop_oneof![
        3 => wire_type.clone().prop_map(Change::WireType),
        1 => wire_type.prop_map(Change::Stranger),
    ]
}

proptest! {
    #![proptest_config(cases())]
    #[test]
    fn a_wrong_wire_type_costs_its_own_record_only(
        seed in any::<u64>(),
        signal in prop::sample::select(Signal::ALL.to_vec()),
        changes in prop::collection::vec(prop::option::of((any::<prop::sample::Index>(), change())), 1..20),
    ) {
        match signal {
            Signal::Traces => only_what_the_oracle_refuses_is_refused::<Traces>(seed, &TRACES, &changes),
            Signal::Logs => only_what_the_oracle_refuses_is_refused::<Logs>(seed, &LOGS, &changes),
            Signal::Metrics => only_what_the_oracle_refuses_is_refused::<Metrics>(seed, &METRICS, &changes),
        }
    }
}
