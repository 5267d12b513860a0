//! Writing a message from its end to its begin: the length of what a field holds is known by the time it has to be written,
//! so nothing is measured beforehand and nothing is moved afterwards. (upb, the C core of Google's Protocol Buffers, does the
//! same.)

const PAGE: usize = 4096;

/// So much memory is always kept.
const KEPT: usize = 1 << 20;

/// Memory that messages are written in, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    bytes: Vec<u8>,
    /// Where a message ends: where a page does. A store that crosses from one page to the next takes longer than all others of
    /// a message together, and every message is written to the same place.
    end: usize,
}

/// What is left of the memory: the part before what is written already. Handed from function to function, because what a
/// pointer leads to has to be in memory, and this is best in registers.
pub(crate) struct Reverse<'a> {
    /// Empty: something had no room, and all that is written is void.
    rest: &'a mut [u8],
}

impl Scratch {
    /// The message that `write` writes. It is called again, with more memory, if there was too little.
    #[inline(always)]
    pub(crate) fn message(&mut self, write: impl for<'r> Fn(Reverse<'r>) -> Reverse<'r>) -> &[u8] {
        loop {
            let begin = written(&write, &mut self.bytes[..self.end]);
            if begin > 0 {
                return &self.bytes[begin..self.end];
            }
            self.grow();
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let len = (2 * self.bytes.len()).max(2 * PAGE);
        // Before there is more: what was written is void.
        *self = Self::default();
        self.bytes = vec![0; len];
        let end = self.bytes.as_ptr().addr() + self.bytes.len();
        self.end = self.bytes.len() - end % PAGE;
    }

    /// Gives the memory back if it is so much that only a message longer than `longest` can have needed it.
    pub(crate) fn give_back_beyond(&mut self, longest: usize) {
        let needed = longest.saturating_add(PAGE).saturating_mul(2);
        if self.bytes.len() > needed.max(KEPT) {
            *self = Self::default();
        }
    }

    #[inline]
    pub(crate) fn heap_bytes(&self) -> u64 {
        self.bytes.capacity() as u64
    }
}

/// Where what is written begins; 0 if there was no room. Not inlined: what is around it would take the registers.
#[inline(never)]
fn written(write: &impl for<'r> Fn(Reverse<'r>) -> Reverse<'r>, memory: &mut [u8]) -> usize {
    write(Reverse { rest: memory }).rest.len()
}

impl Reverse<'_> {
    /// The `len` bytes before what is written, to be written.
    #[inline(always)]
    fn take(&mut self, len: usize) -> Option<&mut [u8]> {
        let Some(left) = self.rest.len().checked_sub(len) else {
            self.rest = &mut [];
            return None;
        };
        let (rest, taken) = std::mem::take(&mut self.rest).split_at_mut(left);
        self.rest = rest;
        Some(taken)
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(place) = self.take(N) {
            place.copy_from_slice(&bytes);
        }
    }

    /// What stands in front of some bytes, and these.
    #[inline(always)]
    fn put_both<const N: usize>(&mut self, head: [u8; N], bytes: &[u8]) {
        let len = bytes.len();
        let Some(place) = self.take(N + len) else { return };
        let (first, place) = place.split_at_mut(N);
        first.copy_from_slice(&head);
        // For short ones a call would take longer than two words.
        match len {
            8..=16 => {
                place[..8].copy_from_slice(&bytes[..8]);
                place[len - 8..].copy_from_slice(&bytes[len - 8..]);
            }
            4..=7 => {
                place[..4].copy_from_slice(&bytes[..4]);
                place[len - 4..].copy_from_slice(&bytes[len - 4..]);
            }
            _ => place.copy_from_slice(bytes),
        }
    }

    #[inline(always)]
    pub(crate) fn put_varint(&mut self, value: u64) {
        match value {
            0..0x80 => self.put([value as u8]),
            0x80..0x4000 => self.put([value as u8 | 0x80, (value >> 7) as u8]),
            _ => {
                let (bytes, len) = long_varint(value);
                self.put_both([], &bytes[..len]);
            }
        }
    }

    /// A varint field, also when it is 0. This and all other fields have numbers below 16.
    #[inline(always)]
    pub(crate) fn put_uint(&mut self, number: u8, value: u64) {
        self.put_varint(value);
        self.put([number << 3]);
    }

    #[inline(always)]
    pub(crate) fn put_u64(&mut self, value: u64) {
        self.put(value.to_le_bytes());
    }

    #[inline(always)]
    pub(crate) fn put_fixed64(&mut self, number: u8, value: u64) {
        self.put_both([number << 3 | 1], &value.to_le_bytes());
    }

    /// A field of bytes that are at most 127.
    #[inline(always)]
    pub(crate) fn put_array<const N: usize>(&mut self, number: u8, bytes: [u8; N]) {
        const { assert!(N < 0x80) }
        self.put_both([number << 3 | 2, N as u8], &bytes);
    }

    #[inline(always)]
    pub(crate) fn put_bytes(&mut self, number: u8, bytes: &[u8]) {
        self.put_delimited(number, bytes.len(), bytes);
    }

    /// Where a message ends that is to be written: for [`begin`](Self::begin).
    #[inline(always)]
    pub(crate) fn end(&self) -> usize {
        self.rest.len()
    }

    /// Begins the message that ends there: writes the tag and length of its field.
    #[inline(always)]
    pub(crate) fn begin(&mut self, number: u8, end: usize) {
        self.put_delimited(number, end - self.rest.len(), &[]);
    }

    /// A field of `len` bytes, which begin with these.
    #[inline(always)]
    fn put_delimited(&mut self, number: u8, len: usize, bytes: &[u8]) {
        let tag = number << 3 | 2;
        match len {
            0..0x80 => self.put_both([tag, len as u8], bytes),
            0x80..0x4000 => self.put_both([tag, len as u8 | 0x80, (len >> 7) as u8], bytes),
            _ => {
                self.put_both([], bytes);
                let (varint, varint_len) = long_varint(len as u64);
                self.put_both([], &varint[..varint_len]);
                self.put([tag]);
            }
        }
    }
}

/// A varint, and how long it is.
#[cold]
#[inline(never)]
fn long_varint(value: u64) -> ([u8; 10], usize) {
    let mut bytes = [0; 10];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = (value >> (7 * i)) as u8 | 0x80;
    }
    let last = value.checked_ilog2().unwrap_or(0) as usize / 7;
    bytes[last] &= 0x7f;
    (bytes, last + 1)
}
