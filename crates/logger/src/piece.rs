//! What goes to the file next, while threads log faster than it takes.
//!
//! A pass with nothing else to do copies whatever is published, however little. Under load that would be wrong: a frame of
//! which a part was copied has to be copied to its end. So as long as there are full frames, those go first, each from where it
//! stands, and the frames that are being filled are left to their owners.

use crate::cursor::Cursor;
use crate::pool::Pool;

/// A part of one shard, from its cursor on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) index: usize,
    pub(crate) stop: u64,
    /// It is a frame from beginning to end.
    pub(crate) whole: bool,
}

/// The next full frame, or the rest of one that was copied in part, or whatever such a one has to wait for: beginning with the
/// shard `first`, which becomes the one behind that of the piece.
pub(crate) fn next(
    pool: &Pool,
    cursors: &[Cursor],
    targets: &[u64],
    first: &mut usize,
) -> Option<Piece> {
    let stop = |index: usize| pool.stop(index, targets[index], |other| cursors[other].position);
    let full = |index: usize| {
        let shard = pool.shard(index);
        let frames = shard.frames();
        let mut cursor = cursors[index];
        let offset = cursor.settled(shard);
        let end = cursor.lap() + frames.end(offset);
        let is_full = frames.is_divided() && cursor.position < end && end <= stop(index);
        is_full.then_some(Piece { index, stop: end, whole: frames.begin(offset) == offset })
    };
    // What is gated waits for older records of its thread, in a frame that may never become full.
    let in_front = |index: usize| {
        let front = pool.shard(index).gate().shard;
        let rest = Piece { index: front, stop: stop(front), whole: false };
        let is_gated = stop(index) < targets[index] && cursors[front].position < rest.stop;
        is_gated.then(|| full(front).unwrap_or(rest))
    };
    let shards = cursors.len();
    let piece = (*first..shards).chain(0..*first).find_map(|index| {
        if cursors[index].position >= targets[index] {
            return None;
        }
        full(index).or_else(|| in_front(index))
    })?;
    *first = (piece.index + 1) % shards;
    Some(piece)
}
