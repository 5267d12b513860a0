//! Many monitors with many followers, fast and slow, while processes come and go: every byte that a follower gets is the
//! right one, every byte that it does not get is accounted for, and memory does not grow.
//!
//! A few seconds by default; with `FLIGHTRING_LONG` set, 200 monitors and 1,000 followers for two minutes.
//!
//! Each byte is a function of its stream and its offset there, so that whoever reads it can check it alone.

use std::io::{PipeWriter, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use flightring_monitor::{Chunk, Hub, Monitor, Next, Options, Start, Stream};

fn byte_at(stream: Stream, offset: u64) -> u8 {
    ((offset + stream as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

/// xorshift: the same run every time, apart from the scheduler.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Where a follower is, and that it got there by the right bytes.
struct Account {
    at: u64,
    got: u64,
    missed: u64,
}

impl Account {
    fn starting_at(at: u64) -> Self {
        Self { at, got: 0, missed: 0 }
    }

    fn take(&mut self, next: Next<'_>) {
        match next {
            Next::Chunk(Chunk { offset, stream, stream_offset, data, .. }) => {
                assert_eq!(offset, self.at, "a byte is doubled or missing");
                for (i, byte) in data.iter().enumerate() {
                    assert_eq!(*byte, byte_at(stream, stream_offset + i as u64));
                }
                self.at += data.len() as u64;
                self.got += data.len() as u64;
            }
            Next::Gap { offset, skipped } => {
                assert_eq!(offset, self.at);
                self.at += skipped;
                self.missed += skipped;
            }
            Next::Empty | Next::End => {}
        }
    }
}

/// A process as its monitor sees it: standard output through a pipe, standard error written directly.
struct Process {
    monitor: Arc<Monitor>,
    pipe: Option<PipeWriter>,
    next: [u64; 2],
}

impl Process {
    fn step(&mut self, random: &mut Random) {
        match random.below(100) {
            // It is killed; what it wrote is read to its end before the next one starts.
            0..3 => {
                self.pipe = None;
                assert!(self.monitor.wait_finished(Some(Duration::from_secs(60))));
                assert_eq!(self.monitor.stream_total(Stream::Stdout), self.next[0]);
            }
            // It is stopped in the middle of its output.
            3..5 => {
                self.monitor.stop();
                self.pipe = None;
                self.next[0] = self.monitor.stream_total(Stream::Stdout);
            }
            5..30 => {
                let data = self.data(Stream::Stderr, 1 + random.below(300));
                self.monitor.write(Stream::Stderr, &data).expect("open");
            }
            _ => {
                let data = self.data(Stream::Stdout, 1 + random.below(3000));
                let monitor = &self.monitor;
                let pipe = self.pipe.get_or_insert_with(|| {
                    let (reader, writer) = std::io::pipe().expect("descriptors");
                    monitor.attach(Stream::Stdout, reader.into()).expect("a pipe");
                    writer
                });
                pipe.write_all(&data).expect("attached");
            }
        }
    }

    fn data(&mut self, stream: Stream, len: u64) -> Vec<u8> {
        let next = &mut self.next[stream as usize - 1];
        let data = (*next..*next + len).map(|offset| byte_at(stream, offset)).collect();
        *next += len;
        data
    }
}

/// Follows to the end, leaving and coming back, sometimes slow.
fn pull(monitor: &Arc<Monitor>, seed: u64, missed: &AtomicU64) {
    let mut random = Random(seed);
    let start = monitor.oldest();
    let mut account = Account::starting_at(start);
    let mut buffer = vec![0; 1 + random.below(5000) as usize];
    let slow = random.below(3) == 0;
    'visits: loop {
        let mut follower = monitor.follow(Start::Offset(account.at)).expect("its own offset");
        for _ in 0..random.below(200) {
            let next = follower.next(&mut buffer);
            account.take(next);
            match next {
                Next::End => break 'visits,
                Next::Empty => {
                    follower.wait(Some(Duration::from_millis(random.below(50))));
                }
                _ if slow => thread::sleep(Duration::from_millis(random.below(20))),
                _ => {}
            }
        }
    }
    assert_eq!(account.got + account.missed, monitor.total() - start);
    missed.fetch_add(account.missed, Ordering::Relaxed);
}

/// Ends everything, also when a check failed, so that the test fails instead of hanging.
struct AtEnd<'a>(&'a AtomicBool, &'a [Arc<Monitor>]);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
        if thread::panicking() {
            self.1.iter().for_each(|monitor| monitor.close());
        }
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

#[test]
fn followers_get_the_right_bytes_and_exact_gaps_while_processes_come_and_go() {
    let long = std::env::var_os("FLIGHTRING_LONG").is_some();
    let (monitors, time) =
        if long { (200, Duration::from_secs(120)) } else { (8, Duration::from_secs(2)) };
    const DRIVERS: usize = 4;
    const CAPACITY: usize = 32 * 1024;
    let hub = Hub::new();
    let all: Vec<_> = (0..monitors)
        .map(|i| {
            let options = Options { capacity: CAPACITY, ..Options::default() };
            hub.open(&format!("process-{i}"), options).expect("a capacity")
        })
        .collect();
    let (running, missed) = (AtomicBool::new(true), AtomicU64::new(0));
    let mut resident = [0; 2];
    thread::scope(|scope| {
        let (running, missed, all) = (&running, &missed, &all[..]);
        let _at_end = AtEnd(running, all);
        let drivers: Vec<_> = (0..DRIVERS)
            .map(|driver| {
                let own = all.iter().skip(driver).step_by(DRIVERS).cloned();
                let mut own: Vec<_> =
                    own.map(|monitor| Process { monitor, pipe: None, next: [0; 2] }).collect();
                scope.spawn(move || {
                    let _at_end = AtEnd(running, all);
                    let mut random = Random(77 + driver as u64);
                    while running.load(Ordering::Relaxed) {
                        let which = random.below(own.len() as u64) as usize;
                        own[which].step(&mut random);
                    }
                    for process in &mut own {
                        process.pipe = None;
                        assert!(process.monitor.wait_finished(Some(Duration::from_secs(60))));
                        process.monitor.close();
                    }
                })
            })
            .collect();
        for (i, monitor) in all.iter().enumerate() {
            for follower in 0..4 {
                let seed = ((i * 10 + follower + 1) as u64).wrapping_mul(0x1234_5678_9ABC_DEF1);
                thread::Builder::new()
                    .stack_size(128 * 1024)
                    .spawn_scoped(scope, move || pull(monitor, seed, missed))
                    .expect("a thread");
            }
        }
        // The fifth of each is called.
        let pushed: Vec<_> = all
            .iter()
            .map(|monitor| {
                let ended = Arc::new(AtomicBool::new(false));
                let start = monitor.oldest();
                let mut account = Account::starting_at(start);
                let subscription = monitor.subscribe(Start::Offset(start), {
                    let (ended, monitor) = (Arc::clone(&ended), Arc::clone(monitor));
                    move |next| {
                        account.take(next);
                        if next == Next::End {
                            assert_eq!(account.got + account.missed, monitor.total() - start);
                            ended.store(true, Ordering::SeqCst);
                        }
                        ControlFlow::Continue(())
                    }
                });
                (subscription.expect("a thread"), ended)
            })
            .collect();
        let begin = Instant::now();
        thread::sleep(time / 2);
        resident[0] = resident_kib();
        thread::sleep(time.saturating_sub(begin.elapsed()));
        resident[1] = resident_kib();
        running.store(false, Ordering::Relaxed);
        drivers.into_iter().for_each(|driver| driver.join().expect("no failed check"));
        for (subscription, ended) in pushed {
            while !subscription.is_finished() {
                thread::yield_now();
            }
            assert!(ended.load(Ordering::SeqCst), "the callback failed a check");
        }
    });
    let total: u64 = all.iter().map(|monitor| monitor.total()).sum();
    println!(
        "{monitors} monitors, {} followers: {total} bytes written, {} missed by slow ones; resident {} then {} KiB",
        monitors * 5,
        missed.into_inner(),
        resident[0],
        resident[1]
    );
    assert!(total > 0);
    // AddressSanitizer keeps what was freed for a while, to recognise who uses it.
    if std::env::var_os("ASAN_OPTIONS").is_none() {
        let most = resident[0] + resident[0] / 10 + 8 * 1024;
        assert!(resident[1] < most, "memory grows: {resident:?}");
    }
}
