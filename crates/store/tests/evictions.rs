//! What the eviction callback may do, and what it is told.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use flightring_store::{
    Filter, Limits, Log, Metric, MetricStore, Number, Point, Recorder, RecorderOptions, Signal,
    Span, TraceStore,
};

fn span(n: u64) -> Span<'static> {
    Span { span_id: n.to_be_bytes(), name: "work", start_ns: n, ..Span::default() }
}

#[test]
fn the_callback_may_use_the_store_and_end_it() {
    let mut options = RecorderOptions::default();
    options.traces = Limits::with_capacity(4);
    options.logs = Limits::with_capacity(2);
    let recorder = Arc::new(Mutex::new(Some(Recorder::new(&options).unwrap())));
    let stats = Arc::new(Mutex::new(Vec::new()));
    let outer = recorder.lock().unwrap().clone().unwrap();
    {
        let (recorder, stats) = (Arc::clone(&recorder), Arc::clone(&stats));
        outer.traces().on_evict(move |sequence, wire| {
            assert!(!wire.is_empty());
            let mut held = recorder.lock().unwrap();
            let Some(inner) = held.as_ref() else { return };
            // Adding here evicts too, and is not reported here.
            inner.add_span(&span(100 + sequence));
            inner.add_log(&Log { severity: 9, ..Log::default() });
            assert!(inner.query(Signal::Traces, Filter::default()).unwrap().next().is_some());
            inner.snapshot("inside").unwrap();
            stats.lock().unwrap().push(inner.stats(Signal::Traces));
            if sequence >= 6 {
                inner.clear(Signal::Traces);
                inner.traces().on_evict(|_, _| ());
                *held = None;
            }
        });
        let logs_seen = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&logs_seen);
        // A callback of another store inside of this one is called.
        outer.logs().on_evict(move |_, _| {
            seen.fetch_add(1, Ordering::Relaxed);
        });
        for n in 0..8 {
            outer.add_span(&span(n));
        }
        assert_eq!(logs_seen.load(Ordering::Relaxed), 2);
    }
    let seen = stats.lock().unwrap();
    assert_eq!(seen.len(), 4);
    assert!(seen.windows(2).all(|pair| pair[0].added < pair[1].added));
    // 0, 2, 4 and 6 were reported; 1, 3, 5 and 7 went while the callback ran.
    let last = outer.stats(Signal::Traces);
    assert_eq!((last.added, last.evicted, last.unreported, last.cleared), (12, 8, 4, 4));
}

#[test]
fn every_eviction_is_reported_once_whoever_evicts() {
    const RECORDS: u64 = 2000;
    let store = TraceStore::new(&Limits::with_capacity(16)).unwrap();
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let into = Arc::clone(&seen);
    let reader = store.clone();
    store.on_evict(move |sequence, _| {
        assert!(into.lock().unwrap().insert(sequence));
        reader.query(Filter::default()).unwrap().next();
    });
    thread::scope(|scope| {
        for writer in 0..3 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..RECORDS {
                    store.add(&span(writer + n));
                }
            });
        }
    });
    let seen = seen.lock().unwrap();
    assert!(seen.iter().copied().eq(0..3 * RECORDS - 16));
    assert_eq!(store.stats().unreported, 0);
}

#[test]
fn records_that_grow_too_old_are_reported_in_order_however_many() {
    let limits = Limits::with_capacity(1000).max_age(Duration::from_secs(1));
    let store = TraceStore::new(&limits).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&seen);
    store.on_evict(move |sequence, _| into.lock().unwrap().push(sequence));
    for n in 0..900 {
        store.add_at(&span(n), 1_000_000_000);
    }
    store.expire(2_000_000_000);
    assert!(seen.lock().unwrap().is_empty());
    store.add_at(&span(900), 2_000_000_001);
    assert!(seen.lock().unwrap().iter().copied().eq(0..900));
    let stats = store.stats();
    assert_eq!((stats.count, stats.evicted_by_age), (1, 900));
}

/// What is known of time when nothing is left: when the newest of what is gone arrived.
#[test]
fn an_empty_store_knows_when_its_last_record_arrived() {
    const SECOND: u64 = 1_000_000_000;
    let limits = Limits::with_capacity(3).max_age(Duration::from_secs(100));
    let (spans, points) =
        (TraceStore::new(&limits).expect("limits"), MetricStore::new(&limits).expect("limits"));
    let add = |at: u64| {
        spans.add_at(&Span { name: "work", ..Span::default() }, at * SECOND);
        let point = Metric {
            name: "load",
            unit: "",
            description: "",
            service: "",
            time_ns: 1,
            start_ns: 0,
            point: Point::Gauge(Number::Int(1)),
            attributes: &[],
            exemplars: &[],
        };
        points.add_at(&point, at * SECOND);
    };
    let check = |since: u64, why: &str| {
        for mut cursor in [spans.query(Filter::default()), points.query(Filter::default())]
            .map(|cursor| cursor.expect("a filter"))
        {
            while cursor.next().is_some() {}
            assert_eq!(cursor.coverage().complete_since_time_ns, since * SECOND, "{why}");
        }
    };
    check(0, "nothing came yet");
    (10..15).for_each(add);
    check(12, "the oldest that is held");
    spans.clear();
    points.clear();
    check(14, "cleared");
    add(20);
    check(20, "one is held");
    spans.expire(200 * SECOND);
    points.expire(200 * SECOND);
    check(20, "expired");
}

/// A store so large that memory is asked for before it is needed, beyond its ends as well.
#[test]
fn a_large_store_holds_its_newest_records() {
    const CAPACITY: u64 = 70_001;
    let limits = Limits::with_capacity(CAPACITY as usize);
    let store = TraceStore::new(&limits).expect("limits");
    let trace_id = |n: u64| u128::from(n / 5 + 1).to_be_bytes();
    let services = ["a", "b", "c"];
    let service = |n: u64| services[(n / 7 % 3) as usize];
    let names = 2 * CAPACITY + 17;
    for n in 0..names {
        store.add(&Span { trace_id: trace_id(n), service: service(n), start_ns: n + 1, ..span(n) });
    }
    let stats = store.stats();
    assert_eq!((stats.count, stats.evicted, stats.added), (CAPACITY, names - CAPACITY, names));
    let held = names - CAPACITY..names;
    assert_eq!(stats.traces, trace_count(&held));
    let by_service = |wanted| held.clone().filter(|n| service(*n) == wanted).count() as u64;
    let mut counts = store.services();
    counts.sort_by(|a, b| a.key.cmp(&b.key));
    assert!(counts.iter().map(|count| count.count).eq(services.map(by_service)));
    for n in [held.start, held.start + 5, names - CAPACITY / 2, names - 1] {
        let mut filter = Filter::default();
        filter.trace_id = Some(trace_id(n));
        let mut cursor = store.query(filter).expect("a filter");
        let mut found = Vec::new();
        while let Some(record) = cursor.next() {
            found.push(record.time_ns() - 1);
        }
        let expected = (n / 5 * 5..n / 5 * 5 + 5).filter(|n| held.contains(n)).rev();
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
}

fn trace_count(held: &std::ops::Range<u64>) -> u64 {
    (held.end - 1) / 5 - held.start / 5 + 1
}
