//! What a write into a monitor costs, alone and with subscribers, against `memcpy` of the same bytes in one run.
//!
//! The writer writes as fast as it can, which is faster than bytes can be carried to another processor; so it is also said
//! which part of them the subscribers got.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flightring_monitor::{Lines, Monitor, Next, NextLine, Options, Start, Stream};

const SIZE: usize = 1 << 20;

fn monitor() -> Arc<Monitor> {
    Monitor::new("bench", Options { capacity: SIZE, ..Options::default() }).expect("a megabyte")
}

fn write(c: &mut Criterion) {
    let record = [0x5a_u8; 128];
    let mut group = c.benchmark_group("monitor_write_128");
    group.throughput(Throughput::Bytes(record.len() as u64));
    let mut window = vec![0_u8; SIZE];
    let mut at = 0;
    group.bench_function("memcpy", |b| {
        b.iter(|| {
            window[at..at + record.len()].copy_from_slice(black_box(&record));
            at = if at + 2 * record.len() > SIZE { 0 } else { at + record.len() };
        });
    });
    black_box(window);
    for subscribers in [0, 1, 5] {
        let monitor = monitor();
        let seen = Arc::new(AtomicU64::new(0));
        let subscriptions: Vec<_> = (0..subscribers)
            .map(|_| {
                let seen = Arc::clone(&seen);
                let count = move |next: Next<'_>| {
                    if let Next::Chunk(chunk) = next {
                        seen.fetch_add(chunk.data.len() as u64, Ordering::Relaxed);
                    }
                    ControlFlow::Continue(())
                };
                monitor.subscribe(Start::Now, count).expect("a thread")
            })
            .collect();
        group.bench_function(format!("{subscribers}_subscribers"), |b| {
            b.iter(|| monitor.write(Stream::Stdout, black_box(&record)));
        });
        if subscribers > 0 {
            let all = monitor.total() as f64 * f64::from(subscribers);
            let seen = 100.0 * seen.load(Ordering::Relaxed) as f64 / all;
            println!(
                "of what was written each of {subscribers} got {seen:.0} %, and gaps for the rest"
            );
        }
        drop(subscriptions);
    }
    group.finish();
}

fn read(c: &mut Criterion) {
    let monitor = monitor();
    for i in 0..20_000 {
        let stream = if i % 10 == 0 { Stream::Stderr } else { Stream::Stdout };
        let line = format!("{i:08} something happened in the usual place, as it does every day\n");
        monitor.write(stream, line.as_bytes()).expect("open");
    }
    let held = (monitor.total() - monitor.oldest()) as usize;
    let mut dst = vec![0; SIZE];
    let source = dst.clone();
    let mut group = c.benchmark_group("monitor_read_1m");
    group.throughput(Throughput::Bytes(held as u64));
    group.bench_function("memcpy", |b| {
        b.iter(|| dst[..held].copy_from_slice(&black_box(&source)[..held]));
    });
    group.bench_function("history", |b| b.iter(|| monitor.history(black_box(&mut dst))));
    group.bench_function("chunks", |b| {
        b.iter(|| {
            let mut follower = monitor.follow(Start::Oldest).expect("the oldest");
            while let Next::Chunk(chunk) = follower.next(&mut dst) {
                black_box(chunk);
            }
        });
    });
    group.bench_function("lines", |b| {
        b.iter(|| {
            let mut lines = Lines::new(&monitor, Start::Oldest, 0).expect("the oldest");
            while let NextLine::Line(line) = lines.next() {
                black_box(line);
            }
        });
    });
    group.bench_function("stderr_only", |b| {
        b.iter(|| monitor.read_stream(Stream::Stderr, 0, black_box(&mut dst)));
    });
    group.finish();
    c.bench_function("monitor_tail_10_lines", |b| {
        b.iter(|| Lines::new(black_box(&monitor), Start::Lines(10), 0));
    });
}

criterion_group!(benches, write, read);
criterion_main!(benches);
