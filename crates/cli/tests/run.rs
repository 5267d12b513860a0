//! `flightring run` with real commands, signals and clients.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

fn run(args: &[&str]) -> Command {
    // What runs the tests may ignore signals, as a shell's background jobs do; the command would go on ignoring them.
    let mut command = Command::new("env");
    command.args(["--default-signal", env!("CARGO_BIN_EXE_flightring")]);
    command.arg("run").args(args).env_remove("FLIGHTRING_TOKEN").stdin(Stdio::null());
    command
}

fn output(args: &[&str]) -> Output {
    run(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A run with a page that is still going on.
struct Live {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    address: String,
}

impl Live {
    fn start(args: &[&str]) -> Self {
        let mut child = run(&[&["--http", "0"], args].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("flightring: http://").unwrap();
        let address = address.split('/').next().unwrap().to_owned();
        Self { child, stderr, address }
    }

    fn request(&self, target: &str) -> TcpStream {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(socket, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        socket
    }

    fn get(&self, target: &str) -> String {
        let mut answer = String::new();
        self.request(target).read_to_string(&mut answer).unwrap();
        answer
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }
}

#[test]
fn output_is_untouched_and_the_streams_stay_apart() {
    let script = r#"i=0; while [ $i -lt 256 ]; do printf "\\$(printf %03o $i)"; i=$((i+1)); done; echo warn >&2"#;
    let ran = output(&["--", "sh", "-c", script]);
    assert_eq!(ran.status.code(), Some(0));
    assert_eq!(ran.stdout, (0..=255).collect::<Vec<u8>>());
    assert_eq!(text(&ran.stderr), "warn\n");
    let many = output(&["--history", "1k", "--", "seq", "1", "200000"]);
    assert_eq!(many.stdout, Command::new("seq").args(["1", "200000"]).output().unwrap().stdout);
}

#[test]
fn standard_input_reaches_the_command() {
    let mut child =
        run(&["--", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"through").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"through");
}

#[test]
fn exit_codes_and_signals_are_kept() {
    assert_eq!(output(&["--", "sh", "-c", "exit 42"]).status.code(), Some(42));
    assert_eq!(output(&["--", "sh", "-c", "kill -TERM $$"]).status.signal(), Some(15));
    assert_eq!(output(&["--", "sh", "-c", "kill -KILL $$"]).status.signal(), Some(9));
    let missing = output(&["--", "/no/such/program"]);
    assert_eq!(missing.status.code(), Some(127));
    assert!(text(&missing.stderr).contains("cannot start"));
    assert_eq!(output(&["--", "/etc/passwd"]).status.code(), Some(126));
    assert_eq!(output(&[]).status.code(), Some(2));
}

#[test]
fn signals_are_passed_on() {
    let script = "trap 'echo got it; exit 5' USR1; echo ready; while :; do sleep 0.05; done";
    let mut live = Live::start(&["--", "sh", "-c", script]);
    let mut stdout = BufReader::new(live.child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    // A shell that is just about to start a command may miss one.
    let code = loop {
        live.signal("USR1");
        if let Some(status) = live.child.try_wait().unwrap() {
            break status.code();
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(code, Some(5));
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("got it\n"), "{rest}");
}

#[test]
fn a_reader_that_goes_away_ends_the_command_as_ever() {
    let mut child = run(&["--", "yes"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "y\n");
    assert_eq!(child.wait().unwrap().signal(), Some(13));
}

/// Who reads late misses nothing: the command is over long before, and what it wrote waits in pipes.
#[test]
fn the_last_output_waits_for_a_slow_reader() {
    let expected = Command::new("seq").args(["1", "40000"]).output().unwrap().stdout;
    let mut child = run(&["--", "seq", "1", "40000"]).stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert!(child.try_wait().unwrap().is_none());
    let mut all = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut all).unwrap();
    assert!(all == expected, "{} of {} bytes", all.len(), expected.len());
    assert_eq!(child.wait().unwrap().code(), Some(0));

    // Unless we are asked not to.
    let mut child = run(&["--", "seq", "1", "40000"]).stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert!(
        Command::new("kill")
            .args(["-s", "TERM", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn output_that_cannot_be_written_is_complained_of() {
    let full = || std::fs::File::create("/dev/full").unwrap();
    // A command that goes on is told as a pipe would tell it.
    let code = |script: &str| {
        let mut command = run(&["--", "sh", "-c", script]);
        let ran = command.stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let said = text(&ran.stderr);
        assert!(
            said.contains("stdout cannot be written") && said.contains("No space left"),
            "{said}"
        );
        ran.status.code().or(ran.status.signal())
    };
    assert_eq!(code("echo hello; exec sleep 1000"), Some(13));
    assert_eq!(code("trap '' PIPE; echo hello; exit 0"), Some(1));
    assert_eq!(code("trap '' PIPE; echo hello; exit 7"), Some(7));
}

/// As `nohup` has it, and a shell for what runs in its background.
#[test]
fn signals_that_are_ignored_stay_so() {
    let script = "trap '' HUP INT QUIT; exec \"$0\" run -- sh -c 'kill -HUP $$; kill -INT $$; kill -QUIT $$; echo survived'";
    let ran = Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_flightring")]).output();
    let ran = ran.unwrap();
    assert_eq!((ran.status.code(), text(&ran.stdout)), (Some(0), "survived\n"));
}

#[test]
fn the_page_is_live_and_followers_get_everything() {
    let mut live = Live::start(&[
        "--name",
        "my app",
        "--",
        "sh",
        "-c",
        "echo first; read x; echo last; printf partial",
    ]);
    // `read` returns at once from an empty input, so the command may be over
    // before the first request: what it wrote is there until the page goes.
    assert_eq!(live.child.wait().unwrap().code(), Some(0));

    // It goes on when its standard input ends.
    let mut live =
        Live::start(&["--name", "my app", "--", "sh", "-c", "echo first; cat; printf partial"]);
    let mut list = live.get("/api/monitors");
    while !(list.contains("\"my app\"") && list.contains("\"running\"")) {
        std::thread::sleep(Duration::from_millis(10));
        list = live.get("/api/monitors");
    }
    assert!(live.get("/").contains("<title>flightring</title>"));
    let mut follower = live.request("/logs/stream/my%20app");
    drop(live.child.stdin.take());
    let mut all = String::new();
    follower.read_to_string(&mut all).unwrap();
    assert!(
        all.contains("first\n") && all.contains("partial") && all.ends_with("0\r\n\r\n"),
        "{all:?}"
    );
    assert_eq!(live.child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    live.stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn it_stays_until_interrupted_if_asked() {
    let mut live = Live::start(&["--stay", "--", "printf", "done\\nlast words"]);
    let mut line = String::new();
    live.stderr.read_line(&mut line).unwrap();
    assert!(line.contains("stays until interrupted"), "{line}");
    assert!(live.get("/logs").contains("done\nlast words"));
    // The line that has no end is not waited for when the command has one.
    let mut follower = BufReader::new(live.request("/logs/stream?format=ndjson"));
    let mut line = String::new();
    while !line.contains("last words") {
        line.clear();
        assert!(follower.read_line(&mut line).unwrap() > 0);
    }
    assert!(line.contains("\"partial\":true"), "{line}");
    live.signal("INT");
    assert_eq!(live.child.wait().unwrap().code(), Some(0));
}

#[test]
fn lines_are_recorded_in_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("run.log");
    let path = log.to_str().unwrap();
    let script = "echo one; echo two >&2; seq 1 5000; printf unfinished";
    assert_eq!(output(&["--log", path, "--", "sh", "-c", script]).status.code(), Some(0));
    let read = Command::new(env!("CARGO_BIN_EXE_flightring")).args(["cat", path]).output().unwrap();
    let lines: Vec<&str> = text(&read.stdout).lines().collect();
    assert_eq!(lines.len(), 5003);
    assert!(lines.iter().any(|l| l.contains("INFO") && l.ends_with(" one")), "{:?}", &lines[..2]);
    assert!(lines.iter().any(|l| l.contains("WARN") && l.ends_with(" two")), "{:?}", &lines[..2]);
    assert!(lines.iter().any(|l| l.ends_with(" unfinished")));
}

#[test]
fn several_commands_run_behind_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Procfile");
    let ran = |text: &str, more: &[&str]| {
        std::fs::write(&path, text).unwrap();
        output(&[&["-f", path.to_str().unwrap()], more].concat())
    };
    let both = ran("# two\nweb: echo hello; printf half\nworker/1: echo oops >&2; exit 3\n", &[]);
    assert_eq!(both.status.code(), Some(3));
    let mut lines: Vec<&str> = text(&both.stdout).lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["web      | half", "web      | hello"]);
    assert_eq!(text(&both.stderr), "worker/1 | oops\n");

    let together = ran("short: true\nlong: sleep 1000\n", &["--together"]);
    assert_eq!(together.status.signal(), Some(15));
    let wrong = ran("no command here\n", &[]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("line 1: expected \"name: command\""));
}

/// Whoever reads slowly gets everything, in whole lines, also when a line is longer than what a pipe takes at once.
#[test]
fn long_lines_of_several_commands_stay_whole_for_a_slow_reader() {
    const LINES: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Procfile");
    let command = |letter: char| {
        format!(
            "{letter}: i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); head -c 30000 /dev/zero | tr '\\0' {letter}; echo; done\n"
        )
    };
    std::fs::write(&path, command('x') + &command('y')).unwrap();
    let mut child = run(&["-f", path.to_str().unwrap()]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut all = Vec::new();
    let mut piece = [0; 10_000];
    loop {
        let read = stdout.read(&mut piece).unwrap();
        if read == 0 {
            break;
        }
        all.extend_from_slice(&piece[..read]);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    for letter in ["x", "y"] {
        let line = format!("{letter} | {}", letter.repeat(30_000));
        assert_eq!(text(&all).lines().filter(|found| **found == line).count(), LINES);
    }
    assert_eq!(text(&all).lines().count(), 2 * LINES);
}

/// A second signal ends what the first did not, in every command's whole group.
#[test]
fn commands_that_do_not_end_are_killed_by_the_second_signal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Procfile");
    let stubborn = "trap '' TERM; echo ready; exec sleep 1000";
    std::fs::write(&path, format!("a: {stubborn}\nb: {stubborn}\n")).unwrap();
    let mut child = run(&["-f", path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..2 {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.contains("ready"), "{line}");
    }
    // Two that come at once are one.
    while child.try_wait().unwrap().is_none() {
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        std::thread::sleep(Duration::from_millis(50));
    }
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.signal(), Some(9));
    let said = text(&ended.stderr);
    assert!(said.contains("a did not end and is killed"), "{said}");
    assert!(said.contains("b did not end and is killed"), "{said}");
}

#[test]
fn mistakes_are_explained() {
    let said = |args: &[&str]| text(&output(args).stderr).to_owned();
    assert!(said(&["--", "no-such-command"]).contains("no such command in PATH"));
    assert!(said(&["--", "./no/such"]).contains("there is no ./no/such"));
    assert!(said(&["--", "/etc/passwd"]).contains("not executable"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = output(&["--http", &port, "--", "echo", "never"]);
    assert_eq!((ran.status.code(), text(&ran.stdout)), (Some(2), ""));
    assert!(text(&ran.stderr).contains("another port, or 0"), "{}", text(&ran.stderr));
}

#[test]
fn commands_learn_where_to_send_their_telemetry() {
    let script = "echo $OTEL_EXPORTER_OTLP_ENDPOINT $OTEL_EXPORTER_OTLP_PROTOCOL $OTEL_EXPORTER_OTLP_HEADERS";
    let ran = run(&["--otlp", "--http", "0", "--", "sh", "-c", script])
        .env("FLIGHTRING_TOKEN", "a-long-token")
        .output()
        .unwrap();
    let url = text(&ran.stderr).trim().strip_prefix("flightring: ").unwrap();
    let endpoint = url.strip_suffix("/?token=a-long-token").unwrap();
    assert_eq!(
        text(&ran.stdout),
        format!("{endpoint} http/protobuf authorization=Bearer%20a-long-token\n")
    );
}

#[test]
fn curl_follows_along() {
    let live = Live::start(&["--name", "app", "--", "sh", "-c", "echo first; cat"]);
    let url = format!("http://{}/logs/stream/app", live.address);
    while !live.get("/api/monitors").contains("\"running\"") {
        std::thread::sleep(Duration::from_millis(10));
    }
    let curl = Command::new("curl")
        .args(["-sSN", "--max-time", "60", &url])
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut curl) = curl else {
        eprintln!("SKIPPED: curl is not installed");
        return;
    };
    let mut output = BufReader::new(curl.stdout.take().unwrap());
    let mut line = String::new();
    let mut live = live;
    output.read_line(&mut line).unwrap();
    live.child.stdin.take().unwrap().write_all(b"second\n").unwrap();
    output.read_to_string(&mut line).unwrap();
    assert_eq!(line, "first\nsecond\n");
    assert!(curl.wait().unwrap().success());
    assert_eq!(live.child.wait().unwrap().code(), Some(0));
}
