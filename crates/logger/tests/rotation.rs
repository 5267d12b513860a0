//! New files: nothing is lost or torn between them, no name is taken twice, and old ones go when they should.

#![allow(clippy::unwrap_used, reason = "tests may stop where they stand")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use flightring_blockfile::testing::{Fault, FaultLayer, Op};
use flightring_blockfile::{Item, ReadOptions, Reader};
use flightring_logger::{
    CloseError, Dropped, Logger, Options, Overflow, RotateError, Rotation, Schedule, Sealed,
    StagingPolicy,
};
use support::{balance, hammer, judge_files, long, records, records_of};

const SOON: Duration = Duration::from_secs(20);

fn options(folder: &tempfile::TempDir, rotation: Rotation) -> Options {
    Options {
        buffer_size: 1 << 20,
        overflow: Overflow::Block,
        rotation,
        ..Options::new(folder.path().join("x.log"))
    }
}

/// All files of the log, oldest first, the current one last.
fn files(log: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(log.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path != log)
        .collect();
    found.sort();
    found.push(log.to_owned());
    found
}

#[test]
fn rotating_under_load_loses_and_tears_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder, Rotation { size: 200_000, ..Rotation::default() });
    let logger = Logger::open(&options).unwrap();
    let offered = thread::scope(|scope| {
        let rotator = scope.spawn(|| (0..20).for_each(|_| logger.rotate().unwrap()));
        let offered = hammer(&logger, 10, 2000, |_, n| (n % 300) as usize);
        rotator.join().unwrap();
        offered
    });
    logger.close().unwrap();
    balance(&logger, &offered);
    let files = files(&options.path);
    assert!(files.len() > 10, "{files:?}");
    let mut next = [0; 10];
    for record in records_of(&files).0 {
        let thread = u32::from_le_bytes(record[..4].try_into().unwrap()) as usize;
        let number = u64::from_le_bytes(record[4..12].try_into().unwrap());
        assert_eq!(number, next[thread]);
        next[thread] += 1;
    }
    assert_eq!(next, [2000; 10]);
}

#[test]
fn everything_before_the_call_is_in_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder, Rotation::default());
    let logger = Logger::open(&options).unwrap();
    logger.rotate().unwrap();
    assert_eq!(files(&options.path).len(), 1, "an empty file goes on");
    for round in 0..3 {
        logger.write(format!("{round}").as_bytes()).unwrap();
        logger.rotate().unwrap();
        assert_eq!(records(&options.path), [b""; 0]);
    }
    logger.write(b"last").unwrap();
    logger.close().unwrap();
    assert_eq!(logger.rotate(), Err(RotateError::Closed));
    let files = files(&options.path);
    assert_eq!(files.len(), 4, "three within a second have names of their own: {files:?}");
    assert_eq!(records_of(&files).0, [&b"0"[..], b"1", b"2", b"last"]);
}

#[test]
fn old_files_go_and_finished_ones_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let sealed = {
        let told = Arc::clone(&told);
        Arc::new(move |path: &Path| told.lock().unwrap().push(path.to_owned()))
    };
    let rotation = Rotation { keep_files: 2, sealed: Some(sealed), ..Rotation::default() };
    let options = options(&folder, rotation);
    let logger = Logger::open(&options).unwrap();
    for round in 0..5 {
        logger.write(format!("{round}").as_bytes()).unwrap();
        logger.rotate().unwrap();
    }
    logger.close().unwrap();
    let files = files(&options.path);
    assert_eq!(files.len(), 3);
    let mut told = told.lock().unwrap().clone();
    told.sort();
    assert_eq!(told.len(), 5);
    assert_eq!(told[3..], files[..2]);
}

