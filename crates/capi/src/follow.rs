//! Following monitors: output as it comes, with no gap and no doubled byte between history and live output.
//!
//! There are two forms. A *follower* is asked for the next piece of output, or the next line, when its owner wants it. A
//! *subscription* calls a function with each piece, in a thread of its own. Either is a place in the monitor's timeline and
//! nothing more: one that is too slow misses bytes, is told how many by an event in their place, and disturbs nobody.

use std::ffi::{c_char, c_void};
use std::ops::ControlFlow;
use std::sync::Arc;

use flightring_monitor::{
    AnsiStripper, FutureOffset, Lines, Monitor, Next, NextLine, Start, SubscribeError,
    Subscription, Time, Wait,
};

use crate::flr_status;
use crate::guard::guard;
use crate::handle::{self, Opaque, Out};
use crate::monitor::{flr_monitor, timeout_of};
use crate::sized::{self, SizedStruct};
use crate::status::{fail_io, invalid};
use crate::user_data::{UserData, flr_user_data_destroy_fn};

/// Start with the next byte that is written.
const FROM_NOW: u64 = u64::MAX;
/// Start with the oldest byte that is retained.
const FROM_OLDEST: u64 = u64::MAX - 1;
/// The flag of a chunk.
const CHUNK_FRESH: u32 = 4;
/// The largest piece that a follower gives at once.
const PIECE: usize = 1 << 14;

/// A follower.
///
/// Threads: one at a time.
pub struct flr_follower {
    _opaque: [u8; 0],
}

/// A subscription.
///
/// Threads: whoever ends it, which may be its own callback.
pub struct flr_subscription {
    _opaque: [u8; 0],
}

pub(crate) struct FollowerHandle {
    source: Source,
    buffer: Box<[u8]>,
    strip: Option<Strip>,
}

enum Source {
    Chunks(flightring_monitor::Follower),
    Lines(Box<Lines>),
}

/// One stripper per stream: an escape sequence may be split between pieces.
struct Strip {
    by_stream: [AnsiStripper; 3],
    text: Vec<u8>,
}

impl Opaque for flr_follower {
    type Inner = FollowerHandle;
    const NAME: &'static str = "flr_follower";
}

impl Opaque for flr_subscription {
    type Inner = Subscription;
    const NAME: &'static str = "flr_subscription";
}

/// What an event tells.
#[repr(i32)]
pub enum flr_event_kind {
    /// Bytes of one stream that arrived together.
    Chunk = 1,
    /// A line of one stream, without its line feed.
    Line = 2,
    /// Bytes are gone: they were evicted or cleared before they were read. Only `offset` and `skipped` are set.
    Gap = 3,
    /// The monitor is closed, and everything was delivered.
    End = 4,
}

/// A piece of a monitor's output.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_event {
    /// sizeof(flr_event), set by FLR_EVENT_INIT.
    pub struct_size: u32,
    /// A flr_event_kind.
    pub kind: i32,
    /// A flr_stream.
    pub stream: i32,
    /// Of a line: FLR_LINE_PARTIAL, FLR_LINE_CONTINUED. Of a chunk: FLR_CHUNK_FRESH.
    pub flags: u32,
    /// The offset of the first byte in the timeline.
    pub offset: u64,
    /// The offset of the first byte in its stream.
    pub stream_offset: u64,
    /// When the first byte arrived, Unix nanoseconds, to within a timer tick (1 to 10 ms). What a descriptor delivers at once, up to
    /// 64 KiB, arrives together: its lines share one time.
    pub time_ns: u64,
    /// How many bytes are gone.
    pub skipped: u64,
    /// The bytes: of a callback's event valid during the call, of a follower's until its next call.
    pub data: *const c_void,
    /// How many they are.
    pub len: usize,
}

// SAFETY: repr(C), the size first, integers and a pointer.
unsafe impl SizedStruct for flr_event {
    const NAME: &'static str = "flr_event";
}

