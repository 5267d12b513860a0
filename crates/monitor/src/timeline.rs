//! The bytes of all streams in the order of their arrival, and the marks that tell them apart.
//!
//! Both are replay buffers. A mark says: from this offset on the bytes belong to that stream and arrived at that time,
//! and so many bytes of each stream came before. It is written before the bytes that it describes, so that whoever
//! sees a byte also finds its mark, and only when something changed, so that a busy stream needs one per clock
//! tick. Marks have a fixed size: mark k is at offset `k * MARK`. As all their fields only grow, any of them can be
//! searched for.
//!
//! A mark also says whether its stream begins afresh there: what came before has ended, with its process or with its
//! descriptor, and if that was in the middle of a line the line ended with it.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use flightring_replay::{CreateError, FutureOffset, Read, ReplayBuffer, WriteError, WriteGuard};

use crate::clock::Time;
use crate::newlines;
use crate::stream::Stream;

/// All streams begin afresh.
const ALL_FRESH: u8 = 0b111;
/// Bytes of an encoded mark.
const MARK: usize = 32;
/// Marks are for at least this many alternations of the streams...
const MARKS_MIN: usize = 64;
/// ...and for one in so many bytes: lines that alternate between the streams
/// are rarely shorter.
const BYTES_PER_MARK: usize = 64;
/// The number of a packed state that has no mark yet.
const NO_MARK: u64 = 0;
/// In a packed state: the stream begins afresh.
const FRESH: u64 = 0x80;

#[derive(Debug)]
pub(crate) struct Timeline {
    bytes: ReplayBuffer,
    marks: ReplayBuffer,
    /// Away from what others write.
    counts: CachePadded<Counts>,
}

/// Written under the write guard of `bytes` only.
#[derive(Debug)]
struct Counts {
    /// The packed time and stream of the last mark.
    last: AtomicU64,
    /// A bit for each stream: what it gets next begins afresh.
    fresh: AtomicU8,
    totals: [AtomicU64; 3],
    lines: AtomicU64,
    last_write: AtomicU64,
}

/// What is known about the bytes from an offset on, up to the next mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) offset: u64,
    /// How many bytes of stdout and of stderr came before.
    totals: [u64; 2],
    pub(crate) time: Time,
    pub(crate) stream: Stream,
    /// Whether the stream begins afresh at the offset.
    pub(crate) fresh: bool,
}

impl Mark {
    fn encode(&self) -> [u8; MARK] {
        let fresh = if self.fresh { FRESH } else { 0 };
        let packed = pack(self.time, self.stream) | fresh;
        let words = [self.offset, self.totals[0], self.totals[1], packed];
        let mut encoded = [0; MARK];
        for (chunk, word) in encoded.as_chunks_mut().0.iter_mut().zip(words) {
            *chunk = word.to_ne_bytes();
        }
        encoded
    }

    fn decode(encoded: &[u8; MARK]) -> Option<Self> {
        let [offset, stdout, stderr, packed] =
            [0, 1, 2, 3].map(|i| u64::from_ne_bytes(encoded.as_chunks().0[i]));
        let (time, stream) = unpack(packed)?;
        let fresh = packed & FRESH != 0;
        Some(Self { offset, totals: [stdout, stderr], time, stream, fresh })
    }

    /// How many bytes of `stream` came before.
    pub(crate) fn total_of(&self, stream: Stream) -> u64 {
        match stream {
            Stream::Stdout | Stream::Stderr => self.totals[stream.index()],
            Stream::Log => self.offset - self.totals[0] - self.totals[1],
        }
    }

    /// How many bytes of `stream` came before the offset `at`, which this mark describes.
    fn total_at(&self, stream: Stream, at: u64) -> u64 {
        self.total_of(stream) + if self.stream == stream { at - self.offset } else { 0 }
    }
}

/// Microseconds need 51 bits this century.
fn pack(time: Time, stream: Stream) -> u64 {
    time.0 << 8 | stream as u64
}

