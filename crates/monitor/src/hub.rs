use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};

use flightring_replay::CreateError;
use parking_lot::{Mutex, RwLock};

use crate::monitor::{Monitor, Options};
use crate::pump::Pumps;

/// Monitors by name, and the one thread that reads their descriptors.
///
/// Dropping the hub closes its monitors.
#[derive(Default)]
pub struct Hub {
    monitors: RwLock<BTreeMap<String, Arc<Monitor>>>,
    /// How often a monitor came or went, and who wants to hear of the next time.
    changes: AtomicU64,
    wakers: Mutex<Vec<Waker>>,
    pumps: Pumps,
}

impl Hub {
    /// A hub without monitors. Its thread starts with the first descriptor that is attached.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The monitor of that name, which is made with `options` if there is none. One that exists stays as it is.
    pub fn open(&self, name: &str, options: Options) -> Result<Arc<Monitor>, CreateError> {
        if let Some(monitor) = self.get(name) {
            return Ok(monitor);
        }
        let mut monitors = self.monitors.write();
        if let Some(monitor) = monitors.get(name) {
            return Ok(Arc::clone(monitor));
        }
        let monitor = Monitor::with_pumps(name.to_owned(), options, &self.pumps)?;
        monitors.insert(name.to_owned(), Arc::clone(&monitor));
        drop(monitors);
        self.changed();
        Ok(monitor)
    }

    /// The monitor of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Monitor>> {
        self.monitors.read().get(name).cloned()
    }

    /// All monitors, sorted by name.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Monitor>> {
        self.monitors.read().values().cloned().collect()
    }

    /// Takes the monitor of that name out and closes it: its followers get what is retained, and then the end.
    pub fn remove(&self, name: &str) -> Option<Arc<Monitor>> {
        let monitor = self.monitors.write().remove(name)?;
        monitor.close();
        self.changed();
        Some(monitor)
    }

    /// How often a monitor was opened or removed so far, if that is not `seen`; otherwise `waker` is kept, and called once when
    /// it changes. The waker is called by the thread that opens or removes, which holds no lock.
    pub fn poll_changes(&self, seen: u64, waker: &Waker) -> Poll<u64> {
        let now = || Some(self.changes.load(Ordering::SeqCst)).filter(|&changes| changes != seen);
        if let Some(changes) = now() {
            return Poll::Ready(changes);
        }
        {
            let mut wakers = self.wakers.lock();
            if !wakers.iter().any(|known| known.will_wake(waker)) {
                wakers.push(waker.clone());
            }
        }
        // Whoever counts after this look also finds the waker.
        now().map_or(Poll::Pending, Poll::Ready)
    }

    /// Takes back a waker that [`poll_changes`](Self::poll_changes) was given.
    pub fn forget(&self, waker: &Waker) {
        // Dropped outside of the lock: a waker may run anything.
        let unwanted = {
            let mut wakers = self.wakers.lock();
            let found = wakers.iter().position(|known| known.will_wake(waker));
            found.map(|index| wakers.swap_remove(index))
        };
        drop(unwanted);
    }

    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        let wakers = std::mem::take(&mut *self.wakers.lock());
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hub").field(&self.monitors.read().keys().collect::<Vec<_>>()).finish()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.monitors.get_mut().values().for_each(|monitor| monitor.close());
    }
}
