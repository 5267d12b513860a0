//! Word by word.

use crate::sync::{AtomicU64, Ordering};
use crate::wire::array;

/// Words that are copied in one step: the compiler does not unroll loops over atomics by itself.
const STEP: usize = 8;

/// Copies `bytes` to the begin of `words`. The last word may be filled up with anything.
pub(crate) fn store(words: &[AtomicU64], bytes: &[u8]) {
    let put = |word: &AtomicU64, bytes: &[u8; 8]| {
        word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
    };
    let (whole, rest) = bytes.as_chunks::<8>();
    let (words, behind) = words.split_at(whole.len());
    let (steps, last) = whole.as_chunks::<STEP>();
    let (word_steps, last_words) = words.as_chunks::<STEP>();
    for (words, bytes) in word_steps.iter().zip(steps) {
        for i in 0..STEP {
            put(&words[i], &bytes[i]);
        }
    }
    for (word, bytes) in last_words.iter().zip(last) {
        put(word, bytes);
    }
    if !rest.is_empty() {
        put(&behind[0], &array(rest));
    }
}

/// Copies what stands at the begin of `words` to `out`.
pub(crate) fn load(words: &[AtomicU64], out: &mut [u8]) {
    let get = |word: &AtomicU64| word.load(Ordering::Relaxed).to_le_bytes();
    let (whole, rest) = out.as_chunks_mut::<8>();
    let (words, behind) = words.split_at(whole.len());
    let (steps, last_words) = words.as_chunks::<STEP>();
    let (out_steps, out_last) = whole.as_chunks_mut::<STEP>();
    for (words, out) in steps.iter().zip(out_steps) {
        for i in 0..STEP {
            out[i] = get(&words[i]);
        }
    }
    for (word, out) in last_words.iter().zip(out_last) {
        *out = get(word);
    }
    if !rest.is_empty() {
        let len = rest.len();
        rest.copy_from_slice(&get(&behind[0])[..len]);
    }
}
