//! Writing a message from its end to its begin: the length of what a field holds is known by the time it has to be written,
//! so nothing is measured beforehand and nothing is moved afterwards. (upb, the C core of Google's Protocol Buffers, does the
//! same.)

const PAGE: usize = 4096;

/// Memory that messages are written in, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    bytes: Vec<u8>,
    /// Where a message ends: where a page does. A store that crosses from one page to the next takes longer than all others of
    /// a message together, and every message is written to the same place.
    end: usize,
}

/// What is left of the memory: the part before what is written already.
pub(crate) struct Reverse<'a> {
    rest: &'a mut [u8],
    /// Something had no room; all that is written is void.
    short: bool,
}

impl Scratch {
    /// The message that `write` writes. It is called again, with more memory, if there was too little.
    #[inline(always)]
    pub(crate) fn message(&mut self, write: impl Fn(&mut Reverse<'_>)) -> &[u8] {
        loop {
            let mut out = Reverse { rest: &mut self.bytes[..self.end], short: false };
            write(&mut out);
            let Reverse { rest, short } = out;
            let begin = rest.len();
            if !short {
                return &self.bytes[begin..self.end];
            }
            self.grow();
        }
    }

    #[cold]
    fn grow(&mut self) {
        self.bytes = vec![0; (2 * self.bytes.len()).max(2 * PAGE)];
        let end = self.bytes.as_ptr().addr() + self.bytes.len();
        self.end = self.bytes.len() - end % PAGE;
    }

    pub(crate) fn heap_bytes(&self) -> u64 {
        self.bytes.capacity() as u64
    }
}

impl Reverse<'_> {
    /// The `len` bytes before what is written, to be written.
    #[inline(always)]
    fn take(&mut self, len: usize) -> Option<&mut [u8]> {
        let Some(left) = self.rest.len().checked_sub(len) else {
            self.rest = &mut [];
            self.short = true;
            return None;
        };
        let (rest, taken) = std::mem::take(&mut self.rest).split_at_mut(left);
        self.rest = rest;
        Some(taken)
    }

    #[inline(always)]
    pub(crate) fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(place) = self.take(N) {
            place.copy_from_slice(&bytes);
        }
    }

    #[inline(always)]
    pub(crate) fn put_slice(&mut self, bytes: &[u8]) {
        let Some(place) = self.take(bytes.len()) else { return };
        // For short ones a call would take longer than two words.
        match bytes.len() {
            8..=16 => {
                let behind = bytes.len() - 8;
                place[behind..].copy_from_slice(&bytes[behind..]);
                place[..8].copy_from_slice(&bytes[..8]);
            }
            4..=7 => {
                let behind = bytes.len() - 4;
                place[behind..].copy_from_slice(&bytes[behind..]);
                place[..4].copy_from_slice(&bytes[..4]);
            }
            _ => place.copy_from_slice(bytes),
        }
    }

    #[inline(always)]
    pub(crate) fn put_varint(&mut self, value: u64) {
        match value {
            0..0x80 => self.put([value as u8]),
            0x80..0x4000 => self.put([value as u8 | 0x80, (value >> 7) as u8]),
            _ => self.put_long_varint(value),
        }
    }

    #[cold]
    #[inline(never)]
    fn put_long_varint(&mut self, value: u64) {
        let last = value.checked_ilog2().unwrap_or(0) / 7;
        for i in (0..=last).rev() {
            self.put([(value >> (7 * i)) as u8 | if i == last { 0 } else { 0x80 }]);
        }
    }

    /// A varint field, also when it is 0. This and all other fields have numbers below 16.
    #[inline(always)]
    pub(crate) fn put_uint(&mut self, number: u8, value: u64) {
        self.put_varint(value);
        self.put([number << 3]);
    }

    #[inline(always)]
    pub(crate) fn put_fixed64(&mut self, number: u8, value: u64) {
        self.put(value.to_le_bytes());
        self.put([number << 3 | 1]);
    }

    #[inline(always)]
    pub(crate) fn put_bytes(&mut self, number: u8, bytes: &[u8]) {
        self.put_slice(bytes);
        self.put_head(number, bytes.len());
    }

    /// A field whose contents `f` writes.
    #[inline(always)]
    pub(crate) fn put_message(&mut self, number: u8, f: impl FnOnce(&mut Self)) {
        let end = self.rest.len();
        f(self);
        self.put_head(number, end - self.rest.len());
    }

    /// The tag and length of a field whose `len` bytes are written.
    #[inline(always)]
    fn put_head(&mut self, number: u8, len: usize) {
        let tag = number << 3 | 2;
        match len {
            0..0x80 => self.put([tag, len as u8]),
            0x80..0x4000 => self.put([tag, len as u8 | 0x80, (len >> 7) as u8]),
            _ => {
                self.put_long_varint(len as u64);
                self.put([tag]);
            }
        }
    }
}
