//! Counting line feeds in short pieces, where preparing a search takes longer than the search.

/// How many line feeds there are in `data`.
#[inline]
pub(crate) fn count(data: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    let (found, data) = count_blocks(data);
    #[cfg(not(target_arch = "x86_64"))]
    let found = 0;
    found + data.iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// Counts in whole blocks of 16 bytes, and gives back what is left of them.
#[cfg(target_arch = "x86_64")]
#[inline]
fn count_blocks(data: &[u8]) -> (u64, &[u8]) {
    use std::arch::x86_64::*;
    let (blocks, rest) = data.as_chunks::<16>();
    let mut total = 0;
    // SAFETY: SSE2 belongs to every x86-64 processor, and each load is of a whole block.
    unsafe {
        let (newline, zero) = (_mm_set1_epi8(b'\n' as i8), _mm_setzero_si128());
        // A lane counts to 255.
        for blocks in blocks.chunks(255) {
            let mut lanes = zero;
            for block in blocks {
                let equal = _mm_cmpeq_epi8(_mm_loadu_si128(block.as_ptr().cast()), newline);
                // Equal is -1.
                lanes = _mm_sub_epi8(lanes, equal);
            }
            let halves = _mm_sad_epu8(lanes, zero);
            total += _mm_cvtsi128_si64(halves) as u64;
            total += _mm_cvtsi128_si64(_mm_unpackhi_epi64(halves, halves)) as u64;
        }
    }
    (total, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_counted_one_by_one(
            data in prop::collection::vec(
                prop::sample::select(&[b'\n', b'\n' - 1, b'\n' + 1, b'\n' | 0x80, 0, 0xff][..]),
                0..600,
            ),
        ) {
            let expected = data.iter().filter(|&&byte| byte == b'\n').count() as u64;
            prop_assert_eq!(count(&data), expected);
        }
    }

    #[test]
    fn lanes_do_not_overflow() {
        for len in [255 * 16, 255 * 16 + 1, 256 * 16, 1 << 20] {
            assert_eq!(count(&vec![b'\n'; len]), len as u64);
        }
    }
}
