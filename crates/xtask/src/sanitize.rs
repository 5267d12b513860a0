//! Tests and fuzz targets in builds that watch themselves. They need options of the compiler that are not stable yet,
//! which `RUSTC_BOOTSTRAP` lets the stable one take.

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::sh;

/// Seconds that each fuzz target runs, unless `FLIGHTRING_FUZZ_SECONDS` says otherwise.
const FUZZ_SECONDS: &str = "60";

/// What libFuzzer wants to be told of a run: which edges were taken, and what was compared.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// All tests, those in C and C++ included, under AddressSanitizer. (ThreadSanitizer would need a standard library that was
/// compiled with it: without, its locks and channels are reported as races. The loom models look at the orderings instead.)
pub(crate) fn address() -> Result<()> {
    // What a forked child leaves behind is no leak; the examples are searched for leaks by valgrind. Tests ask for more
    // memory than there is, which has to be an error and not the end.
    let options = "detect_leaks=0:detect_stack_use_after_return=1:allocator_may_return_null=1";
    let mut tests = build("asan", "-Zsanitizer=address", &["test", "--tests", "--workspace"])?;
    sh::run(tests.args(["--exclude", "xtask"]).env("ASAN_OPTIONS", options))
}

/// Every fuzz target for a while, from its corpus.
pub(crate) fn fuzz() -> Result<()> {
    let flags = format!("{COVERAGE} -Zsanitizer=address -Cdebug-assertions");
    let release = ["build", "--release", "--package=flightring-fuzz", "--features=libfuzzer"];
    sh::run(build("fuzz", &flags, &release)?.env("CARGO_PROFILE_RELEASE_STRIP", "none"))?;
    let seconds = std::env::var("FLIGHTRING_FUZZ_SECONDS").unwrap_or_else(|_| FUZZ_SECONDS.into());
    let built = sh::target().join("fuzz").join(sh::host()?).join("release");
    for entry in fs::read_dir(sh::root().join("crates/fuzz/corpus"))? {
        let corpus = entry?.path();
        let target = built.join(corpus.file_name().unwrap_or_default());
        let found = target.with_extension("found");
        fs::create_dir_all(&found)?;
        sh::run(
            sh::command(&target)
                .arg(format!("-max_total_time={seconds}"))
                .args([
                    "-timeout=20",
                    "-rss_limit_mb=2048",
                    "-print_final_stats=1",
                    "-print_funcs=0",
                ])
                .arg(format!("-artifact_prefix={}-", target.display()))
                .args([found, corpus])
                .env("ASAN_OPTIONS", "detect_leaks=0"),
        )?;
    }
    Ok(())
}

/// A cargo command with flags for everything that is compiled for this machine, in a target folder of its own.
fn build(folder: &str, flags: &str, args: &[&str]) -> Result<Command> {
    let mut cargo = sh::cargo();
    cargo
        .args(args)
        .args(["--quiet", "--locked", "--target"])
        .arg(sh::host()?)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", sh::target().join(folder))
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    Ok(cargo)
}
