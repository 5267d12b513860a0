use std::fmt;

use crate::combine::combine;

/// Bytes in front of a block's records: `capacity` and `valid`.
pub const HEADER_LEN: usize = 8;
/// Bytes at a block's end that state what the block is.
pub const TRAILER_LEN: usize = 64;
/// The smallest alignment of a block, whatever the file system would accept.
pub const MIN_ALIGN: usize = 512;
/// The largest block: its size must fit a `u32` and stay a multiple of any page size.
pub const MAX_BLOCK: usize = (u32::MAX as usize) & !0xf_ffff;
/// How a trailer begins.
pub const MAGIC: [u8; 4] = *b"FLRB";
/// The format version that this crate writes, and the newest that it reads.
pub const FORMAT_VERSION: u8 = 1;
/// Flag of a block that a recovery appended in the place of the process that had accepted its records.
pub const FLAG_RECOVERED: u16 = 1;

/// How the records of a block are laid out. The numbers are those on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Kind {
    /// The caller's bytes and nothing else.
    #[default]
    Raw = 1,
    /// A time in front of each record.
    Timed = 2,
    /// Time, sequence, thread, shard and level in front of each record.
    Event = 3,
    /// Reports of the logger itself about dropped records.
    Marker = 4,
}

impl Kind {
    /// The kind with this number on disk, if this version knows it.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Raw),
            2 => Some(Self::Timed),
            3 => Some(Self::Event),
            4 => Some(Self::Marker),
            _ => None,
        }
    }

    /// Bytes between a record's length field and its data; they are counted in that length.
    #[must_use]
    pub const fn record_header(self) -> usize {
        match self {
            Self::Raw => 0,
            Self::Timed => 8,
            Self::Event => crate::EVENT_HEADER,
            Self::Marker => crate::MARKER_HEADER,
        }
    }

    /// The kind's name in lower case, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Timed => "timed",
            Self::Event => "event",
            Self::Marker => "marker",
        }
    }
}

/// What a writer states about a block, apart from its sizes and checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlockMeta {
    /// The layout of all records in the block.
    pub kind: Kind,
    /// `FLAG_...` bits.
    pub flags: u16,
    /// Names the log; kept when a file is continued or rotated.
    pub writer_id: u64,
    /// 0 for the first block of a writer id, then one more for each block.
    pub block_seq: u64,
    /// How many records, markers not counted, this writer id wrote before the block.
    pub first_record: u64,
    /// Records in the block.
    pub record_count: u32,
    /// Earliest record time in Unix nanoseconds; 0 = not known.
    pub first_ns: u64,
    /// Latest record time in Unix nanoseconds; 0 = not known.
    pub last_ns: u64,
}

impl BlockMeta {
    /// What the block after this one starts from: the same writer, the next sequence, the next record number.
    ///
    /// Kind and flags are kept; count and times are 0.
    #[must_use]
    pub fn next(&self) -> Self {
        let records = if self.kind == Kind::Marker { 0 } else { u64::from(self.record_count) };
        Self {
            block_seq: self.block_seq.wrapping_add(1),
            first_record: self.first_record.wrapping_add(records),
            record_count: 0,
            first_ns: 0,
            last_ns: 0,
            ..*self
        }
    }
}

/// The last 64 bytes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// What the writer states about the block.
    pub meta: BlockMeta,
    /// Size of the whole block.
    pub capacity: u32,
    /// Bytes of records.
    pub valid: u32,
    /// CRC-32C of header, records and the trailer's first 60 bytes.
    pub crc: u32,
}

/// What 64 bytes at the end of a block turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrailerBytes {
    /// No magic: an older dialect, or not a block's end.
    Absent,
    /// A trailer of a version, or with a record kind, that this crate does not know.
    Unknown {
        /// As in the bytes.
        version: u8,
        /// As in the bytes.
        kind: u8,
    },
    /// A trailer; its checksum has not been looked at.
    Present(Trailer),
}

