//! The memory figures against an allocator that counts, and no allocation once a store is full.
//!
//! Only the test's own thread counts: the harness allocates on another.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod any_order;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use flightring_store::{
    Added, Attribute, Encoding, Filter, Limits, Metric, MetricStore, Number, Order, Point,
    Recorder, RecorderOptions, Signal, Span, Temporality, TraceStore, Value,
};

struct Counting;

thread_local! {
    // Constant and without destructors, so that an allocator may use them.
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; only counters are added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.set(LIVE.get() + layout.size() as i64);
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size() as i64);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[test]
fn the_figures_are_what_the_allocator_counts_and_a_full_store_does_not_allocate() {
    let services = (0..40).map(|i| format!("service-{i}")).collect::<Vec<_>>();
    let names = (0..90).map(|i| format!("operation {i}")).collect::<Vec<_>>();
    let padding = "z".repeat(900);
    let mut random = Random(7);

    let before = LIVE.get();
    let store = TraceStore::new(&Limits::with_capacity(2000)).unwrap();
    let add = |random: &mut Random, few: bool| {
        let (of_services, of_names) = if few { (3, 5) } else { (40, 90) };
        let trace = u128::from(random.below(500)) + 1;
        let attributes = [Attribute::text("padding", &padding[..random.below(900) as usize])];
        let span = Span {
            trace_id: trace.to_be_bytes(),
            service: &services[random.below(of_services) as usize],
            name: &names[random.below(of_names) as usize],
            attributes: &attributes,
            ..Span::default()
        };
        store.add(&span);
    };
    let compare = |what: &str| {
        let counted = LIVE.get() - before;
        assert_eq!(store.stats().total_bytes() as i64, counted, "{what}");
    };
    compare("empty");
    for i in 0..10_000 {
        add(&mut random, false);
        if i % 500 == 0 {
            compare("filling");
        }
    }
    // Names come and go; the tables keep their size, the entries are freed.
    let many = store.stats().dictionary_bytes;
    for _ in 0..5000 {
        add(&mut random, true);
    }
    compare("fewer names");
    assert!(store.stats().dictionary_bytes < many);
    assert_eq!(store.stats().names, 5);

    for _ in 0..10_000 {
        add(&mut random, true);
    }
    let calls = CALLS.get();
    for _ in 0..10_000 {
        add(&mut random, true);
    }
    assert_eq!(CALLS.get() - calls, 0);

    // Records of 500 bytes on average: the bytes follow what is live, not the cap.
    let stats = store.stats();
    assert!(stats.reserved_bytes < stats.live_bytes + stats.live_bytes / 10 + 200_000);

    store.clear();
    compare("cleared");
    drop(store);
    assert_eq!(LIVE.get(), before);

    // Points, which are kept by series.
    let store = MetricStore::new(&Limits::with_capacity(2000)).unwrap();
    for i in 0..10_000_u64 {
        let metric = Metric {
            name: &names[random.below(if i < 5000 { 90 } else { 3 }) as usize],
            unit: "1",
            description: "",
            service: &services[random.below(3) as usize],
            time_ns: i * 1000 + random.below(50),
            start_ns: 0,
            point: Point::Gauge(Number::Int(random.below(1000) as i64)),
            attributes: &[],
            exemplars: &[],
        };
        store.add(&metric);
        if i % 500 == 0 {
            let counted = LIVE.get() - before;
            assert_eq!(store.stats().total_bytes() as i64, counted, "after {i} points");
        }
    }
    drop(store);
    assert_eq!(LIVE.get(), before);
}

#[test]
fn a_full_store_of_points_does_not_allocate() {
    let store = MetricStore::new(&Limits::with_capacity(6000)).unwrap();
    let attributes = [Attribute::text("shard", "a")];
    let add = |i: u64| {
        let (counts, bounds) = ([i, i / 2, 9], [1.0, 5.0]);
        let metric = |name, point| Metric {
            name,
            unit: "1",
            description: "",
            service: "db",
            time_ns: i * 1_000_000,
            start_ns: 0,
            point,
            attributes: &attributes,
            exemplars: &[],
        };
        store.add_at(&metric("load", Point::Gauge(Number::Double((i % 50) as f64))), 1);
        let temporality = Temporality::Cumulative;
        let value = Number::Int(i as i64);
        store.add_at(&metric("bytes", Point::Sum { value, temporality, monotonic: true }), 1);
        let (count, sum) = (i, Some(1.5));
        let sizes =
            Point::Histogram { count, sum, bucket_counts: &counts, bounds: &bounds, temporality };
        store.add_at(&metric("sizes", sizes), 1);
    };
    // Numbers of one size, so that every chunk takes what the one before took.
    (1_000_000..1_010_000).for_each(&add);
    let calls = CALLS.get();
    (1_010_000..1_020_000).for_each(&add);
    assert_eq!(CALLS.get() - calls, 0);
}

