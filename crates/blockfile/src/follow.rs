use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::blocks::ReadOptions;
use crate::damage::ReadStats;
use crate::filter::Filter;
use crate::format::{BlockMeta, HEADER_LEN, TRAILER_LEN, Trailer, u32_at};
use crate::open::parent;
use crate::reader::{Found, Item, Reader};

/// Reads a log while it is written, and goes on with the next file when it is rotated.
///
/// Rotation is noticed by the path naming another file. The old file is then read to its end before the new one is
/// begun, and the new one is begun only when it holds something: until then a writer may still be at the old one.
///
/// A log may be rotated several times between two looks. The numbers of blocks tell, and the files in between are found
/// beside the log, under names that begin with its own and a dot. What is not found, because it was deleted or
/// compressed meanwhile, is reported as missing.
pub struct Follower {
    path: PathBuf,
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

    pub(crate) fn advance(&mut self) -> io::Result<Option<Found>> {
        loop {
            if let Some(found) = self.reader.advance()? {
                return Ok(Some(found));
            }
            if let Some(file) = self.next.take() {
                // The old file is at its end, and was told so.
                self.before.add(self.reader.stats());
                self.reader = Reader::after(&self.reader, file);
                self.rotations += 1;
            } else if let Some(file) = self.successor()? {
                self.next = Some(file);
                self.reader.stop_following();
            } else {
                return Ok(None);
            }
        }
    }

    /// The file that follows the current one: the one that the path names, if it is another and holds something, or is
    /// the same, cut; or one between the two.
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
        if old.dev() == new.dev() && old.ino() == new.ino() {
            let cut = new.len() < self.reader.blocks().position();
            return Ok(cut.then_some(file));
        }
        let Beginning::Block(first) = beginning(&file)? else { return Ok(None) };
        let Some(expected) = self.reader.blocks().expected() else { return Ok(Some(file)) };
        let skipped = match first.filter(|first| is_behind(first, &expected)) {
            Some(first) => self.skipped(&expected, &first)?,
            None => None,
        };
        Ok(Some(skipped.unwrap_or(file)))
    }

    /// The earliest file beside the log that begins at or after the block `from`, and before the block `to`.
    fn skipped(&self, from: &BlockMeta, to: &BlockMeta) -> io::Result<Option<File>> {
        let Some(name) = self.path.file_name() else { return Ok(None) };
        let mut earliest = None;
        let mut reached = to.block_seq;
        for entry in parent(&self.path).read_dir()? {
            let Ok(entry) = entry else { continue };
            let is_rotated = entry
                .file_name()
                .as_bytes()
                .strip_prefix(name.as_bytes())
                .is_some_and(|suffix| suffix.first() == Some(&b'.'));
            // Opening a pipe would wait for its writer.
            if !is_rotated || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            // It may be deleted or compressed just now; then it is missing.
            let Ok(file) = File::open(entry.path()) else { continue };
            if let Ok(Beginning::Block(Some(first))) = beginning(&file)
                && first.writer_id == from.writer_id
                && (from.block_seq..reached).contains(&first.block_seq)
            {
                (earliest, reached) = (Some(file), first.block_seq);
            }
        }
        Ok(earliest)
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

/// What stands at the beginning of a file.
enum Beginning {
    /// Nothing yet: it is empty, or only reserved.
    Nothing,
    /// A block, and what its trailer states, if it has one.
    Block(Option<BlockMeta>),
}

/// Looks at the first block of a file. Its checksum is looked at by the reader, later.
fn beginning(file: &File) -> io::Result<Beginning> {
    let (mut header, mut bytes) = ([0; HEADER_LEN], [0; TRAILER_LEN]);
    match file.read_exact_at(&mut header, 0) {
        Ok(()) if header == [0; HEADER_LEN] => return Ok(Beginning::Nothing),
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Ok(Beginning::Nothing);
        }
        Err(error) => return Err(error),
    }
    let at = u64::from(u32_at(&header, 0)).saturating_sub(TRAILER_LEN as u64);
    let trailer = match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Trailer::from_bytes(&bytes).filter(Trailer::sizes_fit),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
        Err(error) => return Err(error),
    };
    Ok(Beginning::Block(trailer.map(|trailer| trailer.meta)))
}

/// Whether blocks are missing between the one that is expected and this one.
fn is_behind(first: &BlockMeta, expected: &BlockMeta) -> bool {
    first.writer_id == expected.writer_id && first.block_seq > expected.block_seq
}
