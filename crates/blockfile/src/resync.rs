//! Finding the way back after damage.
//!
//! The search looks for trailers, because they say where their block began and whether it is whole. A checksum is no
//! signature, though: whoever can log bytes of his own choosing can log the bytes of a block, and when the block
//! around them is torn, they would be found. So within the extent that a damaged header claims, only blocks of the
//! writer that wrote the blocks before are believed: its id is a random number that nobody needs to know.

use std::io;
use std::ops::Range;

use crate::blocks::{BlockReader, PEEK};
use crate::damage::Reason;
use crate::dialect::{Dialect, detect, walk_records};
use crate::format::{HEADER_LEN, MIN_ALIGN, TRAILER_LEN, Trailer, header_bytes, u32_at};

/// In memory at least, while the end of damage is searched.
const RETAIN: usize = 16 << 20;

/// A search for the end of damage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Damaged {
    from: u64,
    /// The end of the block that the damaged header claims; `from` if it claims nothing believable.
    claimed_end: u64,
    reason: Reason,
    zeros: bool,
    /// Relative to the window: what was searched already.
    pub(crate) searched: usize,
    /// Bytes that may still be spent on candidates that turn out to be none: it grows with what is searched, so that
    /// a file full of forged trailers cannot make the reader quadratic.
    tokens: u64,
}

/// What a trailer that was met during a search for the end of damage ends.
enum Candidate {
    /// A good block.
    Block { start: usize, trailer: Trailer },
    /// A block that began too long ago to be verified; another may begin here.
    EndsAt(usize),
}

impl Candidate {
    fn resume_at(&self) -> usize {
        match self {
            Self::Block { start, .. } => *start,
            Self::EndsAt(end) => *end,
        }
    }
}

impl BlockReader {
    pub(crate) fn begin_damage(&mut self, reason: Reason) {
        let from = self.window.offset();
        let claimed = match self.window.bytes().get(..4) {
            Some(bytes) if u32_at(bytes, 0).is_multiple_of(MIN_ALIGN as u32) => u32_at(bytes, 0),
            _ => 0,
        };
        self.damaged = Some(Damaged {
            from,
            claimed_end: from + u64::from(claimed),
            reason,
            zeros: true,
            searched: 0,
            tokens: RETAIN as u64,
        });
    }

    fn end_damage(&mut self, damaged: &Damaged) {
        self.damaged = None;
        let len = self.window.offset() - damaged.from;
        if len > 0 {
            let reason = if damaged.zeros { Reason::Zeros } else { damaged.reason };
            self.report(damaged.from, len, reason);
        }
    }

    /// The first good block with a trailer, wherever it begins.
    pub(crate) fn first_current(&self, bytes: &[u8]) -> Option<(usize, Trailer)> {
        let mut tokens = 8 * bytes.len() as u64;
        self.magic.find_iter(bytes).find_map(|at| match self.candidate(bytes, at, &mut tokens)? {
            Candidate::Block { start, trailer } => Some((start, trailer)),
            Candidate::EndsAt(_) => None,
        })
    }

    /// What the trailer at `at` ends, if it is one.
    fn candidate(&self, bytes: &[u8], at: usize, tokens: &mut u64) -> Option<Candidate> {
        let end = at + TRAILER_LEN;
        let trailer = Trailer::from_bytes(bytes.get(at..end)?.first_chunk()?)?;
        let (cost, capacity) = (u64::from(trailer.valid), trailer.capacity as usize);
        if !trailer.sizes_fit() || self.is_foreign(&trailer, self.window.offset() + at as u64) {
            return None;
        }
        let Some(start) = end.checked_sub(capacity) else {
            // The block's beginning has left memory. It cannot be verified, but the next one can.
            let from = self.damaged?.from;
            let room = self.window.offset() + end as u64 - from;
            return (capacity <= self.options.max_block && capacity as u64 <= room)
                .then_some(Candidate::EndsAt(end));
        };
        if cost > *tokens {
            return None;
        }
        if self.checksum_holds(start, &trailer) {
            return Some(Candidate::Block { start, trailer });
        }
        *tokens -= cost;
        None
    }

    /// Whether a trailer lies in the extent of a damaged block, and is of another writer than the blocks before.
    fn is_foreign(&self, trailer: &Trailer, at: u64) -> bool {
        let claimed = self.damaged.is_some_and(|damaged| at < damaged.claimed_end);
        claimed && self.sequence.writer().is_some_and(|writer| writer != trailer.meta.writer_id)
    }

