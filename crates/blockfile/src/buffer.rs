use std::fmt;
use std::ops::{Deref, DerefMut};

/// The allocator had no memory for a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory {
    /// The bytes that were asked for.
    pub bytes: usize,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no memory for a buffer of {} bytes; ask for a smaller one", self.bytes)
    }
}

impl std::error::Error for OutOfMemory {}

/// Zeroed memory whose address and length are multiples of an alignment, as direct I/O wants it.
///
/// It derefs to `[u8]`. Its pages are touched when it is made, so that filling it later faults on none.
pub struct AlignedBuf {
    // Over-allocated by one alignment; the aligned part begins at `start`. The heap block of a vector that is
    // never resized does not move, so `start` stays right when the buffer itself is moved.
    storage: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBuf {
    /// At least `bytes` (and at least one `align`) of zeroed memory, rounded up to a multiple of `align`.
    ///
    /// `align` is rounded up to a power of two and is at least 1.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] when the allocator refuses, also for sizes beyond the address space.
    pub fn new(bytes: usize, align: usize) -> Result<Self, OutOfMemory> {
        let refused = OutOfMemory { bytes };
        let align = align.max(1).checked_next_power_of_two().ok_or(refused)?;
        let len = bytes.max(1).checked_next_multiple_of(align).ok_or(refused)?;
        let whole = len.checked_add(align - 1).ok_or(refused)?;
        let mut storage = Vec::new();
        storage.try_reserve_exact(whole).map_err(|_| refused)?;
        storage.resize(whole, 0);
        let start = storage.as_ptr().align_offset(align);
        if start > whole - len {
            // `align_offset` may decline to answer (it does so only in constant evaluation).
            return Err(refused);
        }
        Ok(Self { storage, start, len })
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.len]
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.len]
    }
}

impl fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBuf").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_and_length_are_multiples_of_the_alignment() {
        for (bytes, align) in [(0, 512), (1, 1), (513, 512), (4096, 4096), (5000, 4096), (7, 3)] {
            let mut buf = AlignedBuf::new(bytes, align).unwrap();
            let step = align.next_power_of_two();
            assert_eq!(buf.as_ptr().align_offset(step), 0);
            assert_eq!(buf.len() % step, 0);
            assert!(buf.len() >= bytes.max(1));
            assert!(buf.iter().all(|&b| b == 0));
            buf.fill(1);
            let moved = buf;
            assert!(moved.iter().all(|&b| b == 1));
        }
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert!(AlignedBuf::new(usize::MAX, 4096).is_err());
        assert!(AlignedBuf::new(usize::MAX / 2, 1).is_err());
        assert!(AlignedBuf::new(1, usize::MAX).is_err());
    }
}
