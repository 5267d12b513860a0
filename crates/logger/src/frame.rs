//! How a shard's storage is divided, so that the flusher need not copy what fills it.
//!
//! A shard of some size is a row of *frames*, each as large as a block of the file may well be. No record crosses the end of
//! one: there the owner leaves room for what the format puts around the records of a block. When the owner goes on to the next
//! frame, it notes in front of the one it leaves how many bytes of records there are, where a block's header has that as well. The
//! flusher adds the rest of the header and the trailer, and the frame is a block, which goes to the file from where it
//! stands. What has to be in the file before its frame is full is copied instead, and so is then the rest of that frame.
//!
//! ```text
//! storage  -8               0                            frame - 72       frame - 8      frame
//!          capacity valid   record record ... record     ... trailer      header         record ...
//!          |<- the block: one write, from a multiple of the page on  ->|  |<- the next one
//! ```
//!
//! The storage begins 8 bytes behind a multiple of the page, so that the first record of each frame does as well.

use flightring_blockfile::{HEADER_LEN, TRAILER_LEN};

use crate::options::PAGE;

/// Bytes that a frame has, unless the options say otherwise. One of a quarter is still worth a write of its own; shards that have no
/// two of these are copied from.
pub(crate) const LARGEST: usize = 4 << 20;
/// Where there are no frames.
const STEP: u64 = 1 << 20;

/// The division of one shard's storage. Offsets are from the beginning of a lap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frames {
    capacity: u64,
    frame: u64,
    /// Where the last frame begins, which may be some pages larger.
    last: u64,
    /// Bytes at the end of each frame that are not for records.
    reserve: u64,
}

impl Frames {
    /// Of a shard that has `capacity` bytes, a multiple of the page, in frames of about `largest`.
    pub(crate) fn of(capacity: usize, largest: usize) -> Self {
        let count = (capacity / largest).max(2);
        let frame = capacity / count / PAGE * PAGE;
        let is_worth_it = frame >= largest.div_ceil(4);
        (is_worth_it.then(|| Self::divided(capacity, frame)).flatten())
            .unwrap_or(Self::undivided(capacity))
    }

    /// Into frames of `frame` bytes; none if that makes no sense.
    pub(crate) fn divided(capacity: usize, frame: usize) -> Option<Self> {
        let makes_sense = frame > 0 && frame.is_multiple_of(PAGE) && frame <= capacity / 2;
        makes_sense.then(|| Self {
            capacity: capacity as u64,
            frame: frame as u64,
            last: ((capacity / frame - 1) * frame) as u64,
            reserve: (HEADER_LEN + TRAILER_LEN) as u64,
        })
    }

    /// All is copied.
    pub(crate) fn undivided(capacity: usize) -> Self {
        let capacity = capacity as u64;
        Self { capacity, frame: capacity.max(1), last: 0, reserve: 0 }
    }

    /// Whether full frames may be written from where they stand.
    pub(crate) fn is_divided(self) -> bool {
        self.reserve > 0
    }

    /// Where the storage begins in the memory that the shard has: `capacity` bytes at a multiple of the page.
    pub(crate) fn storage(self) -> usize {
        if self.is_divided() { HEADER_LEN } else { 0 }
    }

    pub(crate) fn capacity(self) -> u64 {
        self.capacity
    }

    /// Bytes of a frame, if there are any.
    pub(crate) fn frame(self) -> Option<usize> {
        self.is_divided().then_some(self.frame as usize)
    }

    /// The longest record, its length included, that fits a frame.
    pub(crate) fn largest(self) -> usize {
        // Half a shard, so that a record fits an empty one wherever its lap stands.
        (self.frame - self.reserve).min(self.capacity / 2) as usize
    }

    /// Where the frame begins that `offset` is in; at the end of the storage, the last one.
    #[inline]
    pub(crate) fn begin(self, offset: u64) -> u64 {
        (offset / self.frame * self.frame).min(self.last)
    }

    /// The number of the frame that begins there.
    #[inline]
    pub(crate) fn index(self, begin: u64) -> usize {
        (begin / self.frame) as usize
    }

    pub(crate) fn count(self) -> usize {
        self.index(self.last) + 1
    }

    /// Where the frame ends that `offset` is in.
    #[inline]
    pub(crate) fn end(self, offset: u64) -> u64 {
        if offset >= self.last { self.capacity } else { (offset / self.frame + 1) * self.frame }
    }

    /// Up to where records may reach in the frame that ends there.
    #[inline]
    pub(crate) fn usable(self, end: u64) -> u64 {
        end - self.reserve
    }

    /// The flusher is woken whenever a thread has written this much.
    pub(crate) fn step(self) -> u64 {
        if self.is_divided() { self.frame } else { STEP.min(self.capacity / 2) }
    }

    /// Whether it makes no difference to leave these last bytes of a frame empty.
    pub(crate) fn is_little(self, left: u64) -> bool {
        self.is_divided() && left <= self.frame / 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_whole_pages_and_hold_the_largest_record() {
        const KIB: usize = 1 << 10;
        for (capacity, largest) in [
            (64 * KIB, LARGEST),
            (2048 * KIB - PAGE, LARGEST),
            (2048 * KIB, LARGEST),
            (5120 * KIB + PAGE, LARGEST),
            (8192 * KIB, LARGEST),
            (1 << 30, LARGEST),
            (64 * KIB, 8 * KIB),
            (76 * KIB, 8 * KIB),
        ] {
            let frames = Frames::of(capacity, largest);
            let (mut begin, mut count) = (0, 0);
            while begin < frames.capacity() {
                let end = frames.end(begin);
                assert!(end > begin && end <= capacity as u64);
                assert!(frames.largest() as u64 <= frames.usable(end) - begin);
                assert_eq!((frames.begin(begin), frames.begin(end - 1)), (begin, begin));
                assert_eq!((end as usize % PAGE, frames.end(end - 1)), (0, end));
                assert_eq!(frames.index(begin), count);
                count += 1;
                begin = end;
            }
            assert_eq!((begin, frames.count()), (capacity as u64, count));
            assert_eq!(frames.is_divided(), capacity / 2 >= largest / 4, "{capacity}, {largest}");
            assert_eq!(frames.is_divided(), count >= 2);
            assert!(frames.largest() * 3 >= capacity.min(largest), "{frames:?}");
            let again = frames.frame().and_then(|frame| Frames::divided(capacity, frame));
            assert_eq!(again.unwrap_or(Frames::undivided(capacity)), frames);
        }
        for frame in [0, 1, PAGE - 1, 1 << 40] {
            assert_eq!(Frames::divided(1 << 20, frame), None);
        }
    }
}
