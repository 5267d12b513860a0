use clap::Args as ClapArgs;
use flightring_blockfile::Item;
use regex::bytes::{Regex, RegexBuilder};

use crate::choose::Choice;
use crate::failure::{Failure, Outcome, each_file};
use crate::input::{Input, Progress, name};
use crate::output::Output;

/// Write the records whose text matches a pattern
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A regular expression
    pattern: String,

    #[command(flatten)]
    input: Input,

    /// Upper and lower case are the same
    #[arg(long, short)]
    ignore_case: bool,

    /// The pattern is plain text, not a regular expression
    #[arg(long, short = 'F')]
    fixed_strings: bool,

    /// Records that do not match
    #[arg(long, short = 'v')]
    invert_match: bool,

    /// Only how many records match, for each file
    #[arg(long, short)]
    count: bool,

    /// Stop after this many records of a file
    #[arg(long, short, value_name = "N")]
    max_count: Option<u64>,

    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  flightring grep 'timed? out' app.log
  flightring grep -i -c error app.log app.log.1
  flightring grep --json --since 1h user=42 app.log

Exit codes: 0 a record matches; 1 none does; 2 wrong usage, or a file cannot be read.
Damage is reported on standard error.";

pub(crate) fn run(args: Args) -> Result<Outcome, Failure> {
    let pattern = pattern(&args)?;
    let filter = args.choice.filter()?;
    let mut printer = args.output.printer().name_files(args.input.files.len());
    let outcome = each_file(&args.input.files, |path| {
        let mut reader = args.input.open(path)?;
        let file = name(path);
        let progress =
            Progress::over(reader.blocks().file(), path, printer.leaves_terminal_alone());
        let mut matches = 0u64;
        while args.max_count.is_none_or(|most| matches < most) {
            let item = reader.next_wanted(&filter).map_err(|e| Failure::file("read", path, e))?;
            match item {
                None => break,
                Some(Item::Damage(damage)) => progress.complain(format_args!("{file}: {damage}")),
                Some(Item::Record(record)) => {
                    if pattern.is_match(record.data) != args.invert_match {
                        matches += 1;
                        if !args.count {
                            printer.record(&record, &file)?;
                        }
                    }
                }
            }
            progress.at(reader.blocks().position());
        }
        if args.count && args.input.files.len() > 1 {
            printer.line(format_args!("{file}: {matches}"))?;
        } else if args.count {
            printer.line(matches)?;
        }
        Ok(matches > 0)
    })?;
    printer.flush()?;
    Ok(match outcome {
        Outcome::Finding => Outcome::Fine,
        Outcome::Fine => Outcome::Finding,
        other => other,
    })
}

fn pattern(args: &Args) -> Result<Regex, Failure> {
    let escaped = regex::escape(&args.pattern);
    let text = if args.fixed_strings { &escaped } else { &args.pattern };
    RegexBuilder::new(text).case_insensitive(args.ignore_case).build().map_err(|error| {
        // The last line of what it says is the reason.
        let (error, given) = (error.to_string(), &args.pattern);
        let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Failure::Message(format!(
            "'{given}' is no regular expression: {reason}; -F takes it as plain text"
        ))
    })
}
