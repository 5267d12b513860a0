//! Services and the resources they say more in come and go, by calls and by OTLP, which may mean the same origin.

#![cfg(not(loom))]

use std::collections::{BTreeMap, VecDeque};

use flightring_store::{
    Encoding, Filter, Limits, Metric, Number, Order, Point, Recorder, RecorderOptions, Signal, Span,
};
use proptest::prelude::*;
use serde_json::json;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// One record of a service, which says nothing else.
    Add(usize, u8),
    /// Some from OTLP, whose resource says nothing else either, or where it runs.
    Ingest(usize, u8, bool),
    Clear,
}

const SERVICES: [&str; 4] = ["a", "billing", "a service with a long name", ""];
const CAPACITY: usize = 6;

/// What a record's service is called, and how many attributes its resource has.
type Origin = (String, usize);

fn options() -> RecorderOptions {
    let mut options = RecorderOptions::default();
    options.traces = Limits::with_capacity(CAPACITY).max_per_trace(2);
    options.metrics = Limits::with_capacity(CAPACITY);
    options
}

fn trace_id(trace: u8) -> [u8; 16] {
    u128::from(trace).to_be_bytes()
}

fn request(signal: Signal, service: &str, trace: u8, with_host: bool) -> Vec<u8> {
    let mut attributes = vec![json!({"key": "service.name", "value": {"stringValue": service}})];
    if with_host {
        attributes.push(json!({"key": "host.name", "value": {"stringValue": "h"}}));
    }
    let resource = json!({ "attributes": attributes });
    let hex = trace_id(trace).map(|byte| format!("{byte:02x}")).concat();
    let span = json!({"name": "work", "traceId": hex, "spanId": "0000000000000001"});
    let point = json!({"timeUnixNano": "5", "asInt": "1"});
    match signal {
        Signal::Traces => {
            json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]})
        }
        _ => json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [
            {"name": "load", "gauge": {"dataPoints": [point]}}]}]}]}),
    }
    .to_string()
    .into_bytes()
}

fn run(recorder: &Recorder, signal: Signal, step: Step) {
    match step {
        Step::Add(service, trace) if signal == Signal::Traces => {
            let service = SERVICES[service];
            recorder.add_span(&Span {
                name: "work",
                service,
                trace_id: trace_id(trace),
                ..Span::default()
            });
        }
        Step::Add(service, _) => {
            recorder.add_metric(&Metric {
                name: "load",
                unit: "",
                description: "",
                service: SERVICES[service],
                time_ns: 5,
                start_ns: 0,
                point: Point::Gauge(Number::Int(1)),
                attributes: &[],
                exemplars: &[],
            });
        }
        Step::Ingest(service, trace, with_host) => {
            let body = request(signal, SERVICES[service], trace, with_host);
            recorder.ingest(signal, Encoding::Json, &body).expect("a right request");
        }
        Step::Clear => recorder.clear(signal),
    }
}

/// The same, in a list.
fn model(held: &mut VecDeque<(Origin, u8)>, signal: Signal, step: Step) {
    let (service, trace, attributes) = match step {
        Step::Add(service, trace) => (service, trace, 1),
        Step::Ingest(service, trace, with_host) => (service, trace, 1 + usize::from(with_host)),
        Step::Clear => return held.clear(),
    };
    let of_trace = held.iter().filter(|(_, other)| *other == trace).count();
    if signal == Signal::Traces && trace != 0 && of_trace >= 2 {
        return;
    }
    let name = if SERVICES[service].is_empty() { "unknown" } else { SERVICES[service] };
    held.push_back(((name.to_owned(), attributes), trace));
    if held.len() > CAPACITY {
        held.pop_front();
    }
}

fn held_by(recorder: &Recorder, signal: Signal) -> Vec<Origin> {
    let mut filter = Filter::default();
    filter.order = Order::OldestFirst;
    let mut cursor = recorder.query(signal, filter).expect("a right filter");
    let mut held = Vec::new();
    while let Some(record) = cursor.next() {
        held.push((
            record.service().into_owned(),
            1 + usize::from(record.attribute("host.name").is_some()),
        ));
    }
    held
}

fn step() -> impl Strategy<Value = Step> {
    let service = 0..SERVICES.len();
    prop_oneof![
        8 => (service.clone(), 0..4_u8).prop_map(|(s, t)| Step::Add(s, t)),
        8 => (service, 0..4_u8, any::<bool>()).prop_map(|(s, t, h)| Step::Ingest(s, t, h)),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #[test]
    fn origins_live_as_long_as_their_records(steps in prop::collection::vec(step(), 0..60)) {
        for signal in [Signal::Traces, Signal::Metrics] {
            let recorder = Recorder::new(&options()).expect("right limits");
            let mut dictionaries = Vec::new();
            for _ in 0..3 {
                let mut held = VecDeque::new();
                for &step in &steps {
                    run(&recorder, signal, step);
                    model(&mut held, signal, step);
                    let origins = held.iter().map(|(origin, _)| origin.clone()).collect::<Vec<_>>();
                    prop_assert_eq!(held_by(&recorder, signal), origins.clone());
                    let mut counts = BTreeMap::<String, u64>::new();
                    for (service, _) in origins {
                        *counts.entry(service).or_default() += 1;
                    }
                    let summary = recorder.summary_json(signal);
                    prop_assert_eq!(&summary["services"], &json!(counts));
                    prop_assert_eq!(recorder.stats(signal).services, counts.len() as u64);
                }
                recorder.clear(signal);
                prop_assert_eq!(recorder.stats(signal).services, 0);
                dictionaries.push(recorder.stats(signal).dictionary_bytes);
            }
            // The tables may have grown the first time; nothing else is left.
            prop_assert_eq!(dictionaries[1], dictionaries[2]);
        }
    }
}

/// A request lets others have the store now and then. Its origin is the plain one of a service here, which a callback takes all
/// records from, and gives new ones.
#[test]
fn an_origin_outlives_its_service_while_a_request_needs_it() {
    let recorder = Recorder::new(&options()).expect("right limits");
    let span = json!({"name": "work"});
    let attributes = [json!({"key": "service.name", "value": {"stringValue": "a"}})];
    let spans = vec![span; 1000];
    let body = json!({"resourceSpans": [{
        "resource": {"attributes": attributes},
        "scopeSpans": [{ "spans": spans }],
    }]});
    let add = |recorder: &Recorder| {
        recorder.add_span(&Span { name: "work", service: "a", ..Span::default() });
    };
    let same = recorder.clone();
    recorder.traces().on_evict(move |sequence, _| match sequence % 5 {
        0 => same.clear(Signal::Traces),
        1 | 3 => add(&same),
        _ => {}
    });
    let mut dictionaries = Vec::new();
    for _ in 0..3 {
        add(&recorder);
        recorder
            .ingest(Signal::Traces, Encoding::Json, body.to_string().as_bytes())
            .expect("a right request");
        add(&recorder);
        let held = recorder.stats(Signal::Traces).count;
        assert_eq!(recorder.summary_json(Signal::Traces)["services"], json!({"a": held}));
        recorder.clear(Signal::Traces);
        assert_eq!(recorder.stats(Signal::Traces).services, 0);
        dictionaries.push(recorder.stats(Signal::Traces).dictionary_bytes);
    }
    assert_eq!(dictionaries[1], dictionaries[2]);
}
