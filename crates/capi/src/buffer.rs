//! `(pointer, length)` input and `(dst, cap, needed)` output.

use std::ffi::c_void;
use std::slice;

use crate::flr_status;
use crate::status::invalid;

/// The caller's input bytes. A NULL pointer with length 0 is empty input.
///
/// # Safety
/// `data` is NULL or valid for reading `len` bytes during `'a`.
#[inline]
pub(crate) unsafe fn input<'a>(data: *const c_void, len: usize) -> Result<&'a [u8], flr_status> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() || isize::try_from(len).is_err() {
        return Err(bad_input(data, len));
    }
    // SAFETY: not NULL, and valid for `len` bytes by this function's contract.
    Ok(unsafe { slice::from_raw_parts(data.cast(), len) })
}

#[cold]
fn bad_input(data: *const c_void, len: usize) -> flr_status {
    if data.is_null() {
        invalid(format_args!("data is NULL but its length is {len}"))
    } else {
        invalid(format_args!("the length {len} is larger than any object can be; was it negative?"))
    }
}

/// The caller's output buffer. A NULL pointer with capacity 0 is an empty one.
///
/// # Safety
/// `dst` is NULL or valid for writing `cap` bytes during `'a`, and nothing else reads or writes them meanwhile; they
/// may be uninitialised, so they are only written.
#[inline]
pub(crate) unsafe fn output<'a>(dst: *mut c_void, cap: usize) -> Result<&'a mut [u8], flr_status> {
    if cap == 0 {
        return Ok(&mut []);
    }
    if dst.is_null() {
        return Err(invalid(format_args!("dst is NULL but its capacity is {cap}")));
    }
    // More than an object can be is more than we can fill: the excess is not ours to touch.
    let cap = cap.min(isize::MAX as usize);
    // SAFETY: not NULL, and valid for `cap` bytes by this function's contract. u8 has no invalid values, and the
    // callers of this function write before they read.
    Ok(unsafe { slice::from_raw_parts_mut(dst.cast(), cap) })
}

/// Writes through an optional output pointer.
///
/// # Safety
/// `to` is NULL or valid for writing a `T`.
#[inline]
pub(crate) unsafe fn set<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: not NULL, so valid by this function's contract.
        unsafe { to.write(value) };
    }
}

/// Refuses NULL for an output that must be there.
#[inline]
pub(crate) fn required<T>(to: *const T, name: &str) -> Result<(), flr_status> {
    if to.is_null() { Err(invalid(format_args!("{name} is NULL"))) } else { Ok(()) }
}

/// The outcome of copying `needed` bytes into room for `cap`.
#[inline]
pub(crate) fn fitted(needed: usize, cap: usize) -> Result<(), flr_status> {
    if needed > cap { Err(flr_status::TRUNCATED) } else { Ok(()) }
}

/// Copies as much of a text as fits.
///
/// # Safety
/// `needed` is NULL or valid for writing.
pub(crate) unsafe fn text_out(
    text: &str,
    dst: &mut [u8],
    needed: *mut usize,
) -> Result<(), flr_status> {
    let fits = text.len().min(dst.len());
    dst[..fits].copy_from_slice(&text.as_bytes()[..fits]);
    // SAFETY: passed on.
    unsafe { set(needed, text.len()) };
    fitted(text.len(), dst.len())
}
