//! The number of a pattern.

use std::fmt;

/// A 64-bit number that stands for a pattern: XXH3-64 with seed 0 of the pattern's bytes, without a line end.
///
/// The same pattern has the same number in every process, on every machine and in every version. XXH3 is specified at
/// <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>, so other programs can compute it too. Two
/// different patterns can share a number, by accident with a chance of 1 in 2^64 for each pair, and on purpose; where that
/// matters compare the patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatternId(pub u64);

impl PatternId {
    /// The number of `pattern`.
    #[must_use]
    pub fn of(pattern: &[u8]) -> Self {
        Self(twox_hash::XxHash3_64::oneshot(pattern))
    }
}

impl fmt::Display for PatternId {
    /// 16 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
