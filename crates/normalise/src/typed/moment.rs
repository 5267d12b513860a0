//! Days and times of day in the forms that logs use.

use super::{DELIMITER, Kind, class, is_word};

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
const WEEKDAYS: [&[u8; 3]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

/// A place in a text, which moves on only over what was expected there.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, bytes: &[u8]) -> Option<u8> {
        let byte = self.peek().filter(|byte| bytes.contains(byte))?;
        self.at += 1;
        Some(byte)
    }

    /// A number of `least` to `most` digits that is not followed by one more.
    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let mut value = 0;
        let start = self.at;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            if self.at - start == most {
                return None;
            }
            value = value * 10 + u32::from(digit - b'0');
            self.at += 1;
        }
        (self.at - start >= least).then_some(value)
    }

    fn number_up_to(&mut self, least: usize, most: usize, limit: u32) -> Option<u32> {
        self.number(least, most).filter(|&value| value <= limit)
    }

    fn name(&mut self, names: &[&[u8; 3]]) -> Option<()> {
        let name = self.text.get(self.at..self.at + 3)?;
        names.iter().any(|candidate| candidate[..] == *name).then(|| self.at += 3)
    }

    /// Whether a word could end here.
    fn is_end(&self) -> bool {
        self.peek().is_none_or(|byte| !is_word(byte))
    }
}

/// What `parse` takes at the cursor, or nothing and the cursor stays.
fn try_at<T>(
    cursor: &mut Cursor<'_>,
    parse: impl FnOnce(&mut Cursor<'_>) -> Option<T>,
) -> Option<T> {
    let mut trial = *cursor;
    let parsed = parse(&mut trial)?;
    *cursor = trial;
    Some(parsed)
}

/// `16:13:38`, with `.936`, `,936` or `:936`, with `Z` or `+01:00`; also `16:13`.
fn time_of_day(cursor: &mut Cursor<'_>) -> Option<()> {
    let start = cursor.at;
    cursor.number_up_to(1, 2, 24)?;
    let hour_digits = cursor.at - start;
    cursor.eat(b":")?;
    cursor.number_up_to(2, 2, 59)?;
    let seconds = try_at(cursor, |c| {
        c.eat(b":")?;
        c.number_up_to(2, 2, 60)
    });
    if seconds.is_none() && (hour_digits != 2 || cursor.peek() == Some(b':')) {
        return None;
    }
    if seconds.is_some() {
        try_at(cursor, |c| {
            let most = if c.eat(b".,:")? == b'.' { 9 } else { 3 };
            let least = if most == 3 { 3 } else { 1 };
            c.number(least, most)
        });
    }
    try_at(cursor, |c| {
        if c.eat(b"Z+-")? != b'Z' {
            c.number_up_to(2, 4, 1400)?;
            try_at(c, |c| {
                c.eat(b":")?;
                c.number_up_to(2, 2, 59)
            });
        }
        c.is_end().then_some(())
    });
    cursor.is_end().then_some(())
}

/// `2024-03-17`, `17/03/2024`, `24/03/17`, `17/Mar/2024` and the like; `.` and `-` too.
fn numeric_day(cursor: &mut Cursor<'_>) -> Option<()> {
    let year_first = |c: &mut Cursor<'_>| {
        c.number_up_to(4, 4, 2199).filter(|&year| year >= 1900)?;
        let separator = c.eat(b"-/.")?;
        c.number_up_to(1, 2, 12)?;
        c.eat(&[separator])?;
        c.number_up_to(1, 2, 31)?;
        Some(separator)
    };
    let year_last = |c: &mut Cursor<'_>| {
        let start = c.at;
        c.number_up_to(1, 2, 31)?;
        let separator = c.eat(b"-/.")?;
        if c.name(&MONTHS).is_none() {
            c.number_up_to(1, 2, if separator == b'.' { 12 } else { 31 })?;
        }
        c.eat(&[separator])?;
        let year = c.number_up_to(2, 4, 2199)?;
        let is_full = year >= 1900 && c.at - start == "17.03.2024".len();
        (separator != b'.' || is_full).then_some(separator)
    };
    // Numbers with dots are versions more often than days, above all inside a token.
    let begins_token = cursor.at == 0 || class(cursor.text[cursor.at - 1]) == DELIMITER;
    try_at(cursor, |c| {
        let separator = try_at(c, year_first).or_else(|| try_at(c, year_last))?;
        (separator != b'.' || begins_token).then_some(())
    })
}

