//! Files through the pipeline: nothing lost, nothing moved, whatever the input is and however many threads work.

#[path = "../corpus/mod.rs"]
mod corpus;

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use flightring_normalise::pipeline::{Control, Input, Options, Output, PipelineError, Report, run};
use flightring_normalise::{Masker, Mode, Rules};

const SMALL: usize = 4 << 10;

/// A writer whose bytes can be looked at afterwards.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("no panic").clone()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives a few bytes at a time.
struct Trickle(io::Cursor<Vec<u8>>, usize);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.1);
        self.1 = self.1 * 7 % 9001 + 1;
        self.0.read(&mut buffer[..len])
    }
}

struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("room for a file");
        path
    }
}

fn run_files(
    inputs: &[&Path],
    output: Output,
    mode: Mode,
    options: &Options,
) -> Result<Report, PipelineError> {
    let inputs = inputs.iter().map(|path| Input::path(*path)).collect();
    run(inputs, output, &Masker::new(mode), options, &Arc::default())
}

#[test]
fn order_is_kept_for_every_number_of_threads() {
    let fixture = Fixture::new();
    let mut text = Vec::new();
    let mut corpus = corpus::Corpus::new(3);
    for _ in 0..3000 {
        corpus.line(&mut text);
        text.push(b'\n');
    }
    let input = fixture.file("in", &text);
    for mode in Mode::ALL {
        let expected = Masker::new(mode).mask(&text);
        for workers in [1, 2, 3, 8] {
            for writers in [1, 2, 5] {
                let options = Options::new(workers, writers, SMALL);
                let path = fixture.path("out");
                let report =
                    run_files(&[&input], Output::Path(path.clone()), mode, &options).unwrap();
                assert_eq!(report.lines, 3000);
                assert_eq!(report.bytes_in, text.len() as u64);
                assert_eq!(report.bytes_out, expected.len() as u64);
                assert!(fs::read(&path).unwrap() == expected, "{mode} {workers} {writers}");
                let shared = Shared::default();
                let output = Output::writer("shared", shared.clone());
                run_files(&[&input], output, mode, &options).unwrap();
                assert!(shared.bytes() == expected, "{mode} {workers} {writers} in turns");
            }
        }
    }
}

/// Lines from much shorter to much longer than a buffer, in every mode, however the bytes arrive.
#[test]
fn lines_of_any_length() {
    let mut text = Vec::new();
    for (index, len) in
        [0_usize, 1, 4095, 4096, 4097, 3, 60_000, 2, 8192, 12_288, 300_001].iter().enumerate()
    {
        let unit: &[u8] = match index % 4 {
            0 => b"(ab 12 \"x\" [y] ",
            1 => b"a1\xe2\x82\xacb ) ",
            2 => b"((((1",
            _ => b"word77",
        };
        text.extend(unit.iter().cycle().take(*len));
        if index % 3 == 0 {
            text.push(b'\r');
        }
        text.push(b'\n');
    }
    // One whose outermost pair is closed at the very end, and one in which a token gets its digit there.
    text.extend(format!("({})\n", "(a) b ".repeat(9000)).into_bytes());
    text.extend(format!("{}7 x\n", "a".repeat(50_000)).into_bytes());
    text.extend(format!("{}{}\n", "(".repeat(30_000), ")".repeat(29_000)).into_bytes());
    text.extend_from_slice(b"\xe2\x82");
    for mode in Mode::ALL {
        let expected = Masker::new(mode).mask(&text);
        for step in [1, 100, 1 << 20] {
            let shared = Shared::default();
            let report = run(
                vec![Input::reader("text", Trickle(io::Cursor::new(text.clone()), step))],
                Output::writer("shared", shared.clone()),
                &Masker::new(mode),
                &Options::new(2, 1, SMALL),
                &Arc::default(),
            )
            .unwrap();
            assert!(shared.bytes() == expected, "{mode} in steps of {step}");
            assert_eq!(report.lines, 15);
            assert!(report.long_lines >= 6, "{}", report.long_lines);
            assert_eq!(report.bytes_in, text.len() as u64);
            assert_eq!(report.bytes_out, expected.len() as u64);
        }
    }
}

#[test]
fn line_ends_are_kept_and_files_stay_apart() {
    let fixture = Fixture::new();
    let first = fixture.file("first", b"a1\r\n\n\0b2");
    let empty = fixture.file("empty", b"");
    let second = fixture.file("second", b"3\r\nlast 4");
    let shared = Shared::default();
    let report = run_files(
        &[&first, &empty, &second],
        Output::writer("shared", shared.clone()),
        Mode::Digits,
        &Options::default(),
    )
    .unwrap();
    assert_eq!(shared.bytes(), b"a#\r\n\n\0b#\n#\r\nlast #");
    assert_eq!(report.lines_by_input, [3, 0, 2]);
}

