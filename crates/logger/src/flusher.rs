//! The thread that empties the shards.
//!
//! A *pass* takes the tails of all shards as they are, copies what lies before them into blocks, appends the blocks to
//! the file, and only then frees the space. A pass never waits for a writer: one that is in the middle of a record has
//! not published it, and the record belongs to a later pass. What a failed write leaves out of the file is still in
//! the shards, so a failure costs nothing but time: the cursors go back to what the file holds, and a later
//! pass copies again.
//!
//! There are two output buffers, the double buffer of this design: while one is being written, by a second thread,
//! the other is filled. A pass that fits one buffer is written by the flusher itself. A frame that its owner has filled (see
//! [`crate::frame`]) is not copied, but written from where it stands; what is in frames that are still being filled waits
//! for the interval, for somebody who flushes, or for a writer who needs the room.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use flightring_blockfile::{Appender, BlockMeta, Identity, Resume, SyncPolicy};
use parking_lot::Mutex;

use crate::batch::Batch;
use crate::bell::Bell;
use crate::cursor::Cursor;
use crate::drops::Drops;
use crate::files::Files;
use crate::local;
use crate::pipe::Pipe;
use crate::staging::Staging;
use crate::state::{Core, errno};
use crate::{CloseError, Options, RotateError, Sync};

mod pass;

use pass::Leave;

/// What the flusher knows about one logger.
pub(crate) struct Log {
    pub(crate) core: Arc<Core>,
    /// Away while the other thread is writing.
    appender: Option<Appender>,
    align: usize,
    sync: Sync,
    interval: Duration,
    /// Up to where each shard is copied.
    cursors: Vec<Cursor>,
    /// Up to where each shard is in the file.
    committed: Vec<Cursor>,
    /// The next block's identity, after what is copied and after what is in the file.
    meta: BlockMeta,
    committed_meta: BlockMeta,
    targets: Vec<u64>,
    /// The shard that the next batch begins with.
    first_shard: usize,
    files: Files,
    drops: Drops,
    /// Where the process's death does not reach, if that was asked for and could be had.
    staging: Option<Staging>,
    /// Which file it is.
    identity: Identity,
    /// How long it is.
    len: u64,
    /// The file has bytes that may not be durable.
    dirty: bool,
    next_interval: Instant,
    /// After a failure: not before this, except for a flush.
    retry_at: Option<Instant>,
    backoff: Duration,
    /// How much of each shard is present.
    present: Vec<usize>,
}

/// First and longest time between attempts to write to a file that refuses.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// How often closing tries again to write to a file that refuses, without getting any further.
const LAST_ATTEMPTS: u32 = 3;

impl Log {
    pub(crate) fn new(
        core: Arc<Core>,
        appender: Appender,
        meta: BlockMeta,
        options: &Options,
        staging: Option<Staging>,
    ) -> io::Result<Self> {
        let shards = core.pool.shards().len();
        core.counters.direct.store(appender.is_direct(), Ordering::Relaxed);
        *core.counters.fallback.lock() = appender.fallback();
        let identity = appender.identity()?;
        let files = Files::new(options, Arc::clone(&core), begun(&appender, options));
        let mut log = Self {
            core,
            align: appender.alignment(),
            staging,
            identity,
            len: appender.len(),
            appender: Some(appender),
            sync: options.sync,
            interval: options.flush_interval,
            files,
            drops: Drops::new(options),
            cursors: vec![Cursor::default(); shards],
            committed: vec![Cursor::default(); shards],
            meta,
            committed_meta: meta,
            targets: Vec::with_capacity(shards),
            first_shard: 0,
            dirty: false,
            next_interval: Instant::now() + options.flush_interval,
            retry_at: None,
            backoff: BACKOFF.0,
            present: vec![0; shards],
        };
        log.note();
        // A file whose time was over before this process continued it.
        if log.files.is_late() {
            let _ = log.begin_file();
        }
        Ok(log)
    }

    /// Notes in the staging how long the log is and what it holds. Before this the space may not be freed.
    fn note(&mut self) {
        if let Some(staging) = &mut self.staging {
            let Identity { device, inode, .. } = self.identity;
            staging.commit(&Resume { device, inode, len: self.len }, &self.committed);
        }
    }

    /// Begins a new file, between two writes.
    fn begin_file(&mut self) -> io::Result<()> {
        let Some(appender) = &mut self.appender else { return Ok(()) };
        let begun = self.files.begin(appender);
        self.look_at_file();
        if let Err(error) = &begun {
            self.core.counters.failed(error);
        }
        begun
    }

