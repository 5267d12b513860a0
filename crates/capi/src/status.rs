//! Statuses, and the message that goes with an error.

use std::ffi::{CStr, c_char};
use std::fmt::{self, Write as _};
use std::io;
use std::ptr;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire},
};

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        /// What a call came to. `base.h` declares the same values, described for C; a test holds them together.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(i32)]
        #[non_exhaustive]
        pub enum flr_status {
            $($(#[$doc])* $name = $value,)*
        }

        /// What a status means, in a few English words; see `base.h`.
        #[unsafe(no_mangle)]
        pub extern "C" fn flr_status_text(status: i32) -> *const c_char {
            let text: &'static CStr = match status {
                $($value => $text,)*
                _ => c"a status that this version does not know",
            };
            text.as_ptr()
        }

        #[cfg(test)]
        const ALL: &[(&str, i32)] = &[$((stringify!($name), $value)),*];
    };
}

statuses! {
    /// Success.
    OK = 0, c"success";
    /// An argument is not allowed.
    INVALID = -1, c"an argument is not allowed";
    /// The operating system refused or failed.
    IO = -2, c"the operating system reported an error";
    /// Stored bytes are damaged.
    CORRUPT = -3, c"stored data is damaged";
    /// The data can never fit.
    TOO_LARGE = -4, c"the data is too large";
    /// Nothing has that name.
    NOT_FOUND = -5, c"nothing has that name";
    /// The handle is of the parent process.
    FORKED = -6, c"the handle belongs to the parent process";
    /// A defect was caught.
    PANIC = -7, c"a defect inside flightring was caught";
    /// Not possible here.
    UNSUPPORTED = -8, c"not supported on this system";
    /// Out of memory.
    NO_MEMORY = -9, c"not enough memory";
    /// Used by someone else.
    BUSY = -10, c"in use by someone else";
    /// Not accepted, and counted.
    DROPPED = 1, c"the record was dropped and counted";
    /// Nothing more will come.
    END = 2, c"there is nothing more";
    /// The time was over first.
    TIMEOUT = 3, c"the time was over first";
    /// It did not fit whole, into a destination or into a store.
    TRUNCATED = 4, c"it is too large to fit whole";
    /// Beyond everything written.
    FUTURE = 5, c"the offset lies beyond everything written";
    /// Closed before.
    CLOSED = 6, c"it was closed before";
}

/// The length of the message buffer, its terminating NUL included.
const MESSAGE: usize = 512;

/// A thread's last error. It is allocated by the thread's first one, under a pthread key: in thread-local storage it would
/// be most of the library's, which then would not fit where it costs nothing (see `flightring_logger`'s `place`).
struct LastError {
    errno: i32,
    message: [u8; MESSAGE],
}

/// The key, plus one; 0 = there is none yet. Not a `OnceLock`: a thread may hold one while another one forks.
static KEY: AtomicU64 = AtomicU64::new(0);

fn key() -> Option<libc::pthread_key_t> {
    let made = KEY.load(Acquire);
    if made != 0 {
        return Some((made - 1) as libc::pthread_key_t);
    }
    let mut key = 0;
    // SAFETY: `key` is a place for the answer, and `free` takes what `own` allocates. A call that a later destructor of the
    // thread makes allocates anew, and the C library frees that in its next round.
    if unsafe { libc::pthread_key_create(&raw mut key, Some(libc::free)) } != 0 {
        return None;
    }
    match KEY.compare_exchange(0, u64::from(key) + 1, AcqRel, Acquire) {
        Ok(_) => Some(key),
        Err(other) => {
            // SAFETY: the key was made above, and nobody else has it.
            unsafe { libc::pthread_key_delete(key) };
            Some((other - 1) as libc::pthread_key_t)
        }
    }
}

/// The calling thread's; NULL if no call of it has failed.
fn last() -> *mut LastError {
    match KEY.load(Acquire) {
        0 => ptr::null_mut(),
        // SAFETY: the key was made and is never deleted.
        made => unsafe { libc::pthread_getspecific((made - 1) as libc::pthread_key_t).cast() },
    }
}

/// The calling thread's, made if there is none; NULL where there is no memory or no key for it.
fn own() -> *mut LastError {
    let found = last();
    if !found.is_null() {
        return found;
    }
    let Some(key) = key() else { return ptr::null_mut() };
    // SAFETY: zeroes are a value of it, and `malloc`'s alignment is enough. The C library frees it when the thread ends.
    unsafe {
        let made: *mut LastError = libc::calloc(1, size_of::<LastError>()).cast();
        if !made.is_null() && libc::pthread_setspecific(key, made.cast()) != 0 {
            libc::free(made.cast());
            return ptr::null_mut();
        }
        made
    }
}

/// Writes into the message buffer, and stops at its end on a character boundary.
struct Message<'a> {
    buffer: &'a mut [u8; MESSAGE],
    len: usize,
}

