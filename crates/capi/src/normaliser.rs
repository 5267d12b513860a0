//! Normalisers: log lines into patterns.
//!
//! A pattern is a line with its values taken out, so lines of one kind have one pattern:
//!
//! `03-17 16:13:38 1702 D Pm: lock=189667585, tag="*launch*"`
//!
//! - shape:  `Y-Y Y:Y:Y Y Y Y: Y=Y, Y="X"`
//! - digits: `#-# #:#:# # D Pm: lock=#, tag="*launch*"`
//! - tokens: `# # # D Pm: # tag="*launch*"`
//! - typed:  `<date> <time> <num> D Pm: lock=<num>, tag="*launch*"`
//!
//! It depends on the line alone, never on lines before it: the same line gives the same pattern in every run and on every
//! machine. A line feed ends a line; text of several lines is masked line by line.
//!
//! Levels of use: flr_normalise_line() for a line; a flr_normaliser for another mode and for rules; flr_normalise_file() for
//! whole files and summaries; a flr_pattern_counter for what a process writes while it does.

use std::ffi::{c_char, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flightring_normalise::pipeline::{self, Control, Input, Options, Output};
use flightring_normalise::{Masker, Mode, PatternCounter, PatternId};

use crate::buffer::{input, output};
use crate::flr_status;
use crate::guard::{guard, guard_value};
use crate::handle::{self, Opaque, Out};
use crate::monitor::flr_monitor;
use crate::normalising::{
    failed, items_of, mask_into, masker_of, masker_with, path_of, put_json, summary_options,
};
use crate::sized::{self, SizedStruct};
use crate::status::{fail_io, invalid};

/// A mode, and rules if there are any, made ready to be used on any number of lines.
///
/// Threads: all functions but flr_normaliser_destroy() may be called concurrently.
pub struct flr_normaliser {
    _opaque: [u8; 0],
}

impl Opaque for flr_normaliser {
    type Inner = Masker;
    const NAME: &'static str = "flr_normaliser";
}

/// Counts the patterns of a stream while it is written.
///
/// Threads: all functions but flr_pattern_counter_destroy() may be called concurrently; they wait for each other.
pub struct flr_pattern_counter {
    _opaque: [u8; 0],
}

impl Opaque for flr_pattern_counter {
    type Inner = Mutex<PatternCounter>;
    const NAME: &'static str = "flr_pattern_counter";
}

/// What is taken out of a line.
#[repr(i32)]
pub enum flr_normaliser_mode {
    /// Words become `Y`, what is quoted or in brackets becomes `X`: the coarsest, and the default.
    Shape = 0,
    /// Each run of digits becomes `#`: the fastest.
    Digits = 1,
    /// Each token (between white space) with a digit in it becomes `#`.
    Tokens = 2,
    /// Addresses, times, numbers, paths and so on become the name of what they are, such as `<ip>`: the most telling.
    Typed = 3,
    /// Nothing. For rules that are to work alone.
    Keep = 4,
}

/// A rule of the caller: what matches becomes `<name>`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_normaliser_rule {
    /// 1 to 64 letters, digits, `_`, `-` or `.`.
    pub name: *const c_char,
    /// A regular expression, in the syntax of Rust's regex crate. A match never spans lines.
    pub expression: *const c_char,
}

/// How a normaliser works. Start it from FLR_NORMALISER_OPTIONS_INIT; a member that is zero has its default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_normaliser_options {
    /// sizeof(flr_normaliser_options), set by FLR_NORMALISER_OPTIONS_INIT.
    pub struct_size: u32,
    /// A flr_normaliser_mode. Default: FLR_NORMALISER_MODE_SHAPE, which takes no rules.
    pub mode: i32,
    /// Rules, tried before the mode: the leftmost match wins, then the rule that comes first. They are copied.
    pub rules: *const flr_normaliser_rule,
    /// How many rules there are.
    pub rule_count: usize,
    /// For counters: most patterns that are counted by themselves. Default: 10,000.
    pub max_patterns: usize,
}

