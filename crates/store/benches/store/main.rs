//! Ours, the origin's algorithm and SQLite, side by side in one run.
//!
//! `cargo bench -p flightring-store` prints a Markdown table per question. Every figure is the median of several
//! rounds, and the candidates take turns within a round, so that a noisy machine is noisy for all. What one thread does
//! is measured in its processor time.
//! `FLIGHTRING_LONG=1` adds stores of a million records, which take some gigabytes of memory. Arguments choose questions:
//! `cargo bench -p flightring-store --bench store -- inserts otlp`; without any, all are asked.
//!
//! Not criterion: it calibrates how often to run a body, and these change the store that they measure; the candidates differ
//! by a factor of a thousand, and have to take turns; and processor time, percentiles and bytes are not what it measures.

mod origin;
mod otlp;
mod ready;
mod sqlite;
mod threads;

use std::hint::black_box;

use flightring_store::{
    Attribute, AttributeFilter, Filter, Limits, Metric, MetricStore, Number, Point, Span,
    Temporality, TraceStore,
};

/// What a candidate must be able to do.
trait Candidate {
    fn insert(&mut self, record: &Record<'_>);
    fn by_trace(&mut self, trace: [u8; 16]) -> usize;
    fn newest_of_service(&mut self, service: &str, count: usize) -> usize;
}

/// A record as all candidates get it: 500 bytes in all, most of them attributes.
struct Record<'a> {
    trace: [u8; 16],
    span: [u8; 8],
    service: &'a str,
    name: &'a str,
    start: u64,
    payload: &'a str,
}

struct Ours(TraceStore);

impl Ours {
    fn new(capacity: usize) -> Self {
        Self(TraceStore::new(&Limits::with_capacity(capacity)).expect("valid limits"))
    }

    fn count(&self, filter: Filter) -> usize {
        let mut cursor = self.0.query(filter).expect("a valid filter");
        let mut bytes = 0;
        while let Some(record) = cursor.next() {
            bytes += record.wire().len();
        }
        bytes
    }
}

impl Candidate for Ours {
    fn insert(&mut self, record: &Record<'_>) {
        let attributes = [Attribute::text("payload", record.payload)];
        self.0.add(&Span {
            trace_id: record.trace,
            span_id: record.span,
            name: record.name,
            service: record.service,
            start_ns: record.start,
            end_ns: record.start + 1000,
            attributes: &attributes,
            ..Span::default()
        });
    }

    fn by_trace(&mut self, trace: [u8; 16]) -> usize {
        let mut filter = Filter::default();
        filter.trace_id = Some(trace);
        self.count(filter)
    }

    fn newest_of_service(&mut self, service: &str, count: usize) -> usize {
        let mut filter = Filter::default();
        filter.service = Some(service.to_owned());
        filter.limit = Some(count);
        self.count(filter)
    }
}

/// The texts of the records, for as long as the process runs.
struct Texts {
    services: Vec<String>,
    names: Vec<String>,
    payload: String,
}

/// The stream of records: 8 spans a trace, interleaved; services and names in turn, by a generator.
struct Stream {
    random: u64,
    n: u64,
    texts: &'static Texts,
}

impl Stream {
    fn new(services: usize) -> Self {
        let texts = Texts {
            services: (0..services).map(|i| format!("service-{i:04}")).collect(),
            names: (0..100).map(|i| format!("operation-{i:03}")).collect(),
            payload: "p".repeat(400),
        };
        Self { random: 42, n: 0, texts: Box::leak(Box::new(texts)) }
    }

    fn trace_of(n: u64) -> [u8; 16] {
        // Sixteen traces are open at a time, with eight spans each.
        let trace = u128::from(n / 128 * 16 + n % 16) + 1;
        (trace.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).to_be_bytes()
    }

    fn next(&mut self) -> Record<'static> {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let n = self.n;
        self.n += 1;
        let pick = (self.random >> 33) as usize;
        let Texts { services, names, payload } = self.texts;
        Record {
            trace: Self::trace_of(n),
            span: n.to_be_bytes(),
            service: &services[pick % services.len()],
            name: &names[pick / 1024 % names.len()],
            start: 1_700_000_000_000_000_000 + n * 1000,
            payload,
        }
    }
}

/// Processor time of this thread, in nanoseconds: what other processes do meanwhile does not count.
pub(crate) struct Cpu(i64);

