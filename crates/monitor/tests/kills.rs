//! Real children that are killed in the middle of their output, while others follow it.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use flightring_monitor::{
    Hub, Lines, Monitor, Next, NextLine, Options, ProcessState, Start, Stream,
};

const SOON: Option<Duration> = Some(Duration::from_secs(60));
const CHILDREN: u64 = 6;
const RUNS: u64 = 8;

/// Repeatable numbers that look random.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Writes numbered lines without end, some to its standard error.
fn start(monitor: &Arc<Monitor>, run: u64) -> Child {
    let script = format!("i=0; while :; do i=$((i+1)); echo {run} $i; echo e >&2; done");
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell");
    monitor.watch(child.id()).expect("a child");
    monitor.attach(Stream::Stdout, child.stdout.take().expect("piped").into()).expect("a pipe");
    monitor.attach(Stream::Stderr, child.stderr.take().expect("piped").into()).expect("a pipe");
    child
}

fn kill(child: &Child, signal: i32) {
    let (pid, signal) = (child.id().to_string(), format!("-{signal}"));
    assert!(Command::new("kill").args([&signal, &pid]).status().expect("kill").success());
}

/// Takes lines until the end: within a run each number comes after the one before, unless a gap is between them.
fn follow_lines(monitor: &Arc<Monitor>) -> u64 {
    let mut lines = Lines::new(monitor, Start::Offset(0), 0).expect("the first byte");
    let mut after: Option<(u64, u64)> = Some((0, 0));
    let mut seen = 0;
    loop {
        match lines.next() {
            NextLine::Line(line) if line.stream == Stream::Stderr => {
                let whole = !line.partial && !line.continued;
                assert!(!whole || line.text == b"e", "{line:?}");
            }
            // What a gap has cut into is no whole line.
            NextLine::Line(line) if line.partial || line.continued => after = None,
            NextLine::Line(line) => {
                let text = std::str::from_utf8(line.text).expect("digits");
                let Some((run, number)) = text.split_once(' ') else {
                    panic!("{text} in {line:?}")
                };
                let (run, number) =
                    (run.parse().expect("a run"), number.parse::<u64>().expect("a number"));
                match after {
                    Some((before, last)) if run == before => assert_eq!(number, last + 1),
                    Some((before, _)) => assert_eq!((run, number), (before + 1, 1)),
                    None => {}
                }
                after = Some((run, number));
                seen += 1;
            }
            NextLine::Gap { .. } => after = None,
            NextLine::Empty => {
                lines.wait(None);
            }
            NextLine::End => return seen,
        }
    }
}

/// Takes bytes until the end, slowly, and accounts for each.
fn follow_bytes(monitor: &Arc<Monitor>) -> (u64, u64) {
    let mut follower = monitor.follow(Start::Offset(0)).expect("the first byte");
    let mut buffer = [0; 512];
    let (mut got, mut missed) = (0, 0);
    loop {
        match follower.next(&mut buffer) {
            Next::Chunk(chunk) => {
                assert_eq!(chunk.offset, got + missed);
                got += chunk.data.len() as u64;
                thread::yield_now();
            }
            Next::Gap { offset, skipped } => {
                assert_eq!(offset, got + missed);
                missed += skipped;
            }
            Next::Empty => {
                follower.wait(None);
            }
            Next::End => return (got, missed),
        }
    }
}

#[test]
fn followers_of_children_that_are_killed_account_for_every_byte() {
    let hub = Hub::new();
    thread::scope(|scope| {
        for number in 1..=CHILDREN {
            let options = Options { capacity: 16 << 10, ..Options::default() };
            let monitor = hub.open(&format!("child-{number}"), options).expect("a monitor");
            let lines = scope.spawn({
                let monitor = Arc::clone(&monitor);
                move || follow_lines(&monitor)
            });
            let bytes = scope.spawn({
                let monitor = Arc::clone(&monitor);
                move || follow_bytes(&monitor)
            });
            scope.spawn(move || {
                let mut dice = Dice(number);
                for run in 1..=RUNS {
                    let before = monitor.total();
                    let mut child = start(&monitor, run);
                    let until = before + 1 + dice.roll(48 << 10);
                    while monitor.total() < until {
                        let at = monitor.total();
                        monitor.follow(Start::Offset(at)).expect("in range").wait(SOON);
                        assert!(monitor.total() > at, "the child writes without end");
                    }
                    let signal = [9, 15][dice.roll(2) as usize];
                    kill(&child, signal);
                    assert!(monitor.wait_finished(SOON));
                    assert_eq!(monitor.process(), ProcessState::Killed { signal });
                    child.wait().expect("a child");
                }
                monitor.close();
                let (got, missed) = bytes.join().expect("every byte accounted for");
                assert_eq!(got + missed, monitor.total());
                assert!(lines.join().expect("lines in order") > 0);
                assert_eq!(monitor.stats().attached, 0);
            });
        }
    });
}
