//! Whole traces: the spans of one under their parents, and many of them, a line each.

use std::collections::{HashMap, HashSet};

use serde_json::{Value as Json, json};

use crate::cursor::Coverage;
use crate::decode::Signal;
use crate::filter::{Filter, FilterError};
use crate::params::DEFAULT_LIMIT;
use crate::record::RecordRef;
use crate::recorder::Recorder;
use crate::schema;
use crate::wire::{Value, array, fields};

/// The most spans that are looked at for one list of traces: some hundredths of a second.
const MOST_LISTED: u64 = 200_000;

/// The most spans that belong to no trace, and are shown together.
const MOST_WITHOUT_TRACE: u64 = 1000;

/// A span's place in its trace.
struct Node {
    span_id: [u8; 8],
    parent_id: [u8; 8],
    start: u64,
    json: Json,
    children: Vec<usize>,
}

impl Recorder {
    /// A trace: `{"traceId", "spans": [...], "coverage", "logs": n}`. The spans stand in the order of a waterfall:
    /// every span directly after its parent's earlier part of the tree, siblings by their begin. Each has `depth`
    /// (0 for a root) and, if its parent is named but not held, `orphan`. `logs` says how many log records there are.
    ///
    /// An id of all zeros means the newest 1000 spans that belong to no trace.
    pub fn trace_json(&self, trace_id: [u8; 16]) -> Result<Json, FilterError> {
        let mut nodes = Vec::new();
        let coverage = self.each_span(trace_id, |record| {
            let (mut span_id, mut parent_id) = ([0; 8], [0; 8]);
            for field in fields(record.wire()).flatten() {
                match field {
                    (2, Value::Bytes(id)) => span_id = array(id),
                    (4, Value::Bytes(id)) => parent_id = array(id),
                    _ => {}
                }
            }
            let (start, json) = (record.time_ns(), record.to_json());
            nodes.push(Node { span_id, parent_id, start, json, children: Vec::new() });
        })?;
        nodes.reverse();
        let logs = Filter { trace_id: Some(trace_id), ..Filter::default() };
        let mut logs_cursor = self.query(Signal::Logs, logs)?;
        let mut logs = 0;
        while logs_cursor.next().is_some() {
            logs += 1;
        }
        Ok(json!({
            "traceId": schema::hex(&trace_id),
            "spans": waterfall(nodes),
            "logs": logs,
            "coverage": { "evicted": coverage.evicted, "complete_since_sequence": coverage.complete_since_sequence },
        }))
    }
}

