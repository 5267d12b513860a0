use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args as ClapArgs, ValueEnum};
use flightring_blockfile::{Filter, Follower, Item, LiveMerge, Merge, Merged, OrderBy};

use crate::choose::Choice;
use crate::failure::{Failure, Outcome, complain, each_file};
use crate::input::{Input, Progress, name};
use crate::output::{Output, Printer};
use crate::waiter::Waiter;

/// Write the records of logs to standard output
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,

    /// Go on with what is written to the files from now on, through rotations
    #[arg(long, short)]
    follow: bool,

    /// The order of the records of all files together
    #[arg(long, value_enum, default_value_t)]
    order: Order,

    /// How far ordering looks ahead, in MiB: twice the logger's buffer gives the exact order
    #[arg(long, value_name = "MIB", default_value_t = 128,
          value_parser = clap::value_parser!(u32).range(1..=65536))]
    window: u32,

    /// How long --follow holds a record back so that earlier ones can come before it, in seconds. The flush interval of the
    /// loggers gives the exact order
    #[arg(long, value_name = "SECONDS", default_value_t = LiveMerge::DEFAULT_HOLD.as_secs_f64(), requires = "follow", allow_negative_numbers = true,
          value_parser = parse_hold)]
    hold: f64,

    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  flightring cat app.log
  flightring cat --json --level warn --since 10m app.log
  flightring cat --order time app.log.* app.log
  flightring cat -f --order time --hold 2 a.log b.log
  flightring cat --template '{time} {text}' app.log
  flightring cat app.log.1.zst
  ssh host cat app.log | flightring cat -

Damage is reported on standard error, and the exit code is then 1.";

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Order {
    /// As in the files, one file after the other
    #[default]
    File,
    /// By time; what comes at the same time stays as it was written
    Time,
    /// By the number of a record in its log: for rotated files in any order
    Sequence,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Failure> {
    let filter = args.choice.filter()?;
    let mut printer = args.output.printer();
    let outcome = match args.order {
        order if args.follow => return follow(&args, order, filter, &mut printer),
        Order::File => one_after_the_other(&args, &filter, &mut printer)?,
        Order::Time => merge(&args, OrderBy::Time, filter, &mut printer)?,
        Order::Sequence => merge(&args, OrderBy::Sequence, filter, &mut printer)?,
    };
    printer.flush()?;
    Ok(outcome)
}

fn one_after_the_other(
    args: &Args,
    filter: &Filter,
    printer: &mut Printer,
) -> Result<Outcome, Failure> {
    each_file(&args.input.files, |path| {
        let mut damaged = false;
        let mut reader = args.input.open(path)?;
        let file = name(path);
        let progress =
            Progress::over(reader.blocks().file(), path, printer.leaves_terminal_alone());
        loop {
            let item = reader.next_wanted(filter).map_err(|e| Failure::file("read", path, e))?;
            match item {
                None => return Ok(damaged),
                Some(Item::Damage(damage)) => {
                    damaged = true;
                    progress.complain(format_args!("{file}: {damage}"));
                }
                Some(Item::Record(record)) => printer.record(&record, &file)?,
            }
            progress.at(reader.blocks().position());
        }
    })
}

fn merge(
    args: &Args,
    order: OrderBy,
    filter: Filter,
    printer: &mut Printer,
) -> Result<Outcome, Failure> {
    let paths = &args.input.files;
    let names: Vec<String> = paths.iter().map(|path| name(path)).collect();
    let readers = paths.iter().map(|path| args.input.open(path)).collect::<Result<_, _>>()?;
    let mut merge = Merge::new(readers, order, filter, (args.window as usize) << 20);
    let mut damaged = false;
    loop {
        let item = merge.next_item();
        match item.map_err(|e| Failure::Message(format!("cannot read: {e}")))? {
            None => break,
            Some(Merged::Damage(index, damage)) => {
                damaged = true;
                complain(format_args!("{}: {damage}", names[index]));
            }
            Some(Merged::Record(index, record)) => {
                printer.record(&record.record(), &names[index])?;
            }
        }
    }
    if merge.late() > 0 {
        complain(format_args!(
            "{} records are out of order; use a larger --window than {}",
            merge.late(),
            args.window
        ));
    }
    Ok(Outcome::finding(damaged))
}

/// Goes on until it is ended, or its output is.
fn follow(
    args: &Args,
    order: Order,
    filter: Filter,
    printer: &mut Printer,
) -> Result<Outcome, Failure> {
    let paths = &args.input.files;
    let waiter = Waiter::over(paths);
    let names: Vec<String> = paths.iter().map(|path| name(path)).collect();
    let open = |path: &PathBuf| args.input.follow(path, u64::MAX);
    let followers = paths.iter().map(open).collect::<Result<_, _>>()?;
    let by = match order {
        Order::File => None,
        Order::Time => Some(OrderBy::Time),
        Order::Sequence => Some(OrderBy::Sequence),
    };
    let (hold, window) = (Duration::from_secs_f64(args.hold), (args.window as usize) << 20);
    let mut merge = match by {
        Some(by) => LiveMerge::new(followers, by, filter, hold, window),
        None => LiveMerge::as_found(followers, filter),
    };
    let mut late = 0;
    loop {
        let item = merge.next_item();
        match item.map_err(|e| Failure::Message(format!("cannot read: {e}")))? {
            Some(Merged::Record(index, record)) => {
                printer.record(&record.record(), &names[index])?;
            }
            Some(Merged::Damage(index, damage)) => {
                complain(format_args!("{}: {damage}", names[index]));
            }
            None => {
                printer.flush()?;
                if merge.late() > late {
                    late = merge.late();
                    complain(format_args!("{late} records so far were late; use a longer --hold"));
                }
                let due = merge.due().map(|due| due.saturating_duration_since(Instant::now()));
                waiter.wait_at_most(due.unwrap_or(Duration::MAX));
            }
        }
    }
}

/// Seconds, at least none and at most a day.
fn parse_hold(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "give seconds, from 0 to 86400, such as 0.5".to_owned())
}

/// Prints what a live file holds by now.
pub(crate) fn print_new(
    follower: &mut Follower,
    path: &Path,
    filter: &Filter,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let file = name(path);
    loop {
        match follower.next_wanted(filter).map_err(|e| Failure::file("read", path, e))? {
            None => return Ok(()),
            Some(Item::Damage(damage)) => complain(format_args!("{file}: {damage}")),
            Some(Item::Record(record)) => printer.record(&record, &file)?,
        }
    }
}
