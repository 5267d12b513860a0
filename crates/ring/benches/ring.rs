//! Ring against `memcpy` of the same bytes, in one run.
//!
//! The yardstick copies into a window as large as the ring and walks through it as the ring does, because a copy to
//! one fixed place would measure the store buffer rather than a ring. The length is hidden from the compiler on both
//! sides: callers of a ring pass one at run time.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flightring_ring::{ByteRing, SlotRing};

const RING: usize = 1 << 20;

fn write(c: &mut Criterion) {
    let record = [0x5a_u8; 128];
    let mut group = c.benchmark_group("write_128");
    group.throughput(Throughput::Bytes(record.len() as u64));
    let mut window = vec![0_u8; RING];
    let mut at = 0;
    group.bench_function("memcpy", |b| {
        b.iter(|| {
            let record = black_box(&record[..]);
            window[at..at + record.len()].copy_from_slice(record);
            at = if at + 2 * record.len() > RING { 0 } else { at + record.len() };
        });
    });
    let mut ring = ByteRing::new(RING).expect("a megabyte");
    group.bench_function("byte_ring", |b| b.iter(|| ring.write(black_box(&record[..]))));
    group.finish();
    black_box(window);
}

fn history(c: &mut Criterion) {
    const HELD: usize = 10 * 1024;
    let mut group = c.benchmark_group("history_10k");
    group.throughput(Throughput::Bytes(HELD as u64));
    let mut dst = vec![0_u8; HELD];
    let mut ring = ByteRing::new(HELD).expect("ten kilobytes");
    ring.write(&[0x5a; HELD]);
    // From the ring's own memory: two allocations that differ in alignment would differ in speed.
    group.bench_function("memcpy", |b| {
        let held = ring.as_slices().0;
        b.iter(|| dst.copy_from_slice(black_box(held)));
    });
    group.bench_function("byte_ring", |b| b.iter(|| black_box(&ring).copy_to(&mut dst)));
    ring.write(&[0x5a; HELD / 2]);
    group.bench_function("byte_ring_two_runs", |b| b.iter(|| black_box(&ring).copy_to(&mut dst)));
    group.finish();
}

fn slots(c: &mut Criterion) {
    let mut ring = SlotRing::new(10_000).expect("ten thousand entries");
    let mut evicted = 0_u64;
    c.bench_function("slot_ring_push_evict", |b| {
        b.iter(|| ring.push(black_box(7_u64), |position, _| evicted = position));
    });
    black_box(evicted);
}

criterion_group!(benches, write, history, slots);
criterion_main!(benches);
