//! A process that is killed loses nothing that was accepted, and doubles nothing, when its staging is shared.

#![allow(clippy::unwrap_used, reason = "tests may stop where they stand")]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use flightring_blockfile::testing::{Fault, FaultLayer, Op};
use flightring_logger::{Logger, Options, Overflow, StagingPolicy, recover};
use support::{long, make, records};

const THREADS: u32 = 5;

fn options(folder: &Path) -> Options {
    Options {
        buffer_size: 256 * 1024,
        shards: 2,
        overflow: Overflow::Block,
        staging: StagingPolicy::Shared,
        // Every other process divides its shards.
        largest_frame: if std::process::id().is_multiple_of(2) { 4 << 20 } else { 16 << 10 },
        ..Options::new(folder.join("x.log"))
    }
}

/// Not a test of its own: what the others start in another process, and kill.
#[test]
fn child() {
    let Some(folder) = std::env::var_os("FLR_TEST_FOLDER") else { return };
    let folder = Path::new(&folder);
    match std::env::var("FLR_TEST_MODE").unwrap().as_str() {
        "recover" => drop(recover(folder.join("x.log"))),
        "relative" => {
            std::env::set_current_dir(folder).unwrap();
            let logger = Logger::open(&Options::new("x.log")).unwrap();
            logger.write(b"before").unwrap();
            std::env::set_current_dir("/").unwrap();
            logger.rotate().unwrap();
            logger.write(b"after").unwrap();
            logger.close().unwrap();
        }
        mode if mode.starts_with("fork") => fork_and_die(folder, mode),
        mode => log_until_killed(folder, mode),
    }
}

/// Logs from several threads, and notes after each call how far it got, where a kill does not reach.
fn log_until_killed(folder: &Path, end: &str) {
    let logger = Logger::open(&options(folder)).unwrap();
    assert!(logger.open_report().staged);
    let notes = File::create(folder.join("notes")).unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (logger, notes) = (&logger, &notes);
            scope.spawn(move || {
                let mut record = Vec::new();
                for number in 0.. {
                    make(thread, number, (number * 31 % 700) as usize, &mut record);
                    logger.write(&record).unwrap();
                    let done: u64 = number + 1;
                    notes.write_at(&done.to_le_bytes(), u64::from(thread) * 8).unwrap();
                    if number == 3000 && thread == 0 {
                        match end {
                            "abort" => std::process::abort(),
                            // SAFETY: ends the process at once, whatever the threads are doing: that is the test.
                            "exit" => unsafe { libc::_exit(0) },
                            // SAFETY: as above; the runtime's own handler would let a raised signal pass.
                            "crash" => unsafe {
                                libc::signal(libc::SIGSEGV, libc::SIG_DFL);
                                libc::raise(libc::SIGSEGV)
                            },
                            _ => 0,
                        };
                    }
                }
            });
        }
    });
}

fn start(folder: &Path, mode: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env("FLR_TEST_FOLDER", folder)
        .env("FLR_TEST_MODE", mode)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Each thread's records are there from the first to the last that it noted, or one more, once and in order.
fn judge(folder: &Path) -> u64 {
    let mut found = [0u64; THREADS as usize];
    for record in records(&folder.join("x.log")) {
        let thread = u32::from_le_bytes(record[..4].try_into().unwrap()) as usize;
        let number = u64::from_le_bytes(record[4..12].try_into().unwrap());
        assert_eq!(number, found[thread], "thread {thread}");
        found[thread] += 1;
    }
    let notes = fs::read(folder.join("notes")).unwrap_or_default();
    for (thread, &found) in found.iter().enumerate() {
        let noted = notes
            .get(thread * 8..thread * 8 + 8)
            .map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
        assert!(
            found == noted || found == noted + 1,
            "thread {thread}: {noted} noted, {found} found"
        );
    }
    found.iter().sum()
}

fn staging_files(log: &Path) -> usize {
    staging_of(log).len()
}

fn staging_of(log: &Path) -> Vec<PathBuf> {
    // The names hold a hash of the path; looking at the headers finds those of this log.
    let log = log.as_os_str().as_encoded_bytes();
    fs::read_dir("/dev/shm")
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("flightring-"))
        .filter(|entry| {
            let mut path = vec![0; log.len()];
            File::open(entry.path()).is_ok_and(|f| f.read_exact_at(&mut path, 4096).is_ok())
                && path == log
        })
        .map(|entry| entry.path())
        .collect()
}

