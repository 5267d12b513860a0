//! Writing a message's fields to memory that was reserved for all of them: nothing that is written has to look whether a vector
//! must grow, nor to note its length.

#![allow(unsafe_code)] // the vector is told how much was written

use std::mem::{self, MaybeUninit};

use crate::wire::varint_len;

/// The most bytes of a tag below 16 and a varint.
pub(crate) const HEAD: usize = 11;

/// What is left of the memory.
pub(crate) struct Room<'a> {
    rest: &'a mut [MaybeUninit<u8>],
}

/// Appends what `write` puts into the room: at most `bound` bytes.
#[inline(always)]
pub(crate) fn append(out: &mut Vec<u8>, bound: usize, write: impl FnOnce(Room<'_>) -> Room<'_>) {
    out.reserve(bound);
    let len = out.len();
    let spare = out.spare_capacity_mut();
    let before = spare.len();
    let written = before - write(Room { rest: spare }).rest.len();
    // SAFETY: `rest` begins as the spare capacity and only moves up behind bytes that were just written. What comes back is
    // that room, because its lifetime is that of no other. So so many bytes behind the first `len` are initialised.
    unsafe { out.set_len(len + written) }
}

impl Room<'_> {
    /// The next `len` bytes, to be written.
    #[inline(always)]
    fn take(&mut self, len: usize) -> &mut [MaybeUninit<u8>] {
        let (now, later) = mem::take(&mut self.rest).split_at_mut(len);
        self.rest = later;
        now
    }

    /// The bytes as they are.
    #[inline(always)]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.take(bytes.len()).write_copy_of_slice(bytes);
    }

    /// A few bytes, and then others that are likely to be few too.
    #[inline(always)]
    fn put_both<const N: usize>(&mut self, head: [u8; N], bytes: &[u8]) {
        let (now, behind) = self.take(N + bytes.len()).split_at_mut(N);
        now.write_copy_of_slice(&head);
        // A call would take longer than two words.
        match bytes.len() {
            8..=16 => {
                behind[..8].write_copy_of_slice(&bytes[..8]);
                behind[bytes.len() - 8..].write_copy_of_slice(&bytes[bytes.len() - 8..]);
            }
            4..=7 => {
                behind[..4].write_copy_of_slice(&bytes[..4]);
                behind[bytes.len() - 4..].write_copy_of_slice(&bytes[bytes.len() - 4..]);
            }
            _ => {
                behind.write_copy_of_slice(bytes);
            }
        }
    }

    /// A varint field, also when it is 0. This and all other fields have numbers below 16.
    #[inline(always)]
    pub(crate) fn put_uint(&mut self, number: u8, value: u64) {
        if value < 0x80 {
            return self.put(&[number << 3, value as u8]);
        }
        self.put(&[number << 3]);
        let bytes = long_varint(value);
        self.put(&bytes[..varint_len(value)]);
    }

    #[inline(always)]
    pub(crate) fn put_fixed64(&mut self, number: u8, value: u64) {
        self.put_both([number << 3 | 1], &value.to_le_bytes());
    }

    /// An id of at most 127 bytes.
    #[inline(always)]
    pub(crate) fn put_id<const N: usize>(&mut self, number: u8, id: [u8; N]) {
        self.put_both([number << 3 | 2, N as u8], &id);
    }

    /// The tag and length of a field whose `len` bytes follow.
    #[inline(always)]
    pub(crate) fn put_len(&mut self, number: u8, len: usize) {
        self.put_bytes_of(number, len, &[]);
    }

    #[inline(always)]
    pub(crate) fn put_bytes(&mut self, number: u8, bytes: &[u8]) {
        self.put_bytes_of(number, bytes.len(), bytes);
    }

    /// A field of `len` bytes, which begin with these.
    #[inline(always)]
    fn put_bytes_of(&mut self, number: u8, len: usize, bytes: &[u8]) {
        let tag = number << 3 | 2;
        match len {
            0..0x80 => self.put_both([tag, len as u8], bytes),
            0x80..0x4000 => self.put_both([tag, len as u8 | 0x80, (len >> 7) as u8], bytes),
            _ => {
                self.put(&[tag]);
                self.put(&long_varint(len as u64)[..varint_len(len as u64)]);
                self.put(bytes);
            }
        }
    }
}

/// A varint, and what it could have behind it.
#[cold]
#[inline(never)]
fn long_varint(value: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = (value >> (7 * i)) as u8 | 0x80;
    }
    bytes[varint_len(value) - 1] &= 0x7f;
    bytes
}
