//! Records and parts of OTLP requests that are refused: alone, with a count, and with the way to what was wrong, whether they
//! came as Protocol Buffers or as JSON.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use flightring_store::{Encoding, IngestError, Ingested, Recorder, Signal};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest as Logs;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest as Metrics;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest as Traces;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::trace::v1::span::Link;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use serde::Serialize;

fn ingest(signal: Signal, encoding: Encoding, body: &[u8]) -> Ingested {
    let recorder = Recorder::new(&Default::default()).unwrap();
    let result = recorder.ingest(signal, encoding, body).unwrap();
    assert_eq!(result.accepted, recorder.stats(signal).added);
    result
}

/// Both encodings of a request in which all but one record is good.
fn one_is_refused<R: Message + Serialize>(signal: Signal, request: &R, good: u64, way: &str) {
    let json = serde_json::to_vec(request).unwrap();
    for (encoding, body) in [(Encoding::Protobuf, request.encode_to_vec()), (Encoding::Json, json)]
    {
        let result = ingest(signal, encoding, &body);
        assert_eq!(
            (result.accepted, result.malformed, result.rejected()),
            (good, 1, 1),
            "{encoding:?} {way}"
        );
        let message = result.message();
        assert!(message.starts_with("1 could not be read (the first: "), "{message}");
        assert!(message.contains(&format!("(the first: {way}: ")), "{encoding:?} {way}: {message}");
    }
}

fn traces(spans: Vec<Span>) -> Traces {
    let scope_spans = vec![ScopeSpans::default(), ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    Traces { resource_spans }
}

fn span() -> Span {
    Span { trace_id: vec![1; 16], span_id: vec![2; 8], ..Span::default() }
}

#[test]
fn a_span_with_an_id_of_a_wrong_length_is_refused_alone() {
    for length in (1..=40).chain([255]) {
        let id = vec![7; length];
        let link = |trace_id, span_id| Link { trace_id, span_id, ..Link::default() };
        let mut bad = Vec::new();
        if length != 16 {
            bad.push(("traceId", Span { trace_id: id.clone(), ..span() }));
            let link = link(id.clone(), vec![2; 8]);
            bad.push(("links[1].traceId", Span { links: vec![Link::default(), link], ..span() }));
        }
        if length != 8 {
            bad.push(("spanId", Span { span_id: id.clone(), ..span() }));
            bad.push(("parentSpanId", Span { parent_span_id: id.clone(), ..span() }));
            let link = link(vec![1; 16], id.clone());
            bad.push(("links[0].spanId", Span { links: vec![link], ..span() }));
        }
        for (field, bad) in bad {
            let request = traces(vec![span(), bad, Span { kind: 5, ..span() }]);
            let way = format!("resourceSpans[0].scopeSpans[1].spans[1].{field}");
            one_is_refused(Signal::Traces, &request, 2, &way);
        }
    }
    // Ids that are not known are left out, in JSON often as an empty text.
    let request = traces(vec![Span { links: vec![Link::default()], ..Span::default() }]);
    assert_eq!(ingest(Signal::Traces, Encoding::Protobuf, &request.encode_to_vec()).accepted, 1);
    let empty = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"","spanId":"","parentSpanId":"","links":[{"traceId":""}]}]}]}]}"#;
    assert_eq!(ingest(Signal::Traces, Encoding::Json, empty).accepted, 1);
    let empty = [0x0a, 10, 0x12, 8, 0x12, 6, 0x0a, 0, 0x12, 0, 0x22, 0];
    assert_eq!(ingest(Signal::Traces, Encoding::Protobuf, &empty).accepted, 1);
}

