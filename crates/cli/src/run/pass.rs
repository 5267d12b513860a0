//! What happens to output on its way: it is passed on as it is, and recorded.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, OnceLock};

use flightring_blockfile::Level;
use flightring_logger::{Logger, Overflow};
use flightring_monitor::Stream;
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};

/// How output reaches this process's own standard output and standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// Byte for byte: there is one command.
    Untouched,
    /// In whole lines behind the command's name: there are several.
    Named {
        /// Column that the lines begin in.
        width: usize,
        /// Colour of the name, as an SGR parameter; 0 for none.
        colour: u8,
    },
}

/// One command's output on its way. It is the sink of the command's monitor, so it sees every byte once and in order; and it
/// is waited for, so that who reads our output slowly throttles the command, as through a pipe, and misses nothing.
pub(super) struct Pass {
    name: String,
    show: Show,
    /// Lines end as on a terminal: with a carriage return, which is no part of them.
    returns: bool,
    record: Option<Arc<Logger>>,
    /// Whether the name stands in front of recorded lines.
    record_name: bool,
    partial: Mutex<[Vec<u8>; 3]>,
    /// Why our own output could not be written, the first time.
    broken: OnceLock<(Stream, Errno)>,
}

impl Pass {
    pub(super) fn new(name: &str, show: Show, returns: bool, record: Option<Arc<Logger>>) -> Self {
        Self {
            name: name.to_owned(),
            show,
            returns,
            record,
            record_name: show != Show::Untouched,
            partial: Mutex::default(),
            broken: OnceLock::new(),
        }
    }

    /// Passes `data` on. It fails when nobody reads our output any more.
    pub(super) fn write(&self, stream: Stream, data: &[u8]) -> io::Result<()> {
        if self.show == Show::Untouched {
            self.raw(stream, data)?;
        }
        if self.record.is_some() || self.show != Show::Untouched {
            self.lines(stream, data)?;
        }
        Ok(())
    }

    /// What is left of lines that were never completed.
    pub(super) fn finish(&self) {
        let partial = std::mem::take(&mut *self.partial.lock());
        for (stream, line) in Stream::ALL.into_iter().zip(partial) {
            if !line.is_empty() {
                // A reader that is gone has been noticed before, if it matters.
                let _ = self.line(stream, &line);
            }
        }
    }

    /// Whether our own output could not be written.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.get().is_some()
    }

    /// What to say about output that could not be written. Nothing if its reader has just gone away, as `head` does.
    pub(super) fn failure(&self) -> Option<String> {
        let (stream, errno) = self.broken.get().filter(|(_, errno)| *errno != Errno::PIPE)?;
        let (name, stream) = (&self.name, stream.name());
        Some(format!("output of {name} is lost: {stream} cannot be written: {errno}"))
    }

    fn raw(&self, stream: Stream, data: &[u8]) -> io::Result<()> {
        // Locked, so that no line of another command gets into one that is written in parts.
        let written = match stream {
            Stream::Stdout => write_all(io::stdout().lock().as_fd(), data),
            Stream::Stderr | Stream::Log => write_all(io::stderr().lock().as_fd(), data),
        };
        written.map_err(|errno| {
            if self.broken.set((stream, errno)).is_ok() {
                // The main thread sleeps until something ends, and so has this
                // end.
                let _ = kill_process(getpid(), Signal::CHILD);
            }
            errno.into()
        })
    }

    fn lines(&self, stream: Stream, mut data: &[u8]) -> io::Result<()> {
        let mut partial = self.partial.lock();
        let partial = &mut partial[stream as usize - 1];
        while let Some(end) = memchr::memchr(b'\n', data) {
            if partial.is_empty() {
                self.line(stream, &data[..end])?;
            } else {
                partial.extend_from_slice(&data[..end]);
                self.line(stream, partial)?;
                partial.clear();
            }
            data = &data[end + 1..];
        }
        partial.extend_from_slice(data);
        if partial.len() > MAX_LINE {
            self.line(stream, partial)?;
            partial.clear();
        }
        Ok(())
    }

    fn line(&self, stream: Stream, line: &[u8]) -> io::Result<()> {
        let line = if self.returns { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
        if let Some(logger) = &self.record {
            let level = if stream == Stream::Stderr { Level::Warn } else { Level::Info };
            // What is refused is counted by the logger, and reported at the end.
            let _ = if self.record_name {
                logger.log(level, &[self.name.as_bytes(), b": ", line].concat())
            } else {
                logger.log(level, line)
            };
        }
        if let Show::Named { width, colour } = self.show {
            let mut text = Vec::with_capacity(width + line.len() + 16);
            // Writing to memory does not fail.
            let _ = match colour {
                0 => write!(text, "{:width$} | ", self.name),
                _ => write!(text, "\x1b[{colour}m{:width$} |\x1b[0m ", self.name),
            };
            text.extend_from_slice(line);
            text.push(b'\n');
            return self.raw(stream, &text);
        }
        Ok(())
    }
}

/// A line longer than this is cut.
const MAX_LINE: usize = 64 * 1024;

/// Opens the log that output is recorded in: a line an event, of level info for standard output and warning for
/// standard error. The command waits for the disk rather than losing a line.
pub(super) fn open_log(path: &std::path::Path) -> Result<Logger, flightring_logger::OpenError> {
    let mut options = flightring_logger::Options::new(path);
    options.kind = flightring_blockfile::Kind::Event;
    options.overflow = Overflow::Block;
    options.buffer_size = 8 << 20;
    options.shards = 2;
    Logger::open(&options)
}

/// Writes all of it, to a descriptor that may be non-blocking.
pub(super) fn write_all(fd: BorrowedFd<'_>, mut data: &[u8]) -> Result<(), Errno> {
    while !data.is_empty() {
        match rustix::io::write(fd, data) {
            // No file does that, and nothing would come of trying again.
            Ok(0) => return Err(Errno::IO),
            Ok(written) => data = &data[written..],
            Err(Errno::INTR) => {}
            // Somebody who shares the terminal has made it non-blocking.
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], None);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
