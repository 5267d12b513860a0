use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read};

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::Value as Json;

use crate::failure::{Failure, Outcome, complain};
use crate::output::{Output, Printer};
use crate::service::Service;

/// Ask a running service for its recent spans, logs and metrics
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to ask for
    signal: Signal,

    /// Filters: service=NAME, name=NAME, errors, severity=warn, text=TEXT, status=error, min_duration=250ms,
    /// attribute=KEY=VALUE, trace_id=ID, type=gauge, since=SNAPSHOT, limit=N, order=oldest ...
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,

    #[command(flatten)]
    service: Service,

    /// Go on with what arrives from now on
    #[arg(long, short)]
    follow: bool,

    /// One JSON object a record, which `flightring import` takes in
    #[arg(long)]
    json: bool,

    /// An OTLP request, in JSON, that collectors and recorders take in
    #[arg(long, conflicts_with_all = ["json", "follow"])]
    otlp: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Signal {
    /// Spans
    Traces,
    /// Log records
    Logs,
    /// Metric points
    Metrics,
    /// One trace as a tree; the filter is its id
    Trace,
    /// What the stores hold, and what they evicted
    Stats,
}

const EXAMPLES: &str = "\
Examples:
  flightring query logs severity=error              the newest errors
  flightring query traces service=api min_duration=250ms
  flightring query trace 4bf92f3577b34da6a3ce929d0e0e4736
  flightring query logs -f text=timeout             follow
  flightring query traces since=deploy --otlp       everything since a snapshot, for a collector

Exit codes: 0 records were found; 1 none; 2 wrong usage, or the service does not answer.";

/// The longest answer that is read whole.
const MOST: u64 = 256 << 20;

pub(crate) fn run(args: Args) -> Result<Outcome, Failure> {
    let mut printer = Output::plain();
    let path = match args.signal {
        Signal::Traces => "traces",
        Signal::Logs => "logs",
        Signal::Metrics => "metrics",
        Signal::Stats => {
            if let Some(filter) = args.filters.first() {
                let message = format!("there is nothing to filter in the statistics: \"{filter}\"");
                return Err(Failure::Message(message));
            }
            let figures = json_of(args.service.get("recorder", &[])?)?;
            printer.line(format!("{figures:#}"))?;
            return Ok(Outcome::Fine);
        }
        Signal::Trace => return trace(&args, &mut printer),
    };
    let mut parameters = args
        .filters
        .iter()
        .map(|filter| filter.split_once('=').unwrap_or((filter, "")))
        .collect::<Vec<_>>();
    // They are about the form of an answer, which is not what is expected here.
    if let Some((name, _)) = parameters.iter().find(|(name, _)| ["follow", "format"].contains(name))
    {
        return Err(Failure::Message(format!(
            "\"{name}\" is no filter; the options are --follow, --json and --otlp"
        )));
    }
    if args.follow {
        parameters.push(("follow", ""));
        for line in BufReader::new(args.service.get(path, &parameters)?).lines() {
            let line = line.map_err(|error| unreadable(&error))?;
            match serde_json::from_str::<Json>(&line) {
                Ok(record) if !args.json => match record.get("evicted") {
                    Some(count) => complain(format_args!(
                        "{count} records were evicted before they could be shown"
                    )),
                    None => printer.line(text_of(args.signal, &record))?,
                },
                // An empty line keeps the connection alive.
                Err(_) if line.is_empty() => {}
                _ => printer.line(line)?,
            }
            printer.flush()?;
        }
        return Ok(Outcome::Fine);
    }
    if args.otlp {
        parameters.push(("format", "otlp"));
        let mut body = String::new();
        args.service
            .get(path, &parameters)?
            .take(MOST)
            .read_to_string(&mut body)
            .map_err(|error| unreadable(&error))?;
        printer.line(body)?;
        return Ok(Outcome::Fine);
    }
    let answer = json_of(args.service.get(path, &parameters)?)?;
    let records = answer["records"].as_array().map_or(&[][..], Vec::as_slice);
    for record in records {
        printer.line(if args.json { record.to_string() } else { text_of(args.signal, record) })?;
    }
    let coverage = &answer["coverage"];
    if coverage["evicted"].as_u64().is_some_and(|count| count > 0) {
        complain(format_args!(
            "{} older records are evicted; some may have matched",
            coverage["evicted"]
        ));
    }
    if let Some(next) = answer["next"].as_str() {
        complain(format_args!("there is more: add cursor={next}"));
    }
    Ok(Outcome::finding(records.is_empty()))
}

fn unreadable(error: &dyn std::fmt::Display) -> Failure {
    Failure::Message(format!("the answer cannot be read: {error}"))
}

fn json_of(body: impl Read) -> Result<Json, Failure> {
    let mut text = Vec::new();
    body.take(MOST).read_to_end(&mut text).map_err(|error: io::Error| unreadable(&error))?;
    serde_json::from_slice(&text).map_err(|error| unreadable(&error))
}

