use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use flightring_replay::FutureOffset;

use crate::follow::{Follower, Next, Start};
use crate::monitor::Monitor;
use crate::pace::Pace;
use crate::threads;

/// The largest piece that a callback gets.
const PIECE: usize = 1 << 14;
const STACK: usize = 1 << 18;

/// Why a subscription could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The offset to start from is beyond what was written.
    Future(FutureOffset),
    /// The system gave no thread.
    Thread(io::Error),
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Future(error) => error.fmt(f),
            Self::Thread(error) => write!(f, "no thread for the subscription: {error}"),
        }
    }
}

impl std::error::Error for SubscribeError {}

/// A callback that gets a monitor's output. Dropping it cancels it.
///
/// Each subscription has a thread of its own, so a callback may take its time: it falls behind, gets a gap when it fell too
/// far, and neither the writer nor another subscription notices. The first output after a pause comes at once, and while there is
/// more, once a millisecond. Only a writer that fills the history several times a millisecond is followed less
/// often (every 10 ms at least) and with gaps, as it would be anyway: so that following does not slow it down. The thread
/// blocks all signals, and holds no lock while it calls: anything may be called inside, [`cancel`](Self::cancel) and
/// dropping the subscription included.
pub struct Subscription {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    monitor: Arc<Monitor>,
    cancelled: AtomicBool,
}

impl Monitor {
    /// Calls `callback` with all output from `start` on, in order: [`Next::Chunk`] and [`Next::Gap`], and [`Next::End`] once
    /// when the monitor is closed. When it returns [`ControlFlow::Break`] it is not called again. It is dropped when it will
    /// not be called any more, or if subscribing fails.
    pub fn subscribe(
        self: &Arc<Self>,
        start: Start,
        mut callback: impl FnMut(Next<'_>) -> ControlFlow<()> + Send + 'static,
    ) -> Result<Subscription, SubscribeError> {
        let mut follower = self.follow(start).map_err(SubscribeError::Future)?;
        let shared =
            Arc::new(Shared { monitor: Arc::clone(self), cancelled: AtomicBool::new(false) });
        let thread = threads::spawn("flr-subscriber", STACK, {
            let shared = Arc::clone(&shared);
            move || deliver(&mut follower, &shared.cancelled, &mut callback)
        });
        let thread = Some(thread.map_err(SubscribeError::Thread)?);
        Ok(Subscription { shared, thread })
    }
}

fn deliver(
    follower: &mut Follower,
    cancelled: &AtomicBool,
    callback: &mut dyn FnMut(Next<'_>) -> ControlFlow<()>,
) {
    let mut buffer = vec![0; PIECE];
    let going = || !cancelled.load(Ordering::SeqCst);
    let mut pace = Pace::new(follower.monitor().timeline.bytes().capacity());
    while going() {
        // What is there now; what is written meanwhile is for the next time.
        let (from, target) = (follower.offset(), follower.monitor().total());
        let (mut began, mut gap) = (Instant::now(), false);
        loop {
            // A second gap at once: where the oldest bytes are the writer is always first.
            let overtaken = gap && follower.is_overtaken();
            let next = if overtaken { follower.leap() } else { follower.next(&mut buffer) };
            let read = Instant::now();
            pace.has_read(read - began);
            if next == Next::Empty {
                break;
            }
            gap = matches!(next, Next::Gap { .. });
            if callback(next).is_break() || next == Next::End {
                return;
            }
            if follower.offset() >= target || !going() {
                break;
            }
            began = Instant::now();
        }
        let taken = follower.offset() - from;
        if taken == 0 {
            follower.wait_while(None, going);
            pace.begin();
        } else {
            thread::sleep(pace.pause(taken, follower.monitor().followers.load(Ordering::Relaxed)));
        }
    }
}

impl Subscription {
    /// Ends it. When this returns, the callback does not run and never will again; called inside the callback, it is the
    /// callback's last run.
    pub fn cancel(&mut self) {
        self.shared.cancelled.store(true, Ordering::SeqCst);
        self.shared.monitor.interrupt();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A callback that panicked was reported by the panic hook.
            let _ = thread.join();
        }
    }

    /// Whether it is over: cancelled, or delivered the end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("monitor", &self.shared.monitor.name())
            .field("finished", &self.is_finished())
            .finish()
    }
}
