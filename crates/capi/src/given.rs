//! What C programs hand in with records: texts, arrays, numbers and attributes.

use std::mem::MaybeUninit;

use bumpalo::Bump;
use flightring_store::{Attribute, Value};

use crate::buffer::input;
use crate::flr_status;
use crate::logger_options::unknown;
use crate::recorder_add::{flr_attribute, flr_text};
use crate::status::invalid;

/// The text, if it is one.
#[inline(always)]
pub(crate) unsafe fn text<'a>(text: flr_text, member: &str) -> Result<&'a str, flr_status> {
    // SAFETY: readable as documented.
    let bytes = unsafe { bytes(text)? };
    if is_ascii(bytes) {
        // SAFETY: ASCII is UTF-8.
        return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    utf8(bytes, member)
}

#[inline(never)]
fn utf8<'a>(bytes: &'a [u8], member: &str) -> Result<&'a str, flr_status> {
    std::str::from_utf8(bytes).map_err(|_| invalid(format_args!("{member} is not valid UTF-8")))
}

/// Whether there is nothing but ASCII, which most texts are. To know that of all bytes at once takes a fraction of the time in
/// which UTF-8 is checked, and half of that in which [`slice::is_ascii`] looks for the first that is not.
#[inline(always)]
fn is_ascii(bytes: &[u8]) -> bool {
    // The last bytes overlap with those before.
    match (bytes, bytes.last_chunk::<8>(), bytes.last_chunk::<4>()) {
        ([_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, ..], _, _) => is_long_ascii(bytes),
        ([a, b, c, d, e, f, g, h, ..], Some(last), _) => {
            let all =
                u64::from_ne_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) | u64::from_ne_bytes(*last);
            all & 0x8080_8080_8080_8080 == 0
        }
        ([a, b, c, d, ..], _, Some(last)) => {
            let all = u32::from_ne_bytes([*a, *b, *c, *d]) | u32::from_ne_bytes(*last);
            all & 0x8080_8080 == 0
        }
        _ => bytes.iter().all(u8::is_ascii),
    }
}

/// [`is_ascii`] of 16 bytes and more, in lanes that the compiler keeps in wide registers.
#[inline(never)]
fn is_long_ascii(bytes: &[u8]) -> bool {
    let mut all = [0_u8; 16];
    let (lanes, _) = bytes.as_chunks::<16>();
    let (fours, rest) = lanes.as_chunks::<4>();
    for four in fours {
        for i in 0..16 {
            all[i] |= four[0][i] | four[1][i] | four[2][i] | four[3][i];
        }
    }
    for lane in rest.iter().chain(bytes.last_chunk()) {
        for i in 0..16 {
            all[i] |= lane[i];
        }
    }
    u128::from_ne_bytes(all) & u128::from_ne_bytes([0x80; 16]) == 0
}

#[inline]
pub(crate) unsafe fn bytes<'a>(text: flr_text) -> Result<&'a [u8], flr_status> {
    // SAFETY: readable as documented.
    unsafe { input(text.data.cast(), text.len) }
}

/// A caller's array.
#[inline]
pub(crate) unsafe fn array<'a, T>(
    data: *const T,
    count: usize,
    member: &str,
) -> Result<&'a [T], flr_status> {
    if count == 0 {
        return Ok(&[]);
    }
    let fits =
        count.checked_mul(size_of::<T>()).is_some_and(|bytes| isize::try_from(bytes).is_ok());
    if data.is_null() || !data.is_aligned() || !fits {
        return Err(bad_array(member, count));
    }
    // SAFETY: not NULL, aligned, and `count` values as documented.
    Ok(unsafe { std::slice::from_raw_parts(data, count) })
}

#[cold]
fn bad_array(member: &str, count: usize) -> flr_status {
    invalid(format_args!("{member} is NULL, misaligned, or its count {count} is impossible"))
}

/// So many attributes have room on the stack, so that adding a record with them does not allocate.
const ROOM: usize = 16;

/// That room, which only what is used of it is written to.
pub(crate) struct Room<'a>([MaybeUninit<Attribute<'a>>; ROOM]);

impl<'a> Room<'a> {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; ROOM])
    }

    /// The attributes of a record: in this room, or in `lists` when they are more than it holds.
    #[inline(always)]
    pub(crate) unsafe fn attributes(
        &'a mut self,
        data: *const flr_attribute,
        count: usize,
        lists: &'a Bump,
    ) -> Result<&'a [Attribute<'a>], flr_status> {
        if count > ROOM {
            // SAFETY: passed on.
            return unsafe { attributes_in(lists, data, count) };
        }
        // SAFETY: an array as documented.
        let given = unsafe { array(data, count, "attributes")? };
        for (place, attribute) in self.0.iter_mut().zip(given) {
            // SAFETY: as above.
            place.write(unsafe { attribute_of(attribute, lists, 0)? });
        }
        // SAFETY: as many as were given, which are not more than there is room for, were written.
        Ok(unsafe { self.0[..given.len()].assume_init_ref() })
    }
}

