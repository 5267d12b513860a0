//! The stores against models that are too simple to be wrong: a `Vec` of everything, scanned for each answer.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use flightring_store::{
    Added, Attribute, AttributeFilter, ConfigError, Count, Cursor, Encoding, Filter, Limits, Log,
    LogStore, Order, Recorder, RecorderOptions, Signal, Span, TraceStore, Value,
};
use proptest::prelude::*;

const SERVICES: [&str; 4] = ["", "api", "billing", "search"];
const NAMES: [&str; 5] = ["", "GET /", "GET /users", "query", "render"];

#[derive(Debug, Clone)]
struct Model {
    sequence: u64,
    arrival: u64,
    trace: u8,
    service: usize,
    name: usize,
    status: u8,
    start: u64,
    duration: u64,
    value: Option<u8>,
    padding: usize,
}

impl Model {
    fn trace_id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        id[15] = self.trace;
        id
    }

    fn service(&self) -> &'static str {
        if self.service == 0 { "unknown" } else { SERVICES[self.service] }
    }
}

#[derive(Debug, Clone)]
enum Op {
    Add(Model),
    Wait(u64),
    Clear,
}

fn record() -> impl Strategy<Value = Model> {
    let ids = (0_u8..6, 0..SERVICES.len(), 0..NAMES.len(), 0_u8..3);
    (
        ids,
        0_u64..50,
        0_u64..50,
        prop::option::of(0_u8..3),
        prop_oneof![4 => Just(0_usize), 1 => 0_usize..700],
    )
        .prop_map(|((trace, service, name, status), start, duration, value, padding)| Model {
            sequence: 0,
            arrival: 0,
            trace,
            service,
            name,
            status,
            start,
            duration,
            value,
            padding,
        })
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        40 => record().prop_map(Op::Add),
        3 => (0_u64..40).prop_map(Op::Wait),
        1 => Just(Op::Clear),
    ];
    prop::collection::vec(op, 0..90)
}

#[derive(Debug, Clone)]
struct Query {
    trace: Option<u8>,
    service: Option<usize>,
    names: Vec<usize>,
    errors_only: bool,
    status: Option<u8>,
    min_duration: Option<u64>,
    from_time: Option<u64>,
    value: Option<Option<u8>>,
    range: Option<(u64, u64)>,
    oldest_first: bool,
    limit: Option<usize>,
}

fn query() -> impl Strategy<Value = Query> {
    let rarely = |high| prop::option::weighted(0.2, 0..high);
    (
        (
            prop::option::weighted(0.3, 1_u8..6),
            prop::option::weighted(0.3, 1..SERVICES.len()),
            prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(1..NAMES.len(), 0..3)],
            prop::bool::weighted(0.2),
            prop::option::weighted(0.2, 0_u8..3),
        ),
        (rarely(50_u64), rarely(50_u64), prop::option::weighted(0.2, prop::option::of(0_u8..3))),
        prop::option::weighted(0.3, (0_u64..100, 0_u64..100)),
        any::<bool>(),
        prop::option::weighted(0.4, 0_usize..12),
    )
        .prop_map(
            |((trace, service, names, errors_only, status), times, range, oldest_first, limit)| {
                Query {
                    trace,
                    service,
                    names,
                    errors_only,
                    status,
                    min_duration: times.0,
                    from_time: times.1,
                    value: times.2,
                    range: range.map(|(a, b)| (a.min(b), a.max(b))),
                    oldest_first,
                    limit,
                }
            },
        )
}

impl Query {
    fn filter(&self, start: u64) -> Filter {
        let mut filter = Filter::default();
        filter.trace_id = self.trace.map(|trace| {
            let mut id = [0; 16];
            id[15] = trace;
            id
        });
        filter.service = self.service.map(|service| SERVICES[service].to_owned());
        filter.names = self.names.iter().map(|&name| NAMES[name].to_owned()).collect();
        filter.errors_only = self.errors_only;
        filter.status = self.status;
        filter.min_duration_ns = self.min_duration;
        filter.from_time_ns = self.from_time;
        filter.attributes = self
            .value
            .map(|value| AttributeFilter {
                key: "value".to_owned(),
                value: value.map(|value| value.to_string()),
            })
            .into_iter()
            .collect();
        filter.from_sequence = self.range.map(|range| start.wrapping_add(range.0));
        filter.to_sequence = self.range.map(|range| start.wrapping_add(range.1));
        filter.order = if self.oldest_first { Order::OldestFirst } else { Order::NewestFirst };
        filter.limit = self.limit;
        filter
    }

