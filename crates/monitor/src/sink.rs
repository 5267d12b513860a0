use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use parking_lot::ReentrantMutex;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::error::WriteError;
use crate::monitor::Monitor;
use crate::pump::{Pump, Pumps};
use crate::sigpipe::without_sigpipe;
use crate::stream::Stream;

/// The function of [`Sink::Callback`].
pub type SinkFn = dyn Fn(Stream, &[u8]) -> io::Result<()> + Send + Sync;

/// Where a monitor passes everything on, before it keeps it.
///
/// A sink is part of the write: it is called in the order of the writes and by the thread that writes, which waits for it. Of
/// a write that the sink refuses nothing is kept and nobody is notified; the writer gets the error. Who wants to listen
/// without being waited for follows the monitor instead.
///
/// A sink that is slow, such as a terminal that was stopped, holds up those who write to it and nobody else: the descriptors of
/// monitors that end in such a sink are read by a thread that belongs to the sink, so their processes are throttled as by a
/// pipe, and lose nothing, while the hub's other processes go on. All sinks of a hub that are this process's own standard output
/// are one in this, and so are those that are its standard error.
pub enum Sink {
    /// The standard output of this process.
    Stdout,
    /// The standard error of this process.
    Stderr,
    /// Any open file, pipe, terminal or socket. It may be non-blocking; what it does not take at once is waited for.
    Fd(OwnedFd),
    /// A function. A call of it that writes to the same monitor again is refused with
    /// [`WriteError::Reentrant`].
    Callback(Box<SinkFn>),
    /// Another monitor: the output of a group, or of everything.
    Monitor(Arc<Monitor>),
}

impl Sink {
    /// The thread that reads descriptors for monitors with this sink; `None` where nothing is ever waited for.
    pub(crate) fn own_pump(&self, shared: &Pumps) -> Option<Arc<Pump>> {
        match self {
            Self::Stdout => Some(Arc::clone(&shared.stdout)),
            Self::Stderr => Some(Arc::clone(&shared.stderr)),
            Self::Fd(_) | Self::Callback(_) => Some(Arc::default()),
            // All that end in the same sink wait for each other anyway.
            Self::Monitor(monitor) => monitor.sink_pump(),
        }
    }

    fn write(&self, stream: Stream, data: &[u8]) -> Result<(), WriteError> {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.flush().map_err(WriteError::Sink)?;
                write_all(out.as_fd(), data).map_err(WriteError::Sink)
            }
            Self::Stderr => write_all(io::stderr().as_fd(), data).map_err(WriteError::Sink),
            Self::Fd(fd) => write_all(fd.as_fd(), data).map_err(WriteError::Sink),
            Self::Callback(call) => call(stream, data).map_err(WriteError::Sink),
            Self::Monitor(monitor) => monitor.write(stream, data).map(drop),
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("Stdout"),
            Self::Stderr => f.write_str("Stderr"),
            Self::Fd(fd) => f.debug_tuple("Fd").field(fd).finish(),
            Self::Callback(_) => f.write_str("Callback"),
            Self::Monitor(monitor) => f.debug_tuple("Monitor").field(&monitor.name()).finish(),
        }
    }
}

fn write_all(fd: BorrowedFd<'_>, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        match without_sigpipe(|| rustix::io::write(fd, data)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => data = &data[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A sink with what keeps the order of what it gets the same as the order of what is kept. A mutex that puts waiting
/// writers to sleep, as a sink may take its time; and it knows its owner, so that a callback that writes to its own
/// monitor gets an error and not a deadlock.
#[derive(Debug)]
pub(crate) struct OrderedSink {
    sink: Sink,
    busy: ReentrantMutex<Cell<bool>>,
}

impl OrderedSink {
    pub(crate) fn new(sink: Sink) -> Self {
        Self { sink, busy: ReentrantMutex::new(Cell::new(false)) }
    }

    pub(crate) fn monitor(&self) -> Option<&Arc<Monitor>> {
        match &self.sink {
            Sink::Monitor(monitor) => Some(monitor),
            _ => None,
        }
    }

    /// Passes `data` on, and if that worked runs `keep` before any other write does.
    pub(crate) fn write_then<T>(
        &self,
        stream: Stream,
        data: &[u8],
        keep: impl FnOnce() -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let busy = self.busy.lock();
        if busy.get() {
            return Err(WriteError::Reentrant);
        }
        busy.set(true);
        let _idle = Idle(&busy);
        self.sink.write(stream, data)?;
        keep()
    }
}

/// Also when the callback panics.
struct Idle<'a>(&'a Cell<bool>);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
