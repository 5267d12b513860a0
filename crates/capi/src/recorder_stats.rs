//! Statistics of recorders: cheap to read at any time, without stopping anybody.

use std::ffi::c_char;

use crate::buffer::{output, text_out};
use crate::flr_status;
use crate::guard::guard;
use crate::handle;
use crate::recorder::{flr_recorder, signal_of};
use crate::sized::{self, SizedStruct};

/// A store's numbers. Start it from FLR_RECORDER_STATS_INIT. `added = count + evicted + cleared`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_recorder_stats {
    /// sizeof(flr_recorder_stats), set by FLR_RECORDER_STATS_INIT.
    pub struct_size: u32,
    /// The most records held.
    pub capacity: u64,
    /// Records held.
    pub count: u64,
    /// Distinct traces, services and names held.
    pub traces: u64,
    /// Distinct services held.
    pub services: u64,
    /// Distinct names held.
    pub names: u64,
    /// Number of the oldest held record; equal to `next_sequence` if there is none.
    pub first_sequence: u64,
    /// Number of the next record.
    pub next_sequence: u64,
    /// Records ever added.
    pub added: u64,
    /// Records that made room: by count, bytes and age.
    pub evicted: u64,
    /// Of these, because there were `capacity`.
    pub evicted_by_count: u64,
    /// Of these, because they took too many bytes.
    pub evicted_by_bytes: u64,
    /// Of these, because they were too old.
    pub evicted_by_age: u64,
    /// Records removed by flr_recorder_clear().
    pub cleared: u64,
    /// Records refused because their trace held as many as it may.
    pub refused_by_trace: u64,
    /// Records that left a placeholder.
    pub oversize: u64,
    /// Bytes of the held records.
    pub live_bytes: u64,
    /// Heap bytes reserved for records.
    pub reserved_bytes: u64,
    /// Heap bytes of the indexes.
    pub index_bytes: u64,
    /// Heap bytes of names and resources.
    pub dictionary_bytes: u64,
    /// Evicted records of which the callback was not told, because it evicted them itself.
    pub unreported: u64,
}

// SAFETY: repr(C), the size first, integers only.
unsafe impl SizedStruct for flr_recorder_stats {
    const NAME: &'static str = "flr_recorder_stats";
}

/// The numbers of a signal's store (a flr_signal), without stopping anybody. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_get_stats(
    recorder: *const flr_recorder,
    signal: i32,
    stats: *mut flr_recorder_stats,
) -> flr_status {
    guard(|| {
        // SAFETY: a live recorder and a struct that begins with its size, as documented.
        let recorder = unsafe {
            sized::check(stats)?;
            handle::get(recorder)?
        };
        let found = recorder.stats(signal_of(signal)?);
        let value = flr_recorder_stats {
            struct_size: 0,
            capacity: found.capacity,
            count: found.count,
            traces: found.traces,
            services: found.services,
            names: found.names,
            first_sequence: found.first_sequence,
            next_sequence: found.next_sequence,
            added: found.added,
            evicted: found.evicted,
            evicted_by_count: found.evicted_by_count,
            evicted_by_bytes: found.evicted_by_bytes,
            evicted_by_age: found.evicted_by_age,
            cleared: found.cleared,
            refused_by_trace: found.refused_by_trace,
            oversize: found.oversize,
            live_bytes: found.live_bytes,
            reserved_bytes: found.reserved_bytes,
            index_bytes: found.index_bytes,
            dictionary_bytes: found.dictionary_bytes,
            unreported: found.unreported,
        };
        // SAFETY: checked above.
        unsafe { sized::write(stats, &value) }
    })
}

/// All numbers as JSON, for each of "traces", "logs" and "metrics". Copies as much as fits into `dst`, without a final NUL, and
/// sets `*needed` (which may be NULL) to the whole length.
///
/// FLR_TRUNCATED: not all of it fitted. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_stats_json(
    recorder: *const flr_recorder,
    dst: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live recorder and room in `dst`, as documented.
        let (recorder, dst) = unsafe { (handle::get(recorder)?, output(dst.cast(), cap)?) };
        // SAFETY: NULL or writable, as documented.
        unsafe { text_out(&recorder.stats_json().to_string(), dst, needed) }
    })
}

/// Which services, names and classes (statuses of spans, severity numbers of log records, types of metric points) the held
/// records of a signal (a flr_signal) have, each with how many records: {"services": {"api": 3}, "names": {}, "classes": {}}.
/// The counts of services sum to the number of records, and so do those of classes; records without a name have none. Copies
/// as much as fits into `dst`, without a final NUL, and sets `*needed` (which may be NULL) to the whole length.
///
/// FLR_TRUNCATED: not all of it fitted. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_summary_json(
    recorder: *const flr_recorder,
    signal: i32,
    dst: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live recorder and room in `dst`, as documented.
        let (recorder, dst) = unsafe { (handle::get(recorder)?, output(dst.cast(), cap)?) };
        let summary = recorder.summary_json(signal_of(signal)?);
        // SAFETY: NULL or writable, as documented.
        unsafe { text_out(&summary.to_string(), dst, needed) }
    })
}
