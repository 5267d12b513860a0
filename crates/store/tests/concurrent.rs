//! Writers and readers at once: a reader never sees a record that was not written like that.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use flightring_store::{
    Attribute, Encoding, Filter, Limits, Metric, MetricStore, Number, Order, Point, Recorder,
    RecorderOptions, Signal, Span, TraceStore, Value,
};
use serde_json::json;

/// A record that can be checked as a whole: every part is derived from one number.
fn add(store: &TraceStore, n: u64) {
    let trace = u128::from(n % 50) + 1;
    let text = format!("{n}").repeat((n % 40) as usize);
    let attributes = [Attribute::text("text", &text)];
    store.add(&Span {
        trace_id: trace.to_be_bytes(),
        span_id: n.to_be_bytes(),
        name: &format!("name-{}", n % 13),
        service: &format!("service-{}", n % 7),
        start_ns: n,
        end_ns: n + 5,
        attributes: &attributes,
        ..Span::default()
    });
}

fn check(filter: Filter, store: &TraceStore) -> usize {
    let mut cursor = store.query(filter).unwrap();
    let mut seen = 0;
    while let Some(record) = cursor.next() {
        let n = record.time_ns();
        assert_eq!(record.second_time_ns(), n + 5);
        assert_eq!(record.trace_id(), (u128::from(n % 50) + 1).to_be_bytes());
        assert_eq!(record.service(), format!("service-{}", n % 7));
        let text = format!("{n}").repeat((n % 40) as usize);
        let wire = record.wire();
        assert!(text.is_empty() || wire.windows(text.len()).any(|part| part == text.as_bytes()));
        seen += 1;
    }
    seen
}

#[test]
fn readers_see_whole_records_while_two_writers_evict() {
    const RECORDS: u64 = 30_000;
    let store = TraceStore::new(&Limits::with_capacity(300)).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for reader in 0_u64..3 {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                let (mut round, mut seen, mut is_last) = (reader, 0, false);
                while !is_last {
                    // Once more behind the writers, who may have been done before this thread began.
                    is_last = done.load(Ordering::Acquire);
                    let mut filter = Filter::default();
                    match round % 4 {
                        0 => filter.trace_id = Some((u128::from(round % 50) + 1).to_be_bytes()),
                        1 => filter.service = Some(format!("service-{}", round % 7)),
                        2 => {
                            filter.names =
                                vec![format!("name-{}", round % 13), format!("name-{}", round % 5)]
                        }
                        _ => filter.order = Order::OldestFirst,
                    }
                    seen += check(filter, store);
                    round += 1;
                }
                assert!(seen > 0);
            });
        }
        let writers = [0, RECORDS].map(|first| {
            let store = &store;
            scope.spawn(move || (first..first + RECORDS).for_each(|n| add(store, n)))
        });
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Release);
    });
    let stats = store.stats();
    assert_eq!((stats.added, stats.count, stats.evicted), (2 * RECORDS, 300, 2 * RECORDS - 300));
    assert_eq!(check(Filter::default(), &store), 300);
}

/// Series that grow while they are read are read in parts, and the part at the end may have grown when it is looked at again.
#[test]
fn readers_of_growing_series_see_every_point_once() {
    const POINTS: u64 = 100_000;
    const CAPACITY: usize = 20_000;
    let store = MetricStore::new(&Limits::with_capacity(CAPACITY)).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for order in [Order::NewestFirst, Order::OldestFirst] {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let mut filter = Filter::default();
                    filter.order = order;
                    let mut cursor = store.query(filter).unwrap();
                    let mut last = None;
                    while let Some(point) = cursor.next() {
                        assert_eq!(point.number(), Some(Number::Int(point.sequence() as i64)));
                        // None twice; and none is missing but what was evicted at the old end.
                        let expected = match order {
                            Order::NewestFirst => last.map(|last: u64| last - 1),
                            Order::OldestFirst => last.map(|last: u64| last + 1),
                        };
                        let at = point.sequence();
                        match order {
                            Order::NewestFirst => assert!(expected.is_none_or(|e| e == at)),
                            Order::OldestFirst => assert!(expected.is_none_or(|e| e <= at)),
                        }
                        last = Some(at);
                    }
                }
            });
        }
        for n in 0..POINTS {
            store.add(&Metric {
                name: ["requests", "errors", "retries", "bytes"][(n % 4) as usize],
                unit: "1",
                description: "",
                service: "web",
                time_ns: n * 1000,
                start_ns: 0,
                point: Point::Gauge(Number::Int(n as i64)),
                attributes: &[],
                exemplars: &[],
            });
        }
        done.store(true, Ordering::Relaxed);
    });
    let mut cursor = store.query(Filter::default()).unwrap();
    let held = std::iter::from_fn(|| cursor.next().map(|point| point.sequence()));
    assert!(held.eq((POINTS - CAPACITY as u64..POINTS).rev()));
}