#[test]
fn a_callback_for_evictions_needs_no_memory_either() {
    let before = LIVE.get();
    let store = TraceStore::new(&Limits::with_capacity(200)).unwrap();
    store.on_evict(|_, wire| assert!(wire.len() > 10));
    let add = |n: u64| {
        let trace_id = u128::from(n / 8 + 1).to_be_bytes();
        store.add(&Span { trace_id, name: "work", start_ns: n + 1, ..Span::default() });
    };
    (0..3000).for_each(add);
    let calls = CALLS.get();
    (3000..6000).for_each(add);
    assert_eq!(CALLS.get() - calls, 0);
    // The callback has no size of its own; its two counters are the caller's.
    let callback = 2 * size_of::<usize>() as i64;
    assert_eq!(store.stats().total_bytes() as i64 + callback, LIVE.get() - before);

    // Neither do queries that were made before, in the same number at a time.
    let mut cursors = (0..2).map(|_| store.query(Filter::default()).unwrap()).collect::<Vec<_>>();
    assert!(cursors.iter_mut().all(|cursor| cursor.next().is_some()));
    drop(cursors);
    let by_trace = || {
        let mut filter = Filter::default();
        filter.trace_id = Some(u128::from(5999_u64 / 8 + 1).to_be_bytes());
        let mut cursor = store.query(filter).unwrap();
        let mut records = 0;
        while cursor.next().is_some() {
            records += 1;
        }
        records
    };
    let calls = CALLS.get();
    assert_eq!(by_trace(), 8);
    assert_eq!(CALLS.get() - calls, 0);
    assert_eq!(store.stats().total_bytes() as i64 + callback, LIVE.get() - before);
}

/// What a callback sees is what there is while it runs.
#[test]
fn the_figures_are_exact_inside_a_callback() {
    let before = LIVE.get();
    let store = TraceStore::new(&Limits::with_capacity(20)).unwrap();
    let same = store.clone();
    store.on_evict(move |_, _| {
        // The callback itself, and the two counters in front of it.
        let callback = (2 * size_of::<usize>() + size_of::<TraceStore>() + size_of::<i64>()) as i64;
        assert_eq!(same.stats().total_bytes() as i64 + callback, LIVE.get() - before);
    });
    for n in 0..200_u64 {
        store.add(&Span { name: "work", start_ns: n + 1, ..Span::default() });
    }
    assert_eq!(store.stats().evicted, 180);
}

/// Nothing is lost sight of when a callback panics: neither memory, nor who was to be told, nor names.
#[test]
fn the_figures_are_exact_after_a_callback_has_panicked() {
    let before = LIVE.get();
    let limits = Limits::with_capacity(100).max_age(Duration::from_secs(1));
    let store = TraceStore::new(&limits).unwrap();
    store.on_evict(|sequence, _| {
        if sequence % 10 == 3 {
            // Without the message, whose text would stay in the test's output.
            resume_unwind(Box::new(()));
        }
    });
    // As above.
    let callback = 2 * size_of::<usize>() as i64;
    let compare = |unreported: u64| {
        let stats = store.stats();
        assert_eq!(stats.total_bytes() as i64 + callback, LIVE.get() - before);
        assert_eq!(stats.unreported, unreported);
    };
    let panics = |n: u64, now: u64| {
        let span = Span { name: "work", start_ns: n, ..Span::default() };
        catch_unwind(AssertUnwindSafe(|| store.add_at(&span, now))).is_err()
    };
    assert!(!(0..20).any(|n| panics(n, 1)));
    compare(0);
    // Twenty at once; the fourth call panics.
    assert!(panics(20, 2_000_000_000));
    compare(16);
    assert_eq!((store.stats().count, store.stats().evicted_by_age), (1, 20));
    // One at a time, and what panicked leaves no trace behind.
    assert_eq!((20..320).filter(|n| panics(*n, 2_000_000_001)).count(), 20);
    compare(16);
    store.clear();
    compare(16);
    drop(store);
    assert_eq!(LIVE.get(), before);
}

