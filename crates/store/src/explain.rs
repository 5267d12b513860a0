//! What is wrong with bytes that were refused, in words: which field, and why. Only what was refused comes here, so it is read
//! once more by the tables of OTLP's messages, instead of by the code that must be fast.

use crate::schema::Kind::{
    Base64, Bool, Double, Fixed32, Fixed64, Hex, Int64, Message, PackedDouble, PackedFixed64,
    PackedUint64, Repeated, RepeatedText, SignedFixed64, Text, Uint, Zigzag32,
};
use crate::schema::{Field, Schema};
use crate::wire::{Value, fields};

/// How deep a record is looked into: as far as there are ids, those of a metric's exemplars.
pub(crate) const RECORD: usize = 3;
/// The fields themselves, and not what is in them.
pub(crate) const SHALLOW: usize = 0;

/// The first thing that is wrong with a message: the way to it (`.links[2].traceId`) and, behind a colon, what it is.
/// `None` if nothing is.
pub(crate) fn explain(schema: &Schema, message: &[u8], depth: usize) -> Option<String> {
    fields(message).enumerate().find_map(|(i, field)| {
        let (number, value) = match field {
            Ok(field) => field,
            Err(error) => return Some(format!(": {error}")),
        };
        let field = schema.0.iter().find(|field| field.number == number)?;
        let what = wrong_with(field, value, depth)?;
        Some(if matches!(field.kind, Repeated(_)) {
            let before = fields(message).take(i).flatten().filter(|(other, _)| *other == number);
            format!(".{}[{}]{what}", field.name, before.count())
        } else {
            format!(".{}{what}", field.name)
        })
    })
}

fn wrong_with(field: &Field, value: Value<'_>, depth: usize) -> Option<String> {
    match (field.kind, value) {
        (Hex(size), Value::Bytes(id)) if !id.is_empty() && id.len() != size => {
            Some(format!(": {} bytes where OTLP has {size}", id.len()))
        }
        (Message(inner) | Repeated(inner), Value::Bytes(message)) if depth > 0 => {
            explain(inner, message, depth - 1)
        }
        (Text | Base64 | Hex(_) | Message(_) | Repeated(_) | RepeatedText, Value::Bytes(_))
        | (Bool | Uint | Int64 | Zigzag32, Value::Varint(_))
        | (Fixed32, Value::Fixed32(_))
        | (Fixed64 | SignedFixed64 | Double, Value::Fixed64(_))
        // Numbers of a list may also come one by one.
        | (PackedFixed64 | PackedDouble, Value::Bytes(_) | Value::Fixed64(_))
        | (PackedUint64, Value::Bytes(_) | Value::Varint(_)) => None,
        _ => Some(": its wire type is not the one that OTLP gives it".to_owned()),
    }
}