// SAFETY: repr(C), the size first, integers and a raw pointer only.
unsafe impl SizedStruct for flr_normaliser_options {
    const NAME: &'static str = "flr_normaliser_options";
}

/// How files are normalised. Start it from FLR_NORMALISE_OPTIONS_INIT; a member that is zero has its default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_normalise_options {
    /// sizeof(flr_normalise_options), set by FLR_NORMALISE_OPTIONS_INIT.
    pub struct_size: u32,
    /// A flr_normaliser_mode. Default: FLR_NORMALISER_MODE_SHAPE, which takes no rules.
    pub mode: i32,
    /// Rules, as in flr_normaliser_options.
    pub rules: *const flr_normaliser_rule,
    /// How many rules there are.
    pub rule_count: usize,
    /// Paths of text files, plain, gzip or zstd, which is found out from their bytes; `-` is standard input.
    pub inputs: *const *const c_char,
    /// How many inputs there are: at least one.
    pub input_count: usize,
    /// Where the pattern of every line goes, in order; `-` is standard output. Default, NULL: nowhere.
    pub output: *const c_char,
    /// Where a summary goes, as JSON. Default, NULL: nowhere.
    pub summary_json: *const c_char,
    /// Where a summary goes, as comma-separated values. Default, NULL: nowhere.
    pub summary_csv: *const c_char,
    /// Where a summary goes, as a page with plots. Default, NULL: nowhere.
    pub summary_html: *const c_char,
    /// Threads that mask, at most 256. Default: as many as there are processors, at most 8.
    pub workers: u32,
    /// Threads that write, at most 256. Default: 1.
    pub writers: u32,
    /// Bytes of text in one buffer, 4 KiB to 1 GiB. There are `workers` + `writers` + 2 of them. Default: 256 KiB.
    pub buffer_size: usize,
    /// Most patterns that a summary counts by themselves. Default: 10,000.
    pub max_patterns: usize,
}

// SAFETY: repr(C), the size first, integers and raw pointers only.
unsafe impl SizedStruct for flr_normalise_options {
    const NAME: &'static str = "flr_normalise_options";
}

/// What flr_normalise_file() did. Start it from FLR_NORMALISE_REPORT_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_normalise_report {
    /// sizeof(flr_normalise_report), set by FLR_NORMALISE_REPORT_INIT.
    pub struct_size: u32,
    /// Lines masked.
    pub lines: u64,
    /// Bytes of text, uncompressed.
    pub bytes_in: u64,
    /// Bytes of patterns.
    pub bytes_out: u64,
    /// Lines that were longer than a buffer.
    pub long_lines: u64,
    /// Patterns that were counted by themselves; 0 without a summary.
    pub patterns: u64,
    /// Lines of other patterns, for which there was no room; 0 without a summary.
    pub other_lines: u64,
    /// How long it took, in nanoseconds.
    pub elapsed_ns: u64,
}

// SAFETY: repr(C), the size first, integers only.
unsafe impl SizedStruct for flr_normalise_report {
    const NAME: &'static str = "flr_normalise_report";
}

/// What a counter has counted. Start it from FLR_PATTERN_COUNTER_STATS_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_pattern_counter_stats {
    /// sizeof(flr_pattern_counter_stats), set by FLR_PATTERN_COUNTER_STATS_INIT.
    pub struct_size: u32,
    /// Lines: the sum of the counts of all patterns and `other_lines`.
    pub lines: u64,
    /// Patterns that are counted by themselves, each exactly.
    pub patterns: u64,
    /// Lines of other patterns, for which there was no room.
    pub other_lines: u64,
}

// SAFETY: repr(C), the size first, integers only.
unsafe impl SizedStruct for flr_pattern_counter_stats {
    const NAME: &'static str = "flr_pattern_counter_stats";
}

