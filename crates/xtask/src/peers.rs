//! `cargo xtask bench logger`: the logger by itself and beside loggers that people use, in interleaved rounds.
//!
//! The programs are in `crates/logger/benches/peers`. Each measurement is a process of its own; in a round every subject
//! runs once with every number of threads, one after the other and with a rest between, and the logger by itself once. spdlog and glog are built
//! in where their headers are found (Debian: libspdlog-dev, libgoogle-glog-dev), quill and fmtlog where told.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::{aims, sh, symbols};

const RECORDS: &str = "1000000";
/// For those whose rate is far below: it does not depend on the number, and the rounds stay short.
const FEWER_RECORDS: &str = "200000";
const SLOW: [&str; 6] = ["write(2)", "glog", "spdlog async", "tracing-appender", "quill", "fmtlog"];
const THREADS: [usize; 3] = [1, 4, 8];
/// Beyond the shards.
const MANY_THREADS: usize = 50;
/// In the order of the table. The first is the logger as a newcomer gets it, but for the overflow policy.
pub(crate) const SUBJECTS: [&str; 11] = [
    "flightring",
    "flightring, shared",
    "flightring, dsync",
    "mutex+buffer",
    "write(2)",
    "spdlog sync",
    "spdlog async",
    "glog",
    "tracing-appender",
    "quill",
    "fmtlog",
];
const FLIGHTRING: &str = SUBJECTS[0];

/// What a measurement of one subject gives, in the order in which the programs print it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    P50,
    P999,
    LongestMs,
    Durable,
    Cpu,
    Kept,
    Framing,
}

const COLUMNS: usize = 7;

/// The numbers of all rounds.
#[derive(Default)]
pub(crate) struct Samples {
    /// By subject and threads.
    loaded: BTreeMap<(usize, usize), Vec<[f64; COLUMNS]>>,
    /// By the name that `alone` prints.
    alone: BTreeMap<String, Vec<f64>>,
}

impl Samples {
    /// The median over the rounds; none if the subject was not built in.
    pub(crate) fn loaded(&self, subject: &str, threads: usize, column: Column) -> Option<f64> {
        let index = SUBJECTS.iter().position(|name| *name == subject)?;
        let rounds = self.loaded.get(&(index, threads))?;
        let values: Vec<f64> = rounds.iter().map(|row| row[column as usize]).collect();
        Some(crate::bench::median(&values))
    }

    /// The median over the rounds of a measurement of the logger by itself.
    pub(crate) fn alone(&self, name: &str) -> Option<f64> {
        self.alone.get(name).map(|values| crate::bench::median(values))
    }

    /// Subjects and numbers of threads that were measured, by threads.
    pub(crate) fn measured(&self) -> Vec<(&'static str, usize)> {
        let mut found: Vec<_> =
            self.loaded.keys().map(|(subject, threads)| (*threads, *subject)).collect();
        found.sort_unstable();
        found.into_iter().map(|(threads, subject)| (SUBJECTS[subject], threads)).collect()
    }
}

/// Where the headers of peers are that Debian does not have.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Headers {
    /// A folder with quill/Backend.h, for `bench logger`
    #[arg(long)]
    quill: Option<PathBuf>,
    /// A folder with fmtlog.h and, in fmt/include, the fmt that it comes with, for `bench logger`
    #[arg(long)]
    fmtlog: Option<PathBuf>,
}

/// The programs, by the subjects that they measure.
struct Programs {
    library: PathBuf,
    alone: PathBuf,
    rest: PathBuf,
    peers: PathBuf,
    tracing: PathBuf,
    quill: Option<PathBuf>,
    fmtlog: Option<PathBuf>,
}

/// Runs the rounds and prints the tables, and with `save` writes them to `docs/benchmarks`, with plots.
pub(crate) fn run(rounds: usize, save: bool, headers: &Headers) -> Result<()> {
    let programs = build(headers)?;
    let folder = sh::target().join("peers");
    let mut samples = Samples::default();
    for round in 1..=rounds.max(1) {
        eprintln!("round {round} of {rounds}");
        for (name, number) in alone(&programs, &folder)? {
            samples.alone.entry(name).or_default().push(number);
        }
        for (index, subject) in SUBJECTS.iter().enumerate() {
            let more = if *subject == FLIGHTRING { &[MANY_THREADS][..] } else { &[] };
            for threads in THREADS.iter().chain(more) {
                if let Some(numbers) = measure(&programs, subject, *threads, &folder)? {
                    samples.loaded.entry((index, *threads)).or_default().push(numbers);
                }
            }
        }
    }
    let text = aims::report(rounds, RECORDS, FEWER_RECORDS, &SLOW, &samples)?;
    print!("{text}");
    if save {
        let docs = sh::root().join("docs/benchmarks");
        fs::create_dir_all(&docs)?;
        fs::write(docs.join("logger.md"), text)?;
        aims::plots(&docs, &THREADS, &samples)?;
    }
    Ok(())
}

