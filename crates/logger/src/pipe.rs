//! The second worker thread: it writes one batch while the flusher fills the other.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flightring_blockfile::{AppendError, Appender};

use crate::batch::Batch;
use crate::worker;

/// A batch after its write, with the file that it went to.
pub(crate) struct Written {
    pub(crate) appender: Appender,
    pub(crate) batch: Batch,
    pub(crate) result: Result<(), AppendError>,
    pub(crate) took: Duration,
}

impl Written {
    /// Writes the batch in the calling thread.
    pub(crate) fn write(mut appender: Appender, batch: Batch) -> Self {
        let began = Instant::now();
        let result = batch.write_to(&mut appender);
        Self { appender, batch, result, took: began.elapsed() }
    }
}

type Job = (Appender, Batch);

struct Thread {
    jobs: SyncSender<Job>,
    answers: Receiver<Written>,
    handle: JoinHandle<()>,
}

/// The thread starts with the first job, because a logger that never has more than one batch at a time does not
/// need it.
pub(crate) struct Pipe {
    thread: Option<Thread>,
}

impl Pipe {
    pub(crate) fn new() -> Self {
        Self { thread: None }
    }

    fn start() -> io::Result<Thread> {
        let (jobs, inbox) = sync_channel::<Job>(1);
        let (outbox, answers) = sync_channel(1);
        let handle = worker::spawn("flr-write", move || {
            while let Ok((appender, batch)) = inbox.recv() {
                if outbox.send(Written::write(appender, batch)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Thread { jobs, answers, handle })
    }

    /// Has the batch written by the other thread; gives the job back if there is none.
    pub(crate) fn submit(&mut self, appender: Appender, batch: Batch) -> Result<(), Box<Job>> {
        if self.thread.is_none() {
            self.thread = Self::start().ok();
        }
        match &self.thread {
            Some(thread) => {
                thread.jobs.send((appender, batch)).map_err(|refused| Box::new(refused.0))
            }
            None => Err(Box::new((appender, batch))),
        }
    }

    /// Waits for the job that was submitted.
    pub(crate) fn wait(&mut self) -> io::Result<Written> {
        let answer = self.thread.as_ref().and_then(|thread| thread.answers.recv().ok());
        answer.ok_or_else(|| io::Error::other("the writing thread is gone"))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if let Some(Thread { jobs, answers, handle }) = self.thread.take() {
            drop((jobs, answers));
            // It has nothing left to do; that it panicked was reported when its answer was missing.
            let _ = handle.join();
        }
    }
}
