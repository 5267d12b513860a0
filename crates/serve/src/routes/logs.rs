//! `/logs` and `/logs/stream`: what monitored processes wrote, once or live.

use std::sync::Arc;
use std::task::Waker;

use flightring_monitor::{FutureOffset, Hub, Monitor, Start, Stream, Time};

use super::cursors::{Cursors, Place};
use super::follow::{Follow, Source, Wanted, roots};
use super::format::Format;
use crate::http::{Head, Response, Status};

/// Answers `GET /logs`: the history up to now. `monitor=NAME` asks for one monitor instead of all.
pub(super) fn history(hub: &Hub, head: &Head, waker: &Waker) -> Response {
    let query = head.query();
    // A person wants the page. A link on it asks for the text by `download`.
    if head.accepts("text/html") && !query.has("download") {
        return Response::redirect("/");
    }
    let monitors = match monitors(hub, query.get("monitor")) {
        Ok(monitors) => monitors,
        Err(refusal) => return refusal,
    };
    let file_name = query.get("monitor").map_or_else(|| "all".to_owned(), plain_file_name);
    answer(head, &monitors, waker, |follow| follow.finite()).map_or_else(
        |refusal| refusal,
        |response| {
            if query.has("download") {
                response.with(
                    "Content-Disposition",
                    format!("attachment; filename=\"{file_name}.log\""),
                )
            } else {
                response
            }
        },
    )
}

/// Answers `GET /logs/stream` and `GET /logs/stream/{id}`: the history, and then what is written from now on.
pub(super) fn stream(hub: &Arc<Hub>, id: Option<&str>, head: &Head, waker: &Waker) -> Response {
    let monitors = match monitors(hub, id) {
        Ok(monitors) => monitors,
        Err(refusal) => return refusal,
    };
    let all = id.is_none().then(|| Arc::clone(hub));
    answer(head, &monitors, waker, |follow| match all {
        Some(hub) => follow.discovering(hub),
        None => follow,
    })
    .unwrap_or_else(|refusal| refusal)
}

fn monitors(hub: &Hub, name: Option<&str>) -> Result<Vec<Arc<Monitor>>, Response> {
    let Some(name) = name else {
        return Ok(roots(hub.list()));
    };
    hub.get(name).map(|monitor| vec![monitor]).ok_or_else(|| {
        let names = hub.list().iter().map(|m| m.name().to_owned()).collect::<Vec<_>>().join(", ");
        bad_request(format!("no monitor is named \"{name}\"; there are: {names}"))
    })
}

fn answer(
    head: &Head,
    monitors: &[Arc<Monitor>],
    waker: &Waker,
    shape: impl FnOnce(Follow) -> Follow,
) -> Result<Response, Response> {
    let wanted = wanted(head, monitors.len() > 1)?;
    let begin = Begin::from(head)?;
    let mut sources = Vec::with_capacity(monitors.len());
    for monitor in monitors {
        let source = match begin.of(monitor, monitors.len())? {
            Point::Start(start) => Source::new(monitor, start, wanted),
            Point::Place(place) => Source::at(monitor, place, wanted),
        };
        sources.push(source.map_err(|error| future(monitor, error))?);
    }
    // With one monitor the answer is a range of its bytes, and says which.
    let range = match sources.as_slice() {
        [source] => Some((source.begin(), source.skipped(), monitors[0].total())),
        _ => None,
    };
    if let (Some((start, _, total)), true) = (range, last_event_id(head).is_some())
        && start == total
        && monitors[0].is_closed()
    {
        // The one answer that keeps a browser from asking again for ever.
        return Ok(Response::new(Status::NO_CONTENT, wanted.format.media_type(), Vec::new()));
    }
    let follow = shape(Follow::new(sources, wanted, waker.clone()));
    let response = Response::stream(wanted.format.media_type(), follow);
    Ok(match range {
        Some((start, skipped, total)) => response
            .with("X-Flightring-Start", start.to_string())
            .with("X-Flightring-Skipped", skipped.to_string())
            .with("X-Flightring-Total", total.to_string()),
        None => response,
    })
}

