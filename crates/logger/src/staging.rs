//! Shards in a shared-memory file, so that what was accepted outlives the process.
//!
//! The file lies in `/dev/shm` (or another folder that the options name), holds the shards and their tails, and a
//! *commit*: how long the log is, and up to where each shard is in it. The flusher writes a commit after each append and
//! before it frees the space. So at every moment the log, cut to the committed length, plus what the shards hold
//! behind the committed positions, is everything that was accepted: exactly once, wherever the process is killed.
//!
//! There are two places for the commit, written in turn, each with a sequence number and a checksum: a torn one is
//! ignored, and the one before it still tells the truth.
//!
//! ```text
//! 0       header, 4 KiB: magic, version, pid, sizes, boot id, checksum (version 1: shards without frames)
//! 4096    the log's path
//! 8192    commit A
//!         commit B
//!         one line of 128 bytes a shard: tail, and the gate
//!         the shards
//! ```
//!
//! The file is reserved in full when it is made, so that a full `/dev/shm` is an error then and not a SIGBUS later. It
//! is locked (`flock`) as long as its logger's process lives ([`OwnFile`] sees to it that forked children do not hold the
//! lock); a file whose lock can be had is left over from a dead one.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64 as Word, Ordering as Order};

use flightring_blockfile::{BlockMeta, Kind, OwnFile, Resume};
use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};

use crate::cursor::Cursor;
use crate::frame::Frames;
use crate::region::Region;
use crate::sync::AtomicU64;

/// Where staging files lie unless the options say otherwise.
pub(crate) const DEFAULT_FOLDER: &str = "/dev/shm";

const MAGIC: &[u8; 8] = b"FLRSTAGE";
const VERSION: u32 = 2;
/// Still recovered: its shards have no frames, and the header has 0 for their size.
const WITHOUT_FRAMES: u32 = 1;
const PAGE: usize = 4096;
const HEADER: usize = 2 * PAGE;
const HEADER_CRC: usize = PAGE - 4;
/// Bytes of a commit before the cursors.
const COMMIT_HEAD: usize = 64;
const COMMIT_CURSOR: usize = 16;
/// Where a file that was begun has something by, whatever its sizes.
const LONGEST_BEGINNING: usize = 64 << 10;
/// Files of one log at a time: one that is alive, and what dead ones left.
const MOST_FILES: u32 = 16;

/// What of a shard lies in shared memory besides its bytes.
#[repr(C, align(128))]
pub(crate) struct Line {
    pub(crate) tail: AtomicU64,
    pub(crate) gate_shard: Word,
    pub(crate) gate_position: Word,
    pub(crate) gate_at: Word,
    pub(crate) rewound: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    shards: usize,
    frames: Frames,
}

impl Layout {
    fn commit(self, slot: usize) -> usize {
        HEADER + slot * self.commit_size()
    }

    fn commit_size(self) -> usize {
        (COMMIT_HEAD + COMMIT_CURSOR * self.shards).next_multiple_of(PAGE)
    }

    fn line(self, index: usize) -> usize {
        self.commit(2) + index * size_of::<Line>()
    }

    fn data(self, index: usize) -> usize {
        self.line(self.shards).next_multiple_of(PAGE) + index * self.frames.capacity() as usize
    }

    fn total(self) -> usize {
        self.data(self.shards)
    }
}

/// Up to where the log holds what the shards held.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Commit {
    pub(crate) file: Resume,
    pub(crate) cursors: Vec<Cursor>,
}

/// What a staging file says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) pid: u32,
    pub(crate) kind: Kind,
    /// Bytes of an output buffer that every record fits.
    pub(crate) batch: usize,
    pub(crate) writer_id: u64,
    boot: [u8; 36],
    layout: Layout,
    log: PathBuf,
}

/// A staging file, locked and mapped by somebody else's leave: the region may go before it.
pub(crate) struct Staging {
    // Holds the lock.
    _file: OwnFile,
    path: PathBuf,
    base: *mut u8,
    layout: Layout,
    sequence: u64,
}

