//! `/api/traces`, `/api/logs`, `/api/metrics` and what goes with them: queries on the recorder.

use std::time::Duration;

use flightring_store::{
    Cursor, Export, Filter, FilterError, Form, Order, Recorder, Signal, SnapshotError,
};
use serde_json::{Value as Json, json};

use crate::http::{self, Fill, Head, Request, Response, Status};

/// How soon a live answer looks for new records again. A store that told its followers of records would have to ask with each of
/// them whether somebody wants to know; so they look, soon after something came, and then less and less often.
const REVISIT: Duration = Duration::from_millis(2);
const REVISIT_IDLE: Duration = Duration::from_millis(20);
/// Parameters that are about the form of an answer and not about what is in it.
const FORM: [&str; 2] = ["format", "follow"];

/// The figures of the stores, and which services, names and classes they hold.
pub(super) fn figures(recorder: &Recorder) -> Json {
    recorder.expire();
    let mut figures = recorder.stats_json();
    for signal in Signal::ALL {
        figures[signal.name()]["held"] = recorder.summary_json(signal);
    }
    figures
}

/// Answers a query. `format` is `json` (the default), `ndjson`, or `otlp` (JSON) and `protobuf`, which importers take; or
/// `traces`, a line for each trace whose spans pass.
pub(super) fn query(recorder: &Recorder, signal: Signal, head: &Head) -> Response {
    let parameters = || head.query().pairs().filter(|(name, _)| !FORM.contains(name));
    recorder.expire();
    let filter = match recorder.filter_from(signal, parameters()) {
        Ok(filter) => filter,
        Err(error) => return refused(&error),
    };
    if head.query().has("follow") {
        return follow(recorder, signal, filter);
    }
    if head.query().get("format") == Some("traces") && signal == Signal::Traces {
        return match recorder.traces_json(filter) {
            Ok(traces) => json_answer(&traces),
            Err(error) => refused(&error),
        };
    }
    let (form, media_type) = match head.query().get("format") {
        None | Some("json") => (Form::Answer, "application/json"),
        Some("otlp") => (Form::Json, "application/json"),
        Some("protobuf") => (Form::Protobuf, "application/x-protobuf"),
        Some("ndjson") => (Form::Ndjson, "application/x-ndjson"),
        Some(_) => {
            let forms = "format is json, ndjson, otlp or protobuf, and of traces also traces";
            return Response::text(Status::BAD_REQUEST, forms);
        }
    };
    match recorder.query(signal, filter) {
        Ok(cursor) => Response::stream(media_type, Answer(Export::new(cursor, form))),
        Err(error) => refused(&error),
    }
}

/// An answer that is written as the client takes it: it may be as long as the store, and neither memory for all of it nor the
/// time that it takes is to be at the expense of others.
struct Answer(Export<Cursor>);

impl http::Stream for Answer {
    fn fill(&mut self, out: &mut Vec<u8>, room: usize) -> Fill {
        let before = out.len();
        while out.len() - before < room {
            if !self.0.next_part(out) {
                return Fill::End;
            }
        }
        Fill::More
    }

    fn is_finite(&self) -> bool {
        true
    }
}

/// One trace with its spans in the order of a waterfall.
pub(super) fn trace(recorder: &Recorder, id: &str) -> Response {
    let digits =
        (id.len() == 32 && id.is_ascii()).then(|| u128::from_str_radix(id, 16).ok()).flatten();
    let Some(id) = digits else {
        return Response::text(Status::BAD_REQUEST, "a trace id has 32 hexadecimal digits");
    };
    match recorder.trace_json(id.to_be_bytes()) {
        Ok(trace) => json_answer(&trace),
        Err(error) => refused(&error),
    }
}

/// All snapshots.
pub(super) fn snapshots(recorder: &Recorder) -> Json {
    let one = |(name, snapshot): (String, flightring_store::Snapshot)| {
        json!({
            "name": name, "time_ns": snapshot.time_ns.to_string(),
            "traces": snapshot.traces, "logs": snapshot.logs, "metrics": snapshot.metrics,
        })
    };
    json!({ "snapshots": recorder.snapshots().into_iter().map(one).collect::<Vec<_>>() })
}

/// Takes a snapshot of that name.
pub(super) fn take_snapshot(recorder: &Recorder, request: &Request, name: &str) -> Response {
    // A content type that no foreign page's form can send; see `otlp`.
    if request.head.content_type().as_deref() != Some("application/json") {
        return Response::text(
            Status::UNSUPPORTED_MEDIA_TYPE,
            "send content-type: application/json",
        );
    }
    match recorder.snapshot(name) {
        Ok(taken) => json_answer(&json!({ "name": name, "time_ns": taken.time_ns.to_string() })),
        Err(error @ SnapshotError::TooMany) => {
            Response::text(Status::UNAVAILABLE, error.to_string())
        }
        Err(error) => Response::text(Status::BAD_REQUEST, error.to_string()),
    }
}

pub(super) fn json_answer(body: &Json) -> Response {
    Response::new(Status::OK, "application/json", body.to_string().into_bytes())
}

fn refused(error: &FilterError) -> Response {
    Response::text(Status::BAD_REQUEST, error.to_string())
}

/// The records that arrive from now on and pass the filter, a line of JSON each.
fn follow(recorder: &Recorder, signal: Signal, filter: Filter) -> Response {
    let next = recorder.stats(signal).next_sequence;
    let stream = Follow { recorder: recorder.clone(), signal, filter, next, revisit: REVISIT };
    Response::stream("application/x-ndjson", stream)
}

struct Follow {
    recorder: Recorder,
    signal: Signal,
    filter: Filter,
    next: u64,
    revisit: Duration,
}

impl http::Stream for Follow {
    fn fill(&mut self, out: &mut Vec<u8>, room: usize) -> Fill {
        let before = out.len();
        let end = self.recorder.stats(self.signal).next_sequence;
        if end == self.next {
            self.revisit = (2 * self.revisit).min(REVISIT_IDLE);
            return Fill::Wait;
        }
        self.revisit = REVISIT;
        let mut filter = self.filter.clone().within(self.next..end);
        filter.order = Order::OldestFirst;
        filter.limit = None;
        let Ok(mut cursor) = self.recorder.query(self.signal, filter) else { return Fill::End };
        let from = self.next;
        let (mut full, mut taken) = (false, Vec::new());
        while let Some(record) = cursor.next() {
            self.next = record.sequence() + 1;
            taken.push(record.sequence());
            out.extend_from_slice(record.to_json().to_string().as_bytes());
            out.push(b'\n');
            if out.len() - before >= room {
                full = true;
                break;
            }
        }
        if !full {
            self.next = end;
        }
        // What was gone before this client took it: of the range that is done now, which the next piece will not look at again,
        // and without what it did take.
        let gone = cursor.coverage().complete_since_sequence.min(self.next);
        let taken_of_those = taken.partition_point(|&sequence| sequence < gone) as u64;
        let evicted = gone.saturating_sub(from).saturating_sub(taken_of_those);
        if evicted > 0 {
            out.extend_from_slice(format!("{{\"evicted\":{evicted}}}\n").as_bytes());
        }
        if out.len() > before { Fill::More } else { Fill::Wait }
    }

    fn keep_alive(&mut self, out: &mut Vec<u8>) {
        out.push(b'\n');
    }

    fn revisit(&self) -> Option<Duration> {
        Some(self.revisit)
    }
}
