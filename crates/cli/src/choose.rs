use clap::Args;
use flightring_blockfile::{Filter, Level};
use jiff::{SignedDuration, Span, Timestamp, civil, tz::TimeZone};

use crate::failure::Failure;

/// Which records are wanted.
#[derive(Args)]
pub(crate) struct Choice {
    /// Not before this time: RFC 3339, a local date and time, or how long ago ('10m', '2h', '1d')
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Choosing records")]
    since: Option<u64>,

    /// Before this time, given in the same ways
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Choosing records")]
    until: Option<u64>,

    /// At least this severe: trace, debug, info, warn, error, fatal
    #[arg(long, short, value_name = "LEVEL", help_heading = "Choosing records")]
    level: Option<Level>,

    /// Logged by this thread; may be given several times
    #[arg(long, value_name = "ID", help_heading = "Choosing records")]
    thread: Vec<u32>,

    /// Containing this text
    #[arg(long, value_name = "TEXT", help_heading = "Choosing records")]
    text: Option<String>,
}

impl Choice {
    /// Whether nothing is left out.
    pub(crate) fn is_all(&self) -> bool {
        self.since.is_none()
            && self.until.is_none()
            && self.level.is_none()
            && self.thread.is_empty()
            && self.text.is_none()
    }

    pub(crate) fn filter(&self) -> Result<Filter, Failure> {
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since >= until
        {
            let message = "no time is both since and until; --since must be before --until";
            return Err(Failure::Message(message.to_owned()));
        }
        let mut filter = Filter {
            since_ns: self.since,
            until_ns: self.until,
            level: self.level.unwrap_or_default(),
            threads: self.thread.clone(),
            text: None,
        };
        if let Some(text) = &self.text {
            filter.set_text(text.as_bytes());
        }
        Ok(filter)
    }
}

/// Unix nanoseconds of a time as people write it.
fn parse_time(text: &str) -> Result<u64, String> {
    let time = parse_timestamp(text).ok_or_else(|| {
        "give '2026-01-31T12:00:00Z', '2026-01-31 12:00' (local time) or '10m' (ago)".to_owned()
    })?;
    u64::try_from(time.as_nanosecond()).map_err(|_| "times before 1970 are not known".to_owned())
}

fn parse_timestamp(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    if let Ok(time) = text.parse::<civil::DateTime>() {
        return time.to_zoned(TimeZone::system()).ok().map(|zoned| zoned.timestamp());
    }
    let ago = text.parse::<Span>().ok()?;
    let ago = SignedDuration::try_from(ago).ok().or_else(|| {
        // Days are 24 hours here.
        let days = ago.get_days();
        (ago.get_months() == 0 && ago.get_years() == 0)
            .then(|| SignedDuration::from_hours(24 * i64::from(days)))
    })?;
    Timestamp::now().checked_sub(ago).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(parse_time("1970-01-01T00:00:01.5Z"), Ok(1_500_000_000));
        assert!(parse_time("2026-01-31 12:00").is_ok());
        assert!(parse_time("2026-01-31").is_ok());
        let now = u64::try_from(Timestamp::now().as_nanosecond()).unwrap();
        for (text, seconds) in [("10m", 600u64), ("2h", 7200), ("1d", 86400), ("90s", 90)] {
            let ago = now - parse_time(text).unwrap();
            assert!(ago.abs_diff(seconds * 1_000_000_000) < 10_000_000_000, "{text}");
        }
        assert!(parse_time("yesterday-ish").is_err());
        assert!(parse_time("1950-01-01T00:00:00Z").is_err());
    }
}
