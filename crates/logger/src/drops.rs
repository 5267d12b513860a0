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
    /// How many it will have been told of once the batch is written.
    telling: Option<[u64; CAUSES.len()]>,
    /// The last moment at which there was nothing to tell.
    clean_ns: u64,
    /// What the shards had dropped at that moment, to see which one it is.
    clean_shards: Vec<u64>,
    told_at: Option<Instant>,
}

impl Drops {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            wanted: options.drop_markers.unwrap_or(options.kind == Kind::Event),
            told: [0; CAUSES.len()],
            telling: None,
            clean_ns: clock::now(TimeSource::Coarse),
            clean_shards: Vec::new(),
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
        let now = CAUSES.map(|cause| core.counters.dropped(cause));
        let shards = || core.pool.shards().iter().map(|shard| shard.dropped_so_far());
        let until_ns = clock::now(TimeSource::Coarse);
        if now == self.told {
            self.clean_ns = until_ns;
            self.clean_shards.clear();
            self.clean_shards.extend(shards());
            return;
        }
        if self.told_at.is_some_and(|at| at.elapsed() < RATE) {
            return;
        }
        let mut grown = shards()
            .enumerate()
            .filter(|(index, count)| *count > self.clean_shards.get(*index).copied().unwrap_or(0));
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
                Marker { dropped, since_ns: self.clean_ns, until_ns, shard, cause: *cause as u32 };
            let text = format!("{dropped} records dropped: {cause}");
            let header = marker.to_bytes();
            records.extend_from_slice(&((header.len() + text.len()) as u32).to_le_bytes());
            records.extend_from_slice(&header);
            records.extend_from_slice(text.as_bytes());
            count += 1;
        }
        debug_assert!(records.len() >= LENGTH);
        batch.add_markers(&records, count, meta, align);
        self.telling = Some(now);
    }

    /// The markers are in the log.
    pub(crate) fn reported(&mut self) {
        if let Some(told) = self.telling.take() {
            self.told = told;
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
