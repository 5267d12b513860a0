mod children;
mod pass;
mod procfile;
mod terminal;
mod wait;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;
use flightring_logger::Logger;
use flightring_monitor::{Hub, Masker, Mode, Options as MonitorOptions, Sink, SummaryOptions};
use flightring_serve::http::{Options as ServerOptions, Server, Token};
use flightring_serve::{App, Loggers};
use flightring_store::{Recorder, RecorderOptions};

use crate::failure::{Failure, Outcome, complain};

use children::{Running, exit_code_of};
use pass::{Pass, Show, open_log};
use terminal::{Raw, Use};
use wait::{Ending, Signals, wait};

/// Run commands under watch: output untouched, a live page, and a log if asked
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The command and its arguments
    #[arg(required_unless_present = "file", trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,

    /// Run the commands of this file instead, a 'name: command' a line
    #[arg(long, short, value_name = "PROCFILE", conflicts_with_all = ["command", "name"])]
    file: Option<PathBuf>,

    /// Run in a terminal: programs show colours and write each line at once, as for a person; one stream for both outputs
    #[arg(long)]
    pty: bool,

    /// What the command is called on the page [default: its file name]
    #[arg(long)]
    name: Option<String>,

    /// Where the page is: a port, an address with a port, or 'off' [default: a free port, if this is a terminal]
    #[arg(long, value_name = "ADDR", value_parser = parse_http)]
    http: Option<Http>,

    /// What requests must carry; one is made up if the page can be reached from other machines
    #[arg(long, env = "FLIGHTRING_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// Record the output in this log, a line an event, for 'flightring cat' and the like
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// How much of each command's output is kept for the page: bytes, or with K, M or G
    #[arg(long, value_name = "SIZE", default_value = "4M", value_parser = parse_size)]
    history: usize,

    /// Take traces, logs and metrics from the commands: their OTEL_EXPORTER_OTLP_... variables are set
    #[arg(long)]
    otlp: bool,

    /// Go on serving the page when the commands have ended, until interrupted
    #[arg(long)]
    stay: bool,

    /// When one command has ended, end the others
    #[arg(long, requires = "file")]
    together: bool,
}

const EXAMPLES: &str = "\
Examples:
  flightring run -- make test                 the page's address is on standard error
  flightring run --http 8080 --log build.log -- cargo build
  flightring run --pty -- npm test            in a terminal, with colours
  flightring run --http 8080 -f Procfile      several commands, each behind its name
  curl -N localhost:8080/logs/stream          follow along from elsewhere

Exit codes: the command's, and a signal that ends the command ends this too; with -f that of the first command
that failed. 126 and 127: a command cannot be started, as in a shell. Signals are passed on; of several commands those that did not
end 10 seconds after the first, or at the second, are killed.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Http {
    Off,
    At(SocketAddr),
}

/// How long the last output of a command that ended may take to arrive.
const LAST_OUTPUT: Duration = Duration::from_millis(500);

