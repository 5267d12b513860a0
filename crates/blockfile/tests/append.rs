//! The appender against a healthy disk, a broken one, and files that others left behind.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flightring_blockfile::testing::{Fault, FaultLayer, Faults, Op};
use flightring_blockfile::{
    AlignedBuf, AppendOptions, Appender, BlockMeta, DirectAlignment, DirectFallback, FailedStep,
    HEADER_LEN, OpenError, OpenReport, OsLayer, RotateError, SyncPolicy, TRAILER_LEN, Trailer,
    seal,
};

const EINTR: i32 = 4;
const EIO: i32 = 5;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;

/// A row of blocks, each with one raw record of the given length and fill.
fn blocks(
    first: BlockMeta,
    records: &[(usize, u8)],
    align: usize,
) -> (AlignedBuf, usize, BlockMeta) {
    let mut buf =
        AlignedBuf::new(records.iter().map(|r| r.0 + 2 * align + 72).sum(), 4096).unwrap();
    let (mut at, mut meta) = (0, first);
    for &(len, fill) in records {
        let record = &mut buf[at + HEADER_LEN..];
        record[..4].copy_from_slice(&(len as u32).to_le_bytes());
        record[4..4 + len].fill(fill);
        meta.record_count = 1;
        at += seal(&mut buf[at..], 4 + len, &meta, align).unwrap();
        meta = meta.next();
    }
    (buf, at, meta)
}

/// Steps through a file, checking every checksum, and returns the fill byte of each block's record.
fn decode(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    let (mut at, mut fills, mut seq) = (0, Vec::new(), None);
    while at < bytes.len() {
        let capacity = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let valid = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        let block = &bytes[at..at + capacity];
        let trailer =
            Trailer::from_bytes(block[capacity - TRAILER_LEN..].try_into().unwrap()).unwrap();
        assert_eq!(trailer.crc, trailer.crc_of(&block[8..8 + valid]));
        assert!(block[8 + valid..capacity - TRAILER_LEN].iter().all(|&b| b == 0));
        assert!(seq.is_none_or(|s| trailer.meta.block_seq == s + 1));
        assert_eq!(trailer.meta.first_record, trailer.meta.block_seq);
        assert!(block[13..8 + valid].iter().all(|&b| b == block[12]));
        seq = Some(trailer.meta.block_seq);
        fills.push(block[12]);
        at += capacity;
    }
    fills
}

struct Bench {
    _dir: tempfile::TempDir,
    path: PathBuf,
    layer: Arc<FaultLayer>,
    faults: Faults,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let (layer, faults) = FaultLayer::new();
        Self { _dir: dir, path, layer, faults }
    }

    fn open(&self, options: &AppendOptions) -> (Appender, OpenReport) {
        Appender::open(&self.path, options, self.layer.clone()).unwrap()
    }
}

