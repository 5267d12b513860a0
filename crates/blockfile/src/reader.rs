use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::blocks::{Block, BlockItem, BlockReader, ReadOptions};
use crate::damage::{Damage, ReadStats};
use crate::dialect::record_at;
use crate::filter::Filter;
use crate::format::{Kind, TRAILER_LEN, Trailer};
use crate::record::{EVENT_HEADER, EventHeader, Level, MARKER_HEADER, Marker};

/// One record. Its data is valid until the reader's next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What was logged, byte for byte; the text of a marker.
    pub data: &'a [u8],
    /// How the record was stored.
    pub kind: Kind,
    /// When it was logged, Unix nanoseconds; 0 = not known.
    pub time_ns: u64,
    /// Its number in the log: how many records the log's writer wrote before it. For a marker, the number of the
    /// next record. Counted from the beginning of the file in dialects without numbers.
    pub sequence: u64,
    /// The kernel's id of the thread that logged it; 0 = not known.
    pub thread: u32,
    /// The shard that it went through; 0 if not known.
    pub shard: u16,
    /// Its number among the records of its shard; 0 if not known.
    pub shard_sequence: u64,
    /// How severe it is.
    pub level: Level,
    /// The logger's report, if the record is one.
    pub marker: Option<Marker>,
}

/// What a [`Reader`] meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// A record.
    Record(Record<'a>),
    /// A range that was skipped, or something else that is not as it should be.
    Damage(Damage),
}

/// Where the next item is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found {
    Record { begin: usize, end: usize, kind: Kind, sequence: u64 },
    Damage(Damage),
}

/// Reads a file record by record, in the order of the file and in memory bounded by its largest block.
pub struct Reader {
    blocks: BlockReader,
    block: Option<Block>,
    /// Of the block's records: their kind, their length, where the next one is, and its number.
    kind: Kind,
    valid: usize,
    at: usize,
    sequence: u64,
}

impl Reader {
    /// Reads a file from its beginning.
    ///
    /// # Errors
    ///
    /// The operating system's; a directory is refused.
    pub fn open(path: &Path, options: ReadOptions) -> io::Result<Self> {
        Ok(Self::over(BlockReader::open(path, options)?))
    }

    /// Reads an open file from its beginning, wherever its cursor stands.
    #[must_use]
    pub fn from_file(file: File, options: ReadOptions) -> Self {
        Self::over(BlockReader::from_file(file, options))
    }

    /// Reads a stream, such as standard input.
    #[must_use]
    pub fn from_stream(stream: Box<dyn Read + Send>, options: ReadOptions) -> Self {
        Self::over(BlockReader::from_stream(stream, options))
    }

    fn over(blocks: BlockReader) -> Self {
        Self { blocks, block: None, kind: Kind::Raw, valid: 0, at: 0, sequence: 0 }
    }

    /// See [`BlockReader::after`].
    pub(crate) fn after(before: &Self, file: File) -> Self {
        Self::over(BlockReader::after(&before.blocks, file))
    }

    /// See [`BlockReader::after_cut`].
    pub(crate) fn after_cut(before: &Self, file: File) -> io::Result<Self> {
        Ok(Self::over(before.blocks.after_cut(file)?))
    }

    /// The same of a file that will not grow, and is read from front to back.
    pub(crate) fn after_finished(before: &Self, bytes: Box<dyn Read + Send>) -> Self {
        Self::over(BlockReader::after_finished(&before.blocks, bytes))
    }

    /// Reads a file from an offset at which a block begins.
    pub(crate) fn from_file_at(file: File, offset: u64, options: ReadOptions) -> Self {
        Self::over(BlockReader::from_file_at(file, offset, options))
    }

