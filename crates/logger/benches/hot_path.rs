//! What a record costs the thread that makes it, beside the copy and the release store that it cannot do without.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flightring_blockfile::{Kind, Level};
use flightring_logger::{Logger, Options, TimeSource};

const LEN: usize = 100;
const WINDOW: usize = 1 << 20;
/// Records between two flushes, which are not measured: less than would wake the flusher.
const BURST: u64 = 3000;

/// Length and data into a window of memory, and the tail stored with release: nothing else.
fn floor(c: &mut Criterion) {
    let mut group = c.benchmark_group("record_100");
    group.throughput(Throughput::Bytes(LEN as u64));
    let data = [7u8; LEN];
    let mut window = vec![0u8; WINDOW];
    let tail = AtomicU64::new(0);
    let mut at = 0;
    group.bench_function("memcpy_release", |b| {
        b.iter(|| {
            let data = black_box(&data);
            if at + 4 + LEN > WINDOW {
                at = 0;
            }
            window[at..at + 4].copy_from_slice(&(LEN as u32).to_le_bytes());
            window[at + 4..at + 4 + LEN].copy_from_slice(data);
            at += 4 + LEN;
            tail.store(at as u64, Ordering::Release);
        });
    });
    group.finish();
}

fn logger(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the log");
    let data = [7u8; LEN];
    let mut group = c.benchmark_group("record_100");
    group.throughput(Throughput::Bytes(LEN as u64));
    let kinds = [
        ("raw", Kind::Raw, TimeSource::Realtime),
        ("timed_coarse", Kind::Timed, TimeSource::Coarse),
        ("event_realtime", Kind::Event, TimeSource::Realtime),
    ];
    for (name, kind, time_source) in kinds {
        let path = folder.path().join(name);
        let options = Options {
            kind,
            time_source,
            buffer_size: 8 * WINDOW,
            shards: 8,
            ..Options::new(&path)
        };
        let logger = Logger::open(&options).expect("a logger");
        group.bench_function(name, |b| {
            b.iter_custom(|records| {
                let mut took = Duration::ZERO;
                let mut left = records;
                while left > 0 {
                    let burst = left.min(BURST);
                    let began = Instant::now();
                    for _ in 0..burst {
                        let _ = black_box(logger.log(Level::Info, black_box(&data)));
                    }
                    took += began.elapsed();
                    left -= burst;
                    logger.flush(Duration::from_secs(10)).expect("a flush");
                }
                took
            });
        });
        let stats = logger.stats();
        assert_eq!(stats.dropped, 0, "a burst fits");
        drop(logger);
        std::fs::remove_file(&path).expect("the log can be removed");
    }
    group.finish();
}

criterion_group!(benches, floor, logger);
criterion_main!(benches);
