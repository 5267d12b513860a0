//! JSON to wire bytes, in one pass over the text: nothing is built in between, so a request takes no more memory than
//! its own size again. Depth is bounded by the parser (128).

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::decode::Signal;
use crate::encode::put_origin;
use crate::export::request_of;
use crate::schema::Kind::{
    Base64, Bool, Double, Fixed32, Fixed64, Hex, Int64, Message, PackedDouble, PackedFixed64,
    PackedUint64, Repeated, RepeatedText, SignedFixed64, Text, Uint, Zigzag32,
};
use crate::schema::{self, Field, Kind, Schema, unhex};
use crate::wire::Encode;

/// Converts the JSON text of a message. Unknown members are ignored, as OTLP asks. `Err` says what was wrong, and
/// where.
pub(crate) fn to_wire(schema: &'static Schema, json: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(json.len() / 2);
    let mut parser = serde_json::Deserializer::from_slice(json);
    let message = Members { schema, out: &mut out };
    message
        .deserialize(&mut parser)
        .and_then(|()| parser.end())
        .map_err(|error| error.to_string())?;
    Ok(out)
}

/// What a parser's error says, without its line: that would be one of a part of the request.
pub(crate) fn message_of(error: &str) -> &str {
    error.rfind(" at line ").map_or(error, |at| &error[..at])
}

/// The error with one more step, `.name` or `[3]`, of the way to what it is about. Behind the way, and a colon, stands what is
/// wrong there.
pub(crate) fn within<E: Error>(step: fmt::Arguments<'_>, error: &E) -> E {
    let what = error.to_string();
    if what.len() > LONGEST_WAY {
        return E::custom(what);
    }
    let colon = if what.starts_with(['.', '[']) { "" } else { ": " };
    E::custom(format_args!("{step}{colon}{what}"))
}

/// Of what lies deep, so many bytes of the innermost steps are told.
pub(crate) const LONGEST_WAY: usize = 300;

/// A text as it is quoted in an error.
pub(crate) fn shown(text: &str) -> &str {
    &text[..text.floor_char_boundary(40)]
}

/// A line of newline-delimited JSON, which is a record with what is known of its origin, as a request. `Err` says why it is
/// no record.
pub(crate) fn line_to_request(signal: Signal, line: &[u8]) -> Result<Vec<u8>, String> {
    /// What a line says of the origin where it is nothing but the service.
    #[derive(serde::Deserialize)]
    struct Plain<'a> {
        #[serde(borrow)]
        service: Option<Cow<'a, str>>,
    }
    let record = to_wire(schema::record(signal), line)?;
    if record.is_empty() {
        return Err("the line has no member of a record".to_owned());
    }
    let mut origin = to_wire(schema::origin(), line)?;
    if origin.is_empty() {
        let plain = serde_json::from_slice::<Plain<'_>>(line).map_err(|error| error.to_string())?;
        if let Some(service) = plain.service.filter(|service| !service.is_empty()) {
            put_origin(service.as_bytes(), &mut origin);
        }
    }
    let mut records = Vec::with_capacity(record.len() + 8);
    records.put_bytes(2, &record);
    Ok(request_of(&origin, &records))
}

/// An object as the contents of a message.
struct Members<'a> {
    schema: &'static Schema,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(field) = map.next_key_seed(Name(self.schema))? {
            match field {
                Some(field) => map
                    .next_value_seed(Member::new(field, self.out))
                    .map_err(|error| within(format_args!(".{}", field.name), &error))?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// The name of a member: which field it is.
pub(crate) struct Name(pub(crate) &'static Schema);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.fields.iter().find(|field| field.name == name))
    }
}

/// A number as it stands on the wire.
enum Raw {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
}

fn from_int(kind: Kind, value: i128) -> Option<Raw> {
    Some(match kind {
        Uint => Raw::Varint(u32::try_from(value).ok()?.into()),
        Fixed32 => Raw::Fixed32(u32::try_from(value).ok()?),
        Fixed64 | PackedFixed64 => Raw::Fixed64(u64::try_from(value).ok()?),
        PackedUint64 => Raw::Varint(u64::try_from(value).ok()?),
        Int64 => Raw::Varint(i64::try_from(value).ok()? as u64),
        SignedFixed64 => Raw::Fixed64(i64::try_from(value).ok()? as u64),
        Double | PackedDouble => Raw::Fixed64((value as f64).to_bits()),
        Zigzag32 => {
            let value = i32::try_from(value).ok()?;
            Raw::Varint(u64::from((value << 1 ^ value >> 31) as u32))
        }
        _ => return None,
    })
}

fn from_double(kind: Kind, value: f64) -> Option<Raw> {
    match kind {
        Double | PackedDouble => Some(Raw::Fixed64(value.to_bits())),
        // Some senders write whole numbers as 1.0.
        _ if value.fract() == 0.0 && value.abs() < 1e15 => from_int(kind, value as i128),
        _ => None,
    }
}

/// Integers of 64 bits are strings in JSON, as are "NaN", "Infinity" and "-Infinity".
fn from_text(kind: Kind, text: &str) -> Option<Raw> {
    match kind {
        Double | PackedDouble => from_double(kind, text.parse().ok()?),
        _ => from_int(kind, text.parse().ok()?),
    }
}