fn build(headers: &Headers) -> Result<Programs> {
    let folder = sh::target().join("peers");
    fs::create_dir_all(&folder)?;
    // Under the name that programs load it by.
    let library = folder.join("libflightring.so.0");
    fs::copy(symbols::release_library()?, &library)?;
    sh::run(sh::cargo().args(["build", "--quiet", "--release", "--locked"]).args([
        "--package",
        "flightring-logger",
        "--example",
        "tracing_appender",
    ]))?;
    let plain = |name: &str| -> Result<PathBuf> {
        let program = folder.join(name);
        let mut compile = sh::command("cc");
        compile.args(["-O2", "-std=gnu11", "-Iinclude", "-o"]).arg(&program);
        compile.arg(format!("crates/logger/benches/peers/{name}.c"));
        sh::run(compile.args(["-ldl", "-pthread"]))?;
        Ok(program)
    };

    let program = |name: &str, flags: &[String]| -> Result<PathBuf> {
        let program = folder.join(name);
        let mut compile = sh::command("c++");
        compile.args(["-O2", "-std=c++17", "-Iinclude", "-o"]).arg(&program);
        compile.arg("crates/logger/benches/peers/peers.cpp").arg(&library);
        sh::run(compile.arg("-Wl,-rpath,$ORIGIN").arg("-pthread").args(flags))?;
        Ok(program)
    };
    let mut flags = Vec::new();
    for (header, found) in [
        ("/usr/include/spdlog/spdlog.h", ["-DWITH_SPDLOG", "-lspdlog", "-lfmt"].as_slice()),
        ("/usr/include/glog/logging.h", &["-DWITH_GLOG", "-lglog"]),
    ] {
        if Path::new(header).exists() {
            flags.extend(found.iter().map(|flag| (*flag).to_owned()));
        } else {
            eprintln!("{header} is missing, so that logger is left out");
        }
    }
    let include = |folder: &Path| format!("-I{}", folder.display());
    Ok(Programs {
        peers: program("peers", &flags)?,
        quill: (headers.quill.as_deref())
            .map(|quill| program("peers-quill", &["-DWITH_QUILL".into(), include(quill)]))
            .transpose()?,
        fmtlog: (headers.fmtlog.as_deref())
            .map(|fmtlog| {
                let fmt = include(&fmtlog.join("fmt/include"));
                program(
                    "peers-fmtlog",
                    &["-DWITH_FMTLOG".into(), "-DFMT_HEADER_ONLY".into(), include(fmtlog), fmt],
                )
            })
            .transpose()?,
        library,
        alone: plain("alone")?,
        rest: plain("rest")?,
        tracing: sh::target().join("release/examples/tracing_appender"),
    })
}

/// The logger by itself: names and numbers.
fn alone(programs: &Programs, folder: &Path) -> Result<Vec<(String, f64)>> {
    programs.let_the_machine_rest()?;
    let printed = sh::output(sh::command(&programs.alone).arg(&programs.library).arg(folder))?;
    let line = |line: &str| {
        let (name, number) = line.split_once('\t')?;
        Some((name.to_owned(), number.parse().ok()?))
    };
    let numbers: Option<Vec<_>> = printed.lines().map(line).collect();
    numbers.with_context(|| format!("alone printed `{printed}`"))
}

impl Programs {
    /// So that no measurement pays for what the one before wrote: the kernel writes back what it holds, and a virtual disk that
    /// may be fast for a while only may be so again. And so that none pays for memory that a virtual machine was not given
    /// yet.
    fn let_the_machine_rest(&self) -> Result<()> {
        sh::output(&mut sh::command("sync"))?;
        thread::sleep(Duration::from_secs(1));
        sh::output(&mut sh::command(&self.rest))?;
        Ok(())
    }
}

/// One measurement; none if the subject is not built in.
fn measure(
    programs: &Programs,
    subject: &str,
    threads: usize,
    folder: &Path,
) -> Result<Option<[f64; COLUMNS]>> {
    let file = folder.join("bench.log");
    if file.exists() {
        fs::remove_file(&file)?;
    }
    let mut command = match subject {
        "tracing-appender" => sh::command(&programs.tracing),
        "quill" | "fmtlog" => {
            let program = if subject == "quill" { &programs.quill } else { &programs.fmtlog };
            let Some(program) = program else { return Ok(None) };
            let mut command = sh::command(program);
            command.arg(subject);
            command
        }
        _ => {
            let mut command = sh::command(&programs.peers);
            command.arg(subject);
            command
        }
    };
    let records = if SLOW.contains(&subject) { FEWER_RECORDS } else { RECORDS };
    programs.let_the_machine_rest()?;
    let output = command.arg(threads.to_string()).arg(records).arg(&file).output()?;
    if output.status.code() == Some(77) {
        return Ok(None);
    }
    let printed = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = printed
        .trim()
        .split('\t')
        .skip(2)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .unwrap_or_default();
    ensure!(
        output.status.success() && numbers.len() == COLUMNS,
        "{subject} with {threads} threads: {}, printed `{printed}`",
        output.status
    );
    fs::remove_file(&file).ok();
    Ok(numbers.try_into().ok())
}