// SAFETY: the pointer is into the region, which whoever has the staging keeps mapped while it commits.
unsafe impl Send for Staging {}

impl Staging {
    /// Makes a staging file for a logger that lives now.
    pub(crate) fn create(
        folder: &Path,
        log: &Path,
        (shards, frames, batch): (usize, Frames, usize),
        meta: &BlockMeta,
        lock_memory: bool,
    ) -> io::Result<(Self, Region)> {
        let layout = Layout { shards, frames };
        let log = absolute(log)?;
        let (file, path) = create_file(folder, &log)?;
        let made = (|| {
            fallocate(&*file, FallocateFlags::empty(), 0, layout.total() as u64)?;
            Region::of_file(&file, layout.total(), lock_memory)
        })();
        let region = match made {
            Ok(region) => region,
            Err(error) => {
                let _ = fs::remove_file(&path);
                return Err(error);
            }
        };
        let header = Header {
            pid: std::process::id(),
            kind: meta.kind,
            batch,
            writer_id: meta.writer_id,
            boot: boot_id(),
            layout,
            log,
        };
        let bytes = header.to_bytes();
        // SAFETY: the region begins with the header, and nobody else has it yet.
        unsafe { region.base().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        let base = region.base();
        Ok((Self { _file: file, path, base, layout, sequence: 0 }, region))
    }

    /// The line and the bytes of a shard.
    pub(crate) fn shard(&self, index: usize) -> (*const Line, *mut u8) {
        let line = self.base.wrapping_add(self.layout.line(index));
        (line.cast(), self.base.wrapping_add(self.layout.data(index)))
    }

    pub(crate) fn shards(&self) -> usize {
        self.layout.shards
    }

    pub(crate) fn frames(&self) -> Frames {
        self.layout.frames
    }

    /// Where the shards begin in the region.
    pub(crate) fn data_offset(&self) -> usize {
        self.layout.data(0)
    }

    /// Takes note that the log is `file.len` long, and holds the shards up to the cursors.
    pub(crate) fn commit(&mut self, file: &Resume, cursors: &[Cursor]) {
        self.sequence += 1;
        let bytes = commit_bytes(self.sequence, file, cursors);
        let slot = (self.sequence % 2) as usize;
        // SAFETY: the slot is in the region, which the flusher keeps mapped while it commits, and only it writes here.
        unsafe {
            let to = self.base.add(self.layout.commit(slot));
            to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        // Compilers must not move the freeing of the space, which follows, in front of this.
        std::sync::atomic::fence(Order::SeqCst);
    }

    /// Removes the file: everything it held is in the log.
    pub(crate) fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

fn create_file(folder: &Path, log: &Path) -> io::Result<(OwnFile, PathBuf)> {
    for number in 0..MOST_FILES {
        let path = folder.join(file_name(log, number));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
        match OwnFile::open(|| options.open(&path)) {
            Ok(file) => {
                flock(&*file, FlockOperation::NonBlockingLockExclusive)?;
                return Ok((file, path));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many staging files of this log"))
}

/// `flightring-<user>-<hash of the path>-<number>`: found again by whoever opens the same log.
fn file_name(log: &Path, number: u32) -> String {
    // FNV-1a: the same in every process and version.
    let hash = log.as_os_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("flightring-{}-{hash:016x}-{number}", rustix::process::geteuid().as_raw())
}

/// The path under which every process knows the log.
fn absolute(log: &Path) -> io::Result<PathBuf> {
    if let Ok(path) = fs::canonicalize(log) {
        return Ok(path);
    }
    let folder = match log.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = log.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    Ok(fs::canonicalize(folder)?.join(name))
}

fn boot_id() -> [u8; 36] {
    let mut id = [0; 36];
    if let Ok(text) = fs::read("/proc/sys/kernel/random/boot_id") {
        let len = text.len().min(id.len());
        id[..len].copy_from_slice(&text[..len]);
    }
    id
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut out = [0; 4];
    out.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(out)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut out = [0; 8];
    out.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(out)
}

impl Header {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![0; HEADER];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        let path = self.log.as_os_str().as_bytes();
        let path = &path[..path.len().min(PAGE)];
        put(0, MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(12, &self.pid.to_le_bytes());
        put(16, &(self.layout.shards as u64).to_le_bytes());
        put(24, &self.layout.frames.capacity().to_le_bytes());
        put(32, &(self.batch as u64).to_le_bytes());
        put(40, &self.writer_id.to_le_bytes());
        put(48, &[self.kind as u8]);
        let frame = self.layout.frames.frame().unwrap_or(0) as u64;
        put(56, &frame.to_le_bytes());
        put(64, &self.boot);
        put(104, &(path.len() as u32).to_le_bytes());
        put(PAGE, path);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&out[..HEADER_CRC]), path);
        out[HEADER_CRC..PAGE].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// None if the bytes are no header, or one that this version does not know.
    fn from_bytes(bytes: &[u8], file_len: u64) -> Option<Self> {
        if bytes.len() < HEADER || &bytes[..8] != MAGIC {
            return None;
        }
        if !matches!(u32_at(bytes, 8), VERSION | WITHOUT_FRAMES) {
            return None;
        }
        let path = bytes[PAGE..].get(..u32_at(bytes, 104) as usize)?;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..HEADER_CRC]), path);
        if crc != u32_at(bytes, HEADER_CRC) {
            return None;
        }
        let size = |at| usize::try_from(u64_at(bytes, at)).ok();
        let (shards, shard, frame) = (size(16)?, size(24)?, size(56)?);
        if shards == 0 || shards > crate::MAX_SHARDS + 1 || shard == 0 || shard > crate::MAX_BUFFER
        {
            return None;
        }
        let frames = match frame {
            0 => Frames::undivided(shard),
            frame => Frames::divided(shard, frame)?,
        };
        let layout = Layout { shards, frames };
        if layout.total() as u64 > file_len {
            return None;
        }
        let mut boot = [0; 36];
        boot.copy_from_slice(&bytes[64..100]);
        Some(Self {
            pid: u32_at(bytes, 12),
            kind: Kind::from_u8(bytes[48])?,
            batch: size(32)?.min(crate::MAX_BUFFER),
            writer_id: u64_at(bytes, 40),
            boot,
            layout,
            log: std::ffi::OsString::from_vec(path.to_vec()).into(),
        })
    }
}

fn commit_bytes(sequence: u64, file: &Resume, cursors: &[Cursor]) -> Vec<u8> {
    let mut out = Vec::with_capacity(COMMIT_HEAD + COMMIT_CURSOR * cursors.len());
    for number in [sequence, file.device, file.inode, file.len, cursors.len() as u64, 0, 0, 0] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    for cursor in cursors {
        out.extend_from_slice(&cursor.position.to_le_bytes());
        out.extend_from_slice(&cursor.lap().to_le_bytes());
    }
    let crc = crc32c::crc32c(&out);
    out[56..60].copy_from_slice(&crc.to_le_bytes());
    out
}

fn read_commit(bytes: &[u8], shards: usize) -> Option<(u64, Commit)> {
    let mut bytes = bytes.get(..COMMIT_HEAD + COMMIT_CURSOR * shards)?.to_vec();
    let crc = u32_at(&bytes, 56);
    bytes[56..60].fill(0);
    let sequence = u64_at(&bytes, 0);
    if crc32c::crc32c(&bytes) != crc || u64_at(&bytes, 32) != shards as u64 || sequence == 0 {
        return None;
    }
    let file =
        Resume { device: u64_at(&bytes, 8), inode: u64_at(&bytes, 16), len: u64_at(&bytes, 24) };
    let cursors = bytes[COMMIT_HEAD..]
        .chunks_exact(COMMIT_CURSOR)
        .map(|pair| Cursor::new(u64_at(pair, 0), u64_at(pair, 8)))
        .collect();
    Some((sequence, Commit { file, cursors }))
}

/// What a dead logger left: locked, so that nobody else recovers it at the same time.
pub(crate) struct Leftover {
    pub(crate) staging: Staging,
    pub(crate) region: Region,
    pub(crate) header: Header,
    pub(crate) commit: Commit,
}

/// A staging file of the log that cannot be recovered from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Not finished when its maker died, which was before anything was accepted; it was removed.
    Unfinished,
    /// Of another boot of the machine: its bytes are not what the process wrote. It was moved to this name.
    OtherBoot(PathBuf),
    /// Its notes make no sense, because something overwrote them or another version made it. It was moved to this name.
    Unreadable(PathBuf),
}

/// Looks for staging files of dead loggers of this log.
pub(crate) fn leftovers(folder: &Path, log: &Path) -> io::Result<Vec<Result<Leftover, Unusable>>> {
    let log = absolute(log)?;
    let mut found = Vec::new();
    for number in 0..MOST_FILES {
        let path = folder.join(file_name(&log, number));
        if let Some(leftover) = open_leftover(&path, &log)? {
            found.push(leftover);
        }
    }
    Ok(found)
}

/// None: there is no such file, or it is not ours to touch (in use, of another user, of another log).
fn open_leftover(path: &Path, log: &Path) -> io::Result<Option<Result<Leftover, Unusable>>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK);
    let file = match OwnFile::open(|| options.open(path)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // A symbolic link, or somebody else's file: never of ours.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ELOOP | libc::EACCES)) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Ok(None);
    }
    if flock(&*file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(None);
    }
    // Removed by another recovery between opening and locking?
    if fs::metadata(path).map_or(true, |now| now.ino() != metadata.ino()) {
        return Ok(None);
    }
    let mut head = vec![0; HEADER];
    let got = rustix::io::pread(&*file, &mut head[..], 0)?;
    let Some(header) = Header::from_bytes(&head[..got], metadata.len()) else {
        // The first commit follows the header, and everything else follows that.
        let mut rest = vec![0; LONGEST_BEGINNING];
        let got = rustix::io::pread(&*file, &mut rest[..], HEADER as u64)?;
        return unusable(path, rest[..got].iter().any(|&byte| byte != 0)).map(Some);
    };
    if header.log != log {
        return Ok(None);
    }
    if header.boot != boot_id() {
        return Ok(Some(Err(Unusable::OtherBoot(move_aside(path, "stale")?))));
    }
    let layout = header.layout;
    let region = Region::of_file(&file, layout.total(), false)?;
    let mut newest: Option<(u64, Commit)> = None;
    for slot in 0..2 {
        // SAFETY: the slot is in the region, and whoever wrote to it is dead, as the lock says.
        let bytes = unsafe {
            std::slice::from_raw_parts(region.base().add(layout.commit(slot)), layout.commit_size())
        };
        if let Some(commit) = read_commit(bytes, layout.shards)
            && newest.as_ref().is_none_or(|(sequence, _)| commit.0 > *sequence)
        {
            newest = Some(commit);
        }
    }
    let Some((sequence, commit)) = newest else {
        // The first commit may be torn; nothing is accepted before it.
        let is_begun = (0..layout.shards).any(|index| {
            let line = region.base().wrapping_add(layout.line(index)).cast::<Line>();
            // SAFETY: the line is in the region, and aligned as the region is; it is only read.
            unsafe { (*line).tail.load(Order::Relaxed) != 0 }
        });
        return unusable(path, is_begun).map(Some);
    };
    let staging =
        Staging { _file: file, path: path.to_owned(), base: region.base(), layout, sequence };
    Ok(Some(Ok(Leftover { staging, region, header, commit })))
}

