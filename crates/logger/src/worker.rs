//! Threads of the library's own.

use std::io;
use std::mem::MaybeUninit;
use std::thread::{Builder, JoinHandle};

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
        take_short_turns();
        body()
    });
    // SAFETY: the mask was filled by the call above.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
    }
    started
}

/// `struct sched_attr` of Linux, in its first version.
#[repr(C)]
#[derive(Default)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Asks the scheduler to give the calling thread shorter turns, and therefore sooner ones: what it was woken for is small, and
/// threads of the host that keep every processor busy wait for what it does. Kernels before 6.12 take no notice.
fn take_short_turns() {
    /// The least that the kernel takes.
    const TURN_NS: u64 = 100_000;
    let mut attr = SchedAttr::default();
    let size = size_of::<SchedAttr>() as u32;
    // SAFETY: the call fills at most `size` bytes of the structure, which is a plain one, for the calling thread.
    let known = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attr, size, 0) } == 0;
    if known && attr.policy == libc::SCHED_OTHER as u32 {
        (attr.size, attr.runtime) = (size, TURN_NS);
        // A refusal changes nothing.
        // SAFETY: the call reads the structure, which says its size.
        let _ = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    }
}