    fn matches(&self, start: u64, record: &Model) -> bool {
        let position = record.sequence.wrapping_sub(start);
        self.trace.is_none_or(|trace| trace == record.trace)
            && self.service.is_none_or(|service| service == record.service)
            && (self.names.is_empty() || self.names.contains(&record.name))
            && (!self.errors_only || record.status == 2)
            && self.status.is_none_or(|status| status == record.status)
            && self.min_duration.is_none_or(|least| record.duration >= least)
            && self.from_time.is_none_or(|from| record.start >= from)
            && self.value.is_none_or(|value| match value {
                None => record.value.is_some(),
                Some(value) => record.value == Some(value),
            })
            && self.range.is_none_or(|(a, b)| (a..b).contains(&position))
    }
}

fn sequences(cursor: &mut Cursor) -> Vec<u64> {
    let mut all = Vec::new();
    while let Some(record) = cursor.next() {
        all.push(record.sequence());
    }
    all
}

fn count<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<Count> {
    let mut map = std::collections::BTreeMap::<&str, u64>::new();
    for key in keys {
        *map.entry(key).or_default() += 1;
    }
    let mut counts = map
        .into_iter()
        .map(|(key, count)| Count { key: key.to_owned(), count })
        .collect::<Vec<_>>();
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
    counts
}

fn rounded(bytes: usize) -> u64 {
    bytes.next_multiple_of(8) as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn spans_are_what_the_newest_records_make_them(
        capacity in 1_usize..24,
        max_age in prop::option::weighted(0.3, 10_u64..60),
        per_trace in prop::option::weighted(0.3, 1_u32..4),
        start in prop_oneof![
            Just(0_u64), Just(77), Just(u64::from(u32::MAX) - 9), Just(u64::from(u32::MAX)), Just(1 << 40), Just((1 << 63) - 1)
        ],
        ops in ops(),
        queries in prop::collection::vec(query(), 1..12),
    ) {
        let mut limits = Limits::with_capacity(capacity).first_sequence(start);
        limits.max_age = max_age.map(std::time::Duration::from_nanos);
        limits.max_per_trace = per_trace;
        let store = TraceStore::new(&limits).unwrap();
        let mut held: Vec<Model> = Vec::new();
        let (mut next, mut now) = (start, 1000_u64);
        let (mut added, mut evicted, mut cleared, mut refused) = (0, 0, 0, 0);
        for op in ops {
            match op {
                Op::Wait(time) => {
                    now += time;
                    store.expire(now);
                    if let Some(age) = max_age {
                        let before = held.len();
                        held.retain(|r| now - r.arrival <= age);
                        evicted += (before - held.len()) as u64;
                    }
                }
                Op::Clear => {
                    store.clear();
                    cleared += held.len() as u64;
                    held.clear();
                }
                Op::Add(mut record) => {
                    let outcome = add(&store, &record, now);
                    let of_trace = held.iter().filter(|r| r.trace == record.trace).count();
                    if record.trace != 0 && per_trace.is_some_and(|most| of_trace >= most as usize) {
                        prop_assert_eq!(outcome, Added::TraceFull);
                        refused += 1;
                        continue;
                    }
                    prop_assert_eq!(outcome, Added::Held(next));
                    record.sequence = next;
                    record.arrival = now;
                    held.push(record);
                    if held.len() > capacity {
                        held.remove(0);
                        evicted += 1;
                    }
                    next = next.wrapping_add(1);
                    added += 1;
                }
            }
            let stats = store.stats();
            prop_assert_eq!(stats.count, held.len() as u64);
            prop_assert_eq!(stats.next_sequence, next);
            prop_assert_eq!(stats.first_sequence, next.wrapping_sub(held.len() as u64));
            prop_assert_eq!(
                (stats.added, stats.evicted, stats.cleared, stats.refused_by_trace),
                (added, evicted, cleared, refused)
            );
            let traces = held.iter().filter(|r| r.trace != 0).map(|r| r.trace).collect::<std::collections::HashSet<_>>();
            prop_assert_eq!(stats.traces, traces.len() as u64);
            prop_assert_eq!(store.services(), count(held.iter().map(Model::service)));
            prop_assert_eq!(store.names(), count(held.iter().map(|r| NAMES[r.name]).filter(|n| !n.is_empty())));
            prop_assert_eq!(store.classes(), count(held.iter().map(|r| ["unset", "ok", "error"][r.status as usize])));
        }
        for query in queries {
            check_query(&store, &query, &held, start, next)?;
        }
    }
}

