//! Opening a log for appending: what is there is continued, what is torn is set aside.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::append::Appender;
use crate::buffer::AlignedBuf;
use crate::format::{MIN_ALIGN, Trailer};
use crate::layer::{FileLayer, LayerFile, OpenHow, read_full, uninterrupted, write_full};
use crate::tail;

/// When appended blocks become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncPolicy {
    /// When the system sees fit, or at [`Appender::sync`].
    #[default]
    None,
    /// `fdatasync` at the end of each append.
    EachAppend,
    /// The file is opened with `O_DSYNC`: each write is durable when it returns.
    DurableWrites,
}

/// How an [`Appender`] treats its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendOptions {
    /// Use direct I/O where the file system takes it. Default: yes.
    pub direct: bool,
    /// When appended blocks become durable. Default: [`SyncPolicy::None`].
    pub sync: SyncPolicy,
    /// Bytes to reserve ahead of the end of the file, so that appends do not have to allocate; 0 = none, the default.
    pub preallocate: u64,
    /// Alignment of blocks to use if it is more than what the file system asks for; a power of two up to 1 MiB,
    /// 0 = whatever the file system asks for, the default.
    pub alignment: usize,
}

impl Default for AppendOptions {
    fn default() -> Self {
        Self { direct: true, sync: SyncPolicy::None, preallocate: 0, alignment: 0 }
    }
}

/// Why an appender writes through the page cache although direct I/O was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectFallback {
    /// The file system has no direct I/O.
    Unsupported,
    /// The file system asks for an alignment beyond 1 MiB of offsets, or beyond 4096 of memory.
    AlignmentTooLarge,
    /// The existing file ends at an offset that is not a multiple of the alignment.
    MisalignedEnd,
    /// A write was refused with EINVAL.
    WriteRefused,
}

impl fmt::Display for DirectFallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsupported => "the file system has no direct I/O",
            Self::AlignmentTooLarge => "the file system asks for too large an alignment",
            Self::MisalignedEnd => "the existing file does not end at a multiple of the alignment",
            Self::WriteRefused => "the file system refused a direct write",
        })
    }
}

/// Bytes at the end of an existing file that were no good block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedTail {
    /// Where in the log they began.
    pub offset: u64,
    /// How many they were.
    pub len: u64,
    /// Where they are now; `None` if they were all zero and simply cut off.
    pub set_aside: Option<PathBuf>,
}

/// What [`Appender::open`] met.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenReport {
    /// Bytes of good blocks that the file held already.
    pub continued: u64,
    /// The last good block's trailer, from which a writer goes on ([`crate::BlockMeta::next`]).
    pub last: Option<Trailer>,
    /// An incomplete or damaged end, if there was one.
    pub damaged_tail: Option<DamagedTail>,
    /// Why direct I/O is not used although it was asked for.
    pub fallback: Option<DirectFallback>,
}

/// Why a log could not be opened for appending.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The path is a directory.
    IsDirectory(PathBuf),
    /// The path is a pipe, a device, a socket ...
    NotRegular(PathBuf),
    /// Somebody else, in this process or another, has the log open for appending.
    Busy(PathBuf),
    /// The file holds something that is no log, so nothing was touched.
    NotALog(PathBuf),
    /// The alignment in the options is neither 0 nor a power of two up to 1 MiB.
    BadAlignment(usize),
    /// The operating system refused.
    Io {
        /// What was tried, as in "cannot ... the log".
        step: &'static str,
        /// On which file.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
}

impl OpenError {
    /// The operating system's error, if it was one.
    #[must_use]
    pub fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IsDirectory(path) => {
                write!(f, "{} is a directory; give the path of a file in it", path.display())
            }
            Self::NotRegular(path) => {
                write!(f, "{} is not a regular file; a log needs one", path.display())
            }
            Self::Busy(path) => write!(
                f,
                "{} is open for appending elsewhere; give each logger a path of its own",
                path.display()
            ),
            Self::NotALog(path) => write!(
                f,
                "{} exists and is not a log; move it away or choose another path",
                path.display()
            ),
            Self::BadAlignment(align) => {
                write!(f, "alignment {align} is not 0 or a power of two up to 1048576")
            }
            Self::Io { step, path, source } => {
                write!(f, "cannot {step} {}: {source}", path.display())?;
                match source.kind() {
                    io::ErrorKind::NotFound => f.write_str("; create its folder first"),
                    io::ErrorKind::PermissionDenied => {
                        f.write_str("; choose a path that this user may write")
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why a log could not be rotated. The appender goes on with the file that it had.
#[derive(Debug)]
#[non_exhaustive]
pub enum RotateError {
    /// The old file could not be cut to size or made durable; it still has its name.
    Finish(io::Error),
    /// The old file could not be renamed; `AlreadyExists`: the new name is taken, choose another.
    Rename(io::Error),
    /// The old file was renamed back, because no new one could be opened.
    Open(OpenError),
}

impl fmt::Display for RotateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finish(error) => write!(f, "cannot finish the log: {error}"),
            Self::Rename(error) => write!(f, "cannot rename the log: {error}"),
            Self::Open(error) => write!(f, "cannot begin a new log: {error}"),
        }
    }
}

impl std::error::Error for RotateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Finish(error) | Self::Rename(error) => Some(error),
            Self::Open(error) => Some(error),
        }
    }
}

