use flightring_monitor::{Hub, Monitor, ProcessState};
use serde_json::{Value as Json, json};

use crate::http::Head;

/// All monitors with their counts.
pub(super) fn list(hub: &Hub) -> Vec<Json> {
    hub.list().iter().map(|monitor| one(monitor)).collect()
}

fn one(monitor: &Monitor) -> Json {
    let stats = monitor.stats();
    let (pid, code, signal) = match stats.process {
        ProcessState::Running { pid } => (Some(pid), None, None),
        ProcessState::Exited { code } => (None, Some(code), None),
        ProcessState::Killed { signal } => (None, None, Some(signal)),
        _ => (None, None, None),
    };
    let [stdout, stderr, log] = stats.stream_totals;
    json!({
        "name": monitor.name(),
        "passes_to": monitor.passes_to().map(|to| to.name().to_owned()),
        "closed": monitor.is_closed(),
        "state": stats.process.name(),
        "state_text": stats.process.to_string(),
        "pid": pid,
        "exit_code": code,
        "signal": signal,
        "total": stats.total,
        "oldest": stats.oldest,
        "capacity": stats.capacity,
        "allocated": stats.allocated,
        "lines": stats.lines,
        "stdout": stdout,
        "stderr": stderr,
        "log": log,
        "subscribers": stats.subscribers,
        "skipped": stats.skipped,
        "refused": stats.refused,
        "attached": stats.attached,
        "counts_patterns": monitor.counts_patterns(),
        "last_write_ms": stats.last_write.map(|time| time.micros() / 1000),
    })
}

/// The most frequent patterns of each monitor that counts them; `most` says how many, 50 if it is left out.
pub(super) fn patterns(hub: &Hub, head: &Head) -> Json {
    const MOST: usize = 50;
    const LIMIT: usize = 1000;
    let most = head.query().get("most").and_then(|text| text.parse().ok()).unwrap_or(MOST);
    let monitors = hub.list();
    let counted = monitors.iter().filter_map(|monitor| {
        let counts = monitor.top_patterns(most.min(LIMIT))?;
        let top: Vec<Json> = counts
            .top
            .iter()
            .map(|one| json!({ "id": one.id.to_string(), "pattern": one.pattern, "count": one.count }))
            .collect();
        Some(json!({
            "name": monitor.name(),
            "lines": counts.lines,
            "patterns": counts.patterns,
            "other": counts.other,
            "skipped": counts.skipped,
            "top": top,
        }))
    });
    json!({ "monitors": counted.collect::<Vec<_>>() })
}
