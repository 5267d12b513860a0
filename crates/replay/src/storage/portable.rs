use super::WORD;
use crate::sync::{AtomicU64, Ordering};

/// Stores `data` at byte `at`. The caller is the only writer; the range lies inside `words`.
#[inline]
pub(crate) fn store(words: &[AtomicU64], at: usize, data: &[u8]) {
    let mut words = words[at / WORD..].iter();
    let (partial, data) = split_at_word(at, data.len(), |n| data.split_at(n));
    if !partial.is_empty()
        && let Some(word) = words.next()
    {
        merge(word, at % WORD, partial);
    }
    let (whole, rest) = data.as_chunks::<WORD>();
    for bytes in whole {
        if let Some(word) = words.next() {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
    }
    if !rest.is_empty()
        && let Some(word) = words.next()
    {
        merge(word, 0, rest);
    }
}

/// Loads `dst.len()` bytes from byte `at`; the range lies inside `words`.
#[inline]
pub(crate) fn load(words: &[AtomicU64], at: usize, dst: &mut [u8]) {
    let mut words =
        words[at / WORD..].iter().map(|word| word.load(Ordering::Relaxed).to_ne_bytes());
    let len = dst.len();
    let (partial, dst) = split_at_word(at, len, |n| dst.split_at_mut(n));
    if !partial.is_empty()
        && let Some(bytes) = words.next()
    {
        partial.copy_from_slice(&bytes[at % WORD..][..partial.len()]);
    }
    let (whole, rest) = dst.as_chunks_mut::<WORD>();
    for chunk in whole {
        if let Some(bytes) = words.next() {
            *chunk = bytes;
        }
    }
    if !rest.is_empty()
        && let Some(bytes) = words.next()
    {
        rest.copy_from_slice(&bytes[..rest.len()]);
    }
}

/// Splits off what lies in a word that begins before `at`.
fn split_at_word<T>(at: usize, len: usize, split: impl FnOnce(usize) -> T) -> T {
    split(len.min(at.wrapping_neg() % WORD))
}

/// Replaces some bytes of a word. Not a read-modify-write: only the one writer stores.
fn merge(word: &AtomicU64, at: usize, data: &[u8]) {
    let mut bytes = word.load(Ordering::Relaxed).to_ne_bytes();
    bytes[at..at + data.len()].copy_from_slice(data);
    word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
}
