//! The real binary, on real files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use flightring_blockfile::{
    BlockMeta, EventHeader, HEADER_LEN, Kind, Level, MARKER_HEADER, Marker, seal,
};

const BASE: u64 = 1_767_225_600_000_000_000; // 2026-01-01T00:00:00Z

fn flightring(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flightring"));
    command.args(args).env("TZ", "UTC");
    command
}

fn run(args: &[&str]) -> Output {
    flightring(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Standard output of a run that ends with `code`.
fn stdout(code: i32, args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

fn sealed(meta: &mut BlockMeta, run: &[u8], count: u32) -> Vec<u8> {
    let mut block = vec![0; HEADER_LEN + run.len() + 1024];
    block[HEADER_LEN..HEADER_LEN + run.len()].copy_from_slice(run);
    meta.record_count = count;
    let len = seal(&mut block, run.len(), meta, 512).unwrap();
    block.truncate(len);
    *meta = meta.next();
    block
}

fn raw_log(path: &Path, texts: &[&str]) {
    raw_log_from(path, 0, texts);
}

/// A file of a log whose files before hold so many blocks.
fn raw_log_from(path: &Path, block_seq: u64, texts: &[&str]) {
    let mut meta = BlockMeta { writer_id: 1, block_seq, ..BlockMeta::default() };
    let mut bytes = Vec::new();
    for text in texts {
        let mut run = (text.len() as u32).to_le_bytes().to_vec();
        run.extend(text.as_bytes());
        bytes.extend(sealed(&mut meta, &run, 1));
    }
    std::fs::write(path, bytes).unwrap();
}

/// Three events on two threads, a second apart, and a marker; the second thread's block comes first.
fn event_log(path: &Path) {
    let mut meta = BlockMeta { writer_id: 2, kind: Kind::Event, ..BlockMeta::default() };
    let event = |second: u64, thread: u32, level: Level, text: &str| {
        let header = EventHeader {
            time_ns: BASE + second * 1_000_000_000,
            sequence: second,
            thread,
            shard: 0,
            level,
        };
        let mut run = ((header.to_bytes().len() + text.len()) as u32).to_le_bytes().to_vec();
        run.extend(header.to_bytes());
        run.extend(text.as_bytes());
        run
    };
    let mut bytes = Vec::new();
    let times = |meta: &mut BlockMeta, from: u64, to: u64| {
        (meta.first_ns, meta.last_ns) = (BASE + from * 1_000_000_000, BASE + to * 1_000_000_000);
    };
    times(&mut meta, 1, 1);
    bytes.extend(sealed(&mut meta, &event(1, 12, Level::Error, "late, \"quoted\""), 1));
    let mut both = event(0, 11, Level::Info, "first");
    both.extend(event(2, 11, Level::Debug, "last"));
    times(&mut meta, 0, 2);
    bytes.extend(sealed(&mut meta, &both, 2));
    let marker =
        Marker { dropped: 5, since_ns: BASE, until_ns: BASE + 3_000_000_000, shard: 0, cause: 1 };
    let message = b"5 records dropped";
    let mut run = ((MARKER_HEADER + message.len()) as u32).to_le_bytes().to_vec();
    run.extend(marker.to_bytes());
    run.extend(message);
    meta.kind = Kind::Marker;
    bytes.extend(sealed(&mut meta, &run, 1));
    std::fs::write(path, bytes).unwrap();
}

struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn raw(&self, name: &str, texts: &[&str]) -> String {
        raw_log(&self.path(name), texts);
        self.name(name)
    }

    fn events(&self) -> String {
        event_log(&self.path("events.log"));
        self.name("events.log")
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn cat_writes_records_in_every_form() {
    let files = Files::new();
    let log = files.events();
    assert_eq!(
        stdout(0, &["cat", &log]),
        "2026-01-01T00:00:01.000000000Z ERROR [12] late, \"quoted\"\n\
         2026-01-01T00:00:00.000000000Z INFO  [11] first\n\
         2026-01-01T00:00:02.000000000Z DEBUG [11] last\n\
         2026-01-01T00:00:03.000000000Z [flightring] 5 records dropped (since 2026-01-01T00:00:00.000000000Z, shard 0)\n"
    );
    let json = stdout(0, &["cat", "--json", &log]);
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0]["text"], "late, \"quoted\"");
    assert_eq!((&lines[0]["level"], &lines[0]["thread"]), (&"ERROR".into(), &12.into()));
    assert_eq!(lines[1]["time_ns"], BASE);
    assert_eq!((&lines[3]["kind"], &lines[3]["dropped"]), (&"marker".into(), &5.into()));
    assert_eq!(
        stdout(0, &["cat", "--csv", &log]).lines().take(2).collect::<Vec<_>>(),
        [
            "sequence,time,level,thread,kind,text",
            "0,2026-01-01T00:00:01.000000000Z,ERROR,12,event,\"late, \"\"quoted\"\"\""
        ]
    );
    assert_eq!(stdout(0, &["cat", "--raw", &log]), "late, \"quoted\"firstlast");
    assert_eq!(
        stdout(0, &["cat", "--template", "{sequence}|{text}", "--level", "info", &log]),
        "0|late, \"quoted\"\n1|first\n3|5 records dropped\n"
    );
}

#[test]
fn bytes_that_are_no_text_survive_json_and_raw() {
    let files = Files::new();
    let mut meta = BlockMeta::default();
    let bytes = sealed(&mut meta, &[3, 0, 0, 0, 0xFF, 0x00, b'a'], 1);
    std::fs::write(files.path("a.log"), bytes).unwrap();
    let log = files.name("a.log");
    assert_eq!(run(&["cat", "--raw", &log]).stdout, [0xFF, 0, b'a']);
    let json: serde_json::Value =
        serde_json::from_str(&stdout(0, &["cat", "--json", &log])).unwrap();
    assert_eq!(json["bytes_hex"], "ff0061");
}

#[test]
fn cat_orders_and_chooses() {
    let files = Files::new();
    let log = files.events();
    let form = ["--template", "{text}"];
    let cat = |args: &[&str]| {
        let all: Vec<&str> = ["cat"].iter().chain(&form).chain(args).copied().collect();
        stdout(0, &all)
    };
    assert_eq!(
        cat(&["--order", "time", &log]),
        "first\nlate, \"quoted\"\nlast\n5 records dropped\n"
    );
    assert_eq!(cat(&["--thread", "12", &log]), "late, \"quoted\"\n5 records dropped\n");
    assert_eq!(
        cat(&["--since", "2026-01-01T00:00:01Z", "--until", "2026-01-01 00:00:02", &log]),
        "late, \"quoted\"\n"
    );
    assert_eq!(cat(&["--text", "irs", &log]), "first\n");

    let (b, a) = (files.raw("b.log", &["3", "4"]), files.raw("a.log", &["1", "2"]));
    assert_eq!(cat(&[&a, &b]), "1\n2\n3\n4\n");
}

#[test]
fn standard_input_is_read() {
    let files = Files::new();
    files.raw("a.log", &["one", "two"]);
    let bytes = std::fs::read(files.path("a.log")).unwrap();
    for verb in ["cat", "tail"] {
        let mut child =
            flightring(&[verb, "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "one\ntwo\n"));
    }
}

#[test]
fn compressed_logs_are_read() {
    let files = Files::new();
    files.raw("a.log", &["one", "two"]);
    let bytes = std::fs::read(files.path("a.log")).unwrap();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(&bytes).unwrap();
    std::fs::write(files.path("a.log.gz"), packer.finish().unwrap()).unwrap();
    let packed = files.name("a.log.gz");
    assert_eq!(stdout(0, &["cat", &packed]), "one\ntwo\n");
    assert_eq!(stdout(0, &["tail", "-n", "1", &packed]), "two\n");
    for verb in ["cat", "tail"] {
        let refused = run(&[verb, "-f", &packed]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(&refused.stderr).contains("is compressed"), "{refused:?}");
    }
    assert!(stdout(0, &["verify", &packed]).contains("blocks                2"));
}

#[test]
fn verify_judges_by_its_exit_code() {
    let files = Files::new();
    let log = files.events();
    let table = stdout(0, &["verify", &log]);
    for line in ["events.log: sound", "records               3", "dropped               5"] {
        assert!(table.contains(line), "{table}");
    }
    assert_eq!(stdout(0, &["verify", "-q", &log]), "");

    let mut bytes = std::fs::read(&log).unwrap();
    bytes[520] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let output = run(&["verify", "--json", &log]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["sound"], &json["records"]), (&false.into(), &1.into()));
    assert_eq!(json["damage"][0]["offset"], 512);
    assert!(text(&output.stderr).contains("offset 512, 512 bytes: the checksum does not match"));

    for missing in [&files.name("no.log"), files.dir.path().to_str().unwrap()] {
        let output = run(&["verify", missing]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).starts_with("flightring: cannot read /"));
    }
    assert_eq!(run(&["verify"]).status.code(), Some(2));
    assert_eq!(run(&["cat", "--since", "soon", &log]).status.code(), Some(2));
}

#[test]
fn cat_reports_damage_and_delivers_the_rest() {
    let files = Files::new();
    let log = files.raw("a.log", &["one", "two", "three"]);
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[512 + 12] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let output = run(&["cat", &log]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), "one\nthree\n"));
    assert!(text(&output.stderr).contains("1 blocks with 1 records are missing"));
}

