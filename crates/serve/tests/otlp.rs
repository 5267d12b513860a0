//! OTLP in, queries out, over HTTP.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flightring_serve::App;
use flightring_serve::http::{Options, Server};
use flightring_store::{Recorder, RecorderOptions};
use serde_json::{Value as Json, json};
use support::{Answer, Client};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn start() -> (Server, SocketAddr) {
    let mut options = RecorderOptions::default();
    options.traces = options.traces.max_per_trace(3);
    let app = App::new().with_recorder(Recorder::new(&options).unwrap());
    let server = Server::start(Options::default(), Arc::new(app)).unwrap();
    let address = server.address();
    (server, address)
}

fn post(address: SocketAddr, path: &str, fields: &str, body: &[u8]) -> Answer {
    let mut client = Client::connect(address);
    let length = body.len();
    client.send(format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{fields}\r\n"
    ));
    client.try_send(body);
    client.answer()
}

fn get(address: SocketAddr, target: &str) -> Answer {
    let answer = Client::connect(address).get(target);
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    answer
}

fn get_json(address: SocketAddr, target: &str) -> Json {
    serde_json::from_slice(&get(address, target).body).unwrap()
}

fn spans(count: usize, trace: &str) -> Json {
    let one = |i: usize| {
        json!({
            "traceId": trace, "spanId": format!("{:016x}", i + 1), "name": format!("step {i}"),
            "parentSpanId": if i > 0 { format!("{i:016x}") } else { String::new() },
            "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000005000000",
        })
    };
    let service = json!({ "key": "service.name", "value": { "stringValue": "shop" } });
    json!({ "resourceSpans": [{
        "resource": { "attributes": [service] },
        "scopeSpans": [{ "spans": (0..count).map(one).collect::<Vec<_>>() }],
    }]})
}

const AS_JSON: &str = "Content-Type: application/json\r\n";
const AS_PROTOBUF: &str = "Content-Type: application/x-protobuf\r\n";

#[test]
fn json_in_and_every_form_out() {
    let (_server, address) = start();
    let body = spans(2, TRACE).to_string();
    let answer = post(address, "/v1/traces", AS_JSON, body.as_bytes());
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    assert_eq!(answer.header("content-type"), Some("application/json"));

    let found = get_json(address, "/api/traces?service=shop&name=step%201");
    assert_eq!(found["records"][0]["traceId"], TRACE);
    assert_eq!(found["records"].as_array().unwrap().len(), 1);
    assert_eq!(found["coverage"]["evicted"], 0);
    let trace = get_json(address, &format!("/api/traces/{TRACE}"));
    assert_eq!(trace["spans"][1]["depth"], 1);
    let lines = get(address, "/api/traces?format=ndjson");
    assert_eq!(lines.text().lines().count(), 2);

    // What is exported can be sent to another one, in both encodings.
    let (_other, other) = start();
    let exported = get(address, "/api/traces?format=protobuf");
    assert_eq!(exported.header("content-type"), Some("application/x-protobuf"));
    let reply = post(other, "/v1/traces", AS_PROTOBUF, &exported.body);
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b""[..]));
    assert_eq!(get_json(other, "/api/recorder")["traces"]["span_count"], 2);
    let exported = get(other, "/api/traces?format=otlp&order=oldest");
    let (_third, third) = start();
    assert_eq!(post(third, "/v1/traces", AS_JSON, &exported.body).status, 200);
    let third = get_json(third, "/api/recorder");
    assert_eq!(third["traces"]["span_count"], 2);
    assert_eq!(third["traces"]["held"]["services"]["shop"], 2);
}

#[test]
fn gzip_is_unpacked_within_limits() {
    let (_server, address) = start();
    let gzip = |data: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    };
    let fields = format!("{AS_JSON}Content-Encoding: gzip\r\n");
    let body = spans(1, TRACE).to_string();
    assert_eq!(post(address, "/v1/traces", &fields, &gzip(body.as_bytes())).status, 200);
    assert_eq!(post(address, "/v1/traces", &fields, body.as_bytes()).status, 400);
    assert_eq!(post(address, "/v1/traces", &fields, &gzip(&vec![b' '; 17 << 20])).status, 413);
    let brotli = format!("{AS_JSON}Content-Encoding: br\r\n");
    assert_eq!(post(address, "/v1/traces", &brotli, b"x").status, 415);
    assert_eq!(get_json(address, "/api/recorder")["traces"]["span_count"], 1);
}

