//! JSON requests in which something is wrong: what is good in them is taken.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::time::Instant;

use flightring_store::{
    Encoding, Export, Filter, Form, IngestError, Ingested, Number, Order, Recorder, Signal,
};

fn ingest(signal: Signal, body: &str) -> (Recorder, Ingested) {
    let recorder = Recorder::new(&Default::default()).unwrap();
    let result = recorder.ingest(signal, Encoding::Json, body.as_bytes());
    let result = result.unwrap_or_else(|error| panic!("{error}: {body:.300}"));
    assert_eq!(result.accepted, recorder.stats(signal).added, "{body:.300}");
    (recorder, result)
}

fn names(recorder: &Recorder, signal: Signal) -> Vec<String> {
    let mut filter = Filter::default();
    filter.order = Order::OldestFirst;
    let mut cursor = recorder.query(signal, filter).unwrap();
    let mut names = Vec::new();
    while let Some(record) = cursor.next() {
        let member = if signal == Signal::Logs { "eventName" } else { "name" };
        names.push(record.to_json()[member].as_str().unwrap_or_default().to_owned());
    }
    names
}

fn spans(inside: &str) -> String {
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"shop"}}}}]}},
            "scopeSpans":[{{"scope":{{"name":"s"}},"spans":[{{"name":"first"}},{inside},{{"name":"last"}}]}}]}}]}}"#
    )
}