#[test]
fn tail_shows_the_end() {
    let files = Files::new();
    let texts: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let log = files.raw("a.log", &texts);
    assert_eq!(stdout(0, &["tail", "-n", "3", &log]), "97\n98\n99\n");
    assert_eq!(stdout(0, &["tail", &log]).lines().count(), 10);
    assert_eq!(stdout(0, &["tail", "-n", "0", &log]), "");
    assert_eq!(stdout(0, &["tail", "-n", "2", "--text", "5", &log]), "85\n95\n");
}

#[test]
fn grep_finds_and_counts() {
    let files = Files::new();
    let log = files.raw("a.log", &["Time out", "timeout", "fine", "a.c"]);
    assert_eq!(stdout(0, &["grep", "-i", "time ?out", &log]), "Time out\ntimeout\n");
    assert_eq!(stdout(0, &["grep", "-v", "(?i)time", &log]), "fine\na.c\n");
    assert_eq!(stdout(0, &["grep", "-F", "-c", ".", &log]), "1\n");
    assert_eq!(stdout(0, &["grep", "-m", "1", ".", &log]), "Time out\n");
    assert_eq!(stdout(1, &["grep", "absent", &log]), "");
    let other = files.raw("b.log", &["timeout"]);
    assert_eq!(
        stdout(0, &["grep", "^timeout", &log, &other]),
        format!("{log}: timeout\n{other}: timeout\n")
    );
    assert_eq!(stdout(0, &["grep", "-c", "time", &log, &other]), format!("{log}: 1\n{other}: 1\n"));
    assert_eq!(
        stdout(0, &["tail", "-n1", &log, &other]),
        format!("{log}: a.c\n{other}: timeout\n")
    );
    assert_eq!(run(&["grep", "(", &log]).status.code(), Some(2));
}

