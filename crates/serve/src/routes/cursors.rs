use std::collections::HashMap;

/// Where a client got to: one offset when it follows one monitor, or an offset for each name when it follows several.
///
/// As text it is the offset, or `name=offset` pairs in the form of a query. It is the value of the `since`
/// parameter and the id of server-sent events, which a browser sends back when it reconnects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cursors {
    One(u64),
    Each(HashMap<String, u64>),
}

impl Cursors {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(offset) = text.trim().parse() {
            return Some(Self::One(offset));
        }
        let pairs = form_urlencoded::parse(text.as_bytes());
        let each: Option<HashMap<_, _>> =
            pairs.map(|(name, offset)| Some((name.into_owned(), offset.parse().ok()?))).collect();
        each.filter(|each| !each.is_empty()).map(Self::Each)
    }

    /// The text for several monitors.
    pub(super) fn write<'a>(offsets: impl Iterator<Item = (&'a str, u64)>) -> String {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        for (name, offset) in offsets {
            pairs.append_pair(name, &offset.to_string());
        }
        pairs.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        assert_eq!(Cursors::parse("12"), Some(Cursors::One(12)));
        let text = Cursors::write([("web", 3), ("a/b c=&", 4)].into_iter());
        let each = HashMap::from([("web".to_owned(), 3), ("a/b c=&".to_owned(), 4)]);
        assert_eq!(Cursors::parse(&text), Some(Cursors::Each(each)));
        for wrong in ["", "x", "-1", "web=", "web=x", "99999999999999999999"] {
            assert_eq!(Cursors::parse(wrong), None, "{wrong:?}");
        }
    }
}
