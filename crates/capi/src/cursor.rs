//! Queries on a recorder, and cursors over their answers.
//!
//! A filter says which records; everything in it that is set must hold. The answer is computed as it is read, holds no lock, and is
//! as of the moment of the query: records that arrive later are not in it, records that are evicted while it is read drop
//! out of it, and flr_cursor_get_coverage() says so.

use std::ffi::{c_char, c_void};
use std::ptr;

use flightring_store::{Cursor, Export, Form, Number, RecordRef, Signal, Value};

use crate::buffer::{input, output, text_out};
use crate::filtering::filter_of;
use crate::flr_status;
use crate::guard::guard;
use crate::handle::{self, Opaque, Out};
use crate::logger_options::unknown;
use crate::recorder::flr_recorder;
use crate::recorder_add::{flr_attribute, flr_text};
use crate::sized::{self, SizedStruct};
use crate::status::{fail, invalid};

/// An answer that is being read.
///
/// Threads: used by one thread at a time. It may outlive its recorder's handle.
pub struct flr_cursor {
    _opaque: [u8; 0],
}

impl Opaque for flr_cursor {
    type Inner = Cursor;
    const NAME: &'static str = "flr_cursor";
}

/// The order of an answer.
#[repr(i32)]
pub enum flr_answer_order {
    /// The newest record first: the default.
    NewestFirst = 0,
    /// The oldest record first.
    OldestFirst = 1,
}

/// Which spans, by their status.
#[repr(i32)]
pub enum flr_span_filter {
    /// All: the default.
    Any = 0,
    /// Those that succeeded explicitly.
    Ok = 1,
    /// Those that failed.
    Error = 2,
    /// Those that do not say.
    Unset = 3,
}

/// How records are exported.
#[repr(i32)]
pub enum flr_export {
    /// An OTLP request in Protocol Buffers, which flr_recorder_ingest_otlp() and collectors take.
    OtlpProtobuf = 0,
    /// An OTLP request in JSON, which they take as well.
    OtlpJson = 1,
    /// A JSON object a record, each followed by a newline.
    Ndjson = 2,
}

/// An attribute that a record, or the resource it came with, must have.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_attribute_filter {
    /// Its name.
    pub key: flr_text,
    /// The value it must have, written as text ("42", "true"); NULL: any.
    pub value: flr_text,
}

/// Which records a query wants. Start it from FLR_FILTER_INIT; a member that is zero asks for nothing. A member that does not
/// apply to the records asked for (such as a severity for spans) is FLR_INVALID.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_filter {
    /// sizeof(flr_filter), set by FLR_FILTER_INIT.
    pub struct_size: u32,
    /// A flr_answer_order.
    pub order: i32,
    /// Spans and log records of this trace; all zero: any.
    pub trace_id: [u8; 16],
    /// Records of this service.
    pub service: flr_text,
    /// Spans, events or metrics of this name.
    pub name: flr_text,
    /// Log records with this text in the body.
    pub text: flr_text,
    /// Records that have this attribute, themselves or by their resource.
    pub attribute_key: flr_text,
    /// The value that the attribute must have, written as text ("42", "true"); NULL: any.
    pub attribute_value: flr_text,
    /// Only what was added after this snapshot.
    pub since: flr_text,
    /// Only what was added before this snapshot.
    pub until: flr_text,
    /// Records of this time or later. The time of a span is its begin.
    pub from_time_ns: u64,
    /// Records before this time.
    pub to_time_ns: u64,
    /// Spans that took at least this long.
    pub min_duration_ns: u64,
    /// Spans that took at most this long.
    pub max_duration_ns: u64,
    /// Log records of this severity number (1 to 24) or a higher one.
    pub min_severity: i32,
    /// Log records of this severity number or a lower one.
    pub max_severity: i32,
    /// Not 0: spans with status error, log records of severity 17 and above.
    pub errors_only: u32,
    /// A flr_span_filter.
    pub status: i32,
    /// Metric points of this flr_metric_type; 0: any.
    pub metric_type: i32,
    /// Records with this sequence number or a higher one.
    pub from_sequence: u64,
    /// Records with a lower sequence number; 0: no end.
    pub to_sequence: u64,
    /// The most records to return; 0: all.
    pub limit: u64,
    /// Spans, events or metrics with one of these names, or with `name`.
    pub names: *const flr_text,
    /// How many there are.
    pub name_count: usize,
    /// Records that have all of these attributes, and that of `attribute_key`.
    pub attributes: *const flr_attribute_filter,
    /// How many there are.
    pub attribute_count: usize,
}

// SAFETY: repr(C), the size first, integers, pointers and structs of these only.
unsafe impl SizedStruct for flr_filter {
    const NAME: &'static str = "flr_filter";
}