/// Writes the pattern of a line, in mode shape, to `dst`, without a terminating NUL, and its length to `*needed` (which may
/// be NULL). Takes time in proportion to the line, allocates nothing, and may be called from any thread at any time.
///
/// FLR_TRUNCATED: `dst` has too little room; `*needed` is then a size that is enough, and what is in `dst` means nothing. A
/// buffer of FLR_NORMALISE_BOUND(len) bytes is always enough: the pattern has at most 1.5 times the bytes of a line that is
/// UTF-8, and three times of any other, and the rest is room for nested brackets. `dst` must not overlap `line`. Errors:
/// FLR_INVALID.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_normalise_line(
    line: *const c_void,
    len: usize,
    dst: *mut c_void,
    cap: usize,
    needed: *mut usize,
) -> flr_status {
    guard(|| {
        // SAFETY: readable and writable, as documented.
        let (line, dst) = unsafe { (input(line, len)?, output(dst, cap)?) };
        mask_into(&Masker::new(Mode::Shape), line, dst, needed)
    })
}

/// The number of a pattern: XXH3-64 with seed 0 of its bytes. It is the same in every process, on every machine and in every
/// version. 0 when `pattern` is NULL and `len` is not 0; the message then says so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_pattern_id(pattern: *const c_void, len: usize) -> u64 {
    // SAFETY: readable, as documented.
    guard_value(|| Ok(PatternId::of(unsafe { input(pattern, len)? }).0)).unwrap_or(0)
}

/// Creates a normaliser; `options` may be NULL for mode shape.
///
/// It is the caller's, to be ended with flr_normaliser_destroy(). Errors: FLR_INVALID, also for a rule that is not a valid
/// expression or matches the empty text, with a message that names it.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_normaliser_create(
    options: *const flr_normaliser_options,
    out: *mut *mut flr_normaliser,
) -> flr_status {
    guard(|| {
        // SAFETY: `out` is NULL or writable, as documented for every `create`; the options are NULL or what they say.
        let (out, masker) = unsafe { (Out::new(out)?, masker_with(options)?.0) };
        out.fill(masker);
        Ok(())
    })
}

/// Writes the pattern of a line to `dst`, as flr_normalise_line() does.
///
/// FLR_TRUNCATED: `*needed` is a size that is enough, as flr_normaliser_bound() gives it. Allocates nothing, except that rules
/// do when a thread uses them first. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_normaliser_line(
    normaliser: *const flr_normaliser,
    line: *const c_void,
    len: usize,
    dst: *mut c_void,
    cap: usize,
    needed: *mut usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live normaliser, readable and writable memory, as documented.
        let (masker, line, dst) =
            unsafe { (handle::get(normaliser)?, input(line, len)?, output(dst, cap)?) };
        mask_into(masker, line, dst, needed)
    })
}

/// How large a buffer has to be for a line of `len` bytes, whatever they are. 0 for a normaliser that is NULL or of another
/// process; the message then says so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_normaliser_bound(
    normaliser: *const flr_normaliser,
    len: usize,
) -> usize {
    // SAFETY: a live normaliser, as documented.
    guard_value(|| Ok(unsafe { handle::get(normaliser)? }.max_len(len))).unwrap_or(0)
}

/// Ends a normaliser. NULL is accepted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_normaliser_destroy(normaliser: *mut flr_normaliser) {
    // SAFETY: given back once, as documented.
    unsafe { handle::destroy(normaliser) };
}

