//! `flightring query` against a service that runs in this process.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::io::{Read, Write};
use std::process::{Command, Output};
use std::sync::Arc;

use flightring_serve::App;
use flightring_serve::http::{Options, Server, Token};
use flightring_store::{
    Attribute, Limits, Log, Metric, Number, Point, Recorder, RecorderOptions, Signal, Span, Value,
};

const TOKEN: &str = "a-token-for-tests";

fn serve(recorder: &Recorder) -> Server {
    let options = Options { token: Token::new(TOKEN), ..Options::default() };
    Server::start(options, Arc::new(App::new().with_recorder(recorder.clone()))).unwrap()
}

fn query(server: &Server, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flightring"))
        .arg("query")
        .args(arguments)
        .args(["--url", &format!("http://{}", server.address()), "--token", TOKEN])
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn filled() -> Recorder {
    let mut options = RecorderOptions::default();
    options.traces = Limits::with_capacity(4);
    let recorder = Recorder::new(&options).unwrap();
    for n in 1_u8..=5 {
        let attributes = [Attribute::text("http.route", "/users")];
        recorder.add_span(&Span {
            trace_id: [n / 3 + 1; 16],
            span_id: [n; 8],
            parent_id: if n == 4 { [3; 8] } else { [0; 8] },
            name: "GET /users\u{1b}[31m",
            service: "web",
            start_ns: 1_700_000_000_000_000_000 + u64::from(n) * 1000,
            end_ns: 1_700_000_000_250_000_000,
            status: if n == 4 { 2 } else { 0 },
            attributes: &attributes,
            ..Span::default()
        });
    }
    recorder.add_log(&Log {
        time_ns: 1_700_000_000_000_000_000,
        severity: 17,
        severity_text: "ERROR",
        body: Some(Value::Str("disk full")),
        service: "db",
        ..Log::default()
    });
    recorder.add_metric(&Metric {
        name: "queue.length",
        unit: "1",
        description: "",
        service: "db",
        time_ns: 1_700_000_000_000_000_000,
        start_ns: 0,
        point: Point::Gauge(Number::Int(42)),
        attributes: &[],
        exemplars: &[],
    });
    recorder
}

#[test]
fn records_are_shown_as_lines() {
    let server = serve(&filled());
    let logs = query(&server, &["logs", "severity=error"]);
    assert_eq!(text(&logs.stdout), "2023-11-14T22:13:20.000000Z ERROR db: disk full\n");
    assert!(logs.status.success());
    let metrics = query(&server, &["metrics", "type=gauge"]);
    assert_eq!(text(&metrics.stdout), "2023-11-14T22:13:20.000000Z db queue.length = 42\n");
    let traces = query(&server, &["traces", "errors"]);
    assert!(
        text(&traces.stdout).contains("web: GET /users [31m  ERROR"),
        "{}",
        text(&traces.stdout)
    );
    assert!(text(&traces.stderr).contains("1 older records are evicted"));
    let none = query(&server, &["logs", "service=nobody"]);
    assert_eq!((none.status.code(), text(&none.stdout)), (Some(1), ""));
}

#[test]
fn every_kind_of_record_is_shown_with_what_tells_it_from_others() {
    let recorder = Recorder::new(&RecorderOptions::default()).unwrap();
    let ingest = |signal, body: &str| {
        let taken = recorder.ingest(signal, flightring_store::Encoding::Json, body.as_bytes());
        assert_eq!(taken.unwrap().rejected(), 0);
    };
    let long = "x".repeat(100_000);
    ingest(
        Signal::Logs,
        &format!(
            r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[
            {{"timeUnixNano":"1000000000","body":{{"stringValue":"a\u202eb"}},"attributes":[{{"key":"user","value":{{"intValue":"7"}}}}]}},
            {{"timeUnixNano":"1000000000","severityNumber":9,"eventName":"login","body":{{"kvlistValue":{{"values":[{{"key":"k","value":{{"arrayValue":{{"values":[{{"boolValue":true}},{{}}]}}}}}}]}}}}}},
            {{"timeUnixNano":"1000000000","severityNumber":9,"body":{{"stringValue":"{long}"}}}},
            {{"body":{{"stringValue":"now"}}}}
            ]}}]}}]}}"#
        ),
    );
    ingest(
        Signal::Metrics,
        r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
        {"name":"m","unit":"By","sum":{"dataPoints":[{"timeUnixNano":"1000000000","asInt":"5","attributes":[{"key":"disk","value":{"stringValue":"a"}}]}]}},
        {"name":"m","gauge":{"dataPoints":[{"timeUnixNano":"1000000000","flags":1}]}},
        {"name":"m","unit":"ms","histogram":{"dataPoints":[{"timeUnixNano":"1000000000","count":"3","sum":4.5}]}},
        {"name":"m","unit":"1","exponentialHistogram":{"dataPoints":[{"timeUnixNano":"1000000000","count":"3"}]}}
        ]}]}]}"#,
    );
    let server = serve(&recorder);
    let lines = |signal: &str| {
        let output = query(&server, &[signal, "order=oldest"]);
        let lines = text(&output.stdout)
            .lines()
            .map(|line| line.replace("1970-01-01T00:00:01.000000Z ", ""));
        lines.collect::<Vec<_>>()
    };
    let logs = lines("logs");
    assert_eq!(
        logs[..3],
        [
            "-     unknown: a b {user=7}",
            "9     unknown: login: {k: [true, ]}",
            "9     unknown: (too large to be held)"
        ]
    );
    assert!(logs[3].starts_with("20") && logs[3].ends_with(" -     unknown: now"), "{}", logs[3]);
    assert_eq!(
        lines("metrics"),
        [
            "unknown m {disk=a} = 5 By",
            "unknown m = no value",
            "unknown m = 3 values, sum 4.5 ms",
            "unknown m = 3 values"
        ]
    );
}