/// Where and how to follow. Start it from FLR_FOLLOWER_OPTIONS_INIT; zero is the default of every member.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_follower_options {
    /// sizeof(flr_follower_options), set by FLR_FOLLOWER_OPTIONS_INIT.
    pub struct_size: u32,
    /// Not 0: line by line, each stream for itself. A line that is not complete is kept until it is, or until a gap or the end
    /// comes first.
    pub by_line: u32,
    /// An offset of the timeline, FLR_FROM_OLDEST, or FLR_FROM_NOW. Default: 0, the first byte ever written; a gap tells how
    /// much of it is gone.
    pub from_offset: u64,
    /// If not 0: from the first output at this time or later instead, Unix nanoseconds.
    pub since_ns: u64,
    /// If not 0: from the beginning of so many last lines instead.
    pub last_lines: u32,
    /// Lines longer than this are cut. Default: 64 KiB.
    pub max_line: u32,
    /// Not 0: without terminal escape sequences and control characters; what is no UTF-8 becomes U+FFFD. Offsets remain those
    /// of the bytes as they came.
    pub strip_ansi: u32,
    /// Must be 0.
    pub reserved: u32,
}

// SAFETY: repr(C), the size first, integers only.
unsafe impl SizedStruct for flr_follower_options {
    const NAME: &'static str = "flr_follower_options";
}

/// A subscription's function: gets every event in order, of the kinds chunk and gap, and last end if the monitor is closed.
/// Returns 0 to go on; anything else ends the subscription, and it is not called again.
///
/// It is called in a thread of the subscription's own, in which all signals are blocked, and no lock is held. Everything may
/// be called inside, also flr_subscription_destroy() for this very subscription. It may take its time; when it falls too far
/// behind it gets a gap.
pub type flr_subscription_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, event: *const flr_event) -> i32>;

fn start_of(offset: u64) -> Start {
    match offset {
        FROM_NOW => Start::Now,
        FROM_OLDEST => Start::Oldest,
        offset => Start::Offset(offset),
    }
}

fn nothing(kind: flr_event_kind) -> flr_event {
    flr_event {
        struct_size: size_of::<flr_event>() as u32,
        kind: kind as i32,
        stream: 0,
        flags: 0,
        offset: 0,
        stream_offset: 0,
        time_ns: 0,
        skipped: 0,
        data: std::ptr::null(),
        len: 0,
    }
}

fn gap(offset: u64, skipped: u64) -> flr_event {
    flr_event { offset, skipped, ..nothing(flr_event_kind::Gap) }
}

/// `None` if there is nothing yet.
fn event_of(next: Next<'_>) -> Option<flr_event> {
    Some(match next {
        Next::Chunk(chunk) => flr_event {
            stream: chunk.stream as i32,
            flags: if chunk.fresh { CHUNK_FRESH } else { 0 },
            offset: chunk.offset,
            stream_offset: chunk.stream_offset,
            time_ns: chunk.time.micros() * 1000,
            data: chunk.data.as_ptr().cast(),
            len: chunk.data.len(),
            ..nothing(flr_event_kind::Chunk)
        },
        Next::Gap { offset, skipped } => gap(offset, skipped),
        Next::End => nothing(flr_event_kind::End),
        Next::Empty => return None,
    })
}

fn event_of_line(next: NextLine<'_>) -> Option<flr_event> {
    Some(match next {
        NextLine::Line(line) => flr_event {
            stream: line.stream as i32,
            flags: u32::from(line.partial) | u32::from(line.continued) << 1,
            offset: line.offset,
            stream_offset: line.stream_offset,
            time_ns: line.time.micros() * 1000,
            data: line.text.as_ptr().cast(),
            len: line.text.len(),
            ..nothing(flr_event_kind::Line)
        },
        NextLine::Gap { offset, skipped } => gap(offset, skipped),
        NextLine::End => nothing(flr_event_kind::End),
        NextLine::Empty => return None,
    })
}

