//! Records that a program adds to a recorder itself: spans, log records and metric points.
//!
//! Everything that is handed in is copied before the call returns. Texts are a pointer and a length, in UTF-8; FLR_TEXT()
//! makes one of a C string. Times are nanoseconds since 1970, in UTC. Adding does not allocate once a store is full, as
//! long as a record has at most 16 attributes and no events, links, or lists in attributes.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use bumpalo::Bump;
use flightring_store::{
    Added, Buckets, Event, Link, Log, Metric, Number, Point, Span, Temporality, Value,
    check_exemplar,
};
use smallvec::SmallVec;

use crate::flr_status;
use crate::given::{Room, array, attributes_in, bytes, small, text};
use crate::guard::guard;
use crate::handle;
use crate::logger_options::unknown;
use crate::recorder::flr_recorder;
use crate::sized::{self, SizedStruct};
use crate::status::invalid;

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
    /// A list: `text` is the address of the first of `len` flr_attribute, cast to char, whose keys do not matter. See
    /// flr_attribute_list().
    List = 5,
    /// A list of named values, likewise. See flr_attribute_map().
    Map = 6,
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
    /// Counts in buckets that grow exponentially.
    ExponentialHistogram = 4,
    /// Quantiles that the source computed.
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
    /// The value, if `value_type` is text or bytes; where its values are, if it is a list or map.
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

/// A quantile of a summary.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_quantile {
    /// Which: 0 is the least value, 0.5 the median, 1 the greatest.
    pub quantile: f64,
    /// Its value.
    pub value: f64,
}

/// A metric point to add. Start it from FLR_METRIC_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_metric {
    /// sizeof(flr_metric), set by FLR_METRIC_INIT.
    pub struct_size: u32,
    /// A flr_metric_type.
    pub metric_type: i32,
    /// A flr_temporality, for sums and histograms of both types.
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
    /// Value of a gauge or sum, sum of a histogram or summary.
    pub value: f64,
    /// The value of a gauge or sum, if `is_integer`.
    pub integer: i64,
    /// Not 0: the value is in `integer`.
    pub is_integer: u32,
    /// Not 0: the histogram's sum is not known.
    pub no_sum: u32,
    /// How many values a histogram or summary counts.
    pub count: u64,
    /// Counts of a histogram's buckets: one more than there are bounds, or none. Of an exponential histogram: those of
    /// positive values.
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
    /// Resolution of an exponential histogram: its bounds are powers of 2^(2^-scale).
    pub scale: i32,
    /// Index of the first bucket of an exponential histogram's positive values.
    pub positive_offset: i32,
    /// Index of the first bucket of its negative values.
    pub negative_offset: i32,
    /// How many values of an exponential histogram are zero.
    pub zero_count: u64,
    /// Counts of the buckets of its negative values.
    pub negative_counts: *const u64,
    /// How many there are.
    pub negative_count: usize,
    /// Quantiles of a summary.
    pub quantiles: *const flr_quantile,
    /// How many there are.
    pub quantile_count: usize,
    /// Measurements that stand for the rest: OTLP's Exemplar messages, as bytes, with ids of 16 and 8 bytes or none. Summaries have
    /// none.
    pub exemplars: *const flr_text,
    /// How many there are.
    pub exemplar_count: usize,
}

// SAFETY: repr(C), the size first, numbers, pointers and structs of these only.
unsafe impl SizedStruct for flr_metric {
    const NAME: &'static str = "flr_metric";
}

/// Adds to a store. An eviction callback may end the recorder, so where there is one the store's own handle is worked on, not
/// the recorder's. Not always, because counting one more handle, and one less, would take a third of the time.
macro_rules! add_to {
    ($store:expr, $record:expr) => {{
        let record = $record;
        added($store.add_unwatched(&record).unwrap_or_else(|| $store.clone().add(&record)))
    }};
}

fn added(added: Added) -> Result<(), flr_status> {
    match added {
        Added::Held(_) => Ok(()),
        Added::Placeholder(_) => Err(flr_status::TRUNCATED),
        Added::TraceFull => Err(flr_status::DROPPED),
    }
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
        let mut copy = MaybeUninit::uninit();
        // SAFETY: a live recorder, and a struct that begins with its size, as documented.
        let (store, given) =
            unsafe { (handle::get(recorder)?.traces(), sized::view(span, &mut copy)?) };
        let (lists, mut room) = (Bump::new(), Room::new());
        // SAFETY: arrays and texts as documented, here and below.
        let attributes =
            unsafe { room.attributes(given.attributes, given.attribute_count, &lists)? };
        let (mut events, mut links): (&[Event<'_>], &[Link<'_>]) = (&[], &[]);
        if (given.event_count, given.link_count) != (0, 0) {
            // SAFETY: as above.
            (events, links) = unsafe { (events_of(given, &lists)?, links_of(given, &lists)?) };
        }
        // SAFETY: as above.
        let (name, service, status_message) = unsafe {
            (
                text(given.name, "name")?,
                text(given.service, "service")?,
                text(given.status_message, "status_message")?,
            )
        };
        add_to!(
            store,
            Span {
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
                attributes,
                events,
                links,
            }
        )
    })
}

#[inline(never)]
unsafe fn events_of<'a>(given: &flr_span, lists: &'a Bump) -> Result<&'a [Event<'a>], flr_status> {
    // SAFETY: an array as documented.
    let events = unsafe { array(given.events, given.event_count, "events")? };
    let one = |i: usize| {
        let flr_span_event { time_ns, name, attributes, attribute_count } = events[i];
        // SAFETY: a text and an array as documented.
        let (name, attributes) = unsafe {
            (text(name, "an event's name")?, attributes_in(lists, attributes, attribute_count)?)
        };
        Ok(Event { time_ns, name, attributes })
    };
    Ok(lists.alloc_slice_try_fill_with(events.len(), one)?)
}

