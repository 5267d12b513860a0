//! The only place that knows loom: what the rest of the crate synchronises with, once for real and once as a model.

#[cfg(not(loom))]
mod native;
#[cfg(not(loom))]
pub(crate) use native::*;

#[cfg(loom)]
mod model;
#[cfg(loom)]
pub(crate) use model::*;
