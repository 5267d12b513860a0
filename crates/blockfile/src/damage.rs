use std::fmt;

use crate::dialect::Dialect;

/// Why bytes of a file were not, or not wholly, turned into records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// No block begins here, or its header was overwritten.
    Header,
    /// The file ends in the middle of a block: an append that was interrupted.
    Truncated,
    /// The checksum does not match: bytes were changed, or only part of the block was written.
    Checksum,
    /// The block has no trailer, although this log's blocks do.
    NoTrailer,
    /// The block is larger than the reader's limit.
    TooLarge,
    /// Zeros: space that was reserved, or extended by the file system, and never written.
    Zeros,
    /// The block is as it was written, but its record lengths make no sense from here on.
    Records,
    /// Padding that should be zero is not. No record is affected.
    Padding,
    /// Written by a later version: a format version or record kind that this one does not know.
    Unknown {
        /// The format version in the trailer.
        version: u8,
        /// The record kind in the trailer.
        kind: u8,
    },
    /// Blocks are missing in front of this offset, as their sequence numbers show.
    Missing {
        /// How many blocks.
        blocks: u64,
        /// How many records they held.
        records: u64,
    },
    /// The block was there before: it is not delivered twice.
    Repeated,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("no block begins here"),
            Self::Truncated => f.write_str("the file ends in the middle of a block"),
            Self::Checksum => f.write_str("the checksum does not match"),
            Self::NoTrailer => f.write_str("the block's trailer is missing"),
            Self::TooLarge => f.write_str("the block is larger than the reader's limit"),
            Self::Zeros => f.write_str("zeros: reserved and never written"),
            Self::Records => f.write_str("record lengths make no sense"),
            Self::Padding => f.write_str("padding is not zero (no record is affected)"),
            Self::Unknown { version, kind } => {
                write!(
                    f,
                    "format version {version}, record kind {kind}: written by a later version"
                )
            }
            Self::Missing { blocks, records } => {
                write!(f, "{blocks} blocks with {records} records are missing")
            }
            Self::Repeated => f.write_str("the block was there before"),
        }
    }
}

/// A range of a file that was skipped, or is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Where in the file it begins.
    pub offset: u64,
    /// How long it is; 0 when something is missing.
    pub len: u64,
    /// What is wrong.
    pub reason: Reason,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}, {} bytes: {}", self.offset, self.len, self.reason)
    }
}

/// What a reader has met so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadStats {
    /// Good blocks.
    pub blocks: u64,
    /// Records in them; markers are not counted.
    pub records: u64,
    /// Marker records: reports of the logger about dropped records.
    pub markers: u64,
    /// The sum of those reports.
    pub dropped: u64,
    /// Bytes of records, without framing and markers.
    pub payload_bytes: u64,
    /// Bytes of the file that were looked at.
    pub file_bytes: u64,
    /// Reports of damage.
    pub damages: u64,
    /// Bytes that were skipped.
    pub skipped_bytes: u64,
    /// Blocks that are missing, as sequence numbers show.
    pub missing_blocks: u64,
    /// Records that were in them.
    pub missing_records: u64,
    /// Blocks that were there before.
    pub repeated_blocks: u64,
    /// Earliest time in the good blocks, Unix nanoseconds; 0 = none has a time.
    pub first_ns: u64,
    /// Latest time in the good blocks, Unix nanoseconds; 0 = none has a time.
    pub last_ns: u64,
    /// What blocks without a trailer were taken for; [`Dialect::Auto`] until there is one.
    pub dialect: Dialect,
}

impl ReadStats {
    /// Adds what was met in another file. The dialect is that of the last file that has one.
    pub fn add(&mut self, other: &Self) {
        self.blocks += other.blocks;
        self.records += other.records;
        self.markers += other.markers;
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.payload_bytes += other.payload_bytes;
        self.file_bytes += other.file_bytes;
        self.damages += other.damages;
        self.skipped_bytes += other.skipped_bytes;
        self.missing_blocks = self.missing_blocks.saturating_add(other.missing_blocks);
        self.missing_records = self.missing_records.saturating_add(other.missing_records);
        self.repeated_blocks += other.repeated_blocks;
        self.count_times(other.first_ns, other.last_ns);
        if other.dialect != Dialect::Auto {
            self.dialect = other.dialect;
        }
    }

    /// Counts one report.
    pub(crate) fn count(&mut self, damage: &Damage) {
        self.damages += 1;
        match damage.reason {
            Reason::Missing { blocks, records } => {
                self.missing_blocks = self.missing_blocks.saturating_add(blocks);
                self.missing_records = self.missing_records.saturating_add(records);
            }
            Reason::Repeated => {
                self.repeated_blocks += 1;
                self.skipped_bytes += damage.len;
            }
            Reason::Padding => {}
            _ => self.skipped_bytes += damage.len,
        }
    }

    pub(crate) fn count_times(&mut self, first_ns: u64, last_ns: u64) {
        if first_ns != 0 && (self.first_ns == 0 || first_ns < self.first_ns) {
            self.first_ns = first_ns;
        }
        self.last_ns = self.last_ns.max(last_ns);
    }
}
