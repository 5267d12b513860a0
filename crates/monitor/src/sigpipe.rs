//! Writing to what may have lost its reader, without the signal that comes with that.

use std::mem::MaybeUninit;
use std::ptr;

use rustix::io::Errno;

/// Runs `write` so that it fails with `EPIPE` where the reader is gone and nothing else happens: the signal, which would end
/// the host or run its handler, is blocked in this thread meanwhile, and taken back if it came.
pub(crate) fn without_sigpipe<T>(write: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    let Some(blocked) = Blocked::new() else { return write() };
    let written = write();
    if matches!(written, Err(Errno::PIPE)) {
        blocked.take_back();
    }
    written
}

/// `SIGPIPE` is blocked in this thread until this is dropped.
struct Blocked {
    pipe: libc::sigset_t,
}

impl Blocked {
    /// `None` where it was blocked before, as in this crate's own threads: what becomes of it is the business of who did that.
    fn new() -> Option<Self> {
        let mut pipe = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: `sigemptyset` initialises the set that is used afterwards, and `before` is only taken as initialised when the
        // call that fills it succeeded.
        unsafe {
            libc::sigemptyset(pipe.as_mut_ptr());
            libc::sigaddset(pipe.as_mut_ptr(), libc::SIGPIPE);
            let pipe = pipe.assume_init();
            let failed = libc::pthread_sigmask(libc::SIG_BLOCK, &pipe, before.as_mut_ptr()) != 0;
            let was_blocked = !failed && libc::sigismember(before.as_ptr(), libc::SIGPIPE) == 1;
            (!failed && !was_blocked).then_some(Self { pipe })
        }
    }

    /// It was not blocked before, so one that is pending now was raised since, and for this thread.
    fn take_back(&self) {
        let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the set is initialised, and nothing about the signal is asked for. It fails if there is none, as where the host
        // ignores it.
        unsafe { libc::sigtimedwait(&self.pipe, ptr::null_mut(), &at_once) };
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set is initialised; the mask before is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &self.pipe, ptr::null_mut()) };
    }
}