#[test]
fn a_file_that_somebody_cut_is_continued_where_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    for preallocate in [0, 1 << 20] {
        let options = AppendOptions { preallocate, ..AppendOptions::default() };
        let (mut appender, _) = Appender::open(&path, &options, Arc::new(OsLayer)).unwrap();
        let align = appender.alignment();
        let (buf, len, meta) = blocks(BlockMeta::default(), &[(100, 1), (9000, 2)], align);
        appender.append(&buf[..len]).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(0).unwrap();
        let (buf, len, meta) = blocks(meta, &[(50, 3)], align);
        appender.append(&buf[..len]).unwrap();
        let (buf, len, _) = blocks(meta, &[(60, 4), (70, 5)], align);
        appender.append(&buf[..len]).unwrap();
        appender.finish().unwrap();
        assert_eq!(decode(&path), [3, 4, 5]);
        file.set_len(0).unwrap();
        appender.finish().unwrap();
        assert_eq!((std::fs::metadata(&path).unwrap().len(), appender.len()), (0, 0));
        drop(appender);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_is_continued_and_never_truncated() {
    let bench = Bench::new();
    let options = AppendOptions { preallocate: 1 << 20, ..AppendOptions::default() };
    let mut meta = BlockMeta { writer_id: 77, ..BlockMeta::default() };
    for round in 0..3u8 {
        let (mut appender, report) = bench.open(&options);
        assert_eq!(report.continued, appender.len());
        assert_eq!(report.damaged_tail, None);
        assert_eq!(report.last.is_some(), round > 0);
        if let Some(last) = report.last {
            assert_eq!(last.meta.next(), BlockMeta { kind: last.meta.kind, ..meta });
        }
        let (buf, len, next) = blocks(meta, &[(100, round), (5000, round)], appender.alignment());
        appender.append(&buf[..len]).unwrap();
        appender.finish().unwrap();
        meta = next;
        assert_eq!(std::fs::metadata(&bench.path).unwrap().len(), appender.len());
    }
    assert_eq!(decode(&bench.path), [0, 0, 1, 1, 2, 2]);
}

#[test]
fn every_torn_end_is_set_aside_and_the_rest_continued() {
    let (buf, len, _) = blocks(BlockMeta::default(), &[(100, 1), (600, 2), (100, 3)], 512);
    let whole = buf[..len].to_vec();
    let ends = [512, 512 + 1024, len];
    for cut in (1..len).step_by(97).chain([511, 512, 513, len - 1]) {
        let bench = Bench::new();
        std::fs::write(&bench.path, &whole[..cut]).unwrap();
        let good = ends.iter().copied().filter(|&end| end <= cut).max().unwrap_or(0);
        if good == 0 && cut < HEADER_LEN {
            continue;
        }
        let (mut appender, report) = bench.open(&AppendOptions::default());
        assert_eq!(report.continued, good as u64, "cut at {cut}");
        match report.damaged_tail {
            None => assert_eq!(good, cut),
            Some(tail) => {
                assert_eq!((tail.offset, tail.len), (good as u64, (cut - good) as u64));
                match tail.set_aside {
                    Some(aside) => assert_eq!(std::fs::read(aside).unwrap(), &whole[good..cut]),
                    None => assert!(whole[good..cut].iter().all(|&b| b == 0)),
                }
            }
        }
        let meta = report.last.map_or_else(BlockMeta::default, |last| last.meta.next());
        let (more, n, _) = blocks(meta, &[(10, 9)], appender.alignment());
        appender.append(&more[..n]).unwrap();
        let decoded = decode(&bench.path);
        assert_eq!(decoded.last(), Some(&9));
        assert_eq!(decoded.len(), ends.iter().filter(|&&end| end <= cut).count() + 1);
    }
}

#[test]
fn a_flipped_last_block_is_set_aside_and_zeros_are_cut() {
    let bench = Bench::new();
    let (buf, len, _) = blocks(BlockMeta::default(), &[(100, 1), (100, 2)], 512);
    let mut bytes = buf[..len].to_vec();
    bytes[600] ^= 1;
    std::fs::write(&bench.path, &bytes).unwrap();
    let (appender, report) = bench.open(&AppendOptions::default());
    assert_eq!((appender.len(), report.damaged_tail.unwrap().len), (512, 512));
    drop(appender);

    bytes.truncate(512);
    bytes.resize(512 + (3 << 20) + 5, 0);
    std::fs::write(&bench.path, &bytes).unwrap();
    let (_appender, report) = bench.open(&AppendOptions::default());
    let tail = report.damaged_tail.unwrap();
    assert_eq!((tail.offset, tail.len, tail.set_aside), (512, (3 << 20) + 5, None));
}

#[test]
fn a_file_of_an_older_dialect_is_continued() {
    let bench = Bench::new();
    let mut old = vec![0xAA; 1024];
    old[..8].copy_from_slice(&[0, 4, 0, 0, 9, 0, 0, 0]);
    old[8..17].copy_from_slice(&[5, 0, 0, 0, b'h', b'e', b'l', b'l', b'o']);
    std::fs::write(&bench.path, &old).unwrap();
    let (appender, report) = bench.open(&AppendOptions::default());
    assert_eq!((report.continued, report.last, report.damaged_tail), (1024, None, None));
    assert_eq!(appender.len(), 1024);
}

#[test]
fn paths_that_are_no_log_are_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let open = |path: &Path| {
        Appender::open(path, &AppendOptions::default(), Arc::new(OsLayer)).unwrap_err()
    };
    assert!(matches!(open(dir.path()), OpenError::IsDirectory(_)));
    assert!(matches!(open(Path::new("/dev/null")), OpenError::NotRegular(_)));
    let missing = open(&dir.path().join("no/such/a.log"));
    assert!(missing.to_string().contains("create its folder first"), "{missing}");
    let text = dir.path().join("notes.txt");
    std::fs::write(&text, "these are not blocks at all\n").unwrap();
    assert!(matches!(open(&text), OpenError::NotALog(_)));
    assert_eq!(std::fs::read(&text).unwrap(), b"these are not blocks at all\n");
    let options = AppendOptions { alignment: 1000, ..AppendOptions::default() };
    let bad = Appender::open(dir.path().join("b"), &options, Arc::new(OsLayer)).unwrap_err();
    assert!(matches!(bad, OpenError::BadAlignment(1000)));
}

