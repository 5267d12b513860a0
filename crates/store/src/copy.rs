//! Copying to and from memory that is read while it is being written.
//!
//! Both sides must be atomic, or they are a data race. They need not be ordered, nor be one access: who read what was
//! overwritten meanwhile throws it away (see `core`). So what is wanted is a `memcpy` made of relaxed atomic accesses, which
//! the language does not have yet (C++ proposes `atomic_load_per_byte_memcpy`, P1478).
//!
//! * `portable` moves words one by one.
//! * `x86_64` does it in assembly, which the compiler cannot take apart, and where the hardware guarantees that no byte is
//!   torn: up to eight words at a time.
//!
//! Nothing else touches the arena's words, so no byte sees both ways.

#[cfg(any(test, loom, miri, not(target_arch = "x86_64")))]
mod portable;
#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
mod x86_64;

#[cfg(any(loom, miri, not(target_arch = "x86_64")))]
pub(crate) use portable::{load, store};
#[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
pub(crate) use x86_64::{load, store};

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::portable;
    use crate::sync::{AtomicU64, Ordering};

    type Store = fn(&[AtomicU64], &[u8]);
    type Load = fn(&[AtomicU64], &mut [u8]);

    proptest! {
        #[test]
        fn what_is_stored_is_loaded_and_nothing_else_is_touched(
            len in prop_oneof![0_usize..40, 0_usize..700],
            at in 0_usize..9,
            from in 0_usize..17,
        ) {
            let bytes = (0..from + len).map(|i| (i * 31 % 251) as u8).collect::<Vec<_>>();
            let bytes = &bytes[from..];
            let words = len.div_ceil(8);
            for store in [portable::store as Store, super::store] {
                for load in [portable::load as Load, super::load] {
                    let memory = (0..at + words + 9).map(|_| AtomicU64::new(7)).collect::<Vec<_>>();
                    store(&memory[at..], bytes);
                    let mut out = vec![9; from + len + 70];
                    load(&memory[at..], &mut out[from..from + len]);
                    prop_assert_eq!(&out[from..from + len], bytes);
                    prop_assert!(out[..from].iter().chain(&out[from + len..]).all(|&byte| byte == 9));
                    let around = memory[..at].iter().chain(&memory[at + words..]);
                    prop_assert!(around.into_iter().all(|word| word.load(Ordering::Relaxed) == 7));
                }
            }
        }
    }
}
