//! Every fault with every policy and number of threads: nothing that was accepted is lost, torn or doubled, and what is not
//! accepted is counted. The crate's own reader is the judge.
//!
//! The full matrix takes some minutes: `FLIGHTRING_LONG=1 cargo test -p flightring-logger --test matrix`. With
//! `FLIGHTRING_TABLE=<file>` it writes its table there (`docs/faults.md`).

#![allow(clippy::unwrap_used, reason = "tests may stop where they stand")]

mod support;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use flightring_blockfile::testing::{Fault, FaultLayer, Faults, Op};
use flightring_blockfile::{Item, ReadOptions, Reader};
use flightring_logger::{
    CloseError, FlushError, Logger, Options, Overflow, Rotation, StagingPolicy,
};
use support::{Offered, balance, hammer, long};

const EINTR: i32 = 4;
const EIO: i32 = 5;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;
const MIB: usize = 1 << 20;
const SOON: Duration = Duration::from_secs(60);

/// What is wrong with the device.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Nothing,
    /// No space, until several flushes have failed.
    Full,
    /// No space, and none to come.
    FullForGood,
    /// Writes fail, until several flushes have.
    Broken,
    /// Three writes of ten fail with EIO or EINTR, or are cut short.
    Flaky,
    /// Every other write is interrupted.
    Interrupted,
    /// Every write is cut short.
    Short,
    /// The first write is refused with EINVAL, as by a file system that takes no direct I/O after all.
    NotDirect,
    /// A write takes 20 ms.
    Slow,
    /// Files are rotated every 200 kB, and renaming fails at first.
    NoRename,
}

const TROUBLES: [(Trouble, &str); 10] = [
    (Trouble::Nothing, "none"),
    (Trouble::Full, "ENOSPC for a while"),
    (Trouble::FullForGood, "ENOSPC to the end"),
    (Trouble::Broken, "EIO for a while"),
    (Trouble::Flaky, "EIO, EINTR, short at random"),
    (Trouble::Interrupted, "EINTR"),
    (Trouble::Short, "short writes"),
    (Trouble::NotDirect, "EINVAL from O_DIRECT"),
    (Trouble::Slow, "slow disk"),
    (Trouble::NoRename, "rename fails"),
];

const POLICIES: [(Overflow, &str); 3] = [
    (Overflow::DropNewest, "drop"),
    (Overflow::Block, "block"),
    (Overflow::BlockFor(Duration::from_millis(2)), "block 2 ms"),
];

impl Trouble {
    fn begin(self, faults: &Faults) {
        let writes = |times, fault| faults.plan(Op::Write, 0, times, fault);
        match self {
            Self::Nothing => {}
            Self::Full | Self::FullForGood => faults.set_free_space(Some(300_000)),
            Self::Broken => writes(u64::MAX, Fault::Error(EIO)),
            Self::Flaky => {
                let fault = [Fault::Error(EIO), Fault::Error(EINTR), Fault::Short(1000)];
                faults.set_chaos(7, 300, &fault);
            }
            Self::Interrupted => {
                for _ in 0..1000 {
                    faults.plan(Op::Write, 1, 1, Fault::Error(EINTR));
                }
            }
            Self::Short => writes(2000, Fault::Short(4096)),
            Self::NotDirect => writes(1, Fault::Error(EINVAL)),
            Self::Slow => writes(u64::MAX, Fault::Delay(Duration::from_millis(20))),
            Self::NoRename => faults.plan(Op::Rename, 0, 5, Fault::Error(EIO)),
        }
    }

    /// Whether it has to end before a blocking writer gets any further.
    fn is_blocking(self) -> bool {
        matches!(self, Self::Full | Self::Broken | Self::FullForGood)
    }
}

struct Cell {
    trouble: Trouble,
    policy: Overflow,
    threads: u32,
    buffer: usize,
    frame: usize,
}

/// What came of a cell, all exact.
struct Outcome {
    offered: u64,
    accepted: u64,
    dropped: u64,
    failed_flushes: u64,
    unwritten: u64,
    decoded: u64,
}

/// Sealed files, oldest first, and the current one.
fn files(log: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(log.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path != log).collect();
    found.sort();
    found.push(log.to_owned());
    found
}