#[test]
fn a_log_record_with_an_id_of_a_wrong_length_is_refused_alone() {
    let request = |record: LogRecord| {
        let log_records = vec![record, LogRecord { trace_id: vec![1; 16], ..Default::default() }];
        let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
        Logs { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] }
    };
    let way = "resourceLogs[0].scopeLogs[0].logRecords[0]";
    let bad = LogRecord { trace_id: vec![1; 8], ..LogRecord::default() };
    one_is_refused(Signal::Logs, &request(bad), 1, &format!("{way}.traceId"));
    let bad = LogRecord { span_id: vec![1; 16], ..LogRecord::default() };
    one_is_refused(Signal::Logs, &request(bad), 1, &format!("{way}.spanId"));
}

#[test]
fn a_point_with_an_exemplar_of_a_wrong_id_is_refused_alone() {
    let good = Exemplar { trace_id: vec![1; 16], span_id: vec![2; 8], ..Exemplar::default() };
    let number = |exemplars| NumberDataPoint { exemplars, ..NumberDataPoint::default() };
    let all = |bad: &Exemplar| {
        let (fine, bad) = (vec![good.clone()], vec![good.clone(), bad.clone()]);
        let points = vec![number(fine.clone()), number(bad.clone())];
        let gauge = Data::Gauge(Gauge { data_points: points.clone() });
        let sum = Data::Sum(Sum { data_points: points, ..Sum::default() });
        let point = |exemplars| HistogramDataPoint { exemplars, ..Default::default() };
        let data_points = vec![point(fine.clone()), point(bad.clone())];
        let histogram = Data::Histogram(Histogram { data_points, ..Default::default() });
        let point = |exemplars| ExponentialHistogramDataPoint { exemplars, ..Default::default() };
        let data_points = vec![point(fine), point(bad)];
        let exponential =
            Data::ExponentialHistogram(ExponentialHistogram { data_points, ..Default::default() });
        [
            ("gauge", gauge),
            ("sum", sum),
            ("histogram", histogram),
            ("exponentialHistogram", exponential),
        ]
    };
    for (field, bad) in [
        ("traceId", Exemplar { trace_id: vec![1; 15], ..good.clone() }),
        ("spanId", Exemplar { span_id: vec![1; 9], ..good.clone() }),
    ] {
        for (member, data) in all(&bad) {
            let metrics = vec![Metric { data: Some(data), ..Metric::default() }];
            let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
            let one = ResourceMetrics { scope_metrics, ..ResourceMetrics::default() };
            let way = format!(
                "resourceMetrics[1].scopeMetrics[0].metrics[0].{member}.dataPoints[1].exemplars[1].{field}"
            );
            let request =
                Metrics { resource_metrics: vec![ResourceMetrics::default(), one.clone()] };
            one_is_refused(Signal::Metrics, &request, 1, &way);
        }
    }
}

/// A field whose wire type is not its own, in front of `fields`: the number 1 as a varint.
fn stray(number: u8, fields: &[u8]) -> Vec<u8> {
    [&[number << 3, 1], fields].concat()
}

fn message(number: u8, fields: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    prost::encode_length_delimiter(fields.len(), &mut out).unwrap();
    [&out, fields].concat()
}

