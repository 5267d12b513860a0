//! OTLP in: a request of 1000 spans, against decoding the same bytes with prost alone.

use flightring_store::{Encoding, Recorder, RecorderOptions, Signal};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::{Cpu, median};

pub(crate) fn text(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn request(spans: u64) -> ExportTraceServiceRequest {
    let spans = (0..spans).map(|n| Span {
        trace_id: u128::from(n / 8 + 1).to_be_bytes().to_vec(),
        span_id: n.to_be_bytes().to_vec(),
        name: format!("GET /users/{}", n % 20),
        start_time_unix_nano: 1_700_000_000_000_000_000 + n,
        end_time_unix_nano: 1_700_000_000_000_100_000 + n,
        attributes: vec![
            text("http.request.method", "GET"),
            text("url.path", "/users/42"),
            text("http.route", "/users/{id}"),
            text("server.address", "users.example.org"),
        ],
        ..Span::default()
    });
    let scope_spans = vec![ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }],
    }
}

pub(crate) fn measure() {
    const SPANS: u64 = 1000;
    let request = request(SPANS);
    let bytes = request.encode_to_vec();
    let json = serde_json::to_vec(&request).expect("serialises");
    let recorder = Recorder::new(&RecorderOptions::default()).expect("valid options");
    let mut rates = [const { Vec::new() }; 4];
    let mut time = |which: usize, requests: u64, mut f: Box<dyn FnMut() + '_>| {
        let begin = Cpu::now();
        (0..requests).for_each(|_| f());
        rates[which].push((requests * SPANS) as f64 / begin.elapsed() * 1e3);
    };
    for _ in 0..7 {
        time(
            0,
            200,
            Box::new(|| drop(recorder.ingest(Signal::Traces, Encoding::Protobuf, &bytes))),
        );
        time(1, 30, Box::new(|| drop(ExportTraceServiceRequest::decode(bytes.as_slice()))));
        time(2, 30, Box::new(|| drop(recorder.ingest(Signal::Traces, Encoding::Json, &json))));
        time(3, 30, Box::new(|| drop(serde_json::from_slice::<ExportTraceServiceRequest>(&json))));
    }
    println!("\n## OTLP, requests of {SPANS} spans of {} bytes\n", bytes.len() as u64 / SPANS);
    println!("| what | M spans/s |");
    println!("|---|---|");
    let names = [
        "flightring, protobuf: walked, stored, indexed",
        "prost: decoded only",
        "flightring, JSON: parsed, stored, indexed",
        "serde_json: decoded only",
    ];
    for (name, rates) in names.iter().zip(rates) {
        println!("| {name} | {:.2} |", median(rates));
    }
}