impl Trailer {
    /// The trailer's bytes, with the checksum as it stands in `self`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; TRAILER_LEN] {
        let meta = &self.meta;
        let mut out = [0; TRAILER_LEN];
        out[0..4].copy_from_slice(&MAGIC);
        out[4] = FORMAT_VERSION;
        out[5] = meta.kind as u8;
        out[6..8].copy_from_slice(&meta.flags.to_le_bytes());
        out[8..12].copy_from_slice(&self.capacity.to_le_bytes());
        out[12..16].copy_from_slice(&self.valid.to_le_bytes());
        out[16..24].copy_from_slice(&meta.writer_id.to_le_bytes());
        out[24..32].copy_from_slice(&meta.block_seq.to_le_bytes());
        out[32..40].copy_from_slice(&meta.first_record.to_le_bytes());
        out[40..48].copy_from_slice(&meta.first_ns.to_le_bytes());
        out[48..56].copy_from_slice(&meta.last_ns.to_le_bytes());
        out[56..60].copy_from_slice(&meta.record_count.to_le_bytes());
        out[60..64].copy_from_slice(&self.crc.to_le_bytes());
        out
    }

    /// Reads 64 bytes; `None` when they are no trailer, or one that this version does not know.
    ///
    /// The checksum is not verified: that takes the block (see [`Trailer::crc_of`]).
    #[must_use]
    pub fn from_bytes(bytes: &[u8; TRAILER_LEN]) -> Option<Self> {
        match Self::read(bytes) {
            TrailerBytes::Present(trailer) => Some(trailer),
            TrailerBytes::Absent | TrailerBytes::Unknown { .. } => None,
        }
    }

    pub(crate) fn read(bytes: &[u8; TRAILER_LEN]) -> TrailerBytes {
        if bytes[0..4] != MAGIC {
            return TrailerBytes::Absent;
        }
        let (version, kind_number) = (bytes[4], bytes[5]);
        let kind = match Kind::from_u8(kind_number) {
            Some(kind) if version == FORMAT_VERSION => kind,
            _ => return TrailerBytes::Unknown { version, kind: kind_number },
        };
        TrailerBytes::Present(Self {
            meta: BlockMeta {
                kind,
                flags: u16::from_le_bytes([bytes[6], bytes[7]]),
                writer_id: u64_at(bytes, 16),
                block_seq: u64_at(bytes, 24),
                first_record: u64_at(bytes, 32),
                first_ns: u64_at(bytes, 40),
                last_ns: u64_at(bytes, 48),
                record_count: u32_at(bytes, 56),
            },
            capacity: u32_at(bytes, 8),
            valid: u32_at(bytes, 12),
            crc: u32_at(bytes, 60),
        })
    }

    /// Whether the sizes fit each other: header, records and trailer lie within the block, at [`MIN_ALIGN`].
    #[must_use]
    pub fn sizes_fit(&self) -> bool {
        let (capacity, valid) = (self.capacity as usize, self.valid as usize);
        capacity.is_multiple_of(MIN_ALIGN)
            && capacity >= HEADER_LEN + TRAILER_LEN
            && valid <= capacity - HEADER_LEN - TRAILER_LEN
    }

    /// The checksum that a block with this trailer and these records must have.
    ///
    /// The header is taken from the trailer's copy of the sizes.
    #[must_use]
    pub fn crc_of(&self, records: &[u8]) -> u32 {
        self.crc_end(crc32c::crc32c_append(self.crc_begin(), records))
    }

    /// The checksum after the header; go on with the records, then [`Self::crc_end`].
    pub(crate) fn crc_begin(&self) -> u32 {
        crc32c::crc32c(&header_bytes(self.capacity, self.valid))
    }

    pub(crate) fn crc_end(&self, crc: u32) -> u32 {
        crc32c::crc32c_append(crc, &self.to_bytes()[..TRAILER_LEN - 4])
    }
}

