//! `flightring run --pty` with real terminals on both sides.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

fn run(args: &[&str]) -> Command {
    // What runs the tests may ignore signals, as a shell's background jobs do; the command would go on ignoring them.
    let mut command = Command::new("env");
    command.args(["--default-signal", env!("CARGO_BIN_EXE_flightring")]);
    command.args(["run", "--pty"]).args(args).env_remove("FLIGHTRING_TOKEN");
    command
}

fn output(args: &[&str], input: &str) -> Output {
    let mut child = run(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_command_finds_a_terminal_and_ends_as_ever() {
    let script = "test -t 0 && test -t 1 && test -t 2 && stty size; echo err >&2; exit 7";
    let ran = output(&["--", "sh", "-c", script], "");
    assert_eq!((text(&ran.stdout), ran.status.code()), ("24 80\nerr\n", Some(7)));
    assert_eq!(text(&ran.stderr), "");
    assert_eq!(output(&["--", "sh", "-c", "kill -TERM $$"], "").status.signal(), Some(15));
    let missing = output(&["--", "/no/such/program"], "");
    assert_eq!(missing.status.code(), Some(127));
    assert!(text(&missing.stderr).contains("cannot start"), "{}", text(&missing.stderr));
    let many = output(&["--", "seq", "1", "100000"], "");
    assert_eq!(many.stdout, Command::new("seq").args(["1", "100000"]).output().unwrap().stdout);
}

#[test]
fn what_is_piped_in_is_typed_and_ends() {
    assert_eq!(text(&output(&["--", "cat"], "one\ntwo\n").stdout), "one\ntwo\n");
    assert_eq!(text(&output(&["--", "cat"], "no line feed").stdout), "no line feed");
    assert_eq!(text(&output(&["--", "cat"], "").stdout), "");
}

#[test]
fn lines_are_recorded_and_named_without_carriage_returns() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("run.log");
    let procfile = folder.path().join("Procfile");
    // The second one asks for them, as programs that draw do.
    std::fs::write(&procfile, "a: test -t 1 && echo one\nb: printf 'two\\r\\n'\n").unwrap();
    let args = ["--log", log.to_str().unwrap(), "-f", procfile.to_str().unwrap()];
    let ran = output(&args, "");
    assert_eq!(ran.status.code(), Some(0));
    let mut lines: Vec<_> = text(&ran.stdout).lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a | one", "b | two"]);
    let mut cat = Command::new(env!("CARGO_BIN_EXE_flightring"));
    let read = cat.args(["cat", "--raw", log.to_str().unwrap()]).output().unwrap();
    assert!(!read.stdout.contains(&b'\r') && read.stdout.len() == "a: oneb: two".len());
}

/// A terminal that stands for the user's.
struct User {
    side: OwnedFd,
    child: Child,
    seen: String,
}

impl User {
    fn start(script: &str) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let side = openpt(flags).unwrap();
        grantpt(&side).unwrap();
        unlockpt(&side).unwrap();
        let other = ioctl_tiocgptpeer(&side, flags).unwrap();
        tcsetwinsize(&side, size(33, 101)).unwrap();
        let stdio = || Stdio::from(other.try_clone().unwrap());
        let child = run(&["--http", "off", "--", "sh", "-c", script])
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .unwrap();
        Self { side, child, seen: String::new() }
    }

    /// Reads until the text was seen.
    fn until(&mut self, wanted: &str) {
        let mut reader = std::fs::File::from(self.side.try_clone().unwrap());
        while !self.seen.contains(wanted) {
            let mut buffer = [0; 1024];
            let read = reader.read(&mut buffer).unwrap();
            self.seen.push_str(text(&buffer[..read]));
        }
    }

    /// Until every key goes to the command.
    fn until_raw(&self) {
        while self.is_cooked() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_cooked(&self) -> bool {
        tcgetattr(&self.side).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    /// Presses Ctrl-C until the command has ended: a shell that is just about to start a command may miss one.
    fn interrupt(&mut self) -> ExitStatus {
        loop {
            self.press(b"\x03");
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn press(&self, keys: &[u8]) {
        assert_eq!(rustix::io::write(&self.side, keys), Ok(keys.len()));
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

#[test]
fn keys_reach_the_command_and_the_terminal_is_given_back() {
    let mut user = User::start("stty size; read -r x; echo \"got <$x>\"; sleep 1000");
    user.until("33 101\r\n");
    user.until_raw();
    user.press(b"hello\r");
    // Echoed by the command's terminal, once.
    user.until("got <hello>\r\n");
    assert_eq!(user.seen, "33 101\r\nhello\r\ngot <hello>\r\n");
    assert_eq!(user.interrupt().signal(), Some(2));
    assert!(user.is_cooked());
}

#[test]
fn the_size_follows() {
    let mut user = User::start("while :; do stty size; sleep 0.05; done");
    user.until("33 101");
    user.until_raw();
    tcsetwinsize(&user.side, size(12, 34)).unwrap();
    // As the kernel does for a foreground process.
    let pid = user.child.id().to_string();
    assert!(Command::new("kill").args(["-s", "WINCH", &pid]).status().unwrap().success());
    user.until("12 34");
    assert_eq!(user.interrupt().signal(), Some(2));
    assert!(user.is_cooked());
}
