//! The metric store, which keeps points compressed by series, against a `Vec` of everything.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::time::Duration;

use flightring_store::{
    Attribute, AttributeFilter, Filter, Limits, Metric, MetricStore, MetricType, Number, Order,
    Point, RecordRef, Temporality, Value,
};
use proptest::prelude::*;

const NAMES: [&str; 3] = ["cpu", "requests", "latency"];
const SERVICES: [&str; 2] = ["api", "web"];
const SECOND: u64 = 1_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Model {
    position: u64,
    arrival: u64,
    name: usize,
    service: usize,
    series: u8,
    time: u64,
    start: u64,
    /// Gauge of doubles, sum of integers, histogram.
    kind: u8,
    value: i64,
}

#[derive(Debug, Clone)]
enum Op {
    Add(Model),
    Wait(u64),
    Clear,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let ids = (0..NAMES.len(), 0..SERVICES.len(), 0_u8..2, 0_u8..3);
    let times = (prop_oneof![0_u64..20, Just(u64::MAX)], 0_u64..3, -2_i64..5);
    let add = (ids, times).prop_map(|((name, service, series, kind), (time, start, value))| {
        Op::Add(Model { position: 0, arrival: 0, name, service, series, time, start, kind, value })
    });
    let op = prop_oneof![60 => add, 2 => (1_u64..4).prop_map(Op::Wait), 1 => Just(Op::Clear)];
    prop::collection::vec(op, 0..400)
}

fn add(store: &MetricStore, model: &Model, now: u64) -> u64 {
    let series = model.series.to_string();
    let attributes = [Attribute::text("series", &series)];
    let counts = [model.value.unsigned_abs(), 1];
    let point = match model.kind {
        0 => Point::Gauge(Number::Double(model.value as f64 / 4.0)),
        1 => Point::Sum {
            value: Number::Int(model.value),
            temporality: Temporality::Cumulative,
            monotonic: model.series == 0,
        },
        _ => Point::Histogram {
            count: 7,
            sum: None,
            bucket_counts: &counts,
            bounds: &[1.5],
            temporality: Temporality::Delta,
        },
    };
    let metric = Metric {
        name: NAMES[model.name],
        unit: "1",
        description: "",
        service: SERVICES[model.service],
        time_ns: model.time,
        start_ns: model.start,
        point,
        attributes: &attributes,
        exemplars: &[],
    };
    store.add_at(&metric, now).sequence().unwrap()
}