/// Masks files, one after the other, into one output, summarises them, or both, and says in `*report` (which may be NULL) what
/// was done. Returns when all is done. Order is kept, memory is bounded by the options, and lines may have any length.
///
/// It starts threads, which take no signals and are gone when it returns. Errors, with a message that names the file and the
/// line: FLR_INVALID for options, also when the output is one of the inputs; FLR_NOT_FOUND and FLR_IO for files; FLR_CORRUPT
/// for damaged compressed data; FLR_TOO_LARGE for a line that is longer than a buffer when there are rules. The output then
/// has whole lines from the beginning.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_normalise_file(
    options: *const flr_normalise_options,
    report: *mut flr_normalise_report,
) -> flr_status {
    guard(|| {
        // SAFETY: as documented, valid options with valid members; the report is NULL or valid.
        let (options, masker, inputs) = unsafe {
            let options = sized::read(options)?;
            if !report.is_null() {
                sized::check(report)?;
            }
            let masker = masker_of(options.mode, options.rules, options.rule_count)?;
            let mut inputs = Vec::new();
            for &path in items_of(options.inputs, options.input_count, "inputs")? {
                let path =
                    path_of(path).ok_or_else(|| invalid(format_args!("an input is NULL")))?;
                inputs.push(match path.as_os_str().as_bytes() {
                    b"-" => Input::stdin(),
                    _ => Input::path(path),
                });
            }
            (options, masker, inputs)
        };
        if inputs.is_empty() {
            return Err(invalid(format_args!("there are no inputs; give at least one path")));
        }
        // SAFETY: NULL or C strings, as documented.
        let [output, json, csv, html] = unsafe {
            [options.output, options.summary_json, options.summary_csv, options.summary_html]
                .map(|path| path_of(path))
        };
        let sink = match output {
            None => Output::Discard,
            Some(path) if path == Path::new("-") => Output::Stdout,
            Some(path) => Output::Path(PathBuf::from(path)),
        };
        let mut run = Options::default();
        let or = |value: u32, default: usize| if value == 0 { default } else { value as usize };
        run.workers = or(options.workers, run.workers);
        run.writers = or(options.writers, run.writers);
        if options.buffer_size != 0 {
            run.buffer_size = options.buffer_size;
        }
        if [json, csv, html].iter().any(Option::is_some) {
            run.summary = Some(summary_options(options.max_patterns));
        }
        let done = pipeline::run(inputs, sink, &masker, &run, &Arc::new(Control::default()))
            .map_err(|error| failed(&error))?;
        if let Some(summary) = &done.summary {
            let save = |path: Option<&Path>, text: &dyn Fn() -> String| match path {
                None => Ok(()),
                Some(path) => std::fs::write(path, text())
                    .map_err(|error| fail_io(format_args!("write {}", path.display()), &error)),
            };
            save(json, &|| summary.to_json())?;
            save(csv, &|| summary.to_csv())?;
            save(html, &|| summary.to_html("Patterns"))?;
        }
        if report.is_null() {
            return Ok(());
        }
        let counted = done.summary.as_ref();
        let value = flr_normalise_report {
            struct_size: 0,
            lines: done.lines,
            bytes_in: done.bytes_in,
            bytes_out: done.bytes_out,
            long_lines: done.long_lines,
            patterns: counted.map_or(0, |summary| summary.patterns.len() as u64),
            other_lines: counted.map_or(0, |summary| summary.other),
            elapsed_ns: u64::try_from(done.elapsed.as_nanos()).unwrap_or(u64::MAX),
        };
        // SAFETY: not NULL and checked above.
        unsafe { sized::write(report, &value) }
    })
}

/// Creates a counter that has counted nothing; `options` may be NULL for mode shape.
///
/// Feed it what a monitor or a logger is given. Memory is bounded: each pattern takes its text, samples and a few kilobytes.
/// It is the caller's, to be ended with flr_pattern_counter_destroy(). Errors: FLR_INVALID, as flr_normaliser_create().
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_pattern_counter_create(
    options: *const flr_normaliser_options,
    out: *mut *mut flr_pattern_counter,
) -> flr_status {
    guard(|| {
        // SAFETY: `out` is NULL or writable, as documented for every `create`; the options are NULL or what they say.
        let (out, (masker, options)) = unsafe { (Out::new(out)?, masker_with(options)?) };
        out.fill(Mutex::new(PatternCounter::new(&masker, &options)));
        Ok(())
    })
}

