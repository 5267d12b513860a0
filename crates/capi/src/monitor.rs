//! Monitors: the recent output of a process or subsystem, which never hold it up.
//!
//! A monitor keeps the newest bytes of three streams, standard output, standard error, and the lines that the service itself
//! logs about it, in one timeline in the order of their arrival. Each byte has an absolute offset in the timeline, and one in
//! its own stream; both only grow, also when the process is restarted. Readers and followers (follow.h) never hold up a writer;
//! one that is too slow is told how many bytes it missed.
//!
//! A monitor may have a sink, where everything goes before it is kept: standard output, a descriptor, a callback, or another
//! monitor, so that the output of processes comes together in a group, and of groups in one place. A sink is part of the
//! write: the writer waits for it, and what it refuses is not kept. A slow sink throttles, as a pipe would, the processes whose
//! descriptors are attached to monitors that end in it, and no others.

use std::ffi::{CStr, CString, c_char, c_void};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use flightring_monitor::{
    FutureOffset, Level, Monitor, Options, ProcessState, Read, Sink, Stream, TimeFormat, WriteError,
};

use crate::buffer::{fitted, input, output, required};
use crate::flr_status;
use crate::guard::{guard, guard_value};
use crate::handle::{self, Opaque, Out};
use crate::replay::flr_replay_span;
use crate::ring::create_failed;
use crate::sized::{self, SizedStruct};
use crate::status::{fail, fail_io, invalid};
use crate::user_data::{UserData, flr_user_data_destroy_fn};

/// A monitor.
///
/// Threads: all functions but flr_monitor_release() may be called concurrently.
pub struct flr_monitor {
    _opaque: [u8; 0],
}

pub(crate) struct MonitorHandle {
    pub(crate) monitor: Arc<Monitor>,
    name: CString,
}

impl MonitorHandle {
    pub(crate) fn new(monitor: Arc<Monitor>) -> Self {
        // A name from C has no NUL inside; one from a server's request might.
        let name = CString::new(monitor.name()).unwrap_or_default();
        Self { monitor, name }
    }
}

impl Opaque for flr_monitor {
    type Inner = MonitorHandle;
    const NAME: &'static str = "flr_monitor";
}

/// Where output comes from.
#[repr(i32)]
pub enum flr_stream {
    /// All of them together; for reading only.
    All = 0,
    /// Standard output.
    Stdout = 1,
    /// Standard error.
    Stderr = 2,
    /// What the service itself has to say.
    Log = 3,
}

/// What becomes of output before it is kept.
#[repr(i32)]
pub enum flr_sink {
    /// Nothing: the default.
    None = 0,
    /// It is written to this process's standard output.
    Stdout = 1,
    /// It is written to this process's standard error.
    Stderr = 2,
    /// It is written to `sink_fd`, of which the monitor keeps a duplicate.
    Fd = 3,
    /// It is given to `sink_callback`.
    Callback = 4,
    /// It is written to `sink_monitor`.
    Monitor = 5,
}

/// What is known about the process behind a monitor.
#[repr(i32)]
pub enum flr_process_state {
    /// Nothing was said about one.
    Unknown = 0,
    /// It runs; the detail is its process id.
    Running = 1,
    /// It ended by itself; the detail is its exit code.
    Exited = 2,
    /// A signal ended it; the detail is the signal's number.
    Killed = 3,
    /// It ended, and its status was collected before it could be noted.
    Gone = 4,
    /// flr_monitor_stop() was called.
    Stopped = 5,
}

/// A sink's function. Returns 0, or an errno when it did not take the data: then nothing is kept, and the writer gets FLR_IO.
///
/// It is called by the thread that writes, or by the thread that reads attached descriptors; no two calls of one monitor at
/// the same time. Other writers of that monitor wait meanwhile, and no other lock is held. Everything may be called inside
/// but a write to the same monitor, which is FLR_BUSY.
pub type flr_sink_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        stream: i32,
        data: *const c_void,
        len: usize,
    ) -> i32,
>;

