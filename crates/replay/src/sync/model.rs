use std::time::Instant;

pub(crate) use loom::hint::spin_loop;
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub(crate) use loom::thread::{yield_now, yield_now as rest};

use loom::sync::atomic::AtomicPtr;

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

pub(crate) struct Guard;

pub(crate) fn pin() -> Guard {
    Guard
}

pub(crate) fn reclaim() {}

pub(crate) struct Slot<T> {
    value: AtomicPtr<T>,
    retired: std::sync::Mutex<Vec<Box<T>>>,
}

impl<T> Slot<T> {
    pub(crate) fn empty() -> Self {
        Self { value: AtomicPtr::new(std::ptr::null_mut()), retired: Default::default() }
    }

    pub(crate) fn get<'g>(&'g self, _: &'g Guard) -> Option<&'g T> {
        // SAFETY: null or from `fill`; freed only with the slot.
        unsafe { self.value.load(Ordering::Acquire).as_ref() }
    }

    pub(crate) unsafe fn get_unguarded(&self) -> Option<&T> {
        self.get(&Guard).map(|value| {
            // SAFETY: freed only with the slot, which is borrowed.
            unsafe { &*std::ptr::from_ref(value) }
        })
    }

    pub(crate) fn fill(&self, value: Box<T>) {
        self.value.store(Box::into_raw(value), Ordering::Release);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.value.load(Ordering::Relaxed).is_null()
    }

    pub(crate) unsafe fn retire(&self) {
        let old = self.value.swap(std::ptr::null_mut(), Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: from `fill`, and taken out once.
            self.retired.lock().expect("no panics").push(unsafe { Box::from_raw(old) });
        }
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        // SAFETY: the slot is borrowed exclusively.
        unsafe { self.retire() };
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
