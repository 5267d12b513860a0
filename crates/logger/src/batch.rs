//! An output buffer: blocks of several shards, one after the other, for one write.

use std::io;
use std::ops::{Deref, DerefMut};

use flightring_blockfile::{
    AppendError, Appender, BlockMeta, HEADER_LEN, Kind, TRAILER_LEN, block_len, seal, seal_summed,
};

use crate::cursor::{Copied, Cursor};
use crate::options::PAGE;
use crate::piece::Piece;
use crate::pool::Pool;
use crate::region::Region;
use crate::shard::Shard;

/// A sealed block in a batch, and what is true once it is in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    /// Where it ends in the batch.
    pub(crate) end: usize,
    /// The shard that it is of, and how far that is flushed with it; none for markers.
    pub(crate) shard: Option<(usize, Cursor)>,
    pub(crate) payload: usize,
    pub(crate) damaged: bool,
    pub(crate) meta: BlockMeta,
}

pub(crate) struct Batch {
    buf: Buffer,
    used: usize,
    pub(crate) blocks: Vec<Block>,
    /// What goes to the file instead of the buffer.
    in_place: Option<InPlace>,
}

/// A full frame of a shard, made a block where it stands.
struct InPlace(*const u8);

// SAFETY: the bytes are read only, and nobody writes them: the owner has gone on to the next frame and may not come back before the
// flusher has freed this one, which it does after the write.
unsafe impl Send for InPlace {}

