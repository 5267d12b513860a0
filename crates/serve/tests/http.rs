//! The HTTP core against well-behaved, clumsy and hostile clients, over raw sockets.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use flightring_serve::http::{
    Fill, Head, Method, Options, Request, Response, Server, Service, StartError, Status, Stream,
    Token,
};
use parking_lot::Mutex;
use support::Client;

/// Serves one example of everything that the core can do.
#[derive(Default)]
struct Example {
    /// What `/pushed` streams send, and whom to tell about it.
    pushed: Arc<Mutex<Pushed>>,
    streams: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Pushed {
    bytes: Vec<u8>,
    done: bool,
    wakers: Vec<Waker>,
}

impl Service for Example {
    fn admit(&self, head: &Head) -> Result<usize, Response> {
        match (head.method(), head.path()) {
            (Method::Post, "/echo") => Ok(100_000),
            (Method::Get | Method::Head, _) => Ok(0),
            _ => Err(Response::text(Status::METHOD_NOT_ALLOWED, "only POST /echo")),
        }
    }

    fn call(&self, request: Request, waker: &Waker) -> Response {
        match request.head.path() {
            "/hello" => Response::text(Status::OK, "hello"),
            "/echo" => Response::new(Status::OK, "application/octet-stream", request.body),
            "/panic" => panic!("on purpose"),
            "/header" => Response::text(Status::OK, "").with("X-Test", "a\r\nInjected: b"),
            "/flood" => Response::stream("text/plain", Flood(Counted::new(&self.streams))),
            "/silent" => Response::stream("text/event-stream", Silent(Counted::new(&self.streams))),
            "/pushed" => {
                self.pushed.lock().wakers.push(waker.clone());
                Response::stream("text/plain", Follow { pushed: Arc::clone(&self.pushed), at: 0 })
            }
            _ => Response::text(Status::NOT_FOUND, "no such thing"),
        }
    }
}

struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Always has more.
struct Flood(#[allow(dead_code, reason = "counts by being dropped")] Counted);

impl Stream for Flood {
    fn fill(&mut self, out: &mut Vec<u8>, room: usize) -> Fill {
        out.resize(out.len() + room, b'x');
        Fill::More
    }
}

/// Never has anything.
struct Silent(#[allow(dead_code, reason = "counts by being dropped")] Counted);

impl Stream for Silent {
    fn fill(&mut self, _: &mut Vec<u8>, _: usize) -> Fill {
        Fill::Wait
    }

    fn keep_alive(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b": still here\n\n");
    }
}

struct Follow {
    pushed: Arc<Mutex<Pushed>>,
    at: usize,
}

impl Stream for Follow {
    fn fill(&mut self, out: &mut Vec<u8>, room: usize) -> Fill {
        let pushed = self.pushed.lock();
        let end = pushed.bytes.len().min(self.at + room);
        out.extend_from_slice(&pushed.bytes[self.at..end]);
        let gave = end > self.at;
        self.at = end;
        match (gave, pushed.done) {
            (true, _) => Fill::More,
            (false, true) => Fill::End,
            (false, false) => Fill::Wait,
        }
    }
}

fn start(change: impl FnOnce(&mut Options)) -> (Server, SocketAddr, Arc<Example>) {
    let mut options = Options::default();
    change(&mut options);
    let example = Arc::new(Example::default());
    let server = Server::start(options, Arc::clone(&example) as Arc<dyn Service>).unwrap();
    let address = server.address();
    (server, address, example)
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..3000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("never happened: {what}");
}

#[test]
fn one_connection_serves_many_requests() {
    let (server, address, _) = start(|_| {});
    let mut client = Client::connect(address);
    for _ in 0..3 {
        let answer = client.get("/hello");
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello\n"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert!(answer.header("date").is_some_and(|d| d.ends_with(" GMT")), "{answer:?}");
    }
    assert_eq!(client.get("/nothing").status, 404);
    assert_eq!((server.stats().accepted, server.stats().requests), (1, 4));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (_server, address, _) = start(|_| {});
    let mut client = Client::connect(address);
    client.send(
        "\r\nGET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n\
         POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\none\
         POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n\
         HEAD /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(client.answer().text(), "hello\n");
    assert_eq!(client.answer().text(), "one");
    assert_eq!(client.answer().text(), "two");
    let head = client.head();
    assert_eq!(
        (head.header("content-length"), head.header("connection")),
        (Some("6"), Some("close"))
    );
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_client_may_close_its_side_after_asking() {
    let (_server, address, _) = start(|_| {});
    let mut client = Client::connect(address);
    client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n").finish_sending();
    assert_eq!(client.answer().text(), "hello\n");
    assert_eq!(client.rest(), b"");
}

#[test]
fn http_1_0_gets_a_plain_body_and_a_close() {
    let (_server, address, example) = start(|_| {});
    example.pushed.lock().bytes.extend(b"data");
    example.pushed.lock().done = true;
    let answer =
        Client::connect(address).send("GET /pushed HTTP/1.0\r\nHost: localhost\r\n\r\n").answer();
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(answer.body, b"data");
}

#[test]
fn large_bodies_arrive_in_pieces_and_are_asked_for() {
    let (_server, address, _) = start(|_| {});
    let body: Vec<u8> = (0..100_000_u32).map(|i| i as u8).collect();
    let mut client = Client::connect(address);
    client.send(
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.answer().status, 100);
    for piece in body.chunks(9_999) {
        client.send(piece);
    }
    assert_eq!(client.answer().body, body);
}

#[test]
fn a_stream_follows_and_ends() {
    let (_server, address, example) = start(|_| {});
    let mut client = Client::connect(address);
    client.send("GET /pushed HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.head().header("x-accel-buffering"), Some("no"));
    let push = |bytes: &[u8], done: bool| {
        let mut pushed = example.pushed.lock();
        pushed.bytes.extend_from_slice(bytes);
        pushed.done = done;
        pushed.wakers.iter().for_each(Waker::wake_by_ref);
    };
    wait_for("the stream", || !example.pushed.lock().wakers.is_empty());
    push(b"one ", false);
    assert_eq!(client.chunks_until("one "), "one ");
    push(&b"x".repeat(300_000), false);
    push(b" two", false);
    assert!(client.chunks_until(" two").len() >= 300_004);
    push(b"", true);
    assert_eq!(client.chunk(), None);
    // The connection is good for another request, and a late wake-up harmless.
    push(b"", true);
    assert_eq!(client.get("/hello").status, 200);
}

#[test]
fn silence_is_broken_by_signs_of_life_and_ends_with_the_client() {
    let (_server, address, example) = start(|o| o.limits.keep_alive = Duration::from_millis(20));
    let mut client = Client::connect(address);
    client.send("GET /silent HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.head();
    for _ in 0..3 {
        assert_eq!(client.chunk().unwrap(), b": still here\n\n");
    }
    client.finish_sending();
    wait_for("the end of the stream", || example.streams.load(Ordering::SeqCst) == 0);
}

#[test]
fn a_stalled_client_is_dropped_and_others_do_not_notice() {
    let (server, address, example) = start(|o| {
        o.limits.stall = Duration::from_millis(200);
        o.threads = 1;
    });
    let mut stalled: Vec<Client> = (0..10).map(|_| Client::connect(address)).collect();
    for client in &mut stalled {
        client.send("GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    wait_for("all streams", || example.streams.load(Ordering::SeqCst) == 10);
    let mut other = Client::connect(address);
    for _ in 0..50 {
        assert_eq!(other.get("/hello").status, 200);
    }
    wait_for("the drops", || example.streams.load(Ordering::SeqCst) == 0);
    assert_eq!(server.stats().stalled, 10);
    assert_eq!(server.stats().active, 1);
}

#[test]
fn slow_heads_and_bodies_time_out() {
    let (_server, address, _) = start(|o| {
        o.limits.head = Duration::from_millis(300);
        o.limits.body = Duration::from_millis(300);
    });
    let mut slow_head = Client::connect(address);
    for byte in b"GET /hello HT" {
        slow_head.send([*byte]);
    }
    let mut slow_body = Client::connect(address);
    slow_body.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc");
    let mut silent = Client::connect(address);
    assert_eq!(slow_head.answer().status, 408);
    assert_eq!(slow_head.rest(), b"");
    assert_eq!(slow_body.answer().status, 408);
    assert_eq!(silent.rest(), b"", "a connection without a request is closed without an answer");
}

#[test]
fn a_slow_loris_does_not_outlive_the_limit_by_sending_a_byte_now_and_then() {
    let (server, address, _) = start(|o| o.limits.head = Duration::from_millis(200));
    let mut clients: Vec<Client> = (0..20).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\n");
    }
    for _ in 0..500 {
        let alive =
            clients.iter_mut().filter_map(|c| c.try_send(b"X: y\r\n").then_some(())).count();
        if alive == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    wait_for("all closed", || server.stats().active == 0);
}

#[test]
fn what_is_not_http_is_refused_and_closed() {
    let (server, address, _) = start(|_| {});
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(65));
    let chunked = "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let cases: [(String, u16); 16] = [
        ("\u{0}\u{1}\u{2}\r\n\r\n".into(), 400),
        ("GET\r\n\r\n".into(), 400),
        ("GET / HTTP/2.0\r\n\r\n".into(), 505),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nA: b\r\n folded\r\n\r\n".into(), 400),
        (long, 431),
        ("x".repeat(20_000), 431),
        (many, 431),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".into(), 421),
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n".into(), 400),
        (format!("{chunked}zz\r\n"), 400),
        (format!("{chunked}3\r\nabcd"), 400),
        (format!("{chunked}fffffff\r\n"), 413),
        ("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100001\r\n\r\n".into(), 413),
        ("GET /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx".into(), 413),
        ("POST /other HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nabcde".into(), 405),
    ];
    for (sent, status) in cases {
        let mut client = Client::connect(address);
        client.try_send(sent.as_bytes());
        let shown = &sent[..sent.len().min(60)];
        assert_eq!(client.answer().status, status, "{shown:?}");
        client.finish_sending();
        assert_eq!(client.rest(), b"", "{shown:?}");
    }
    wait_for("all closed", || server.stats().active == 0);
    assert_eq!(Client::connect(address).get("/hello").status, 200);
}

#[test]
fn abrupt_closes_leave_nothing_behind() {
    let (server, address, example) = start(|_| {});
    for cut in [
        "",
        "GET",
        "GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /silent HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc",
        "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        for _ in 0..10 {
            Client::connect(address).send(cut);
        }
    }
    wait_for("all accepted", || server.stats().accepted == 60);
    wait_for("all closed", || server.stats().active == 0);
    assert_eq!(example.streams.load(Ordering::SeqCst), 0);
}

#[test]
fn connections_and_bodies_are_bounded() {
    let (server, address, _) = start(|o| {
        o.limits.connections = 3;
        o.limits.bodies_bytes = 50_000;
    });
    let mut first = Client::connect(address);
    let mut held: Vec<Client> = (0..2).map(|_| Client::connect(address)).collect();
    wait_for("three", || server.stats().active == 3);
    assert_eq!(Client::connect(address).answer().status, 503);
    assert_eq!(server.stats().refused, 1);

    held[0].send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40001\r\n\r\n");
    held[0].send(vec![b'a'; 40_000]);
    assert_eq!(first.get("/hello").status, 200);
    held[1].send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n");
    held[1].send(vec![b'b'; 60_000]);
    let refused = held[1].answer();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    held[1].finish_sending().wait_closed();
    held[0].send("a");
    assert_eq!(held[0].answer().body.len(), 40_001);
}

#[test]
fn a_panic_in_a_handler_is_a_500_and_nothing_more() {
    let (_server, address, _) = start(|_| {});
    let mut client = Client::connect(address);
    assert_eq!(client.get("/panic").status, 500);
    assert_eq!(client.rest(), b"");
    assert_eq!(Client::connect(address).get("/hello").status, 200);
}

#[test]
fn a_header_value_cannot_end_its_field() {
    let (_server, address, _) = start(|_| {});
    let answer = Client::connect(address).get("/header");
    assert_eq!(answer.header("x-test"), Some("a  Injected: b"));
    assert_eq!(answer.header("injected"), None);
}

#[test]
fn other_addresses_than_loopback_need_a_token() {
    let anywhere =
        |token| Options { address: "0.0.0.0:0".parse().unwrap(), token, ..Options::default() };
    let service = Arc::new(Example::default());
    let refused = Server::start(anywhere(None), Arc::clone(&service) as Arc<dyn Service>);
    assert!(matches!(refused, Err(StartError::TokenNeeded(_))));
    let server = Server::start(anywhere(Token::new("long-enough")), service).unwrap();
    let address =
        ("127.0.0.1".parse::<std::net::IpAddr>().unwrap(), server.address().port()).into();
    let mut client = Client::connect(address);
    assert_eq!(client.get("/hello").status, 401);
    let with =
        "GET /hello HTTP/1.1\r\nHost: localhost\r\nAuthorization: bearer long-enough\r\n\r\n";
    assert_eq!(client.send(with).answer().status, 200);
}

#[test]
fn stop_sends_what_there_is_and_joins() {
    let (server, address, example) = start(|_| {});
    let mut follower = Client::connect(address);
    follower.send("GET /pushed HTTP/1.1\r\nHost: localhost\r\n\r\n");
    follower.head();
    let mut idle = Client::connect(address);
    idle.get("/hello");
    let mut flooded = Client::connect(address);
    flooded.send("GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for("the flood", || example.streams.load(Ordering::SeqCst) == 1);
    // No waker is called: stopping itself asks each stream once more.
    example.pushed.lock().bytes.extend(b"last words");
    server.stop();
    server.stop();
    assert_eq!(follower.chunks_until("last words"), "last words");
    assert_eq!(follower.chunk(), None);
    assert_eq!(idle.rest(), b"");
    assert_eq!(example.streams.load(Ordering::SeqCst), 0);
    assert_eq!(server.stats().active, 0);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn server_threads_block_every_signal() {
    let (server, address, _) = start(|_| {});
    assert_eq!(Client::connect(address).get("/hello").status, 200);
    let mut seen = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let field = |name: &str| {
            status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default().trim().to_owned()
        };
        if field("Name:").starts_with("flr-http") {
            let blocked = u64::from_str_radix(&field("SigBlk:"), 16).unwrap();
            // All but KILL, STOP and the two that the C library keeps to itself.
            let always = 1 << 8 | 1 << 18 | 1 << 31 | 1 << 32;
            assert_eq!(blocked | always, u64::MAX, "{status}");
            seen += 1;
        }
    }
    assert!(seen >= 2, "{seen} server threads found");
    drop(server);
}

/// The kernel's own keep-alive runs, and begins early: nothing else tells of a client whose machine is gone.
#[test]
fn a_client_that_vanished_is_found_out_in_minutes() {
    let (_server, address, _) = start(|_| {});
    let mut client = Client::connect(address);
    assert_eq!(client.get("/hello").status, 200);
    let [here, there] = [address, client.address()].map(|of| format!(":{:04X}", of.port()));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    // Local and remote address, state, queues, and the timer: which (2: keep-alive), and when, in 1/100 s.
    let timers: Vec<(&str, u64)> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields[1].ends_with(&here) && fields[2].ends_with(&there))
        // Established: an earlier connection of the same ports may still be waiting for its end.
        .filter(|fields| fields[3] == "01")
        .map(|fields| {
            let (which, when) = fields[5].split_once(':').unwrap();
            (which, u64::from_str_radix(when, 16).unwrap())
        })
        .collect();
    // The kernel may show a line twice when the table changes while it is read.
    assert!(!timers.is_empty());
    assert!(timers.iter().all(|(which, when)| *which == "02" && *when <= 6100), "{timers:?}");
}