/// Alignments beyond this are taken for nonsense.
const LARGEST_ALIGN: usize = 1 << 20;
/// What [`AlignedBuf`]s of page alignment satisfy.
const MEMORY_ALIGN: u32 = 4096;
/// Assumed where the system cannot say what direct I/O asks for.
const USUAL_ALIGN: usize = 4096;

/// An opened file, ready for its first append.
pub(crate) struct Opened {
    pub(crate) file: Box<dyn LayerFile>,
    pub(crate) report: OpenReport,
    pub(crate) align: usize,
}

pub(crate) fn open(
    path: &Path,
    options: &AppendOptions,
    layer: &dyn FileLayer,
) -> Result<Opened, OpenError> {
    open_resuming(path, options, layer, None)
}

fn open_resuming(
    path: &Path,
    options: &AppendOptions,
    layer: &dyn FileLayer,
    resume: Option<&Resume>,
) -> Result<Opened, OpenError> {
    let wanted = options.alignment;
    if wanted != 0 && (!wanted.is_power_of_two() || wanted > LARGEST_ALIGN) {
        return Err(OpenError::BadAlignment(wanted));
    }
    let failed = |step| move |source| OpenError::Io { step, path: path.to_owned(), source };
    let (mut file, created) = open_locked(path, options, layer)?;
    let mut size = file.size().map_err(failed("read the size of"))?;
    let mut report = OpenReport::default();
    if let Some(resume) = resume
        && size > resume.len
        && file.identity().map_err(failed("identify"))?.is(resume.device, resume.inode)
    {
        file.set_size(resume.len).map_err(failed("cut what will be written again off"))?;
        size = resume.len;
    }
    if size > 0 {
        let tail;
        (file, tail) = tail::find(file, size).map_err(failed("read the end of"))?;
        if tail.foreign {
            return Err(OpenError::NotALog(path.to_owned()));
        }
        report.continued = tail.good_end;
        report.last = tail.last;
        if tail.good_end < size {
            let set_aside = if tail.zeros {
                None
            } else {
                let aside = set_aside(&*file, path, tail.good_end, size, layer);
                Some(aside.map_err(failed("set aside the damaged end of"))?)
            };
            file.set_size(tail.good_end).map_err(failed("cut the damaged end off"))?;
            let len = size - tail.good_end;
            report.damaged_tail = Some(DamagedTail { offset: tail.good_end, len, set_aside });
        }
    }
    if created && options.sync != SyncPolicy::None {
        layer.sync_directory(parent(path)).map_err(failed("make durable the creation of"))?;
    }
    let align = choose_io(&*file, options, &mut report);
    Ok(Opened { file, report, align })
}

/// Opens and locks the file that `path` names, also if it is being rotated away at this moment.
fn open_locked(
    path: &Path,
    options: &AppendOptions,
    layer: &dyn FileLayer,
) -> Result<(Box<dyn LayerFile>, bool), OpenError> {
    let failed = |source| OpenError::Io { step: "open", path: path.to_owned(), source };
    let how =
        OpenHow { create_new: false, durable_writes: options.sync == SyncPolicy::DurableWrites };
    // Between opening and locking, another process may rename the file; then the lock is on a sealed file.
    const ATTEMPTS: usize = 100;
    for _ in 0..ATTEMPTS {
        // Before opening, because opening a pipe would wait for its other end.
        let existing = match uninterrupted(|| layer.identify(path)) {
            Ok(identity) => Some(identity),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        if let Some(identity) = existing {
            if identity.is_directory {
                return Err(OpenError::IsDirectory(path.to_owned()));
            }
            if !identity.is_regular {
                return Err(OpenError::NotRegular(path.to_owned()));
            }
        }
        let file = uninterrupted(|| layer.open(path, how)).map_err(failed)?;
        if !uninterrupted(|| file.try_lock()).map_err(failed)? {
            return Err(OpenError::Busy(path.to_owned()));
        }
        let named = uninterrupted(|| layer.identify(path));
        if named.is_ok_and(|named| file.identity().is_ok_and(|opened| opened == named)) {
            return Ok((file, existing.is_none()));
        }
    }
    Err(OpenError::Busy(path.to_owned()))
}

/// Copies `[from, size)` into a new file beside the log, durably, and returns its path.
fn set_aside(
    file: &dyn LayerFile,
    path: &Path,
    from: u64,
    size: u64,
    layer: &dyn FileLayer,
) -> io::Result<PathBuf> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (aside, copy) = create_beside(path, &format!("damaged-{seconds}"), layer)?;
    let mut buf = AlignedBuf::new(1 << 20, 4096).map_err(io::Error::other)?;
    let mut at = from;
    while at < size {
        let want = (size - at).min(buf.len() as u64) as usize;
        let got = read_full(file, &mut buf[..want], at)?;
        if got == 0 {
            break;
        }
        write_full(&*copy, &buf[..got], at - from)?;
        at += got as u64;
    }
    uninterrupted(|| copy.sync_data())?;
    layer.sync_directory(parent(path))?;
    Ok(aside)
}

