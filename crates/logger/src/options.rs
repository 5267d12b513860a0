use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flightring_blockfile::{FileLayer, Kind, Level, OsLayer};

use crate::OpenError;
use crate::frame::{Frames, LARGEST};
use crate::rotate::{self, Rotation, Schedule};
use crate::staging::DEFAULT_FOLDER;

/// Smallest shard, in bytes.
pub const MIN_SHARD: usize = 64 * 1024;
/// Most shards that one logger may have.
pub const MAX_SHARDS: usize = 1024;
/// Largest buffer, in bytes.
pub const MAX_BUFFER: usize = 64 << 30;

/// What happens to a record for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// It is dropped and counted; the call never waits. The default.
    #[default]
    DropNewest,
    /// The call waits until there is room, or the logger is closed.
    Block,
    /// The call waits for at most this long; then the record is dropped and counted.
    BlockFor(Duration),
}

/// When records become durable by themselves; [`crate::Logger::flush`] makes them so in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Sync {
    /// When the system sees fit. The default.
    #[default]
    None,
    /// Each write to the file is durable when it returns (`O_DSYNC`).
    EachBatch,
    /// After the write that the flush interval brings.
    Interval,
}

/// Whether what was accepted outlives the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StagingPolicy {
    /// It does not: what was not written yet when the process is killed, or ends without closing the logger, is lost. The
    /// default.
    #[default]
    Private,
    /// The buffer lies in shared memory. After SIGKILL, a crash or `_exit`, the next opening of the log, or
    /// [`recover`](fn@crate::recover), brings back every accepted record. It does not outlive the machine. Where there is no room for
    /// it, the logger falls back to private memory and says so in its statistics.
    Shared,
}

/// Where the times of records come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TimeSource {
    /// `CLOCK_REALTIME`: exact to the nanosecond that the system keeps, some 25 ns a call. The default.
    #[default]
    Realtime,
    /// `CLOCK_REALTIME_COARSE`: of the last timer tick, 1 to 10 ms old, some 5 ns a call.
    Coarse,
    /// The processor's time stamp counter, held against `CLOCK_REALTIME` once a second: about as cheap as `Coarse`, and within
    /// 100 us of the clock; after the clock was set, within a second. Opening takes 20 ms the first time. Where the
    /// counter does not run at one rate, or the kernel does not trust it, [`Self::Realtime`] is used, and the statistics
    /// say so.
    Tsc,
}

impl TimeSource {
    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Realtime => "realtime",
            Self::Coarse => "coarse",
            Self::Tsc => "tsc",
        }
    }
}

/// How a logger is opened. [`Options::new`] has the defaults.
#[derive(Clone)]
pub struct Options {
    /// The log file. Its folder must exist. An existing log is continued.
    pub path: PathBuf,
    /// Bytes of all shards together. Default: 64 MiB.
    pub buffer_size: usize,
    /// Shards that the buffer is divided into: threads that log without sharing. Default: 8. One more of the same
    /// size is mapped for the threads beyond that, and takes memory only if there are any.
    pub shards: usize,
    /// The longest that a record stays in memory. Default: 10 s.
    pub flush_interval: Duration,
    /// The longest that closing waits for a thread that is in the middle of a record. Default: 10 ms.
    pub flush_timeout: Duration,
    /// How records are laid out. Default: [`Kind::Raw`]; [`Kind::Marker`] is not for users.
    pub kind: Kind,
    /// Events below this level are not logged. Default: [`Level::None`], which lets all pass.
    pub level: Level,
    /// Where times come from, for the kinds that have them.
    pub time_source: TimeSource,
    /// What happens when there is no room.
    pub overflow: Overflow,
    /// Whether dropped records are reported in the log, by marker records of their own: at most one a second for each
    /// cause. Default (`None`): for the kind `Event`. Programs that know only older formats take markers for records, so
    /// logs of the other kinds have them only if asked for.
    pub drop_markers: Option<bool>,
    /// When records become durable by themselves.
    pub sync: Sync,
    /// Whether what was accepted outlives the process.
    pub staging: StagingPolicy,
    /// The folder of staging files: also where leftovers of this log are looked for. It should be in memory. Default:
    /// `/dev/shm`.
    pub staging_folder: PathBuf,
    /// When to begin a new file, and how many old ones to keep. Independent of it, a log that somebody else has renamed or
    /// deleted (logrotate) is opened anew under its path within a second or the flush interval.
    pub rotation: Rotation,
    /// Use direct I/O where the file system takes it. Default: yes.
    pub direct: bool,
    /// Bytes to reserve on disk ahead of the end of the file; given back on close. Default: 0.
    pub preallocate: u64,
    /// The folder in which the logger's numbers are published for other processes, by a small file that is renewed once a
    /// second if something changed and removed by closing: [`published`](fn@crate::published) and `flightring stats` read
    /// it. It should be in memory. `None`: nothing is published. Default: `/dev/shm`.
    pub stats_folder: Option<PathBuf>,
    /// Use huge pages where the system has them (not for memory that is shared). Default: yes.
    pub huge_pages: bool,
    /// Keep the buffer from being swapped out (`mlock`). Default: no.
    pub lock_memory: bool,
    /// The operations on files; replaced in tests.
    pub layer: Arc<dyn FileLayer>,
    /// Bytes of a frame at most: tests divide small buffers.
    #[doc(hidden)]
    pub largest_frame: usize,
}

