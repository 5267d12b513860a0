use std::mem::MaybeUninit;
use std::{io, ptr, thread};

/// Starts a thread that never runs a signal handler of the host: it is born with every signal blocked.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    stack: usize,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    let _blocked = AllBlocked::new();
    thread::Builder::new().name(name.to_owned()).stack_size(stack).spawn(body)
}

/// Blocks every signal in this thread until it is dropped; threads inherit the mask.
struct AllBlocked(Option<libc::sigset_t>);

impl AllBlocked {
    fn new() -> Self {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: `sigfillset` initialises the set that is passed on, and `before` is only taken as initialised when
        // the call that fills it succeeded.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            let failed =
                libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) != 0;
            Self((!failed).then(|| before.assume_init()))
        }
    }
}

impl Drop for AllBlocked {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // SAFETY: `before` is the mask that this thread had.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, ptr::null_mut()) };
        }
    }
}
