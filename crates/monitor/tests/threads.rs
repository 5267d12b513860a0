//! How many threads monitors take. In a process of its own, as it counts them all.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use flightring_monitor::{Hub, Options, Sink, Stream};

fn pumps() -> usize {
    let names = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default());
    names.filter(|name| name.trim() == "flr-pump").count()
}

/// Threads name themselves, so it takes a moment.
fn expect(count: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while pumps() != count && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    // And stays so.
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(pumps(), count);
}

#[test]
fn a_hub_has_one_thread_and_one_for_each_sink_that_may_be_slow() {
    let hub = Hub::new();
    let mut writers = Vec::new();
    let mut open = |name: &str, sink: Option<Sink>| {
        let monitor = hub.open(name, Options { sink, ..Options::default() }).unwrap();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let (reader, writer) = std::io::pipe().unwrap();
            monitor.attach(stream, reader.into()).unwrap();
            writers.push(writer);
        }
        monitor
    };
    for i in 0..50 {
        open(&format!("plain/{i}"), None);
    }
    expect(1);
    let group = open("group", Some(Sink::Stdout));
    for i in 0..50 {
        open(&format!("stdout/{i}"), Some(Sink::Stdout));
        open(&format!("member/{i}"), Some(Sink::Monitor(Arc::clone(&group))));
    }
    expect(2);
    for i in 0..3 {
        open(&format!("callback/{i}"), Some(Sink::Callback(Box::new(|_, _| Ok(())))));
    }
    expect(5);
    drop((hub, group));
    expect(0);
}
