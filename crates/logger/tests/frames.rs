//! Frames: what fills one goes to the file from where it stands, and what must go earlier is copied.

#![allow(clippy::unwrap_used, reason = "tests may stop where they stand")]

mod support;

use std::thread;
use std::time::Duration;

use flightring_blockfile::Kind;
use flightring_blockfile::testing::{Fault, FaultLayer, Op};
use flightring_logger::{Logger, Options, Overflow, StagingPolicy};
use support::{balance, hammer, judge, long, records};

const SOON: Duration = Duration::from_secs(60);
const KIB: usize = 1 << 10;

/// Two shards and the overflow's, each of eight frames; nothing is flushed but what fills frames, or is asked for.
fn options(folder: &tempfile::TempDir) -> Options {
    Options {
        buffer_size: 256 * KIB,
        shards: 2,
        largest_frame: 16 * KIB,
        flush_interval: Duration::from_secs(1000),
        overflow: Overflow::Block,
        ..Options::new(folder.path().join("x.log"))
    }
}

/// Lets threads log, and someone flush meanwhile, as `flushes` says; the file must hold what was accepted.
fn run(options: &Options, threads: u32, each: u64, len: impl Fn(u32, u64) -> usize + Send + Sync) {
    let logger = Logger::open(options).unwrap();
    let offered = thread::scope(|scope| {
        let hammered = scope.spawn(|| hammer(&logger, threads, each, len));
        // Flushes copy parts of frames, at moments that have nothing to do with those of the writers.
        for pause in (0..).map(|n| Duration::from_micros(n * 7919 % 3000)) {
            if hammered.is_finished() {
                break;
            }
            let _ = logger.flush(SOON);
            thread::sleep(pause);
        }
        hammered.join().unwrap()
    });
    logger.close().unwrap();
    balance(&logger, &offered);
    assert_eq!(logger.stats().in_memory, 0);
    judge(&options.path, &offered);
}

#[test]
fn records_of_all_lengths_with_flushes_in_between() {
    for staging in [StagingPolicy::Private, StagingPolicy::Shared] {
        for kind in [Kind::Raw, Kind::Timed, Kind::Event] {
            let folder = tempfile::tempdir().unwrap();
            let options = Options { staging, kind, ..options(&folder) };
            let largest = Logger::open(&options).unwrap().largest_record();
            assert!((15 * KIB..16 * KIB).contains(&largest), "{largest}");
            let each = if long() { 40_000 } else { 4_000 };
            run(&options, 3, each, |thread, number| match number % 16 {
                0 => largest,
                1 => largest - thread as usize - 1,
                2 => largest / 2,
                n => (number * 37 * n) as usize % 900,
            });
        }
    }
}

#[test]
fn every_way_in_which_records_can_fill_a_frame() {
    // From a length by which frames are filled to the last byte, over those that leave less than a length's room.
    for len in (496..=520).chain([4076, 4077, 8138, 8139]) {
        let folder = tempfile::tempdir().unwrap();
        run(&options(&folder), 2, 300, |_, _| len);
    }
}

#[test]
fn what_a_failed_write_leaves_in_its_frame_is_written_again() {
    for staging in [StagingPolicy::Private, StagingPolicy::Shared] {
        let folder = tempfile::tempdir().unwrap();
        let (layer, faults) = FaultLayer::new();
        let fault = [Fault::Error(5), Fault::Error(4), Fault::Short(5000), Fault::Short(512)];
        faults.set_chaos(11, 150, &fault);
        let options = Options { layer, staging, ..options(&folder) };
        let logger = Logger::open(&options).unwrap();
        let offered = hammer(&logger, 4, 2_500, |_, n| 12 + (n % 300) as usize);
        assert!(logger.stats().flush_errors > 0);
        faults.clear();
        logger.close().unwrap();
        balance(&logger, &offered);
        judge(&options.path, &offered);
    }
}

#[test]
fn a_frame_goes_when_it_is_full_and_what_begins_one_at_the_interval() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { flush_interval: Duration::from_secs(1), ..options(&folder) };
    let logger = Logger::open(&options).unwrap();
    let record = [1u8; 100];
    // One frame and the beginning of the next.
    for _ in 0..200 {
        logger.write(&record).unwrap();
    }
    let mut seen = Vec::new();
    while logger.stats().in_memory > 0 {
        let written = logger.stats().written;
        if seen.last() != Some(&written) {
            seen.push(written);
        }
        thread::sleep(Duration::from_micros(100));
    }
    logger.close().unwrap();
    assert_eq!(records(&options.path).len(), 200);
    // 16 KiB less 72 bytes are 156 records of 104 bytes; the test may have looked too late for it.
    assert!(seen.iter().all(|written| matches!(written, 0 | 156 | 200)), "{seen:?}");
}

#[test]
fn full_frames_are_whole_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let logger = Logger::open(&options).unwrap();
    let offered = hammer(&logger, 1, 20_000, |_, _| 100);
    logger.close().unwrap();
    judge(&options.path, &offered);
    // 156 records a frame, and the last block has what was left. Copied, they would be a few large blocks. A writer who waited for
    // room has had parts of some frames copied.
    let (blocks, frames) = (logger.stats().blocks, 20_000u64.div_ceil(156));
    assert!((frames..frames + frames / 4).contains(&blocks), "{blocks} blocks");
}

#[test]
fn a_large_record_waits_for_frames_of_others_but_not_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let largest = Logger::open(&options).unwrap().largest_record();
    // Two threads fill the shards with records that leave large rests; the third shares the overflow.
    run(&options, 3, 2_000, |thread, number| match thread {
        0 => largest - (number % 7) as usize * 1000,
        1 => 9_000,
        _ => 50,
    });
}

#[test]
fn frames_need_an_alignment_of_a_page_at_most() {
    // The usual sizes, whatever the file system asks for.
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        buffer_size: 32 << 20,
        overflow: Overflow::Block,
        ..Options::new(folder.path().join("x.log"))
    };
    run(&options, 4, if long() { 500_000 } else { 60_000 }, |_, n| 12 + (n % 400) as usize);
}

#[test]
fn writers_that_wait_for_room_get_it_without_anybody_flushing() {
    // Small records behind large ones, in more threads than there are shards: no frame may be left to a thread that waits.
    let folder = tempfile::tempdir().unwrap();
    let (layer, faults) = FaultLayer::new();
    faults.plan(Op::Write, 0, 200, Fault::Delay(Duration::from_millis(1)));
    let options = Options { layer, ..options(&folder) };
    let logger = Logger::open(&options).unwrap();
    let offered = hammer(&logger, 12, 400, |thread, n| match (thread + n as u32) % 3 {
        0 => 16_000,
        1 => 8_200,
        _ => 20,
    });
    logger.close().unwrap();
    balance(&logger, &offered);
    judge(&options.path, &offered);
}
