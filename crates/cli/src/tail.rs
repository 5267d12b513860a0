use std::collections::VecDeque;
use std::path::Path;

use clap::Args as ClapArgs;
use flightring_blockfile::{Item, OwnedRecord};

use crate::cat::print_new;
use crate::choose::Choice;
use crate::failure::{Failure, Outcome, complain, each_file};
use crate::input::{Input, name};
use crate::output::{Output, Printer};
use crate::waiter::Waiter;

/// Write the last records of logs, and follow them
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,

    /// How many records of each file
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    records: usize,

    /// Go on with what is written to the files from now on, through rotations
    #[arg(long, short)]
    follow: bool,

    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  flightring tail app.log
  flightring tail -n 100 --level error app.log
  flightring tail -f app.log | grep timeout
  flightring tail -f api.log worker.log

With --follow and several files, each file's records come in their order, as they are found; 'flightring cat -f --order time'
merges them by time. Rotated files are read to their ends, also when they were compressed meanwhile. After a crash of the logger, records that its
recovery writes again come twice; none is left out.
Damage is reported on standard error, and the exit code is then 1.";

pub(crate) fn run(args: Args) -> Result<Outcome, Failure> {
    let filter = args.choice.filter()?;
    let mut printer = args.output.printer().name_files(args.input.files.len());
    // A choice may reach back any distance; without one, trailers say where the last records begin.
    let reach = if args.choice.is_all() { args.records as u64 } else { u64::MAX };
    let waiter = Waiter::over(&args.input.files);
    let mut followers = Vec::new();
    let outcome = each_file(&args.input.files, |path| {
        let mut last = Last::new(args.records, path);
        if args.follow {
            let mut follower = args.input.follow(path, reach)?;
            while let Some(item) =
                follower.next_wanted(&filter).map_err(|e| Failure::file("read", path, e))?
            {
                last.take(item);
            }
            followers.push((path, follower));
        } else {
            let mut reader = args.input.open_tail(path, reach)?;
            while let Some(item) =
                reader.next_wanted(&filter).map_err(|e| Failure::file("read", path, e))?
            {
                last.take(item);
            }
        }
        last.print(&mut printer)
    })?;
    printer.flush()?;
    if !args.follow || followers.is_empty() {
        return Ok(outcome);
    }
    loop {
        waiter.wait();
        for (path, follower) in &mut followers {
            print_new(follower, path, &filter, &mut printer)?;
        }
        printer.flush()?;
    }
}

/// The last records of a file, as far as they are wanted.
struct Last {
    records: VecDeque<OwnedRecord>,
    most: usize,
    file: String,
    damaged: bool,
}

impl Last {
    fn new(most: usize, path: &Path) -> Self {
        Self { records: VecDeque::new(), most, file: name(path), damaged: false }
    }

    fn take(&mut self, item: Item<'_>) {
        match item {
            Item::Damage(damage) => {
                self.damaged = true;
                complain(format_args!("{}: {damage}", self.file));
            }
            Item::Record(record) if self.most > 0 => {
                if self.records.len() == self.most {
                    self.records.pop_front();
                }
                self.records.push_back(record.into());
            }
            Item::Record(_) => {}
        }
    }

    fn print(self, printer: &mut Printer) -> Result<bool, Failure> {
        for record in &self.records {
            printer.record(&record.record(), &self.file)?;
        }
        Ok(self.damaged)
    }
}