fn wanted(head: &Head, several: bool) -> Result<Wanted, Response> {
    let query = head.query();
    let format = match query.get("format") {
        Some("text") => Format::Text,
        Some("sse") => Format::Events,
        Some("ndjson") => Format::Lines,
        Some("chunks") => Format::Chunks,
        Some(_) => return Err(bad_request("format is text, sse, ndjson or chunks")),
        None if head.accepts("text/event-stream") => Format::Events,
        None if head.accepts("application/x-ndjson") => Format::Lines,
        None => Format::Text,
    };
    let stream = match query.get("stream") {
        None => None,
        Some(name) => {
            let found = Stream::ALL.into_iter().find(|stream| stream.name() == name);
            Some(found.ok_or_else(|| bad_request("stream is stdout, stderr or log"))?)
        }
    };
    let strip = match query.get("ansi") {
        None | Some("keep") => false,
        Some("strip") => true,
        Some(_) => return Err(bad_request("ansi is keep or strip")),
    };
    let by_lines = format == Format::Lines || (format == Format::Text && several);
    Ok(Wanted { format, stream, strip, by_lines })
}

/// Where an answer begins: at the oldest byte unless something else is asked for.
enum Begin {
    At(Start),
    Cursors(Cursors),
}

/// Where the answer about one monitor begins.
enum Point {
    Start(Start),
    Place(Place),
}

impl Begin {
    fn from(head: &Head) -> Result<Self, Response> {
        let query = head.query();
        // A browser that reconnects sends the parameters of its first request
        // again; the id of the last event it saw is newer.
        if let Some(text) = last_event_id(head).or_else(|| query.get("since")) {
            return Cursors::parse(text).map(Self::Cursors).ok_or_else(|| {
                bad_request("since is an offset in bytes or the next of an earlier answer, or name=offset pairs when there are several monitors")
            });
        }
        let start = if query.has("no-history") {
            Start::Now
        } else if let Some(lines) = query.get("tail") {
            Start::Lines(lines.parse().map_err(|_| bad_request("tail is a number of lines"))?)
        } else if let Some(time) = query.get("time") {
            Start::Time(parse_time(time).ok_or_else(|| {
                bad_request(
                    "time is a date and time such as 2026-01-31T12:00:00Z, or seconds since 1970",
                )
            })?)
        } else {
            Start::Oldest
        };
        Ok(Self::At(start))
    }

    fn of(&self, monitor: &Monitor, monitors: usize) -> Result<Point, Response> {
        match self {
            Self::At(start) => Ok(Point::Start(*start)),
            Self::Cursors(Cursors::One(place)) if monitors == 1 => Ok(Point::Place(*place)),
            Self::Cursors(Cursors::One(_)) => Err(bad_request(
                "one offset cannot be a place in several monitors; ask for one of them, or give name=offset pairs",
            )),
            // A monitor that the client has not heard of is new to it.
            Self::Cursors(Cursors::Each(each)) => {
                let place = each.get(monitor.name());
                Ok(place.map_or(Point::Start(Start::Oldest), |place| Point::Place(*place)))
            }
        }
    }
}

/// The id of the last event that a client got; an empty one is none.
fn last_event_id(head: &Head) -> Option<&str> {
    head.header("last-event-id").filter(|id| !id.is_empty())
}

fn parse_time(text: &str) -> Option<Time> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Time(seconds.checked_mul(1_000_000)?));
    }
    let time: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(time.as_microsecond()).ok().map(Time)
}

/// The client's offset is beyond everything written: it is from before a restart.
fn future(monitor: &Monitor, error: FutureOffset) -> Response {
    let FutureOffset { offset, total } = error;
    let why = format!(
        "offset {offset} of \"{}\" is beyond its end, {total}: it was started anew since; begin again without an offset",
        monitor.name()
    );
    Response::text(Status::RANGE_NOT_SATISFIABLE, why).with("X-Flightring-Total", total.to_string())
}

/// A name that can stand in quotes in a header and as a file everywhere.
fn plain_file_name(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' })
        .collect()
}

fn bad_request(why: impl Into<std::borrow::Cow<'static, str>>) -> Response {
    Response::text(Status::BAD_REQUEST, why)
}
