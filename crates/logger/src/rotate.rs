//! When a log begins a new file, what the old one is called, and how many old ones are kept.
//!
//! A finished file is called `<log>.<UTC date>-<UTC time>-<number>`, as in `service.log.20261121-013000-000`: names sort by
//! age, and the number tells apart files of one second. A name that exists is never replaced. A file that was compressed since
//! has `.zst` behind its name.
//!
//! Somebody else may rotate a log, too. A file that was renamed or deleted (logrotate's `create`) is noticed within a second of
//! writing, or at once by a call to rotate, and the path is opened anew. A file that was copied and cut (`copytruncate`) goes on
//! at its new end; what is written between the copy and the cut is lost with any program, so prefer the former.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::compress;

/// At which times a log begins a new file by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Schedule {
    /// At none. The default.
    #[default]
    Never,
    /// At every full hour, local time.
    Hourly,
    /// At midnight, local time.
    Daily,
    /// This long after the file was begun.
    Every(Duration),
}

/// Told of a file that is finished, under its new name.
pub type Sealed = Arc<dyn Fn(&Path) + Send + std::marker::Sync>;

/// When to begin a new file, and what to do with the old ones. Everything is off by default.
#[derive(Clone, Default)]
pub struct Rotation {
    /// Begin a new file once it has this many bytes (and at most one output buffer more); 0 = whatever its size.
    pub size: u64,
    /// Begin a new file at these times, if the old one is not empty.
    pub schedule: Schedule,
    /// Finished files to keep, 0 = all. The oldest are deleted first.
    pub keep_files: usize,
    /// Bytes of finished files to keep, 0 = all.
    pub keep_bytes: u64,
    /// How long to keep finished files, zero = for ever.
    pub keep_for: Duration,
    /// Compress finished files with zstd, in a thread of the library's own: then they end in `.zst`. Whatever interrupts
    /// that leaves the file as it was. So does closing, which does not wait for it.
    pub compress: bool,
    /// Called with the path of each finished file, for example to upload it: in a thread of the library's own, one for
    /// each file, while no lock is held, and after it was compressed if that is wanted. Closing the logger waits for it, and is
    /// refused inside.
    pub sealed: Option<Sealed>,
}

/// Seconds since 1970 as the parts of a calendar, in local time or in UTC.
fn calendar(seconds: i64, local: bool) -> libc::tm {
    let mut parts = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both functions read the number and fill the struct, of which all-zero is a valid value anyway.
    unsafe {
        if local {
            libc::localtime_r(&raw const seconds, parts.as_mut_ptr());
        } else {
            libc::gmtime_r(&raw const seconds, parts.as_mut_ptr());
        }
        parts.assume_init()
    }
}

fn local(seconds: i64) -> libc::tm {
    calendar(seconds, true)
}

/// When the schedule says to begin the next file, for one that was begun at `begun`.
pub(crate) fn next_time(schedule: Schedule, begun: SystemTime) -> Option<SystemTime> {
    let seconds = i64::try_from(begun.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()?;
    let next = match schedule {
        Schedule::Never => return None,
        Schedule::Every(length) => return begun.checked_add(length),
        Schedule::Hourly => next_hour(seconds, local),
        Schedule::Daily => next_day(seconds, local),
    };
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(next).ok()?))
}

/// The next full hour. An hour that comes twice, where clocks are set back, counts twice.
fn next_hour(seconds: i64, local: impl Fn(i64) -> libc::tm) -> i64 {
    let into_hour = |at| {
        let parts = local(at);
        i64::from(parts.tm_min * 60 + parts.tm_sec)
    };
    let next = seconds + 3600 - into_hour(seconds);
    // It is none if clocks were set by part of an hour meanwhile.
    match into_hour(next) {
        0 => next,
        past => next + 3600 - past,
    }
}

/// The first second of the next day, which is not midnight everywhere: clocks are set then in some places.
fn next_day(seconds: i64, local: impl Fn(i64) -> libc::tm) -> i64 {
    /// No day is longer, where clocks are set or the date line moves.
    const LONGEST: i64 = 50 * 3600;
    let day = |at| {
        let parts = local(at);
        (parts.tm_year, parts.tm_yday)
    };
    let today = day(seconds);
    let (mut this, mut next) = (seconds, seconds + LONGEST);
    while next - this > 1 {
        let middle = i64::midpoint(this, next);
        *(if day(middle) == today { &mut this } else { &mut next }) = middle;
    }
    next
}

/// Longest name of a file, on every file system that matters.
pub(crate) const LONGEST_FILE_NAME: usize = 255;

