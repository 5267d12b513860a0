//! Handles: opaque C pointers to boxed Rust values.

use std::ptr;

use crate::flr_status;
use crate::fork;
use crate::status::{fail, invalid};

/// Ties an opaque C struct to the Rust type behind its pointers, so that no function can cast to another one.
pub(crate) trait Opaque {
    /// What a pointer to the opaque struct really points to (inside a [`Boxed`]).
    type Inner;
    /// The name of the parameter, for messages.
    const NAME: &'static str;
}

/// The allocation behind a handle.
struct Boxed<T> {
    generation: u32,
    inner: T,
}

/// Where a `create` function puts its handle; holds NULL until it is [filled](Self::fill).
pub(crate) struct Out<C: Opaque>(*mut *mut C);

impl<C: Opaque> Out<C> {
    /// Takes the caller's `out` parameter and sets it to NULL.
    ///
    /// # Safety
    /// `out` is NULL or valid for writing a pointer until `self` is gone.
    pub(crate) unsafe fn new(out: *mut *mut C) -> Result<Self, flr_status> {
        if out.is_null() {
            return Err(invalid(format_args!(
                "out is NULL; pass the address of a {} pointer",
                C::NAME
            )));
        }
        // SAFETY: not NULL, so valid for writing by this function's contract.
        unsafe { out.write(ptr::null_mut()) };
        Ok(Self(out))
    }

    /// Boxes `inner` and hands its ownership to the caller.
    pub(crate) fn fill(self, inner: C::Inner) {
        let boxed = Boxed { generation: fork::generation_for_new_handle(), inner };
        // SAFETY: valid for writing by the contract of `new`.
        unsafe { self.0.write(Box::into_raw(Box::new(boxed)).cast()) };
    }
}

/// Borrows the value behind a handle that other threads may use at the same time.
///
/// # Safety
/// `handle` is NULL, or came from [`Out::fill`] and is not destroyed during `'a`; nobody holds a reference from
/// [`get_mut`] to it.
#[inline]
pub(crate) unsafe fn get<'a, C: Opaque>(handle: *const C) -> Result<&'a C::Inner, flr_status> {
    // SAFETY: a handle that is not NULL points to the `Boxed` that `fill` made, by this function's contract.
    match unsafe { handle.cast::<Boxed<C::Inner>>().as_ref() } {
        Some(boxed) if boxed.generation == fork::generation() => Ok(&boxed.inner),
        other => Err(refused::<C>(other.is_none())),
    }
}

/// Borrows the value behind a handle that the caller promises to use from one thread at a time.
///
/// # Safety
/// As for [`get`], and no other reference to the value exists during `'a`.
#[inline]
pub(crate) unsafe fn get_mut<'a, C: Opaque>(
    handle: *mut C,
) -> Result<&'a mut C::Inner, flr_status> {
    // SAFETY: a handle that is not NULL points to the `Boxed` that `fill` made, and the caller promises that it is
    // used by this call alone.
    match unsafe { handle.cast::<Boxed<C::Inner>>().as_mut() } {
        Some(boxed) if boxed.generation == fork::generation() => Ok(&mut boxed.inner),
        other => Err(refused::<C>(other.is_none())),
    }
}

#[cold]
fn refused<C: Opaque>(null: bool) -> flr_status {
    if null {
        return invalid(format_args!("the {} handle is NULL", C::NAME));
    }
    fail(
        flr_status::FORKED,
        format_args!("this {} was made before fork(); make one in the child", C::NAME),
    )
}

/// Ends a handle. NULL is accepted. In a forked child the value is left as it is, because its destructor could wait
/// for a thread or a lock that exists only in the parent; the child's copy of the memory is not given back.
///
/// # Safety
/// `handle` is NULL, or came from [`Out::fill`], was not destroyed before, and nobody uses it now or later.
pub(crate) unsafe fn destroy<C: Opaque>(handle: *mut C) {
    if handle.is_null() {
        return;
    }
    // SAFETY: `fill` made it from a Box of this type, and the caller gives it back just once.
    let boxed = unsafe { Box::from_raw(handle.cast::<Boxed<C::Inner>>()) };
    if boxed.generation == fork::generation() {
        // A destructor's panic has no status to go to; the message is left.
        let _ = crate::guard::guard_value(|| {
            drop(boxed);
            Ok(())
        });
    } else {
        std::mem::forget(boxed);
    }
}
