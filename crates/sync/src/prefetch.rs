//! Telling the processor which memory will be needed soon. Nothing but time depends on it.

#![allow(unsafe_code)] // the instructions take addresses

/// Bytes of a cache line.
pub const LINE: usize = 64;

/// Has the lines of `items` fetched, which will be read soon.
#[inline(always)]
pub fn for_reading<T>(items: &[T]) {
    for offset in (0..size_of_val(items)).step_by(LINE) {
        let line = items.as_ptr().cast::<u8>().wrapping_add(offset);
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: the instruction changes no register, no flag and no memory, and it does not fault, whatever the address.
        unsafe {
            std::arch::asm!("prefetcht0 [{}]", in(reg) line, options(nostack, preserves_flags, readonly));
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = line;
    }
}

/// Has the lines of `item` fetched, which will be written soon.
#[inline(always)]
pub fn for_writing<T>(item: &T) {
    for_writing_at(std::ptr::from_ref(item).cast(), size_of::<T>());
}

/// Has `bytes` from `first` on fetched, which will be written soon. There may be anything, or nothing.
#[inline(always)]
pub fn for_writing_at(first: *const u8, bytes: usize) {
    for offset in (0..bytes).step_by(LINE) {
        let line = first.wrapping_add(offset);
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: as above. Processors that do not have the instruction take it as one that does nothing.
        unsafe {
            std::arch::asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags, readonly));
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = line;
    }
}