#[test]
fn a_schedule_begins_a_new_file_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let schedule = Schedule::Every(Duration::from_millis(50));
    let options = options(&folder, Rotation { schedule, ..Rotation::default() });
    let logger = Logger::open(&options).unwrap();
    logger.write(b"old").unwrap();
    logger.flush(SOON).unwrap();
    while files(&options.path).len() == 1 {
        thread::sleep(Duration::from_millis(5));
    }
    logger.write(b"new").unwrap();
    logger.close().unwrap();
    assert_eq!(records_of(&files(&options.path)).0, [b"old", b"new"]);
}

#[test]
fn what_was_logged_before_the_time_is_in_the_file_that_ends() {
    let folder = tempfile::tempdir().unwrap();
    let schedule = Schedule::Every(Duration::from_secs(4));
    // Nothing is written to the file in between but what the schedule asks for.
    let flush_interval = Duration::from_secs(3600);
    let options = Options {
        flush_interval,
        ..options(&folder, Rotation { schedule, ..Rotation::default() })
    };
    let logger = Logger::open(&options).unwrap();
    // The time passes over an empty file, too: the next record's file lasts until the next time.
    thread::sleep(Duration::from_millis(4100));
    logger.write(b"old").unwrap();
    logger.flush(SOON).unwrap();
    logger.write(b"older").unwrap();
    thread::sleep(Duration::from_millis(100));
    assert_eq!(files(&options.path).len(), 1);
    while files(&options.path).len() == 1 {
        thread::sleep(Duration::from_millis(5));
    }
    logger.write(b"new").unwrap();
    logger.close().unwrap();
    let files = files(&options.path);
    assert_eq!(records(&files[0]), [&b"old"[..], b"older"]);
    assert_eq!(records_of(&files).0, [&b"old"[..], b"older", b"new"]);
}

#[test]
fn a_schedule_goes_on_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let schedule = Schedule::Every(Duration::from_secs(4));
    let options = options(&folder, Rotation { schedule, ..Rotation::default() });
    for (round, names) in [(0u64, 1), (1, 1), (2, 2)] {
        if round == 2 {
            thread::sleep(Duration::from_millis(4100));
        }
        let logger = Logger::open(&options).unwrap();
        logger.write(&round.to_le_bytes()).unwrap();
        logger.close().unwrap();
        assert_eq!(files(&options.path).len(), names, "round {round}");
    }
    let files = files(&options.path);
    assert_eq!(numbers(&files[..1]), [0, 1]);
    assert_eq!(numbers(&files[1..]), [2]);
}

#[test]
fn a_scheduled_rotation_that_fails_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (layer, faults) = FaultLayer::new();
    let schedule = Schedule::Every(Duration::from_secs(3));
    let options =
        Options { layer, ..options(&folder, Rotation { schedule, ..Rotation::default() }) };
    let logger = Logger::open(&options).unwrap();
    let began = std::time::Instant::now();
    faults.plan(Op::Rename, 0, 1, Fault::Error(13));
    logger.write(b"one").unwrap();
    while files(&options.path).len() == 1 {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(logger.stats().flush_errors > 0);
    // Sooner than the next time by the schedule.
    assert!(began.elapsed() < Duration::from_secs(6));
    logger.close().unwrap();
}

#[test]
fn a_log_that_was_moved_away_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder, Rotation::default());
    let logger = Logger::open(&options).unwrap();
    logger.write(b"old").unwrap();
    logger.flush(SOON).unwrap();
    let moved = folder.path().join("moved.log");
    fs::rename(&options.path, &moved).unwrap();
    logger.rotate().unwrap();
    logger.write(b"new").unwrap();
    logger.flush(SOON).unwrap();
    assert_eq!(records(&moved), [b"old"]);
    fs::remove_file(&options.path).unwrap();
    // Without a call it is noticed within a second of passes.
    while !options.path.exists() {
        logger.write(b"again").unwrap();
        logger.flush(SOON).unwrap();
        thread::sleep(Duration::from_millis(50));
    }
    logger.close().unwrap();
}