#[test]
fn refused_records_are_a_partial_success_and_a_broken_request_none_at_all() {
    let (_server, address) = start();
    let five = spans(5, TRACE).to_string();
    let answer = post(address, "/v1/traces", AS_JSON, five.as_bytes());
    let reply: Json = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &reply["partialSuccess"]["rejectedSpans"]), (200, &"2".into()));

    let (_other, other) = start();
    let exported = {
        // Two requests in one body: protobuf messages may be concatenated.
        let one = get(address, "/api/traces?format=protobuf&order=oldest").body;
        [one.clone(), one].concat()
    };
    let answer = post(other, "/v1/traces", AS_PROTOBUF, &exported);
    // partial_success { rejected_spans: 3, error_message: ... }
    assert_eq!(
        (answer.status, answer.body[0], &answer.body[2..5]),
        (200, 0x0a, &[0x08, 3, 0x12][..])
    );

    let broken = post(address, "/v1/logs", AS_PROTOBUF, b"\x0a\xff\xff\xff\xff\x0f");
    assert_eq!((broken.status, &broken.body[..3]), (400, &[0x08, 3, 0x12][..]));
    let broken = post(address, "/v1/logs", AS_JSON, b"{\"resourceLogs\": 5}");
    let reply: Json = serde_json::from_slice(&broken.body).unwrap();
    assert_eq!((broken.status, &reply["code"]), (400, &3.into()));
    let why = "not an OTLP request in JSON: resourceLogs: 5 where OTLP has a list";
    assert_eq!(reply["message"], why);
    assert_eq!(post(address, "/v1/metrics", AS_PROTOBUF, b"").status, 200);
}

#[test]
fn a_record_that_json_spoils_is_refused_alone() {
    let (_server, address) = start();
    for (path, body, rejected, what) in [
        (
            "/v1/traces",
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"good"},{"traceId":"no hex"}]}]}]}"#,
            "rejectedSpans",
            "resourceSpans[0].scopeSpans[0].spans[1].traceId: \"no hex\" where OTLP has 32 hexadecimal digits",
        ),
        (
            "/v1/logs",
            r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":"INFO"},{"severityNumber":9}]}]}]}"#,
            "rejectedLogRecords",
            "resourceLogs[0].scopeLogs[0].logRecords[0].severityNumber: \"INFO\" where OTLP has a whole number",
        ),
        (
            "/v1/metrics",
            r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"asInt":"x"},{"asInt":1}]}}]}]}]}"#,
            "rejectedDataPoints",
            "resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[0].asInt: \"x\" where OTLP has a whole number",
        ),
    ] {
        let answer = post(address, path, AS_JSON, body.as_bytes());
        let reply: Json = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, &reply["partialSuccess"][rejected]), (200, &"1".into()));
        let message = reply["partialSuccess"]["errorMessage"].as_str().unwrap();
        assert!(message.contains(&format!("1 could not be read (the first: {what}")), "{message}");
    }
    let stats = get_json(address, "/api/recorder");
    assert_eq!(
        (&stats["traces"]["span_count"], &stats["logs"]["log_count"]),
        (&1.into(), &1.into())
    );
    assert_eq!(post(address, "/v1/traces", AS_JSON, b"{\"resourceSpans\":[").status, 400);
}

