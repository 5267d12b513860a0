//! OTLP in and out against `opentelemetry-proto` as the oracle, and against hostile bytes.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::time::{Duration, Instant};

use flightring_store::{Encoding, Filter, Limits, Order, Recorder, RecorderOptions, Signal};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest as Logs;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest as Metrics;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest as Traces;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::prelude::*;
use prost::Message;

mod make;
mod wire_types;
use make::{Flat, Make};

fn oldest_first() -> Filter {
    let mut filter = Filter::default();
    filter.order = Order::OldestFirst;
    filter
}

fn recorder() -> Recorder {
    Recorder::new(&RecorderOptions::default()).unwrap()
}

fn round_trip<R: Flat>(seed: u64) {
    let request = R::make(&mut Make(seed));
    let expected = request.flat();
    let json = serde_json::to_vec(&request).unwrap();
    for (encoding, body) in [(Encoding::Protobuf, request.encode_to_vec()), (Encoding::Json, json)]
    {
        let recorder = recorder();
        let result = recorder.ingest(R::SIGNAL, encoding, &body).unwrap();
        assert_eq!(
            (result.accepted, result.rejected()),
            (expected.len() as u64, 0),
            "{encoding:?}"
        );

        let exported = recorder.query(R::SIGNAL, oldest_first()).unwrap().export_protobuf();
        let decoded = R::decode(exported.as_slice()).unwrap();
        assert!(decoded.flat() == expected, "{encoding:?} -> protobuf, seed {seed}");

        // As JSON the oracle reads ours, and what it reads is what went in.
        let exported = recorder.query(R::SIGNAL, oldest_first()).unwrap().export_json();
        let decoded = serde_json::from_value::<R>(exported.clone());
        let decoded = decoded.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(decoded.flat() == expected, "{encoding:?} -> JSON, seed {seed}");

        // What was exported can be imported, and is the same then.
        let again = self::recorder();
        again.ingest(R::SIGNAL, Encoding::Json, exported.to_string().as_bytes()).unwrap();
        let twice = again.query(R::SIGNAL, oldest_first()).unwrap().export_protobuf();
        assert!(R::decode(twice.as_slice()).unwrap().flat() == expected);
    }
}

#[test]
fn what_goes_in_as_otlp_comes_out_as_otlp() {
    for seed in 0..20 {
        round_trip::<Traces>(seed);
        round_trip::<Logs>(seed);
        round_trip::<Metrics>(seed);
    }
}

/// More scopes than the first walk over a request remembers.
#[test]
fn each_of_very_many_scopes_stays_with_its_records() {
    let scope_spans = (0..1500).map(|n| ScopeSpans {
        scope: Some(InstrumentationScope { name: format!("scope {n}"), ..Default::default() }),
        spans: vec![Span { start_time_unix_nano: n + 1, ..Span::default() }],
        schema_url: format!("https://example.org/{n}"),
    });
    let one = ResourceSpans { scope_spans: scope_spans.collect(), ..ResourceSpans::default() };
    let request = Traces { resource_spans: vec![one.clone(), one] };
    let recorder = recorder();
    recorder.ingest(Signal::Traces, Encoding::Protobuf, &request.encode_to_vec()).unwrap();
    let exported = recorder.query(Signal::Traces, oldest_first()).unwrap().export_protobuf();
    assert!(Traces::decode(exported.as_slice()).unwrap().flat() == request.flat());
}

#[test]
fn data_that_come_in_parts_are_put_together() {
    // A histogram, the type of which is overwritten; a sum in two parts, what is true of all its points in between.
    let point = |value: u8| field(1, &[&[0x31, value][..], &[0; 7]].concat());
    let sum = |inside: &[u8]| field(7, inside);
    let parts = [field(9, &field(1, &[])), sum(&point(1)), sum(&[0x10, 2]), field(1, b"name")];
    let metric = [&parts.concat(), &sum(&[point(2), point(3)].concat())[..]].concat();
    let request = field(1, &field(2, &field(2, &metric)));
    let recorder = recorder();
    let result = recorder.ingest(Signal::Metrics, Encoding::Protobuf, &request).unwrap();
    assert_eq!((result.accepted, result.rejected()), (3, 0));
    let exported = recorder.query(Signal::Metrics, oldest_first()).unwrap().export_protobuf();
    let expected = Metrics::decode(request.as_slice()).unwrap().flat();
    assert_eq!(Metrics::decode(exported.as_slice()).unwrap().flat(), expected);
}

