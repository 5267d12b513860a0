//! Readers: the records of a log file, verified, in bounded memory.
//!
//! A reader takes the files of this library and those of the formats before it. Every block with a checksum is verified
//! before its records are handed out, so a record is what was logged or it does not come: what is torn, flipped, missing or
//! doubled is skipped and counted (flr_reader_get_stats()), or reported if the caller asks for that. Memory is bounded by
//! the largest block of the file.
//!
//! Files that are compressed, by gzip or zstd, are read as they are. A log that is compressed is not followed, but one that is
//! followed may have its finished files compressed.
//!
//! A log may be read while it is written. With `follow` a reader goes on at the end when there is more, through rotations:
//! also with several logs at once, as one stream in the order of time.

use std::ffi::{CStr, CString, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::slice;
use std::sync::Arc;

use flightring_blockfile::{AppendOptions, Appender, OpenError, OsLayer};

use crate::buffer::required;
use crate::flr_status;
use crate::guard::guard;
use crate::handle::{self, Opaque, Out};
use crate::reading::{Next, Reading, unreadable};
use crate::sized::{self, SizedStruct};
use crate::status::{fail, fail_io, invalid};

/// A reader of one log, or of several as one stream.
///
/// Threads: one thread at a time, which may be another one at each call.
pub struct flr_reader {
    _opaque: [u8; 0],
}

impl Opaque for flr_reader {
    type Inner = Reading;
    const NAME: &'static str = "flr_reader";
}

/// What blocks without a trailer, as earlier formats have them, are taken for.
#[repr(i32)]
pub enum flr_dialect {
    /// Find out: the default.
    Auto = 0,
    /// There are none: such a block is damage.
    Current = 1,
    /// `valid` counts record bytes; records are a length and bytes.
    V1 = 2,
    /// As V1, but `valid` counts the header too.
    V2 = 3,
    /// As V1, with a time in front of each record.
    Timed = 4,
    /// As V1, but a block ends at the next multiple of 512 after its records.
    Packed = 5,
}

/// Why records were dropped, as markers report it.
#[repr(i32)]
pub enum flr_drop_cause {
    /// There was no room.
    Full = 0,
    /// There was no room in time.
    TimedOut = 1,
    /// The record can never fit.
    TooLarge = 2,
    /// A signal handler had interrupted a call.
    Reentered = 4,
}

/// The order of the records.
#[repr(i32)]
pub enum flr_order {
    /// As in the file, and one file after the other: the default.
    File = 0,
    /// By time: the records of all threads and files as one stream, those of one thread in their order.
    Time = 1,
    /// By the number of a record in its log: for rotated files, given in any order.
    Sequence = 2,
}

/// How a log is read. Start it from FLR_READER_OPTIONS_INIT; a member that is zero has its default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_reader_options {
    /// sizeof(flr_reader_options), set by FLR_READER_OPTIONS_INIT.
    pub struct_size: u32,
    /// A flr_dialect. Default: find out.
    pub dialect: i32,
    /// Not 0: the file is being written. At its end flr_reader_next() returns FLR_TIMEOUT instead of FLR_END, and goes on
    /// when there is more, also in the files that follow after rotations; flr_reader_open_files() follows several logs. In
    /// the order of the files, records come as they are found. In another order each is held back for `hold_ms`. After a
    /// crash, records that its recovery cuts off and writes again come twice; none is left out.
    pub follow: u32,
    /// Not 0: flr_reader_next() returns FLR_CORRUPT, once for each range that it skips, with a message that says where and
    /// why; the next call goes on after it. Default: skipped ranges are only counted.
    pub report_damage: u32,
    /// A flr_order. Default: as in the file.
    pub order: i32,
    /// At least this severe, a flr_level of logger.h. Default: all.
    pub level: i32,
    /// Only records of this thread. Default: of all.
    pub thread: u32,
    /// The bound on the size of a block, in MiB, at most 4096. Default: 512.
    pub max_block_mib: u32,
    /// Bytes of records to look ahead for an order other than that of the file. Twice the buffer of the logger that wrote
    /// the log gives the exact order. Default: 128 MiB.
    pub window: u64,
    /// Not before this time, in Unix nanoseconds. Default: from the beginning.
    pub since_ns: u64,
    /// Before this time, in Unix nanoseconds. Default: to the end.
    pub until_ns: u64,
    /// Only from about so many records before the end: from the beginning of the block that holds the first of them.
    /// Default, and always for a compressed file: the whole log.
    pub last_records: u64,
    /// Only records that contain this text. It is copied. Default, NULL: all.
    pub text: *const c_char,
    /// With `follow` and an order other than that of the files: milliseconds for which a record is held back, so that earlier
    /// ones of other threads and files can come before it. The order is exact if no logger takes longer to write a record
    /// (`flush_interval_ms`); a record that comes too late is delivered late, and counted. Default: 11,000, a second more than
    /// the loggers' default interval.
    pub hold_ms: u32,
    /// Must be 0.
    pub reserved: u32,
}