pub(crate) fn run(args: Args) -> Result<Outcome, Failure> {
    let mut signals = Signals::watch()
        .map_err(|error| Failure::Message(format!("cannot watch for signals: {error}")))?;
    let commands = commands(&args)?;
    let logger = args.log.as_deref().map(open).transpose()?;
    let hub = Arc::new(Hub::new());
    let server = serve(&args, &hub, logger.as_deref())?;

    let mut passes = Vec::new();
    let mut running: Vec<Running> = Vec::new();
    let width = commands.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (i, (name, mut command)) in commands.into_iter().enumerate() {
        let show = match &args.file {
            None => Show::Untouched,
            Some(_) => Show::Named { width, colour: colour(i) },
        };
        let pass = Arc::new(Pass::new(&name, show, args.pty, logger.clone()));
        let sink = {
            let pass = Arc::clone(&pass);
            Sink::Callback(Box::new(move |stream, data| pass.write(stream, data)))
        };
        let options = MonitorOptions {
            capacity: args.history,
            sink: Some(sink),
            ..MonitorOptions::default()
        };
        let monitor = hub.open(&name, options).map_err(|e| Failure::Message(e.to_string()))?;
        if server.is_some() {
            // For the page.
            let mut counted = SummaryOptions::default();
            (counted.max_patterns, counted.slots) = (2000, false);
            monitor
                .count_patterns(&Masker::new(Mode::Typed), &counted)
                .map_err(|e| Failure::Message(format!("cannot count patterns: {e}")))?;
        }
        if let (true, Some(page)) = (args.otlp, &server) {
            page.export_to(&mut command);
        }
        let program = command.get_program().to_owned();
        let started = match (args.pty, &args.file) {
            (true, None) => Running::start_in_terminal(command, monitor, Use::Alone),
            (true, Some(_)) => {
                // The name, and the bar and blanks around it.
                let columns = u16::try_from(width + 3).unwrap_or(u16::MAX);
                Running::start_in_terminal(command, monitor, Use::Beside { columns })
            }
            (false, file) => Running::start(command, monitor, file.is_some()),
        };
        match started {
            Ok(started) => running.push(started),
            Err(error) => {
                complain(format_args!("cannot start {name}: {}", why_not(&error, &program)));
                let ending = Some(Ending::begin(&running));
                wait(&mut signals, &mut running, &passes, false, ending);
                return Ok(Outcome::Code(exit_code_of(&error)));
            }
        }
        passes.push(pass);
    }

    let raw = if args.pty && args.file.is_none() {
        Raw::begin().map_err(|e| Failure::Message(format!("cannot use the terminal: {e}")))?
    } else {
        None
    };
    let given_up = wait(&mut signals, &mut running, &passes, args.together, None);
    let mut quiet = true;
    for (one, pass) in running.iter().zip(&passes).filter(|_| given_up.is_none()) {
        // What somebody whom the command has left behind writes is not waited for.
        quiet &= one.monitor.wait_finished(Some(LAST_OUTPUT));
        if !quiet {
            // It may be under way to a reader who takes nothing.
            signals.end_us();
        }
        pass.finish();
    }
    drop(raw);
    if let Some(logger) = &logger {
        close(logger);
    }
    if let Some(signal) = given_up {
        // Before anything is dropped that waits for the reader of our output.
        return Ok(end_like(ExitStatus::from_raw(signal)));
    }
    let lost = passes.iter().filter_map(|pass| pass.failure());
    let lost = lost.inspect(|why| complain(why)).count() > 0;
    if let (true, Some(page)) = (args.stay, &server) {
        complain(format_args!("the commands have ended; {} stays until interrupted", page.url));
        signals.wait_for_end();
    }
    let ends = running.iter().filter_map(|one| one.ended);
    let end = ends.reduce(|first, next| if first.success() { next } else { first });
    // Followers get the last bytes and the end before the server goes.
    running.iter().for_each(|one| one.monitor.close());
    drop(server);
    Ok(match end.map_or(Outcome::Fine, end_like) {
        Outcome::Fine | Outcome::Code(0) if lost => Outcome::Code(1),
        outcome => outcome,
    })
}

/// What to run, by name.
fn commands(args: &Args) -> Result<Vec<(String, Command)>, Failure> {
    let Some(path) = &args.file else {
        let Some((program, arguments)) = args.command.split_first() else { return Ok(Vec::new()) };
        let file_name = Path::new(program).file_name().unwrap_or(program);
        let name = args.name.clone().unwrap_or_else(|| file_name.to_string_lossy().into_owned());
        let mut command = Command::new(program);
        command.args(arguments);
        return Ok(vec![(name, command)]);
    };
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, error))?;
    let entries = procfile::parse(&text).map_err(|error| Failure::file("use", path, error))?;
    let shell = |entry: procfile::Entry| {
        let mut command = Command::new("sh");
        command.args(["-c", &entry.command]);
        (entry.name, command)
    };
    Ok(entries.into_iter().map(shell).collect())
}

/// Why a command cannot be started, and what can be done about it.
fn why_not(error: &io::Error, program: &OsString) -> String {
    let name = program.to_string_lossy();
    match error.kind() {
        io::ErrorKind::NotFound if !name.contains('/') => {
            let here = if Path::new(program).exists() {
                format!("; for the one here say ./{name}")
            } else {
                String::new()
            };
            format!("there is no such command in PATH{here}")
        }
        io::ErrorKind::NotFound => {
            format!("there is no {name}, or the program that it is for (#!)")
        }
        io::ErrorKind::PermissionDenied => format!("{name} is not executable: {error}"),
        _ => error.to_string(),
    }
}

/// The page, while it is served.
struct Page {
    url: String,
    endpoint: String,
    token: Option<String>,
    _server: Server,
}

impl Page {
    /// Has a command send its telemetry here.
    fn export_to(&self, command: &mut Command) {
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &self.endpoint);
        command.env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
        if let Some(token) = &self.token {
            command.env("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer%20{token}"));
        }
    }
}

