//! The bytes themselves, in memory that is read while it is being written.
//!
//! Both accesses must be atomic, or they are a data race. They need not be ordered, nor be one access: the protocol
//! in `buffer.rs` throws away what was overwritten meanwhile. So what is wanted is a `memcpy` made of relaxed atomic
//! accesses of single bytes, which the language does not have yet (C++ proposes `atomic_load_per_byte_memcpy`, P1478).
//!
//! * `portable` does it with 64-bit atomics, merging bytes into the first and last word. Only the writer stores, so a
//!   word is merged without a read-modify-write.
//! * `x86_64` does it in assembly, which the compiler cannot take apart, and where the hardware guarantees that no
//!   byte is torn: the speed of a real `memcpy`.

#[cfg(any(test, loom, miri, not(target_arch = "x86_64")))]
mod portable;
#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
mod x86_64;

#[cfg(any(loom, miri, not(target_arch = "x86_64")))]
use portable as arch;
#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
use x86_64 as arch;

use crate::sync::{AtomicPtr, AtomicU64, Memory, Ordering};

const WORD: usize = size_of::<u64>();

/// How many bytes of storage `capacity` bytes of history take: whole words. `None` if an allocation cannot be
/// that large.
pub(crate) fn size_for(capacity: usize) -> Option<usize> {
    capacity.checked_next_multiple_of(WORD).filter(|&size| isize::try_from(size).is_ok())
}

/// A fixed number of bytes that take memory only while there is something in them. Where they are never changes once they were
/// allocated, so whoever borrows the storage may read them at any time, and nothing has to wait until readers are done:
/// when they are [discarded](Self::discard), those who are reading see zeros.
pub(crate) struct Storage {
    /// Null before the first allocation.
    words: AtomicPtr<AtomicU64>,
    size: usize,
}

/// Storage that was allocated.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a> {
    words: &'a [AtomicU64],
}

impl Storage {
    /// Storage for `size` bytes, a multiple of [`WORD`]. Nothing is allocated.
    pub(crate) fn new(size: usize) -> Self {
        Self { words: AtomicPtr::new(std::ptr::null_mut()), size }
    }

    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<Bytes<'_>> {
        let words = self.words.load(Ordering::Acquire);
        if words.is_null() {
            return None;
        }
        // SAFETY: `allocate` put it there, with so many words, and only `drop` takes it away.
        Some(Bytes { words: unsafe { std::slice::from_raw_parts(words, self.size / WORD) } })
    }

    /// Makes the bytes, all zero; there must be none yet, and nobody else must be here. `None` if there is no memory.
    pub(crate) fn allocate(&self) -> Option<Bytes<'_>> {
        self.words.store(Memory::allocate(self.size / WORD)?, Ordering::Release);
        self.get()
    }

    /// Makes all bytes zero and gives the memory back; it is taken again as they are written. Nobody may be writing.
    pub(crate) fn discard(&self) {
        if let Some(bytes) = self.get() {
            Memory::discard(bytes.words);
        }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        let words = self.words.load(Ordering::Relaxed);
        if !words.is_null() {
            // SAFETY: from `allocate` with the same number, and nobody borrows the storage any more.
            unsafe { Memory::free(words, self.size / WORD) };
        }
    }
}

impl Bytes<'_> {
    /// Stores `data` from position `at` on; the end of the storage continues at its beginning.
    ///
    /// There must be one writer at a time, each ordered after the one before.
    #[inline]
    pub(crate) fn write(self, at: usize, data: &[u8]) {
        let room = self.size() - at;
        if data.len() <= room {
            arch::store(self.words, at, data);
        } else {
            self.write_around(at, data.split_at(room));
        }
    }

    #[cold]
    fn write_around(self, at: usize, (first, second): (&[u8], &[u8])) {
        arch::store(self.words, at, first);
        arch::store(self.words, 0, second);
    }

    /// Loads into `dst` from position `at` on; the end of the storage continues at its beginning.
    #[inline]
    pub(crate) fn read(self, at: usize, dst: &mut [u8]) {
        let (first, second) = dst.split_at_mut(dst.len().min(self.size() - at));
        arch::load(self.words, at, first);
        if !second.is_empty() {
            arch::load(self.words, 0, second);
        }
    }

    fn size(self) -> usize {
        self.words.len() * WORD
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The fast copy and the portable one, in each direction, against plain slices.
        #[test]
        fn copies_agree(
            at in 0_usize..600,
            len in prop_oneof![0_usize..3000, 15_000_usize..20_000],
            seed in any::<u64>(),
        ) {
            let size = 32 * 1024;
            // Each byte depends on its place, so that none can be mistaken for another nearby.
            let byte = |i: usize| ((i as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
            let data: Vec<u8> = (0..len).map(byte).collect();
            let (fast, slow) = (Storage::new(size), Storage::new(size));
            let (fast, slow) = (fast.allocate().unwrap(), slow.allocate().unwrap());
            arch::store(fast.words, at, &data);
            portable::store(slow.words, at, &data);
            let mut expected = vec![0; size];
            expected[at..at + data.len()].copy_from_slice(&data);
            for storage in [fast, slow] {
                let mut whole = vec![1; size];
                portable::load(storage.words, 0, &mut whole);
                prop_assert_eq!(&whole, &expected);
                let mut part = vec![1; data.len()];
                arch::load(storage.words, at, &mut part);
                prop_assert_eq!(&part, &data);
                part.fill(1);
                portable::load(storage.words, at, &mut part);
                prop_assert_eq!(&part, &data);
            }
        }
    }

    #[test]
    fn what_was_discarded_is_zero_and_can_be_written_again() {
        let storage = Storage::new(10_000);
        storage.discard();
        assert!(storage.get().is_none());
        let bytes = storage.allocate().unwrap();
        let mut read = vec![1; 10_000];
        for _ in 0..2 {
            bytes.read(0, &mut read);
            assert!(read.iter().all(|&byte| byte == 0));
            bytes.write(9_000, &[7; 5_000]);
            bytes.read(9_000, &mut read);
            assert!(read[..5_000].iter().all(|&byte| byte == 7));
            storage.discard();
        }
    }
}
