//! Recorders: the newest spans, log records and metric points of a program, in bounded memory, indexed.
//!
//! Each of the three kinds has a store of its own with its own limits. A record gets the next sequence number of its
//! store; the oldest records make room for the newest. Records come from the program itself, by the flr_recorder_add_
//! functions, or from OpenTelemetry exporters, by flr_recorder_ingest_otlp(). They are read through cursors: see
//! cursor.h.
//!
//! Everything that is handed in is copied before the call returns. Texts are a pointer and a length, in UTF-8; FLR_TEXT()
//! makes one of a C string. Times are nanoseconds since 1970, in UTC.

use std::ffi::{CStr, c_char, c_void};
use std::time::Duration;

use flightring_store::{
    Added, Attribute, Encoding, Event, IngestError, Limits, Link, Log, Metric, Number, Point,
    Recorder, RecorderOptions, Signal, SnapshotError, Span, Temporality, Value,
};

use crate::buffer::{fitted, input, output, required, set};
use crate::flr_status;
use crate::guard::guard;
use crate::handle::{self, Opaque, Out};
use crate::logger_options::unknown;
use crate::sized::{self, SizedStruct};
use crate::status::{fail, invalid};

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

/// How the body of an OTLP request is encoded.
#[repr(i32)]
pub enum flr_otlp {
    /// application/x-protobuf.
    Protobuf = 0,
    /// application/json.
    Json = 1,
}

/// The type of an attribute's value.
#[repr(i32)]
pub enum flr_value {
    /// UTF-8, in `text`.
    Text = 0,
    /// In `integer`.
    Int = 1,
    /// In `real`.
    Double = 2,
    /// In `integer`: 0 or 1.
    Bool = 3,
    /// In `text`.
    Bytes = 4,
}

/// The type of a metric.
#[repr(i32)]
pub enum flr_metric_type {
    /// A value that goes up and down.
    Gauge = 1,
    /// A value that adds up.
    Sum = 2,
    /// Counts between explicit bounds.
    Histogram = 3,
    /// Counts in buckets that grow exponentially. Only by OTLP.
    ExponentialHistogram = 4,
    /// Quantiles. Only by OTLP.
    Summary = 5,
}

/// How successive points of a sum or histogram relate.
#[repr(i32)]
pub enum flr_temporality {
    /// Not said.
    Unspecified = 0,
    /// Each point counts since the one before.
    Delta = 1,
    /// Each point counts since `start_ns`.
    Cumulative = 2,
}

/// A text, or bytes. `data` may be NULL when `len` is 0.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_text {
    /// The first byte.
    pub data: *const c_char,
    /// How many there are.
    pub len: usize,
}

/// A named value.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_attribute {
    /// The name.
    pub key: flr_text,
    /// The value, if `value_type` is text or bytes.
    pub text: flr_text,
    /// The value, if `value_type` is integer or bool.
    pub integer: i64,
    /// The value, if `value_type` is double.
    pub real: f64,
    /// A flr_value.
    pub value_type: i32,
}

/// Something that happened during a span.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_span_event {
    /// When.
    pub time_ns: u64,
    /// What.
    pub name: flr_text,
    /// More about it.
    pub attributes: *const flr_attribute,
    /// How many there are.
    pub attribute_count: usize,
}

/// A span of another trace that a span belongs with.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_span_link {
    /// That trace.
    pub trace_id: [u8; 16],
    /// That span.
    pub span_id: [u8; 8],
    /// Why.
    pub attributes: *const flr_attribute,
    /// How many there are.
    pub attribute_count: usize,
}

/// A span to add. Start it from FLR_SPAN_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_span {
    /// sizeof(flr_span), set by FLR_SPAN_INIT.
    pub struct_size: u32,
    /// 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    pub kind: i32,
    /// 0 unset, 1 ok, 2 error.
    pub status: i32,
    /// The same for all spans of one request; all zero means none.
    pub trace_id: [u8; 16],
    /// This span.
    pub span_id: [u8; 8],
    /// The span that this one is a part of; all zero for a root.
    pub parent_id: [u8; 8],
    /// What was done.
    pub name: flr_text,
    /// Who did it. Default: "unknown".
    pub service: flr_text,
    /// Begin.
    pub start_ns: u64,
    /// End.
    pub end_ns: u64,
    /// What went wrong.
    pub status_message: flr_text,
    /// More about it.
    pub attributes: *const flr_attribute,
    /// How many there are.
    pub attribute_count: usize,
    /// What happened meanwhile.
    pub events: *const flr_span_event,
    /// How many there are.
    pub event_count: usize,
    /// What it belongs with.
    pub links: *const flr_span_link,
    /// How many there are.
    pub link_count: usize,
}

