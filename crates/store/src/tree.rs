//! A whole trace: its spans under their parents.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use crate::decode::Signal;
use crate::filter::{Filter, FilterError, Order};
use crate::recorder::Recorder;
use crate::schema;
use crate::wire::{Value, array, fields};

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
    pub fn trace_json(&self, trace_id: [u8; 16]) -> Result<Json, FilterError> {
        let filter =
            Filter { trace_id: Some(trace_id), order: Order::OldestFirst, ..Filter::default() };
        let mut cursor = self.query(Signal::Traces, filter)?;
        let mut nodes = Vec::new();
        while let Some(record) = cursor.next() {
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
        }
        let coverage = cursor.coverage();
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
