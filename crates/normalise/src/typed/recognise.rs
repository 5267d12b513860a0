//! What a token, or a part of one, is.

use std::net::Ipv6Addr;
use std::ops::Range;

use super::{Kind, MAX_TOKEN, is_word, moment};

type Found = (Range<usize>, Kind);

/// What the token at `token` is as a whole, apart from punctuation after it. `telling` says that it has a `/`, `:`, `@` or
/// backslash. The range found starts with the token, and may end behind it.
pub(super) fn whole(text: &[u8], token: Range<usize>, telling: bool) -> Option<Found> {
    let start = token.start;
    let bytes = &text[token.clone()];
    let found = |end: usize, kind: Kind| Some((start..end, kind));
    // What most tokens with digits are, without looking further.
    if (3..16).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit) {
        return found(token.end, Kind::Num);
    }
    if telling {
        if let Some(end) = url(text, &token) {
            return found(end, Kind::Url);
        }
        if let Some(len) = email(bytes) {
            return found(start + len, Kind::Email);
        }
        if let Some(len) = mac(bytes) {
            return found(start + len, Kind::Hex);
        }
        if let Some(len) = ipv6(bytes) {
            return found(start + len, Kind::Ip);
        }
        if let Some(end) = path(text, &token) {
            return found(end, Kind::Path);
        }
    }
    if let Some(len) = number(bytes)
        && len == bytes.len()
        && !is_hex_id(bytes.strip_prefix(b"-").unwrap_or(bytes))
        && moment::at_digit(text, start).is_none()
        && ipv4(bytes).is_none()
    {
        return found(start + len, Kind::Num);
    }
    None
}

/// The first part of a token, in what is left of it, that is something.
pub(super) fn part(text: &[u8], rest: Range<usize>) -> Option<Found> {
    let mut at = rest.start;
    while at < rest.end {
        if !is_word(text[at]) {
            at += 1;
            continue;
        }
        let end = (at..rest.end).find(|&i| !is_word(text[i])).unwrap_or(rest.end);
        let word = &text[at..end];
        let starts_word = at == 0 || !is_word(text[at - 1]);
        if starts_word && let Some((found, kind)) = at_word(text, at, end) {
            let is_decimal = kind == Kind::Hex && word.iter().all(u8::is_ascii_digit);
            let sign = usize::from(is_decimal && is_signed(text, at, rest.start));
            return Some((found.start - sign..found.end, kind));
        }
        if let Some(digit) = word.iter().position(u8::is_ascii_digit) {
            let start = at + digit;
            let sign = usize::from(digit == 0 && is_signed(text, start, rest.start));
            return Some((start - sign..digits_end(text, start, rest.end), Kind::Num));
        }
        at = end;
    }
    None
}

/// Whether the number at `start` has a sign before it, which is not what joins it to a word. Nothing before `least` counts.
fn is_signed(text: &[u8], start: usize, least: usize) -> bool {
    start > least
        && matches!(text[start - 1], b'-' | b'+')
        && (start == 1 || !is_word(text[start - 2]))
}

/// What begins at a word, other than a number.
fn at_word(text: &[u8], at: usize, end: usize) -> Option<Found> {
    let word = &text[at..end];
    if word.first().is_some_and(u8::is_ascii_digit) {
        if let Some((end, kind)) = moment::at_digit(text, at) {
            return Some((at..end, kind));
        }
        if let Some(len) = ipv4(&text[at..]) {
            return Some((at..at + len, Kind::Ip));
        }
        if let [b'0', b'x' | b'X', digits @ ..] = word
            && !digits.is_empty()
            && digits.iter().all(u8::is_ascii_hexdigit)
        {
            return Some((at..end, Kind::Hex));
        }
    }
    if let Some(len) = uuid(&text[at..]) {
        return Some((at..at + len, Kind::Uuid));
    }
    is_hex_id(word).then_some((at..end, Kind::Hex))
}

/// Digits, and more digits after a dot: `12`, `1.5`, `1.2.3`.
fn digits_end(text: &[u8], start: usize, limit: usize) -> usize {
    let mut end = start;
    loop {
        while end < limit && text[end].is_ascii_digit() {
            end += 1;
        }
        let goes_on = end + 1 < limit && text[end] == b'.' && text[end + 1].is_ascii_digit();
        if !goes_on {
            return end;
        }
        end += 1;
    }
}

