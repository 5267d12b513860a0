use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use flightring_blockfile::{Item, Kind, Level, ReadStats, Record};
use serde_json::json;

use crate::choose::Choice;
use crate::clock::Clock;
use crate::failure::{Failure, Outcome, each_file};
use crate::input::{Input, Progress, name};
use crate::live::{self, Live};
use crate::output::{Output, Printer};

/// Say what logs hold: kinds, levels, threads, times, sizes, reported drops; and the numbers of live loggers
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,

    /// One JSON object a file
    #[arg(long)]
    json: bool,

    /// How many threads are listed, those with the most records first
    #[arg(long, value_name = "N", default_value_t = 10)]
    threads: usize,

    /// Only the numbers of the processes that write the files now, without reading the files
    #[arg(long)]
    live: bool,

    /// Where processes publish the numbers of their loggers
    #[arg(long, value_name = "FOLDER", default_value = "/dev/shm")]
    stats_folder: PathBuf,

    #[command(flatten)]
    choice: Choice,
}

const EXAMPLES: &str = "\
Examples:
  flightring stats app.log
  flightring stats --since 1h --level error app.log
  flightring stats --json app.log | jq .levels
  flightring stats 4711                       what process 4711 says about its logs, as of a second ago
  flightring stats --live app.log             the same of the process that writes this log

An argument that is a number and no file is a process. If a process writes a log at this moment, its numbers follow those of the file. Records and their bytes are those that are chosen; blocks and damage are those of the whole file.
Exit codes: 0 fine; 1 damage was found; 2 a file cannot be read, or there is no such live logger.";

pub(crate) fn run(args: Args) -> Result<Outcome, Failure> {
    let mut printer = Output::plain();
    let live = live::all(&args.stats_folder)?;
    let outcome = each_file(&args.input.files, |path| {
        if let Some(pid) = live::pid_of(path) {
            let mut its: Vec<_> = live.iter().filter(|one| one.pid == pid).collect();
            its.sort_by_key(|one| one.facts["path"].to_string());
            if its.is_empty() {
                return Err(nothing_live(&format!("process {pid}"), &args));
            }
            its.iter().try_for_each(|one| print_live(one, &args, &mut printer))?;
            return Ok(false);
        }
        let writer = live.iter().find(|one| one.is_of(path));
        if args.live {
            let Some(writer) = writer else { return Err(nothing_live(&name(path), &args)) };
            print_live(writer, &args, &mut printer)?;
            return Ok(false);
        }
        let counts = count(&args, path)?;
        if args.json {
            let mut object = counts.as_json(&name(path), args.threads);
            object["live"] = writer.map_or(serde_json::Value::Null, |one| one.facts.clone());
            printer.line(object)?;
        } else {
            counts.print(&mut printer, &name(path), args.threads)?;
            writer.map_or(Ok(()), |writer| print_live(writer, &args, &mut printer))?;
        }
        Ok(counts.file.damages > 0)
    })?;
    printer.flush()?;
    Ok(outcome)
}

fn print_live(one: &Live, args: &Args, printer: &mut Printer) -> Result<(), Failure> {
    if args.json { Ok(printer.line(&one.facts)?) } else { one.print(printer) }
}

fn nothing_live(whose: &str, args: &Args) -> Failure {
    let folder = args.stats_folder.display();
    Failure::File(format!("no live logger of {whose} publishes its numbers in {folder}"))
}

const KINDS: [Kind; 3] = [Kind::Raw, Kind::Timed, Kind::Event];
const LEVELS: [Level; 7] =
    [Level::None, Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Fatal];

/// What the chosen records of one file come to.
#[derive(Default)]
struct Counts {
    records: u64,
    bytes: u64,
    longest: usize,
    by_kind: [u64; KINDS.len()],
    by_level: [u64; LEVELS.len()],
    by_thread: HashMap<u32, u64>,
    first_ns: u64,
    last_ns: u64,
    reports: u64,
    dropped: u64,
    file: ReadStats,
}

fn count(args: &Args, path: &Path) -> Result<Counts, Failure> {
    let filter = args.choice.filter()?;
    let mut reader = args.input.open(path)?;
    let progress = Progress::over(reader.blocks().file(), path, true);
    let mut counts = Counts::default();
    loop {
        let item = reader.next_wanted(&filter).map_err(|e| Failure::file("read", path, e))?;
        match item {
            None => break,
            Some(Item::Damage(damage)) => {
                progress.complain(format_args!("{}: {damage}", name(path)));
            }
            Some(Item::Record(record)) => counts.add(&record),
        }
        progress.at(reader.blocks().position());
    }
    counts.file = *reader.stats();
    Ok(counts)
}

impl Counts {
    fn add(&mut self, record: &Record<'_>) {
        if let Some(marker) = &record.marker {
            self.reports += 1;
            self.dropped = self.dropped.saturating_add(marker.dropped);
            return;
        }
        self.records += 1;
        self.bytes += record.data.len() as u64;
        self.longest = self.longest.max(record.data.len());
        if let Some(index) = KINDS.iter().position(|&kind| kind == record.kind) {
            self.by_kind[index] += 1;
        }
        if record.kind == Kind::Event {
            self.by_level[record.level as usize] += 1;
            *self.by_thread.entry(record.thread).or_default() += 1;
        }
        if record.time_ns != 0 {
            if self.first_ns == 0 || record.time_ns < self.first_ns {
                self.first_ns = record.time_ns;
            }
            self.last_ns = self.last_ns.max(record.time_ns);
        }
    }