/// Ids of a wrong length are refused with their record, in both encodings; one of none is no id.
#[test]
fn a_record_with_an_id_of_a_wrong_length_is_refused_alone() {
    let (_server, address) = start();
    let ids = |trace: &str, span: &str, parent: &str| json!({ "traceId": trace, "spanId": span, "parentSpanId": parent });
    let span = "b7ad6b7169203331";
    let spans = [
        ids(TRACE, span, ""),
        ids(&TRACE[..30], span, ""),
        ids(TRACE, &TRACE[..18], ""),
        ids(TRACE, span, TRACE),
        ids("", "", ""),
    ];
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] }).to_string();
    let answer = post(address, "/v1/traces", AS_JSON, body.as_bytes());
    let reply: Json = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &reply["partialSuccess"]["rejectedSpans"]), (200, &"3".into()));
    let message = reply["partialSuccess"]["errorMessage"].as_str().unwrap();
    assert!(
        message.contains(".spans[1].traceId: \"0af7651916cd43dd8448eb211c8031\" where"),
        "{message}"
    );

    // A request, a resource, a scope: a span that is fine, and one whose parent has three bytes.
    let scope = [&b"\x12\x03\x2a\x01a"[..], b"\x12\x05\x22\x03abc"].concat();
    let body = [&[0x0a, scope.len() as u8 + 2, 0x12, scope.len() as u8], &scope[..]].concat();
    let answer = post(address, "/v1/traces", AS_PROTOBUF, &body);
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!((answer.status, &answer.body[2..4]), (200, &b"\x08\x01"[..]), "{text}");
    let what = "resourceSpans[0].scopeSpans[0].spans[1].parentSpanId: 3 bytes where OTLP has 8";
    assert!(text.contains(what), "{text}");
    assert_eq!(get_json(address, "/api/recorder")["traces"]["span_count"], 3);
}

