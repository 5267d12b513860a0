use std::fmt;

/// Why a ring could not be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateError {
    /// The capacity was 0: such a ring could hold nothing.
    ZeroCapacity,
    /// The capacity, in bytes, is more than one allocation may have (`isize::MAX`).
    TooLarge,
    /// The allocator had no memory for it.
    OutOfMemory {
        /// The bytes that were asked for.
        bytes: usize,
    },
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroCapacity => f.write_str("capacity is 0; ask for at least 1"),
            Self::TooLarge => f.write_str("capacity is larger than the address space allows"),
            Self::OutOfMemory { bytes } => {
                write!(f, "no memory for {bytes} bytes; ask for a smaller capacity")
            }
        }
    }
}

impl std::error::Error for CreateError {}

/// Allocates room for exactly `capacity` values, or says why it cannot.
pub(crate) fn reserve<T>(capacity: usize) -> Result<Vec<T>, CreateError> {
    if capacity == 0 {
        return Err(CreateError::ZeroCapacity);
    }
    let bytes = capacity
        .checked_mul(size_of::<T>())
        .filter(|&bytes| isize::try_from(bytes).is_ok())
        .ok_or(CreateError::TooLarge)?;
    let mut storage = Vec::new();
    storage.try_reserve_exact(capacity).map_err(|_| CreateError::OutOfMemory { bytes })?;
    Ok(storage)
}
