use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use flightring_blockfile::{Item, OwnedRecord, ReadOptions, Reader};

use crate::state::Core;
use crate::stats::{ShardStats, Stats};

/// A look at a logger from outside: its numbers and its newest records, without keeping it open. Once the last handle to the
/// logger is dropped there is nothing more to see.
#[derive(Clone)]
pub struct View {
    core: Weak<Core>,
    path: PathBuf,
}

impl View {
    pub(crate) fn new(core: &Arc<Core>, path: &Path) -> Self {
        Self { core: Arc::downgrade(core), path: path.to_owned() }
    }

    /// As [`Logger::stats`](crate::Logger::stats); `None` when the logger is gone.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        self.core.upgrade().map(|core| Stats::of(&core))
    }

    /// The numbers of all shards, the overflow's included; none when the logger is gone.
    #[must_use]
    pub fn shards(&self) -> Vec<ShardStats> {
        let Some(core) = self.core.upgrade() else { return Vec::new() };
        let shards = core.pool.shards().iter().enumerate();
        shards.map(|(index, shard)| ShardStats::of(index, shard)).collect()
    }

    /// Whether the logger still exists, open or closed.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.core.strong_count() > 0
    }

    /// Where the log is: an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The newest `most` records of the log's present file, oldest first, as far as they were written to it and have at most
    /// `bytes` bytes together. What is damaged is left out.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn newest(&self, most: usize, bytes: usize) -> io::Result<Vec<OwnedRecord>> {
        let mut reader = Reader::open_tail(&self.path, most as u64, ReadOptions::default())?;
        let mut records: VecDeque<OwnedRecord> = VecDeque::new();
        let mut held = 0;
        while let Some(item) = reader.next_item()? {
            let Item::Record(record) = item else { continue };
            held += record.data.len();
            records.push_back(record.into());
            while records.len() > most || held > bytes {
                let Some(oldest) = records.pop_front() else { break };
                held -= oldest.data.len();
            }
        }
        Ok(records.into())
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("View").field(&self.path).finish()
    }
}