// SAFETY: repr(C), the size first, integers, pointers and structs of these only.
unsafe impl SizedStruct for flr_span {
    const NAME: &'static str = "flr_span";
}

/// A log record to add. Start it from FLR_LOG_ENTRY_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_log_entry {
    /// sizeof(flr_log_entry), set by FLR_LOG_ENTRY_INIT.
    pub struct_size: u32,
    /// 1 to 4 trace, 5 to 8 debug, 9 to 12 info, 13 to 16 warn, 17 to 20 error, 21 to 24 fatal, 0 unknown.
    pub severity: i32,
    /// When it happened.
    pub time_ns: u64,
    /// When it was seen.
    pub observed_ns: u64,
    /// The severity as its source calls it.
    pub severity_text: flr_text,
    /// The message.
    pub body: flr_text,
    /// The trace it belongs to; all zero means none.
    pub trace_id: [u8; 16],
    /// The span it belongs to; all zero means none.
    pub span_id: [u8; 8],
    /// Who wrote it. Default: "unknown".
    pub service: flr_text,
    /// The name of the event, if it is one.
    pub event_name: flr_text,
    /// More about it.
    pub attributes: *const flr_attribute,
    /// How many there are.
    pub attribute_count: usize,
}

// SAFETY: repr(C), the size first, integers, pointers and structs of these only.
unsafe impl SizedStruct for flr_log_entry {
    const NAME: &'static str = "flr_log_entry";
}

/// A metric point to add. Start it from FLR_METRIC_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_metric {
    /// sizeof(flr_metric), set by FLR_METRIC_INIT.
    pub struct_size: u32,
    /// A flr_metric_type: gauge, sum or histogram.
    pub metric_type: i32,
    /// A flr_temporality, for sums and histograms.
    pub temporality: i32,
    /// Not 0: the sum never falls.
    pub monotonic: u32,
    /// The metric.
    pub name: flr_text,
    /// Its unit.
    pub unit: flr_text,
    /// What it means.
    pub description: flr_text,
    /// Who measured. Default: "unknown".
    pub service: flr_text,
    /// When.
    pub time_ns: u64,
    /// Since when a sum or histogram counts; 0 if not known.
    pub start_ns: u64,
    /// Value of a gauge or sum, sum of a histogram.
    pub value: f64,
    /// The value of a gauge or sum, if `is_integer`.
    pub integer: i64,
    /// Not 0: the value is in `integer`.
    pub is_integer: u32,
    /// Not 0: the histogram's sum is not known.
    pub no_sum: u32,
    /// How many values a histogram counts.
    pub count: u64,
    /// Counts of a histogram's buckets: one more than there are bounds, or none.
    pub bucket_counts: *const u64,
    /// How many there are.
    pub bucket_count: usize,
    /// Upper bounds of a histogram's buckets, rising.
    pub bounds: *const f64,
    /// How many there are.
    pub bound_count: usize,
    /// Which of the metric's series.
    pub attributes: *const flr_attribute,
    /// How many there are.
    pub attribute_count: usize,
}

// SAFETY: repr(C), the size first, numbers, pointers and structs of these only.
unsafe impl SizedStruct for flr_metric {
    const NAME: &'static str = "flr_metric";
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
    /// The first sequence number.
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
}

// SAFETY: repr(C), the size first, integers only.
unsafe impl SizedStruct for flr_recorder_stats {
    const NAME: &'static str = "flr_recorder_stats";
}

