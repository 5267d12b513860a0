//! Files that forked children do not keep.
//!
//! A `flock` belongs to the open file, which a forked child shares with its parent. So a child that lives on would keep
//! the log of a dead parent locked, and nobody could open it again. Closing on exec helps only those that call exec.
//! Therefore a handler in the child puts something harmless in the place of each descriptor that is registered here:
//! the reading end of a pipe, on which every operation of a log fails.
//!
//! Opening and registering are one step as far as `fork` is concerned, by a lock that it takes, too. It takes it with
//! bounded patience, because whoever holds the lock may be waiting for something that the forking thread holds; a child
//! that was forked without the lock keeps its descriptors.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

use rustix::io::DupFlags;
use rustix::pipe::PipeFlags;

/// A file that a forked child does not keep open, and whose lock thus ends with the process that opened it. In the child,
/// reading and writing it fail.
///
/// That is so for the first thousand files of a process, and for `fork` as the C library has it; a child made by the bare
/// system call keeps all.
#[derive(Debug)]
pub struct OwnFile {
    file: ManuallyDrop<File>,
    slot: Option<usize>,
}

const MOST: usize = 1024;
const FREE: RawFd = -1;

/// The registered descriptors. Written only under the lock.
static SLOTS: [AtomicI32; MOST] = [const { AtomicI32::new(FREE) }; MOST];
static LOCKED: AtomicBool = AtomicBool::new(false);

fn try_lock() -> bool {
    LOCKED.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
}

fn unlock() {
    LOCKED.store(false, Ordering::Release);
}

fn with_lock<R>(f: impl FnOnce() -> R) -> R {
    struct Unlock;
    impl Drop for Unlock {
        fn drop(&mut self) {
            unlock();
        }
    }
    while !try_lock() {
        thread::sleep(Duration::from_micros(50));
    }
    let _unlock = Unlock;
    f()
}

impl OwnFile {
    /// Opens a file by `open`, which should do nothing else.
    ///
    /// # Errors
    ///
    /// As `open`.
    pub fn open(open: impl FnOnce() -> io::Result<File>) -> io::Result<Self> {
        watch_forks();
        with_lock(|| {
            let file = open()?;
            let slot = SLOTS.iter().position(|slot| slot.load(Ordering::Relaxed) == FREE);
            if let Some(slot) = slot {
                SLOTS[slot].store(file.as_raw_fd(), Ordering::Relaxed);
            }
            Ok(Self { file: ManuallyDrop::new(file), slot })
        })
    }
}

impl Deref for OwnFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        with_lock(|| {
            if let Some(slot) = self.slot {
                SLOTS[slot].store(FREE, Ordering::Relaxed);
            }
            // Under the lock, so that no child is forked while the number may be somebody else's already.
            // SAFETY: this is the only place that drops it, and the value is not used again.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        });
    }
}

thread_local! {
    /// The calling thread's fork has the lock.
    static FORKING: Cell<bool> = const { Cell::new(false) };
}

fn watch_forks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handlers touch only atomics, a thread-local cell without a destructor, and descriptors.
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    });
}

extern "C" fn before() {
    const ATTEMPTS: u32 = 1000;
    let locked = (0..ATTEMPTS).any(|attempt| {
        if attempt > 0 {
            thread::sleep(Duration::from_millis(1));
        }
        try_lock()
    });
    FORKING.with(|forking| forking.set(locked));
}

extern "C" fn in_parent() {
    if FORKING.with(|forking| forking.replace(false)) {
        unlock();
    }
}

extern "C" fn in_child() {
    if !FORKING.with(|forking| forking.replace(false)) {
        // Whoever has the lock is not in the child.
        unlock();
        return;
    }
    let mut harmless: Option<OwnedFd> = None;
    for slot in &SLOTS {
        let fd = slot.load(Ordering::Relaxed);
        if fd == FREE {
            continue;
        }
        if harmless.is_none() {
            harmless = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).ok().map(|(read, _)| read);
        }
        let Some(harmless) = &harmless else { break };
        // SAFETY: the descriptor is open, because it is registered; it is replaced by what follows, and not closed.
        let mut place = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(fd) });
        // A failure leaves it as it was.
        let _ = rustix::io::dup3(harmless, &mut place, DupFlags::CLOEXEC);
        slot.store(FREE, Ordering::Relaxed);
    }
    unlock();
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn a_slot_is_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let open = || OwnFile::open(|| File::create(&path)).unwrap();
        let slots: Vec<_> = (0..2 * MOST).map(|_| open().slot).collect();
        // Other tests have files, too, but not so many.
        assert!(slots.iter().all(Option::is_some));
        assert!(OwnFile::open(|| File::open("/nowhere")).is_err());
    }

    #[test]
    fn in_a_child_the_file_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let file = OwnFile::open(|| File::create_new(&path)).unwrap();
        (&*file).write_all(b"parent").unwrap();
        // SAFETY: the child makes plain system calls and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let refused = (&*file).write(b"child").is_err();
            drop(file);
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(i32::from(!refused)) };
        }
        let mut status = -1;
        // SAFETY: the place for the status is writable.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "the child could write");
        (&*file).write_all(b" on").unwrap();
        let mut text = String::new();
        File::open(&path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "parent on");
    }

    #[test]
    fn forks_and_openings_at_once_do_not_wait_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        thread::scope(|scope| {
            for number in 0..4 {
                let path = folder.path().join(number.to_string());
                scope.spawn(move || {
                    for _ in 0..200 {
                        drop(OwnFile::open(|| File::create(&path)).unwrap());
                    }
                });
            }
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        // SAFETY: the child ends at once.
                        let child = unsafe { libc::fork() };
                        if child == 0 {
                            // SAFETY: as above.
                            unsafe { libc::_exit(0) };
                        }
                        let mut status = -1;
                        // SAFETY: the place for the status is writable.
                        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
                        assert_eq!(status, 0);
                    }
                });
            }
        });
    }
}
