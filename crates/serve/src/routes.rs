//! What is served: which path leads where.

mod cursors;
mod follow;
mod format;
mod gzip;
mod loggers;
mod logs;
mod monitors;
mod otlp;
mod recorder;

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use flightring_monitor::Hub;
use flightring_store::{Recorder, Signal};
use serde_json::json;

use crate::http::{Head, Method, Request, Response, Service, Status};
use crate::page::page;

pub use loggers::Loggers;

/// The service over a hub of monitors, a recorder and loggers; any of them may be left out.
#[derive(Default, Clone)]
pub struct App {
    hub: Option<Arc<Hub>>,
    recorder: Option<Recorder>,
    loggers: Arc<Loggers>,
}

impl App {
    /// Nothing but the page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves the output of a hub's monitors.
    #[must_use]
    pub fn with_hub(mut self, hub: Arc<Hub>) -> Self {
        self.hub = Some(hub);
        self
    }

    /// Serves a recorder, and takes what OpenTelemetry exporters send for it.
    #[must_use]
    pub fn with_recorder(mut self, recorder: Recorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Shows loggers, those that are added to `loggers` later included.
    #[must_use]
    pub fn with_loggers(mut self, loggers: Arc<Loggers>) -> Self {
        self.loggers = loggers;
        self
    }

    fn hub(&self) -> Result<&Arc<Hub>, Response> {
        self.hub.as_ref().ok_or_else(|| absent("no monitors are served here"))
    }

    fn recorder(&self) -> Result<&Recorder, Response> {
        self.recorder.as_ref().ok_or_else(|| absent("no recorder is served here"))
    }

    fn get(&self, head: &Head, waker: &Waker) -> Result<Response, Response> {
        Ok(match Route::of(head.path()) {
            Route::Page => page(),
            Route::Logs => logs::history(self.hub()?, head, waker),
            Route::LogsStream(id) => logs::stream(self.hub()?, id, head, waker),
            Route::Monitors => {
                let monitors = self.hub.as_deref().map(monitors::list).unwrap_or_default();
                recorder::json_answer(&json!({
                    "monitors": monitors,
                    "recorder": self.recorder.is_some(),
                    "loggers": !self.loggers.is_empty(),
                }))
            }
            Route::Loggers => recorder::json_answer(&loggers::list(&self.loggers)),
            Route::LoggerRecords => loggers::records(&self.loggers, head),
            Route::Patterns => recorder::json_answer(&monitors::patterns(self.hub()?, head)),
            Route::Figures => recorder::json_answer(&recorder::figures(self.recorder()?)),
            Route::Snapshots => recorder::json_answer(&recorder::snapshots(self.recorder()?)),
            Route::Query(signal) => recorder::query(self.recorder()?, signal, head),
            Route::Trace(id) => recorder::trace(self.recorder()?, id),
            Route::Ingest(_) | Route::Snapshot(_) => return Err(wrong_method("POST")),
            Route::Unknown => return Err(absent("there is nothing at this path")),
        })
    }

    fn post(&self, request: Request) -> Result<Response, Response> {
        let path = request.head.path().to_owned();
        match Route::of(&path) {
            Route::Ingest(signal) => Ok(otlp::ingest(self.recorder()?, signal, request)),
            Route::Snapshot(name) => Ok(recorder::take_snapshot(self.recorder()?, &request, name)),
            Route::Unknown => Err(absent("there is nothing at this path")),
            _ => Err(wrong_method("GET, HEAD")),
        }
    }
}

enum Route<'a> {
    Page,
    Logs,
    LogsStream(Option<&'a str>),
    Monitors,
    Patterns,
    Loggers,
    LoggerRecords,
    Figures,
    Query(Signal),
    Trace(&'a str),
    Snapshots,
    Snapshot(&'a str),
    Ingest(Signal),
    Unknown,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Self {
        let signal = |name: &str| Signal::ALL.into_iter().find(|signal| signal.name() == name);
        if let Some(id) = path.strip_prefix("/logs/stream/") {
            // The rest of the path, slashes and all; that none has an empty name is said by the route.
            return Self::LogsStream(Some(id));
        }
        if let Some(signal) = path.strip_prefix("/v1/").and_then(signal) {
            return Self::Ingest(signal);
        }
        match path.strip_prefix("/api/") {
            Some("monitors") => return Self::Monitors,
            Some("patterns") => return Self::Patterns,
            Some("loggers") => return Self::Loggers,
            Some("loggers/records") => return Self::LoggerRecords,
            Some("recorder") => return Self::Figures,
            Some("snapshots") => return Self::Snapshots,
            Some(rest) => {
                if let Some(id) = rest.strip_prefix("traces/") {
                    return Self::Trace(id);
                }
                if let Some(name) = rest.strip_prefix("snapshots/") {
                    return Self::Snapshot(name);
                }
                return signal(rest).map_or(Self::Unknown, Self::Query);
            }
            None => {}
        }
        match path {
            "/" => Self::Page,
            "/logs" => Self::Logs,
            "/logs/stream" => Self::LogsStream(None),
            _ => Self::Unknown,
        }
    }
}

impl Service for App {
    fn admit(&self, head: &Head) -> Result<usize, Response> {
        match (head.method(), Route::of(head.path())) {
            (Method::Get | Method::Head, _) => Ok(0),
            (Method::Post, Route::Ingest(_)) => {
                // Refused before the body is sent, where it would be refused anyway.
                self.recorder()?;
                otlp::encoding(head)?;
                Ok(otlp::BODY_LIMIT)
            }
            (Method::Post, Route::Snapshot(_)) => Ok(1024),
            (Method::Post, _) => Ok(0),
            _ => Err(wrong_method("GET, HEAD, POST")),
        }
    }

    fn call(&self, request: Request, waker: &Waker) -> Response {
        let answered = match request.head.method() {
            Method::Post => self.post(request),
            _ => self.get(&request.head, waker),
        };
        answered.unwrap_or_else(|refusal| refusal)
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("hub", &self.hub.is_some())
            .field("recorder", &self.recorder.is_some())
            .field("loggers", &self.loggers)
            .finish()
    }
}

fn absent(why: &'static str) -> Response {
    Response::text(Status::NOT_FOUND, why)
}

fn wrong_method(allowed: &'static str) -> Response {
    Response::text(Status::METHOD_NOT_ALLOWED, format!("the methods here are {allowed}"))
        .with("Allow", allowed)
}
