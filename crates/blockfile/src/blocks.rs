//! From bytes to blocks: stepping, verifying, and finding the way back after damage.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Instant;

use memchr::memmem::Finder;

use crate::damage::{Damage, ReadStats, Reason};
use crate::dialect::{Dialect, Framing, detect, walk_records};
use crate::format::{
    BlockMeta, HEADER_LEN, Kind, MAGIC, MIN_ALIGN, TRAILER_LEN, Trailer, TrailerBytes,
    header_bytes, u32_at,
};
use crate::layer::LayerFile;
use crate::live_end::Mark;
use crate::reader::records_in;
use crate::resync::Damaged;
use crate::sequence::{Order, Sequence};
use crate::window::{Source, Window};

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions {
    /// What blocks without a trailer are taken for. Default: find out.
    pub dialect: Dialect,
    /// The largest block, in bytes, that is read as one: the bound on memory. Default: 512 MiB.
    pub max_block: usize,
    /// The file is being written: an incomplete end is not damage, and reading may go on after `None`.
    pub follow: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { dialect: Dialect::Auto, max_block: 512 << 20, follow: false }
    }
}

/// A good block. Its records are had from [`BlockReader::records`] until the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Where in the file it begins.
    pub offset: u64,
    /// Bytes from here to the next block.
    pub len: usize,
    /// The layout of its records.
    pub kind: Kind,
    /// Whole records in it.
    pub records: u32,
    /// The number of its first record in the log.
    pub first_record: u64,
    /// What the writer states about it; `None` for older dialects.
    pub trailer: Option<Trailer>,
    /// Bytes of records that could be walked.
    valid: usize,
}

/// What a [`BlockReader`] meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockItem {
    /// A good block.
    Block(Block),
    /// Something that is not as it should be.
    Damage(Damage),
}

/// Reads a file block by block, in memory bounded by its largest block.
///
/// A block with a trailer is delivered only if its checksum matches. After damage the reader looks for the next
/// trailer that does, and reports the range in between. It does work proportional to the file's size, whatever the
/// file holds.
pub struct BlockReader {
    pub(crate) window: Window,
    pub(crate) options: ReadOptions,
    pub(crate) stats: ReadStats,
    pub(crate) magic: Finder<'static>,
    ready: VecDeque<BlockItem>,
    /// Bytes of the block that was delivered last; they leave the window at the next call.
    delivered: usize,
    pub(crate) sequence: Sequence,
    /// Where something looked wrong in a file that is written, and since when.
    pub(crate) suspect: Option<(u64, Instant)>,
    /// A trailer was seen, so that blocks without one are damage.
    pub(crate) current_format: bool,
    legacy_records: u64,
    pub(crate) damaged: Option<Damaged>,
    /// When following: the blocks that were delivered last, to find where a file goes on that was cut.
    pub(crate) marks: VecDeque<Mark>,
}

/// What stands at the beginning of the window.
enum Found {
    Current(Trailer, bool),
    Legacy(Dialect),
    Bad(Reason),
    Short,
    Nothing,
}

/// How far a reader looks ahead to find out what a file is.
pub(crate) const PEEK: usize = 4 << 20;

