use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args as ClapArgs;
use flightring_blockfile::{AppendOptions, Appender, DamagedTail, OpenError, OsLayer, salvage};
use flightring_logger::Recovered;

use crate::failure::{Failure, Outcome, complain, each_file};
use crate::input::{Input, Progress, is_stdin, name};
use crate::output::{Output, Printer};

/// Bring logs back to a sound state after a crash, or copy what is sound out of a damaged one
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,

    /// Leave the logs as they are, and write their sound blocks to this new file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Where the logs' loggers kept what they had not written yet, if it was not the default
    #[arg(long, value_name = "FOLDER", default_value = "/dev/shm")]
    staging_folder: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  flightring recover app.log                  set a torn end aside, as the next start of the service would
  flightring recover app.log -o sound.log     copy every sound block into a new file

What a killed service with shared staging had accepted is brought into the log. A torn end goes to 'app.log.damaged-<seconds>'; nothing is deleted. A log that is in use is refused.
What is damaged before the end stays where it is; 'flightring verify' finds it.
Exit codes: 0 the log is whole, with what was brought back; 1 something was set aside or skipped; 2 a file cannot be read or written.";

pub(crate) fn run(args: Args) -> Result<Outcome, Failure> {
    let damaged = match &args.output {
        Some(output) => copy_sound_blocks(&args.input, output)?,
        None => {
            return each_file(&args.input.files, |path| recover(path, &args.staging_folder));
        }
    };
    Ok(Outcome::finding(damaged))
}

/// Does what the next opening for appending would do. `true` if something had to be set aside.
fn recover(path: &Path, staging_folder: &Path) -> Result<bool, Failure> {
    if is_stdin(path) {
        let message = "standard input cannot be recovered in place; use --output";
        return Err(Failure::Message(message.to_owned()));
    }
    // Opening would create it.
    if let Err(error) = std::fs::metadata(path) {
        return Err(Failure::file("recover", path, error));
    }
    let mut printer = Output::plain();
    let recovered = flightring_logger::recover_from(path, staging_folder)
        .map_err(|error| Failure::File(format!("{}: {error}", path.display())))?;
    for dead in &recovered {
        let name = path.display();
        if let Some(tail) = &dead.damaged_tail {
            print_tail(&mut printer, path, tail)?;
        }
        match (&dead.stale, &dead.unreadable) {
            (Some(aside), _) => printer.line(format_args!(
                "{name}: staging of an earlier boot cannot be trusted; moved to {}",
                aside.display()
            ))?,
            (None, Some(aside)) => printer.line(format_args!(
                "{name}: staging that makes no sense; moved to {}",
                aside.display()
            ))?,
            (None, None) => printer.line(format_args!(
                "{name}: {} records ({} bytes) that process {} had not written are in the log now",
                dead.records, dead.bytes, dead.pid
            ))?,
        }
        if dead.damaged_shards > 0 {
            printer.line(format_args!(
                "{name}: {} of its shards made no sense from some point on",
                dead.damaged_shards
            ))?;
        }
    }
    let options = AppendOptions { direct: false, ..AppendOptions::default() };
    let (mut appender, report) =
        Appender::open(path, &options, Arc::new(OsLayer)).map_err(|error| match error {
            OpenError::Busy(path) => Failure::File(format!(
                "a logger has {} open, and keeps it sound; recover it when that has ended",
                path.display()
            )),
            other => Failure::File(other.to_string()),
        })?;
    appender.finish().map_err(|error| Failure::file("finish", path, error))?;
    flightring_logger::tidy(path).map_err(|error| Failure::file("tidy up beside", path, error))?;
    match &report.damaged_tail {
        None => printer.line(format_args!(
            "{}: nothing torn at its end, at {}",
            path.display(),
            report.continued
        ))?,
        Some(tail) => print_tail(&mut printer, path, tail)?,
    }
    printer.flush()?;
    let is_incomplete = |dead: &Recovered| {
        dead.damaged_tail.is_some() || dead.unreadable.is_some() || dead.damaged_shards > 0
    };
    Ok(report.damaged_tail.is_some() || recovered.iter().any(is_incomplete))
}

fn print_tail(printer: &mut Printer, path: &Path, tail: &DamagedTail) -> Result<(), Failure> {
    let fate = match &tail.set_aside {
        Some(aside) => format!("were set aside as {}", aside.display()),
        None => "were zeros, and are cut off".to_owned(),
    };
    let (name, offset, len) = (path.display(), tail.offset, tail.len);
    Ok(printer.line(format_args!("{name}: sound up to {offset}; {len} bytes after that {fate}"))?)
}

/// Writes the sound blocks of all files into a new one. `true` if something was skipped.
fn copy_sound_blocks(input: &Input, output: &Path) -> Result<bool, Failure> {
    // Before anything is created.
    let readers =
        input.files.iter().map(|path| input.open_blocks(path)).collect::<Result<Vec<_>, _>>()?;
    let failed = |error| Failure::file("write", output, error);
    let file = OpenOptions::new().write(true).create_new(true).open(output).map_err(failed)?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let (mut blocks, mut records, mut damaged) = (0, 0, false);
    for (path, mut reader) in input.files.iter().zip(readers) {
        let progress = Progress::over(reader.file(), path, true);
        let stats = salvage(&mut reader, &mut out, |damage| {
            damaged = true;
            progress.complain(format_args!("{}: {damage}", name(path)));
        })
        .map_err(|error| Failure::file("copy", path, error))?;
        blocks += stats.blocks;
        records += stats.records;
    }
    out.flush().map_err(failed)?;
    out.get_ref().sync_all().map_err(failed)?;
    complain(format_args!("{}: {blocks} blocks, {records} records", output.display()));
    Ok(damaged)
}