    /// Opens the log anew if its path names another file now, or none.
    fn follow_path(&mut self) {
        let Some(appender) = &mut self.appender else { return };
        // The staging must not say any more what the file held before it was cut: it is noted anew below.
        let cut = appender.notice_cut();
        match self.files.reopen_if_moved(appender) {
            Ok(false) if !cut => return,
            Ok(_) => {}
            Err(error) => self.core.counters.failed(&error),
        }
        self.look_at_file();
    }

    /// Takes over what another file, or the same one, is like.
    fn look_at_file(&mut self) {
        if let Some(appender) = &self.appender {
            self.len = appender.len();
            self.align = appender.alignment();
            self.identity = appender.identity().unwrap_or(self.identity);
            self.note();
        }
    }

    fn make_durable(&mut self) -> io::Result<()> {
        if self.dirty
            && let Some(appender) = &self.appender
        {
            appender.sync()?;
            self.dirty = false;
        }
        Ok(())
    }

    /// One pass, for the flushes that wait and for the writers that need room.
    fn pass(&mut self, output: &mut Output, interval: bool) -> io::Result<()> {
        let began = Instant::now();
        let (ticket, starved) = self.core.begin_pass();
        let asked = self.core.has_waiting();
        let leave = match (interval || asked || self.retry_at.is_some(), starved) {
            (true, _) => Leave::Nothing,
            (false, true) => Leave::AfterOthers,
            (false, false) => Leave::Begun,
        };
        self.follow_path();
        let result = self.write_out(output, leave).and_then(|any| {
            if asked || (interval && self.sync == Sync::Interval) {
                self.make_durable()?;
            }
            Ok(any)
        });
        match result {
            Ok(any) => {
                if any {
                    self.core.counters.flushes.fetch_add(1, Ordering::Relaxed);
                    self.core.counters.flush_time.record(began.elapsed());
                }
                self.retry_at = None;
                self.backoff = BACKOFF.0;
                if asked {
                    self.core.served(ticket);
                }
                Ok(())
            }
            Err(error) => {
                self.core.counters.failed(&error);
                self.retry_at = Some(Instant::now() + self.backoff);
                self.backoff = (self.backoff * 2).min(BACKOFF.1);
                self.core.failed(ticket, &error);
                Err(error)
            }
        }
    }

    /// Looks whether a pass is due, and makes it.
    fn tend(&mut self, output: &mut Output) {
        let now = Instant::now();
        let interval = now >= self.next_interval;
        if interval {
            self.next_interval = now + self.interval;
        }
        let may_retry = self.retry_at.is_none_or(|at| now >= at);
        let due = may_retry && (interval || self.retry_at.is_some() || self.core.wants_flush());
        let rotation = self.core.rotation_asked();
        if due || rotation.is_some() || self.core.has_waiting() {
            // A failure is in the statistics, and told to those who wait.
            let passed = self.pass(output, interval);
            if let Some(ticket) = rotation {
                let rotated = passed.and_then(|()| self.begin_file());
                self.core.rotated(ticket, rotated.map_err(|e| RotateError::Io(errno(&e))));
            }
        }
        if self.files.is_late() {
            // What was logged before belongs to the file that ends. A failure is in the statistics.
            let _ = self.pass(output, false);
            let _ = self.begin_file();
        } else if self.files.is_full(self.len) {
            let _ = self.begin_file();
        }
        self.files.tend();
        self.core.watchers.tell(&self.core);
    }

    /// Writes what is left, and lets the file go.
    fn finish(&mut self, output: &mut Output) {
        self.drops.last_call();
        let mut attempts = 0;
        let mut written = 0;
        let failed = loop {
            match self.pass(output, true) {
                Ok(()) => break None,
                Err(error) => {
                    let now = self.core.counters.written.load(Ordering::Relaxed);
                    attempts = if now > written { 0 } else { attempts + 1 };
                    written = now;
                    if attempts >= LAST_ATTEMPTS {
                        break Some(errno(&error));
                    }
                    std::thread::sleep(BACKOFF.0);
                }
            }
        };
        let finished = match &mut self.appender {
            Some(appender) => appender.finish(),
            None => Err(io::Error::other("the writing thread is gone")),
        };
        if let Err(error) = &finished {
            self.core.counters.failed(error);
        }
        self.appender = None;
        let result = match (failed, finished) {
            (Some(errno), _) => {
                let shards = self.core.pool.shards();
                let accepted: u64 = shards.iter().map(|shard| shard.accepted()).sum();
                Err(CloseError::Unwritten {
                    records: accepted - self.core.counters.written.load(Ordering::Relaxed),
                    bytes: shards.iter().map(|shard| shard.used()).sum(),
                    errno,
                })
            }
            (None, Err(error)) => Err(CloseError::Unfinished { errno: errno(&error) }),
            (None, Ok(())) => Ok(()),
        };
        if failed.is_none()
            && let Some(staging) = self.staging.take()
            && let Err(error) = staging.remove()
        {
            // It holds nothing that the log does not, and whoever finds it will see that.
            self.core.counters.failed(&error);
        }
        self.core.watchers.end(&self.core);
        self.core.finished(result);
        // Whatever a callback waits for inside the logger has ended with that.
        self.files.close();
    }

