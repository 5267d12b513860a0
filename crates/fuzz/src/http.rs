use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use flightring_monitor::{Hub, Options, Stream};
use flightring_serve::App;
use flightring_serve::http::{self, Server};
use flightring_store::{Recorder, RecorderOptions};

/// Arbitrary bytes from a client never bring the server down, and what it answers begins like HTTP. Afterwards it still
/// answers a well-formed request.
pub fn http(data: &[u8]) {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(start);
    let answer = ask(server, data, A_MOMENT);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{}", answer.escape_ascii());
    let probe = ask(server, PROBE, PATIENCE);
    assert!(probe.starts_with(b"HTTP/1.1 200"), "{}", probe.escape_ascii());
}

const PROBE: &[u8] = b"GET /api/monitors HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// How long a stream that may be live is followed after its last byte.
const A_MOMENT: Duration = Duration::from_millis(20);

/// Longer than any machine takes for an answer that must come.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the server sends until it closes or is silent for so long.
fn ask(server: &Server, request: &[u8], silence: Duration) -> Vec<u8> {
    let mut socket = TcpStream::connect(server.address()).expect("the server listens");
    socket.set_read_timeout(Some(silence)).expect("it is not zero");
    // Refused half-way, as the server may.
    let _ = socket.write_all(request);
    let _ = socket.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while answer.len() < 1 << 16 {
        match socket.read(&mut piece) {
            Ok(0) => break,
            Ok(len) => answer.extend_from_slice(&piece[..len]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    answer
}

fn start() -> Server {
    let hub = Arc::new(Hub::new());
    let monitor = hub.open("child", Options::default()).expect("the name is free");
    monitor.write(Stream::Stdout, b"one\ntwo\n").expect("it is open");
    let recorder = Recorder::new(&RecorderOptions::default()).expect("the default is valid");
    let app = App::new().with_hub(hub).with_recorder(recorder);
    Server::start(http::Options::default(), Arc::new(app)).expect("a free port")
}
