//! The flusher of one logger, or of a set of them.

use std::sync::Arc;
use std::thread::{self, JoinHandle, ThreadId};

use parking_lot::Mutex;

use crate::batch::Batch;
use crate::bell::Bell;
use crate::flusher::{self, Shared};
use crate::{OpenError, files, local, worker};

pub(crate) struct Engine {
    pub(crate) shared: Arc<Shared>,
    flusher: Mutex<Option<JoinHandle<()>>>,
    flusher_id: ThreadId,
    /// Bytes of both output buffers.
    pub(crate) output_bytes: usize,
}

impl Engine {
    /// Starts a flusher with two output buffers of `batch` bytes.
    pub(crate) fn start(batch: usize) -> Result<Self, OpenError> {
        let output_bytes = 2 * batch;
        let out_of_memory = |source| OpenError::Memory { bytes: output_bytes, source };
        let buffers =
            [Batch::new(batch).map_err(out_of_memory)?, Batch::new(batch).map_err(out_of_memory)?];
        let shared = Shared::new(Arc::new(Bell::default()));
        let body = {
            let shared = Arc::clone(&shared);
            move || flusher::run(&shared, buffers)
        };
        let flusher = worker::spawn("flr-flush", body).map_err(OpenError::Thread)?;
        let flusher_id = flusher.thread().id();
        Ok(Self { shared, flusher: Mutex::new(Some(flusher)), flusher_id, output_bytes })
    }

    /// Whether the calling thread is in a callback that the end of the flusher waits for: of a watch, by the flusher itself,
    /// or of a finished file.
    pub(crate) fn is_here(&self) -> bool {
        let is_flusher = local::is_worker() && thread::current().id() == self.flusher_id;
        is_flusher || files::is_told_by(&self.shared.bell)
    }

    /// Ends the flusher once all its loggers are closed, and waits for that.
    pub(crate) fn stop(&self) {
        self.shared.stop();
        if let Some(flusher) = self.flusher.lock().take() {
            // What it had to say it has said to each logger.
            let _ = flusher.join();
        }
    }
}