#[test]
fn stats_count_what_is_chosen() {
    let files = Files::new();
    let log = files.events();
    let table = stdout(0, &["stats", &log]);
    for line in [
        "records                  3",
        "longest                 14 bytes",
        "blocks                   3 512.0 bytes a block",
        "rate                     1 records a second",
        "event                    3 100.0 %",
        "ERROR                    1 33.3 %",
        "[11]                     2 66.7 %",
        "dropped                  5 in 1 reports",
    ] {
        assert!(table.contains(line), "{line} in {table}");
    }
    let json = stdout(0, &["stats", "--json", "--thread", "11", &log]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["records"], &json["levels"]["INFO"]), (&2.into(), &1.into()));
    assert_eq!(json["threads"], serde_json::json!([{"thread": 11, "records": 2}]));
    assert!(stdout(0, &["stats", "--threads", "1", &log]).contains("and 1 more threads"));
    assert!(
        stdout(0, &["stats", &files.raw("r.log", &["one"])]).contains("raw                      1")
    );
}

#[test]
fn recover_sets_a_torn_end_aside_and_copies_what_is_sound() {
    let files = Files::new();
    let log = files.raw("a.log", &["one", "two", "three"]);
    let whole = std::fs::read(&log).unwrap();
    std::fs::write(&log, &whole[..1300]).unwrap();
    let copy = files.name("copy.log");
    assert_eq!(stdout(1, &["recover", &log, "-o", &copy]), "");
    assert_eq!(std::fs::read(&copy).unwrap(), &whole[..1024]);
    assert_eq!(run(&["recover", &log, "-o", &copy]).status.code(), Some(2), "never overwrites");
    assert_eq!(std::fs::read(&log).unwrap().len(), 1300, "left as it was");

    let said = stdout(1, &["recover", &log]);
    assert!(said.contains("sound up to 1024; 276 bytes after that were set aside as"), "{said}");
    assert_eq!(std::fs::read(&log).unwrap(), &whole[..1024]);
    let aside = said.trim_end().rsplit(' ').next().unwrap();
    assert_eq!(std::fs::read(aside).unwrap(), &whole[1024..1300]);
    assert!(stdout(0, &["recover", &log]).contains("nothing torn at its end, at 1024"));

    assert_eq!(run(&["recover", &files.name("no.log")]).status.code(), Some(2));
    assert!(!files.path("no.log").exists());
}

