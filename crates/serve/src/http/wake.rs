use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};

/// Tells a server thread that a connection's stream has something to send. Other threads know it as a
/// [`Waker`](std::task::Waker).
///
/// Cheap enough to be called for every write of a busy process: while an earlier call has not been
/// noticed yet, a further one is a single atomic swap. Waking a connection that is gone does nothing.
#[derive(Debug)]
pub(crate) struct Notice {
    pending: AtomicBool,
    inbox: Arc<Inbox>,
    token: u64,
}

impl Notice {
    pub(crate) fn new(inbox: Arc<Inbox>, token: u64) -> Self {
        Self { pending: AtomicBool::new(false), inbox, token }
    }

    /// Takes the notice back, before the stream is asked: whatever is written after this wakes again.
    pub(crate) fn clear(&self) {
        self.pending.swap(false, Ordering::AcqRel);
    }
}

impl Wake for Notice {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            self.inbox.post(self.token);
        }
    }
}

/// Where other threads leave notices for one server thread.
#[derive(Debug)]
pub(crate) struct Inbox {
    tokens: Mutex<Vec<u64>>,
    eventfd: OwnedFd,
}

impl Inbox {
    pub(crate) fn new() -> rustix::io::Result<Self> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { tokens: Mutex::new(Vec::new()), eventfd })
    }

    fn post(&self, token: u64) {
        let was_empty = {
            let mut tokens = self.tokens.lock();
            tokens.push(token);
            tokens.len() == 1
        };
        if was_empty {
            self.ring();
        }
    }

    /// Ends the thread's wait without a notice for any connection.
    pub(crate) fn ring(&self) {
        // It fails only when the counter is about to overflow, and then the
        // thread has a wake-up pending anyway.
        let _ = rustix::io::write(&self.eventfd, &1_u64.to_ne_bytes());
    }

    /// Moves all notices into `into`, and makes the eventfd silent again.
    pub(crate) fn take(&self, into: &mut Vec<u64>) {
        // Silence first: a notice posted after the swap below rings anew.
        let _ = rustix::io::read(&self.eventfd, &mut [0_u8; 8]);
        std::mem::swap(&mut *self.tokens.lock(), into);
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }
}