fn unpack(packed: u64) -> Option<(Time, Stream)> {
    Some((Time(packed >> 8), Stream::from_number((packed & !FRESH) as u8)?))
}

impl Timeline {
    pub(crate) fn new(capacity: usize) -> Result<Self, CreateError> {
        let marks = (capacity / BYTES_PER_MARK).max(MARKS_MIN);
        Ok(Self {
            bytes: ReplayBuffer::new(capacity)?,
            marks: ReplayBuffer::new(marks * MARK)?,
            counts: CachePadded::new(Counts {
                last: AtomicU64::new(NO_MARK),
                fresh: AtomicU8::new(ALL_FRESH),
                totals: Default::default(),
                lines: AtomicU64::new(0),
                last_write: AtomicU64::new(0),
            }),
        })
    }

    pub(crate) fn bytes(&self) -> &ReplayBuffer {
        &self.bytes
    }

    /// Appends `data`.
    #[inline]
    pub(crate) fn append(&self, stream: Stream, now: Time, data: &[u8]) -> Result<u64, WriteError> {
        match self.bytes.locked(|guard| self.try_append(guard, stream, now, data)) {
            Some(start) => Ok(start),
            None => self.append_first_or_fail(stream, now, data),
        }
    }

    #[cold]
    fn append_first_or_fail(
        &self,
        stream: Stream,
        now: Time,
        data: &[u8],
    ) -> Result<u64, WriteError> {
        let mut guard = self.bytes.lock();
        guard.prepare(data.len())?;
        // The first mark allocates, too.
        if !data.is_empty() && self.marks.allocated() == 0 {
            self.marks.lock().prepare(MARK)?;
        }
        self.try_append(&mut guard, stream, now, data).ok_or(WriteError::Closed)
    }

    /// As [`WriteGuard::try_write`].
    #[inline]
    fn try_append(
        &self,
        guard: &mut WriteGuard<'_>,
        stream: Stream,
        now: Time,
        data: &[u8],
    ) -> Option<u64> {
        if data.is_empty() {
            return guard.try_write(data);
        }
        let counts = &*self.counts;
        let now = Time(now.0.max(counts.last_write.load(Ordering::Relaxed)));
        let packed = pack(now, stream);
        if counts.last.load(Ordering::Relaxed) != packed && !self.mark(guard, now, stream) {
            return None;
        }
        let start = guard.try_write(data)?;
        let total = &counts.totals[stream.index()];
        total.store(total.load(Ordering::Relaxed) + data.len() as u64, Ordering::Relaxed);
        let newlines = newlines::count(data);
        counts.lines.store(counts.lines.load(Ordering::Relaxed) + newlines, Ordering::Relaxed);
        counts.last_write.store(now.0, Ordering::Relaxed);
        Some(start)
    }

    /// Writes a mark for what comes next; whether there was memory for it.
    #[cold]
    fn mark(&self, guard: &WriteGuard<'_>, time: Time, stream: Stream) -> bool {
        let [stdout, stderr] = [0, 1].map(|i: usize| self.counts.totals[i].load(Ordering::Relaxed));
        let (all_fresh, bit) = (self.counts.fresh.load(Ordering::Relaxed), fresh_bit(stream));
        let fresh = all_fresh & bit != 0;
        let mark = Mark { offset: guard.total(), totals: [stdout, stderr], time, stream, fresh };
        let written = self.marks.locked(|marks| marks.try_write(&mark.encode())).is_some();
        if written {
            self.counts.last.store(pack(time, stream), Ordering::Relaxed);
            self.counts.fresh.store(all_fresh & !bit, Ordering::Relaxed);
        }
        written
    }

    /// What `stream` got so far has ended: what it gets next begins afresh.
    pub(crate) fn end_stream(&self, stream: Stream) {
        let _guard = self.bytes.lock();
        let Counts { fresh, last, .. } = &*self.counts;
        // Whoever sees this sees the last byte, too.
        fresh.store(fresh.load(Ordering::Relaxed) | fresh_bit(stream), Ordering::Release);
        last.store(NO_MARK, Ordering::Relaxed);
    }