#[test]
fn one_file_has_one_appender() {
    let bench = Bench::new();
    let (first, _) = bench.open(&AppendOptions::default());
    let second = Appender::open(&bench.path, &AppendOptions::default(), Arc::new(OsLayer));
    assert!(matches!(second.unwrap_err(), OpenError::Busy(_)));
    drop(first);
    bench.open(&AppendOptions::default());
}

/// Between `fork` and `exec` a child of another thread holds a copy of every descriptor.
#[test]
fn a_closed_log_can_be_opened_while_a_copy_of_its_descriptor_lives() {
    use std::os::fd::BorrowedFd;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.log");
    let options = AppendOptions::default();
    let (appender, _) = Appender::open(&path, &options, Arc::new(OsLayer)).unwrap();
    let fds = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let copies: Vec<_> = fds
        .filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == path))
        .map(|entry| {
            let fd = entry.file_name().to_str().unwrap().parse().unwrap();
            // SAFETY: it is a descriptor of the appender, which is alive.
            unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned().unwrap()
        })
        .collect();
    assert!(!copies.is_empty());
    drop(appender);
    Appender::open(&path, &options, Arc::new(OsLayer)).unwrap();
}

#[test]
fn interrupted_and_short_writes_are_continued() {
    for short in [1, 100, 512, 700, 1024] {
        let bench = Bench::new();
        let (mut appender, _) = bench.open(&AppendOptions::default());
        bench.faults.plan(Op::Write, 0, 2, Fault::Error(EINTR));
        bench.faults.plan(Op::Write, 0, 3, Fault::Short(short));
        bench.faults.plan(Op::Write, 1, 1, Fault::Delay(Duration::from_millis(1)));
        let (buf, len, _) =
            blocks(BlockMeta::default(), &[(3000, 1), (100, 2), (900, 3)], appender.alignment());
        appender.append(&buf[..len]).unwrap();
        assert_eq!(decode(&bench.path), [1, 2, 3], "short {short}");
    }
}

#[test]
fn a_full_disk_keeps_whole_blocks_and_the_rest_is_retried() {
    for free in [0, 100, 512, 1023, 1024, 1600, 4096] {
        let bench = Bench::new();
        let options = AppendOptions { preallocate: 1 << 16, ..AppendOptions::default() };
        let (mut appender, _) = bench.open(&options);
        let align = appender.alignment();
        let (buf, len, meta) = blocks(BlockMeta::default(), &[(100, 1), (900, 2), (100, 3)], align);
        bench.faults.set_free_space(Some(free));
        if free as usize >= len {
            continue;
        }
        let error = appender.append(&buf[..len]).unwrap_err();
        assert_eq!((error.step, error.source.raw_os_error()), (FailedStep::Write, Some(ENOSPC)));
        assert_eq!(appender.len(), error.accepted as u64);
        assert!(error.accepted <= free as usize);
        let again = appender.append(&buf[error.accepted..len]).unwrap_err();
        assert_eq!(again.accepted, 0);
        // The appender may be given up here: what is in the file is a row of whole blocks and a torn end.
        bench.faults.set_free_space(None);
        appender.append(&buf[error.accepted..len]).unwrap();
        let (buf, len, _) = blocks(meta, &[(7, 4)], align);
        appender.append(&buf[..len]).unwrap();
        appender.finish().unwrap();
        assert_eq!(decode(&bench.path), [1, 2, 3, 4], "free {free}");
    }
}

#[test]
fn a_reserve_that_there_is_no_room_for_takes_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    // More than disks have, and no more than a file may have.
    let options = AppendOptions { preallocate: 1 << 43, ..AppendOptions::default() };
    let (mut appender, _) = Appender::open(&path, &options, Arc::new(OsLayer)).unwrap();
    let (buf, len, _) = blocks(BlockMeta::default(), &[(100, 1)], appender.alignment());
    appender.append(&buf[..len]).unwrap();
    assert!(std::fs::metadata(&path).unwrap().blocks() < 2048);
    appender.finish().unwrap();
    assert_eq!(decode(&path), [1]);
}

