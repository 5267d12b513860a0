use clap::Args as ClapArgs;
use flightring_blockfile::{BlockItem, Damage, ReadStats, Reason};
use serde_json::json;

use crate::clock::Clock;
use crate::failure::{Failure, Outcome, each_file};
use crate::input::{Input, Progress, name};
use crate::output::{Output, Printer};

/// Check every byte of logs, and say what they hold
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,

    /// One JSON object a file
    #[arg(long)]
    json: bool,

    /// Only the exit code, and damage on standard error
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  flightring verify app.log
  flightring verify --json app.log.* | jq .damage
  flightring verify -q app.log && echo sound

Exit codes: 0 every byte is as it was written; 1 damage; 2 a file cannot be read.";

pub(crate) fn run(args: Args) -> Result<Outcome, Failure> {
    let mut printer = Output::plain();
    let outcome = each_file(&args.input.files, |path| {
        let mut reader = args.input.open_blocks(path)?;
        let progress = Progress::over(reader.file(), path, true);
        let mut damages = Vec::new();
        loop {
            let item = reader.next_block().map_err(|e| Failure::file("read", path, e))?;
            match item {
                None => break,
                Some(BlockItem::Block(_)) => {}
                Some(BlockItem::Damage(damage)) => {
                    progress.complain(format_args!("{}: {damage}", name(path)));
                    // What a hostile file could make grow without bound is cut here; the counts are complete.
                    if args.json && damages.len() < MOST_DAMAGES {
                        damages.push(damage);
                    }
                }
            }
            progress.at(reader.position());
        }
        drop(progress);
        let stats = reader.stats();
        if args.json {
            printer.line(as_json(&name(path), stats, &damages))?;
        } else if !args.quiet {
            print_table(&mut printer, &name(path), stats)?;
        }
        Ok(stats.damages > 0)
    })?;
    printer.flush()?;
    Ok(outcome)
}

const MOST_DAMAGES: usize = 10_000;

fn print_table(printer: &mut Printer, name: &str, stats: &ReadStats) -> Result<(), Failure> {
    let verdict = if stats.damages == 0 { "sound" } else { "DAMAGED" };
    printer.line(format_args!("{name}: {verdict}"))?;
    printer.line(format_args!("  blocks   {:>14}", stats.blocks))?;
    printer.line(format_args!("  records  {:>14}", stats.records))?;
    printer.line(format_args!("  payload  {:>14} bytes", stats.payload_bytes))?;
    printer.line(format_args!("  file     {:>14} bytes", stats.file_bytes))?;
    if stats.first_ns != 0 {
        printer.line(format_args!("  from     {}", time(stats.first_ns)))?;
        printer.line(format_args!("  to       {}", time(stats.last_ns)))?;
    }
    if !matches!(stats.dialect.name(), "auto" | "current") {
        printer.line(format_args!("  dialect  {:>14}", stats.dialect.name()))?;
    }
    if stats.markers > 0 {
        printer.line(format_args!(
            "  dropped  {:>14} records, as the logger reports",
            stats.dropped
        ))?;
    }
    if stats.damages > 0 {
        printer.line(format_args!("  damage   {:>14} places", stats.damages))?;
        printer.line(format_args!("  skipped  {:>14} bytes", stats.skipped_bytes))?;
        printer.line(format_args!(
            "  missing  {:>14} blocks with {} records",
            stats.missing_blocks, stats.missing_records
        ))?;
        printer.line(format_args!("  repeated {:>14} blocks", stats.repeated_blocks))?;
    }
    Ok(())
}

fn time(ns: u64) -> String {
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = Clock::new(false).write(&mut out, ns);
    String::from_utf8_lossy(&out).into_owned()
}

fn as_json(name: &str, stats: &ReadStats, damages: &[Damage]) -> serde_json::Value {
    json!({
        "file": name,
        "sound": stats.damages == 0,
        "blocks": stats.blocks,
        "records": stats.records,
        "markers": stats.markers,
        "dropped": stats.dropped,
        "payload_bytes": stats.payload_bytes,
        "file_bytes": stats.file_bytes,
        "skipped_bytes": stats.skipped_bytes,
        "missing_blocks": stats.missing_blocks,
        "missing_records": stats.missing_records,
        "repeated_blocks": stats.repeated_blocks,
        "first_ns": stats.first_ns,
        "last_ns": stats.last_ns,
        "dialect": stats.dialect.name(),
        "damages": stats.damages,
        "damage": damages.iter().map(damage_json).collect::<Vec<_>>(),
    })
}

fn damage_json(damage: &Damage) -> serde_json::Value {
    let mut value = json!({
        "offset": damage.offset,
        "len": damage.len,
        "reason": damage.reason.to_string(),
    });
    if let Reason::Missing { blocks, records } = damage.reason {
        value["blocks"] = blocks.into();
        value["records"] = records.into();
    }
    value
}
