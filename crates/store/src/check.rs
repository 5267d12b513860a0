//! Whether messages are OTLP's: their framing, and that each field which OTLP knows has a wire type that it can have, and each id
//! the length of an id, as deep as anybody looks. What OTLP does not know is passed over. Each field is looked at once, so this takes
//! time in proportion to the message.

use crate::schema::Kind::{
    Base64, Bool, Double, Fixed32, Fixed64, Hex, Int64, Message, PackedDouble, PackedFixed64,
    PackedUint64, Repeated, RepeatedText, SignedFixed64, Text, Uint, Zigzag32,
};
use crate::schema::{Kind, Schema};
use crate::wire::{Value, WireError, fields, varints};

/// Messages nested deeper than this are not looked into, here as in the conversion to JSON. A value may be nested some 30 deep: each
/// level of a map takes three.
pub(crate) const MAX_DEPTH: usize = 100;

/// A message inside of another: what it is, and its bytes.
pub(crate) type Inner<'a> = (&'static Schema, &'a [u8]);

impl Kind {
    /// Whether a field of this kind can have the value; if the value is a message, what is in it is still to be checked.
    #[inline]
    pub(crate) fn check(self, value: Value<'_>) -> Result<Option<Inner<'_>>, WireError> {
        match (self, value) {
            (Message(inner) | Repeated(inner), Value::Bytes(message)) => Ok(Some((inner, message))),
            (Hex(size), Value::Bytes(id)) if !id.is_empty() && id.len() != size => {
                Err(WireError::IdLength)
            }
            (Text | Base64 | Hex(_) | RepeatedText, Value::Bytes(_))
            | (Bool | Uint | Int64 | Zigzag32, Value::Varint(_))
            | (Fixed32, Value::Fixed32(_))
            | (Fixed64 | SignedFixed64 | Double, Value::Fixed64(_))
            // Numbers of a list may also come one by one.
            | (PackedFixed64 | PackedDouble, Value::Fixed64(_))
            | (PackedUint64, Value::Varint(_)) => Ok(None),
            (PackedFixed64 | PackedDouble, Value::Bytes(list)) => {
                if list.len().is_multiple_of(8) { Ok(None) } else { Err(WireError::Truncated) }
            }
            (PackedUint64, Value::Bytes(list)) => {
                varints(list).try_for_each(|number| number.map(drop)).map(|()| None)
            }
            _ => Err(WireError::WireType),
        }
    }
}

/// Checks a message and what is in it.
pub(crate) fn check(schema: &Schema, message: &[u8]) -> Result<(), WireError> {
    check_at(schema, message, 0)
}

fn check_at(schema: &Schema, message: &[u8], depth: usize) -> Result<(), WireError> {
    let mut rest = fields(message);
    loop {
        while rest.pass_attribute(schema.attributes) {}
        let Some(field) = rest.next() else { return Ok(()) };
        let (number, value) = field?;
        if !schema.is_plain(number, value) {
            check_in(schema, number, value, depth)?;
        }
    }
}

/// Checks a field of a message and what is in it.
#[inline(always)]
pub(crate) fn check_field(schema: &Schema, number: u32, value: Value<'_>) -> Result<(), WireError> {
    if schema.is_plain(number, value) { Ok(()) } else { check_in(schema, number, value, 0) }
}

#[inline(never)]
fn check_in(schema: &Schema, number: u32, value: Value<'_>, depth: usize) -> Result<(), WireError> {
    let Some(field) = schema.field(number) else { return Ok(()) };
    match field.kind.check(value)? {
        Some((inner, message)) if depth < MAX_DEPTH => check_at(inner, message, depth + 1),
        _ => Ok(()),
    }
}

/// Whether a value is a text of less than 128 bytes and nothing else, as the bodies of most log records are.
#[inline(always)]
pub(crate) fn is_text(value: &[u8]) -> bool {
    matches!(value, [0x0a, len @ ..0x80, text @ ..] if text.len() == usize::from(*len))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::schema::KEY_VALUE;
    use crate::wire::Encode;

    /// What is behind the attribute that a message begins with, if it is passed over.
    fn passed(message: &[u8]) -> Option<Vec<(u32, Value<'_>)>> {
        let mut rest = fields(message);
        rest.pass_attribute(9).then(|| rest.flatten().collect())
    }

    /// Attributes, with one byte changed to each other value in turn: what is passed over at a glance is right, and whole.
    #[test]
    fn an_attribute_that_is_right_at_a_glance_is_right() {
        let value = |put: &dyn Fn(&mut Vec<u8>)| {
            let mut value = Vec::new();
            put(&mut value);
            value
        };
        let slow = [value(&|out| out.put_bytes(7, b"bytes")), value(&|out| out.put_bytes(5, &[]))];
        let mut values =
            vec![value(&|out| out.put_uint(2, 1)), value(&|out| out.put_fixed64(4, 1))];
        for number in [0, 127, 128, 1 << 14, 1 << 40, u64::MAX] {
            values.push(value(&|out| out.put_uint(3, number)));
        }
        for text in [0, 1, 2, 20, 100, 110, 118, 119, 120, 121, 122, 125, 126, 127, 128, 200, 256] {
            values.push(value(&|out| out.put_bytes(1, &vec![b't'; text])));
        }
        values.extend(slow.clone());
        let keys = [0, 1, 9, 110, 127, 128, 200];
        for (key, value) in
            keys.iter().flat_map(|key| values.iter().map(move |value| (*key, value)))
        {
            let (mut attribute, mut field) = (Vec::new(), Vec::new());
            attribute.put_bytes(1, &vec![b'k'; key]);
            attribute.put_bytes(2, value);
            field.put_bytes(9, &attribute);
            let len = field.len();
            field.extend_from_slice(&[0x50, 1, 0x50, 2]);
            let behind = vec![(10, Value::Varint(1)), (10, Value::Varint(2))];
            let is_quick = attribute.len() < 128 && !slow.contains(value);
            assert_eq!(passed(&field), is_quick.then(|| behind.clone()), "{key} {value:?}");
            assert_eq!(check(&KEY_VALUE, &attribute), Ok(()));
            for at in 0..len {
                // A letter is as good as any other.
                if matches!(field[at], b'k' | b't') && !at.is_multiple_of(8) {
                    continue;
                }
                for byte in 0..=255 {
                    let mut field = field.clone();
                    field[at] = byte;
                    let mut rest = fields(&field);
                    if rest.pass_attribute(9) {
                        let Some(Ok((9, Value::Bytes(passed)))) = fields(&field).next() else {
                            panic!("{key} {at} {byte}: no attribute");
                        };
                        assert_eq!(check(&KEY_VALUE, passed), Ok(()), "{key} {at} {byte}");
                        let mut whole = fields(&field);
                        whole.next();
                        assert!(whole.eq(rest), "{key} {at} {byte}");
                    }
                }
            }
            for cut in 0..len {
                assert_eq!(passed(&field[..cut]), None, "{key} {value:?} {cut}");
            }
        }
    }
}
