use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FlockOperation, OFlags, RenameFlags, StatxFlags, fallocate,
    fcntl_getfl, fcntl_setfl, flock, renameat_with, statx,
};
use rustix::io::Errno;

use crate::own_file::OwnFile;

/// How a file is to be opened; it is always for reading and writing, and closed on exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenHow {
    /// Fail if the file exists already.
    pub create_new: bool,
    /// Each write returns only when its data is durable (`O_DSYNC`).
    pub durable_writes: bool,
}

/// What tells one file from another, whatever their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Device number.
    pub device: u64,
    /// Inode number on that device.
    pub inode: u64,
    /// It is a directory.
    pub is_directory: bool,
    /// It is a regular file.
    pub is_regular: bool,
}

impl Identity {
    pub(crate) fn is(&self, device: u64, inode: u64) -> bool {
        self.device == device && self.inode == inode
    }
}

/// What a file system asks of direct I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectAlignment {
    /// Alignment of buffers in memory.
    pub memory: u32,
    /// Alignment of file offsets and lengths.
    pub offset: u32,
}

/// The operations on paths that an appender needs.
///
/// [`OsLayer`] is the operating system. Tests put a layer in its place that fails on purpose.
pub trait FileLayer: Send + Sync {
    /// Opens a file, creating it if it is not there.
    ///
    /// # Errors
    /// As the operating system says.
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Box<dyn LayerFile>>;

    /// What `path` refers to now, following symbolic links.
    ///
    /// # Errors
    /// As the operating system says; `NotFound` if there is nothing.
    fn identify(&self, path: &Path) -> io::Result<Identity>;

    /// Renames a file, and fails with `AlreadyExists` rather than replace another.
    ///
    /// # Errors
    /// As the operating system says.
    fn rename_noreplace(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes creations and renames in a directory durable.
    ///
    /// # Errors
    /// As the operating system says.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
}

/// The operations on an open file that an appender needs.
pub trait LayerFile: Send {
    /// What the file is.
    ///
    /// # Errors
    /// As the operating system says.
    fn identity(&self) -> io::Result<Identity>;

    /// The file's size in bytes.
    ///
    /// # Errors
    /// As the operating system says.
    fn size(&self) -> io::Result<u64>;

    /// Reads at an offset; may return fewer bytes than asked for, 0 at the end.
    ///
    /// # Errors
    /// As the operating system says.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at an offset; may take fewer bytes than given.
    ///
    /// # Errors
    /// As the operating system says.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes written data durable, with as much metadata as reading it back takes (`fdatasync`).
    ///
    /// # Errors
    /// As the operating system says.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts the file to `size`, and frees what was reserved beyond.
    ///
    /// # Errors
    /// As the operating system says.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Reserves space without changing the file's size.
    ///
    /// # Errors
    /// As the operating system says; `Unsupported` where the file system cannot.
    fn reserve(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Takes the file's exclusive advisory lock; `false` if somebody else holds it.
    ///
    /// # Errors
    /// As the operating system says.
    fn try_lock(&self) -> io::Result<bool>;

    /// What direct I/O asks for. `Ok(None)`: the system cannot say, so trying is the only way to find out.
    ///
    /// # Errors
    /// `Unsupported` when the file system states that it has no direct I/O.
    fn direct_alignment(&self) -> io::Result<Option<DirectAlignment>>;

    /// Switches direct I/O on or off for this open file.
    ///
    /// # Errors
    /// As the operating system says; `InvalidInput` (EINVAL) where direct I/O is refused.
    fn set_direct(&self, on: bool) -> io::Result<()>;
}

/// The operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsLayer;

impl FileLayer for OsLayer {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Box<dyn LayerFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        // Without truncation: what is there is continued.
        if how.create_new {
            options.create_new(true);
        } else {
            options.create(true).truncate(false);
        }
        if how.durable_writes {
            options.custom_flags(OFlags::DSYNC.bits().cast_signed());
        }
        Ok(Box::new(OsFile(OwnFile::open(|| options.open(path))?)))
    }

    fn identify(&self, path: &Path) -> io::Result<Identity> {
        Ok(identity_of(&std::fs::metadata(path)?))
    }

    fn rename_noreplace(&self, from: &Path, to: &Path) -> io::Result<()> {
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Some file systems cannot promise it in a rename; all can in a link.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                std::fs::hard_link(from, to)?;
                std::fs::remove_file(from)
            }
            other => Ok(other?),
        }
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }
}

struct OsFile(OwnFile);

/// A lock ends when the last descriptor of the open file is closed, and a child that was made without the C library's `fork`
/// has one, too. So the lock is given up, not left to closing: a log that was closed can be opened at once.
impl Drop for OsFile {
    fn drop(&mut self) {
        // It fails only where there is no lock to give up.
        let _ = flock(&*self.0, FlockOperation::Unlock);
    }
}

impl LayerFile for OsFile {
    fn identity(&self) -> io::Result<Identity> {
        Ok(identity_of(&self.0.metadata()?))
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(buf, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.set_len(size)
    }

    fn reserve(&self, offset: u64, len: u64) -> io::Result<()> {
        // Some file systems take all that is left before they find that it is not enough.
        let room = rustix::fs::fstatvfs(&*self.0)?;
        if len > room.f_bavail.saturating_mul(room.f_frsize) {
            return Err(Errno::NOSPC.into());
        }
        Ok(fallocate(&*self.0, FallocateFlags::KEEP_SIZE, offset, len)?)
    }

    fn try_lock(&self) -> io::Result<bool> {
        match flock(&*self.0, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn direct_alignment(&self) -> io::Result<Option<DirectAlignment>> {
        let Ok(stat) = statx(&*self.0, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN) else {
            return Ok(None);
        };
        if stat.stx_mask & StatxFlags::DIOALIGN.bits() == 0 {
            return Ok(None);
        }
        if stat.stx_dio_offset_align == 0 || stat.stx_dio_mem_align == 0 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Some(DirectAlignment {
            memory: stat.stx_dio_mem_align,
            offset: stat.stx_dio_offset_align,
        }))
    }

    fn set_direct(&self, on: bool) -> io::Result<()> {
        let mut flags = fcntl_getfl(&*self.0)?;
        flags.set(OFlags::DIRECT, on);
        Ok(fcntl_setfl(&*self.0, flags)?)
    }
}

fn identity_of(metadata: &std::fs::Metadata) -> Identity {
    Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
        is_directory: metadata.is_dir(),
        is_regular: metadata.is_file(),
    }
}

/// Calls until the answer is not "interrupted".
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            answer => return answer,
        }
    }
}

/// Reads until `buf` is full or the file ends; returns how much was read.
pub(crate) fn read_full(file: &dyn LayerFile, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match uninterrupted(|| file.read_at(&mut buf[done..], offset + done as u64))? {
            0 => break,
            n => done += n,
        }
    }
    Ok(done)
}

/// Writes all of `buf`, for files that are not the log itself.
pub(crate) fn write_full(file: &dyn LayerFile, buf: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buf.len() {
        match uninterrupted(|| file.write_at(&buf[done..], offset + done as u64))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => done += n,
        }
    }
    Ok(())
}
