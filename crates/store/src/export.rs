//! Records out: OTLP's own messages, and a JSON object a record.

use std::borrow::BorrowMut;

use serde_json::{Map, Value as Json, json};

use crate::cursor::Cursor;
use crate::decode::{METRIC_TYPES, Signal};
use crate::encode::put_origin;
use crate::json_out::to_json;
use crate::record::RecordRef;
use crate::schema;
use crate::wire::{Encode, Value, fields};

impl RecordRef<'_> {
    /// The record as a JSON object: OTLP's members, and `sequence`, `service`, `arrivalUnixNano`, and `placeholder` if
    /// that is all that is left of it. If more is known of where it came from than the service: `resource`, `scope`,
    /// `resourceSchemaUrl` and `scopeSchemaUrl`, as far as they are there. Numbers of 64 bits are strings, as in OTLP.
    /// Lines of such objects can be [taken in](crate::Recorder::ingest) again.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut members = to_json(schema::record(self.signal()), self.wire());
        // A number, because it counts records; JavaScript loses digits only
        // above 2^53 of them.
        members.insert("sequence".to_owned(), self.sequence().into());
        members.insert("service".to_owned(), self.service().into());
        members.insert("arrivalUnixNano".to_owned(), self.arrival_ns().to_string().into());
        if self.signal() == Signal::Metrics {
            members
                .insert("type".to_owned(), METRIC_TYPES[usize::from(self.class()).min(5)].into());
        }
        if self.is_placeholder() {
            members.insert("placeholder".to_owned(), true.into());
        }
        if !is_plain(self.origin(), self.service_bytes()) {
            members.extend(to_json(schema::origin(), self.origin()));
        }
        Json::Object(members)
    }
}

/// Whether an origin says nothing but the service.
fn is_plain(origin: &[u8], service: &[u8]) -> bool {
    let mut plain = Vec::new();
    put_origin(service, &mut plain);
    origin == plain
}

/// What belongs to the origin: copied from its key to where OTLP has it.
fn put_parts(origin: &[u8], scope: bool, out: &mut Vec<u8>) {
    for field in fields(origin).flatten() {
        match (field, scope) {
            ((1, Value::Bytes(bytes)), false) | ((2, Value::Bytes(bytes)), true) => {
                out.put_bytes(1, bytes)
            }
            ((3, Value::Bytes(bytes)), false) | ((4, Value::Bytes(bytes)), true) => {
                out.put_bytes(3, bytes)
            }
            _ => {}
        }
    }
}

/// An OTLP request with records of one origin; `records` are the fields that hold them.
pub(crate) fn request_of(origin: &[u8], records: &[u8]) -> Vec<u8> {
    let mut request = Vec::with_capacity(records.len() + origin.len() + 32);
    request.put_message(1, |out| {
        put_parts(origin, false, out);
        out.put_message(2, |out| {
            put_parts(origin, true, out);
            out.extend_from_slice(records);
        });
    });
    request
}

/// About as many bytes of records are put into one part of an export, so that it takes no memory for all of them.
const PART: usize = 256 << 10;

impl Cursor {
    /// The next records of one origin as an OTLP request of their own, as many as a part has; `None` at the end. Requests
    /// may be concatenated to one.
    fn next_request(&mut self) -> Option<Vec<u8>> {
        let first = self.next()?;
        let origin = first.origin().to_vec();
        let mut records = Vec::new();
        records.put_bytes(2, first.wire());
        while records.len() < PART
            && let Some(record) = self.next_of_origin(&origin)
        {
            records.put_bytes(2, record.wire());
        }
        Some(request_of(&origin, &records))
    }

    /// Reads the cursor to its end as one OTLP request in Protocol Buffers, as exporters send and
    /// [`ingest`](crate::Recorder::ingest) takes.
    pub fn export_protobuf(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(request) = self.next_request() {
            all.extend_from_slice(&request);
        }
        all
    }

    /// Reads the cursor to its end as one OTLP request in JSON.
    pub fn export_json(&mut self) -> Json {
        let mut all = Vec::new();
        while let Some(elements) = self.next_elements() {
            all.extend(elements);
        }
        let name = schema::list_name(schema::request(self.signal())).to_owned();
        Json::Object(Map::from_iter([(name, Json::Array(all))]))
    }

