//! Recorders: the newest spans, log records and metric points of a program, in bounded memory, indexed.
//!
//! Each of the three kinds has a store of its own with its own limits. A record gets the next sequence number of its
//! store; the oldest records make room for the newest. Records come from the program itself, by the functions of
//! recorder_add.h, or from OpenTelemetry exporters, by flr_recorder_ingest_otlp(). They are read through cursors: see
//! cursor.h. The numbers of a recorder are in recorder_stats.h.

use std::ffi::{CStr, c_char, c_void};
use std::time::Duration;

use flightring_store::{
    ConfigError, Encoding, IngestError, Limits, Recorder, RecorderOptions, Signal, SnapshotError,
};

use crate::buffer::{input, required};
use crate::flr_status;
use crate::guard::guard;
use crate::handle::{self, Opaque, Out};
use crate::logger_options::unknown;
use crate::sized::{self, SizedStruct};
use crate::status::{fail, invalid};
use crate::user_data::{UserData, flr_user_data_destroy_fn};

/// A recorder.
///
/// Threads: all functions but flr_recorder_destroy() may be called concurrently. Reading never holds up adding.
pub struct flr_recorder {
    _opaque: [u8; 0],
}

impl Opaque for flr_recorder {
    type Inner = Recorder;
    const NAME: &'static str = "flr_recorder";
}

/// A kind of records.
#[repr(i32)]
pub enum flr_signal {
    /// Spans.
    Traces = 0,
    /// Log records.
    Logs = 1,
    /// Metric points.
    Metrics = 2,
}

/// How records are encoded.
#[repr(i32)]
pub enum flr_otlp {
    /// An OTLP request: application/x-protobuf.
    Protobuf = 0,
    /// An OTLP request: application/json.
    Json = 1,
    /// Lines of JSON, a record each, as FLR_EXPORT_NDJSON makes them: application/x-ndjson.
    Ndjson = 2,
}

/// The limits of one store. Whichever is met first evicts the oldest records. A member that is zero has its default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_store_limits {
    /// The most records. Default: 10,000 spans, 50,000 log records, 100,000 metric points.
    pub capacity: u64,
    /// The most bytes of records, names and resources. Default: 2048 times the capacity. Memory is taken as it is needed.
    pub max_bytes: u64,
    /// The longest that a record is held, in milliseconds. Default: as long as there is room.
    pub max_age_ms: u64,
    /// The most records of one trace that are held at a time; further ones are refused. Default: as many as fit.
    pub max_per_trace: u32,
    /// A record of more bytes than this leaves a placeholder. Default: 65,536.
    pub max_record_bytes: u32,
    /// The first sequence number, below 2^63.
    pub first_sequence: u64,
}

/// How a recorder is created. Start it from FLR_RECORDER_OPTIONS_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_recorder_options {
    /// sizeof(flr_recorder_options), set by FLR_RECORDER_OPTIONS_INIT.
    pub struct_size: u32,
    /// Of spans.
    pub traces: flr_store_limits,
    /// Of log records.
    pub logs: flr_store_limits,
    /// Of metric points.
    pub metrics: flr_store_limits,
}

// SAFETY: repr(C), the size first, integers only.
unsafe impl SizedStruct for flr_recorder_options {
    const NAME: &'static str = "flr_recorder_options";
}

/// Called with each record that is evicted: its signal, its sequence number, and its bytes as OTLP's Span, LogRecord or Metric
/// message, valid during the call.
///
/// Each thread calls it for what its own calls evict, oldest first, before they return: where several threads add, it runs on
/// several at a time. No lock is held, and every function may be called inside, also flr_recorder_destroy() on this
/// recorder, if no other thread uses it. What is evicted by adding to the same store inside is not reported, since that
/// would never end; flr_recorder_stats counts it as `unreported`.
pub type flr_evicted_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        signal: i32,
        sequence: u64,
        wire: *const c_void,
        len: usize,
    ),
>;

