//! Places in the history that are described by time or by lines.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::clock::Time;
use crate::follow::{Follower, Next, Start};
use crate::monitor::Monitor;
use crate::stream::Stream;

/// Combined offset of the first byte that arrived at `time` or later; the total if none did.
pub(crate) fn offset_of_time(monitor: &Monitor, time: Time) -> u64 {
    monitor.timeline.first_mark_from(time).map_or_else(|| monitor.total(), |mark| mark.offset)
}

/// Where the last lines begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Combined offset of the first of them.
    pub(crate) offset: u64,
    /// Where in each stream the first of its lines among them begins, as a combined offset: a longer line of the one
    /// stream may enclose lines of the other.
    pub(crate) by_stream: [u64; 3],
}

/// How much is looked at first for each line that is wanted; lines are rarely longer.
const BYTES_PER_LINE: u64 = 256;

/// Looks for the beginnings of the last `count` lines, a partial one included: in the newest bytes, and then in ever more of
/// them, until there are enough.
pub(crate) fn tail(monitor: &Arc<Monitor>, count: usize) -> Tail {
    let end = monitor.total();
    let none = Tail { offset: end, by_stream: [end; 3] };
    if count == 0 {
        return none;
    }
    let mut reach = (count as u64).saturating_mul(BYTES_PER_LINE).max(4096);
    loop {
        let from = end.saturating_sub(reach).max(monitor.oldest());
        let all = from == monitor.oldest();
        let Some(starts) = last_starts(monitor, count, from, end) else { return none };
        if starts.len() < count && !all {
            reach = reach.saturating_mul(4);
            continue;
        }
        let mut tail = none;
        for &(offset, stream) in starts.iter().rev() {
            tail.by_stream[stream.index()] = offset;
            tail.offset = tail.offset.min(offset);
        }
        return tail;
    }
}

/// The beginnings of the last `count` lines that begin at `from` or later. A stream's oldest retained byte begins one.
fn last_starts(
    monitor: &Arc<Monitor>,
    count: usize,
    from: u64,
    end: u64,
) -> Option<VecDeque<(u64, Stream)>> {
    let mut starts: VecDeque<(u64, Stream)> = VecDeque::new();
    // Of each stream, whether its next byte begins a line; looked up at its first one.
    let mut at_line_start: [Option<bool>; 3] = [None; 3];
    let mut buffer = vec![0; 1 << 14];
    let mut follower = Follower::new(Arc::clone(monitor), Start::Offset(from)).ok()?;
    // What it misses nobody wanted.
    follower.hide();
    while follower.offset() < end {
        match follower.next(&mut buffer) {
            Next::Chunk(chunk) => {
                let mut push = |at: usize| {
                    if starts.len() == count {
                        starts.pop_front();
                    }
                    starts.push_back((chunk.offset + at as u64, chunk.stream));
                };
                let fresh = &mut at_line_start[chunk.stream.index()];
                let begins = || monitor.timeline.begins_line(chunk.stream, chunk.offset);
                if chunk.fresh || fresh.unwrap_or_else(|| begins().unwrap_or(true)) {
                    push(0);
                }
                *fresh = Some(chunk.data.ends_with(b"\n"));
                for newline in memchr::memchr_iter(b'\n', chunk.data) {
                    if newline + 1 < chunk.data.len() {
                        push(newline + 1);
                    }
                }
            }
            // What was evicted while we looked is not among the last lines, or everything is going too fast.
            Next::Gap { .. } => starts.clear(),
            Next::Empty | Next::End => break,
        }
    }
    Some(starts)
}