/// The memory of a batch. It is of huge pages where the system has them: the kernel pins each page for each direct write.
struct Buffer(Region);

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the region is mapped, readable and zeroed when it is new, and belongs to this value alone.
        unsafe { std::slice::from_raw_parts(self.0.base(), self.0.len()) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and writable; `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.0.base(), self.0.len()) }
    }
}

/// What became of a shard's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Added {
    /// All up to the target are in the batch.
    All,
    /// The batch is full.
    BatchFull,
}

impl Batch {
    pub(crate) fn new(bytes: usize) -> io::Result<Self> {
        let buf = Region::anonymous(bytes.next_multiple_of(PAGE), true, false)?;
        Ok(Self { buf: Buffer(buf), used: 0, blocks: Vec::new(), in_place: None })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// Appends a block of the records between `cursor` and `target`, as many as fit, and moves the cursor. `meta`
    /// is the block's identity and becomes that of the next one.
    fn add(
        &mut self,
        index: usize,
        shard: &Shard,
        cursor: &mut Cursor,
        target: u64,
        meta: &mut BlockMeta,
        align: usize,
    ) -> Added {
        let timed = meta.kind.record_header() >= 8;
        while cursor.position < target {
            let free = &mut self.buf[self.used..];
            // The block's end is aligned, and what is free before that end of the buffer too.
            let room = free.len() / align * align;
            if room < HEADER_LEN + TRAILER_LEN {
                return Added::BatchFull;
            }
            let records = &mut free[HEADER_LEN..room - TRAILER_LEN];
            let mut after = *cursor;
            let copied = after.copy(shard, target, records, timed);
            if copied.records == 0 && copied.full {
                return Added::BatchFull;
            }
            if copied.bytes == 0 && !copied.damaged {
                // The rest of a frame that nothing came into any more. It is freed with what follows.
                *cursor = after;
                continue;
            }
            let block = copied.block(meta);
            let Ok(len) = seal_summed(free, copied.bytes, copied.sum, &block, align) else {
                // Cannot be: the room was measured for it.
                return Added::BatchFull;
            };
            debug_assert_eq!(block_len(copied.bytes, align), Some(len));
            self.used += len;
            self.push(index, after, copied, block);
            *cursor = after;
            *meta = block.next();
        }
        Added::All
    }

    pub(crate) fn clear(&mut self) {
        self.in_place = None;
        self.used = 0;
        self.blocks.clear();
    }

    /// Begins an empty batch with a block of markers, `records` as they stand in the file. `meta` becomes the identity of
    /// the next block.
    pub(crate) fn add_markers(
        &mut self,
        records: &[u8],
        count: u32,
        meta: &mut BlockMeta,
        align: usize,
    ) {
        let kind = meta.kind;
        let block = BlockMeta { kind: Kind::Marker, flags: 0, record_count: count, ..*meta };
        let end = HEADER_LEN + records.len();
        let Some(room) = self.buf.get_mut(HEADER_LEN..end) else { return };
        room.copy_from_slice(records);
        // Far smaller than the buffer, so it fits.
        if let Ok(len) = seal(&mut self.buf, records.len(), &block, align) {
            self.used = len;
            let payload = records.len();
            self.blocks.push(Block { end: len, shard: None, payload, damaged: false, meta: block });
            *meta = BlockMeta { kind, ..block.next() };
        }
    }

    /// Adds to the batch what stands between the cursors and the targets, shard by shard as the gates allow. Returns
    /// whether all of it is in.
    ///
    /// It begins with the shard `first`, which becomes the one behind that at which the batch was full: when all shards are
    /// full, each gets room in turn, rather than the last one only after the others were emptied.
    pub(crate) fn fill(
        &mut self,
        pool: &Pool,
        cursors: &mut [Cursor],
        targets: &[u64],
        meta: &mut BlockMeta,
        align: usize,
        first: &mut usize,
    ) -> bool {
        loop {
            let mut moved = false;
            let mut left = false;
            let shards = cursors.len();
            for index in (*first..shards).chain(0..*first) {
                let target = targets[index];
                let before = cursors[index];
                if before.position >= target {
                    continue;
                }
                let stop = pool.stop(index, target, |other| cursors[other].position);
                let shard = pool.shard(index);
                let added = self.add(index, shard, &mut cursors[index], stop, meta, align);
                if added == Added::BatchFull {
                    *first = (index + 1) % shards;
                    return false;
                }
                moved |= cursors[index] != before;
                left |= cursors[index].position < target;
            }
            // What waited behind a gate can go on once the shard in front of it has moved.
            if !left || !moved {
                return true;
            }
        }
    }

    /// Takes what comes next of a shard, up to `piece.stop`, into the empty batch: the frame as it stands, if it is a whole one. Moves
    /// the cursor; `meta` becomes the identity of the next block. False if a record does not fit.
    pub(crate) fn take(
        &mut self,
        pool: &Pool,
        cursors: &mut [Cursor],
        piece: Piece,
        meta: &mut BlockMeta,
        align: usize,
    ) -> bool {
        let Piece { index, stop, whole } = piece;
        let (shard, cursor) = (pool.shard(index), &mut cursors[index]);
        let before = *cursor;
        if whole {
            self.take_frame(index, shard, cursor, stop, meta, align);
        } else {
            self.add(index, shard, cursor, stop, meta, align);
        }
        *cursor != before
    }

    /// Makes the frame from the cursor to `end` a block.
    fn take_frame(
        &mut self,
        index: usize,
        shard: &Shard,
        cursor: &mut Cursor,
        end: u64,
        meta: &mut BlockMeta,
        align: usize,
    ) {
        let timed = meta.kind.record_header() >= 8;
        let mut after = *cursor;
        let begin = after.settled(shard);
        let passed = after.pass_over(shard, end, timed);
        let memory = shard.base().wrapping_add(begin as usize).wrapping_sub(HEADER_LEN);
        // SAFETY: from the header of this frame to that of the next one, which the storage has room for. The owner has
        // published the end of the frame, so it is outside; the flusher, which calls this, has not freed it; and what was
        // written to the file from here before, if that failed, is not being written any more.
        let frame =
            unsafe { std::slice::from_raw_parts_mut(memory, (end - cursor.position) as usize) };
        let block = passed.block(meta);
        let Ok(len) = seal_summed(frame, passed.bytes, passed.sum, &block, align) else {
            // Cannot be: the owner left room for it.
            return;
        };
        self.used = len;
        self.in_place = Some(InPlace(memory));
        self.push(index, after, passed, block);
        *cursor = after;
        *meta = block.next();
    }

    fn push(&mut self, index: usize, after: Cursor, copied: Copied, meta: BlockMeta) {
        let (shard, payload, damaged) = (Some((index, after)), copied.bytes, copied.damaged);
        self.blocks.push(Block { end: self.used, shard, payload, damaged, meta });
    }

    /// What goes to the file.
    fn bytes(&self) -> &[u8] {
        match &self.in_place {
            // SAFETY: `take_frame` saw that the bytes are there; that nobody writes them is said above.
            Some(frame) => unsafe { std::slice::from_raw_parts(frame.0, self.used) },
            None => &self.buf[..self.used],
        }
    }

    /// Appends all blocks to the file.
    pub(crate) fn write_to(&self, appender: &mut Appender) -> Result<(), AppendError> {
        appender.append(self.bytes())
    }
}
