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

/// Looks through the whole history for the beginnings of the last `count` lines, a partial one included.
pub(crate) fn tail(monitor: &Arc<Monitor>, count: usize) -> Tail {
    let mut starts: VecDeque<(u64, Stream)> = VecDeque::new();
    let mut at_line_start = [true; 3];
    let mut buffer = vec![0; 1 << 14];
    let end = monitor.total();
    let none = Tail { offset: end, by_stream: [end; 3] };
    let Ok(mut follower) = Follower::new(Arc::clone(monitor), Start::Oldest) else { return none };
    while follower.offset() < end && count > 0 {
        match follower.next(&mut buffer) {
            Next::Chunk(chunk) => {
                let fresh = &mut at_line_start[chunk.stream.index()];
                let mut push = |at: usize| {
                    if starts.len() == count {
                        starts.pop_front();
                    }
                    starts.push_back((chunk.offset + at as u64, chunk.stream));
                };
                if std::mem::take(fresh) {
                    push(0);
                }
                for newline in memchr::memchr_iter(b'\n', chunk.data) {
                    if newline + 1 < chunk.data.len() {
                        push(newline + 1);
                    } else {
                        *fresh = true;
                    }
                }
            }
            // What was evicted while we looked is not among the last lines, or everything is going too fast.
            Next::Gap { .. } => starts.clear(),
            Next::Empty | Next::End => break,
        }
    }
    let mut tail = none;
    for &(offset, stream) in starts.iter().rev() {
        tail.by_stream[stream.index()] = offset;
        tail.offset = tail.offset.min(offset);
    }
    tail
}
