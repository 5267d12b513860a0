//! Replay buffers: the newest bytes of a stream, each under an absolute offset, for any number of readers.
//!
//! The first byte ever written has offset 0, and offsets only grow. A reader is an offset that its owner keeps: it reads at
//! it, goes on at `span.start + span.len`, and may come back later, over another connection, with no byte doubled and none
//! missing unseen. What was evicted meanwhile is counted in `span.skipped`; an offset that the buffer never gave out is
//! FLR_FUTURE, so that a client from before a restart is not told that it is caught up.
//!
//! Readers never hold up a writer, nor each other, and a writer never waits for readers.

use std::ffi::c_void;
use std::time::Duration;

use flightring_replay::{FutureOffset, ReplayBuffer, Wait, WriteError};

use crate::buffer::{input, output};
use crate::flr_status;
use crate::guard::{guard, guard_value};
use crate::handle::{self, Opaque, Out};
use crate::ring::create_failed;
use crate::sized::{self, SizedStruct};
use crate::status::fail;

/// The capacity for those who do not choose one.
const DEFAULT_CAPACITY: usize = 1 << 20;

/// A replay buffer.
///
/// Threads: all functions but flr_replay_destroy() may be called concurrently. Reading and waiting never block a writer;
/// writers are serialised among themselves.
pub struct flr_replay {
    _opaque: [u8; 0],
}

impl Opaque for flr_replay {
    type Inner = ReplayBuffer;
    const NAME: &'static str = "flr_replay";
}

/// What a read found. Start it from FLR_REPLAY_SPAN_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_replay_span {
    /// sizeof(flr_replay_span), set by FLR_REPLAY_SPAN_INIT.
    pub struct_size: u32,
    /// The offset of the first byte that was copied. The next read goes on at `start + len`.
    pub start: u64,
    /// How many bytes were copied. 0 with FLR_OK means caught up.
    pub len: u64,
    /// How many bytes between the offset that was asked for and `start` are gone.
    pub skipped: u64,
    /// How many bytes were ever written: the offset of the next one.
    pub total: u64,
}

// SAFETY: repr(C), the size first, integers only.
unsafe impl SizedStruct for flr_replay_span {
    const NAME: &'static str = "flr_replay_span";
}

/// Creates an empty replay buffer that retains at most `capacity` bytes; 0 means 1 MiB. The memory is allocated by the first
/// write.
///
/// The buffer is the caller's, to be ended with flr_replay_destroy(). Errors: FLR_INVALID for a NULL `out`; FLR_TOO_LARGE for
/// a capacity beyond the address space.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_replay_create(
    capacity: usize,
    out: *mut *mut flr_replay,
) -> flr_status {
    guard(|| {
        // SAFETY: `out` is NULL or writable, as documented for every `create`.
        let out = unsafe { Out::new(out)? };
        let capacity = if capacity == 0 { DEFAULT_CAPACITY } else { capacity };
        out.fill(ReplayBuffer::new(capacity).map_err(create_failed)?);
        Ok(())
    })
}

/// Appends a copy of `len` bytes. The oldest bytes make room; of more than the capacity the last ones are retained, and all
/// of them are counted. Writing nothing does nothing.
///
/// FLR_CLOSED: after flr_replay_close(). Errors: FLR_INVALID, FLR_FORKED, FLR_NO_MEMORY (for the first write), FLR_TOO_LARGE
/// when the offsets would pass 2^64.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_replay_write(
    replay: *const flr_replay,
    data: *const c_void,
    len: usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live buffer and readable input, as documented.
        let (replay, data) = unsafe { (handle::get(replay)?, input(data, len)?) };
        replay.write(data).map(drop).map_err(|error| match error {
            WriteError::Closed => flr_status::CLOSED,
            WriteError::OutOfMemory { .. } => fail(flr_status::NO_MEMORY, format_args!("{error}")),
            _ => fail(flr_status::TOO_LARGE, format_args!("{error}")),
        })
    })
}

/// How many bytes were ever written: the offset of the next one. 0 for a buffer that is NULL or of another process; the
/// message then says so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_replay_total(replay: *const flr_replay) -> u64 {
    // SAFETY: a live buffer, as documented.
    guard_value(|| Ok(unsafe { handle::get(replay)? }.total())).unwrap_or(0)
}