/// How a monitor is made. Start it from FLR_MONITOR_OPTIONS_INIT; zero is the default of every member.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_monitor_options {
    /// sizeof(flr_monitor_options), set by FLR_MONITOR_OPTIONS_INIT.
    pub struct_size: u32,
    /// A flr_level: own lines below it are left out. Default: FLR_LEVEL_INFO.
    pub level: i32,
    /// How many bytes of history are retained, all streams together. Default: 1 MiB.
    pub capacity: u64,
    /// Stands in brackets in own lines. Default: nothing.
    pub prefix: *const c_char,
    /// How the time is written in front of own lines: "ansic", "unixdate", "rubydate", "rfc822", "rfc822z", "rfc850",
    /// "rfc1123", "rfc1123z", "rfc3339", "rfc3339nano", "kitchen", "stamp", "stampmilli", "stampmicro" or "stampnano", in any
    /// case. Default, and for any other name: not at all.
    pub time_format: *const c_char,
    /// A flr_sink.
    pub sink: i32,
    /// For FLR_SINK_FD.
    pub sink_fd: i32,
    /// For FLR_SINK_CALLBACK.
    pub sink_callback: flr_sink_fn,
    /// The callback's first argument.
    pub sink_user_data: *mut c_void,
    /// Called with `sink_user_data` when it is used no more; may be NULL.
    pub sink_destroy: flr_user_data_destroy_fn,
    /// For FLR_SINK_MONITOR. The handle is not kept.
    pub sink_monitor: *const flr_monitor,
}

// SAFETY: repr(C), the size first, integers, pointers and Options of function pointers.
unsafe impl SizedStruct for flr_monitor_options {
    const NAME: &'static str = "flr_monitor_options";
}

/// A monitor's counts. Start it from FLR_MONITOR_STATS_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_monitor_stats {
    /// sizeof(flr_monitor_stats), set by FLR_MONITOR_STATS_INIT.
    pub struct_size: u32,
    /// A flr_process_state.
    pub process_state: i32,
    /// Process id, exit code or signal, as the state says.
    pub process_detail: i32,
    /// Descriptors that are attached and have not ended.
    pub attached: u32,
    /// Bytes ever written, all streams: the offset of the next byte.
    pub total: u64,
    /// Bytes of standard output.
    pub stdout_total: u64,
    /// Bytes of standard error.
    pub stderr_total: u64,
    /// Bytes of own lines.
    pub log_total: u64,
    /// Line feeds among all of them.
    pub lines: u64,
    /// The offset of the oldest byte that is retained.
    pub oldest: u64,
    /// The most bytes that are retained.
    pub capacity: u64,
    /// Bytes of memory that the history has now.
    pub allocated: u64,
    /// Followers and subscriptions.
    pub subscribers: u64,
    /// Bytes that followers missed, added up.
    pub skipped: u64,
    /// Bytes that came from attached descriptors and that the sink refused.
    pub refused: u64,
    /// When something was written last, Unix nanoseconds; 0 = never.
    pub last_write_ns: u64,
}

// SAFETY: repr(C), the size first, integers only.
unsafe impl SizedStruct for flr_monitor_stats {
    const NAME: &'static str = "flr_monitor_stats";
}

pub(crate) fn stream_of(stream: i32) -> Result<Stream, flr_status> {
    u8::try_from(stream).ok().and_then(Stream::from_number).ok_or_else(|| {
        invalid(format_args!("stream is {stream}; use FLR_STREAM_STDOUT, _STDERR or _LOG"))
    })
}

/// The numbers of flr_level, of which monitors have the middle ones.
fn level_of(level: i32) -> Result<Level, flr_status> {
    match level {
        1 | 2 => Ok(Level::Debug),
        3 => Ok(Level::Info),
        4 => Ok(Level::Warn),
        5 | 6 => Ok(Level::Error),
        _ => Err(invalid(format_args!("level is {level}; use FLR_LEVEL_TRACE to FLR_LEVEL_FATAL"))),
    }
}

pub(crate) fn timeout_of(timeout_ms: i64) -> Option<Duration> {
    u64::try_from(timeout_ms).ok().map(Duration::from_millis)
}

