use std::io::{self, Write};

use flightring_blockfile::{Kind, Marker, Record};

use crate::clock::Clock;

/// How one record is written as a line of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Time,
    Nanoseconds,
    Level,
    Thread,
    Shard,
    Sequence,
    Kind,
    File,
    Text,
}

/// The names that may stand between braces.
pub(crate) const NAMES: &str = "time, ns, level, thread, shard, sequence, kind, file, text";

impl Template {
    /// Reads `{time} [{level}] {text}` and the like; `\n`, `\t`, `\0`, `\\`, `{{` and `}}` are understood.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut literal) = (Vec::new(), String::new());
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => literal.push(match chars.next() {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('0') => '\0',
                    Some('\\') => '\\',
                    other => {
                        let other = other.map_or("nothing".to_owned(), |c| format!("'{c}'"));
                        return Err(format!(
                            "after '\\' stands {other}; use \\n, \\t, \\0 or \\\\"
                        ));
                    }
                }),
                '{' if chars.next_if_eq(&'{').is_some() => literal.push('{'),
                '}' if chars.next_if_eq(&'}').is_some() => literal.push('}'),
                '{' => {
                    let rest = chars.clone().collect::<String>();
                    let Some((name, _)) = rest.split_once('}') else {
                        return Err(format!("'{{{rest}' is not closed; '{{{{' stands for '{{'"));
                    };
                    let name = name.to_owned();
                    chars.by_ref().take_while(|&c| c != '}').for_each(drop);
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(match name.as_str() {
                        "time" => Part::Time,
                        "ns" => Part::Nanoseconds,
                        "level" => Part::Level,
                        "thread" => Part::Thread,
                        "shard" => Part::Shard,
                        "sequence" => Part::Sequence,
                        "kind" => Part::Kind,
                        "file" => Part::File,
                        "text" => Part::Text,
                        _ => return Err(format!("there is no {{{name}}}; use {NAMES}")),
                    });
                }
                c => literal.push(c),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self(parts))
    }

    /// Writes a record, without a line end.
    pub(crate) fn write(
        &self,
        out: &mut impl Write,
        record: &Record<'_>,
        file: &str,
        clock: &mut Clock,
    ) -> io::Result<()> {
        for part in &self.0 {
            match part {
                Part::Literal(text) => out.write_all(text.as_bytes())?,
                Part::Time => clock.write(out, record.time_ns)?,
                Part::Nanoseconds => write!(out, "{}", record.time_ns)?,
                Part::Level => write!(out, "{:<5}", record.level.name())?,
                Part::Thread => write!(out, "{}", record.thread)?,
                Part::Shard => match record.marker {
                    None => write!(out, "{}", record.shard)?,
                    Some(Marker { shard: u32::MAX, .. }) => out.write_all(b"-")?,
                    Some(marker) => write!(out, "{}", marker.shard)?,
                },
                Part::Sequence => write!(out, "{}", record.sequence)?,
                Part::Kind => out.write_all(record.kind.name().as_bytes())?,
                Part::File => out.write_all(file.as_bytes())?,
                Part::Text => out.write_all(record.data)?,
            }
        }
        Ok(())
    }
}

/// What a record looks like if nothing else is asked for: what is known of it, then its text.
pub(crate) fn write_plain(
    out: &mut impl Write,
    record: &Record<'_>,
    clock: &mut Clock,
) -> io::Result<()> {
    match record.kind {
        Kind::Raw => {}
        Kind::Timed => {
            clock.write(out, record.time_ns)?;
            out.write_all(b" ")?;
        }
        Kind::Event => {
            clock.write(out, record.time_ns)?;
            write!(out, " {:<5} [{}] ", record.level.name(), record.thread)?;
        }
        Kind::Marker => {
            clock.write(out, record.time_ns)?;
            out.write_all(b" [flightring] ")?;
        }
    }
    out.write_all(record.data)?;
    if let Some(marker) = &record.marker {
        out.write_all(b" (since ")?;
        clock.write(out, marker.since_ns)?;
        if marker.shard != u32::MAX {
            write!(out, ", shard {}", marker.shard)?;
        }
        out.write_all(b")")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_say_what_is_wrong_with_them() {
        assert!(Template::parse("{tine}").unwrap_err().contains("{tine}"));
        assert!(Template::parse("a\\q").unwrap_err().contains("'q'"));
        assert!(Template::parse("a\\").unwrap_err().contains("nothing"));
    }

    #[test]
    fn templates_are_filled_in() {
        let template = Template::parse("{{{sequence}}}\\t{time}|{level}|{text}").unwrap();
        let record = Record {
            data: b"hi",
            kind: Kind::Event,
            time_ns: 1_500_000_000_000_000_001,
            sequence: 7,
            thread: 1,
            shard: 2,
            shard_sequence: 3,
            level: flightring_blockfile::Level::Info,
            marker: None,
        };
        let mut out = Vec::new();
        template.write(&mut out, &record, "f", &mut Clock::new(false)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "{7}\t2017-07-14T02:40:00.000000001Z|INFO |hi");
    }
}