/// Creates an empty recorder. `options` may be NULL for the defaults.
///
/// The recorder is the caller's, to be ended with flr_recorder_destroy(). Errors: FLR_INVALID; FLR_NO_MEMORY when there is
/// none for stores of these capacities.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_recorder_create(
    options: *const flr_recorder_options,
    out: *mut *mut flr_recorder,
) -> flr_status {
    guard(|| {
        // SAFETY: `out` is NULL or writable, as documented for every `create`.
        let out = unsafe { Out::new(out)? };
        let mut chosen = RecorderOptions::default();
        if !options.is_null() {
            // SAFETY: options begin with their size, as documented.
            let given = unsafe { sized::read(options)? };
            chosen.traces = limits_of(&given.traces, &chosen.traces);
            chosen.logs = limits_of(&given.logs, &chosen.logs);
            chosen.metrics = limits_of(&given.metrics, &chosen.metrics);
        }
        out.fill(Recorder::new(&chosen).map_err(|error| {
            let status = match error {
                ConfigError::NoMemory(_) => flr_status::NO_MEMORY,
                _ => flr_status::INVALID,
            };
            fail(status, format_args!("{error}"))
        })?);
        Ok(())
    })
}

fn limits_of(given: &flr_store_limits, default: &Limits) -> Limits {
    let capacity = usize::try_from(given.capacity).unwrap_or(usize::MAX);
    let mut limits = if capacity == 0 { default.clone() } else { Limits::with_capacity(capacity) };
    if given.max_bytes != 0 {
        limits = limits.max_bytes(given.max_bytes);
    }
    if given.max_age_ms != 0 {
        limits = limits.max_age(Duration::from_millis(given.max_age_ms));
    }
    if given.max_per_trace != 0 {
        limits = limits.max_per_trace(given.max_per_trace);
    }
    if given.max_record_bytes != 0 {
        limits = limits.max_record_bytes(given.max_record_bytes as usize);
    }
    limits.first_sequence(given.first_sequence)
}

pub(crate) fn signal_of(signal: i32) -> Result<Signal, flr_status> {
    usize::try_from(signal)
        .ok()
        .and_then(|index| Signal::ALL.get(index).copied())
        .ok_or_else(|| unknown("signal", signal))
}

/// Takes in the body of an OTLP request of one signal (a flr_signal), encoded as a flr_otlp says, not compressed: what
/// OpenTelemetry exporters post to /v1/traces, /v1/logs and /v1/metrics; or lines that flr_cursor_export() made. At most
/// 64 MiB.
///
/// FLR_DROPPED: some of its records were refused, and the others taken; flr_last_error() says how many, and of the first where it
/// stands and why. An id has all of its bytes, 16 of a trace and 8 of a span, or none. Errors, after
/// which nothing of it is held: FLR_INVALID when it is no such request, or no JSON; FLR_TOO_LARGE; FLR_FORKED. Text that is not
/// quite Unicode is taken, in JSON with U+FFFD in place of what is no character.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_ingest_otlp(
    recorder: *const flr_recorder,
    signal: i32,
    encoding: i32,
    data: *const c_void,
    len: usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live recorder and readable input, as documented.
        let (recorder, body) = unsafe { (handle::get(recorder)?.clone(), input(data, len)?) };
        let encoding = match encoding {
            0 => Encoding::Protobuf,
            1 => Encoding::Json,
            2 => Encoding::Ndjson,
            other => return Err(unknown("encoding", other)),
        };
        let ingested = recorder.ingest(signal_of(signal)?, encoding, body).map_err(|error| {
            let status = match error {
                IngestError::TooLarge { .. } => flr_status::TOO_LARGE,
                _ => flr_status::INVALID,
            };
            fail(status, format_args!("{error}"))
        })?;
        if ingested.rejected() > 0 {
            return Err(fail(flr_status::DROPPED, format_args!("records: {}", ingested.message())));
        }
        Ok(())
    })
}

/// The caller's C string.
pub(crate) unsafe fn name_of<'a>(name: *const c_char) -> Result<&'a str, flr_status> {
    required(name, "name")?;
    // SAFETY: not NULL, and a C string, as documented.
    unsafe { CStr::from_ptr(name) }
        .to_str()
        .map_err(|_| invalid(format_args!("name is not valid UTF-8")))
}

pub(crate) fn snapshot_failed(error: &SnapshotError) -> flr_status {
    let status = match error {
        SnapshotError::Unknown(_) => flr_status::NOT_FOUND,
        SnapshotError::TooMany => flr_status::BUSY,
        _ => flr_status::INVALID,
    };
    fail(status, format_args!("{error}"))
}

