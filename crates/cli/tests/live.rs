//! The real binary on logs that loggers are writing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use flightring_blockfile::Kind;
use flightring_logger::{Logger, Options, StagingPolicy};

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
    first.write(b"zero").unwrap();
    first.flush(LONG).unwrap();
    let mut followed = Followed::start(&args, &[&a, &b]);
    // It is following now: what is rotated away from here on, it has seen.
    assert_eq!(followed.lines(1), ["zero"]);
    second.write(b"one").unwrap();
    first.write(b"two").unwrap();
    // What is written later to the one file was logged earlier.
    first.flush(LONG).unwrap();
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

/// Not a test of its own: what the next one starts in another process, and kills.
#[test]
fn staging_child() {
    let Some(log) = std::env::var_os("FLR_TEST_STAGED") else { return };
    let mut options = Options::new(log);
    options.staging = StagingPolicy::Shared;
    if let Some(folder) = std::env::var_os("FLR_TEST_STAGING_FOLDER") {
        options.staging_folder = folder.into();
    }
    options.flush_interval = Duration::from_secs(600);
    let logger = Logger::open(&options).unwrap();
    for number in 0..1000 {
        logger.write(number.to_string().as_bytes()).unwrap();
    }
    println!("ready");
    std::thread::sleep(LONG);
}

#[test]
fn recover_brings_back_what_a_killed_process_had_accepted() {
    recover_after_a_kill(None);
    let other = tempfile::tempdir().unwrap();
    recover_after_a_kill(Some(other.path()));
}

fn recover_after_a_kill(staging: Option<&Path>) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.log");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "staging_child", "--nocapture", "--test-threads=1"])
        .env("FLR_TEST_STAGED", &log)
        .envs(staging.map(|folder| ("FLR_TEST_STAGING_FOLDER", folder)))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The test harness begins the line.
    while !lines.next().unwrap().unwrap().ends_with("ready") {}
    let run = |verb: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flightring"));
        command.arg(verb).arg(&log);
        if let Some(folder) = staging.filter(|_| verb == "recover") {
            command.arg("--staging-folder").arg(folder);
        }
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, _, said) = run("recover");
    assert!(
        code == 2 && said.contains("recover it when that has ended"),
        "a log in use is left alone: {said}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(run("cat").1, "", "nothing was written before");
    let (code, said, _) = run("recover");
    let whose = format!("that process {} had not written", child.id());
    assert!(code == 0 && said.contains("1000 records (") && said.contains(&whose), "{said}");
    let all: String = (0..1000).map(|number| format!("{number}\n")).collect();
    assert_eq!(run("cat").1, all);
    let (code, said, _) = run("recover");
    assert!(code == 0 && !said.contains("records"), "once only: {said}");
    assert_eq!(run("cat").1, all);
    assert_eq!(run("verify").0, 0);
}
