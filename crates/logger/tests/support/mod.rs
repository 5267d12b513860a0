//! What the tests share: threads that log, and a strict reading of what they left.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "tests may stop where they stand")]

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use flightring_blockfile::{HEADER_LEN, Kind, Marker, TRAILER_LEN, Trailer};
use flightring_logger::{Dropped, Logger};

/// Whether the long versions of the tests were asked for.
pub(crate) fn long() -> bool {
    std::env::var_os("FLIGHTRING_LONG").is_some()
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// All records of a file, markers left out. Every block must be intact and follow the one before it.
pub(crate) fn records(path: &Path) -> Vec<Vec<u8>> {
    records_of(&[path.to_owned()]).0
}

/// As [`records`], of several files that follow one another; and the markers.
pub(crate) fn records_of(paths: &[PathBuf]) -> (Vec<Vec<u8>>, Vec<Marker>) {
    let mut records = Vec::new();
    let mut markers = Vec::new();
    let mut previous = None;
    for path in paths {
        read(path, &mut previous, &mut records, &mut markers);
    }
    (records, markers)
}

fn read(
    path: &Path,
    previous: &mut Option<Trailer>,
    records: &mut Vec<Vec<u8>>,
    markers: &mut Vec<Marker>,
) {
    let bytes = std::fs::read(path).unwrap();
    let mut at = 0;
    while at < bytes.len() {
        let capacity = u32_at(&bytes, at);
        let valid = u32_at(&bytes, at + 4);
        assert!(capacity >= 512 && at + capacity <= bytes.len(), "block at {at} of {capacity}");
        let end = at + capacity;
        let trailer = bytes[end - TRAILER_LEN..end].try_into().unwrap();
        let trailer = Trailer::from_bytes(&trailer).expect("a trailer");
        let data = &bytes[at + HEADER_LEN..at + HEADER_LEN + valid];
        assert_eq!((trailer.capacity as usize, trailer.valid as usize), (capacity, valid));
        assert_eq!(trailer.crc_of(data), trailer.crc, "checksum of the block at {at}");
        let expected = previous.map_or((0, 0), |p| {
            let next = p.meta.next();
            (next.block_seq, next.first_record)
        });
        assert_eq!((trailer.meta.block_seq, trailer.meta.first_record), expected);
        *previous = Some(trailer);
        let mut count = 0;
        let mut record = 0;
        while record < valid {
            let n = u32_at(data, record);
            let header = trailer.meta.kind.record_header();
            let body = &data[record + 4..record + 4 + n];
            match trailer.meta.kind {
                Kind::Marker => markers.push(Marker::from_bytes(body.first_chunk().unwrap())),
                _ => records.push(body[header..].to_vec()),
            }
            record += 4 + n;
            count += 1;
        }
        assert_eq!(record, valid);
        assert_eq!(count, trailer.meta.record_count);
        at = end;
    }
}

/// A record of at least 12 bytes that names its thread and number, and whose other bytes follow from them.
pub(crate) fn make(thread: u32, number: u64, len: usize, into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(&thread.to_le_bytes());
    into.extend_from_slice(&number.to_le_bytes());
    into.resize(len.max(12), (number as u8) ^ (thread as u8));
}

/// What one thread offered, and what became of it.
#[derive(Default)]
pub(crate) struct Offered {
    pub(crate) accepted: Vec<u64>,
    pub(crate) dropped: u64,
}

/// Lets `threads` threads offer `each` records at once. `len` gives the length of a record.
pub(crate) fn hammer(
    logger: &Logger,
    threads: u32,
    each: u64,
    len: impl Fn(u32, u64) -> usize + Sync,
) -> Vec<Offered> {
    let barrier = Barrier::new(threads as usize);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let (barrier, len) = (&barrier, &len);
                scope.spawn(move || {
                    let mut offered = Offered::default();
                    let mut record = Vec::new();
                    barrier.wait();
                    for number in 0..each {
                        make(thread, number, len(thread, number), &mut record);
                        match logger.write(&record) {
                            Ok(()) => offered.accepted.push(number),
                            Err(_) => offered.dropped += 1,
                        }
                    }
                    offered
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    })
}

/// The file holds exactly what was accepted: nothing torn, lost or doubled, and each thread's records in order.
pub(crate) fn judge(path: &Path, offered: &[Offered]) {
    judge_files(&[path.to_owned()], offered);
}

/// As [`judge`], of several files that follow one another.
pub(crate) fn judge_files(paths: &[PathBuf], offered: &[Offered]) {
    let mut found: Vec<Vec<u64>> = offered.iter().map(|_| Vec::new()).collect();
    for record in records_of(paths).0 {
        let thread = u32_at(&record, 0);
        let number = u64::from_le_bytes(record[4..12].try_into().unwrap());
        let fill = (number as u8) ^ (thread as u8);
        assert!(record[12..].iter().all(|&b| b == fill), "a torn record of thread {thread}");
        found[thread].push(number);
    }
    for (thread, (found, offered)) in found.iter().zip(offered).enumerate() {
        if found != &offered.accepted {
            let first = found.iter().zip(&offered.accepted).position(|(a, b)| a != b);
            panic!(
                "thread {thread}: {} accepted, {} in the file; first difference at {first:?}",
                offered.accepted.len(),
                found.len(),
            );
        }
    }
}

/// The statistics of a closed logger agree with what the callers saw.
pub(crate) fn balance(logger: &Logger, offered: &[Offered]) {
    let accepted: u64 = offered.iter().map(|o| o.accepted.len() as u64).sum();
    let dropped: u64 = offered.iter().map(|o| o.dropped).sum();
    let stats = logger.stats();
    assert_eq!((stats.accepted, stats.dropped), (accepted, dropped), "{stats:?}");
    assert_eq!(stats.offered, accepted + dropped);
    assert_eq!(stats.accepted, stats.written + stats.in_memory);
    let shards: u64 = (0..logger.shards()).map(|i| logger.shard_stats(i).unwrap().writes).sum();
    assert_eq!(shards, accepted);
}

/// Offers one record more often than a reader would like to wait for, until it is refused for `cause`.
pub(crate) fn write_until(logger: &Logger, record: &[u8], cause: Dropped) -> u64 {
    for n in 0..10_000_000 {
        match logger.write(record) {
            Ok(()) => {}
            Err(refused) => {
                assert_eq!(refused, cause);
                return n;
            }
        }
    }
    panic!("never refused");
}
