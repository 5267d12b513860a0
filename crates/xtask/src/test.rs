//! `cargo xtask test`: every check there is, in the order in which a failure is cheapest.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::{abi, headers, package, sanitize, sh, symbols};

struct Stage {
    name: &'static str,
    run: fn() -> Result<()>,
    /// Runs only in the long tier, or when it is named.
    long: bool,
}

const fn stage(name: &'static str, run: fn() -> Result<()>) -> Stage {
    Stage { name, run, long: false }
}

const fn long_stage(name: &'static str, run: fn() -> Result<()>) -> Stage {
    Stage { name, run, long: true }
}

const STAGES: &[Stage] = &[
    stage("format", format),
    stage("headers", || headers::run(true)),
    stage("clippy", clippy),
    stage("documentation", documentation),
    stage("tests", tests),
    stage("loom", models),
    stage("browser", browser),
    stage("otlp clients", otlp_clients),
    stage("symbols", || symbols::run(false)),
    stage("abi", || abi::run(false)),
    stage("package", package::test),
    stage("valgrind", memcheck),
    stage("dist", package::dist),
    long_stage("asan", sanitize::address),
    long_stage("fuzz", sanitize::fuzz),
];

/// Runs all stages, or those that are named; with `long`, the tests that take long do not hold back.
pub(crate) fn run(long: bool, only: &[String]) -> Result<()> {
    if let Some(unknown) = only.iter().find(|wanted| STAGES.iter().all(|s| s.name != **wanted)) {
        let names: Vec<_> = STAGES.iter().map(|stage| stage.name).collect();
        bail!("there is no stage `{unknown}`; the stages are: {}", names.join(", "));
    }
    if long {
        // SAFETY: this process has one thread.
        unsafe { std::env::set_var("FLIGHTRING_LONG", "1") };
    }
    package::tools()?;
    let start = Instant::now();
    let mut times = Vec::new();
    for stage in STAGES {
        let name = stage.name;
        let chosen = only.iter().any(|wanted| wanted == name);
        if !chosen && !(only.is_empty() && (long || !stage.long)) {
            continue;
        }
        eprintln!("\n== {name}");
        let begin = Instant::now();
        (stage.run)().with_context(|| format!("stage `{name}` of cargo xtask test"))?;
        times.push((name, begin.elapsed().as_secs_f64()));
    }
    eprintln!("\nAll stages passed in {:.0} s:", start.elapsed().as_secs_f64());
    for (name, seconds) in times {
        eprintln!("  {name:<14}{seconds:>7.1} s");
    }
    Ok(())
}

fn format() -> Result<()> {
    sh::run(sh::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    sh::run(
        sh::cargo()
            .args(["clippy", "--quiet", "--locked", "--workspace", "--all-targets"])
            .args(["--", "-D", "warnings"]),
    )
}

fn documentation() -> Result<()> {
    sh::run(
        sh::cargo()
            .args([
                "doc",
                "--quiet",
                "--locked",
                "--workspace",
                "--no-deps",
                "--document-private-items",
            ])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

fn tests() -> Result<()> {
    sh::run(sh::cargo().args(["test", "--quiet", "--locked", "--workspace"]))
}

/// The page in a real browser. The script installs what it needs, and says so where it cannot.
fn browser() -> Result<()> {
    with_command("crates/serve/tests/browser/run.sh")
}

/// Real OpenTelemetry SDKs against `flightring run`; they too are installed by their script.
fn otlp_clients() -> Result<()> {
    with_command("crates/serve/tests/otlp-clients/run.sh")
}

/// Runs a script that tests the `flightring` command.
fn with_command(script: &str) -> Result<()> {
    sh::run(sh::cargo().args(["build", "--quiet", "--locked", "--package", "flightring-cli"]))?;
    sh::run(sh::command(sh::root().join(script)).arg(sh::target().join("debug/flightring")))
}

/// Model checking: every crate that has a `tests/loom.rs`, or a `src/model.rs` for what is not public. In a target folder of its own, because the flags differ, and
/// without link-time optimisation, which takes longer than the models do.
fn models() -> Result<()> {
    for entry in fs::read_dir(sh::root().join("crates"))? {
        let folder = entry?.path();
        let models: &[&str] = if folder.join("tests/loom.rs").exists() {
            &["--test", "loom"]
        } else if folder.join("src/model.rs").exists() {
            &["--lib", "model::"]
        } else {
            continue;
        };
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        sh::run(
            sh::cargo()
                .args(["test", "--quiet", "--locked", "--release"])
                .args(models)
                .arg("--package")
                .arg(format!("flightring-{name}"))
                .env("RUSTFLAGS", "--cfg loom")
                .env("CARGO_PROFILE_RELEASE_LTO", "off")
                .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
                .env("CARGO_TARGET_DIR", sh::target().join("loom")),
        )?;
    }
    Ok(())
}

/// The C and C++ tests, and the examples, under valgrind. Leaks are looked for in the examples only: the tests fork, and a
/// child leaves its parent's memory as it is.
fn memcheck() -> Result<()> {
    sh::need(&[("valgrind", "valgrind")])?;
    const VALGRIND: &[&str] = &["-q", "--error-exitcode=9", "--fair-sched=yes"];
    let runner = format!("valgrind {}", VALGRIND.join(" "));
    let variable = format!("CARGO_TARGET_{}_RUNNER", sh::host()?.to_uppercase().replace('-', "_"));
    sh::run(
        sh::cargo()
            .args(["test", "--quiet", "--locked", "--package", "ffi-tests", "--test", "c"])
            .args(["--", "--test-threads=2"])
            .env(variable, runner),
    )?;
    for example in package::examples()? {
        sh::run(
            sh::command("valgrind")
                .args(VALGRIND)
                .args([
                    "--leak-check=full",
                    "--show-leak-kinds=definite",
                    "--errors-for-leak-kinds=definite",
                ])
                .args(example),
        )?;
    }
    Ok(())
}
