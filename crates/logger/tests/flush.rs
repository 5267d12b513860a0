//! Flushing, the interval, continuing a file, and filling records in place.

#![allow(clippy::unwrap_used, reason = "tests may stop where they stand")]

mod support;

use std::fs;
use std::thread;
use std::time::Duration;

use flightring_blockfile::{Kind, Level};
use flightring_logger::{Dropped, FlushError, Logger, Options, Sync};
use support::records;

const SOON: Duration = Duration::from_secs(20);

fn options(folder: &tempfile::TempDir) -> Options {
    Options { buffer_size: 1 << 20, ..Options::new(folder.path().join("x.log")) }
}

#[test]
fn a_flush_of_one_record_costs_one_block() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let logger = Logger::open(&options).unwrap();
    logger.write(b"one").unwrap();
    logger.flush(SOON).unwrap();
    assert_eq!(records(&options.path), [b"one"]);
    let first = fs::read(&options.path).unwrap();
    assert!(first.len() <= 4096, "one sector of the file system, not a shard: {}", first.len());
    logger.write(b"two").unwrap();
    logger.flush(SOON).unwrap();
    logger.close().unwrap();
    assert_eq!(records(&options.path), [b"one", b"two"]);
    let both = fs::read(&options.path).unwrap();
    assert_eq!(both[..first.len()], first, "durable bytes are never rewritten");
    assert_eq!(both.len(), 2 * first.len());
}

#[test]
fn everything_accepted_before_a_flush_is_in_the_file_after_it() {
    for sync in [Sync::None, Sync::EachBatch, Sync::Interval] {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { sync, ..options(&folder) };
        let logger = Logger::open(&options).unwrap();
        thread::scope(|scope| {
            for thread in 0..4u64 {
                let (logger, options) = (&logger, &options);
                scope.spawn(move || {
                    for round in 0..20u64 {
                        let mark = format!("{thread}:{round};").into_bytes();
                        logger.write(&mark).unwrap();
                        logger.flush(SOON).unwrap();
                        let bytes = fs::read(&options.path).unwrap();
                        assert!(bytes.windows(mark.len()).any(|window| window == mark));
                    }
                });
            }
        });
    }
}

#[test]
fn flushing_nothing_succeeds_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let logger = Logger::open(&options).unwrap();
    logger.flush(SOON).unwrap();
    logger.close().unwrap();
    assert_eq!(logger.flush(SOON), Ok(()), "all of nothing is durable");
    assert_eq!(fs::metadata(&options.path).unwrap().len(), 0);
    assert_eq!(logger.stats().flushes, 0);
}

#[test]
fn a_flush_without_time_times_out_or_succeeds_but_never_lies() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let logger = Logger::open(&options).unwrap();
    logger.write(b"one").unwrap();
    match logger.flush(Duration::ZERO) {
        Ok(()) => assert_eq!(records(&options.path), [b"one"]),
        Err(error) => assert_eq!(error, FlushError::TimedOut),
    }
}

#[test]
fn a_quiet_log_reaches_the_file_at_the_interval() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { flush_interval: Duration::from_millis(20), ..options(&folder) };
    let logger = Logger::open(&options).unwrap();
    logger.write(b"quiet").unwrap();
    while fs::metadata(&options.path).unwrap().len() == 0 {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(records(&options.path), [b"quiet"]);
    assert!(logger.stats().parked > Duration::ZERO);
}

#[test]
fn an_existing_log_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { preallocate: 1 << 20, ..options(&folder) };
    for round in 0..3 {
        let logger = Logger::open(&options).unwrap();
        assert_eq!(logger.open_report().file.continued > 0, round > 0);
        logger.write(format!("{round}").as_bytes()).unwrap();
        logger.close().unwrap();
    }
    assert_eq!(records(&options.path), [b"0", b"1", b"2"]);
}

#[test]
fn a_second_logger_on_the_same_path_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let _first = Logger::open(&options).unwrap();
    let refused = Logger::open(&options).unwrap_err().to_string();
    assert!(refused.contains("open for appending elsewhere"), "{refused}");
}

#[test]
fn records_filled_in_place() {
    for kind in [Kind::Raw, Kind::Timed, Kind::Event] {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { kind, ..options(&folder) };
        let logger = Logger::open(&options).unwrap();
        let fill = |text: &[u8], asked: usize| {
            let mut slot = logger.reserve(Level::Info, asked).unwrap();
            assert!(slot.data().len() >= asked);
            for (to, &from) in slot.data().iter_mut().zip(text) {
                to.write(from);
            }
            // SAFETY: the loop wrote them all, as the room is at least what was asked for.
            unsafe { slot.commit(text.len()) }
        };
        fill(b"in place", 8).unwrap();
        fill(b"shorter", 100).unwrap();
        fill(b"", 0).unwrap();
        drop(logger.reserve(Level::Info, 10).unwrap());
        let held = logger.reserve(Level::Info, 10).unwrap();
        assert_eq!(logger.write(b"meanwhile"), Err(Dropped::Reentered));
        drop(held);
        logger.write(b"after").unwrap();
        let too_large = logger.largest_record() + 1;
        assert_eq!(logger.reserve(Level::Info, too_large).err(), Some(Dropped::TooLarge));
        logger.close().unwrap();
        let expected: [&[u8]; 4] = [b"in place", b"shorter", b"", b"after"];
        assert_eq!(records(&options.path), expected);
        assert_eq!(logger.stats().accepted, 4);
    }
}

#[test]
fn a_reservation_held_over_closing_is_refused_at_last() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let logger = Logger::open(&options).unwrap();
    logger.write(b"first").unwrap();
    let mut held = logger.reserve(Level::Info, 4).unwrap();
    logger.close().unwrap();
    held.data()[..4].iter_mut().for_each(|byte| {
        byte.write(b'x');
    });
    // SAFETY: the four bytes were written just above.
    assert_eq!(unsafe { held.commit(4) }, Err(Dropped::Closed));
    assert_eq!(records(&options.path), [b"first"]);
    assert_eq!((logger.stats().accepted, logger.stats().dropped_closed), (1, 1));
}

#[test]
fn levels_filter_before_anything_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { kind: Kind::Event, level: Level::Warn, ..options(&folder) };
    let logger = Logger::open(&options).unwrap();
    assert!(!logger.enabled(Level::Info) && logger.enabled(Level::Error));
    logger.log(Level::Info, b"quiet").unwrap();
    logger.log(Level::Error, b"loud").unwrap();
    logger.set_level(Level::Debug);
    logger.log(Level::Info, b"heard").unwrap();
    logger.close().unwrap();
    assert_eq!(logger.stats().offered, 2);
    assert_eq!(records(&options.path), [b"loud".to_vec(), b"heard".to_vec()]);
}