/// Numbers that no record has had yet are in the future, up to the last one that there is; they are not taken for such from
/// before the start, which would begin again.
#[test]
fn a_query_from_any_later_number_on_is_at_its_end() {
    for start in [0, 1, 77, u64::from(u32::MAX), 1 << 40, (1 << 63) - 1] {
        let limits = Limits::with_capacity(10).first_sequence(start);
        let mut options = RecorderOptions::default();
        (options.traces, options.logs, options.metrics) = (limits.clone(), limits.clone(), limits);
        let recorder = Recorder::new(&options).unwrap();
        let metric = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{},{},{}]}}]}]}]}"#;
        recorder.ingest(Signal::Metrics, Encoding::Json, metric).unwrap();
        for _ in 0..3 {
            recorder.add_span(&Span { service: "web", ..Span::default() });
            recorder.add_log(&Log { service: "web", ..Log::default() });
        }
        for (signal, order) in Signal::ALL.into_iter().flat_map(|signal| {
            [Order::NewestFirst, Order::OldestFirst].map(|order| (signal, order))
        }) {
            let query = |from, service: Option<&str>| {
                let mut filter = Filter::default().within(from..u64::MAX);
                filter.order = order;
                filter.service = service.map(str::to_owned);
                recorder.query(signal, filter).unwrap()
            };
            assert_eq!(sequences(&mut query(start + 2, None)), [start + 2]);
            for from in [start + 3, start + 4, (1 << 63) + 2, u64::MAX - 1, u64::MAX] {
                for service in [None, Some("web")] {
                    let mut cursor = query(from, service);
                    assert_eq!(
                        sequences(&mut cursor),
                        [0; 0],
                        "{signal:?} from {from}, of {start}"
                    );
                    assert_eq!(cursor.coverage().end_sequence, from);
                }
            }
        }
    }
}

#[test]
fn numbers_never_come_to_their_end() {
    for first in [1 << 63, u64::MAX] {
        let limits = Limits::with_capacity(10).first_sequence(first);
        let error = TraceStore::new(&limits).map(drop).unwrap_err();
        assert_eq!(error, ConfigError::FirstSequence(first));
        assert!(error.to_string().contains(&first.to_string()), "{error}");
    }
}

fn add(store: &TraceStore, record: &Model, now: u64) -> Added {
    let padding = "x".repeat(record.padding);
    let mut attributes = vec![Attribute::text("padding", &padding)];
    if let Some(value) = record.value {
        attributes.push(Attribute { key: "value", value: Value::Int(i64::from(value)) });
    }
    store.add_at(
        &Span {
            trace_id: record.trace_id(),
            name: NAMES[record.name],
            service: SERVICES[record.service],
            start_ns: record.start,
            end_ns: record.start + record.duration,
            status: record.status,
            attributes: &attributes,
            ..Span::default()
        },
        now,
    )
}