#[test]
fn recover_tidies_up_what_was_being_compressed() {
    let files = Files::new();
    let log = files.raw("a.log", &["two"]);
    let (finished, copy) = ("a.log.20260101-000000-000", "a.log.20260101-000000-000.zst");
    let part = files.path(".a.log.20260101-000000-001.zst.part");
    files.raw(finished, &["one"]);
    files.raw("a.log.20260101-000000-001", &["more"]);
    std::fs::write(&part, "half a cop").unwrap();
    // A frame with one block of the bytes as they are.
    let bytes = std::fs::read(files.path(finished)).unwrap();
    let mut packed = vec![0x28, 0xb5, 0x2f, 0xfd, 0x60];
    packed.extend((bytes.len() as u16 - 256).to_le_bytes());
    packed.extend(&((bytes.len() as u32) << 3 | 1).to_le_bytes()[..3]);
    packed.extend(&bytes);
    std::fs::write(files.path(copy), packed).unwrap();
    stdout(0, &["recover", &log]);
    assert!(!part.exists() && !files.path(finished).exists());
    assert_eq!(stdout(0, &["cat", &files.name(copy), &log]), "one\ntwo\n");
}

#[test]
fn a_file_that_cannot_be_read_does_not_keep_the_others_waiting() {
    let files = Files::new();
    let (good, missing) = (files.raw("a.log", &["one", "two"]), files.name("no.log"));
    let folder = files.dir.path().to_str().unwrap().to_owned();
    for (verb, expected) in [
        (vec!["cat"], "one\ntwo\n"),
        (vec!["tail", "-n1"], "two\n"),
        (vec!["grep", "-c", "o"], "a.log: 2\n"),
        (vec!["verify"], "a.log: sound\n"),
        (vec!["stats"], "a.log\n  records                  2\n"),
        (vec!["recover"], "a.log: nothing torn at its end, at 1024\n"),
    ] {
        let args = [verb, vec![missing.as_str(), folder.as_str(), good.as_str()]].concat();
        let output = run(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stdout).contains(expected), "{args:?}: {}", text(&output.stdout));
        let said = text(&output.stderr);
        assert!(said.lines().count() == 2 && said.contains("no.log"), "{args:?}: {said}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_in_one_line() {
    let files = Files::new();
    let log = files.raw("a.log", &["one"]);
    for (args, expected) in [
        (
            vec!["grep", "(", &log],
            "'(' is no regular expression: unclosed group; -F takes it as plain text",
        ),
        (vec!["cat", "--since", "1h", "--until", "2h", &log], "--since must be before --until"),
        (vec!["cat", "--template", "{time", &log], "'{time' is not closed; '{{' stands for '{'"),
        (vec!["cat", "--template", "{when}", &log], "there is no {when}; use time, ns,"),
        (vec!["verify", "-q", "--json", &log], "cannot be used with"),
        (vec!["cat", "--hold", "1", "--order", "time", &log], "--follow"),
        (
            vec!["cat", "-f", "--order", "time", "--hold", "-1", &log],
            "give seconds, from 0 to 86400",
        ),
    ] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(expected), "{args:?}: {}", text(&output.stderr));
        assert_eq!(output.stdout, b"");
    }
    let copy = files.name("copy.log");
    assert_eq!(run(&["recover", &files.name("no.log"), "-o", &copy]).status.code(), Some(2));
    assert!(!files.path("copy.log").exists(), "nothing was to be written");
}

