//! offered = accepted + dropped, and accepted = what the file holds, whatever the pressure.

#![allow(clippy::unwrap_used, reason = "tests may stop where they stand")]

mod support;

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use flightring_logger::{Dropped, Logger, MIN_SHARD, Options, Overflow};
use support::{Offered, balance, hammer, judge, long, make, records};

fn options(folder: &tempfile::TempDir) -> Options {
    Options { buffer_size: 1 << 20, shards: 8, ..Options::new(folder.path().join("x.log")) }
}

/// Runs one cell of the matrix, and returns how many were dropped.
fn cell(options: &Options, threads: u32, each: u64, len: impl Fn(u32, u64) -> usize + Sync) -> u64 {
    let logger = Logger::open(options).unwrap();
    let offered = hammer(&logger, threads, each, len);
    logger.close().unwrap();
    balance(&logger, &offered);
    assert_eq!(logger.stats().in_memory, 0);
    judge(&options.path, &offered);
    logger.stats().dropped
}

#[test]
fn eight_threads_at_saturation() {
    let folder = tempfile::tempdir().unwrap();
    cell(&options(&folder), 8, 20_000, |_, _| 100);
}

#[test]
fn fifty_threads_share_the_overflow() {
    let folder = tempfile::tempdir().unwrap();
    cell(&options(&folder), 50, 2_000, |_, _| 100);
}

#[test]
fn more_threads_than_shards_of_the_smallest_size() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { buffer_size: MIN_SHARD, shards: 1, ..options(&folder) };
    let dropped = cell(&options, 8, 20_000, |_, _| 1000);
    assert!(dropped > 0, "the test is meant to saturate");
}

#[test]
fn records_of_all_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { overflow: Overflow::Block, ..options(&folder) };
    let largest = Logger::open(&options).unwrap().largest_record();
    let dropped = cell(&options, 3, 400, |thread, number| match number % 8 {
        0 => largest,
        1 => largest - thread as usize,
        2 => largest / 2,
        n => (number * 37 * n) as usize % 3000,
    });
    assert_eq!(dropped, 0);
}

#[test]
fn blocking_loses_nothing_with_more_threads_than_shards() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        buffer_size: 2 * MIN_SHARD,
        shards: 2,
        overflow: Overflow::Block,
        ..options(&folder)
    };
    assert_eq!(cell(&options, 12, 5_000, |_, n| (n % 200) as usize), 0);
}

#[test]
fn blocking_for_a_time_drops_what_found_no_room_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        buffer_size: MIN_SHARD,
        shards: 1,
        overflow: Overflow::BlockFor(Duration::from_micros(200)),
        ..options(&folder)
    };
    cell(&options, 4, 3_000, |_, _| 2000);
}

#[test]
fn a_burst_uses_the_whole_buffer_from_one_thread() {
    let folder = tempfile::tempdir().unwrap();
    // A second batch does not fit behind the first 10 ms, so nothing is freed while the burst lasts.
    let (layer, faults) = flightring_blockfile::testing::FaultLayer::new();
    faults.plan(
        flightring_blockfile::testing::Op::Write,
        0,
        u64::MAX,
        flightring_blockfile::testing::Fault::Error(28),
    );
    let options = Options { layer, ..options(&folder) };
    let logger = Logger::open(&options).unwrap();
    let record = [7; 1020];
    let fitted = support::write_until(&logger, &record, Dropped::Full);
    assert_eq!(fitted, 1024, "eight shards of 128 KiB, and records of 1 KiB with their lengths");
    faults.clear();
    logger.close().unwrap();
    assert_eq!(records(&options.path).len(), 1024);
}

#[test]
fn a_burst_uses_the_shards_of_silent_threads_who_go_on_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (layer, faults) = flightring_blockfile::testing::FaultLayer::new();
    let options = Options { layer, ..options(&folder) };
    let logger = Logger::open(&options).unwrap();
    let (said, barrier) = (Barrier::new(9), Barrier::new(9));
    let record = [7; 1020];
    thread::scope(|scope| {
        for thread in 0..8 {
            let (logger, said, barrier) = (&logger, &said, &barrier);
            scope.spawn(move || {
                logger.write(&[thread, 1]).unwrap();
                said.wait();
                barrier.wait();
                logger.write(&[thread, 2]).unwrap();
            });
        }
        said.wait();
        logger.flush(Duration::from_secs(20)).unwrap();
        // A pass that finds nothing new, so that the flusher knows who is silent.
        logger.flush(Duration::from_secs(20)).unwrap();
        let error = flightring_blockfile::testing::Fault::Error(28);
        faults.plan(flightring_blockfile::testing::Op::Write, 0, u64::MAX, error);
        // Nine shards of 128 KiB, the overflow's included; each held a short record before, so one less fits.
        let fitted = support::write_until(&logger, &record, Dropped::Full);
        assert!(fitted >= 9 * 127, "{fitted} records");
        faults.clear();
        logger.flush(Duration::from_secs(20)).unwrap();
        barrier.wait();
    });
    logger.close().unwrap();
    let stats = logger.stats();
    assert_eq!((stats.accepted, stats.dropped), (stats.offered - stats.dropped, 1));
    let read = records(&options.path);
    assert_eq!(read.len() as u64, stats.accepted);
    for thread in 0..8 {
        let of: Vec<_> = read.iter().filter(|data| data.len() == 2 && data[0] == thread).collect();
        assert_eq!(of, [&[thread, 1], &[thread, 2]]);
    }
}

