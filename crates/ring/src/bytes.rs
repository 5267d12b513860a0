use crate::CreateError;
use crate::error::reserve;

/// The last `capacity` bytes of everything that was written.
///
/// Bytes have no boundaries here: history may begin in the middle of a line or of a UTF-8 sequence.
///
/// ```
/// # fn main() -> Result<(), flightring_ring::CreateError> {
/// let mut ring = flightring_ring::ByteRing::new(4)?;
/// ring.write(b"abc");
/// ring.write(b"def");
/// assert_eq!(ring.to_vec(), b"cdef");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct ByteRing {
    storage: Box<[u8]>,
    /// Where the next byte goes; always less than the capacity.
    head: usize,
    len: usize,
}

impl ByteRing {
    /// Creates an empty ring that holds at most `capacity` bytes. The memory is reserved here, and zeroed pages
    /// are touched only when data reaches them.
    pub fn new(capacity: usize) -> Result<Self, CreateError> {
        // The check and its message come from the fallible reservation; the
        // zeroed allocation that follows is the one that stays lazy.
        drop(reserve::<u8>(capacity)?);
        Ok(Self { storage: vec![0; capacity].into_boxed_slice(), head: 0, len: 0 })
    }

    /// Appends `data`, evicting the oldest bytes to make room. Of data that is longer than the capacity the
    /// last `capacity` bytes are kept. Writing nothing does nothing.
    #[inline]
    pub fn write(&mut self, data: &[u8]) {
        let capacity = self.storage.len();
        if data.len() >= capacity {
            self.storage.copy_from_slice(&data[data.len() - capacity..]);
            self.head = 0;
            self.len = capacity;
            return;
        }
        let room = capacity - self.head;
        if data.len() < room {
            self.storage[self.head..self.head + data.len()].copy_from_slice(data);
            self.head += data.len();
        } else {
            let (first, second) = data.split_at(room);
            self.storage[self.head..].copy_from_slice(first);
            self.storage[..second.len()].copy_from_slice(second);
            self.head = second.len();
        }
        self.len = (self.len + data.len()).min(capacity);
    }

    /// What is held, oldest first, as two runs of the ring's own memory. The second is empty unless the held
    /// bytes wrap around the end of the storage.
    #[inline]
    #[must_use]
    pub fn as_slices(&self) -> (&[u8], &[u8]) {
        if self.len <= self.head {
            (&self.storage[self.head - self.len..self.head], &[])
        } else {
            let start = self.storage.len() - (self.len - self.head);
            (&self.storage[start..], &self.storage[..self.head])
        }
    }

    /// Copies the oldest bytes held into `dst`, as many as fit, and returns how many that were.
    #[inline]
    pub fn copy_to(&self, dst: &mut [u8]) -> usize {
        let (first, second) = self.as_slices();
        let from_first = first.len().min(dst.len());
        dst[..from_first].copy_from_slice(&first[..from_first]);
        let from_second = second.len().min(dst.len() - from_first);
        dst[from_first..from_first + from_second].copy_from_slice(&second[..from_second]);
        from_first + from_second
    }

    /// An independent copy of what is held, oldest first.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let (first, second) = self.as_slices();
        let mut copy = Vec::with_capacity(self.len);
        copy.extend_from_slice(first);
        copy.extend_from_slice(second);
        copy
    }

    /// Forgets everything that was written. The memory stays reserved.
    pub fn clear(&mut self) {
        self.head = 0;
        self.len = 0;
    }

    /// How many bytes are held: 0 to the capacity.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is held.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The most bytes that can be held.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.storage.len()
    }
}
