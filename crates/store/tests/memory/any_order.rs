//! Records of all kinds that come and go by every way there is, in random order, with callbacks that do as they like: after each step
//! the figures are what the allocator counts, and in the end nothing is left.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use flightring_store::{
    Added, Attribute, Encoding, Filter, Limits, Log, Metric, Number, Point, Recorder,
    RecorderOptions, Signal, Span, Value,
};
use serde_json::json;

use super::{LIVE, Random};

thread_local! {
    static CALLBACKS: Cell<u64> = const { Cell::new(0) };
}

const TEXTS: [&str; 7] =
    ["", "a", "shop", "sixteen letters.", "more than sixteen letters", "b", "c"];

struct Run {
    random: Random,
    recorder: Recorder,
    /// When the next record arrives.
    now: u64,
    long: String,
}

fn options(seed: u64) -> RecorderOptions {
    let mut options = RecorderOptions::default();
    let limits = Limits::with_capacity(150).max_bytes(8000 + seed % 4 * 5000).max_record_bytes(600);
    let limits = limits.max_age(Duration::from_secs(10));
    options.traces = limits.clone().max_per_trace(4);
    options.logs = limits.clone();
    options.metrics = limits;
    options
}

impl Run {
    fn text(&mut self) -> &'static str {
        TEXTS[self.random.below(7) as usize]
    }

    fn signal(&mut self) -> Signal {
        Signal::ALL[self.random.below(3) as usize]
    }

    fn add(&mut self, signal: Signal) -> Added {
        let (service, name) = (self.text(), self.text());
        let trace_id = u128::from(self.random.below(30)).to_be_bytes();
        let len = [0, 10, 200, 1000][self.random.below(4) as usize];
        let long = self.random.below(20) == 0;
        let service = if long { &self.long[..250 + len / 10] } else { service };
        let attributes = [Attribute::text("text", &self.long[..len])];
        let (time, recorder) = (self.now, &self.recorder);
        match signal {
            Signal::Traces => {
                let span = Span { name, service, trace_id, start_ns: time, ..Span::default() };
                recorder.traces().add_at(&Span { attributes: &attributes, ..span }, time)
            }
            Signal::Logs => {
                let body = Some(Value::Str(&self.long[..len]));
                let log = Log { event_name: name, service, trace_id, body, ..Log::default() };
                recorder.logs().add_at(&log, time)
            }
            Signal::Metrics => {
                let metric = Metric {
                    name,
                    unit: "1",
                    description: "",
                    service,
                    time_ns: time,
                    start_ns: 0,
                    point: Point::Gauge(Number::Int(time as i64)),
                    attributes: &attributes,
                    exemplars: &[],
                };
                recorder.metrics().add_at(&metric, time)
            }
        }
    }

    fn ingest(&mut self, signal: Signal) {
        let text = |key, value: &str| json!({"key": key, "value": {"stringValue": value}});
        let records = |this: &mut Self| {
            // Some are more than there are between two chances for others, which arrive now.
            let count = [1, 3, 70, 200][this.random.below(4) as usize];
            let records = (0..count).map(|_| {
                let (name, trace) = (this.text(), this.random.below(30));
                let trace = if trace == 0 { String::new() } else { format!("{trace:032x}") };
                let wrong = if this.random.below(30) == 0 { json!(7) } else { json!(name) };
                let len = if this.random.below(10) == 0 { 700 } else { 10 };
                let attributes = json!([text("text", &this.long[..len])]);
                let point =
                    json!({"timeUnixNano": this.now, "asInt": "1", "attributes": attributes});
                match signal {
                    Signal::Traces => {
                        json!({"name": wrong, "traceId": trace, "attributes": attributes})
                    }
                    Signal::Logs => {
                        json!({"eventName": wrong, "traceId": trace, "attributes": attributes})
                    }
                    Signal::Metrics => json!({"name": wrong, "gauge": {"dataPoints": [point]}}),
                }
            });
            records.collect::<Vec<_>>()
        };
        let [resources, scopes, list] = match signal {
            Signal::Traces => ["resourceSpans", "scopeSpans", "spans"],
            Signal::Logs => ["resourceLogs", "scopeLogs", "logRecords"],
            Signal::Metrics => ["resourceMetrics", "scopeMetrics", "metrics"],
        };
        let mut all = Vec::new();
        for _ in 0..self.random.below(3) {
            let mut attributes = vec![text("service.name", self.text())];
            match self.random.below(8) {
                0..3 => attributes.push(text("host.name", self.text())),
                3 => attributes.push(text("large", &self.long[..700])),
                4 => attributes.clear(),
                _ => {}
            }
            let scope = json!({"scope": {"name": self.text()}, list: records(self)});
            let scope_of_nobody = json!({list: records(self)});
            let resource = json!({"attributes": attributes});
            all.push(json!({"resource": resource, scopes: [scope_of_nobody, scope]}));
        }
        let body = json!({resources: all}).to_string();
        self.recorder.ingest(signal, Encoding::Json, body.as_bytes()).unwrap();
    }

    fn step(&mut self) {
        let signal = self.signal();
        match self.random.below(20) {
            0 => self.ingest(signal),
            1 => self.recorder.clear(signal),
            2 => self.now += 1_000_000_000 * self.random.below(15),
            3 => {
                let mut filter = Filter::default();
                filter.service = Some(self.text().to_owned());
                let mut cursor = self.recorder.query(signal, filter).unwrap();
                while cursor.next().is_some() {}
            }
            4 => self.recorder.expire(),
            _ => drop(self.add(signal)),
        }
    }

    fn bytes(&self) -> i64 {
        Signal::ALL.map(|signal| self.recorder.stats(signal).total_bytes() as i64).iter().sum()
    }
}

