//! Files in, patterns out: in order, in bounded memory, on any number of threads.
//!
//! The caller's thread reads parts of whole lines; workers mask them; writers write them in the order in which they were
//! read. See `exchange` for how buffers travel.
//!
//! * Every byte of a line end is kept: `\r\n`, NUL bytes, and a last line without a line feed. Only between two inputs, when
//!   the first does not end with one, a line feed is added, so that lines of different files stay apart.
//! * A line may be of any length. One that does not fit into a buffer is masked as it is read, and its pattern goes to a
//!   temporary file as far as it does not fit into memory either.
//! * When a run fails or is stopped, what was written is whole lines from the beginning, in order.

mod error;
mod exchange;
mod input;
mod output;
mod part;
mod reader;
mod signals;
mod spill;

use std::io::{self, Write};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use error::PipelineError;
use exchange::Exchange;
pub use input::{Decompressed, Input, decompress, unpack};
pub use output::Output;
use output::{At, Sink};
use part::Part;
use reader::Reader;

use crate::masker::Masker;
use crate::summary::{InputLines, MAX_PATTERN, Summary, SummaryOptions, Table};

/// How a run is done. The default is right for most.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Threads that mask: 1 to 256. As many as the machine has processors, at most 8, by default.
    pub workers: usize,
    /// Threads that write: 1 to 256; 1 by default. More help only with a file on a slow medium.
    pub writers: usize,
    /// Bytes of text in one buffer: 4 KiB to 1 GiB, 256 KiB by default. There are `workers` + `writers` + 2 buffers;
    /// each takes this much for its text and as much as its patterns need, at most four times as much.
    pub buffer_size: usize,
    /// What to keep for a summary; nothing by default.
    pub summary: Option<SummaryOptions>,
}

impl Default for Options {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Self { workers: processors.min(8), writers: 1, buffer_size: 256 << 10, summary: None }
    }
}

impl Options {
    /// The default with other numbers of threads and another size of buffers, in bytes.
    #[must_use]
    pub fn new(workers: usize, writers: usize, buffer_size: usize) -> Self {
        Self { workers, writers, buffer_size, summary: None }
    }

    /// The same with a summary.
    #[must_use]
    pub fn with_summary(self, summary: SummaryOptions) -> Self {
        Self { summary: Some(summary), ..self }
    }

    /// Values out of range become the nearest that is in it.
    fn clamped(&self) -> Self {
        Self {
            workers: self.workers.clamp(1, 256),
            writers: self.writers.clamp(1, 256),
            buffer_size: self.buffer_size.clamp(4 << 10, 1 << 30),
            summary: self.summary.clone(),
        }
    }
}

/// A run seen from another thread: how far it is, and a way to stop it.
#[derive(Debug, Default)]
pub struct Control {
    is_stopped: Arc<AtomicBool>,
    bytes_read: AtomicU64,
    lines: AtomicU64,
}

impl Control {
    /// Ends the run after the lines that were read. Its result is that of the lines until then.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Whether [`stop`](Self::stop) was called.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// The flag that [`stop`](Self::stop) sets: for a signal handler.
    #[must_use]
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_stopped)
    }

    /// Counts bytes that an [`Input::reader`] of the caller has read from a file.
    pub fn add_bytes_read(&self, bytes: u64) {
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes read from files so far, as they are there (compressed, perhaps).
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Lines written so far.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }
}

/// What a run did.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// Lines masked.
    pub lines: u64,
    /// Lines of each input, in their order. An input that was not reached has none.
    pub lines_by_input: Vec<u64>,
    /// Bytes of text masked, uncompressed.
    pub bytes_in: u64,
    /// Bytes of patterns written.
    pub bytes_out: u64,
    /// Lines that were longer than a buffer.
    pub long_lines: u64,
    /// The run was stopped before the end of its inputs.
    pub stopped: bool,
    /// How long it took.
    pub elapsed: Duration,
    /// The summary, if it was asked for.
    pub summary: Option<Summary>,
}

impl Report {
    /// Lines in a second; 0 when no time passed.
    #[must_use]
    pub fn lines_per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.lines as f64 / seconds } else { 0.0 }
    }
}