impl FollowerHandle {
    fn new(monitor: &Arc<Monitor>, options: &flr_follower_options) -> Result<Self, FutureOffset> {
        let start = if options.last_lines != 0 {
            Start::Lines(options.last_lines as usize)
        } else if options.since_ns != 0 {
            Start::Time(Time(options.since_ns / 1000))
        } else {
            start_of(options.from_offset)
        };
        let by_line = options.by_line != 0;
        let source = if by_line {
            Source::Lines(Box::new(Lines::new(monitor, start, options.max_line as usize)?))
        } else {
            Source::Chunks(monitor.follow(start)?)
        };
        let buffer = vec![0; if by_line { 0 } else { PIECE }].into();
        let strip = || Strip { by_stream: Default::default(), text: Vec::new() };
        Ok(Self { source, buffer, strip: (options.strip_ansi != 0).then(strip) })
    }

    fn next(&mut self) -> Option<flr_event> {
        let mut event = match &mut self.source {
            Source::Chunks(follower) => event_of(follower.next(&mut self.buffer))?,
            Source::Lines(lines) => event_of_line(lines.next())?,
        };
        if let (Some(strip), 1..) = (&mut self.strip, event.stream) {
            // SAFETY: the event was just made of bytes that live in `source` or `buffer`, which nothing has
            // touched since.
            let bytes = unsafe { std::slice::from_raw_parts(event.data.cast::<u8>(), event.len) };
            strip.text.clear();
            if let Some(stripper) = strip.by_stream.get_mut(event.stream as usize - 1) {
                if event.flags & CHUNK_FRESH != 0 {
                    *stripper = AnsiStripper::default();
                }
                stripper.strip(bytes, &mut strip.text);
            }
            event.data = strip.text.as_ptr().cast();
            event.len = strip.text.len();
        }
        Some(event)
    }

    fn wait(&self, timeout: Option<std::time::Duration>) -> Wait {
        match &self.source {
            Source::Chunks(follower) => follower.wait(timeout),
            Source::Lines(lines) => lines.wait(timeout),
        }
    }
}

/// Makes a follower of `monitor`. `options` may be NULL for the defaults.
///
/// The follower is the caller's, to be ended with flr_follower_destroy(); it keeps the monitor alive. FLR_FUTURE: the offset is
/// beyond everything written. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_monitor_follow(
    monitor: *const flr_monitor,
    options: *const flr_follower_options,
    out: *mut *mut flr_follower,
) -> flr_status {
    guard(|| {
        // SAFETY: `out` is NULL or writable, the monitor live, and options begin with their size, as documented.
        let (out, handle, options) = unsafe {
            let default = flr_follower_options {
                struct_size: size_of::<flr_follower_options>() as u32,
                by_line: 0,
                from_offset: 0,
                since_ns: 0,
                last_lines: 0,
                max_line: 0,
                strip_ansi: 0,
                reserved: 0,
            };
            let options = if options.is_null() { default } else { sized::read(options)? };
            (Out::new(out)?, handle::get(monitor)?, options)
        };
        if options.reserved != 0 {
            return Err(invalid(format_args!("options.reserved is not 0")));
        }
        out.fill(FollowerHandle::new(&handle.monitor, &options).map_err(|_| flr_status::FUTURE)?);
        Ok(())
    })
}

/// Takes the next piece of output, or the next line, and describes it in `*event`; waits for it for at most `timeout_ms`
/// milliseconds, negative for ever. `event->data` is valid until the follower's next call.
///
/// FLR_OK: `*event` is a chunk, a line or a gap. FLR_TIMEOUT: there is none. FLR_END: there never will be. Errors: FLR_INVALID,
/// FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_follower_next(
    follower: *mut flr_follower,
    timeout_ms: i64,
    event: *mut flr_event,
) -> flr_status {
    guard(|| {
        // SAFETY: a follower that this thread has for itself, and a struct that begins with its size, as documented.
        let follower = unsafe {
            sized::check(event)?;
            handle::get_mut(follower)?
        };
        let timeout = timeout_of(timeout_ms);
        let deadline = timeout.and_then(|timeout| std::time::Instant::now().checked_add(timeout));
        let next = loop {
            if let Some(next) = follower.next() {
                break next;
            }
            let left = deadline
                .map(|deadline| deadline.saturating_duration_since(std::time::Instant::now()));
            if follower.wait(left) == Wait::TimedOut {
                return Err(flr_status::TIMEOUT);
            }
        };
        if next.kind == flr_event_kind::End as i32 {
            return Err(flr_status::END);
        }
        // SAFETY: checked above.
        unsafe { sized::write(event, &next) }
    })
}