/// The bytes of an optional C string as text.
///
/// # Safety
/// `text` is NULL or a C string.
unsafe fn text_of(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not NULL, so a C string by this function's contract.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Reads options, whose user data is owned from then on.
///
/// # Safety
/// `options` is NULL or begins with its size, and what it points to is live.
pub(crate) unsafe fn open_options(
    options: *const flr_monitor_options,
) -> Result<Options, flr_status> {
    if options.is_null() {
        return Ok(Options::default());
    }
    // SAFETY: not NULL, and the rest is this function's contract.
    let given = unsafe { sized::read(options)? };
    let user_data = UserData::new(given.sink_user_data, given.sink_destroy);
    let sink = match given.sink {
        0 => None,
        1 => Some(Sink::Stdout),
        2 => Some(Sink::Stderr),
        3 => Some(Sink::Fd(duplicate(given.sink_fd)?)),
        4 => Some(callback_sink(given.sink_callback, user_data)?),
        // SAFETY: NULL or a live monitor, by this function's contract.
        5 => Some(Sink::Monitor(Arc::clone(unsafe { &handle::get(given.sink_monitor)?.monitor }))),
        other => return Err(invalid(format_args!("sink is {other}; use one of FLR_SINK_..."))),
    };
    let level = if given.level == 0 { Level::default() } else { level_of(given.level)? };
    let capacity = usize::try_from(given.capacity)
        .map_err(|_| create_failed(flightring_monitor::CreateError::TooLarge))?;
    // SAFETY: NULL or C strings, by this function's contract.
    let (prefix, format) = unsafe { (text_of(given.prefix), text_of(given.time_format)) };
    let time_format = TimeFormat::from_name(&format);
    Ok(Options { capacity, sink, level, prefix, time_format })
}

fn callback_sink(callback: flr_sink_fn, user_data: UserData) -> Result<Sink, flr_status> {
    let Some(callback) = callback else {
        return Err(invalid(format_args!("sink is FLR_SINK_CALLBACK but sink_callback is NULL")));
    };
    Ok(Sink::Callback(Box::new(move |stream, data| {
        // SAFETY: the caller passed function and data together; the bytes are live during the call.
        match unsafe { callback(user_data.get(), stream as i32, data.as_ptr().cast(), data.len()) }
        {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    })))
}

fn duplicate(fd: i32) -> Result<OwnedFd, flr_status> {
    if fd < 0 {
        return Err(invalid(format_args!("the descriptor is {fd}")));
    }
    // SAFETY: the borrow ends with this function; a number that is not open fails in the kernel.
    unsafe { BorrowedFd::borrow_raw(fd) }
        .try_clone_to_owned()
        .map_err(|error| fail_io(format_args!("descriptor {fd} cannot be duplicated"), &error))
}

fn write_failed(error: &WriteError) -> flr_status {
    use flightring_monitor::ReplayError;
    match error {
        WriteError::Sink(source) => {
            fail_io(format_args!("the sink failed, so nothing was kept"), source)
        }
        WriteError::Reentrant => fail(flr_status::BUSY, format_args!("{error}")),
        WriteError::History(ReplayError::Closed) => flr_status::CLOSED,
        WriteError::History(ReplayError::OutOfMemory { .. }) => {
            fail(flr_status::NO_MEMORY, format_args!("{error}"))
        }
        _ => fail(flr_status::TOO_LARGE, format_args!("{error}")),
    }
}

/// Creates a monitor that belongs to no hub. `options` may be NULL for the defaults.
///
/// The monitor is the caller's, to be ended with flr_monitor_release(). As for flr_hub_open(), whose errors it has.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_monitor_create(
    name: *const c_char,
    options: *const flr_monitor_options,
    out: *mut *mut flr_monitor,
) -> flr_status {
    guard(|| {
        // SAFETY: options are NULL or begin with their size, as documented.
        let options = unsafe { open_options(options) };
        // SAFETY: `out` is NULL or writable, and `name` NULL or a C string, as documented.
        let (out, name) = unsafe { (Out::new(out)?, text_of(name)) };
        out.fill(MonitorHandle::new(Monitor::new(name, options?).map_err(create_failed)?));
        Ok(())
    })
}

/// The monitor's name. It stays valid until the handle is released. NULL for a monitor that is NULL or of another process; the
/// message then says so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_monitor_name(monitor: *const flr_monitor) -> *const c_char {
    // SAFETY: a live monitor, as documented.
    guard_value(|| Ok(unsafe { handle::get(monitor)? }.name.as_ptr())).unwrap_or(std::ptr::null())
}

/// Passes `len` bytes of `stream`, a flr_stream, on to the sink, and keeps a copy. Writing nothing does nothing.
///
/// FLR_CLOSED: after flr_monitor_close(). Errors: FLR_IO (or what fits the errno better) when the sink failed: then nothing was
/// kept, and a sink whose reader is gone raises no SIGPIPE; FLR_BUSY for a write inside the sink's own callback;
/// FLR_INVALID, FLR_FORKED, FLR_NO_MEMORY for the first write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_monitor_write(
    monitor: *const flr_monitor,
    stream: i32,
    data: *const c_void,
    len: usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live monitor and readable input, as documented.
        let (handle, data) = unsafe { (handle::get(monitor)?, input(data, len)?) };
        let written = handle.monitor.write(stream_of(stream)?, data);
        written.map(drop).map_err(|error| write_failed(&error))
    })
}

