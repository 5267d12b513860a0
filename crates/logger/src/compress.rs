//! Finished files made smaller, by zstd, in the background.
//!
//! The compressed copy grows under a hidden name (`.<name>.zst.part`, which `<log>*` in a shell leaves out), is made
//! durable, read back and compared, and only then gets its final name; the original is deleted last. So whatever interrupts
//! it, there is at least one sound copy. What a killed process left is tidied up by the next opening of the log.

use std::ffi::OsString;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use flightring_blockfile::{FileLayer as _, OsLayer, TRAILER_LEN, Trailer};
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress as encode};

use crate::rotate::sealed_files;

/// What a compressed file's name ends in.
pub(crate) const SUFFIX: &str = ".zst";
const PART: &str = ".zst.part";
/// How much longer than the original's the name of a growing copy is.
pub(crate) const PART_LONGER: usize = ".".len() + PART.len();

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Where the copy of a file grows.
fn part_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(PART);
    path.with_file_name(name)
}

/// Whether the name is that of a file that was compressed, or is being.
pub(crate) fn is_taken(path: &Path) -> bool {
    with(path, SUFFIX).exists() || part_of(path).exists()
}

/// Puts a compressed file in the place of a finished one, and returns its name. None: it was told to stop, or the file
/// was deleted meanwhile; then the file is as it was.
pub(crate) fn compress(path: &Path, stop: &AtomicBool) -> io::Result<Option<PathBuf>> {
    let part = part_of(path);
    let made = make(path, &part, stop);
    if !matches!(made, Ok(Some(_))) {
        // It may not exist.
        let _ = fs::remove_file(&part);
    }
    made
}

fn make(path: &Path, part: &Path, stop: &AtomicBool) -> io::Result<Option<PathBuf>> {
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let copy = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(metadata.permissions().mode())
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(part)?;
    let mut source = Source::new(File::open(path)?, stop);
    let mut drain = Drain { file: &copy, error: None };
    encode(&mut source, &mut drain, CompressionLevel::Fastest);
    if let Some(error) = source.error.or(drain.error) {
        return Err(error);
    }
    if source.stopped {
        return Ok(None);
    }
    append_trailer(path, &copy)?;
    let (crc, len) = (source.crc, source.len);
    copy.set_times(FileTimes::new().set_modified(metadata.modified()?))?;
    copy.sync_all()?;
    match read_back(part, stop)? {
        None => return Ok(None),
        Some(found) if found == (crc, len) => {}
        Some(_) => {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the copy is not the original"));
        }
    }
    if !path.exists() {
        return Ok(None);
    }
    let name = with(path, SUFFIX);
    OsLayer.rename_noreplace(part, &name)?;
    OsLayer.sync_directory(path.parent().unwrap_or(Path::new(".")))?;
    fs::remove_file(path)?;
    Ok(Some(name))
}

/// Lets the copy end with the last block's trailer, as the original does, in a frame that decompressors skip: so the log's
/// numbering can go on from it without reading the whole copy.
fn append_trailer(path: &Path, mut copy: &File) -> io::Result<()> {
    const SKIPPABLE: u32 = 0x184D_2A50;
    let file = File::open(path)?;
    let mut trailer = [0; TRAILER_LEN];
    let Some(end) = file.metadata()?.len().checked_sub(TRAILER_LEN as u64) else { return Ok(()) };
    file.read_exact_at(&mut trailer, end)?;
    if Trailer::from_bytes(&trailer).is_none() {
        return Ok(());
    }
    let mut frame = SKIPPABLE.to_le_bytes().to_vec();
    frame.extend((TRAILER_LEN as u32).to_le_bytes());
    frame.extend(trailer);
    copy.write_all(&frame)
}