#[test]
fn killed_at_any_moment() {
    let mut total = 0;
    for round in 0..if long() { 100 } else { 10 } {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start(folder.path(), "kill");
        while !folder.path().join("notes").exists() {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_micros(round * 7919 % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        // Some recoveries are killed, too.
        for attempt in 0..round % 4 {
            let mut child = start(folder.path(), "recover");
            thread::sleep(Duration::from_micros(1000 + round * 977 % 4000 + attempt * 700));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        if round % 2 == 0 {
            recover(folder.path().join("x.log")).unwrap();
        } else {
            let logger = Logger::open(&options(folder.path())).unwrap();
            logger.close().unwrap();
        }
        total += judge(folder.path());
        assert_eq!(staging_files(&folder.path().join("x.log")), 0);
    }
    println!("{total} records, none lost, none doubled");
    assert!(total > 0);
}

#[test]
fn every_other_way_to_end() {
    for end in ["abort", "exit", "crash"] {
        let folder = tempfile::tempdir().unwrap();
        start(folder.path(), end).wait().unwrap();
        let logger = Logger::open(&options(folder.path())).unwrap();
        let recovered = &logger.open_report().recovered;
        assert_eq!(recovered.len(), 1);
        assert!(recovered[0].records > 0 && recovered[0].damaged_shards == 0, "{recovered:?}");
        logger.close().unwrap();
        assert!(judge(folder.path()) >= 3000);
    }
}

#[test]
fn staging_that_makes_no_sense_is_set_aside_and_told_of() {
    // In the header; in both commits.
    for damaged in [&[0][..], &[8192, 12288]] {
        let folder = tempfile::tempdir().unwrap();
        start(folder.path(), "exit").wait().unwrap();
        let options = options(folder.path());
        let log = &options.path;
        let staging = staging_of(log).pop().unwrap();
        let file = File::options().write(true).open(&staging).unwrap();
        damaged.iter().for_each(|&at| file.write_all_at(&[0xff; 8], at).unwrap());
        let logger = Logger::open(&options).unwrap();
        let recovered = &logger.open_report().recovered;
        let aside = recovered[0].unreadable.clone().unwrap();
        assert!(aside.exists() && recovered[0].records == 0, "{recovered:?}");
        fs::remove_file(aside).unwrap();
        logger.close().unwrap();
        assert_eq!(staging_files(log), 0);
    }
}

#[test]
fn what_closing_could_not_write_waits_for_the_next_opening() {
    let folder = tempfile::tempdir().unwrap();
    let (layer, faults) = FaultLayer::new();
    let staged = Options { layer, ..options(folder.path()) };
    let logger = Logger::open(&staged).unwrap();
    faults.plan(Op::Write, 0, u64::MAX, Fault::Error(28));
    for _ in 0..9 {
        logger.write(b"kept").unwrap();
    }
    logger.close().unwrap_err();
    drop(logger);
    assert_eq!(records(&staged.path).len(), 0);
    // As long as the disk is full, opening fails and nothing is lost.
    let error = Logger::open(&staged).unwrap_err();
    assert!(error.to_string().contains("it is kept"), "{error}");
    faults.clear();
    let logger = Logger::open(&staged).unwrap();
    assert_eq!(logger.open_report().recovered[0].records, 9);
    logger.write(b"new").unwrap();
    logger.close().unwrap();
    let mut expected = vec![b"kept".to_vec(); 9];
    expected.push(b"new".to_vec());
    assert_eq!(records(&staged.path), expected);
}

#[test]
fn a_closed_logger_leaves_no_staging() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let logger = Logger::open(&options).unwrap();
    assert_eq!(staging_files(&options.path), 1);
    logger.write(b"one").unwrap();
    logger.close().unwrap();
    assert_eq!(staging_files(&options.path), 0);
    assert_eq!(records(&options.path), [b"one"]);
}

#[test]
fn no_room_for_staging_falls_back_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    // More than any /dev/shm holds.
    let options = Options { buffer_size: 2 << 40, shards: 1024, ..options(folder.path()) };
    assert!(Logger::open(&options).is_err(), "beyond the largest buffer");
    let options = Options {
        buffer_size: 1 << 20,
        staging_folder: folder.path().join("missing"),
        shards: 2,
        ..options
    };
    let logger = Logger::open(&options).unwrap();
    let report = logger.open_report();
    assert!(!report.staged && report.staging_refused.is_some());
    logger.write(b"private").unwrap();
    logger.close().unwrap();
    assert_eq!(records(&options.path), [b"private"]);
}

#[test]
fn a_relative_path_means_the_folder_at_opening() {
    let folder = tempfile::tempdir().unwrap();
    assert!(start(folder.path(), "relative").wait().unwrap().success());
    let mut files: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|path| std::cmp::Reverse(path.clone()));
    assert_eq!(support::records_of(&files).0, [b"before".to_vec(), b"after".to_vec()]);
}