/// More inputs than there are buffers, and nothing in most of them.
#[test]
fn empty_inputs_cost_no_buffers() {
    let fixture = Fixture::new();
    let empty = fixture.file("empty", b"");
    // Ends just where a buffer does.
    let full = fixture.file("full", &b"0123456\n".repeat(SMALL / 8));
    let mut inputs = vec![empty.as_path(); 50];
    inputs.extend([full.as_path(); 50]);
    inputs.extend([empty.as_path(); 50]);
    let report =
        run_files(&inputs, Output::Discard, Mode::Digits, &Options::new(1, 1, SMALL)).unwrap();
    assert_eq!(report.lines, 50 * SMALL as u64 / 8);
}

#[test]
fn compressed_input_is_recognised_by_its_bytes() {
    let fixture = Fixture::new();
    let mut text = Vec::new();
    let mut corpus = corpus::Corpus::new(4);
    for _ in 0..2000 {
        corpus.line(&mut text);
        text.push(b'\n');
    }
    let (one, two) = text.split_at(100_000);
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    };
    let zstd = |bytes: &[u8]| {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    };
    let skipped = b"\x5a\x2a\x4d\x18\x03\0\0\0abc";
    let expected = Masker::new(Mode::Shape).mask(&text);
    // Each in two members, the first of them behind a frame that is to be skipped.
    let archives =
        [[gzip(one), gzip(two)].concat(), [&skipped[..], &zstd(one), &zstd(two)].concat()];
    for archive in archives {
        let path = fixture.file("archive", &archive);
        let shared = Shared::default();
        let control = Arc::new(Control::default());
        run(
            vec![Input::path(&path)],
            Output::writer("shared", shared.clone()),
            &Masker::new(Mode::Shape),
            &Options::default(),
            &control,
        )
        .unwrap();
        assert!(shared.bytes() == expected);
        assert_eq!(control.bytes_read(), archive.len() as u64);
        assert_eq!(control.lines(), 2000);

        // Cut off: the lines before are there, and the message has the place.
        let path = fixture.file("cut", &archive[..archive.len() - 100]);
        let shared = Shared::default();
        let output = Output::writer("shared", shared.clone());
        let error = run_files(&[&path], output, Mode::Shape, &Options::default()).unwrap_err();
        let bytes = shared.bytes();
        assert!(expected.starts_with(&bytes) && bytes.ends_with(b"\n"));
        let line = bytes.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let PipelineError::Read { input, line: reported, .. } = &error else { panic!("{error}") };
        assert_eq!((input.as_str(), *reported), (path.to_str().unwrap(), line as u64));
        assert!(error.to_string().contains(&format!("cut:{line}: cannot be read")), "{error}");
    }
}

#[test]
fn what_cannot_be_opened_is_named() {
    let fixture = Fixture::new();
    let good = fixture.file("good", b"1\n");
    let missing = fixture.path("missing");
    let shared = Shared::default();
    let output = Output::writer("shared", shared.clone());
    let error =
        run_files(&[&good, &missing], output, Mode::Digits, &Options::default()).unwrap_err();
    assert!(matches!(&error, PipelineError::Open { input, .. } if input.ends_with("missing")));
    assert_eq!(shared.bytes(), b"#\n", "what came before is there");
    let error =
        run_files(&[fixture.dir.path()], Output::Discard, Mode::Digits, &Options::default());
    assert!(error.unwrap_err().to_string().contains("directory"));
    let output = Output::Path(fixture.path("no/such/directory"));
    let error = run_files(&[&good], output, Mode::Digits, &Options::default()).unwrap_err();
    assert!(matches!(error, PipelineError::Create { .. }));
    // Only root reads what nobody may.
    fs::set_permissions(&good, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&good).is_err() {
        let error =
            run_files(&[&good], Output::Discard, Mode::Digits, &Options::default()).unwrap_err();
        assert!(error.to_string().contains("Permission denied"), "{error}");
    }
}

#[test]
fn an_input_is_never_overwritten() {
    let fixture = Fixture::new();
    let input = fixture.file("log", b"precious 1\n");
    let link = fixture.path("link");
    fs::hard_link(&input, &link).unwrap();
    let error =
        run_files(&[&input], Output::Path(link), Mode::Digits, &Options::default()).unwrap_err();
    assert!(matches!(error, PipelineError::SameFile { .. }), "{error}");
    assert_eq!(fs::read(&input).unwrap(), b"precious 1\n");
}

#[test]
fn a_full_disk_and_a_broken_pipe_are_errors_with_a_place() {
    let fixture = Fixture::new();
    let input = fixture.file("log", &b"line 1\n".repeat(20_000));
    for writers in [1, 3] {
        let options = Options::new(2, writers, SMALL);
        let full = Output::Path("/dev/full".into());
        let error = run_files(&[&input], full, Mode::Digits, &options).unwrap_err();
        let PipelineError::Write { output, line, source, .. } = &error else { panic!("{error}") };
        assert_eq!((output.as_str(), *line), ("/dev/full", 1));
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);

        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = Output::writer("pipe", writer);
        let error = run_files(&[&input], output, Mode::Digits, &options).unwrap_err();
        let PipelineError::Write { source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::BrokenPipe);
    }
}

