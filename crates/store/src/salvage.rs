//! The good records of a JSON request in which something is wrong.
//!
//! Reading a request in one pass ends at the first mistake. Then it is read once more, here, part by part: requests, resources
//! and scopes are walked, and each record is converted on its own, so that one that cannot be read is refused alone, as it
//! is in Protocol Buffers. The walk goes no deeper than records lie, holds no lists, and passes over what it does not
//! want without recursion, so it takes time and memory in proportion to the text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::decode::{METRIC_FIELDS, Signal};
use crate::json_in::{Member, Name, message_of, shown, to_wire, within};
use crate::schema::{self, Field, Kind, Schema};
use crate::wire::Encode;

/// What could be saved of a request.
pub(crate) struct Salvaged {
    /// A request with the good records, as wire bytes.
    pub(crate) wire: Vec<u8>,
    /// How many could not be read.
    pub(crate) lost: u64,
    /// What was wrong with the first of them.
    pub(crate) reason: String,
}

/// Saves what is good in a request. `Err` if it is no JSON, or no request: an object with a list of resources.
pub(crate) fn salvage(signal: Signal, body: &[u8]) -> Result<Salvaged, String> {
    let body = mended(body).map_or(Cow::Borrowed(body), Cow::Owned);
    let request: &RawValue = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    let levels = levels(signal);
    let mut walk = Walk { levels, way: Vec::new(), lost: 0, reason: String::new() };
    let mut wire = Vec::with_capacity(body.len() / 2);
    let result = walk.container(schema::request(signal), 0, request, &mut wire);
    result.map_err(|reason| reason.trim_start_matches('.').to_owned())?;
    Ok(Salvaged { wire, lost: walk.lost, reason: walk.reason })
}

/// The fields that lead from the request to its records, level by level. Records of metrics are their points.
fn levels(signal: Signal) -> &'static [&'static [u32]] {
    static METRICS: [&[u32]; 5] = [&[1], &[2], &[2], METRIC_FIELDS.split_at(1).1, &[1]];
    match signal {
        Signal::Traces | Signal::Logs => &METRICS[..3],
        Signal::Metrics => &METRICS,
    }
}

struct Walk {
    levels: &'static [&'static [u32]],
    /// To what is at hand: members, and which element of their list, if they have one.
    way: Vec<(&'static str, Option<usize>)>,
    lost: u64,
    reason: String,
}

impl Walk {
    /// Counts records that are lost; `what` is the way from what is at hand, and what is wrong there.
    fn lose(&mut self, records: u64, what: &str) {
        if self.lost == 0 && records > 0 {
            let way = self.way.iter().map(|(name, index)| match index {
                Some(index) => format!("{name}[{index}]"),
                None => (*name).to_owned(),
            });
            let colon = if what.starts_with(['.', '[']) { "" } else { ": " };
            self.reason = format!("{}{colon}{what}", way.collect::<Vec<_>>().join("."));
        }
        self.lost += records;
    }

    /// A record, or what holds records, as field `number` of `out`. Returns how many records were saved.
    fn part(
        &mut self,
        schema: &'static Schema,
        level: usize,
        json: &RawValue,
        number: u32,
        out: &mut Vec<u8>,
    ) -> u64 {
        match json.get().as_bytes().first() {
            Some(b'{') => {}
            Some(b'n') => return 0,
            _ => {
                self.lose(1, &format!("{} where OTLP has an object", found(json)));
                return 0;
            }
        }
        if level == self.levels.len() {
            return match to_wire(schema, json.get().as_bytes()) {
                Ok(record) => {
                    out.put_bytes(number, &record);
                    1
                }
                Err(reason) => {
                    self.lose(1, message_of(&reason));
                    0
                }
            };
        }
        let mut inner = Vec::new();
        let (lost, mut saved) = (self.lost, 0);
        match self.container(schema, level, json, &mut inner) {
            Ok(records) => {
                saved = records;
                out.put_bytes(number, &inner);
            }
            Err(reason) => self.lose(u64::from(self.lost == lost), &reason),
        }
        saved
    }

