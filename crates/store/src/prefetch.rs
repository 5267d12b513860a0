//! Telling the processor what will be needed soon. Nothing but time depends on it.

#![allow(unsafe_code)] // the instructions take addresses

const LINE: usize = 64;

/// Has the cache lines of `items` fetched, which will be read soon.
#[inline(always)]
pub(crate) fn for_reading<T>(items: &[T]) {
    for item in items.iter().step_by((LINE / size_of::<T>().max(1)).max(1)) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: the instruction changes no register, no flag and no memory, and it does not fault, whatever the address.
        unsafe {
            std::arch::asm!("prefetcht0 [{}]", in(reg) item, options(nostack, preserves_flags, readonly));
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = item;
    }
}

/// Has the cache lines of `item` fetched, which will be written soon.
#[inline(always)]
pub(crate) fn for_writing<T>(item: &T) {
    for offset in (0..size_of::<T>()).step_by(LINE) {
        let line = std::ptr::from_ref(item).cast::<u8>().wrapping_add(offset);
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: the instruction changes no register, no flag and no memory, and it does not fault, whatever the address.
        // Processors that do not have it take it as one that does nothing.
        unsafe {
            std::arch::asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags, readonly));
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = line;
    }
}
