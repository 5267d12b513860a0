//! Several files, or the shards within one, as one ordered stream.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

use crate::blocks::Block;
use crate::damage::Damage;
use crate::filter::Filter;
use crate::format::Kind;
use crate::reader::{Item, Reader, Record};
use crate::record::{Level, Marker};

/// By what a [`Merge`] orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OrderBy {
    /// By time. Records of the same time stay in the order of their file, in which those of a thread are in order.
    /// Records without a time of their own are put at the time of their block.
    #[default]
    Time,
    /// By the record's number in its log: for the rotated files of one log, in any order.
    Sequence,
}

/// A record that owns its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    /// See [`Record::data`].
    pub data: Vec<u8>,
    kind: Kind,
    time_ns: u64,
    sequence: u64,
    thread: u32,
    shard: u16,
    shard_sequence: u64,
    level: Level,
    marker: Option<Marker>,
}

impl OwnedRecord {
    /// The record, borrowing its data.
    #[must_use]
    pub fn record(&self) -> Record<'_> {
        Record {
            data: &self.data,
            kind: self.kind,
            time_ns: self.time_ns,
            sequence: self.sequence,
            thread: self.thread,
            shard: self.shard,
            shard_sequence: self.shard_sequence,
            level: self.level,
            marker: self.marker,
        }
    }
}

impl From<Record<'_>> for OwnedRecord {
    fn from(record: Record<'_>) -> Self {
        Self {
            data: record.data.to_vec(),
            kind: record.kind,
            time_ns: record.time_ns,
            sequence: record.sequence,
            thread: record.thread,
            shard: record.shard,
            shard_sequence: record.shard_sequence,
            level: record.level,
            marker: record.marker,
        }
    }
}

/// What a [`Merge`] meets, and in which of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// The next record in order.
    Record(usize, OwnedRecord),
    /// A range of one file that was skipped; reported when it is met, so possibly before earlier records.
    Damage(usize, Damage),
}

struct Source {
    reader: Reader,
    done: bool,
    /// The highest key that was read.
    reached: u64,
}

/// What is ordered by, the file, and the place in the file: what comes at the same time stays as it was written.
type Key = (u64, usize, u64);

/// A record that waits for its turn.
pub(crate) struct Entry(pub(crate) Key, pub(crate) OwnedRecord);

impl Entry {
    /// What it costs in memory.
    pub(crate) fn size(&self) -> usize {
        OVERHEAD + self.1.data.len()
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// What a record is ordered by, in a file that was `reached` so far.
pub(crate) fn key_of(
    order: OrderBy,
    record: &Record<'_>,
    block: Option<&Block>,
    reached: u64,
) -> u64 {
    match order {
        OrderBy::Sequence => record.sequence,
        OrderBy::Time if record.time_ns != 0 => record.time_ns,
        OrderBy::Time => block
            .and_then(|block| block.trailer)
            .map_or(0, |trailer| trailer.meta.first_ns)
            .max(reached),
    }
}

/// Merges files into one stream, reading ahead as far as its window reaches.
///
/// Within one file the shards of a logger take turns, so a record may stand behind later ones: by no more bytes than
/// two fillings of the logger's buffer. A window of that size gives the exact order; with a smaller one, records
/// that come too late are delivered late, and counted.
pub struct Merge {
    sources: Vec<Source>,
    /// `None`: one file after the other.
    order: Option<OrderBy>,
    filter: Filter,
    heap: BinaryHeap<Reverse<Entry>>,
    held: usize,
    window: usize,
    arrivals: u64,
    emitted: u64,
    late: u64,
}

/// What an entry of the heap costs apart from its data.
const OVERHEAD: usize = size_of::<Entry>() + 16;

impl Merge {
    /// Merges `readers`, holding at most about `window` bytes of records in memory.
    #[must_use]
    pub fn new(readers: Vec<Reader>, order: OrderBy, filter: Filter, window: usize) -> Self {
        Self::with(readers, Some(order), filter, window)
    }

    /// Reads one file after the other, each in its own order.
    #[must_use]
    pub fn in_turn(readers: Vec<Reader>, filter: Filter) -> Self {
        Self::with(readers, None, filter, 0)
    }

    fn with(readers: Vec<Reader>, order: Option<OrderBy>, filter: Filter, window: usize) -> Self {
        let sources =
            readers.into_iter().map(|reader| Source { reader, done: false, reached: 0 }).collect();
        Self {
            sources,
            order,
            filter,
            heap: BinaryHeap::new(),
            held: 0,
            window,
            arrivals: 0,
            emitted: 0,
            late: 0,
        }
    }

    /// The next record in order, or a report of damage; `None` at the end of all files.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn next_item(&mut self) -> io::Result<Option<Merged>> {
        // The file that lags behind is read first: until it has caught up, it may hold what is due.
        while let Some((index, reached)) = self.lagging() {
            let due = self.heap.peek().is_some_and(|Reverse(Entry(key, _))| key.0 <= reached);
            if due && self.held >= self.window {
                break;
            }
            if let Some(damage) = self.read(index)? {
                return Ok(Some(Merged::Damage(index, damage)));
            }
        }
        let Some(Reverse(entry)) = self.heap.pop() else {
            return Ok(None);
        };
        self.held -= entry.size();
        let Entry(key, record) = entry;
        self.late += u64::from(key.0 < self.emitted);
        self.emitted = self.emitted.max(key.0);
        Ok(Some(Merged::Record(key.1, record)))
    }

    /// The file that is read least far, in keys, and how far that is.
    fn lagging(&self) -> Option<(usize, u64)> {
        let unread = self.sources.iter().enumerate().filter(|(_, source)| !source.done);
        unread.map(|(index, source)| (index, source.reached)).min_by_key(|&(_, reached)| reached)
    }

    /// Takes one more item of a file.
    fn read(&mut self, index: usize) -> io::Result<Option<Damage>> {
        let source = &mut self.sources[index];
        let Some(found) = source.reader.advance()? else {
            source.done = true;
            return Ok(None);
        };
        let block = source.reader.block();
        let record = match source.reader.item(found) {
            Item::Damage(damage) => return Ok(Some(damage)),
            Item::Record(record) => record,
        };
        let first = match self.order {
            None => index as u64,
            Some(order) => key_of(order, &record, block, source.reached),
        };
        source.reached = source.reached.max(first);
        if self.filter.admits(&record, block) {
            self.arrivals += 1;
            let entry = Entry((first, index, self.arrivals), record.into());
            self.held += entry.size();
            self.heap.push(Reverse(entry));
        }
        Ok(None)
    }

    /// Records that were delivered after later ones, because the window was too small.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }

    /// The readers, in the order in which they were given.
    pub fn readers(&self) -> impl Iterator<Item = &Reader> {
        self.sources.iter().map(|source| &source.reader)
    }
}
