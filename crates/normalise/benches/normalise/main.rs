//! Speed and memory of masking, in one run: `cargo bench -p flightring-normalise`.
//!
//! Prints a page in Markdown. Every round measures everything once, so that all share what else the machine does; the
//! numbers are medians. `FLR_BENCH_DIR` says where the files are (the target directory by default), `FLR_BENCH_ROUNDS` and
//! `FLR_BENCH_LINES` how much is done; with `FLR_BENCH_MEMORY` only what is done in memory.

#[path = "../../corpus/mod.rs"]
mod corpus;
mod origin;

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use flightring_normalise::pipeline::{Input, Options, Output, run};
use flightring_normalise::{Kernel, Masker, Mode, PatternId, SummaryOptions};
use regex_automata::meta::Regex;

const MODES: [Mode; 4] = [Mode::Digits, Mode::Shape, Mode::Tokens, Mode::Typed];
/// The size of a part in the pipeline.
const PART: usize = 256 << 10;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [kind, what, input, output] = &arguments[..]
        && kind == "child"
    {
        return child(what, Path::new(input), Path::new(output));
    }
    let number = |name: &str, default: usize| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (lines, rounds) = (number("FLR_BENCH_LINES", 500_000), number("FLR_BENCH_ROUNDS", 5));
    let dir = std::env::var_os("FLR_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let input = dir.join("normalise-bench.log");
    generate(&input, lines)?;
    if std::env::var_os("FLR_BENCH_MEMORY").is_some() {
        memory(&fs::read(&input)?, rounds, lines);
        return Ok(());
    }
    let size = fs::metadata(&input)?.len();

    println!("# Masking: speed and memory\n");
    println!(
        "{lines} made-up lines (seed 1), {:.1} MB; medians of {rounds} rounds, on {}.",
        size as f64 / 1e6,
        machine()
    );
    println!("Command: `cargo bench -p flightring-normalise`; {}.\n", version());
    // Before the text is read into this process: a child's peak memory counts its parent's when it is started.
    println!("## File to file\n");
    println!(
        "One worker and one writer, unless it says otherwise. Peak RSS is of the whole process.\n"
    );
    files(&input, &dir.join("normalise-bench.out"), rounds, lines, size)?;
    println!("\n## In memory\n");
    println!(
        "One thread and its processor time; parts of {} KiB, the output overwritten part by part.\n",
        PART >> 10
    );
    memory(&fs::read(&input)?, rounds, lines);
    Ok(())
}

fn generate(path: &Path, lines: usize) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let mut corpus = corpus::Corpus::new(1);
    let mut line = Vec::new();
    for _ in 0..lines {
        line.clear();
        corpus.line(&mut line);
        line.push(b'\n');
        out.write_all(&line)?;
    }
    out.flush()
}

fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("?");
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {processors} processors, Linux {}", kernel.trim())
}

