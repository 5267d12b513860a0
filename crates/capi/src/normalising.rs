//! What the functions of normalisers share: options made from what C hands in, and answers put where C wants them.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::slice;

use flightring_normalise::pipeline::PipelineError;
use flightring_normalise::{Masker, Mode, PatternCount, Rules, SummaryOptions};
use serde_json::json;

use crate::buffer::{fitted, required, set};
use crate::flr_status;
use crate::normaliser::{flr_normaliser_mode, flr_normaliser_options, flr_normaliser_rule};
use crate::sized;
use crate::status::{fail, invalid};

fn mode_of(mode: i32) -> Result<Mode, flr_status> {
    Ok(match mode {
        x if x == flr_normaliser_mode::Shape as i32 => Mode::Shape,
        x if x == flr_normaliser_mode::Digits as i32 => Mode::Digits,
        x if x == flr_normaliser_mode::Tokens as i32 => Mode::Tokens,
        x if x == flr_normaliser_mode::Typed as i32 => Mode::Typed,
        x if x == flr_normaliser_mode::Keep as i32 => Mode::Keep,
        other => return Err(invalid(format_args!("{other} is no flr_normaliser_mode"))),
    })
}

/// The caller's text under a pointer that must not be NULL.
///
/// # Safety
/// `text` is NULL or a C string that lives as long as the call.
unsafe fn text_of<'a>(text: *const c_char, name: &str) -> Result<&'a str, flr_status> {
    required(text, name)?;
    // SAFETY: not NULL, so a C string by this function's contract.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| invalid(format_args!("{name} is not UTF-8")))
}

/// The path under an optional pointer.
///
/// # Safety
/// `path` is NULL or a C string that lives as long as the call.
pub(crate) unsafe fn path_of<'a>(path: *const c_char) -> Option<&'a Path> {
    // SAFETY: NULL or a C string by this function's contract.
    let path = (!path.is_null()).then(|| unsafe { CStr::from_ptr(path) });
    path.map(|path| Path::new(OsStr::from_bytes(path.to_bytes())))
}

/// An array of the caller's.
///
/// # Safety
/// `items` is NULL or an array of `count` items that lives as long as the call.
pub(crate) unsafe fn items_of<'a, T>(
    items: *const T,
    count: usize,
    name: &str,
) -> Result<&'a [T], flr_status> {
    if count == 0 {
        return Ok(&[]);
    }
    required(items, name)?;
    if count > 1 << 20 {
        return Err(invalid(format_args!("{count} {name} are too many; was it negative?")));
    }
    // SAFETY: not NULL, and an array of `count` by this function's contract.
    Ok(unsafe { slice::from_raw_parts(items, count) })
}

/// # Safety
/// As [`items_of`], and the texts of the rules are C strings.
pub(crate) unsafe fn masker_of(
    mode: i32,
    rules: *const flr_normaliser_rule,
    count: usize,
) -> Result<Masker, flr_status> {
    let masker = Masker::new(mode_of(mode)?);
    if count == 0 {
        return Ok(masker);
    }
    let mut pairs = Vec::new();
    // SAFETY: passed on.
    for rule in unsafe { items_of(rules, count, "rules")? } {
        // SAFETY: passed on.
        let pair = unsafe {
            (text_of(rule.name, "a rule's name")?, text_of(rule.expression, "a rule's expression")?)
        };
        pairs.push(pair);
    }
    let rules = Rules::new(pairs).map_err(|error| invalid(format_args!("{error}")))?;
    masker.with_rules(rules).map_err(|error| invalid(format_args!("{error}")))
}

pub(crate) fn summary_options(max_patterns: usize) -> SummaryOptions {
    let mut options = SummaryOptions::default();
    if max_patterns != 0 {
        options.max_patterns = max_patterns;
    }
    options
}

/// Masks into the caller's buffer.
pub(crate) fn mask_into(
    masker: &Masker,
    line: &[u8],
    dst: &mut [u8],
    needed: *mut usize,
) -> Result<(), flr_status> {
    let (result, size) = match masker.mask_into(line, dst) {
        Ok(len) => (Ok(()), len),
        Err(error) => (Err(flr_status::TRUNCATED), error.sufficient),
    };
    // SAFETY: NULL or writable, as both callers document.
    unsafe { set(needed, size) };
    result
}

/// The masker and the summary's options that `options` ask for.
///
/// # Safety
/// `options` is NULL or valid, with valid rules.
pub(crate) unsafe fn masker_with(
    options: *const flr_normaliser_options,
) -> Result<(Masker, SummaryOptions), flr_status> {
    if options.is_null() {
        return Ok((Masker::new(Mode::Shape), SummaryOptions::default()));
    }
    // SAFETY: passed on.
    unsafe {
        let options = sized::read(options)?;
        let masker = masker_of(options.mode, options.rules, options.rule_count)?;
        Ok((masker, summary_options(options.max_patterns)))
    }
}

/// The status and message of a run that failed.
pub(crate) fn failed(error: &PipelineError) -> flr_status {
    use std::io::ErrorKind;
    let status = match error {
        PipelineError::SameFile { .. } => flr_status::INVALID,
        PipelineError::LongLine { .. } => flr_status::TOO_LARGE,
        PipelineError::Open { source, .. } | PipelineError::Create { source, .. }
            if source.kind() == ErrorKind::NotFound =>
        {
            flr_status::NOT_FOUND
        }
        PipelineError::Read { source, .. }
            if matches!(
                source.kind(),
                ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof
            ) =>
        {
            flr_status::CORRUPT
        }
        _ => flr_status::IO,
    };
    fail(status, format_args!("{error}"))
}

/// Writes patterns as JSON to the caller's buffer.
pub(crate) fn put_json(
    top: &[PatternCount],
    dst: &mut [u8],
    needed: *mut usize,
) -> Result<(), flr_status> {
    let array: Vec<_> = top
        .iter()
        .map(|one| json!({ "id": one.id.to_string(), "pattern": one.pattern, "count": one.count }))
        .collect();
    let text = serde_json::Value::from(array).to_string();
    if let Some(room) = dst.get_mut(..text.len()) {
        room.copy_from_slice(text.as_bytes());
    }
    // SAFETY: NULL or writable, as both callers document.
    unsafe { set(needed, text.len()) };
    fitted(text.len(), dst.len())
}