/// Called with each record that is about to be evicted: its signal, its sequence number, and its bytes as OTLP's Span, LogRecord
/// or Metric message, valid during the call.
///
/// It runs on the thread that adds the record which takes the place, while that store is locked for writing: it may query
/// any recorder, but must not add to, clear, or expire this one.
pub type flr_evicted_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        signal: i32,
        sequence: u64,
        wire: *const c_void,
        len: usize,
    ),
>;

/// Ends a callback's `user_data`.
pub type flr_recorder_destroy_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Creates an empty recorder. `options` may be NULL for the defaults.
///
/// The recorder is the caller's, to be ended with flr_recorder_destroy(). Errors: FLR_INVALID.
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
        out.fill(Recorder::new(&chosen).map_err(|error| invalid(format_args!("{error}")))?);
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

/// The text, if it is one.
unsafe fn text<'a>(text: flr_text, member: &str) -> Result<&'a str, flr_status> {
    // SAFETY: readable as documented.
    let bytes = unsafe { bytes(text)? };
    std::str::from_utf8(bytes).map_err(|_| invalid(format_args!("{member} is not valid UTF-8")))
}

pub(crate) unsafe fn bytes<'a>(text: flr_text) -> Result<&'a [u8], flr_status> {
    // SAFETY: readable as documented.
    unsafe { input(text.data.cast(), text.len) }
}

/// A caller's array.
unsafe fn array<'a, T>(data: *const T, count: usize, member: &str) -> Result<&'a [T], flr_status> {
    if count == 0 {
        return Ok(&[]);
    }
    let fits =
        count.checked_mul(size_of::<T>()).is_some_and(|bytes| isize::try_from(bytes).is_ok());
    if data.is_null() || !data.is_aligned() || !fits {
        return Err(invalid(format_args!(
            "{member} is NULL, misaligned, or its count {count} is impossible"
        )));
    }
    // SAFETY: not NULL, aligned, and `count` values as documented.
    Ok(unsafe { std::slice::from_raw_parts(data, count) })
}

unsafe fn attributes_of<'a>(
    data: *const flr_attribute,
    count: usize,
) -> Result<Vec<Attribute<'a>>, flr_status> {
    // SAFETY: an array as documented.
    let given = unsafe { array(data, count, "attributes")? };
    given
        .iter()
        .map(|attribute| {
            // SAFETY: readable texts, as documented.
            let key = unsafe { text(attribute.key, "an attribute's key")? };
            let value = match attribute.value_type {
                // SAFETY: as above.
                0 => Value::Str(unsafe { text(attribute.text, "an attribute's text")? }),
                1 => Value::Int(attribute.integer),
                2 => Value::Double(attribute.real),
                3 => Value::Bool(attribute.integer != 0),
                // SAFETY: as above.
                4 => Value::Bytes(unsafe { bytes(attribute.text)? }),
                other => return Err(unknown("an attribute's value_type", other)),
            };
            Ok(Attribute { key, value })
        })
        .collect()
}

fn added(added: Added) -> Result<(), flr_status> {
    match added {
        Added::Held(_) => Ok(()),
        Added::Placeholder(_) => Err(flr_status::TRUNCATED),
        Added::TraceFull => Err(flr_status::DROPPED),
    }
}

fn small(value: i32, most: u8, member: &str) -> Result<u8, flr_status> {
    u8::try_from(value).ok().filter(|value| *value <= most).ok_or_else(|| unknown(member, value))
}