    /// Whether everything that `stream` got so far has ended.
    pub(crate) fn has_ended(&self, stream: Stream) -> bool {
        self.counts.fresh.load(Ordering::Acquire) & fresh_bit(stream) != 0
    }

    /// Whether what `stream` got so far may end in the middle of a line.
    pub(crate) fn is_within_line(&self, stream: Stream) -> bool {
        let total = self.visible_total(stream);
        total > 0 && !self.has_ended(stream) && self.ends_line(stream, total) != Some(true)
    }

    /// Whether the byte of `stream` before its offset `total` is a line feed. `None` if it is not retained.
    fn ends_line(&self, stream: Stream, total: u64) -> Option<bool> {
        let last = total.checked_sub(1)?;
        let mut byte = [0];
        match self.read_stream(stream, last, &mut byte) {
            Ok(read) if (read.start, read.len) == (last, 1) => Some(byte == *b"\n"),
            _ => None,
        }
    }

    /// Forgets everything and gives the memory back. Offsets go on.
    pub(crate) fn clear(&self) {
        let mut guard = self.bytes.lock();
        guard.clear();
        self.marks.clear();
        self.counts.last.store(NO_MARK, Ordering::Relaxed);
        self.counts.fresh.store(ALL_FRESH, Ordering::Release);
    }

    pub(crate) fn close(&self) {
        self.bytes.close();
    }

    pub(crate) fn allocated(&self) -> usize {
        self.bytes.allocated() + self.marks.allocated()
    }

    pub(crate) fn lines(&self) -> u64 {
        self.counts.lines.load(Ordering::Relaxed)
    }

    pub(crate) fn last_write(&self) -> Option<Time> {
        Some(Time(self.counts.last_write.load(Ordering::Relaxed))).filter(|time| time.0 > 0)
    }

    pub(crate) fn stream_total(&self, stream: Stream) -> u64 {
        self.counts.totals[stream.index()].load(Ordering::Relaxed)
    }

    /// Mark `index`, or `None` if it was evicted or is not written yet.
    fn get(&self, index: u64) -> Option<Mark> {
        let mut encoded = [0; MARK];
        let read = self.marks.read_from(index * MARK as u64, &mut encoded).ok()?;
        if (read.skipped, read.len) == (0, MARK) { Mark::decode(&encoded) } else { None }
    }

