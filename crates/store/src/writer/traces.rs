//! The lists of traces: each bucket has the newest record of one trace, from where those of the others in it are linked.

use super::Writer;
use crate::core::{FLAG_SUPERSEDED, Shared, SlotWords, join, split, word};
use crate::intern::NONE;
use crate::sync::{AtomicU64, Ordering};

/// How a record is linked to those of its trace, and its trace to others.
pub(super) struct TraceLink {
    /// For its slot.
    pub(super) words: u64,
    /// The newest record of another trace that is to link to it; `None`: its bucket is.
    pub(super) before: Option<u64>,
}

/// A trace in its bucket.
#[derive(Default)]
struct Found {
    /// The newest record of the trace that links to it, if it is not the bucket itself.
    before: Option<u64>,
    /// Its own newest record, and which slot that has.
    newest: Option<(u64, usize)>,
}

impl Writer {
    /// Takes the trace's newest record, if there is one, out of its bucket in favour of the next position.
    #[inline(always)]
    pub(super) fn link_trace(
        &mut self,
        shared: &Shared,
        bucket: &AtomicU64,
        trace: [u64; 2],
    ) -> TraceLink {
        let position = self.head;
        let mut rank = (0, 0);
        let mut link = TraceLink { words: join(0, position as u32), before: None };
        if trace != [0; 2] {
            let found = self.find(shared, bucket, trace);
            if let Some((newest, index)) = found.newest {
                let slot = shared.slot_at(index);
                let (_, next) = split(slot[word::TRACE_LINKS].load(Ordering::Relaxed));
                let meta = slot[word::META].load(Ordering::Relaxed);
                let superseded = u64::from(u32::from_le_bytes([0, 0, FLAG_SUPERSEDED, 0]));
                slot[word::META].store(meta | superseded, Ordering::Relaxed);
                if let Some((before, gone)) = self.ranks.get(index) {
                    rank = (before.wrapping_add(1), *gone);
                }
                let next = if next == newest as u32 { position as u32 } else { next };
                link.words = join((position - newest) as u32, next);
                link.before = found.before;
            } else {
                shared.counters.traces.add(1);
                let first = bucket.load(Ordering::Relaxed);
                if first != NONE {
                    link.words = join(0, first as u32);
                }
            }
        }
        if let Some(place) = self.ranks.get_mut(self.head_index) {
            *place = rank;
        }
        link
    }

    /// Takes the record that the tail has just passed, the oldest of a trace, out of the trace's count, and the trace out of its
    /// bucket if it was the last.
    #[inline(never)]
    pub(super) fn forget_trace(&mut self, shared: &Shared, trace: [u64; 2]) {
        let position = self.tail - 1;
        let bucket = shared.bucket(trace);
        let Found { before, newest } = self.find(shared, bucket, trace);
        let Some((newest, index)) = newest else { return };
        if newest != position {
            let rank = self.ranks.get(self.tail_index).map_or(0, |(rank, _)| *rank);
            if let Some((_, gone)) = self.ranks.get_mut(index) {
                *gone = rank.wrapping_add(1);
            }
            return;
        }
        let slot = shared.slot_at(index);
        let (_, next) = split(slot[word::TRACE_LINKS].load(Ordering::Relaxed));
        let ends = next == position as u32;
        match before {
            Some(before) => self.relink(shared, before, if ends { before as u32 } else { next }),
            None => {
                let first = if ends { NONE } else { self.widen(next) };
                bucket.store(first, Ordering::Release);
            }
        }
        shared.counters.traces.sub(1);
    }

    pub(super) fn relink(&self, shared: &Shared, before: u64, next: u32) {
        let links = &shared.slot_at(self.index(shared, before))[word::TRACE_LINKS];
        let (back, _) = split(links.load(Ordering::Relaxed));
        links.store(join(back, next), Ordering::Release);
    }

    /// The held position (or the one being evicted) with these low bits.
    fn widen(&self, low: u32) -> u64 {
        self.head - u64::from((self.head as u32).wrapping_sub(low))
    }

    #[inline]
    fn find(&self, shared: &Shared, bucket: &AtomicU64, trace: [u64; 2]) -> Found {
        let mut position = bucket.load(Ordering::Relaxed);
        let mut found = Found::default();
        if position == NONE {
            return found;
        }
        loop {
            let index = self.index(shared, position);
            let slot: &SlotWords = shared.slot_at(index);
            if slot[word::TRACE].load(Ordering::Relaxed) == trace[0]
                && slot[word::TRACE + 1].load(Ordering::Relaxed) == trace[1]
            {
                found.newest = Some((position, index));
                return found;
            }
            let (_, next) = split(slot[word::TRACE_LINKS].load(Ordering::Relaxed));
            if next == position as u32 {
                return Found::default();
            }
            found.before = Some(position);
            position = self.widen(next);
        }
    }

    pub(super) fn held_of(&self, shared: &Shared, trace: [u64; 2]) -> u32 {
        let newest = self.find(shared, shared.bucket(trace), trace).newest;
        newest
            .and_then(|(_, index)| self.ranks.get(index))
            .map_or(0, |(before, gone)| before.wrapping_sub(*gone).wrapping_add(1))
    }
}
