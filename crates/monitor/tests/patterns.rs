//! What kinds of lines a process writes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use flightring_monitor::{Masker, Mode, Monitor, Options, Stream, SummaryOptions};

#[test]
fn patterns_are_counted_while_lines_come() {
    let monitor = Monitor::new("m", Options::default()).unwrap();
    monitor.write(Stream::Stdout, b"job 1 do").unwrap();
    assert!(monitor.top_patterns(5).is_none() && !monitor.counts_patterns());
    let (masker, options) = (Masker::new(Mode::Typed), SummaryOptions::default());
    monitor.count_patterns(&masker, &options).unwrap();
    monitor.count_patterns(&masker, &options).unwrap();
    monitor.write(Stream::Stderr, b"error 7\n").unwrap();
    monitor.write(Stream::Stdout, b"ne\njob 2 done\n").unwrap();
    // A line that is cut counts once.
    monitor.write(Stream::Stdout, &[b"x".repeat(40_000), b"\nlast".to_vec()].concat()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while monitor.top_patterns(0).unwrap().lines < 4 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(monitor.stats().subscribers, 0, "the counter is the monitor's own");
    let counts = monitor.top_patterns(2).unwrap();
    assert_eq!((counts.lines, counts.patterns, counts.other, counts.skipped), (4, 3, 0, 0));
    assert_eq!((counts.top[0].pattern.as_str(), counts.top[0].count), ("job <num> done", 2));
    assert_eq!(counts.top[1].pattern, "error <num>");
    // The last partial line counts when the monitor is closed.
    monitor.close();
    while monitor.top_patterns(0).unwrap().lines < 5 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(monitor.top_patterns(0).unwrap().lines, 5);
}