/// Starts the server, if there is to be one, and says where it is.
fn serve(args: &Args, hub: &Arc<Hub>, logger: Option<&Logger>) -> Result<Option<Page>, Failure> {
    let address = match args.http {
        Some(Http::Off) => return Ok(None),
        Some(Http::At(address)) => address,
        // Nobody would learn of an address that is not asked for.
        None if !io::stderr().is_terminal() && !args.stay && !args.otlp => return Ok(None),
        None => SocketAddr::from(([127, 0, 0, 1], 0)),
    };
    // Other people may use this machine, or reach it: who did not choose an
    // address of this machine alone gets a token.
    let token = match &args.token {
        Some(token) => Some(token.clone()),
        None if args.http.is_none() || !address.ip().is_loopback() => Some(random_token()?),
        None => None,
    };
    let checked = token.as_ref().map(|token| {
        let message = "a token has 8 to 256 letters, digits and - . _ ~";
        Token::new(token).ok_or_else(|| Failure::Message(message.to_owned()))
    });
    let recorder = Recorder::new(&RecorderOptions::default())
        .map_err(|error| Failure::Message(error.to_string()))?;
    let loggers = Arc::new(Loggers::default());
    if let Some(logger) = logger {
        let path = logger.view().path().to_owned();
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        loggers.add(name, logger.view());
    }
    let app = App::new().with_hub(Arc::clone(hub)).with_recorder(recorder).with_loggers(loggers);
    let options =
        ServerOptions { address, token: checked.transpose()?, ..ServerOptions::default() };
    let server = Server::start(options, Arc::new(app))
        .map_err(|error| Failure::Message(error.to_string()))?;
    let mut at = server.address();
    if at.ip().is_unspecified() {
        at.set_ip(if at.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    let endpoint = format!("http://{at}");
    let url = match &token {
        Some(token) => format!("{endpoint}/?token={token}"),
        None => format!("{endpoint}/"),
    };
    complain(&url);
    Ok(Some(Page { url, endpoint, token, _server: server }))
}

fn random_token() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| Failure::Message(format!("no random numbers for a token: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn open(path: &Path) -> Result<Arc<Logger>, Failure> {
    open_log(path).map(Arc::new).map_err(|error| Failure::file("record in", path, error))
}

/// Writes what is left, and says what could not be kept.
fn close(logger: &Logger) {
    if let Err(error) = logger.close() {
        complain(format_args!("the log is not complete: {error}"));
    }
    let dropped = logger.stats().dropped;
    if dropped > 0 {
        complain(format_args!("{dropped} lines are not in the log"));
    }
}

/// Ends as the command ended.
fn end_like(end: ExitStatus) -> Outcome {
    if let Some(signal) = end.signal() {
        // The command has dumped its core if it was to; this process is none
        // to look into.
        let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
        let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
        // If that signal does not end a process, the shell's number is left.
        let _ = signal_hook::low_level::emulate_default_handler(signal);
        return Outcome::Code(128_u8.wrapping_add(signal as u8));
    }
    // An exit code has 8 bits.
    Outcome::Code(end.code().unwrap_or(1) as u8)
}

fn colour(index: usize) -> u8 {
    if !io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some() {
        return 0;
    }
    [36, 33, 32, 35, 34, 31][index % 6]
}

fn parse_http(text: &str) -> Result<Http, String> {
    if text == "off" {
        return Ok(Http::Off);
    }
    if let Ok(port) = text.trim_start_matches(':').parse::<u16>() {
        return Ok(Http::At(([127, 0, 0, 1], port).into()));
    }
    let local = text.replace("localhost:", "127.0.0.1:");
    let expected = "expected a port, an address such as 127.0.0.1:8080, or 'off'";
    local.parse().map(Http::At).map_err(|_| expected.to_owned())
}

fn parse_size(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.to_ascii_uppercase().strip_suffix(['K', 'M', 'G']) {
        Some(digits) => {
            let exponent = match text.as_bytes()[text.len() - 1].to_ascii_uppercase() {
                b'K' => 10,
                b'M' => 20,
                _ => 30,
            };
            (digits.to_owned(), 1_usize << exponent)
        }
        None => (text.to_owned(), 1),
    };
    let size = digits.parse::<usize>().ok().and_then(|n| n.checked_mul(unit)).filter(|&n| n > 0);
    size.ok_or_else(|| "expected a number of bytes such as 4M".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_sizes() {
        let at = |text: &str| parse_http(text).ok();
        assert_eq!(at("8080"), Some(Http::At("127.0.0.1:8080".parse().unwrap())));
        assert_eq!(at(":80"), Some(Http::At("127.0.0.1:80".parse().unwrap())));
        assert_eq!(at("localhost:1"), Some(Http::At("127.0.0.1:1".parse().unwrap())));
        assert_eq!(at("[::1]:1"), Some(Http::At("[::1]:1".parse().unwrap())));
        assert_eq!(at("off"), Some(Http::Off));
        assert_eq!(at("example.com:80"), None);
        assert_eq!(parse_size("4M"), Ok(4 << 20));
        assert_eq!(parse_size("512"), Ok(512));
        assert_eq!(parse_size("1k"), Ok(1024));
        for wrong in ["", "0", "M", "-1", "1T", "99999999999G"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
