//! The replay buffer against `memcpy` of the same bytes, and what busy readers do to the writer, in one run.
//!
//! The yardstick of a write copies into a window as large as the buffer and walks through it as the buffer does, because
//! a copy to one fixed place would measure the store buffer. The yardstick of a read copies out of memory of the
//! same size, at the same place, that begins a page as the buffer's does: how the two ends are aligned to one another is
//! worth a third of a copy of 4 KiB. Of a read's result the next offset is used, which is what a reader needs of it.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flightring_replay::ReplayBuffer;

const SIZE: usize = 1 << 20;
const PAGE: usize = 4096;

fn write(c: &mut Criterion) {
    let record = [0x5a_u8; 128];
    let mut group = c.benchmark_group("write_128");
    group.throughput(Throughput::Bytes(record.len() as u64));
    let mut window = vec![0_u8; SIZE];
    let mut at = 0;
    group.bench_function("memcpy", |b| {
        b.iter(|| {
            window[at..at + record.len()].copy_from_slice(black_box(&record));
            at = if at + 2 * record.len() > SIZE { 0 } else { at + record.len() };
        });
    });
    let buffer = ReplayBuffer::new(SIZE).expect("a megabyte");
    group.bench_function("replay", |b| b.iter(|| buffer.write(black_box(&record))));
    group.finish();
    black_box(window);
}

fn read(c: &mut Criterion) {
    let buffer = ReplayBuffer::new(SIZE).expect("a megabyte");
    let room = vec![0x5a_u8; SIZE + PAGE];
    let source = &room[room.as_ptr().align_offset(PAGE)..][..SIZE];
    // Wrapped in the middle: the case with two copies.
    buffer.write(source).expect("open");
    buffer.write(&source[..SIZE / 2]).expect("open");
    let total = buffer.total();
    let mut dst = vec![0_u8; SIZE];
    for (name, len) in [("read_tail_4k", 4096), ("read_1m", SIZE)] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function("memcpy", |b| {
            b.iter(|| dst[..len].copy_from_slice(&black_box(source)[SIZE - len..]));
        });
        group.bench_function("replay", |b| {
            b.iter(|| {
                let read = buffer.read_from(total - len as u64, black_box(&mut dst[..len]));
                read.expect("in range").next()
            });
        });
        group.finish();
    }
    c.bench_function("read_caught_up", |b| b.iter(|| buffer.read_from(total, black_box(&mut dst))));
}

/// The distribution of single writes, alone and with four threads that copy the whole history out without pause. Each
/// figure includes one reading of the clock; the rounds are interleaved and their medians printed.
fn latency(_: &mut Criterion) {
    const WRITES: usize = 300_000;
    let record = [0x5a_u8; 128];
    let round = |readers: usize| -> [u64; 4] {
        let buffer = ReplayBuffer::new(SIZE).expect("a megabyte");
        // Once around, so that the system has given all pages.
        buffer.write(&vec![0; SIZE]).expect("open");
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..readers {
                scope.spawn(|| {
                    let mut dst = vec![0; SIZE];
                    while !done.load(Ordering::Relaxed) {
                        let _ = black_box(buffer.read_from(0, &mut dst));
                    }
                });
            }
            let mut took = Vec::with_capacity(WRITES);
            for _ in 0..WRITES {
                let start = Instant::now();
                let _ = black_box(buffer.write(&record));
                took.push(start.elapsed().as_nanos() as u64);
            }
            done.store(true, Ordering::Relaxed);
            took.sort_unstable();
            [500, 990, 999, 1000].map(|rank| took[(WRITES * rank / 1000).min(WRITES - 1)])
        })
    };
    println!("write_128 latency, ns        p50     p99   p99.9      max");
    let rounds: Vec<_> = (0..5).map(|_| [round(0), round(4)]).collect();
    for (which, name) in ["no reader", "4 busy readers"].iter().enumerate() {
        let median = |rank: usize| {
            let mut values: Vec<_> = rounds.iter().map(|round| round[which][rank]).collect();
            values.sort_unstable();
            values[values.len() / 2]
        };
        println!("{name:24} {:7} {:7} {:7} {:8}", median(0), median(1), median(2), median(3));
    }
}

criterion_group!(benches, write, read, latency);
criterion_main!(benches);
