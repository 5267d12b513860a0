use std::fmt;
use std::str::FromStr;

use crate::format::{u32_at, u64_at};

/// Bytes of an event record between its length and its text.
pub const EVENT_HEADER: usize = 24;
/// Bytes of a marker record between its length and its text.
pub const MARKER_HEADER: usize = 32;

/// How severe an event is. The numbers are those on disk and grow with severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum Level {
    /// No level was given; also what a reader makes of a number that it does not know.
    #[default]
    None = 0,
    /// Finest detail.
    Trace = 1,
    /// For developers.
    Debug = 2,
    /// Normal operation.
    Info = 3,
    /// Something to look at.
    Warn = 4,
    /// Something failed.
    Error = 5,
    /// The process cannot go on.
    Fatal = 6,
}

impl Level {
    /// The level with this number on disk; an unknown one is [`Level::None`].
    #[must_use]
    pub const fn from_u8(number: u8) -> Self {
        match number {
            1 => Self::Trace,
            2 => Self::Debug,
            3 => Self::Info,
            4 => Self::Warn,
            5 => Self::Error,
            6 => Self::Fatal,
            _ => Self::None,
        }
    }

    /// The level's name in capitals, or an empty text for [`Level::None`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

/// A level's name that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelError(String);

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is no level; use trace, debug, info, warn, error or fatal", self.0)
    }
}

impl std::error::Error for LevelError {}

impl FromStr for Level {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, LevelError> {
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal]
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| LevelError(text.to_owned()))
    }
}

/// What stands in front of an event's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventHeader {
    /// Unix nanoseconds.
    pub time_ns: u64,
    /// Grows by one from record to record of one shard in one run of the logger.
    pub sequence: u64,
    /// The kernel's id of the thread that logged.
    pub thread: u32,
    /// The shard that the record went through.
    pub shard: u16,
    /// How severe it is.
    pub level: Level,
}

impl EventHeader {
    /// The header as it stands on disk.
    #[inline]
    #[must_use]
    pub fn to_bytes(&self) -> [u8; EVENT_HEADER] {
        let mut out = [0; EVENT_HEADER];
        out[0..8].copy_from_slice(&self.time_ns.to_le_bytes());
        out[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        out[16..20].copy_from_slice(&self.thread.to_le_bytes());
        out[20..22].copy_from_slice(&self.shard.to_le_bytes());
        out[22] = self.level as u8;
        out
    }

    /// Reads the header back.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; EVENT_HEADER]) -> Self {
        Self {
            time_ns: u64_at(bytes, 0),
            sequence: u64_at(bytes, 8),
            thread: u32_at(bytes, 16),
            shard: u16::from_le_bytes([bytes[20], bytes[21]]),
            level: Level::from_u8(bytes[22]),
        }
    }
}

/// A logger's report that it dropped records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marker {
    /// How many records were dropped.
    pub dropped: u64,
    /// When the first of them was offered, Unix nanoseconds.
    pub since_ns: u64,
    /// When the last of them was offered, Unix nanoseconds.
    pub until_ns: u64,
    /// The shard that had no room; `u32::MAX` = several.
    pub shard: u32,
    /// Why, as the logger numbers its causes; the text says it in words.
    pub cause: u32,
}

impl Marker {
    /// The report as it stands on disk, in front of its text.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; MARKER_HEADER] {
        let mut out = [0; MARKER_HEADER];
        out[0..8].copy_from_slice(&self.dropped.to_le_bytes());
        out[8..16].copy_from_slice(&self.since_ns.to_le_bytes());
        out[16..24].copy_from_slice(&self.until_ns.to_le_bytes());
        out[24..28].copy_from_slice(&self.shard.to_le_bytes());
        out[28..32].copy_from_slice(&self.cause.to_le_bytes());
        out
    }

    /// Reads the report back.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; MARKER_HEADER]) -> Self {
        Self {
            dropped: u64_at(bytes, 0),
            since_ns: u64_at(bytes, 8),
            until_ns: u64_at(bytes, 16),
            shard: u32_at(bytes, 24),
            cause: u32_at(bytes, 28),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_their_bytes() {
        let event = EventHeader {
            time_ns: 1 << 60,
            sequence: 7,
            thread: 99,
            shard: 513,
            level: Level::Warn,
        };
        assert_eq!(EventHeader::from_bytes(&event.to_bytes()), event);
        let marker = Marker { dropped: 5, since_ns: 6, until_ns: 7, shard: u32::MAX, cause: 2 };
        assert_eq!(Marker::from_bytes(&marker.to_bytes()), marker);
    }

    #[test]
    fn levels_are_known_by_name_and_number() {
        for number in 0..=6 {
            let level = Level::from_u8(number);
            assert_eq!(level as u8, number);
            if number > 0 {
                assert_eq!(level.name().to_lowercase().parse(), Ok(level));
            }
        }
        assert_eq!(Level::from_u8(200), Level::None);
        assert!("loud".parse::<Level>().unwrap_err().to_string().contains("'loud'"));
    }
}