/// A part of a request whose type is wrong costs that part.
#[test]
fn a_wrong_type_in_a_request_costs_its_own_part() {
    let (_server, address) = start();
    let fine = r#"{"scopeLogs":[{"logRecords":[{}]}]}"#;
    for (broken, lost) in [
        ("5", "1"),
        (r#"{"scopeLogs":5}"#, "1"),
        (r#"{"scopeLogs":[{"logRecords":5}]}"#, "1"),
        (r#"{"resource":[],"scopeLogs":[{"logRecords":[{},{}]}]}"#, "2"),
        (r#"{"scopeLogs":[{"scope":5,"logRecords":[{},{}]}]}"#, "2"),
    ] {
        let before = get_json(address, "/api/recorder")["logs"]["log_count"].as_u64().unwrap();
        let body = format!(r#"{{"resourceLogs":[{fine},{broken},{fine}]}}"#);
        let answer = post(address, "/v1/logs", AS_JSON, body.as_bytes());
        let reply: Json = serde_json::from_slice(&answer.body).unwrap();
        let partial = &reply["partialSuccess"];
        assert_eq!(
            (answer.status, &partial["rejectedLogRecords"]),
            (200, &lost.into()),
            "{broken}"
        );
        let message = partial["errorMessage"].as_str().unwrap();
        assert!(message.contains("(the first: resourceLogs[1]"), "{message}");
        assert_eq!(get_json(address, "/api/recorder")["logs"]["log_count"], before + 2);
    }
    // The same with a wrong wire type, of a scope: what is beside it is taken.
    let fine = b"\x0a\x04\x12\x02\x12\x00";
    let body = [&fine[..], b"\x0a\x08\x12\x06\x08\x01\x12\x00\x12\x00", fine].concat();
    let answer = post(address, "/v1/logs", AS_PROTOBUF, &body);
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!((answer.status, answer.body.get(2..4)), (200, Some(&b"\x08\x02"[..])), "{text}");
    assert!(text.contains("resourceLogs[1].scopeLogs[0].scope: its wire type"), "{text}");
}

#[test]
fn only_otlps_own_content_types_are_taken() {
    let (_server, address) = start();
    let body = spans(1, TRACE).to_string();
    // What a form or a script of a foreign page could send without asking first.
    for simple in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    {
        let answer =
            post(address, "/v1/traces", &format!("Content-Type: {simple}\r\n"), body.as_bytes());
        assert_eq!(answer.status, 415, "{simple}");
    }
    let foreign = format!("{AS_JSON}Origin: http://evil.example\r\n");
    assert_eq!(post(address, "/v1/traces", &foreign, body.as_bytes()).status, 403);
    assert_eq!(get_json(address, "/api/recorder")["traces"]["span_count"], 0);
    assert_eq!(Client::connect(address).get("/v1/traces").status, 405);
}

#[test]
fn queries_say_what_is_wrong_with_them() {
    let (_server, address) = start();
    for target in [
        "/api/traces?nonsense=1",
        "/api/traces?trace_id=xyz",
        "/api/metrics?errors=true",
        "/api/traces?format=xml",
        "/api/traces/xyz",
        "/api/logs?since=never-taken",
        "/api/logs?service=one&service=two",
    ] {
        let answer = Client::connect(address).get(target);
        assert_eq!(answer.status, 400, "{target}");
        assert!(answer.text().len() > 10, "{target}: {}", answer.text());
    }
}

/// However long an answer is, it is written as the client takes it, and begins before it is all there.
#[test]
fn long_answers_come_in_pieces() {
    let (_server, address) = start();
    let text = "z".repeat(20_000);
    let records = vec![json!({ "body": { "stringValue": text } }); 200];
    let body = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": records }] }] });
    assert_eq!(post(address, "/v1/logs", AS_JSON, body.to_string().as_bytes()).text(), "{}");
    for format in ["json", "otlp", "ndjson", "protobuf"] {
        let mut client = Client::connect(address);
        client.send(format!(
            "GET /api/logs?limit=1000&format={format} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        assert_eq!(client.head().header("transfer-encoding"), Some("chunked"), "{format}");
        let (mut whole, mut pieces) = (Vec::new(), 0);
        while let Some(chunk) = client.chunk() {
            assert!(chunk.len() < 1 << 20, "{format}: a piece of {} bytes", chunk.len());
            whole.extend(chunk);
            pieces += 1;
        }
        assert!(pieces > 5 && whole.len() > 200 * text.len(), "{format}");
        if format == "json" {
            let answer: Json = serde_json::from_slice(&whole).unwrap();
            assert_eq!(answer["records"].as_array().unwrap().len(), 200);
            assert_eq!(answer["coverage"]["end_sequence"], 200);
        }
    }
    assert_eq!(get_json(address, "/api/logs?limit=0")["records"], json!([]));
}

#[test]
fn traces_are_listed_by_those_of_their_spans_that_match() {
    let (_server, address) = start();
    let traces = ["a", "b", "c"].map(|digit| digit.repeat(32));
    for (i, trace) in traces.iter().enumerate() {
        post(address, "/v1/traces", AS_JSON, spans(i + 1, trace).to_string().as_bytes());
    }
    let ids = |parameters: &str| {
        let found = get_json(address, &format!("/api/traces?format=traces{parameters}"));
        let list = found["traces"].as_array().unwrap().clone();
        let ids = list.iter().map(|trace| trace["traceId"].as_str().unwrap().to_owned());
        (ids.collect::<Vec<_>>(), list, found["coverage"]["truncated"].as_bool().unwrap())
    };
    let (all, list, truncated) = ids("");
    assert_eq!(
        (all.as_slice(), truncated),
        (&[traces[2].clone(), traces[1].clone(), traces[0].clone()][..], false)
    );
    assert_eq!(
        list[0],
        json!({
            "traceId": traces[2], "name": "step 0", "service": "shop", "root": true, "spans": 3, "errors": 0,
            "services": 1, "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000005000000",
        })
    );
    // One span matches, and the trace is described whole.
    let (matching, list, _) = ids("&name=step+1");
    assert_eq!(
        (matching.len(), &list[1]["spans"], &list[1]["name"]),
        (2, &2.into(), &"step 0".into())
    );
    assert_eq!(ids("&limit=2"), (all[..2].to_vec(), ids("").1[..2].to_vec(), true));
    assert!(!ids("&limit=3").2);
    assert!(ids("&service=nobody").0.is_empty());
    // Spans of no trace can be seen as well, together.
    let none = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"one"},{"name":"two"}]}]}]}"#;
    post(address, "/v1/traces", AS_JSON, none.as_bytes());
    let zeros = "0".repeat(32);
    let (of_none, list, _) = ids("&service=unknown");
    assert_eq!((of_none.as_slice(), &list[0]["spans"]), (&[zeros.clone()][..], &2.into()));
    let together = get_json(address, &format!("/api/traces/{zeros}"));
    assert_eq!(
        (&together["spans"][0]["name"], &together["spans"][1]["name"]),
        (&"one".into(), &"two".into())
    );
    assert_eq!(Client::connect(address).get("/api/logs?format=traces").status, 400);
}

