//! The memory of the shards: one mapping, split; private to the process, or of a file in shared memory.

use std::fs::File;
use std::io;
use std::ptr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap, mmap_anonymous, munmap};

/// A mapping that a forked child does not inherit.
pub(crate) struct Region {
    base: *mut u8,
    len: usize,
    /// What was mapped, which may begin before `base` and end after the rest.
    mapped: (*mut u8, usize),
    pub(crate) locked: bool,
    huge_pages: bool,
}

/// Size and alignment of a huge page.
pub(crate) const HUGE: usize = 2 << 20;

// SAFETY: the region is a plain range of memory; who may touch which part of it is the shards' business.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Maps `len` zeroed bytes, a multiple of the page size. With `huge_pages`, memory of some size is of huge pages where the
    /// system has them.
    pub(crate) fn anonymous(len: usize, huge_pages: bool, lock: bool) -> io::Result<Self> {
        let huge_pages = huge_pages && len >= HUGE;
        // A huge page must lie at a multiple of its size; older kernels do not see to that.
        let mapped = if huge_pages { len + HUGE } else { len };
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let base = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                mapped,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        }?;
        let first: *mut u8 = base.cast();
        let into = if huge_pages { first.addr().next_multiple_of(HUGE) - first.addr() } else { 0 };
        Ok(Self::advised(first.wrapping_add(into), len, (first, mapped), huge_pages, lock))
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
        let base: *mut u8 = base.cast();
        Ok(Self::advised(base, len, (base, len), false, lock))
    }

    fn advised(
        base: *mut u8,
        len: usize,
        mapped: (*mut u8, usize),
        huge_pages: bool,
        lock: bool,
    ) -> Self {
        let mut region = Self { base, len, mapped, locked: false, huge_pages };
        let base = base.cast();
        // SAFETY: the range lies in the caller's new mapping; no advice here changes its content.
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

    /// Bytes that are in physical memory.
    fn resident(&self) -> u64 {
        const PAGES: usize = 1 << 14;
        let page = rustix::param::page_size();
        let mut present = vec![0u8; PAGES.min(self.len.div_ceil(page))];
        let mut pages = 0;
        for from in (0..self.len).step_by(PAGES * page) {
            let len = (self.len - from).min(PAGES * page);
            // SAFETY: the range lies in the mapping, and there is a byte for each of its pages.
            let answer =
                unsafe { libc::mincore(self.base.add(from).cast(), len, present.as_mut_ptr()) };
            if answer == 0 {
                let looked_at = &present[..len.div_ceil(page)];
                pages += looked_at.iter().filter(|flags| **flags & 1 != 0).count();
            }
        }
        (pages * page) as u64
    }

    /// Bytes that are in huge pages.
    fn huge(&self) -> u64 {
        let Ok(maps) = std::fs::read_to_string("/proc/self/smaps") else { return 0 };
        let begin = self.base as usize;
        huge_bytes(&maps, begin, begin + self.len).min(self.len as u64)
    }

    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    pub(crate) fn len(&self) -> usize {
        self.len
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

/// Bytes in huge pages of the mappings that overlap `[begin, end)`, as `smaps` lists them.
fn huge_bytes(maps: &str, begin: usize, end: usize) -> u64 {
    let hex = |text| usize::from_str_radix(text, 16).ok();
    let mut inside = false;
    let mut kib = 0;
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(first) = words.next() else { continue };
        if let Some(name) = first.strip_suffix(':') {
            if inside && matches!(name, "AnonHugePages" | "ShmemPmdMapped") {
                kib += words.next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
            }
        } else if let Some((from, to)) = first.split_once('-') {
            let range = hex(from).zip(hex(to));
            inside = range.is_some_and(|(from, to)| from < end && to > begin);
        }
    }
    kib * 1024
}

/// How much of a region is in memory. Finding out takes a while, so the answer is kept for some time.
#[derive(Default)]
pub(crate) struct Presence(Mutex<Measured>);

#[derive(Default)]
struct Measured {
    resident: Figure,
    huge: Figure,
}

#[derive(Default)]
struct Figure {
    bytes: u64,
    again_at: Option<Instant>,
}

impl Figure {
    /// Measures anew at the earliest after `keep`, and after `times` what measuring took.
    fn refresh(&mut self, keep: Duration, times: u32, measure: impl FnOnce() -> u64) {
        let now = Instant::now();
        if self.again_at.is_none_or(|at| now >= at) {
            self.bytes = measure();
            self.again_at = Some(now + keep.max(now.elapsed() * times));
        }
    }
}

impl Presence {
    /// Bytes in memory, and of those in huge pages; `None` once the region is given back.
    pub(crate) fn of(&self, region: &Mutex<Option<Region>>) -> Option<(u64, u64)> {
        let mut measured = self.0.lock();
        let region = region.lock();
        let Some(region) = &*region else {
            *measured = Measured::default();
            return None;
        };
        measured.resident.refresh(Duration::from_secs(10), 100, || region.resident());
        if region.huge_pages {
            // The kernel walks all memory of the process for it, with locks that its other threads may want.
            measured.huge.refresh(Duration::from_secs(60), 1000, || region.huge());
        }
        Some((measured.resident.bytes, measured.huge.bytes))
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and its owner saw to it that nobody is inside.
        let _ = unsafe { munmap(self.mapped.0.cast(), self.mapped.1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_touched_is_resident() {
        let region = Region::anonymous(1 << 20, false, false).unwrap();
        assert_eq!(region.resident(), 0);
        region.populate(0, 64 * 1024);
        // SAFETY: the bytes are in the mapping, and nobody else has it. Older kernels do not populate on advice.
        (0..16).for_each(|page| unsafe { region.base().add(page * 4096).write(1) });
        let resident = region.resident();
        assert!((64 * 1024..1 << 20).contains(&resident), "{resident}");
        let presence = Presence::default();
        let place = Mutex::new(Some(region));
        assert_eq!(presence.of(&place), Some((resident, 0)));
        place.lock().take();
        assert_eq!(presence.of(&place), None);
    }

    #[test]
    fn huge_pages_are_those_of_the_range() {
        let maps = "\
            1000-3000 rw-p 00000000 00:00 0\nRss:  4 kB\nAnonHugePages:  2048 kB\n\
            3000-9000 rw-s 00000000 00:00 0 /x: y\nShmemPmdMapped:  4096 kB\nAnonHugePages: 0 kB\n";
        assert_eq!(huge_bytes(maps, 0x1000, 0x2000), 2 << 20);
        assert_eq!(huge_bytes(maps, 0x3000, 0x4000), 4 << 20);
        assert_eq!(huge_bytes(maps, 0x2fff, 0x3001), 6 << 20);
        assert_eq!(huge_bytes(maps, 0x9000, 0xa000), 0);
    }
}