/// What a callback does, by chance: with its own store, with another, or nothing.
fn call_back(recorder: &Recorder, sequence: u64) {
    let n = CALLBACKS.get();
    CALLBACKS.set(n + 1);
    let mut random = Random(n << 20 | sequence);
    random.below(2);
    let span = Span { name: "again", service: TEXTS[random.below(7) as usize], ..Span::default() };
    match random.below(60) {
        0..4 => drop(recorder.add_span(&span)),
        4..6 => drop(recorder.add_log(&Log { service: "shop", ..Log::default() })),
        6 => recorder.clear(Signal::Traces),
        7 => recorder.clear(Signal::Metrics),
        // Without the message, whose text would stay in the test's output.
        8 => resume_unwind(Box::new(())),
        _ => {}
    }
}

#[test]
fn figures_are_exact_and_nothing_is_left_whatever_happens() {
    let mut panics = 0;
    for seed in 0..12 {
        let before = LIVE.get();
        let recorder = Recorder::new(&options(seed)).unwrap();
        if seed % 3 > 0 {
            let (a, b, c) = (recorder.clone(), recorder.clone(), recorder.clone());
            recorder.traces().on_evict(move |sequence, _| call_back(&a, sequence));
            recorder.logs().on_evict(move |sequence, _| call_back(&b, sequence));
            recorder.metrics().on_evict(move |sequence, _| call_back(&c, sequence));
        }
        let long = "l".repeat(2000);
        let now = 1_700_000_000_000_000_000;
        let mut run = Run { random: Random(seed), recorder, now, long };
        let others = LIVE.get() - run.bytes();
        for step in 0..600 {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run.step())) {
                // Only of callbacks.
                assert!(panic.is::<()>(), "seed {seed}, step {step}");
                panics += 1;
            }
            assert_eq!(LIVE.get() - run.bytes(), others, "seed {seed}, step {step}");
            for signal in Signal::ALL {
                let stats = run.recorder.stats(signal);
                assert_eq!(stats.added, stats.count + stats.evicted + stats.cleared);
            }
        }
        let Run { recorder, long, .. } = run;
        for signal in Signal::ALL {
            recorder.clear(signal);
            let stats = recorder.stats(signal);
            assert_eq!((stats.count, stats.live_bytes, stats.traces), (0, 0, 0));
            assert_eq!((stats.services, stats.names, stats.classes), (0, 0, 0), "seed {seed}");
        }
        // The callbacks keep the recorder.
        recorder.traces().on_evict(|_, _| {});
        recorder.logs().on_evict(|_, _| {});
        recorder.metrics().on_evict(|_, _| {});
        drop((recorder, long));
        assert_eq!(LIVE.get(), before, "seed {seed}");
    }
    assert!(panics > 8, "{panics}");
}
