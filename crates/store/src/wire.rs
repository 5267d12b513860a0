//! Protocol Buffers as they are on the wire: just enough to walk the fields of a message and to write one.
//!
//! Records are kept as the bytes that OpenTelemetry defines for them (`opentelemetry-proto` 1.x, `trace.proto`, `logs.proto`,
//! `metrics.proto`; the encoding is <https://protobuf.dev/programming-guides/encoding/>), so nothing a client sent is
//! lost and exporting is copying. Nothing here allocates or recurses.

use std::fmt;

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireError {
    /// The message ends inside a field.
    Truncated,
    /// A variable-length integer has more than ten bytes.
    Varint,
    /// A field has the number 0 or one above 2^29 - 1.
    FieldNumber,
    /// A field has a wire type that OTLP does not use (groups), or not the one that its number should have.
    WireType,
    /// The id of a trace has neither 16 bytes nor none, or that of a span neither 8 nor none.
    IdLength,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the message ends inside a field",
            Self::Varint => "a variable-length integer has more than ten bytes",
            Self::FieldNumber => "a field number is out of range",
            Self::WireType => "a field has a wire type that does not belong to it",
            Self::IdLength => "an id has another length than ids have",
        })
    }
}

impl std::error::Error for WireError {}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// Wire types, a bit each.
pub(crate) mod wire_type {
    pub(crate) const VARINT: u8 = 1;
    pub(crate) const FIXED64: u8 = 2;
    pub(crate) const BYTES: u8 = 4;
    pub(crate) const FIXED32: u8 = 8;
}

impl<'a> Value<'a> {
    #[inline(always)]
    pub(crate) fn wire_type(&self) -> u8 {
        match self {
            Self::Varint(_) => wire_type::VARINT,
            Self::Fixed64(_) => wire_type::FIXED64,
            Self::Bytes(_) => wire_type::BYTES,
            Self::Fixed32(_) => wire_type::FIXED32,
        }
    }

    pub(crate) fn bytes(self) -> Result<&'a [u8], WireError> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(WireError::WireType) }
    }

    pub(crate) fn fixed64(self) -> Result<u64, WireError> {
        if let Self::Fixed64(value) = self { Ok(value) } else { Err(WireError::WireType) }
    }

    pub(crate) fn varint(self) -> Result<u64, WireError> {
        if let Self::Varint(value) = self { Ok(value) } else { Err(WireError::WireType) }
    }
}

/// The fields of a message, in order. After an error it ends.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

pub(crate) fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

