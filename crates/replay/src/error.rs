use std::fmt;

/// Why nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// The buffer was closed before.
    Closed,
    /// The storage is allocated by the first write, and the allocator had no memory for it.
    OutOfMemory {
        /// The bytes that were asked for.
        bytes: usize,
    },
    /// The data would carry the offsets past `u64::MAX`.
    OffsetsExhausted,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the buffer is closed; nothing can be written any more"),
            Self::OutOfMemory { bytes } => {
                write!(f, "no memory for {bytes} bytes of history; ask for a smaller capacity")
            }
            Self::OffsetsExhausted => {
                f.write_str("the write would pass the last 64-bit offset; start the buffer lower")
            }
        }
    }
}

impl std::error::Error for WriteError {}

/// The offset was never given out by this buffer: it is larger than everything written so far. It comes from
/// another buffer, or from the time before a restart; read again from an offset of this buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FutureOffset {
    /// What was asked for.
    pub offset: u64,
    /// The offset of the next byte that will be written; the largest that can be asked for.
    pub total: u64,
}

impl fmt::Display for FutureOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "offset {} is beyond the {} written so far; it belongs to another buffer or an earlier run",
            self.offset, self.total
        )
    }
}

impl std::error::Error for FutureOffset {}
