//! Many named logs with one flusher and one budget.

#![allow(clippy::unwrap_used, reason = "tests may stop where they stand")]

mod support;

use std::thread;
use std::time::Duration;

use flightring_logger::{Dropped, LoggerSet, MIN_SHARD, OpenError, SetOptions};
use support::records;

const SOON: Duration = Duration::from_secs(20);

fn message<T>(result: Result<T, OpenError>) -> String {
    result.err().unwrap().to_string()
}

#[test]
fn logs_are_made_by_many_threads_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let set =
        LoggerSet::open(&SetOptions { budget: 4 << 20, ..SetOptions::new(folder.path()) }).unwrap();
    thread::scope(|scope| {
        for thread in 0..8 {
            let set = &set;
            scope.spawn(move || {
                for round in 0..50 {
                    for log in 0..10 {
                        let logger = set.get(&format!("log {log}")).unwrap();
                        logger.write(format!("{thread}:{round}").as_bytes()).unwrap();
                    }
                }
            });
        }
    });
    let expected: Vec<_> = (0..10).map(|log| format!("log_{log}")).collect();
    assert_eq!(set.names(), expected);
    assert_eq!(set.total().accepted, 4000);
    // Ten logs of 128 KiB in two shards, each with one more shard, and output buffers for all.
    assert_eq!(set.total().memory, 10 * 3 * (64 << 10) + 2 * (256 << 10));
    assert!(set.stats().iter().all(|(_, stats)| stats.accepted == 400));
    set.get("log 3").unwrap().flush(SOON).unwrap();
    set.close().unwrap();
    set.close().unwrap();
    for log in 0..10 {
        let found = records(&folder.path().join(format!("log_{log}.log")));
        assert_eq!(found.len(), 400);
        for thread in 0..8 {
            let prefix = format!("{thread}:").into_bytes();
            let own: Vec<_> = found.iter().filter(|record| record.starts_with(&prefix)).collect();
            let expected: Vec<_> =
                (0..50).map(|round| format!("{thread}:{round}").into_bytes()).collect();
            assert_eq!(own, expected.iter().collect::<Vec<_>>());
        }
    }
    assert_eq!((set.total().written, set.total().memory), (4000, 0));
}

#[test]
fn handles_outlive_the_set_but_log_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let set = LoggerSet::open(&SetOptions::new(folder.path())).unwrap();
    let (first, second) = (set.get("a/b").unwrap(), set.get("a:b").unwrap());
    first.write(b"one").unwrap();
    second.write(b"two").unwrap();
    drop(second);
    first.write(b"three").unwrap();
    drop(set);
    assert_eq!(first.write(b"late"), Err(Dropped::Closed));
    assert_eq!(first.stats().written, 3);
    assert_eq!(records(&folder.path().join("a_b.log")), [&b"one"[..], b"two", b"three"]);
}

#[test]
fn a_quiet_log_reaches_the_file_at_the_interval() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = SetOptions::new(folder.path());
    options.each.flush_interval = Duration::from_millis(20);
    let set = LoggerSet::open(&options).unwrap();
    let (quiet, busy) = (set.get("quiet").unwrap(), set.get("busy").unwrap());
    quiet.write(b"quiet").unwrap();
    while quiet.stats().written == 0 {
        let _ = busy.write(&[1; 1000]);
    }
    assert_eq!(records(&folder.path().join("quiet.log")), [b"quiet"]);
}

#[test]
fn bad_sets_and_names_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        SetOptions { most_logs: 2, budget: 2 * MIN_SHARD, ..SetOptions::new(folder.path()) };
    let small = LoggerSet::open(&SetOptions { budget: 2 * MIN_SHARD - 1, ..options.clone() });
    assert!(message(small).contains("at least 131072 bytes"));
    assert!(
        message(LoggerSet::open(&SetOptions { most_logs: 0, ..options.clone() }))
            .contains("at least 1")
    );
    let set = LoggerSet::open(&options).unwrap();
    assert!(message(set.get("")).contains("empty"));
    let (_first, _second) = (set.get("1").unwrap(), set.get("2").unwrap());
    assert!(message(set.get("3")).contains("as many as there may be"));
    set.get("1").unwrap();
    set.close().unwrap();
    assert!(message(set.get("4")).contains("closed"));
}
