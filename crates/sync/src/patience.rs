use crate::{hint, thread};

/// Waiting for something that takes about as long as a copy of some bytes, unless its thread was preempted.
#[derive(Debug, Default)]
pub struct Patience(u32);

impl Patience {
    /// At the begin of the wait.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits a little, and longer each time: spinning, then yielding, then asleep.
    pub fn pause(&mut self) {
        self.0 += 1;
        match self.0 {
            0..16 if !cfg!(loom) => (0..4).for_each(|_| hint::spin_loop()),
            0..64 => thread::yield_now(),
            // Also reached when a thread of higher priority keeps the other one off the CPU by yielding only.
            _ => thread::rest(),
        }
    }
}