/// Protocol Buffers takes both alphabets, with padding and without.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

/// The value of a member, or an element of its list, with its tag.
pub(crate) struct Member<'a> {
    field: &'static Field,
    element: bool,
    out: &'a mut Vec<u8>,
}

impl<'a> Member<'a> {
    pub(crate) fn new(field: &'static Field, out: &'a mut Vec<u8>) -> Self {
        Self { field, element: false, out }
    }
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Member<'_> {
    fn wrong<E: Error>(&self, found: fmt::Arguments<'_>) -> E {
        E::custom(format_args!("{found} where OTLP has {}", self.wanted()))
    }

    fn wanted(&self) -> &'static str {
        match self.field.kind {
            Repeated(_) if !self.element => "a list",
            RepeatedText if !self.element => "a list of texts",
            PackedFixed64 | PackedDouble | PackedUint64 if !self.element => "a list of numbers",
            Message(_) | Repeated(_) => "an object",
            Text | RepeatedText => "a text",
            Base64 => "a text in base64",
            Hex(schema::TRACE_ID) => "32 hexadecimal digits",
            Hex(_) => "16 hexadecimal digits",
            Bool => "true or false",
            Uint | Fixed32 => "a whole number from 0 to 4294967295",
            Fixed64 | PackedFixed64 | PackedUint64 => {
                "a whole number from 0 to 18446744073709551615"
            }
            Int64 | SignedFixed64 => "a whole number of 64 bits",
            Zigzag32 => "a whole number of 32 bits",
            Double | PackedDouble => "a number",
        }
    }

    fn put<E: Error>(self, raw: Option<Raw>, found: fmt::Arguments<'_>) -> Result<(), E> {
        let is_packed = matches!(self.field.kind, PackedFixed64 | PackedDouble | PackedUint64);
        let number = self.field.number;
        // Lists of numbers have one tag for all, and nothing else has lists.
        match raw {
            Some(Raw::Varint(value)) if is_packed && self.element => self.out.put_varint(value),
            Some(Raw::Fixed64(value)) if is_packed && self.element => {
                self.out.extend_from_slice(&value.to_le_bytes())
            }
            Some(Raw::Varint(value)) if !is_packed => self.out.put_uint(number, value),
            Some(Raw::Fixed64(value)) if !is_packed => self.out.put_fixed64(number, value),
            Some(Raw::Fixed32(value)) if !is_packed => self.out.put_fixed32(number, value),
            _ => return Err(self.wrong(found)),
        }
        Ok(())
    }

    fn put_bytes<E: Error>(self, bytes: Option<&[u8]>, given: &str) -> Result<(), E> {
        match bytes {
            Some(bytes) => self.out.put_bytes(self.field.number, bytes),
            None => return Err(self.wrong(format_args!("{:?}", shown(given)))),
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what OTLP has for \"{}\"", self.field.name)
    }

    /// `null` is the same as leaving the member out.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        let raw = matches!(self.field.kind, Bool).then_some(Raw::Varint(u64::from(value)));
        self.put(raw, format_args!("{value}"))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        let raw = from_int(self.field.kind, i128::from(value));
        self.put(raw, format_args!("{value}"))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        let raw = from_int(self.field.kind, i128::from(value));
        self.put(raw, format_args!("{value}"))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        let raw = from_double(self.field.kind, value);
        self.put(raw, format_args!("{value}"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.field.kind {
            RepeatedText if !self.element => self.put_bytes(None, text),
            Text | RepeatedText => self.put_bytes(Some(text.as_bytes()), text),
            Hex(size) => {
                let id = unhex(text).filter(|id| id.is_empty() || id.len() == size);
                self.put_bytes(id.as_deref(), text)
            }
            Base64 => self.put_bytes(unbase64(text).as_deref(), text),
            kind => self.put(from_text(kind, text), format_args!("{:?}", shown(text))),
        }
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<(), M::Error> {
        let schema = match (self.field.kind, self.element) {
            (Message(schema), false) | (Repeated(schema), true) => schema,
            _ => return Err(self.wrong(format_args!("an object"))),
        };
        let mut result = Ok(());
        self.out
            .put_message(self.field.number, |out| result = Members { schema, out }.visit_map(map));
        result
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        let field = self.field;
        let mut elements = |out: &mut Vec<u8>| {
            for index in 0.. {
                let element = list.next_element_seed(Member { field, element: true, out });
                let element = element.map_err(|error| within(format_args!("[{index}]"), &error))?;
                if element.is_none() {
                    break;
                }
            }
            Ok(())
        };
        match field.kind {
            Repeated(_) | RepeatedText if !self.element => elements(self.out),
            PackedFixed64 | PackedDouble | PackedUint64 if !self.element => {
                let mut numbers = Vec::new();
                elements(&mut numbers)?;
                if !numbers.is_empty() {
                    self.out.put_bytes(field.number, &numbers);
                }
                Ok(())
            }
            _ => Err(self.wrong(format_args!("a list"))),
        }
    }
}