// SAFETY: repr(C), the size first, integers and a raw pointer only.
unsafe impl SizedStruct for flr_reader_options {
    const NAME: &'static str = "flr_reader_options";
}

/// One record. Start it from FLR_RECORD_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_record {
    /// sizeof(flr_record), set by FLR_RECORD_INIT.
    pub struct_size: u32,
    /// What was logged, byte for byte and without a terminating NUL; valid until the next call on the reader. Never NULL.
    pub data: *const c_void,
    /// How many bytes it has.
    pub len: usize,
    /// When it was logged, in Unix nanoseconds; 0 = not known.
    pub time_ns: u64,
    /// A flr_level of logger.h.
    pub level: i32,
    /// The kernel's id of the thread that logged it; 0 = not known.
    pub thread: u32,
    /// Its number in the log: how many records were written before it, over restarts and rotations.
    pub sequence: u64,
    /// Its number among the records of its shard in one run of the logger; 0 if not known.
    pub shard_sequence: u64,
    /// The shard that it went through. Of a marker: the shard that was full; UINT32_MAX = several, or none.
    pub shard: u32,
    /// Not 0: no record of a user, but a report of the logger that it dropped `dropped` records; `data` says so in words.
    pub is_marker: u32,
    /// How many records a marker reports as dropped.
    pub dropped: u64,
    /// Which of the reader's files it is from, counted from 0 as they were given.
    pub file: u32,
    /// Why a marker's records were dropped, a flr_drop_cause; a later version may know more.
    pub drop_cause: i32,
    /// The beginning of the time in which a marker's records were dropped, Unix nanoseconds; it ends at `time_ns`.
    pub since_ns: u64,
}

// SAFETY: repr(C), the size first, integers and a raw pointer only.
unsafe impl SizedStruct for flr_record {
    const NAME: &'static str = "flr_record";
}

/// What a reader has met so far, by whole blocks. Start it from FLR_READER_STATS_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_reader_stats {
    /// sizeof(flr_reader_stats), set by FLR_READER_STATS_INIT.
    pub struct_size: u32,
    /// What blocks without a trailer were taken for, a flr_dialect.
    pub dialect: i32,
    /// Good blocks.
    pub blocks: u64,
    /// Records in them, whether chosen or not; markers are not counted.
    pub records: u64,
    /// Markers: reports of the logger about dropped records.
    pub markers: u64,
    /// The sum of those reports.
    pub dropped: u64,
    /// Bytes of records, without framing.
    pub payload_bytes: u64,
    /// Bytes of the files that were looked at.
    pub file_bytes: u64,
    /// Places at which a file is not as it was written. 0 means that it is sound, so far.
    pub damages: u64,
    /// Bytes that were skipped there.
    pub skipped_bytes: u64,
    /// Blocks that are missing, as their sequence numbers show.
    pub missing_blocks: u64,
    /// Records that were in them.
    pub missing_records: u64,
    /// Blocks that were there before, and were skipped.
    pub repeated_blocks: u64,
    /// Earliest time, in Unix nanoseconds; 0 = none is known.
    pub first_ns: u64,
    /// Latest time, in Unix nanoseconds; 0 = none is known.
    pub last_ns: u64,
    /// Records that came after later ones because the window was too small.
    pub late: u64,
    /// How often a log that is followed was rotated.
    pub rotations: u64,
}