#[test]
fn an_append_that_was_never_durable_is_repeated_as_a_whole() {
    let bench = Bench::new();
    let options = AppendOptions { sync: SyncPolicy::EachAppend, ..AppendOptions::default() };
    let (mut appender, _) = bench.open(&options);
    let (buf, len, _) = blocks(BlockMeta::default(), &[(100, 1), (100, 2)], appender.alignment());
    bench.faults.plan(Op::Sync, 0, 1, Fault::Error(EIO));
    let error = appender.append(&buf[..len]).unwrap_err();
    assert_eq!((error.step, error.accepted, appender.len()), (FailedStep::Sync, 0, 0));
    appender.append(&buf[..len]).unwrap();
    assert_eq!(decode(&bench.path), [1, 2]);
}

#[test]
fn a_failed_append_that_is_given_up_leaves_no_trace_after_finish() {
    let bench = Bench::new();
    let (mut appender, _) = bench.open(&AppendOptions::default());
    let (buf, len, meta) = blocks(BlockMeta::default(), &[(100, 1)], appender.alignment());
    appender.append(&buf[..len]).unwrap();
    bench.faults.plan(Op::Write, 0, 1, Fault::Short(512));
    bench.faults.plan(Op::Write, 0, 1, Fault::Error(EIO));
    let (buf, len, _) = blocks(meta, &[(9000, 2)], appender.alignment());
    assert_eq!(appender.append(&buf[..len]).unwrap_err().accepted, 0);
    appender.finish().unwrap();
    assert_eq!(decode(&bench.path), [1]);
}

#[test]
fn refused_direct_io_falls_back_and_says_so() {
    let write = |bench: &Bench, appender: &mut Appender| {
        let (buf, len, _) = blocks(BlockMeta::default(), &[(100, 1)], appender.alignment());
        appender.append(&buf[..len]).unwrap();
        assert_eq!(decode(&bench.path), [1]);
    };
    let bench = Bench::new();
    bench.faults.plan(Op::SetDirect, 0, 1, Fault::Error(EINVAL));
    let (mut appender, report) = bench.open(&AppendOptions::default());
    assert_eq!(report.fallback, Some(DirectFallback::Unsupported));
    assert!(!appender.is_direct());
    write(&bench, &mut appender);

    let bench = Bench::new();
    bench.faults.set_direct_alignment(DirectAlignment { memory: 512, offset: 512 });
    let (mut appender, report) = bench.open(&AppendOptions::default());
    if report.fallback.is_none() {
        assert!(appender.is_direct());
        bench.faults.plan(Op::Write, 0, 1, Fault::Error(EINVAL));
        write(&bench, &mut appender);
        assert_eq!(appender.fallback(), Some(DirectFallback::WriteRefused));
        assert!(!appender.is_direct());
    }

    let bench = Bench::new();
    bench.faults.set_direct_alignment(DirectAlignment { memory: 512, offset: 1 << 30 });
    let (_, report) = bench.open(&AppendOptions::default());
    assert_eq!(report.fallback, Some(DirectFallback::AlignmentTooLarge));

    let bench = Bench::new();
    let (buf, len, _) = blocks(BlockMeta::default(), &[(100, 1)], 512);
    std::fs::write(&bench.path, &buf[..len]).unwrap();
    bench.faults.set_direct_alignment(DirectAlignment { memory: 4096, offset: 4096 });
    let (_, report) = bench.open(&AppendOptions::default());
    assert_eq!(report.fallback, Some(DirectFallback::MisalignedEnd));
}

#[test]
fn broken_framing_never_reaches_the_file() {
    let bench = Bench::new();
    let (mut appender, _) = bench.open(&AppendOptions::default());
    let (buf, len, _) = blocks(BlockMeta::default(), &[(100, 1)], appender.alignment());
    for bad in [&buf[..len - 1], &buf[..len + 4], &buf[8..len + 8], &[0; 512]] {
        let error = appender.append(bad).unwrap_err();
        assert_eq!((error.step, error.accepted), (FailedStep::Framing, 0));
    }
    assert_eq!(bench.faults.calls(Op::Write), 0);
    appender.append(&[]).unwrap();
    assert!(appender.is_empty());
}

