//! `/logs`, `/logs/stream` and `/api/monitors` over real monitors.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flightring_monitor::{Hub, Monitor, Options as MonitorOptions, ProcessState, Sink, Stream};
use flightring_serve::App;
use flightring_serve::http::{Options, Server};
use serde_json::Value as Json;
use support::Client;

fn start(hub: &Arc<Hub>) -> (Server, SocketAddr) {
    let mut options = Options::default();
    options.limits.keep_alive = Duration::from_millis(500);
    let server = Server::start(options, Arc::new(App::new().with_hub(Arc::clone(hub)))).unwrap();
    let address = server.address();
    (server, address)
}

fn open(hub: &Hub, name: &str) -> Arc<Monitor> {
    hub.open(name, MonitorOptions::default()).unwrap()
}

fn small(hub: &Hub, name: &str, capacity: usize) -> Arc<Monitor> {
    hub.open(name, MonitorOptions { capacity, ..MonitorOptions::default() }).unwrap()
}

fn follow(address: SocketAddr, target: &str, fields: &str) -> (Client, support::Answer) {
    let mut client = Client::connect(address);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"));
    let head = client.head();
    (client, head)
}

/// The JSON of the next message that carries any.
fn json(line: &str) -> Json {
    serde_json::from_str(line.strip_prefix("data: ").unwrap_or(line)).unwrap()
}