/// Copies a span in.
///
/// FLR_TRUNCATED: it was too large, and a placeholder is held. FLR_DROPPED: its trace holds as many as it may. Errors:
/// FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_add_span(
    recorder: *const flr_recorder,
    span: *const flr_span,
) -> flr_status {
    guard(|| {
        // SAFETY: a live recorder, and a struct that begins with its size, as documented.
        let (recorder, given) = unsafe { (handle::get(recorder)?, sized::read(span)?) };
        // SAFETY: arrays and texts as documented, here and below.
        let attributes = unsafe { attributes_of(given.attributes, given.attribute_count)? };
        // SAFETY: as above.
        let given_events = unsafe { array(given.events, given.event_count, "events")? };
        // SAFETY: as above.
        let given_links = unsafe { array(given.links, given.link_count, "links")? };
        let inner = given_events
            .iter()
            .map(|event| (event.attributes, event.attribute_count))
            .chain(given_links.iter().map(|link| (link.attributes, link.attribute_count)))
            // SAFETY: as above.
            .map(|(data, count)| unsafe { attributes_of(data, count) })
            .collect::<Result<Vec<_>, _>>()?;
        let (of_events, of_links) = inner.split_at(given_events.len());
        let events = given_events
            .iter()
            .zip(of_events)
            .map(|(event, attributes)| {
                // SAFETY: as above.
                let name = unsafe { text(event.name, "an event's name")? };
                Ok(Event { time_ns: event.time_ns, name, attributes })
            })
            .collect::<Result<Vec<_>, flr_status>>()?;
        let links = given_links
            .iter()
            .zip(of_links)
            .map(|(link, attributes)| Link {
                trace_id: link.trace_id,
                span_id: link.span_id,
                attributes,
            })
            .collect::<Vec<_>>();
        // SAFETY: as above.
        let (name, service, status_message) = unsafe {
            (
                text(given.name, "name")?,
                text(given.service, "service")?,
                text(given.status_message, "status_message")?,
            )
        };
        added(recorder.add_span(&Span {
            trace_id: given.trace_id,
            span_id: given.span_id,
            parent_id: given.parent_id,
            name,
            service,
            kind: small(given.kind, 5, "kind")?,
            start_ns: given.start_ns,
            end_ns: given.end_ns,
            status: small(given.status, 2, "status")?,
            status_message,
            attributes: &attributes,
            events: &events,
            links: &links,
        }))
    })
}

/// Copies a log record in. Returns as flr_recorder_add_span().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_add_log(
    recorder: *const flr_recorder,
    log: *const flr_log_entry,
) -> flr_status {
    guard(|| {
        // SAFETY: a live recorder, and a struct that begins with its size, as documented.
        let (recorder, given) = unsafe { (handle::get(recorder)?, sized::read(log)?) };
        // SAFETY: arrays and texts as documented.
        let (attributes, body) = unsafe {
            (attributes_of(given.attributes, given.attribute_count)?, text(given.body, "body")?)
        };
        // SAFETY: as above.
        let (severity_text, service, event_name) = unsafe {
            (
                text(given.severity_text, "severity_text")?,
                text(given.service, "service")?,
                text(given.event_name, "event_name")?,
            )
        };
        added(recorder.add_log(&Log {
            time_ns: given.time_ns,
            observed_ns: given.observed_ns,
            severity: small(given.severity, 24, "severity")?,
            severity_text,
            body: Some(Value::Str(body)),
            trace_id: given.trace_id,
            span_id: given.span_id,
            service,
            event_name,
            attributes: &attributes,
        }))
    })
}

/// Copies a metric point in. Returns as flr_recorder_add_span().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_add_metric(
    recorder: *const flr_recorder,
    metric: *const flr_metric,
) -> flr_status {
    guard(|| {
        // SAFETY: a live recorder, and a struct that begins with its size, as documented.
        let (recorder, given) = unsafe { (handle::get(recorder)?, sized::read(metric)?) };
        // SAFETY: arrays and texts as documented.
        let (attributes, bucket_counts, bounds) = unsafe {
            (
                attributes_of(given.attributes, given.attribute_count)?,
                array(given.bucket_counts, given.bucket_count, "bucket_counts")?,
                array(given.bounds, given.bound_count, "bounds")?,
            )
        };
        // SAFETY: as above.
        let (name, unit, description, service) = unsafe {
            (
                text(given.name, "name")?,
                text(given.unit, "unit")?,
                text(given.description, "description")?,
                text(given.service, "service")?,
            )
        };
        let value = if given.is_integer != 0 {
            Number::Int(given.integer)
        } else {
            Number::Double(given.value)
        };
        let temporality = match given.temporality {
            0 => Temporality::Unspecified,
            1 => Temporality::Delta,
            2 => Temporality::Cumulative,
            other => return Err(unknown("temporality", other)),
        };
        let point = match given.metric_type {
            1 => Point::Gauge(value),
            2 => Point::Sum { value, temporality, monotonic: given.monotonic != 0 },
            3 if bucket_counts.is_empty() && bounds.is_empty()
                || bucket_counts.len() == bounds.len() + 1 =>
            {
                let sum = (given.no_sum == 0).then_some(given.value);
                Point::Histogram { count: given.count, sum, bucket_counts, bounds, temporality }
            }
            3 => {
                return Err(invalid(format_args!(
                    "{} bucket counts for {} bounds; there must be one more, or none of both",
                    bucket_counts.len(),
                    bounds.len()
                )));
            }
            other => return Err(unknown("metric_type", other)),
        };
        added(recorder.add_metric(&Metric {
            name,
            unit,
            description,
            service,
            time_ns: given.time_ns,
            start_ns: given.start_ns,
            point,
            attributes: &attributes,
        }))
    })
}