/// A record of an answer. Start it from FLR_FOUND_INIT. What its texts point to is valid until the next call on the cursor
/// other than flr_cursor_attribute(), flr_cursor_json() and flr_cursor_get_coverage().
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_found {
    /// sizeof(flr_found), set by FLR_FOUND_INIT.
    pub struct_size: u32,
    /// A flr_signal.
    pub signal: i32,
    /// The record's number.
    pub sequence: u64,
    /// When it arrived.
    pub arrival_ns: u64,
    /// Begin of a span, time of a log record or metric point.
    pub time_ns: u64,
    /// End of a span, observed time of a log record, start time of a metric point.
    pub second_time_ns: u64,
    /// Its trace; all zero: none.
    pub trace_id: [u8; 16],
    /// The span's id, or that of the span that a log record belongs to; all zero: none.
    pub span_id: [u8; 8],
    /// The span's parent; all zero: none.
    pub parent_id: [u8; 8],
    /// Status of a span (0 unset, 1 ok, 2 error), severity number of a log record, flr_metric_type of a metric point.
    pub code: i32,
    /// Kind of a span: 0 to 5.
    pub kind: i32,
    /// Not 0: the record was too large, and this is its placeholder.
    pub placeholder: u32,
    /// Not 0: `value` or `integer` is set: the point of a gauge or sum.
    pub has_number: u32,
    /// Not 0: the number is in `integer`.
    pub is_integer: u32,
    /// Who sent it.
    pub service: flr_text,
    /// Name of the span, event or metric.
    pub name: flr_text,
    /// The message of a log record, if it is a text.
    pub body: flr_text,
    /// The whole record, as OTLP's Span, LogRecord or Metric message.
    pub wire: flr_text,
    /// Value of a gauge or sum.
    pub value: f64,
    /// The same, if it is an integer.
    pub integer: i64,
}

// SAFETY: repr(C), the size first, numbers, pointers and structs of these only.
unsafe impl SizedStruct for flr_found {
    const NAME: &'static str = "flr_found";
}

/// How much of what was asked for an answer can speak of. Start it from FLR_COVERAGE_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_coverage {
    /// sizeof(flr_coverage), set by FLR_COVERAGE_INIT.
    pub struct_size: u32,
    /// Not 0: the limit was met before everything was looked at.
    pub truncated: u32,
    /// From this sequence number on nothing that matches is missing, up to where the limit cut.
    pub complete_since_sequence: u64,
    /// When the oldest record held arrived; 0 if nothing was ever evicted.
    pub complete_since_time_ns: u64,
    /// One more than the last sequence number that was asked for.
    pub end_sequence: u64,
    /// How many records of what was asked for are evicted, whether they would have matched or not.
    pub evicted: u64,
    /// To go on after the last record returned, ask again with the same filter, this `from_sequence` ...
    pub rest_from: u64,
    /// ... and this `to_sequence`.
    pub rest_to: u64,
}

// SAFETY: repr(C), the size first, integers only.
unsafe impl SizedStruct for flr_coverage {
    const NAME: &'static str = "flr_coverage";
}

/// Takes a part of an export. Returns 0 to go on, anything else to stop.
pub type flr_export_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, data: *const c_void, len: usize) -> i32>;

unsafe fn query(
    recorder: *const flr_recorder,
    signal: Signal,
    filter: *const flr_filter,
    out: *mut *mut flr_cursor,
) -> flr_status {
    guard(|| {
        // SAFETY: `out` is NULL or writable, and the recorder live, as documented.
        let (out, recorder) = unsafe { (Out::new(out)?, handle::get(recorder)?) };
        // SAFETY: as documented for filters.
        let filter = unsafe { filter_of(recorder, signal, filter)? };
        let cursor = recorder.query(signal, filter);
        out.fill(cursor.map_err(|error| invalid(format_args!("{error}")))?);
        Ok(())
    })
}

/// Asks for spans. `filter` may be NULL: all, newest first.
///
/// The cursor is the caller's, to be ended with flr_cursor_destroy(). Errors: FLR_INVALID; FLR_NOT_FOUND when a snapshot is not
/// known; FLR_FORKED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_recorder_query_spans(
    recorder: *const flr_recorder,
    filter: *const flr_filter,
    out: *mut *mut flr_cursor,
) -> flr_status {
    // SAFETY: as documented.
    unsafe { query(recorder, Signal::Traces, filter, out) }
}

/// Asks for log records; see flr_recorder_query_spans().
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_recorder_query_logs(
    recorder: *const flr_recorder,
    filter: *const flr_filter,
    out: *mut *mut flr_cursor,
) -> flr_status {
    // SAFETY: as documented.
    unsafe { query(recorder, Signal::Logs, filter, out) }
}

