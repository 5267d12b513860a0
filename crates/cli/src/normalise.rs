use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args as ClapArgs;
use flightring_normalise::pipeline::{self, Control, Options, PipelineError, Report};
use flightring_normalise::summary::{Diff, DiffOptions};
use flightring_normalise::{Masker, Mode, Rules, Summary, SummaryOptions};
use signal_hook::consts::SIGINT;
use signal_hook::flag;

use crate::failure::{Failure, Outcome, complain};
use crate::input::{is_stdin, name};

mod progress;
mod source;

use progress::Progress;
use source::Sources;

/// Turn lines into patterns: what kinds of lines are in a log
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Logs and text files, also compressed with gzip or zstd; '-', or no file, is standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// What is taken out of a line: shape, digits, tokens, typed or keep
    #[arg(long, short, default_value_t = Mode::Typed)]
    mode: Mode,

    /// What matches REGEX becomes `<NAME>`, before the mode does the rest; may be given several times
    #[arg(long = "rule", short, value_name = "NAME=REGEX", value_parser = rule)]
    rules: Vec<(String, String)>,

    /// A file of such rules, one on each line; empty lines and those that begin with '#' are skipped
    #[arg(long, value_name = "FILE")]
    rules_file: Option<PathBuf>,

    /// Write the pattern of every line, in order, to FILE; '-' is standard output
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,

    /// Write a page with plots to FILE
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    html: Option<PathBuf>,

    /// The patterns as JSON, with samples and values
    #[arg(long, group = "form", help_heading = "Output")]
    json: bool,

    /// The patterns as comma-separated values with a header line
    #[arg(long, group = "form", help_heading = "Output")]
    csv: bool,

    /// How many patterns the table has
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 40, help_heading = "Output")]
    top: usize,

    /// Compare two files: patterns that are new, gone, or changed in rate
    #[arg(long, conflicts_with_all = ["output", "html", "csv"], help_heading = "Output")]
    diff: bool,

    /// The least factor between two rates that counts as a change
    #[arg(
        long,
        value_name = "FACTOR",
        default_value_t = 1.5,
        requires = "diff",
        help_heading = "Output"
    )]
    factor: f64,

    /// Say nothing about lines and time at the end
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,

    /// Most patterns that are counted by themselves; the lines of all others are counted as '(other)'
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, help_heading = "Limits")]
    max_patterns: usize,

    /// Threads that mask; 0 is as many as the machine has processors
    #[arg(long, value_name = "COUNT", default_value_t = 0, help_heading = "Limits",
          value_parser = clap::value_parser!(u16).range(0..=256))]
    workers: u16,

    /// Threads that write
    #[arg(long, value_name = "COUNT", default_value_t = 1, help_heading = "Limits",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    writers: u16,

    /// The size of one buffer, in KiB: memory is at most five times that for each thread and two more
    #[arg(long, value_name = "KIB", default_value_t = 256, help_heading = "Limits",
          value_parser = clap::value_parser!(u32).range(4..=1_048_576))]
    buffer_size: u32,
}

const EXAMPLES: &str = "\
Examples:
  flightring normalise app.log                         a table of patterns with counts
  flightring normalise --html report.html app.*.log.gz a page with plots
  flightring normalise -m shape -o - app.log           the pattern of every line
  flightring normalise -r 'order=ORD-[0-9]+' app.log   rules of your own
  flightring normalise --diff before.log after.log     what a deploy has changed
  journalctl | flightring patterns

Ctrl-C ends it early, with the result of the lines until then; the exit code is then 1.";

fn rule(text: &str) -> Result<(String, String), String> {
    let (name, expression) = text.split_once('=').ok_or("a rule is NAME=REGEX")?;
    Ok((name.to_owned(), expression.to_owned()))
}

pub(crate) fn run(mut args: Args) -> Result<Outcome, Failure> {
    let masker = masker(&args)?;
    let control = Arc::new(Control::default());
    // The first Ctrl-C ends the run, the second the process.
    let stop = control.stop_flag();
    flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&stop))
        .and_then(|_| flag::register(SIGINT, stop))
        .map_err(|e| Failure::Message(format!("cannot listen for Ctrl-C: {e}")))?;
    if args.diff {
        return diff(&args, &masker, &control);
    }
    if args.files.is_empty() {
        args.files.push(PathBuf::from("-"));
    }
    let wants_lines = args.output.is_some();
    let wants_summary = !wants_lines || args.json || args.csv;
    let mut options = options(&args);
    if !wants_summary && args.html.is_none() {
        options.summary = None;
    }
    let output = match &args.output {
        None => pipeline::Output::Discard,
        Some(path) if is_stdin(path) => pipeline::Output::Stdout,
        Some(path) => pipeline::Output::Path(path.clone()),
    };
    let to_terminal = args.output.as_deref().is_some_and(is_stdin) && io::stdout().is_terminal();
    let (report, damaged) = pipe(&args.files, output, &masker, &options, &control, !to_terminal)?;
    if let Some(summary) = &report.summary {
        if wants_summary {
            print(&args, summary)?;
        }
        if let Some(path) = &args.html {
            let title = args.files.iter().map(|path| name(path)).collect::<Vec<_>>().join(", ");
            fs::write(path, summary.to_html(&format!("Patterns of {title}")))
                .map_err(|e| Failure::file("write", path, e))?;
        }
    }
    if !args.quiet {
        say(&report);
    }
    Ok(Outcome::finding(damaged || report.stopped))
}

