//! Both jobs with the vector instructions of x86-64.
//!
//! A block of 64 bytes is classified into bit masks. `keep` has a bit for each byte that stays: all but members of
//! the class that follow a member. AVX-512 VBMI2 has an instruction that closes the gaps; AVX2 does it eight bytes at
//! a time with a shuffle from a table. `pext` closes the same gaps in the mask of marked bytes, which gives their
//! positions in the squeezed text.

use std::arch::x86_64::*;

use super::{Bitmap, PIECE, SLACK, Scratch, Squeeze, Written};

pub(super) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt")
}

pub(super) fn has_avx512() -> bool {
    has_avx2()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi2")
}

/// Marked bytes by their two halves: a byte is marked when the entries for its low and its high half have a bit in
/// common. Bit 0: 2x, bit 1: 3x, bit 2: 5x and 7x, bit 3: 0x.
const LOW: [u8; 16] = {
    let mut low = [0; 16];
    low[0x2] |= 1; // "
    low[0x7] |= 1; // '
    low[0x8] |= 1; // (
    low[0x9] |= 1; // )
    low[0xc] |= 2; // <
    low[0xe] |= 2; // >
    low[0xb] |= 4; // [ {
    low[0xd] |= 4; // ] }
    low[0xa] |= 8; // line feed
    low
};
const HIGH: [u8; 16] = {
    let mut high = [0; 16];
    high[0x2] = 1;
    high[0x3] = 2;
    high[0x5] = 4;
    high[0x7] = 4;
    high[0x0] = 8;
    high
};

/// For each of the 256 ways to keep some of eight bytes, the shuffle that moves them together.
static GATHER: [[u8; 8]; 256] = {
    let mut table = [[0; 8]; 256];
    let mut keep = 0;
    while keep < 256 {
        let (mut bit, mut next) = (0, 0);
        while bit < 8 {
            if keep & (1 << bit) != 0 {
                table[keep][next] = bit as u8;
                next += 1;
            }
            bit += 1;
        }
        keep += 1;
    }
    table
};

/// The masks of one block.
#[derive(Clone, Copy)]
struct Masks {
    /// Bytes of the class that is squeezed.
    members: u64,
    /// Bytes whose position is wanted.
    marked: u64,
}

/// Notes the squeezed positions of the `marked` bytes of a block whose first squeezed byte is at `base`.
#[inline]
#[target_feature(enable = "bmi2,popcnt")]
fn note_marks(marked: u64, keep: u64, base: usize, scratch: &mut Scratch, count: &mut usize) {
    let mut positions = _pext_u64(marked, keep);
    while positions != 0 {
        // At most PIECE bytes are kept, so the position fits.
        scratch.marks[*count].write((base + positions.trailing_zeros() as usize) as u16);
        *count += 1;
        positions &= positions - 1;
    }
}

/// Which bytes of a block stay, and whether its last byte is inside a run. `len` is 1 to 64.
#[inline]
fn keep_of(members: u64, len: usize, in_run: &mut bool) -> u64 {
    let valid = u64::MAX >> (64 - len);
    let keep = !(members & ((members << 1) | u64::from(*in_run))) & valid;
    *in_run = members >> (len - 1) & 1 != 0;
    keep
}

#[inline]
#[target_feature(enable = "avx2")]
fn classify_avx2(what: Squeeze, v: __m256i) -> (u32, u32, __m256i) {
    // `a <= x <= b` as one unsigned comparison: min(x - a, b - a) == x - a.
    let within = |x: __m256i, from: u8, width: u8| {
        let shifted = _mm256_sub_epi8(x, _mm256_set1_epi8(from as i8));
        _mm256_cmpeq_epi8(_mm256_min_epu8(shifted, _mm256_set1_epi8(width as i8)), shifted)
    };
    let digits = within(v, b'0', 9);
    let (members, marked) = match what {
        Squeeze::Digits => (digits, 0),
        Squeeze::Words => {
            let letters = within(_mm256_or_si256(v, _mm256_set1_epi8(0x20)), b'a', 25);
            let table = |halves: [u8; 16]| {
                _mm256_broadcastsi128_si256(_mm_set_epi64x(
                    (u128::from_le_bytes(halves) >> 64) as i64,
                    u128::from_le_bytes(halves) as i64,
                ))
            };
            // A byte from 0x80 up selects 0 from the low table: it is never marked.
            let low = _mm256_shuffle_epi8(table(LOW), v);
            let halves = _mm256_and_si256(_mm256_srli_epi16::<4>(v), _mm256_set1_epi8(0x0f));
            let high = _mm256_shuffle_epi8(table(HIGH), halves);
            let unmarked = _mm256_cmpeq_epi8(_mm256_and_si256(low, high), _mm256_setzero_si256());
            (_mm256_or_si256(digits, letters), !_mm256_movemask_epi8(unmarked) as u32)
        }
    };
    let masked = _mm256_blendv_epi8(v, _mm256_set1_epi8(what.letter() as i8), members);
    (_mm256_movemask_epi8(members) as u32, marked, masked)
}

