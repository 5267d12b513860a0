//! One writer, four readers that copy: what an insert takes, at the median and in the tail. Readers of metric points hold
//! the lock of one series for as long as they copy some kilobytes, so they have a line of their own.

use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::{Candidate, Ours, Points, Stream, origin::Origin};

const CAPACITY: usize = 10_000;
const INSERTS: usize = 200_000;

/// Sorted nanoseconds of each insert.
fn percentiles(mut times: Vec<u64>) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
    format!("{:.2} | {:.2} | {:.2} | {:.0}", at(0.5), at(0.99), at(0.999), at(1.0))
}

fn run(
    mut insert: impl FnMut(),
    read: impl Fn(u64) -> usize + Sync,
    readers: usize,
) -> (String, usize) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let handles = (0..readers)
            .map(|reader| {
                let (read, done) = (&read, &done);
                scope.spawn(move || {
                    let (mut n, mut queries) = (reader as u64, 0);
                    while !done.load(Ordering::Relaxed) {
                        std::hint::black_box(read(n));
                        n += 1;
                        queries += 1;
                    }
                    queries
                })
            })
            .collect::<Vec<_>>();
        (0..CAPACITY).for_each(|_| insert());
        let mut times = Vec::with_capacity(INSERTS);
        for _ in 0..INSERTS {
            let begin = Instant::now();
            insert();
            times.push(begin.elapsed().as_nanos() as u64);
        }
        done.store(true, Ordering::Relaxed);
        let queries = handles.into_iter().map(|handle| handle.join().unwrap_or(0)).sum();
        (percentiles(times), queries)
    })
}

pub(crate) fn measure() {
    println!("\n## One writer and readers (newest 50 of a service, copied), capacity {CAPACITY}\n");
    println!("| store | readers | insert p50 us | p99 | p99.9 | max | queries meanwhile |");
    println!("|---|---|---|---|---|---|---|");
    for readers in [0, 4] {
        let ours = Ours::new(CAPACITY);
        let service = |n: u64| format!("service-{:04}", n % 20);
        let reading = Ours(ours.0.clone());
        let mut writing = Ours(ours.0);
        let mut stream = Stream::new(20);
        let (figures, queries) = run(
            || writing.insert(&stream.next()),
            |n| Ours(reading.0.clone()).newest_of_service(&service(n), 50),
            readers,
        );
        println!("| flightring | {readers} | {figures} | {queries} |");
        let origin = RwLock::new(Origin::new(CAPACITY));
        let mut stream = Stream::new(20);
        let (figures, queries) = run(
            || origin.write().expect("no panic").insert(&stream.next()),
            |n| origin.read().expect("no panic").newest(&service(n), 50),
            readers,
        );
        println!("| origin's algorithm, RwLock | {readers} | {figures} | {queries} |");
        let points = Points::new(CAPACITY);
        let mut n = 0;
        let (figures, queries) = run(
            || {
                points.add(n);
                n += 1;
            },
            |n| points.newest(n, 50),
            readers,
        );
        println!("| flightring, metric points | {readers} | {figures} | {queries} |");
    }
}