impl Recorder {
    /// Calls `f` with each span of a trace, the newest first; for an id of all zeros with spans of none.
    fn each_span(
        &self,
        id: [u8; 16],
        mut f: impl FnMut(&RecordRef<'_>),
    ) -> Result<Coverage, FilterError> {
        let of_none = id == [0; 16];
        let filter = Filter { trace_id: (!of_none).then_some(id), ..Filter::default() };
        let mut cursor = self.query(Signal::Traces, filter)?;
        let mut left = if of_none { MOST_WITHOUT_TRACE } else { u64::MAX };
        while left > 0
            && let Some(span) = cursor.next()
        {
            if span.trace_id() == id {
                f(&span);
                left -= 1;
            }
        }
        Ok(cursor.coverage())
    }

    /// The traces of the spans that pass `filter`, those with the newest such span first, as many as the filter's limit
    /// says: `{"traces": [{"traceId", "name", "service", "root", "spans", "errors", "services", "startTimeUnixNano",
    /// "endTimeUnixNano"}, ...], "coverage": {...}}`.
    ///
    /// Each is described by all of its spans that are held, whether they pass or not; the newest 1000 spans that belong to no
    /// trace make one, whose id is all zeros. `name` and `service` are those of its
    /// root, or, where `root` is false because none is held, of its earliest span; `services` is how many there are.
    pub fn traces_json(&self, mut filter: Filter) -> Result<Json, FilterError> {
        let most = filter.limit.take().unwrap_or(DEFAULT_LIMIT);
        let mut cursor = self.query(Signal::Traces, filter)?;
        let (mut seen, mut ids) = (HashSet::new(), Vec::new());
        let (mut looked, mut truncated) = (0, false);
        while let Some(id) = cursor.next().map(|record| record.trace_id()) {
            truncated = looked == MOST_LISTED || (ids.len() == most && !seen.contains(&id));
            if truncated {
                break;
            }
            looked += 1;
            if seen.insert(id) {
                ids.push(id);
            }
        }
        let coverage = cursor.coverage();
        let mut traces = Vec::with_capacity(ids.len());
        for id in ids {
            if looked >= 2 * MOST_LISTED {
                truncated = true;
                break;
            }
            let (line, spans) = self.trace_line(id)?;
            looked += spans;
            // All of it may have been evicted meanwhile.
            traces.extend(line);
        }
        Ok(json!({
            "traces": traces,
            "coverage": {
                "evicted": coverage.evicted,
                "complete_since_sequence": coverage.complete_since_sequence,
                "truncated": truncated,
            },
        }))
    }

    /// One trace of a list, and how many spans it has.
    fn trace_line(&self, id: [u8; 16]) -> Result<(Option<Json>, u64), FilterError> {
        let (mut spans, mut errors, mut services) = (0_u64, 0_u64, HashSet::new());
        let (mut start, mut end) = (u64::MAX, 0);
        // Whether it is no root, and its begin: the least of them names the trace.
        let mut first = (true, u64::MAX);
        let mut title = None;
        self.each_span(id, |span| {
            spans += 1;
            errors += u64::from(span.class() == 2);
            start = start.min(span.time_ns());
            end = end.max(span.second_time_ns()).max(span.time_ns());
            if !services.contains(span.service_bytes()) {
                services.insert(span.service_bytes().to_vec());
            }
            let this = (span.parent_id() != [0; 8], span.time_ns());
            if title.is_none() || this < first {
                first = this;
                let name = String::from_utf8_lossy(span.name_bytes()).into_owned();
                title = Some((name, span.service().into_owned()));
            }
        })?;
        let line = title.map(|(name, service)| {
            json!({
                "traceId": schema::hex(&id),
                "name": name,
                "service": service,
                "root": !first.0,
                "spans": spans,
                "errors": errors,
                "services": services.len(),
                "startTimeUnixNano": start.to_string(),
                "endTimeUnixNano": end.to_string(),
            })
        });
        Ok((line, spans))
    }
}

/// Orders the nodes depth first. Parents that point in a circle, which only a faulty sender makes, are cut at the
/// earliest span of the circle. Not recursive: a trace may be as deep as it is long.
fn waterfall(mut nodes: Vec<Node>) -> Vec<Json> {
    let by_id =
        nodes.iter().enumerate().map(|(i, node)| (node.span_id, i)).collect::<HashMap<_, _>>();
    let parent =
        |node: &Node| by_id.get(&node.parent_id).copied().filter(|_| node.parent_id != [0; 8]);
    let mut order = (0..nodes.len()).collect::<Vec<_>>();
    order.sort_by_key(|&i| nodes[i].start);
    let mut roots = Vec::new();
    for &i in &order {
        match parent(&nodes[i]) {
            Some(of) if of != i => nodes[of].children.push(i),
            found => {
                if found.is_none() && nodes[i].parent_id != [0; 8] {
                    nodes[i].json["orphan"] = true.into();
                }
                roots.push(i);
            }
        }
    }
    let mut placed = vec![false; nodes.len()];
    let mut spans = Vec::with_capacity(nodes.len());
    // Whatever no root leads to is in a circle, or hangs from one.
    for start in roots.into_iter().chain(order) {
        let mut stack = vec![(start, 0_u64)];
        while let Some((i, depth)) = stack.pop() {
            if std::mem::replace(&mut placed[i], true) {
                continue;
            }
            let mut json = std::mem::take(&mut nodes[i].json);
            json["depth"] = depth.into();
            spans.push(json);
            stack.extend(nodes[i].children.iter().rev().map(|&child| (child, depth + 1)));
        }
    }
    spans
}
