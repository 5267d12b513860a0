use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::blocks::ReadOptions;
use crate::damage::ReadStats;
use crate::filter::Filter;
use crate::reader::{Found, Item, Reader};
use crate::rotated::{Beginning, Next, Place, Rotated, Unpack, beginning};

/// Reads a log while it is written, and goes on with the next file when it is rotated.
///
/// Rotation is noticed by the path naming another file. The old file is then read to its end before the new one is
/// begun, and the new one is begun only when it holds something: until then a writer may still be at the old one.
///
/// A log may be rotated several times between two looks. The numbers of blocks tell, and the files in between are found
/// beside the log, under names that begin with its own and a dot; compressed ones only with [`Self::unpacking`]. What is
/// not found, because it was deleted meanwhile, is reported as missing.
///
/// A file that is cut is read on from its new end. So after a crash, whose recovery may cut the last blocks off and write their
/// records again, these records come twice, and none is left out.
pub struct Follower {
    path: PathBuf,
    reader: Reader,
    /// The file that is being read, unless it is no regular one.
    place: Option<Place>,
    rotated: Rotated,
    /// The file that follows the one being read, once it is known.
    next: Option<Next>,
    /// The end was reached, so that what follows may not be what was going to.
    at_end: bool,
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
        let place = reader.blocks().file().map(Place::of).transpose()?;
        Ok(Self {
            path: path.to_owned(),
            reader,
            place,
            rotated: Rotated::of(path, options.max_block),
            next: None,
            at_end: false,
            rotations: 0,
            before: ReadStats::default(),
        })
    }

    /// Finds rotated files also when they were compressed meanwhile: their names end in `.zst` or `.gz`, and `unpack` opens
    /// them.
    #[must_use]
    pub fn unpacking(mut self, unpack: Unpack) -> Self {
        self.rotated.unpack = Some(unpack);
        self
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

    pub(crate) fn advance(&mut self) -> io::Result<Option<Found>> {
        loop {
            if std::mem::take(&mut self.at_end) && !self.reader.blocks().is_as_read()? {
                self.next =
                    self.reader.blocks().file().map(File::try_clone).transpose()?.map(Next::Cut);
            } else if let Some(found) = self.reader.advance()? {
                return Ok(Some(found));
            }
            if let Some(next) = self.next.take() {
                // The old file is at its end, and was told so.
                self.before.add(self.reader.stats());
                (self.reader, self.place) = match next {
                    Next::Plain(file) => {
                        let place = Place::of(&file)?;
                        (Reader::after(&self.reader, file), Some(place))
                    }
                    Next::Cut(file) => {
                        let place = Place::of(&file)?;
                        (Reader::after_cut(&self.reader, file)?, Some(place))
                    }
                    Next::Packed(bytes, place) => {
                        (Reader::after_finished(&self.reader, bytes), Some(place))
                    }
                };
                self.rotations += 1;
            } else if let Some(next) = self.successor()? {
                self.next = Some(next);
                self.reader.stop_following();
            } else {
                self.at_end = true;
                return Ok(None);
            }
        }
    }

    /// The file that follows the current one: the one that the path names, if it is another and holds something, or is
    /// the same, cut; or one between the two, also while the path names none or an empty one.
    fn successor(&mut self) -> io::Result<Option<Next>> {
        let Some(mut current) = self.place else { return Ok(None) };
        let named = match File::open(&self.path) {
            Ok(file) => Some(file),
            // Between a rename and the creation of the next file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some(file) = self.reader.blocks().file() {
            // It may have been written to since it was opened.
            current = Place::of(file)?;
        }
        if let Some(file) = &named
            && Place::of(file)?.is_same_file(&current)
        {
            let cut = file.metadata()?.len() < self.reader.blocks().position();
            return Ok(named.filter(|_| cut).map(Next::Cut));
        }
        let begins = named.as_ref().map_or(Ok(Beginning::Nothing), beginning)?;
        let is_begun = matches!(begins, Beginning::Block(_));
        let between = self.reader.blocks().expected().and_then(|expected| {
            let to = match begins {
                Beginning::Nothing => None,
                Beginning::Block(Some(first)) if first.writer_id == expected.writer_id => {
                    Some(first.block_seq)
                }
                Beginning::Block(_) => Some(u64::MAX),
            };
            self.rotated.next(&expected, to, &current)
        });
        Ok(between.or(named.filter(|_| is_begun).map(Next::Plain)))
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
