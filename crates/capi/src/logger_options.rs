//! How loggers are opened: options, and the values that they take.

use std::ffi::{CStr, CString, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flightring_blockfile::{Kind, Level};
use flightring_logger::{
    Options, Overflow, Rotation, Schedule, Sealed, StagingPolicy, Sync, TimeSource,
};

use crate::flr_status;
use crate::sized::SizedStruct;
use crate::status::{fail, invalid};
use crate::user_data::UserData;

/// How severe a record is. Only records of the kind FLR_RECORD_KIND_EVENT keep their level.
#[repr(i32)]
pub enum flr_level {
    /// None given; passes every filter that lets all levels pass.
    None = 0,
    /// Finest detail.
    Trace = 1,
    /// For developers.
    Debug = 2,
    /// Normal operation.
    Info = 3,
    /// Something to look at.
    Warn = 4,
    /// Something failed.
    Error = 5,
    /// The process cannot go on.
    Fatal = 6,
}

/// How records are laid out in the file.
#[repr(i32)]
pub enum flr_record_kind {
    /// The caller's bytes and nothing else: the default.
    Raw = 0,
    /// With a time.
    Timed = 1,
    /// With time, thread, level, and a sequence number by which a reader orders records of several threads.
    Event = 2,
}

/// Where the times of records come from.
#[repr(i32)]
pub enum flr_time_source {
    /// CLOCK_REALTIME: the system's best, some 25 ns a call: the default.
    Realtime = 0,
    /// CLOCK_REALTIME_COARSE: of the last timer tick, 1 to 10 ms old, some 5 ns a call.
    Coarse = 1,
    /// The processor's time stamp counter, held against CLOCK_REALTIME once a second: about as cheap as coarse, and within 100 us of
    /// the clock; after the clock was set, within a second. The first flr_logger_open() with it takes 20 ms. Where the
    /// counter does not run at one rate, or the kernel does not trust it, FLR_TIME_SOURCE_REALTIME is used;
    /// flr_logger_stats.time_source says which.
    Tsc = 2,
}

/// What happens to a record for which there is no room.
#[repr(i32)]
pub enum flr_overflow {
    /// It is dropped and counted, and the call returns FLR_DROPPED at once: the default.
    DropNewest = 0,
    /// The call waits for room, or until the logger is closed.
    Block = 1,
    /// The call waits for at most `overflow_timeout_ms`, then drops the record and returns FLR_TIMEOUT.
    BlockFor = 2,
}

/// When records become durable by themselves. flr_logger_flush() makes them so in any case.
#[repr(i32)]
pub enum flr_sync {
    /// When the system sees fit: the default.
    None = 0,
    /// Each write to the file is durable when it returns (O_DSYNC).
    EachBatch = 1,
    /// At the flush interval.
    Interval = 2,
}

/// Whether what was accepted outlives the process.
#[repr(i32)]
pub enum flr_staging {
    /// It does not: what was not written yet when the process is killed, or ends without closing the logger, is lost: the
    /// default.
    Private = 0,
    /// The memory is a file in /dev/shm: after SIGKILL, a crash or _exit(), the next flr_logger_open() of the same log, or
    /// flr_log_recover(), brings every accepted record into the log, exactly once. It does not outlive the machine. Where
    /// there is no room for it, private memory is used; flr_logger_stats.staged says which.
    Shared = 1,
}

/// Whether dropped records are reported in the log, by markers of their own, at most one a second for each cause.
#[repr(i32)]
pub enum flr_drop_markers {
    /// Logs of events have them: the default. Programs that know only older formats take markers for records.
    Events = 0,
    /// The log has them, whatever its kind.
    On = 1,
    /// The log has none.
    Off = 2,
}

/// At which times a log begins a new file by itself, if the old one is not empty.
#[repr(i32)]
pub enum flr_schedule {
    /// At none: the default.
    Never = 0,
    /// At every full hour, local time.
    Hourly = 1,
    /// At midnight, local time.
    Daily = 2,
    /// `rotate_every_ms` after the file was begun, which may have been in an earlier process.
    Every = 3,
}

/// Told of a finished file by its path, which is valid during the call, for example to upload it. Called by a thread of the
/// library's own, one for each file, while no lock is held; every function of the library may be called inside.
/// flr_logger_close() of this logger, which waits for the callback, returns FLR_BUSY there, and after flr_logger_destroy() the
/// logger finishes when the callback has returned.
pub type flr_sealed_fn = Option<unsafe extern "C" fn(user_data: *mut c_void, path: *const c_char)>;

/// Ends the user data of a flr_sealed_fn.
pub type flr_sealed_destroy_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// How a logger is opened. Start it from FLR_LOGGER_OPTIONS_INIT and set `path`; a member that is zero has its default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_logger_options {
    /// sizeof(flr_logger_options), set by FLR_LOGGER_OPTIONS_INIT.
    pub struct_size: u32,
    /// The log file. Its folder must exist. A log that is there already is continued. The file's own name may have up to 255
    /// bytes; 235 with rotation, 225 with compression, because finished files get longer names.
    pub path: *const c_char,
    /// Bytes of memory for records. Default: 64 MiB. The logger takes one shard more if there are more threads than shards.
    pub buffer_size: u64,
    /// Shards that the memory is divided into: threads that log without sharing, 1 to 1024. Default: 8. When its
    /// shard is full a thread goes on in others, that are free or whose threads are silent; threads beyond the shards share one
    /// more. A shard must have at least 64 KiB. The longest record that is taken, its header included, is the smaller of half a shard
    /// (less 72 bytes from 2 MiB on) and a quarter of `buffer_size` (at least 256 KiB, at most 4 MiB) less 128 KiB;
    /// flr_logger_stats.largest_record is the exact number.
    pub shards: u32,
    /// The longest, in milliseconds, that a record stays in memory. Default: 10,000.
    pub flush_interval_ms: u32,
    /// The longest, in milliseconds, that closing waits for a thread in the middle of a record. Default: 10.
    pub flush_timeout_ms: u32,
    /// A flr_record_kind. Default: raw.
    pub kind: i32,
    /// A flr_level: FLR_LOG and flr_logger_log() below it do nothing. Default: all pass.
    pub level: i32,
    /// A flr_time_source, for the kinds that have a time. Default: realtime.
    pub time_source: i32,
    /// A flr_overflow. Default: drop newest.
    pub overflow: i32,
    /// For FLR_OVERFLOW_BLOCK_FOR, in milliseconds; 0 does not wait.
    pub overflow_timeout_ms: u32,
    /// A flr_sync. Default: none.
    pub sync: i32,
    /// Not 0: write through the page cache even where direct I/O is possible.
    pub no_direct_io: u32,
    /// Bytes to reserve on disk ahead of the end of the file; given back by closing. Where there is no room for them, the log
    /// goes on without. Default: none.
    pub preallocate: u64,
    /// 2: no huge pages. Else they are used where the system has them, but not for staging in shared memory.
    pub huge_pages: u32,
    /// Not 0: keep the memory from being swapped out; whether that worked is in the statistics.
    pub lock_memory: u32,
    /// A flr_staging. Default: private.
    pub staging: i32,
    /// The folder of staging files; it should be in memory. NULL: /dev/shm.
    pub staging_folder: *const c_char,
    /// A flr_drop_markers. Default: for events.
    pub drop_markers: i32,
    /// Begin a new file once it has this many bytes (and at most 4 MiB more). Default: whatever its size.
    pub rotate_size: u64,
    /// A flr_schedule. What was logged before that time is in the file that ends; a file whose time is over when the log is
    /// opened ends then. Default: never.
    pub rotate_schedule: i32,
    /// For FLR_SCHEDULE_EVERY.
    pub rotate_every_ms: u32,
    /// Finished files to keep; the oldest are deleted first, when the log is opened and whenever a file is finished, whether
    /// `sealed` has returned for them or not. Default: all.
    pub keep_files: u32,
    /// Seconds to keep finished files after they were written last; looked at now and then, too: they go at most a tenth, or
    /// an hour, too late. Default: for ever.
    pub keep_seconds: u32,
    /// Bytes of finished files to keep. Default: all.
    pub keep_bytes: u64,
    /// Told of each finished file, or NULL. May be called before flr_logger_open() returns.
    pub sealed: flr_sealed_fn,
    /// For `sealed`.
    pub sealed_user_data: *mut c_void,
    /// Called with `sealed_user_data` when the logger does not need it any more, exactly once, also when opening fails; or
    /// NULL.
    pub sealed_destroy: flr_sealed_destroy_fn,
    /// Not 0: do not publish the logger's numbers for other processes (`flightring stats`).
    pub no_stats_file: u32,
    /// The folder in which they are published, by a small file that is renewed once a second if something changed, and
    /// removed by closing; it should be in memory. Where it cannot be made, nothing is published. NULL: /dev/shm.
    pub stats_folder: *const c_char,
    /// Not 0: compress finished files with zstd, in a background thread: then they end in `.zst`, and `sealed` is told that
    /// name. Whatever interrupts that leaves the file as it was; so does closing, which does not wait for it.
    pub compress_finished: u32,
    /// Must be 0.
    pub reserved: u32,
}

