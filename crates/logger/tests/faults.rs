//! A device that fails: nothing accepted is lost while the logger lives, and closing says what was.

#![allow(clippy::unwrap_used, reason = "tests may stop where they stand")]

mod support;

use std::thread;
use std::time::Duration;

use flightring_blockfile::testing::{Fault, FaultLayer, Faults, Op};
use flightring_logger::{CloseError, Dropped, FlushError, Logger, Options, Overflow, Sync};
use support::{balance, hammer, judge, long, records};

const EIO: i32 = 5;
const EINTR: i32 = 4;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;
const SOON: Duration = Duration::from_secs(20);

fn faulty(folder: &tempfile::TempDir) -> (Options, Faults) {
    let (layer, faults) = FaultLayer::new();
    let path = folder.path().join("x.log");
    (Options { buffer_size: 1 << 20, layer, ..Options::new(path) }, faults)
}

#[test]
fn random_faults_under_load_lose_nothing() {
    let faults_met = [
        Fault::Error(EIO),
        Fault::Error(EINTR),
        Fault::Error(ENOSPC),
        Fault::Short(1000),
        Fault::Short(512),
    ];
    for seed in 1..=if long() { 100 } else { 4 } {
        for sync in [Sync::None, Sync::EachBatch, Sync::Interval] {
            for overflow in [Overflow::DropNewest, Overflow::Block] {
                let folder = tempfile::tempdir().unwrap();
                let (options, faults) = faulty(&folder);
                let options =
                    Options { sync, overflow, flush_interval: Duration::from_millis(5), ..options };
                let logger = Logger::open(&options).unwrap();
                faults.set_chaos(seed, 300, &faults_met);
                let offered = hammer(&logger, 12, 1000, |thread, n| {
                    ((n * 7 + u64::from(thread)) % 900) as usize
                });
                faults.clear();
                logger.close().unwrap();
                balance(&logger, &offered);
                judge(&options.path, &offered);
            }
        }
    }
}

#[test]
fn a_full_disk_keeps_what_was_accepted_and_goes_on_when_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    let (options, faults) = faulty(&folder);
    let logger = Logger::open(&options).unwrap();
    faults.set_free_space(Some(100_000));
    let offered = hammer(&logger, 4, 20_000, |_, _| 100);
    assert_eq!(logger.flush(SOON), Err(FlushError::Io(ENOSPC)));
    let stats = logger.stats();
    assert!(stats.dropped > 0 && stats.flush_errors > 0, "{stats:?}");
    assert_eq!(stats.last_error.unwrap().errno, ENOSPC);
    assert_eq!(stats.accepted, stats.written + stats.in_memory);
    faults.set_free_space(None);
    logger.flush(SOON).unwrap();
    assert_eq!(logger.stats().in_memory, 0);
    logger.close().unwrap();
    balance(&logger, &offered);
    judge(&options.path, &offered);
}

#[test]
fn close_says_what_could_not_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let (options, faults) = faulty(&folder);
    let logger = Logger::open(&options).unwrap();
    for _ in 0..10 {
        logger.write(b"safe").unwrap();
    }
    logger.flush(SOON).unwrap();
    faults.plan(Op::Write, 0, u64::MAX, Fault::Error(EIO));
    for _ in 0..7 {
        logger.write(b"lost").unwrap();
    }
    let expected = Err(CloseError::Unwritten { records: 7, bytes: 7 * 8, errno: EIO });
    assert_eq!(logger.close(), expected);
    assert_eq!(logger.close(), expected, "closing again gives the same answer");
    let stats = logger.stats();
    assert_eq!((stats.accepted, stats.written, stats.in_memory), (17, 10, 7));
    assert_eq!(records(&options.path), vec![b"safe".to_vec(); 10]);
    assert_eq!(logger.write(b"late"), Err(Dropped::Closed));
}

#[test]
fn a_refused_direct_write_falls_back_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (options, faults) = faulty(&folder);
    let logger = Logger::open(&options).unwrap();
    let direct = logger.stats().direct;
    faults.plan(Op::Write, 0, 1, Fault::Error(EINVAL));
    logger.write(b"one").unwrap();
    let flushed = logger.flush(SOON);
    // Where the file system of the test has no direct I/O to begin with, EINVAL is an error like others.
    if direct {
        assert_eq!(flushed, Ok(()));
        assert!(!logger.stats().direct && logger.stats().fallback.is_some());
    }
    logger.close().unwrap();
    assert_eq!(records(&options.path), [b"one"]);
}

#[test]
fn a_slow_disk_does_not_stall_writers() {
    let folder = tempfile::tempdir().unwrap();
    let (options, faults) = faulty(&folder);
    let logger = Logger::open(&options).unwrap();
    faults.plan(Op::Write, 0, 3, Fault::Delay(Duration::from_millis(200)));
    let offered = hammer(&logger, 3, 10_000, |_, _| 100);
    assert!(
        logger.stats().dropped > 0,
        "the buffer holds less than was offered during the first write"
    );
    logger.close().unwrap();
    balance(&logger, &offered);
    judge(&options.path, &offered);
}

#[test]
fn a_sync_that_fails_is_reported_to_the_flush_that_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (options, faults) = faulty(&folder);
    let logger = Logger::open(&options).unwrap();
    faults.plan(Op::Sync, 0, 1, Fault::Error(EIO));
    logger.write(b"one").unwrap();
    assert_eq!(logger.flush(SOON), Err(FlushError::Io(EIO)));
    assert_eq!(logger.flush(SOON), Ok(()));
    faults.plan(Op::Sync, 0, 1, Fault::Error(EIO));
    assert_eq!(logger.close(), Err(CloseError::Unfinished { errno: EIO }));
    assert_eq!(records(&options.path), [b"one"]);
}

#[test]
fn blocked_writers_are_released_by_closing() {
    let folder = tempfile::tempdir().unwrap();
    let (options, faults) = faulty(&folder);
    let options = Options { overflow: Overflow::Block, ..options };
    let logger = Logger::open(&options).unwrap();
    faults.plan(Op::Write, 0, u64::MAX, Fault::Error(ENOSPC));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| support::write_until(&logger, &[1; 1000], Dropped::Closed));
        }
        while logger.stats().flush_errors < 2 {
            thread::yield_now();
        }
        assert!(matches!(logger.close(), Err(CloseError::Unwritten { errno: ENOSPC, .. })));
    });
    assert_eq!(logger.stats().dropped_closed, 3);
}
