//! Dropped records made visible in the log: one marker a second at most, for each cause.

use std::time::{Duration, Instant};

use flightring_blockfile::{BlockMeta, Kind, Marker};

use crate::batch::Batch;
use crate::clock;
use crate::shard::LENGTH;
use crate::state::Core;
use crate::{Dropped, Options, TimeSource};

/// What is dropped after closing, and in a forked child, has no log to be reported in.
const CAUSES: [Dropped; 4] =
    [Dropped::Full, Dropped::TimedOut, Dropped::TooLarge, Dropped::Reentered];
/// The least time between two reports.
const RATE: Duration = Duration::from_secs(1);

pub(crate) struct Drops {
    wanted: bool,
    /// How many the log has been told of.
    told: [u64; CAUSES.len()],
    /// What it will have been told once the batch is written.
    telling: Option<Telling>,
    /// A moment before which all drops are told.
    since_ns: u64,
    /// What the shards had dropped at that moment, to see which one it is.
    shards: Vec<u64>,
    told_at: Option<Instant>,
}

/// What markers on their way to the log say.
struct Telling {
    counts: [u64; CAUSES.len()],
    /// What the next markers begin with, so that theirs do not cover the same time again.
    counted_ns: u64,
    shards: Vec<u64>,
}

impl Drops {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            wanted: options.drop_markers.unwrap_or(options.kind == Kind::Event),
            told: [0; CAUSES.len()],
            telling: None,
            since_ns: clock::now(TimeSource::Realtime),
            shards: Vec::new(),
            told_at: None,
        }
    }

    /// Begins the empty batch with a block of markers, if there is something to tell and it is time.
    pub(crate) fn report(
        &mut self,
        core: &Core,
        batch: &mut Batch,
        meta: &mut BlockMeta,
        align: usize,
    ) {
        if !self.wanted {
            return;
        }
        // What is dropped while the counts are read lies in both spans of time, or it would lie in none.
        let counted_ns = clock::now(TimeSource::Realtime);
        let now = CAUSES.map(|cause| core.counters.dropped(cause));
        let shards = || core.pool.shards().iter().map(|shard| shard.dropped_so_far());
        if now == self.told {
            self.since_ns = counted_ns;
            self.shards.clear();
            self.shards.extend(shards());
            return;
        }
        if self.told_at.is_some_and(|at| at.elapsed() < RATE) {
            return;
        }
        let until_ns = clock::now(TimeSource::Realtime);
        let shards: Vec<u64> = shards().collect();
        let before = |index: usize| self.shards.get(index).copied().unwrap_or(0);
        let mut grown = shards.iter().enumerate().filter(|(index, count)| **count > before(*index));
        let shard = match (grown.next(), grown.next()) {
            (Some((index, _)), None) => index as u32,
            _ => u32::MAX,
        };
        let mut records = Vec::new();
        let mut count = 0;
        for (cause, (now, told)) in CAUSES.iter().zip(now.iter().zip(self.told)) {
            let dropped = now - told;
            if dropped == 0 {
                continue;
            }
            let marker =
                Marker { dropped, since_ns: self.since_ns, until_ns, shard, cause: *cause as u32 };
            let records_are = if dropped == 1 { "record" } else { "records" };
            let text = format!("{dropped} {records_are} dropped: {cause}");
            let header = marker.to_bytes();
            records.extend_from_slice(&((header.len() + text.len()) as u32).to_le_bytes());
            records.extend_from_slice(&header);
            records.extend_from_slice(text.as_bytes());
            count += 1;
        }
        debug_assert!(records.len() >= LENGTH);
        batch.add_markers(&records, count, meta, align);
        self.telling = Some(Telling { counts: now, counted_ns, shards });
    }

    /// The markers are in the log.
    pub(crate) fn reported(&mut self) {
        if let Some(told) = self.telling.take() {
            self.told = told.counts;
            self.since_ns = told.counted_ns;
            self.shards = told.shards;
            self.told_at = Some(Instant::now());
        }
    }

    /// The markers are not in the log, and are made again by the next pass.
    pub(crate) fn not_written(&mut self) {
        self.telling = None;
    }

    /// The next report is the last one, so it comes at once.
    pub(crate) fn last_call(&mut self) {
        self.told_at = None;
    }
}