/// Writes a line of the service's own: time, [prefix], [LEVEL], and the text of `len` bytes, which need not end in a line feed;
/// what is no UTF-8 becomes U+FFFD. `level` is a flr_level; a line below the monitor's level is left out, and is FLR_OK.
///
/// Returns as flr_monitor_write() does. FLR_MONITOR_LOG takes a format.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_monitor_log(
    monitor: *const flr_monitor,
    level: i32,
    text: *const c_char,
    len: usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live monitor and readable input, as documented.
        let (handle, text) = unsafe { (handle::get(monitor)?, input(text.cast(), len)?) };
        let written = handle.monitor.log(level_of(level)?, String::from_utf8_lossy(text));
        written.map(drop).map_err(|error| write_failed(&error))
    })
}

/// Whether own lines of this level are written: 1 or 0. Also 1 for a monitor or a level that is wrong, so that the call that
/// follows says so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_monitor_enabled(monitor: *const flr_monitor, level: i32) -> i32 {
    let enabled = guard_value(|| {
        // SAFETY: a live monitor, as documented.
        let handle = unsafe { handle::get(monitor)? };
        Ok(level_of(level)? >= handle.monitor.level())
    });
    i32::from(enabled.unwrap_or(true))
}

/// Changes the level below which own lines are left out, for all threads. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_monitor_set_level(
    monitor: *const flr_monitor,
    level: i32,
) -> flr_status {
    guard(|| {
        // SAFETY: a live monitor, as documented.
        unsafe { handle::get(monitor)? }.monitor.set_level(level_of(level)?);
        Ok(())
    })
}

/// Reads `fd`, a pipe, terminal or socket, into `stream` from now on, in a thread of the hub, until it ends or the monitor is
/// stopped or closed. The monitor has a duplicate: the caller may close `fd` at once. What `fd` stands for is made
/// non-blocking.
///
/// The side that writes is never held up by followers. If the monitor's output ends in a sink that may wait (all but another
/// monitor without one), a thread of that sink reads instead, and a slow sink holds up the sides that write to it alone.
///
/// Each time the last descriptor of a stream ends, so does the line that it may have been in the middle of: what the next one
/// brings goes on in no line of it.
///
/// FLR_CLOSED: after flr_monitor_close(). Errors: FLR_UNSUPPORTED for what cannot be waited for, such as a regular file or a
/// folder; FLR_IO, FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_monitor_attach_fd(
    monitor: *const flr_monitor,
    stream: i32,
    fd: i32,
) -> flr_status {
    guard(|| {
        // SAFETY: a live monitor, as documented.
        let handle = unsafe { handle::get(monitor)? };
        let stream = stream_of(stream)?;
        let attached = handle.monitor.attach(stream, duplicate(fd)?);
        attached.map_err(|error| {
            if handle.monitor.is_closed() {
                flr_status::CLOSED
            } else {
                fail_io(format_args!("descriptor {fd}"), &error)
            }
        })
    })
}

/// Notes when and how the process `pid` ends. It must be a child of this process for its status to be known, and is not
/// collected: wait for it as ever. Its last output is in the monitor before its end is noted.
///
/// Errors: FLR_INVALID, FLR_IO, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_monitor_watch(monitor: *const flr_monitor, pid: i32) -> flr_status {
    guard(|| {
        // SAFETY: a live monitor, as documented.
        let handle = unsafe { handle::get(monitor)? };
        let id = u32::try_from(pid).ok().filter(|&id| id > 0);
        let id = id.ok_or_else(|| invalid(format_args!("{pid} is no process id")))?;
        let watched = handle.monitor.watch(id);
        watched.map_err(|error| fail_io(format_args!("process {pid}"), &error))
    })
}

/// Waits until every attached descriptor has ended, and the watched process, too; at most `timeout_ms` milliseconds, negative
/// for ever. FLR_TIMEOUT: they have not. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_monitor_wait_finished(
    monitor: *const flr_monitor,
    timeout_ms: i64,
) -> flr_status {
    guard(|| {
        // SAFETY: a live monitor, as documented.
        let handle = unsafe { handle::get(monitor)? };
        let finished = handle.monitor.wait_finished(timeout_of(timeout_ms));
        finished.then_some(()).ok_or(flr_status::TIMEOUT)
    })
}

/// Copies the history to `dst`, all streams as they came, oldest byte first, and writes how many bytes it has to `*needed`.
/// `dst` may be NULL when `cap` is 0.
///
/// FLR_TRUNCATED: `cap` was too small; the newest `cap` bytes were written. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_monitor_history(
    monitor: *const flr_monitor,
    dst: *mut c_void,
    cap: usize,
    needed: *mut usize,
) -> flr_status {
    guard(|| {
        required(needed, "needed")?;
        // SAFETY: a live monitor and room in `dst`, as documented.
        let (handle, dst) = unsafe { (handle::get(monitor)?, output(dst, cap)?) };
        let oldest = handle.monitor.oldest();
        let read = handle.monitor.history(dst);
        // With room for everything, what was read is everything; otherwise it is what was there just before.
        let held = read.next().saturating_sub(oldest.min(read.start)) as usize;
        let needed_now = if held > dst.len() { held } else { read.len };
        // SAFETY: not NULL, so writable, as documented.
        unsafe { needed.write(needed_now) };
        fitted(needed_now, cap)
    })
}

