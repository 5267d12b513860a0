//! The HTTP endpoint and page over monitors, a recorder and loggers.
//!
//! [`http`] is the server itself: a few threads with an epoll loop each, strict limits, and bodies that stream. It knows
//! nothing about what is served. [`App`] is what is served:
//!
//! | path | answer |
//! |---|---|
//! | `GET /` | the page |
//! | `GET /logs` | the history of all monitors as text, of one with `monitor=NAME`; a browser is sent to the page |
//! | `GET /logs/stream` | the same, and then everything that is written from now on |
//! | `GET /logs/stream/{id}` | of one monitor; an id may contain slashes |
//! | `GET /api/monitors` | the monitors with their counts |
//! | `GET /api/loggers` | the loggers with their statistics |
//! | `GET /api/loggers/records` | the newest records of the log that `logger=NAME` writes; `most=N` of them |
//! | `POST /v1/traces`, `/v1/logs`, `/v1/metrics` | takes OTLP in: protobuf or JSON, plain or gzip |
//! | `GET /api/traces`, `/api/logs`, `/api/metrics` | a query on the recorder; its parameters are those of [`Recorder::filter_from`](flightring_store::Recorder::filter_from), `format` (`json`, `ndjson`, `otlp`, `protobuf`; `traces`: a line a trace, see [`Recorder::traces_json`](flightring_store::Recorder::traces_json)) and `follow` |
//! | `GET /api/traces/{id}` | a whole trace in the order of a waterfall |
//! | `GET /api/recorder` | figures of the stores |
//! | `GET /api/snapshots`, `POST /api/snapshots/{name}` | named positions in the stores |
//!
//! # Parameters of `/logs` and `/logs/stream`
//!
//! * where to begin: nothing (the oldest byte), `no-history` (what comes from now on), `since=OFFSET`, `tail=LINES`,
//!   `time=2026-01-31T12:00:00Z`. Server-sent events resume by themselves: the browser sends the last id it saw.
//! * `format`: `text`, `sse` (server-sent events), `ndjson` (a line of output a line), `chunks` (newline-delimited JSON of pieces
//!   as they were written). Without it the `Accept` header decides.
//! * `stream`: `stdout`, `stderr` or `log` only; `ansi=strip` takes escape sequences out.
//!
//! An answer about one monitor says in `X-Flightring-Start` at which offset it begins, in `X-Flightring-Skipped` how
//! many of the bytes asked for are gone, and in `X-Flightring-Total` how many were ever written. Offsets of an unfiltered
//! text answer count on from its start. Bytes that a client was too slow for are marked in its stream, by a line in text and
//! by a record of its own in the other formats. An offset beyond the end, which comes from before a restart, is
//! answered with 416.

pub mod http;
mod page;
mod routes;

pub use routes::{App, Loggers};
