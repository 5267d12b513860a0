//! The bytes of the records: a first-in, first-out arena that many may read while one writes.
//!
//! Addresses are absolute word offsets that only grow. They are cut into segments of a fixed size; a small table
//! maps a logical segment to a physical one. A segment whose records are all evicted is the next to be written, so
//! the memory in use follows the live bytes instead of the cap. Segments are never given back before the arena is
//! dropped, which is why a reader may look at one that has been reused: it sees bytes that mean nothing, and the
//! caller's check of the tail (see `core`) throws them away.

use std::sync::{Arc, OnceLock};

use flightring_sync::{copy, prefetch};

use crate::config::{ConfigError, filled};
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Words of 8 bytes in a segment: 32 KiB, small against any useful store and large against a record. (Large pages would make queries
/// on stores of a million records a quarter faster, but the insert that is the first to touch one can take milliseconds.)
#[cfg(not(loom))]
const SEGMENT_WORDS: usize = 4096;
#[cfg(loom)]
const SEGMENT_WORDS: usize = 1;
const SEGMENT: u64 = SEGMENT_WORDS as u64;

/// So many bytes before they are written they are fetched; and after each record as many as it has, but at least these.
const AHEAD: usize = 2048;
const EXPECTED: usize = 512;

/// Of a size that the compiler knows, and a thin pointer.
type Segment = Arc<[AtomicU64; SEGMENT_WORDS]>;

/// What an Arc has in front of the value.
const SEGMENT_HEAD: u64 = 2 * size_of::<usize>() as u64;

fn new_segment() -> Segment {
    let words = (0..SEGMENT_WORDS).map(|_| AtomicU64::new(0)).collect::<Arc<[_]>>();
    match words.try_into() {
        Ok(segment) => segment,
        Err(_) => unreachable!("as many words as a segment has"),
    }
}

/// What readers and the writer share.
pub(crate) struct Arena {
    /// Physical segment of a logical one, see [`entry`](Self::entry). As long as there are segments, or longer.
    table: Box<[AtomicU32]>,
    segments: Box<[OnceLock<Segment>]>,
}

/// What the writer alone knows.
pub(crate) struct ArenaWriter {
    /// Offset of the next word.
    head: u64,
    /// Where the first segment ends that still holds a live word.
    first_end: u64,
    /// Up to here there are segments.
    mapped: u64,
    /// The last of these.
    newest: Option<Segment>,
    free: Vec<u32>,
    allocated: u32,
}

/// Words that `bytes` bytes take.
pub(crate) const fn words(bytes: usize) -> u64 {
    bytes.div_ceil(8) as u64
}

impl Arena {
    /// An arena for at most `max_words` live words.
    pub(crate) fn new(max_words: u64) -> Result<(Self, ArenaWriter), ConfigError> {
        // One segment may be half evicted, another half written.
        let count = max_words.div_ceil(SEGMENT) as usize + 2;
        let arena = Self {
            // A power of two, because a division takes longer than what it is done for.
            table: filled(count.next_power_of_two(), || AtomicU32::new(0))?,
            segments: filled(count, OnceLock::new)?,
        };
        let writer = ArenaWriter {
            head: 0,
            first_end: SEGMENT,
            mapped: 0,
            newest: None,
            free: Vec::new(),
            allocated: 0,
        };
        Ok((arena, writer))
    }

    /// Which physical segment the words at `offset` have.
    #[inline]
    fn entry(&self, offset: u64) -> &AtomicU32 {
        let logical = offset / SEGMENT;
        &self.table[logical as usize & (self.table.len() - 1)]
    }

    fn run(&self, offset: u64) -> Option<&[AtomicU64]> {
        let physical = self.entry(offset).load(Ordering::Relaxed);
        let segment = self.segments.get(physical as usize)?.get()?;
        Some(&segment[(offset & (SEGMENT - 1)) as usize..])
    }

    /// Copies the words at `offset` to `dst`, whose length is a multiple of 8. What arrives is only meaningful if the record
    /// was still live afterwards.
    #[inline(always)]
    pub(crate) fn read(&self, mut offset: u64, mut dst: &mut [u8]) {
        while !dst.is_empty() {
            let Some(run) = self.run(offset) else { break };
            let count = run.len().min(dst.len() / 8);
            let (now, later) = dst.split_at_mut(count * 8);
            copy::load(run, now);
            offset += count as u64;
            dst = later;
        }
    }

    /// Has the `len` bytes at `offset` fetched, which will be read soon.
    #[inline]
    pub(crate) fn expect(&self, offset: u64, len: usize) {
        if let Some(run) = self.run(offset) {
            prefetch::for_reading(&run[..run.len().min(words(len) as usize)]);
        }
    }

    /// Appends the `len` bytes at `offset` to `out`: as [`read`](Self::read).
    pub(crate) fn append(&self, offset: u64, len: usize, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + words(len) as usize * 8, 0);
        self.read(offset, &mut out[start..]);
        out.truncate(start + len);
    }

    /// The table, not the segments.
    pub(crate) fn table_bytes(&self) -> u64 {
        (self.table.len() * size_of::<AtomicU32>()
            + self.segments.len() * size_of::<OnceLock<Segment>>()) as u64
    }
}