    /// The mark after mark `index`: `Ok(None)` if there is none yet, and an error if it was evicted, which says nothing about the
    /// bytes that it described.
    fn after(&self, index: u64) -> Result<Option<Mark>, Evicted> {
        let mut encoded = [0; MARK];
        match self.marks.read_from((index + 1) * MARK as u64, &mut encoded) {
            Ok(Read { skipped: 1.., .. }) => Err(Evicted),
            Ok(Read { len: MARK, .. }) => Ok(Mark::decode(&encoded)),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// The number and content of the newest retained mark that is `before` the one looked for, or of the oldest one if
    /// none is. `None` if there are no marks at all.
    ///
    /// `before` must be true for a prefix of the marks.
    pub(crate) fn search(&self, before: impl Fn(&Mark) -> bool) -> Option<(u64, Mark)> {
        loop {
            let (oldest, end) =
                (self.marks.oldest() / MARK as u64, self.marks.total() / MARK as u64);
            if oldest >= end {
                return None;
            }
            // `low` is before or the oldest, `high` is not before or the end.
            let (mut low, mut high) = (oldest, end);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                // One that was evicted meanwhile is older than those we want.
                if self.get(middle).is_none_or(|mark| before(&mark)) {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            if let Some(mark) = self.get(low) {
                return Some((low, mark));
            }
        }
    }

    /// Whether the next byte of `stream` from the combined offset `offset` on begins a line: the one before is a line feed, or
    /// it begins afresh. `None` if that is not known any more.
    pub(crate) fn begins_line(&self, stream: Stream, offset: u64) -> Option<bool> {
        let total = match self.mark_at(offset, 0) {
            // What was before the oldest mark is not known.
            Some((_, mark, _)) => (mark.offset <= offset).then(|| mark.total_at(stream, offset))?,
            None => self.visible_total(stream),
        };
        if total == 0 || self.begins_afresh(stream, total) {
            return Some(true);
        }
        self.ends_line(stream, total)
    }

    /// Whether `stream` begins afresh at its offset `total`.
    fn begins_afresh(&self, stream: Stream, total: u64) -> bool {
        let found = self.search(|mark| mark.total_of(stream) <= total);
        match found.filter(|(_, mark)| mark.stream == stream && mark.total_of(stream) == total) {
            Some((_, mark)) => mark.fresh,
            // Inside of what a mark describes, or not written yet.
            None => total == self.visible_total(stream) && self.has_ended(stream),
        }
    }

    /// The oldest retained mark whose time is `time` or later.
    pub(crate) fn first_mark_from(&self, time: Time) -> Option<Mark> {
        loop {
            let (index, mark) = self.search(|mark| mark.time < time)?;
            if mark.time >= time {
                return Some(mark);
            }
            if let Ok(next) = self.after(index) {
                return next;
            }
        }
    }

    /// Reads bytes of one stream that arrived together, from the combined offset `offset` on.
    ///
    /// `hint` is the number of a mark at or before the offset, as an earlier call left it; it spares the search.
    pub(crate) fn read_piece(
        &self,
        offset: u64,
        hint: &mut u64,
        dst: &mut [u8],
    ) -> Result<Piece, FutureOffset> {
        let mut from = offset;
        loop {
            // The total first: the marks of everything below it are there.
            let head = self.bytes.read_from(from, &mut [])?;
            let nothing = Piece { mark: None, read: Read { skipped: head.start - offset, ..head } };
            if head.start == head.total {
                return Ok(nothing);
            }
            let Some((index, mark, next)) = self.mark_at(head.start, *hint) else {
                // Cleared meanwhile: look again.
                from = head.start;
                continue;
            };
            *hint = index;
            from = head.start.max(mark.offset);
            let end = next.map_or(head.total, |next| next.offset.min(head.total));
            let wanted = usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX);
            let wanted = wanted.min(dst.len());
            let read = self.bytes.read_from(from, &mut dst[..wanted])?;
            if read.start >= end && end < read.total {
                // Evicted meanwhile, or a mark whose bytes never came.
                from = read.start;
                *hint = index + 1;
                continue;
            }
            let len = read.len.min(usize::try_from(end - read.start.min(end)).unwrap_or(read.len));
            let next = read.start + len as u64;
            let end = read.end && next == read.total;
            let skipped = read.start - offset;
            return Ok(Piece { mark: Some(mark), read: Read { len, skipped, end, ..read } });
        }
    }

    /// How many bytes of `stream` readers can see.
    pub(crate) fn visible_total(&self, stream: Stream) -> u64 {
        loop {
            let marks = self.marks.total();
            let Some(mark) = (marks / MARK as u64).checked_sub(1).and_then(|last| self.get(last))
            else {
                // Nothing was written, or all was cleared and nobody writes.
                if self.marks.total() == marks {
                    return self.stream_total(stream);
                }
                continue;
            };
            let total = self.bytes.total();
            // Without a newer mark, everything after this one is of its stream.
            if self.marks.total() == marks {
                let newer = if mark.stream == stream { total - mark.offset } else { 0 };
                return mark.total_of(stream) + newer;
            }
        }
    }

    /// Reads bytes of one stream only, by the stream's own offsets.
    pub(crate) fn read_stream(
        &self,
        stream: Stream,
        offset: u64,
        dst: &mut [u8],
    ) -> Result<Read, FutureOffset> {
        let closed = self.bytes.is_closed();
        let total = self.visible_total(stream);
        if offset > total {
            return Err(FutureOffset { offset, total });
        }
        let found = |start: u64, len: usize| Read {
            start,
            len,
            skipped: start - offset,
            total,
            end: closed && start + len as u64 == total,
        };
        let Some((mut hint, mark)) = self.search(|mark| mark.total_of(stream) <= offset) else {
            return Ok(found(total, 0));
        };
        let mut at = mark.offset;
        if mark.stream == stream {
            at += offset.saturating_sub(mark.total_of(stream));
        }
        let (mut start, mut len) = (None, 0);
        let mut scratch = [0; 1];
        while len < dst.len() || start.is_none() {
            // With no room left, one byte more tells where the next read starts.
            let room = if len < dst.len() { &mut dst[len..] } else { &mut scratch[..] };
            let Ok(Piece { mark: Some(mark), read }) = self.read_piece(at, &mut hint, room) else {
                break;
            };
            at = read.next();
            if read.len == 0 {
                break;
            }
            if mark.stream != stream {
                at = self.get(hint + 1).map_or(at, |next| next.offset.max(at));
                continue;
            }
            let here = mark.total_of(stream) + (read.start - mark.offset);
            if here >= total || here != *start.get_or_insert(here) + len as u64 {
                // Written after this read began, or evicted in the middle of it.
                break;
            }
            len += read.len.min(dst.len() - len).min((total - here) as usize);
        }
        Ok(found(start.unwrap_or(total).max(offset).min(total), len))
    }

    /// The mark that describes the byte at `offset`, and the one after it. If it was evicted, the oldest one.
    fn mark_at(&self, offset: u64, hint: u64) -> Option<(u64, Mark, Option<Mark>)> {
        // Most often the reader is still at the same mark, or at the next.
        for index in hint..hint.saturating_add(3) {
            let Some(mark) = self.get(index).filter(|mark| mark.offset <= offset) else { break };
            let Ok(next) = self.after(index) else { break };
            if next.is_none_or(|next| next.offset > offset) {
                return Some((index, mark, next));
            }
        }
        loop {
            let (index, mark) = self.search(|mark| mark.offset <= offset)?;
            // Evicted meanwhile: then so is the mark, and what it said of its end is not known.
            if let Ok(next) = self.after(index) {
                return Some((index, mark, next));
            }
        }
    }
}

fn fresh_bit(stream: Stream) -> u8 {
    1 << stream.index()
}

/// A mark is not retained any more.
#[derive(Debug, Clone, Copy)]
struct Evicted;

/// Bytes of one stream that arrived together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    /// What is known about them; `None` if there are none.
    pub(crate) mark: Option<Mark>,
    pub(crate) read: Read,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An evicted mark says nothing; that is not the same as there being none yet.
    #[test]
    fn evicted_marks_are_told_from_those_to_come() {
        let timeline = Timeline::new(1 << 20).expect("a megabyte");
        let marks = (1 << 20) / BYTES_PER_MARK as u64;
        let written = marks + 100;
        for i in 0..written {
            let stream = if i % 2 == 0 { Stream::Stdout } else { Stream::Stderr };
            timeline.append(stream, Time(1), b"x").expect("open");
        }
        assert!(timeline.after(0).is_err() && timeline.after(98).is_err());
        let oldest = timeline.after(99).ok().flatten().expect("retained");
        assert_eq!((oldest.offset, oldest.stream), (100, Stream::Stdout));
        assert!(matches!(timeline.after(written - 1), Ok(None)));
        // All bytes are retained, but of the first it is not known any more whose they are.
        let mut byte = [0; 8];
        let piece = timeline.read_piece(0, &mut 0, &mut byte).expect("in range");
        assert_eq!((piece.read.start, piece.read.skipped, piece.read.len), (100, 100, 1));
    }
}
