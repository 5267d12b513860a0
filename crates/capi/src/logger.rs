//! Loggers: records go to memory at the speed of a copy, and to a file in the background.
//!
//! A program opens a logger per file and writes from any number of threads. A call copies the record into memory that the
//! calling thread has to itself, and returns; a thread of the library writes it to the file, with direct I/O where the file
//! system takes it. At every moment `offered = accepted + dropped`, and every accepted record is in the file or in memory:
//! a full disk or a failing device loses nothing that was accepted while the logger is open, and flr_logger_close() says
//! what could not be written. Records of one thread stand in the file in the order in which that thread wrote them.
//!
//! A call made while the same thread is inside another call on the same logger (from a signal handler) is dropped and
//! counted. Calls from thread_local and static destructors work.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::time::Duration;

use flightring_blockfile::OpenError as FileError;
use flightring_logger::{
    CloseError, Dropped, FlushError, Logger, OpenError, Reservation, RotateError,
};

use crate::buffer::input;
use crate::flr_status;
use crate::guard::{guard, guard_value};
use crate::handle::{self, Opaque, Out};
use crate::logger_options::{flr_logger_options, level_of, options_of, sealed_of};
use crate::sized;
use crate::status::{fail, fail_os, invalid};
use crate::user_data::UserData;

/// A logger.
///
/// Threads: all functions but flr_logger_destroy() may be called concurrently.
pub struct flr_logger {
    _opaque: [u8; 0],
}

impl Opaque for flr_logger {
    type Inner = Logger;
    const NAME: &'static str = "flr_logger";
}

/// A record that is being filled in place, from flr_logger_reserve(). Start it from FLR_LOGGER_SLOT_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_logger_slot {
    /// sizeof(flr_logger_slot), set by FLR_LOGGER_SLOT_INIT.
    pub struct_size: u32,
    /// The library's: not 0 while a reservation is held.
    pub held: u32,
    /// Where the record's bytes go.
    pub data: *mut c_void,
    /// How many bytes there are room for: at least as many as were asked for.
    pub capacity: usize,
    /// The library's.
    pub internal: [u64; 12],
}

const _: () = assert!(
    size_of::<Reservation<'static>>() <= size_of::<[u64; 12]>()
        && align_of::<Reservation<'static>>() <= align_of::<u64>()
);

/// Opens a log for writing, and starts the thread that writes it.
///
/// The logger is the caller's, to be ended with flr_logger_destroy(). A log that exists is continued at the end of its last
/// good block; a torn end is set aside beside it. Errors: FLR_INVALID for options out of range, and for a path that is a
/// directory or no log; FLR_NOT_FOUND when the folder is missing; FLR_BUSY when somebody has the log open already; FLR_IO;
/// FLR_NO_MEMORY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_logger_open(
    options: *const flr_logger_options,
    out: *mut *mut flr_logger,
) -> flr_status {
    guard(|| {
        // SAFETY: `out` is NULL or writable, and options begin with their size, as documented.
        let (out, given) = unsafe { (Out::new(out), sized::read(options)?) };
        // From here on the user data is ours to end, whatever happens.
        let user_data = UserData::new(given.sealed_user_data, given.sealed_destroy);
        let out = out?;
        if given.path.is_null() {
            return Err(invalid(format_args!(
                "options.path is NULL; set it to the log file's path"
            )));
        }
        // SAFETY: not NULL, and a C string, as documented.
        let path = unsafe { CStr::from_ptr(given.path) };
        let mut options = options_of(&given, path)?;
        options.rotation.sealed = sealed_of(given.sealed, Some(user_data));
        out.fill(Logger::open(&options).map_err(|error| open_failed(&error, path))?);
        Ok(())
    })
}