/// How long a log's name may be if its finished files are to have names, and compressed copies of them while they grow.
pub(crate) fn longest_name(compressed: bool) -> usize {
    let suffix = ".20261231-235959-000".len();
    LONGEST_FILE_NAME - suffix - if compressed { compress::PART_LONGER } else { 0 }
}

/// What a file that is finished at `now` is called, at the `number`-th attempt.
pub(crate) fn sealed_name(log: &Path, now: SystemTime, number: u32) -> PathBuf {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let t = calendar(i64::try_from(seconds).unwrap_or(0), false);
    let mut name = OsString::from(log);
    name.push(format!(
        ".{:04}{:02}{:02}-{:02}{:02}{:02}-{number:03}",
        t.tm_year + 1900,
        t.tm_mon + 1,
        t.tm_mday,
        t.tm_hour,
        t.tm_min,
        t.tm_sec
    ));
    name.into()
}

/// Whether `suffix` is what [`sealed_name`] appends, or that of a compressed file.
fn is_sealed_suffix(suffix: &[u8]) -> bool {
    let suffix = suffix.strip_suffix(compress::SUFFIX.as_bytes()).unwrap_or(suffix);
    suffix.len() >= 20
        && suffix.iter().enumerate().all(|(at, byte)| match at {
            0 => *byte == b'.',
            9 | 16 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// The finished files of a log, oldest first, compressed or not.
pub(crate) fn sealed_files(log: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = match log.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Some(name) = log.file_name() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name();
        let suffix = file.as_bytes().strip_prefix(name.as_bytes());
        if let Some(suffix) = suffix.filter(|suffix| is_sealed_suffix(suffix)) {
            let plain = suffix.strip_suffix(compress::SUFFIX.as_bytes()).unwrap_or(suffix);
            // By date, then by number, which may have more than three digits.
            let age = (plain[..16].to_vec(), plain.len(), plain.to_vec());
            found.push((age, entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Deletes the finished files that are not to be kept. The error is the first one.
pub(crate) fn retain(log: &Path, rotation: &Rotation, now: SystemTime) -> io::Result<()> {
    if rotation.keep_files == 0 && rotation.keep_bytes == 0 && rotation.keep_for.is_zero() {
        return Ok(());
    }
    let mut bytes = 0u64;
    let mut result = Ok(());
    // The newest first, so that what is over the limits is the oldest.
    for (kept, path) in sealed_files(log)?.iter().rev().enumerate() {
        let Ok(metadata) = fs::metadata(path) else { continue };
        bytes = bytes.saturating_add(metadata.len());
        let age = metadata.modified().ok().and_then(|time| now.duration_since(time).ok());
        let too_many = rotation.keep_files != 0 && kept >= rotation.keep_files;
        let too_large = rotation.keep_bytes != 0 && bytes > rotation.keep_bytes;
        let too_old =
            !rotation.keep_for.is_zero() && age.is_some_and(|age| age > rotation.keep_for);
        if too_many || too_large || too_old {
            match fs::remove_file(path) {
                // A callback was faster, or it has just been compressed and goes next time.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // One that cannot be deleted does not save the others.
                other => result = result.and(other),
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_age_and_are_recognised() {
        let at = UNIX_EPOCH + Duration::from_secs(1_795_224_600);
        let name = sealed_name(Path::new("/x/a.log"), at, 7);
        assert_eq!(name, Path::new("/x/a.log.20261121-013000-007"));
        assert!(is_sealed_suffix(b".20261121-013000-007"));
        assert!(is_sealed_suffix(b".20261121-013000-1234"));
        assert!(is_sealed_suffix(b".20261121-013000-007.zst"));
        for other in [
            "",
            ".1",
            ".20261121-013000-007.zst.part",
            ".damaged-1795224600",
            ".20261121-013000",
            ".20261121-013000-00x",
        ] {
            assert!(!is_sealed_suffix(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn the_next_time_is_a_boundary_ahead() {
        let now = UNIX_EPOCH + Duration::from_secs(1_795_224_661);
        assert_eq!(next_time(Schedule::Never, now), None);
        let every = Schedule::Every(Duration::from_secs(90));
        assert_eq!(next_time(every, now), Some(now + Duration::from_secs(90)));
        for (schedule, longest) in [(Schedule::Hourly, 3600), (Schedule::Daily, 25 * 3600)] {
            let next = next_time(schedule, now).unwrap();
            let ahead = next.duration_since(now).unwrap().as_secs();
            assert!(ahead > 0 && ahead <= longest, "{schedule:?}: {ahead}");
            let seconds = next.duration_since(UNIX_EPOCH).unwrap().as_secs();
            let parts = calendar(seconds as i64, true);
            assert_eq!((parts.tm_min, parts.tm_sec), (0, 0));
            assert!(schedule != Schedule::Daily || parts.tm_hour == 0);
        }
    }

    /// A clock on the wall that is `before` seconds ahead of UTC until `at`, and `after` from then on.
    fn set(at: i64, before: i64, after: i64) -> impl Fn(i64) -> libc::tm {
        move |seconds| calendar(seconds + if seconds < at { before } else { after }, false)
    }

    #[test]
    fn clocks_that_are_set_move_the_next_time() {
        const HOUR: i64 = 3600;
        // Midnight, UTC.
        let day = 20_000 * 24 * HOUR;
        // Set back from 3 to 2 (Berlin): the hour that comes twice is two hours, and the day has 25.
        let back = set(day + HOUR, 2 * HOUR, HOUR);
        assert_eq!(next_hour(day + HOUR / 2, &back), day + HOUR);
        assert_eq!(next_hour(day + HOUR, &back), day + 2 * HOUR);
        assert_eq!(next_day(day - 2 * HOUR, &back), day + 23 * HOUR);
        // Set forward from 2 to 3.
        let forward = set(day + HOUR, HOUR, 2 * HOUR);
        assert_eq!(next_hour(day + HOUR / 2, &forward), day + HOUR);
        assert_eq!(next_day(day - HOUR, &forward), day + 22 * HOUR);
        // By half an hour, at 2 (Lord Howe): forward the hour ends at the jump, back it lasts as long again.
        let forward = set(day, 2 * HOUR, 5 * HOUR / 2);
        assert_eq!(next_hour(day - HOUR / 4, &forward), day + HOUR / 2);
        let back = set(day, 2 * HOUR, 3 * HOUR / 2);
        assert_eq!(next_hour(day - HOUR / 4, &back), day + HOUR / 2);
        // Forward at midnight (Beirut): the day begins at 1.
        assert_eq!(next_day(day - 20 * HOUR, set(day, 0, HOUR)), day);
        // Back at midnight (Santiago): the day has 25 hours.
        assert_eq!(next_day(day - HOUR / 2, set(day, 0, -HOUR)), day + HOUR);
        // Back from 1 to 0 (Havana): the day begins at the first midnight.
        let back = set(day + HOUR, 0, -HOUR);
        assert_eq!(next_day(day - HOUR / 2, &back), day);
        assert_eq!(next_day(day + HOUR / 2, &back), day + 25 * HOUR);
        // A day left out at the date line (Apia).
        assert_eq!(next_day(day - HOUR, set(day, 0, 24 * HOUR)), day);
    }

    #[test]
    fn what_cannot_be_deleted_does_not_save_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        let name = |n: u32| folder.path().join(format!("a.log.20261121-01300{n}-000"));
        [1, 2, 4].iter().for_each(|&n| fs::write(name(n), [0; 10]).unwrap());
        fs::create_dir(name(3)).unwrap();
        let rotation = Rotation { keep_files: 1, ..Rotation::default() };
        retain(&log, &rotation, SystemTime::now()).unwrap_err();
        assert_eq!(sealed_files(&log).unwrap(), [name(3), name(4)]);
    }

    #[test]
    fn the_oldest_files_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        let make = |names: &[&str]| {
            for name in names {
                fs::write(folder.path().join(name), [0; 100]).unwrap();
            }
        };
        let all = [
            "a.log.20261121-013000-000",
            "a.log.20261121-013000-001.zst",
            "a.log.20261121-013000-1000",
            "a.log.20261121-013001-000",
        ];
        make(&["a.log", "a.log.damaged-5", "b.log.20261121-013000-000"]);
        let left = |rotation: &Rotation| {
            make(&all);
            retain(&log, rotation, SystemTime::now()).unwrap();
            let found = sealed_files(&log).unwrap();
            found
                .iter()
                .map(|p| p.file_name().unwrap().to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(left(&Rotation::default()), all);
        assert_eq!(left(&Rotation { keep_files: 2, ..Rotation::default() }), all[2..]);
        assert_eq!(left(&Rotation { keep_bytes: 350, ..Rotation::default() }), all[1..]);
        let young = Rotation { keep_for: Duration::from_secs(3600), ..Rotation::default() };
        assert_eq!(left(&young), all);
        let old = Rotation { keep_for: Duration::from_nanos(1), ..Rotation::default() };
        assert_eq!(left(&old), [""; 0]);
        assert!(log.exists() && folder.path().join("b.log.20261121-013000-000").exists());
    }
}
