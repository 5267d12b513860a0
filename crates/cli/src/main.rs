//! The `flightring` command.
//!
//! One file per subcommand; each has an `Args` (what it takes, with examples) and a `run`. What they share:
//!
//! * `failure`: how a subcommand ends, and the exit code that makes of it
//! * `input`: log files and standard input, and the progress of reading long ones
//! * `choose`: the options that choose records
//! * `service`: talking to a running service
//! * `output`, `template`, `clock`: standard output, and how a record and its time look on it

#![deny(unsafe_code)]

mod cat;
mod choose;
mod clock;
mod failure;
mod grep;
mod import;
mod input;
mod live;
mod normalise;
mod output;
mod query;
mod recover;
mod run;
mod service;
mod stats;
mod tail;
mod template;
mod verify;
mod waiter;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Run commands under watch, and read, verify, follow and recover flightring logs.
#[derive(Parser)]
#[command(name = "flightring", version, after_help = EXAMPLES, infer_subcommands = true)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  flightring cat app.log                      the log as text
  flightring tail -f app.log                  follow it, through rotations
  flightring grep -i 'timed? out' app.*.log   search several files
  flightring verify app.log                   check every byte
  flightring stats app.log                    levels, threads, rates, sizes
  flightring normalise app.log                what kinds of lines are in it
  flightring run --http 8080 -- make test     run a command with a live page
  flightring query logs severity=error       ask a running service for its recent errors
  flightring import logs saved.ndjson        send records that were saved to a running service

Exit codes: 0 fine; 1 damage was found, or a search found nothing; 2 wrong usage, or a file cannot be read.
Logs of every earlier format are read too. '-' is standard input.";

#[derive(Subcommand)]
enum Verb {
    Cat(cat::Args),
    Verify(verify::Args),
    Tail(tail::Args),
    Grep(grep::Args),
    Stats(stats::Args),
    Recover(recover::Args),
    #[command(visible_alias = "patterns")]
    Normalise(normalise::Args),
    Run(run::Args),
    Query(query::Args),
    Import(import::Args),
}

fn main() -> ExitCode {
    let outcome = match Command::parse().verb {
        Verb::Cat(args) => cat::run(args),
        Verb::Verify(args) => verify::run(args),
        Verb::Tail(args) => tail::run(args),
        Verb::Grep(args) => grep::run(args),
        Verb::Stats(args) => stats::run(args),
        Verb::Recover(args) => recover::run(args),
        Verb::Normalise(args) => normalise::run(args),
        Verb::Run(args) => run::run(args),
        Verb::Query(args) => query::run(args),
        Verb::Import(args) => import::run(args),
    };
    failure::exit_code(outcome)
}
