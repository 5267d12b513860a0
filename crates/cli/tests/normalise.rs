//! `flightring normalise`, the real binary.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use flightring_blockfile::{BlockMeta, HEADER_LEN, seal};

fn flightring(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flightring"));
    command.args(args);
    command
}

fn run(code: i32, args: &[&str], input: &[u8]) -> (String, String) {
    let mut child = flightring(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A child that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input);
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert_eq!(status.code(), Some(code), "{args:?}: {stderr}");
    (stdout, stderr)
}

/// A log of raw records, each in a block of its own.
fn log(path: &Path, texts: &[&str]) {
    let mut meta = BlockMeta { writer_id: 1, ..BlockMeta::default() };
    let mut bytes = Vec::new();
    for text in texts {
        let mut block = vec![0; HEADER_LEN + 4 + text.len() + 1024];
        block[HEADER_LEN..HEADER_LEN + 4].copy_from_slice(&(text.len() as u32).to_le_bytes());
        block[HEADER_LEN + 4..HEADER_LEN + 4 + text.len()].copy_from_slice(text.as_bytes());
        meta.record_count = 1;
        let len = seal(&mut block, 4 + text.len(), &meta, 512).unwrap();
        bytes.extend_from_slice(&block[..len]);
        meta = meta.next();
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn standard_input_to_a_table_and_to_patterns() {
    let input = b"get 1\nget 22\nput 3\r\nlast x";
    let (table, said) = run(0, &["normalise"], input);
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1][..4], ["2", "50.00%", "1", "2"]);
    assert_eq!(rows[1][5..], ["get", "<num>"]);
    assert_eq!(rows.last().unwrap()[..], ["4", "100.00%", "total"]);
    assert!(said.starts_with("4 lines, 0.0 MB in ") && said.contains("lines/s"), "{said}");
    let (patterns, said) = run(0, &["patterns", "-q", "-m", "digits", "-o", "-", "-"], input);
    assert_eq!(patterns, "get #\nget #\nput #\r\nlast x");
    assert_eq!(said, "");
}

#[test]
fn files_logs_and_forms() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (text, flight) = (path("text.log"), path("flight.log"));
    fs::write(&text, "job 1 <b>\n".repeat(3)).unwrap();
    log(Path::new(&flight), &["job 2 <b>", "job 3 <b>\n", "", "other"]);
    let (json, _) = run(0, &["normalise", "--json", "-m", "digits", &text, &flight], b"");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["lines"], 7);
    assert_eq!(json["patterns"][0]["pattern"], "job # <b>");
    assert_eq!(json["patterns"][0]["count"], 5);
    assert_eq!(json["patterns"][0]["last"]["input"], 1);
    assert_eq!(json["patterns"][0]["last"]["line"], 2);
    // A sealed log may be compressed.
    let packed = path("flight.log.gz");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&fs::read(&flight).unwrap()).unwrap();
    fs::write(&packed, encoder.finish().unwrap()).unwrap();
    let (table, _) = run(0, &["normalise", "-q", &packed], b"");
    assert!(
        table.contains("job <num> <b>") && table.lines().last().unwrap().contains("4  100.00%"),
        "{table}"
    );
    let (csv, _) = run(0, &["normalise", "--csv", &text], b"");
    assert!(csv.lines().nth(1).unwrap().contains(",3,1.000000,"), "{csv}");
    let (html, masked) = (path("report.html"), path("masked"));
    let (out, _) =
        run(0, &["normalise", "--html", &html, "-o", &masked, "-m", "shape", &text], b"");
    assert_eq!(out, "", "the patterns went to a file");
    assert_eq!(fs::read_to_string(masked).unwrap(), "Y Y <X>\n".repeat(3));
    let page = fs::read_to_string(html).unwrap();
    assert!(page.contains("Patterns of") && page.contains("job 1 &lt;b&gt;"), "{page}");
}

#[test]
fn damage_in_a_log_is_reported_and_the_rest_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.log");
    log(&path, &["job 1", "job 2", "job 3"]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[512 + 13] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (table, said) = run(1, &["normalise", path.to_str().unwrap()], b"");
    assert!(table.contains("job <num>") && table.lines().nth(1).unwrap().trim().starts_with('2'));
    assert!(said.contains("damaged.log"), "{said}");
}

#[test]
fn rules_from_options_and_files() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules");
    fs::write(&rules, "# orders\n\norder=ORD-[0-9]+\n").unwrap();
    let rules = rules.to_str().unwrap();
    let args = ["normalise", "-q", "-o", "-", "--rules-file", rules, "-r", "who=by [a-z]+"];
    let (patterns, _) = run(0, &args, b"ORD-7 sent by ann 12\n");
    assert_eq!(patterns, "<order> sent <who> <num>\n");
    let (_, said) = run(2, &["normalise", "-r", "x=("], b"");
    assert!(said.contains("the rule `x`"), "{said}");
    let (_, said) = run(2, &["normalise", "-m", "shape", "-r", "x=y"], b"");
    assert!(said.contains("mode shape"), "{said}");
    let (_, said) = run(2, &["normalise", "-m", "what"], b"");
    assert!(said.contains("the modes are"), "{said}");
}

#[test]
fn diff_finds_the_new_pattern() {
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = (dir.path().join("before"), dir.path().join("after"));
    fs::write(&before, "a 1\n".repeat(50)).unwrap();
    fs::write(&after, "a 1\n".repeat(50) + "panic at 7\n").unwrap();
    let (before, after) = (before.to_str().unwrap(), after.to_str().unwrap());
    let (table, _) = run(1, &["normalise", "--diff", before, after], b"");
    assert!(table.lines().nth(1).unwrap().starts_with("new"), "{table}");
    assert!(table.contains("panic at <num>"), "{table}");
    run(0, &["normalise", "--diff", "-q", before, before], b"");
    run(2, &["normalise", "--diff", before], b"");
}

#[test]
fn failures_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let (_, said) = run(2, &["normalise", missing.to_str().unwrap()], b"");
    assert!(said.contains("missing"), "{said}");
    let cut = dir.path().join("cut.gz");
    fs::write(&cut, b"\x1f\x8b\x08\0\0\0\0\0\0\x03").unwrap();
    let (_, said) = run(2, &["normalise", cut.to_str().unwrap()], b"");
    assert!(said.contains("cut.gz:1: cannot be read"), "{said}");
    let (_, said) = run(2, &["normalise", "-o", "/dev/full", "-"], b"x\n");
    assert!(said.contains("/dev/full: cannot be written at <stdin>:1"), "{said}");
    // Who reads our output has seen enough: that is no failure.
    let mut child = flightring(&["normalise", "-q", "-o", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let _ = child.stdin.take().unwrap().write_all(&b"line\n".repeat(100_000));
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

/// A slow source: lines are passed on as they come, and Ctrl-C ends with what there is.
#[test]
fn live_input_and_ctrl_c() {
    let mut child = flightring(&["normalise", "-m", "digits", "-o", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdin.write_all(b"one 1\ntwo 2\nhalf").unwrap();
    let mut lines = [String::new(), String::new()];
    for line in &mut lines {
        stdout.read_line(line).unwrap();
    }
    assert_eq!(lines, ["one #\n", "two #\n"]);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let json: serde_json::Value = serde_json::from_str(&rest).unwrap();
    assert_eq!(json["lines"], 2);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("stopped"));
    drop(stdin);
}