impl<'a> Fields<'a> {
    // Inlined always: what a caller does not want of a field then costs nothing.
    #[inline(always)]
    fn varint(&mut self) -> Result<u64, WireError> {
        // One byte is by far the most frequent, then two.
        if let [first, rest @ ..] = self.rest
            && *first < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(*first));
        }
        if let [first, second, rest @ ..] = self.rest
            && *second < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(first & 0x7f) | u64::from(*second) << 7);
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for (i, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { WireError::Truncated } else { WireError::Varint })
    }

    #[inline(always)]
    fn take(&mut self, len: u64) -> Result<&'a [u8], WireError> {
        let len = usize::try_from(len).map_err(|_| WireError::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The bytes of the next field, if it is the length-delimited one below 16 that is expected, of less than 16 KiB. If it is
    /// anything else nothing happens.
    #[inline(always)]
    pub(crate) fn expected(&mut self, number: u32) -> Option<&'a [u8]> {
        let (len, rest) = match self.rest {
            [tag, len @ ..0x80, rest @ ..] if u32::from(*tag) == number << 3 | 2 => {
                (usize::from(*len), rest)
            }
            [tag, low, high @ ..0x80, rest @ ..] if u32::from(*tag) == number << 3 | 2 => {
                (usize::from(low & 0x7f) | usize::from(*high) << 7, rest)
            }
            _ => return None,
        };
        let (bytes, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    /// Passes over the next field if it is the length-delimited one below 16 that is expected, an attribute of less than 128 bytes, and it
    /// is seen at a glance that nothing is wrong with it: key and value, in this order, and the value is a text, as most are, or a number.
    /// If it is anything else nothing happens.
    #[inline(always)]
    pub(crate) fn pass_attribute(&mut self, number: u32) -> bool {
        // Four bytes at a time: tag and length of the attribute, both of the key; further on both of the value and of its text.
        let Some(head) = self.rest.first_chunk::<4>() else { return false };
        if u32::from_le_bytes(*head) & 0x80ff_80ff != 0x000a_0000 | number << 3 | 2 {
            return false;
        }
        let [_, len, _, key] = head.map(usize::from);
        let Some((attribute, rest)) = self.rest.split_at_checked(2 + len) else { return false };
        let Some(text) = attribute.len().checked_sub(key + 8) else { return false };
        let value = &attribute[key + 4..];
        if u32::from_le_bytes(array(&value[..4])) != 0x000a_0212 + text as u32 * 0x0100_0100
            && !is_number(value)
        {
            return false;
        }
        self.rest = rest;
        true
    }

    #[inline(always)]
    fn field(&mut self) -> Result<(u32, Value<'a>), WireError> {
        // Texts, ids and messages of up to 127 bytes are most of what there is.
        if let [tag @ 8..0x80, len @ ..0x80, rest @ ..] = self.rest
            && tag & 7 == 2
            && let Some((bytes, rest)) = rest.split_at_checked(usize::from(*len))
        {
            self.rest = rest;
            return Ok((u32::from(tag >> 3), Value::Bytes(bytes)));
        }
        let tag = self.varint()?;
        // Numbers from 1 to 2^29 - 1, and three bits for the type.
        if !(1 << 3..1 << 32).contains(&tag) {
            return Err(WireError::FieldNumber);
        }
        let number = (tag >> 3) as u32;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(array(self.take(8)?))),
            2 => {
                let len = self.varint()?;
                Value::Bytes(self.take(len)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(array(self.take(4)?))),
            _ => return Err(WireError::WireType),
        };
        Ok((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), WireError>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Whether this is the field of an attribute's value, and the value a number, or true or false.
#[inline(always)]
fn is_number(value: &[u8]) -> bool {
    let [0x12, len, tag, number @ ..] = value else { return false };
    usize::from(*len) == number.len() + 1
        && match (tag, number) {
            (0x10 | 0x18, [..0x80] | [0x80..=0xff, ..0x80]) | (0x21, [_, _, _, _, _, _, _, _]) => {
                true
            }
            (0x10 | 0x18, [others @ .., ..0x80]) if others.len() < 10 => {
                others.iter().all(|&byte| byte >= 0x80)
            }
            _ => false,
        }
}

/// The bytes as an array; short input is filled with zeros, long input cut.
#[inline]
pub(crate) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    if let Some(whole) = bytes.first_chunk() {
        return *whole;
    }
    let mut array = [0; N];
    array[..bytes.len()].copy_from_slice(bytes);
    array
}

/// Appends the fields of a message.
pub(crate) trait Encode {
    fn put_varint(&mut self, value: u64);
    fn put_tag(&mut self, number: u32, wire_type: u32);
    /// A varint field, also when it is 0.
    fn put_uint(&mut self, number: u32, value: u64);
    fn put_fixed64(&mut self, number: u32, value: u64);
    fn put_fixed32(&mut self, number: u32, value: u32);
    fn put_bytes(&mut self, number: u32, value: &[u8]);
    /// The tag and length of a field whose `len` bytes follow.
    fn put_len(&mut self, number: u32, len: usize);
    /// A field with a value of whichever wire type.
    fn put_value(&mut self, number: u32, value: Value<'_>);
    /// A message field whose contents `f` appends.
    fn put_message(&mut self, number: u32, f: impl FnOnce(&mut Self));
}

impl Encode for Vec<u8> {
    #[inline]
    fn put_varint(&mut self, mut value: u64) {
        // Written out for what is by far the most frequent: numbers of one and two bytes.
        if value < 0x80 {
            return self.push(value as u8);
        }
        if value < 0x4000 {
            return self.extend_from_slice(&[value as u8 | 0x80, (value >> 7) as u8]);
        }
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    #[inline]
    fn put_tag(&mut self, number: u32, wire_type: u32) {
        self.put_varint(u64::from(number << 3 | wire_type));
    }

    #[inline]
    fn put_uint(&mut self, number: u32, value: u64) {
        self.put_tag(number, 0);
        self.put_varint(value);
    }

    #[inline]
    fn put_fixed64(&mut self, number: u32, value: u64) {
        if number >= 16 {
            self.put_tag(number, 1);
            return self.extend_from_slice(&value.to_le_bytes());
        }
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        self.extend_from_slice(&[(number << 3 | 1) as u8, a, b, c, d, e, f, g, h]);
    }

    fn put_fixed32(&mut self, number: u32, value: u32) {
        self.put_tag(number, 5);
        self.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    fn put_len(&mut self, number: u32, len: usize) {
        if number < 16 && len < 0x80 {
            return self.extend_from_slice(&[(number << 3 | 2) as u8, len as u8]);
        }
        if number < 16 && len < 0x4000 {
            let tag = (number << 3 | 2) as u8;
            return self.extend_from_slice(&[tag, len as u8 | 0x80, (len >> 7) as u8]);
        }
        self.put_tag(number, 2);
        self.put_varint(len as u64);
    }

    #[inline]
    fn put_bytes(&mut self, number: u32, value: &[u8]) {
        self.put_len(number, value.len());
        self.extend_from_slice(value);
    }

    fn put_value(&mut self, number: u32, value: Value<'_>) {
        match value {
            Value::Varint(value) => self.put_uint(number, value),
            Value::Fixed64(value) => self.put_fixed64(number, value),
            Value::Bytes(bytes) => self.put_bytes(number, bytes),
            Value::Fixed32(value) => self.put_fixed32(number, value),
        }
    }

    fn put_message(&mut self, number: u32, f: impl FnOnce(&mut Self)) {
        self.put_tag(number, 2);
        // Most messages are shorter than 128 bytes: leave one byte for the
        // length and move the contents only when more are needed.
        let at = self.len();
        self.push(0);
        f(self);
        let len = self.len() - at - 1;
        if len < 0x80 {
            self[at] = len as u8;
            return;
        }
        let mut prefix = [0_u8; 10];
        let mut used = 0;
        let mut rest = len as u64;
        while rest > 0 {
            prefix[used] = (rest & 0x7f) as u8 | if rest >= 0x80 { 0x80 } else { 0 };
            rest >>= 7;
            used += 1;
        }
        self.splice(at..=at, prefix[..used].iter().copied());
    }
}

/// The numbers of a packed field. After an error it ends.
pub(crate) fn varints(bytes: &[u8]) -> impl Iterator<Item = Result<u64, WireError>> {
    let mut fields = fields(bytes);
    std::iter::from_fn(move || {
        if fields.rest.is_empty() {
            return None;
        }
        let number = fields.varint();
        if number.is_err() {
            fields.rest = &[];
        }
        Some(number)
    })
}