    /// Reads the file at `path` from a block near its end, so that at least the last `records` records come, if
    /// the file has so many. It steps back from trailer to trailer; a file whose end has none is read whole.
    ///
    /// # Errors
    ///
    /// The operating system's; a directory is refused.
    pub fn open_tail(path: &Path, records: u64, options: ReadOptions) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // All of it is to be had without looking.
        let known = metadata.is_file() && records < u64::MAX;
        let from = if known { tail_offset(&file, metadata.len(), records)? } else { 0 };
        Ok(Self::from_file_at(file, from, options))
    }

    /// The next record or report of damage; `None` at the end, or, when following, for now.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn next_item(&mut self) -> io::Result<Option<Item<'_>>> {
        let found = self.advance()?;
        Ok(found.map(|found| self.item(found)))
    }

    /// As [`Self::next_item`], leaving out the records that a filter does not admit; blocks whose times do not meet
    /// its range are not even walked. Damage is reported in any case.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn next_wanted(&mut self, filter: &Filter) -> io::Result<Option<Item<'_>>> {
        loop {
            let Some(found) = self.advance()? else {
                return Ok(None);
            };
            if self.wants(found, filter) {
                return Ok(Some(self.item(found)));
            }
        }
    }

    /// Whether a filter admits what was just found. Leaves a block that it admits nothing of.
    pub(crate) fn wants(&mut self, found: Found, filter: &Filter) -> bool {
        if let (Found::Record { begin: 4, .. }, Some(block)) = (found, &self.block)
            && !filter.admits_block(block)
        {
            (self.block, self.valid) = (None, 0);
            return false;
        }
        match self.item(found) {
            Item::Damage(_) => true,
            Item::Record(record) => filter.admits(&record, self.block.as_ref()),
        }
    }

    /// Moves on to the next item, to be had from [`Self::item`].
    pub(crate) fn advance(&mut self) -> io::Result<Option<Found>> {
        loop {
            let run = self.blocks.records_run().get(..self.valid).unwrap_or_default();
            if let Some(n) = record_at(run, self.at, self.kind.record_header()) {
                let (begin, end, kind, sequence) =
                    (self.at + 4, self.at + 4 + n, self.kind, self.sequence);
                self.at = end;
                if kind != Kind::Marker {
                    self.sequence = sequence.wrapping_add(1);
                }
                return Ok(Some(Found::Record { begin, end, kind, sequence }));
            }
            (self.block, self.valid) = (None, 0);
            match self.blocks.next_block()? {
                None => return Ok(None),
                Some(BlockItem::Damage(damage)) => return Ok(Some(Found::Damage(damage))),
                Some(BlockItem::Block(block)) => {
                    (self.kind, self.valid) = (block.kind, self.blocks.records(&block).len());
                    (self.at, self.sequence) = (0, block.first_record);
                    self.block = Some(block);
                }
            }
        }
    }

    /// What [`Self::advance`] just found.
    pub(crate) fn item(&self, found: Found) -> Item<'_> {
        match found {
            Found::Record { begin, end, kind, sequence } => {
                let body = self.blocks.records_run().get(begin..end).unwrap_or_default();
                Item::Record(Record { sequence, ..parse(body, kind) })
            }
            Found::Damage(damage) => Item::Damage(damage),
        }
    }

    /// The block that the last record came from.
    #[must_use]
    pub fn block(&self) -> Option<&Block> {
        self.block.as_ref()
    }

    /// What was met so far, by whole blocks: the records of the current one are all counted.
    #[must_use]
    pub fn stats(&self) -> &ReadStats {
        self.blocks.stats()
    }

    /// The blocks underneath.
    #[must_use]
    pub fn blocks(&self) -> &BlockReader {
        &self.blocks
    }

    /// See [`BlockReader::stop_following`].
    pub fn stop_following(&mut self) {
        self.blocks.stop_following();
    }
}

/// Reads a file to its end, and returns what it held.
///
/// `report` is called for each range that is not as it should be.
///
/// # Errors
///
/// The operating system's.
pub fn verify(reader: &mut BlockReader, mut report: impl FnMut(&Damage)) -> io::Result<ReadStats> {
    while let Some(item) = reader.next_block()? {
        if let BlockItem::Damage(damage) = item {
            report(&damage);
        }
    }
    Ok(*reader.stats())
}

/// Where to begin to get at least the last `records` records, as trailers state.
fn tail_offset(file: &File, len: u64, records: u64) -> io::Result<u64> {
    let mut bytes = [0; TRAILER_LEN];
    let (mut end, mut found) = (len, 0);
    while found < records && end >= TRAILER_LEN as u64 {
        file.read_exact_at(&mut bytes, end - TRAILER_LEN as u64)?;
        let Some(trailer) = Trailer::from_bytes(&bytes).filter(Trailer::sizes_fit) else {
            return Ok(0);
        };
        let Some(start) = end.checked_sub(u64::from(trailer.capacity)) else {
            return Ok(0);
        };
        if trailer.meta.kind != Kind::Marker {
            found += u64::from(trailer.meta.record_count);
        }
        end = start;
    }
    Ok(if found < records { 0 } else { end })
}

/// The records of a run of bytes, which [`crate::dialect::walk_records`] has walked.
pub(crate) fn records_in(run: &[u8], kind: Kind) -> impl Iterator<Item = Record<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let n = record_at(run, at, kind.record_header())?;
        let begin = at + 4;
        at = begin + n;
        Some(parse(&run[begin..at], kind))
    })
}

/// A record without its length field; its length was checked against the kind's header.
fn parse(body: &[u8], kind: Kind) -> Record<'_> {
    let (header, data) = body.split_at(kind.record_header().min(body.len()));
    let mut record = Record {
        data,
        kind,
        time_ns: 0,
        sequence: 0,
        thread: 0,
        shard: 0,
        shard_sequence: 0,
        level: Level::None,
        marker: None,
    };
    match kind {
        Kind::Raw => {}
        Kind::Timed => record.time_ns = header.first_chunk().map_or(0, |t| u64::from_le_bytes(*t)),
        Kind::Event => {
            if let Some(header) = header.first_chunk::<EVENT_HEADER>() {
                let event = EventHeader::from_bytes(header);
                record.time_ns = event.time_ns;
                record.shard_sequence = event.sequence;
                record.thread = event.thread;
                record.shard = event.shard;
                record.level = event.level;
            }
        }
        Kind::Marker => {
            if let Some(header) = header.first_chunk::<MARKER_HEADER>() {
                let marker = Marker::from_bytes(header);
                record.time_ns = marker.until_ns;
                record.level = Level::Warn;
                record.marker = Some(marker);
            }
        }
    }
    record
}