#[test]
fn a_span_that_cannot_be_read_is_refused_alone() {
    let deep = format!("{}1{}", r#"{"arrayValue":{"values":["#.repeat(500), "]}}".repeat(500));
    let deep = format!(r#"{{"attributes":[{{"key":"k","value":{deep}}}]}}"#);
    for broken in [
        r#"{"traceId":"xyz"}"#,
        r#"{"traceId":"0af"}"#,
        r#"{"traceId":17}"#,
        r#"{"name":5}"#,
        r#"{"name":{"text":"x"}}"#,
        r#"{"name":["x"]}"#,
        r#"{"kind":"SPAN_KIND_SERVER"}"#,
        r#"{"kind":-1}"#,
        r#"{"kind":99999999999}"#,
        r#"{"kind":1.5}"#,
        r#"{"kind":true}"#,
        r#"{"startTimeUnixNano":"18446744073709551616"}"#,
        r#"{"startTimeUnixNano":-1}"#,
        r#"{"startTimeUnixNano":"soon"}"#,
        r#"{"startTimeUnixNano":1e400}"#,
        r#"{"status":"error"}"#,
        r#"{"status":[]}"#,
        r#"{"attributes":{"k":"v"}}"#,
        r#"{"attributes":["k"]}"#,
        r#"{"attributes":[{"key":"k","value":{"intValue":"9223372036854775808"}}]}"#,
        r#"{"attributes":[{"key":"k","value":{"doubleValue":1e400}}]}"#,
        r#"{"attributes":[{"key":"k","value":{"bytesValue":"=??"}}]}"#,
        r#"{"attributes":[{"key":"k","value":{"boolValue":"yes"}}]}"#,
        r#"{"events":[{"timeUnixNano":"x"}]}"#,
        r#"{"links":[{"spanId":"g0"}]}"#,
        r#"{"spanId":"00ff"}"#,
        r#"{"parentSpanId":"0af7651916cd43dd8448eb211c80319c"}"#,
        r#"{"traceId":"00f067aa0ba902b7"}"#,
        "5",
        r#""text""#,
        "[]",
        "true",
        &deep,
    ] {
        let (recorder, result) = ingest(Signal::Traces, &spans(broken));
        assert_eq!(names(&recorder, Signal::Traces), ["first", "last"], "{broken:.100}");
        assert_eq!((result.malformed, result.rejected()), (1, 1), "{broken:.100}");
        assert!(!result.first_malformed.is_empty(), "{broken:.100}");
        assert!(!result.message().contains("line"), "{}", result.message());
        let mut cursor = recorder.query(Signal::Traces, Filter::default()).unwrap();
        assert_eq!(cursor.next().unwrap().to_json()["scope"]["name"], "s");
    }
    let (_, result) = ingest(Signal::Traces, &spans(r#"{"traceId":"xyz"},{"name":5}"#));
    assert_eq!(
        result.message(),
        "2 could not be read (the first: resourceSpans[0].scopeSpans[0].spans[1].traceId: \"xyz\" where OTLP has 32 hexadecimal digits)"
    );
}

#[test]
fn a_point_that_cannot_be_read_is_refused_alone() {
    let metrics = |inside: &str| {
        format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{inside}]}}]}}]}}"#)
    };
    let good = r#"{"name":"good","gauge":{"dataPoints":[{"asInt":"1"},{"asDouble":2.5}]}}"#;
    for (broken, lost, kept) in [
        (
            r#"{"name":"m","sum":{"dataPoints":[{"asInt":"1"},{"asInt":"x"},{"asInt":"3"}],"isMonotonic":true}}"#,
            1,
            2,
        ),
        (
            r#"{"name":"m","sum":{"dataPoints":[{"asInt":"1"},{"asInt":"3"}],"isMonotonic":"y"}}"#,
            2,
            0,
        ),
        (r#"{"name":5,"gauge":{"dataPoints":[{"asInt":"1"},{"asInt":"2"},{"asInt":"3"}]}}"#, 3, 0),
        (r#"{"name":"m","gauge":{"dataPoints":5}}"#, 1, 0),
        (r#"{"name":"m","gauge":5}"#, 1, 0),
        (
            r#"{"name":"m","histogram":{"dataPoints":[{"bucketCounts":["1",-1]},{"explicitBounds":["x"]},{}]}}"#,
            2,
            1,
        ),
        (
            r#"{"name":"m","exponentialHistogram":{"dataPoints":[{"scale":99999999999},{"positive":[]}]}}"#,
            2,
            0,
        ),
        (
            r#"{"name":"m","summary":{"dataPoints":[{"quantileValues":[{"quantile":1e999}]},{"count":"2"}]}}"#,
            1,
            1,
        ),
        ("7", 1, 0),
    ] {
        let (recorder, result) =
            ingest(Signal::Metrics, &metrics(&format!("{good},{broken},{good}")));
        assert_eq!((result.malformed, result.accepted), (lost, 4 + kept), "{broken}");
        assert_eq!(names(&recorder, Signal::Metrics).len() as u64, 4 + kept);
    }
}

#[test]
fn what_is_wrong_with_an_origin_costs_its_own_records_only() {
    let part = |resource: &str, spans: &str| {
        format!(r#"{{"resource":{resource},"scopeSpans":[{{"spans":[{spans}]}}]}}"#)
    };
    let good = part("{}", r#"{"name":"good"}"#);
    let two = r#"{"name":"a"},{"name":"b"}"#;
    for (broken, lost) in [
        (part("5", two), 2),
        (part(r#"{"attributes":[{"key":7}]}"#, two), 2),
        (part(r#"{"attributes":[{"key":7}]}"#, r#"{"name":"a"},{"name":8}"#), 2),
        (part("5", ""), 1),
        (part("{}", "").replace("[{\"spans\":[]}]", "17"), 1),
        (part("{}", "").replace("[]", "\"spans\""), 1),
        ("17".to_owned(), 1),
    ] {
        let body = format!(r#"{{"resourceSpans":[{good},{broken},{good}]}}"#);
        let (recorder, result) = ingest(Signal::Traces, &body);
        assert_eq!(names(&recorder, Signal::Traces), ["good", "good"], "{broken}");
        assert_eq!(result.malformed, lost, "{broken}");
    }
    // What is left out, or null, is no mistake; nor is what a later version adds.
    let body = format!(
        r#"{{"resourceSpans":[null,{good},{{"scopeSpans":[{{"spans":null}},null,{{"spans":[null,5]}}]}}],"new":[[{{}}]]}}"#
    );
    assert_eq!(ingest(Signal::Traces, &body).1.malformed, 1);
}

#[test]
fn only_what_is_no_request_is_refused_as_a_whole() {
    let recorder = Recorder::new(&Default::default()).unwrap();
    for body in [
        "",
        "{",
        "hello",
        "5",
        "[]",
        "null",
        r#"{"resourceLogs":5}"#,
        r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"good"},{"severityNumber":"x"}]}]}]"#,
        r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"good"}]}]}]} x"#,
        "{\"resourceLogs\":[{\"schemaUrl\":\"line\nfeed\"}]}",
    ] {
        let result = recorder.ingest(Signal::Logs, Encoding::Json, body.as_bytes());
        assert!(matches!(result, Err(IngestError::Json(_))), "{body}: {result:?}");
        assert_eq!(recorder.stats(Signal::Logs).count, 0);
    }
}

