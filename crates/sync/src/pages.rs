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

#[cfg(all(test, target_os = "linux", not(loom)))]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{MANY, prefer_large_pages};

    /// Whether the kernel was told of the mapping that has this address.
    fn is_advised(address: usize) -> bool {
        let maps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let number = |hex| usize::from_str_radix(hex, 16);
            if let Some((Ok(begin), Ok(end))) = range.map(|(a, b)| (number(a), number(b))) {
                inside = (begin..end).contains(&address);
            }
            if inside && let Some(flags) = line.strip_prefix("VmFlags:") {
                return flags.split(' ').any(|flag| flag == "hg");
            }
        }
        false
    }

    #[test]
    fn only_much_memory_is_advised() {
        if !Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            return;
        }
        for (bytes, expected) in [(MANY - 1, false), (MANY, true), (MANY + 12_345, true)] {
            let mut memory = Vec::<u8>::with_capacity(bytes);
            prefer_large_pages(&mut memory.spare_capacity_mut()[..bytes]);
            assert_eq!(is_advised(memory.as_ptr().addr() + bytes / 2), expected, "{bytes}");
            memory.resize(bytes, 7);
            assert!(memory.iter().all(|&byte| byte == 7));
        }
    }
}
