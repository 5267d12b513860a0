//! The memory of the shards: one mapping, split; private to the process, or of a file in shared memory.

use std::fs::File;
use std::io;
use std::ptr;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap, mmap_anonymous, munmap};

/// A mapping that a forked child does not inherit.
pub(crate) struct Region {
    base: *mut u8,
    len: usize,
    pub(crate) locked: bool,
}

// SAFETY: the region is a plain range of memory; who may touch which part of it is the shards' business.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Maps `len` zeroed bytes, a multiple of the page size.
    pub(crate) fn anonymous(len: usize, huge_pages: bool, lock: bool) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let base = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        }?;
        Ok(Self::advised(base.cast(), len, huge_pages, lock))
    }

    /// Maps the first `len` bytes of a file, shared with whoever maps it after this process.
    pub(crate) fn of_file(file: &File, len: usize, lock: bool) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let base = unsafe {
            mmap(
                ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file,
                0,
            )
        }?;
        Ok(Self::advised(base.cast(), len, false, lock))
    }

    fn advised(base: *mut u8, len: usize, huge_pages: bool, lock: bool) -> Self {
        let mut region = Self { base, len, locked: false };
        let base = base.cast();
        // SAFETY: the range is exactly the caller's new mapping; no advice here changes its content.
        unsafe {
            // Advice may be refused by old kernels; the parent's correctness does not depend on it, because calls in
            // a child are refused before they touch the region.
            let _ = madvise(base, len, Advice::LinuxDontFork);
            if huge_pages {
                let _ = madvise(base, len, Advice::LinuxHugepage);
            }
            region.locked = lock && mlock(base, len).is_ok();
        }
        region
    }

    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    /// Makes the pages of `[from, from + len)` present, so that writers do not fault.
    pub(crate) fn populate(&self, from: usize, len: usize) {
        let len = len.min(self.len.saturating_sub(from));
        // SAFETY: the range lies in the mapping; populating keeps what is in the pages.
        let _ = unsafe {
            madvise(self.base.wrapping_add(from).cast(), len, Advice::LinuxPopulateWrite)
        };
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and its owner saw to it that nobody is inside.
        let _ = unsafe { munmap(self.base.cast(), self.len) };
    }
}
