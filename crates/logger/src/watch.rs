//! Telling the logger's numbers to those who asked for them, by the flusher's thread.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::local;
use crate::state::Core;
use crate::stats::Stats;

pub(crate) type Callback = Box<dyn FnMut(&Core, &Stats) + Send>;

/// Why a watch could not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchError {
    /// The logger was closed.
    Closed,
    /// The logger belongs to the parent process.
    Forked,
}

impl std::fmt::Display for WatchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "the logger is closed",
            Self::Forked => "the logger was made before fork(); make one in the child",
        })
    }
}

impl std::error::Error for WatchError {}

/// A callback that is told a logger's numbers, from [`crate::Logger::watch`]. Dropping it ends the watch: the callback does
/// not run then, is dropped, and never runs again. Dropped inside the callback, that is its last run.
pub struct Watch {
    // A forked child leaves it alone: the lock may be held by a thread that is not there.
    watcher: ManuallyDrop<Arc<Watcher>>,
    generation: u32,
}

struct Watcher {
    period: Duration,
    next: Mutex<Instant>,
    ended: AtomicBool,
    /// The thread that the callback runs in now; 0 = none.
    running: AtomicU32,
    /// Locked while it runs.
    callback: Mutex<Option<Callback>>,
}

impl Watcher {
    fn tell(&self, core: &Core, stats: &Stats) {
        let mut callback = self.callback.lock();
        if let Some(call) = &mut *callback {
            self.running.store(local::thread_id(), Ordering::Relaxed);
            let told = catch_unwind(AssertUnwindSafe(|| call(core, stats)));
            self.running.store(0, Ordering::Relaxed);
            if told.is_err() {
                self.ended.store(true, Ordering::Relaxed);
            }
        }
        if self.ended.load(Ordering::Relaxed) {
            let ended = callback.take();
            drop(callback);
            drop(ended);
        }
    }

    fn is_running_here(&self) -> bool {
        self.running.load(Ordering::Relaxed) == local::thread_id()
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        if !self.is_running_here() {
            // Dropped without the lock: what it owns may want to look at this watch.
            let ended = self.callback.lock().take();
            drop(ended);
        }
    }
}

impl Watch {
    /// Lets the watch go on as long as the logger.
    pub fn detach(self) {
        let mut this = ManuallyDrop::new(self);
        if this.generation == local::generation() {
            // SAFETY: `this` is not used again, nor dropped.
            unsafe { ManuallyDrop::drop(&mut this.watcher) };
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.generation == local::generation() {
            self.watcher.end();
            // SAFETY: this is the only place that drops it, and the watch is not used again.
            unsafe { ManuallyDrop::drop(&mut self.watcher) };
        }
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("period", &self.watcher.period).finish_non_exhaustive()
    }
}

/// Those who are told one logger's numbers.
pub(crate) struct Watchers {
    /// None once the logger is finished.
    list: Mutex<Option<Vec<Arc<Watcher>>>>,
    /// The flusher has not seen the newest one yet.
    new: AtomicBool,
}

impl Default for Watchers {
    fn default() -> Self {
        Self { list: Mutex::new(Some(Vec::new())), new: AtomicBool::new(false) }
    }
}

impl Watchers {
    /// None: the logger is finished. The caller wakes the flusher.
    pub(crate) fn add(&self, period: Duration, callback: Callback) -> Option<Watch> {
        let period = period.max(Duration::from_millis(1));
        let now = Instant::now();
        let watcher = Arc::new(Watcher {
            period,
            next: Mutex::new(now.checked_add(period).unwrap_or(now)),
            ended: AtomicBool::new(false),
            running: AtomicU32::new(0),
            callback: Mutex::new(Some(callback)),
        });
        self.list.lock().as_mut()?.push(Arc::clone(&watcher));
        self.new.store(true, Ordering::Release);
        Some(Watch { watcher: ManuallyDrop::new(watcher), generation: local::generation() })
    }

    pub(crate) fn has_new(&self) -> bool {
        self.new.load(Ordering::Acquire)
    }

    /// When the next one is to be told.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.list.lock().iter().flatten().map(|watcher| *watcher.next.lock()).min()
    }

    /// Tells those whose time has come.
    pub(crate) fn tell(&self, core: &Core) {
        self.new.store(false, Ordering::Release);
        let now = Instant::now();
        let mut due = Vec::new();
        if let Some(list) = &mut *self.list.lock() {
            list.retain(|watcher| !watcher.ended.load(Ordering::Relaxed));
            for watcher in list {
                let mut next = watcher.next.lock();
                if now >= *next {
                    *next = now.checked_add(watcher.period).unwrap_or(now);
                    due.push(Arc::clone(watcher));
                }
            }
        }
        if !due.is_empty() {
            let stats = Stats::of(core);
            due.iter().for_each(|watcher| watcher.tell(core, &stats));
        }
    }

    /// Tells all the last numbers, and lets the callbacks go.
    pub(crate) fn end(&self, core: &Core) {
        let all = self.list.lock().take().unwrap_or_default();
        if !all.is_empty() {
            let stats = Stats::of(core);
            all.iter().for_each(|watcher| watcher.tell(core, &stats));
            all.iter().for_each(|watcher| watcher.end());
        }
    }
}