fn check_query(
    store: &TraceStore,
    query: &Query,
    held: &[Model],
    start: u64,
    next: u64,
) -> Result<(), TestCaseError> {
    let mut expected =
        held.iter().filter(|r| query.matches(start, r)).map(|r| r.sequence).collect::<Vec<_>>();
    if !query.oldest_first {
        expected.reverse();
    }
    let all = expected.clone();
    let truncated = query.limit.is_some_and(|limit| limit < expected.len());
    expected.truncate(query.limit.unwrap_or(usize::MAX));

    let mut cursor = store.query(query.filter(start)).unwrap();
    prop_assert_eq!(sequences(&mut cursor), expected);
    let coverage = cursor.coverage();
    prop_assert_eq!(coverage.truncated, truncated);
    let oldest = next.wrapping_sub(held.len() as u64);
    let written = next.wrapping_sub(start);
    let (from, to) = query.range.unwrap_or((0, u64::MAX));
    let gone = oldest.wrapping_sub(start).min(to.min(written).max(from));
    prop_assert_eq!(coverage.evicted, gone.saturating_sub(from));

    // Continued after each record, the answer goes on as if it had not stopped.
    let mut paged = Vec::new();
    let mut filter = query.filter(start);
    filter.limit = Some(2);
    loop {
        let mut cursor = store.query(filter.clone()).unwrap();
        paged.extend(sequences(&mut cursor));
        prop_assert!(paged.len() <= all.len());
        if !cursor.coverage().truncated {
            break;
        }
        filter = match cursor.rest() {
            Some(rest) => filter.within(rest),
            // A limit of 2 that truncates has returned something.
            None => unreachable!(),
        };
    }
    prop_assert_eq!(paged, all);
    Ok(())
}

proptest! {
    #[test]
    fn logs_fit_into_their_bytes(
        max_bytes in 2048_u64..6000,
        bodies in prop::collection::vec((0_u8..25, 0_usize..400), 0..60),
        (low, high) in (0_u8..25, 0_u8..25),
    ) {
        let store = LogStore::new(&Limits::with_capacity(1000).max_bytes(max_bytes)).unwrap();
        let mut sizes = Vec::new();
        for &(severity, len) in &bodies {
            let body = "y".repeat(len);
            let log = Log { severity, body: Some(Value::Str(&body)), time_ns: 5, service: "one", ..Log::default() };
            sizes.push((severity, store.add_at(&log, 1).sequence().unwrap()));
            let stats = store.stats();
            prop_assert!(stats.live_bytes <= max_bytes);
            prop_assert_eq!(stats.added, stats.count + stats.evicted);
            prop_assert_eq!(stats.evicted, stats.evicted_by_bytes);
        }
        // No record was evicted that would have fitted beside the rest.
        let mut cursor = store.query(Filter::default()).unwrap();
        let (mut total, mut seen) = (0, 0);
        while let Some(record) = cursor.next() {
            total += rounded(record.wire().len());
            seen += 1;
        }
        prop_assert_eq!(seen, store.stats().count);
        if let Some(&(_, len)) = bodies.len().checked_sub(seen as usize + 1).and_then(|i| bodies.get(i)) {
            // Names, origins and framing take less than 1000 bytes here.
            prop_assert!(total + len as u64 + 1000 > max_bytes);
        }
        let (low, high) = (low.min(high).max(1), low.max(high).max(1));
        let mut filter = Filter::default();
        (filter.min_severity, filter.max_severity) = (Some(low), Some(high));
        let found = sequences(&mut store.query(filter).unwrap());
        let expected = sizes.iter().rev().take(seen as usize);
        let expected = expected.filter(|(s, _)| (low..=high).contains(s)).map(|(_, at)| *at).collect::<Vec<_>>();
        prop_assert_eq!(found, expected);
    }
}

/// The worked example of the evicting store.
#[test]
fn an_evicted_trace_leaves_no_key() {
    let store = TraceStore::new(&Limits::with_capacity(3)).unwrap();
    for (trace, service) in [(1, "svc1"), (2, "svc1"), (3, "svc2"), (4, "svc2")] {
        store.add(&Span { trace_id: [trace; 16], service, name: "op", ..Span::default() });
    }
    let by_trace = |trace| {
        let mut filter = Filter::default();
        filter.trace_id = Some([trace; 16]);
        sequences(&mut store.query(filter).unwrap())
    };
    assert!(by_trace(1).is_empty());
    assert_eq!([by_trace(2), by_trace(3), by_trace(4)], [[1], [2], [3]]);
    assert_eq!(store.stats().traces, 3);
    let count = |key: &str, count| Count { key: key.to_owned(), count };
    assert_eq!(store.services(), [count("svc2", 2), count("svc1", 1)]);
    store.add(&Span { service: "svc2", ..Span::default() });
    assert_eq!(store.services(), [count("svc2", 3)]);
}