#[test]
fn empty_records_are_records() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let logger = Logger::open(&options).unwrap();
    for _ in 0..1000 {
        logger.write(b"").unwrap();
    }
    logger.close().unwrap();
    assert_eq!(logger.stats().accepted, 1000);
    assert_eq!(records(&options.path), vec![Vec::<u8>::new(); 1000]);
}

#[test]
fn too_large_a_record_is_refused_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let logger = Logger::open(&options).unwrap();
    let largest = logger.largest_record();
    for len in [largest + 1, MIN_SHARD * 2, MIN_SHARD * 2 + 1, 8 << 20] {
        assert_eq!(logger.write(&vec![1; len]), Err(Dropped::TooLarge));
    }
    logger.write(&vec![2; largest]).unwrap();
    logger.close().unwrap();
    let stats = logger.stats();
    assert_eq!((stats.offered, stats.accepted, stats.dropped_too_large), (5, 1, 4));
    assert_eq!(records(&options.path), [vec![2; largest]]);
}

#[test]
fn closing_races_with_writers() {
    for round in 0..if long() { 200 } else { 12 } {
        let folder = tempfile::tempdir().unwrap();
        let options = options(&folder);
        let logger = Logger::open(&options).unwrap();
        let stop = AtomicBool::new(false);
        let offered: Vec<Offered> = thread::scope(|scope| {
            let writers: Vec<_> = (0..10)
                .map(|thread| {
                    let (logger, stop) = (&logger, &stop);
                    scope.spawn(move || {
                        let mut offered = Offered::default();
                        let mut record = Vec::new();
                        let mut number = 0;
                        while !stop.load(Ordering::Relaxed) {
                            make(thread, number, 60, &mut record);
                            match logger.write(&record) {
                                Ok(()) => offered.accepted.push(number),
                                Err(_) => offered.dropped += 1,
                            }
                            number += 1;
                        }
                        offered
                    })
                })
                .collect();
            thread::sleep(Duration::from_millis(round % 7));
            let closers: Vec<_> = (0..2).map(|_| scope.spawn(|| logger.close())).collect();
            for closer in closers {
                closer.join().unwrap().unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        balance(&logger, &offered);
        assert_eq!(logger.write(b"late"), Err(Dropped::Closed));
        judge(&options.path, &offered);
    }
}

#[test]
fn thousands_of_short_lived_threads_share_few_shards() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let logger = Logger::open(&options).unwrap();
    let rounds = if long() { 1250 } else { 125 };
    for round in 0..rounds {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|n| {
                    let logger = &logger;
                    scope.spawn(move || {
                        let mut record = Vec::new();
                        make(n, round, 40, &mut record);
                        logger.write(&record).unwrap();
                    })
                })
                .collect();
            // Joining waits for the end of the thread; the scope would only wait for that of the closure.
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
    let free = logger.shard_stats(8).unwrap();
    assert_eq!(free.writes, 0, "shards are given back, so nobody needed the overflow");
    logger.close().unwrap();
    assert_eq!(records(&options.path).len() as u64, 8 * rounds);
}

#[test]
fn many_loggers_in_one_thread() {
    let folder = tempfile::tempdir().unwrap();
    let loggers: Vec<_> = (0..20)
        .map(|n| {
            let path = folder.path().join(format!("{n}.log"));
            Logger::open(&Options { path, ..options(&folder) }).unwrap()
        })
        .collect();
    for round in 0..500u64 {
        for (n, logger) in loggers.iter().enumerate() {
            logger.write(format!("{n} {round}").as_bytes()).unwrap();
        }
    }
    for (n, logger) in loggers.iter().enumerate() {
        logger.close().unwrap();
        let found = records(&folder.path().join(format!("{n}.log")));
        let expected: Vec<_> = (0..500).map(|round| format!("{n} {round}").into_bytes()).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn the_whole_matrix() {
    if !long() {
        return;
    }
    for threads in [1, 2, 8, 50, 200] {
        for buffer in [1 << 20, 64 << 20, 256 << 20] {
            for overflow in [Overflow::DropNewest, Overflow::Block] {
                for len in [12, 100, 5000] {
                    let folder = tempfile::tempdir().unwrap();
                    let options = Options { buffer_size: buffer, overflow, ..options(&folder) };
                    let each = 8_000_000 / len as u64 / u64::from(threads);
                    let dropped = cell(&options, threads, each, |_, _| len);
                    println!(
                        "{threads} threads, {buffer} bytes, {overflow:?}, {len}: {dropped} dropped"
                    );
                }
            }
        }
    }
}
