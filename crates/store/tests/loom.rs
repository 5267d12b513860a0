//! The window between one writer and a reader, in every order that loom finds within its bounds:
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p flightring-store --release --test loom`; with `FLIGHTRING_LONG` set
//! three preemptions are explored in place of two.

#![cfg(loom)]
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use flightring_store::{Filter, Limits, Span, TraceStore};

/// Few bytes, because loom looks after each word.
fn limits(capacity: usize) -> Limits {
    Limits::with_capacity(capacity).max_bytes(4096).max_record_bytes(256)
}

fn add(store: &TraceStore, n: u8) {
    add_of(store, "", n);
}

fn add_of(store: &TraceStore, service: &str, n: u8) {
    let trace_id = [1 + n % 2; 16];
    let (start_ns, end_ns) = (n.into(), u64::from(n) + 7);
    store.add_at(&Span { service, trace_id, start_ns, end_ns, ..Span::default() }, 1);
}

/// Every record seen is one that was added, whole, and none twice.
fn check(store: &TraceStore, filter: Filter) -> Vec<u64> {
    let mut cursor = store.query(filter).unwrap();
    let mut seen = Vec::new();
    while let Some(record) = cursor.next() {
        let n = record.time_ns();
        assert_eq!(record.sequence(), n);
        assert_eq!(record.second_time_ns(), n + 7);
        assert_eq!(record.trace_id(), [1 + n as u8 % 2; 16]);
        assert!(seen.last().is_none_or(|last| *last > n));
        seen.push(n);
    }
    seen
}

fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    if builder.preemption_bound.is_none() {
        builder.preemption_bound =
            Some(if std::env::var_os("FLIGHTRING_LONG").is_some() { 3 } else { 2 });
    }
    builder.max_branches = 20_000;
    builder.check(f);
}

#[test]
fn a_reader_sees_whole_records_while_slots_are_reused() {
    model(|| {
        let store = TraceStore::new(&limits(1)).unwrap();
        add(&store, 0);
        let writer = {
            let store = store.clone();
            loom::thread::spawn(move || add(&store, 1))
        };
        check(&store, Filter::default());
        writer.join().unwrap();
        assert_eq!(check(&store, Filter::default()), [1]);
    });
}

#[test]
fn a_trace_is_found_while_its_neighbours_come_and_go() {
    model(|| {
        // One bucket for both traces; record 0 (of one trace) goes when
        // record 2 (of the same) comes, record 1 (of the other) stays.
        let store = TraceStore::new(&limits(2)).unwrap();
        add(&store, 0);
        add(&store, 1);
        let writer = {
            let store = store.clone();
            loom::thread::spawn(move || add(&store, 2))
        };
        let mut filter = Filter::default();
        filter.trace_id = Some([2; 16]);
        assert_eq!(check(&store, filter), [1]);
        writer.join().unwrap();
    });
}

#[test]
fn a_service_is_found_while_the_chains_of_all_move() {
    model(|| {
        // There is room for the chains of two at first; the third service comes before the first one goes.
        let store = TraceStore::new(&limits(2)).unwrap();
        add_of(&store, "a", 0);
        add_of(&store, "b", 1);
        let writer = {
            let store = store.clone();
            loom::thread::spawn(move || {
                add_of(&store, "c", 2);
                add_of(&store, "b", 3);
            })
        };
        let of = |service: &str| {
            let mut filter = Filter::default();
            filter.service = Some(service.to_owned());
            check(&store, filter)
        };
        // The first of them goes in favour of the second.
        let seen = of("b");
        assert!(seen.iter().all(|n| n % 2 == 1), "{seen:?}");
        writer.join().unwrap();
        assert_eq!([of("a"), of("b"), of("c")], [vec![], vec![3], vec![2]]);
    });
}

#[test]
fn writers_take_turns_while_one_of_them_owns_the_lock() {
    model(|| {
        // As many records as make this thread the owner. A capacity with one bucket: which bucket a trace has is random.
        let store = TraceStore::new(&limits(2)).unwrap();
        (0..3).for_each(|n| add(&store, n));
        let other = {
            let store = store.clone();
            loom::thread::spawn(move || store.add_at(&Span::default(), 1).sequence())
        };
        let mine = store.add_at(&Span::default(), 1).sequence();
        let theirs = other.join().unwrap();
        assert_eq!([mine.min(theirs), mine.max(theirs)], [Some(3), Some(4)]);
        assert_eq!(store.stats().count, 2);
        assert_eq!(store.stats().evicted, 3);
    });
}