#[test]
fn the_indexes_know_what_the_oracle_reads() {
    for seed in 0..60 {
        let request = Make(seed).traces();
        let recorder = recorder();
        recorder.ingest(Signal::Traces, Encoding::Protobuf, &request.encode_to_vec()).unwrap();
        let all = request.flat();
        let spans = all.iter().map(|one| &one.resource_spans[0].scope_spans[0].spans[0]);
        let services = all.iter().map(|one| {
            let resource = one.resource_spans[0].resource.as_ref();
            let attributes = resource.map_or(&[][..], |resource| &resource.attributes);
            let found = attributes.iter().find(|attribute| attribute.key == "service.name");
            match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
                Some(Value::StringValue(service)) if !service.is_empty() => service.clone(),
                _ => "unknown".to_owned(),
            }
        });
        let mut cursor = recorder.query(Signal::Traces, oldest_first()).unwrap();
        for (span, service) in spans.zip(services) {
            let record = cursor.next().unwrap();
            assert_eq!(record.service(), service);
            assert_eq!(
                (record.time_ns(), record.second_time_ns()),
                (span.start_time_unix_nano, span.end_time_unix_nano)
            );
            assert_eq!(
                i32::from(record.class()),
                span.status.as_ref().map_or(0, |status| status.code)
            );
            assert_eq!(i32::from(record.kind()), span.kind);
            let trace = if span.trace_id.is_empty() { vec![0; 16] } else { span.trace_id.clone() };
            assert_eq!(record.trace_id().to_vec(), trace);
        }
        assert!(cursor.next().is_none());
    }
}

/// A store whose records may have few bytes, so that placeholders are made too.
fn small() -> Recorder {
    let mut options = RecorderOptions::default();
    for limits in [&mut options.traces, &mut options.logs, &mut options.metrics] {
        *limits = Limits::with_capacity(20).max_bytes(4096).max_record_bytes(256).max_per_trace(3);
    }
    Recorder::new(&options).unwrap()
}

fn read_everything(recorder: &Recorder) {
    for signal in Signal::ALL {
        let mut cursor = recorder.query(signal, Filter::default()).unwrap();
        while let Some(record) = cursor.next() {
            let _ = (record.to_json(), recorder.trace_json(record.trace_id()).unwrap());
        }
        recorder.query(signal, Filter::default()).unwrap().export_json();
        recorder.query_json(signal, [("attribute", "a=1"), ("limit", "3")]).unwrap();
        let stats = recorder.stats(signal);
        assert_eq!(stats.added, stats.count + stats.evicted);
        assert!(stats.live_bytes <= 4096);
    }
}

/// All records as lines, without what a new home changes.
fn lines(recorder: &Recorder, signal: Signal) -> (String, Vec<serde_json::Value>) {
    let mut filter = Filter::default();
    filter.order = Order::OldestFirst;
    let mut text = String::new();
    recorder.query(signal, filter).unwrap().for_each_json(|line| {
        text.push_str(&line);
        text.push('\n');
    });
    let values = text.lines().map(|line| {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        value.as_object_mut().unwrap().remove("arrivalUnixNano");
        value
    });
    let values = values.collect();
    (text, values)
}

#[test]
fn lines_of_records_can_be_taken_in_again() {
    for seed in 0..100 {
        let source = Recorder::new(&RecorderOptions::default()).unwrap();
        let mut make = Make(seed);
        let requests = [
            make.traces().encode_to_vec(),
            make.logs().encode_to_vec(),
            make.metrics().encode_to_vec(),
        ];
        for (signal, request) in Signal::ALL.into_iter().zip(requests) {
            source.ingest(signal, Encoding::Protobuf, &request).unwrap();
            let (text, values) = lines(&source, signal);
            let copy = Recorder::new(&RecorderOptions::default()).unwrap();
            let taken = copy.ingest(signal, Encoding::Ndjson, text.as_bytes()).unwrap();
            assert_eq!(taken.accepted, values.len() as u64, "seed {seed}: {taken:?}\n{text}");
            assert_eq!(lines(&copy, signal).1, values, "seed {seed}");
        }
    }
}