/// # Safety
/// The CPU has the features of [`has_avx2`], and the piece is not longer than [`PIECE`].
#[target_feature(enable = "avx2,bmi2,popcnt")]
pub(super) unsafe fn squeeze_avx2(
    what: Squeeze,
    piece: &[u8],
    in_run: &mut bool,
    scratch: &mut Scratch,
) -> Written {
    debug_assert!(piece.len() <= PIECE);
    let mut written = Written::default();
    let mut masked = [0_u8; 64];
    for_blocks(piece, |block, len| {
        // SAFETY: a block has 64 readable bytes, and so has `masked`.
        let masks = unsafe {
            let (m0, s0, v0) = classify_avx2(what, _mm256_loadu_si256(block.as_ptr().cast()));
            let (m1, s1, v1) =
                classify_avx2(what, _mm256_loadu_si256(block.as_ptr().add(32).cast()));
            _mm256_storeu_si256(masked.as_mut_ptr().cast(), v0);
            _mm256_storeu_si256(masked.as_mut_ptr().add(32).cast(), v1);
            Masks {
                members: u64::from(m0) | u64::from(m1) << 32,
                marked: u64::from(s0) | u64::from(s1) << 32,
            }
        };
        let keep = keep_of(masks.members, len, in_run);
        note_marks(masks.marked, keep, written.bytes, scratch, &mut written.marks);
        for group in 0..8 {
            let bits = (keep >> (8 * group)) as u8;
            // SAFETY: the group is inside `masked`; `bytes` counts kept bytes of this and earlier groups, fewer than
            // PIECE, and the eight bytes that are stored here fit into the SLACK after them.
            unsafe {
                let bytes = _mm_loadl_epi64(masked.as_ptr().add(8 * group).cast());
                let order = _mm_loadl_epi64(GATHER[usize::from(bits)].as_ptr().cast());
                let to = scratch.bytes.as_mut_ptr().add(written.bytes);
                _mm_storel_epi64(to.cast(), _mm_shuffle_epi8(bytes, order));
            }
            written.bytes += bits.count_ones() as usize;
        }
    });
    written
}

/// # Safety
/// The CPU has the features of [`has_avx512`], and the piece is not longer than [`PIECE`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,avx2,bmi2,popcnt")]
pub(super) unsafe fn squeeze_avx512(
    what: Squeeze,
    piece: &[u8],
    in_run: &mut bool,
    scratch: &mut Scratch,
) -> Written {
    debug_assert!(piece.len() <= PIECE);
    let mut written = Written::default();
    let letter = _mm512_set1_epi8(what.letter() as i8);
    for_blocks(piece, |block, len| {
        // SAFETY: a block has 64 readable bytes.
        let v = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        let within = |x: __m512i, from: u8, width: u8| {
            let shifted = _mm512_sub_epi8(x, _mm512_set1_epi8(from as i8));
            _mm512_cmple_epu8_mask(shifted, _mm512_set1_epi8(width as i8))
        };
        let digits = within(v, b'0', 9);
        let masks = match what {
            Squeeze::Digits => Masks { members: digits, marked: 0 },
            Squeeze::Words => {
                let letters = within(_mm512_or_si512(v, _mm512_set1_epi8(0x20)), b'a', 25);
                let table = |halves: [u8; 16]| {
                    _mm512_broadcast_i32x4(_mm_set_epi64x(
                        (u128::from_le_bytes(halves) >> 64) as i64,
                        u128::from_le_bytes(halves) as i64,
                    ))
                };
                let low = _mm512_shuffle_epi8(table(LOW), v);
                let halves = _mm512_and_si512(_mm512_srli_epi16::<4>(v), _mm512_set1_epi8(0x0f));
                let high = _mm512_shuffle_epi8(table(HIGH), halves);
                Masks { members: digits | letters, marked: _mm512_test_epi8_mask(low, high) }
            }
        };
        let keep = keep_of(masks.members, len, in_run);
        note_marks(masks.marked, keep, written.bytes, scratch, &mut written.marks);
        let masked = _mm512_mask_mov_epi8(v, masks.members, letter);
        // SAFETY: `bytes` counts kept bytes of earlier blocks, fewer than PIECE, and a whole vector fits into the
        // SLACK after them.
        unsafe {
            let to = scratch.bytes.as_mut_ptr().add(written.bytes);
            _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi8(keep, masked));
        }
        written.bytes += keep.count_ones() as usize;
    });
    written
}

/// # Safety
/// The CPU has the features of [`has_avx2`], and the piece is not longer than [`PIECE`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn digits_and_spaces_avx2(
    piece: &[u8],
    digits: &mut Bitmap,
    spaces: &mut Bitmap,
) {
    debug_assert!(piece.len() <= PIECE);
    let mut index = 0;
    for_blocks(piece, |block, len| {
        let half = |at: usize| {
            // SAFETY: a block has 64 readable bytes, and `at` is 0 or 32.
            let v = unsafe { _mm256_loadu_si256(block.as_ptr().add(at).cast()) };
            let within = |from: u8, width: u8| {
                let shifted = _mm256_sub_epi8(v, _mm256_set1_epi8(from as i8));
                let least = _mm256_min_epu8(shifted, _mm256_set1_epi8(width as i8));
                _mm256_cmpeq_epi8(least, shifted)
            };
            let blank = _mm256_cmpeq_epi8(v, _mm256_set1_epi8(b' ' as i8));
            let space = _mm256_or_si256(within(b'\t', b'\r' - b'\t'), blank);
            (
                u64::from(_mm256_movemask_epi8(within(b'0', 9)) as u32),
                u64::from(_mm256_movemask_epi8(space) as u32),
            )
        };
        let valid = u64::MAX >> (64 - len);
        let ((d0, s0), (d1, s1)) = (half(0), half(32));
        digits[index] = (d0 | d1 << 32) & valid;
        spaces[index] = (s0 | s1 << 32) & valid;
        index += 1;
    });
}

/// Calls `each` with every block of 64 bytes and the number of them that count; the last is padded with zeros.
#[inline(always)]
fn for_blocks(piece: &[u8], mut each: impl FnMut(&[u8; 64], usize)) {
    const { assert!(SLACK >= 64) };
    let (blocks, tail) = piece.as_chunks::<64>();
    for block in blocks {
        each(block, 64);
    }
    if !tail.is_empty() {
        let mut padded = [0; 64];
        padded[..tail.len()].copy_from_slice(tail);
        each(&padded, tail.len());
    }
}