    /// What the next part has in the list that a request in JSON consists of; `None` at the end.
    fn next_elements(&mut self) -> Option<Vec<Json>> {
        let request = self.next_request()?;
        let members = to_json(schema::request(self.signal()), &request);
        let list = members.into_iter().find_map(|(_, value)| match value {
            Json::Array(list) => Some(list),
            _ => None,
        });
        Some(list.unwrap_or_default())
    }

    /// Reads the cursor to its end as lines of JSON, one a record, each passed to `line` without its newline.
    pub fn for_each_json(&mut self, mut line: impl FnMut(String)) {
        while let Some(record) = self.next() {
            line(record.to_json().to_string());
        }
    }

    /// Reads the cursor to its end as `{"records": [...], "coverage": {...}, "next": "..."}`. `next` is there if the
    /// limit cut the answer: the value of the `cursor` parameter that goes on.
    pub fn answer_json(&mut self) -> Json {
        let mut records = Vec::new();
        while let Some(record) = self.next() {
            records.push(record.to_json());
        }
        let mut answer = self.rest_of_answer();
        answer["records"] = records.into();
        answer
    }

    /// What an answer has beside its records.
    fn rest_of_answer(&self) -> Json {
        let coverage = self.coverage();
        let mut answer = json!({
            "coverage": {
                "complete_since_sequence": coverage.complete_since_sequence,
                "complete_since_time_ns": coverage.complete_since_time_ns.to_string(),
                "end_sequence": coverage.end_sequence,
                "evicted": coverage.evicted,
                "truncated": coverage.truncated,
            },
        });
        if coverage.truncated
            && let Some(rest) = self.rest()
        {
            answer["next"] = format!("{}-{}", rest.start, rest.end).into();
        }
        answer
    }
}

/// A form in which the records of an answer are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An OTLP request in Protocol Buffers.
    Protobuf,
    /// An OTLP request in JSON.
    Json,
    /// A JSON object a record, each with a newline.
    Ndjson,
    /// As [`Cursor::answer_json`]: the records, and what the answer covers.
    Answer,
}

/// The records of an answer, written part by part, so that however many there are, they are never in memory all at once.
pub struct Export<C> {
    cursor: C,
    form: Form,
    /// What stands before the next record.
    before: String,
    ended: bool,
}

impl<C: BorrowMut<Cursor>> Export<C> {
    /// Begins with the next record of `cursor`.
    pub fn new(cursor: C, form: Form) -> Self {
        let before = match form {
            Form::Protobuf | Form::Ndjson => String::new(),
            Form::Json => {
                let request = schema::request(cursor.borrow().signal());
                format!("{{\"{}\":[", schema::list_name(request))
            }
            Form::Answer => "{\"records\":[".to_owned(),
        };
        Self { cursor, form, before, ended: false }
    }

    /// Appends the next part to `out`: a record, or up to some 256 KiB of them. `false`: there is none.
    pub fn next_part(&mut self, out: &mut Vec<u8>) -> bool {
        let cursor = self.cursor.borrow_mut();
        let written = match self.form {
            _ if self.ended => return false,
            Form::Protobuf => cursor.next_request().map(|request| out.extend_from_slice(&request)),
            Form::Ndjson => cursor.next().map(|record| {
                put_json(&record.to_json(), out);
                out.push(b'\n');
            }),
            Form::Json => cursor.next_elements().map(|elements| {
                for element in &elements {
                    out.append(
                        &mut std::mem::replace(&mut self.before, ",".to_owned()).into_bytes(),
                    );
                    put_json(element, out);
                }
            }),
            Form::Answer => cursor.next().map(|record| {
                out.append(&mut std::mem::replace(&mut self.before, ",".to_owned()).into_bytes());
                put_json(&record.to_json(), out);
            }),
        };
        if written.is_some() {
            return true;
        }
        self.ended = true;
        if self.before != "," {
            out.extend_from_slice(self.before.as_bytes());
        }
        match self.form {
            Form::Protobuf | Form::Ndjson => return false,
            Form::Json => out.extend_from_slice(b"]}"),
            Form::Answer => {
                out.extend_from_slice(b"],");
                let rest = self.cursor.borrow().rest_of_answer().to_string();
                out.extend_from_slice(&rest.as_bytes()[1..]);
            }
        }
        true
    }
}

fn put_json(json: &Json, out: &mut Vec<u8>) {
    out.extend_from_slice(json.to_string().as_bytes());
}
