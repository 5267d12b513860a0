//! Where masks are written to, and the memory that nesting needs.

/// An output that can be cut back, and a stack of bytes beside it.
///
/// Masking decides late: what stands between two brackets is dropped when the closing one comes. So a mode appends what
/// it would keep, and truncates when it learns better.
pub(crate) trait Target {
    /// Whether something had no room. From then on the contents mean nothing, and positions in them neither.
    fn is_full(&self) -> bool;
    /// Bytes appended so far.
    fn len(&self) -> usize;
    fn append(&mut self, bytes: &[u8]);
    /// Forgets everything from `len` on.
    fn truncate(&mut self, len: usize);
    fn push(&mut self, byte: u8);
    fn pop(&mut self) -> Option<u8>;
    fn clear_stack(&mut self);
}

/// A caller's buffer: the output grows from its beginning, the stack from its end.
///
/// When they meet, the target is [full](Target::is_full).
pub(crate) struct Buffer<'a> {
    bytes: &'a mut [u8],
    len: usize,
    /// Where the stack begins; it ends with the buffer.
    stack: usize,
    full: bool,
}

impl<'a> Buffer<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        let stack = bytes.len();
        Self { bytes, len: 0, stack, full: false }
    }
}

impl Target for Buffer<'_> {
    #[inline]
    fn is_full(&self) -> bool {
        self.full
    }

    #[inline]
    fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if end > self.stack {
            self.full = true;
            return;
        }
        copy(&mut self.bytes[self.len..end], bytes);
        self.len = end;
    }

    #[inline]
    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        if self.stack == self.len {
            self.full = true;
            return;
        }
        self.stack -= 1;
        self.bytes[self.stack] = byte;
    }

    #[inline]
    fn pop(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.stack)?;
        self.stack += 1;
        Some(byte)
    }

    #[inline]
    fn clear_stack(&mut self) {
        self.stack = self.bytes.len();
    }
}

/// Copies `from` to `to`, which are of one length. Most stretches are short, and a call of `memcpy` takes longer than two
/// copies of known length that may overlap.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    fn ends<const N: usize>(to: &mut [u8], from: &[u8]) {
        let (to_tail, from_tail) = (to.len() - N, from.len() - N);
        to[..N].copy_from_slice(&from[..N]);
        to[to_tail..].copy_from_slice(&from[from_tail..]);
    }
    match from.len() {
        33.. => to.copy_from_slice(from),
        16.. => ends::<16>(to, from),
        8.. => ends::<8>(to, from),
        4.. => ends::<4>(to, from),
        2.. => ends::<2>(to, from),
        1 => to[0] = from[0],
        0 => {}
    }
}