/// Masks `inputs`, one after another, to `output`.
///
/// On an error the lines before it are in the output; the report of them is lost.
pub fn run(
    inputs: Vec<Input>,
    output: Output,
    masker: &Masker,
    options: &Options,
    control: &Arc<Control>,
) -> Result<Report, PipelineError> {
    let started = Instant::now();
    let mut options = options.clamped();
    // A summary counts the bytes of a part, and of its patterns, in 32 bits.
    while options.summary.is_some() && u32::try_from(masker.max_len(options.buffer_size)).is_err() {
        options.buffer_size /= 2;
    }
    let output_name = output.name();
    let names: Vec<String> = inputs.iter().map(|input| input.name().to_owned()).collect();
    let sink = output.open(&inputs)?;
    let buffers = options.workers + options.writers + 2;
    let table = options.summary.as_ref().map(|summary| Table::new(masker, summary));
    let new_part = |_| Part::new(options.buffer_size, table.as_ref().map(Table::tally));
    let exchange = Exchange::new((0..buffers).map(new_part));
    let ledger = Ledger::new(sink, names.len(), table);
    let read = thread::scope(|scope| {
        // Whatever ends this thread ends the others.
        let guard = AbortOnDrop(&exchange);
        let signals = signals::Blocked::new();
        for _ in 0..options.workers {
            let body = || {
                let guard = AbortOnDrop(&exchange);
                while let Some(mut part) = exchange.take_ready() {
                    part.mask(masker);
                    exchange.put_done(part);
                }
                guard.defuse();
            };
            let named = thread::Builder::new().name("flr-mask".to_owned());
            named.spawn_scoped(scope, body).map_err(PipelineError::Thread)?;
        }
        for _ in 0..options.writers {
            let body = || {
                let guard = AbortOnDrop(&exchange);
                write_parts(&exchange, &ledger, control);
                guard.defuse();
            };
            let named = thread::Builder::new().name("flr-write".to_owned());
            named.spawn_scoped(scope, body).map_err(PipelineError::Thread)?;
        }
        drop(signals);
        let read = Reader::new(&exchange, masker, &options, control).read_all(inputs);
        exchange.complete();
        guard.defuse();
        Ok(read)
    })?;
    let ledger = ledger.finish(&output_name, &names)?;
    let mut report = ledger.report;
    read.map_err(|error| error.at(&names, &report.lines_by_input))?;
    report.stopped = control.is_stopped();
    report.summary = ledger.table.map(|table| {
        let inputs = names.into_iter().zip(&report.lines_by_input);
        table.finish(inputs.map(|(name, &lines)| InputLines { name, lines }).collect())
    });
    report.elapsed = started.elapsed();
    Ok(report)
}

/// Ends the run when a thread panics or cannot go on, so that the others do not wait for it.
struct AbortOnDrop<'a>(&'a Exchange);

impl AbortOnDrop<'_> {
    fn defuse(self) {
        std::mem::forget(self);
    }
}

impl Drop for AbortOnDrop<'_> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is done in the order of lines, by the writer whose turn it is.
struct Ledger {
    accounts: Mutex<Accounts>,
    /// The output, unless it is one that takes parts in any order.
    sink: Mutex<Sink>,
    /// The output, if it is such a file.
    file: Option<std::fs::File>,
}

#[derive(Default)]
struct Accounts {
    report: Report,
    /// Where the next part goes in the output.
    offset: u64,
    /// The text so far does not end with a line feed.
    is_unended: bool,
    table: Option<Table>,
    failure: Option<Failure>,
}

/// The first write, in the order of lines, that failed.
struct Failure {
    source: io::Error,
    /// Where its part begins in the output.
    offset: u64,
    input: usize,
    /// Lines of that input before the part.
    lines_before: u64,
}

impl Ledger {
    fn new(sink: Sink, inputs: usize, table: Option<Table>) -> Self {
        let (sink, file) = match sink {
            Sink::File(file) => (Sink::Discard, Some(file)),
            other => (other, None),
        };
        let report = Report { lines_by_input: vec![0; inputs], ..Report::default() };
        let accounts = Accounts { report, table, ..Accounts::default() };
        Self { accounts: Mutex::new(accounts), sink: Mutex::new(sink), file }
    }

