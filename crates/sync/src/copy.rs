//! Copying to and from memory that is read while it is being written.
//!
//! Both sides must be atomic, or they are a data race. They need not be ordered, nor be one access: who read what was
//! overwritten meanwhile has to find out by itself, and throw it away. So what is wanted is a `memcpy` made of relaxed
//! atomic accesses of single bytes, which the language does not have yet (C++ proposes `atomic_load_per_byte_memcpy`, P1478).
//!
//! * `portable` does it with 64-bit atomics, merging bytes into the first and last word.
//! * `x86_64` does it in assembly, which the compiler cannot take apart, and where the hardware guarantees that no byte is
//!   torn: the speed of a real `memcpy`.
//!
//! A word that is copied to or from concurrently must be touched by nothing else, so that no byte sees both ways. There must
//! be one writer at a time, each ordered after the one before; so a word is merged without a read-modify-write.

#[cfg(any(test, loom, miri, not(target_arch = "x86_64")))]
mod portable;
#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
mod x86_64;

#[cfg(any(loom, miri, not(target_arch = "x86_64")))]
use portable as arch;
#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
use x86_64 as arch;

use crate::atomic::AtomicU64;

/// Copies `data` to the begin of `words`.
///
/// # Panics
/// If there are not so many words.
#[inline(always)]
pub fn store(words: &[AtomicU64], data: &[u8]) {
    store_at(words, 0, data);
}

/// Copies `data` to `words` from byte `at` on.
///
/// # Panics
/// If not all of it comes to lie inside `words`.
#[inline(always)]
pub fn store_at(words: &[AtomicU64], at: usize, data: &[u8]) {
    arch::store(words, at, data);
}

/// Copies what stands at the begin of `words` to `out`.
///
/// # Panics
/// If there are not so many words.
#[inline(always)]
pub fn load(words: &[AtomicU64], out: &mut [u8]) {
    load_at(words, 0, out);
}

/// Copies what stands in `words` from byte `at` on to `out`.
///
/// # Panics
/// If not all of it lies inside `words`.
#[inline(always)]
pub fn load_at(words: &[AtomicU64], at: usize, out: &mut [u8]) {
    arch::load(words, at, out);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::portable;

    type Store = fn(&[AtomicU64], usize, &[u8]);
    type Load = fn(&[AtomicU64], usize, &mut [u8]);

    proptest! {
        /// The fast copy and the portable one, in each direction, against plain slices.
        #[test]
        fn what_is_stored_is_loaded_and_nothing_else_is_touched(
            at in 0_usize..600,
            len in prop_oneof![0_usize..40, 0_usize..3000, 15_000_usize..20_000],
            from in 0_usize..17,
            seed in any::<u64>(),
        ) {
            // Each byte depends on its place, so that none can be mistaken for another nearby.
            let byte = |i: usize| ((i as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
            let data = (0..from + len).map(byte).collect::<Vec<_>>();
            let data = &data[from..];
            let words = (at + len).div_ceil(8) + 9;
            let mut expected = vec![7; words * 8];
            expected[at..at + len].copy_from_slice(data);
            for store in [portable::store as Store, super::store_at] {
                let memory =
                    (0..words).map(|_| AtomicU64::new(u64::from_ne_bytes([7; 8]))).collect::<Vec<_>>();
                store(&memory, at, data);
                let whole = memory.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes());
                prop_assert!(whole.eq(expected.iter().copied()));
                for load in [portable::load as Load, super::load_at] {
                    let mut out = vec![9; from + len + 70];
                    load(&memory, at, &mut out[from..from + len]);
                    prop_assert_eq!(&out[from..from + len], data);
                    prop_assert!(out[..from].iter().chain(&out[from + len..]).all(|&byte| byte == 9));
                }
            }
        }
    }

    #[test]
    fn what_lies_outside_is_refused() {
        let memory = [const { AtomicU64::new(0) }; 2];
        for (at, len) in [(0, 17), (9, 8), (16, 1), (usize::MAX - 3, 8)] {
            for store in [portable::store as Store, super::store_at] {
                let refused = std::panic::catch_unwind(|| store(&memory, at, &vec![1; len]));
                assert!(refused.is_err(), "{len} bytes at {at} of 16");
            }
            for load in [portable::load as Load, super::load_at] {
                let refused = std::panic::catch_unwind(|| load(&memory, at, &mut vec![1; len]));
                assert!(refused.is_err(), "{len} bytes at {at} of 16");
            }
        }
    }
}