    /// When to look again, if nobody rings.
    fn wake_at(&self) -> Instant {
        let next = self.retry_at.map_or(self.next_interval, |at| at.min(self.next_interval));
        let looks = [self.files.next_look(), self.core.watchers.next()];
        looks.into_iter().flatten().fold(next, Instant::min)
    }

    /// Whether to look at once.
    fn is_urgent(&self) -> bool {
        self.core.is_shut()
            || self.core.has_waiting()
            || self.core.rotation_asked().is_some()
            || self.core.watchers.has_new()
            || (self.retry_at.is_none() && self.core.wants_flush())
    }
}

/// When the file that is written to was begun, as well as the file system knows.
fn begun(appender: &Appender, options: &Options) -> SystemTime {
    let now = SystemTime::now();
    if appender.is_empty() {
        return now;
    }
    fs::metadata(&options.path)
        .and_then(|file| file.created().or_else(|_| file.modified()))
        .map_or(now, |begun| begun.min(now))
}

/// The output buffers that are not being written, and the thread that writes.
struct Output {
    spares: [Option<Batch>; 2],
    pipe: Pipe,
}

impl Output {
    fn spare(&mut self) -> Option<Batch> {
        self.spares.iter_mut().find_map(Option::take)
    }

    fn put_back(&mut self, batch: Batch) {
        if let Some(place) = self.spares.iter_mut().find(|place| place.is_none()) {
            *place = Some(batch);
        }
    }
}

/// What the flusher shares with those who start and stop it.
pub(crate) struct Shared {
    pub(crate) bell: Arc<Bell>,
    stop: AtomicBool,
    arrivals: Mutex<Vec<Log>>,
}

impl Shared {
    pub(crate) fn new(bell: Arc<Bell>) -> Arc<Self> {
        Arc::new(Self { bell, stop: AtomicBool::new(false), arrivals: Mutex::default() })
    }

    /// Gives the flusher one more logger to look after.
    pub(crate) fn add(&self, log: Log) {
        self.arrivals.lock().push(log);
        self.bell.ring();
    }

    /// Ends the flusher once all its loggers are closed.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.bell.ring();
    }
}

/// The flusher thread's body.
pub(crate) fn run(shared: &Shared, buffers: [Batch; 2]) {
    local::become_worker();
    let mut output = Output { spares: buffers.map(Some), pipe: Pipe::new() };
    let mut logs: Vec<Log> = Vec::new();
    loop {
        logs.append(&mut shared.arrivals.lock());
        logs.retain_mut(|log| {
            // Looked at before the pass: a record accepted before closing is then in the last pass.
            if log.core.is_shut() {
                log.finish(&mut output);
                return false;
            }
            log.tend(&mut output);
            true
        });
        if logs.is_empty()
            && shared.stop.load(Ordering::Acquire)
            && shared.arrivals.lock().is_empty()
        {
            return;
        }
        if logs.iter_mut().any(|log| log.core.populate(&mut log.present)) {
            continue;
        }
        let now = Instant::now();
        let sleep = logs.iter().map(Log::wake_at).min().map(|at| at.saturating_duration_since(now));
        shared.bell.park(sleep, || {
            shared.stop.load(Ordering::Acquire)
                || !shared.arrivals.lock().is_empty()
                || logs.iter().any(Log::is_urgent)
        });
        let slept = u64::try_from(now.elapsed().as_nanos()).unwrap_or(u64::MAX);
        for log in &logs {
            log.core.counters.parked_ns.fetch_add(slept, Ordering::Relaxed);
        }
    }
}

/// How the appender is to treat durability under a logger's policy.
pub(crate) fn appender_sync(sync: Sync) -> SyncPolicy {
    match sync {
        Sync::EachBatch => SyncPolicy::DurableWrites,
        Sync::None | Sync::Interval => SyncPolicy::None,
    }
}