/// Asks for metric points; see flr_recorder_query_spans().
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn flr_recorder_query_metrics(
    recorder: *const flr_recorder,
    filter: *const flr_filter,
    out: *mut *mut flr_cursor,
) -> flr_status {
    // SAFETY: as documented.
    unsafe { query(recorder, Signal::Metrics, filter, out) }
}

/// A whole trace as JSON: {"traceId", "spans", "logs", "coverage"}. The spans are in the order of a waterfall: every span
/// after its parent, siblings by their begin. Each is as flr_cursor_json() shows it, with its "depth" (0 for a root), and
/// "orphan" if its parent is not held. "logs" says how many log records the trace has. `trace_id` are 16 bytes; all zero
/// means the newest 1000 spans of no trace. Copies as much as fits into `dst`, without a final NUL, and sets `*needed`
/// (which may be NULL) to the whole length.
///
/// FLR_TRUNCATED: not all of it fitted. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_trace_json(
    recorder: *const flr_recorder,
    trace_id: *const u8,
    dst: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> flr_status {
    guard(|| {
        crate::buffer::required(trace_id, "trace_id")?;
        // SAFETY: a live recorder and room in `dst`, as documented.
        let (recorder, dst) = unsafe { (handle::get(recorder)?, output(dst.cast(), cap)?) };
        // SAFETY: not NULL, and 16 bytes, as documented; bytes have no alignment.
        let trace_id = unsafe { trace_id.cast::<[u8; 16]>().read() };
        let trace = recorder.trace_json(trace_id);
        let text = trace.map_err(|error| invalid(format_args!("{error}")))?.to_string();
        // SAFETY: NULL or writable, as documented.
        unsafe { text_out(&text, dst, needed) }
    })
}

fn text_view(bytes: &[u8]) -> flr_text {
    flr_text {
        data: if bytes.is_empty() { ptr::null() } else { bytes.as_ptr().cast() },
        len: bytes.len(),
    }
}

/// Goes to the next record and describes it in `*found`.
///
/// FLR_END: there is none. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_cursor_next(
    cursor: *mut flr_cursor,
    found: *mut flr_found,
) -> flr_status {
    guard(|| {
        // SAFETY: a live cursor that nobody else uses, and a struct that begins with its size, as documented.
        let cursor = unsafe {
            sized::check(found)?;
            handle::get_mut(cursor)?
        };
        let record = cursor.next().ok_or(flr_status::END)?;
        // SAFETY: checked above.
        unsafe { sized::write_new(found, |size| describe(&record, size)) }
    })
}

#[inline(always)]
fn describe(record: &RecordRef<'_>, struct_size: u32) -> flr_found {
    let parts = record.parts();
    let (has_number, is_integer, value, integer) = match record.number() {
        Some(Number::Int(integer)) => (1, 1, 0.0, integer),
        Some(Number::Double(value)) => (1, 0, value, 0),
        None => (0, 0, 0.0, 0),
    };
    flr_found {
        struct_size,
        signal: record.signal() as i32,
        sequence: record.sequence(),
        arrival_ns: record.arrival_ns(),
        time_ns: record.time_ns(),
        second_time_ns: record.second_time_ns(),
        trace_id: record.trace_id(),
        span_id: parts.span_id,
        parent_id: parts.parent_id,
        code: record.class().into(),
        kind: record.kind().into(),
        placeholder: record.is_placeholder().into(),
        has_number,
        is_integer,
        service: text_view(record.service_bytes()),
        name: text_view(parts.name),
        body: text_view(record.body_bytes().unwrap_or_default()),
        wire: text_view(record.wire()),
        value,
        integer,
    }
}

