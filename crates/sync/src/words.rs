//! Memory of words, all zero at first.

#![allow(unsafe_code)] // the allocator, and what large pages take

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;

use crate::atomic::AtomicU64;
use crate::prefetch::LINE;

/// A large page of the processor, if the system is set up to have them: what one entry of its table of addresses covers instead
/// of 4 KiB. In memory much larger than what that table covers, looking an address up takes longer than the access itself.
pub const LARGE_PAGE: usize = 2 << 20;

/// Asks for large pages for memory that nobody has touched yet and that will all be used. Nothing but time depends on it.
pub fn prefer_large_pages<T>(memory: &mut [MaybeUninit<T>]) {
    if size_of_val(memory) < LARGE_PAGE {
        return;
    }
    // Whole pages only.
    let begin = memory.as_mut_ptr().cast::<u8>();
    let skipped = begin.align_offset(4096);
    let len = (size_of_val(memory) - skipped) / 4096 * 4096;
    #[cfg(all(target_os = "linux", not(miri)))]
    // SAFETY: the range lies inside `memory`, and the advice changes nothing that is in it.
    unsafe {
        // Without them the memory is as good.
        let _ = rustix::mm::madvise(
            begin.wrapping_add(skipped).cast(),
            len,
            rustix::mm::Advice::LinuxHugepage,
        );
    }
    #[cfg(not(all(target_os = "linux", not(miri))))]
    let _ = len;
}

/// Words in one piece of memory; in a large page of its own, if that is what they fill. Clones share them.
#[derive(Debug, Clone)]
pub struct Words {
    // Both beside the owner, and not behind it: one step less to each word.
    first: NonNull<AtomicU64>,
    count: usize,
    _owner: Arc<Owner>,
}

// SAFETY: its words are atomic, and live as long as their owner, which it keeps.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// Heap bytes beside the words.
    pub const OVERHEAD: usize = 2 * size_of::<usize>() + size_of::<Owner>();

    /// So many words, at least one.
    ///
    /// # Panics
    /// If there are none, or more than there can be bytes.
    #[must_use]
    pub fn zeroed(count: usize) -> Self {
        let owner = Arc::new(Owner::new(count));
        Self { first: owner.first, count, _owner: owner }
    }
}

impl Deref for Words {
    type Target = [AtomicU64];

    #[inline(always)]
    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: so many words were initialised there, and live as long as `self`.
        unsafe { slice::from_raw_parts(self.first.as_ptr(), self.count) }
    }
}

/// Not a box: large pages have to be asked for before the memory is touched, and begin where their size says.
#[derive(Debug)]
struct Owner {
    first: NonNull<AtomicU64>,
    layout: Layout,
}

// SAFETY: it owns its words, which may be sent and shared.
unsafe impl Send for Owner {}
// SAFETY: as above.
unsafe impl Sync for Owner {}

impl Owner {
    fn new(count: usize) -> Self {
        let layout = Layout::array::<AtomicU64>(count).and_then(|layout| {
            layout.align_to(if layout.size() >= LARGE_PAGE { LARGE_PAGE } else { LINE })
        });
        let layout = match layout {
            Ok(layout) if layout.size() > 0 => layout,
            _ => panic!("{count} words; ask for at least one"),
        };
        // SAFETY: the layout has a size.
        let memory = unsafe { alloc(layout) }.cast::<MaybeUninit<AtomicU64>>();
        let Some(first) = NonNull::new(memory) else { handle_alloc_error(layout) };
        // SAFETY: so much was allocated, and nobody else knows of it.
        let words = unsafe { slice::from_raw_parts_mut(memory, count) };
        prefer_large_pages(words);
        words.fill_with(|| MaybeUninit::new(AtomicU64::new(0)));
        Self { first: first.cast(), layout }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        #[cfg(loom)]
        // SAFETY: there are so many words, and none is used any more.
        unsafe {
            let count = self.layout.size() / size_of::<AtomicU64>();
            std::ptr::slice_from_raw_parts_mut(self.first.as_ptr(), count).drop_in_place();
        }
        // SAFETY: allocated with this layout, by nobody else. Real words need no drop.
        unsafe { dealloc(self.first.as_ptr().cast(), self.layout) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::Ordering;

    use super::{LARGE_PAGE, LINE, Words};

    #[test]
    fn words_are_zero_and_aligned() {
        for (bytes, alignment) in [(8, LINE), (LARGE_PAGE - 8, LINE), (LARGE_PAGE, LARGE_PAGE)] {
            let words = Words::zeroed(bytes / 8);
            assert_eq!(words.len(), bytes / 8);
            assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == 0));
            assert!(words.as_ptr().addr().is_multiple_of(alignment));
            let same = words.clone();
            words[bytes / 8 - 1].store(7, Ordering::Relaxed);
            drop(words);
            assert_eq!(same[bytes / 8 - 1].load(Ordering::Relaxed), 7);
        }
    }
}