#[test]
fn a_forked_child_that_lives_on_does_not_hold_the_log() {
    for staging in [StagingPolicy::Private, StagingPolicy::Shared] {
        let folder = tempfile::tempdir().unwrap();
        let mode = if staging == StagingPolicy::Shared { "fork-staged" } else { "fork" };
        let mut child = start(folder.path(), mode);
        child.wait().unwrap();
        let orphan = fs::read_to_string(folder.path().join("orphan")).unwrap().parse().unwrap();
        let alive = || {
            let pid = rustix::process::Pid::from_raw(orphan).unwrap();
            rustix::process::test_kill_process(pid).is_ok()
        };
        assert!(alive(), "the child's child lives");
        let logger = Logger::open(&Options { staging, ..options(folder.path()) }).unwrap();
        let recovered: u64 = logger.open_report().recovered.iter().map(|one| one.records).sum();
        let expected = if staging == StagingPolicy::Shared { 3 } else { 0 };
        assert_eq!(recovered, expected, "{staging:?}");
        logger.close().unwrap();
        assert_eq!(records(&folder.path().join("x.log")).len() as u64, expected);
        assert!(alive());
        let pid = rustix::process::Pid::from_raw(orphan).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
}

/// Logs, forks a child that does nothing for a long time, and dies without closing.
fn fork_and_die(folder: &Path, mode: &str) {
    let staging =
        if mode == "fork-staged" { StagingPolicy::Shared } else { StagingPolicy::Private };
    let options = Options { staging, flush_interval: Duration::from_secs(1000), ..options(folder) };
    let logger = Logger::open(&options).unwrap();
    for _ in 0..3 {
        logger.write(b"before").unwrap();
    }
    let (there, here) = rustix::pipe::pipe().unwrap();
    // SAFETY: the child makes plain system calls, sleeps and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        rustix::io::write(&here, b"!").unwrap();
        // SAFETY: plain calls. An end of its own, in case that the test does not come to ending it.
        unsafe {
            libc::sleep(600);
            libc::_exit(0)
        }
    }
    // The child is through with fork.
    assert_eq!(rustix::io::read(&there, &mut [0; 1][..]), Ok(1));
    fs::write(folder.join("orphan"), child.to_string()).unwrap();
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(0) }
}
