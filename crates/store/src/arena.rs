//! The bytes of the records: a first-in, first-out arena that many may read while one writes.
//!
//! Addresses are absolute word offsets that only grow. They are cut into segments of a fixed size; a small table
//! maps a logical segment to a physical one. A segment whose records are all evicted is the next to be written, so
//! the memory in use follows the live bytes instead of the cap. Segments are never given back before the arena is
//! dropped, which is why a reader may look at one that has been reused: it sees bytes that mean nothing, and the
//! caller's check of the tail (see `core`) throws them away.

use std::sync::OnceLock;

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Words of 8 bytes in a segment: 32 KiB, small against any useful store and large against a record.
#[cfg(not(loom))]
pub(crate) const SEGMENT_WORDS: usize = 4096;
#[cfg(loom)]
pub(crate) const SEGMENT_WORDS: usize = 1;

type Segment = Box<[AtomicU64]>;

/// What readers and the writer share.
pub(crate) struct Arena {
    /// Physical segment of a logical one, at `logical % table.len()`.
    table: Box<[AtomicU32]>,
    segments: Box<[OnceLock<Segment>]>,
}

/// What the writer alone knows.
pub(crate) struct ArenaWriter {
    /// Offset of the next word.
    head: u64,
    /// First logical segment that still holds a live word.
    first_segment: u64,
    /// Logical segments below this one have a physical segment.
    mapped: u64,
    free: Vec<u32>,
    allocated: u32,
}

/// Words that `bytes` bytes take.
pub(crate) const fn words(bytes: usize) -> u64 {
    bytes.div_ceil(8) as u64
}

impl Arena {
    /// An arena for at most `max_words` live words.
    pub(crate) fn new(max_words: u64) -> (Self, ArenaWriter) {
        // One segment may be half evicted, another half written.
        let count = max_words.div_ceil(SEGMENT_WORDS as u64) as usize + 2;
        let arena = Self {
            table: (0..count).map(|_| AtomicU32::new(0)).collect(),
            segments: (0..count).map(|_| OnceLock::new()).collect(),
        };
        let writer = ArenaWriter {
            head: 0,
            first_segment: 0,
            mapped: 0,
            free: Vec::with_capacity(count),
            allocated: 0,
        };
        (arena, writer)
    }

    fn run(&self, offset: u64) -> Option<&[AtomicU64]> {
        let logical = offset / SEGMENT_WORDS as u64;
        let physical =
            self.table[(logical % self.table.len() as u64) as usize].load(Ordering::Relaxed);
        let segment = self.segments.get(physical as usize)?.get()?;
        Some(&segment[(offset % SEGMENT_WORDS as u64) as usize..])
    }

    /// Appends the `len` bytes at `offset` to `out`. What arrives is only meaningful if the record was still live
    /// afterwards.
    pub(crate) fn read(&self, mut offset: u64, len: usize, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + words(len) as usize * 8, 0);
        let mut dst = &mut out[start..];
        while !dst.is_empty() {
            let Some(run) = self.run(offset) else { break };
            let count = run.len().min(dst.len() / 8);
            let (now, later) = dst.split_at_mut(count * 8);
            for (word, bytes) in run.iter().zip(now.chunks_exact_mut(8)) {
                bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
            }
            offset += count as u64;
            dst = later;
        }
        out.truncate(start + len);
    }

    /// The table, not the segments.
    pub(crate) fn table_bytes(&self) -> u64 {
        (self.table.len() * size_of::<AtomicU32>()
            + self.segments.len() * size_of::<OnceLock<Segment>>()) as u64
    }
}

impl ArenaWriter {
    /// Copies `bytes` in and returns their offset. The caller has evicted enough to stay within the cap.
    pub(crate) fn write(&mut self, arena: &Arena, bytes: &[u8]) -> u64 {
        let start = self.head;
        let (whole, rest) = bytes.split_at(bytes.len() / 8 * 8);
        let mut src = whole;
        while !src.is_empty() {
            let run = self.run(arena);
            let count = run.len().min(src.len() / 8);
            let (now, later) = src.split_at(count * 8);
            for (word, bytes) in run.iter().zip(now.chunks_exact(8)) {
                let mut buffer = [0; 8];
                buffer.copy_from_slice(bytes);
                word.store(u64::from_ne_bytes(buffer), Ordering::Relaxed);
            }
            self.head += count as u64;
            src = later;
        }
        if !rest.is_empty() {
            let mut buffer = [0; 8];
            buffer[..rest.len()].copy_from_slice(rest);
            self.run(arena)[0].store(u64::from_ne_bytes(buffer), Ordering::Relaxed);
            self.head += 1;
        }
        start
    }

    /// The memory from `head` to the end of its segment.
    fn run<'a>(&mut self, arena: &'a Arena) -> &'a [AtomicU64] {
        let logical = self.head / SEGMENT_WORDS as u64;
        let entry = &arena.table[(logical % arena.table.len() as u64) as usize];
        let physical = if logical < self.mapped {
            entry.load(Ordering::Relaxed)
        } else {
            self.mapped = logical + 1;
            let physical = self.free.pop().unwrap_or_else(|| {
                self.allocated += 1;
                self.allocated - 1
            });
            entry.store(physical, Ordering::Relaxed);
            physical
        };
        let segment = arena.segments[physical as usize]
            .get_or_init(|| (0..SEGMENT_WORDS).map(|_| AtomicU64::new(0)).collect());
        &segment[(self.head % SEGMENT_WORDS as u64) as usize..]
    }

    /// Everything below `offset` is dead; whole segments below it are for reuse.
    pub(crate) fn release(&mut self, arena: &Arena, offset: u64) {
        let segment = offset / SEGMENT_WORDS as u64;
        while self.first_segment < segment {
            let entry = &arena.table[(self.first_segment % arena.table.len() as u64) as usize];
            self.free.push(entry.load(Ordering::Relaxed));
            self.first_segment += 1;
        }
    }

    /// Bytes of the segments that were ever needed.
    pub(crate) fn allocated_bytes(&self) -> u64 {
        u64::from(self.allocated) * SEGMENT_WORDS as u64 * 8
    }

    /// Bytes of the writer's own list.
    pub(crate) fn list_bytes(&self) -> u64 {
        (self.free.capacity() * size_of::<u32>()) as u64
    }
}
