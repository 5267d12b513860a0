//! The only place that knows loom: what the rest of the crate synchronises with, once for real and once as a model.
//!
//! [`Slot`] owns a value that one thread at a time replaces while others read it under a [`pin`]. For real that is
//! epoch reclamation; the model keeps what was replaced until the end, which checks everything except the reclamation
//! itself.

#[cfg(not(loom))]
mod native;
#[cfg(not(loom))]
pub(crate) use native::*;

#[cfg(loom)]
mod model;
#[cfg(loom)]
pub(crate) use model::*;
