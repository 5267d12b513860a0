//! The formats in the field before this one: blocks without a trailer.
//!
//! They have no magic number, so which of them a file is in shows only in whether its blocks can be walked.

use crate::format::{HEADER_LEN, Kind, MIN_ALIGN, u32_at, u64_at};

/// What a reader takes trailer-less blocks for. Blocks with a trailer are read in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// Find out.
    #[default]
    Auto,
    /// There are none: a block without a trailer is damage.
    Current,
    /// `valid` counts record bytes; `u32 n, n bytes`; blocks of 512 or 4096 bytes, or a multiple.
    V1,
    /// Like [`Dialect::V1`], but `valid` counts the 8 header bytes too.
    V2,
    /// Like [`Dialect::V1`], with a time in front of each record: `u32 n+8, u64 Unix nanoseconds, n bytes`.
    Timed,
    /// Like [`Dialect::V1`], but the next block follows at `8 + valid` rounded up to 512, whatever `capacity` says.
    Packed,
}

impl Dialect {
    /// The dialect's name in lower case, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Current => "current",
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::Timed => "timed",
            Self::Packed => "packed",
        }
    }

    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::Timed => Kind::Timed,
            _ => Kind::Raw,
        }
    }

    /// The length of the records of a block with this header, if it can be one.
    pub(crate) fn records_len(self, capacity: u32, valid: u32) -> Option<usize> {
        let (capacity, valid) = (capacity as usize, valid as usize);
        if capacity == 0 || !capacity.is_multiple_of(MIN_ALIGN) {
            return None;
        }
        match self {
            Self::V2 => (valid <= capacity).then(|| valid.checked_sub(HEADER_LEN)).flatten(),
            _ => (valid <= capacity - HEADER_LEN).then_some(valid),
        }
    }

    /// From the beginning of such a block to that of the next.
    pub(crate) fn step(self, capacity: u32, valid: u32) -> usize {
        match self {
            Self::Packed => (HEADER_LEN + valid as usize).next_multiple_of(MIN_ALIGN),
            _ => capacity as usize,
        }
    }
}

/// What walking over a run of records showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Framing {
    /// Whole records.
    pub(crate) records: u32,
    /// Their length, framing included; equal to the run's length if all of it could be walked.
    pub(crate) len: usize,
    /// The sum of their data, without framing.
    pub(crate) payload: u64,
}

/// Steps from record to record as far as their lengths make sense.
pub(crate) fn walk_records(run: &[u8], kind: Kind) -> Framing {
    let header = kind.record_header();
    let mut framing = Framing { records: 0, len: 0, payload: 0 };
    while let Some(n) = record_at(run, framing.len, header) {
        framing.records += 1;
        framing.len += 4 + n;
        framing.payload += (n - header) as u64;
    }
    framing
}

/// The length field of the record at `at`, if the whole record lies in the run.
pub(crate) fn record_at(run: &[u8], at: usize, header: usize) -> Option<usize> {
    let left = run.len().checked_sub(at)?;
    if left < 4 {
        return None;
    }
    let n = u32_at(run, at) as usize;
    (n >= header && n <= left - 4).then_some(n)
}

/// How far a dialect explains the bytes at hand.
#[derive(Debug, Clone, Copy, Default)]
struct Walk {
    blocks: usize,
    /// Nothing contradicts the dialect.
    clean: bool,
    records: usize,
    /// Every record begins with a believable time.
    all_timed: bool,
    /// Blocks with records of which the last two are empty: eight zero bytes.
    zero_ends: usize,
    filled_blocks: usize,
}

/// Times before 2000 or after 2043 are not believed. Above 2043 lie the numbers that text would make.
const BELIEVABLE: std::ops::Range<u64> = 946_684_800_000_000_000..0x2000_0000_0000_0000;

/// Guesses the dialect of the blocks at the beginning of `bytes`; `whole` = nothing follows them.
///
/// `None`: no dialect explains even the first block.
pub(crate) fn detect(bytes: &[u8], whole: bool) -> Option<Dialect> {
    let v1 = walk(bytes, whole, Dialect::V1);
    let v2 = walk(bytes, whole, Dialect::V2);
    let packed = walk(bytes, whole, Dialect::Packed);
    let best = [v1.blocks, v2.blocks, packed.blocks].into_iter().max()?;
    if best == 0 {
        return None;
    }
    // Zero padding after a v2 block reads as two empty records in v1: a file full of such ends is v2.
    let rather_v2 = v2.clean && (!v1.clean || v1.zero_ends == v1.filled_blocks);
    let (dialect, walk) = if rather_v2 && v1.filled_blocks + v2.filled_blocks > 0 {
        (Dialect::V2, v2)
    } else if v1.clean || (!packed.clean && v1.blocks == best) {
        (Dialect::V1, v1)
    } else if packed.clean || packed.blocks == best {
        (Dialect::Packed, packed)
    } else {
        (Dialect::V2, v2)
    };
    let timed = dialect == Dialect::V1 && walk.records > 0 && walk.all_timed;
    Some(if timed { Dialect::Timed } else { dialect })
}

fn walk(bytes: &[u8], whole: bool, dialect: Dialect) -> Walk {
    let mut walk = Walk { clean: true, all_timed: true, ..Walk::default() };
    let mut at = 0;
    while bytes.len() - at >= HEADER_LEN {
        let (capacity, valid) = (u32_at(bytes, at), u32_at(bytes, at + 4));
        let Some(len) = dialect.records_len(capacity, valid) else {
            walk.clean = false;
            break;
        };
        let step = dialect.step(capacity, valid);
        let begin = at + HEADER_LEN;
        let here = &bytes[begin..bytes.len().min(begin + len)];
        let cut = here.len() < len || bytes.len() - at < step;
        if !walk_block(&mut walk, here, len) || (cut && whole) {
            walk.clean = false;
            break;
        }
        walk.blocks += 1;
        if cut {
            break;
        }
        at += step;
    }
    walk
}

/// Adds one block's records; `false` if their lengths make no sense. `here` may be only their beginning.
fn walk_block(walk: &mut Walk, here: &[u8], len: usize) -> bool {
    let mut at = 0;
    while let Some(n) = record_at(here, at, 0) {
        walk.records += 1;
        walk.all_timed &= n >= 8 && BELIEVABLE.contains(&u64_at(here, at + 4));
        at += 4 + n;
    }
    if here.len() == len {
        walk.filled_blocks += usize::from(len > 0);
        walk.zero_ends += usize::from(here.ends_with(&[0; 8]));
        return at == len;
    }
    // The rest of the block is not at hand; the record that leaves it must at least end within the block.
    here.len() - at < 4 || u32_at(here, at) as usize <= len - at - 4
}
