//! What is behind a reader's handle: one file or several, finished or live, as records for C.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flightring_blockfile::{
    Damage, Dialect, Filter, Follower, Item, Kind, LiveMerge, Merge, Merged, OrderBy, OwnedRecord,
    ReadOptions, ReadStats, Reader, Record,
};
use flightring_normalise::pipeline::{decompress, unpack};

use crate::flr_status;
use crate::logger_options::{level_of, unknown};
use crate::reader::{flr_dialect, flr_reader_options, flr_reader_stats, flr_record};
use crate::status::{fail_io, invalid};

#[expect(clippy::large_enum_variant, reason = "there is one for each handle, on the heap")]
enum Source {
    One(Reader),
    Live(Follower),
    Many(Merge),
    LiveMany(LiveMerge),
}

/// What is behind a reader's handle.
pub(crate) struct Reading {
    source: Source,
    filter: Filter,
    pub(crate) report_damage: bool,
    /// Names for messages.
    pub(crate) paths: Vec<PathBuf>,
    /// What the caller looks at, if it does not lie in the source's own memory.
    current: Option<OwnedRecord>,
}

/// A reader of a log, which may be compressed; near its end if it is not.
fn open(path: &Path, last: u64, read: ReadOptions) -> io::Result<Reader> {
    let file = File::open(path)?;
    if file.metadata()?.is_file() {
        // No log begins as compressed data does: sizes of blocks are multiples of 512.
        let found = decompress(file)?;
        if found.compressed {
            return Ok(Reader::from_stream(found.reader, read));
        }
    }
    Reader::open_tail(path, last, read)
}

/// A follower of a log, from near its end.
fn follow(path: &Path, last: u64, read: ReadOptions) -> Result<Follower, flr_status> {
    let failed = |error| unreadable(path, &error);
    let follower = Follower::open_tail(path, last, read).map_err(failed)?;
    let file = follower.reader().blocks().file().map(File::try_clone).transpose();
    if let Some(file) = file.map_err(failed)?
        && unpack(file).map_err(failed)?.is_some()
    {
        return Err(invalid(format_args!(
            "{} is compressed, so nothing comes after it; leave options.follow out",
            path.display()
        )));
    }
    Ok(follower.unpacking(unpack))
}

/// What a reader's next item is.
pub(crate) enum Next {
    Record(flr_record),
    Damage(usize, Damage),
    Nothing(flr_status),
}

impl Reading {
    pub(crate) fn open(
        paths: Vec<PathBuf>,
        options: &flr_reader_options,
        text: Option<&CStr>,
    ) -> Result<Self, flr_status> {
        if options.reserved != 0 {
            return Err(invalid(format_args!("options.reserved is not 0")));
        }
        let filter = filter(options, text)?;
        let read = read_options(options)?;
        let order = order(options.order)?;
        let last = if options.last_records == 0 { u64::MAX } else { options.last_records };
        let reader = |path: &Path| open(path, last, read).map_err(|error| unreadable(path, &error));
        let source = match (order, paths.as_slice()) {
            (order, paths) if options.follow != 0 => {
                let follow = |path: &PathBuf| follow(path, last, read);
                let mut followers = paths.iter().map(follow).collect::<Result<Vec<_>, _>>()?;
                match (order, followers.pop()) {
                    (None, Some(only)) if followers.is_empty() => Source::Live(only),
                    (order, last) => {
                        followers.extend(last);
                        live(followers, order, &filter, options)
                    }
                }
            }
            (None, [path]) => Source::One(reader(path)?),
            (order, paths) => {
                let readers =
                    paths.iter().map(|path| reader(path)).collect::<Result<Vec<_>, _>>()?;
                let window = window(options);
                let merge = match order {
                    Some(order) => Merge::new(readers, order, filter.clone(), window),
                    None => Merge::in_turn(readers, filter.clone()),
                };
                Source::Many(merge)
            }
        };
        let report_damage = options.report_damage != 0;
        Ok(Self { source, filter, report_damage, paths, current: None })
    }

    pub(crate) fn next(&mut self) -> io::Result<Next> {
        let current = &mut self.current;
        let mut merged = |item, end| match item {
            None => Next::Nothing(end),
            Some(Merged::Damage(file, damage)) => Next::Damage(file, damage),
            Some(Merged::Record(file, record)) => {
                Next::Record(as_c(&current.insert(record).record(), file))
            }
        };
        let (found, end) = match &mut self.source {
            Source::One(reader) => (reader.next_wanted(&self.filter)?, flr_status::END),
            Source::Live(follower) => (follower.next_wanted(&self.filter)?, flr_status::TIMEOUT),
            Source::Many(merge) => {
                return Ok(merged(merge.next_item()?, flr_status::END));
            }
            Source::LiveMany(merge) => {
                return Ok(merged(merge.next_item()?, flr_status::TIMEOUT));
            }
        };
        Ok(match found {
            None => Next::Nothing(end),
            Some(Item::Damage(damage)) => Next::Damage(0, damage),
            Some(Item::Record(record)) => Next::Record(as_c(&record, 0)),
        })
    }