pub(crate) fn open_failed(error: &OpenError, path: &CStr) -> flr_status {
    let status = match error {
        OpenError::Configuration(_) => flr_status::INVALID,
        OpenError::Memory { .. } => flr_status::NO_MEMORY,
        OpenError::File(FileError::Busy(_)) => flr_status::BUSY,
        OpenError::File(FileError::Io { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            flr_status::NOT_FOUND
        }
        OpenError::File(error) if error.io().is_none() => flr_status::INVALID,
        _ => flr_status::IO,
    };
    fail_os(
        status,
        error.errno().unwrap_or(0),
        format_args!("log {}: {error}", end_of(&path.to_string_lossy())),
    )
}

/// The end of a path that would leave no room in a message.
fn end_of(path: &str) -> String {
    const MOST: usize = 100;
    match path.char_indices().rev().nth(MOST) {
        Some((cut, _)) => format!("...{}", &path[cut..]),
        None => path.to_owned(),
    }
}

#[inline]
fn accepted(result: Result<(), Dropped>) -> Result<(), flr_status> {
    result.map_err(refused)
}

#[cold]
fn refused(cause: Dropped) -> flr_status {
    match cause {
        Dropped::TimedOut => flr_status::TIMEOUT,
        Dropped::Closed => flr_status::CLOSED,
        Dropped::TooLarge => fail(
            flr_status::TOO_LARGE,
            format_args!(
                "the record is larger than flr_logger_stats.largest_record; give the logger a larger buffer or fewer shards"
            ),
        ),
        Dropped::Forked => fail(
            flr_status::FORKED,
            format_args!("this flr_logger was made before fork(); make one in the child"),
        ),
        _ => flr_status::DROPPED,
    }
}

/// Writes a record of `len` bytes, which may be 0. The bytes are copied before the call returns.
///
/// FLR_OK: it is accepted. FLR_DROPPED, FLR_TIMEOUT: there was no room, see flr_overflow. FLR_CLOSED: after
/// flr_logger_close(). All of them are counted. Errors: FLR_TOO_LARGE (counted), FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_write(
    logger: *const flr_logger,
    data: *const c_void,
    len: usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live logger and readable input, as documented.
        let (logger, data) = unsafe { (handle::get(logger)?, input(data, len)?) };
        accepted(logger.write(data))
    })
}

/// Writes a text of `len` bytes with a level, a flr_level. A level that is filtered out does nothing, and is FLR_OK.
///
/// Returns as flr_logger_write() does; FLR_INVALID also for an unknown level.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_log(
    logger: *const flr_logger,
    level: i32,
    text: *const c_char,
    len: usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live logger and readable input, as documented.
        let (logger, text) = unsafe { (handle::get(logger)?, input(text.cast(), len)?) };
        accepted(logger.log(level_of(level)?, text))
    })
}

/// Whether records of this level are logged: 1 or 0. Costs one load. Also 1 for a logger or a level that is wrong, so that
/// the call that follows says what is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_enabled(logger: *const flr_logger, level: i32) -> i32 {
    let enabled = guard_value(|| {
        if logger.is_null() {
            return Ok(true);
        }
        // SAFETY: a live logger, as documented.
        Ok(unsafe { handle::get(logger)? }.enabled(level_of(level)?))
    });
    i32::from(enabled.unwrap_or(true))
}

/// Changes the lowest level that is logged, for all threads. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_set_level(logger: *const flr_logger, level: i32) -> flr_status {
    guard(|| {
        // SAFETY: a live logger, as documented.
        unsafe { handle::get(logger)? }.set_level(level_of(level)?);
        Ok(())
    })
}

/// Begins a record of at least `len` bytes that the caller fills in place: up to `slot->capacity` bytes at `slot->data`. It
/// must be ended soon, by the same thread, with flr_logger_commit() or flr_logger_cancel(); until then the thread's other
/// calls on the logger are dropped, and other threads may have to wait.
///
/// Returns as flr_logger_log() does; nothing is held unless that is FLR_OK. FLR_INVALID also for a slot that is held.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_reserve(
    logger: *const flr_logger,
    level: i32,
    len: usize,
    slot: *mut flr_logger_slot,
) -> flr_status {
    guard(|| {
        // SAFETY: a live logger and a slot, as documented.
        let (logger, slot) = unsafe { (handle::get(logger)?, slot_of(slot, 0)?) };
        let mut reserved = logger.reserve(level_of(level)?, len).map_err(refused)?;
        let room = reserved.data();
        slot.data = room.as_mut_ptr().cast();
        slot.capacity = room.len();
        slot.held = 1;
        // SAFETY: the assertion beside the struct says that it fits. The logger outlives the reservation, because the
        // caller must end it before the logger.
        unsafe { slot.internal.as_mut_ptr().cast::<Reservation<'_>>().write(reserved) };
        Ok(())
    })
}

/// The caller's slot, which must be held or not.
unsafe fn slot_of<'a>(
    slot: *mut flr_logger_slot,
    held: u32,
) -> Result<&'a mut flr_logger_slot, flr_status> {
    // SAFETY: NULL or a slot, by the contract of the functions that call this.
    let slot = match unsafe { slot.as_mut() } {
        Some(slot) if slot.struct_size as usize == size_of::<flr_logger_slot>() => slot,
        Some(_) => {
            return Err(invalid(format_args!("the slot is not started from FLR_LOGGER_SLOT_INIT")));
        }
        None => return Err(invalid(format_args!("the slot is NULL"))),
    };
    match (slot.held, held) {
        (0, 1) => Err(invalid(format_args!("the slot holds no reservation"))),
        (1, 0) => Err(invalid(format_args!("the slot is held; commit or cancel it first"))),
        _ => Ok(slot),
    }
}

