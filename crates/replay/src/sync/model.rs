use std::time::Instant;

pub(crate) use loom::hint::spin_loop;
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub(crate) use loom::thread::{yield_now, yield_now as rest};

pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().expect("no thread of a model panics with a lock")
    }
}

/// A thread's number; the model's threads come and go, so they are never given twice.
pub(crate) fn thread_number() -> u64 {
    static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    loom::thread_local! {
        static NUMBER: u64 = LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
    }
    NUMBER.with(|number| *number)
}

/// Both sides have the full fence that the real ones make up together.
pub(crate) fn fence_light() {
    fence(Ordering::SeqCst);
}

pub(crate) fn fence_heavy() {
    fence(Ordering::SeqCst);
}

pub(crate) fn fences_available() -> bool {
    true
}

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
