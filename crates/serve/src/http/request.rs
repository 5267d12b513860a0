use std::borrow::Cow;
use std::net::SocketAddr;

use percent_encoding::percent_decode_str;

use super::response::{Response, Status};

/// The most header fields of one request.
const MAX_HEADERS: usize = 64;

/// A request's method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// GET.
    Get,
    /// HEAD: answered like GET, without the body.
    Head,
    /// POST.
    Post,
    /// Any other method.
    Other,
}

/// A request before its body: method, decoded path, query and header fields.
#[derive(Debug)]
pub struct Head {
    method: Method,
    path: String,
    query: Query,
    headers: Vec<(String, Vec<u8>)>,
    peer: SocketAddr,
    pub(crate) http_1_0: bool,
}

/// How the body of a request is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyLength {
    None,
    Exactly(u64),
    Chunked,
}

impl Head {
    /// Parses a complete request head (everything up to and including the empty line).
    pub(crate) fn parse(bytes: &[u8], peer: SocketAddr) -> Result<Self, Response> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut fields);
        match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => {
                return Err(bad_request("the request head ends too early"));
            }
            Err(httparse::Error::TooManyHeaders) => {
                let why = format!("more than {MAX_HEADERS} header fields");
                return Err(Response::text(Status::HEADERS_TOO_LARGE, why));
            }
            Err(httparse::Error::Version) => {
                return Err(Response::text(
                    Status::VERSION,
                    "only HTTP/1.0 and HTTP/1.1 are spoken here",
                ));
            }
            Err(error) => return Err(bad_request(format!("not an HTTP request: {error}"))),
        }
        let method = match parsed.method.unwrap_or_default() {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            _ => Method::Other,
        };
        let (path, query) = split_target(parsed.path.unwrap_or_default())?;
        let headers = parsed
            .headers
            .iter()
            .map(|h| (h.name.to_ascii_lowercase(), h.value.to_vec()))
            .collect();
        Ok(Self { method, path, query, headers, peer, http_1_0: parsed.version == Some(0) })
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// The path, percent-decoded. It begins with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query parameters.
    #[must_use]
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The client's address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The first field of that name (in lower case) whose value is UTF-8, trimmed.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_values(name).find_map(|value| std::str::from_utf8(value).ok()).map(str::trim)
    }

    pub(crate) fn header_values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_slice())
    }

    /// Whether the `accept` field names this media type. A wildcard does not count: a route uses this to find
    /// out what was asked for, not what would be put up with.
    #[must_use]
    pub fn accepts(&self, media_type: &str) -> bool {
        self.header("accept").is_some_and(|accept| {
            accept.split(',').any(|item| {
                item.split(';')
                    .next()
                    .is_some_and(|name| name.trim().eq_ignore_ascii_case(media_type))
            })
        })
    }

    /// The media type of the body, in lower case, without parameters.
    #[must_use]
    pub fn content_type(&self) -> Option<String> {
        let value = self.header("content-type")?.split(';').next()?;
        Some(value.trim().to_ascii_lowercase())
    }

    pub(crate) fn wants_close(&self) -> bool {
        let has = |token: &str| {
            self.header_values("connection").any(|value| {
                value
                    .split(|&b| b == b',')
                    .any(|t| t.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
            })
        };
        has("close") || (self.http_1_0 && !has("keep-alive"))
    }

    pub(crate) fn expects_continue(&self) -> bool {
        !self.http_1_0
            && self.header("expect").is_some_and(|v| v.eq_ignore_ascii_case("100-continue"))
    }

    /// How long the body is. Every ambiguity that could make two parsers disagree (RFC 9112, section 6.3) is
    /// refused.
    pub(crate) fn body_length(&self) -> Result<BodyLength, Response> {
        let mut codings = self.header_values("transfer-encoding");
        let mut lengths = self.header_values("content-length");
        match (codings.next(), lengths.next()) {
            (None, None) => Ok(BodyLength::None),
            (Some(_), Some(_)) => {
                Err(bad_request("both transfer-encoding and content-length; send one of them"))
            }
            (Some(_), None) if self.http_1_0 => Err(bad_request("transfer-encoding in HTTP/1.0")),
            (Some(coding), None) => {
                if codings.next().is_none() && coding.trim_ascii().eq_ignore_ascii_case(b"chunked")
                {
                    Ok(BodyLength::Chunked)
                } else {
                    Err(Response::text(
                        Status::NOT_IMPLEMENTED,
                        "the only transfer coding is chunked",
                    ))
                }
            }
            (None, Some(length)) => {
                let digits = length.trim_ascii();
                let parsed = std::str::from_utf8(digits).ok().and_then(|d| d.parse::<u64>().ok());
                match parsed {
                    // `parse` takes a leading plus sign; the grammar does not.
                    Some(n) if lengths.next().is_none() && digits[0] != b'+' => {
                        Ok(if n == 0 { BodyLength::None } else { BodyLength::Exactly(n) })
                    }
                    _ => Err(bad_request("content-length must be one decimal number")),
                }
            }
        }
    }
}