/// `capacity` and `valid` as they stand in front of a block.
pub(crate) fn header_bytes(capacity: u32, valid: u32) -> [u8; HEADER_LEN] {
    let mut out = [0; HEADER_LEN];
    out[..4].copy_from_slice(&capacity.to_le_bytes());
    out[4..].copy_from_slice(&valid.to_le_bytes());
    out
}

/// Reads a little-endian `u32` of a slice that is known to be long enough.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut out = [0; 4];
    out.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(out)
}

/// Reads a little-endian `u64` of a slice that is known to be long enough.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut out = [0; 8];
    out.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(out)
}

/// Why a block could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// The buffer is shorter than the block would be.
    BufferTooSmall {
        /// Bytes of the block.
        needed: usize,
        /// Bytes of the buffer.
        available: usize,
    },
    /// The block would be larger than [`MAX_BLOCK`].
    TooLarge,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall { needed, available } => {
                write!(f, "a block of {needed} bytes does not fit its buffer of {available} bytes")
            }
            Self::TooLarge => write!(f, "a block may have at most {MAX_BLOCK} bytes"),
        }
    }
}

impl std::error::Error for SealError {}

/// The size on disk of a block with `valid` bytes of records, or `None` if it would exceed [`MAX_BLOCK`].
///
/// `align` below [`MIN_ALIGN`] counts as that.
#[must_use]
pub fn block_len(valid: usize, align: usize) -> Option<usize> {
    valid
        .checked_add(HEADER_LEN + TRAILER_LEN)?
        .checked_next_multiple_of(align.max(MIN_ALIGN))
        .filter(|&len| len <= MAX_BLOCK)
}

/// The CRC-32C of records for [`seal_summed`], part by part: begin with 0, and go on with what came out. For those who
/// have the records in a near cache before they put them into a block.
#[must_use]
#[inline]
pub fn sum_records(sum: u32, records: &[u8]) -> u32 {
    crc32c::crc32c_append(sum, records)
}

/// Makes a block in place: header, zeroed padding and trailer around the `valid` bytes of records that already
/// stand at `buf[HEADER_LEN..]`. Returns the block's length; `buf[..length]` is what goes to the file.
///
/// `align` is the appender's alignment. Sealing costs one pass of CRC-32C over the records.
///
/// # Errors
///
/// [`SealError`] when the block would not fit the buffer or the format; the buffer is then unchanged.
pub fn seal(
    buf: &mut [u8],
    valid: usize,
    meta: &BlockMeta,
    align: usize,
) -> Result<usize, SealError> {
    seal_by(buf, valid, meta, align, |trailer, records| trailer.crc_of(records))
}

/// [`seal`] for records whose [`sum_records`] is `sum`: they are not read again.
///
/// # Errors
///
/// As those of [`seal`].
pub fn seal_summed(
    buf: &mut [u8],
    valid: usize,
    sum: u32,
    meta: &BlockMeta,
    align: usize,
) -> Result<usize, SealError> {
    seal_by(buf, valid, meta, align, |trailer, _| {
        trailer.crc_end(combine(trailer.crc_begin(), sum, valid))
    })
}

