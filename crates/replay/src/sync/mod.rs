//! The only place that knows loom: what the rest of the crate synchronises with, beside what `flightring_sync` has, once for
//! real and once as a model.

pub(crate) use flightring_sync::Mutex;
pub(crate) use flightring_sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

#[cfg(not(loom))]
mod native;
#[cfg(not(loom))]
pub(crate) use native::*;

#[cfg(loom)]
mod model;
#[cfg(loom)]
pub(crate) use model::*;
