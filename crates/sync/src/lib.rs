//! What the crates that share memory between threads have in common, once for real and once as loom's model of it
//! (`--cfg loom`). Their own `sync` modules add what only they need.
//!
//! * [`atomic`], [`Mutex`], [`RwLock`]: the primitives.
//! * [`fences`]: full fences of which one side costs nothing.
//! * [`Bias`]: how a lock becomes free for a thread that takes it all the time.
//! * [`copy`]: a `memcpy` to and from memory that others read and write meanwhile.
//! * [`prefetch`]: having memory fetched before it is needed.
//! * [`prefer_large_pages`]: for memory that is large.
//! * [`Patience`]: waiting for something that takes as long as such a copy.

#![deny(unsafe_code)]

mod bias;
pub mod copy;
mod pages;
mod patience;
pub mod prefetch;

#[cfg(loom)]
mod modelled;
#[cfg(not(loom))]
mod real;

#[cfg(loom)]
use modelled as primitives;
#[cfg(not(loom))]
use real as primitives;

pub use bias::Bias;
pub use pages::prefer_large_pages;
pub use patience::Patience;
pub use primitives::{Mutex, MutexGuard, RwLock, atomic, fences, hint, thread, unlock_fair};