/// Takes the reservation out of a slot that holds one.
fn take<'a>(slot: &mut flr_logger_slot) -> Reservation<'a> {
    slot.held = 0;
    slot.data = ptr::null_mut();
    slot.capacity = 0;
    // SAFETY: `held` was 1, so `flr_logger_reserve` stored it; it is taken out once, because `held` is 0 now.
    unsafe { slot.internal.as_ptr().cast::<Reservation<'a>>().read() }
}

/// Accepts the first `len` bytes of a slot as a record, and ends the reservation.
///
/// FLR_OK: it is accepted. FLR_CLOSED: the logger was closed meanwhile. Errors: FLR_TOO_LARGE: `len` is more than
/// `slot->capacity`; nothing was logged. FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_commit(
    logger: *const flr_logger,
    slot: *mut flr_logger_slot,
    len: usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live logger and a slot, as documented.
        let slot = unsafe {
            handle::get(logger)?;
            slot_of(slot, 1)?
        };
        // SAFETY: the caller has filled the bytes, as documented.
        accepted(unsafe { take(slot).commit(len) })
    })
}

/// Ends a reservation without logging anything. A slot that holds none is left as it is.
///
/// Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_cancel(
    logger: *const flr_logger,
    slot: *mut flr_logger_slot,
) -> flr_status {
    guard(|| {
        // SAFETY: a live logger and a slot, as documented.
        unsafe {
            handle::get(logger)?;
            if !slot.is_null() && (*slot).held == 0 {
                return Ok(());
            }
            drop(take(slot_of(slot, 1)?));
        }
        Ok(())
    })
}

/// Waits until every record accepted before the call, by any thread, is durable, for at most `timeout_ms` milliseconds;
/// negative means without limit. It does not wait for later records.
///
/// FLR_OK: they are. FLR_TIMEOUT: not yet; the work goes on. FLR_CLOSED: the logger was closed, and closing could not write
/// all. Errors: FLR_IO as soon as an attempt fails: the records are kept and tried again; FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_flush(
    logger: *const flr_logger,
    timeout_ms: i64,
) -> flr_status {
    guard(|| {
        // SAFETY: a live logger, as documented.
        let logger = unsafe { handle::get(logger)? };
        let timeout = u64::try_from(timeout_ms).map_or(Duration::MAX, Duration::from_millis);
        logger.flush(timeout).map_err(|error| match error {
            FlushError::TimedOut => flr_status::TIMEOUT,
            FlushError::Closed => flr_status::CLOSED,
            FlushError::Io(errno) => fail_os(flr_status::IO, errno, format_args!("{error}")),
            _ => fail(flr_status::FORKED, format_args!("{error}")),
        })
    })
}

/// Begins a new file: everything accepted before the call is in the old one, which is called
/// `<path>.<UTC date>-<UTC time>-<number>` from then on. Writers are not held up. If the path does not name the file any more
/// (logrotate moved it), the path is opened anew instead. An empty file is left as it is.
///
/// FLR_CLOSED: after flr_logger_close(). Errors: FLR_IO: the old file goes on; FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_rotate(logger: *const flr_logger) -> flr_status {
    guard(|| {
        // SAFETY: a live logger, as documented.
        let logger = unsafe { handle::get(logger)? };
        logger.rotate().map_err(|error| match error {
            RotateError::Io(errno) => fail_os(flr_status::IO, errno, format_args!("{error}")),
            RotateError::Closed => flr_status::CLOSED,
            _ => fail(flr_status::FORKED, format_args!("{error}")),
        })
    })
}

/// Writes everything that was accepted, cuts the file to its size, makes it durable, and gives the memory back. Records
/// offered later are FLR_CLOSED, and counted. Closing again returns the same.
///
/// Errors: FLR_IO: accepted records could not be written; the message says how many, and the statistics have the numbers.
/// FLR_BUSY: called inside a flr_watch_fn or flr_sealed_fn of this logger, or of another one in its set; nothing was done.
/// FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_close(logger: *const flr_logger) -> flr_status {
    guard(|| {
        // SAFETY: a live logger, as documented.
        let logger = unsafe { handle::get(logger)? };
        logger.close().map_err(|error| close_failed(&error, format_args!("{error}")))
    })
}

/// The status of a close that did not write all, with this message.
#[cold]
pub(crate) fn close_failed(error: &CloseError, message: std::fmt::Arguments<'_>) -> flr_status {
    match error {
        CloseError::Unwritten { errno, .. } | CloseError::Unfinished { errno } => {
            fail_os(flr_status::IO, *errno, message)
        }
        CloseError::InCallback => fail(flr_status::BUSY, message),
        _ => fail(flr_status::FORKED, message),
    }
}

/// Ends a logger, and closes it first if that was not done: then what could not be written is lost without a word. NULL is
/// accepted and does nothing. In a forked child nothing is written, and the parent's logger is left alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_destroy(logger: *mut flr_logger) {
    // SAFETY: NULL, or a logger that nobody uses any more, as documented.
    unsafe { handle::destroy(logger) };
}
