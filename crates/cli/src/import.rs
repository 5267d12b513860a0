use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::Value as Json;

use crate::failure::{Failure, Outcome, complain};
use crate::service::Service;

/// Send records that were saved to a running service
///
/// The input is what `flightring query --json` writes: a JSON object a record and line.
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What the records are
    signal: Signal,

    /// Where they are; '-' is standard input
    #[arg(default_value = "-")]
    file: PathBuf,

    #[command(flatten)]
    service: Service,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Signal {
    /// Spans
    Traces,
    /// Log records
    Logs,
    /// Metric points
    Metrics,
}

const EXAMPLES: &str = "\
Examples:
  flightring query logs --json limit=10000 > logs.ndjson
  flightring import logs logs.ndjson --url http://127.0.0.1:9090

Exit codes: 0 all records were taken; 1 some were refused; 2 wrong usage, or the service does not answer.";

/// Bytes after which lines are sent; the service takes twice as many at a time.
const BATCH: usize = 8 << 20;

pub(crate) fn run(args: Args) -> Result<Outcome, Failure> {
    let unreadable = |error: io::Error| Failure::file("read", &args.file, error);
    let mut input: Box<dyn BufRead> = if args.file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(&args.file).map_err(unreadable)?))
    };
    let path = match args.signal {
        Signal::Traces => "v1/traces",
        Signal::Logs => "v1/logs",
        Signal::Metrics => "v1/metrics",
    };
    let mut refused = false;
    let mut lines = Vec::new();
    loop {
        let ended = input.read_until(b'\n', &mut lines).map_err(unreadable)? == 0;
        if lines.len() >= BATCH || (ended && !lines.is_empty()) {
            refused |= send(&args.service, path, &lines)?;
            lines.clear();
        }
        if ended {
            return Ok(Outcome::finding(refused));
        }
    }
}

/// Whether some of the lines were refused, after saying so.
fn send(service: &Service, path: &str, lines: &[u8]) -> Result<bool, Failure> {
    let mut answer = Vec::new();
    service
        .post(path, "application/x-ndjson", lines)?
        .read_to_end(&mut answer)
        .and_then(|_| serde_json::from_slice::<Json>(&answer).map_err(io::Error::from))
        .map(|answer| match answer["partialSuccess"]["errorMessage"].as_str() {
            Some(why) => {
                complain(format_args!("records were refused: {why}"));
                true
            }
            None => false,
        })
        .map_err(|error| Failure::Message(format!("the answer cannot be read: {error}")))
}