impl Cpu {
    pub(crate) fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Self(time.tv_sec * 1_000_000_000 + time.tv_nsec)
    }

    pub(crate) fn elapsed(&self) -> f64 {
        (Self::now().0 - self.0) as f64
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn make(which: usize, capacity: usize) -> Box<dyn Candidate> {
    match which {
        0 => Box::new(Ours::new(capacity)),
        1 => Box::new(origin::Origin::new(capacity)),
        2 => Box::new(sqlite::Sqlite::new(capacity, 1000)),
        _ => Box::new(sqlite::Sqlite::new(capacity, 1)),
    }
}

const NAMES: [&str; 4] =
    ["flightring", "origin's algorithm", "SQLite :memory:", "the same, a transaction an insert"];

/// Processor nanoseconds of so many inserts. The records are made before the clock runs, some at a time.
fn time_inserts(candidate: &mut dyn Candidate, stream: &mut Stream, count: u32) -> f64 {
    let mut time = 0.0;
    let mut left = count;
    while left > 0 {
        let records = (0..left.min(1000)).map(|_| stream.next()).collect::<Vec<_>>();
        let begin = Cpu::now();
        records.iter().for_each(|record| candidate.insert(record));
        time += begin.elapsed();
        left -= records.len() as u32;
    }
    time
}

/// What was measured of a candidate, once a round: nanoseconds of an insert, and of the two queries.
#[derive(Default)]
struct Times {
    inserts: Vec<f64>,
    traces: Vec<f64>,
    newest: Vec<f64>,
}

/// Nanoseconds an insert takes in a full store, after as many that are not timed, and microseconds of the two queries.
///
/// Some rounds with the same stores, and that with so many stores one after the other: which pages of memory a store happens to
/// get decides what its records drive out of the caches, which makes a difference of some percent.
fn measure(capacity: usize, services: usize, (stores, rounds): (usize, usize)) {
    // Some tens of milliseconds a round for each; except for the origin's algorithm, of which an insert takes longer the more
    // records a service has, up to milliseconds.
    let slow = (20_000_000 / (capacity / services.min(100)) as u32).clamp(20, 3000);
    let counts = [600_000, slow, 10_000, 10_000];
    let mut times: [Times; 4] = Default::default();
    for _ in 0..stores {
        let mut candidates = (0..NAMES.len())
            .map(|which| {
                let (mut candidate, mut stream) = (make(which, capacity), Stream::new(services));
                for _ in 0..capacity + 10 {
                    candidate.insert(&stream.next());
                }
                (candidate, stream)
            })
            .collect::<Vec<_>>();
        for _ in 0..rounds {
            for (which, (candidate, stream)) in candidates.iter_mut().enumerate() {
                let (candidate, times, count) =
                    (candidate.as_mut(), &mut times[which], counts[which]);
                // Each comes back to caches that the others have filled with theirs.
                time_inserts(candidate, stream, count);
                times.inserts.push(time_inserts(candidate, stream, count) / f64::from(count));
                let held = stream.n - capacity as u64 + 1000;
                let begin = Cpu::now();
                for i in 0..500 {
                    let n = held + i * 7919 % (capacity as u64 - 2000);
                    black_box(candidate.by_trace(Stream::trace_of(n)));
                }
                times.traces.push(begin.elapsed() / 500.0);
                let begin = Cpu::now();
                for i in 0..200 {
                    let service = format!("service-{:04}", i % services);
                    black_box(candidate.newest_of_service(&service, 50));
                }
                times.newest.push(begin.elapsed() / 200.0);
            }
        }
    }
    for (which, Times { inserts, traces, newest }) in times.into_iter().enumerate() {
        let insert = median(inserts);
        println!(
            "| {} | {capacity} | {services} | {:.2} | {insert:.0} | {:.2} | {:.2} |",
            NAMES[which],
            1000.0 / insert,
            median(traces) / 1000.0,
            median(newest) / 1000.0,
        );
    }
}

/// Of each capacity, how many stores one after the other, and rounds with each.
fn inserts(capacities: &[(usize, (usize, usize))]) {
    println!("\n## Insert + evict + index, and queries\n");
    println!(
        "| store | capacity | services | inserts M/s | insert ns | by trace us | newest 50 of a service us |"
    );
    println!("|---|---|---|---|---|---|---|");
    for &(capacity, repeats) in capacities {
        for services in [1, 10, 1000] {
            measure(capacity, services, repeats);
        }
    }
}

fn main() {
    let long = std::env::var_os("FLIGHTRING_LONG").is_some();
    let questions: [(&str, &dyn Fn()); 7] = [
        ("inserts", &|| inserts(&[(10_000, (9, 3)), (100_000, (3, 5))])),
        ("million", &|| inserts(&[(1_000_000, (1, 5))])),
        ("ready", &|| ready::measure(long)),
        ("memory", &memory),
        ("metrics", &metrics),
        ("threads", &threads::measure),
        ("otlp", &otlp::measure),
    ];
    // Cargo adds options of its own.
    let chosen = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect::<Vec<_>>();
    for (name, ask) in questions {
        let by_default = chosen.is_empty() && (long || name != "million");
        if by_default || chosen.iter().any(|choice| choice == name) {
            ask();
        }
    }
}

/// Bytes a record of 500 takes, by the figures that the tests hold against an allocator.
fn memory() {
    println!("\n## Memory, 20 services, 100 names, 8 spans a trace\n");
    println!("| capacity | record bytes | all bytes a record | 1.1 x record + 64 |");
    println!("|---|---|---|---|");
    for capacity in [10_000, 100_000] {
        let mut ours = Ours::new(capacity);
        let mut stream = Stream::new(20);
        for _ in 0..3 * capacity {
            ours.insert(&stream.next());
        }
        let stats = ours.0.stats();
        let record = stats.live_bytes as f64 / stats.count as f64;
        println!(
            "| {capacity} | {record:.0} | {:.0} | {:.0} |",
            stats.total_bytes() as f64 / stats.count as f64,
            1.1 * record + 64.0
        );
    }
}

/// Points of 200 regular series.
pub(crate) struct Points {
    store: MetricStore,
    hosts: Vec<String>,
}

impl Points {
    /// Points of all series, one each.
    const ROUND: u64 = 200;

    pub(crate) fn new(capacity: usize) -> Self {
        let hosts = (0..100).map(|i| format!("host-{i}.example.org")).collect();
        Self {
            store: MetricStore::new(&Limits::with_capacity(capacity)).expect("valid limits"),
            hosts,
        }
    }

    /// Adds point `n`: of each round a counter and a gauge of each host.
    pub(crate) fn add(&self, n: u64) {
        const SECOND: u64 = 1_000_000_000;
        let (round, host) = (n / Self::ROUND, n % Self::ROUND / 2);
        let attributes = [Attribute::text("host.name", &self.hosts[host as usize])];
        let (name, point) = if n.is_multiple_of(2) {
            let value = Number::Int((round * (host + 1)) as i64);
            let temporality = Temporality::Cumulative;
            ("network.io", Point::Sum { value, temporality, monotonic: true })
        } else {
            let level = Number::Double(0.25 * ((round / 7 + host) % 5) as f64);
            ("memory.usage", Point::Gauge(level))
        };
        self.store.add(&Metric {
            name,
            unit: "By",
            description: "",
            service: "agent",
            time_ns: 1_700_000_000 * SECOND + round * 10 * SECOND,
            start_ns: 1_690_000_000 * SECOND,
            point,
            attributes: &attributes,
            exemplars: &[],
        });
    }

    /// Reads the newest points of the counter of host `n`; how many there are.
    pub(crate) fn newest(&self, n: u64, limit: usize) -> usize {
        let mut filter = Filter::default();
        filter.names = vec!["network.io".to_owned()];
        let host = self.hosts[n as usize % self.hosts.len()].clone();
        filter.attributes =
            vec![AttributeFilter { key: "host.name".to_owned(), value: Some(host) }];
        filter.limit = Some(limit);
        let mut cursor = self.store.query(filter).expect("a valid filter");
        let mut points = 0;
        while cursor.next().is_some() {
            points += 1;
        }
        points
    }
}

/// What regular series cost in time and memory.
fn metrics() {
    let points = Points::new(100_000);
    let mut rates = Vec::new();
    for round in 0..2000 {
        let begin = Cpu::now();
        (0..Points::ROUND).for_each(|i| points.add(round * Points::ROUND + i));
        rates.push(Points::ROUND as f64 * 1000.0 / begin.elapsed());
    }
    let begin = Cpu::now();
    let found = points.newest(7, usize::MAX);
    let query = begin.elapsed() / 1000.0;
    let stats = points.store.stats();
    println!("\n## Metrics: 200 regular series, 100,000 points held\n");
    println!("| inserts M/s | bytes a point, all included | one series of {found} points us |");
    println!("|---|---|---|");
    println!(
        "| {:.2} | {:.2} | {query:.0} |",
        median(rates),
        stats.total_bytes() as f64 / stats.count as f64
    );
}