/// The length of a number at the beginning: sign, digits, fraction, exponent.
fn number(bytes: &[u8]) -> Option<usize> {
    let sign = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    if !bytes.get(sign)?.is_ascii_digit() {
        return None;
    }
    let end = digits_end(bytes, sign, bytes.len());
    if let [b'e' | b'E', exponent @ ..] = &bytes[end..] {
        let sign = usize::from(matches!(exponent.first(), Some(b'-' | b'+')));
        let digits = exponent[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 {
            return Some(end + 1 + sign + digits);
        }
    }
    Some(end)
}

fn is_hex_id(word: &[u8]) -> bool {
    if word.len() < 7 {
        return false;
    }
    let mut digits = 0;
    for &byte in word {
        if byte.is_ascii_digit() {
            digits += 1;
        } else if !byte.is_ascii_hexdigit() {
            return false;
        }
    }
    let is_mixed = digits != 0 && digits != word.len();
    is_mixed || word.len() >= 16
}

fn uuid(bytes: &[u8]) -> Option<usize> {
    const LEN: usize = 36;
    let candidate = bytes.get(..LEN).filter(|candidate| candidate[8] == b'-')?;
    let is_uuid = candidate.iter().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    (is_uuid && ends_word(bytes, LEN)).then_some(LEN)
}

fn mac(bytes: &[u8]) -> Option<usize> {
    const LEN: usize = 17;
    let candidate = bytes.get(..LEN)?;
    let separator = candidate[2];
    let is_mac = matches!(separator, b':' | b'-')
        && candidate.iter().enumerate().all(|(index, byte)| match index % 3 {
            2 => *byte == separator,
            _ => byte.is_ascii_hexdigit(),
        });
    (is_mac && ends_word(bytes, LEN)).then_some(LEN)
}

/// Whether no word goes on at `at`.
fn ends_word(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_none_or(|&byte| !is_word(byte))
}

/// Four decimal numbers up to 255, without leading zeros. By hand, because most numbers come by here.
fn ipv4(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    for octet in 0..4 {
        if octet > 0 {
            if bytes.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
        let rest = &bytes[at..];
        let digits = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
        let value = rest[..digits].iter().fold(0, |sum, byte| sum * 10 + u32::from(byte - b'0'));
        if digits == 0 || value > 255 || (digits > 1 && rest[0] == b'0') {
            return None;
        }
        at += digits;
    }
    // Five numbers are something else.
    let goes_on = matches!(bytes[at..], [b'.', b'0'..=b'9', ..]);
    (!goes_on && ends_word(bytes, at)).then_some(at)
}

fn ipv6(bytes: &[u8]) -> Option<usize> {
    let len = bytes
        .iter()
        .take(46)
        .take_while(|&&byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        .count();
    let candidate = &bytes[..len];
    let candidate = match candidate {
        [rest @ .., b'.'] => rest,
        [rest @ .., b':'] if !rest.ends_with(b":") => rest,
        all => all,
    };
    let colons = candidate.iter().filter(|&&byte| byte == b':').count();
    if colons < 2 || !candidate.iter().any(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(candidate).ok()?.parse::<Ipv6Addr>().ok()?;
    ends_word(bytes, candidate.len()).then_some(candidate.len())
}

/// The end of a URL that the token begins with.
fn url(text: &[u8], token: &Range<usize>) -> Option<usize> {
    let bytes = &text[token.clone()];
    let scheme = memchr::memchr(b':', bytes)?;
    if !bytes[scheme..].starts_with(b"://") {
        return None;
    }
    let is_scheme = scheme > 0
        && bytes[0].is_ascii_alphabetic()
        && bytes[..scheme]
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !is_scheme {
        return None;
    }
    let after = token.start + scheme + 3;
    let stops = |byte: u8| {
        matches!(
            byte,
            b'\t'..=b'\r' | b' ' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'|' | b')' | b']' | b'}'
        )
    };
    let end = trimmed_end(text, token.start, after, stops);
    (end > after).then_some(end)
}

/// The end of a path that the token begins with.
fn path(text: &[u8], token: &Range<usize>) -> Option<usize> {
    let bytes = &text[token.clone()];
    if bytes == b"/" {
        return Some(token.end);
    }
    let root = match bytes {
        [b'/', ..] => 1,
        [b'~', b'/', ..] | [b'.', b'/', ..] => 2,
        [b'.', b'.', b'/', ..] => 3,
        [b'A'..=b'Z' | b'a'..=b'z', b':', b'\\', ..] => 3,
        _ => return None,
    };
    let first = *bytes.get(root)?;
    if !is_word(first) && !matches!(first, b'_' | b'.' | b'-' | b'~' | b'$' | b'%') {
        return None;
    }
    // Resolved addresses are logged with a slash before them.
    if root == 1 && ipv4(&bytes[1..]).is_some() {
        return None;
    }
    let mut in_query = false;
    let stops = |byte: u8| {
        in_query |= byte == b'?';
        match byte {
            b'\t'..=b'\r' | b' ' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'|' => true,
            b'(' | b')' | b'[' | b']' | b'{' | b'}' | b';' | b',' => true,
            b'=' => !in_query,
            _ => false,
        }
    };
    Some(trimmed_end(text, token.start, token.start + root, stops))
}

/// The end, at `least` or later, of what begins at `start`: before the byte that stops it, and before punctuation that ends
/// a sentence. It reaches as far as a token may, so that the work stays in proportion to the text.
fn trimmed_end(
    text: &[u8],
    start: usize,
    least: usize,
    mut stops: impl FnMut(u8) -> bool,
) -> usize {
    let limit = text.len().min(start + MAX_TOKEN).max(least);
    let mut end = (least..limit).find(|&i| stops(text[i])).unwrap_or(limit);
    while end > least && matches!(text[end - 1], b'.' | b',' | b':' | b';' | b'!') {
        end -= 1;
    }
    end
}

/// The length of an e-mail address, which is the token but for punctuation after it.
fn email(bytes: &[u8]) -> Option<usize> {
    let at = memchr::memchr(b'@', bytes)?;
    let end = bytes.iter().rposition(|byte| !matches!(byte, b'.' | b':'))? + 1;
    let (local, domain) = (&bytes[..at], bytes.get(at + 1..end)?);
    let is_local = !local.is_empty()
        && local.iter().all(|&b| is_word(b) || matches!(b, b'.' | b'_' | b'%' | b'+' | b'-'));
    let is_domain = domain.iter().all(|&b| is_word(b) || matches!(b, b'.' | b'-'))
        && domain.first().is_some_and(|&b| is_word(b))
        && memchr::memrchr(b'.', domain).is_some_and(|dot| {
            let top = &domain[dot + 1..];
            top.len() >= 2 && top.iter().all(u8::is_ascii_alphabetic)
        });
    (is_local && is_domain).then_some(end)
}
