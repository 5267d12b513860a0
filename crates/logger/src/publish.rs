//! The numbers of live loggers, where other processes can read them.
//!
//! Each logger has a small file, `flightring-stats-<pid>-<number>`, readable by its user alone. It is written in place, in
//! one call, at most once a second and only when something changed, and is removed by closing. Its first line says
//! which process it is of and has a checksum, by which a reader tells a file that is being written, and the file of a
//! process that was killed. Such files are removed by the next process that publishes.
//!
//! ```text
//! flightring-stats 1 <CRC-32C of the JSON, hex> <its length> <pid> <start> <pid namespace> <boot id>
//! {"pid":...,"path":...,"stats":{...},"shards":[...]}
//! ```

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::proc::{Fate, ProcessId};
use crate::state::Core;
use crate::stats::{ShardStats, Stats};
use crate::{Options, TimeSource, clock};

const PREFIX: &str = "flightring-stats-";
const MAGIC: &str = "flightring-stats";
const VERSION: &str = "1";
/// How often.
const PERIOD: Duration = Duration::from_secs(1);
/// More than any file of this kind has.
const LONGEST: u64 = 1 << 20;

/// The numbers of a logger in a live process.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The process.
    pub pid: u32,
    /// One JSON object: `pid`, `program`, `path` of the log, `opened_ns` and `changed_ns` (Unix nanoseconds), `stats` as
    /// [`Stats::to_json`] has them, and `shards`.
    pub json: String,
}

/// The numbers that live processes publish in a folder (`/dev/shm` unless their options name another), as of at most a second
/// ago. Files of dead processes, of other users and of other containers are passed over.
///
/// # Errors
///
/// The folder cannot be read.
pub fn published(folder: impl AsRef<Path>) -> io::Result<Vec<Published>> {
    let mut found = Vec::new();
    for path in files(folder.as_ref())? {
        if let Some((process, json)) = read(&path)
            && process.fate() == Fate::Alive
        {
            found.push(Published { pid: process.pid, json });
        }
    }
    Ok(found)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// None: there is no such file, or it is not one of these.
fn read(path: &Path) -> Option<(ProcessId, String)> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path)
        .ok()?;
    let metadata = file.metadata().ok()?;
    let is_own = metadata.uid() == rustix::process::geteuid().as_raw();
    let is_root = rustix::process::geteuid().is_root();
    if !metadata.is_file() || metadata.len() > LONGEST || !(is_own || is_root) {
        return None;
    }
    // It may be written at this moment.
    const ATTEMPTS: u32 = 100;
    for _ in 0..ATTEMPTS {
        if let Some(sound) = parse(&read_all(&file)?) {
            return Some(sound);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

fn read_all(file: &File) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(file.metadata().ok()?.len().min(LONGEST)).ok()?];
    let mut len = 0;
    while len < bytes.len() {
        match file.read_at(&mut bytes[len..], len as u64) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    bytes.truncate(len);
    Some(bytes)
}

fn parse(bytes: &[u8]) -> Option<(ProcessId, String)> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let mut words = std::str::from_utf8(&bytes[..end]).ok()?.split(' ');
    if words.next()? != MAGIC || words.next()? != VERSION {
        return None;
    }
    let crc = u32::from_str_radix(words.next()?, 16).ok()?;
    let len: usize = words.next()?.parse().ok()?;
    let process = ProcessId::from_words(&mut words)?;
    let json = bytes[end + 1..].get(..len)?;
    (crc32c::crc32c(json) == crc).then_some(())?;
    Some((process, std::str::from_utf8(json).ok()?.to_owned()))
}

/// Keeps one logger's file up to date.
pub(crate) struct Publisher {
    file: File,
    path: PathBuf,
    process: ProcessId,
    /// What does not change: the beginning of the JSON.
    head: String,
    last: Stats,
}

