//! The files of one log: the flusher's side of rotation.

use std::io;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use flightring_blockfile::{Appender, OpenError, RotateError};

use crate::rotate::{Rotation, next_time, retain, sealed_name};
use crate::{Options, worker};

/// How often it is looked whether somebody has moved the file away, while there is something to write.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait after a rotation that failed.
const RETRY: Duration = Duration::from_secs(1);
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
    /// Callbacks that may be running.
    callbacks: Vec<JoinHandle<()>>,
}

impl Files {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            path: options.path.clone(),
            next: next_time(options.rotation.schedule, SystemTime::now()),
            rotation: options.rotation.clone(),
            retry_at: None,
            looked: Instant::now(),
            callbacks: Vec::new(),
        }
    }

    /// Whether the file is to end before the next write.
    pub(crate) fn is_due(&self, appender: Option<&Appender>) -> bool {
        let Some(appender) = appender.filter(|appender| !appender.is_empty()) else { return false };
        let large = self.rotation.size != 0 && appender.len() >= self.rotation.size;
        let late = self.next.is_some_and(|next| SystemTime::now() >= next);
        (large || late) && self.retry_at.is_none_or(|at| Instant::now() >= at)
    }

    /// When the schedule, or a retry, wants attention.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        let now = Instant::now();
        let scheduled = self.next.map(|next| {
            let ahead = next.duration_since(SystemTime::now()).unwrap_or(RETRY);
            // The wall clock may be set meanwhile.
            now + ahead.min(Duration::from_secs(60))
        });
        [scheduled, self.retry_at.filter(|at| *at > now)].into_iter().flatten().min()
    }

    /// Ends the file and begins a new one; an empty one goes on.
    pub(crate) fn begin(&mut self, appender: &mut Appender) -> io::Result<()> {
        let now = SystemTime::now();
        self.next = next_time(self.rotation.schedule, now);
        if appender.is_empty() {
            return Ok(());
        }
        let begun = self.rotate(appender, now);
        self.retry_at = begun.is_err().then(|| Instant::now() + RETRY);
        begun
    }

    fn rotate(&mut self, appender: &mut Appender, now: SystemTime) -> io::Result<()> {
        if self.reopen(appender)? {
            return Ok(());
        }
        for number in 0..MOST_NAMES {
            let name = sealed_name(&self.path, now, number);
            match appender.rotate(&name) {
                Ok(_) => {
                    self.seal(name);
                    return retain(&self.path, &self.rotation, now);
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

    /// Tells of a finished file, in a thread of its own.
    fn seal(&mut self, name: PathBuf) {
        self.callbacks.retain(|callback| !callback.is_finished());
        if let Some(sealed) = self.rotation.sealed.clone() {
            // Without a thread, better late than never.
            match worker::spawn("flr-sealed", {
                let (sealed, name) = (sealed.clone(), name.clone());
                move || sealed(&name)
            }) {
                Ok(callback) => self.callbacks.push(callback),
                Err(_) => sealed(&name),
            }
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
        for callback in self.callbacks.drain(..) {
            // Its panic was printed, and is no business of the log's.
            let _ = callback.join();
        }
    }
}

fn io_error(error: OpenError) -> io::Error {
    match error {
        OpenError::Io { source, .. } => source,
        other => io::Error::other(other),
    }
}
