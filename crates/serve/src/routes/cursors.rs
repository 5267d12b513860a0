use std::collections::HashMap;

/// Where in one monitor a client got to: the next combined offset for each of its streams. They differ where a line, or a
/// character, of one stream is complete while one of another is not.
pub(super) type Place = [u64; 3];

/// Where a client got to: a place when it follows one monitor, or one for each name when it follows several.
///
/// As text a place is an offset, or an offset for each stream, separated by points; several are `name=place` pairs in the form
/// of a query. It is the value of the `since` parameter and the id of server-sent events, which a browser sends
/// back when it reconnects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cursors {
    One(Place),
    Each(HashMap<String, Place>),
}

/// The text of a place.
pub(super) fn place([out, err, log]: Place) -> String {
    if out == err && err == log { out.to_string() } else { format!("{out}.{err}.{log}") }
}

/// An offset. A negative one is from before everything, as 0 is.
fn parse_offset(text: &str) -> Option<u64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let offset = digits.parse().ok().filter(|_| plain)?;
    Some(if negative { 0 } else { offset })
}

fn parse_place(text: &str) -> Option<Place> {
    let mut offsets = text.split('.').map(parse_offset);
    let first = offsets.next()??;
    let place = match offsets.next() {
        None => [first; 3],
        Some(second) => [first, second?, offsets.next()??],
    };
    offsets.next().is_none().then_some(place)
}

impl Cursors {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(place) = parse_place(text.trim()) {
            return Some(Self::One(place));
        }
        let pairs = form_urlencoded::parse(text.as_bytes());
        let each: Option<HashMap<_, _>> =
            pairs.map(|(name, offset)| Some((name.into_owned(), parse_place(&offset)?))).collect();
        each.filter(|each| !each.is_empty()).map(Self::Each)
    }

    /// The text for several monitors.
    pub(super) fn write<'a>(places: impl Iterator<Item = (&'a str, Place)>) -> String {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        for (name, at) in places {
            pairs.append_pair(name, &place(at));
        }
        pairs.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        assert_eq!(Cursors::parse("12"), Some(Cursors::One([12; 3])));
        assert_eq!(Cursors::parse("12.30.12"), Some(Cursors::One([12, 30, 12])));
        assert_eq!((place([7; 3]), place([7, 8, 7])), ("7".to_owned(), "7.8.7".to_owned()));
        assert_eq!(Cursors::parse("-5"), Some(Cursors::One([0; 3])));
        let text = Cursors::write([("web", [3; 3]), ("a/b c=&", [4, 5, 4])].into_iter());
        let each = HashMap::from([("web".to_owned(), [3; 3]), ("a/b c=&".to_owned(), [4, 5, 4])]);
        assert_eq!(Cursors::parse(&text), Some(Cursors::Each(each)));
        for wrong in [
            "",
            "x",
            "-",
            "--1",
            "+1",
            "web=",
            "web=x",
            "99999999999999999999",
            "1.2",
            "1.2.3.4",
            "1..2",
            ".",
        ] {
            assert_eq!(Cursors::parse(wrong), None, "{wrong:?}");
        }
    }
}
