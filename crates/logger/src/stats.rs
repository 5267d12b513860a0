use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use flightring_blockfile::DirectFallback;

use crate::histogram::Latency;
use crate::shard::Shard;
use crate::state::Core;
use crate::{Dropped, TimeSource};

/// The newest I/O error of a logger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastError {
    /// The operating system's number.
    pub errno: i32,
    /// When it happened, Unix nanoseconds.
    pub time_ns: u64,
}

/// A snapshot of a logger's numbers. While threads are logging they are of slightly different moments; after
/// closing they are exact: `offered = accepted + dropped` and `accepted = written + in_memory`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Records that calls brought: accepted and dropped.
    pub offered: u64,
    /// Records that were taken; each is in the file or still in memory.
    pub accepted: u64,
    /// Records that were not taken.
    pub dropped: u64,
    /// Of those: there was no room.
    pub dropped_full: u64,
    /// Of those: there was no room in time.
    pub dropped_timed_out: u64,
    /// Of those: too large.
    pub dropped_too_large: u64,
    /// Of those: offered after closing.
    pub dropped_closed: u64,
    /// Of those: offered by a signal handler that had interrupted a call.
    pub dropped_reentered: u64,
    /// Of those: offered in a forked child.
    pub dropped_forked: u64,
    /// Records in the file.
    pub written: u64,
    /// Records in memory, which the file does not hold yet.
    pub in_memory: u64,
    /// Bytes in memory, with lengths and record headers.
    pub bytes_in_memory: u64,
    /// Bytes of records in the file, with lengths and record headers.
    pub payload_bytes: u64,
    /// Bytes of blocks in the file, framing and padding included.
    pub bytes_written: u64,
    /// Blocks in the file.
    pub blocks: u64,
    /// Passes of the flusher that wrote something.
    pub flushes: u64,
    /// Passes that failed, and were or will be repeated.
    pub flush_errors: u64,
    /// Output buffers filled and handed to the disk.
    pub set_swaps: u64,
    /// Records that were overwritten in memory, by a stray pointer, before they could be flushed. Not in `written`.
    pub damaged: u64,
    /// Files that rotation finished.
    pub files_finished: u64,
    /// Of those: compressed.
    pub files_compressed: u64,
    /// How long the passes took that wrote something.
    pub flush_time: Latency,
    /// How long the writes to the file took.
    pub write_time: Latency,
    /// How long the flusher slept.
    pub parked: Duration,
    /// Where the times of records come from: [`TimeSource::Realtime`] if another was asked for that is not to be had.
    pub time_source: TimeSource,
    /// Whether direct I/O is in use.
    pub direct: bool,
    /// Why it is not, if it was asked for.
    pub fallback: Option<DirectFallback>,
    /// The newest I/O error.
    pub last_error: Option<LastError>,
    /// The longest record that is taken, in bytes.
    pub largest_record: u64,
    /// Bytes of memory mapped for shards, the overflow's included, and for output, which the logs of a set share. 0 after
    /// closing.
    pub memory: u64,
    /// Bytes of the shards that are in physical memory, as of at most ten seconds ago; longer for large buffers.
    /// 0 after closing.
    pub memory_resident: u64,
    /// Of those: in huge pages, as of the last minute or so. 0 where they are switched off.
    pub memory_huge: u64,
    /// Whether the shards are locked in memory.
    pub memory_locked: bool,
    /// Whether the shards outlive the process.
    pub staged: bool,
    /// Why they do not, as the operating system's number, if that was asked for; 0 otherwise.
    pub staging_errno: i32,
    /// Records that opening brought back from killed processes. Not in `accepted` or `written`.
    pub recovered: u64,
    /// Bytes at the end of the log that were torn when it was opened, and are in a file beside it now.
    pub set_aside_bytes: u64,
}

/// A snapshot of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ShardStats {
    /// Its number.
    pub id: usize,
    /// Records that it took.
    pub writes: u64,
    /// Records that were dropped because it was full.
    pub dropped: u64,
    /// Bytes that wait to be flushed.
    pub bytes_used: u64,
    /// Bytes that fit.
    pub capacity: u64,
}