/// What the reader finds, which must be sound: each thread's numbers, in the order of the files.
fn decode(files: &[PathBuf], threads: usize) -> Vec<Vec<u64>> {
    let mut found = vec![Vec::new(); threads];
    for path in files {
        let mut reader = Reader::open(path, ReadOptions::default()).unwrap();
        while let Some(item) = reader.next_item().unwrap() {
            let Item::Record(record) = item else { panic!("damage in {}", path.display()) };
            let thread = u32::from_le_bytes(record.data[..4].try_into().unwrap());
            let number = u64::from_le_bytes(record.data[4..12].try_into().unwrap());
            let mut whole = Vec::new();
            support::make(thread, number, record.data.len(), &mut whole);
            assert!(record.data == whole, "a torn record of thread {thread}");
            found[thread as usize].push(number);
        }
    }
    found
}

/// Each thread's records are in the files, once and in order; of a log that could not be written to the end, the first.
fn judge(offered: &[Offered], found: &[Vec<u64>], unwritten: u64) {
    for (thread, (offered, found)) in offered.iter().zip(found).enumerate() {
        let expected = &offered.accepted[..found.len().min(offered.accepted.len())];
        assert!(expected == found, "thread {thread}: not what was accepted, or not in order");
    }
    let accepted: u64 = offered.iter().map(|one| one.accepted.len() as u64).sum();
    let decoded: u64 = found.iter().map(|one| one.len() as u64).sum();
    assert_eq!(accepted, decoded + unwritten);
}

fn run(cell: &Cell, records: u64) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let (layer, faults) = FaultLayer::new();
    let rotation = match cell.trouble {
        Trouble::NoRename => Rotation { size: 200_000, ..Rotation::default() },
        _ => Rotation::default(),
    };
    let options = Options {
        buffer_size: cell.buffer,
        largest_frame: cell.frame,
        overflow: cell.policy,
        flush_interval: Duration::from_millis(5),
        stats_folder: None,
        rotation,
        layer,
        ..Options::new(folder.path().join("x.log"))
    };
    let logger = Logger::open(&options).unwrap();
    cell.trouble.begin(&faults);
    let hammered = AtomicBool::new(false);
    let offered = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            // The trouble lasts until it was felt, or there is nothing more to feel.
            while cell.trouble.is_blocking()
                && logger.stats().flush_errors < 3
                && !(hammered.load(Ordering::Acquire) && logger.stats().in_memory == 0)
            {
                thread::sleep(Duration::from_millis(1));
            }
            match cell.trouble {
                Trouble::FullForGood => drop(logger.close()),
                trouble if trouble.is_blocking() => faults.clear(),
                _ => {}
            }
        });
        let each = records / u64::from(cell.threads);
        let offered = hammer(&logger, cell.threads, each, |thread, n| {
            12 + ((n * 7 + u64::from(thread)) % 180) as usize
        });
        hammered.store(true, Ordering::Release);
        watcher.join().unwrap();
        offered
    });
    if cell.trouble != Trouble::FullForGood {
        faults.clear();
    }
    let unwritten = match logger.close() {
        Ok(()) => 0,
        Err(CloseError::Unwritten { records, errno, .. }) => {
            assert!(cell.trouble == Trouble::FullForGood && errno == ENOSPC);
            records
        }
        Err(other) => panic!("{other}"),
    };
    balance(&logger, &offered);
    let found = decode(&files(&options.path), offered.len());
    judge(&offered, &found, unwritten);
    let stats = logger.stats();
    assert_eq!(stats.in_memory, unwritten);
    Outcome {
        offered: stats.offered,
        accepted: stats.accepted,
        dropped: stats.dropped,
        failed_flushes: stats.flush_errors,
        unwritten,
        decoded: found.iter().map(|one| one.len() as u64).sum(),
    }
}

/// The cells: threads and policies at the smallest buffer, and some buffers beyond.
fn cells(trouble: Trouble) -> Vec<Cell> {
    let threads: &[u32] = if long() { &[1, 8, 50, 200] } else { &[1, 12] };
    let mut cells = Vec::new();
    for &(policy, _) in &POLICIES {
        for &threads in threads {
            // The buffer is too small for frames of the usual size; with small ones it is divided.
            cells.push(Cell { trouble, policy, threads, buffer: MIB, frame: 4 * MIB });
            cells.push(Cell { trouble, policy, threads, buffer: MIB, frame: 16 << 10 });
        }
    }
    if long() {
        for buffer in [16 * MIB, 256 * MIB] {
            for &(policy, _) in &POLICIES {
                cells.push(Cell { trouble, policy, threads: 8, buffer, frame: 4 * MIB });
            }
        }
    }
    cells
}