#[test]
fn a_rotation_that_fails_leaves_the_old_file_going() {
    let folder = tempfile::tempdir().unwrap();
    let (layer, faults) = FaultLayer::new();
    let options = Options { layer, ..options(&folder, Rotation::default()) };
    let logger = Logger::open(&options).unwrap();
    logger.write(b"one").unwrap();
    faults.plan(Op::Rename, 0, 1, Fault::Error(13));
    assert_eq!(logger.rotate(), Err(RotateError::Io(13)));
    logger.write(b"two").unwrap();
    logger.close().unwrap();
    assert_eq!(files(&options.path).len(), 1);
    assert_eq!(records(&options.path), [b"one", b"two"]);
}

#[test]
fn rotation_and_shared_staging_go_together() {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation { size: 50_000, ..Rotation::default() };
    let options = Options { staging: StagingPolicy::Shared, ..options(&folder, rotation) };
    let logger = Logger::open(&options).unwrap();
    let offered = hammer(&logger, 4, 2000, |_, _| 100);
    logger.close().unwrap();
    balance(&logger, &offered);
    assert_eq!(records_of(&files(&options.path)).0.len(), 8000);
}

#[test]
fn drops_are_visible_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let (layer, faults) = FaultLayer::new();
    let overflow = Overflow::DropNewest;
    let drop_markers = Some(true);
    let options =
        Options { layer, overflow, drop_markers, ..options(&folder, Rotation::default()) };
    let logger = Logger::open(&options).unwrap();
    faults.plan(Op::Write, 0, u64::MAX, Fault::Error(28));
    support::write_until(&logger, &[1; 1000], Dropped::Full);
    assert_eq!(logger.write(&[1; 1000]), Err(Dropped::Full));
    assert_eq!(logger.write(&vec![1; 1 << 20]), Err(Dropped::TooLarge));
    faults.clear();
    logger.flush(SOON).unwrap();
    // Within the second after a report, drops wait for the next one; if no second passes, that is at closing.
    assert_eq!(logger.write(&vec![1; 1 << 20]), Err(Dropped::TooLarge));
    logger.flush(SOON).unwrap();
    logger.close().unwrap();
    let (records, markers) = records_of(&files(&options.path));
    assert_eq!(records.len() as u64, logger.stats().accepted);
    let told = |cause: Dropped| -> u64 {
        markers.iter().filter(|m| m.cause == cause as u32).map(|m| m.dropped).sum()
    };
    assert_eq!((told(Dropped::Full), told(Dropped::TooLarge)), (2, 2), "{markers:?}");
    assert!(markers.len() <= 4, "each drop is told at most once: {markers:?}");
    assert!(markers.iter().all(|m| m.since_ns > 0 && m.since_ns <= m.until_ns));
    let too_large: Vec<_> =
        markers.iter().filter(|m| m.cause == Dropped::TooLarge as u32).collect();
    for pair in too_large.windows(2) {
        let follow = pair[0].since_ns < pair[1].since_ns && pair[1].since_ns <= pair[0].until_ns;
        assert!(follow, "a report covers no time twice and leaves none out: {markers:?}");
    }
    assert!(markers[0].shard < 8, "one shard was full: {markers:?}");
}

#[test]
fn numbers_go_on_after_a_restart_with_an_empty_file() {
    let numbers = |path: &Path| {
        let mut reader = Reader::open(path, ReadOptions::default()).unwrap();
        let mut numbers = Vec::new();
        while let Some(item) = reader.next_item().unwrap() {
            let Item::Record(record) = item else { panic!("{item:?}") };
            numbers.push(record.sequence);
        }
        numbers
    };
    for compress in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (told, finished) = mpsc::channel();
        let told = Mutex::new(told);
        let sealed: Sealed = Arc::new(move |_: &Path| told.lock().unwrap().send(()).unwrap());
        let rotation = Rotation { sealed: Some(sealed), compress, ..Rotation::default() };
        let options = options(&folder, rotation);
        for run in 0..3 {
            let logger = Logger::open(&options).unwrap();
            logger.write(b"a").unwrap();
            logger.write(b"b").unwrap();
            logger.flush(SOON).unwrap();
            assert_eq!(numbers(&options.path), [2 * run, 2 * run + 1]);
            logger.rotate().unwrap();
            finished.recv_timeout(SOON).unwrap();
            logger.close().unwrap();
            assert_eq!(fs::metadata(&options.path).unwrap().len(), 0);
        }
        let packed =
            files(&options.path).iter().filter(|f| f.extension().unwrap() == "zst").count();
        assert_eq!(packed, if compress { 3 } else { 0 });
    }
}

