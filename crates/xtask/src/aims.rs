//! What the benchmark of the logger says: the aims and whether they hold, the tables, and the plots.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::peers::{Column, SUBJECTS, Samples};
use crate::plot::{self, Group, shown};
use crate::sh;

const OURS: &str = SUBJECTS[0];
/// Bytes of a record.
const RECORD: f64 = 100.0;
const THREADS: [usize; 3] = [1, 4, 8];

/// One line of the table of aims. Lines without a value were not measured.
struct Aim {
    what: String,
    value: Option<f64>,
    limit: Limit,
}

#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Aim {
    fn row(&self) -> String {
        let (words, limit, holds) = match self.limit {
            Limit::AtMost(limit) => {
                ("at most", limit, self.value.is_some_and(|value| value <= limit))
            }
            Limit::AtLeast(limit) => {
                ("at least", limit, self.value.is_some_and(|value| value >= limit))
            }
        };
        let (value, verdict) = match self.value {
            None => ("-".to_owned(), "not measured"),
            Some(value) => (shown(value), if holds { "holds" } else { "**missed**" }),
        };
        format!("| {} | {words} {limit} | {value} | {verdict} |\n", self.what)
    }
}

/// What was aimed at, in the order of the aims.
fn aims(samples: &Samples) -> Vec<Aim> {
    let mut aims = Vec::new();
    let mut aim = |what: String, value, limit| aims.push(Aim { what, value, limit });
    let ratio = |a: Option<f64>, b: Option<f64>| Some(a? / b?);
    let alone = |a, b| ratio(samples.alone(a), samples.alone(b));
    let against = |peer, threads, column| {
        ratio(samples.loaded(OURS, threads, column), samples.loaded(peer, threads, column))
    };
    let threads_of =
        |threads| if threads == 1 { "1 thread".into() } else { format!("{threads} threads") };

    aim(
        "hot loop through dlopen, 100 bytes / copy and release store".into(),
        alone("call_100", "floor_100"),
        Limit::AtMost(1.5),
    );
    for (peer, limit) in [("spdlog async", 0.03), ("quill", 0.5)] {
        for threads in THREADS {
            aim(
                format!("loaded p50 / {peer}, {}", threads_of(threads)),
                against(peer, threads, Column::P50),
                Limit::AtMost(limit),
            );
        }
    }
    for (peer, limit) in
        [("spdlog async", 10.0), ("tracing-appender", 10.0), ("spdlog sync", 3.0), ("quill", 8.0)]
    {
        for threads in THREADS {
            aim(
                format!("durable records/s / {peer}, {}", threads_of(threads)),
                against(peer, threads, Column::Durable),
                Limit::AtLeast(limit),
            );
        }
    }
    aim(
        "durable records/s, 50 threads / 8 threads".into(),
        ratio(samples.loaded(OURS, 50, Column::Durable), samples.loaded(OURS, 8, Column::Durable)),
        Limit::AtLeast(0.5),
    );
    for threads in THREADS {
        let bytes = samples
            .loaded(OURS, threads, Column::Durable)
            .zip(samples.loaded(OURS, threads, Column::Framing))
            .map(|(rate, framing)| rate * RECORD * framing);
        aim(
            format!("durable bytes/s / direct writes of 1 MiB, {}", threads_of(threads)),
            ratio(bytes, samples.alone("disk_mb_s")),
            Limit::AtLeast(0.6),
        );
    }
    for threads in THREADS {
        aim(
            format!("CPU a record / spdlog sync, {}", threads_of(threads)),
            against("spdlog sync", threads, Column::Cpu),
            Limit::AtMost(0.25),
        );
    }
    for threads in THREADS {
        aim(
            format!("p99.9 of batches of 20 calls, ns a call, {}", threads_of(threads)),
            samples.loaded(OURS, threads, Column::P999),
            Limit::AtMost(3000.0),
        );
        aim(
            format!("longest batch, ms, {}", threads_of(threads)),
            samples.loaded(OURS, threads, Column::LongestMs),
            Limit::AtMost(25.0),
        );
    }
    aim(
        "hot loop, staging shared / private".into(),
        alone("shared_100", "private_100"),
        Limit::AtMost(1.1),
    );
    aim(
        "first call of a new thread, p50, ns".into(),
        samples.alone("first_call"),
        Limit::AtMost(1000.0),
    );
    aim(
        "growth of memory over 9,000 more short-lived threads, KiB".into(),
        samples.alone("threads_growth_kib"),
        Limit::AtMost(1024.0),
    );
    aim("idle CPU, % of a core".into(), samples.alone("idle_percent"), Limit::AtMost(0.1));
    aim(
        "durable flush of one record, p50 / handshake and one 4 KiB O_DSYNC write".into(),
        alone("flush_us", "flush_floor_us"),
        Limit::AtMost(1.3),
    );
    for (name, rate) in
        [("framing_100000", "0.1"), ("framing_1000000", "1"), ("framing_2000000", "2")]
    {
        aim(
            format!("file bytes / payload, {rate} M records/s"),
            samples.alone(name),
            Limit::AtMost(1.1),
        );
    }
    aims
}

