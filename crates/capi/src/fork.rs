//! Tells a forked child from its parent, so that it never touches a lock that a thread of the parent held.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// How many forks lie between this process and the one that loaded the library, modulo 2^32.
static GENERATION: AtomicU32 = AtomicU32::new(0);
static REGISTERED: AtomicBool = AtomicBool::new(false);

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Relaxed);
}

/// The generation to remember in a new handle.
pub(crate) fn generation_for_new_handle() -> u32 {
    if !REGISTERED.load(Relaxed) {
        // Two threads may both come here, and the generation then grows by two at
        // a fork, which means the same. A lock instead could be held across one.
        // SAFETY: the handler is async-signal-safe (one atomic addition) and stays mapped: `-z nodelete`.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        REGISTERED.store(true, Relaxed);
    }
    generation()
}

/// The generation of this process: one load.
#[inline]
pub(crate) fn generation() -> u32 {
    GENERATION.load(Relaxed)
}