#[test]
fn rotation_seals_the_old_file_and_never_replaces_another() {
    let bench = Bench::new();
    let (mut appender, _) = bench.open(&AppendOptions::default());
    let (buf, len, meta) = blocks(BlockMeta::default(), &[(100, 1)], appender.alignment());
    appender.append(&buf[..len]).unwrap();

    let taken = bench.path.with_extension("taken");
    std::fs::write(&taken, "mine").unwrap();
    assert!(matches!(appender.rotate(&taken).unwrap_err(), RotateError::Rename(_)));
    assert_eq!(std::fs::read(&taken).unwrap(), b"mine");

    let sealed = bench.path.with_extension("1.log");
    bench.faults.plan(Op::Open, 0, 1, Fault::Error(EIO));
    assert!(matches!(appender.rotate(&sealed).unwrap_err(), RotateError::Open(_)));
    assert!(appender.is_current().unwrap(), "renamed back");

    appender.rotate(&sealed).unwrap();
    assert!(appender.is_empty() && appender.is_current().unwrap());
    let (buf, len, meta) = blocks(meta, &[(100, 2)], appender.alignment());
    appender.append(&buf[..len]).unwrap();
    assert_eq!((decode(&sealed), decode(&bench.path)), (vec![1], vec![2]));

    // What logrotate does.
    let moved = bench.path.with_extension("2.log");
    std::fs::rename(&bench.path, &moved).unwrap();
    assert!(!appender.is_current().unwrap());
    let (buf, len, meta) = blocks(meta, &[(100, 3)], appender.alignment());
    appender.append(&buf[..len]).unwrap();
    appender.reopen().unwrap();
    let (buf, len, _) = blocks(meta, &[(100, 4)], appender.alignment());
    appender.append(&buf[..len]).unwrap();
    assert_eq!((decode(&moved), decode(&bench.path)), (vec![2, 3], vec![4]));
}

#[test]
fn under_random_faults_every_accepted_block_is_there_once() {
    let faults = [
        Fault::Error(EINTR),
        Fault::Error(EIO),
        Fault::Error(ENOSPC),
        Fault::Error(EINVAL),
        Fault::Short(1),
        Fault::Short(513),
        Fault::Short(2048),
    ];
    for (seed, sync) in (1..=30).flat_map(|s| {
        [SyncPolicy::None, SyncPolicy::EachAppend, SyncPolicy::DurableWrites].map(|p| (s, p))
    }) {
        let bench = Bench::new();
        let options = AppendOptions { sync, ..AppendOptions::default() };
        let (mut appender, _) = bench.open(&options);
        bench.faults.set_chaos(seed, 400, &faults);
        let (mut meta, mut expected) = (BlockMeta::default(), Vec::new());
        for round in 0..8u8 {
            let fills = [(700, 2 * round), (40, 2 * round + 1)];
            let (buf, len, next) = blocks(meta, &fills, appender.alignment());
            let mut from = 0;
            while let Err(error) = appender.append(&buf[from..len]) {
                from += error.accepted;
            }
            meta = next;
            expected.extend([2 * round, 2 * round + 1]);
        }
        bench.faults.clear();
        appender.finish().unwrap();
        assert_eq!(decode(&bench.path), expected, "seed {seed} {sync:?}");
    }
}

#[test]
fn good_blocks_behind_damage_and_of_other_writers_are_kept() {
    // Two logs, one after the other, the second torn; and a flipped byte in the middle of the first.
    let bench = Bench::new();
    let first = BlockMeta { writer_id: 1, ..BlockMeta::default() };
    let second = BlockMeta { writer_id: 2, ..BlockMeta::default() };
    let (buf, len, _) = blocks(first, &[(100, 1), (100, 2), (100, 3)], 512);
    let mut bytes = buf[..len].to_vec();
    bytes[512 + 20] ^= 1;
    let (buf, len, _) = blocks(second, &[(100, 4), (2000, 5)], 512);
    bytes.extend(&buf[..len - 600]);
    std::fs::write(&bench.path, &bytes).unwrap();
    let (appender, report) = bench.open(&AppendOptions::default());
    assert_eq!(appender.len(), 4 * 512);
    assert_eq!(report.last.unwrap().meta.writer_id, 2);
    assert_eq!(report.damaged_tail.unwrap().len, bytes.len() as u64 - 4 * 512);

    // An older dialect with a broken block in its middle.
    let bench = Bench::new();
    let mut bytes = Vec::new();
    for text in *b"abc" {
        let mut old = vec![0x5A; 512];
        old[..13].copy_from_slice(&[0, 2, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, text]);
        bytes.extend(old);
    }
    bytes[512..520].fill(0xFF);
    bytes.extend([0, 2, 0, 0, 5]);
    std::fs::write(&bench.path, &bytes).unwrap();
    let (appender, report) = bench.open(&AppendOptions::default());
    assert_eq!((appender.len(), report.damaged_tail.unwrap().len), (3 * 512, 5));
}
