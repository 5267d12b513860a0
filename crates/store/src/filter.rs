//! What a query asks for.

use std::fmt;
use std::ops::Range;

use crate::decode::{METRIC_TYPES, Signal, key_value, value_is};

/// Which records a query wants. Everything that is set must hold.
///
/// The default asks for all records, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Filter {
    /// Spans and logs of this trace.
    pub trace_id: Option<[u8; 16]>,
    /// Records of this service.
    pub service: Option<String>,
    /// Spans, events or metrics with one of these names; empty means any.
    pub names: Vec<String>,
    /// Logs with this severity number or a higher one: 1 to 24.
    pub min_severity: Option<u8>,
    /// Logs with this severity number or a lower one.
    pub max_severity: Option<u8>,
    /// Spans with status error, logs with severity error (17) or above.
    pub errors_only: bool,
    /// Spans with this status: 0 unset, 1 ok, 2 error.
    pub status: Option<u8>,
    /// Spans that took at least this many nanoseconds.
    pub min_duration_ns: Option<u64>,
    /// Spans that took at most this many nanoseconds.
    pub max_duration_ns: Option<u64>,
    /// Records with this time or a later one, in nanoseconds since 1970. The time of a span is its begin.
    pub from_time_ns: Option<u64>,
    /// Records before this time.
    pub to_time_ns: Option<u64>,
    /// Attributes that the record, or the resource it came with, has.
    pub attributes: Vec<AttributeFilter>,
    /// Logs with this text in the body.
    pub text: Option<String>,
    /// Metric points of one of these types (`gauge`, `sum`, `histogram`, `exponential_histogram`, `summary`); empty
    /// means any.
    pub metric_types: Vec<MetricType>,
    /// Records with this sequence number or a later one.
    pub from_sequence: Option<u64>,
    /// Records before this sequence number. Together: between two snapshots, or on from where a cursor stopped.
    pub to_sequence: Option<u64>,
    /// Which end to begin at.
    pub order: Order,
    /// The most records to return, counted from the end that `order` begins at. `None`: all.
    pub limit: Option<usize>,
}

/// An attribute that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeFilter {
    /// Its name.
    pub key: String,
    /// Its value, as text (`42`, `true`, `GET`); `None`: any.
    pub value: Option<String>,
}

impl AttributeFilter {
    /// Whether a `KeyValue` message is this attribute.
    pub(crate) fn matches(&self, attribute: &[u8]) -> bool {
        let Ok((key, value)) = key_value(attribute) else { return false };
        key == self.key.as_bytes()
            && match (&self.value, value) {
                (None, _) => true,
                (Some(text), Some(value)) => value_is(&value, text),
                (Some(_), None) => false,
            }
    }
}

/// The order of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The newest record first.
    #[default]
    NewestFirst,
    /// The oldest record first.
    OldestFirst,
}

/// The types of metrics, by OTLP's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum MetricType {
    /// A value that goes up and down.
    Gauge = 1,
    /// A value that adds up.
    Sum = 2,
    /// Counts between explicit bounds.
    Histogram = 3,
    /// Counts in buckets that grow exponentially.
    ExponentialHistogram = 4,
    /// Quantiles.
    Summary = 5,
}

impl MetricType {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Gauge, Self::Sum, Self::Histogram, Self::ExponentialHistogram, Self::Summary];

    /// The name: `gauge`, `sum`, `histogram`, `exponential_histogram`, `summary`.
    #[must_use]
    pub fn name(self) -> &'static str {
        METRIC_TYPES[self as usize]
    }
}

/// A filter that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterError {
    /// This part of the filter does not apply to these records.
    NotFor(&'static str, Signal),
    /// A range ends before it begins.
    EmptyRange(&'static str),
    /// A parameter is unknown or has a value that cannot be read.
    Parameter {
        /// The parameter.
        name: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFor(part, signal) => {
                write!(f, "a filter on {part} does not apply to {}", signal.name())
            }
            Self::EmptyRange(part) => write!(f, "the range of {part} ends before it begins"),
            Self::Parameter { name, expected } => {
                write!(f, "parameter \"{name}\": expected {expected}")
            }
        }
    }
}

impl std::error::Error for FilterError {}

impl Filter {
    /// The same filter for a range of sequence numbers.
    #[must_use]
    pub fn within(mut self, sequences: Range<u64>) -> Self {
        (self.from_sequence, self.to_sequence) = (Some(sequences.start), Some(sequences.end));
        self
    }

    /// Whether the filter makes sense for these records.
    pub fn check(&self, signal: Signal) -> Result<(), FilterError> {
        let refuse =
            |set: bool, part| if set { Err(FilterError::NotFor(part, signal)) } else { Ok(()) };
        if signal != Signal::Traces {
            refuse(self.status.is_some(), "status")?;
            refuse(self.min_duration_ns.is_some() || self.max_duration_ns.is_some(), "duration")?;
        }
        if signal != Signal::Logs {
            refuse(self.min_severity.is_some() || self.max_severity.is_some(), "severity")?;
            refuse(self.text.is_some(), "text")?;
        }
        if signal != Signal::Metrics {
            refuse(!self.metric_types.is_empty(), "metric type")?;
        } else {
            refuse(self.trace_id.is_some(), "trace id")?;
            refuse(self.errors_only, "errors")?;
        }
        let ordered = |low: Option<u64>, high: Option<u64>, part| match (low, high) {
            (Some(low), Some(high)) if low > high => Err(FilterError::EmptyRange(part)),
            _ => Ok(()),
        };
        ordered(self.min_severity.map(u64::from), self.max_severity.map(u64::from), "severity")?;
        ordered(self.min_duration_ns, self.max_duration_ns, "duration")?;
        ordered(self.from_time_ns, self.to_time_ns, "time")
    }

    /// The classes (status, severity, type) that pass; `None` if all do.
    pub(crate) fn classes(&self, signal: Signal) -> Option<Vec<u8>> {
        match signal {
            Signal::Traces if self.status.is_some() || self.errors_only => Some(
                (0..=2)
                    .filter(|&code| self.status.is_none_or(|status| status == code))
                    .filter(|&code| !self.errors_only || code == 2)
                    .collect(),
            ),
            Signal::Logs
                if self.min_severity.is_some()
                    || self.max_severity.is_some()
                    || self.errors_only =>
            {
                let least =
                    self.min_severity.unwrap_or(0).max(if self.errors_only { 17 } else { 0 });
                Some((least..=self.max_severity.unwrap_or(24).min(24)).collect())
            }
            Signal::Metrics if !self.metric_types.is_empty() => {
                let mut types = self.metric_types.iter().map(|&t| t as u8).collect::<Vec<_>>();
                types.sort_unstable();
                types.dedup();
                Some(types)
            }
            _ => None,
        }
    }
}