#[test]
fn oversize_records_leave_valid_placeholders() {
    for seed in 0..40 {
        let request = Make(seed).traces();
        let recorder = small();
        recorder.ingest(Signal::Traces, Encoding::Protobuf, &request.encode_to_vec()).unwrap();
        let mut cursor = recorder.query(Signal::Traces, Filter::default()).unwrap();
        while let Some(record) = cursor.next() {
            let span = Span::decode(record.wire()).unwrap();
            assert_eq!(span.start_time_unix_nano, record.time_ns());
            assert_eq!(span.status.map_or(0, |status| status.code), i32::from(record.class()));
            assert!(!record.is_placeholder() || span.attributes.is_empty());
        }
    }
}

/// Cases of the tests with hostile bytes: more in the long run.
fn cases() -> ProptestConfig {
    ProptestConfig::with_cases(if std::env::var_os("FLIGHTRING_LONG").is_some() {
        20_000
    } else {
        60
    })
}

proptest! {
    #![proptest_config(cases())]
    #[test]
    fn damaged_requests_are_refused_or_read_but_never_fatal(
        seed in any::<u64>(),
        which in 0_usize..3,
        json in any::<bool>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        length in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut make = Make(seed);
        let (request, text) = match which {
            0 => { let r = make.traces(); (r.encode_to_vec(), serde_json::to_vec(&r)) }
            1 => { let r = make.logs(); (r.encode_to_vec(), serde_json::to_vec(&r)) }
            _ => { let r = make.metrics(); (r.encode_to_vec(), serde_json::to_vec(&r)) }
        };
        let (mut body, encoding) = if json { (text.unwrap(), Encoding::Json) } else { (request, Encoding::Protobuf) };
        if let Some(length) = length && !body.is_empty() {
            body.truncate(length.index(body.len()));
        }
        for (at, byte) in cuts {
            if !body.is_empty() {
                let at = at.index(body.len());
                body[at] = byte;
            }
        }
        let recorder = small();
        for signal in Signal::ALL {
            let _ = recorder.ingest(signal, encoding, &body);
        }
        read_everything(&recorder);
    }

    #[test]
    fn random_bytes_are_harmless(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let recorder = small();
        for signal in Signal::ALL {
            let _ = recorder.ingest(signal, Encoding::Protobuf, &body);
            let _ = recorder.ingest(signal, Encoding::Json, &body);
        }
        read_everything(&recorder);
    }
}

#[test]
fn a_value_nested_without_end_is_cut_not_followed() {
    // Each level is an AnyValue with an ArrayValue with one value.
    let mut value = vec![0x10, 1];
    for _ in 0..20_000 {
        let mut outer = Vec::new();
        for tag in [0x0a_u8, 0x2a] {
            outer.clear();
            outer.push(tag);
            let mut len = value.len();
            while len >= 0x80 {
                outer.push(len as u8 | 0x80);
                len >>= 7;
            }
            outer.push(len as u8);
            outer.extend_from_slice(&value);
            std::mem::swap(&mut value, &mut outer);
        }
        if value.len() > 60_000 {
            break;
        }
    }
    let wrap = |number: u8, inner: Vec<u8>| {
        let mut out = vec![number << 3 | 2];
        prost::encode_length_delimiter(inner.len(), &mut out).unwrap();
        out.extend(inner);
        out
    };
    let request = wrap(1, wrap(2, wrap(2, wrap(5, value))));
    let recorder = recorder();
    assert_eq!(recorder.ingest(Signal::Logs, Encoding::Protobuf, &request).unwrap().accepted, 1);
    let mut filter = Filter::default();
    filter.text = Some("needle".to_owned());
    assert!(recorder.query(Signal::Logs, filter).unwrap().next().is_none());
    recorder.query(Signal::Logs, Filter::default()).unwrap().export_json();

    let json =
        format!("{}1{}", r#"{"arrayValue":{"values":["#.repeat(50_000), "]}}".repeat(50_000));
    let json =
        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{json}}}]}}]}}]}}"#);
    let result = recorder.ingest(Signal::Logs, Encoding::Json, json.as_bytes()).unwrap();
    assert_eq!((result.accepted, result.malformed), (0, 1));
}

/// A field of bytes, of a number below 16.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    prost::encode_length_delimiter(bytes.len(), &mut out).unwrap();
    [out, bytes.to_vec()].concat()
}