#[test]
fn an_error_says_where_what_was_found_and_what_is_expected() {
    let whole = |body: &str| {
        let recorder = Recorder::new(&Default::default()).unwrap();
        recorder.ingest(Signal::Logs, Encoding::Json, body.as_bytes()).unwrap_err().to_string()
    };
    for (list, found) in [
        ("5", "5"),
        ("{\"scopeLogs\":[]}", "an object"),
        ("\"text\"", "\"text\""),
        ("true", "true"),
    ] {
        assert_eq!(
            whole(&format!("{{\"resourceLogs\":{list}}}")),
            format!("not an OTLP request in JSON: resourceLogs: {found} where OTLP has a list")
        );
    }
    assert!(whole("{\"resourceLogs\":[").contains("EOF"), "{}", whole("{\"resourceLogs\":["));
    let first = |inside: &str| {
        let body = spans(inside);
        let (_, result) = ingest(Signal::Traces, &body);
        result.first_malformed
    };
    let way = "resourceSpans[0].scopeSpans[0].spans[1]";
    for (inside, what) in [
        (
            r#"{"kind":"SERVER"}"#,
            r#".kind: "SERVER" where OTLP has a whole number from 0 to 4294967295"#,
        ),
        (r#"{"name":[1]}"#, ".name: a list where OTLP has a text"),
        (
            r#"{"status":{"code":-1}}"#,
            ".status.code: -1 where OTLP has a whole number from 0 to 4294967295",
        ),
        (
            r#"{"attributes":[{"key":"k"},{"key":"k","value":{"arrayValue":{"values":[{"intValue":"x"}]}}}]}"#,
            r#".attributes[1].value.arrayValue.values[0].intValue: "x" where OTLP has a whole number of 64 bits"#,
        ),
        (
            r#"{"attributes":[{"key":"k","value":{"doubleValue":1e400}}]}"#,
            ".attributes[0].value.doubleValue: number out of range",
        ),
        ("5", ": 5 where OTLP has an object"),
    ] {
        assert_eq!(first(inside), format!("{way}{what}"));
    }
    let long = first(&format!(r#"{{"traceId":"{}"}}"#, "é".repeat(1000)));
    assert!(long.len() < 200, "{long}");
    let deep = format!("{}1{}", r#"{"arrayValue":{"values":["#.repeat(20), "]}}".repeat(20));
    let deep = first(&format!(r#"{{"attributes":[{{"value":{deep}}}]}}"#));
    assert!(deep.len() < 500 && deep.contains("values[0]: 1 where OTLP has an object"), "{deep}");
}

/// JavaScript cuts texts between the halves of a character, and its JSON then has one of them alone.
#[test]
fn text_that_is_not_quite_unicode_is_taken() {
    let body = spans(r#"{"name":"cut \ud83d","traceState":"\\ud83d \ud83d\ude00 \ude00"}"#);
    let (recorder, result) = ingest(Signal::Traces, &body);
    assert_eq!((result.accepted, result.malformed), (3, 0));
    assert_eq!(names(&recorder, Signal::Traces), ["first", "cut \u{fffd}", "last"]);
    let mut cursor = recorder.query(Signal::Traces, Filter::default()).unwrap();
    cursor.next();
    assert_eq!(cursor.next().unwrap().to_json()["traceState"], "\\ud83d \u{1f600} \u{fffd}");

    let latin: &[u8] =
        b"{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"eventName\":\"caf\xe9\"}]}]}]}";
    let recorder = Recorder::new(&Default::default()).unwrap();
    assert_eq!(recorder.ingest(Signal::Logs, Encoding::Json, latin).unwrap().accepted, 1);
    assert_eq!(names(&recorder, Signal::Logs), ["caf\u{fffd}"]);
    let line = b"{\"eventName\":\"\\udfff\"}\n{\"eventName\":7}\n";
    let result = recorder.ingest(Signal::Logs, Encoding::Ndjson, line).unwrap();
    assert_eq!((result.accepted, result.malformed), (1, 1));
    assert!(
        result.message().contains("(the first: line 2: eventName: 7 where OTLP has a text)"),
        "{}",
        result.message()
    );
}

#[test]
fn a_line_that_is_refused_is_named() {
    for (signal, line, what) in [
        (Signal::Traces, "{}", "the line has no member of a record"),
        (Signal::Traces, "[1]", "invalid type: sequence, expected an object"),
        (
            Signal::Traces,
            r#"{"links":[{"traceId":"0f"}]}"#,
            r#"links[0].traceId: "0f" where OTLP has 32 hexadecimal digits"#,
        ),
        (Signal::Metrics, r#"{"name":"m"}"#, "the metric has no data"),
        (Signal::Metrics, r#"{"name":"m","gauge":{}}"#, "the metric has no point"),
    ] {
        let recorder = Recorder::new(&Default::default()).unwrap();
        let body = format!("\n{line}\n");
        let result = recorder.ingest(signal, Encoding::Ndjson, body.as_bytes()).unwrap();
        assert_eq!((result.accepted, result.malformed), (0, 1), "{line}");
        assert_eq!(result.first_malformed, format!("line 2: {what}"));
    }
}

#[test]
fn the_service_of_a_line_may_be_null_as_any_member_may() {
    let recorder = Recorder::new(&Default::default()).unwrap();
    let lines =
        [r#"{"name":"a","service":null}"#, r#"{"name":"b","service":"sh\u006fp"}"#].join("\n");
    let result = recorder.ingest(Signal::Traces, Encoding::Ndjson, lines.as_bytes()).unwrap();
    assert_eq!((result.accepted, result.malformed), (2, 0), "{}", result.message());
    let mut cursor = recorder.query(Signal::Traces, Filter::default()).unwrap();
    assert_eq!(cursor.next().unwrap().service(), "shop");
    assert_eq!(cursor.next().unwrap().service(), "unknown");
}

#[test]
fn bytes_may_be_in_either_alphabet_with_padding_or_without() {
    for text in ["+/8=", "+/8", "-_8=", "-_8"] {
        let value =
            format!(r#"{{"attributes":[{{"key":"k","value":{{"bytesValue":"{text}"}}}}]}}"#);
        let (recorder, result) = ingest(Signal::Traces, &spans(&value));
        assert_eq!(result.malformed, 0, "{text}");
        let mut cursor = recorder.query(Signal::Traces, Filter::default()).unwrap();
        cursor.next();
        let record = cursor.next().unwrap().to_json();
        assert_eq!(record["attributes"][0]["value"]["bytesValue"], "+/8=");
    }
}

/// A number that went out as JSON comes in as the same number, to the last bit.
#[test]
fn numbers_are_read_to_the_last_digit() {
    let mut bits = 0x3ff0_0000_0000_0001_u64;
    let numbers = (0..2000)
        .map(|_| {
            bits = bits
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            f64::from_bits(bits)
        })
        .filter(|number| number.is_finite());
    let numbers =
        numbers.chain([1.0 / 3.0, 200.0 / 3.0, 5e-324, f64::MAX, -0.0]).collect::<Vec<_>>();
    let point = |number: &f64| format!(r#"{{"asDouble":{number:?}}}"#);
    let points = numbers.iter().map(point).collect::<Vec<_>>().join(",");
    let body = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"gauge":{{"dataPoints":[{points}]}}}}]}}]}}]}}"#
    );
    let (recorder, _) = ingest(Signal::Metrics, &body);
    let mut filter = Filter::default();
    filter.order = Order::OldestFirst;
    let mut cursor = recorder.query(Signal::Metrics, filter).unwrap();
    for number in numbers {
        let record = cursor.next().unwrap();
        let found = record.number();
        assert!(
            matches!(found, Some(Number::Double(found)) if found.to_bits() == number.to_bits()),
            "{number:?}: {found:?}"
        );
    }
}