#[test]
fn a_stream_is_the_history_and_then_what_comes() {
    let hub = Arc::new(Hub::new());
    let web = open(&hub, "group/web 1");
    web.write(Stream::Stdout, b"one\n").unwrap();
    let (_server, address) = start(&hub);
    let (mut client, head) = follow(address, "/logs/stream/group/web%201", "");
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    assert_eq!(head.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    assert_eq!(head.header("x-flightring-start"), Some("0"));
    assert_eq!(client.chunks_until("one\n"), "one\n");
    web.write(Stream::Stderr, b"two\n").unwrap();
    assert_eq!(client.chunks_until("two\n"), "two\n");
    assert_eq!(web.stats().subscribers, 1);
    web.close();
    assert_eq!(client.chunk(), None);
    assert_eq!(web.stats().subscribers, 0);
}

#[test]
fn without_history_only_what_comes_is_sent() {
    let hub = Arc::new(Hub::new());
    let web = open(&hub, "web");
    web.write(Stream::Stdout, b"old\n").unwrap();
    let (_server, address) = start(&hub);
    for target in ["/logs/stream/web?no-history", "/logs/stream/web?no-history=false&x=y"] {
        let (mut client, head) = follow(address, target, "");
        assert_eq!(head.header("x-flightring-start"), head.header("x-flightring-total"));
        web.write(Stream::Stdout, b"new\n").unwrap();
        assert_eq!(client.chunks_until("new\n"), "new\n");
    }
}

#[test]
fn an_unknown_id_is_a_400_with_a_text() {
    let hub = Arc::new(Hub::new());
    open(&hub, "web");
    let (_server, address) = start(&hub);
    let answer = Client::connect(address).get("/logs/stream/nobody");
    assert_eq!(answer.status, 400);
    assert_eq!(answer.text(), "no monitor is named \"nobody\"; there are: web\n");
    assert_eq!(Client::connect(address).get("/logs?monitor=nobody").status, 400);
    // No monitor has an empty name.
    let answer = Client::connect(address).get("/logs/stream/");
    assert_eq!(answer.text(), "no monitor is named \"\"; there are: web\n");
    assert_eq!(answer.status, 400);
}

#[test]
fn a_browser_that_asks_for_the_text_is_sent_to_the_page() {
    let hub = Arc::new(Hub::new());
    open(&hub, "web").write(Stream::Stdout, b"line\n").unwrap();
    let (_server, address) = start(&hub);
    let ask = |target: &str| {
        let text =
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html,*/*\r\n\r\n");
        Client::connect(address).send(text).answer()
    };
    let answer = ask("/logs");
    assert_eq!((answer.status, answer.header("location")), (302, Some("/")));
    let page = ask("/");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let saved = ask("/logs?download&monitor=web");
    assert_eq!(saved.text(), "line\n");
    assert_eq!(saved.header("content-disposition"), Some("attachment; filename=\"web.log\""));
}

#[test]
fn a_replay_says_where_it_begins_and_an_offset_from_before_a_restart_is_refused() {
    let hub = Arc::new(Hub::new());
    let web = small(&hub, "web", 16);
    web.write(Stream::Stdout, b"0123456789abcdefghij").unwrap();
    let (_server, address) = start(&hub);
    let mut client = Client::connect(address);
    let range = |answer: &support::Answer| {
        ["x-flightring-start", "x-flightring-skipped", "x-flightring-total"]
            .map(|name| answer.header(name).unwrap().parse::<u64>().unwrap())
    };
    for (since, start, skipped) in [(0, 4, 4), (4, 4, 0), (10, 10, 0), (20, 20, 0)] {
        let answer = client.get(&format!("/logs?monitor=web&since={since}"));
        assert_eq!(range(&answer), [start, skipped, 20], "since {since}");
        let text = "0123456789abcdefghij";
        assert!(
            answer.text().ends_with(&text[start as usize..]),
            "since {since}: {}",
            answer.text()
        );
    }
    let (_, head) = follow(address, "/logs/stream/web?since=7", "");
    assert_eq!(range(&head), [7, 0, 20]);
    // From before everything is from the beginning.
    let (_, head) = follow(address, "/logs/stream/web?since=-7", "");
    assert_eq!(range(&head), [4, 4, 20]);
    let answer = client.get("/logs/stream/web?since=21");
    assert_eq!(answer.status, 416);
    assert_eq!(answer.header("x-flightring-total"), Some("20"));
    for wrong in ["since=x", "tail=x", "time=x", "format=x", "stream=x", "ansi=x"] {
        assert_eq!(client.get(&format!("/logs?monitor=web&{wrong}")).status, 400, "{wrong}");
    }
}

#[test]
fn events_resume_where_the_browser_was_cut_off() {
    let hub = Arc::new(Hub::new());
    let web = open(&hub, "web");
    web.write(Stream::Stdout, "caf\u{e9}\n".as_bytes()).unwrap();
    web.write(Stream::Stderr, b"<b>\xff\x1b[1m\n").unwrap();
    let (_server, address) = start(&hub);
    let accept = "Accept: text/event-stream\r\n";
    let (mut client, head) = follow(address, "/logs/stream/web", accept);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    let text = client.chunks_until("stderr");
    let events: Vec<&str> = text.trim_end().split("\n\n").collect();
    assert_eq!(events.len(), 2, "{text}");
    let (id, data) = events[0].split_once('\n').unwrap();
    assert_eq!(id, "id: 6");
    assert_eq!(
        (&json(data)["source"], &json(data)["data"]),
        (&"web".into(), &"caf\u{e9}\n".into())
    );
    let second = json(events[1].split_once('\n').unwrap().1);
    assert_eq!(second["stream"], "stderr");
    assert_eq!(second["data"], "<b>\u{fffd}\u{1b}[1m\n");
    assert_eq!(client.chunks_until("\n\n"), ": nothing new\n\n");

    let (mut again, _) =
        follow(address, "/logs/stream/web?since=0", &format!("{accept}Last-Event-ID: 6\r\n"));
    let text = again.chunks_until("\n\n");
    assert!(text.contains("stderr") && !text.contains("stdout"), "{text}");

    let (mut anew, _) =
        follow(address, "/logs/stream/web", &format!("{accept}Last-Event-ID: \r\n"));
    assert!(anew.chunks_until("\n\n").starts_with("id: 6\n"));

    // When all is over, the browser is told not to come again.
    web.close();
    again.chunks_until("event: end");
    let total = web.total();
    let (_, head) =
        follow(address, "/logs/stream/web", &format!("{accept}Last-Event-ID: {total}\r\n"));
    assert_eq!((head.status, head.header("content-length")), (204, None));
}

/// However characters are cut, and whatever the other stream writes in between, each message says where its text begins, and
/// a client that is cut off after any of them misses no byte of the rest.
#[test]
fn characters_resume_after_each_message() {
    let hub = Arc::new(Hub::new());
    let web = open(&hub, "web");
    let stdout = "d\u{e9}j\u{e0} \u{1f980}!\n";
    for (i, byte) in stdout.bytes().enumerate() {
        web.write(Stream::Stdout, &[byte]).unwrap();
        if i % 2 == 0 {
            web.write(Stream::Stderr, b"x").unwrap();
        }
    }
    web.close();
    let (_server, address) = start(&hub);
    let messages = |since: &str, format: &str| -> Vec<Json> {
        let target = format!("/logs/stream/web?format={format}&since={since}");
        let answer = Client::connect(address).get(&target);
        assert_eq!(answer.status, 200, "{target}");
        let text = answer.text();
        let data = text.lines().filter_map(|line| line.find('{').map(|at| json(&line[at..])));
        data.filter(|message| message["end"] != true).collect()
    };
    let of = |messages: &[Json], stream: &str| -> String {
        let own = messages.iter().filter(|message| message["stream"] == stream);
        own.map(|message| message["data"].as_str().unwrap()).collect()
    };
    for format in ["chunks", "sse"] {
        let all = messages("0", format);
        assert_eq!(of(&all, "stdout"), stdout);
        assert_eq!((&all[0]["fresh"], all[2].get("fresh")), (&true.into(), None));
        for (i, message) in all.iter().enumerate() {
            let mut text = web.snapshot().1;
            text.drain(..message["offset"].as_u64().unwrap() as usize);
            let begin = message["data"].as_str().unwrap();
            assert!(begin.is_empty() || text[0] == begin.as_bytes()[0], "{message}");
            let next = &message["next"];
            let next = next.as_str().map_or_else(|| next.to_string(), ToOwned::to_owned);
            let (before, after) = (&all[..=i], messages(&next, format));
            for stream in ["stdout", "stderr"] {
                let joined = of(before, stream) + &of(&after, stream);
                assert_eq!(joined, of(&all, stream), "{format} after {message}");
            }
        }
        assert!(all.iter().any(|message| message["next"].is_string()));
    }
}

#[test]
fn a_follower_that_was_away_too_long_is_told_what_it_missed() {
    let hub = Arc::new(Hub::new());
    let web = small(&hub, "web", 64);
    web.write(Stream::Stdout, &[b'x'; 1000]).unwrap();
    let (_server, address) = start(&hub);
    let (mut text, _) = follow(address, "/logs/stream/web?since=100", "");
    let told = text.chunks_until(&"x".repeat(64));
    assert_eq!(told, format!("\n[flightring: 836 bytes skipped]\n{}", "x".repeat(64)));
    let (mut events, _) = follow(address, "/logs/stream/web?since=100&format=sse", "");
    let told = events.chunks_until("\n\n");
    let (head, data) = told.split_once("data: ").unwrap();
    assert_eq!(head, "event: gap\nid: 936\n");
    assert_eq!((&json(data.lines().next().unwrap())["gap"]), &Json::from(836));
    assert_eq!(web.stats().skipped, 2 * 836);
}

#[test]
fn lines_come_whole_with_their_stream_and_time() {
    let hub = Arc::new(Hub::new());
    let web = open(&hub, "web");
    web.write(Stream::Stdout, b"first ").unwrap();
    web.write(Stream::Stderr, b"\x1b[31mapart\x1b[0m\n").unwrap();
    web.write(Stream::Stdout, b"half\nlast").unwrap();
    let (_server, address) = start(&hub);
    let answer = Client::connect(address).get("/logs?monitor=web&format=ndjson&ansi=strip");
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let body = answer.text();
    let lines: Vec<Json> = body.lines().map(json).collect();
    let texts: Vec<_> = lines
        .iter()
        .map(|l| (l["stream"].as_str().unwrap(), l["text"].as_str().unwrap()))
        .collect();
    assert_eq!(texts, [("stderr", "apart"), ("stdout", "first half"), ("stdout", "last")]);
    assert_eq!(lines[2]["partial"], true);
    assert!(lines.iter().all(|l| l["time"].as_u64().unwrap() > 1_500_000_000_000));
    let one = Client::connect(address).get("/logs?monitor=web&stream=stderr&ansi=strip");
    assert_eq!(one.text(), "apart\n");
    let tail = Client::connect(address).get("/logs?monitor=web&tail=1");
    assert_eq!(tail.text(), "last");
    let later = Client::connect(address).get("/logs?monitor=web&time=2999-01-01T00:00:00Z");
    assert_eq!(later.text(), "");
}

/// However lines of several streams are cut into one another, a client that was cut off after any of them gets the
/// others once.
#[test]
fn lines_resume_after_each_one_without_a_gap_and_without_a_double() {
    let hub = Arc::new(Hub::new());
    let web = open(&hub, "web");
    for (stream, data) in [
        (Stream::Stdout, "one\ntw"),
        (Stream::Stderr, "err one\nerr t"),
        (Stream::Stdout, "o\nthree\nfo"),
        (Stream::Stderr, "wo\n"),
        (Stream::Log, "own\n"),
        (Stream::Stdout, "ur\n"),
    ] {
        web.write(stream, data.as_bytes()).unwrap();
    }
    let (_server, address) = start(&hub);
    let lines = |target: &str, fields: &str| -> Vec<(String, String)> {
        let (mut client, head) = follow(address, target, fields);
        assert_eq!(head.status, 200, "{target}");
        let text = client.chunks_until("\"four\"");
        let lines = text.lines().filter(|line| !line.is_empty()).map(json);
        let of = |line: &Json, key: &str| line[key].as_str().unwrap().to_owned();
        lines.map(|line| (of(&line, "text"), of(&line, "next"))).collect()
    };
    let all = lines("/logs/stream/web?format=ndjson", "");
    let texts: Vec<_> = all.iter().map(|line| line.0.as_str()).collect();
    assert_eq!(texts, ["one", "err one", "two", "three", "err two", "own", "four"]);
    assert!(all.iter().any(|line| line.1.contains('.')), "streams at places of their own");
    for (i, (_, next)) in all[..all.len() - 1].iter().enumerate() {
        let since = format!("/logs/stream/web?format=ndjson&since={next}");
        assert_eq!(lines(&since, ""), &all[i + 1..], "after {next}");
        let id = format!("Last-Event-ID: {next}\r\n");
        assert_eq!(lines("/logs/stream/web?format=ndjson", &id), &all[i + 1..]);
        let each = format!("/logs/stream?format=ndjson&since=web%3D{next}");
        assert_eq!(lines(&each, ""), &all[i + 1..], "of all, after {next}");
    }
    // The other formats go on there, too.
    let between = &all.iter().find(|line| line.1.contains('.')).unwrap().1;
    assert_eq!(between, "4.14.14");
    let rest = Client::connect(address).get(&format!("/logs?monitor=web&since={between}"));
    assert_eq!(rest.text(), "twerr to\nthree\nfowo\nown\nur\n");
    let beyond = format!("/logs?monitor=web&format=ndjson&since=0.{}.0", web.total() + 1);
    assert_eq!(Client::connect(address).get(&beyond).status, 416);
}

#[test]
fn all_monitors_are_one_stream_in_whole_lines_and_new_ones_join() {
    let hub = Arc::new(Hub::new());
    let all = open(&hub, "all");
    let sink = Some(Sink::Monitor(Arc::clone(&all)));
    // What is passed on to another monitor appears there, and once.
    let chained =
        hub.open("chained", MonitorOptions { sink, ..MonitorOptions::default() }).unwrap();
    let web = open(&hub, "web");
    chained.write(Stream::Stdout, b"from the chain\n").unwrap();
    web.write(Stream::Stdout, b"from the web").unwrap();
    let (_server, address) = start(&hub);
    let mut lines: Vec<String> =
        Client::connect(address).get("/logs").text().lines().map(str::to_owned).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["from the chain", "from the web"]);
    // A group that is not in the hub shows nothing, so its members do.
    let elsewhere = Monitor::new("elsewhere", MonitorOptions::default()).unwrap();
    let (quiet, sink) = (Arc::new(Hub::new()), Some(Sink::Monitor(elsewhere)));
    let member = quiet.open("member", MonitorOptions { sink, ..MonitorOptions::default() });
    member.unwrap().write(Stream::Stdout, b"of a group\n").unwrap();
    let (_other, other_address) = start(&quiet);
    assert_eq!(Client::connect(other_address).get("/logs").text(), "of a group\n");

    let (mut client, head) = follow(address, "/logs/stream?format=chunks", "");
    assert_eq!(head.header("x-flightring-start"), None);
    client.chunks_until("from the web");
    open(&hub, "new").write(Stream::Stdout, b"hello\n").unwrap();
    let text = client.chunks_until("hello");
    let hello = json(text.lines().find(|l| l.contains("hello")).unwrap());
    assert_eq!((&hello["source"], &hello["next"]), (&"new".into(), &6.into()));

    // One that is gone is let go of; one of the same name is another one.
    let gone = hub.get("new").unwrap();
    hub.remove("new");
    open(&hub, "new").write(Stream::Stdout, b"again\n").unwrap();
    client.chunks_until("again");
    while gone.stats().subscribers > 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    hub.remove("new");
    open(&hub, "new").write(Stream::Stdout, b"hello\n").unwrap();

    // Each monitor has its own place to resume at.
    let (mut events, _) = follow(address, "/logs/stream?format=sse&since=all%3D15%26web%3D8", "");
    let text = events.chunks_until("hello");
    assert!(text.contains("\" web\"") || text.contains("\"the web\""), "{text}");
    assert!(!text.contains("chain\\n"), "{text}");
    let last = text.lines().rfind(|l| l.starts_with("id: ")).unwrap();
    for place in ["all=15", "web=12", "new=6"] {
        assert!(last.contains(place), "{last}");
    }
    assert_eq!(Client::connect(address).get("/logs?since=5").status, 400);
}

#[test]
fn monitors_are_listed_with_their_counts() {
    let hub = Arc::new(Hub::new());
    let web = open(&hub, "we\"b");
    web.write(Stream::Stdout, b"one\ntwo\n").unwrap();
    web.write(Stream::Stderr, b"three\n").unwrap();
    web.set_process(ProcessState::Killed { signal: 9 });
    let (_server, address) = start(&hub);
    let list: Json =
        serde_json::from_slice(&Client::connect(address).get("/api/monitors").body).unwrap();
    let web = &list["monitors"][0];
    for (key, value) in [
        ("name", Json::from("we\"b")),
        ("state", "killed".into()),
        ("signal", 9.into()),
        ("total", 14.into()),
        ("lines", 3.into()),
        ("stdout", 8.into()),
        ("stderr", 6.into()),
        ("subscribers", 0.into()),
    ] {
        assert_eq!(web[key], value, "{key}");
    }
    assert_eq!(list["recorder"], false);
}

#[test]
fn a_slow_client_holds_up_neither_the_writer_nor_another_client() {
    let hub = Arc::new(Hub::new());
    let web = small(&hub, "web", 1 << 16);
    let (_server, address) = start(&hub);
    let (_slow, _) = follow(address, "/logs/stream/web", "");
    let (mut quick, _) = follow(address, "/logs/stream/web?no-history", "");
    for i in 0..20_000 {
        web.write(Stream::Stdout, format!("line {i} {}\n", "x".repeat(1000)).as_bytes()).unwrap();
    }
    web.write(Stream::Stdout, b"the end\n").unwrap();
    // Whatever it missed is marked, and it has the newest.
    quick.chunks_until("the end\n");
}

#[test]
fn paths_and_methods_that_do_not_exist_are_told_apart() {
    let (_server, address) = start(&Arc::new(Hub::new()));
    let status = |request: &str| {
        Client::connect(address)
            .send(format!("{request} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .head()
            .status
    };
    assert_eq!(status("GET /nothing"), 404);
    assert_eq!(status("GET /api/traces"), 404);
    assert_eq!(status("POST /logs"), 405);
    assert_eq!(status("GET /v1/traces"), 405);
    assert_eq!(status("DELETE /logs"), 405);
    assert_eq!(status("HEAD /logs/stream"), 200);
    assert_eq!(status("GET /logs/stream/"), 400);
}

#[test]
fn patterns_of_the_monitors_that_count_them() {
    use flightring_monitor::{Masker, Mode, SummaryOptions};
    let hub = Arc::new(Hub::new());
    let web = open(&hub, "web");
    open(&hub, "quiet");
    web.count_patterns(&Masker::new(Mode::Typed), &SummaryOptions::default()).unwrap();
    web.write(Stream::Stdout, b"get 1\nget 2\nput 3\n").unwrap();
    while web.top_patterns(0).unwrap().lines < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (_server, address) = start(&hub);
    let mut client = Client::connect(address);
    let answer = client.get("/api/patterns?most=1");
    assert_eq!(answer.status, 200);
    let found: Json = serde_json::from_str(&answer.text()).unwrap();
    let monitors = found["monitors"].as_array().unwrap();
    assert_eq!(monitors.len(), 1);
    assert_eq!(monitors[0]["name"], "web");
    assert_eq!(monitors[0]["lines"], 3);
    assert_eq!(monitors[0]["top"][0]["pattern"], "get <num>");
    assert_eq!(monitors[0]["top"][0]["count"], 2);
    assert_eq!(monitors[0]["top"].as_array().unwrap().len(), 1);
}
