use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, Instant};

use super::request::{Head, Method};

/// An HTTP status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(u16);

macro_rules! statuses {
    ($($name:ident = $code:literal $reason:literal),* $(,)?) => {
        impl Status {
            $(#[doc = concat!(stringify!($code), " ", $reason, ".")]
            pub const $name: Self = Self($code);)*

            /// The standard reason phrase.
            #[must_use]
            pub fn reason(self) -> &'static str {
                match self.0 {
                    $($code => $reason,)*
                    _ => "",
                }
            }
        }
    };
}

statuses! {
    OK = 200 "OK",
    NO_CONTENT = 204 "No Content",
    FOUND = 302 "Found",
    BAD_REQUEST = 400 "Bad Request",
    UNAUTHORIZED = 401 "Unauthorized",
    FORBIDDEN = 403 "Forbidden",
    NOT_FOUND = 404 "Not Found",
    METHOD_NOT_ALLOWED = 405 "Method Not Allowed",
    REQUEST_TIMEOUT = 408 "Request Timeout",
    TOO_LARGE = 413 "Content Too Large",
    UNSUPPORTED_MEDIA_TYPE = 415 "Unsupported Media Type",
    RANGE_NOT_SATISFIABLE = 416 "Range Not Satisfiable",
    MISDIRECTED = 421 "Misdirected Request",
    HEADERS_TOO_LARGE = 431 "Request Header Fields Too Large",
    INTERNAL = 500 "Internal Server Error",
    NOT_IMPLEMENTED = 501 "Not Implemented",
    UNAVAILABLE = 503 "Service Unavailable",
    VERSION = 505 "HTTP Version Not Supported",
}

impl Status {
    /// The number.
    #[must_use]
    pub fn code(self) -> u16 {
        self.0
    }
}

/// What a [`Stream`] did when it was asked for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// It appended something, or would at once if asked again.
    More,
    /// It has nothing now. It calls its waker when it has.
    Wait,
    /// There will be nothing more.
    End,
}

/// A response body that is made while it is sent.
///
/// It is dropped as soon as the client is gone, stalls, or has everything.
pub trait Stream: Send {
    /// Appends the next piece to `out`, preferably no more than `room` bytes, and never waits.
    ///
    /// It is called only when the client has taken what was given before, so a slow client slows down its own
    /// stream and nothing else.
    fn fill(&mut self, out: &mut Vec<u8>, room: usize) -> Fill;

    /// Appends what shows that the stream is alive after a while of silence; nothing where the format has no such
    /// thing.
    fn keep_alive(&mut self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// How long after it had nothing it wants to be asked again, though nobody woke it. `None`: for ever.
    fn revisit(&self) -> Option<Duration> {
        None
    }

    /// Whether the stream ends by itself. One that follows live data does not, and is given up as soon as
    /// the client closes its side.
    fn is_finite(&self) -> bool {
        false
    }
}

/// The body of a response.
pub enum Body {
    /// Complete, sent with its length.
    Bytes(Cow<'static, [u8]>),
    /// Made on the way, sent in chunks.
    Stream(Box<dyn Stream>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Stream(_) => f.write_str("stream"),
        }
    }
}

/// An answer: status, header fields, body.
#[derive(Debug)]
pub struct Response {
    status: Status,
    headers: Vec<(&'static str, Cow<'static, str>)>,
    pub(crate) body: Body,
    /// Whether the connection must not be used again after this.
    pub(crate) close: bool,
}

impl Response {
    /// An answer with a body of the given media type.
    #[must_use]
    pub fn new(
        status: Status,
        media_type: &'static str,
        body: impl Into<Cow<'static, [u8]>>,
    ) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", media_type.into())],
            body: Body::Bytes(body.into()),
            close: false,
        }
    }

    /// A plain-text answer; a line feed is added.
    #[must_use]
    pub fn text(status: Status, text: impl Into<Cow<'static, str>>) -> Self {
        let mut text = text.into().into_owned();
        text.push('\n');
        Self::new(status, "text/plain; charset=utf-8", text.into_bytes())
    }

    /// A 200 answer whose body is made while it is sent. Caches and proxies are told to stay out of its way.
    #[must_use]
    pub fn stream(media_type: &'static str, stream: impl Stream + 'static) -> Self {
        let mut response = Self::new(Status::OK, media_type, Vec::new());
        response.body = Body::Stream(Box::new(stream));
        response.with("X-Accel-Buffering", "no")
    }

    /// Sends the client to another path of this server.
    #[must_use]
    pub fn redirect(to: impl Into<Cow<'static, str>>) -> Self {
        Self::text(Status::FOUND, "see the Location header").with("Location", to)
    }

    /// Adds a header field. Control characters in the value become spaces, so that no value can end the field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        let mut value = value.into();
        if value.bytes().any(|b| b.is_ascii_control()) {
            value = value.replace(|c: char| c.is_ascii_control(), " ").into();
        }
        self.headers.push((name, value));
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Has the connection closed after this answer.
    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// Appends status line and header fields to `out`.
    pub(crate) fn write_head(&self, out: &mut Vec<u8>, asked: Asked, date: &str) {
        use std::io::Write as _;
        let _ =
            write!(out, "HTTP/1.1 {} {}\r\nDate: {date}\r\n", self.status.0, self.status.reason());
        for (name, value) in &self.headers {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        // What is served is a process's output: never to be sniffed into
        // another type, cached, framed, or read by another site's page.
        out.extend_from_slice(
            b"X-Content-Type-Options: nosniff\r\n\
              Cross-Origin-Resource-Policy: same-origin\r\n\
              Referrer-Policy: no-referrer\r\n\
              Cache-Control: no-store\r\n",
        );
        match &self.body {
            // It has no body by definition, and must not say how long it is.
            Body::Bytes(_) if self.status == Status::NO_CONTENT => {}
            Body::Bytes(bytes) => {
                let _ = write!(out, "Content-Length: {}\r\n", bytes.len());
            }
            Body::Stream(_) if asked.http_1_0 => {}
            Body::Stream(_) => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        }
        if asked.close {
            out.extend_from_slice(b"Connection: close\r\n");
        } else if asked.http_1_0 {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// What of a request decides about the form of its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) head_only: bool,
    pub(crate) http_1_0: bool,
    /// Whether the connection ends with this answer.
    pub(crate) close: bool,
}

impl Asked {
    pub(crate) fn by(head: &Head) -> Self {
        Self {
            head_only: head.method() == Method::Head,
            http_1_0: head.http_1_0,
            close: head.wants_close(),
        }
    }

    /// For an answer to something that was not understood.
    pub(crate) const UNKNOWN: Self = Self { head_only: false, http_1_0: false, close: true };
}

/// The value of the `Date` field, formatted at most once a second.
#[derive(Debug)]
pub(crate) struct DateCache {
    text: String,
    made: Option<Instant>,
}

impl DateCache {
    pub(crate) fn new() -> Self {
        Self { text: String::new(), made: None }
    }

    pub(crate) fn at(&mut self, now: Instant) -> &str {
        let stale =
            self.made.is_none_or(|made| now.saturating_duration_since(made).as_millis() >= 1000);
        if stale {
            let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
            self.text =
                printer.timestamp_to_rfc9110_string(&jiff::Timestamp::now()).unwrap_or_default();
            self.made = Some(now);
        }
        &self.text
    }
}