    /// First and last time: of the records, or, where they have none, of the blocks.
    fn times(&self) -> (u64, u64) {
        if self.first_ns != 0 {
            (self.first_ns, self.last_ns)
        } else {
            (self.file.first_ns, self.file.last_ns)
        }
    }

    fn seconds(&self) -> f64 {
        let (first, last) = self.times();
        last.saturating_sub(first) as f64 / 1e9
    }

    /// Threads by number of records, most first.
    fn threads(&self, most: usize) -> Vec<(u32, u64)> {
        let mut threads: Vec<_> = self.by_thread.iter().map(|(&id, &count)| (id, count)).collect();
        threads.sort_unstable_by_key(|&(id, count)| (std::cmp::Reverse(count), id));
        threads.truncate(most);
        threads
    }

    fn print(&self, printer: &mut Printer, name: &str, most: usize) -> Result<(), Failure> {
        let file = &self.file;
        printer.line(name)?;
        row(printer, "records", self.records, "")?;
        row(printer, "bytes", self.bytes, &each(self.bytes, self.records, "bytes, ", "a record"))?;
        row(printer, "longest", self.longest as u64, "bytes")?;
        row(printer, "file", file.file_bytes, &times(file.file_bytes, file.payload_bytes))?;
        row(
            printer,
            "blocks",
            file.blocks,
            &each(file.file_bytes, file.blocks, "", "bytes a block"),
        )?;
        let (first, last) = self.times();
        if first != 0 {
            printer.line(format_args!("  {:<10}{:>16}", "from", time(first)))?;
            printer.line(format_args!("  {:<10}{:>16}", "to", time(last)))?;
            if self.seconds() > 0.0 {
                let rate = (self.records as f64 / self.seconds()) as u64;
                row(printer, "rate", rate, "records a second")?;
            }
        }
        for (kind, &count) in KINDS.iter().zip(&self.by_kind).filter(|(_, count)| **count > 0) {
            row(printer, kind.name(), count, &share(count, self.records))?;
        }
        for (&level, &count) in LEVELS.iter().zip(&self.by_level).filter(|(_, count)| **count > 0) {
            let name = if level == Level::None { "no level" } else { level.name() };
            row(printer, name, count, &share(count, self.records))?;
        }
        for (id, count) in self.threads(most) {
            row(printer, &format!("[{id}]"), count, &share(count, self.records))?;
        }
        let others = self.by_thread.len().saturating_sub(most);
        if others > 0 {
            printer.line(format_args!("  and {others} more threads"))?;
        }
        if self.reports > 0 {
            row(printer, "dropped", self.dropped, &format!("in {} reports", self.reports))?;
        }
        if file.damages > 0 {
            row(printer, "DAMAGE", file.damages, "places; see 'flightring verify'")?;
        }
        Ok(())
    }

    fn as_json(&self, name: &str, most: usize) -> serde_json::Value {
        let (first, last) = self.times();
        let kinds: serde_json::Map<_, _> = KINDS
            .iter()
            .zip(&self.by_kind)
            .map(|(kind, &count)| (kind.name().to_owned(), count.into()))
            .collect();
        let levels: serde_json::Map<_, _> = LEVELS
            .iter()
            .zip(&self.by_level)
            .map(|(&level, &count)| {
                let name = if level == Level::None { "NONE" } else { level.name() };
                (name.to_owned(), count.into())
            })
            .collect();
        let threads: Vec<_> = self
            .threads(most)
            .into_iter()
            .map(|(id, count)| json!({"thread": id, "records": count}))
            .collect();
        json!({
            "file": name,
            "records": self.records,
            "bytes": self.bytes,
            "longest": self.longest,
            "file_bytes": self.file.file_bytes,
            "payload_bytes": self.file.payload_bytes,
            "blocks": self.file.blocks,
            "first_ns": first,
            "last_ns": last,
            "kinds": kinds,
            "levels": levels,
            "threads": threads,
            "thread_count": self.by_thread.len(),
            "dropped": self.dropped,
            "drop_reports": self.reports,
            "damages": self.file.damages,
        })
    }
}

pub(crate) fn row(
    printer: &mut Printer,
    name: &str,
    value: u64,
    note: &str,
) -> Result<(), Failure> {
    Ok(printer.line(format_args!("  {name:<10}{value:>16} {note}").to_string().trim_end())?)
}

pub(crate) fn time(ns: u64) -> String {
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = Clock::new(false).write(&mut out, ns);
    String::from_utf8_lossy(&out).into_owned()
}

/// What stands behind a sum of bytes, or behind how many there are.
fn each(sum: u64, count: u64, unit: &str, of: &str) -> String {
    if count == 0 { String::new() } else { format!("{unit}{:.1} {of}", sum as f64 / count as f64) }
}

fn times(file: u64, payload: u64) -> String {
    if payload == 0 {
        "bytes".to_owned()
    } else {
        format!("bytes, {:.3} times the payload", file as f64 / payload as f64)
    }
}

fn share(part: u64, whole: u64) -> String {
    if whole == 0 { String::new() } else { format!("{:.1} %", 100.0 * part as f64 / whole as f64) }
}
