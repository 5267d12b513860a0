use std::time::Instant;

use super::{AtomicU32, AtomicU64, Ordering};

pub(crate) struct Memory;

impl Memory {
    pub(crate) fn allocate(count: usize) -> Option<*mut AtomicU64> {
        let words: Box<[AtomicU64]> = (0..count).map(|_| AtomicU64::new(0)).collect();
        Some(Box::into_raw(words).cast())
    }

    pub(crate) fn discard(words: &[AtomicU64]) {
        words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    }

    pub(crate) unsafe fn free(words: *mut AtomicU64, count: usize) {
        // SAFETY: from `allocate` with this count, by the caller's promise.
        drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(words, count)) });
    }
}

pub(crate) struct Bell {
    count: AtomicU32,
    lock: loom::sync::Mutex<()>,
    rung: loom::sync::Condvar,
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self {
            count: AtomicU32::new(0),
            lock: loom::sync::Mutex::new(()),
            rung: loom::sync::Condvar::new(),
        }
    }

    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    pub(crate) fn ring(&self) {
        self.count.fetch_add(1, Ordering::Release);
        drop(self.lock.lock().expect("no panics"));
        self.rung.notify_all();
    }

    pub(crate) fn sleep(&self, count: u32, _: Option<Instant>) {
        let lock = self.lock.lock().expect("no panics");
        if self.count.load(Ordering::Acquire) == count {
            drop(self.rung.wait(lock).expect("no panics"));
        }
    }
}
