use std::io;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flightring_blockfile::{AppendOptions, Appender, BlockMeta, Level};

use crate::engine::Engine;
use crate::flusher::{Log, appender_sync};
use crate::lineage;
use crate::options::{Geometry, LARGEST_ALIGN, StagingPolicy};
use crate::publish::Publisher;
use crate::recover::{self, Recovered};
use crate::region::Region;
use crate::staging::Staging;
use crate::state::{Core, Facts, Reservation, errno};
use crate::stats::{ShardStats, Stats};
use crate::view::View;
use crate::watch::{Watch, WatchError};
use crate::{CloseError, Dropped, FlushError, OpenError, Options, RotateError, TimeSource, tsc};

/// An asynchronous logger to one file. See the crate's documentation for how it works and what it promises.
///
/// All methods may be called from any thread at any time. Dropping it closes it.
pub struct Logger {
    // A forked child must neither join the parent's threads nor unmap its memory, so dropping is done by hand. The core is
    // here once more to spare the hot path a step.
    core: ManuallyDrop<Arc<Core>>,
    inner: ManuallyDrop<Arc<Inner>>,
}

/// Closed when the last handle is dropped.
struct Inner {
    core: Arc<Core>,
    engine: Arc<Engine>,
    /// The engine has no other logger.
    alone: bool,
    path: PathBuf,
    report: OpenReport,
}