#[inline(never)]
unsafe fn links_of<'a>(given: &flr_span, lists: &'a Bump) -> Result<&'a [Link<'a>], flr_status> {
    // SAFETY: an array as documented.
    let links = unsafe { array(given.links, given.link_count, "links")? };
    let one = |i: usize| {
        let flr_span_link { trace_id, span_id, attributes, attribute_count } = links[i];
        // SAFETY: an array as documented.
        let attributes = unsafe { attributes_in(lists, attributes, attribute_count)? };
        Ok(Link { trace_id, span_id, attributes })
    };
    Ok(lists.alloc_slice_try_fill_with(links.len(), one)?)
}

/// Copies a log record in. Returns as flr_recorder_add_span().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_add_log(
    recorder: *const flr_recorder,
    log: *const flr_log_entry,
) -> flr_status {
    guard(|| {
        let mut copy = MaybeUninit::uninit();
        // SAFETY: a live recorder, and a struct that begins with its size, as documented.
        let (store, given) =
            unsafe { (handle::get(recorder)?.logs(), sized::view(log, &mut copy)?) };
        let (lists, mut room) = (Bump::new(), Room::new());
        // SAFETY: arrays and texts as documented.
        let (attributes, body) = unsafe {
            (
                room.attributes(given.attributes, given.attribute_count, &lists)?,
                text(given.body, "body")?,
            )
        };
        // SAFETY: as above.
        let (severity_text, service, event_name) = unsafe {
            (
                text(given.severity_text, "severity_text")?,
                text(given.service, "service")?,
                text(given.event_name, "event_name")?,
            )
        };
        add_to!(
            store,
            Log {
                time_ns: given.time_ns,
                observed_ns: given.observed_ns,
                severity: small(given.severity, 24, "severity")?,
                severity_text,
                body: Some(Value::Str(body)),
                trace_id: given.trace_id,
                span_id: given.span_id,
                service,
                event_name,
                attributes,
            }
        )
    })
}

/// Copies a metric point in. Returns as flr_recorder_add_span().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_recorder_add_metric(
    recorder: *const flr_recorder,
    metric: *const flr_metric,
) -> flr_status {
    guard(|| {
        let mut copy = MaybeUninit::uninit();
        // SAFETY: a live recorder, and a struct that begins with its size, as documented.
        let (store, given) =
            unsafe { (handle::get(recorder)?.metrics(), sized::view(metric, &mut copy)?) };
        let (lists, mut room) = (Bump::new(), Room::new());
        // SAFETY: arrays and texts as documented.
        let (attributes, given_exemplars) = unsafe {
            (
                room.attributes(given.attributes, given.attribute_count, &lists)?,
                array(given.exemplars, given.exemplar_count, "exemplars")?,
            )
        };
        let exemplars = given_exemplars
            .iter()
            .map(|&exemplar| {
                // SAFETY: readable as documented.
                let message = unsafe { bytes(exemplar)? };
                check_exemplar(message).map(|()| message).map_err(|error| {
                    invalid(format_args!("an exemplar is not OTLP's message: {error}"))
                })
            })
            .collect::<Result<SmallVec<[_; 4]>, _>>()?;
        // SAFETY: as above.
        let (name, unit, description, service) = unsafe {
            (
                text(given.name, "name")?,
                text(given.unit, "unit")?,
                text(given.description, "description")?,
                text(given.service, "service")?,
            )
        };
        // SAFETY: arrays as documented.
        let (buckets, negative, bounds, given_quantiles) = unsafe {
            (
                array(given.bucket_counts, given.bucket_count, "bucket_counts")?,
                array(given.negative_counts, given.negative_count, "negative_counts")?,
                array(given.bounds, given.bound_count, "bounds")?,
                array(given.quantiles, given.quantile_count, "quantiles")?,
            )
        };
        let quantiles =
            given_quantiles.iter().map(|q| (q.quantile, q.value)).collect::<SmallVec<[_; 8]>>();
        let point = point_of(given, buckets, negative, bounds, &quantiles)?;
        let metric = Metric {
            name,
            unit,
            description,
            service,
            time_ns: given.time_ns,
            start_ns: given.start_ns,
            point,
            attributes,
            exemplars: &exemplars,
        };
        add_to!(store, metric)
    })
}

fn point_of<'a>(
    given: &flr_metric,
    buckets: &'a [u64],
    negative: &'a [u64],
    bounds: &'a [f64],
    quantiles: &'a [(f64, f64)],
) -> Result<Point<'a>, flr_status> {
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
    let (count, sum) = (given.count, (given.no_sum == 0).then_some(given.value));
    Ok(match given.metric_type {
        1 => Point::Gauge(value),
        2 => Point::Sum { value, temporality, monotonic: given.monotonic != 0 },
        3 if buckets.is_empty() && bounds.is_empty() || buckets.len() == bounds.len() + 1 => {
            Point::Histogram { count, sum, bucket_counts: buckets, bounds, temporality }
        }
        3 => {
            return Err(invalid(format_args!(
                "{} bucket counts for {} bounds; there must be one more, or none of both",
                buckets.len(),
                bounds.len()
            )));
        }
        4 => Point::ExponentialHistogram {
            count,
            sum,
            scale: given.scale,
            zero_count: given.zero_count,
            positive: Buckets { offset: given.positive_offset, counts: buckets },
            negative: Buckets { offset: given.negative_offset, counts: negative },
            temporality,
        },
        5 => Point::Summary { count, sum: given.value, quantiles },
        other => return Err(unknown("metric_type", other)),
    })
}