#[test]
fn no_fault_loses_or_doubles_what_was_accepted() {
    let records = if long() { 100_000 } else { 12_000 };
    let mut table = String::from(
        "| fault | policy | threads | buffer, MiB | frames, KiB | offered | accepted | dropped | failed flushes | unwritten | decoded |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (trouble, name) in TROUBLES {
        for cell in cells(trouble) {
            let policy = POLICIES.iter().find(|(policy, _)| *policy == cell.policy).unwrap().1;
            let Outcome { offered, accepted, dropped, failed_flushes, unwritten, decoded } =
                run(&cell, records);
            writeln!(
                table,
                "| {name} | {policy} | {} | {} | {} | {offered} | {accepted} | {dropped} | {failed_flushes} | \
                 {unwritten} | {decoded} |",
                cell.threads,
                cell.buffer / MIB,
                // What eight shards of that size are divided into.
                match cell.frame.min(cell.buffer / 8 / 2) {
                    frame if frame >= cell.frame / 4 => (frame / 1024).to_string(),
                    _ => "none".to_owned(),
                },
            )
            .unwrap();
        }
    }
    println!("{table}");
    if let Some(path) = std::env::var_os("FLIGHTRING_TABLE") {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let kept = text.split("| fault ").next().unwrap();
        fs::write(path, format!("{kept}{table}")).unwrap();
    }
}

/// A file system in memory of a few megabytes; None where the test may not mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(bytes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={bytes}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "flightring-test"])
            .arg(folder.path())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            eprintln!("skipped: no file system can be mounted here");
            return None;
        }
        Some(Self(folder))
    }

    /// Takes up all space that is left, until the file is removed.
    fn fill(&self) -> PathBuf {
        let path = self.0.path().join("hog");
        let mut hog = File::create(&path).unwrap();
        for size in [64 * 1024, 4096] {
            while hog.write_all(&vec![1; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_disk_that_is_really_full() {
    let Some(disk) = SmallDisk::new(8 * MIB) else { return };
    let path = disk.0.path().join("x.log");
    let options = Options { buffer_size: MIB, ..Options::new(&path) };
    let logger = Logger::open(&options).unwrap();
    let mut offered = hammer(&logger, 4, 1000, |_, _| 100);
    logger.flush(SOON).unwrap();
    let hog = disk.fill();
    let more = hammer(&logger, 4, 20_000, |_, _| 100);
    assert_eq!(logger.flush(SOON), Err(FlushError::Io(ENOSPC)));
    let stats = logger.stats();
    assert!(stats.dropped > 0 && stats.in_memory > 0);
    assert_eq!(stats.last_error.unwrap().errno, ENOSPC);
    fs::remove_file(hog).unwrap();
    logger.flush(SOON).unwrap();
    logger.close().unwrap();
    for (all, more) in offered.iter_mut().zip(more) {
        all.accepted.extend(more.accepted);
        all.dropped += more.dropped;
    }
    balance(&logger, &offered);
    support::judge(&path, &offered);
}

fn staged(folder: &Path, disk: &SmallDisk, buffer_size: usize) -> Options {
    Options {
        buffer_size,
        shards: 2,
        overflow: Overflow::Block,
        staging: StagingPolicy::Shared,
        staging_folder: disk.0.path().to_owned(),
        stats_folder: Some(disk.0.path().to_owned()),
        ..Options::new(folder.join("x.log"))
    }
}

#[test]
fn no_room_in_shared_memory_is_said_and_survived() {
    let Some(disk) = SmallDisk::new(MIB) else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = staged(folder.path(), &disk, 4 * MIB);
    let logger = Logger::open(&options).unwrap();
    let stats = logger.stats();
    assert_eq!((stats.staged, stats.staging_errno), (false, ENOSPC));
    assert_eq!(stats.last_error.unwrap().errno, ENOSPC);
    assert!(logger.open_report().staging_refused.is_some());
    let offered = hammer(&logger, 4, 5000, |_, _| 100);
    logger.close().unwrap();
    balance(&logger, &offered);
    support::judge(&options.path, &offered);
    assert_eq!(fs::read_dir(disk.0.path()).unwrap().count(), 0, "nothing is left there");
}

#[test]
fn shared_memory_that_fills_up_later_does_no_harm() {
    let Some(disk) = SmallDisk::new(8 * MIB) else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = staged(folder.path(), &disk, 4 * MIB);
    let logger = Logger::open(&options).unwrap();
    assert!(logger.stats().staged);
    disk.fill();
    // Every byte of the buffer is used, which would end the process if it were not reserved.
    let offered = hammer(&logger, 4, 50_000, |_, _| 100);
    logger.close().unwrap();
    balance(&logger, &offered);
    support::judge(&options.path, &offered);
}