fn seal_by(
    buf: &mut [u8],
    valid: usize,
    meta: &BlockMeta,
    align: usize,
    crc: impl FnOnce(&Trailer, &[u8]) -> u32,
) -> Result<usize, SealError> {
    let needed = block_len(valid, align).ok_or(SealError::TooLarge)?;
    let available = buf.len();
    let block = buf.get_mut(..needed).ok_or(SealError::BufferTooSmall { needed, available })?;
    let (Ok(capacity), Ok(valid32)) = (u32::try_from(needed), u32::try_from(valid)) else {
        return Err(SealError::TooLarge);
    };
    let mut trailer = Trailer { meta: *meta, capacity, valid: valid32, crc: 0 };
    trailer.crc = crc(&trailer, &block[HEADER_LEN..HEADER_LEN + valid]);
    block[..HEADER_LEN].copy_from_slice(&header_bytes(capacity, valid32));
    block[HEADER_LEN + valid..needed - TRAILER_LEN].fill(0);
    block[needed - TRAILER_LEN..].copy_from_slice(&trailer.to_bytes());
    Ok(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_record_costs_one_sector() {
        assert_eq!(block_len(4 + 100, 512), Some(512));
        assert_eq!(block_len(512 - 72, 512), Some(512));
        assert_eq!(block_len(512 - 71, 512), Some(1024));
        assert_eq!(block_len(0, 4096), Some(4096));
        assert_eq!(block_len(0, 1), Some(512));
        assert_eq!(block_len(MAX_BLOCK - 72, 4096), Some(MAX_BLOCK));
        assert_eq!(block_len(MAX_BLOCK - 71, 4096), None);
        assert_eq!(block_len(usize::MAX, 512), None);
    }

    #[test]
    fn a_sum_made_of_parts_is_the_sum_of_the_whole() {
        let meta = BlockMeta { record_count: 3, ..BlockMeta::default() };
        for valid in [0, 1, 7, 300, 440, 3000] {
            let mut whole: Vec<u8> = (0..4096).map(|n| (n % 251) as u8).collect();
            let mut parts = whole.clone();
            let len = seal(&mut whole, valid, &meta, 512).unwrap();
            let records = &parts[HEADER_LEN..HEADER_LEN + valid];
            let sum = records.chunks(100).fold(0, sum_records);
            assert_eq!(seal_summed(&mut parts, valid, sum, &meta, 512), Ok(len));
            assert!(whole == parts, "{valid} bytes");
        }
    }

    #[test]
    fn a_trailer_survives_its_bytes() {
        let meta = BlockMeta {
            kind: Kind::Event,
            flags: FLAG_RECOVERED,
            writer_id: 0x0102_0304_0506_0708,
            block_seq: 9,
            first_record: 10,
            record_count: 11,
            first_ns: 12,
            last_ns: 13,
        };
        let trailer = Trailer { meta, capacity: 1024, valid: 99, crc: 0xdead_beef };
        assert_eq!(Trailer::from_bytes(&trailer.to_bytes()), Some(trailer));
        assert!(trailer.sizes_fit());
        assert!(!Trailer { valid: 1024 - 71, ..trailer }.sizes_fit());
        assert!(!Trailer { capacity: 1000, ..trailer }.sizes_fit());
        assert!(!Trailer { capacity: 0, valid: 0, ..trailer }.sizes_fit());

        let mut bytes = trailer.to_bytes();
        bytes[4] = 2;
        assert_eq!(Trailer::read(&bytes), TrailerBytes::Unknown { version: 2, kind: 3 });
        bytes[0] = 0;
        assert_eq!(Trailer::read(&bytes), TrailerBytes::Absent);
    }

    #[test]
    fn the_next_block_goes_on_where_this_one_ends() {
        let meta =
            BlockMeta { block_seq: 4, first_record: 10, record_count: 3, ..BlockMeta::default() };
        assert_eq!((meta.next().block_seq, meta.next().first_record), (5, 13));
        let marker = BlockMeta { kind: Kind::Marker, ..meta };
        assert_eq!((marker.next().block_seq, marker.next().first_record), (5, 10));
    }

    #[test]
    fn seal_refuses_what_does_not_fit_and_changes_nothing() {
        let mut buf = vec![7; 512];
        let error = seal(&mut buf, 500, &BlockMeta::default(), 512).unwrap_err();
        assert_eq!(error, SealError::BufferTooSmall { needed: 1024, available: 512 });
        assert!(buf.iter().all(|&b| b == 7));
        assert_eq!(
            seal(&mut buf, usize::MAX, &BlockMeta::default(), 512),
            Err(SealError::TooLarge)
        );
    }
}