fn check(record: &RecordRef<'_>, model: &Model, start: u64) -> Result<(), TestCaseError> {
    prop_assert_eq!(record.sequence(), start.wrapping_add(model.position));
    prop_assert_eq!((record.time_ns(), record.second_time_ns()), (model.time, model.start));
    prop_assert_eq!(record.name_bytes(), NAMES[model.name].as_bytes());
    prop_assert_eq!(record.service(), SERVICES[model.service]);
    prop_assert_eq!(record.arrival_ns(), model.arrival);
    prop_assert_eq!(record.class(), model.kind + 1);
    prop_assert_eq!(record.attribute("series"), Some(Value::Str(&model.series.to_string())));
    match model.kind {
        0 => prop_assert_eq!(record.number(), Some(Number::Double(model.value as f64 / 4.0))),
        1 => prop_assert_eq!(record.number(), Some(Number::Int(model.value))),
        _ => {
            let point = &record.to_json()["histogram"]["dataPoints"][0];
            prop_assert_eq!(&point["bucketCounts"][0], &model.value.unsigned_abs().to_string());
            prop_assert_eq!(&point["explicitBounds"][0], 1.5);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    #[test]
    fn points_are_what_the_newest_make_them(
        // Chunks have 128 points: stores smaller and larger than one.
        capacity in prop_oneof![1_usize..20, 100_usize..300],
        age in prop::option::weighted(0.3, 1_u64..8),
        start in prop_oneof![Just(0_u64), Just(u64::from(u32::MAX) - 50), Just((1 << 63) - 1)],
        ops in ops(),
        name in prop::option::of(0..NAMES.len()),
        service in prop::option::of(0..SERVICES.len()),
        kind in prop::option::of(0_u8..3),
        series in prop::option::of(0_u8..2),
        from_time in prop::option::of(0_u64..20),
        range in prop::option::of((0_u64..400, 0_u64..400)),
        newest_first in any::<bool>(),
        limit in prop::option::of(0_usize..20),
    ) {
        let mut limits = Limits::with_capacity(capacity).first_sequence(start);
        limits.max_age = age.map(Duration::from_secs);
        let store = MetricStore::new(&limits).unwrap();
        let mut held: Vec<Model> = Vec::new();
        let (mut next, mut now) = (0, 100 * SECOND);
        for op in ops {
            match op {
                Op::Wait(seconds) => {
                    now += seconds * SECOND;
                    store.expire(now);
                    held.retain(|m| age.is_none_or(|age| now - m.arrival <= age * SECOND));
                }
                Op::Clear => {
                    store.clear();
                    held.clear();
                }
                Op::Add(mut model) => {
                    (model.position, model.arrival) = (next, now);
                    prop_assert_eq!(add(&store, &model, now), start.wrapping_add(next));
                    next += 1;
                    held.push(model);
                    if held.len() > capacity {
                        held.remove(0);
                    }
                }
            }
        }
        let stats = store.stats();
        prop_assert_eq!(stats.count, held.len() as u64);
        prop_assert_eq!(stats.added, stats.count + stats.evicted + stats.cleared);
        let names = held.iter().map(|m| m.name).collect::<std::collections::HashSet<_>>();
        prop_assert_eq!(stats.names, names.len() as u64);
        for counts in [store.services(), store.names(), store.classes()] {
            prop_assert_eq!(counts.iter().map(|count| count.count).sum::<u64>(), stats.count);
        }

        let mut filter = Filter::default();
        filter.names.extend(name.map(|name| NAMES[name].to_owned()));
        filter.service = service.map(|service| SERVICES[service].to_owned());
        filter.metric_types.extend(kind.map(|kind| [MetricType::Gauge, MetricType::Sum, MetricType::Histogram][kind as usize]));
        filter.attributes.extend(
            series.map(|series| AttributeFilter { key: "series".to_owned(), value: Some(series.to_string()) }),
        );
        filter.from_time_ns = from_time;
        filter.from_sequence = range.map(|range| start.wrapping_add(range.0.min(range.1)));
        filter.to_sequence = range.map(|range| start.wrapping_add(range.0.max(range.1)));
        filter.order = if newest_first { Order::NewestFirst } else { Order::OldestFirst };
        filter.limit = limit;
        let mut expected = held.clone();
        expected.retain(|m| {
            name.is_none_or(|name| name == m.name)
                && service.is_none_or(|service| service == m.service)
                && kind.is_none_or(|kind| kind == m.kind)
                && series.is_none_or(|series| series == m.series)
                && from_time.is_none_or(|from| m.time >= from)
                && range.is_none_or(|(a, b)| (a.min(b)..a.max(b)).contains(&m.position))
        });
        if newest_first {
            expected.reverse();
        }
        let truncated = limit.is_some_and(|limit| limit < expected.len());
        expected.truncate(limit.unwrap_or(usize::MAX));
        let mut cursor = store.query(filter).unwrap();
        for model in &expected {
            let record = cursor.next();
            prop_assert!(record.is_some());
            check(&record.unwrap(), model, start)?;
        }
        prop_assert!(cursor.next().is_none());
        prop_assert_eq!(cursor.coverage().truncated, truncated);
    }
}

/// 200 series of counters and gauges, a point each every ten seconds.
#[test]
fn a_repetitive_series_costs_at_most_eight_bytes_a_point() {
    let store = MetricStore::new(&Limits::with_capacity(100_000)).unwrap();
    let hosts = (0..100).map(|i| format!("host-{i}.example.org")).collect::<Vec<_>>();
    for round in 0..700_u64 {
        let time_ns = 1_700_000_000 * SECOND + round * 10 * SECOND;
        for (i, host) in hosts.iter().enumerate() {
            let attributes = [Attribute::text("host.name", host), Attribute::text("state", "used")];
            let metric = |name, point| Metric {
                name,
                unit: "By",
                description: "What the machine uses",
                service: "agent",
                time_ns,
                start_ns: 1_690_000_000 * SECOND,
                point,
                attributes: &attributes,
                exemplars: &[],
            };
            let value = Number::Int((round * (i as u64 + 1)) as i64);
            let sum = Point::Sum { value, temporality: Temporality::Cumulative, monotonic: true };
            store.add_at(&metric("network.io", sum), time_ns);
            let level = Number::Double(0.25 * ((round / 7 + i as u64) % 5) as f64);
            store.add_at(&metric("memory.usage", Point::Gauge(level)), time_ns);
        }
    }
    let stats = store.stats();
    assert_eq!((stats.count, stats.evicted), (100_000, 40_000));
    let a_point = stats.total_bytes() as f64 / stats.count as f64;
    assert!(a_point <= 8.0, "{a_point} bytes a point");
}

#[test]
fn an_evicted_point_is_shown_whole() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let store = MetricStore::new(&Limits::with_capacity(3)).unwrap();
    let into = std::sync::Arc::clone(&seen);
    store.on_evict(move |sequence, wire| into.lock().unwrap().push((sequence, wire.to_vec())));
    let mut wires = Vec::new();
    for value in 0..10 {
        let model = Model {
            position: 0,
            arrival: 0,
            name: 0,
            service: 0,
            series: 0,
            time: 5,
            start: 1,
            kind: (value % 3) as u8,
            value,
        };
        let sequence = add(&store, &model, SECOND);
        let mut filter = Filter::default();
        filter.limit = Some(1);
        wires.push((sequence, store.query(filter).unwrap().next().unwrap().wire().to_vec()));
    }
    assert_eq!(*seen.lock().unwrap(), wires[..7]);
}
