//! Watching loggers: their numbers, told to a callback now and then.

use std::ffi::c_void;
use std::time::Duration;

use flightring_logger::{Watch, WatchError};

use crate::flr_status;
use crate::guard::guard;
use crate::handle::{self, Opaque, Out};
use crate::logger::flr_logger;
use crate::logger_stats::{flr_logger_stats, stats_of};
use crate::status::{fail, invalid};
use crate::user_data::UserData;

/// A watch over a logger's numbers.
///
/// Threads: whoever ends it, which may be its own callback.
pub struct flr_watch {
    _opaque: [u8; 0],
}

impl Opaque for flr_watch {
    type Inner = Watch;
    const NAME: &'static str = "flr_watch";
}

/// Told of a logger's numbers, which are valid during the call; `stats->struct_size` is the library's. Called by the logger's
/// background thread, while no lock of the library is held. That thread writes nothing meanwhile, so the callback should be
/// short. Inside, the logger may be written to (what finds no room is dropped, also where others wait for it) and asked for
/// statistics, and the watch may be ended; flr_logger_flush() returns FLR_TIMEOUT, flr_logger_rotate() FLR_CLOSED and
/// flr_logger_close() FLR_BUSY, and after flr_logger_destroy() the logger finishes when the callback has returned.
pub type flr_watch_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, stats: *const flr_logger_stats)>;

/// Ends the user data of a flr_watch_fn.
pub type flr_watch_destroy_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Calls `callback` with the logger's numbers about every `period_ms` milliseconds (0 = 1000), not sooner than a write to the
/// file ends that is being made, and a last time, with the exact final numbers, when the logger is closed. `destroy`, which may
/// be NULL, is called with `user_data` exactly once: when the callback will not be called again, because the watch or the
/// logger was ended, also if this call fails.
///
/// The watch is the caller's, to be ended with flr_watch_destroy(), before or after the logger. The callback may run before
/// `*out` is set. FLR_CLOSED: the logger was closed. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_logger_watch(
    logger: *const flr_logger,
    period_ms: u32,
    callback: flr_watch_fn,
    user_data: *mut c_void,
    destroy: flr_watch_destroy_fn,
    out: *mut *mut flr_watch,
) -> flr_status {
    guard(|| {
        // From here on the user data is ours to end, whatever happens.
        let user_data = UserData::new(user_data, destroy);
        // SAFETY: `out` is NULL or writable, and the logger live, as documented.
        let (out, logger) = unsafe { (Out::new(out)?, handle::get(logger)?) };
        let Some(callback) = callback else {
            return Err(invalid(format_args!("callback is NULL")));
        };
        let period = Duration::from_millis(if period_ms == 0 { 1000 } else { period_ms.into() });
        let watch = logger.watch(period, move |stats| {
            let mut found = stats_of(stats);
            found.struct_size = size_of::<flr_logger_stats>() as u32;
            // SAFETY: the caller passed function and data together; the numbers are live during the call.
            unsafe { callback(user_data.get(), &raw const found) };
        });
        out.fill(watch.map_err(|error| match error {
            WatchError::Closed => flr_status::CLOSED,
            _ => fail(flr_status::FORKED, format_args!("{error}")),
        })?);
        Ok(())
    })
}

/// Ends a watch. When this returns, the callback does not run and never will again, and `destroy` was called; called inside the
/// callback, it is the callback's last run, and `destroy` is called after it. NULL is accepted and does nothing. In a forked
/// child nothing happens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_watch_destroy(watch: *mut flr_watch) {
    // SAFETY: NULL, or a watch that nobody else uses, as documented.
    unsafe { handle::destroy(watch) };
}