/// Takes a number of bytes, then nothing.
struct Quota(Shared, usize);

impl Write for Quota {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.1);
        self.1 -= len;
        if len == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.write(&bytes[..len])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_failed_write_names_the_first_line_that_may_be_missing() {
    let fixture = Fixture::new();
    let input = fixture.file("log", &b"line 1\n".repeat(20_000));
    let shared = Shared::default();
    let output = Output::writer("quota", Quota(shared.clone(), 50_000));
    let error = run_files(&[&input], output, Mode::Digits, &Options::new(3, 2, SMALL)).unwrap_err();
    let PipelineError::Write { line, .. } = error else { panic!("{error}") };
    let whole = shared.bytes().iter().filter(|&&byte| byte == b'\n').count() as u64;
    assert!(line > 1 && line <= whole + 1 && whole - line < 1000, "{line} of {whole}");
    assert!(b"line #\n".repeat(20_000).starts_with(&shared.bytes()));
}

#[test]
fn rules_refuse_a_line_that_does_not_fit() {
    let fixture = Fixture::new();
    let input = fixture.file("log", &[b"ok 1\n", &b"x".repeat(5000)[..], b"\n"].concat());
    let rules = Rules::new([("n", r"\d+")]).unwrap();
    let masker = Masker::new(Mode::Keep).with_rules(rules).unwrap();
    let run_with = |size| {
        let shared = Shared::default();
        let output = Output::writer("shared", shared.clone());
        let inputs = vec![Input::path(&input)];
        run(inputs, output, &masker, &Options::new(1, 1, size), &Arc::default())
            .map(|_| shared.bytes())
    };
    let error = run_with(SMALL).unwrap_err();
    assert!(matches!(&error, PipelineError::LongLine { line: 2, limit: SMALL, .. }), "{error}");
    assert!(run_with(8 << 10).unwrap().starts_with(b"ok <n>\n"));
}

#[test]
fn stopping_leaves_whole_lines() {
    /// Never ends; asks for the end after a while.
    struct Endless(Arc<Control>, usize);
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1 == 40 {
                self.0.stop();
            }
            let len = buffer.len().min(1001);
            let line = b"another line 12345\n";
            for (index, byte) in buffer[..len].iter_mut().enumerate() {
                *byte = line[index % line.len()];
            }
            Ok(len)
        }
    }
    let control = Arc::new(Control::default());
    let shared = Shared::default();
    let report = run(
        vec![Input::reader("endless", Endless(Arc::clone(&control), 0))],
        Output::writer("shared", shared.clone()),
        &Masker::new(Mode::Digits),
        &Options::new(2, 2, SMALL),
        &control,
    )
    .unwrap();
    assert!(report.stopped && report.lines > 1000);
    let bytes = shared.bytes();
    assert!(bytes.ends_with(b"\n"));
    assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count() as u64, report.lines);
}

/// A gigabyte without a line feed, in little memory.
#[test]
fn a_line_of_a_gigabyte() {
    if std::env::var_os("FLIGHTRING_LONG").is_none() {
        return;
    }
    let fixture = Fixture::new();
    let out = fixture.path("out");
    let cases = [
        (Mode::Shape, "(ab [1] ", "(Y [X] "),
        (Mode::Shape, "((((((((", "(((((((("),
        (Mode::Digits, "(ab [1] ", "(ab [#] "),
        (Mode::Tokens, "(ab [1] ", "(ab # "),
        (Mode::Typed, "(ab [1] ", "(ab [<num>] "),
    ];
    for (mode, unit, pattern_unit) in cases {
        let lines = io::repeat(0).take(0);
        let unit_bytes: &'static [u8] = unit.as_bytes();
        struct Repeat(&'static [u8], u64);
        impl Read for Repeat {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = (buffer.len() / self.0.len()).min(self.1 as usize);
                for chunk in buffer[..count * self.0.len()].chunks_exact_mut(self.0.len()) {
                    chunk.copy_from_slice(self.0);
                }
                self.1 -= count as u64;
                Ok(count * self.0.len())
            }
        }
        let count = (1 << 30) / unit.len() as u64;
        run(
            vec![Input::reader("long", lines.chain(Repeat(unit_bytes, count)))],
            Output::Path(out.clone()),
            &Masker::new(mode),
            &Options::new(1, 1, 256 << 10),
            &Arc::default(),
        )
        .unwrap();
        let mut expected = io::BufReader::new(Repeat(pattern_unit.as_bytes(), count));
        let mut got = io::BufReader::new(fs::File::open(&out).unwrap());
        let (mut a, mut b) = (vec![0; 21 << 10], vec![0; 21 << 10]);
        for _ in 0..count * pattern_unit.len() as u64 / a.len() as u64 {
            expected.read_exact(&mut a).unwrap();
            got.read_exact(&mut b).unwrap();
            assert!(a == b);
        }
        assert_eq!(fs::metadata(&out).unwrap().len(), count * pattern_unit.len() as u64);
    }
}