/// A request with its whole body.
#[derive(Debug)]
pub struct Request {
    /// Everything before the body.
    pub head: Head,
    /// The body as it was sent, any content encoding still applied; empty if there was none.
    pub body: Vec<u8>,
}

/// Query parameters in the order in which they came.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str) -> Self {
        Self(
            form_urlencoded::parse(text.as_bytes())
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .collect(),
        )
    }

    /// Whether the parameter is there, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The first value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// All parameters with their values.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// All parameters but one, encoded again, for a redirect.
    #[must_use]
    pub fn without(&self, name: &str) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(self.0.iter().filter(|(k, _)| k != name))
            .finish()
    }
}

fn split_target(target: &str) -> Result<(String, Query), Response> {
    // A proxy-style target names the authority before the path.
    let origin_form = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            Cow::Owned(format!("/{}", rest.split_once('/').map_or("", |(_, path)| path)))
        }
        _ => Cow::Borrowed(target),
    };
    if !origin_form.starts_with('/') {
        return Err(bad_request("the request target must be a path"));
    }
    let (path, query) = origin_form.split_once('?').unwrap_or((&origin_form, ""));
    let path = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| bad_request("the path is not UTF-8 after percent-decoding"))?;
    Ok((path.into_owned(), Query::parse(query)))
}

fn bad_request(why: impl Into<Cow<'static, str>>) -> Response {
    Response::text(Status::BAD_REQUEST, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Head, u16> {
        Head::parse(text.as_bytes(), "127.0.0.1:1".parse().unwrap()).map_err(|r| r.status().code())
    }

    #[test]
    fn targets_are_decoded() {
        let h = head(
            "GET /logs/stream/a%2Fb/c%20d?no-history&since=5&q=a+b HTTP/1.1\r\nHost: x\r\n\r\n",
        )
        .unwrap();
        assert_eq!(h.path(), "/logs/stream/a/b/c d");
        assert!(h.query().has("no-history"));
        assert_eq!(h.query().get("since"), Some("5"));
        assert_eq!(h.query().get("q"), Some("a b"));
        assert_eq!(h.query().without("since"), "no-history=&q=a+b");
        assert_eq!(head("GET http://evil/a?b HTTP/1.1\r\n\r\n").unwrap().path(), "/a");
        assert_eq!(head("GET /a?u=http://b HTTP/1.1\r\n\r\n").unwrap().path(), "/a");
        assert_eq!(head("GET /%ff HTTP/1.1\r\n\r\n").unwrap_err(), 400);
        assert_eq!(head("OPTIONS * HTTP/1.1\r\n\r\n").unwrap_err(), 400);
    }

    #[test]
    fn ambiguous_lengths_are_refused() {
        let length = |fields: &str| {
            head(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n"))
                .and_then(|h| h.body_length().map_err(|r| r.status().code()))
        };
        assert_eq!(length("Content-Length: 12"), Ok(BodyLength::Exactly(12)));
        assert_eq!(length("Content-Length: 0"), Ok(BodyLength::None));
        assert_eq!(length("Transfer-Encoding: Chunked"), Ok(BodyLength::Chunked));
        for broken in [
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Content-Length: +1",
            "Content-Length: 1, 1",
            "Content-Length: -1",
            "Content-Length:",
            "Content-Length: 99999999999999999999",
        ] {
            assert_eq!(length(broken), Err(400), "{broken}");
        }
        assert_eq!(length("Transfer-Encoding: gzip, chunked"), Err(501));
        assert_eq!(length("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), Err(501));
    }

    #[test]
    fn accept_is_by_name() {
        let h = head("GET / HTTP/1.1\r\nAccept: text/html;q=0.9, */*\r\n\r\n").unwrap();
        assert!(h.accepts("text/html"));
        assert!(!h.accepts("text/event-stream"));
    }

    proptest::proptest! {
        /// Whatever arrives, it is understood or refused.
        #[test]
        fn no_head_panics(
            method in "[A-Za-z ]{0,8}", target in "[ -~]{0,40}", fields in "([ -~\u{80}-\u{ff}]{0,30}\r?\n){0,6}",
        ) {
            if let Ok(head) = head(&format!("{method} {target} HTTP/1.1\r\n{fields}\r\n")) {
                proptest::prop_assert!(head.path().starts_with('/'));
                let _ = (head.body_length().is_ok(), head.wants_close(), head.content_type(), head.accepts("text/html"));
            }
        }
    }
}
