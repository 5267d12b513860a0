use std::io;
use std::mem::MaybeUninit;
use std::thread::JoinHandle;

/// Starts a thread that never runs a signal handler of the host: every signal is blocked in it from its first
/// instruction on.
pub(crate) fn spawn(
    name: String,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // A thread inherits the mask of the one that creates it, so the mask is
    // changed around the creation and not inside the new thread.
    // SAFETY: sigfillset initialises `all`, and pthread_sigmask reads it and
    // initialises `before`; both are valid for writes of a sigset_t.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let spawned = std::thread::Builder::new().name(name).spawn(body);
    // SAFETY: `before` was initialised by the call above, which cannot fail:
    // its first argument is valid.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
    }
    spawned
}