#[test]
fn a_writer_that_owns_the_lock_shares_it_with_others_who_come_now_and_then() {
    let store = TraceStore::new(&Limits::with_capacity(1000)).unwrap();
    let done = AtomicBool::new(false);
    let add = |n: u64| {
        let span =
            Span { trace_id: u128::from(n + 1).to_be_bytes(), start_ns: n, ..Span::default() };
        store.add(&span).sequence().unwrap()
    };
    let (mine, theirs) = thread::scope(|scope| {
        let rare = (0..2).map(|_| {
            scope.spawn(|| {
                let mut sequences = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    sequences.push(add(sequences.len() as u64));
                    thread::sleep(std::time::Duration::from_micros(200));
                }
                sequences
            })
        });
        let rare = rare.collect::<Vec<_>>();
        let mine = (0..400_000).map(add).collect::<Vec<_>>();
        done.store(true, Ordering::Relaxed);
        (mine, rare.into_iter().flat_map(|handle| handle.join().unwrap()).collect::<Vec<_>>())
    });
    assert!(mine.is_sorted() && !theirs.is_empty());
    let mut all = [mine, theirs].concat();
    all.sort_unstable();
    assert!(all.iter().copied().eq(0..all.len() as u64), "every sequence number is given once");
    assert_eq!(store.stats().added, all.len() as u64);
    assert_eq!(store.stats().count, 1000);
}

/// Names and services that come and go so fast that their ids are given to others while queries are half-way.
#[test]
fn a_name_is_never_taken_for_the_next_one_with_its_id() {
    const RECORDS: u64 = 200_000;
    let store = TraceStore::new(&Limits::with_capacity(100)).unwrap();
    let name = |n: u64| format!("name-{}{}", n / 30, "y".repeat((n / 30 % 30) as usize));
    let service = |n: u64| format!("service-{}{}", n / 20, "x".repeat((n / 20 % 40) as usize));
    let (newest, writing) = (AtomicU64::new(0), AtomicU64::new(2));
    thread::scope(|scope| {
        for reader in 0_u64..3 {
            let (store, newest, writing) = (&store, &newest, &writing);
            scope.spawn(move || {
                let (mut round, mut seen, mut is_last) = (reader, 0, false);
                while !is_last {
                    is_last = writing.load(Ordering::Acquire) == 0;
                    let n = newest.load(Ordering::Relaxed).saturating_sub(round % 75);
                    let mut filter = Filter::default();
                    if round % 3 < 2 {
                        filter.service = Some(service(n));
                    }
                    if round % 3 > 0 {
                        filter.names = vec![name(n), name(n + 30)];
                    }
                    if round.is_multiple_of(2) {
                        filter.order = Order::OldestFirst;
                    }
                    let (services, names) = (filter.service.clone(), filter.names.clone());
                    let mut cursor = store.query(filter).unwrap();
                    thread::yield_now();
                    while let Some(record) = cursor.next() {
                        let n = record.time_ns();
                        assert_eq!(record.service(), service(n));
                        assert!(services.as_ref().is_none_or(|wanted| *wanted == service(n)));
                        assert!(names.is_empty() || names.contains(&name(n)));
                        seen += 1;
                    }
                    round += 1;
                }
                assert!(seen > 0);
            });
        }
        for first in 0..2 {
            let (store, newest, writing) = (&store, &newest, &writing);
            scope.spawn(move || {
                for n in (first..RECORDS).step_by(2) {
                    newest.store(n, Ordering::Relaxed);
                    let (name, service) = (name(n), service(n));
                    let span =
                        Span { name: &name, service: &service, start_ns: n, ..Span::default() };
                    assert!(store.add(&span).sequence().is_some());
                }
                writing.fetch_sub(1, Ordering::Release);
            });
        }
    });
    assert_eq!(store.stats().added, RECORDS);
    let of_names = store.names().iter().map(|name| name.count).sum::<u64>();
    assert_eq!((store.names().len() as u64, of_names), (store.stats().names, 100));
}