impl Logger {
    /// Opens the log for appending, and starts the flusher.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; nothing is left behind then, except perhaps an empty log file.
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        let sizes = options.geometry()?;
        let engine = Arc::new(Engine::start(sizes.batch)?);
        let opened = Self::open_with(options, Arc::clone(&engine), true);
        if opened.is_err() {
            engine.stop();
        }
        opened
    }

    /// Opens the log under an engine, whose output buffers must have at least the size that the options ask for.
    pub(crate) fn open_with(
        options: &Options,
        engine: Arc<Engine>,
        alone: bool,
    ) -> Result<Self, OpenError> {
        let sizes = options.geometry()?;
        // A process may change its folder later; its log stays where it is.
        let path = std::path::absolute(&options.path)
            .map_err(|source| cannot_identify(options, source))?;
        let options = &Options { path, ..options.clone() };
        let recovered = recover::leftovers(options)?;
        let (appender, file) = open_appender(options)?;
        let begin = match &file.last {
            Some(trailer) => trailer.meta.next(),
            None => lineage::continued(&options.path, file.continued).unwrap_or_else(|| {
                BlockMeta { writer_id: new_writer_id(), ..BlockMeta::default() }
            }),
        };
        let meta = BlockMeta { kind: options.kind, flags: 0, ..begin };
        let (staged, staging_refused) = match stage(options, sizes, &meta) {
            Some(Ok(staged)) => (Some(staged), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let (staging, region) = staged.unzip();
        let bell = Arc::clone(&engine.shared.bell);
        let is_staged = staging.is_some();
        let facts = Facts {
            output_bytes: engine.output_bytes,
            staged: is_staged,
            staging_errno: staging_refused.as_ref().map_or(0, errno),
            recovered: recovered.iter().map(|one| one.records).sum(),
            set_aside_bytes: recovered
                .iter()
                .map(|one| &one.damaged_tail)
                .chain([&file.damaged_tail])
                .flatten()
                .filter(|tail| tail.set_aside.is_some())
                .map(|tail| tail.len)
                .sum(),
        };
        let core = Core::new(options, sizes, bell, staging.as_ref().zip(region), facts)?;
        let core = Arc::new(core);
        if let Some(refused) = &staging_refused {
            core.counters.met(refused);
        }
        if core.time_source() == TimeSource::Tsc {
            let renew = Box::new(|_: &Core, _: &Stats| tsc::renew());
            core.watchers.add(tsc::PERIOD, renew).into_iter().for_each(Watch::detach);
        }
        let not_published = options.stats_folder.as_ref().and_then(|folder| {
            let publisher = Publisher::create(folder, options);
            publisher.map(|publisher| publisher.begin(&core)).err()
        });
        let log = Log::new(Arc::clone(&core), appender, meta, options, staging)
            .map_err(|source| cannot_identify(options, source))?;
        engine.shared.add(log);
        let report =
            OpenReport { file, recovered, staged: is_staged, staging_refused, not_published };
        let path = options.path.clone();
        let inner = Inner { core: Arc::clone(&core), engine, alone, path, report };
        Ok(Self { core: ManuallyDrop::new(core), inner: ManuallyDrop::new(Arc::new(inner)) })
    }

    /// One more handle to the same logger, which is closed when the last handle is dropped, or by any of them.
    #[must_use]
    pub fn share(&self) -> Self {
        Self { core: self.core.clone(), inner: self.inner.clone() }
    }

    /// Accepts a record, or says why not. It may be empty.
    ///
    /// The call copies `data` and returns. It never waits, unless the options say to wait for room.
    ///
    /// # Errors
    ///
    /// [`Dropped`]: the record was not taken, and is counted.
    #[inline(always)]
    pub fn write(&self, data: &[u8]) -> Result<(), Dropped> {
        self.core.write(Level::None, data)
    }

    /// Accepts a record with a level, unless the level is filtered out: then nothing happens, and nothing is counted.
    /// Only records of the kind `Event` keep the level.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    #[inline]
    pub fn log(&self, level: Level, text: &[u8]) -> Result<(), Dropped> {
        if !self.enabled(level) {
            return Ok(());
        }
        self.core.write(level, text)
    }

    /// Begins a record of at least `len` bytes that the caller fills in place, to save a copy.
    ///
    /// # Errors
    ///
    /// As [`Self::write`]. A reservation that is not committed was not offered.
    #[inline]
    pub fn reserve(&self, level: Level, len: usize) -> Result<Reservation<'_>, Dropped> {
        self.core.reserve(level, len)
    }

    /// Whether events of this level are logged: one load.
    #[inline]
    #[must_use]
    pub fn enabled(&self, level: Level) -> bool {
        self.core.enabled(level)
    }

    /// Changes the lowest level that is logged, for all threads.
    pub fn set_level(&self, level: Level) {
        self.core.set_level(level);
    }

    /// Waits until everything accepted before the call, by any thread, is durable, and for nothing later.
    ///
    /// # Errors
    ///
    /// [`FlushError::Io`] as soon as an attempt fails; the records are kept and tried again all the same.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        self.core.flush(timeout)
    }

    /// Begins a new file: everything accepted before the call is in the old one, which gets the name of a finished file.
    /// Writers are not held up. If the log's path no longer names the file (logrotate moved it), the path is opened anew
    /// instead. An empty file is left as it is.
    ///
    /// # Errors
    ///
    /// [`RotateError`]; the old file goes on then.
    pub fn rotate(&self) -> Result<(), RotateError> {
        self.core.rotate()
    }

    /// Writes everything accepted, finishes the file, ends the threads and gives the memory back. Calls that come
    /// later, or are too late by a moment, are dropped and counted. Closing again gives the same answer.
    ///
    /// # Errors
    ///
    /// [`CloseError`] says what could not be written.
    pub fn close(&self) -> Result<(), CloseError> {
        self.inner.close()
    }

    /// The logger's numbers. They stay readable after closing.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::of(&self.core)
    }

    /// A look at this logger from outside, which does not keep it open.
    #[must_use]
    pub fn view(&self) -> View {
        View::new(&self.core, &self.inner.path)
    }

    /// The numbers of one shard, up to [`Self::shards`]; the last one is the overflow's at first.
    #[must_use]
    pub fn shard_stats(&self, index: usize) -> Option<ShardStats> {
        self.core.pool.shards().get(index).map(|shard| ShardStats::of(index, shard))
    }

    /// Has the flusher's thread call `callback` with the logger's numbers at about every `period`, and a last time, with
    /// the exact final numbers, when the logger is closed; not sooner than a write to the file ends that is being made.
    /// Nothing is written while the callback runs, so it should be short. In it, flushing, rotating and closing this
    /// logger are refused; reading, logging and ending the watch work. A callback that panics is not called again.
    ///
    /// The callback is dropped once, when the [`Watch`] or the logger is ended, whichever comes first.
    ///
    /// # Errors
    ///
    /// [`WatchError`]; the callback is dropped then.
    pub fn watch(
        &self,
        period: Duration,
        mut callback: impl FnMut(&Stats) + Send + 'static,
    ) -> Result<Watch, WatchError> {
        if self.core.is_forked() {
            return Err(WatchError::Forked);
        }
        let callback = Box::new(move |_: &Core, stats: &Stats| callback(stats));
        let watch = self.core.watchers.add(period, callback).ok_or(WatchError::Closed)?;
        self.core.bell.ring();
        Ok(watch)
    }

    /// How many shards there are, the overflow's included.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.core.pool.shards().len()
    }

    /// The longest record that is taken, in bytes.
    #[must_use]
    pub fn largest_record(&self) -> usize {
        self.core.largest_data()
    }

    /// What opening met.
    #[must_use]
    pub fn open_report(&self) -> &OpenReport {
        &self.inner.report
    }
}

