//! What a pass does: copies or takes what is to be written, batch by batch, has it written, and frees it.

use std::io;
use std::sync::atomic::Ordering;

use flightring_blockfile::BlockMeta;

use super::{Log, Output};
use crate::Sync;
use crate::batch::Batch;
use crate::options::PAGE;
use crate::piece::{self, Piece};
use crate::pipe::Written;

/// Which frames that are still being filled a pass leaves to their owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// None: all that is published goes to the file.
    Nothing,
    /// All.
    Begun,
    /// All, if there is anything else to write: somebody waits for room.
    AfterOthers,
}

/// A pass that takes along what is published meanwhile ends with this many batches, for all else that the flusher does.
const BATCHES_A_PASS: u32 = 32;

impl Log {
    /// Takes over the blocks of a batch that the file holds, and gives their space back to the writers.
    fn commit(&mut self, batch: &Batch, accepted: usize) {
        let blocks = || batch.blocks.iter().take_while(|block| block.end <= accepted);
        for block in blocks() {
            if let Some((shard, cursor)) = block.shard {
                self.committed[shard] = cursor;
            } else {
                self.drops.reported();
            }
            self.committed_meta = BlockMeta { kind: self.meta.kind, ..block.meta.next() };
        }
        self.note();
        let counters = &self.core.counters;
        for block in blocks() {
            counters.blocks.fetch_add(1, Ordering::Relaxed);
            if let Some((shard, cursor)) = block.shard {
                counters.written.fetch_add(block.meta.record_count.into(), Ordering::Release);
                counters.payload.fetch_add(block.payload as u64, Ordering::Relaxed);
                self.core.pool.shard(shard).free_up_to(cursor.position, cursor.lap());
            }
            if block.damaged {
                counters.damaged.fetch_add(1, Ordering::Relaxed);
            }
        }
        if accepted > 0 {
            counters.disk.fetch_add(accepted as u64, Ordering::Relaxed);
            self.dirty = self.sync != Sync::EachBatch;
            self.core.made_room();
        }
    }

    /// Takes over what became of a batch, and puts the batch back.
    fn settle(&mut self, written: Written, output: &mut Output) -> io::Result<()> {
        let Written { batch, result, took, len, direct, fallback } = written;
        let counters = &self.core.counters;
        took.into_iter().for_each(|took| counters.write_time.record(took));
        counters.direct.store(direct, Ordering::Relaxed);
        *counters.fallback.lock() = fallback;
        self.len = len;
        let accepted = result.as_ref().map_or_else(|error| error.accepted, |()| batch.len());
        self.commit(&batch, accepted);
        output.put_back(batch);
        result.map_err(|error| error.source)
    }

    /// Waits for the next batch that is being written; there must be one.
    fn await_write(&mut self, output: &mut Output) -> io::Result<()> {
        match output.pipe.wait()? {
            Some(written) => self.settle(written, output),
            None => Err(io::Error::other("an output buffer was lost with its thread")),
        }
    }

    /// Waits for all that is being written, and has the file back.
    pub(super) fn await_all(&mut self, output: &mut Output) -> io::Result<()> {
        if self.appender.is_some() {
            return Ok(());
        }
        let mut result = Ok(());
        while let Some(written) = output.pipe.wait()? {
            // Those behind one that failed only say so.
            result = result.and(self.settle(written, output));
        }
        self.appender = Some(output.pipe.take_back()?);
        result
    }

    /// Sets the targets to what is published now.
    fn aim(&mut self) {
        let cursors = &self.cursors;
        self.core.pool.targets(|index| cursors[index].position, &mut self.targets);
    }

    /// Copies from the shards up to the targets. Returns whether all fits the batch.
    fn fill(&mut self, batch: &mut Batch) -> bool {
        batch.fill(
            &self.core.pool,
            &mut self.cursors,
            &self.targets,
            &mut self.meta,
            self.align,
            &mut self.first_shard,
        )
    }

    /// Whether somebody waits for the pass to end.
    fn is_awaited(&self) -> bool {
        self.core.has_waiting() || self.core.rotation_asked().is_some() || self.files.is_late()
    }