#[test]
fn a_live_log_is_followed_through_rotation() {
    let files = Files::new();
    let log = files.raw("a.log", &["one"]);
    for verb in ["cat", "tail"] {
        raw_log(&files.path("a.log"), &["one"]);
        let mut child = flightring(&[verb, "-f", &log]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "one");
        std::fs::rename(&log, files.path("a.log.1")).unwrap();
        raw_log(&files.path("a.log"), &["two", "three"]);
        assert_eq!(lines.next().unwrap().unwrap(), "two");
        assert_eq!(lines.next().unwrap().unwrap(), "three");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn a_live_log_is_followed_through_files_that_were_compressed() {
    let files = Files::new();
    let (log, next) = (files.raw("a.log", &["one"]), files.name("a.log.next"));
    raw_log_from(Path::new(&next), 1, &["two", "three"]);
    let mut child = flightring(&["tail", "-f", &log]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "one");
    // Rotated twice, and the second file is compressed before anybody has looked.
    let packed = std::fs::File::create(files.path("a.log.1.gz")).unwrap();
    let mut packer = flate2::write::GzEncoder::new(packed, flate2::Compression::default());
    packer.write_all(&std::fs::read(&next).unwrap()).unwrap();
    packer.finish().unwrap();
    std::fs::remove_file(&next).unwrap();
    std::fs::rename(&log, files.path("a.log.0")).unwrap();
    raw_log_from(&files.path("a.log"), 3, &["four"]);
    for text in ["two", "three", "four"] {
        assert_eq!(lines.next().unwrap().unwrap(), text);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_closed_pipe_is_no_error() {
    let files = Files::new();
    let long = "x".repeat(1 << 20);
    let log = files.raw("a.log", &[&long, &long, &long]);
    let mut child =
        flightring(&["cat", &log]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}

#[test]
fn help_shows_examples() {
    for verb in ["cat", "verify", "tail", "grep", "stats", "recover"] {
        let help = stdout(0, &[verb, "--help"]);
        assert!(help.contains("Examples:\n  flightring "), "{help}");
    }
    assert!(stdout(0, &["--help"]).contains("Exit codes:"));
    assert!(stdout(0, &["--version"]).starts_with("flightring 0."));
}

/// Not a test of its own: what the next one starts in another process.
#[test]
fn live_child() {
    let Some(folder) = std::env::var_os("FLR_TEST_FOLDER") else { return };
    let folder = Path::new(&folder);
    let open = |name: &str| {
        let mut options = flightring_logger::Options::new(folder.join(name));
        options.stats_folder = Some(folder.into());
        flightring_logger::Logger::open(&options).unwrap()
    };
    let (a, b) = (open("a.log"), open("b.log"));
    a.write(b"one").unwrap();
    b.write(b"two").unwrap();
    b.write(b"three").unwrap();
    a.flush(std::time::Duration::from_secs(60)).unwrap();
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn stats_of_a_live_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "live_child", "--nocapture", "--test-threads=1"])
        .env("FLR_TEST_FOLDER", folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The test harness begins the line.
    while !lines.next().unwrap().unwrap().ends_with("ready") {}
    let (pid, place) = (child.id().to_string(), folder.path().to_str().unwrap());
    let log = folder.path().join("a.log").to_str().unwrap().to_owned();
    // The numbers are published a second later.
    let json = loop {
        let json = stdout(0, &["stats", "--stats-folder", place, "--json", &pid]);
        if json.contains("\"accepted\":1,") && json.contains("\"accepted\":2,") {
            break json;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let objects: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0]["path"], log);
    assert_eq!(objects[0]["stats"]["written"], 1);
    assert_eq!(objects[0]["shards"].as_array().unwrap().len(), 9);
    let table = stdout(0, &["stats", "--stats-folder", place, &pid]);
    assert!(table.contains("a.log (process ") && table.contains("b.log (process "), "{table}");
    let table = stdout(0, &["stats", "--stats-folder", place, "--live", &log]);
    let words: Vec<_> = table.split_whitespace().collect();
    assert!(words.join(" ").contains("accepted 1 written 1 in memory 0 "), "{table}");
    let table = stdout(0, &["stats", "--stats-folder", place, &log]);
    assert!(table.contains("raw ") && table.contains(&format!("(process {pid}, ")), "{table}");
    let json = stdout(0, &["stats", "--stats-folder", place, "--json", &log]);
    let object: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (object["records"].as_u64(), object["live"]["pid"].as_u64()),
        (Some(1), Some(child.id().into()))
    );
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    let output = run(&["stats", "--stats-folder", place, "--live", &log]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no live logger"));
    assert_eq!(run(&["stats", "--stats-folder", place, &pid]).status.code(), Some(2));
    let json = stdout(0, &["stats", "--stats-folder", place, "--json", &log]);
    assert!(json.contains("\"live\":null"));
}