/// Remembers where the three stores are, all at the same moment, under a name of 1 to 256 bytes; an older snapshot of that
/// name is replaced. Filters name it in `since` and `until`. There may be 1024.
///
/// Errors: FLR_INVALID, FLR_FORKED, FLR_BUSY when there are too many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_snapshot(
    recorder: *const flr_recorder,
    name: *const c_char,
) -> flr_status {
    guard(|| {
        // SAFETY: a live recorder and a C string, as documented.
        let (recorder, name) = unsafe { (handle::get(recorder)?, name_of(name)?) };
        recorder.snapshot(name).map(drop).map_err(|error| snapshot_failed(&error))
    })
}

/// Forgets a snapshot. Errors: FLR_NOT_FOUND, FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_delete_snapshot(
    recorder: *const flr_recorder,
    name: *const c_char,
) -> flr_status {
    guard(|| {
        // SAFETY: a live recorder and a C string, as documented.
        let (recorder, name) = unsafe { (handle::get(recorder)?, name_of(name)?) };
        recorder.delete_snapshot(name).map_err(|error| snapshot_failed(&error))
    })
}

/// Forgets all records of a signal (a flr_signal). Sequence numbers, counters and snapshots go on. Errors: FLR_INVALID,
/// FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_clear(
    recorder: *const flr_recorder,
    signal: i32,
) -> flr_status {
    guard(|| {
        // SAFETY: a live recorder, as documented.
        unsafe { handle::get(recorder)? }.clear(signal_of(signal)?);
        Ok(())
    })
}

/// Evicts what is older than the limits of age. Without it they take effect when records arrive. Errors: FLR_INVALID,
/// FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_expire(recorder: *const flr_recorder) -> flr_status {
    guard(|| {
        // Callbacks may end the recorder.
        // SAFETY: a live recorder, as documented.
        let recorder = unsafe { handle::get(recorder)? }.clone();
        recorder.expire();
        Ok(())
    })
}

/// The C callback as a Rust one; gives `user_data` back when it is dropped.
struct OnEvict {
    callback: unsafe extern "C" fn(*mut c_void, i32, u64, *const c_void, usize),
    user_data: UserData,
}

impl OnEvict {
    fn call(&self, signal: Signal, sequence: u64, wire: &[u8]) {
        // SAFETY: the caller's function and pointer, as documented; `wire` lives through the call.
        unsafe {
            (self.callback)(
                self.user_data.get(),
                signal as i32,
                sequence,
                wire.as_ptr().cast(),
                wire.len(),
            );
        }
    }
}

/// Has `callback` called with each record of a signal (a flr_signal) that is evicted, in place of an earlier callback; see
/// flr_evicted_fn for when, and for what it may do. `destroy`, if not NULL, is called exactly once with `user_data`: when
/// another callback takes its place, or the recorder and its last cursor end, and no thread is inside `callback` any more;
/// or at once if this call fails.
///
/// Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_on_evict(
    recorder: *const flr_recorder,
    signal: i32,
    callback: flr_evicted_fn,
    user_data: *mut c_void,
    destroy: flr_user_data_destroy_fn,
) -> flr_status {
    let user_data = UserData::new(user_data, destroy);
    guard(move || {
        // Moved in whole, so that it is dropped, and destroyed, on every path.
        let user_data = user_data;
        // The earlier callback's `destroy` may end the recorder.
        // SAFETY: a live recorder, as documented.
        let recorder = unsafe { handle::get(recorder)? }.clone();
        let signal = signal_of(signal)?;
        let callback = callback.ok_or_else(|| invalid(format_args!("callback is NULL")))?;
        let on_evict = OnEvict { callback, user_data };
        let call = move |sequence: u64, wire: &[u8]| on_evict.call(signal, sequence, wire);
        match signal {
            Signal::Traces => recorder.traces().on_evict(call),
            Signal::Logs => recorder.logs().on_evict(call),
            Signal::Metrics => recorder.metrics().on_evict(call),
        }
        Ok(())
    })
}

/// Ends a recorder. Cursors that it gave stay usable. NULL is accepted. Nobody may use it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_destroy(recorder: *mut flr_recorder) {
    // SAFETY: NULL or a recorder that nobody uses any more, as documented.
    unsafe { handle::destroy(recorder) }
}
