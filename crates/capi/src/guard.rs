//! The panic guard: no unwinding crosses into C.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::flr_status;
use crate::status::fail;

/// Runs the body of a C function and returns its status.
///
/// A panic becomes [`flr_status::PANIC`]. What the body was changing may then be half changed: each type behind a
/// handle keeps itself usable, or refuses further calls (a poisoned state is its own matter).
#[inline]
pub(crate) fn guard(body: impl FnOnce() -> Result<(), flr_status>) -> flr_status {
    match guard_value(body) {
        Ok(()) => flr_status::OK,
        Err(status) => status,
    }
}

/// [`guard`] for a body whose value is not a status.
#[inline]
pub(crate) fn guard_value<T>(
    body: impl FnOnce() -> Result<T, flr_status>,
) -> Result<T, flr_status> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| Err(panicked(payload)))
}

#[cold]
fn panicked(payload: Box<dyn Any + Send>) -> flr_status {
    let status = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => fail(flr_status::PANIC, format_args!("defect in flightring: {text}")),
        (_, Some(text)) => fail(flr_status::PANIC, format_args!("defect in flightring: {text}")),
        _ => fail(flr_status::PANIC, format_args!("defect in flightring: unknown")),
    };
    // The payload's own destructor may panic, too.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flr_last_error;
    use std::ffi::CStr;

    #[test]
    fn a_panic_becomes_a_status_with_its_text() {
        assert_eq!(guard(|| panic!("number {}", 7)), flr_status::PANIC);
        // SAFETY: the pointer is to this thread's NUL-terminated buffer, which nothing changes during this call.
        let message = unsafe { CStr::from_ptr(flr_last_error()) };
        assert_eq!(message, c"defect in flightring: number 7");
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_contained() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        assert_eq!(guard(|| std::panic::panic_any(Bomb)), flr_status::PANIC);
    }
}
