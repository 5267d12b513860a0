//! OTLP over HTTP: `/v1/traces`, `/v1/logs` and `/v1/metrics`, as OpenTelemetry exporters send to them.
//!
//! The protocol is that of <https://opentelemetry.io/docs/specs/otlp/#otlphttp>: protobuf or JSON, plain or gzip, an answer in
//! the encoding of the request, and a partial success where records were refused. Lines of records, as queries answer
//! with, are taken too; the answer is then JSON.

use flightring_store::{Encoding, IngestError, Recorder, Signal};
use serde_json::json;

use super::gzip;
use crate::http::{Head, Request, Response, Status};

/// The most bytes of a request body, compressed or not.
pub(super) const BODY_LIMIT: usize = 16 << 20;

/// The encoding that a request says it has.
///
/// Nothing else is taken: a page of another site can make a browser send text and forms, but not these, so the check
/// also keeps such pages from writing here.
pub(super) fn encoding(head: &Head) -> Result<Encoding, Response> {
    match head.content_type().as_deref() {
        Some("application/x-protobuf") => Ok(Encoding::Protobuf),
        Some("application/json") => Ok(Encoding::Json),
        Some("application/x-ndjson") => Ok(Encoding::Ndjson),
        _ => Err(Response::text(
            Status::UNSUPPORTED_MEDIA_TYPE,
            "the content types taken here are application/x-protobuf, application/json and application/x-ndjson",
        )),
    }
}

/// Takes a request in.
pub(super) fn ingest(recorder: &Recorder, signal: Signal, request: Request) -> Response {
    let Request { head, body } = request;
    let encoding = match encoding(&head) {
        Ok(encoding) => encoding,
        Err(refusal) => return refusal,
    };
    let body = match gzip::decoded(&head, body, BODY_LIMIT) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    match recorder.ingest(signal, encoding, &body) {
        Ok(ingested) => success(signal, encoding, ingested.rejected(), &ingested.message()),
        Err(error) => {
            let status = match error {
                IngestError::TooLarge { .. } => Status::TOO_LARGE,
                _ => Status::BAD_REQUEST,
            };
            failure(status, encoding, &error.to_string())
        }
    }
}

/// An `Export...ServiceResponse`. Its partial success is left out when everything was accepted.
fn success(signal: Signal, encoding: Encoding, rejected: u64, message: &str) -> Response {
    match encoding {
        Encoding::Protobuf => {
            let mut partial = Vec::new();
            if rejected > 0 {
                // rejected_spans, rejected_log_records and rejected_data_points
                // are all field 1; error_message is field 2.
                put_varint(&mut partial, 1 << 3);
                put_varint(&mut partial, rejected);
                put_text(&mut partial, 2, message);
            }
            let mut reply = Vec::new();
            if !partial.is_empty() {
                put_bytes(&mut reply, 1, &partial);
            }
            Response::new(Status::OK, "application/x-protobuf", reply)
        }
        Encoding::Json | Encoding::Ndjson => {
            let field = match signal {
                Signal::Traces => "rejectedSpans",
                Signal::Logs => "rejectedLogRecords",
                Signal::Metrics => "rejectedDataPoints",
            };
            let reply = if rejected > 0 {
                // 64-bit integers are strings in the JSON mapping.
                json!({ "partialSuccess": { field: rejected.to_string(), "errorMessage": message } })
            } else {
                json!({})
            };
            Response::new(Status::OK, "application/json", reply.to_string().into_bytes())
        }
    }
}

/// A `google.rpc.Status` with the code for an invalid argument.
fn failure(status: Status, encoding: Encoding, message: &str) -> Response {
    const INVALID_ARGUMENT: u64 = 3;
    match encoding {
        Encoding::Protobuf => {
            let mut reply = Vec::new();
            put_varint(&mut reply, 1 << 3);
            put_varint(&mut reply, INVALID_ARGUMENT);
            put_text(&mut reply, 2, message);
            Response::new(status, "application/x-protobuf", reply)
        }
        Encoding::Json | Encoding::Ndjson => {
            let reply = json!({ "code": INVALID_ARGUMENT, "message": message });
            Response::new(status, "application/json", reply.to_string().into_bytes())
        }
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_text(out: &mut Vec<u8>, field: u64, text: &str) {
    put_bytes(out, field, text.as_bytes());
}