/// Removes a file in which nothing was begun, and puts any other aside.
fn unusable(path: &Path, is_begun: bool) -> io::Result<Result<Leftover, Unusable>> {
    if is_begun {
        return Ok(Err(Unusable::Unreadable(move_aside(path, "unreadable")?)));
    }
    fs::remove_file(path)?;
    Ok(Err(Unusable::Unfinished))
}

fn move_aside(path: &Path, why: &str) -> io::Result<PathBuf> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!("-{why}-{}", std::process::id()));
    fs::rename(path, &aside)?;
    Ok(aside.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_read_back_and_a_torn_one_is_not() {
        let file = Resume { device: 1, inode: 2, len: 3 };
        let cursors = vec![Cursor::new(5, 4), Cursor::new(7, 0)];
        let mut bytes = commit_bytes(9, &file, &cursors);
        assert_eq!(read_commit(&bytes, 2), Some((9, Commit { file, cursors })));
        assert_eq!(read_commit(&bytes, 3), None);
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            // The last bytes of the head are not used yet.
            assert_eq!(read_commit(&bytes, 2), None, "byte {at}");
            bytes[at] ^= 1;
        }
    }

    #[test]
    fn a_header_is_read_back_and_a_damaged_one_is_not() {
        let header = Header {
            pid: 7,
            kind: Kind::Event,
            batch: 1 << 20,
            writer_id: 99,
            boot: [b'x'; 36],
            layout: Layout { shards: 9, frames: Frames::of(1 << 16, 1 << 14) },
            log: PathBuf::from("/var/log/x.log"),
        };
        let mut bytes = header.to_bytes();
        let len = header.layout.total() as u64;
        assert_eq!(Header::from_bytes(&bytes, len), Some(header));
        assert_eq!(Header::from_bytes(&bytes, len - 1), None);
        assert_eq!(Header::from_bytes(&bytes[..100], len), None);
        for at in [0, 8, 12, 16, 31, 48, 64, 104, HEADER_CRC, PAGE, PAGE + 5] {
            bytes[at] ^= 1;
            assert_eq!(Header::from_bytes(&bytes, len), None, "byte {at}");
            bytes[at] ^= 1;
        }
    }

    #[test]
    fn a_header_of_a_logger_without_frames_is_read() {
        let mut header = Header {
            pid: 7,
            kind: Kind::Raw,
            batch: 1 << 20,
            writer_id: 99,
            boot: [b'x'; 36],
            layout: Layout { shards: 2, frames: Frames::undivided(8 << 20) },
            log: PathBuf::from("/var/log/x.log"),
        };
        let mut bytes = header.to_bytes();
        bytes[8] = WITHOUT_FRAMES as u8;
        let path = header.log.as_os_str().as_bytes();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..HEADER_CRC]), path);
        bytes[HEADER_CRC..PAGE].copy_from_slice(&crc.to_le_bytes());
        let len = header.layout.total() as u64;
        assert_eq!(Header::from_bytes(&bytes, len).as_ref(), Some(&header));
        header.layout.frames = Frames::of(8 << 20, 4 << 20);
        assert_eq!(Header::from_bytes(&header.to_bytes(), len), Some(header));
    }

    #[test]
    fn parts_of_the_file_do_not_overlap() {
        for shards in [1, 9, 300, 1025] {
            let layout = Layout { shards, frames: Frames::undivided(65536) };
            assert!(layout.commit(1) >= layout.commit(0) + COMMIT_HEAD + COMMIT_CURSOR * shards);
            assert!(layout.line(0) >= layout.commit(1) + COMMIT_HEAD + COMMIT_CURSOR * shards);
            assert!(layout.data(0) >= layout.line(shards));
            assert_eq!(layout.data(0) % PAGE, 0);
            assert_eq!(layout.total(), layout.data(0) + shards * 65536);
        }
    }
}