impl BlockReader {
    /// Reads a file from its beginning.
    ///
    /// # Errors
    ///
    /// The operating system's; a directory is refused.
    pub fn open(path: &Path, options: ReadOptions) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Self::from_file(file, options))
    }

    /// Reads an open file from its beginning, wherever its cursor stands.
    #[must_use]
    pub fn from_file(file: File, options: ReadOptions) -> Self {
        Self::from_file_at(file, 0, options)
    }

    pub(crate) fn from_file_at(file: File, offset: u64, options: ReadOptions) -> Self {
        // Pipes and terminals have no offsets.
        if file.metadata().is_ok_and(|m| m.is_file()) {
            Self::with(Source::File(file), offset, options)
        } else {
            Self::with(Source::Stream(Box::new(file)), 0, options)
        }
    }

    /// Reads a stream, such as standard input.
    #[must_use]
    pub fn from_stream(stream: Box<dyn Read + Send>, options: ReadOptions) -> Self {
        Self::with(Source::Stream(stream), 0, options)
    }

    /// Reads a layer's file from the end of a good block, `last`, or from its beginning.
    pub(crate) fn resume(file: Box<dyn LayerFile>, offset: u64, last: Option<&Trailer>) -> Self {
        let mut reader = Self::with(Source::Layer(file), offset, ReadOptions::default());
        if let Some(last) = last {
            reader.sequence = Sequence::resume(&last.meta);
            reader.current_format = true;
        }
        reader
    }

    /// Reads the file that follows `before`'s in the same log, from its beginning.
    pub(crate) fn after(before: &Self, file: File) -> Self {
        let mut reader = Self::from_file(file, ReadOptions { follow: true, ..before.options });
        reader.sequence = before.sequence.in_next_file();
        reader
    }

    /// The same of a file that will not grow, and is read from front to back.
    pub(crate) fn after_finished(before: &Self, bytes: Box<dyn Read + Send>) -> Self {
        let mut reader = Self::from_stream(bytes, ReadOptions { follow: false, ..before.options });
        reader.sequence = before.sequence.in_next_file();
        reader
    }

    /// What the next block of the log should state, if blocks of the current format were met.
    pub(crate) fn expected(&self) -> Option<BlockMeta> {
        self.sequence.expected()
    }

    /// Gives the layer's file back.
    pub(crate) fn into_layer_file(self) -> Option<Box<dyn LayerFile>> {
        self.window.into_layer_file()
    }

    fn with(source: Source, offset: u64, options: ReadOptions) -> Self {
        Self {
            window: Window::new(source, offset),
            options,
            stats: ReadStats { dialect: options.dialect, ..ReadStats::default() },
            magic: Finder::new(&MAGIC),
            ready: VecDeque::new(),
            delivered: 0,
            sequence: Sequence::default(),
            current_format: false,
            legacy_records: 0,
            suspect: None,
            damaged: None,
            marks: VecDeque::new(),
        }
    }

    /// The next block or report; `None` at the end, or, when following, for now.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn next_block(&mut self) -> io::Result<Option<BlockItem>> {
        self.window.consume(std::mem::take(&mut self.delivered));
        loop {
            if let Some(item) = self.ready.pop_front() {
                match &item {
                    BlockItem::Block(block) => self.delivered = block.len,
                    BlockItem::Damage(damage) => self.stats.count(damage),
                }
                return Ok(Some(item));
            }
            let going_on =
                if self.damaged.is_some() { self.resynchronise()? } else { self.step()? };
            self.stats.file_bytes = self.window.offset() + self.window.bytes().len() as u64;
            if !going_on {
                return Ok(None);
            }
        }
    }

    /// The bytes of the records of the block that [`Self::next_block`] delivered last.
    #[must_use]
    pub fn records(&self, block: &Block) -> &[u8] {
        self.window.bytes().get(HEADER_LEN..HEADER_LEN + block.valid).unwrap_or_default()
    }

    /// All bytes of the block that [`Self::next_block`] delivered last, as they are in the file.
    #[must_use]
    pub fn block_bytes(&self, block: &Block) -> &[u8] {
        self.window.bytes().get(..block.len).unwrap_or_default()
    }

    /// What that block's header should be, given what could be read of it.
    pub(crate) fn sound_header(&self, block: &Block) -> [u8; HEADER_LEN] {
        if let Some(trailer) = &block.trailer {
            return header_bytes(trailer.capacity, trailer.valid);
        }
        let (capacity, valid) = self.header(0);
        let header = if self.stats.dialect == Dialect::V2 { HEADER_LEN } else { 0 };
        header_bytes(capacity, valid.min((block.valid + header) as u32))
    }

    /// What is in memory after the header of the block that was delivered last.
    pub(crate) fn records_run(&self) -> &[u8] {
        self.window.bytes().get(HEADER_LEN..).unwrap_or_default()
    }

    /// What was met so far.
    #[must_use]
    pub fn stats(&self) -> &ReadStats {
        &self.stats
    }

    /// The offset up to which the file was delivered or reported.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.window.offset() + self.delivered as u64
    }

    /// The file that is read, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&File> {
        self.window.file()
    }

    /// Looks at what stands at the beginning of the window. `false`: nothing more (for now).
    fn step(&mut self) -> io::Result<bool> {
        match self.inspect()? {
            Found::Nothing => {
                self.wait();
                return Ok(false);
            }
            Found::Short if self.options.follow => {
                self.wait();
                return Ok(false);
            }
            Found::Bad(Reason::Checksum) if self.options.follow && self.is_last_block()? => {
                self.wait();
                return Ok(false);
            }
            Found::Bad(_) if self.options.follow && !self.has_settled() => {
                self.wait();
                return Ok(false);
            }
            Found::Current(trailer, header_intact) => self.accept(&trailer, header_intact),
            Found::Legacy(dialect) => self.accept_legacy(dialect),
            Found::Short => self.begin_damage(Reason::Truncated),
            Found::Bad(reason) => self.begin_damage(reason),
        }
        Ok(true)
    }

    fn inspect(&mut self) -> io::Result<Found> {
        match self.window.fill(HEADER_LEN)? {
            0 => return Ok(Found::Nothing),
            n if n < HEADER_LEN => return Ok(Found::Short),
            _ => {}
        }
        let (capacity, valid) = self.header(0);
        let len = capacity as usize;
        if capacity == 0 && valid == 0 {
            return Ok(Found::Bad(Reason::Zeros));
        }
        if capacity == 0 || !len.is_multiple_of(MIN_ALIGN) {
            return Ok(Found::Bad(Reason::Header));
        }
        if len > self.options.max_block {
            return Ok(Found::Bad(Reason::TooLarge));
        }
        if self.window.fill(len)? < len {
            return self.inspect_legacy(capacity, valid, Found::Short);
        }
        match self.trailer_ending(len).map(Trailer::read) {
            Some(TrailerBytes::Present(trailer)) => {
                self.current_format = true;
                let holds = trailer.capacity == capacity
                    && trailer.valid == valid
                    && self.checksum_holds(0, &trailer);
                Ok(if holds { Found::Current(trailer, true) } else { Found::Bad(Reason::Checksum) })
            }
            Some(TrailerBytes::Unknown { version, kind }) => {
                self.current_format = true;
                Ok(Found::Bad(Reason::Unknown { version, kind }))
            }
            Some(TrailerBytes::Absent) | None => {
                self.inspect_legacy(capacity, valid, Found::Bad(Reason::NoTrailer))
            }
        }
    }

    /// A block that has no trailer, or not all of its bytes: one of an older dialect, or else `otherwise`.
    fn inspect_legacy(&mut self, capacity: u32, valid: u32, otherwise: Found) -> io::Result<Found> {
        if self.options.dialect == Dialect::Auto
            && (self.current_format || self.overwritten_trailer(capacity, valid))
        {
            return Ok(otherwise);
        }
        let Some(dialect) = self.decide_dialect()? else {
            return Ok(match otherwise {
                Found::Bad(_) if !self.current_format => Found::Bad(Reason::Header),
                _ => otherwise,
            });
        };
        if self.fits(dialect)? {
            return Ok(Found::Legacy(dialect));
        }
        if matches!(otherwise, Found::Short) {
            return Ok(Found::Short);
        }
        // A file may have been continued by a program that writes another dialect.
        let block = &self.window.bytes()[..capacity as usize];
        if self.options.dialect == Dialect::Auto
            && let Some(other) = detect(block, true)
            && other != dialect
            && self.fits(other)?
        {
            self.stats.dialect = other;
            return Ok(Found::Legacy(other));
        }
        // Broken records in a sound row of blocks: what can be walked is delivered, the rest is reported.
        let step = dialect.step(capacity, valid);
        let sound = dialect.records_len(capacity, valid).is_some()
            && match self.window.fill(step + HEADER_LEN)?.checked_sub(step) {
                Some(0) => true,
                Some(HEADER_LEN..) => {
                    let (capacity, valid) = self.header(step);
                    dialect.records_len(capacity, valid).is_some()
                }
                _ => false,
            };
        Ok(if sound { Found::Legacy(dialect) } else { Found::Bad(Reason::Records) })
    }

    /// Whether the trailer-less end of a block still states the sizes that a trailer would.
    fn overwritten_trailer(&self, capacity: u32, valid: u32) -> bool {
        self.trailer_ending(capacity as usize)
            .is_some_and(|end| u32_at(end, 8) == capacity && u32_at(end, 12) == valid && valid > 0)
    }

    /// The dialect that was asked for, or found out at the first block without a trailer.
    fn decide_dialect(&mut self) -> io::Result<Option<Dialect>> {
        match self.stats.dialect {
            Dialect::Current => return Ok(None),
            Dialect::Auto => {}
            dialect => return Ok(Some(dialect)),
        }
        self.window.fill(PEEK.min(self.options.max_block))?;
        let bytes = self.window.bytes();
        let (mut bytes, mut whole) = (bytes, self.window.at_end() && !self.options.follow);
        if let Some((start, trailer)) = self.first_current(bytes) {
            // A log that was continued in the current format counts its blocks from 0. Any other number means that
            // blocks of this format came before, and that what stands there is what damage left of them.
            if trailer.meta.block_seq != 0 {
                self.current_format = true;
                return Ok(None);
            }
            (bytes, whole) = (&bytes[..start], true);
        }
        let found = detect(bytes, whole);
        if let Some(dialect) = found {
            self.stats.dialect = dialect;
        }
        Ok(found)
    }

    pub(crate) fn checksum_holds(&self, start: usize, trailer: &Trailer) -> bool {
        let records = start + HEADER_LEN..start + HEADER_LEN + trailer.valid as usize;
        trailer.sizes_fit()
            && self.window.bytes().get(records).is_some_and(|r| trailer.crc_of(r) == trailer.crc)
    }

    /// Whether the block at the window's front, of this dialect, is complete and its records fill it exactly.
    fn fits(&mut self, dialect: Dialect) -> io::Result<bool> {
        let (capacity, valid) = self.header(0);
        let Some(len) = dialect.records_len(capacity, valid) else {
            return Ok(false);
        };
        let step = dialect.step(capacity, valid);
        let have = self.window.fill(step)?;
        // The last packed block may be cut to its records.
        if have < step && (dialect != Dialect::Packed || have < HEADER_LEN + len) {
            return Ok(false);
        }
        let records = &self.window.bytes()[HEADER_LEN..HEADER_LEN + len];
        Ok(walk_records(records, dialect.kind()).len == len)
    }

    pub(crate) fn header(&self, at: usize) -> (u32, u32) {
        let bytes = self.window.bytes();
        (u32_at(bytes, at), u32_at(bytes, at + 4))
    }

    fn trailer_ending(&self, end: usize) -> Option<&[u8; TRAILER_LEN]> {
        self.window.bytes().get(..end)?.last_chunk()
    }

    /// Delivers a good block at the window's front, unless it was there before.
    pub(crate) fn accept(&mut self, trailer: &Trailer, header_intact: bool) {
        let offset = self.window.offset();
        let (len, meta) = (trailer.capacity as usize, &trailer.meta);
        if !header_intact {
            self.report(offset, HEADER_LEN as u64, Reason::Header);
        }
        match self.sequence.meet(meta) {
            Order::Next => {}
            Order::Gap { blocks, records } => {
                self.report(offset, 0, Reason::Missing { blocks, records });
            }
            Order::Late => {
                // It had been reported as missing.
                self.stats.missing_blocks = self.stats.missing_blocks.saturating_sub(1);
                self.stats.missing_records =
                    self.stats.missing_records.saturating_sub(records_of(meta));
            }
            Order::Repeated => {
                self.report(offset, len as u64, Reason::Repeated);
                self.window.consume(len);
                return;
            }
        }
        self.current_format = true;
        let valid = trailer.valid as usize;
        let bytes = self.window.bytes();
        let framing = walk_records(&bytes[HEADER_LEN..HEADER_LEN + valid], meta.kind);
        let padding = HEADER_LEN + valid..len - TRAILER_LEN;
        let padded_with_zeros = bytes[padding.clone()].iter().all(|&byte| byte == 0);
        if meta.kind == Kind::Marker {
            self.stats.dropped =
                self.stats.dropped.saturating_add(dropped_in(&bytes[HEADER_LEN..][..framing.len]));
        }
        self.stats.count_times(meta.first_ns, meta.last_ns);
        self.deliver(len, meta.kind, meta.first_record, Some(*trailer), framing);
        if framing.len < valid || framing.records != meta.record_count {
            let rest = HEADER_LEN + framing.len;
            self.report(offset + rest as u64, (valid - framing.len) as u64, Reason::Records);
        }
        if !padded_with_zeros {
            self.report(offset + padding.start as u64, padding.len() as u64, Reason::Padding);
        }
    }

    fn accept_legacy(&mut self, dialect: Dialect) {
        let offset = self.window.offset();
        let (capacity, valid) = self.header(0);
        let len = dialect.records_len(capacity, valid).unwrap_or(0);
        let bytes = self.window.bytes();
        let run = &bytes[HEADER_LEN..bytes.len().min(HEADER_LEN + len)];
        let framing = walk_records(run, dialect.kind());
        // Without a trailer the times are only in the records.
        if dialect.kind() == Kind::Timed {
            let times = records_in(&run[..framing.len], Kind::Timed).map(|record| record.time_ns);
            times.for_each(|time_ns| self.stats.count_times(time_ns, time_ns));
        }
        let step = dialect.step(capacity, valid).min(bytes.len());
        let first = self.legacy_records;
        self.legacy_records += u64::from(framing.records);
        self.deliver(step, dialect.kind(), first, None, framing);
        if framing.len < len {
            let rest = HEADER_LEN + framing.len;
            self.report(offset + rest as u64, (len - framing.len) as u64, Reason::Records);
        }
    }

    fn deliver(
        &mut self,
        len: usize,
        kind: Kind,
        first_record: u64,
        trailer: Option<Trailer>,
        framing: Framing,
    ) {
        self.stats.blocks += 1;
        if kind == Kind::Marker {
            self.stats.markers += u64::from(framing.records);
        } else {
            self.stats.records += u64::from(framing.records);
            self.stats.payload_bytes += framing.payload;
        }
        if self.options.follow
            && let Some(trailer) = trailer
        {
            self.mark(Mark { end: self.window.offset() + len as u64, trailer });
        }
        self.ready.push_back(BlockItem::Block(Block {
            offset: self.window.offset(),
            len,
            kind,
            records: framing.records,
            first_record,
            trailer,
            valid: framing.len,
        }));
    }

    pub(crate) fn report(&mut self, offset: u64, len: u64, reason: Reason) {
        self.ready.push_back(BlockItem::Damage(Damage { offset, len, reason }));
    }
}

fn records_of(meta: &BlockMeta) -> u64 {
    if meta.kind == Kind::Marker { 0 } else { u64::from(meta.record_count) }
}

/// The sum of what the marker records in a run report.
fn dropped_in(run: &[u8]) -> u64 {
    records_in(run, Kind::Marker)
        .filter_map(|record| record.marker)
        .fold(0, |sum, marker| sum.saturating_add(marker.dropped))
}
