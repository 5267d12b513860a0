//! Many monitors, many followers over HTTP, some of them slow, some cut off and resumed: whatever a follower got is what
//! was written at that offset, and what it did not get it was told. `FLIGHTRING_LONG=1` makes it long.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use flightring_monitor::{Hub, Options as MonitorOptions, Stream};
use flightring_serve::App;
use flightring_serve::http::{Options, Server};
use serde_json::Value as Json;

/// Lines of 16 bytes: what stands at an offset follows from the offset.
const LINE: u64 = 16;

fn line(number: u64) -> String {
    format!("{number:015}\n")
}

fn written_at(offset: u64, len: u64) -> String {
    let first = offset / LINE;
    let text: String = (first..=(offset + len) / LINE).map(line).collect();
    let from = (offset % LINE) as usize;
    text[from..from + len as usize].to_owned()
}

#[derive(Default)]
struct Totals {
    received: AtomicU64,
    skipped: AtomicU64,
    resumed: AtomicU64,
}

/// Follows one monitor until it ends, and checks every byte. Whoever is slow pauses now and then; whoever is cut off comes
/// again with the offset it got to.
fn follow(address: SocketAddr, name: &str, index: u64, totals: &Totals, stop: &AtomicBool) {
    let mut at = 0;
    'connections: loop {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let target = format!("/logs/stream/{name}?format=chunks&since={at}");
        write!(&socket, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut reader = BufReader::new(&socket);
        let mut text = String::new();
        for count in 0_u64.. {
            text.clear();
            match reader.read_line(&mut text) {
                // Dropped for being too slow, or the server is gone: the rest is asked for.
                Ok(0) | Err(_) if stop.load(Ordering::SeqCst) => return,
                Ok(0) | Err(_) => continue 'connections,
                Ok(_) => {}
            }
            // Heads, chunk sizes and signs of life are no records.
            let Ok(record @ Json::Object(_)) = serde_json::from_str::<Json>(&text) else {
                assert!(!text.starts_with("HTTP/1.1 4"), "{text}");
                continue;
            };
            if record["end"] == true {
                return;
            }
            let (offset, next) =
                (record["offset"].as_u64().unwrap(), record["next"].as_u64().unwrap());
            assert_eq!(offset, at, "{name}: nothing is left out and nothing is doubled");
            if let Some(gap) = record["gap"].as_u64() {
                assert_eq!(gap, next - offset);
                totals.skipped.fetch_add(gap, Ordering::Relaxed);
            } else {
                assert_eq!(
                    record["data"].as_str().unwrap(),
                    written_at(offset, next - offset),
                    "{name} at {offset}"
                );
                totals.received.fetch_add(next - offset, Ordering::Relaxed);
            }
            at = next;
            if index.is_multiple_of(5) && !stop.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
            }
            if index % 7 == 3 && count % 50 == 49 {
                totals.resumed.fetch_add(1, Ordering::Relaxed);
                continue 'connections;
            }
        }
    }
}

#[test]
fn every_follower_gets_what_was_written_or_is_told_what_it_missed() {
    let long = std::env::var_os("FLIGHTRING_LONG").is_some();
    let (monitors, followers, time) =
        if long { (200, 1000, Duration::from_secs(60)) } else { (6, 40, Duration::from_secs(2)) };
    let hub = Arc::new(Hub::new());
    let mut options = Options::default();
    options.limits.connections = followers + 50;
    options.limits.stall = Duration::from_secs(2);
    let server = Server::start(options, Arc::new(App::new().with_hub(Arc::clone(&hub)))).unwrap();
    let address = server.address();
    let small = || MonitorOptions { capacity: 16 * 1024, ..MonitorOptions::default() };
    let names: Vec<String> = (0..monitors).map(|i| format!("group/{i}")).collect();
    let opened: Vec<_> = names.iter().map(|name| hub.open(name, small()).unwrap()).collect();

    let totals = Arc::new(Totals::default());
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..followers)
        .map(|i| {
            let (name, totals, stop) =
                (names[i % monitors].clone(), Arc::clone(&totals), Arc::clone(&stop));
            let body = move || follow(address, &name, i as u64, &totals, &stop);
            thread::Builder::new().stack_size(256 << 10).spawn(body).unwrap()
        })
        .collect();

    let writers: Vec<_> = opened
        .chunks(opened.len().div_ceil(3))
        .map(|some| {
            let some = some.to_vec();
            thread::spawn(move || {
                let begin = Instant::now();
                let mut number = 0;
                while begin.elapsed() < time {
                    for monitor in &some {
                        // Bursts of different length, cut anywhere.
                        let burst: String = (number..number + 50).map(line).collect();
                        let (first, second) = burst.split_at((number as usize * 7) % burst.len());
                        monitor.write(Stream::Stdout, first.as_bytes()).unwrap();
                        monitor.write(Stream::Stderr, second.as_bytes()).unwrap();
                    }
                    number += 50;
                    thread::sleep(Duration::from_millis(2));
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    // Closing lets followers have what is left, and then the end.
    opened.iter().for_each(|monitor| monitor.close());
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.join().unwrap();
    }
    assert!(totals.received.load(Ordering::Relaxed) > 0);
    assert!(totals.resumed.load(Ordering::Relaxed) > 0);
    for monitor in &opened {
        let stats = monitor.stats();
        assert!(stats.allocated <= 64 * 1024, "{stats:?}");
    }
    server.stop();
    assert_eq!(server.stats().active, 0);
    assert!(opened.iter().all(|monitor| monitor.stats().subscribers == 0));
}
