//! A record as a reader sees it: its parts are looked up in the wire bytes when somebody asks for them.

use std::borrow::Cow;

use crate::core::{FLAG_OVERSIZE, Origin, Slot};
use crate::decode::{
    AnyValue, Signal, any_value, attributes, key_value, messages, point_of, resource_attributes,
};
use crate::input::{Number, Value as Input};
use crate::parts::trace_bytes;
use crate::wire::{Value, array, fields};

/// A record in an answer; what it points to is valid until the cursor moves on.
#[derive(Debug, Clone, Copy)]
pub struct RecordRef<'a> {
    pub(crate) signal: Signal,
    pub(crate) sequence: u64,
    pub(crate) slot: &'a Slot,
    pub(crate) origin: &'a Origin,
    pub(crate) wire: &'a [u8],
}

/// Parts of a record: see [`RecordRef::name_bytes`], [`RecordRef::span_id`] and [`RecordRef::parent_id`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its span.
    pub span_id: [u8; 8],
    /// The parent of its span.
    pub parent_id: [u8; 8],
}

impl<'a> RecordRef<'a> {
    /// What kind of record it is.
    #[must_use]
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// Its number: later records of the same kind have higher ones.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When it arrived here, in nanoseconds since 1970.
    #[must_use]
    pub fn arrival_ns(&self) -> u64 {
        self.slot.arrival
    }

    /// Its own time in nanoseconds since 1970: begin of a span, time of a log record (or when it was observed, if that is all
    /// that is known), time of a metric point.
    #[must_use]
    pub fn time_ns(&self) -> u64 {
        self.slot.time
    }

    /// The other time it has: end of a span, observed time of a log record, start time of a metric point.
    #[must_use]
    pub fn second_time_ns(&self) -> u64 {
        self.slot.end
    }

    /// The trace it belongs to; all zero means none.
    #[must_use]
    pub fn trace_id(&self) -> [u8; 16] {
        trace_bytes(self.slot.trace)
    }

    /// Status of a span, severity of a log record, type of a metric point, by their numbers.
    #[must_use]
    pub fn class(&self) -> u8 {
        self.slot.class
    }

    /// Kind of a span (0 to 5); 0 for other records.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.slot.kind
    }

    /// Whether the record was larger than a record may be, so that only a placeholder is left.
    #[must_use]
    pub fn is_placeholder(&self) -> bool {
        self.slot.flags & FLAG_OVERSIZE != 0
    }

    /// Who sent it.
    #[must_use]
    pub fn service(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.service_bytes())
    }

    /// Who sent it, as the sender wrote it, valid text or not.
    #[must_use]
    pub fn service_bytes(&self) -> &'a [u8] {
        &self.origin.extra.service_entry.key
    }

    /// Name of the span, event or metric, as the sender wrote it; empty if there is none.
    #[must_use]
    pub fn name_bytes(&self) -> &'a [u8] {
        self.field(match self.signal {
            Signal::Traces => 5,
            Signal::Logs => 12,
            Signal::Metrics => 1,
        })
    }

    /// The span's own id, or the span that a log record belongs to; all zero means none.
    #[must_use]
    pub fn span_id(&self) -> [u8; 8] {
        match self.signal {
            Signal::Traces => array(self.field(2)),
            Signal::Logs => array(self.field(10)),
            Signal::Metrics => [0; 8],
        }
    }

    /// The span that this one is a part of; all zero means none.
    #[must_use]
    pub fn parent_id(&self) -> [u8; 8] {
        if self.signal == Signal::Traces { array(self.field(4)) } else { [0; 8] }
    }

    /// Name, span id and parent id, found in one go.
    #[must_use]
    pub fn parts(&self) -> Parts<'a> {
        // No field has the number 0.
        let (name, span, parent) = match self.signal {
            Signal::Traces => (5, 2, 4),
            Signal::Logs => (12, 10, 0),
            Signal::Metrics => (1, 0, 0),
        };
        let mut parts = Parts::default();
        for field in fields(self.wire) {
            let Ok((number, Value::Bytes(bytes))) = field else { continue };
            if number == name {
                parts.name = bytes;
            } else if number == span {
                parts.span_id = array(bytes);
            } else if number == parent {
                parts.parent_id = array(bytes);
            }
        }
        parts
    }

    /// The message of a log record, if it is a text.
    #[must_use]
    pub fn body_bytes(&self) -> Option<&'a [u8]> {
        if self.signal != Signal::Logs {
            return None;
        }
        match any_value(self.field(5)) {
            Ok(Some(AnyValue::Str(text))) => Some(text),
            _ => None,
        }
    }

    /// The value of a gauge or sum; `None` for other records and for points without a recorded value.
    #[must_use]
    pub fn number(&self) -> Option<Number> {
        if self.signal != Signal::Metrics {
            return None;
        }
        let (1 | 2, point) = point_of(self.wire)? else { return None };
        fields(point).flatten().find_map(|field| match field {
            (4, Value::Fixed64(bits)) => Some(Number::Double(f64::from_bits(bits))),
            (6, Value::Fixed64(bits)) => Some(Number::Int(bits as i64)),
            _ => None,
        })
    }

    /// The value of an attribute of the record, or of the resource it came with. Lists and maps come as the bytes of
    /// OTLP's messages for them.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<Input<'a>> {
        let own = attributes(self.signal, self.wire);
        let mut all =
            own.chain(resource_attributes(&self.origin.key)).filter_map(|a| key_value(a).ok());
        let value =
            all.find_map(|(name, value)| (name == key.as_bytes()).then_some(value)).flatten()?;
        Some(match value {
            AnyValue::Str(text) => match std::str::from_utf8(text) {
                Ok(text) => Input::Str(text),
                Err(_) => Input::Bytes(text),
            },
            AnyValue::Bool(value) => Input::Bool(value),
            AnyValue::Int(value) => Input::Int(value),
            AnyValue::Double(value) => Input::Double(value),
            AnyValue::Bytes(bytes) => Input::Bytes(bytes),
            AnyValue::Array(message) | AnyValue::Map(message) => Input::Bytes(message),
        })
    }

    /// The bytes of a field; of several the last counts.
    fn field(&self, number: u32) -> &'a [u8] {
        messages(self.wire, number).last().unwrap_or_default()
    }

    /// The record as OTLP's `Span`, `LogRecord` or `Metric` (with one point) message.
    #[must_use]
    pub fn wire(&self) -> &'a [u8] {
        self.wire
    }

    /// Resource (field 1), scope (field 2) and their schema URLs (fields 3 and 4) as one message.
    pub(crate) fn origin(&self) -> &'a [u8] {
        &self.origin.key
    }
}
