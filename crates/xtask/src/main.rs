//! The project's own commands. `cargo xtask demo` runs the main job, `cargo xtask test` passes every test; both install
//! what they need beyond Rust and gcc.

mod abi;
mod aims;
mod bench;
mod demo;
mod headers;
mod package;
mod peers;
mod plot;
mod sanitize;
mod sh;
mod symbols;
mod test;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "flightring's own commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install the package, build the examples against it, and run the service on real text
    Demo {
        /// A text file or a folder; without it, text found on this machine
        input: Option<PathBuf>,
    },
    /// Run every test; installs what they need
    Test {
        /// Also soaks, deep model checking, sanitizers and fuzzing
        #[arg(long)]
        long: bool,
        /// Stages to run instead of all
        stages: Vec<String>,
    },
    /// Run a crate's benchmarks in rounds and print the medians
    Bench {
        /// The folder below crates/; `logger` runs it beside other loggers
        name: String,
        /// How often all of them run
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Write the table to docs/benchmarks
        #[arg(long)]
        save: bool,
        #[command(flatten)]
        headers: peers::Headers,
    },
    /// Build the Debian packages into target/dist
    Dist,
    /// Generate the C headers from crates/capi
    Headers {
        /// Change nothing; fail if a committed header is not what would be generated
        #[arg(long)]
        check: bool,
    },
    /// Compare the binary interface of the headers with cmake/flightring.abi
    Abi {
        /// Write the description instead
        #[arg(long)]
        bless: bool,
    },
    /// Compare the symbols that libflightring.so exports with cmake/symbols.txt
    Symbols {
        /// Write the list instead
        #[arg(long)]
        bless: bool,
    },
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Headers { check } => headers::run(check),
        Command::Demo { input } => demo::run(input),
        Command::Test { long, stages } => test::run(long, &stages),
        Command::Bench { name, rounds, save, headers } if name == "logger" => {
            peers::run(rounds, save, &headers)
        }
        Command::Bench { name, rounds, save, .. } => bench::run(&name, rounds, save),
        Command::Dist => package::dist(),
        Command::Abi { bless } => abi::run(bless),
        Command::Symbols { bless } => symbols::run(bless),
    }
}