impl fmt::Write for Message<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MESSAGE - 1 - self.len;
        let part = &text[..text.floor_char_boundary(room)];
        self.buffer[self.len..self.len + part.len()].copy_from_slice(part.as_bytes());
        self.len += part.len();
        // An error ends the formatting: nothing that follows would fit in order.
        if part.len() == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

fn set_last(errno: i32, text: fmt::Arguments<'_>) {
    // Formatted aside first: an argument's Display could come back here.
    let mut buffer = [0; MESSAGE];
    let mut message = Message { buffer: &mut buffer, len: 0 };
    // Truncation is the only error, and is what the buffer's size asks for.
    let _ = message.write_fmt(text);
    // SAFETY: it is NULL or the calling thread's, and no reference into it outlives this statement; what `flr_last_error`
    // hands out is a raw pointer whose text is valid until the next failing call: this one.
    if let Some(last) = unsafe { own().as_mut() } {
        (last.errno, last.message) = (errno, buffer);
    }
}

/// Leaves a message for the thread and returns `status`, an error.
#[cold]
pub(crate) fn fail(status: flr_status, text: fmt::Arguments<'_>) -> flr_status {
    set_last(0, text);
    status
}

/// [`fail`] with [`flr_status::INVALID`].
#[cold]
pub(crate) fn invalid(text: fmt::Arguments<'_>) -> flr_status {
    fail(flr_status::INVALID, text)
}

/// [`fail`] with the errno behind it.
#[cold]
pub(crate) fn fail_os(status: flr_status, errno: i32, text: fmt::Arguments<'_>) -> flr_status {
    set_last(errno, text);
    status
}

/// Leaves a message made of `context` and the operating system's reason, and picks the status that fits it.
#[cold]
#[allow(dead_code)] // its callers arrive with the nouns that do I/O
pub(crate) fn fail_io(context: fmt::Arguments<'_>, error: &io::Error) -> flr_status {
    set_last(error.raw_os_error().unwrap_or(0), format_args!("{context}: {error}"));
    match error.kind() {
        io::ErrorKind::NotFound => flr_status::NOT_FOUND,
        io::ErrorKind::OutOfMemory => flr_status::NO_MEMORY,
        io::ErrorKind::ResourceBusy | io::ErrorKind::WouldBlock => flr_status::BUSY,
        io::ErrorKind::Unsupported => flr_status::UNSUPPORTED,
        _ => flr_status::IO,
    }
}

/// The message of this thread's last error; see `base.h`.
#[unsafe(no_mangle)]
pub extern "C" fn flr_last_error() -> *const c_char {
    match last() {
        none if none.is_null() => c"".as_ptr(),
        // SAFETY: not NULL, so it is the calling thread's.
        last => unsafe { (&raw const (*last).message).cast() },
    }
}

/// The errno of this thread's last error; see `base.h`.
#[unsafe(no_mangle)]
pub extern "C" fn flr_last_errno() -> i32 {
    // SAFETY: NULL or the calling thread's.
    unsafe { last().as_ref() }.map_or(0, |last| last.errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last() -> String {
        // SAFETY: the pointer is to this thread's NUL-terminated buffer, which nothing changes during this call.
        unsafe { CStr::from_ptr(flr_last_error()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn base_h_declares_the_same_values() {
        let header = include_str!("../../../include/flightring/base.h");
        let mut declared = Vec::new();
        for line in header.lines().map(str::trim) {
            if let Some((name, value)) = line.trim_end_matches(',').split_once(" = ")
                && let Some(name) = name.strip_prefix("FLR_")
            {
                declared.push((name, value.parse::<i32>().unwrap()));
            }
        }
        assert_eq!(declared, ALL);
    }

    #[test]
    fn every_status_has_a_text_of_its_own() {
        let text = |status| {
            // SAFETY: the texts are static C strings.
            unsafe { CStr::from_ptr(flr_status_text(status)) }
        };
        let mut texts: Vec<_> = ALL.iter().map(|(_, value)| text(*value)).collect();
        texts.push(text(i32::MIN));
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), ALL.len() + 1);
    }

    #[test]
    fn a_long_message_is_cut_on_a_character_boundary() {
        // 510 bytes of ASCII leave one byte: not enough for the two of 'é'.
        let status = invalid(format_args!("{}{}{}", "x".repeat(510), "é", "never"));
        assert_eq!(status, flr_status::INVALID);
        assert_eq!(last(), "x".repeat(510));
        assert_eq!(flr_last_errno(), 0);
    }

    #[test]
    fn an_os_error_keeps_its_errno_and_names_the_context() {
        let error = io::Error::from_raw_os_error(libc::ENOENT);
        assert_eq!(fail_io(format_args!("open /x"), &error), flr_status::NOT_FOUND);
        assert_eq!(flr_last_errno(), libc::ENOENT);
        assert!(last().starts_with("open /x: "), "{}", last());
    }

    #[test]
    fn threads_have_messages_of_their_own() {
        invalid(format_args!("mine"));
        std::thread::spawn(|| {
            assert_eq!(last(), "");
            invalid(format_args!("theirs"));
        })
        .join()
        .unwrap();
        assert_eq!(last(), "mine");
    }
}
