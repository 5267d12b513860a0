//! The real binary on logs that loggers are writing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use flightring_blockfile::Kind;
use flightring_logger::{Logger, Options};

const LONG: Duration = Duration::from_secs(60);

fn open(path: &Path) -> Logger {
    let mut options = Options::new(path);
    options.kind = Kind::Event;
    options.flush_interval = Duration::from_secs(600);
    Logger::open(&options).unwrap()
}

struct Followed {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Followed {
    fn start(args: &[&str], files: &[&Path]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_flightring"))
            .args(args)
            .args(files)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn lines(&mut self, count: usize) -> Vec<String> {
        self.lines.by_ref().take(count).map(Result::unwrap).collect()
    }

    /// Ends it, and returns what it complained of.
    fn end(mut self) -> String {
        self.child.kill().unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        self.child.wait().unwrap();
        said
    }
}

#[test]
fn live_logs_are_followed_in_the_order_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.log"), folder.path().join("b.log"));
    let (first, second) = (open(&a), open(&b));
    let args = ["cat", "-f", "--order", "time", "--hold", "3", "--template", "{text}"];
    second.write(b"one").unwrap();
    first.write(b"two").unwrap();
    // What is written later to the one file was logged earlier.
    first.flush(LONG).unwrap();
    let mut followed = Followed::start(&args, &[&a, &b]);
    first.write(b"three").unwrap();
    first.rotate().unwrap();
    second.write(b"four").unwrap();
    first.write(b"five").unwrap();
    first.flush(LONG).unwrap();
    second.flush(LONG).unwrap();
    assert_eq!(followed.lines(5), ["one", "two", "three", "four", "five"]);
    assert_eq!(followed.end(), "");
}

#[test]
fn what_was_not_waited_for_is_said_to_be_late() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.log"), folder.path().join("b.log"));
    let (first, second) = (open(&a), open(&b));
    let args = ["cat", "-f", "--order", "time", "--hold", "0", "--template", "{text}"];
    let mut followed = Followed::start(&args, &[&a, &b]);
    second.write(b"one").unwrap();
    first.write(b"two").unwrap();
    first.flush(LONG).unwrap();
    assert_eq!(followed.lines(1), ["two"]);
    second.flush(LONG).unwrap();
    assert_eq!(followed.lines(1), ["one"]);
    // Another record shows that the complaint was made.
    second.write(b"three").unwrap();
    second.flush(LONG).unwrap();
    assert_eq!(followed.lines(1), ["three"]);
    let said = followed.end();
    assert_eq!(said, "flightring: 1 records so far were late; use a longer --hold\n");
}

#[test]
fn quick_rotations_are_followed_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.log");
    let logger = open(&log);
    for verb in ["cat", "tail"] {
        let args = [verb, "-f", "--since", "1h", "--text", verb, "--template", "{text}"];
        let mut followed = Followed::start(&args, &[&log]);
        logger.write(format!("{verb} begins").as_bytes()).unwrap();
        logger.flush(LONG).unwrap();
        assert_eq!(followed.lines(1), [format!("{verb} begins")]);
        let texts: Vec<String> = (0..100).map(|n| format!("{verb} {n}")).collect();
        for text in &texts {
            logger.write(text.as_bytes()).unwrap();
            logger.rotate().unwrap();
        }
        logger.write(format!("{verb} ends").as_bytes()).unwrap();
        logger.flush(LONG).unwrap();
        assert_eq!(followed.lines(100), texts);
        assert_eq!(followed.lines(1), [format!("{verb} ends")]);
        assert_eq!(followed.end(), "");
    }
}
