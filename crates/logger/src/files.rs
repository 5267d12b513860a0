//! The files of one log: the flusher's side of rotation.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flightring_blockfile::{Appender, OpenError, RotateError};
use parking_lot::Mutex;

use crate::bell::Bell;
use crate::rotate::{Rotation, next_time, retain, sealed_name};
use crate::state::Core;
use crate::{Options, compress, worker};

/// How often it is looked whether somebody has moved the file away, while there is something to write.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait after a rotation that failed.
const RETRY: Duration = Duration::from_secs(1);
/// How often it is looked for files that are too old, as a part of how long they are kept, but at most and at least so often.
const AGE_PART: u32 = 10;
const AGE_LOOK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));
/// Files of one second.
const MOST_NAMES: u32 = 100_000;

pub(crate) struct Files {
    path: PathBuf,
    rotation: Rotation,
    /// When the schedule says to begin the next file.
    next: Option<SystemTime>,
    /// Not before this, after a failure.
    retry_at: Option<Instant>,
    looked: Instant,
    /// When to look for files that are too old, if they are not kept for ever.
    look_for_old: Option<Instant>,
    /// The second of the newest finished file's name, and the next number in it.
    named: (u64, u32),
    /// Threads that may still be busy with a finished file.
    busy: Vec<JoinHandle<()>>,
    compressing: Arc<Compressing>,
    core: Arc<Core>,
}

thread_local! {
    /// The flusher that waits, at its end, for the callback that this thread is in.
    static TOLD_BY: Cell<*const Bell> = const { Cell::new(ptr::null()) };
}

/// Whether the calling thread is in the callback of a file that this flusher finished.
pub(crate) fn is_told_by(flusher: &Arc<Bell>) -> bool {
    ptr::eq(TOLD_BY.get(), Arc::as_ptr(flusher))
}

/// What the threads that compress have in common.
#[derive(Default)]
struct Compressing {
    /// One file at a time.
    turn: Mutex<()>,
    /// The logger is being closed.
    stop: AtomicBool,
}

impl Files {
    /// For a log whose file was begun at `begun`.
    pub(crate) fn new(options: &Options, core: Arc<Core>, begun: SystemTime) -> Self {
        if options.rotation.compress
            && let Err(error) = compress::tidy(&options.path)
        {
            core.counters.met(&error);
        }
        let mut files = Self {
            path: options.path.clone(),
            next: next_time(options.rotation.schedule, begun),
            rotation: options.rotation.clone(),
            retry_at: None,
            looked: Instant::now(),
            look_for_old: None,
            named: (0, 0),
            busy: Vec::new(),
            compressing: Arc::default(),
            core,
        };
        files.retain(SystemTime::now());
        files
    }

    /// Whether the file, of `len` bytes by now, is to end before the next write.
    pub(crate) fn is_full(&self, len: u64) -> bool {
        self.rotation.size != 0 && len >= self.rotation.size && self.may_try()
    }

    /// Whether the schedule says that the file is to end, whatever it holds.
    pub(crate) fn is_late(&self) -> bool {
        self.next.is_some_and(|next| SystemTime::now() >= next) && self.may_try()
    }

    fn may_try(&self) -> bool {
        self.retry_at.is_none_or(|at| Instant::now() >= at)
    }

    /// Deletes what became too old meanwhile.
    pub(crate) fn tend(&mut self) {
        if self.look_for_old.is_some_and(|at| Instant::now() >= at) {
            self.retain(SystemTime::now());
        }
    }

    /// Deletes finished files that are not to be kept. That it cannot is no failure of the log's.
    fn retain(&mut self, now: SystemTime) {
        if let Err(error) = retain(&self.path, &self.rotation, now) {
            self.core.counters.met(&error);
        }
        let keep = self.rotation.keep_for;
        self.look_for_old = (!keep.is_zero())
            .then(|| Instant::now() + (keep / AGE_PART).clamp(AGE_LOOK.0, AGE_LOOK.1));
    }