#[test]
fn an_answer_in_parts_is_the_answer() {
    let (recorder, _) = ingest(Signal::Traces, &spans(r#"{"name":"\"quoted\""}"#));
    for limit in [0, 1, 3, 100] {
        let query = || {
            let mut filter = Filter::default();
            filter.limit = Some(limit);
            recorder.query(Signal::Traces, filter).unwrap()
        };
        let written = |form| {
            let (mut export, mut text) = (Export::new(query(), form), Vec::new());
            while export.next_part(&mut text) {}
            assert!(!export.next_part(&mut text), "it has ended");
            text
        };
        let json = |form| serde_json::from_slice::<serde_json::Value>(&written(form)).unwrap();
        assert_eq!(json(Form::Answer), query().answer_json());
        assert_eq!(json(Form::Json), query().export_json());
        assert_eq!(written(Form::Protobuf), query().export_protobuf());
        assert_eq!(written(Form::Ndjson).split(|&byte| byte == b'\n').count(), limit.min(3) + 1);
    }
}

/// Nothing in a request costs more than its length: each of these takes well under a second, and would take hours if
/// what is skipped were read again at every level.
#[test]
fn hostile_requests_cost_as_much_as_they_are_long() {
    const LENGTH: usize = 1 << 20;
    let filled = |part: &str, last: &str| {
        let mut inside = part.repeat(LENGTH / part.len());
        inside.push_str(last);
        spans(&inside)
    };
    let nested = |open: &str, close: &str| {
        let depth = LENGTH / (open.len() + close.len());
        format!("{}1{}", open.repeat(depth), close.repeat(depth))
    };
    let deep = nested(r#"{"arrayValue":{"values":["#, "]}}");
    for body in [
        filled("5,", "5"),
        filled("[],", "5"),
        filled("{},", "5"),
        filled(r#"{"traceId":"x"},"#, "5"),
        spans(&format!(r#"{{"attributes":[{{"value":{deep}}}]}}"#)),
        spans(&format!("{{\"name\":5,\"unknown\":{}}}", nested("[", "]"))),
        spans(&format!(r#"{{"name":"{}"}}"#, r"\ud800".repeat(LENGTH / 6))),
        spans(&nested(r#"{"resourceSpans":["#, "]}")),
    ] {
        let began = Instant::now();
        let (recorder, result) = ingest(Signal::Traces, &body);
        assert!(result.accepted + result.malformed >= 3, "{body:.300}");
        assert!(recorder.stats(Signal::Traces).live_bytes <= 2048 * 10_000);
        assert!(began.elapsed().as_secs() < 60, "{body:.300}: {:?}", began.elapsed());
    }
}
