use std::path::Path;

use clap::{Args as ClapArgs, ValueEnum};
use flightring_blockfile::{Filter, Follower, Item, Merge, Merged, OrderBy};

use crate::choose::Choice;
use crate::failure::{Failure, Outcome, complain};
use crate::input::{Input, Progress, is_stdin, name};
use crate::output::{Output, Printer};
use crate::waiter::Waiter;

/// Write the records of logs to standard output
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,

    /// Go on with what is written to the files from now on, through rotations
    #[arg(long, short, conflicts_with = "order")]
    follow: bool,

    /// The order of the records of all files together
    #[arg(long, value_enum, default_value_t)]
    order: Order,

    /// How far ordering looks ahead, in MiB: twice the logger's buffer gives the exact order
    #[arg(long, value_name = "MIB", default_value_t = 128,
          value_parser = clap::value_parser!(u32).range(1..=65536))]
    window: u32,

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
    let filter = args.choice.filter();
    let mut printer = args.output.printer();
    let damaged = match args.order {
        _ if args.follow => follow(&args, &filter, &mut printer)?,
        Order::File => one_after_the_other(&args, &filter, &mut printer)?,
        Order::Time => merge(&args, OrderBy::Time, filter, &mut printer)?,
        Order::Sequence => merge(&args, OrderBy::Sequence, filter, &mut printer)?,
    };
    printer.flush()?;
    Ok(Outcome::finding(damaged))
}

fn one_after_the_other(
    args: &Args,
    filter: &Filter,
    printer: &mut Printer,
) -> Result<bool, Failure> {
    let mut damaged = false;
    for path in &args.input.files {
        let mut reader = args.input.open(path)?;
        let file = name(path);
        let progress =
            Progress::over(reader.blocks().file(), path, printer.leaves_terminal_alone());
        loop {
            let item = reader.next_wanted(filter).map_err(|e| Failure::file("read", path, e))?;
            match item {
                None => break,
                Some(Item::Damage(damage)) => {
                    damaged = true;
                    progress.complain(format_args!("{file}: {damage}"));
                }
                Some(Item::Record(record)) => printer.record(&record, &file)?,
            }
            progress.at(reader.blocks().position());
        }
    }
    Ok(damaged)
}

fn merge(
    args: &Args,
    order: OrderBy,
    filter: Filter,
    printer: &mut Printer,
) -> Result<bool, Failure> {
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
    Ok(damaged)
}

fn follow(args: &Args, filter: &Filter, printer: &mut Printer) -> Result<bool, Failure> {
    if args.input.files.iter().any(|path| is_stdin(path)) {
        return Err(Failure::Message("standard input cannot be followed; give files".to_owned()));
    }
    let open = |path: &Path| {
        Follower::open(path, args.input.options()).map_err(|e| Failure::file("read", path, e))
    };
    let waiter = Waiter::over(&args.input.files);
    let mut followers = Vec::new();
    for path in &args.input.files {
        followers.push((path.as_path(), open(path)?));
    }
    loop {
        for (path, follower) in &mut followers {
            print_new(follower, path, filter, printer)?;
        }
        printer.flush()?;
        waiter.wait();
    }
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
