//! What a filter from C asks for.

use flightring_store::{AttributeFilter, Filter, MetricType, Order, Recorder, Signal};

use crate::cursor::flr_filter;
use crate::flr_status;
use crate::given::{array, bytes};
use crate::logger_options::unknown;
use crate::recorder::snapshot_failed;
use crate::recorder_add::flr_text;
use crate::sized;
use crate::status::invalid;

unsafe fn text_if_set(text: flr_text, member: &str) -> Result<Option<String>, flr_status> {
    // SAFETY: readable as documented.
    let bytes = unsafe { bytes(text)? };
    match std::str::from_utf8(bytes) {
        Ok("") => Ok(None),
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(invalid(format_args!("filter.{member} is not valid UTF-8"))),
    }
}

/// A value that an attribute must have: an empty one is a value, too.
unsafe fn value_if_set(value: flr_text, member: &str) -> Result<Option<String>, flr_status> {
    if value.data.is_null() {
        return Ok(None);
    }
    // SAFETY: passed on.
    unsafe { text_if_set(value, member) }.map(|text| Some(text.unwrap_or_default()))
}

fn severity_of(severity: i32, member: &str) -> Result<Option<u8>, flr_status> {
    match u8::try_from(severity) {
        Ok(0) => Ok(None),
        Ok(number @ 1..=24) => Ok(Some(number)),
        _ => Err(unknown(member, severity)),
    }
}

/// The filter that C wants; of snapshots, their positions in `recorder`.
pub(crate) unsafe fn filter_of(
    recorder: &Recorder,
    signal: Signal,
    filter: *const flr_filter,
) -> Result<Filter, flr_status> {
    let mut wanted = Filter::default();
    if filter.is_null() {
        return Ok(wanted);
    }
    // SAFETY: a struct that begins with its size, as documented.
    let given = unsafe { sized::read(filter)? };
    wanted.trace_id = Some(given.trace_id).filter(|id| *id != [0; 16]);
    // SAFETY: readable texts, as documented.
    let (name, key, since, until) = unsafe {
        wanted.service = text_if_set(given.service, "service")?;
        wanted.text = text_if_set(given.text, "text")?;
        (
            text_if_set(given.name, "name")?,
            text_if_set(given.attribute_key, "attribute_key")?,
            text_if_set(given.since, "since")?,
            text_if_set(given.until, "until")?,
        )
    };
    wanted.names.extend(name);
    // SAFETY: as many texts as the filter says, as documented.
    for &name in unsafe { array(given.names, given.name_count, "filter.names")? } {
        // SAFETY: as above.
        let name = unsafe { text_if_set(name, "names")? };
        wanted
            .names
            .push(name.ok_or_else(|| invalid(format_args!("a name in filter.names is empty")))?);
    }
    if let Some(key) = key {
        // SAFETY: as above.
        let value = unsafe { value_if_set(given.attribute_value, "attribute_value")? };
        wanted.attributes.push(AttributeFilter { key, value });
    } else if !given.attribute_value.data.is_null() {
        // Left out it would be as if nothing had been asked for.
        return Err(invalid(format_args!("filter.attribute_value is set without attribute_key")));
    }
    // SAFETY: as many filters as the filter says, as documented.
    let attributes =
        unsafe { array(given.attributes, given.attribute_count, "filter.attributes")? };
    for attribute in attributes {
        // SAFETY: as above.
        let (key, value) = unsafe {
            (
                text_if_set(attribute.key, "attributes")?,
                value_if_set(attribute.value, "attributes")?,
            )
        };
        let key =
            key.ok_or_else(|| invalid(format_args!("a key in filter.attributes is empty")))?;
        wanted.attributes.push(AttributeFilter { key, value });
    }
    let set = |value: u64| Some(value).filter(|value| *value != 0);
    wanted.from_time_ns = set(given.from_time_ns);
    wanted.to_time_ns = set(given.to_time_ns);
    wanted.min_duration_ns = set(given.min_duration_ns);
    wanted.max_duration_ns = set(given.max_duration_ns);
    wanted.min_severity = severity_of(given.min_severity, "filter.min_severity")?;
    wanted.max_severity = severity_of(given.max_severity, "filter.max_severity")?;
    wanted.errors_only = given.errors_only != 0;
    wanted.status = match given.status {
        0 => None,
        1 => Some(1),
        2 => Some(2),
        3 => Some(0),
        other => return Err(unknown("filter.status", other)),
    };
    wanted.order = match given.order {
        0 => Order::NewestFirst,
        1 => Order::OldestFirst,
        other => return Err(unknown("filter.order", other)),
    };
    wanted.metric_types = match given.metric_type {
        0 => Vec::new(),
        number => match MetricType::ALL.into_iter().find(|known| *known as i32 == number) {
            Some(metric_type) => vec![metric_type],
            None => return Err(unknown("filter.metric_type", number)),
        },
    };
    let position = |name: &str| match recorder.find_snapshot(name) {
        Ok(snapshot) => Ok(snapshot.sequence(signal)),
        Err(error) => Err(snapshot_failed(&error)),
    };
    wanted.from_sequence = set(given.from_sequence);
    wanted.to_sequence = set(given.to_sequence);
    if let (Some(since), None) = (since, wanted.from_sequence) {
        wanted.from_sequence = Some(position(&since)?);
    }
    if let (Some(until), None) = (until, wanted.to_sequence) {
        wanted.to_sequence = Some(position(&until)?);
    }
    wanted.limit = set(given.limit).map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(wanted)
}