#[test]
fn snapshots_bound_a_query() {
    let (_server, address) = start();
    post(address, "/v1/traces", AS_JSON, spans(1, TRACE).to_string().as_bytes());
    assert_eq!(post(address, "/api/snapshots/before%20deploy", AS_JSON, b"").status, 200);
    assert_eq!(post(address, "/api/snapshots/x", "", b"").status, 415);
    let second = "1".repeat(32);
    post(address, "/v1/traces", AS_JSON, spans(1, &second).to_string().as_bytes());
    let found = get_json(address, "/api/traces?since=before+deploy");
    assert_eq!(found["records"].as_array().unwrap().len(), 1);
    assert_eq!(found["records"][0]["traceId"], second.as_str());
    assert_eq!(get_json(address, "/api/snapshots")["snapshots"][0]["name"], "before deploy");
}

#[test]
fn an_answer_that_is_continued_behind_the_last_number_has_ended() {
    let (_server, address) = start();
    post(address, "/v1/traces", AS_JSON, spans(2, TRACE).to_string().as_bytes());
    let last = u64::MAX;
    for order in ["newest", "oldest"] {
        for (from, to) in [(last, last), (last, 2), (2, 2)] {
            let target = format!("/api/traces?order={order}&cursor={from}-{to}");
            assert_eq!(get_json(address, &target)["records"], json!([]), "{target}");
        }
    }
    // One more is no number any more.
    let target = "/api/traces?order=oldest&cursor=18446744073709551616-18446744073709551616";
    assert_eq!(Client::connect(address).get(target).status, 400);
}

#[test]
fn new_records_are_followed_live() {
    let (_server, address) = start();
    post(address, "/v1/traces", AS_JSON, spans(1, TRACE).to_string().as_bytes());
    let mut client = Client::connect(address);
    client.send("GET /api/traces?follow&service=shop HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.head().header("content-type"), Some("application/x-ndjson"));
    let second = "2".repeat(32);
    post(address, "/v1/traces", AS_JSON, spans(2, &second).to_string().as_bytes());
    let text = client.chunks_until("step 1");
    assert_eq!(text.lines().count(), 2);
    assert!(text.contains(&second) && !text.contains(TRACE), "{text}");
}

/// A follower of a store that is much faster than it is told of every record: by the record itself, or by the count of those
/// that were evicted before, each once.
#[test]
fn a_follower_that_is_left_behind_can_count() {
    const RECORDS: u64 = 100_000;
    let mut options = RecorderOptions::default();
    options.traces = flightring_store::Limits::with_capacity(300).first_sequence(1000);
    let recorder = Recorder::new(&options).unwrap();
    let app = App::new().with_recorder(recorder.clone());
    let server = Server::start(Options::default(), Arc::new(app)).unwrap();
    let mut client = Client::connect(server.address());
    client.send("GET /api/traces?follow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.head();
    let writer = std::thread::spawn(move || {
        for _ in 0..RECORDS {
            recorder.add_span(&flightring_store::Span { name: "step", ..Default::default() });
        }
    });
    let (mut taken, mut evicted, mut last) = (0, 0, 0);
    while taken + evicted < RECORDS || last < 1000 + RECORDS - 1 {
        let chunk = client.chunk().unwrap();
        for line in chunk.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let line: Json = serde_json::from_slice(line).unwrap();
            match line["evicted"].as_u64() {
                Some(count) => evicted += count,
                None => {
                    taken += 1;
                    last = line["sequence"].as_u64().unwrap();
                }
            }
        }
        assert!(taken + evicted <= RECORDS, "{taken} taken, {evicted} evicted");
    }
    assert_eq!((taken + evicted, last), (RECORDS, 1000 + RECORDS - 1));
    writer.join().unwrap();
}

/// Records that come one at a time, each after the one before was seen: where a follower looks five times a second this
/// takes four seconds at least.
#[test]
fn a_follower_sees_a_record_within_milliseconds() {
    let (_server, address) = start();
    let mut client = Client::connect(address);
    client.send("GET /api/traces?follow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.head();
    let began = Instant::now();
    for i in 0..40_u32 {
        let trace = format!("{:032x}", i + 1);
        post(address, "/v1/traces", AS_JSON, spans(1, &trace).to_string().as_bytes());
        client.chunks_until(&trace);
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}