/// A whole trace, indented by depth.
fn trace(args: &Args, printer: &mut Printer) -> Result<Outcome, Failure> {
    let [id] = args.filters.as_slice() else {
        return Err(Failure::Message("give the id of one trace: 32 hexadecimal digits".to_owned()));
    };
    let id_is_safe = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !id_is_safe {
        return Err(Failure::Message(format!("\"{id}\" is no trace id: 32 hexadecimal digits")));
    }
    let trace = json_of(args.service.get(&format!("traces/{id}"), &[])?)?;
    let spans = trace["spans"].as_array().map_or(&[][..], Vec::as_slice);
    if args.json {
        printer.line(trace.to_string())?;
        return Ok(Outcome::finding(spans.is_empty()));
    }
    let begin = spans.iter().map(|span| nanoseconds(span, "startTimeUnixNano")).min().unwrap_or(0);
    for span in spans {
        let depth = span["depth"].as_u64().unwrap_or(0).min(40) as usize;
        let start = nanoseconds(span, "startTimeUnixNano");
        let mut line = format!(
            "{:>10} {:>10}  {:indent$}",
            ms(start - begin),
            took(span),
            "",
            indent = 2 * depth
        );
        let _ = write!(line, "{} ({})", shown(&span["name"]), shown(&span["service"]));
        if span["status"]["code"] == 2 {
            let _ = write!(line, "  ERROR {}", shown(&span["status"]["message"]));
        }
        if span["orphan"] == true {
            line.push_str("  (its parent is not held)");
        }
        printer.line(line)?;
    }
    if trace["coverage"]["evicted"].as_u64().is_some_and(|count| count > 0) {
        complain("older records are evicted; spans of this trace may be among them");
    }
    Ok(Outcome::finding(spans.is_empty()))
}

fn nanoseconds(record: &Json, member: &str) -> u64 {
    record[member].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn ms(nanoseconds: u64) -> String {
    format!("{:.3}ms", nanoseconds as f64 / 1e6)
}

fn took(span: &Json) -> String {
    ms(nanoseconds(span, "endTimeUnixNano").saturating_sub(nanoseconds(span, "startTimeUnixNano")))
}

/// A text of the service, without what could steer a terminal or turn the order of its text around.
fn shown(value: &Json) -> String {
    plain(value.as_str().unwrap_or_default())
}

fn plain(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

/// A value of OTLP's as text.
fn value_text(value: &Json) -> String {
    let Some((kind, inner)) = value.as_object().and_then(|value| value.iter().next()) else {
        return String::new();
    };
    let values = || inner["values"].as_array().map_or(&[][..], Vec::as_slice);
    match (kind.as_str(), inner) {
        ("arrayValue", _) => {
            format!("[{}]", values().iter().map(value_text).collect::<Vec<_>>().join(", "))
        }
        ("kvlistValue", _) => format!("{{{}}}", pairs_text(values(), ": ").join(", ")),
        (_, Json::String(text)) => plain(text),
        _ => inner.to_string(),
    }
}

fn pairs_text(pairs: &[Json], between: &str) -> Vec<String> {
    let text =
        |pair: &Json| format!("{}{between}{}", shown(&pair["key"]), value_text(&pair["value"]));
    pairs.iter().map(text).collect()
}

/// ` {name=value, ...}`; nothing if there are none.
fn attributes_text(attributes: &Json) -> String {
    match attributes.as_array() {
        Some(attributes) if !attributes.is_empty() => {
            format!(" {{{}}}", pairs_text(attributes, "=").join(", "))
        }
        _ => String::new(),
    }
}

fn time_of(nanoseconds: u64) -> String {
    let seconds = i64::try_from(nanoseconds / 1_000_000_000).unwrap_or(0);
    let rest = (nanoseconds % 1_000_000_000) as i32;
    jiff::Timestamp::new(seconds, rest)
        .map_or_else(|_| nanoseconds.to_string(), |time| time.strftime("%FT%T%.6fZ").to_string())
}

/// A record as a line.
fn text_of(signal: Signal, record: &Json) -> String {
    let service = shown(&record["service"]);
    match signal {
        Signal::Logs => {
            let times = ["timeUnixNano", "observedTimeUnixNano", "arrivalUnixNano"];
            let times = times.iter().map(|member| nanoseconds(record, member));
            let time = times.into_iter().find(|&time| time != 0).unwrap_or(0);
            let severity = match (&record["severityText"], record["severityNumber"].as_u64()) {
                (Json::String(text), _) if !text.is_empty() => plain(text),
                (_, Some(number)) if number != 0 => number.to_string(),
                _ => "-".to_owned(),
            };
            let parts = [shown(&record["eventName"]), value_text(&record["body"])];
            let mut text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
            if record["placeholder"] == true {
                text.push("(too large to be held)".to_owned());
            }
            let attributes = attributes_text(&record["attributes"]);
            format!("{} {severity:<5} {service}: {}{attributes}", time_of(time), text.join(": "))
        }
        Signal::Metrics => {
            let point = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"]
                .iter()
                .map(|data| &record[*data]["dataPoints"][0])
                .find(|point| !point.is_null())
                .unwrap_or(&Json::Null);
            let number = |member: &str| match &point[member] {
                Json::Null => None,
                Json::String(text) => Some(plain(text)),
                value => Some(value.to_string()),
            };
            let value = match (number("asDouble").or(number("asInt")), number("count")) {
                (Some(value), _) => value,
                (None, Some(count)) => match number("sum") {
                    Some(sum) => format!("{count} values, sum {sum}"),
                    None => format!("{count} values"),
                },
                (None, None) => "no value".to_owned(),
            };
            let unit = match shown(&record["unit"]) {
                unit if unit.is_empty() || unit == "1" => String::new(),
                unit => format!(" {unit}"),
            };
            let time = time_of(nanoseconds(point, "timeUnixNano"));
            let attributes = attributes_text(&point["attributes"]);
            format!("{time} {service} {}{attributes} = {value}{unit}", shown(&record["name"]))
        }
        _ => {
            let start = time_of(nanoseconds(record, "startTimeUnixNano"));
            let mark = if record["status"]["code"] == 2 { "  ERROR" } else { "" };
            let trace = shown(&record["traceId"]);
            format!(
                "{start} {:>10} {service}: {}{mark}  {trace}",
                took(record),
                shown(&record["name"])
            )
        }
    }
}
