//! The numbers that live processes publish about their logs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::failure::Failure;
use crate::output::Printer;
use crate::stats::{row, time};

/// A live process's logger.
pub(crate) struct Live {
    pub(crate) pid: u32,
    pub(crate) facts: Value,
}

/// What is published in the folder. A folder that is not there holds nothing.
pub(crate) fn all(folder: &Path) -> Result<Vec<Live>, Failure> {
    let published = match flightring_logger::published(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        other => other.map_err(|error| Failure::file("read", folder, error))?,
    };
    let parsed = published.into_iter().filter_map(|one| {
        Some(Live { pid: one.pid, facts: serde_json::from_str(&one.json).ok()? })
    });
    Ok(parsed.collect())
}

/// The process that an argument names, if it names one and not a file.
pub(crate) fn pid_of(argument: &Path) -> Option<u32> {
    let pid = argument.to_str()?.parse().ok()?;
    (!argument.exists()).then_some(pid)
}

impl Live {
    /// Whether it is the logger of this file.
    pub(crate) fn is_of(&self, path: &Path) -> bool {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        self.text("path") == path.to_string_lossy()
    }

    fn text(&self, key: &str) -> &str {
        self.facts[key].as_str().unwrap_or_default()
    }

    fn number(&self, key: &str) -> u64 {
        self.facts["stats"][key].as_u64().unwrap_or(0)
    }

    /// Writes the numbers under a heading.
    pub(crate) fn print(&self, printer: &mut Printer) -> Result<(), Failure> {
        let Self { pid, facts } = self;
        printer.line(format_args!(
            "{} (process {pid}, {})",
            self.text("path"),
            self.text("program")
        ))?;
        let moment = |key: &str| facts[key].as_u64().unwrap_or(0);
        printer.line(format_args!("  {:<18}{:>20}", "open since", time(moment("opened_ns"))))?;
        printer.line(format_args!("  {:<18}{:>20}", "last change", time(moment("changed_ns"))))?;
        let mut put_value =
            |name: &str, value: u64, note: &str| row(printer, &format!("{name:<18}"), value, note);
        let mut put = |name: &str, key: &str, note: &str| put_value(name, self.number(key), note);
        put("offered", "offered", "records")?;
        put("accepted", "accepted", "")?;
        put("written", "written", "")?;
        let waiting = format!("of {} bytes", self.number("bytes_in_memory"));
        put("in memory", "in_memory", &waiting)?;
        put("dropped", "dropped", "")?;
        for (name, key) in [
            ("  no room", "dropped_full"),
            ("  no room in time", "dropped_timed_out"),
            ("  too large", "dropped_too_large"),
            ("  after closing", "dropped_closed"),
            ("  in a signal", "dropped_reentered"),
            ("  in a fork", "dropped_forked"),
            ("damaged", "damaged"),
            ("recovered", "recovered"),
            ("bytes set aside", "set_aside_bytes"),
        ] {
            if self.number(key) > 0 {
                put(name, key, "")?;
            }
        }
        let (disk, payload) = (self.number("bytes_written"), self.number("payload_bytes"));
        let ratio = disk as f64 / payload.max(1) as f64;
        let note =
            if payload == 0 { "bytes" } else { &format!("bytes, {ratio:.3} times the payload") };
        put("on disk", "bytes_written", note)?;
        put("flushes", "flushes", &self.latency("flush_time"))?;
        let writes = self.facts["stats"]["write_time"]["count"].as_u64().unwrap_or(0);
        put_value("writes", writes, &self.latency("write_time"))?;
        put_value("failed flushes", self.number("flush_errors"), "")?;
        let resident = format!("bytes, {} resident", self.number("memory_resident"));
        put_value("memory", self.number("memory"), &resident)?;
        self.print_oddities(printer)
    }

    fn print_oddities(&self, printer: &mut Printer) -> Result<(), Failure> {
        let stats = &self.facts["stats"];
        if let Some(why) = stats["fallback"].as_str() {
            printer.line(format_args!("  no direct I/O: {why}"))?;
        }
        let errno = |value: &Value| {
            let number = value.as_i64().and_then(|n| i32::try_from(n).ok()).filter(|n| *n != 0);
            number.map(std::io::Error::from_raw_os_error)
        };
        if let Some(error) = errno(&stats["staging_errno"]) {
            printer.line(format_args!("  not staged in shared memory: {error}"))?;
        }
        if let Some(error) = errno(&stats["last_error"]["errno"]) {
            let at = time(stats["last_error"]["time_ns"].as_u64().unwrap_or(0));
            printer.line(format_args!("  last error: {error}, {at}"))?;
        }
        Ok(())
    }

    fn latency(&self, key: &str) -> String {
        let latency = &self.facts["stats"][key];
        let part = |key: &str| Duration::from_nanos(latency[key].as_u64().unwrap_or(0));
        format!(
            "p50 {:.1?}, p99 {:.1?}, longest {:.1?}",
            part("p50_ns"),
            part("p99_ns"),
            part("max_ns")
        )
    }
}