    /// What is in a message that holds records. `Err` if something other than records is wrong with it: then nobody knows
    /// what its records belong to, and they are lost.
    fn container(
        &mut self,
        schema: &'static Schema,
        level: usize,
        json: &RawValue,
        out: &mut Vec<u8>,
    ) -> Result<u64, String> {
        let leading = self.levels[level];
        let (mut saved, mut wrong) = (0, None);
        let walked = members(schema, json, |field, value| {
            let number = field.number;
            let result = match field.kind {
                Kind::Repeated(inner) if leading.contains(&number) => {
                    elements(value, |index, element| {
                        self.way.push((field.name, Some(index)));
                        saved += self.part(inner, level + 1, element, number, out);
                        self.way.pop();
                    })
                }
                Kind::Message(inner) if leading.contains(&number) => {
                    // There were data: should they be lost, their metric is not refused once more for having none.
                    if value.get() != "null" {
                        out.put_bytes(number, &[]);
                    }
                    self.way.push((field.name, None));
                    saved += self.part(inner, level + 1, value, number, out);
                    self.way.pop();
                    Ok(())
                }
                _ => Member::new(field, out)
                    .deserialize(&mut serde_json::Deserializer::from_str(value.get())),
            };
            if let Err(error) = result {
                wrong.get_or_insert(within(format_args!(".{}", field.name), &error));
            }
        });
        let Some(error) = wrong.or(walked.err()) else { return Ok(saved) };
        let reason = message_of(&error.to_string()).to_owned();
        self.lose(saved, &reason);
        Err(reason)
    }
}

/// What stands there, for an error.
fn found(json: &RawValue) -> &str {
    match json.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        _ => shown(json.get()),
    }
}

/// Calls `f` with each member of an object that `schema` knows.
fn members<'a>(
    schema: &'static Schema,
    json: &'a RawValue,
    f: impl FnMut(&'static Field, &'a RawValue),
) -> Result<(), serde_json::Error> {
    struct Members<F>(&'static Schema, F);

    impl<'de, F: FnMut(&'static Field, &'de RawValue)> Visitor<'de> for Members<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<(), M::Error> {
            while let Some(field) = map.next_key_seed(Name(self.0))? {
                match field {
                    Some(field) => self.1(field, map.next_value()?),
                    None => drop(map.next_value::<IgnoredAny>()?),
                }
            }
            Ok(())
        }
    }

    serde_json::Deserializer::from_str(json.get()).deserialize_map(Members(schema, f))
}

/// Calls `f` with each element of a list, and its place there; `null` is none.
fn elements<'a>(
    json: &'a RawValue,
    f: impl FnMut(usize, &'a RawValue),
) -> Result<(), serde_json::Error> {
    struct Elements<F>(F);

    impl<'de, F: FnMut(usize, &'de RawValue)> Visitor<'de> for Elements<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<S: SeqAccess<'de>>(mut self, mut list: S) -> Result<(), S::Error> {
            let mut index = 0;
            while let Some(element) = list.next_element()? {
                self.0(index, element);
                index += 1;
            }
            Ok(())
        }
    }

    match json.get().as_bytes().first() {
        Some(b'[') => serde_json::Deserializer::from_str(json.get()).deserialize_seq(Elements(f)),
        Some(b'n') => Ok(()),
        _ => Err(Error::custom(format_args!("{} where OTLP has a list", found(json)))),
    }
}

/// The text with U+FFFD in place of what is no character, if there is any: bytes that are not UTF-8, and halves of surrogate
/// pairs, which JavaScript writes where it cut a text in the middle of one.
pub(crate) fn mended(text: &[u8]) -> Option<Vec<u8>> {
    let mut mended = String::from_utf8_lossy(text);
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &mended.as_bytes()[at..]) {
        at += found;
        let unit = |at: usize| {
            let digits = mended.get(at..at + 6)?.strip_prefix("\\u")?;
            u16::from_str_radix(digits, 16).ok()
        };
        at += match unit(at) {
            Some(0xd800..=0xdbff) if matches!(unit(at + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                mended.to_mut().replace_range(at..at + 6, "\\ufffd");
                6
            }
            Some(_) => 6,
            None => 2,
        };
        at = at.min(mended.len());
    }
    match mended {
        Cow::Owned(mended) => Some(mended.into_bytes()),
        Cow::Borrowed(_) => None,
    }
}