/// The value of an attribute of the record that flr_cursor_next() described last, or of the resource it came with. Lists and maps
/// come as FLR_VALUE_BYTES; flr_cursor_json() shows what is in them. `attribute->key` is `key`.
///
/// Errors: FLR_NOT_FOUND when there is no such attribute; FLR_INVALID, also when there is no record; FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_cursor_attribute(
    cursor: *const flr_cursor,
    key: *const c_char,
    key_len: usize,
    attribute: *mut flr_attribute,
) -> flr_status {
    guard(|| {
        crate::buffer::required(attribute, "attribute")?;
        // SAFETY: a live cursor and a readable key, as documented.
        let (cursor, name) = unsafe { (handle::get(cursor)?, input(key.cast(), key_len)?) };
        let record = cursor.current().ok_or_else(no_record)?;
        let name = std::str::from_utf8(name)
            .map_err(|_| invalid(format_args!("key is not valid UTF-8")))?;
        let empty = flr_text { data: ptr::null(), len: 0 };
        let mut value = flr_attribute {
            key: flr_text { data: key, len: key_len },
            text: empty,
            integer: 0,
            real: 0.0,
            value_type: 0,
        };
        let missing =
            || fail(flr_status::NOT_FOUND, format_args!("the record has no attribute \"{name}\""));
        match record.attribute(name).ok_or_else(missing)? {
            Value::Str(text) => value.text = text_view(text.as_bytes()),
            Value::Int(integer) => (value.value_type, value.integer) = (1, integer),
            Value::Double(real) => (value.value_type, value.real) = (2, real),
            Value::Bool(truth) => (value.value_type, value.integer) = (3, truth.into()),
            Value::Bytes(bytes) => (value.value_type, value.text) = (4, text_view(bytes)),
            _ => {
                return Err(fail(
                    flr_status::UNSUPPORTED,
                    format_args!("the attribute has an unknown type"),
                ));
            }
        }
        // SAFETY: not NULL, and writable as documented.
        unsafe { attribute.write(value) };
        Ok(())
    })
}

fn no_record() -> flr_status {
    invalid(format_args!("the cursor is at no record; call flr_cursor_next() until FLR_END"))
}

/// The record that flr_cursor_next() described last as a JSON object: OTLP's members, and "sequence", "service",
/// "arrivalUnixNano". Copies as much as fits into `dst`, without a final NUL, and sets `*needed` (which may be NULL) to the whole length.
///
/// FLR_TRUNCATED: not all of it fitted. Errors: FLR_INVALID, also when there is no record; FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_cursor_json(
    cursor: *const flr_cursor,
    dst: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live cursor and room in `dst`, as documented.
        let (cursor, dst) = unsafe { (handle::get(cursor)?, output(dst.cast(), cap)?) };
        let record = cursor.current().ok_or_else(no_record)?;
        // SAFETY: NULL or writable, as documented.
        unsafe { text_out(&record.to_json().to_string(), dst, needed) }
    })
}

/// What the answer, as far as it was read, can speak of. Ask after FLR_END. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_cursor_get_coverage(
    cursor: *const flr_cursor,
    coverage: *mut flr_coverage,
) -> flr_status {
    guard(|| {
        // SAFETY: a live cursor and a struct that begins with its size, as documented.
        let cursor = unsafe {
            sized::check(coverage)?;
            handle::get(cursor)?
        };
        let found = cursor.coverage();
        let mut rest = cursor.rest().unwrap_or(found.complete_since_sequence..found.end_sequence);
        if rest == (0..0) {
            // Record 0 was the last. In a filter a `to_sequence` of 0 is no end; this range is empty.
            rest = 1..1;
        }
        let value = flr_coverage {
            struct_size: 0,
            truncated: found.truncated.into(),
            complete_since_sequence: found.complete_since_sequence,
            complete_since_time_ns: found.complete_since_time_ns,
            end_sequence: found.end_sequence,
            evicted: found.evicted,
            rest_from: rest.start,
            rest_to: rest.end,
        };
        // SAFETY: checked above.
        unsafe { sized::write(coverage, &value) }
    })
}

/// Reads the cursor to its end and passes the records, in a form that a flr_export names, to `take`, in one or more parts, on this
/// thread.
///
/// FLR_CLOSED: `take` stopped it. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_cursor_export(
    cursor: *mut flr_cursor,
    form: i32,
    take: flr_export_fn,
    user_data: *mut c_void,
) -> flr_status {
    guard(|| {
        // SAFETY: a live cursor that nobody else uses, as documented.
        let cursor = unsafe { handle::get_mut(cursor)? };
        let take = take.ok_or_else(|| invalid(format_args!("take is NULL")))?;
        let pass = |part: &[u8]| {
            // SAFETY: the caller's function and pointer; the part lives through the call.
            match unsafe { take(user_data, part.as_ptr().cast(), part.len()) } {
                0 => Ok(()),
                _ => Err(flr_status::CLOSED),
            }
        };
        let form = match form {
            0 => Form::Protobuf,
            1 => Form::Json,
            2 => Form::Ndjson,
            other => return Err(unknown("form", other)),
        };
        let (mut export, mut part) = (Export::new(cursor, form), Vec::new());
        while export.next_part(&mut part) {
            pass(&part)?;
            part.clear();
        }
        Ok(())
    })
}

/// Ends a cursor. NULL is accepted. Nobody may use it, or what it pointed to, any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_cursor_destroy(cursor: *mut flr_cursor) {
    // SAFETY: NULL or a cursor that nobody uses any more, as documented.
    unsafe { handle::destroy(cursor) }
}
