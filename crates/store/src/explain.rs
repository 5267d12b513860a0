//! What is wrong with bytes that were refused, in words: which field, and why. Only what was refused comes here, so it is read
//! once more, instead of by the code that must be fast.

use crate::check::MAX_DEPTH;
use crate::json_in::LONGEST_WAY;
use crate::schema::Kind::{Hex, Repeated, RepeatedText};
use crate::schema::{Field, Schema};
use crate::wire::{Value, WireError, fields};

/// The first thing that is wrong with a message: the way to it (`.links[2].traceId`) and, behind a colon, what it is. `None` if
/// nothing is. The messages that it holds in the field with the number `without` are not looked into; no field has the number 0.
pub(crate) fn explain(schema: &Schema, message: &[u8], without: u32) -> Option<String> {
    explain_at(schema, message, without, 0)
}

fn explain_at(schema: &Schema, message: &[u8], without: u32, depth: usize) -> Option<String> {
    fields(message).enumerate().find_map(|(i, field)| {
        let (number, value) = match field {
            Ok(field) => field,
            Err(error) => return Some(format!(": {error}")),
        };
        let field = schema.field(number)?;
        let what = match field.kind.check(value) {
            Err(error) => format!(": {}", in_words(field, value, error)),
            Ok(Some((inner, message))) if number != without && depth < MAX_DEPTH => {
                explain_at(inner, message, 0, depth + 1)?
            }
            Ok(_) => return None,
        };
        if what.len() > LONGEST_WAY {
            return Some(what);
        }
        Some(if matches!(field.kind, Repeated(_) | RepeatedText) {
            let before = fields(message).take(i).flatten().filter(|(other, _)| *other == number);
            format!(".{}[{}]{what}", field.name, before.count())
        } else {
            format!(".{}{what}", field.name)
        })
    })
}

fn in_words(field: &Field, value: Value<'_>, error: WireError) -> String {
    match (error, field.kind, value) {
        (WireError::WireType, ..) => "its wire type is not the one that OTLP gives it".to_owned(),
        (WireError::IdLength, Hex(size), Value::Bytes(id)) => {
            format!("{} bytes where OTLP has {size}", id.len())
        }
        _ => error.to_string(),
    }
}
