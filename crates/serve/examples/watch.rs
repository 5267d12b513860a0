//! Watches shell commands, and takes OTLP in: `cargo run --example watch -- web='ping localhost' 'ls=ls -l'`.
//!
//! It prints the address of its page, and serves until its standard input ends.

use std::error::Error;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use flightring_monitor::{Hub, Options as MonitorOptions, Stream};
use flightring_serve::App;
use flightring_serve::http::{Options, Server};
use flightring_store::{Recorder, RecorderOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let hub = Arc::new(Hub::new());
    let recorder = Recorder::new(&RecorderOptions::default())?;
    let app = App::new().with_hub(Arc::clone(&hub)).with_recorder(recorder);
    let server = Server::start(Options::default(), Arc::new(app))?;
    println!("http://{}/", server.address());
    std::io::stdout().flush()?;

    let mut children = Vec::new();
    for argument in std::env::args().skip(1) {
        let (name, command) = argument.split_once('=').ok_or("expected name=command")?;
        let monitor = hub.open(name, MonitorOptions::default())?;
        let mut child = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        monitor.watch(child.id())?;
        for (stream, fd) in [
            (Stream::Stdout, child.stdout.take().map(Into::into)),
            (Stream::Stderr, child.stderr.take().map(Into::into)),
        ] {
            if let Some(fd) = fd {
                monitor.attach(stream, fd)?;
            }
        }
        children.push(child);
    }

    std::io::stdin().read_to_end(&mut Vec::new())?;
    server.stop();
    for mut child in children {
        let _ = child.kill();
        child.wait()?;
    }
    Ok(())
}