/// What the parts of a request share is looked at once, and not once more for each of them: these would take minutes.
#[test]
fn time_is_in_proportion_to_the_request() {
    let points = field(1, &[0x19, 1, 0, 0, 0, 0, 0, 0, 0]).repeat(50_000);
    let metric = [field(1, b"name"), field(5, &points)].concat();
    let metrics = field(1, &field(2, &field(2, &metric)));
    let (resource, scopes) =
        (field(1, &[]).repeat(100_000), field(2, &field(2, &[])).repeat(50_000));
    let traces = field(1, &[field(1, &resource), scopes].concat());
    let (resource, nothing) = (field(3, &[b'x'; 60_000]), field(2, &[]).repeat(10_000_000));
    let scopes = field(1, &[field(1, &resource), nothing].concat());
    for (signal, request, records) in [
        (Signal::Metrics, metrics, 50_000),
        (Signal::Traces, traces, 50_000),
        (Signal::Logs, scopes, 0),
    ] {
        let begin = Instant::now();
        let result = recorder().ingest(signal, Encoding::Protobuf, &request).unwrap();
        assert_eq!((result.accepted, result.rejected()), (records, 0));
        let taken = begin.elapsed();
        assert!(taken < Duration::from_secs(20), "{signal:?}: {taken:?}");
    }
}

#[test]
fn scopes_with_a_large_resource_are_taken_up_to_a_bound() {
    let request = |resource: usize, scopes: usize| {
        let resource = field(1, &field(3, &vec![b'x'; resource]));
        field(1, &[resource, field(2, &field(2, &[])).repeat(scopes)].concat())
    };
    let recorder = recorder();
    let ingest = |body: &[u8]| recorder.ingest(Signal::Traces, Encoding::Protobuf, body).unwrap();
    let result = ingest(&request(60_000, 20_000));
    assert_eq!((result.accepted, result.rejected()), (17_893, 2107));
    let message = "resourceSpans[0].scopeSpans[17893]: the scopes of the request have too much";
    assert!(result.message().contains(message), "{}", result.message());
    // What exporters send is far from it, and each request begins anew.
    let result = ingest(&request(4000, 20_000));
    assert_eq!((result.accepted, result.rejected()), (20_000, 0));
}

#[test]
fn an_enum_that_nobody_has_goes_through_json() {
    for kind in [-1, i32::MIN, i32::MAX] {
        let span = Span { kind, ..Span::default() };
        let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
        let request =
            Traces { resource_spans: vec![ResourceSpans { scope_spans, ..Default::default() }] };
        let (source, copy) = (recorder(), recorder());
        source.ingest(Signal::Traces, Encoding::Protobuf, &request.encode_to_vec()).unwrap();
        let json = source.query(Signal::Traces, oldest_first()).unwrap().export_json().to_string();
        let result = copy.ingest(Signal::Traces, Encoding::Json, json.as_bytes()).unwrap();
        assert_eq!((result.accepted, result.rejected()), (1, 0), "{json}");
        let exported = copy.query(Signal::Traces, oldest_first()).unwrap().export_protobuf();
        assert_eq!(Traces::decode(exported.as_slice()).unwrap(), request);
    }
}

#[test]
fn points_with_much_in_common_are_taken_up_to_a_bound() {
    let point = field(1, &[0x19, 1, 0, 0, 0, 0, 0, 0, 0]);
    let metric = |description: usize, points: usize| {
        let description = "d".repeat(description);
        let parts =
            [field(1, b"name"), field(2, description.as_bytes()), field(5, &point.repeat(points))];
        field(1, &field(2, &field(2, &parts.concat())))
    };
    let recorder = recorder();
    let ingest = |body: &[u8]| recorder.ingest(Signal::Metrics, Encoding::Protobuf, body).unwrap();
    let result = ingest(&metric(1 << 20, 5000));
    assert_eq!((result.accepted, result.placeholders, result.rejected()), (1023, 1023, 3977));
    assert!(result.message().contains("too much in common"), "{}", result.message());
    // What exporters send is far from it, and each request begins anew.
    let result = ingest(&metric(200, 5000));
    assert_eq!((result.accepted, result.placeholders, result.rejected()), (5000, 0, 0));
}