#[test]
fn a_request_that_a_callback_ends_leaves_nothing_behind() {
    // A resource with the name of its service, and 1000 spans.
    let text = |number: u8, text: &[u8]| [&[number << 3 | 2, text.len() as u8], text].concat();
    let name = [text(1, b"service.name"), text(2, &text(1, b"shop"))].concat();
    let resource = text(1, &text(1, &name));
    let spans = text(2, &text(5, b"work")).repeat(1000);
    let scope = [&[0x12, 0xc0, 0x3e], &spans[..]].concat();
    assert_eq!(spans.len(), 0x3e << 7 | 0x40);
    let len = resource.len() + scope.len();
    let head = [0x0a, len as u8 | 0x80, (len >> 7) as u8];
    let request = [&head[..], &resource, &scope].concat();
    let mut options = RecorderOptions::default();
    options.traces = Limits::with_capacity(100);
    let recorder = Recorder::new(&options).unwrap();
    let empty = LIVE.get();
    let stats = recorder.stats(Signal::Traces);
    recorder.traces().on_evict(|sequence, _| {
        if sequence == 250 {
            resume_unwind(Box::new(()));
        }
    });
    let ingest = || recorder.ingest(Signal::Traces, Encoding::Protobuf, &request);
    assert!(catch_unwind(AssertUnwindSafe(ingest)).is_err());
    let after = recorder.stats(Signal::Traces);
    assert!((350..450).contains(&after.added), "{}", after.added);
    // Until the next chance for others, after 64 records.
    assert!(after.unreported < 64);
    assert_eq!((after.count, after.services, after.names), (100, 1, 1));
    recorder.clear(Signal::Traces);
    let after = recorder.stats(Signal::Traces);
    assert_eq!((after.count, after.services, after.names), (0, 0, 0));
    let grown = LIVE.get() - empty;
    let callback = 2 * size_of::<usize>() as i64;
    assert_eq!(after.total_bytes() as i64 - stats.total_bytes() as i64 + callback, grown);
    assert_eq!(ingest().unwrap().accepted, 1000);
}

#[test]
fn a_record_that_is_too_large_leaves_no_memory_behind() {
    let text = "x".repeat(20 << 20);
    let attributes = [Attribute::text("text", &text)];
    let before = LIVE.get();
    let store = TraceStore::new(&Limits::with_capacity(100)).unwrap();
    store.add(&Span { name: "small", ..Span::default() });
    let small = store.stats().total_bytes();
    store.add(&Span { name: "large", attributes: &attributes, ..Span::default() });
    let stats = store.stats();
    assert_eq!(stats.oversize, 1);
    assert!(stats.total_bytes() < small + 10_000, "{} after {small}", stats.total_bytes());
    assert_eq!(stats.total_bytes() as i64, LIVE.get() - before);
}

/// The name of a service is not a way around the limits.
#[test]
fn a_service_longer_than_a_record_evicts_nothing() {
    let store = TraceStore::new(&Limits::with_capacity(100).max_bytes(1 << 20)).unwrap();
    let span = Span { name: "work", service: "short", ..Span::default() };
    (0..50).for_each(|_| assert!(store.add(&span).sequence().is_some()));
    let before = store.stats().total_bytes();
    let long = "s".repeat(5 << 20);
    store.add(&Span { service: &long, ..span });
    let stats = store.stats();
    assert_eq!((stats.count, stats.evicted), (51, 0));
    assert!(stats.total_bytes() < before + 10_000, "{} after {before}", stats.total_bytes());
    assert_eq!(store.services()[1].key, long[..256]);
}

