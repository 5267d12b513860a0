use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::blocks::ReadOptions;
use crate::damage::ReadStats;
use crate::filter::Filter;
use crate::reader::{Found, Item, Reader};

/// Reads a log while it is written, and goes on with the next file when it is rotated.
///
/// Rotation is noticed by the path naming another file. The old file is then read to its end before the new one is
/// begun, and the new one is begun only when it holds something: until then a writer may still be at the old one.
pub struct Follower {
    path: PathBuf,
    options: ReadOptions,
    reader: Reader,
    /// The file that follows the one being read, once it is known.
    next: Option<File>,
    rotations: u64,
    /// What was met in the files before.
    before: ReadStats,
}

impl Follower {
    /// Follows the log at `path`, from the beginning of the file that is there now.
    ///
    /// # Errors
    ///
    /// The operating system's; a directory is refused.
    pub fn open(path: &Path, options: ReadOptions) -> io::Result<Self> {
        Self::open_tail(path, u64::MAX, options)
    }

    /// Follows the log at `path` from near its end; see [`Reader::open_tail`].
    ///
    /// # Errors
    ///
    /// The operating system's; a directory is refused.
    pub fn open_tail(path: &Path, records: u64, options: ReadOptions) -> io::Result<Self> {
        let options = ReadOptions { follow: true, ..options };
        let reader = Reader::open_tail(path, records, options)?;
        Ok(Self {
            path: path.to_owned(),
            options,
            reader,
            next: None,
            rotations: 0,
            before: ReadStats::default(),
        })
    }

    /// The next record or report of damage; `None` if there is nothing more for now: ask again later.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn next_item(&mut self) -> io::Result<Option<Item<'_>>> {
        let found = self.advance()?;
        Ok(found.map(|found| self.reader.item(found)))
    }

    /// As [`Self::next_item`], leaving out the records that a filter does not admit.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn next_wanted(&mut self, filter: &Filter) -> io::Result<Option<Item<'_>>> {
        loop {
            let Some(found) = self.advance()? else {
                return Ok(None);
            };
            if self.reader.wants(found, filter) {
                return Ok(Some(self.reader.item(found)));
            }
        }
    }

    fn advance(&mut self) -> io::Result<Option<Found>> {
        loop {
            if let Some(found) = self.reader.advance()? {
                return Ok(Some(found));
            }
            if let Some(file) = self.next.take() {
                // The old file is at its end, and was told so.
                self.before.add(self.reader.stats());
                self.reader = Reader::from_file(file, self.options);
                self.rotations += 1;
            } else if let Some(file) = self.successor()? {
                self.next = Some(file);
                self.reader.stop_following();
            } else {
                return Ok(None);
            }
        }
    }

    /// The file that the path names, if it is another one and holds something, or is the same, cut.
    fn successor(&self) -> io::Result<Option<File>> {
        let Some(current) = self.reader.blocks().file() else {
            return Ok(None);
        };
        let file = match File::open(&self.path) {
            Ok(file) => file,
            // Between a rename and the creation of the next file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (old, new) = (current.metadata()?, file.metadata()?);
        let same = old.dev() == new.dev() && old.ino() == new.ino();
        let cut = same && new.len() < self.reader.blocks().position();
        Ok((cut || (!same && new.len() > 0)).then_some(file))
    }

    /// How often the log was rotated (or cut) while it was followed.
    #[must_use]
    pub fn rotations(&self) -> u64 {
        self.rotations
    }

    /// What was met so far, in all files.
    #[must_use]
    pub fn stats(&self) -> ReadStats {
        let mut stats = self.before;
        stats.add(self.reader.stats());
        stats
    }

    /// The reader of the current file.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }
}