/// More and more services, so that what is kept of them moves again and again, by calls and by OTLP in turn, where some say from
/// which host they are; and now and then all of them are forgotten.
#[test]
fn services_are_whole_while_what_is_kept_of_them_moves() {
    const RECORDS: u64 = 6300;
    const CAPACITY: usize = 1000;
    let service = |n: u64| format!("service-{}", n / 3);
    // Ninety in turn: by calls, by OTLP, and by OTLP with a host.
    let by_otlp = |n: u64| !(n / 90).is_multiple_of(3);
    let host = |n: u64| (n / 90 % 3 == 2).then(|| format!("host-{}", n / 3 % 7));
    let request = |range: std::ops::Range<u64>| {
        let resources = range.map(|n| {
            let text = |key, value| json!({"key": key, "value": {"stringValue": value}});
            let mut attributes = vec![text("service.name", service(n))];
            attributes.extend(host(n).map(|host| text("host.name", host)));
            let span = json!({"name": "work", "startTimeUnixNano": n.to_string()});
            json!({"resource": {"attributes": attributes}, "scopeSpans": [{"spans": [span]}]})
        });
        json!({"resourceSpans": resources.collect::<Vec<_>>()}).to_string()
    };
    for round in 0..8 {
        let mut options = RecorderOptions::default();
        options.traces = Limits::with_capacity(CAPACITY);
        let recorder = Recorder::new(&options).unwrap();
        let (newest, done) = (AtomicU64::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            for reader in 0_u64..3 {
                let (recorder, newest, done) = (&recorder, &newest, &done);
                scope.spawn(move || {
                    let mut round = reader;
                    while !done.load(Ordering::Relaxed) {
                        let n = newest.load(Ordering::Relaxed).saturating_sub(round * 7 % 1500);
                        let mut filter = Filter::default();
                        filter.service = (round % 3 > 0).then(|| service(n));
                        let wanted = filter.service.clone();
                        let mut cursor = recorder.query(Signal::Traces, filter).unwrap();
                        while let Some(record) = cursor.next() {
                            let n = record.time_ns();
                            assert_eq!(record.service(), service(n));
                            assert!(wanted.as_ref().is_none_or(|wanted| *wanted == service(n)));
                            let found = record.attribute("host.name");
                            assert_eq!(found, host(n).as_deref().map(Value::Str), "{n}");
                        }
                        let held = recorder.traces().services();
                        assert!(held.iter().all(|service| service.count <= 3 + 1));
                        round += 1;
                    }
                });
            }
            let mut n = 0;
            while n < RECORDS {
                newest.store(n, Ordering::Relaxed);
                if by_otlp(n) {
                    let body = request(n..n + 90);
                    let taken = recorder.ingest(Signal::Traces, Encoding::Json, body.as_bytes());
                    assert_eq!(taken.unwrap().accepted, 90);
                    n += 90;
                } else {
                    let service = service(n);
                    let span =
                        Span { name: "work", service: &service, start_ns: n, ..Span::default() };
                    assert!(recorder.add_span(&span).sequence().is_some());
                    n += 1;
                }
                if round % 2 == 1 && n % 2000 < 3 {
                    recorder.clear(Signal::Traces);
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        let held = recorder.traces().services();
        let stats = recorder.stats(Signal::Traces);
        assert_eq!(held.iter().map(|service| service.count).sum::<u64>(), stats.count);
        assert_eq!((stats.services, stats.names), (held.len() as u64, 1));
        recorder.clear(Signal::Traces);
        let stats = recorder.stats(Signal::Traces);
        assert_eq!((stats.services, stats.names), (0, 0));
    }
}