/// What begins with the digit at `at`: a time, a day, or both; with its end.
pub(super) fn at_digit(text: &[u8], at: usize) -> Option<(usize, Kind)> {
    // Two or four digits at most, and then what joins them to the rest.
    let head = &text[at..text.len().min(at + 5)];
    let joint = head.iter().find(|byte| !byte.is_ascii_digit())?;
    if !b":-/. ".contains(joint) {
        return None;
    }
    let mut cursor = Cursor { text, at };
    if try_at(&mut cursor, time_of_day).is_some() {
        return Some((cursor.at, Kind::Time));
    }
    if try_at(&mut cursor, numeric_day).is_some() {
        let joined = try_at(&mut cursor, |c| {
            c.eat(b"Tt_:")?;
            time_of_day(c)?;
            // The zone of an access log stands apart.
            try_at(c, |c| {
                c.eat(b" ")?;
                c.eat(b"+-")?;
                c.number(4, 4)?;
                c.is_end().then_some(())
            });
            Some(())
        });
        if joined.is_some() {
            return Some((cursor.at, Kind::Time));
        }
        return cursor.is_end().then_some((cursor.at, Kind::Date));
    }
    // `03-17`, when a time follows; `17 Mar 2024`.
    let month_and_day = |c: &mut Cursor<'_>| {
        c.number_up_to(2, 2, 12)?;
        c.eat(b"-/")?;
        c.number_up_to(2, 2, 31)?;
        let mut after = *c;
        after.eat(b" ")?;
        time_of_day(&mut after)
    };
    let day_and_month = |c: &mut Cursor<'_>| {
        c.number_up_to(1, 2, 31)?;
        c.eat(b" -")?;
        c.name(&MONTHS)?;
        c.eat(b" -")?;
        c.number_up_to(4, 4, 2199)?;
        c.is_end().then_some(())
    };
    try_at(&mut cursor, month_and_day)
        .or_else(|| try_at(&mut cursor, day_and_month))
        .map(|()| (cursor.at, Kind::Date))
}

/// A day that begins with the name of a month or of a weekday, `Mar 17` or `Mon, 17 Mar 2024`: its end. The word at
/// `start` ends at `end`.
pub(super) fn named_day(text: &[u8], start: usize, end: usize) -> Option<usize> {
    if end - start != 3 {
        return None;
    }
    let month_day = |c: &mut Cursor<'_>| {
        c.name(&MONTHS)?;
        c.eat(b" ")?;
        c.eat(b" ");
        c.number_up_to(1, 2, 31)?;
        // Not the hour of something else.
        (c.is_end() && c.peek() != Some(b':')).then_some(())?;
        try_at(c, |c| {
            c.eat(b",");
            c.eat(b" ")?;
            c.number_up_to(4, 4, 2199).filter(|&year| year >= 1900)?;
            (c.is_end() && c.peek() != Some(b':')).then_some(())
        });
        Some(())
    };
    let weekday = |c: &mut Cursor<'_>| {
        c.name(&WEEKDAYS)?;
        c.eat(b",");
        c.eat(b" ")?;
        try_at(c, month_day).or_else(|| {
            try_at(c, |c| {
                c.number_up_to(1, 2, 31)?;
                c.eat(b" -")?;
                c.name(&MONTHS)?;
                c.eat(b" -")?;
                c.number_up_to(2, 4, 2199)?;
                c.is_end().then_some(())
            })
        })
    };
    let mut cursor = Cursor { text, at: start };
    try_at(&mut cursor, month_day).or_else(|| try_at(&mut cursor, weekday)).map(|()| cursor.at)
}