/// Checksum and length of what a compressed file holds.
fn read_back(path: &Path, stop: &AtomicBool) -> io::Result<Option<(u32, u64)>> {
    let file = io::BufReader::new(File::open(path)?);
    let damaged = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut decoder = StreamingDecoder::new(file).map_err(|error| damaged(error.to_string()))?;
    let mut buffer = vec![0; 1 << 17];
    let (mut crc, mut len) = (0, 0);
    loop {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        match decoder.read(&mut buffer) {
            Ok(0) => return Ok(Some((crc, len))),
            Ok(read) => {
                crc = crc32c::crc32c_append(crc, &buffer[..read]);
                len += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The encoder has no way to say that reading failed, so it is told that the file ends, and the error is kept.
struct Source<'a> {
    file: File,
    stop: &'a AtomicBool,
    stopped: bool,
    crc: u32,
    len: u64,
    error: Option<io::Error>,
}

impl<'a> Source<'a> {
    fn new(file: File, stop: &'a AtomicBool) -> Self {
        Self { file, stop, stopped: false, crc: 0, len: 0, error: None }
    }
}

impl Read for &mut Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stopped |= self.stop.load(Ordering::Relaxed);
        while !self.stopped && self.error.is_none() {
            match self.file.read(buffer) {
                Ok(read) => {
                    self.crc = crc32c::crc32c_append(self.crc, &buffer[..read]);
                    self.len += read as u64;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.error = Some(error),
            }
        }
        Ok(0)
    }
}

/// As [`Source`]: takes what is written after an error, and does nothing with it.
struct Drain<'a> {
    file: &'a File,
    error: Option<io::Error>,
}

impl Write for &mut Drain<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.error.is_none() {
            self.error = self.file.write_all(bytes).err();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Removes what a killed process left of a log's compression: copies that are not complete, and originals of copies that
/// are, and hold the same. Opening the log does it; whoever calls it otherwise must have the log's file open for appending, so
/// that nobody else compresses files of the log.
///
/// # Errors
///
/// The operating system's; what is there is sound all the same.
pub fn tidy(log: &Path) -> io::Result<()> {
    for path in sealed_files(log)? {
        let _ = fs::remove_file(part_of(&path));
        let is_original = !path.as_os_str().as_encoded_bytes().ends_with(SUFFIX.as_bytes());
        let copy = with(&path, SUFFIX);
        if is_original && copy.exists() && is_copy(&path, &copy)? {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn is_copy(path: &Path, copy: &Path) -> io::Result<bool> {
    let go = AtomicBool::new(false);
    let mut source = Source::new(File::open(path)?, &go);
    io::copy(&mut &mut source, &mut io::sink())?;
    let whole = source.error.is_none().then_some((source.crc, source.len));
    Ok(whole.is_some() && read_back(copy, &go).is_ok_and(|found| found == whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    static GO: AtomicBool = AtomicBool::new(false);

    fn sealed(folder: &tempfile::TempDir) -> (PathBuf, Vec<u8>) {
        let path = folder.path().join("a.log.20261121-013000-000");
        let lines = (0u64..40_000).map(|n| format!("request {} took {} us\n", n, n * n % 977));
        let bytes = lines.collect::<String>().into_bytes();
        fs::write(&path, &bytes).unwrap();
        (path, bytes)
    }

    fn names(folder: &tempfile::TempDir) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_by_a_smaller_one_with_the_same_content() {
        let folder = tempfile::tempdir().unwrap();
        let (path, bytes) = sealed(&folder);
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let copy = compress(&path, &GO).unwrap().unwrap();
        assert_eq!(names(&folder), ["a.log.20261121-013000-000.zst"]);
        let mut back = Vec::new();
        StreamingDecoder::new(File::open(&copy).unwrap()).unwrap().read_to_end(&mut back).unwrap();
        assert_eq!(back, bytes);
        let metadata = fs::metadata(&copy).unwrap();
        assert!(metadata.len() < bytes.len() as u64 / 2);
        assert_eq!(metadata.modified().unwrap(), modified, "retention goes by it");
    }

    #[test]
    fn what_stops_it_leaves_the_original() {
        let folder = tempfile::tempdir().unwrap();
        let (path, bytes) = sealed(&folder);
        assert_eq!(compress(&path, &AtomicBool::new(true)).unwrap(), None);
        fs::create_dir(part_of(&path)).unwrap();
        assert!(compress(&path, &GO).is_err());
        fs::remove_dir(part_of(&path)).unwrap();
        // A file that is in the way is never replaced.
        fs::write(with(&path, SUFFIX), "mine").unwrap();
        assert!(compress(&path, &GO).is_err());
        assert_eq!(fs::read(with(&path, SUFFIX)).unwrap(), b"mine");
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(names(&folder).len(), 2);
        fs::remove_file(&path).unwrap();
        assert_eq!(compress(&path, &GO).unwrap(), None, "deleted by retention");
    }

    #[test]
    fn leftovers_of_a_killed_process_are_tidied_up() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| fs::write(folder.path().join(name), "x").unwrap();
        make("a.log");
        let (path, _) = sealed(&folder);
        let copy = compress(&path, &GO).unwrap().unwrap();
        sealed(&folder);
        assert!(is_taken(&path) && copy.exists());
        make("a.log.20261121-013000-001");
        make(".a.log.20261121-013000-001.zst.part");
        make("a.log.20261121-013000-002.zst");
        // Never the original of something else.
        make("a.log.20261121-013000-003");
        make("a.log.20261121-013000-003.zst");
        make(".b.log.20261121-013000-000.zst.part");
        tidy(&folder.path().join("a.log")).unwrap();
        let left = [
            ".b.log.20261121-013000-000.zst.part",
            "a.log",
            "a.log.20261121-013000-000.zst",
            "a.log.20261121-013000-001",
            "a.log.20261121-013000-002.zst",
            "a.log.20261121-013000-003",
            "a.log.20261121-013000-003.zst",
        ];
        assert_eq!(names(&folder), left);
    }
}
