//! Who may ask: checks on a request's head, before any route sees it.
//!
//! A server on loopback is still reachable from every page that the user's browser has open. Three rules keep such
//! pages out. *Host*: the name in the `Host` field must be an IP address, `localhost`, or a name that was
//! allowed, so that a foreign name made to resolve to 127.0.0.1 (DNS rebinding) gets nowhere. *Origin*: a browser
//! says when a request comes from another site, and those are refused; there are no CORS headers either. *Token*: where
//! one is set, every request must carry it.

use std::fmt;
use std::net::IpAddr;

use super::request::{Head, Method};
use super::response::{Response, Status};

/// The secret that a request must carry, as `Authorization: Bearer ...`, or in the cookie that the page's first visit with
/// `?token=...` sets. It is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes a token of 8 to 256 characters out of `A-Z a-z 0-9 - . _ ~`, which need no quoting anywhere.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let fits = (8..=256).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
        (fits && plain).then_some(Self(text))
    }

    /// The same amount of work for every candidate of the same length.
    fn matches(&self, candidate: &str) -> bool {
        let (a, b) = (self.0.as_bytes(), candidate.as_bytes());
        a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) token: Option<Token>,
    /// Cookies are shared by all ports of a host, so the name carries ours.
    pub(crate) port: u16,
}

impl Guard {
    /// Lets the request pass, or gives the answer that it gets instead.
    pub(crate) fn check(&self, head: &Head) -> Result<(), Response> {
        self.check_host(head)?;
        check_origin(head)?;
        self.check_token(head)
    }

    fn check_host(&self, head: &Head) -> Result<(), Response> {
        let mut values = head.header_values("host");
        let (Some(host), None) = (values.next(), values.next()) else {
            return Err(Response::text(Status::BAD_REQUEST, "exactly one Host header is needed"));
        };
        let name = std::str::from_utf8(host).ok().and_then(host_name).unwrap_or_default();
        if self.is_allowed(name) {
            return Ok(());
        }
        Err(Response::text(
            Status::MISDIRECTED,
            "this Host name is not served here; use an IP address or localhost, or start the server with the name allowed",
        ))
    }

    fn is_allowed(&self, name: &str) -> bool {
        let lower = name.to_ascii_lowercase();
        let lower = lower.strip_suffix('.').unwrap_or(&lower);
        lower == "localhost"
            || lower.ends_with(".localhost")
            || lower.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
            || self.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(lower))
    }

    fn check_token(&self, head: &Head) -> Result<(), Response> {
        let Some(token) = &self.token else { return Ok(()) };
        let bearer = head.header("authorization").and_then(|value| {
            let (scheme, rest) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(rest.trim())
        });
        if bearer.is_some_and(|candidate| token.matches(candidate)) {
            return Ok(());
        }
        let cookie_name = self.cookie_name();
        let mut cookies = head.header("cookie").unwrap_or_default().split(';');
        let has_cookie = cookies.any(|pair| {
            pair.trim().split_once('=').is_some_and(|(n, v)| n == cookie_name && token.matches(v))
        });
        if has_cookie {
            return Ok(());
        }
        match head.query().get("token") {
            // A browser comes with the token in the address once. It leaves
            // with a cookie and an address that can be shown around.
            Some(candidate) if token.matches(candidate) => {
                if head.method() != Method::Get || !head.accepts("text/html") {
                    return Ok(());
                }
                let rest = head.query().without("token");
                // Only our own paths: "//host" would leave this server.
                let path = format!("/{}", head.path().trim_start_matches('/'));
                let path = percent_encoding::utf8_percent_encode(&path, PATH);
                let to = if rest.is_empty() { path.to_string() } else { format!("{path}?{rest}") };
                let cookie = format!("{cookie_name}={}; Path=/; HttpOnly; SameSite=Strict", token.0);
                Err(Response::redirect(to).with("Set-Cookie", cookie))
            }
            _ => Err(Response::text(
                Status::UNAUTHORIZED,
                "a token is needed: send 'Authorization: Bearer TOKEN', or open the page with ?token=TOKEN",
            )
            .with("WWW-Authenticate", "Bearer")),
        }
    }

    fn cookie_name(&self) -> String {
        format!("flightring_{}", self.port)
    }
}