/// What is in the files, compressed or not, which are the log's oldest first.
fn unpacked(log: &Path) -> Vec<PathBuf> {
    let target = log.parent().unwrap().join("unpacked");
    let found = files(log);
    fs::create_dir(&target).unwrap();
    let unpack = |path: &PathBuf| {
        let to = target.join(path.file_name().unwrap());
        if path.extension().is_some_and(|extension| extension == "zst") {
            let packed = fs::File::open(path).unwrap();
            let mut whole = ruzstd::decoding::StreamingDecoder::new(packed).unwrap();
            std::io::copy(&mut whole, &mut fs::File::create(&to).unwrap()).unwrap();
        } else {
            fs::copy(path, &to).unwrap();
        }
        to
    };
    found.iter().map(unpack).collect()
}

#[test]
fn finished_files_are_compressed_and_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let sealed: Sealed = {
        let told = Arc::clone(&told);
        Arc::new(move |path| told.lock().unwrap().push(path.to_owned()))
    };
    let rotation =
        Rotation { size: 200_000, compress: true, sealed: Some(sealed), ..Rotation::default() };
    let options = options(&folder, rotation);
    let logger = Logger::open(&options).unwrap();
    let offered = hammer(&logger, 4, 5000, |_, _| 100);
    logger.rotate().unwrap();
    loop {
        let stats = logger.stats();
        assert_eq!(stats.last_error, None);
        if stats.files_finished > 0 && stats.files_compressed == stats.files_finished {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    logger.close().unwrap();
    balance(&logger, &offered);
    let found = files(&options.path);
    let mut told = told.lock().unwrap().clone();
    told.sort();
    assert_eq!(told, found[..found.len() - 1]);
    assert!(told.iter().all(|path| path.to_str().unwrap().ends_with(".zst")));
    judge_files(&unpacked(&options.path), &offered);
}

#[test]
fn closing_does_not_wait_for_compression_and_loses_nothing() {
    for round in 0..if long() { 200 } else { 20 } {
        let folder = tempfile::tempdir().unwrap();
        let rotation = Rotation { size: 100_000, compress: true, ..Rotation::default() };
        let options = options(&folder, rotation);
        let logger = Logger::open(&options).unwrap();
        let offered = hammer(&logger, 2, 1000 + 100 * round, |_, _| 100);
        logger.close().unwrap();
        let found = files(&options.path);
        let is_part = |path: &PathBuf| path.to_str().unwrap().ends_with(".part");
        assert!(!found.iter().any(is_part), "{found:?}");
        judge_files(&unpacked(&options.path), &offered);
    }
}

/// The records of the files, each of which is a number. The first files of the log may be gone.
fn numbers(paths: &[PathBuf]) -> Vec<u64> {
    let mut found = Vec::new();
    for path in paths {
        let mut reader = Reader::open(path, ReadOptions::default()).unwrap();
        while let Some(item) = reader.next_item().unwrap() {
            let Item::Record(record) = item else { panic!("damage in {}", path.display()) };
            found.push(u64::from_le_bytes(record.data.try_into().unwrap()));
        }
    }
    found
}

#[test]
fn retention_keeps_the_newest_whatever_the_pace() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder, Rotation { keep_files: 3, ..Rotation::default() });
    let logger = Logger::open(&options).unwrap();
    for number in 0..50u64 {
        logger.write(&number.to_le_bytes()).unwrap();
        logger.rotate().unwrap();
    }
    logger.close().unwrap();
    assert_eq!(numbers(&files(&options.path)), [47, 48, 49]);
}