    /// When the schedule, old files, or a retry want attention.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        let now = Instant::now();
        let scheduled = self.next.map(|next| {
            let ahead = next.duration_since(SystemTime::now()).unwrap_or(RETRY);
            // The wall clock may be set meanwhile.
            now + ahead.min(Duration::from_secs(60))
        });
        let retry = self.retry_at.filter(|at| *at > now);
        [scheduled, retry, self.look_for_old].into_iter().flatten().min()
    }

    /// Ends the file and begins a new one; an empty one goes on.
    pub(crate) fn begin(&mut self, appender: &mut Appender) -> io::Result<()> {
        let now = SystemTime::now();
        let begun = if appender.is_empty() { Ok(()) } else { self.rotate(appender, now) };
        if begun.is_ok() {
            self.next = next_time(self.rotation.schedule, now);
        }
        self.retry_at = begun.is_err().then(|| Instant::now() + RETRY);
        begun
    }

    fn rotate(&mut self, appender: &mut Appender, now: SystemTime) -> io::Result<()> {
        if self.reopen(appender)? {
            return Ok(());
        }
        // A number that was used is not used again, also when its file is gone: it would be taken for the oldest.
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let first = if self.named.0 == second { self.named.1 } else { 0 };
        for number in first..MOST_NAMES {
            let name = sealed_name(&self.path, now, number);
            if compress::is_taken(&name) {
                continue;
            }
            match appender.rotate(&name) {
                Ok(_) => {
                    self.named = (second, number + 1);
                    self.seal(name);
                    self.retain(now);
                    return Ok(());
                }
                Err(RotateError::Rename(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
                }
                Err(RotateError::Finish(error) | RotateError::Rename(error)) => return Err(error),
                Err(RotateError::Open(error)) => return Err(io_error(error)),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Compresses a finished file and tells of it, in a thread of its own.
    fn seal(&mut self, name: PathBuf) {
        self.core.counters.files_finished.fetch_add(1, Ordering::Relaxed);
        self.busy.retain(|thread| !thread.is_finished());
        let compressing = self.rotation.compress.then(|| Arc::clone(&self.compressing));
        let sealed = self.rotation.sealed.clone();
        if compressing.is_none() && sealed.is_none() {
            return;
        }
        let body = {
            let (core, sealed, name) = (Arc::clone(&self.core), sealed.clone(), name.clone());
            move || {
                let compressed = compressing.and_then(|all| all.compress_aside(&name, &core));
                if let Some(sealed) = sealed {
                    TOLD_BY.set(Arc::as_ptr(&core.bell));
                    sealed(compressed.as_deref().unwrap_or(&name));
                }
            }
        };
        match worker::spawn("flr-sealed", body) {
            Ok(thread) => self.busy.push(thread),
            // Without a thread it stays as it is, and better late than never.
            Err(_) => sealed.into_iter().for_each(|sealed| sealed(&name)),
        }
    }

    /// Looks, now and then, whether the path names another file by now, and opens that one. Returns whether it did.
    pub(crate) fn reopen_if_moved(&mut self, appender: &mut Appender) -> io::Result<bool> {
        if self.looked.elapsed() < LOOK {
            return Ok(false);
        }
        self.looked = Instant::now();
        self.reopen(appender)
    }

    fn reopen(&mut self, appender: &mut Appender) -> io::Result<bool> {
        if appender.is_current()? {
            return Ok(false);
        }
        appender.reopen().map_err(io_error)?;
        Ok(true)
    }

    /// Waits for the callbacks.
    pub(crate) fn close(&mut self) {
        self.compressing.stop.store(true, Ordering::Relaxed);
        for thread in self.busy.drain(..) {
            // A callback's panic was printed, and is no business of the log's.
            let _ = thread.join();
        }
    }
}

impl Compressing {
    /// As [`Self::compress`], in one more thread, which may have a priority that callbacks should not have.
    fn compress_aside(self: Arc<Self>, name: &Path, core: &Arc<Core>) -> Option<PathBuf> {
        let (name, core) = (name.to_owned(), Arc::clone(core));
        let thread = worker::spawn("flr-compress", move || self.compress(&name, &core)).ok()?;
        thread.join().ok()?
    }

    /// The compressed file's name, if it was compressed.
    fn compress(&self, name: &Path, core: &Core) -> Option<PathBuf> {
        // Only what the rest of the machine leaves over. Where that is refused it goes on as it is.
        let _ = rustix::process::nice(19);
        let _turn = self.turn.lock();
        match compress::compress(name, &self.stop) {
            Ok(Some(compressed)) => {
                core.counters.files_compressed.fetch_add(1, Ordering::Relaxed);
                Some(compressed)
            }
            Ok(None) => None,
            Err(error) => {
                core.counters.met(&error);
                None
            }
        }
    }
}

fn io_error(error: OpenError) -> io::Error {
    match error {
        OpenError::Io { source, .. } => source,
        other => io::Error::other(other),
    }
}