    pub(crate) fn stats(&self) -> flr_reader_stats {
        let (stats, late, rotations) = match &self.source {
            Source::One(reader) => (*reader.stats(), 0, 0),
            Source::Live(follower) => (follower.stats(), 0, follower.rotations()),
            Source::Many(merge) => {
                let mut sum = ReadStats::default();
                merge.readers().for_each(|reader| sum.add(reader.stats()));
                (sum, merge.late(), 0)
            }
            Source::LiveMany(merge) => {
                let (mut sum, mut rotations) = (ReadStats::default(), 0);
                for follower in merge.followers() {
                    sum.add(&follower.stats());
                    rotations += follower.rotations();
                }
                (sum, merge.late(), rotations)
            }
        };
        flr_reader_stats {
            struct_size: 0,
            dialect: match stats.dialect {
                Dialect::Auto => flr_dialect::Auto,
                Dialect::Current => flr_dialect::Current,
                Dialect::V1 => flr_dialect::V1,
                Dialect::V2 => flr_dialect::V2,
                Dialect::Timed => flr_dialect::Timed,
                Dialect::Packed => flr_dialect::Packed,
            } as i32,
            blocks: stats.blocks,
            records: stats.records,
            markers: stats.markers,
            dropped: stats.dropped,
            payload_bytes: stats.payload_bytes,
            file_bytes: stats.file_bytes,
            damages: stats.damages,
            skipped_bytes: stats.skipped_bytes,
            missing_blocks: stats.missing_blocks,
            missing_records: stats.missing_records,
            repeated_blocks: stats.repeated_blocks,
            first_ns: stats.first_ns,
            last_ns: stats.last_ns,
            late,
            rotations,
        }
    }
}

fn as_c(record: &Record<'_>, file: usize) -> flr_record {
    flr_record {
        struct_size: 0,
        data: record.data.as_ptr().cast(),
        len: record.data.len(),
        time_ns: record.time_ns,
        level: record.level as i32,
        thread: record.thread,
        sequence: record.sequence,
        shard_sequence: record.shard_sequence,
        shard: record.marker.map_or(u32::from(record.shard), |marker| marker.shard),
        is_marker: u32::from(record.kind == Kind::Marker),
        dropped: record.marker.map_or(0, |marker| marker.dropped),
        file: u32::try_from(file).unwrap_or(u32::MAX),
        drop_cause: record.marker.map_or(0, |marker| marker.cause as i32),
        since_ns: record.marker.map_or(0, |marker| marker.since_ns),
    }
}

fn window(options: &flr_reader_options) -> usize {
    let window = if options.window == 0 { 128 << 20 } else { options.window };
    usize::try_from(window).unwrap_or(usize::MAX)
}

fn live(
    followers: Vec<Follower>,
    order: Option<OrderBy>,
    filter: &Filter,
    options: &flr_reader_options,
) -> Source {
    let filter = filter.clone();
    let hold = match options.hold_ms {
        0 => LiveMerge::DEFAULT_HOLD,
        ms => Duration::from_millis(u64::from(ms)),
    };
    Source::LiveMany(match order {
        Some(order) => LiveMerge::new(followers, order, filter, hold, window(options)),
        None => LiveMerge::as_found(followers, filter),
    })
}

fn read_options(options: &flr_reader_options) -> Result<ReadOptions, flr_status> {
    let dialect = match options.dialect {
        0 => Dialect::Auto,
        1 => Dialect::Current,
        2 => Dialect::V1,
        3 => Dialect::V2,
        4 => Dialect::Timed,
        5 => Dialect::Packed,
        other => return Err(unknown("dialect", other)),
    };
    let max_block = match options.max_block_mib {
        0 => ReadOptions::default().max_block,
        mib @ 1..=4096 => (mib as usize) << 20,
        mib => return Err(invalid(format_args!("max_block_mib is {mib}; use at most 4096"))),
    };
    Ok(ReadOptions { dialect, max_block, follow: false })
}

fn order(order: i32) -> Result<Option<OrderBy>, flr_status> {
    match order {
        0 => Ok(None),
        1 => Ok(Some(OrderBy::Time)),
        2 => Ok(Some(OrderBy::Sequence)),
        other => Err(unknown("order", other)),
    }
}

fn filter(options: &flr_reader_options, text: Option<&CStr>) -> Result<Filter, flr_status> {
    let mut filter = Filter {
        since_ns: (options.since_ns != 0).then_some(options.since_ns),
        until_ns: (options.until_ns != 0).then_some(options.until_ns),
        level: level_of(options.level)?,
        threads: if options.thread == 0 { Vec::new() } else { vec![options.thread] },
        text: None,
    };
    if let Some(text) = text {
        filter.set_text(text.to_bytes());
    }
    Ok(filter)
}

#[cold]
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> flr_status {
    fail_io(format_args!("cannot read {}", path.display()), error)
}
