//! `/api/loggers`: what loggers have done, and the newest records of their logs.

use std::collections::BTreeMap;
use std::io;

use flightring_logger::{OwnedRecord, View};
use parking_lot::RwLock;
use serde_json::{Value as Json, json};

use super::recorder::json_answer;
use crate::http::{Head, Response, Status};

/// Most records of one answer, how many there are without a word about it, and most bytes of them.
const MOST: usize = 1000;
const USUAL: usize = 100;
const BYTES: usize = 4 << 20;
/// Longest beginning of a record that is sent.
const LONGEST: usize = 16 << 10;

/// The loggers that are shown, by name. They are not kept open: one that is gone is not shown any more.
#[derive(Debug, Default)]
pub struct Loggers(RwLock<BTreeMap<String, View>>);

impl Loggers {
    /// Shows a logger under that name, instead of one that had it before.
    pub fn add(&self, name: impl Into<String>, logger: View) {
        self.0.write().insert(name.into(), logger);
    }

    /// Shows a logger no more; whether it was shown.
    pub fn remove(&self, name: &str) -> bool {
        self.0.write().remove(name).is_some()
    }

    /// Whether none is shown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.0.read().values().any(View::is_there)
    }
}

/// All loggers with their numbers.
pub(super) fn list(loggers: &Loggers) -> Json {
    let loggers = loggers.0.read();
    let shown: Vec<Json> = loggers.iter().filter_map(|(name, view)| one(name, view)).collect();
    json!({ "loggers": shown })
}

fn one(name: &str, view: &View) -> Option<Json> {
    let stats = view.stats()?;
    let error = stats.last_error.map(|error| {
        json!({
            "text": io::Error::from_raw_os_error(error.errno).to_string(),
            "time_ms": error.time_ns / 1_000_000,
        })
    });
    let shards: Vec<Json> = view
        .shards()
        .iter()
        .map(|shard| {
            json!({
                "id": shard.id, "writes": shard.writes, "dropped": shard.dropped,
                "bytes_used": shard.bytes_used, "capacity": shard.capacity,
            })
        })
        .collect();
    // Whatever numbers a logger has.
    let stats: Json = serde_json::from_str(&stats.to_json()).unwrap_or_default();
    Some(json!({
        "name": name, "path": view.path().to_string_lossy(), "error": error, "stats": stats,
        "shards": shards,
    }))
}

/// The newest records of a log, as they are in its file.
pub(super) fn records(loggers: &Loggers, head: &Head) -> Response {
    let query = head.query();
    let bad = |why: String| Response::text(Status::BAD_REQUEST, why);
    let Some(name) = query.get("logger") else {
        return bad("say which log: logger=NAME".to_owned());
    };
    let most = match query.get("most").map(str::parse::<usize>) {
        None => USUAL,
        Some(Ok(most)) => most.min(MOST),
        Some(Err(_)) => return bad("most is a number of records".to_owned()),
    };
    // Not held while the file is read.
    let found = loggers.0.read().get(name).filter(|view| view.is_there()).cloned();
    let Some(view) = found else {
        return bad(format!("no logger is named \"{name}\""));
    };
    match view.newest(most, BYTES) {
        Ok(records) => {
            let records: Vec<Json> = records.iter().map(record).collect();
            json_answer(&json!({ "name": name, "records": records }))
        }
        Err(error) => {
            let path = view.path().display();
            Response::text(Status::UNAVAILABLE, format!("cannot read {path}: {error}"))
        }
    }
}

fn record(owned: &OwnedRecord) -> Json {
    let record = owned.record();
    let text = &record.data[..record.data.len().min(LONGEST)];
    json!({
        "sequence": record.sequence,
        // 0 is a time that the log does not tell.
        "time_ms": (record.time_ns > 0).then_some(record.time_ns / 1_000_000),
        "level": record.level.name(),
        "thread": record.thread,
        "marker": record.marker.is_some(),
        "text": String::from_utf8_lossy(text),
        "cut": text.len() < record.data.len(),
    })
}
