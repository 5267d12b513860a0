//! The points of one series: chunks in a queue of words, which is written at one end and evicted from at the other.
//!
//! The queues keep their memory, so a series that gets as many points as it loses does not allocate. Readers copy a few
//! chunks at a time, so that a writer who waits for them waits for the copying of some kilobytes at most.

use std::collections::VecDeque;

use crate::chunk::{Bits, CHUNK_POINTS, Kind, Sample, Samples, State};

/// Bytes of raw points that fill a chunk.
const CHUNK_RAW: usize = 16 << 10;
/// Words and raw bytes after which a reader takes no further chunk.
const COPY_WORDS: usize = 512;
const COPY_RAW: usize = 4 << 10;

#[derive(Debug, Clone, Copy)]
struct Chunk {
    count: u16,
    /// Bits written.
    bits: u32,
    /// Bytes of raw points.
    raw: u32,
    /// Position of the last point.
    last: u64,
    /// Words and raw bytes of all chunks that were before it.
    words_before: u64,
    raw_before: u64,
}

impl Chunk {
    fn words(&self) -> usize {
        self.bits.div_ceil(64) as usize
    }

    fn is_full(&self) -> bool {
        self.count == CHUNK_POINTS || self.raw as usize >= CHUNK_RAW
    }
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Points {
    kind: Kind,
    /// Oldest first; the last one is written.
    chunks: VecDeque<Chunk>,
    words: VecDeque<u64>,
    raw: VecDeque<u8>,
    /// Of the chunk that is written.
    state: State,
    /// How many points of the oldest chunk are evicted.
    skipped: u16,
}

impl Points {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            chunks: VecDeque::new(),
            words: VecDeque::new(),
            raw: VecDeque::new(),
            state: State::default(),
            skipped: 0,
        }
    }

    pub(crate) fn heap_bytes(&self) -> u64 {
        (self.chunks.capacity() * size_of::<Chunk>()
            + self.words.capacity() * size_of::<u64>()
            + self.raw.capacity()) as u64
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        (self.words.len() * size_of::<u64>() + self.raw.len()) as u64
    }

    /// Appends a point; `raw` are the bytes of one that is no single number.
    pub(crate) fn push(&mut self, sample: &Sample, raw: &[u8]) {
        if self.chunks.back().is_none_or(Chunk::is_full) {
            self.state = State::default();
            let (words_before, raw_before) = self.chunks.back().map_or((0, 0), |last| {
                (last.words_before + last.words() as u64, last.raw_before + u64::from(last.raw))
            });
            room(&mut self.chunks, 1, 1);
            self.chunks.push_back(Chunk {
                count: 0,
                bits: 0,
                raw: 0,
                last: 0,
                words_before,
                raw_before,
            });
        }
        let mut bits = Bits::default();
        self.state.push(&mut bits, self.kind, sample);
        let Some(chunk) = self.chunks.back_mut() else { return };
        let used = chunk.bits % 64;
        room(&mut self.words, bits.words().len() + 1, 4);
        for (i, &word) in bits.words().iter().enumerate() {
            if used > 0
                && let Some(last) = self.words.back_mut()
            {
                *last |= word >> used;
            }
            let left = bits.len() - 64 * i as u32;
            if used == 0 {
                self.words.push_back(word);
            } else if left > 64 - used {
                self.words.push_back(word << (64 - used));
            }
        }
        room(&mut self.raw, raw.len(), 64);
        self.raw.extend(raw);
        chunk.bits += bits.len();
        chunk.raw += raw.len() as u32;
        chunk.count += 1;
        chunk.last = sample.position;
    }

    /// Forgets the oldest point.
    pub(crate) fn evict(&mut self) {
        self.skipped += 1;
        if let Some(oldest) = self.chunks.front()
            && oldest.count == self.skipped
        {
            self.words.drain(..oldest.words());
            self.raw.drain(..oldest.raw as usize);
            self.chunks.pop_front();
            self.skipped = 0;
            less(&mut self.words);
            less(&mut self.raw);
            less(&mut self.chunks);
        }
    }

    /// Calls `f` with the oldest point and its raw bytes.
    pub(crate) fn oldest(&self, f: impl FnOnce(&Sample, &[u8])) {
        let Some(chunk) = self.chunks.front() else { return };
        let words = self.words.range(..chunk.words()).copied().collect::<Vec<_>>();
        let raw = self.raw.range(..chunk.raw as usize).copied().collect::<Vec<_>>();
        let mut samples = Samples::new(self.kind, &words, &raw, chunk.count);
        if let Some((sample, raw)) = samples.nth(usize::from(self.skipped)) {
            f(&sample, raw);
        }
    }

    /// Copies some chunks, beginning with the one that has the first point at position `from` or later; `false` if there is
    /// none.
    pub(crate) fn copy_from(&self, from: u64, copied: &mut Copied) -> bool {
        copied.chunks.clear();
        copied.words.clear();
        copied.raw.clear();
        copied.kind = self.kind;
        let Some(oldest) = self.chunks.front() else { return false };
        let first = self.chunks.partition_point(|chunk| chunk.last < from);
        for chunk in self.chunks.range(first..) {
            let word = (chunk.words_before - oldest.words_before) as usize;
            let raw = (chunk.raw_before - oldest.raw_before) as usize;
            copied.words.extend(self.words.range(word..word + chunk.words()));
            copied.raw.extend(self.raw.range(raw..raw + chunk.raw as usize));
            copied.chunks.push(*chunk);
            if copied.words.len() >= COPY_WORDS || copied.raw.len() >= COPY_RAW {
                break;
            }
        }
        !copied.chunks.is_empty()
    }
}

/// Makes room for `more`: exactly, or a quarter, so that the memory follows what is held.
fn room<T>(queue: &mut VecDeque<T>, more: usize, least: usize) {
    if queue.len() + more > queue.capacity() {
        queue.reserve_exact(more.max(least).max(queue.len() / 4));
    }
}

/// Gives memory back when most of it is not used any more.
fn less<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() > 64 && queue.len() < queue.capacity() / 4 {
        queue.shrink_to(queue.capacity() / 2);
    }
}

/// Chunks that a reader has copied.
#[derive(Debug)]
pub(crate) struct Copied {
    kind: Kind,
    chunks: Vec<Chunk>,
    words: Vec<u64>,
    raw: Vec<u8>,
}

impl Default for Copied {
    fn default() -> Self {
        Self { kind: Kind::Raw, chunks: Vec::new(), words: Vec::new(), raw: Vec::new() }
    }
}

impl Copied {
    /// The position of the last point.
    pub(crate) fn last(&self) -> u64 {
        self.chunks.last().map_or(0, |chunk| chunk.last)
    }

    /// Calls `f` with each point, oldest first, and its raw bytes.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&Sample, &[u8])) {
        let (mut words, mut raw) = (self.words.as_slice(), self.raw.as_slice());
        for chunk in &self.chunks {
            let (of_chunk, words_after) = words.split_at(chunk.words());
            let (raw_of_chunk, raw_after) = raw.split_at(chunk.raw as usize);
            for (sample, raw) in Samples::new(self.kind, of_chunk, raw_of_chunk, chunk.count) {
                f(&sample, raw);
            }
            (words, raw) = (words_after, raw_after);
        }
    }
}