// SAFETY: repr(C), the size first, integers only.
unsafe impl SizedStruct for flr_reader_stats {
    const NAME: &'static str = "flr_reader_stats";
}

/// What flr_log_recover() found and did. Start it from FLR_RECOVER_REPORT_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_recover_report {
    /// sizeof(flr_recover_report), set by FLR_RECOVER_REPORT_INIT.
    pub struct_size: u32,
    /// Bytes of good blocks: the size of the log now.
    pub sound_bytes: u64,
    /// Bytes after them that were torn. They are in `<path>.damaged-<Unix seconds>` now, unless they were all zero.
    pub set_aside_bytes: u64,
    /// Records that a killed logger with FLR_STAGING_SHARED had accepted and not written, and that are in the log now.
    pub recovered: u64,
}

// SAFETY: repr(C), the size first, integers only.
unsafe impl SizedStruct for flr_recover_report {
    const NAME: &'static str = "flr_recover_report";
}

/// A path that the caller gave.
///
/// # Safety
/// `path` is NULL or a NUL-terminated string.
unsafe fn path_of(path: *const c_char) -> Result<PathBuf, flr_status> {
    required(path, "path")?;
    // SAFETY: not NULL, so a string by this function's contract.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
    Ok(PathBuf::from(OsStr::from_bytes(bytes)))
}

/// Opens the log at `path` for reading. `options` may be NULL, for all defaults.
///
/// The reader is the caller's, to be ended with flr_reader_destroy(). Errors: FLR_INVALID, also for a compressed log
/// with `follow`; FLR_NOT_FOUND when there is no such file; FLR_IO when it is a directory or may not be read.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_reader_open(
    path: *const c_char,
    options: *const flr_reader_options,
    out: *mut *mut flr_reader,
) -> flr_status {
    // SAFETY: one path is an array of one.
    unsafe { flr_reader_open_files(&raw const path, 1, options, out) }
}

/// Opens `count` logs for reading as one stream, in the order that the options say. `options` may be NULL, for all defaults.
///
/// The reader is the caller's, to be ended with flr_reader_destroy(). Errors: as for flr_reader_open(); FLR_INVALID also for no
/// file at all.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_reader_open_files(
    paths: *const *const c_char,
    count: usize,
    options: *const flr_reader_options,
    out: *mut *mut flr_reader,
) -> flr_status {
    guard(|| {
        // SAFETY: `out` is NULL or writable, as documented for every `open`.
        let out = unsafe { Out::new(out)? };
        required(paths, "paths")?;
        if count == 0 {
            return Err(invalid(format_args!("there is no file to read; count is 0")));
        }
        // SAFETY: an array of `count` strings, as documented.
        let paths = unsafe { slice::from_raw_parts(paths, count) };
        let paths = paths
            .iter()
            // SAFETY: each is NULL or a string, as documented.
            .map(|&path| unsafe { path_of(path) })
            .collect::<Result<Vec<_>, _>>()?;
        let options = if options.is_null() {
            DEFAULTS
        } else {
            // SAFETY: options that begin with their size, as documented.
            unsafe { sized::read(options)? }
        };
        // SAFETY: NULL or a NUL-terminated string, as documented for the member.
        let text = (!options.text.is_null()).then(|| unsafe { CStr::from_ptr(options.text) });
        out.fill(Reading::open(paths, &options, text)?);
        Ok(())
    })
}

const DEFAULTS: flr_reader_options = flr_reader_options {
    struct_size: size_of::<flr_reader_options>() as u32,
    dialect: 0,
    follow: 0,
    report_damage: 0,
    order: 0,
    level: 0,
    thread: 0,
    max_block_mib: 0,
    window: 0,
    since_ns: 0,
    until_ns: 0,
    last_records: 0,
    text: std::ptr::null(),
    hold_ms: 0,
    reserved: 0,
};