// SAFETY: repr(C), the size first; integers, pointers and optional functions only.
unsafe impl SizedStruct for flr_logger_options {
    const NAME: &'static str = "flr_logger_options";
}

pub(crate) fn options_of(given: &flr_logger_options, path: &CStr) -> Result<Options, flr_status> {
    if given.reserved != 0 {
        return Err(invalid(format_args!("options.reserved is not 0")));
    }
    let mut options = Options::new(OsStr::from_bytes(path.to_bytes()));
    let size = |value: u64, what| {
        usize::try_from(value)
            .map_err(|_| fail(flr_status::TOO_LARGE, format_args!("options.{what} is {value}")))
    };
    if given.buffer_size != 0 {
        options.buffer_size = size(given.buffer_size, "buffer_size")?;
    }
    if given.shards != 0 {
        options.shards = size(given.shards.into(), "shards")?;
    }
    let set_ms = |to: &mut Duration, ms: u32| {
        if ms != 0 {
            *to = Duration::from_millis(ms.into());
        }
    };
    set_ms(&mut options.flush_interval, given.flush_interval_ms);
    set_ms(&mut options.flush_timeout, given.flush_timeout_ms);
    options.kind = match given.kind {
        0 => Kind::Raw,
        1 => Kind::Timed,
        2 => Kind::Event,
        other => return Err(unknown("kind", other)),
    };
    options.level = level_of(given.level)?;
    options.time_source = match given.time_source {
        0 => TimeSource::Realtime,
        1 => TimeSource::Coarse,
        2 => TimeSource::Tsc,
        other => return Err(unknown("time_source", other)),
    };
    options.overflow = match given.overflow {
        0 => Overflow::DropNewest,
        1 => Overflow::Block,
        2 => Overflow::BlockFor(Duration::from_millis(given.overflow_timeout_ms.into())),
        other => return Err(unknown("overflow", other)),
    };
    options.sync = match given.sync {
        0 => Sync::None,
        1 => Sync::EachBatch,
        2 => Sync::Interval,
        other => return Err(unknown("sync", other)),
    };
    options.direct = given.no_direct_io == 0;
    options.preallocate = given.preallocate;
    options.staging = match given.staging {
        0 => StagingPolicy::Private,
        1 => StagingPolicy::Shared,
        other => return Err(unknown("staging", other)),
    };
    if !given.staging_folder.is_null() {
        // SAFETY: not NULL, and a C string, as documented.
        let folder = unsafe { CStr::from_ptr(given.staging_folder) };
        options.staging_folder = OsStr::from_bytes(folder.to_bytes()).into();
    }
    if given.no_stats_file != 0 {
        options.stats_folder = None;
    } else if !given.stats_folder.is_null() {
        // SAFETY: not NULL, and a C string, as documented.
        let folder = unsafe { CStr::from_ptr(given.stats_folder) };
        options.stats_folder = Some(OsStr::from_bytes(folder.to_bytes()).into());
    }
    options.drop_markers = match given.drop_markers {
        0 => None,
        1 => Some(true),
        2 => Some(false),
        other => return Err(unknown("drop_markers", other)),
    };
    options.rotation = Rotation {
        size: given.rotate_size,
        schedule: match given.rotate_schedule {
            0 => Schedule::Never,
            1 => Schedule::Hourly,
            2 => Schedule::Daily,
            3 => Schedule::Every(Duration::from_millis(given.rotate_every_ms.into())),
            other => return Err(unknown("rotate_schedule", other)),
        },
        keep_files: given.keep_files as usize,
        keep_bytes: given.keep_bytes,
        keep_for: Duration::from_secs(given.keep_seconds.into()),
        compress: given.compress_finished != 0,
        sealed: None,
    };
    options.huge_pages = given.huge_pages != 2;
    options.lock_memory = given.lock_memory != 0;
    Ok(options)
}

/// The callback with its user data, which ends with it; without a callback it ends here.
pub(crate) fn sealed_of(callback: flr_sealed_fn, user_data: Option<UserData>) -> Option<Sealed> {
    let (callback, user_data) = (callback?, user_data?);
    Some(Arc::new(move |path: &Path| {
        if let Ok(path) = CString::new(path.as_os_str().as_bytes()) {
            // SAFETY: the caller passed the two together; the path is a C string that outlives the call.
            unsafe { callback(user_data.get(), path.as_ptr()) };
        }
    }))
}

#[cold]
pub(crate) fn unknown(member: &str, value: i32) -> flr_status {
    invalid(format_args!("{member} is {value}, which this version does not know"))
}

#[inline]
pub(crate) fn level_of(level: i32) -> Result<Level, flr_status> {
    match u8::try_from(level) {
        Ok(number @ 0..=6) => Ok(Level::from_u8(number)),
        _ => Err(unknown("level", level)),
    }
}
