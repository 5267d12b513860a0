//! What can go wrong in a run, with the place where it did.

use std::fmt;
use std::io;

/// Why a run ended early. What was written before it is whole lines, in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum PipelineError {
    /// An input cannot be opened.
    Open {
        /// Its name.
        input: String,
        /// Why.
        source: io::Error,
    },
    /// An input cannot be read any further: the medium failed, or compressed data is damaged.
    Read {
        /// Its name.
        input: String,
        /// The number of the line that could not be read, from 1.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// A line is longer than a buffer, and rules were given, which need a whole line in memory.
    LongLine {
        /// The name of the input.
        input: String,
        /// The number of the line, from 1.
        line: u64,
        /// The size of a buffer, in bytes.
        limit: usize,
    },
    /// A line is longer than a buffer, and its pattern did not fit into a temporary file.
    Spill {
        /// The name of the input.
        input: String,
        /// The number of the line, from 1.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// The output cannot be created.
    Create {
        /// Its name.
        output: String,
        /// Why.
        source: io::Error,
    },
    /// The output takes no more.
    Write {
        /// Its name.
        output: String,
        /// The name of the input whose line it was.
        input: String,
        /// The number of the first line that is not in the output for certain, from 1.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// The output is one of the inputs, which creating it would destroy.
    SameFile {
        /// Its name.
        output: String,
    },
    /// The system has no more threads.
    Thread(io::Error),
}

impl fmt::Display for PipelineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { input, source } => write!(f, "{input}: cannot be opened: {source}"),
            Self::Read { input, line, source } => {
                write!(f, "{input}:{line}: cannot be read: {source}")
            }
            Self::LongLine { input, line, limit } => write!(
                f,
                "{input}:{line}: the line is longer than a buffer of {limit} bytes, and rules need \
                 it whole; use larger buffers"
            ),
            Self::Spill { input, line, source } => write!(
                f,
                "{input}:{line}: the line is longer than a buffer, and its pattern cannot be kept \
                 in a temporary file: {source}; make room in TMPDIR or use larger buffers"
            ),
            Self::Create { output, source } => {
                write!(f, "{output}: cannot be created: {source}")
            }
            Self::Write { output, input, line, source } => {
                write!(f, "{output}: cannot be written at {input}:{line}: {source}")
            }
            Self::SameFile { output } => {
                write!(f, "{output}: is an input too; write to another file")
            }
            Self::Thread(source) => write!(f, "cannot start a thread: {source}"),
        }
    }
}

impl std::error::Error for PipelineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open { source, .. }
            | Self::Read { source, .. }
            | Self::Spill { source, .. }
            | Self::Create { source, .. }
            | Self::Write { source, .. }
            | Self::Thread(source) => Some(source),
            Self::LongLine { .. } | Self::SameFile { .. } => None,
        }
    }
}
