//! Files made in memory, and what a reader makes of them.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::Cursor;

use flightring_blockfile::{
    BlockMeta, Damage, EventHeader, HEADER_LEN, Item, Kind, Level, Marker, ReadOptions, ReadStats,
    Reader, seal,
};

/// A record as a test gives it and gets it back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rec {
    pub(crate) kind: Kind,
    pub(crate) data: Vec<u8>,
    pub(crate) time_ns: u64,
    pub(crate) sequence: u64,
    pub(crate) thread: u32,
    pub(crate) level: Level,
}

/// One block of records of one kind, as a writer makes it. Advances `meta`.
pub(crate) fn block(meta: &mut BlockMeta, kind: Kind, records: &[Rec], align: usize) -> Vec<u8> {
    let mut run = Vec::new();
    for record in records {
        let header = match kind {
            Kind::Raw => Vec::new(),
            Kind::Timed => record.time_ns.to_le_bytes().to_vec(),
            Kind::Event => EventHeader {
                time_ns: record.time_ns,
                sequence: 0,
                thread: record.thread,
                shard: 0,
                level: record.level,
            }
            .to_bytes()
            .to_vec(),
            Kind::Marker => Marker { dropped: 1, until_ns: record.time_ns, ..Marker::default() }
                .to_bytes()
                .to_vec(),
        };
        run.extend(((header.len() + record.data.len()) as u32).to_le_bytes());
        run.extend(header);
        run.extend(&record.data);
    }
    meta.kind = kind;
    meta.record_count = records.len() as u32;
    meta.first_ns = records.iter().map(|r| r.time_ns).min().unwrap_or(0);
    meta.last_ns = records.iter().map(|r| r.time_ns).max().unwrap_or(0);
    let mut buf = vec![0xEE; run.len() + 2 * align + 1024];
    buf[HEADER_LEN..HEADER_LEN + run.len()].copy_from_slice(&run);
    let len = seal(&mut buf, run.len(), meta, align).unwrap();
    buf.truncate(len);
    *meta = meta.next();
    buf
}

/// A block without a trailer, `capacity` bytes long (or `written`, if less), with stale bytes after the records.
pub(crate) fn old_block(capacity: u32, valid: u32, run: &[u8], written: usize) -> Vec<u8> {
    let mut out = vec![0x5A; written];
    out[..4].copy_from_slice(&capacity.to_le_bytes());
    out[4..8].copy_from_slice(&valid.to_le_bytes());
    out[8..8 + run.len()].copy_from_slice(run);
    out
}

pub(crate) fn raw(data: &[u8]) -> Rec {
    Rec { kind: Kind::Raw, data: data.to_vec(), ..Rec::default() }
}

pub(crate) struct Outcome {
    pub(crate) records: Vec<Rec>,
    pub(crate) damage: Vec<Damage>,
    pub(crate) stats: ReadStats,
}

impl Outcome {
    pub(crate) fn texts(&self) -> Vec<String> {
        self.records.iter().map(|r| String::from_utf8_lossy(&r.data).into_owned()).collect()
    }
}

pub(crate) fn read(bytes: &[u8], options: ReadOptions) -> Outcome {
    drain(Reader::from_stream(Box::new(Cursor::new(bytes.to_vec())), options))
}

pub(crate) fn drain(mut reader: Reader) -> Outcome {
    let (mut records, mut damage) = (Vec::new(), Vec::new());
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Damage(d) => damage.push(d),
            Item::Record(r) => records.push(Rec {
                kind: r.kind,
                data: r.data.to_vec(),
                time_ns: r.time_ns,
                sequence: r.sequence,
                thread: r.thread,
                level: r.level,
            }),
        }
    }
    Outcome { records, damage, stats: *reader.stats() }
}
