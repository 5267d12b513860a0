//! `cargo xtask bench logger`: the logger beside loggers that people use, in interleaved rounds.
//!
//! The program is `crates/logger/benches/peers/peers.cpp`. Each measurement is a process of its own; in a round every subject
//! runs once with every number of threads, one after the other. spdlog and glog are built in where their headers are found
//! (Debian: libspdlog-dev, libgoogle-glog-dev).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::{bench, sh, symbols};

const RECORDS: &str = "1000000";
/// For those that enter the kernel for each record: their rate does not depend on it, and the rounds stay short.
const FEWER_RECORDS: &str = "200000";
const SLOW: [&str; 2] = ["write(2)", "glog"];
const THREADS: [&str; 3] = ["1", "4", "8"];
const SUBJECTS: [&str; 9] = [
    "flightring",
    "flightring-4MiB",
    "flightring-shared",
    "flightring-dsync",
    "mutex+buffer",
    "write(2)",
    "spdlog-sync",
    "spdlog-async",
    "glog",
];

/// The numbers of one line that the program prints, for each round.
type Samples = BTreeMap<(usize, usize), Vec<Vec<f64>>>;

/// Runs the rounds and prints the table, and with `save` writes it to `docs/benchmarks/logger.md`.
pub(crate) fn run(rounds: usize, save: bool) -> Result<()> {
    let program = build()?;
    let folder = sh::target().join("peers");
    let file = folder.join("bench.log");
    let mut hot = Vec::new();
    let mut samples = Samples::new();
    for round in 1..=rounds.max(1) {
        eprintln!("round {round} of {rounds}");
        hot.extend(measure(&program, "hot", "1", &file)?);
        for (subject_number, subject) in SUBJECTS.iter().enumerate() {
            let more = if subject_number <= 1 { &["50"][..] } else { &[] };
            for threads in THREADS.iter().chain(more) {
                if let Some(numbers) = measure(&program, subject, threads, &file)? {
                    let key = (threads.parse()?, subject_number);
                    samples.entry(key).or_default().push(numbers);
                }
            }
        }
    }
    let text = report(rounds, &hot, &samples)?;
    print!("{text}");
    if save {
        let path = sh::root().join("docs/benchmarks/logger.md");
        fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        fs::write(path, text)?;
    }
    Ok(())
}

fn build() -> Result<std::path::PathBuf> {
    let library = symbols::release_library()?;
    let folder = sh::target().join("peers");
    fs::create_dir_all(&folder)?;
    // Under the name that programs load it by.
    fs::copy(&library, folder.join("libflightring.so.0"))?;
    let program = folder.join("peers");
    let mut compile = sh::command("c++");
    compile.args(["-O2", "-std=c++17", "-Iinclude", "-o"]).arg(&program);
    compile.arg("crates/logger/benches/peers/peers.cpp").arg(folder.join("libflightring.so.0"));
    compile.arg("-Wl,-rpath,$ORIGIN").arg("-pthread");
    if Path::new("/usr/include/spdlog/spdlog.h").exists() {
        compile.args(["-DWITH_SPDLOG", "-lspdlog", "-lfmt"]);
    }
    if Path::new("/usr/include/glog/logging.h").exists() {
        compile.args(["-DWITH_GLOG", "-lglog"]);
    }
    sh::run(&mut compile)?;
    Ok(program)
}

/// One measurement; none if the subject is not built in.
fn measure(program: &Path, subject: &str, threads: &str, file: &Path) -> Result<Option<Vec<f64>>> {
    if file.exists() {
        fs::remove_file(file)?;
    }
    let mut command = sh::command(program);
    let records = if SLOW.contains(&subject) { FEWER_RECORDS } else { RECORDS };
    let output = command.args([subject, threads, records]).arg(file).output()?;
    if output.status.code() == Some(77) {
        return Ok(None);
    }
    let printed = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> =
        printed.trim().split('\t').skip(2).map(str::parse).collect::<Result<_, _>>()?;
    anyhow::ensure!(numbers.len() == 6, "{subject} with {threads} threads printed `{printed}`");
    fs::remove_file(file).ok();
    Ok(Some(numbers))
}

fn report(rounds: usize, hot: &[Vec<f64>], samples: &Samples) -> Result<String> {
    let middle = |of: &[Vec<f64>], column: usize| {
        bench::median(&of.iter().map(|numbers| numbers[column]).collect::<Vec<_>>())
    };
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut out = format!(
        "# Benchmarks of the logger\n\nMade by `cargo xtask bench logger --rounds {rounds} --save`: {RECORDS} records of 100 \
         bytes\n({FEWER_RECORDS} for write(2) and glog), medians of {rounds} interleaved rounds. \"Durable\" is until the logger is stopped and the file \
         fdatasync'ed. Absolute times belong to one machine at one time;\ncompare the ratios. Load of the machine at the end \
         (1 minute): {}; {} cores.\n\nThe loggers with overflow block; nothing is dropped. `4MiB` has a buffer that fits the processor's cache (the default \
         is 64 MiB),\n`shared` survives SIGKILL, `dsync` makes each write durable.\n\n",
        load.split(' ').next().unwrap_or("unknown"),
        std::thread::available_parallelism()?,
    );
    writeln!(
        out,
        "Calls alone, one thread, bursts that fit: {:.1} ns; a copy and a release store of the same bytes: {:.1} ns; ratio \
         {:.2}.\n\n| threads | logger | ns a call, p50 | ns, p99.9 of batches of 20 | durable M records/s | against spdlog \
         async | CPU s per M | kept | file / payload |\n|---:|---|---:|---:|---:|---:|---:|---:|---:|",
        middle(hot, 0),
        middle(hot, 1),
        middle(hot, 2),
    )?;
    let asynchronous = SUBJECTS.iter().position(|name| *name == "spdlog-async");
    for ((threads, subject), rows) in samples {
        let peer = asynchronous.and_then(|subject| samples.get(&(*threads, subject)));
        let ratio = peer.map_or(f64::NAN, |peer| middle(rows, 2) / middle(peer, 2));
        writeln!(
            out,
            "| {threads} | {} | {:.1} | {:.0} | {:.2} | {ratio:.1} | {:.3} | {:.3} | {:.3} |",
            SUBJECTS[*subject],
            middle(rows, 0),
            middle(rows, 1),
            middle(rows, 2),
            middle(rows, 3),
            middle(rows, 4),
            middle(rows, 5),
        )?;
    }
    Ok(out)
}