/// The whole document.
pub(crate) fn report(
    rounds: usize,
    records: &str,
    fewer: &str,
    slow: &[&str],
    samples: &Samples,
) -> Result<String> {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut out = format!(
        "# Benchmarks of the logger\n\nMade by `cargo xtask bench logger --rounds {rounds} --save`: records of 100 bytes, {records} in each measurement \
         ({fewer} for\n{}), medians of {rounds} interleaved rounds, each measurement begun after sync, a\nsecond's rest and writing to a gigabyte of memory (see `rest.c`). \"Durable\" is until the logger is stopped and the file \
         fdatasync'ed. Absolute times belong to one machine at one time; compare\nthe ratios.\n\n{}; load at the end (1 minute): {}.\n\n",
        slow.join(", "),
        machine()?,
        load.split(' ').next().unwrap_or("unknown"),
    );
    out += "## Aims\n\n| what | aim | seen | verdict |\n|---|---|---:|---|\n";
    for aim in aims(samples) {
        out += &aim.row();
    }
    out += "\n## The logger by itself\n\nThrough dlopen, one thread, with the default options; bursts of 4000 records that fit the memory.\n\n\
            | bytes | ns a call | copy and release store, ns | ratio |\n|---:|---:|---:|---:|\n";
    for length in [8, 100, 500] {
        let call = samples.alone(&format!("call_{length}"));
        let floor = samples.alone(&format!("floor_{length}"));
        if let Some((call, floor)) = call.zip(floor) {
            writeln!(out, "| {length} | {call:.1} | {floor:.1} | {:.2} |", call / floor)?;
        }
    }
    out += "\n| | |\n|---|---:|\n";
    for (name, what) in [
        ("flush_us", "durable flush of one record, p50, us"),
        ("flush_floor_us", "handshake and one 4 KiB O_DSYNC write, p50, us"),
        ("disk_mb_s", "direct writes of 1 MiB and fdatasync, MB/s"),
    ] {
        if let Some(number) = samples.alone(name) {
            writeln!(out, "| {what} | {} |", shown(number))?;
        }
    }
    out += "\n## Beside other loggers\n\nNothing is dropped: the loggers here block when they are full, and quill grows. The first line of each number of threads is the default \
            of flightring but\nfor that; `shared` survives SIGKILL, `dsync` makes each write durable. CPU is of the process; what the \
            kernel does later for buffered\nwrites is not in it.\n\n![durable records a second](logger-durable.svg)\n\n![CPU](logger-cpu.svg)\n\n\
            | threads | logger | ns a call, p50 | ns, p99.9 of batches of 20 | longest batch, ms | durable M records/s | flightring's rate / this | \
            CPU s per M | kept | file / payload |\n|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    for (subject, threads) in samples.measured() {
        let number = |column| samples.loaded(subject, threads, column).unwrap_or(f64::NAN);
        let ours = samples.loaded(OURS, threads, Column::Durable);
        let ratio = match ours {
            Some(ours) if subject != OURS => format!("{:.1}", ours / number(Column::Durable)),
            _ => String::new(),
        };
        writeln!(
            out,
            "| {threads} | {subject} | {:.1} | {:.0} | {:.2} | {:.2} | {ratio} | {:.3} | {:.3} | {:.3} |",
            number(Column::P50),
            number(Column::P999),
            number(Column::LongestMs),
            number(Column::Durable),
            number(Column::Cpu),
            number(Column::Kept),
            number(Column::Framing),
        )?;
    }
    Ok(out)
}

/// The processor and the versions of what was measured.
fn machine() -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut words = vec![
        cpu.trim_start_matches([' ', '\t', ':']).to_owned(),
        format!("{} cores", std::thread::available_parallelism()?),
        format!("Linux {}", kernel.trim()),
        sh::output(sh::command("rustc").arg("--version"))?.trim().to_owned(),
    ];
    for package in ["libspdlog-dev", "libgoogle-glog-dev"] {
        let asked = sh::command("dpkg-query")
            .args(["--show", "--showformat=${Package} ${Version}", package])
            .output();
        if let Ok(found) = asked
            && found.status.success()
        {
            words.push(String::from_utf8_lossy(&found.stdout).into_owned());
        }
    }
    let lock = fs::read_to_string(sh::root().join("Cargo.lock"))?;
    if let Some((_, rest)) = lock.split_once("name = \"tracing-appender\"\nversion = \"") {
        words.push(format!("tracing-appender {}", rest.split('"').next().unwrap_or_default()));
    }
    Ok(words.join("; "))
}

/// The plots that the document shows.
pub(crate) fn plots(folder: &Path, threads: &[usize], samples: &Samples) -> Result<()> {
    let series: Vec<String> = threads
        .iter()
        .map(|threads| if *threads == 1 { "1 thread".into() } else { format!("{threads} threads") })
        .collect();
    for (file, title, column) in [
        (
            "logger-durable.svg",
            "Durable records, millions a second (more is better)",
            Column::Durable,
        ),
        ("logger-cpu.svg", "CPU seconds for a million records (less is better)", Column::Cpu),
    ] {
        let groups: Vec<Group> = SUBJECTS
            .iter()
            .map(|subject| Group {
                name: (*subject).to_owned(),
                values: threads
                    .iter()
                    .map(|threads| samples.loaded(subject, *threads, column))
                    .collect(),
            })
            .filter(|group| group.values.iter().any(Option::is_some))
            .collect();
        plot::bars(&folder.join(file), title, &series, &groups)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_that_is_met_holds_and_one_without_a_number_says_so() {
        let row = |value, limit| Aim { what: "x".into(), value, limit }.row();
        assert_eq!(row(Some(1.5), Limit::AtMost(1.5)), "| x | at most 1.5 | 1.50 | holds |\n");
        assert!(row(Some(1.51), Limit::AtMost(1.5)).contains("**missed**"));
        assert!(row(Some(9.9), Limit::AtLeast(10.0)).contains("**missed**"));
        assert!(row(Some(12.0), Limit::AtLeast(10.0)).contains("at least 10 | 12.0 | holds"));
        assert!(row(None, Limit::AtLeast(10.0)).contains("not measured"));
    }
}
