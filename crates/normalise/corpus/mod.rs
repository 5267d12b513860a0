//! A made-up log with known templates, for tests, benches and examples.
//!
//! The families look like what services really write: system log, web access, Java services, a block store, databases,
//! JSON events, mobile devices, kernel messages. Each line is made from one template, and its number is the truth
//! that grouping is judged by. The same seed always gives the same lines.
//!
//! Values are drawn so that they vary in length and form: numbers over orders of magnitude, negative ones, IPv4 and IPv6,
//! paths of several depths. Three templates have a variable that is a plain word (a user's name, a queue): nothing that
//! looks at one line by itself can know that it is a variable, so some lines are always grouped wrongly.

mod templates;

use std::io::Write;

use templates::TEMPLATES;

/// A small generator of numbers (SplitMix64, public domain, by Sebastiano Vigna).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// 1 to `most` digits, each length as likely as another.
    fn number(&mut self, most: u32) -> u64 {
        let digits = self.below(u64::from(most)) as u32;
        self.below(10_u64.pow(digits + 1))
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }
}

/// What stands in a template.
#[derive(Debug, Clone, Copy)]
enum Part {
    Text(&'static str),
    Field(&'static str),
}

/// Makes lines without end.
#[derive(Debug, Clone)]
pub(crate) struct Corpus {
    random: Random,
    templates: Vec<Vec<Part>>,
    /// For each template the sum of weights up to and with it.
    weights: Vec<u64>,
    /// Microseconds since 1970.
    now: u64,
}

impl Corpus {
    pub(crate) fn new(seed: u64) -> Self {
        let mut total = 0;
        let weights = TEMPLATES
            .iter()
            .map(|(weight, _)| {
                total += weight;
                total
            })
            .collect();
        let templates = TEMPLATES.iter().map(|(_, text)| parse(text)).collect();
        Self { random: Random::new(seed), templates, weights, now: 1_710_692_018_936_000 }
    }

    /// Appends a line, without its end, and returns the number of its template.
    pub(crate) fn line(&mut self, out: &mut Vec<u8>) -> usize {
        let total = self.weights.last().copied().unwrap_or(1);
        let chosen = self.random.below(total);
        let template = self.weights.partition_point(|&sum| sum <= chosen);
        self.now += self.random.below(20_000);
        let parts = std::mem::take(&mut self.templates[template]);
        for part in &parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Field(field) => self.field(field, out),
            }
        }
        self.templates[template] = parts;
        template
    }

