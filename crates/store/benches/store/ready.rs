//! The same records in the form in which a client sends them: OTLP requests that are there already, so that nothing has to be
//! encoded. Each request has 500 spans, those of a service together, as a collector that gathers from several would send them.

use std::collections::BTreeMap;

use flightring_store::{Encoding, Limits, Recorder, RecorderOptions, Signal};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::otlp::text;
use super::{Cpu, Record, Stream, median};

const SPANS: usize = 500;
/// Encoded at a time, outside of what is measured.
const REQUESTS: usize = 20;

fn span(record: &Record<'_>) -> Span {
    Span {
        trace_id: record.trace.to_vec(),
        span_id: record.span.to_vec(),
        name: record.name.to_owned(),
        start_time_unix_nano: record.start,
        end_time_unix_nano: record.start + 1000,
        attributes: vec![text("payload", record.payload)],
        ..Span::default()
    }
}

fn request(stream: &mut Stream) -> Vec<u8> {
    let mut services = BTreeMap::<String, Vec<Span>>::new();
    for _ in 0..SPANS {
        let record = stream.next();
        services.entry(record.service.to_owned()).or_default().push(span(&record));
    }
    let resource_spans = services.into_iter().map(|(service, spans)| ResourceSpans {
        resource: Some(Resource {
            attributes: vec![text("service.name", &service)],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    });
    ExportTraceServiceRequest { resource_spans: resource_spans.collect() }.encode_to_vec()
}

pub(crate) fn measure(long: bool) {
    println!("\n## The same spans as OTLP requests of {SPANS}, encoded before\n");
    println!("| capacity | services | inserts M/s | insert ns |");
    println!("|---|---|---|---|");
    let capacities = [10_000, 100_000, 1_000_000];
    for &capacity in &capacities[..if long { 3 } else { 2 }] {
        for services in [1, 10, 1000] {
            let mut options = RecorderOptions::default();
            options.traces = Limits::with_capacity(capacity);
            let recorder = Recorder::new(&options).expect("valid options");
            let ingest = |request: &[u8]| {
                let taken = recorder.ingest(Signal::Traces, Encoding::Protobuf, request);
                assert_eq!(taken.map(|taken| taken.accepted), Ok(SPANS as u64));
            };
            let mut stream = Stream::new(services);
            (0..=capacity / SPANS).for_each(|_| ingest(&request(&mut stream)));
            let times = (0..15).map(|_| {
                let requests = (0..REQUESTS).map(|_| request(&mut stream)).collect::<Vec<_>>();
                let begin = Cpu::now();
                requests.iter().for_each(|request| ingest(request));
                begin.elapsed() / (REQUESTS * SPANS) as f64
            });
            let time = median(times.collect());
            println!("| {capacity} | {services} | {:.2} | {time:.0} |", 1000.0 / time);
        }
    }
}