fn masker(args: &Args) -> Result<Masker, Failure> {
    let mut rules = args.rules.clone();
    if let Some(path) = &args.rules_file {
        let text = fs::read_to_string(path).map_err(|e| Failure::file("read", path, e))?;
        for (number, line) in (1..).zip(text.lines()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let rule = rule(line)
                .map_err(|e| Failure::Message(format!("{}:{number}: {e}", path.display())))?;
            rules.push(rule);
        }
    }
    let masker = Masker::new(args.mode);
    if rules.is_empty() {
        return Ok(masker);
    }
    let rules = Rules::new(rules).map_err(|e| Failure::Message(e.to_string()))?;
    masker.with_rules(rules).map_err(|e| Failure::Message(e.to_string()))
}

fn options(args: &Args) -> Options {
    let mut summary = SummaryOptions::default();
    summary.max_patterns = args.max_patterns;
    let workers = match args.workers {
        0 => Options::default().workers,
        workers => workers.into(),
    };
    Options::new(workers, args.writers.into(), (args.buffer_size as usize) << 10)
        .with_summary(summary)
}

/// Runs the pipeline over files: the report, and whether a log among them is damaged.
fn pipe(
    files: &[PathBuf],
    output: pipeline::Output,
    masker: &Masker,
    options: &Options,
    control: &Arc<Control>,
    shows_progress: bool,
) -> Result<(Report, bool), Failure> {
    let sources = Sources::open(files, control)?;
    let damaged = sources.damaged;
    let progress = shows_progress.then(|| Progress::start(sources.bytes, control));
    let report = pipeline::run(sources.inputs, output, masker, options, control);
    drop(progress);
    let report = report.map_err(|error| match error {
        PipelineError::Write { output, source, .. }
            if source.kind() == io::ErrorKind::BrokenPipe && output == "<stdout>" =>
        {
            Failure::Output(source)
        }
        error => Failure::Message(error.to_string()),
    })?;
    Ok((report, damaged.load(std::sync::atomic::Ordering::Relaxed)))
}

fn print(args: &Args, summary: &Summary) -> io::Result<()> {
    let text = if args.json {
        summary.to_json()
    } else if args.csv {
        summary.to_csv()
    } else {
        // A terminal shows a table only as wide as it is.
        let width = if io::stdout().is_terminal() { terminal_width() } else { 0 };
        summary.to_table(args.top, width)
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Room for the pattern in a row of the table.
fn terminal_width() -> usize {
    const OTHER_COLUMNS: usize = 56;
    let columns = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
    columns.max(OTHER_COLUMNS + 40) - OTHER_COLUMNS
}

fn diff(args: &Args, masker: &Masker, control: &Arc<Control>) -> Result<Outcome, Failure> {
    let [before, after] = &args.files[..] else {
        return Err(Failure::Message("--diff compares exactly two files".to_owned()));
    };
    let mut damaged = false;
    let mut summary = |path: &Path| {
        let (report, is_damaged) = pipe(
            &[path.to_owned()],
            pipeline::Output::Discard,
            masker,
            &options(args),
            control,
            true,
        )?;
        damaged |= is_damaged;
        if !args.quiet {
            say(&report);
        }
        report.summary.ok_or_else(|| Failure::Message("there is no summary".to_owned()))
    };
    let (before, after) = (summary(before)?, summary(after)?);
    let mut options = DiffOptions::default();
    options.factor = args.factor;
    let diff = Diff::new(&before, &after, &options);
    let text = if args.json { diff.to_json() } else { diff.to_table(0) };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Outcome::finding(damaged || control.is_stopped() || !diff.changes.is_empty()))
}

fn say(report: &Report) {
    if report.stopped {
        complain("stopped; this is the result of the lines until then");
    }
    let seconds = report.elapsed.as_secs_f64().max(1e-9);
    let _ = writeln!(
        io::stderr().lock(),
        "{} lines, {:.1} MB in {seconds:.2} s: {:.0} lines/s, {:.3} GB/s",
        report.lines,
        report.bytes_in as f64 / 1e6,
        report.lines_per_second(),
        report.bytes_in as f64 / seconds / 1e9,
    );
}
