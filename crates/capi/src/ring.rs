//! Byte rings: the last `capacity` bytes of everything that was written.
//!
//! A ring is one allocation. Writing never allocates and never fails for lack of room: the oldest bytes make way. Bytes
//! have no boundaries, so the history may begin in the middle of a line or of a UTF-8 sequence.
//!
//! A ring has no lock. Where several threads share one, they agree on who calls it, or use a replay buffer (replay.h).

use std::ffi::c_void;

use flightring_ring::{ByteRing, CreateError};

use crate::buffer::{fitted, input, output, required, set};
use crate::flr_status;
use crate::guard::{guard, guard_value};
use crate::handle::{self, Opaque, Out};
use crate::status::fail;

/// A byte ring.
///
/// Threads: functions that take a pointer to const may run concurrently with each other; the others need the ring for
/// themselves.
pub struct flr_ring {
    _opaque: [u8; 0],
}

impl Opaque for flr_ring {
    type Inner = ByteRing;
    const NAME: &'static str = "flr_ring";
}

/// Creates a ring that holds at most `capacity` bytes, at least 1. Its memory is reserved here, and used as data reaches
/// it.
///
/// The ring is the caller's, to be ended with flr_ring_destroy(). Errors: FLR_INVALID for a capacity of 0 or a NULL
/// `out`; FLR_TOO_LARGE for a capacity beyond the address space; FLR_NO_MEMORY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_ring_create(capacity: usize, out: *mut *mut flr_ring) -> flr_status {
    guard(|| {
        // SAFETY: `out` is NULL or writable, as documented for every `create`.
        let out = unsafe { Out::new(out)? };
        out.fill(ByteRing::new(capacity).map_err(create_failed)?);
        Ok(())
    })
}

/// The status for a ring that could not be created.
pub(crate) fn create_failed(error: CreateError) -> flr_status {
    let status = match error {
        CreateError::TooLarge => flr_status::TOO_LARGE,
        CreateError::OutOfMemory { .. } => flr_status::NO_MEMORY,
        _ => flr_status::INVALID,
    };
    fail(status, format_args!("{error}"))
}

/// Appends a copy of `len` bytes. The oldest bytes make room; of more than the capacity, the last ones are kept. Writing
/// nothing does nothing.
///
/// Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_ring_write(
    ring: *mut flr_ring,
    data: *const c_void,
    len: usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live ring that this thread has for itself, and readable input, as documented.
        let (ring, data) = unsafe { (handle::get_mut(ring)?, input(data, len)?) };
        ring.write(data);
        Ok(())
    })
}

/// Copies what is held into `dst`, oldest first, and sets `*needed` to how many bytes are held. `dst` may be NULL when
/// `cap` is 0, which asks for the size alone.
///
/// FLR_TRUNCATED: `cap` was smaller than `*needed`, and the oldest `cap` bytes were copied. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_ring_history(
    ring: *const flr_ring,
    dst: *mut c_void,
    cap: usize,
    needed: *mut usize,
) -> flr_status {
    guard(|| {
        required(needed, "needed")?;
        // SAFETY: a live ring that nobody changes now, and a writable buffer, as documented.
        let (ring, dst) = unsafe { (handle::get(ring)?, output(dst, cap)?) };
        ring.copy_to(dst);
        // SAFETY: writable, as documented.
        unsafe { set(needed, ring.len()) };
        fitted(ring.len(), cap)
    })
}

/// How many bytes are held: 0 to the capacity. 0 for a ring that is NULL or of another process; the message then says
/// so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_ring_len(ring: *const flr_ring) -> usize {
    // SAFETY: a live ring that nobody changes now, as documented.
    guard_value(|| Ok(unsafe { handle::get(ring)? }.len())).unwrap_or(0)
}

/// The most bytes that the ring can hold. 0 for a ring that is NULL or of another process; the message then says so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_ring_capacity(ring: *const flr_ring) -> usize {
    // SAFETY: a live ring, as documented.
    guard_value(|| Ok(unsafe { handle::get(ring)? }.capacity())).unwrap_or(0)
}

/// Forgets everything that was written. The memory stays reserved.
///
/// Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_ring_clear(ring: *mut flr_ring) -> flr_status {
    guard(|| {
        // SAFETY: a live ring that this thread has for itself, as documented.
        unsafe { handle::get_mut(ring)? }.clear();
        Ok(())
    })
}

/// Ends a ring and gives its memory back. NULL is accepted and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_ring_destroy(ring: *mut flr_ring) {
    // SAFETY: NULL, or a ring that nobody uses any more, as documented.
    unsafe { handle::destroy(ring) };
}
