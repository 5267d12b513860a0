use std::io::{self, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Writes times as RFC 3339 with nanoseconds.
///
/// Records come by the thousand in each second, so what the times of a second share is made once.
pub(crate) struct Clock {
    zone: TimeZone,
    second: u64,
    /// Up to the decimal point, and after the nanoseconds.
    front: String,
    back: String,
}

const NANOS: u64 = 1_000_000_000;

impl Clock {
    pub(crate) fn new(local: bool) -> Self {
        let zone = if local { TimeZone::system() } else { TimeZone::UTC };
        Self { zone, second: u64::MAX, front: String::new(), back: String::new() }
    }

    /// Writes a time in Unix nanoseconds; `-` when it is 0, that is not known.
    pub(crate) fn write(&mut self, out: &mut impl Write, time_ns: u64) -> io::Result<()> {
        if time_ns == 0 {
            return out.write_all(b"-");
        }
        let second = time_ns / NANOS;
        if second != self.second {
            self.turn_to(second);
        }
        let (mut digits, mut rest) = ([0; 9], time_ns % NANOS);
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.write_all(self.front.as_bytes())?;
        out.write_all(&digits)?;
        out.write_all(self.back.as_bytes())
    }

    fn turn_to(&mut self, second: u64) {
        // 64 bits of nanoseconds end in the year 2554, which every calendar here can tell.
        let time = Timestamp::from_second(second.cast_signed()).unwrap_or_default();
        let zoned = time.to_zoned(self.zone.clone());
        self.second = second;
        self.front = zoned.strftime("%Y-%m-%dT%H:%M:%S.").to_string();
        self.back = match self.zone == TimeZone::UTC {
            true => "Z".to_owned(),
            false => zoned.strftime("%:z").to_string(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(clock: &mut Clock, time_ns: u64) -> String {
        let mut out = Vec::new();
        clock.write(&mut out, time_ns).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_rfc_3339_to_the_nanosecond() {
        let mut clock = Clock::new(false);
        assert_eq!(text(&mut clock, 0), "-");
        assert_eq!(text(&mut clock, 1), "1970-01-01T00:00:00.000000001Z");
        let time = 1_500_000_000_987_654_321;
        assert_eq!(text(&mut clock, time), "2017-07-14T02:40:00.987654321Z");
        assert_eq!(text(&mut clock, time + 1), "2017-07-14T02:40:00.987654322Z");
        assert_eq!(text(&mut clock, time + NANOS), "2017-07-14T02:40:01.987654321Z");
        assert_eq!(text(&mut clock, u64::MAX), "2554-07-21T23:34:33.709551615Z");
    }

    #[test]
    fn zones_are_told() {
        let mut clock = Clock::new(false);
        clock.zone = TimeZone::fixed(jiff::tz::offset(-3));
        assert_eq!(text(&mut clock, 1_500_000_000 * NANOS), "2017-07-13T23:40:00.000000000-03:00");
    }
}