/// Takes in the body of an OTLP request of one signal (a flr_signal), encoded as a flr_otlp says, not compressed: what
/// OpenTelemetry exporters post to /v1/traces, /v1/logs and /v1/metrics. At most 64 MiB.
///
/// FLR_DROPPED: some of its records were refused; flr_last_error() says how many and why. Errors, after which nothing of it is
/// held: FLR_INVALID when it is no such request; FLR_TOO_LARGE; FLR_FORKED.
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
        let (recorder, body) = unsafe { (handle::get(recorder)?, input(data, len)?) };
        let encoding = match encoding {
            0 => Encoding::Protobuf,
            1 => Encoding::Json,
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
        // SAFETY: a live recorder, as documented.
        unsafe { handle::get(recorder)? }.expire();
        Ok(())
    })
}

/// The C callback as a Rust one; gives `user_data` back when it is dropped.
struct OnEvict {
    callback: unsafe extern "C" fn(*mut c_void, i32, u64, *const c_void, usize),
    user_data: UserData,
}

/// The caller's pointer and how to end it.
struct UserData(*mut c_void, flr_recorder_destroy_fn);

// SAFETY: the header says that the callback and `destroy` are called on whichever thread adds or ends.
unsafe impl Send for UserData {}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.1 {
            // SAFETY: the caller's own pointer, once, as documented.
            unsafe { destroy(self.0) };
        }
    }
}

impl OnEvict {
    fn call(&self, signal: Signal, sequence: u64, wire: &[u8]) {
        // SAFETY: the caller's function and pointer, as documented; `wire` lives through the call.
        unsafe {
            (self.callback)(
                self.user_data.0,
                signal as i32,
                sequence,
                wire.as_ptr().cast(),
                wire.len(),
            );
        }
    }
}

/// Has `callback` called with each record of a signal (a flr_signal) that is about to be evicted, in place of an earlier
/// callback; see flr_evicted_fn for what it may do. `destroy`, if not NULL, is called exactly once with `user_data`: when
/// another callback takes its place, when the recorder and its last cursor end, or at once if this call fails.
///
/// Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_on_evict(
    recorder: *const flr_recorder,
    signal: i32,
    callback: flr_evicted_fn,
    user_data: *mut c_void,
    destroy: flr_recorder_destroy_fn,
) -> flr_status {
    let user_data = UserData(user_data, destroy);
    guard(move || {
        // Moved in whole, so that it is dropped, and destroyed, on every path.
        let user_data = user_data;
        // SAFETY: a live recorder, as documented.
        let recorder = unsafe { handle::get(recorder)? };
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

/// Copies as much of a text as fits.
pub(crate) unsafe fn text_out(
    text: &str,
    dst: &mut [u8],
    needed: *mut usize,
) -> Result<(), flr_status> {
    let fits = text.len().min(dst.len());
    dst[..fits].copy_from_slice(&text.as_bytes()[..fits]);
    // SAFETY: NULL or writable, as documented.
    unsafe { set(needed, text.len()) };
    fitted(text.len(), dst.len())
}

/// Ends a recorder. Cursors that it gave stay usable. NULL is accepted. Nobody may use it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_destroy(recorder: *mut flr_recorder) {
    // SAFETY: NULL or a recorder that nobody uses any more, as documented.
    unsafe { handle::destroy(recorder) }
}
