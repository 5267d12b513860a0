//! The end of a file that is being written.
//!
//! What stands there may be the beginning of a block, may be cut off and written again, or may not be seen yet.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use crate::blocks::{BlockReader, ReadOptions};
use crate::format::{TRAILER_LEN, Trailer, u32_at};
use crate::sequence::Sequence;

/// How long something must look wrong in a file that is written before it is believed.
const SETTLED_AFTER: Duration = Duration::from_millis(20);

/// Blocks that a crash may have left in a file without the writer's notes of them, of all its shards in two batches.
const MARKS: usize = 4096;

/// A block that was delivered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    /// Where in the file it ends.
    pub(crate) end: u64,
    pub(crate) trailer: Trailer,
}

impl Mark {
    /// Whether the block is there now.
    fn holds(&self, file: &File) -> io::Result<bool> {
        let mut bytes = [0; TRAILER_LEN];
        match file.read_exact_at(&mut bytes, self.end - TRAILER_LEN as u64) {
            Ok(()) => Ok(Trailer::from_bytes(&bytes) == Some(self.trailer)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl BlockReader {
    /// Takes what is there now for the whole file: an incomplete end becomes damage.
    pub fn stop_following(&mut self) {
        self.options.follow = false;
        self.window.uncache();
        self.window.forget();
    }

    /// Forgets an incomplete end: the writer may put other bytes in its place.
    pub(crate) fn wait(&mut self) {
        if self.options.follow {
            self.window.forget();
            if let Some(damaged) = &mut self.damaged {
                damaged.searched = 0;
            }
        }
    }

    /// Whether what stands at the beginning of the window was wrong some time ago already.
    ///
    /// A writer who goes past the page cache may have written a block while a reader brought the page around it into that
    /// cache; such a reader sees zeros within the file's size, until the kernel has thrown the page out.
    pub(crate) fn has_settled(&mut self) -> bool {
        let at = self.window.offset();
        match self.suspect {
            Some((suspect, since)) if suspect == at => since.elapsed() >= SETTLED_AFTER,
            _ => {
                self.suspect = Some((at, Instant::now()));
                self.window.uncache();
                false
            }
        }
    }

    pub(crate) fn is_last_block(&mut self) -> io::Result<bool> {
        let capacity = u32_at(self.window.bytes(), 0) as usize;
        Ok(self.window.fill(capacity + 1)? <= capacity)
    }

    /// Remembers one more block that was delivered.
    pub(crate) fn mark(&mut self, mark: Mark) {
        if self.marks.len() == MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(mark);
    }

    /// Whether the file still ends, up to the position, as it was read. What was cut off and written again does not.
    pub(crate) fn is_as_read(&self) -> io::Result<bool> {
        match (self.file(), self.marks.back()) {
            (Some(file), Some(mark)) => mark.holds(file),
            _ => Ok(true),
        }
    }

    /// The same file, read on from the last block that was delivered and still is there, or from its beginning.
    pub(crate) fn after_cut(&self, file: File) -> io::Result<Self> {
        for mark in self.marks.iter().rev() {
            if mark.holds(&file)? {
                let options = ReadOptions { follow: true, ..self.options };
                let mut reader = Self::from_file_at(file, mark.end, options);
                reader.sequence = Sequence::resume(&mark.trailer.meta);
                reader.current_format = true;
                reader.marks.push_back(*mark);
                return Ok(reader);
            }
        }
        Ok(Self::after(self, file))
    }
}