impl Inner {
    fn close(&self) -> Result<(), CloseError> {
        if self.core.is_forked() {
            return Err(CloseError::Forked);
        }
        if self.engine.is_here() {
            return Err(CloseError::InCallback);
        }
        if self.core.shut() {
            self.engine.shared.bell.ring();
        }
        let result = self.core.wait_finished();
        if self.alone {
            self.engine.stop();
        }
        result
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // What could not be written is in the statistics, which are gone with the logger; who wants to know closes.
        if self.close() == Err(CloseError::InCallback) {
            // The flusher cannot wait for itself: it finishes once the callback has returned.
            self.core.shut();
            if self.alone {
                self.engine.shared.stop();
            }
        }
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        if self.core.is_forked() {
            return;
        }
        // SAFETY: this is the only place that drops them, and the logger is not used again.
        unsafe {
            ManuallyDrop::drop(&mut self.core);
            ManuallyDrop::drop(&mut self.inner);
        }
    }
}

impl std::fmt::Debug for Logger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logger").field("shards", &self.shards()).finish_non_exhaustive()
    }
}

/// What opening a log met.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct OpenReport {
    /// How much of the file was continued, and whether a damaged end was set aside.
    pub file: flightring_blockfile::OpenReport,
    /// What dead loggers of this log had accepted and not written, and is in the log now.
    pub recovered: Vec<Recovered>,
    /// Whether the buffer outlives the process.
    pub staged: bool,
    /// Why it does not, if that was asked for.
    pub staging_refused: Option<io::Error>,
    /// Why the statistics are not published, if that was asked for.
    pub not_published: Option<io::Error>,
}

/// Opens the file with an alignment that blocks can have.
pub(crate) fn open_appender(
    options: &Options,
) -> Result<(Appender, flightring_blockfile::OpenReport), OpenError> {
    let mut append = AppendOptions {
        direct: options.direct,
        sync: appender_sync(options.sync),
        preallocate: options.preallocate,
        ..AppendOptions::default()
    };
    let open = |append: &AppendOptions| {
        let layer = Arc::clone(&options.layer);
        Appender::open(&options.path, append, layer).map_err(OpenError::File)
    };
    let opened = open(&append)?;
    if opened.0.alignment() <= LARGEST_ALIGN {
        return Ok(opened);
    }
    // Blocks of such a size would waste more than direct I/O gains.
    append.direct = false;
    drop(opened);
    open(&append)
}

fn cannot_identify(options: &Options, source: io::Error) -> OpenError {
    let path = options.path.clone();
    OpenError::File(flightring_blockfile::OpenError::Io { step: "identify", path, source })
}

/// Makes the staging file, if the options ask for one.
fn stage(
    options: &Options,
    sizes: Geometry,
    meta: &BlockMeta,
) -> Option<io::Result<(Staging, Region)>> {
    (options.staging == StagingPolicy::Shared).then(|| {
        let parts = (options.shards + 1, sizes.frames, sizes.batch);
        Staging::create(&options.staging_folder, &options.path, parts, meta, options.lock_memory)
    })
}

/// A number that no other log is likely to have.
fn new_writer_id() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    RandomState::new().hash_one((now, std::process::id()))
}