/// The attributes of a record, an event or a link, in `lists`.
pub(crate) unsafe fn attributes_in<'a>(
    lists: &'a Bump,
    data: *const flr_attribute,
    count: usize,
) -> Result<&'a [Attribute<'a>], flr_status> {
    // SAFETY: an array as documented.
    let given = unsafe { array(data, count, "attributes")? };
    // SAFETY: as above.
    let one = |i: usize| unsafe { attribute_of(&given[i], lists, 0) };
    Ok(lists.alloc_slice_try_fill_with(given.len(), one)?)
}

/// Lists in lists may be as deep as stores keep them.
const MAX_DEPTH: usize = 32;

#[inline(always)]
unsafe fn attribute_of<'a>(
    given: &flr_attribute,
    lists: &'a Bump,
    depth: usize,
) -> Result<Attribute<'a>, flr_status> {
    // SAFETY: a readable text and value, as documented.
    let (key, value) =
        unsafe { (text(given.key, "an attribute's key")?, value_of(given, lists, depth)?) };
    Ok(Attribute { key, value })
}

/// The value of an attribute; what is in a list lies in `lists`.
#[inline(always)]
unsafe fn value_of<'a>(
    given: &flr_attribute,
    lists: &'a Bump,
    depth: usize,
) -> Result<Value<'a>, flr_status> {
    Ok(match given.value_type {
        // SAFETY: readable as documented, here and below.
        0 => Value::Str(unsafe { text(given.text, "an attribute's text")? }),
        1 => Value::Int(given.integer),
        2 => Value::Double(given.real),
        3 => Value::Bool(given.integer != 0),
        // SAFETY: as above.
        4 => Value::Bytes(unsafe { bytes(given.text)? }),
        // SAFETY: as above.
        5 | 6 => unsafe { list_of(given, lists, depth)? },
        other => return Err(unknown("an attribute's value_type", other)),
    })
}

/// A list or map.
#[inline(never)]
unsafe fn list_of<'a>(
    given: &flr_attribute,
    lists: &'a Bump,
    depth: usize,
) -> Result<Value<'a>, flr_status> {
    if depth >= MAX_DEPTH {
        return Err(invalid(format_args!("lists are nested more than {MAX_DEPTH} deep")));
    }
    // SAFETY: an array of flr_attribute, as documented.
    let items = unsafe { array(given.text.data.cast(), given.text.len, "a list")? };
    Ok(if given.value_type == 5 {
        // SAFETY: as above.
        let one = |i: usize| unsafe { value_of(&items[i], lists, depth + 1) };
        Value::Array(lists.alloc_slice_try_fill_with(items.len(), one)?)
    } else {
        // SAFETY: as above.
        let one = |i: usize| unsafe { attribute_of(&items[i], lists, depth + 1) };
        Value::Map(lists.alloc_slice_try_fill_with(items.len(), one)?)
    })
}

#[inline]
pub(crate) fn small(value: i32, most: u8, member: &str) -> Result<u8, flr_status> {
    u8::try_from(value).ok().filter(|value| *value <= most).ok_or_else(|| unknown(member, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_is_told_from_what_is_not_wherever_it_stands() {
        for len in 0..200 {
            let mut text = vec![b'~'; len];
            assert!(is_ascii(&text), "{len}");
            for at in 0..len {
                text[at] = 0x80;
                assert!(!is_ascii(&text), "{at} of {len}");
                text[at] = 0x7f;
            }
            assert!(is_ascii(&text), "{len}");
        }
    }

    #[test]
    fn a_text_is_utf8_or_refused() {
        for (given, valid) in [
            ("plain, and long enough to be looked at in wide registers".as_bytes(), true),
            ("öde".as_bytes(), true),
            ("some text and then 中文 at its end".as_bytes(), true),
            (b"caf\xe9", false),
            (b"cut in the middle of a character: \xe4\xb8", false),
            (b"\xc0\x80", false),
        ] {
            let as_c = flr_text { data: given.as_ptr().cast(), len: given.len() };
            // SAFETY: `given` is readable.
            let found = unsafe { text(as_c, "it") }.map(str::as_bytes);
            assert_eq!(found, if valid { Ok(given) } else { Err(flr_status::INVALID) });
        }
    }
}
