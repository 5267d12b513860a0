//! Word by word.

use crate::atomic::{AtomicU64, Ordering};

const WORD: usize = size_of::<u64>();
/// Words that are copied in one step: the compiler does not unroll loops over atomics by itself.
const STEP: usize = 8;

#[inline]
pub(super) fn store(words: &[AtomicU64], at: usize, data: &[u8]) {
    let put = |word: &AtomicU64, bytes: &[u8; WORD]| {
        word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
    };
    let (partial, data) = data.split_at(before_word(at, data.len()));
    let (first, words) = words_from(words, at, partial.len());
    if let Some(first) = first {
        merge(first, at % WORD, partial);
    }
    let (whole, rest) = data.as_chunks::<WORD>();
    let (words, behind) = words.split_at(whole.len());
    let (word_steps, last_words) = words.as_chunks::<STEP>();
    let (steps, last) = whole.as_chunks::<STEP>();
    for (words, bytes) in word_steps.iter().zip(steps) {
        for i in 0..STEP {
            put(&words[i], &bytes[i]);
        }
    }
    for (word, bytes) in last_words.iter().zip(last) {
        put(word, bytes);
    }
    if !rest.is_empty() {
        merge(&behind[0], 0, rest);
    }
}

#[inline]
pub(super) fn load(words: &[AtomicU64], at: usize, out: &mut [u8]) {
    let get = |word: &AtomicU64| word.load(Ordering::Relaxed).to_ne_bytes();
    let (partial, out) = out.split_at_mut(before_word(at, out.len()));
    let (first, words) = words_from(words, at, partial.len());
    if let Some(first) = first {
        partial.copy_from_slice(&get(first)[at % WORD..][..partial.len()]);
    }
    let (whole, rest) = out.as_chunks_mut::<WORD>();
    let (words, behind) = words.split_at(whole.len());
    let (word_steps, last_words) = words.as_chunks::<STEP>();
    let (steps, last) = whole.as_chunks_mut::<STEP>();
    for (words, out) in word_steps.iter().zip(steps) {
        for i in 0..STEP {
            out[i] = get(&words[i]);
        }
    }
    for (word, out) in last_words.iter().zip(last) {
        *out = get(word);
    }
    if !rest.is_empty() {
        let len = rest.len();
        rest.copy_from_slice(&get(&behind[0])[..len]);
    }
}

/// How many of `len` bytes from `at` on lie in a word that begins before `at`.
fn before_word(at: usize, len: usize) -> usize {
    len.min(at.wrapping_neg() % WORD)
}

/// The word that begins before `at`, if `partial` bytes of it are wanted, and those behind it.
fn words_from(
    words: &[AtomicU64],
    at: usize,
    partial: usize,
) -> (Option<&AtomicU64>, &[AtomicU64]) {
    let words = &words[at / WORD..];
    if partial == 0 { (None, words) } else { (Some(&words[0]), &words[1..]) }
}

/// Replaces some bytes of a word. Not a read-modify-write: only the one writer stores.
fn merge(word: &AtomicU64, at: usize, data: &[u8]) {
    let mut bytes = word.load(Ordering::Relaxed).to_ne_bytes();
    bytes[at..at + data.len()].copy_from_slice(data);
    word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
}
