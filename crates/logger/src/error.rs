use std::fmt;
use std::io;

use flightring_blockfile as blockfile;

/// Why a logger could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// An option is out of range; the text says which, and what to choose.
    Configuration(String),
    /// The file could not be opened for appending.
    File(blockfile::OpenError),
    /// There was no memory for the buffers.
    Memory {
        /// The bytes that were asked for.
        bytes: usize,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A worker thread could not be started.
    Thread(io::Error),
    /// What a dead logger of this log had accepted could not be brought into the log. It is kept, and the next opening
    /// tries again.
    Recovery {
        /// What was being done.
        step: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
}

impl OpenError {
    /// The operating system's error number, if it was the operating system.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Configuration(_) => None,
            Self::File(error) => error.io().and_then(io::Error::raw_os_error),
            Self::Memory { source, .. } | Self::Thread(source) | Self::Recovery { source, .. } => {
                source.raw_os_error()
            }
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(what) => f.write_str(what),
            Self::File(error) => error.fmt(f),
            Self::Memory { bytes, source } => {
                write!(
                    f,
                    "no memory for {bytes} bytes of buffers: {source}; choose a smaller buffer"
                )
            }
            Self::Thread(source) => write!(f, "cannot start a worker thread: {source}"),
            Self::Recovery { step, source } => write!(
                f,
                "cannot recover what a killed process had logged: cannot {step}: {source}; it is kept for the next \
                 attempt"
            ),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Configuration(_) => None,
            Self::File(error) => Some(error),
            Self::Memory { source, .. } | Self::Thread(source) | Self::Recovery { source, .. } => {
                Some(source)
            }
        }
    }
}

/// Why a record was dropped. Every one is counted under its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum Dropped {
    /// There was no room.
    Full = 0,
    /// There was no room for as long as the caller was willing to wait.
    TimedOut = 1,
    /// It is longer than [`crate::Logger::largest_record`].
    TooLarge = 2,
    /// The logger is closed.
    Closed = 3,
    /// The thread was inside a call already: a signal handler that had interrupted it logged.
    Reentered = 4,
    /// The logger belongs to the parent of this forked process.
    Forked = 5,
}

impl Dropped {
    /// How many causes there are.
    pub(crate) const COUNT: usize = 6;
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "there was no room",
            Self::TimedOut => "there was no room in time",
            Self::TooLarge => "the record is larger than the logger takes",
            Self::Closed => "the logger is closed",
            Self::Reentered => "the thread was inside a call already",
            Self::Forked => "the logger belongs to the parent process",
        })
    }
}

impl std::error::Error for Dropped {}

/// Why a flush did not make everything durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlushError {
    /// The time was over first. The work goes on.
    TimedOut,
    /// The operating system refused, with this error number. What was accepted is kept and tried again.
    Io(i32),
    /// The logger is closed; what closing could not write is in its report.
    Closed,
    /// The logger belongs to the parent of this forked process.
    Forked,
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("not durable in time; the work goes on"),
            Self::Io(errno) => write!(
                f,
                "cannot write the log: {}; the records are kept and tried again",
                io::Error::from_raw_os_error(*errno)
            ),
            Self::Closed => f.write_str("the logger is closed"),
            Self::Forked => f.write_str("the logger belongs to the parent process"),
        }
    }
}

impl std::error::Error for FlushError {}

/// Why no new file was begun. The old one goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RotateError {
    /// The operating system refused, with this error number.
    Io(i32),
    /// The logger is closed.
    Closed,
    /// The logger belongs to the parent of this forked process.
    Forked,
}

impl fmt::Display for RotateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(errno) => write!(
                f,
                "cannot begin a new file: {}; the old one goes on",
                io::Error::from_raw_os_error(*errno)
            ),
            Self::Closed => f.write_str("the logger is closed"),
            Self::Forked => f.write_str("the logger belongs to the parent process"),
        }
    }
}

impl std::error::Error for RotateError {}

/// What closing could not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseError {
    /// Accepted records could not be written.
    Unwritten {
        /// How many.
        records: u64,
        /// Their bytes, with lengths.
        bytes: u64,
        /// The operating system's last error number.
        errno: i32,
    },
    /// All is written, but the file could not be cut to its size or made durable.
    Unfinished {
        /// The operating system's error number.
        errno: i32,
    },
    /// The logger belongs to the parent of this forked process; nothing was done.
    Forked,
    /// The call was made inside a callback that the end of the logger waits for: of a [`crate::Watch`] or of a finished file
    /// ([`crate::Rotation::sealed`]) of this logger, or of one in its set; nothing was done.
    InCallback,
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unwritten { records, bytes, errno } => write!(
                f,
                "{records} accepted records ({bytes} bytes) could not be written: {}",
                io::Error::from_raw_os_error(*errno)
            ),
            Self::Unfinished { errno } => write!(
                f,
                "the log is written but could not be finished: {}",
                io::Error::from_raw_os_error(*errno)
            ),
            Self::Forked => f.write_str("the logger belongs to the parent process"),
            Self::InCallback => f.write_str(
                "a logger cannot be closed inside a callback of its own; close it from another thread, or afterwards",
            ),
        }
    }
}

impl std::error::Error for CloseError {}