/// Creates `<path>.<suffix>`, or `<path>.<suffix>-1` and so on if that is taken.
fn create_beside(
    path: &Path,
    suffix: &str,
    layer: &dyn FileLayer,
) -> io::Result<(PathBuf, Box<dyn LayerFile>)> {
    let how = OpenHow { create_new: true, durable_writes: false };
    let mut number = 0u32;
    loop {
        let mut name = OsString::from(path);
        name.push(".");
        name.push(suffix);
        if number > 0 {
            name.push(format!("-{number}"));
        }
        let candidate = PathBuf::from(name);
        match uninterrupted(|| layer.open(&candidate, how)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            answer => return answer.map(|file| (candidate, file)),
        }
    }
}

/// Switches direct I/O on if it was asked for and can be had; returns the alignment of blocks.
fn choose_io(file: &dyn LayerFile, options: &AppendOptions, report: &mut OpenReport) -> usize {
    let least = options.alignment.max(MIN_ALIGN);
    if !options.direct {
        return least;
    }
    let fall_back = |report: &mut OpenReport, why| {
        report.fallback = Some(why);
        least
    };
    let align = match file.direct_alignment() {
        Err(_) => return fall_back(report, DirectFallback::Unsupported),
        Ok(None) => least.max(USUAL_ALIGN),
        Ok(Some(asked)) => {
            let offset = asked.offset as usize;
            if offset > LARGEST_ALIGN || !offset.is_power_of_two() || asked.memory > MEMORY_ALIGN {
                return fall_back(report, DirectFallback::AlignmentTooLarge);
            }
            least.max(offset)
        }
    };
    if !report.continued.is_multiple_of(align as u64) {
        return fall_back(report, DirectFallback::MisalignedEnd);
    }
    if file.set_direct(true).is_err() {
        return fall_back(report, DirectFallback::Unsupported);
    }
    align
}

/// The directory that holds `path`.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Where a writer that kept notes of its own goes on: what follows `len` in that file will be written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// The file's device number.
    pub device: u64,
    /// The file's inode number.
    pub inode: u64,
    /// Bytes of the file that stay.
    pub len: u64,
}

impl Appender {
    /// Opens a log for appending as [`Self::open`] does, and cuts it to the length that `resume` says first, if it is
    /// that file.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_resuming(
        path: impl Into<PathBuf>,
        options: &AppendOptions,
        layer: Arc<dyn FileLayer>,
        resume: &Resume,
    ) -> Result<(Self, OpenReport), OpenError> {
        let path = path.into();
        let Opened { file, report, align } = open_resuming(&path, options, &*layer, Some(resume))?;
        let appender = Self::from_opened(path, options.clone(), layer, file, &report, align);
        Ok((appender, report))
    }

    /// Opens a log for appending, creating it if it is not there.
    ///
    /// An existing log is continued at the end of its last good block, never truncated before that. What follows
    /// that block (an append that was interrupted) is copied to `<path>.damaged-<unix seconds>`, made durable
    /// there, and then cut off. The file is locked (`flock`) until the appender is dropped.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is in the way. A file that holds something else than a log is not touched.
    pub fn open(
        path: impl Into<PathBuf>,
        options: &AppendOptions,
        layer: Arc<dyn FileLayer>,
    ) -> Result<(Self, OpenReport), OpenError> {
        let path = path.into();
        let Opened { file, report, align } = open(&path, options, &*layer)?;
        let appender = Self::from_opened(path, options.clone(), layer, file, &report, align);
        Ok((appender, report))
    }
}