    fn field(&mut self, field: &str, out: &mut Vec<u8>) {
        let now = self.now;
        let r = &mut self.random;
        let written = match field {
            "n" => write!(out, "{}", r.number(9)),
            "int" => write!(out, "{}{}", r.pick(&["", "", "", "-"]), r.number(12)),
            "small" => write!(out, "{}", r.below(64)),
            "pid" => write!(out, "{}", 100 + r.below(32_000)),
            "port" => write!(out, "{}", 1024 + r.below(64_000)),
            "pixels" => write!(out, "{}", 320 + r.below(2000)),
            "status" => write!(out, "{}", r.pick(&["200", "201", "204", "304", "404", "500"])),
            "float" => write!(out, "{}.{:02}", r.number(4), r.below(100)),
            "ip" => {
                let [_, b, c, d, ..] = r.next().to_le_bytes();
                write!(out, "10.{b}.{c}.{d}")
            }
            "ip6" => write!(out, "fe80::{:x}:{:x}", 0x1000 + r.below(0xefff), 1 + r.below(0xffff)),
            "hex" => write!(out, "{:012x}", (r.next() >> 16) | 0xa0),
            "trace" => write!(out, "{:016x}{:016x}", r.next(), r.next()),
            "span" => write!(out, "{:016x}", r.next()),
            "ptr" => write!(out, "0x{:x}", 0x7f00_0000_0000_u64 + r.below(1 << 40)),
            "sha" => write!(out, "{:016x}{:016x}{:08x}", r.next(), r.next(), r.next() as u32),
            "uuid" => {
                let (a, b) = (r.next(), r.next());
                let (first, second, third) = (a >> 32, a >> 16 & 0xffff, a & 0xfff);
                let (fourth, fifth) = (0x8000 | (b >> 48 & 0x3fff), b & 0xffff_ffff_ffff);
                write!(out, "{first:08x}-{second:04x}-4{third:03x}-{fourth:04x}-{fifth:012x}")
            }
            "mac" => {
                let [a, b, c, ..] = r.next().to_le_bytes();
                write!(out, "00:16:3e:{a:02x}:{b:02x}:{c:02x}")
            }
            "blk" => write!(out, "blk_{}{}", r.pick(&["", "-"]), r.next() >> 2),
            "host" => write!(out, "web-{:02}", r.below(40)),
            "path" => {
                let depth = 1 + r.below(5);
                (0..depth)
                    .try_for_each(|_| {
                        let name = r.pick(&["var", "data", "srv", "lib", "cache", "spool", "part"]);
                        write!(out, "/{name}")
                    })
                    .and_then(|()| {
                        write!(out, "/{}-{}.dat", r.pick(&["seg", "idx", "wal"]), r.below(9000))
                    })
            }
            "route" => {
                let name = r.pick(&["orders", "users", "carts", "items", "search", "v2/sessions"]);
                write!(out, "/api/{name}/{}?page={}&sort=asc", r.number(7), r.below(40))
            }
            "url" => {
                let name = r.pick(&["shop", "static", "api", "login", "img"]);
                write!(out, "https://{name}.example.com/r/{}?ref={:x}", r.number(6), r.next())
            }
            "email" => {
                let name = r.pick(&["ann", "bob.k", "carol+shop", "dave_x", "eve"]);
                write!(out, "{name}{}@{}.example.org", r.below(900), r.pick(&["mail", "corp"]))
            }
            "version" => write!(out, "{}.{}.{}", r.below(140), r.below(20), r.below(7000)),
            // The plain words.
            "user" => {
                write!(out, "{}", r.pick(&["root", "admin", "backup", "deploy", "guest", "oracle"]))
            }
            "queue" => write!(out, "{}", r.pick(&["mail", "thumbs", "reports", "billing"])),
            _ => moment(field, now, out),
        };
        // Writing to memory does not fail.
        let () = written.unwrap_or_default();
    }
}

/// The fields of a template, which stand in braces: `{ip}`; everything else is text.
fn parse(template: &'static str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let is_field =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
        let name = rest[open + 1..].split('}').next().filter(|name| is_field(name));
        let end = open + name.map_or(1, |_| 0);
        if end > 0 {
            parts.push(Part::Text(&rest[..end]));
        }
        match name {
            Some(name) => {
                parts.push(Part::Field(name));
                rest = &rest[open + name.len() + 2..];
            }
            None => rest = &rest[end..],
        }
    }
    parts.push(Part::Text(rest));
    parts
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A point in time in one of the forms that logs use.
fn moment(form: &str, micros: u64, out: &mut Vec<u8>) -> std::io::Result<()> {
    let seconds = micros / 1_000_000;
    let (milli, micro) = (micros / 1000 % 1000, micros % 1_000_000);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let (year, month, day) = civil(seconds / 86_400);
    let name = MONTHS[month as usize - 1];
    match form {
        "iso" => {
            write!(out, "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micro:06}Z")
        }
        "date" => write!(out, "{year}-{month:02}-{day:02}"),
        "comma" => write!(out, "{hour:02}:{minute:02}:{second:02},{milli:03}"),
        "clock" => write!(out, "{hour:02}:{minute:02}:{second:02}.{milli:03}"),
        "monthday" => write!(out, "{month:02}-{day:02}"),
        "short" => {
            write!(out, "{:02}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}", year % 100)
        }
        "syslog" => write!(out, "{name} {day:2} {hour:02}:{minute:02}:{second:02}"),
        "access" => {
            write!(out, "{day:02}/{name}/{year}:{hour:02}:{minute:02}:{second:02} +0000")
        }
        "uptime" => write!(out, "{:5}.{micro:06}", seconds % 90_000),
        "epoch" => write!(out, "{seconds}"),
        other => unreachable!("no field {other}"),
    }
}

/// Year, month and day of a day since 1970-01-01 (H. Hinnant, chrono-compatible low-level date algorithms).
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + u64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}