    /// Moves everything published now into the file, less what may be left. Returns whether there was anything.
    pub(super) fn write_out(&mut self, output: &mut Output, leave: Leave) -> io::Result<bool> {
        let mut any = false;
        let result = self.write_batches(output, &mut any, leave);
        // The first failure is the cause of the others.
        let result = result.and(self.await_all(output));
        if result.is_err() {
            // What was taken and is not in the file is taken again.
            self.drops.not_written();
            self.cursors.clone_from(&self.committed);
            self.meta = self.committed_meta;
        }
        result.map(|()| any)
    }

    /// As [`Self::write_out`]; afterwards batches may still be under way.
    fn write_batches(
        &mut self,
        output: &mut Output,
        any: &mut bool,
        leave: Leave,
    ) -> io::Result<()> {
        self.aim();
        for batches in 1.. {
            let mut batch = loop {
                if let Some(batch) = output.spare() {
                    break batch;
                }
                self.await_write(output)?;
            };
            batch.clear();
            if batches == 1 {
                self.drops.report(&self.core, &mut batch, &mut self.meta, self.align);
            }
            if batch.is_empty() && self.is_in_place() {
                if let Some(piece) = self.next_piece() {
                    if self.take(&mut batch, piece) && batch.is_empty() {
                        output.put_back(batch);
                        continue;
                    }
                    *any = true;
                    self.hand_over(batch, output, true)?;
                    continue;
                }
                // Under load more was published meanwhile, which fills frames.
                if output.pipe.is_busy() && batches < BATCHES_A_PASS && !self.is_awaited() {
                    output.put_back(batch);
                    self.await_write(output)?;
                    self.aim();
                    continue;
                }
                let may_leave = match leave {
                    Leave::Nothing => false,
                    Leave::Begun => true,
                    Leave::AfterOthers => *any,
                };
                if may_leave && !self.is_awaited() {
                    output.put_back(batch);
                    return Ok(());
                }
            }
            let mut all = self.fill(&mut batch);
            if all {
                if let Err(error) = self.await_all(output) {
                    output.put_back(batch);
                    return Err(error);
                }
                // Taken along, what was published meanwhile makes this write a large one.
                if batches > 1
                    && batches < BATCHES_A_PASS
                    && !self.is_in_place()
                    && !self.is_awaited()
                {
                    self.aim();
                    all = self.fill(&mut batch);
                }
            }
            if all && batch.is_empty() {
                output.put_back(batch);
                return Ok(());
            }
            *any = true;
            self.hand_over(batch, output, !all)?;
            if all {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether full frames are written from where they stand.
    fn is_in_place(&self) -> bool {
        self.align <= PAGE && self.core.pool.shard(0).frames().is_divided()
    }

    fn next_piece(&mut self) -> Option<Piece> {
        piece::next(&self.core.pool, &self.cursors, &self.targets, &mut self.first_shard)
    }

    fn take(&mut self, batch: &mut Batch, piece: Piece) -> bool {
        batch.take(&self.core.pool, &mut self.cursors, piece, &mut self.meta, self.align)
    }

    /// Has a batch written: by the other thread, if that is wanted and can be, or else here and now.
    fn hand_over(&mut self, batch: Batch, output: &mut Output, elsewhere: bool) -> io::Result<()> {
        if batch.is_empty() {
            output.put_back(batch);
            return Err(io::Error::other("a record does not fit an output buffer"));
        }
        if let Err(error) = self.end_file_if_full(output) {
            output.put_back(batch);
            return Err(error);
        }
        self.core.counters.set_swaps.fetch_add(1, Ordering::Relaxed);
        let here = match elsewhere {
            true => output.pipe.submit(&mut self.appender, batch),
            false => Err(batch),
        };
        if let Err(batch) = here {
            let waited = self.await_all(output);
            match &mut self.appender {
                Some(appender) if waited.is_ok() => {
                    let written = Written::write(appender, batch);
                    self.settle(written, output)?;
                }
                _ => output.put_back(batch),
            }
            waited?;
        }
        Ok(())
    }

    /// Begins a new file if what was written, and is being written, fills this one.
    fn end_file_if_full(&mut self, output: &mut Output) -> io::Result<()> {
        if self.files.is_full(self.len + output.pipe.bytes) {
            self.await_all(output)?;
            // A failure is counted, and the old file goes on.
            let _ = self.begin_file();
        }
        Ok(())
    }
}
