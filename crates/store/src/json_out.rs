//! Wire bytes to JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Number, Value as Json};

use crate::check::MAX_DEPTH;
use crate::schema::Kind::{
    Base64, Bool, Double, Fixed32, Fixed64, Hex, Int64, Message, PackedDouble, PackedFixed64,
    PackedUint64, Repeated, RepeatedText, SignedFixed64, Text, Uint, Zigzag32,
};
use crate::schema::{Field, Kind, Schema, hex};
use crate::wire::{Value, fields};

/// Wire bytes as the JSON object that `schema` describes. Fields that are unknown or damaged are left out.
pub(crate) fn to_json(schema: &Schema, message: &[u8]) -> Map<String, Json> {
    message_to_json(schema, message, 0)
}

fn message_to_json(schema: &Schema, message: &[u8], depth: usize) -> Map<String, Json> {
    let mut members = Map::new();
    if depth > MAX_DEPTH {
        return members;
    }
    for (number, value) in fields(message).flatten() {
        let Some(field) = schema.field(number) else { continue };
        let Some(json) = value_to_json(field.kind, value, depth) else { continue };
        match field.kind {
            Repeated(_) | RepeatedText => match members.get_mut(field.name) {
                Some(Json::Array(list)) => list.push(json),
                _ => {
                    members.insert(field.name.to_owned(), Json::Array(vec![json]));
                }
            },
            // Lists of numbers may come in parts, down to one by one.
            PackedFixed64 | PackedDouble | PackedUint64 => {
                match (members.get_mut(field.name), json) {
                    (Some(Json::Array(list)), Json::Array(more)) => list.extend(more),
                    (_, json) => drop(members.insert(field.name.to_owned(), json)),
                }
            }
            _ => {
                members.insert(field.name.to_owned(), json);
            }
        }
    }
    // Readers rely on these, also when they are empty.
    match schema.fields {
        [Field { name: "values", kind: Repeated(_), .. }] => {
            members.entry("values").or_insert_with(|| Json::Array(Vec::new()));
        }
        [Field { name: "key", .. }, _] => {
            members.entry("key").or_insert_with(|| "".into());
        }
        _ => {}
    }
    members
}

fn value_to_json(kind: Kind, value: Value<'_>, depth: usize) -> Option<Json> {
    Some(match (kind, value) {
        (Text | RepeatedText, Value::Bytes(text)) => String::from_utf8_lossy(text).into(),
        (Base64, Value::Bytes(bytes)) => BASE64.encode(bytes).into(),
        (Hex(_), Value::Bytes(bytes)) => hex(bytes).into(),
        (Bool, Value::Varint(value)) => (value != 0).into(),
        // 32 bits count: of a negative number of an enum the others are the sign.
        (Uint, Value::Varint(value)) => (value as u32).into(),
        (Int64, Value::Varint(value)) => (value as i64).to_string().into(),
        (Zigzag32, Value::Varint(value)) => {
            let value = value as u32;
            ((value >> 1) as i32 ^ -((value & 1) as i32)).into()
        }
        (Fixed32, Value::Fixed32(value)) => value.into(),
        (Fixed64, Value::Fixed64(value)) => value.to_string().into(),
        (SignedFixed64, Value::Fixed64(value)) => (value as i64).to_string().into(),
        (Double, Value::Fixed64(value)) => double_to_json(value),
        (PackedFixed64, Value::Fixed64(value)) => Json::Array(vec![value.to_string().into()]),
        (PackedDouble, Value::Fixed64(value)) => Json::Array(vec![double_to_json(value)]),
        (PackedUint64, Value::Varint(value)) => Json::Array(vec![value.to_string().into()]),
        (PackedFixed64, Value::Bytes(bytes)) => {
            words(bytes).map(|word| word.to_string().into()).collect::<Vec<Json>>().into()
        }
        (PackedDouble, Value::Bytes(bytes)) => {
            words(bytes).map(double_to_json).collect::<Vec<_>>().into()
        }
        (PackedUint64, Value::Bytes(bytes)) => crate::wire::varints(bytes)
            .flatten()
            .map(|value| value.to_string().into())
            .collect::<Vec<Json>>()
            .into(),
        (Message(schema) | Repeated(schema), Value::Bytes(bytes)) => {
            message_to_json(schema, bytes, depth + 1).into()
        }
        _ => return None,
    })
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks_exact(8).map(|chunk| u64::from_le_bytes(crate::wire::array(chunk)))
}

fn double_to_json(bits: u64) -> Json {
    let value = f64::from_bits(bits);
    Number::from_f64(value).map_or_else(
        || {
            if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            }
            .into()
        },
        Json::Number,
    )
}