fn version() -> String {
    let output = Command::new("rustc").arg("--version").output().map(|output| output.stdout);
    let text = String::from_utf8(output.unwrap_or_default()).unwrap_or_default();
    format!("{}, fastest kernel {:?}", text.trim(), Kernel::detect())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What is measured file to file: a name, and how it is started.
enum Job {
    /// This program again, with that work.
    Child(String),
    /// A program and its arguments; the input is its standard input.
    Tool(&'static str, &'static [&'static str]),
}

fn files(input: &Path, output: &Path, rounds: usize, lines: usize, size: u64) -> Result<()> {
    let mut jobs: Vec<(String, Job)> = Vec::new();
    for mode in MODES {
        jobs.push((format!("flightring {mode}"), Job::Child(format!("{mode}:1:1"))));
    }
    for mode in [Mode::Digits, Mode::Shape, Mode::Typed] {
        let job = Job::Child(format!("{mode}:2:1"));
        jobs.push((format!("flightring {mode}, 2 workers"), job));
    }
    for mode in [Mode::Shape, Mode::Typed] {
        let job = Job::Child(format!("{mode}:1:summary"));
        jobs.push((format!("flightring {mode}, summary, no output"), job));
    }
    jobs.push(("copy, read and write of 256 KiB".to_owned(), Job::Child("copy".to_owned())));
    jobs.push((
        "origin's pipeline, ported, 1 worker".to_owned(),
        Job::Child("origin:1".to_owned()),
    ));
    jobs.push((
        "origin's pipeline, ported, 4 workers".to_owned(),
        Job::Child("origin:4".to_owned()),
    ));
    jobs.push(("regex-automata, digits, by lines".to_owned(), Job::Child("regex".to_owned())));
    jobs.push(("`wc -l`".to_owned(), Job::Tool("wc", &["-l"])));
    jobs.push(("`tr -s 0-9 '#'`".to_owned(), Job::Tool("tr", &["-s", "0-9", "#"])));
    jobs.push((
        "`LC_ALL=C sed -E 's/[0-9]+/#/g'`".to_owned(),
        Job::Tool("sed", &["-E", "s/[0-9]+/#/g"]),
    ));
    let mut seconds = vec![Vec::new(); jobs.len()];
    let mut processors = vec![Vec::new(); jobs.len()];
    let mut peaks = vec![0_u64; jobs.len()];
    for _ in 0..rounds {
        for (index, (_, job)) in jobs.iter().enumerate() {
            let (time, processor, peak) = start(job, input, output)?;
            seconds[index].push(time);
            processors[index].push(processor);
            peaks[index] = peaks[index].max(peak);
        }
    }
    println!(
        "| | s | CPU s | lines/s | GB/s | GB per CPU s | peak RSS MB |\n|---|---|---|---|---|---|---|"
    );
    for (index, (name, _)) in jobs.iter().enumerate() {
        let time = median(&mut seconds[index]);
        let processor = median(&mut processors[index]);
        println!(
            "| {name} | {time:.3} | {processor:.3} | {:.2} M | {:.3} | {:.3} | {:.1} |",
            lines as f64 / time / 1e6,
            size as f64 / time / 1e9,
            size as f64 / processor / 1e9,
            peaks[index] as f64 / 1e6,
        );
    }
    fs::remove_file(output)?;
    Ok(())
}

/// Wall time and processor time in seconds, and peak memory in bytes, of a process.
fn start(job: &Job, input: &Path, output: &Path) -> Result<(f64, f64, u64)> {
    let mut command = match job {
        Job::Child(what) => {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("child").arg(what).arg(input).arg(output);
            command
        }
        Job::Tool(program, arguments) => {
            let mut command = Command::new(program);
            command.args(*arguments).env("LC_ALL", "C");
            command.stdin(File::open(input)?).stdout(File::create(output)?);
            command
        }
    };
    // An old output would be freed on somebody's time.
    let _ = fs::remove_file(output);
    if matches!(job, Job::Tool(..)) {
        command.stdout(File::create(output)?);
    }
    let started = Instant::now();
    let child = command.stderr(Stdio::inherit()).spawn()?;
    let mut status = 0;
    // SAFETY: a structure of integers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both places are writable; the process is our child and nobody else waits for it.
    let waited = unsafe { libc::wait4(child.id() as i32, &mut status, 0, &mut usage) };
    let time = started.elapsed().as_secs_f64();
    if waited != child.id() as i32 || status != 0 {
        return Err(format!("a child failed: {command:?}").into());
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    let processor = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    Ok((time, processor, usage.ru_maxrss as u64 * 1024))
}

/// The work of a child.
fn child(what: &str, input: &Path, output: &Path) -> Result<()> {
    let parts: Vec<&str> = what.split(':').collect();
    match parts[..] {
        ["copy"] => {
            let (mut from, mut to) = (File::open(input)?, File::create(output)?);
            let mut buffer = vec![0; PART];
            loop {
                let len = io::Read::read(&mut from, &mut buffer)?;
                if len == 0 {
                    return Ok(());
                }
                to.write_all(&buffer[..len])?;
            }
        }
        ["regex"] => {
            let regex = Regex::new("[0-9]+")?;
            let mut lines = io::BufReader::with_capacity(PART, File::open(input)?);
            let mut out = BufWriter::with_capacity(PART, File::create(output)?);
            let mut line = Vec::new();
            while io::BufRead::read_until(&mut lines, b'\n', &mut line)? > 0 {
                let mut from = 0;
                for found in regex.find_iter(&line) {
                    out.write_all(&line[from..found.start()])?;
                    out.write_all(b"#")?;
                    from = found.end();
                }
                out.write_all(&line[from..])?;
                line.clear();
            }
            out.flush()?;
        }
        ["origin", workers] => origin::pipeline(input, output, workers.parse()?)?,
        [mode, workers, writers] => {
            let masker = Masker::new(mode.parse()?);
            let inputs = vec![Input::path(input)];
            let (options, output) = match writers {
                "summary" => (
                    Options::new(workers.parse()?, 1, PART).with_summary(SummaryOptions::default()),
                    Output::Discard,
                ),
                _ => (
                    Options::new(workers.parse()?, writers.parse()?, PART),
                    Output::Path(output.to_owned()),
                ),
            };
            if matches!(output, Output::Discard) {
                File::create(std::env::args().nth(4).unwrap_or_default())?;
            }
            black_box(run(inputs, output, &masker, &options, &Arc::default())?);
        }
        _ => return Err(format!("no work is called {what}").into()),
    }
    Ok(())
}

/// Seconds of processor time that this thread has had: what others do on the machine hardly counts.
fn thread_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn memory(text: &[u8], rounds: usize, lines: usize) {
    let parts: Vec<&[u8]> = {
        let mut rest = text;
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let end = memchr::memrchr(b'\n', &rest[..rest.len().min(PART)])
                .map_or(rest.len(), |at| at + 1);
            parts.push(&rest[..end]);
            rest = &rest[end..];
        }
        parts
    };
    let mut dst = vec![0_u8; 4 * PART + 64];
    type Work<'a> = Box<dyn FnMut(&[&[u8]], &mut [u8]) -> usize + 'a>;
    let mut works: Vec<(String, Work<'_>)> = Vec::new();
    for mode in MODES {
        for kernel in Kernel::available() {
            // Only the others have kernels.
            if mode == Mode::Typed && kernel != Kernel::detect() {
                continue;
            }
            let Ok(masker) = Masker::new(mode).with_kernel(kernel) else { continue };
            let name =
                if mode == Mode::Typed { format!("{mode}") } else { format!("{mode}, {kernel:?}") };
            works.push((
                name,
                Box::new(move |parts, dst| {
                    parts.iter().map(|part| masker.mask_into(part, dst).unwrap_or(0)).sum()
                }),
            ));
        }
    }
    for mode in MODES {
        let masker = Masker::new(mode);
        works.push((
            format!("{mode}, line by line, with pattern id"),
            Box::new(move |parts, dst| {
                let mut sum = 0_u64;
                for part in parts {
                    for line in part.split_inclusive(|&byte| byte == b'\n') {
                        let line = &line[..line.len() - 1];
                        let len = masker.mask_into(line, dst).unwrap_or(0);
                        sum = sum.wrapping_add(PatternId::of(&dst[..len]).0);
                    }
                }
                sum as usize
            }),
        ));
    }
    let regex = Regex::new("[0-9]+").ok();
    works.push((
        "regex-automata, digits".to_owned(),
        Box::new(move |parts, dst| {
            let mut total = 0;
            for part in parts {
                let (mut from, mut at) = (0, 0);
                for found in regex.iter().flat_map(|regex| regex.find_iter(*part)) {
                    let kept = &part[from..found.start()];
                    dst[at..at + kept.len()].copy_from_slice(kept);
                    dst[at + kept.len()] = b'#';
                    at += kept.len() + 1;
                    from = found.end();
                }
                total += at + part.len() - from;
            }
            total
        }),
    ));
    works.push((
        "origin's mask, ported".to_owned(),
        Box::new(|parts, _| {
            let mut total = 0;
            for part in parts {
                for line in part.split(|&byte| byte == b'\n') {
                    total += origin::mask(line).len();
                }
            }
            total
        }),
    ));
    works.push((
        "memcpy".to_owned(),
        Box::new(|parts, dst| {
            for part in parts {
                dst[..part.len()].copy_from_slice(part);
                black_box(&dst);
            }
            0
        }),
    ));
    works.push((
        "newlines counted (memchr)".to_owned(),
        Box::new(|parts, _| parts.iter().map(|p| memchr::memchr_iter(b'\n', p).count()).sum()),
    ));
    let mut seconds = vec![Vec::new(); works.len()];
    for _ in 0..rounds {
        for (index, (_, work)) in works.iter_mut().enumerate() {
            let started = thread_time();
            black_box(work(black_box(&parts), &mut dst));
            seconds[index].push(thread_time() - started);
        }
    }
    println!("| | s | lines/s | GB/s | ns a line |\n|---|---|---|---|---|");
    for (index, (name, _)) in works.iter().enumerate() {
        let time = median(&mut seconds[index]);
        println!(
            "| {name} | {time:.3} | {:.2} M | {:.2} | {:.0} |",
            lines as f64 / time / 1e6,
            text.len() as f64 / time / 1e9,
            time / lines as f64 * 1e9,
        );
    }
}