#[test]
fn retention_counts_compressed_files() {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation { compress: true, keep_files: 3, ..Rotation::default() };
    let options = options(&folder, rotation);
    let logger = Logger::open(&options).unwrap();
    for number in 0..10u64 {
        logger.write(&number.to_le_bytes()).unwrap();
        logger.rotate().unwrap();
        while logger.stats().files_compressed <= number {
            assert_eq!(logger.stats().last_error, None);
            thread::sleep(Duration::from_millis(1));
        }
    }
    logger.close().unwrap();
    // The current file is empty.
    assert_eq!(numbers(&unpacked(&options.path)), [7, 8, 9]);
}

#[test]
fn old_files_go_at_opening_and_when_nothing_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let plain = options(&folder, Rotation::default());
    let logger = Logger::open(&plain).unwrap();
    for number in 0..4u64 {
        logger.write(&number.to_le_bytes()).unwrap();
        logger.rotate().unwrap();
    }
    logger.close().unwrap();
    let rotation =
        Rotation { keep_files: 3, keep_for: Duration::from_secs(2), ..Rotation::default() };
    let logger = Logger::open(&options(&folder, rotation)).unwrap();
    assert_eq!(files(&plain.path).len(), 4);
    while files(&plain.path).len() > 1 {
        thread::sleep(Duration::from_millis(20));
    }
    logger.close().unwrap();
}

#[test]
fn a_callback_of_a_finished_file_may_use_the_logger() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Mutex::new(None::<Logger>));
    let (tell, told) = mpsc::channel();
    let sealed: Sealed = {
        let (place, first) = (Arc::clone(&place), AtomicBool::new(true));
        Arc::new(move |_| {
            if !first.swap(false, Ordering::Relaxed) {
                return;
            }
            let Some(logger) = &*place.lock().unwrap() else { return };
            let wrote = logger.write(b"from inside");
            let answers = (wrote, logger.flush(SOON), logger.rotate(), logger.close());
            tell.send(answers).unwrap();
        })
    };
    let options = options(&folder, Rotation { sealed: Some(sealed), ..Rotation::default() });
    let logger = Logger::open(&options).unwrap();
    *place.lock().unwrap() = Some(logger.share());
    logger.write(b"one").unwrap();
    logger.rotate().unwrap();
    let answers = (Ok(()), Ok(()), Ok(()), Err(CloseError::InCallback));
    assert_eq!(told.recv_timeout(SOON).unwrap(), answers);
    logger.close().unwrap();
    assert_eq!(records_of(&files(&options.path)).0, [&b"one"[..], b"from inside"]);
}

#[test]
fn closing_and_a_flush_in_a_callback_do_not_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Mutex::new(None::<Logger>));
    let (tell, told) = mpsc::channel();
    let sealed: Sealed = {
        let place = Arc::clone(&place);
        Arc::new(move |_| {
            // Closing has ended all but its wait for this.
            thread::sleep(Duration::from_millis(200));
            let Some(logger) = place.lock().unwrap().take() else { return };
            tell.send((logger.write(b"late"), logger.flush(SOON), logger.rotate())).unwrap();
        })
    };
    let options = options(&folder, Rotation { sealed: Some(sealed), ..Rotation::default() });
    let logger = Logger::open(&options).unwrap();
    *place.lock().unwrap() = Some(logger.share());
    logger.write(b"one").unwrap();
    logger.rotate().unwrap();
    logger.close().unwrap();
    let answers = (Err(Dropped::Closed), Ok(()), Err(RotateError::Closed));
    // Closing has waited for the callback.
    assert_eq!(told.try_recv().unwrap(), answers);
}
