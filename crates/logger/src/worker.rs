//! Threads of the library's own.

use std::io;
use std::mem::MaybeUninit;
use std::thread::{Builder, JoinHandle};

use crate::local;

/// Starts a thread that no signal of the host's is delivered to.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: both sets are places for the calls to fill; a thread inherits the mask of the one that starts it, so
    // there is no moment at which it could take a signal.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let started = Builder::new().name(name.to_owned()).spawn(move || {
        local::become_worker();
        body()
    });
    // SAFETY: the mask was filled by the call above.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
    }
    started
}