/// Describes the next record in `*record`. What its `data` points to is valid until the next call on this reader.
///
/// FLR_OK: there is one. FLR_END: there is none. FLR_TIMEOUT: there is none for now (with the option `follow`); ask again
/// later. FLR_CORRUPT: a range was skipped (with the option `report_damage`); call again for what follows it. Errors:
/// FLR_INVALID, FLR_FORKED, FLR_IO.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_reader_next(
    reader: *mut flr_reader,
    record: *mut flr_record,
) -> flr_status {
    guard(|| {
        // SAFETY: a live reader that no other thread uses, and a struct that begins with its size, as documented.
        let reader = unsafe {
            sized::check(record)?;
            handle::get_mut(reader)?
        };
        loop {
            let next = reader.next().map_err(|error| unreadable(&reader.paths[0], &error))?;
            match next {
                Next::Nothing(outcome) => return Err(outcome),
                Next::Damage(file, damage) if reader.report_damage => {
                    let path = reader.paths[file].display();
                    return Err(fail(flr_status::CORRUPT, format_args!("{path}: {damage}")));
                }
                Next::Damage(..) => {}
                // SAFETY: checked above.
                Next::Record(found) => return unsafe { sized::write(record, &found) },
            }
        }
    })
}

/// Copies what was met so far into `*stats`. The file is sound if, after FLR_END, `damages` is 0.
///
/// Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_reader_get_stats(
    reader: *const flr_reader,
    stats: *mut flr_reader_stats,
) -> flr_status {
    guard(|| {
        // SAFETY: a live reader and a struct that begins with its size, as documented.
        let reader = unsafe {
            sized::check(stats)?;
            handle::get(reader)?
        };
        // SAFETY: checked above.
        unsafe { sized::write(stats, &reader.stats()) }
    })
}

/// Ends a reader and closes its files. NULL is accepted and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_reader_destroy(reader: *mut flr_reader) {
    // SAFETY: NULL, or a reader that nobody uses any more, as documented.
    unsafe { handle::destroy(reader) };
}

/// Brings the log at `path` back to a sound state after a crash, as the next opening for logging would do: what was torn
/// by an append that did not end is set aside, never deleted. What loggers with FLR_STAGING_SHARED left is looked for in
/// /dev/shm; with another `staging_folder`, open the log with that, or use `flightring recover --staging-folder`. Any thread
/// may call it.
///
/// FLR_OK: the log is sound now, and `*report` says what was done. Errors: FLR_INVALID, also for a file that is no log, which
/// is then left alone; FLR_NOT_FOUND; FLR_BUSY when a logger has it open; FLR_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_log_recover(
    path: *const c_char,
    report: *mut flr_recover_report,
) -> flr_status {
    guard(|| {
        // SAFETY: a string and a struct that begins with its size, as documented.
        let path = unsafe {
            sized::check(report)?;
            path_of(path)?
        };
        // Opening would create it.
        std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
        let recovered = flightring_logger::recover(&path).map_err(|error| {
            let path = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
            crate::logger::open_failed(&error, &path)
        })?;
        let options = AppendOptions { direct: false, ..AppendOptions::default() };
        let (mut appender, opened) =
            Appender::open(&path, &options, Arc::new(OsLayer)).map_err(|error| refused(&error))?;
        appender.finish().map_err(|error| {
            fail_io(format_args!("cannot make {} durable", path.display()), &error)
        })?;
        flightring_logger::tidy(&path).map_err(|error| {
            fail_io(format_args!("cannot tidy up beside {}", path.display()), &error)
        })?;
        let found = flr_recover_report {
            struct_size: 0,
            sound_bytes: opened.continued,
            set_aside_bytes: recovered
                .iter()
                .map(|one| &one.damaged_tail)
                .chain([&opened.damaged_tail])
                .flatten()
                .map(|tail| tail.len)
                .sum(),
            recovered: recovered.iter().map(|one| one.records).sum(),
        };
        // SAFETY: checked above.
        unsafe { sized::write(report, &found) }
    })
}

#[cold]
fn refused(error: &OpenError) -> flr_status {
    match (error, error.io()) {
        (OpenError::Busy(_), _) => fail(flr_status::BUSY, format_args!("{error}")),
        (_, Some(os)) => fail_io(format_args!("cannot recover the log"), os),
        _ => invalid(format_args!("{error}")),
    }
}
