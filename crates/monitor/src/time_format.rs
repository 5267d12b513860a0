use jiff::Zoned;
use jiff::fmt::strtime;

/// How the time is written in front of own lines: the fifteen layouts that Go's `time` package names, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TimeFormat {
    /// No time.
    #[default]
    None,
    /// `Mon Jan _2 15:04:05 2006`
    Ansic,
    /// `Mon Jan _2 15:04:05 MST 2006`
    UnixDate,
    /// `Mon Jan 02 15:04:05 -0700 2006`
    RubyDate,
    /// `02 Jan 06 15:04 MST`
    Rfc822,
    /// `02 Jan 06 15:04 -0700`
    Rfc822Z,
    /// `Monday, 02-Jan-06 15:04:05 MST`
    Rfc850,
    /// `Mon, 02 Jan 2006 15:04:05 MST`
    Rfc1123,
    /// `Mon, 02 Jan 2006 15:04:05 -0700`
    Rfc1123Z,
    /// `2006-01-02T15:04:05Z07:00`
    Rfc3339,
    /// `2006-01-02T15:04:05.999999999Z07:00`: as many decimals as are not zero
    Rfc3339Nano,
    /// `3:04PM`
    Kitchen,
    /// `Jan _2 15:04:05`
    Stamp,
    /// `Jan _2 15:04:05.000`
    StampMilli,
    /// `Jan _2 15:04:05.000000`
    StampMicro,
    /// `Jan _2 15:04:05.000000000`
    StampNano,
}

/// Format, name, and the same as `strftime` writes it; `%!` stands for the RFC 3339 offset, which is `Z` for UTC.
const FORMATS: [(TimeFormat, &str, &str); 15] = [
    (TimeFormat::Ansic, "ansic", "%a %b %e %H:%M:%S %Y"),
    (TimeFormat::UnixDate, "unixdate", "%a %b %e %H:%M:%S %Z %Y"),
    (TimeFormat::RubyDate, "rubydate", "%a %b %d %H:%M:%S %z %Y"),
    (TimeFormat::Rfc822, "rfc822", "%d %b %y %H:%M %Z"),
    (TimeFormat::Rfc822Z, "rfc822z", "%d %b %y %H:%M %z"),
    (TimeFormat::Rfc850, "rfc850", "%A, %d-%b-%y %H:%M:%S %Z"),
    (TimeFormat::Rfc1123, "rfc1123", "%a, %d %b %Y %H:%M:%S %Z"),
    (TimeFormat::Rfc1123Z, "rfc1123z", "%a, %d %b %Y %H:%M:%S %z"),
    (TimeFormat::Rfc3339, "rfc3339", "%Y-%m-%dT%H:%M:%S"),
    (TimeFormat::Rfc3339Nano, "rfc3339nano", "%Y-%m-%dT%H:%M:%S%.f"),
    (TimeFormat::Kitchen, "kitchen", "%-I:%M%p"),
    (TimeFormat::Stamp, "stamp", "%b %e %H:%M:%S"),
    (TimeFormat::StampMilli, "stampmilli", "%b %e %H:%M:%S%.3f"),
    (TimeFormat::StampMicro, "stampmicro", "%b %e %H:%M:%S%.6f"),
    (TimeFormat::StampNano, "stampnano", "%b %e %H:%M:%S%.9f"),
];

impl TimeFormat {
    /// The format with this name, in any case: `ansic`, `rfc3339`, `stampmilli` and so on. Any other name is
    /// [`None`](Self::None).
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let known = FORMATS.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(name));
        known.map_or(Self::None, |(format, ..)| *format)
    }

    /// The name in lower case; empty for [`None`](Self::None).
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().map_or("", |(_, name, _)| name)
    }

    /// `time` in this format.
    #[must_use]
    pub fn format(self, time: &Zoned) -> String {
        let Some((_, _, layout)) = self.entry() else { return String::new() };
        let layout = match (self, time.offset().is_zero()) {
            (Self::Rfc3339 | Self::Rfc3339Nano, true) => format!("{layout}Z"),
            (Self::Rfc3339 | Self::Rfc3339Nano, false) => format!("{layout}%:z"),
            _ => return strtime::format(layout, time).unwrap_or_default(),
        };
        strtime::format(&layout, time).unwrap_or_default()
    }

    fn entry(self) -> Option<&'static (Self, &'static str, &'static str)> {
        FORMATS.iter().find(|(format, ..)| *format == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go prints for the same instants.
    #[test]
    fn layouts_are_those_of_go() {
        let west: Zoned = "2006-01-02T15:04:05.012345678[America/Denver]".parse().unwrap();
        let utc: Zoned = "2026-11-09T03:07:08.5Z[UTC]".parse().unwrap();
        for (name, in_west, in_utc) in [
            ("ansic", "Mon Jan  2 15:04:05 2006", "Mon Nov  9 03:07:08 2026"),
            ("unixdate", "Mon Jan  2 15:04:05 MST 2006", "Mon Nov  9 03:07:08 UTC 2026"),
            ("rubydate", "Mon Jan 02 15:04:05 -0700 2006", "Mon Nov 09 03:07:08 +0000 2026"),
            ("rfc822", "02 Jan 06 15:04 MST", "09 Nov 26 03:07 UTC"),
            ("rfc822z", "02 Jan 06 15:04 -0700", "09 Nov 26 03:07 +0000"),
            ("rfc850", "Monday, 02-Jan-06 15:04:05 MST", "Monday, 09-Nov-26 03:07:08 UTC"),
            ("rfc1123", "Mon, 02 Jan 2006 15:04:05 MST", "Mon, 09 Nov 2026 03:07:08 UTC"),
            ("rfc1123z", "Mon, 02 Jan 2006 15:04:05 -0700", "Mon, 09 Nov 2026 03:07:08 +0000"),
            ("rfc3339", "2006-01-02T15:04:05-07:00", "2026-11-09T03:07:08Z"),
            ("RFC3339Nano", "2006-01-02T15:04:05.012345678-07:00", "2026-11-09T03:07:08.5Z"),
            ("kitchen", "3:04PM", "3:07AM"),
            ("stamp", "Jan  2 15:04:05", "Nov  9 03:07:08"),
            ("stampmilli", "Jan  2 15:04:05.012", "Nov  9 03:07:08.500"),
            ("stampmicro", "Jan  2 15:04:05.012345", "Nov  9 03:07:08.500000"),
            ("STAMPNANO", "Jan  2 15:04:05.012345678", "Nov  9 03:07:08.500000000"),
        ] {
            let format = TimeFormat::from_name(name);
            assert_eq!(format.name(), name.to_lowercase());
            assert_eq!(format.format(&west), in_west, "{name}");
            assert_eq!(format.format(&utc), in_utc, "{name}");
        }
        assert_eq!(TimeFormat::from_name("iso"), TimeFormat::None);
        assert_eq!(TimeFormat::None.format(&utc), "");
    }
}