impl Options {
    /// The defaults, with this path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            buffer_size: 64 << 20,
            shards: 8,
            flush_interval: Duration::from_secs(10),
            flush_timeout: Duration::from_millis(10),
            kind: Kind::Raw,
            level: Level::None,
            time_source: TimeSource::default(),
            overflow: Overflow::default(),
            drop_markers: None,
            sync: Sync::default(),
            staging: StagingPolicy::default(),
            staging_folder: PathBuf::from(DEFAULT_FOLDER),
            rotation: Rotation::default(),
            direct: true,
            preallocate: 0,
            stats_folder: Some(PathBuf::from(DEFAULT_FOLDER)),
            huge_pages: true,
            lock_memory: false,
            layer: Arc::new(OsLayer),
            largest_frame: LARGEST,
        }
    }

    /// Checks the sizes, and derives those of the parts.
    pub(crate) fn geometry(&self) -> Result<Geometry, OpenError> {
        let bad = |what: String| Err(OpenError::Configuration(what));
        if self.path.as_os_str().is_empty() {
            return bad("the path is empty; give the path of the log file".into());
        }
        if self.shards == 0 || self.shards > MAX_SHARDS {
            return bad(format!("{} shards; choose 1 to {MAX_SHARDS}", self.shards));
        }
        if self.buffer_size > MAX_BUFFER {
            return bad(format!(
                "a buffer of {} bytes; choose at most {MAX_BUFFER}",
                self.buffer_size
            ));
        }
        let shard = self.buffer_size / self.shards / PAGE * PAGE;
        if shard < MIN_SHARD {
            return bad(format!(
                "a buffer of {} bytes in {} shards makes shards below {MIN_SHARD} bytes; choose a buffer of at \
                 least {} bytes, or fewer shards",
                self.buffer_size,
                self.shards,
                MIN_SHARD * self.shards
            ));
        }
        if self.flush_interval.is_zero() {
            return bad("a flush interval of 0; choose at least 1 ms".into());
        }
        if matches!(self.rotation.schedule, Schedule::Every(length) if length.is_zero()) {
            return bad("a rotation every 0 ms; say how often".into());
        }
        if self.rotation.size > 0 || self.rotation.schedule != Schedule::Never {
            let longest = rotate::longest_name(self.rotation.compress);
            let len = self.path.file_name().map_or(0, std::ffi::OsStr::len);
            if len > longest {
                return bad(format!(
                    "the file's name has {len} bytes; choose at most {longest}, so that finished files can have a date behind it"
                ));
            }
        }
        if self.kind == Kind::Marker {
            return bad("the record kind is 'marker', which only the logger writes".into());
        }
        if self.largest_frame < PAGE {
            return bad(format!("frames of {} bytes; choose at least {PAGE}", self.largest_frame));
        }
        let batch = (self.buffer_size / 4).clamp(SMALLEST_BATCH, LARGEST_BATCH);
        let frames = Frames::of(shard, self.largest_frame);
        // A record fits an empty shard wherever its lap stands, and a block of its own in a batch, whatever the
        // alignment.
        let largest_record = frames.largest().min(batch - BLOCK_RESERVE);
        Ok(Geometry { shard, frames, batch, largest_record })
    }
}

pub(crate) const PAGE: usize = 4096;
const SMALLEST_BATCH: usize = 256 * 1024;
const LARGEST_BATCH: usize = 4 << 20;
/// Largest alignment that direct I/O is used with.
pub(crate) const LARGEST_ALIGN: usize = 64 * 1024;
/// Header, trailer and padding of a block with it.
const BLOCK_RESERVE: usize = 2 * LARGEST_ALIGN;

/// Sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) shard: usize,
    /// How that is divided.
    pub(crate) frames: Frames,
    /// One of the two output buffers.
    pub(crate) batch: usize,
    /// With its length and record header.
    pub(crate) largest_record: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(change: impl FnOnce(&mut Options)) -> String {
        let mut options = Options::new("x.log");
        change(&mut options);
        options.geometry().unwrap_err().to_string()
    }

    #[test]
    fn bad_sizes_are_refused_with_what_to_do() {
        assert!(message(|o| o.shards = 0).contains("choose 1 to 1024"));
        assert!(message(|o| o.shards = 1025).contains("choose 1 to 1024"));
        let small = message(|o| o.buffer_size = 8 * MIN_SHARD - 1);
        assert!(small.contains("at least 524288 bytes"), "{small}");
        assert!(message(|o| o.buffer_size = 0).contains("or fewer shards"));
        assert!(message(|o| o.buffer_size = usize::MAX).contains("at most"));
        assert!(message(|o| o.flush_interval = Duration::ZERO).contains("at least 1 ms"));
        assert!(message(|o| o.kind = Kind::Marker).contains("marker"));
        let long = |o: &mut Options, len| o.path = PathBuf::from("/tmp").join("x".repeat(len));
        let size = |o: &mut Options| o.rotation.size = 1;
        assert!(message(|o| (size(o), long(o, 236)).1).contains("at most 235"));
        assert!(message(|o| (size(o), o.rotation.compress = true, long(o, 226)).2).contains("225"));
        assert!(message(|o| o.path = PathBuf::new()).contains("path is empty"));
    }

    #[test]
    fn a_largest_record_fits_everywhere() {
        for (buffer_size, shards) in [(MIN_SHARD, 1), (1 << 20, 8), (64 << 20, 8), (256 << 20, 1)] {
            let options = Options { buffer_size, shards, ..Options::new("x.log") };
            let sizes = options.geometry().unwrap();
            assert!(sizes.shard * shards <= buffer_size);
            assert!(sizes.largest_record * 2 <= sizes.shard);
            let block = flightring_blockfile::block_len(sizes.largest_record, 64 * 1024).unwrap();
            assert!(block <= sizes.batch);
        }
    }
}
