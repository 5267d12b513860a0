//! Stores of a size that there is no memory for, by an allocator that has little.

#![cfg(not(loom))]

use std::alloc::{GlobalAlloc, Layout, System};

use flightring_store::{ConfigError, Limits, LogStore, MetricStore, Span, TraceStore};

const LARGEST: usize = 8 << 20;

struct Scarce;

// SAFETY: every call goes to the system's allocator unchanged, or is refused with null.
unsafe impl GlobalAlloc for Scarce {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Scarce = Scarce;

#[test]
fn too_large_a_store_is_an_error_and_not_the_end_of_the_process() {
    let huge = Limits::with_capacity((1 << 31) - 1);
    assert!(matches!(TraceStore::new(&huge), Err(ConfigError::NoMemory(_))));
    assert!(matches!(LogStore::new(&huge), Err(ConfigError::NoMemory(_))));
    assert!(matches!(MetricStore::new(&huge), Err(ConfigError::NoMemory(_))));
    let ranked = Limits::with_capacity(600_000).max_per_trace(5);
    assert!(matches!(TraceStore::new(&ranked), Err(ConfigError::NoMemory(_))));
}

#[test]
fn a_generous_limit_of_bytes_costs_nothing() {
    let plain = TraceStore::new(&Limits::with_capacity(100).max_bytes(100 << 16)).unwrap();
    let generous = TraceStore::new(&Limits::with_capacity(100).max_bytes(1 << 46)).unwrap();
    let (plain, figures) = (plain.stats(), generous.stats());
    assert!(figures.total_bytes() < 2 * plain.total_bytes(), "{figures:?}");
    // It holds as many of the largest records as it may have records.
    let name = "n".repeat(65_000);
    for _ in 0..300 {
        generous.add(&Span { name: &name, ..Span::default() });
    }
    let stats = generous.stats();
    assert_eq!((stats.count, stats.oversize, stats.evicted_by_count), (100, 0, 200));
}