/// What a path in a `Location` must not contain unescaped.
const PATH: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'%');

fn host_name(host: &str) -> Option<&str> {
    let host = host.trim();
    if host.starts_with('[') {
        return host.find(']').map(|end| &host[..=end]);
    }
    host.split(':').next()
}

fn check_origin(head: &Head) -> Result<(), Response> {
    let refused = || {
        Err(Response::text(Status::FORBIDDEN, "requests from other sites' pages are not answered"))
    };
    let site = head.header("sec-fetch-site").unwrap_or("none");
    // Following a link to the page is fine; fetching from a page is not.
    let follows_link = head.method() == Method::Get
        && head.header("sec-fetch-mode") == Some("navigate")
        && head.header("sec-fetch-dest") == Some("document");
    if !matches!(site, "none" | "same-origin") && !follows_link {
        return refused();
    }
    match head.header("origin") {
        Some(origin) => {
            let host = head.header("host").unwrap_or_default();
            match origin.split_once("://") {
                Some((_, authority)) if authority.eq_ignore_ascii_case(host) => Ok(()),
                _ => refused(),
            }
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(guard: &Guard, target: &str, fields: &str) -> u16 {
        let text = format!("GET {target} HTTP/1.1\r\n{fields}\r\n\r\n");
        let head = Head::parse(text.as_bytes(), "127.0.0.1:9".parse().unwrap()).unwrap();
        guard.check(&head).map_or_else(|r| r.status().code(), |()| 200)
    }

    fn open() -> Guard {
        Guard { allowed_hosts: vec!["box.example".into()], token: None, port: 80 }
    }

    #[test]
    fn only_names_of_this_host_pass() {
        for good in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]:80",
            "localhost:1",
            "a.localhost",
            "LOCALHOST.",
            "10.0.0.7",
            "Box.Example:3",
        ] {
            assert_eq!(check(&open(), "/", &format!("Host: {good}")), 200, "{good}");
        }
        for bad in
            ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "", "[::1", "1.2.3.4.5"]
        {
            assert_eq!(check(&open(), "/", &format!("Host: {bad}")), 421, "{bad}");
        }
        assert_eq!(check(&open(), "/", "X: y"), 400);
        assert_eq!(check(&open(), "/", "Host: localhost\r\nHost: localhost"), 400);
    }

    #[test]
    fn other_sites_pages_are_refused() {
        let with = |fields: &str| check(&open(), "/", &format!("Host: localhost:8\r\n{fields}"));
        assert_eq!(with("Sec-Fetch-Site: same-origin"), 200);
        assert_eq!(with("Sec-Fetch-Site: cross-site"), 403);
        assert_eq!(with("Sec-Fetch-Site: same-site"), 403);
        assert_eq!(
            with(
                "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document"
            ),
            200
        );
        assert_eq!(
            with(
                "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe"
            ),
            403
        );
        assert_eq!(with("Origin: http://localhost:8"), 200);
        assert_eq!(with("Origin: http://localhost:9"), 403);
        assert_eq!(with("Origin: null"), 403);
    }

    #[test]
    fn a_token_is_asked_for_everywhere() {
        let guard = Guard { token: Token::new("s3cret-token"), ..open() };
        let with = |target: &str, fields: &str| {
            check(&guard, target, &format!("Host: localhost\r\n{fields}"))
        };
        assert_eq!(with("/", "X: y"), 401);
        assert_eq!(with("/", "Authorization: Bearer s3cret-token"), 200);
        assert_eq!(with("/", "Authorization: Bearer s3cret-tokem"), 401);
        assert_eq!(with("/", "Cookie: a=b; flightring_80=s3cret-token"), 200);
        assert_eq!(with("/", "Cookie: flightring_81=s3cret-token"), 401);
        assert_eq!(with("/?token=s3cret-token", "Accept: text/html"), 302);
        assert_eq!(with("/?token=s3cret-token", "Accept: */*"), 200);
        assert_eq!(with("/?token=wrong-token-", "Accept: text/html"), 401);
        assert!(Token::new("short").is_none() && Token::new("with space ").is_none());
        assert_eq!(format!("{:?}", guard.token), "Some(Token(..))");
    }
}
