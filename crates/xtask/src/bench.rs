//! `cargo xtask bench CRATE`: a crate's criterion benchmarks in several rounds, and their medians as a table.
//!
//! A shared machine changes its speed from minute to minute. So the benchmarks run in rounds, one after the other in each, the
//! median over the rounds is what counts, and what is quoted is the ratio to the yardstick of the same group: the benchmark that
//! is named `memcpy`, or else the group's first.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::sh;

/// What criterion writes beside its measurements.
#[derive(Deserialize)]
struct Benchmark {
    group_id: String,
    function_id: Option<String>,
    value_str: Option<String>,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// Nanoseconds of each round, by group and function.
type Samples = BTreeMap<String, BTreeMap<String, Vec<f64>>>;

const TABLE: &str =
    "| group | benchmark | median ns | lowest | highest | ratio |\n|---|---|---:|---:|---:|---:|\n";

/// Runs the benchmarks of `crates/<name>`, and with `save` writes the table to `docs/benchmarks/<name>.md`.
pub(crate) fn run(name: &str, rounds: usize, save: bool) -> Result<()> {
    let benches = sh::root().join("crates").join(name).join("benches");
    let Ok(entries) = fs::read_dir(&benches) else {
        bail!("{} is missing: crates/{name} has no benchmarks", benches.display());
    };
    // By name: with --benches alone, cargo would also hand criterion's options to the unit tests.
    let mut targets = Vec::new();
    for entry in entries {
        if let Some(stem) = entry?.file_name().to_str().and_then(|file| file.strip_suffix(".rs")) {
            targets.push(format!("--bench={stem}"));
        }
    }
    let results = sh::target().join("criterion");
    let mut samples = Samples::new();
    for round in 1..=rounds.max(1) {
        eprintln!("round {round} of {rounds}");
        if results.exists() {
            fs::remove_dir_all(&results)?;
        }
        sh::everything(
            sh::cargo()
                .args(["bench", "--quiet", "--locked", "--package", &format!("flightring-{name}")])
                .args(&targets)
                .args(["--", "--noplot", "--warm-up-time", "0.5", "--measurement-time", "2"]),
        )?;
        collect(&results, &mut samples)?;
    }
    let text = report(name, rounds, &samples)?;
    print!("{text}");
    if save {
        let path = sh::root().join(format!("docs/benchmarks/{name}.md"));
        fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, text + remarks(&before))?;
    }
    Ok(())
}

/// What stands behind the table of a saved report: it is written by hand, and kept.
fn remarks(report: &str) -> &str {
    let table = report.find(TABLE).unwrap_or(report.len());
    report[table..].find("\n\n").map_or("", |end| &report[table + end + 1..])
}

fn collect(folder: &Path, samples: &mut Samples) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        if path.file_name().is_some_and(|name| name == "new") {
            let about: Benchmark =
                serde_json::from_str(&fs::read_to_string(path.join("benchmark.json"))?)?;
            let estimates: Estimates =
                serde_json::from_str(&fs::read_to_string(path.join("estimates.json"))?)?;
            let function = [about.function_id, about.value_str]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join("/");
            let group = samples.entry(about.group_id).or_default();
            group.entry(function).or_default().push(estimates.median.point_estimate);
        } else {
            collect(&path, samples)?;
        }
    }
    Ok(())
}

fn report(name: &str, rounds: usize, samples: &Samples) -> Result<String> {
    let rustc = sh::output(sh::command("rustc").arg("--version"))?;
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let mut out = format!(
        "# Benchmarks of {name}\n\nMade by `cargo xtask bench {name} --rounds {rounds} --save`. Medians over {rounds} rounds; \
         absolute times belong to one\nmachine at one time, so compare the ratios.\n\n{}, {} cores; {}\n\n",
        cpu.trim_start_matches([' ', '\t', ':']),
        std::thread::available_parallelism()?,
        rustc.trim(),
    ) + TABLE;
    for (group, functions) in samples {
        let yardstick = functions
            .get("memcpy")
            .or_else(|| functions.values().next())
            .map_or(f64::NAN, |s| median(s));
        for (function, times) in functions {
            let middle = median(times);
            let lowest = times.iter().copied().fold(f64::INFINITY, f64::min);
            let highest = times.iter().copied().fold(0.0, f64::max);
            writeln!(
                out,
                "| {group} | {function} | {middle:.1} | {lowest:.1} | {highest:.1} | {:.2} |",
                middle / yardstick
            )?;
        }
    }
    Ok(out)
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[len / 2],
        len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn median_of_even_odd_and_none() {
        assert_eq!(super::median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(super::median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(super::median(&[]).is_nan());
    }
}
