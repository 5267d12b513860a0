//! Large pages of memory.

#![allow(unsafe_code)] // a system call that takes addresses

use std::mem::MaybeUninit;

/// From so many bytes on: an allocator like that of glibc has memory of this size from the system, for its owner alone, and gives
/// it back. What is said of memory that others have later would stay with it.
const MANY: usize = 32 << 20;

/// Asks for large pages for memory that nobody has touched yet and that will all be used, if it is so much that finding what an
/// address means takes longer than the access itself. Nothing but time depends on it.
pub fn prefer_large_pages<T>(memory: &mut [MaybeUninit<T>]) {
    if size_of_val(memory) < MANY {
        return;
    }
    #[cfg(all(target_os = "linux", not(miri)))]
    {
        use rustix::mm::{Advice, madvise};

        let page = rustix::param::page_size();
        let begin = memory.as_mut_ptr().cast::<u8>();
        // Whole pages only.
        let skipped = begin.addr().wrapping_neg() % page;
        let len = (size_of_val(memory) - skipped) / page * page;
        // SAFETY: the range lies inside `memory`, and the advice changes nothing that is in it.
        let advised = unsafe { madvise(begin.add(skipped).cast(), len, Advice::LinuxHugepage) };
        // Without them the memory is as good.
        let _ = advised;
    }
}