/// Copies retained bytes of `stream` from `offset` on into `dst`, as flr_replay_read() does. With FLR_STREAM_ALL offsets are
/// those of the timeline; with another stream, offset and `*span` count that stream alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_monitor_read(
    monitor: *const flr_monitor,
    stream: i32,
    offset: u64,
    dst: *mut c_void,
    cap: usize,
    span: *mut flr_replay_span,
) -> flr_status {
    guard(|| {
        // SAFETY: a live monitor, room in `dst` and a struct that begins with its size, as documented.
        let (handle, dst) = unsafe {
            sized::check(span)?;
            (handle::get(monitor)?, output(dst, cap)?)
        };
        let read = match stream {
            0 => handle.monitor.read(offset, dst),
            stream => handle.monitor.read_stream(stream_of(stream)?, offset, dst),
        };
        let (Read { start, len, skipped, total, .. }, outcome) = match read {
            Ok(read) if read.end && read.len == 0 => (read, Err(flr_status::END)),
            Ok(read) => (read, Ok(())),
            Err(FutureOffset { total, .. }) => (
                Read { start: total, len: 0, skipped: 0, total, end: false },
                Err(flr_status::FUTURE),
            ),
        };
        let found = flr_replay_span { struct_size: 0, start, len: len as u64, skipped, total };
        // SAFETY: checked above.
        unsafe { sized::write(span, &found)? };
        outcome
    })
}

/// The process is over: its descriptors are detached, the history is forgotten and its memory given back. The monitor stays,
/// its offsets go on, and the next write begins a new run, in no line of this one. Waits for a sink that is just taking what a
/// descriptor brought. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_monitor_stop(monitor: *const flr_monitor) -> flr_status {
    guard(|| {
        // SAFETY: a live monitor, as documented.
        unsafe { handle::get(monitor)? }.monitor.stop();
        Ok(())
    })
}

/// Ends the stream: descriptors are detached, and later writes are FLR_CLOSED. Followers get what is retained and then the end.
/// What is retained stays readable. Closing again does nothing. Waits as flr_monitor_stop() does. Errors: FLR_INVALID,
/// FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_monitor_close(monitor: *const flr_monitor) -> flr_status {
    guard(|| {
        // SAFETY: a live monitor, as documented.
        unsafe { handle::get(monitor)? }.monitor.close();
        Ok(())
    })
}

/// Writes the monitor's counts to `*stats`. Each is exact; they are taken one after the other. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_monitor_get_stats(
    monitor: *const flr_monitor,
    stats: *mut flr_monitor_stats,
) -> flr_status {
    guard(|| {
        // SAFETY: a live monitor and a struct that begins with its size, as documented.
        let found = unsafe {
            sized::check(stats)?;
            handle::get(monitor)?
        };
        let found = found.monitor.stats();
        let (process_state, process_detail) = match found.process {
            ProcessState::Running { pid } => (1, pid.cast_signed()),
            ProcessState::Exited { code } => (2, code),
            ProcessState::Killed { signal } => (3, signal),
            ProcessState::Gone => (4, 0),
            ProcessState::Stopped => (5, 0),
            _ => (0, 0),
        };
        let [stdout_total, stderr_total, log_total] = found.stream_totals;
        let found = flr_monitor_stats {
            struct_size: 0,
            process_state,
            process_detail,
            attached: u32::try_from(found.attached).unwrap_or(u32::MAX),
            total: found.total,
            stdout_total,
            stderr_total,
            log_total,
            lines: found.lines,
            oldest: found.oldest,
            capacity: found.capacity as u64,
            allocated: found.allocated as u64,
            subscribers: found.subscribers as u64,
            skipped: found.skipped,
            refused: found.refused,
            last_write_ns: found.last_write.map_or(0, |time| time.micros() * 1000),
        };
        // SAFETY: checked above.
        unsafe { sized::write(stats, &found) }
    })
}

/// Gives a handle back. The monitor lives on while a hub, a follower or another handle has it. NULL is accepted and does
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_monitor_release(monitor: *mut flr_monitor) {
    // SAFETY: NULL, or a handle that nobody uses any more, as documented.
    unsafe { handle::destroy(monitor) };
}
