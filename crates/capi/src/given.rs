//! What C programs hand in with records: texts, arrays, numbers and attributes.

use bumpalo::Bump;
use flightring_store::{Attribute, Value};
use smallvec::SmallVec;

use crate::buffer::input;
use crate::flr_status;
use crate::logger_options::unknown;
use crate::recorder_add::{flr_attribute, flr_text};
use crate::status::invalid;

/// The text, if it is one.
pub(crate) unsafe fn text<'a>(text: flr_text, member: &str) -> Result<&'a str, flr_status> {
    // SAFETY: readable as documented.
    let bytes = unsafe { bytes(text)? };
    if bytes.is_ascii() {
        // SAFETY: ASCII is UTF-8. Looking for that takes a fraction of the time.
        return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    std::str::from_utf8(bytes).map_err(|_| invalid(format_args!("{member} is not valid UTF-8")))
}

pub(crate) unsafe fn bytes<'a>(text: flr_text) -> Result<&'a [u8], flr_status> {
    // SAFETY: readable as documented.
    unsafe { input(text.data.cast(), text.len) }
}

/// A caller's array.
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
        return Err(invalid(format_args!(
            "{member} is NULL, misaligned, or its count {count} is impossible"
        )));
    }
    // SAFETY: not NULL, aligned, and `count` values as documented.
    Ok(unsafe { std::slice::from_raw_parts(data, count) })
}

/// Attributes of a record, few enough for the stack, so that adding does not allocate.
pub(crate) type Attributes<'a> = SmallVec<[Attribute<'a>; 16]>;

/// Lists in lists may be as deep as stores keep them.
const MAX_DEPTH: usize = 32;

/// Appends attributes to `to`, which the caller made, because it is too large to be moved.
pub(crate) unsafe fn put_attributes<'a>(
    to: &mut Attributes<'a>,
    data: *const flr_attribute,
    count: usize,
    lists: &'a Bump,
) -> Result<(), flr_status> {
    // SAFETY: an array as documented.
    for attribute in unsafe { array(data, count, "attributes")? } {
        // SAFETY: as above.
        to.push(unsafe { attribute_of(attribute, lists, 0)? });
    }
    Ok(())
}

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
        5 | 6 if depth >= MAX_DEPTH => {
            return Err(invalid(format_args!("lists are nested more than {MAX_DEPTH} deep")));
        }
        list @ (5 | 6) => {
            // SAFETY: as above: an array of flr_attribute.
            let items = unsafe { array(given.text.data.cast(), given.text.len, "a list")? };
            if list == 5 {
                // SAFETY: as above.
                let one = |i: usize| unsafe { value_of(&items[i], lists, depth + 1) };
                Value::Array(lists.alloc_slice_try_fill_with(items.len(), one)?)
            } else {
                // SAFETY: as above.
                let one = |i: usize| unsafe { attribute_of(&items[i], lists, depth + 1) };
                Value::Map(lists.alloc_slice_try_fill_with(items.len(), one)?)
            }
        }
        other => return Err(unknown("an attribute's value_type", other)),
    })
}

pub(crate) fn small(value: i32, most: u8, member: &str) -> Result<u8, flr_status> {
    u8::try_from(value).ok().filter(|value| *value <= most).ok_or_else(|| unknown(member, value))
}