/// The offset of the oldest byte that is retained; equal to flr_replay_total() when there is none. 0 for a buffer that is
/// NULL or of another process; the message then says so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_replay_oldest(replay: *const flr_replay) -> u64 {
    // SAFETY: a live buffer, as documented.
    guard_value(|| Ok(unsafe { handle::get(replay)? }.oldest())).unwrap_or(0)
}

/// Copies retained bytes from `offset` on into `dst`, as many as `cap` allows, and describes them in `*span`. `dst` may be
/// NULL when `cap` is 0. Never waits and never allocates.
///
/// FLR_OK: `span->len` bytes were copied; none when caught up, that is when `offset` is the total.
/// FLR_END: none were copied, and none will ever follow: the buffer is closed and everything was read.
/// FLR_FUTURE: `offset` is beyond the total, so it is not from this buffer's life; `*span` holds the total, and no bytes.
/// Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_replay_read(
    replay: *const flr_replay,
    offset: u64,
    dst: *mut c_void,
    cap: usize,
    span: *mut flr_replay_span,
) -> flr_status {
    guard(|| {
        // SAFETY: a live buffer, room in `dst` and a struct that begins with its size, as documented.
        let (replay, dst) = unsafe {
            sized::check(span)?;
            (handle::get(replay)?, output(dst, cap)?)
        };
        let (found, outcome) = match replay.read_from(offset, dst) {
            Ok(read) => {
                let span = (read.start, read.len as u64, read.skipped, read.total);
                (span, if read.end && read.len == 0 { Err(flr_status::END) } else { Ok(()) })
            }
            Err(FutureOffset { total, .. }) => ((total, 0, 0, total), Err(flr_status::FUTURE)),
        };
        let (start, len, skipped, total) = found;
        let found = flr_replay_span { struct_size: 0, start, len, skipped, total };
        // SAFETY: checked above.
        unsafe { sized::write(span, &found)? };
        outcome
    })
}

/// Waits until there is something to read at `offset`, for at most `timeout_ms` milliseconds; negative means without limit,
/// 0 means not at all. A write wakes all who wait, without polling.
///
/// FLR_OK: there is something to read. FLR_TIMEOUT: there is not. FLR_END: there never will be. FLR_FUTURE: as for
/// flr_replay_read(). Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_replay_wait(
    replay: *const flr_replay,
    offset: u64,
    timeout_ms: i64,
) -> flr_status {
    guard(|| {
        // SAFETY: a live buffer, as documented.
        let replay = unsafe { handle::get(replay)? };
        match replay.wait(offset, u64::try_from(timeout_ms).ok().map(Duration::from_millis)) {
            Ok(Wait::Ready) => Ok(()),
            Ok(Wait::Ended) => Err(flr_status::END),
            Ok(_) => Err(flr_status::TIMEOUT),
            Err(FutureOffset { .. }) => Err(flr_status::FUTURE),
        }
    })
}

/// Ends the stream: later writes return FLR_CLOSED, those who wait wake up, and readers who have read everything get FLR_END.
/// What is retained stays readable. Closing again does nothing.
///
/// Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_replay_close(replay: *const flr_replay) -> flr_status {
    guard(|| {
        // SAFETY: a live buffer, as documented.
        unsafe { handle::get(replay)? }.close();
        Ok(())
    })
}

/// Forgets what is retained and gives its memory back, also while others read and write. Offsets go on from where they
/// were, so that one from before is told what it missed.
///
/// Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_replay_clear(replay: *const flr_replay) -> flr_status {
    guard(|| {
        // SAFETY: a live buffer, as documented.
        unsafe { handle::get(replay)? }.clear();
        Ok(())
    })
}

/// Ends a replay buffer and gives its memory back. Nobody may be waiting in it: close it and let them return first. NULL is
/// accepted and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_replay_destroy(replay: *mut flr_replay) {
    // SAFETY: NULL, or a buffer that nobody uses any more, as documented.
    unsafe { handle::destroy(replay) };
}