impl ArenaWriter {
    /// Where the next record will be.
    #[inline(always)]
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Copies `bytes` to the [`head`](Self::head). The caller has evicted enough to stay within the cap.
    #[inline(always)]
    pub(crate) fn write(&mut self, arena: &Arena, bytes: &[u8]) {
        let (taken, at) = (words(bytes.len()) as usize, (self.head & (SEGMENT - 1)) as usize);
        if self.head < self.mapped
            && let Some(newest) = &self.newest
            && let Some(now) = newest.get(at..at + taken)
        {
            copy::store(now, bytes);
            self.head += taken as u64;
            let later = newest.as_ptr().wrapping_add(at + taken).cast::<u8>().wrapping_add(AHEAD);
            // The same for all short ones: no loop.
            if bytes.len() <= EXPECTED {
                prefetch::for_writing_at(later, EXPECTED);
            } else {
                prefetch::for_writing_at(later, bytes.len());
            }
        } else {
            self.write_on(arena, bytes);
        }
    }

    /// The same, into the next segment.
    #[cold]
    fn write_on(&mut self, arena: &Arena, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.head == self.mapped {
                self.map(arena);
            }
            let Some(newest) = &self.newest else { return };
            let run = &newest[(self.head & (SEGMENT - 1)) as usize..];
            let (now, later) = bytes.split_at(bytes.len().min(run.len() * 8));
            copy::store(run, now);
            self.head += words(now.len());
            bytes = later;
        }
    }

    /// Gives the logical segment from `mapped` on a physical one.
    fn map(&mut self, arena: &Arena) {
        let physical = self.free.pop().unwrap_or_else(|| {
            self.allocated += 1;
            self.allocated - 1
        });
        arena.entry(self.mapped).store(physical, Ordering::Relaxed);
        let segment = arena.segments[physical as usize].get_or_init(new_segment);
        self.newest = Some(Arc::clone(segment));
        self.mapped += SEGMENT;
    }

    /// Everything below `offset` is dead; whole segments below it are for reuse.
    /// `true`: the list of free segments may have grown.
    #[inline]
    pub(crate) fn release(&mut self, arena: &Arena, offset: u64) -> bool {
        let any = self.first_end <= offset;
        while self.first_end <= offset {
            self.free.push(arena.entry(self.first_end - 1).load(Ordering::Relaxed));
            self.first_end += SEGMENT;
        }
        any
    }

    /// Bytes of the segments that were ever needed.
    pub(crate) fn allocated_bytes(&self) -> u64 {
        u64::from(self.allocated) * (SEGMENT_HEAD + SEGMENT * 8)
    }

    /// Bytes of the writer's own list.
    pub(crate) fn list_bytes(&self) -> u64 {
        (self.free.capacity() * size_of::<u32>()) as u64
    }
}