#[test]
fn a_wrong_type_costs_its_own_part_of_a_request_only() {
    let good = message(2, &span().encode_to_vec());
    let request = |inside: &[u8]| {
        let fine = message(1, &message(2, &good));
        [fine.clone(), inside.to_vec(), fine].concat()
    };
    let two = [good.clone(), good.clone()].concat();
    let scope = |fields: &[u8]| message(1, &message(2, fields));
    let json_scope = |scope: &str| {
        let good = r#"{"scopeSpans":[{"spans":[{}]}]}"#;
        format!(r#"{{"resourceSpans":[{good},{scope},{good}]}}"#)
    };
    let way = "resourceSpans[1]";
    for (bytes, json, accepted, refused, way) in [
        // A record, the list of records, the scope and the URL of its schema.
        (
            scope(&[two.clone(), message(2, &stray(1, &[])), good.clone()].concat()),
            r#"{"scopeSpans":[{"spans":[{},{},{"traceId":1},{}]}]}"#,
            3,
            1,
            format!("{way}.scopeSpans[0].spans[2].traceId"),
        ),
        (
            scope(&stray(2, &two)),
            r#"{"scopeSpans":[{"spans":[1,{},{}]}]}"#,
            2,
            1,
            format!("{way}.scopeSpans[0].spans"),
        ),
        (
            scope(&stray(1, &two)),
            r#"{"scopeSpans":[{"scope":1,"spans":[{},{}]}]}"#,
            0,
            2,
            format!("{way}.scopeSpans[0].scope"),
        ),
        (
            scope(&stray(3, &two)),
            r#"{"scopeSpans":[{"schemaUrl":1,"spans":[{},{}]}]}"#,
            0,
            2,
            format!("{way}.scopeSpans[0].schemaUrl"),
        ),
        (
            scope(&stray(3, &[])),
            r#"{"scopeSpans":[{"schemaUrl":1}]}"#,
            0,
            1,
            format!("{way}.scopeSpans[0].schemaUrl"),
        ),
        // The resource, and the list of its scopes.
        (
            message(1, &stray(1, &[message(2, &two), message(2, &good)].concat())),
            r#"{"resource":1,"scopeSpans":[{"spans":[{},{}]},{"spans":[{}]}]}"#,
            0,
            3,
            format!("{way}.resource"),
        ),
        (
            message(1, &stray(2, &message(2, &two))),
            r#"{"scopeSpans":[1,{"spans":[{},{}]}]}"#,
            2,
            1,
            format!("{way}.scopeSpans"),
        ),
        (stray(1, &[]), "1", 0, 1, "resourceSpans".to_owned()),
    ] {
        let json = json_scope(json);
        for (encoding, body) in
            [(Encoding::Protobuf, request(&bytes)), (Encoding::Json, json.into_bytes())]
        {
            let result = ingest(Signal::Traces, encoding, &body);
            let message = result.message();
            assert_eq!(
                (result.accepted, result.malformed),
                (2 + accepted, refused),
                "{encoding:?} {way}: {message}"
            );
            assert!(message.contains(&way), "{encoding:?} {way}: {message}");
        }
    }
}

#[test]
fn a_wrong_type_in_a_metric_costs_the_metric_only() {
    let point = message(1, &[]);
    let metrics = |all: &[Vec<u8>]| {
        let all = all.iter().flat_map(|metric| message(2, metric)).collect::<Vec<_>>();
        message(1, &message(2, &all))
    };
    let good = message(5, &point);
    for (bad, accepted, refused, way) in [
        (stray(5, &[]), 0, 1, "gauge: "),
        (message(5, &stray(1, &point)), 1, 1, "gauge.dataPoints"),
        (stray(1, &message(7, &[point.clone(), point.clone()].concat())), 0, 2, "name: "),
        (stray(3, &message(7, &point)), 0, 1, "unit: "),
        (message(1, b"name"), 0, 1, "metrics[1]: the metric has no data"),
    ] {
        let body = metrics(&[good.clone(), bad, good.clone()]);
        let result = ingest(Signal::Metrics, Encoding::Protobuf, &body);
        let message = result.message();
        assert_eq!((result.accepted, result.malformed), (2 + accepted, refused), "{message}");
        assert!(message.contains(way), "{way}: {message}");
        assert!(message.contains("resourceMetrics[0].scopeMetrics[0].metrics[1]"), "{message}");
    }
    // All points of a scope that cannot be told are lost with it.
    let all = [good.clone(), message(7, &[point.clone(), point].concat())];
    let all = all.iter().flat_map(|metric| message(2, metric)).collect::<Vec<_>>();
    let result =
        ingest(Signal::Metrics, Encoding::Protobuf, &message(1, &message(2, &stray(3, &all))));
    assert_eq!((result.accepted, result.malformed), (0, 3));
    // A metric without data is refused however it came, also beside one that cannot be read.
    for (others, refused) in [
        ("", 1),
        (r#",{"gauge":5}"#, 2),
        (r#",{"gauge":null},{"sum":{"dataPoints":[5]}}"#, 3),
        (r#",{"gauge":{"dataPoints":[5,{}]}}"#, 2),
    ] {
        let body = format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m"}}{others}]}}]}}]}}"#
        );
        let result = ingest(Signal::Metrics, Encoding::Json, body.as_bytes());
        assert_eq!(result.malformed, refused, "{body}");
    }
}

/// Deep in a record as at its surface, and in what records have in common as in one of them.
#[test]
fn a_wrong_type_is_found_at_any_depth() {
    let wrap = |fields: &[u8], numbers: &[u8]| {
        numbers.iter().rev().fold(fields.to_vec(), |inner, number| message(*number, &inner))
    };
    let one = |signal: Signal, record: &[u8], json: &str, way: &str| {
        let (resources, scopes, records) = match signal {
            Signal::Traces => ("resourceSpans", "scopeSpans", "spans"),
            Signal::Logs => ("resourceLogs", "scopeLogs", "logRecords"),
            Signal::Metrics => ("resourceMetrics", "scopeMetrics", "metrics"),
        };
        let (good, good_json) = match signal {
            Signal::Metrics => (message(5, &message(1, &[])), r#"{"gauge":{"dataPoints":[{}]}}"#),
            _ => (Vec::new(), "{}"),
        };
        let all = [&good, record, &good].map(|record| message(2, record)).concat();
        let json = format!(
            r#"{{"{resources}":[{{"{scopes}":[{{"{records}":[{good_json},{json},{good_json}]}}]}}]}}"#
        );
        let bodies =
            [(Encoding::Protobuf, wrap(&all, &[1, 2])), (Encoding::Json, json.into_bytes())];
        let way = format!("(the first: {resources}[0].{scopes}[0].{records}[1].{way}: ");
        for (encoding, body) in bodies {
            let result = ingest(signal, encoding, &body);
            let message = result.message();
            assert_eq!((result.accepted, result.malformed), (2, 1), "{encoding:?} {message}");
            assert!(message.contains(&way), "{encoding:?} {way} {message}");
        }
    };
    let attribute = |value: &[u8]| [&message(1, b"key"), &message(2, value)[..]].concat();
    let fixed = |number: u8| [&[number << 3 | 1][..], &[0; 8]].concat();
    let fine = attribute(&message(1, b"text"));
    for (value, json, way) in [
        (fixed(1), r#"{"stringValue":1}"#, "stringValue"),
        (message(2, &[]), r#"{"boolValue":"x"}"#, "boolValue"),
        (fixed(3), r#"{"intValue":[]}"#, "intValue"),
        (stray(4, &[]), r#"{"doubleValue":true}"#, "doubleValue"),
        (stray(5, &[]), r#"{"arrayValue":1}"#, "arrayValue"),
        (message(5, &stray(1, &[])), r#"{"arrayValue":{"values":[1]}}"#, "arrayValue.values[0]"),
        (
            wrap(&stray(1, &[]), &[6, 1, 2]),
            r#"{"kvlistValue":{"values":[{"value":{"stringValue":1}}]}}"#,
            "kvlistValue.values[0].value.stringValue",
        ),
        (stray(7, &[]), r#"{"bytesValue":1}"#, "bytesValue"),
    ] {
        let list = [message(9, &fine), message(9, &attribute(&value))].concat();
        let json_value = json;
        let json = format!(r#"{{"attributes":[{{}},{{"key":"key","value":{json}}}]}}"#);
        one(Signal::Traces, &list, &json, &format!("attributes[1].value.{way}"));
        let event = message(11, &message(3, &attribute(&value)));
        let json =
            format!(r#"{{"events":[{{"attributes":[{{"key":"key","value":{json_value}}}]}}]}}"#);
        one(Signal::Traces, &event, &json, &format!("events[0].attributes[0].value.{way}"));
        let json = format!(r#"{{"body":{json_value}}}"#);
        one(Signal::Logs, &message(5, &value), &json, &format!("body.{way}"));
        let point = wrap(&attribute(&value), &[7, 1, 7]);
        let json = format!(
            r#"{{"sum":{{"dataPoints":[{{"attributes":[{{"key":"key","value":{json_value}}}]}}]}}}}"#
        );
        one(
            Signal::Metrics,
            &point,
            &json,
            &format!("sum.dataPoints[0].attributes[0].value.{way}"),
        );
    }
    for (record, json, way) in [
        (message(9, &stray(1, &[])), r#"{"attributes":[{"key":1}]}"#, "attributes[0].key"),
        (message(9, &stray(2, &[])), r#"{"attributes":[{"value":1}]}"#, "attributes[0].value"),
        (stray(9, &[]), r#"{"attributes":[1]}"#, "attributes[0]"),
        (fixed(10), r#"{"droppedAttributesCount":"x"}"#, "droppedAttributesCount"),
        (message(11, &fixed(2)), r#"{"events":[{"name":1}]}"#, "events[0].name"),
        (
            message(11, &stray(1, &[])),
            r#"{"events":[{"timeUnixNano":"x"}]}"#,
            "events[0].timeUnixNano",
        ),
        (message(13, &stray(1, &[])), r#"{"links":[{"traceId":1}]}"#, "links[0].traceId"),
        (
            message(13, &message(4, &stray(1, &[]))),
            r#"{"links":[{"attributes":[{"key":1}]}]}"#,
            "links[0].attributes[0].key",
        ),
        (message(15, &stray(2, &[])), r#"{"status":{"message":1}}"#, "status.message"),
        (message(15, &fixed(3)), r#"{"status":{"code":"x"}}"#, "status.code"),
    ] {
        one(Signal::Traces, &record, json, way);
    }
    for (record, json, way) in [
        (fixed(7), r#"{"droppedAttributesCount":"x"}"#, "droppedAttributesCount"),
        (fixed(8), r#"{"flags":"x"}"#, "flags"),
        (message(6, &stray(1, &[])), r#"{"attributes":[{"key":1}]}"#, "attributes[0].key"),
    ] {
        one(Signal::Logs, &record, json, way);
    }
    for (record, json, way) in [
        (
            message(12, &stray(1, &[])),
            r#"{"metadata":[{"key":1}],"gauge":{"dataPoints":[{}]}}"#,
            "metadata[0].key",
        ),
        (
            message(7, &[message(1, &[]), fixed(2)].concat()),
            r#"{"sum":{"dataPoints":[{}],"aggregationTemporality":"x"}}"#,
            "sum.aggregationTemporality",
        ),
        (
            wrap(&stray(4, &[]), &[5, 1]),
            r#"{"gauge":{"dataPoints":[{"asDouble":"x"}]}}"#,
            "gauge.dataPoints[0].asDouble",
        ),
        (
            wrap(&stray(6, &[]), &[9, 1]),
            r#"{"histogram":{"dataPoints":[{"bucketCounts":1}]}}"#,
            "histogram.dataPoints[0].bucketCounts",
        ),
        (
            wrap(&fixed(2), &[10, 1, 9]),
            r#"{"exponentialHistogram":{"dataPoints":[{"negative":{"bucketCounts":1}}]}}"#,
            "exponentialHistogram.dataPoints[0].negative.bucketCounts",
        ),
        (
            wrap(&stray(2, &[]), &[11, 1, 6]),
            r#"{"summary":{"dataPoints":[{"quantileValues":[{"value":"x"}]}]}}"#,
            "summary.dataPoints[0].quantileValues[0].value",
        ),
        (
            wrap(&stray(6, &[]), &[5, 1, 5]),
            r#"{"gauge":{"dataPoints":[{"exemplars":[{"asInt":"x"}]}]}}"#,
            "gauge.dataPoints[0].exemplars[0].asInt",
        ),
    ] {
        one(Signal::Metrics, &record, json, way);
    }
}

#[test]
fn a_wrong_type_deep_in_what_records_have_in_common_costs_all_of_them() {
    let (two, good) = (message(2, &[]).repeat(2), message(1, &message(2, &message(2, &[]))));
    let attribute = message(1, &stray(1, &[]));
    for (bad, json, way) in [
        (
            [message(1, &attribute), message(2, &two), message(2, &two)].concat(),
            r#"{"resource":{"attributes":[{"key":1}]},"scopeSpans":[{"spans":[{},{}]},{"spans":[{},{}]}]}"#,
            "resourceSpans[1].resource.attributes[0].key: ",
        ),
        (
            [
                message(2, &[&two[..], &stray(2, &[])].concat()),
                message(1, &attribute),
                stray(2, &[]),
            ]
            .concat(),
            r#"{"scopeSpans":[{"spans":[{},{},1]},1],"resource":{"attributes":[{"key":1}]}}"#,
            "resourceSpans[1].",
        ),
        (
            message(
                2,
                &[two.clone(), two.clone(), message(1, &message(3, &stray(1, &[])))].concat(),
            ),
            r#"{"scopeSpans":[{"spans":[{},{},{},{}],"scope":{"attributes":[{"key":1}]}}]}"#,
            "resourceSpans[1].scopeSpans[0].scope.attributes[0].key: ",
        ),
    ] {
        let body = [&good, &message(1, &bad), &good].map(Vec::as_slice).concat();
        let good = r#"{"scopeSpans":[{"spans":[{}]}]}"#;
        let json = format!(r#"{{"resourceSpans":[{good},{json},{good}]}}"#);
        for (encoding, body) in [(Encoding::Protobuf, body), (Encoding::Json, json.into_bytes())] {
            let result = ingest(Signal::Traces, encoding, &body);
            let message = result.message();
            assert_eq!((result.accepted, result.malformed), (2, 4), "{encoding:?} {message}");
            assert!(message.contains(way), "{encoding:?} {way} {message}");
        }
    }
}

#[test]
fn damaged_framing_refuses_the_whole_request() {
    let recorder = Recorder::new(&Default::default()).unwrap();
    let good = message(1, &message(2, &message(2, &span().encode_to_vec())));
    // A record that ends inside a field can be told from the others; a list that does cannot.
    for broken in
        [vec![0x0a, 9, 0], message(1, &[0x12, 9]), message(1, &message(2, &[0x12, 9])), vec![0x0b]]
    {
        let body = [good.clone(), broken].concat();
        let result = recorder.ingest(Signal::Traces, Encoding::Protobuf, &body);
        assert!(matches!(result, Err(IngestError::Wire(_))), "{result:?}");
        assert_eq!(recorder.stats(Signal::Traces).count, 0);
    }
    let body = message(1, &message(2, &[message(2, &[0x2a, 9]), message(2, &[])].concat()));
    let result = ingest(Signal::Traces, Encoding::Protobuf, &body);
    assert_eq!((result.accepted, result.malformed), (1, 1));
    assert_eq!(
        result.first_malformed,
        "resourceSpans[0].scopeSpans[0].spans[0]: the message ends inside a field"
    );
    let span = message(9, &[0x0a, 9]);
    let body = message(1, &message(2, &[message(2, &span), message(2, &[])].concat()));
    let result = ingest(Signal::Traces, Encoding::Protobuf, &body);
    assert_eq!((result.accepted, result.malformed), (1, 1));
    assert_eq!(
        result.first_malformed,
        "resourceSpans[0].scopeSpans[0].spans[0].attributes[0]: the message ends inside a field"
    );
}