/// A record with a number and so many bytes of data that are told by both.
fn with_data<R>(n: u64, data: &[u8], f: impl FnOnce(&Span<'_>) -> R) -> R {
    let attributes = [Attribute { key: "data", value: Value::Bytes(data) }];
    f(&Span { name: "work", start_ns: n + 1, attributes: &attributes, ..Span::default() })
}

/// `len` bytes of record `n`; wherever they are cut, or mixed with those of another record, it shows.
fn data(n: u64, len: usize) -> Vec<u8> {
    let mut random = Random(n << 32 | len as u64);
    let mut data = vec![0; len];
    for word in data.chunks_mut(4) {
        word.copy_from_slice(&(random.below(1 << 31) as u32).to_le_bytes()[..word.len()]);
    }
    data
}

/// The bytes of records are in segments, which records cross, end at, and are longer than.
#[test]
fn records_are_whole_and_figures_exact_where_segments_end() {
    const SEGMENT: u64 = 32 << 10;
    const MOST: usize = 1 << 20;
    let lens = [0, 1, 7, 8, 9, 100, 120, 127, 128, 500, 1000, 2000, 5000, 16_384, 60_000, 500_000];
    let limits = Limits::with_capacity(1500).max_bytes(1 << 30).max_record_bytes(MOST);
    let before = LIVE.get();
    let store = TraceStore::new(&limits).unwrap();
    let other = store.clone();
    let small = store.stats().total_bytes();
    // What a record takes: all that there is in a store for one.
    let one = TraceStore::new(&limits.clone().max_bytes(4 << 20)).unwrap();
    let taken = |len: usize| {
        with_data(0, &vec![0; len], |span| one.add(span));
        let bytes = one.stats().live_bytes;
        one.clear();
        bytes
    };
    let mut random = Random(3);
    // Of each held record its number, and how much data it has.
    let mut held = VecDeque::<(u64, usize)>::new();
    let (mut n, mut written, mut borders) = (0, 0, 0);
    let mut reserved = [0; 3];
    let mut add = |held: &mut VecDeque<(u64, usize)>, len: usize| {
        let data = data(n, len);
        let added = with_data(n, &data, |span| store.add(span));
        assert_eq!(added, if len >= MOST { Added::Placeholder(n) } else { Added::Held(n) });
        held.push_back((n, len));
        if held.len() > 1500 {
            held.pop_front();
        }
        n += 1;
        written += taken(len).div_ceil(8) * 8;
        written
    };
    // The other store and what this test keeps are not of it.
    let compare = |held: &VecDeque<(u64, usize)>| {
        let list = held.capacity() * size_of::<(u64, usize)>();
        let others = one.stats().total_bytes() as i64 + list as i64;
        assert_eq!(store.stats().total_bytes() as i64 + others, LIVE.get() - before);
    };
    let check = |held: &VecDeque<(u64, usize)>| {
        let mut filter = Filter::default();
        filter.order = Order::OldestFirst;
        let mut cursor = other.query(filter).unwrap();
        for (n, len) in held {
            let record = cursor.next().unwrap();
            assert_eq!((record.sequence(), record.time_ns()), (*n, *n + 1));
            match record.attribute("data") {
                Some(Value::Bytes(bytes)) => assert!(bytes == data(*n, *len), "record {n}"),
                other => assert!(other.is_none() && *len >= MOST, "record {n}: {other:?}"),
            }
        }
        assert!(cursor.next().is_none());
    };
    for reserved in &mut reserved {
        for i in 0..2000 {
            let len = match i % 200 {
                17 => MOST - 100,
                18 => MOST,
                // Rarely the long ones.
                _ => lens[random.below(if i % 10 == 0 { 16 } else { 13 }) as usize],
            };
            let at = add(&mut held, len) % SEGMENT;
            // A record that ends where the segment does, one word before, or one behind.
            let left = SEGMENT - at;
            if (1000..4000).contains(&left) {
                let wanted = left + 8 * (borders % 3) - 8;
                let len = (wanted as usize - 100..).find(|len| taken(*len) > wanted - 8);
                let end = add(&mut held, len.unwrap());
                assert_eq!(end % SEGMENT, (SEGMENT + wanted - left) % SEGMENT);
                borders += 1;
                compare(&held);
            }
            if i % 500 == 0 {
                compare(&held);
                check(&held);
            }
        }
        check(&held);
        compare(&held);
        let full = store.stats();
        assert!(full.evicted >= 500 && full.count == 1500);
        // Records of a megabyte may lie in the segment that the oldest one leaves.
        assert!(full.reserved_bytes < full.live_bytes + full.live_bytes / 10 + 10 * MOST as u64);
        store.clear();
        held.clear();
        check(&held);
        compare(&held);
        // The memory of the segments is kept, and used again.
        *reserved = full.reserved_bytes;
    }
    assert!(store.stats().total_bytes() > small + 4 * SEGMENT);
    assert!(reserved[2] < reserved[0] + 4 * MOST as u64, "{reserved:?}");
    assert!(borders > 9, "{borders}");
    drop((store, other, one, held));
    assert_eq!(LIVE.get(), before);
}

/// What is kept of each name grows by doubling, and is the same for all who share the store.
#[test]
fn the_figures_are_exact_while_names_come_and_go() {
    let before = LIVE.get();
    let store = TraceStore::new(&Limits::with_capacity(3000)).unwrap();
    let same = store.clone();
    let compare = || assert_eq!(same.stats().total_bytes() as i64, LIVE.get() - before);
    for _ in 0..2 {
        for n in 0..5000_u32 {
            // Names of up to 16 bytes are told apart in another way than longer ones.
            let mut name = *b"an operation 0000 with a longer name";
            name[13..17].copy_from_slice(format!("{n:04}").as_bytes());
            let name = str::from_utf8(&name[..if n % 2 == 0 { 17 } else { 36 }]).unwrap();
            store.add(&Span { name, service: name, start_ns: 1, ..Span::default() });
            compare();
        }
        let stats = store.stats();
        assert_eq!((stats.services, stats.names), (3000, 3000));
        store.clear();
        compare();
        assert_eq!((store.stats().services, store.stats().names), (0, 0));
    }
    drop(store);
    compare();
    drop(same);
    assert_eq!(LIVE.get(), before);
}
