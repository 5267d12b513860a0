//! The host's signals stay with the host's threads.

use std::mem::MaybeUninit;

/// While it lives the calling thread takes no signals, and neither do threads that it starts, then or later.
pub(super) struct Blocked(libc::sigset_t);

impl Blocked {
    pub(super) fn new() -> Self {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: both sets are places for the calls to fill. They cannot fail: the sets are ours, and the way is one
        // that exists.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            Self(before.assume_init())
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set was filled by `new`.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut());
        }
    }
}
