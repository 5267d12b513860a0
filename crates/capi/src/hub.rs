//! Hubs: monitors by name.
//!
//! A hub has one monitor (monitor.h) per process or subsystem, and one thread that reads all descriptors that are attached
//! to them. A server (server.h) shows a hub's monitors.

use std::ffi::{CStr, c_char, c_void};
use std::sync::Arc;

use flightring_monitor::Hub;

use crate::buffer::{fitted, output, required};
use crate::flr_status;
use crate::guard::guard;
use crate::handle::{self, Opaque, Out};
use crate::monitor::{MonitorHandle, flr_monitor, flr_monitor_options, open_options};
use crate::ring::create_failed;
use crate::status::{fail, invalid};

/// A hub.
///
/// Threads: all functions but flr_hub_destroy() may be called concurrently.
pub struct flr_hub {
    _opaque: [u8; 0],
}

impl Opaque for flr_hub {
    type Inner = Arc<Hub>;
    const NAME: &'static str = "flr_hub";
}

/// The name of a monitor: a C string in UTF-8.
///
/// # Safety
/// `name` is NULL or a C string that stays as it is during `'a`.
unsafe fn name_of<'a>(name: *const c_char) -> Result<&'a str, flr_status> {
    required(name, "name")?;
    // SAFETY: not NULL, so a C string by this function's contract.
    unsafe { CStr::from_ptr(name) }
        .to_str()
        .map_err(|error| invalid(format_args!("the name is not UTF-8: {error}")))
}

fn not_found(name: &str) -> flr_status {
    fail(flr_status::NOT_FOUND, format_args!("the hub has no monitor named {name:?}"))
}

/// Creates a hub without monitors. Its thread starts with the first descriptor that is attached.
///
/// The hub is the caller's, to be ended with flr_hub_destroy(). Errors: FLR_INVALID for a NULL `out`.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_hub_create(out: *mut *mut flr_hub) -> flr_status {
    guard(|| {
        // SAFETY: `out` is NULL or writable, as documented for every `create`.
        unsafe { Out::new(out)? }.fill(Arc::new(Hub::new()));
        Ok(())
    })
}

/// The monitor named `name`, which is made if the hub has none. `options` may be NULL for the defaults; they are for making
/// a monitor, and one that exists stays as it is.
///
/// `name` is not empty, in UTF-8, and may contain slashes. The handle is the caller's, to be given back with
/// flr_monitor_release(); the monitor itself stays in the hub until flr_hub_remove(). `sink_destroy` runs exactly once: here
/// if the options are not used, when the monitor is gone otherwise. Errors: FLR_INVALID, FLR_FORKED, FLR_TOO_LARGE for a
/// capacity beyond the address space, FLR_IO when `sink_fd` cannot be duplicated.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_hub_open(
    hub: *const flr_hub,
    name: *const c_char,
    options: *const flr_monitor_options,
    out: *mut *mut flr_monitor,
) -> flr_status {
    guard(|| {
        // SAFETY: options are NULL or begin with their size, as documented.
        let options = unsafe { open_options(options) };
        // SAFETY: `out` is NULL or writable, and the rest is live, as documented.
        let (out, hub, name) = unsafe { (Out::new(out)?, handle::get(hub)?, name_of(name)?) };
        if name.is_empty() {
            return Err(invalid(format_args!("the name is empty; a monitor needs one")));
        }
        out.fill(MonitorHandle::new(hub.open(name, options?).map_err(create_failed)?));
        Ok(())
    })
}

/// The monitor named `name`. The handle is the caller's, to be given back with flr_monitor_release().
///
/// Errors: FLR_NOT_FOUND, FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_hub_find(
    hub: *const flr_hub,
    name: *const c_char,
    out: *mut *mut flr_monitor,
) -> flr_status {
    guard(|| {
        // SAFETY: `out` is NULL or writable, and the rest is live, as documented.
        let (out, hub, name) = unsafe { (Out::new(out)?, handle::get(hub)?, name_of(name)?) };
        out.fill(MonitorHandle::new(hub.get(name).ok_or_else(|| not_found(name))?));
        Ok(())
    })
}

/// Takes the monitor named `name` out of the hub and closes it, as flr_monitor_close() does. Handles to it stay valid.
///
/// Errors: FLR_NOT_FOUND, FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_hub_remove(hub: *const flr_hub, name: *const c_char) -> flr_status {
    guard(|| {
        // SAFETY: a live hub and a C string, as documented.
        let (hub, name) = unsafe { (handle::get(hub)?, name_of(name)?) };
        hub.remove(name).map(drop).ok_or_else(|| not_found(name))
    })
}

/// Writes the names of all monitors to `dst`, sorted, each followed by a NUL, and how many bytes they take to `*needed`. `dst`
/// may be NULL when `cap` is 0.
///
/// FLR_TRUNCATED: `cap` was too small; the names that fit whole were written. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_hub_list(
    hub: *const flr_hub,
    dst: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> flr_status {
    guard(|| {
        required(needed, "needed")?;
        // SAFETY: a live hub and room in `dst`, as documented.
        let (hub, dst) = unsafe { (handle::get(hub)?, output(dst.cast::<c_void>(), cap)?) };
        let (mut all, mut written) = (0, 0);
        for monitor in hub.list() {
            let name = monitor.name().as_bytes();
            all += name.len() + 1;
            if all <= dst.len() {
                dst[written..all - 1].copy_from_slice(name);
                dst[all - 1] = 0;
                written = all;
            }
        }
        // SAFETY: not NULL, so writable, as documented.
        unsafe { needed.write(all) };
        fitted(all, cap)
    })
}

/// Ends a hub: closes its monitors, unless a server still shows them, and then when that is stopped. Handles to monitors stay
/// valid. NULL is accepted and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_hub_destroy(hub: *mut flr_hub) {
    // SAFETY: NULL, or a hub that nobody uses any more, as documented.
    unsafe { handle::destroy(hub) };
}
