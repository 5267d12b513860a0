//! Sets of named logs: one folder, one background thread and one memory budget for all of them.
//!
//! Logs are made when they are first asked for, from any thread. A name may be anything that is not empty: the characters
//! `/ \ : * ? " < > |`, spaces and control characters become `_`, and names that become equal are the same log,
//! `<folder>/<name>.log`.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt as _;

use flightring_logger::{LoggerSet, SetOptions};

use crate::buffer::{self, fitted, output, required};
use crate::flr_status;
use crate::guard::guard;
use crate::handle::{self, Opaque, Out};
use crate::logger::{close_failed, flr_logger, open_failed};
use crate::logger_options::{flr_logger_options, options_of, sealed_of};
use crate::logger_stats::{flr_logger_stats, stats_of};
use crate::sized::{self, SizedStruct};
use crate::status::invalid;
use crate::user_data::UserData;

/// A set of named loggers.
///
/// Threads: all functions but flr_logger_set_destroy() may be called concurrently.
pub struct flr_logger_set {
    _opaque: [u8; 0],
}

impl Opaque for flr_logger_set {
    type Inner = LoggerSet;
    const NAME: &'static str = "flr_logger_set";
}

/// How a set is opened. Start it from FLR_LOGGER_SET_OPTIONS_INIT and set `folder`; a member that is zero has its default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_logger_set_options {
    /// sizeof(flr_logger_set_options), set by FLR_LOGGER_SET_OPTIONS_INIT.
    pub struct_size: u32,
    /// How many logs there may be; each gets an equal part of the budget, at least 64 KiB. Default: 32.
    pub most_logs: u32,
    /// The folder of the logs. It must exist.
    pub folder: *const c_char,
    /// Bytes of memory for the records of all logs together. Default: 64 MiB.
    pub budget: u64,
    /// Everything else about each log, or NULL for the defaults; `path` and `buffer_size` are not used, and `shards` is the
    /// most that a log gets. Only needed during flr_logger_set_open(); its user data is ended once the set is.
    pub each: *const flr_logger_options,
}

// SAFETY: repr(C), the size first, integers and pointers only.
unsafe impl SizedStruct for flr_logger_set_options {
    const NAME: &'static str = "flr_logger_set_options";
}

/// Opens a set, with no log in it yet, and starts its thread.
///
/// The set is the caller's, to be ended with flr_logger_set_destroy(). Errors: FLR_INVALID for options out of range;
/// FLR_NO_MEMORY; FLR_IO when no thread can be started.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_logger_set_open(
    options: *const flr_logger_set_options,
    out: *mut *mut flr_logger_set,
) -> flr_status {
    guard(|| {
        // SAFETY: `out` is NULL or writable, and options begin with their size, as documented.
        let (out, given) = unsafe { (Out::new(out), sized::read(options)?) };
        // SAFETY: as above.
        let each = unsafe { given.each.as_ref().map(|each| sized::read(each)).transpose()? };
        // From here on the user data is ours to end, whatever happens.
        let user_data =
            each.as_ref().map(|each| UserData::new(each.sealed_user_data, each.sealed_destroy));
        let out = out?;
        if given.folder.is_null() {
            return Err(invalid(format_args!(
                "options.folder is NULL; set it to the logs' folder"
            )));
        }
        // SAFETY: not NULL, and a C string, as documented.
        let folder = unsafe { CStr::from_ptr(given.folder) };
        let mut options = SetOptions::new(OsStr::from_bytes(folder.to_bytes()));
        if let Some(each) = &each {
            options.each = options_of(each, c"")?;
            options.each.rotation.sealed = sealed_of(each.sealed, user_data);
        }
        if given.budget != 0 {
            options.budget = usize::try_from(given.budget).unwrap_or(usize::MAX);
        }
        if given.most_logs != 0 {
            options.most_logs = given.most_logs as usize;
        }
        out.fill(LoggerSet::open(&options).map_err(|error| open_failed(&error, folder))?);
        Ok(())
    })
}

/// Gives a handle to the log of this name, which is opened if it was not. The handle is the caller's, to be ended with
/// flr_logger_destroy(); the log itself stays open as long as the set.
///
/// A log that was closed by flr_logger_close() stays closed.
///
/// Errors: FLR_INVALID for a name that is empty or longer than 251 bytes (231 with rotation, 221 with compression), for one log
/// more than there may be, and for a set that is closed; as flr_logger_open() otherwise; FLR_FORKED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_logger_set_get(
    set: *const flr_logger_set,
    name: *const c_char,
    out: *mut *mut flr_logger,
) -> flr_status {
    guard(|| {
        // SAFETY: a live set, a place for the handle and a C string, as documented.
        let (set, out, name) = unsafe {
            let out = Out::new(out)?;
            required(name, "name")?;
            (handle::get(set)?, out, CStr::from_ptr(name))
        };
        let logger = set.get(&name.to_string_lossy()).map_err(|error| open_failed(&error, name))?;
        out.fill(logger);
        Ok(())
    })
}

/// Writes the names of all logs, as they are in the folder and each followed by a newline, into `dst`, as much as `cap`
/// allows, and the full length into `*needed` unless that is NULL. `dst` may be NULL when `cap` is 0.
///
/// FLR_TRUNCATED: `cap` is too small. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_set_list(
    set: *const flr_logger_set,
    dst: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live set and room in `dst`, as documented.
        let (logs, dst) = unsafe { (handle::get(set)?, output(dst.cast(), cap)?) };
        let names: String = logs.names().iter().flat_map(|name| [name, "\n"]).collect();
        let copied = names.len().min(dst.len());
        dst[..copied].copy_from_slice(&names.as_bytes()[..copied]);
        // SAFETY: NULL or writable, as documented.
        unsafe { buffer::set(needed, names.len()) };
        fitted(names.len(), cap)
    })
}

/// Copies the numbers of all logs together out; of what cannot be added, the worst. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_set_get_stats(
    set: *const flr_logger_set,
    stats: *mut flr_logger_stats,
) -> flr_status {
    guard(|| {
        // SAFETY: a live set and a struct that begins with its size, as documented.
        unsafe {
            sized::check(stats)?;
            sized::write(stats, &stats_of(&handle::get(set)?.total()))
        }
    })
}

/// Closes all logs, as flr_logger_close() does, and ends the thread. Closing again returns the same.
///
/// Errors: FLR_IO: accepted records of a log could not be written; the message says of which. FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_set_close(set: *const flr_logger_set) -> flr_status {
    guard(|| {
        // SAFETY: a live set, as documented.
        let set = unsafe { handle::get(set)? };
        set.close()
            .map_err(|(name, error)| close_failed(&error, format_args!("log {name}: {error}")))
    })
}

/// Ends a set, and closes it first if that was not done. Handles to its logs stay valid until they are ended, but log nothing
/// more. NULL is accepted and does nothing. In a forked child nothing is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_set_destroy(set: *mut flr_logger_set) {
    // SAFETY: NULL, or a set that nobody uses any more, as documented.
    unsafe { handle::destroy(set) };
}
