use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use flightring_replay::CreateError;
use parking_lot::RwLock;

use crate::monitor::{Monitor, Options};
use crate::pump::Pump;

/// Monitors by name, and the one thread that reads their descriptors.
///
/// Dropping the hub closes its monitors.
#[derive(Default)]
pub struct Hub {
    monitors: RwLock<BTreeMap<String, Arc<Monitor>>>,
    pump: Arc<Pump>,
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
        let monitor = Monitor::with_pump(name.to_owned(), options, Arc::clone(&self.pump))?;
        monitors.insert(name.to_owned(), Arc::clone(&monitor));
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
        Some(monitor)
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
