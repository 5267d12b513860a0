//! The files that a log was rotated into, and which of them comes next.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{DirEntry, File};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::format::{BlockMeta, HEADER_LEN, TRAILER_LEN, Trailer, u32_at};
use crate::open::parent;

/// Opens what a compressed file holds; `None` if it is not compressed.
pub type Unpack = fn(File) -> io::Result<Option<Box<dyn Read + Send>>>;

/// A file that is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    device: u64,
    inode: u64,
    modified: Option<SystemTime>,
}

impl Place {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: metadata.modified().ok(),
        })
    }

    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// A file to read next.
pub(crate) enum Next {
    /// As it was written.
    Plain(File),
    /// The one that is read already: it was cut.
    Cut(File),
    /// Compressed, so finished.
    Packed(Box<dyn Read + Send>, Place),
}

/// What stands at the beginning of a file.
pub(crate) enum Beginning {
    /// Nothing yet: it is empty, or only reserved.
    Nothing,
    /// A block, and what its trailer states, if it has one.
    Block(Option<BlockMeta>),
}

/// Looks at the first block of a file. Its checksum is looked at by the reader, later.
pub(crate) fn beginning(file: &File) -> io::Result<Beginning> {
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

/// The same of what a compressed file holds, which can only be read from front to back; `None` for anything but a block
/// with a trailer.
fn packed_beginning(mut bytes: impl Read, max_block: usize) -> Option<BlockMeta> {
    let mut header = [0; HEADER_LEN];
    bytes.read_exact(&mut header).ok()?;
    let capacity = u32_at(&header, 0) as usize;
    if capacity > max_block {
        return None;
    }
    let before = capacity.checked_sub(HEADER_LEN + TRAILER_LEN)? as u64;
    if io::copy(&mut (&mut bytes).take(before), &mut io::sink()).ok()? != before {
        return None;
    }
    let mut trailer = [0; TRAILER_LEN];
    bytes.read_exact(&mut trailer).ok()?;
    Some(Trailer::from_bytes(&trailer).filter(Trailer::sizes_fit)?.meta)
}

/// The files beside a log whose names begin with its own and a dot.
pub(crate) struct Rotated {
    log: PathBuf,
    max_block: usize,
    pub(crate) unpack: Option<Unpack>,
    /// What the last look found, by the numbers of their first blocks.
    ahead: BTreeMap<u64, PathBuf>,
    /// When the folder had been changed last at a look that found nothing.
    unchanged: Option<SystemTime>,
}

/// A change that comes so soon after another may have the same time.
const RACY: Duration = Duration::from_secs(1);
/// The clock by which a file is written may be that of another machine, and a compressed file keeps whole seconds only.
const SLACK: Duration = Duration::from_secs(2);
/// A look may miss a file that is renamed meanwhile; files are not renamed as fast as this over and over.
const LOOKS: usize = 5;

impl Rotated {
    pub(crate) fn of(log: &Path, max_block: usize) -> Self {
        Self {
            log: log.to_owned(),
            max_block,
            unpack: None,
            ahead: BTreeMap::new(),
            unchanged: None,
        }
    }

    /// The earliest file, other than the one that is read, that begins at or after the block `from` and before the block
    /// number `to`; `None`: there is no such number yet. A folder that cannot be read holds none.
    pub(crate) fn next(
        &mut self,
        from: &BlockMeta,
        to: Option<u64>,
        current: &Place,
    ) -> Option<Next> {
        let number = from.block_seq;
        if let Some(path) = self.ahead.remove(&number)
            && let Some(next) = self.open(&path, from, number, current)
        {
            return Some(next);
        }
        let modified = parent(&self.log).metadata().ok()?.modified().ok();
        if to.is_none() && modified.is_some() && modified == self.unchanged {
            return None;
        }
        let settled = modified.filter(|time| time.elapsed().is_ok_and(|age| age > RACY));
        let range = number..to.unwrap_or(u64::MAX);
        let mut seen: Option<Option<(u64, PathBuf)>> = None;
        for _ in 0..LOOKS {
            let first = self.look(from, &range, current)?;
            // Nothing can come before what is expected; of anything else, two looks are sure.
            let is_sure = first.as_ref().is_some_and(|(found, _)| *found == number)
                || seen.as_ref() == Some(&first);
            match &first {
                None if is_sure => {
                    self.unchanged = settled;
                    return None;
                }
                Some((found, path)) if is_sure => {
                    if let Some(next) = self.open(path, from, *found, current) {
                        return Some(next);
                    }
                }
                _ => {}
            }
            seen = Some(first);
        }
        None
    }

    /// Looks through the folder; returns the first of what lies ahead, by the number of its first block.
    #[expect(
        clippy::option_option,
        reason = "a folder that cannot be read is not one that holds nothing"
    )]
    fn look(
        &mut self,
        from: &BlockMeta,
        range: &Range<u64>,
        current: &Place,
    ) -> Option<Option<(u64, PathBuf)>> {
        self.ahead.clear();
        for entry in parent(&self.log).read_dir().ok()? {
            let Ok(entry) = entry else { continue };
            // It may be deleted or compressed just now; then another look finds what has come of it.
            if self.is_rotated(&entry)
                && let Some(first) = self.first_block(&entry.path(), current)
                && first.writer_id == from.writer_id
                && range.contains(&first.block_seq)
            {
                self.ahead.insert(first.block_seq, entry.path());
            }
        }
        Some(self.ahead.first_key_value().map(|(&number, path)| (number, path.clone())))
    }

    fn is_rotated(&self, entry: &DirEntry) -> bool {
        let (name, log) = (entry.file_name(), self.log.file_name().unwrap_or_default());
        let suffix = name.as_bytes().strip_prefix(log.as_bytes());
        suffix.is_some_and(|suffix| suffix.first() == Some(&b'.'))
            // Opening a pipe would wait for its writer.
            && entry.file_type().is_ok_and(|kind| kind.is_file())
    }

    /// What the first block of a file states; `None` for the file that is read.
    fn first_block(&self, path: &Path, current: &Place) -> Option<BlockMeta> {
        let file = File::open(path).ok()?;
        let place = Place::of(&file).ok()?;
        if place.is_same_file(current) {
            return None;
        }
        if !is_packed(path) {
            let Ok(Beginning::Block(first)) = beginning(&file) else { return None };
            return first;
        }
        // It has the time at which the file was written last. Looking into those that are behind would take long.
        let times = place.modified.zip(current.modified);
        if times
            .is_some_and(|(its, current)| its.checked_add(SLACK).is_some_and(|its| its < current))
        {
            return None;
        }
        packed_beginning((self.unpack?)(file).ok()??, self.max_block)
    }

    /// Opens a file that was found, if it still is what it was.
    fn open(&self, path: &Path, from: &BlockMeta, number: u64, current: &Place) -> Option<Next> {
        let first = self.first_block(path, current)?;
        if (first.writer_id, first.block_seq) != (from.writer_id, number) {
            return None;
        }
        let file = File::open(path).ok()?;
        if !is_packed(path) {
            return Some(Next::Plain(file));
        }
        let place = Place::of(&file).ok()?;
        Some(Next::Packed((self.unpack?)(file).ok()??, place))
    }
}

fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == OsStr::new("zst") || end == OsStr::new("gz"))
}