/// Counts the lines that `data` ends; what follows the last line feed waits for the next call. Of a line longer than 16 KiB
/// only the beginning is looked at.
///
/// Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_pattern_counter_feed(
    counter: *const flr_pattern_counter,
    data: *const c_void,
    len: usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live counter and readable input, as documented.
        let (counter, data) = unsafe { (handle::get(counter)?, input(data, len)?) };
        counter.lock().unwrap_or_else(PoisonError::into_inner).feed(data);
        Ok(())
    })
}

/// Says in `*stats` what was counted. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_pattern_counter_get_stats(
    counter: *const flr_pattern_counter,
    stats: *mut flr_pattern_counter_stats,
) -> flr_status {
    guard(|| {
        // SAFETY: a live counter, as documented.
        let counter = unsafe { handle::get(counter)? };
        let counter = counter.lock().unwrap_or_else(PoisonError::into_inner);
        let value = flr_pattern_counter_stats {
            struct_size: 0,
            lines: counter.lines(),
            patterns: counter.patterns() as u64,
            other_lines: counter.other(),
        };
        drop(counter);
        // SAFETY: NULL or valid, as documented.
        unsafe { sized::write(stats, &value) }
    })
}

/// Writes the `most` most frequent patterns to `dst`, as JSON without a terminating NUL: an array of objects with `id` (16
/// hexadecimal digits), `pattern` and `count`, most frequent first. `*needed` (which may be NULL) is the length of the text.
///
/// FLR_TRUNCATED: `cap` is less than that; nothing was written. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_pattern_counter_top_json(
    counter: *const flr_pattern_counter,
    most: usize,
    dst: *mut c_void,
    cap: usize,
    needed: *mut usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live counter and a writable buffer, as documented.
        let (counter, dst) = unsafe { (handle::get(counter)?, output(dst, cap)?) };
        let top = counter.lock().unwrap_or_else(PoisonError::into_inner).top(most);
        put_json(&top, dst, needed)
    })
}

/// Counts the patterns of all lines of a monitor, from the oldest retained on, until the monitor is closed; a server shows
/// them on its page. `options` may be NULL for mode shape. A second call changes nothing.
///
/// Writers are not held up: a thread of its own follows the output. Errors: FLR_INVALID, as flr_normaliser_create();
/// FLR_FORKED; FLR_IO when there is no thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_monitor_count_patterns(
    monitor: *const flr_monitor,
    options: *const flr_normaliser_options,
) -> flr_status {
    guard(|| {
        // SAFETY: a live monitor, and options that are NULL or what they say, as documented.
        let (monitor, (masker, mut options)) =
            unsafe { (handle::get(monitor)?, masker_with(options)?) };
        options.slots = false;
        monitor
            .monitor
            .count_patterns(&masker, &options)
            .map_err(|error| fail_io(format_args!("start a thread"), &error))
    })
}

/// Writes the `most` most frequent patterns of a monitor to `dst`, as flr_pattern_counter_top_json() does.
///
/// FLR_TRUNCATED: `cap` is less than `*needed`; nothing was written. FLR_END: patterns of this monitor are not counted. Errors:
/// FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_monitor_patterns_json(
    monitor: *const flr_monitor,
    most: usize,
    dst: *mut c_void,
    cap: usize,
    needed: *mut usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live monitor and a writable buffer, as documented.
        let (monitor, dst) = unsafe { (handle::get(monitor)?, output(dst, cap)?) };
        let counts = monitor.monitor.top_patterns(most).ok_or(flr_status::END)?;
        put_json(&counts.top, dst, needed)
    })
}

/// Ends a counter. NULL is accepted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_pattern_counter_destroy(counter: *mut flr_pattern_counter) {
    // SAFETY: given back once, as documented.
    unsafe { handle::destroy(counter) };
}
