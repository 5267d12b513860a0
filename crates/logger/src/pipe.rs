//! The second worker thread: it writes one batch while the flusher fills the other.
//!
//! The file goes along with the first batch of a chain and comes back when the flusher asks for it, so that the thread goes
//! from one write to the next without waiting for anybody.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flightring_blockfile::{AppendError, Appender, DirectFallback, FailedStep};

use crate::batch::Batch;
use crate::worker;

/// A batch after its write, and how the file is after it.
pub(crate) struct Written {
    pub(crate) batch: Batch,
    pub(crate) result: Result<(), AppendError>,
    /// None if it was not tried.
    pub(crate) took: Option<Duration>,
    pub(crate) len: u64,
    pub(crate) direct: bool,
    pub(crate) fallback: Option<DirectFallback>,
}

impl Written {
    /// Writes the batch in the calling thread.
    pub(crate) fn write(appender: &mut Appender, batch: Batch) -> Self {
        let began = Instant::now();
        let result = batch.write_to(appender);
        Self::after(appender, batch, result, Some(began.elapsed()))
    }

    /// A batch behind one that failed: it would leave a gap.
    fn held_back(appender: &Appender, batch: Batch) -> Self {
        let source = io::Error::other("the write before this one failed");
        let held_back = AppendError { accepted: 0, step: FailedStep::Write, source };
        Self::after(appender, batch, Err(held_back), None)
    }

    fn after(
        appender: &Appender,
        batch: Batch,
        result: Result<(), AppendError>,
        took: Option<Duration>,
    ) -> Self {
        let (len, direct, fallback) = (appender.len(), appender.is_direct(), appender.fallback());
        Self { batch, result, took, len, direct, fallback }
    }
}

enum Job {
    /// Writes the batches that follow to this file.
    Take(Appender),
    Write(Batch),
    GiveBack,
}

enum Answer {
    Written(Box<Written>),
    Back(Appender),
}

struct Thread {
    jobs: SyncSender<Job>,
    answers: Receiver<Answer>,
    handle: JoinHandle<()>,
}

impl Thread {
    fn start() -> io::Result<Self> {
        // No more than this is ever under way: the file, both batches, and the wish to have the file back.
        let (jobs, inbox) = sync_channel(4);
        let (outbox, answers) = sync_channel(4);
        let handle = worker::spawn("flr-write", move || serve(&inbox, &outbox))?;
        Ok(Self { jobs, answers, handle })
    }
}

/// The thread's body.
fn serve(inbox: &Receiver<Job>, outbox: &SyncSender<Answer>) {
    while let Ok(Job::Take(mut appender)) = inbox.recv() {
        let mut failed = false;
        while let Ok(Job::Write(batch)) = inbox.recv() {
            let written = if failed {
                Written::held_back(&appender, batch)
            } else {
                Written::write(&mut appender, batch)
            };
            failed |= written.result.is_err();
            if outbox.send(Answer::Written(Box::new(written))).is_err() {
                return;
            }
        }
        if outbox.send(Answer::Back(appender)).is_err() {
            return;
        }
    }
}

/// The thread starts with the first job, because a logger that never has more than one batch at a time does not
/// need it.
pub(crate) struct Pipe {
    thread: Option<Thread>,
    /// Batches that are being written or wait for it, and their bytes.
    under_way: usize,
    pub(crate) bytes: u64,
}

impl Pipe {
    pub(crate) fn new() -> Self {
        Self { thread: None, under_way: 0, bytes: 0 }
    }

    /// Has the batch written by the other thread: to `file`, which is taken along if it is here. Gives the batch back if there
    /// is no such thread.
    pub(crate) fn submit(
        &mut self,
        file: &mut Option<Appender>,
        batch: Batch,
    ) -> Result<(), Batch> {
        if self.thread.is_none() {
            self.thread = Thread::start().ok();
        }
        let Some(thread) = &self.thread else { return Err(batch) };
        if let Some(appender) = file.take()
            && let Err(refused) = thread.jobs.send(Job::Take(appender))
        {
            if let Job::Take(appender) = refused.0 {
                *file = Some(appender);
            }
            return Err(batch);
        }
        let bytes = batch.len() as u64;
        match thread.jobs.send(Job::Write(batch)) {
            Ok(()) => {
                self.under_way += 1;
                self.bytes += bytes;
                Ok(())
            }
            Err(refused) => match refused.0 {
                Job::Write(batch) => Err(batch),
                // It is what was sent.
                Job::Take(_) | Job::GiveBack => Ok(()),
            },
        }
    }

    /// Whether a batch was submitted that was not waited for.
    pub(crate) fn is_busy(&self) -> bool {
        self.under_way > 0
    }

    /// Waits for the next batch that was submitted; none if there is none.
    pub(crate) fn wait(&mut self) -> io::Result<Option<Written>> {
        if self.under_way == 0 {
            return Ok(None);
        }
        self.under_way -= 1;
        match self.answer()? {
            Answer::Written(written) => {
                self.bytes -= written.batch.len() as u64;
                Ok(Some(*written))
            }
            Answer::Back(_) => Err(gone()),
        }
    }

    /// Asks for the file. All batches must have been waited for.
    pub(crate) fn take_back(&mut self) -> io::Result<Appender> {
        let asked = self.thread.as_ref().map(|thread| thread.jobs.send(Job::GiveBack));
        match asked {
            Some(Ok(())) => match self.answer()? {
                Answer::Back(appender) => Ok(appender),
                Answer::Written(_) => Err(gone()),
            },
            _ => Err(gone()),
        }
    }

    fn answer(&self) -> io::Result<Answer> {
        self.thread.as_ref().and_then(|thread| thread.answers.recv().ok()).ok_or_else(gone)
    }
}

fn gone() -> io::Error {
    io::Error::other("the writing thread is gone")
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
