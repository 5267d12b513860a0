//! Queries as text: the parameters that the HTTP endpoint and the command take.

use serde_json::Value as Json;

use crate::decode::Signal;
use crate::filter::{AttributeFilter, Filter, FilterError, MetricType, Order};
use crate::recorder::Recorder;
use crate::schema::unhex;

/// Records in an answer unless `limit` says otherwise.
pub const DEFAULT_LIMIT: usize = 100;
/// The most records in an answer over HTTP.
pub const MAX_LIMIT: usize = 10_000;

fn bad(name: &str, expected: &'static str) -> FilterError {
    FilterError::Parameter { name: name.to_owned(), expected }
}

fn number(name: &str, value: &str) -> Result<u64, FilterError> {
    value.parse().map_err(|_| bad(name, "a number"))
}

/// Nanoseconds, or a number with a unit: `ns`, `us`, `ms`, `s`.
fn duration(name: &str, value: &str) -> Result<u64, FilterError> {
    let units = [("ns", 1_u64), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];
    let (digits, unit) = units
        .iter()
        .find_map(|(suffix, unit)| Some((value.strip_suffix(suffix)?, *unit)))
        .unwrap_or((value, 1));
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    number.ok_or_else(|| bad(name, "nanoseconds, or a number followed by ns, us, ms or s"))
}

/// A severity number (1 to 24) or one of the names of OTLP's six ranges.
fn severity(name: &str, value: &str, upper: bool) -> Result<u8, FilterError> {
    const NAMES: [&str; 6] = ["trace", "debug", "info", "warn", "error", "fatal"];
    if let Some(index) = NAMES.iter().position(|name| value.eq_ignore_ascii_case(name)) {
        return Ok(index as u8 * 4 + if upper { 4 } else { 1 });
    }
    let number = value.parse().ok().filter(|number| (1..=24).contains(number));
    number.ok_or_else(|| bad(name, "1 to 24, or trace, debug, info, warn, error, fatal"))
}

/// The parameters that may stand several times.
const REPEATED: [&str; 3] = ["name", "attribute", "type"];

/// One parameter into the filter. `since` and `until` are not for here: they name snapshots.
fn apply(filter: &mut Filter, name: &str, value: &str) -> Result<(), FilterError> {
    match name {
        "trace_id" => {
            let id = unhex(value).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
            filter.trace_id = Some(id.ok_or_else(|| bad(name, "32 hexadecimal digits"))?);
        }
        "service" => filter.service = Some(value.to_owned()),
        "name" => filter.names.push(value.to_owned()),
        "severity" | "min_severity" => filter.min_severity = Some(severity(name, value, false)?),
        "max_severity" => filter.max_severity = Some(severity(name, value, true)?),
        "errors" => {
            filter.errors_only = match value {
                "" | "1" | "true" => true,
                "0" | "false" => false,
                _ => return Err(bad(name, "true or false")),
            }
        }
        "status" => {
            let status = ["unset", "ok", "error"].iter().position(|status| *status == value);
            filter.status = Some(status.ok_or_else(|| bad(name, "unset, ok or error"))? as u8);
        }
        "min_duration" => filter.min_duration_ns = Some(duration(name, value)?),
        "max_duration" => filter.max_duration_ns = Some(duration(name, value)?),
        "from" => filter.from_time_ns = Some(number(name, value)?),
        "to" => filter.to_time_ns = Some(number(name, value)?),
        "attribute" => {
            let (key, value) =
                value.split_once('=').map_or((value, None), |(key, value)| (key, Some(value)));
            filter
                .attributes
                .push(AttributeFilter { key: key.to_owned(), value: value.map(str::to_owned) });
        }
        "text" => filter.text = Some(value.to_owned()),
        "type" => {
            let found = MetricType::ALL.into_iter().find(|metric_type| metric_type.name() == value);
            let expected = "gauge, sum, histogram, exponential_histogram or summary";
            filter.metric_types.push(found.ok_or_else(|| bad(name, expected))?);
        }
        "order" => {
            filter.order = match value {
                "newest" => Order::NewestFirst,
                "oldest" => Order::OldestFirst,
                _ => return Err(bad(name, "newest or oldest")),
            }
        }
        "limit" => {
            filter.limit =
                Some(usize::try_from(number(name, value)?).unwrap_or(MAX_LIMIT).min(MAX_LIMIT));
        }
        "cursor" => {
            let range = value
                .split_once('-')
                .and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
            let (from, to): (u64, u64) =
                range.ok_or_else(|| bad(name, "what \"next\" said in an answer"))?;
            *filter = std::mem::take(filter).within(from..to);
        }
        _ => {
            return Err(bad(
                name,
                "one of trace_id, service, name, severity, max_severity, errors, status, min_duration, \
                 max_duration, from, to, attribute, text, type, order, limit, cursor, since, until",
            ));
        }
    }
    Ok(())
}

impl Recorder {
    /// A filter from parameters, as they come from a URL (decoded):
    ///
    /// `trace_id`, `service`, `name` (may be repeated), `severity` (at least) and `max_severity`, `errors`, `status`,
    /// `min_duration` and `max_duration` (`250ms`), `from` and `to` (nanoseconds since 1970), `attribute` (`key` or `key=value`,
    /// may be repeated), `text`, `type` (may be repeated), `order` (`newest`, `oldest`), `limit` (100 unless said
    /// otherwise, at most 10,000), `cursor`, and `since` and `until`, which name snapshots.
    pub fn filter_from<'a>(
        &self,
        signal: Signal,
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Filter, FilterError> {
        let mut filter = Filter { limit: Some(DEFAULT_LIMIT), ..Filter::default() };
        let (mut since, mut until) = (None, None);
        let mut seen = Vec::new();
        for (name, value) in parameters {
            if !REPEATED.contains(&name) {
                // All must hold, and no record has two services.
                if seen.contains(&name) {
                    return Err(bad(name, "one value, not several"));
                }
                seen.push(name);
            }
            match name {
                "since" => since = Some(value),
                "until" => until = Some(value),
                _ => apply(&mut filter, name, value)?,
            }
        }
        let sequence = |name, parameter| {
            let snapshot =
                self.find_snapshot(name).map_err(|_| bad(parameter, "the name of a snapshot"))?;
            Ok(snapshot.sequence(signal))
        };
        // A cursor knows better: it began within the snapshots' range.
        if let (Some(name), None) = (since, filter.from_sequence) {
            filter.from_sequence = Some(sequence(name, "since")?);
        }
        if let (Some(name), None) = (until, filter.to_sequence) {
            filter.to_sequence = Some(sequence(name, "until")?);
        }
        filter.check(signal)?;
        Ok(filter)
    }

    /// Answers a query given as parameters: see [`filter_from`](Self::filter_from) and
    /// [`Cursor::answer_json`](crate::Cursor::answer_json).
    pub fn query_json<'a>(
        &self,
        signal: Signal,
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Json, FilterError> {
        self.expire();
        let filter = self.filter_from(signal, parameters)?;
        Ok(self.query(signal, filter)?.answer_json())
    }
}