    fn accounts(&self) -> std::sync::MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts off what follows the first failed write, and says what failed.
    fn finish(self, output: &str, names: &[String]) -> Result<Accounts, PipelineError> {
        let sink = self.sink.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut accounts = self.accounts.into_inner().unwrap_or_else(PoisonError::into_inner);
        let end = accounts.report.lines_by_input.iter().rposition(|&lines| lines > 0);
        if accounts.failure.is_none()
            && let Sink::Stream(mut writer) = sink
            && let Err(source) = writer.flush()
        {
            let input = end.unwrap_or(0);
            let lines_before = accounts.report.lines_by_input.get(input).copied().unwrap_or(0);
            accounts.failure = Some(Failure { source, offset: 0, input, lines_before });
        }
        let Some(failure) = accounts.failure else { return Ok(accounts) };
        if let Some(file) = &self.file {
            // If this fails too there is nothing better to say than the first failure.
            let _ = file.set_len(failure.offset);
        }
        Err(PipelineError::Write {
            output: output.to_owned(),
            input: names.get(failure.input).cloned().unwrap_or_default(),
            line: failure.lines_before + 1,
            source: failure.source,
        })
    }
}

/// The life of a writer.
fn write_parts(exchange: &Exchange, ledger: &Ledger, control: &Control) {
    while let Some((turn, part)) = exchange.take_turn() {
        let mut accounts = ledger.accounts();
        let (input, offset) = (part.input, accounts.offset);
        let lines_before = accounts.report.lines_by_input[input];
        let needs_end = accounts.is_unended;
        accounts.enter(&part);
        let lines = accounts.report.lines;
        drop(accounts);
        let written = match &ledger.file {
            Some(file) => {
                drop(turn);
                write_part(&part, needs_end, &mut At { file, offset })
            }
            None => {
                let mut sink = ledger.sink.lock().unwrap_or_else(PoisonError::into_inner);
                let written = match &mut *sink {
                    Sink::Stream(writer) => write_part(&part, needs_end, writer),
                    Sink::Discard | Sink::File(_) => Ok(()),
                };
                drop(sink);
                if written.is_ok() {
                    drop(turn);
                } else {
                    // Nothing may follow what was cut off.
                    exchange.abort();
                }
                written
            }
        };
        if let Err(source) = written {
            let mut accounts = ledger.accounts();
            if accounts.failure.as_ref().is_none_or(|earlier| offset < earlier.offset) {
                accounts.failure = Some(Failure { source, offset, input, lines_before });
            }
            drop(accounts);
            exchange.abort();
            return;
        }
        control.lines.store(lines, Ordering::Relaxed);
        exchange.put_free(part);
    }
}

impl Accounts {
    /// Notes a part that is about to be written.
    fn enter(&mut self, part: &Part) {
        let (bytes_in, bytes_out) = match &part.long {
            Some(long) => (part.long_len, long.len()),
            None => (part.len as u64, part.output().len() as u64),
        };
        self.report.lines += part.lines;
        self.report.lines_by_input[part.input] += part.lines;
        self.report.bytes_in += bytes_in;
        self.report.bytes_out += bytes_out + u64::from(self.is_unended);
        self.report.long_lines += u64::from(part.long.is_some());
        self.offset += bytes_out + u64::from(self.is_unended);
        self.is_unended = part.is_unended;
        let Some(table) = &mut self.table else { return };
        match (&part.long, &part.tally) {
            (Some(long), _) => {
                let mut pattern = Vec::new();
                let is_known =
                    long.len() <= MAX_PATTERN as u64 && long.write_to(&mut pattern).is_ok();
                let pattern = pattern.strip_suffix(b"\n").unwrap_or(&pattern);
                table.add_long(&part.head, is_known.then_some(pattern));
            }
            (None, Some(tally)) => table.merge(part.text(), part.output(), part.lines, tally),
            (None, None) => {}
        }
    }
}

fn write_part(part: &Part, needs_end: bool, out: &mut dyn Write) -> io::Result<()> {
    if needs_end {
        out.write_all(b"\n")?;
    }
    match &part.long {
        Some(long) => long.write_to(out),
        None => out.write_all(part.output()),
    }
}
