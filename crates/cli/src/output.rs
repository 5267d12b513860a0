use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use clap::Args;
use flightring_blockfile::{Kind, Record};

use crate::clock::Clock;
use crate::template::{self, Template};

/// How records are written.
#[derive(Args)]
pub(crate) struct Output {
    /// One JSON object a line
    #[arg(long, group = "form", help_heading = "Output")]
    json: bool,

    /// Comma-separated values with a header line
    #[arg(long, group = "form", help_heading = "Output")]
    csv: bool,

    /// The records' bytes exactly as they were logged, with nothing in between
    #[arg(long, group = "form", help_heading = "Output")]
    raw: bool,

    /// A line of your own: '{time} {level} {text}'; also {ns} {thread} {shard} {sequence} {kind} {file}
    #[arg(long, group = "form", value_name = "TEMPLATE", value_parser = Template::parse, help_heading = "Output")]
    template: Option<Template>,

    /// Times in the local time zone instead of UTC
    #[arg(long, help_heading = "Output")]
    local: bool,
}

enum Form {
    Text,
    Json,
    Csv,
    Raw,
    Template(Template),
}

/// Standard output, buffered and locked, and how a record looks on it.
pub(crate) struct Printer {
    out: BufWriter<StdoutLock<'static>>,
    form: Form,
    clock: Clock,
    header_due: bool,
    name_files: bool,
}

const BUFFER: usize = 256 << 10;

impl Output {
    /// For lines that are no records.
    pub(crate) fn plain() -> Printer {
        Printer {
            header_due: false,
            name_files: false,
            form: Form::Text,
            clock: Clock::new(false),
            out: BufWriter::with_capacity(BUFFER, io::stdout().lock()),
        }
    }

    pub(crate) fn printer(&self) -> Printer {
        let form = match &self.template {
            Some(template) => Form::Template(template.clone()),
            None if self.json => Form::Json,
            None if self.csv => Form::Csv,
            None if self.raw => Form::Raw,
            None => Form::Text,
        };
        Printer {
            header_due: matches!(form, Form::Csv),
            name_files: false,
            form,
            clock: Clock::new(self.local),
            out: BufWriter::with_capacity(BUFFER, io::stdout().lock()),
        }
    }
}

impl Printer {
    /// Lines of text begin with the file that they came from, if there are several.
    pub(crate) fn name_files(mut self, files: usize) -> Self {
        self.name_files = files > 1;
        self
    }

    /// Whether a bar on standard error would be drawn into what is printed.
    pub(crate) fn leaves_terminal_alone(&self) -> bool {
        !io::stdout().is_terminal()
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.header_due) {
            self.out.write_all(CSV_HEADER)?;
        }
        self.out.flush()
    }

    /// Writes one record; `file` is where it came from.
    pub(crate) fn record(&mut self, record: &Record<'_>, file: &str) -> io::Result<()> {
        match &self.form {
            Form::Raw if record.kind == Kind::Marker => Ok(()),
            Form::Raw => self.out.write_all(record.data),
            Form::Text => {
                if self.name_files {
                    write!(self.out, "{file}: ")?;
                }
                template::write_plain(&mut self.out, record, &mut self.clock)?;
                self.out.write_all(b"\n")
            }
            Form::Template(template) => {
                template.write(&mut self.out, record, file, &mut self.clock)?;
                self.out.write_all(b"\n")
            }
            Form::Json => {
                write_json(&mut self.out, record, &mut self.clock)?;
                self.out.write_all(b"\n")
            }
            Form::Csv => {
                if std::mem::take(&mut self.header_due) {
                    self.out.write_all(CSV_HEADER)?;
                }
                write_csv(&mut self.out, record, &mut self.clock)
            }
        }
    }

    /// Writes a line of text that is not a record.
    pub(crate) fn line(&mut self, line: impl std::fmt::Display) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }
}

const CSV_HEADER: &[u8] = b"sequence,time,level,thread,kind,text\r\n";

fn write_json(out: &mut impl Write, record: &Record<'_>, clock: &mut Clock) -> io::Result<()> {
    write!(out, "{{\"sequence\":{},\"kind\":\"{}\"", record.sequence, record.kind.name())?;
    if record.time_ns != 0 {
        out.write_all(b",\"time\":\"")?;
        clock.write(out, record.time_ns)?;
        write!(out, "\",\"time_ns\":{}", record.time_ns)?;
    }
    if record.kind == Kind::Event {
        let level = record.level.name();
        write!(
            out,
            ",\"level\":\"{level}\",\"thread\":{},\"shard\":{},\"shard_sequence\":{}",
            record.thread, record.shard, record.shard_sequence
        )?;
    }
    if let Some(marker) = &record.marker {
        write!(
            out,
            ",\"dropped\":{},\"since_ns\":{},\"until_ns\":{},\"shard\":{},\"cause\":{}",
            marker.dropped, marker.since_ns, marker.until_ns, marker.shard, marker.cause
        )?;
    }
    out.write_all(b",\"text\":")?;
    let text = String::from_utf8_lossy(record.data);
    serde_json::to_writer(&mut *out, &text)?;
    if matches!(text, std::borrow::Cow::Owned(_)) {
        // The text is not what was logged; the bytes are.
        write!(out, ",\"bytes_hex\":\"")?;
        for byte in record.data {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            let digit = |value: u8| DIGITS[usize::from(value & 15)];
            out.write_all(&[digit(byte >> 4), digit(*byte)])?;
        }
        out.write_all(b"\"")?;
    }
    out.write_all(b"}")
}

/// As RFC 4180 has it: fields with commas, quotes or line ends in quotes, quotes doubled.
fn write_csv(out: &mut impl Write, record: &Record<'_>, clock: &mut Clock) -> io::Result<()> {
    write!(out, "{},", record.sequence)?;
    if record.time_ns != 0 {
        clock.write(out, record.time_ns)?;
    }
    write!(out, ",{},", record.level.name())?;
    if record.kind == Kind::Event {
        write!(out, "{}", record.thread)?;
    }
    write!(out, ",{},", record.kind.name())?;
    if record.data.iter().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) {
        out.write_all(b"\"")?;
        for (index, piece) in record.data.split(|&byte| byte == b'"').enumerate() {
            if index > 0 {
                out.write_all(b"\"\"")?;
            }
            out.write_all(piece)?;
        }
        out.write_all(b"\"")?;
    } else {
        out.write_all(record.data)?;
    }
    out.write_all(b"\r\n")
}