    /// Searches on for the end of damage. `false`: the file ended (for now).
    pub(crate) fn resynchronise(&mut self) -> io::Result<bool> {
        let Some(mut damaged) = self.damaged else {
            return Ok(true);
        };
        let have = self.window.fill(damaged.searched + PEEK / 4)?;
        let bytes = self.window.bytes();
        let searched = damaged.searched..have;
        damaged.tokens += 8 * searched.len() as u64;
        let current = self
            .magic
            .find_iter(&bytes[searched.clone()])
            .find_map(|at| self.candidate(bytes, searched.start + at, &mut damaged.tokens));
        if let Some(Candidate::Block { trailer, .. }) = &current
            && trailer.meta.block_seq != 0
        {
            // Blocks of this format came before: what damage left of them is no older dialect.
            self.current_format = true;
        }
        let limit = current.as_ref().map_or(have, Candidate::resume_at);
        let legacy = self.legacy_candidate(searched.start..limit, &mut damaged.tokens)?;
        let end = legacy.or(current.as_ref().map(Candidate::resume_at));
        let bytes = self.window.bytes();
        damaged.zeros &= bytes[searched.start.min(end.unwrap_or(have))..end.unwrap_or(have)]
            .iter()
            .all(|&byte| byte == 0);
        if let Some(end) = end {
            self.window.consume(end);
            self.end_damage(&damaged);
            match current {
                Some(Candidate::Block { trailer, .. }) if legacy.is_none() => {
                    let header = header_bytes(trailer.capacity, trailer.valid);
                    let intact = self.window.bytes().starts_with(&header);
                    self.accept(&trailer, intact);
                }
                Some(Candidate::EndsAt(_)) => self.current_format = true,
                _ => {}
            }
            return Ok(true);
        }
        if self.window.at_end() && have == bytes.len() {
            if self.options.follow {
                self.damaged = Some(damaged);
                self.wait();
                return Ok(false);
            }
            self.window.consume(have);
            self.end_damage(&damaged);
            return Ok(true);
        }
        // The magic may lie across the end of what is in memory; a block's beginning may lie far before it.
        damaged.searched = have.saturating_sub(TRAILER_LEN - 1).max(searched.start);
        if have > 2 * RETAIN {
            let gone = have - RETAIN;
            self.window.consume(gone);
            damaged.searched -= gone;
        }
        self.damaged = Some(damaged);
        Ok(true)
    }

    /// The first place in a range where a block of the file's older dialect seems to begin.
    fn legacy_candidate(
        &mut self,
        range: Range<usize>,
        tokens: &mut u64,
    ) -> io::Result<Option<usize>> {
        if self.stats.dialect == Dialect::Current
            || (self.options.dialect == Dialect::Auto && self.current_format)
        {
            return Ok(None);
        }
        let offset = self.window.offset();
        let misaligned = (offset + range.start as u64) % MIN_ALIGN as u64;
        let skip = if misaligned == 0 { 0 } else { MIN_ALIGN - misaligned as usize };
        // What damage began with is no block, or it would not be damage.
        let first = if range.start + skip == 0 { MIN_ALIGN } else { range.start + skip };
        for at in (first..range.end).step_by(MIN_ALIGN) {
            if self.window.bytes().len() < at + HEADER_LEN {
                break;
            }
            let (capacity, valid) = self.header(at);
            let len = capacity as usize;
            let plausible = len.is_multiple_of(MIN_ALIGN) && (1..=capacity).contains(&valid);
            if !plausible || len > self.options.max_block || u64::from(valid) > *tokens {
                continue;
            }
            let dialect = match self.stats.dialect {
                Dialect::Auto => {
                    let have = self.window.fill(at + len)?;
                    let block = &self.window.bytes()[at..have.min(at + len)];
                    *tokens -= u64::from(valid);
                    detect(block, true)
                }
                known => Some(known),
            };
            if let Some(dialect) = dialect
                && self.is_legacy_block(at, dialect, tokens)?
            {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Whether a block of this dialect, with at least one record, stands at `at`, and another or the end after it.
    fn is_legacy_block(
        &mut self,
        at: usize,
        dialect: Dialect,
        tokens: &mut u64,
    ) -> io::Result<bool> {
        let (capacity, valid) = self.header(at);
        let Some(len) = dialect.records_len(capacity, valid).filter(|&len| len > 0) else {
            return Ok(false);
        };
        *tokens = tokens.saturating_sub(len as u64);
        let next = at + dialect.step(capacity, valid);
        let have = self.window.fill(next + HEADER_LEN)?;
        if have < next {
            return Ok(false);
        }
        let records = &self.window.bytes()[at + HEADER_LEN..][..len];
        if walk_records(records, dialect.kind()).len != len {
            return Ok(false);
        }
        if have < next + HEADER_LEN {
            // The end of the file, or a torn header.
            return Ok(true);
        }
        let (capacity, valid) = self.header(next);
        Ok(dialect.records_len(capacity, valid).is_some())
    }
}