impl ShardStats {
    /// How full it is, in percent.
    #[must_use]
    pub fn utilisation(&self) -> f64 {
        100.0 * self.bytes_used as f64 / self.capacity.max(1) as f64
    }

    pub(crate) fn to_json(self) -> String {
        format!(
            r#"{{"id":{},"writes":{},"dropped":{},"bytes_used":{},"capacity":{}}}"#,
            self.id, self.writes, self.dropped, self.bytes_used, self.capacity
        )
    }

    pub(crate) fn of(id: usize, shard: &Shard) -> Self {
        Self {
            id,
            writes: shard.accepted(),
            dropped: shard.dropped.load(Ordering::Relaxed),
            bytes_used: shard.used(),
            capacity: shard.capacity(),
        }
    }
}

impl Stats {
    pub(crate) fn of(core: &Core) -> Self {
        let counters = &core.counters;
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Acquire);
        // What is written is read before what is accepted, so that it is never the larger of the two.
        let (written, damaged) = (load(&counters.written), load(&counters.damaged));
        let shards = core.pool.shards();
        let bytes_in_memory = shards.iter().map(Shard::used).sum();
        let accepted: u64 = shards.iter().map(Shard::accepted).sum();
        let causes = |cause| counters.dropped(cause);
        let presence = core.presence();
        let (memory_resident, memory_huge) = presence.unwrap_or_default();
        let output_bytes = core.facts.output_bytes;
        let mut stats = Self {
            accepted,
            dropped_full: causes(Dropped::Full),
            dropped_timed_out: causes(Dropped::TimedOut),
            dropped_too_large: causes(Dropped::TooLarge),
            dropped_closed: causes(Dropped::Closed),
            dropped_reentered: causes(Dropped::Reentered),
            dropped_forked: causes(Dropped::Forked),
            written,
            in_memory: accepted.saturating_sub(written + damaged),
            bytes_in_memory,
            payload_bytes: load(&counters.payload),
            bytes_written: load(&counters.disk),
            blocks: load(&counters.blocks),
            flushes: load(&counters.flushes),
            flush_errors: load(&counters.flush_errors),
            set_swaps: load(&counters.set_swaps),
            damaged,
            files_finished: load(&counters.files_finished),
            files_compressed: load(&counters.files_compressed),
            flush_time: counters.flush_time.read(),
            write_time: counters.write_time.read(),
            parked: Duration::from_nanos(load(&counters.parked_ns)),
            time_source: core.time_source(),
            direct: counters.direct.load(Ordering::Relaxed),
            fallback: *counters.fallback.lock(),
            last_error: *counters.last_error.lock(),
            memory: match presence {
                Some(_) => shards.iter().map(Shard::capacity).sum::<u64>() + output_bytes as u64,
                None => 0,
            },
            memory_locked: core.memory_locked,
            memory_resident,
            memory_huge,
            largest_record: core.largest_data() as u64,
            staged: core.facts.staged,
            staging_errno: core.facts.staging_errno,
            recovered: core.facts.recovered,
            set_aside_bytes: core.facts.set_aside_bytes,
            ..Self::default()
        };
        stats.dropped = stats.dropped_full
            + stats.dropped_timed_out
            + stats.dropped_too_large
            + stats.dropped_closed
            + stats.dropped_reentered
            + stats.dropped_forked;
        stats.offered = stats.accepted + stats.dropped;
        stats
    }

    /// The sum of two loggers' numbers. Of what cannot be added, such as times, the worse.
    #[must_use]
    pub(crate) fn plus(mut self, other: &Self) -> Self {
        for (mine, theirs) in [
            (&mut self.offered, other.offered),
            (&mut self.accepted, other.accepted),
            (&mut self.dropped, other.dropped),
            (&mut self.dropped_full, other.dropped_full),
            (&mut self.dropped_timed_out, other.dropped_timed_out),
            (&mut self.dropped_too_large, other.dropped_too_large),
            (&mut self.dropped_closed, other.dropped_closed),
            (&mut self.dropped_reentered, other.dropped_reentered),
            (&mut self.dropped_forked, other.dropped_forked),
            (&mut self.written, other.written),
            (&mut self.in_memory, other.in_memory),
            (&mut self.bytes_in_memory, other.bytes_in_memory),
            (&mut self.payload_bytes, other.payload_bytes),
            (&mut self.bytes_written, other.bytes_written),
            (&mut self.blocks, other.blocks),
            (&mut self.flushes, other.flushes),
            (&mut self.flush_errors, other.flush_errors),
            (&mut self.set_swaps, other.set_swaps),
            (&mut self.damaged, other.damaged),
            (&mut self.files_finished, other.files_finished),
            (&mut self.files_compressed, other.files_compressed),
            (&mut self.memory, other.memory),
            (&mut self.memory_resident, other.memory_resident),
            (&mut self.memory_huge, other.memory_huge),
            (&mut self.recovered, other.recovered),
            (&mut self.set_aside_bytes, other.set_aside_bytes),
        ] {
            *mine += theirs;
        }
        self.flush_time = self.flush_time.worse(other.flush_time);
        self.write_time = self.write_time.worse(other.write_time);
        // They share one flusher.
        self.parked = self.parked.max(other.parked);
        self.time_source = other.time_source;
        self.direct |= other.direct;
        self.fallback = self.fallback.or(other.fallback);
        let newer = |error: &LastError| error.time_ns;
        self.last_error = self.last_error.into_iter().chain(other.last_error).max_by_key(newer);
        self.memory_locked |= other.memory_locked;
        let known = |length: &u64| *length != 0;
        let lengths = [self.largest_record, other.largest_record];
        self.largest_record = lengths.into_iter().filter(known).min().unwrap_or(0);
        self.staged |= other.staged;
        self.staging_errno = self.staging_errno.max(other.staging_errno);
        self
    }

    /// The numbers as one JSON object. Durations are in nanoseconds.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::from("{");
        let mut put = |name: &str, value: &dyn std::fmt::Display| {
            let comma = if out.len() > 1 { "," } else { "" };
            // Writing to a string does not fail.
            let _ = write!(out, "{comma}\"{name}\":{value}");
        };
        let numbers: [(&str, u64); 27] = [
            ("offered", self.offered),
            ("accepted", self.accepted),
            ("dropped", self.dropped),
            ("dropped_full", self.dropped_full),
            ("dropped_timed_out", self.dropped_timed_out),
            ("dropped_too_large", self.dropped_too_large),
            ("dropped_closed", self.dropped_closed),
            ("dropped_reentered", self.dropped_reentered),
            ("dropped_forked", self.dropped_forked),
            ("written", self.written),
            ("in_memory", self.in_memory),
            ("bytes_in_memory", self.bytes_in_memory),
            ("payload_bytes", self.payload_bytes),
            ("bytes_written", self.bytes_written),
            ("blocks", self.blocks),
            ("flushes", self.flushes),
            ("flush_errors", self.flush_errors),
            ("set_swaps", self.set_swaps),
            ("damaged", self.damaged),
            ("files_finished", self.files_finished),
            ("files_compressed", self.files_compressed),
            ("largest_record", self.largest_record),
            ("memory", self.memory),
            ("memory_resident", self.memory_resident),
            ("memory_huge", self.memory_huge),
            ("recovered", self.recovered),
            ("set_aside_bytes", self.set_aside_bytes),
        ];
        for (name, value) in &numbers {
            put(name, value);
        }
        put("flush_time", &self.flush_time.to_json());
        put("write_time", &self.write_time.to_json());
        put("parked_ns", &self.parked.as_nanos());
        put("memory_locked", &self.memory_locked);
        put("time_source", &format_args!("\"{}\"", self.time_source.name()));
        put("staged", &self.staged);
        put("staging_errno", &self.staging_errno);
        put("direct", &self.direct);
        match self.fallback {
            Some(why) => put("fallback", &format_args!("\"{why}\"")),
            None => put("fallback", &"null"),
        }
        match self.last_error {
            Some(LastError { errno, time_ns }) => {
                put("last_error", &format_args!("{{\"errno\":{errno},\"time_ns\":{time_ns}}}"));
            }
            None => put("last_error", &"null"),
        }
        out.push('}');
        out
    }
}