/// Ends a follower. NULL is accepted and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_follower_destroy(follower: *mut flr_follower) {
    // SAFETY: NULL, or a follower that nobody uses any more, as documented.
    unsafe { handle::destroy(follower) };
}

/// Calls `callback` with all output from `from_offset` on (an offset of the timeline, FLR_FROM_OLDEST or FLR_FROM_NOW), in a
/// thread of its own. `destroy`, which may be NULL, is called with `user_data` exactly once: when the callback will not be
/// called again, also if subscribing fails.
///
/// The subscription is the caller's, to be ended with flr_subscription_destroy(), also when its callback has ended it. The
/// callback may run before `*out` is set. FLR_FUTURE: the offset is beyond everything written. Errors: FLR_INVALID,
/// FLR_FORKED, FLR_IO when there is no thread for it.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_monitor_subscribe(
    monitor: *const flr_monitor,
    from_offset: u64,
    callback: flr_subscription_fn,
    user_data: *mut c_void,
    destroy: flr_user_data_destroy_fn,
    out: *mut *mut flr_subscription,
) -> flr_status {
    guard(|| {
        let user_data = UserData::new(user_data, destroy);
        // SAFETY: `out` is NULL or writable, and the monitor live, as documented.
        let (out, handle) = unsafe { (Out::new(out)?, handle::get(monitor)?) };
        let Some(callback) = callback else {
            return Err(invalid(format_args!("callback is NULL")));
        };
        let deliver = move |next: Next<'_>| {
            let Some(event) = event_of(next) else { return ControlFlow::Continue(()) };
            // SAFETY: the caller passed function and data together; the event and its bytes are live during the call.
            match unsafe { callback(user_data.get(), &raw const event) } {
                0 => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            }
        };
        out.fill(handle.monitor.subscribe(start_of(from_offset), deliver).map_err(|error| {
            match error {
                SubscribeError::Thread(source) => {
                    fail_io(format_args!("no thread for the subscription"), &source)
                }
                _ => flr_status::FUTURE,
            }
        })?);
        Ok(())
    })
}

/// Ends a subscription. When this returns, the callback does not run and never will again, and `destroy` was called; called
/// inside the callback, it is the callback's last run, and `destroy` is called after it. NULL is accepted and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_subscription_destroy(subscription: *mut flr_subscription) {
    // SAFETY: NULL, or a subscription that nobody else uses, as documented.
    unsafe { handle::destroy(subscription) };
}

/// Copies `len` bytes of text to `dst` without terminal escape sequences and control characters other than tab and line feed;
/// what is no UTF-8 becomes U+FFFD. Writes how many bytes that takes to `*needed`. `dst` may be NULL when `cap` is 0.
///
/// FLR_TRUNCATED: `cap` was too small; the first `cap` bytes were written. Errors: FLR_INVALID.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_strip_ansi(
    text: *const c_char,
    len: usize,
    dst: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> flr_status {
    use crate::buffer::{fitted, input, output, required};
    guard(|| {
        required(needed, "needed")?;
        // SAFETY: readable input and room in `dst`, as documented.
        let (text, dst) = unsafe { (input(text.cast(), len)?, output(dst.cast(), cap)?) };
        let plain = flightring_monitor::strip_ansi(text);
        let fits = plain.len().min(dst.len());
        dst[..fits].copy_from_slice(&plain[..fits]);
        // SAFETY: not NULL, so writable, as documented.
        unsafe { needed.write(plain.len()) };
        fitted(plain.len(), cap)
    })
}
