use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use rustix::fs::{Advice, fadvise};

use crate::layer::LayerFile;

/// Where a reader's bytes come from.
pub(crate) enum Source {
    /// A file, read at offsets: it may grow, and what was read past the last whole block may be read again.
    File(File),
    /// A file of a file layer, as the appender has it.
    Layer(Box<dyn LayerFile>),
    /// Anything else, read once from front to back.
    Stream(Box<dyn Read + Send>),
}

/// The part of a source that is in memory: a run of bytes that is filled at its end and consumed at its front.
///
/// It grows with the bytes that were really read, never with what a header claims.
///
/// Files are read, not mapped. Mapping would save the copy: docs/benchmarks/blockfile.md has what it gains for a file that is
/// in the page cache. But a mapping of a file that somebody cuts, or whose device fails, ends the process by SIGBUS, and
/// a library that reads other programs' live logs inside a service can neither keep others from cutting them nor install
/// a handler for that.
pub(crate) struct Window {
    source: Source,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset in the source of `buf[start]`.
    offset: u64,
    at_end: bool,
}

/// Read at once when nothing larger is asked for: small enough for the second-level cache.
/// The largest page of any system.
const PAGE: u64 = 64 << 10;
const CHUNK: usize = 512 << 10;

impl Window {
    pub(crate) fn new(source: Source, offset: u64) -> Self {
        Self { source, buf: Vec::new(), start: 0, end: 0, offset, at_end: false }
    }

    /// The bytes in memory.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    /// Where in the source [`Self::bytes`] begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the source said that nothing follows the bytes in memory.
    pub(crate) fn at_end(&self) -> bool {
        self.at_end
    }

    /// Reads until at least `wanted` bytes are in memory or the source ends. Returns how many are.
    pub(crate) fn fill(&mut self, wanted: usize) -> io::Result<usize> {
        while self.end - self.start < wanted && !self.at_end {
            self.make_room(wanted);
            let at = self.offset + (self.end - self.start) as u64;
            let room = &mut self.buf[self.end..];
            let read = match &mut self.source {
                Source::File(file) => file.read_at(room, at),
                Source::Layer(file) => file.read_at(room, at),
                Source::Stream(stream) => stream.read(room),
            };
            match read {
                Ok(0) => self.at_end = true,
                Ok(n) => self.end += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.end - self.start)
    }

    /// Makes sure that something can be read: moves the bytes to the front, then doubles towards `wanted`.
    fn make_room(&mut self, wanted: usize) {
        let held = self.end - self.start;
        if self.end < self.buf.len() && self.start + wanted <= self.buf.len() {
            return;
        }
        if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, held);
        }
        if held == self.buf.len() || (self.buf.len() < wanted && held * 2 >= self.buf.len()) {
            let grown = self.buf.len().saturating_mul(2).clamp(CHUNK, wanted.max(CHUNK));
            self.buf.resize(grown.max(held + 1), 0);
        }
    }

    /// Drops `n` bytes at the front.
    pub(crate) fn consume(&mut self, n: usize) {
        let n = n.min(self.end - self.start);
        self.start += n;
        self.offset += n as u64;
    }

    /// Forgets the bytes in memory, so that a file is read again from the same offset, with what it has then.
    pub(crate) fn forget(&mut self) {
        if !matches!(self.source, Source::Stream(_)) {
            self.end = self.start;
        }
        self.at_end = false;
    }

    /// Has the kernel read the file anew from where the window begins, where its copy agrees with the disk anyway.
    pub(crate) fn uncache(&self) {
        if let Source::File(file) = &self.source {
            // Parts of pages are kept, so it begins with a page.
            let from = self.offset - self.offset % PAGE;
            // A hint: a file system that does not take it has read nothing stale.
            let _ = fadvise(file, from, None, Advice::DontNeed);
        }
    }

    /// The file behind it, if it is one.
    pub(crate) fn file(&self) -> Option<&File> {
        match &self.source {
            Source::File(file) => Some(file),
            Source::Layer(_) | Source::Stream(_) => None,
        }
    }

    /// The layer's file behind it, if it is one.
    pub(crate) fn into_layer_file(self) -> Option<Box<dyn LayerFile>> {
        match self.source {
            Source::Layer(file) => Some(file),
            Source::File(_) | Source::Stream(_) => None,
        }
    }
}