impl Publisher {
    /// Makes the file; what it holds comes with the first writing.
    pub(crate) fn create(folder: &Path, options: &Options) -> io::Result<Self> {
        static SWEPT: AtomicBool = AtomicBool::new(false);
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        if !SWEPT.swap(true, Ordering::Relaxed) {
            sweep(folder);
        }
        let process = ProcessId::own();
        // A name may be taken by a process of the same id, in another container or before.
        const ATTEMPTS: u32 = 100;
        for _ in 0..ATTEMPTS {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{PREFIX}{}-{number}", process.pid));
            let created = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
                .open(&path);
            match created {
                Ok(file) => {
                    let head = head(&process, options);
                    return Ok(Self { file, path, process, head, last: Stats::default() });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Goes on as long as the logger lives.
    pub(crate) fn begin(mut self, core: &Core) {
        self.write(core, &Stats::of(core));
        let callback = Box::new(move |core: &Core, stats: &Stats| self.write(core, stats));
        if let Some(watch) = core.watchers.add(PERIOD, callback) {
            watch.detach();
        }
    }

    fn write(&mut self, core: &Core, stats: &Stats) {
        let unchanged = Stats { parked: stats.parked, ..self.last.clone() } == *stats;
        if unchanged {
            return;
        }
        let shards = core.pool.shards().iter().enumerate();
        let shards: Vec<String> =
            shards.map(|(index, shard)| ShardStats::of(index, shard).to_json()).collect();
        let json = format!(
            "{},\"changed_ns\":{},\"stats\":{},\"shards\":[{}]}}\n",
            self.head,
            clock::now(TimeSource::Realtime),
            stats.to_json(),
            shards.join(",")
        );
        let crc = crc32c::crc32c(json.as_bytes());
        let process = self.process.to_text();
        let text = format!("{MAGIC} {VERSION} {crc:08x} {} {process}\n{json}", json.len());
        // Where there is no room for it, readers find nothing sound; the log has no part in it.
        if self.file.write_all_at(text.as_bytes(), 0).is_ok() {
            self.last = stats.clone();
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        // Somebody else may have removed it, which is as good.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what killed processes left.
fn sweep(folder: &Path) {
    /// A file that is being written makes sense long before.
    const OLD: Duration = Duration::from_secs(60);
    let is_old = |path: &Path| {
        let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
        modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > OLD))
    };
    for path in files(folder).unwrap_or_default() {
        let useless = match read(&path) {
            Some((process, _)) => process.fate() == Fate::Dead,
            None => is_old(&path),
        };
        if useless {
            // It fails for files of others, which are theirs.
            let _ = fs::remove_file(path);
        }
    }
}

fn head(process: &ProcessId, options: &Options) -> String {
    let mut out = format!("{{\"pid\":{},\"program\":", process.pid);
    quote(&fs::read_to_string("/proc/self/comm").unwrap_or_default(), &mut out);
    out.push_str(",\"path\":");
    let path = fs::canonicalize(&options.path).unwrap_or_else(|_| options.path.clone());
    quote(&path.to_string_lossy(), &mut out);
    // Writing to a string does not fail.
    let _ = write!(out, ",\"opened_ns\":{}", clock::now(TimeSource::Realtime));
    out
}

/// A JSON string of the text's first line.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.trim_end_matches('\n').chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if u32::from(c) < 0x20 => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_file_is_not_believed() {
        let json = "{\"pid\":1}\n";
        let process = ProcessId::own();
        let crc = crc32c::crc32c(json.as_bytes());
        let text =
            format!("{MAGIC} {VERSION} {crc:08x} {} {}\n{json}", json.len(), process.to_text());
        assert_eq!(parse(text.as_bytes()), Some((process, json.to_owned())));
        // What an earlier, longer text left behind the end is no part of it.
        assert!(parse(format!("{text}old").as_bytes()).is_some());
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end]), None);
        }
        let mut bytes = text.into_bytes();
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        assert_eq!(parse(&bytes), None);
    }

    #[test]
    fn any_name_is_a_json_string() {
        let mut out = String::new();
        quote("a\"b\\c\n\u{1}ö", &mut out);
        assert_eq!(out, r#""a\"b\\c\u000a\u0001ö""#);
    }
}
