//! The flusher's place in a shard, and how it copies from there.

use flightring_blockfile::{BlockMeta, sum_records};

use crate::shard::{LENGTH, PAD, Shard};
use crate::stream;

/// How far the flusher has copied a shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) position: u64,
    lap: u64,
}

/// What one call of [`Cursor::copy`] moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) bytes: usize,
    pub(crate) records: u32,
    /// Of the bytes, for the block.
    pub(crate) sum: u32,
    /// Earliest and latest record time, when the records carry one.
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    /// The next record did not fit the destination.
    pub(crate) full: bool,
    /// A length was impossible: somebody wrote over the ring. The rest up to the target was given up.
    pub(crate) damaged: bool,
}

impl Copied {
    /// The identity of a block of these records, which would be `meta` but for them.
    pub(crate) fn block(&self, meta: &BlockMeta) -> BlockMeta {
        BlockMeta {
            record_count: self.records,
            first_ns: self.first_ns,
            last_ns: self.last_ns,
            ..*meta
        }
    }
}

/// Records are found by walking their lengths, and moved by runs of about this size: small enough that the bytes
/// are still in the nearest cache when they are copied.
const RUN: u64 = 8 * 1024;

impl Cursor {
    /// As [`Self::position`] and [`Self::lap`] said before.
    pub(crate) fn new(position: u64, lap: u64) -> Self {
        Self { position, lap }
    }

    /// The position where the current lap began.
    pub(crate) fn lap(&self) -> u64 {
        self.lap
    }

    /// Whether it can be a cursor of a ring of `capacity` bytes.
    pub(crate) fn is_sound(&self, capacity: u64) -> bool {
        self.position.checked_sub(self.lap).is_some_and(|into| into <= capacity)
    }

    /// Copies whole records from the cursor up to `target` into `dst`, as many as fit. `timed` says that a time of
    /// eight bytes follows each length.
    ///
    /// `target` must be a position that [`Shard::tail`] returned.
    pub(crate) fn copy(
        &mut self,
        shard: &Shard,
        target: u64,
        dst: &mut [u8],
        timed: bool,
    ) -> Copied {
        let room = dst.len();
        let done = self.walk(shard, target, room, timed, |run, at| {
            // SAFETY: the run lies in the ring, `walk` lets no more than `room` bytes pass, and the ring and `dst` are
            // different memory.
            unsafe { stream::copy(run.as_ptr(), dst.as_mut_ptr().add(at), run.len()) };
        });
        stream::finish();
        done
    }

    /// As [`Self::copy`], but leaves the records where they are: all of the frame that begins at the cursor and ends at `end`.
    ///
    /// Records without a time are not even walked over; the owner has counted them.
    pub(crate) fn pass_over(&mut self, shard: &Shard, end: u64, timed: bool) -> Copied {
        let offset = self.settled(shard);
        match shard.filled(offset) {
            Some(bytes) if !timed && bytes <= shard.frames().usable(end - self.position) => {
                // SAFETY: the owner has published the frame, and does not touch it until it is freed.
                let all = unsafe {
                    std::slice::from_raw_parts(shard.base().add(offset as usize), bytes as usize)
                };
                self.move_to(shard, end);
                let (records, sum) = (shard.records(offset), sum_records(0, all));
                Copied { bytes: all.len(), records, sum, ..Copied::default() }
            }
            _ => self.walk(shard, end, usize::MAX, timed, |_, _| {}),
        }
    }

    /// Walks over whole records up to `target`, at most `room` bytes of them, and shows them run by run, with the bytes that
    /// were before.
    #[inline(always)]
    fn walk(
        &mut self,
        shard: &Shard,
        target: u64,
        room: usize,
        timed: bool,
        mut show: impl FnMut(&[u8], usize),
    ) -> Copied {
        let mut done = Copied::default();
        let frames = shard.frames();
        self.settle(shard);
        while self.position < target {
            let origin = shard.base().wrapping_sub(self.lap as usize);
            let start = self.position;
            let begin = self.lap + frames.begin(start - self.lap);
            let frame_end = self.lap + frames.end(start - self.lap);
            let (mut usable, is_left) = (frames.usable(frame_end), frame_end <= target);
            if is_left && let Some(bytes) = shard.filled(begin - self.lap) {
                done.damaged |= begin + bytes < start || begin + bytes > usable;
                usable = usable.min(begin + bytes);
            }
            let stop = target.min(usable);
            let run_end = stop.min(start + RUN);
            // The way from length to length is a chain of loads, each of which would wait for memory.
            let ahead = stop.min(run_end + RUN).saturating_sub(run_end);
            stream::fetch(origin.wrapping_add(run_end as usize), ahead as usize);
            let (mut next, mut records, mut end_of_frame) = (start, 0, false);
            loop {
                if next >= run_end {
                    end_of_frame = is_left && next >= usable;
                    break;
                }
                if next + LENGTH as u64 > usable {
                    end_of_frame = is_left;
                    done.damaged |= !is_left;
                    break;
                }
                let at = origin.wrapping_add(next as usize);
                // SAFETY: the four bytes lie in [head, tail) and before the end of the frame, which the owner
                // published and does not touch until the position is freed.
                let length = u32::from_le(unsafe { at.cast::<u32>().read_unaligned() });
                if length == PAD && !frames.is_divided() {
                    end_of_frame = is_left;
                    done.damaged |= !is_left;
                    break;
                }
                let end = next + LENGTH as u64 + u64::from(length);
                if end > stop || (timed && length < 8) {
                    done.damaged = true;
                    break;
                }
                if (done.bytes as u64).saturating_add(end - start) > room as u64 {
                    done.full = true;
                    break;
                }
                if timed {
                    // SAFETY: the record has at least eight bytes after its length and ends before `stop`.
                    let ns = u64::from_le(unsafe { at.add(LENGTH).cast::<u64>().read_unaligned() });
                    done.first_ns =
                        if done.records + records == 0 { ns } else { done.first_ns.min(ns) };
                    done.last_ns = done.last_ns.max(ns);
                }
                next = end;
                records += 1;
            }
            let len = (next - start) as usize;
            // SAFETY: [start, next) was walked above and lies in the published part of this frame.
            let run = unsafe {
                std::slice::from_raw_parts(origin.wrapping_add(start as usize).cast_const(), len)
            };
            done.sum = sum_records(done.sum, run);
            show(run, done.bytes);
            done.bytes += len;
            done.records += records;
            self.position = next;
            if end_of_frame {
                self.position = frame_end;
            }
            let to = if done.damaged { target } else { self.position };
            self.move_to(shard, to);
            if done.full {
                break;
            }
        }
        done
    }

    /// Follows the owner to the storage's beginning if it has rewound here. It does so only where all is flushed, so
    /// never in the midst of what is copied.
    pub(crate) fn settle(&mut self, shard: &Shard) {
        if self.position == shard.rewound() {
            self.lap = self.position;
        }
    }

    /// Where in the storage the cursor stands.
    pub(crate) fn settled(&mut self, shard: &Shard) -> u64 {
        self.settle(shard);
        self.position - self.lap
    }

    fn move_to(&mut self, shard: &Shard, position: u64) {
        self.position = position;
        while self.position >= self.lap + shard.capacity() {
            self.lap += shard.capacity();
        }
    }
}
