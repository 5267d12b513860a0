//! Waiting for live files to grow.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};

/// How often files are looked at that the system does not tell of.
const POLL: Duration = Duration::from_millis(100);
/// How often others are: a file on a network may grow without a word.
const LONGEST: Duration = Duration::from_millis(500);
/// Writes come in groups; looking after each would be a waste.
const PAUSE: Duration = Duration::from_millis(2);

/// Told by the kernel (inotify) of changes in the files' folders, which includes new files under old names.
pub(crate) struct Waiter(Option<OwnedFd>);

impl Waiter {
    /// Made before the files are read, so that no change is missed.
    pub(crate) fn over<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Self {
        let watched = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).and_then(|inotify| {
            let changes = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
            for file in files {
                add_watch(&inotify, folder(file), changes)?;
                // Through a symbolic link.
                if let Ok(target) = fs::canonicalize(file) {
                    add_watch(&inotify, folder(&target), changes)?;
                }
            }
            Ok(inotify)
        });
        Self(watched.ok())
    }

    /// Returns when something may have changed.
    pub(crate) fn wait(&self) {
        self.wait_at_most(LONGEST);
    }

    /// As [`Self::wait`], for something else that is due by then.
    pub(crate) fn wait_at_most(&self, most: Duration) {
        let Some(inotify) = &self.0 else { return std::thread::sleep(POLL.min(most)) };
        let most = most.min(LONGEST);
        let most = Timespec { tv_sec: 0, tv_nsec: most.subsec_nanos().into() };
        // However it ends, looking is right.
        if poll(&mut [PollFd::new(inotify, PollFlags::IN)], Some(&most)) == Ok(1) {
            std::thread::sleep(PAUSE);
            // What was changed is found by looking.
            let mut events = [0u8; 16 * 1024];
            while rustix::io::read(inotify, &mut events[..]).is_ok_and(|read| read > 0) {}
        }
    }
}

fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_and_its_absence_does_not_block() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::create_dir(&real).unwrap();
        let log = real.join("x.log");
        fs::write(&log, "1").unwrap();
        std::os::unix::fs::symlink(&log, &link).unwrap();
        let waiter = Waiter::over([&link]);
        let inotify = waiter.0.as_ref().unwrap();
        let told = || poll(&mut [PollFd::new(inotify, PollFlags::IN)], Some(&Timespec::default()));
        assert_eq!(told(), Ok(0));
        fs::write(&log, "2").unwrap();
        assert_eq!(told(), Ok(1));
        waiter.wait();
        assert_eq!(told(), Ok(0), "events are taken");
        fs::rename(&log, real.join("x.log.1")).unwrap();
        fs::write(&log, "3").unwrap();
        assert_eq!(told(), Ok(1));
        waiter.wait();
        // With nothing to tell it comes back by itself.
        waiter.wait();
        Waiter(None).wait();
        let nowhere = PathBuf::from("/nowhere/at/all/x.log");
        assert!(Waiter::over([&nowhere]).0.is_none());
    }
}