#[test]
fn a_limited_answer_says_how_to_go_on() {
    let server = serve(&filled());
    let first = query(&server, &["traces", "limit=3", "--json"]);
    assert_eq!(text(&first.stdout).lines().count(), 3);
    let next = text(&first.stderr).split("cursor=").nth(1).unwrap().trim();
    let rest = query(&server, &["traces", "--json", &format!("cursor={next}")]);
    let record: serde_json::Value = serde_json::from_slice(&rest.stdout).unwrap();
    assert_eq!(record["sequence"], 1);
}

#[test]
fn a_trace_is_shown_as_a_tree() {
    let server = serve(&filled());
    let trace = query(&server, &["trace", &"02".repeat(16)]);
    let lines = text(&trace.stdout).lines().collect::<Vec<_>>();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].contains("  GET /users"), "{lines:?}");
    assert!(lines[1].contains("    GET /users") && lines[1].contains("ERROR"), "{lines:?}");
    assert_eq!(query(&server, &["trace", "../../logs"]).status.code(), Some(2));
}

#[test]
fn what_is_exported_can_be_taken_in() {
    let recorder = filled();
    let server = serve(&recorder);
    let exported = query(&server, &["traces", "--otlp"]);
    let other = Recorder::new(&RecorderOptions::default()).unwrap();
    let taken =
        other.ingest(Signal::Traces, flightring_store::Encoding::Json, &exported.stdout).unwrap();
    assert_eq!(taken.accepted, 4);

    let all = query(&server, &["traces", "--json", "order=oldest"]);
    let target = Recorder::new(&RecorderOptions::default()).unwrap();
    let target_server = serve(&target);
    let import = |lines: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("spans.ndjson");
        std::fs::write(&file, lines).unwrap();
        Command::new(env!("CARGO_BIN_EXE_flightring"))
            .args(["import", "traces"])
            .arg(&file)
            .args(["--url", &format!("http://{}", target_server.address()), "--token", TOKEN])
            .output()
            .unwrap()
    };
    assert!(import(&all.stdout).status.success());
    let mut cursor = target.query(Signal::Traces, flightring_store::Filter::default()).unwrap();
    let newest = cursor.next().unwrap();
    assert_eq!((newest.span_id(), newest.service()), ([5; 8], "web".into()));
    assert_eq!(target.stats(Signal::Traces).count, 4);
    let refused = import(b"{\"name\": \"fine\"}\n{\"evicted\": 3}\n\n[1]");
    assert_eq!(refused.status.code(), Some(1));
    let why = "2 could not be read (the first: line 2: the line has no member of a record)";
    assert!(text(&refused.stderr).contains(why), "{}", text(&refused.stderr));
    assert_eq!(target.stats(Signal::Traces).count, 5);

    let stats = query(&server, &["stats"]);
    let stats: serde_json::Value = serde_json::from_slice(&stats.stdout).unwrap();
    assert_eq!(
        (&stats["traces"]["span_count"], &stats["traces"]["evicted"]),
        (&4.into(), &1.into())
    );
}

#[test]
fn mistakes_are_explained() {
    let server = serve(&filled());
    let wrong = query(&server, &["logs", "colour=red"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("colour"), "{}", text(&wrong.stderr));
    // What would change the form of the answer, so that it cannot be read, or never ends.
    for arguments in [&["logs", "follow"][..], &["logs", "format=otlp"], &["stats", "service=web"]]
    {
        let output = query(&server, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains("filter"), "{}", text(&output.stderr));
    }
    let address = server.address();
    let bare = Command::new(env!("CARGO_BIN_EXE_flightring"))
        .args(["query", "logs", "--url", &address.to_string(), "--token", TOKEN])
        .output()
        .unwrap();
    assert!(bare.status.success(), "{}", text(&bare.stderr));
    server.stop();
    let url = format!("http://{address}");
    let refused = Command::new(env!("CARGO_BIN_EXE_flightring"))
        .args(["query", "logs", "--url", &url])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("cannot ask"), "{}", text(&refused.stderr));
}

#[test]
fn a_service_that_goes_while_it_is_followed_is_complained_of() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let service = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 64]).unwrap();
        let line = "{\"body\":{\"stringValue\":\"last words\"}}\n";
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        write!(stream, "{head}{:x}\r\n{line}\r\n", line.len()).unwrap();
    });
    let output = Command::new(env!("CARGO_BIN_EXE_flightring"))
        .args(["query", "logs", "-f", "--url", &address])
        .output()
        .unwrap();
    service.join().unwrap();
    assert!(text(&output.stdout).contains("last words"));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("the answer cannot be read"), "{}", text(&output.stderr));
}
