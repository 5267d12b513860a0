//! The flusher's place in a shard, and how it copies from there.

use flightring_blockfile::sum_records;

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
        let mut done = Copied::default();
        self.settle(shard);
        while self.position < target {
            let lap_end = self.lap + shard.capacity();
            let origin = shard.base().wrapping_sub(self.lap as usize);
            let stop = target.min(lap_end);
            let start = self.position;
            let run_end = stop.min(start + RUN);
            // The way from length to length is a chain of loads, each of which would wait for memory.
            let ahead = (run_end - self.lap, stop.min(run_end + RUN) - self.lap);
            stream::fetch(
                shard.base().wrapping_add(ahead.0 as usize),
                (ahead.1 - ahead.0) as usize,
            );
            let (mut next, mut records, mut end_of_lap) = (start, 0, false);
            while next < run_end {
                if lap_end - next < LENGTH as u64 {
                    end_of_lap = true;
                    break;
                }
                let at = origin.wrapping_add(next as usize);
                // SAFETY: the four bytes lie in [head, tail) and before the end of the lap, which the owner
                // published and does not touch until the position is freed.
                let length = u32::from_le(unsafe { at.cast::<u32>().read_unaligned() });
                if length == PAD {
                    end_of_lap = true;
                    break;
                }
                let end = next + LENGTH as u64 + u64::from(length);
                if end > stop || (timed && length < 8) {
                    done.damaged = true;
                    break;
                }
                if done.bytes as u64 + (end - start) > dst.len() as u64 {
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
            // SAFETY: [start, next) was walked above and lies in the published part of this lap; `dst` has room for
            // it after what was copied before, which the walk checked; the ring and `dst` are different memory.
            unsafe {
                let run = origin.wrapping_add(start as usize);
                done.sum = sum_records(done.sum, std::slice::from_raw_parts(run, len));
                stream::copy(run, dst.as_mut_ptr().add(done.bytes), len);
            }
            done.bytes += len;
            done.records += records;
            self.position = next;
            if done.damaged {
                self.skip_to(shard, target);
            } else if end_of_lap || next == lap_end {
                self.lap = lap_end;
                self.position = lap_end;
            }
            if done.full {
                break;
            }
        }
        stream::finish();
        done
    }

    /// Follows the owner to the storage's beginning if it has rewound here. It does so only where all is flushed, so
    /// never in the midst of what is copied.
    pub(crate) fn settle(&mut self, shard: &Shard) {
        if self.position == shard.rewound() {
            self.lap = self.position;
        }
    }

    fn skip_to(&mut self, shard: &Shard, target: u64) {
        self.position = target;
        while self.position >= self.lap + shard.capacity() {
            self.lap += shard.capacity();
        }
    }
}
