//! In registers as wide as there are.

#![allow(unsafe_code)] // assembly

use std::arch::asm;

use crate::atomic::AtomicU64;

/// From here on wide registers are used in a loop with as little as possible around it, where the processor has them. What is
/// stored has mostly been written just before, and does not gain from it as early as what is loaded.
const WIDE_LOAD: usize = 512;
const WIDE_STORE: usize = 4096;
/// From here on the microcoded string copy is as fast as anything, and uses no register.
const STRING_COPY: usize = 16 * 1024;

#[inline(always)]
pub(super) fn store(words: &[AtomicU64], at: usize, data: &[u8]) {
    assert!(is_inside(words, at, data.len()));
    // SAFETY: the destination lies inside `words`, whose atomics may be written through a shared reference; it cannot
    // overlap `data`, which nobody writes while it is borrowed.
    unsafe {
        let dst = words.as_ptr().cast_mut().cast::<u8>().add(at);
        copy::<WIDE_STORE>(dst, data.as_ptr(), data.len());
    }
}

#[inline(always)]
pub(super) fn load(words: &[AtomicU64], at: usize, out: &mut [u8]) {
    assert!(is_inside(words, at, out.len()));
    // SAFETY: the source lies inside `words`; `out` is borrowed exclusively, so the two cannot overlap.
    unsafe { copy::<WIDE_LOAD>(out.as_mut_ptr(), words.as_ptr().cast::<u8>().add(at), out.len()) }
}

/// Whether `len` bytes from `at` on are. Not `at + len`, which may be more than a number can say.
#[inline(always)]
fn is_inside(words: &[AtomicU64], at: usize, len: usize) -> bool {
    size_of_val(words).checked_sub(at).is_some_and(|behind| len <= behind)
}

/// Registers of 64 bytes; and of a generation that does not lower its clock for them.
#[inline(always)]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512vbmi2")
}

/// Copies like `memcpy`, as relaxed atomic accesses of single bytes: on this architecture no byte is ever torn, and
/// assembly is opaque to the compiler, so nothing of it is repeated, merged or invented.
///
/// # Safety
/// Both ranges are valid for `len` bytes and do not overlap. One side may be written (`src`) or read (`dst`)
/// concurrently, by this function only.
#[inline(always)]
unsafe fn copy<const WIDE: usize>(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the caller's promise; the lengths and the processor are what each of these asks for.
    unsafe {
        if len >= 64 {
            if len >= WIDE {
                copy_long(dst, src, len);
            } else if has_avx512() {
                copy_blocks(dst, src, len, 64, |dst, src| copy_64_at_once(dst, src));
            } else {
                copy_blocks(dst, src, len, 64, |dst, src| copy_64(dst, src));
            }
        } else if len >= 16 {
            copy_blocks(dst, src, len, 16, |dst, src| copy_16(dst, src));
        } else if len >= 8 {
            copy_8(dst, src);
            copy_8(dst.add(len - 8), src.add(len - 8));
        } else {
            for i in 0..len {
                copy_1(dst.add(i), src.add(i));
            }
        }
    }
}

/// Not inlined, as it takes all registers there are.
///
/// # Safety
/// As for [`copy`], with at least [`WIDE_LOAD`] bytes.
#[inline(never)]
unsafe fn copy_long(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: as in `copy`. The direction flag is clear on entry to inline assembly.
    unsafe {
        if len >= STRING_COPY {
            asm!("rep movsb", inout("rcx") len => _, inout("rdi") dst => _, inout("rsi") src => _,
                options(nostack, preserves_flags));
        } else if has_avx512() {
            copy_wide_512(dst, src, len);
        } else if is_x86_feature_detected!("avx") {
            copy_wide_256(dst, src, len);
        } else {
            copy_blocks(dst, src, len, 64, |dst, src| copy_64(dst, src));
        }
    }
}

/// As many blocks as fit, and one that is aligned to the end.
///
/// # Safety
/// As for [`copy`], with at least `size` bytes; `block` copies `size` bytes.
#[inline(always)]
unsafe fn copy_blocks(
    mut dst: *mut u8,
    mut src: *const u8,
    len: usize,
    size: usize,
    block: impl Fn(*mut u8, *const u8),
) {
    // SAFETY: each block lies inside the `len` bytes of both ranges.
    unsafe {
        let (last_dst, last_src) = (dst.add(len - size), src.add(len - size));
        while src < last_src {
            block(dst, src);
            (dst, src) = (dst.add(size), src.add(size));
        }
        block(last_dst, last_src);
    }
}

/// A copy with registers of `$width` bytes: first the two edges, then steps of four registers in between, from where the
/// destination begins a cache line, because a store into two lines costs twice as much.
///
/// A load waits for a store just before it if their addresses agree in the last 12 bits, which happens all the time while
/// the destination is a little ahead of the source in that sense. Going backwards it never does.
macro_rules! wide_copy {
    ($(#[$attribute:meta])* $name:ident, $width:literal, $mov:literal, $size:literal,
        [$a:literal, $b:literal, $c:literal, $d:literal, $e:literal, $f:literal],
        [$($clobbered:tt),*], $end:literal) => {
        $(#[$attribute])*
        unsafe fn $name(dst: *mut u8, src: *const u8, len: usize) {
            const STEP: usize = 4 * $width;
            let head = dst.addr().wrapping_neg() % 64;
            let count = (len - head) / STEP;
            let ahead = dst.addr().wrapping_sub(src.addr()) % 4096;
            let (first, step) = if (1..4 * STEP).contains(&ahead) {
                (head + (count - 1) * STEP, STEP.wrapping_neg())
            } else {
                (head, STEP)
            };
            // SAFETY: the first 64 bytes, the last step, and `count` whole steps from `head` on, which are at least one: all inside
            // the `len` bytes of both.
            unsafe {
                asm!(
                    concat!($mov, " ", $a, ", ", $size, " ptr [{s}]"),
                    concat!($mov, " ", $b, ", ", $size, " ptr [{s} + 64 - {w}]"),
                    concat!($mov, " ", $c, ", ", $size, " ptr [{s} + {len} - 4 * {w}]"),
                    concat!($mov, " ", $d, ", ", $size, " ptr [{s} + {len} - 3 * {w}]"),
                    concat!($mov, " ", $e, ", ", $size, " ptr [{s} + {len} - 2 * {w}]"),
                    concat!($mov, " ", $f, ", ", $size, " ptr [{s} + {len} - {w}]"),
                    concat!($mov, " ", $size, " ptr [{d}], ", $a),
                    concat!($mov, " ", $size, " ptr [{d} + 64 - {w}], ", $b),
                    concat!($mov, " ", $size, " ptr [{d} + {len} - 4 * {w}], ", $c),
                    concat!($mov, " ", $size, " ptr [{d} + {len} - 3 * {w}], ", $d),
                    concat!($mov, " ", $size, " ptr [{d} + {len} - 2 * {w}], ", $e),
                    concat!($mov, " ", $size, " ptr [{d} + {len} - {w}], ", $f),
                    "add {s}, {first}", "add {d}, {first}",
                    "2:",
                    concat!($mov, " ", $a, ", ", $size, " ptr [{s}]"),
                    concat!($mov, " ", $b, ", ", $size, " ptr [{s} + {w}]"),
                    concat!($mov, " ", $c, ", ", $size, " ptr [{s} + 2 * {w}]"),
                    concat!($mov, " ", $d, ", ", $size, " ptr [{s} + 3 * {w}]"),
                    concat!($mov, " ", $size, " ptr [{d}], ", $a),
                    concat!($mov, " ", $size, " ptr [{d} + {w}], ", $b),
                    concat!($mov, " ", $size, " ptr [{d} + 2 * {w}], ", $c),
                    concat!($mov, " ", $size, " ptr [{d} + 3 * {w}], ", $d),
                    "add {s}, {step}", "add {d}, {step}",
                    "dec {count}", "jnz 2b",
                    $end,
                    s = inout(reg) src => _, d = inout(reg) dst => _, len = in(reg) len,
                    first = in(reg) first, step = in(reg) step, count = inout(reg) count => _,
                    w = const $width, $(out($clobbered) _,)*
                    options(nostack));
            }
        }
    };
}

wide_copy! {
    /// # Safety
    /// As for [`copy`], with at least [`WIDE_LOAD`] bytes, on a processor with AVX-512.
    // These registers have no older halves to clear.
    #[inline]
    copy_wide_512, 64, "vmovdqu64", "zmmword",
    ["zmm16", "zmm17", "zmm18", "zmm19", "zmm20", "zmm21"],
    ["xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21"], ""
}

wide_copy! {
    /// # Safety
    /// As for [`copy`], with at least [`WIDE_LOAD`] bytes, on a processor with AVX.
    // Never inlined: at a call no vector register holds anything that is still needed, so clearing all their upper halves is
    // harmless, whatever the caller was compiled for.
    #[inline(never)]
    copy_wide_256, 32, "vmovdqu", "ymmword",
    ["ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5"],
    ["xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5"], "vzeroupper"
}

/// # Safety
/// As for [`copy`], with 64 bytes, on a processor with AVX-512.
#[inline(always)]
unsafe fn copy_64_at_once(dst: *mut u8, src: *const u8) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("vmovdqu64 zmm16, zmmword ptr [{s}]", "vmovdqu64 zmmword ptr [{d}], zmm16",
            s = in(reg) src, d = in(reg) dst, out("xmm16") _,
            options(nostack, preserves_flags));
    }
}

/// # Safety
/// As for [`copy`], with 64 bytes.
#[inline(always)]
unsafe fn copy_64(dst: *mut u8, src: *const u8) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "movdqu {a}, xmmword ptr [{s}]", "movdqu {b}, xmmword ptr [{s} + 16]",
            "movdqu {c}, xmmword ptr [{s} + 32]", "movdqu {e}, xmmword ptr [{s} + 48]",
            "movdqu xmmword ptr [{d}], {a}", "movdqu xmmword ptr [{d} + 16], {b}",
            "movdqu xmmword ptr [{d} + 32], {c}", "movdqu xmmword ptr [{d} + 48], {e}",
            a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, e = out(xmm_reg) _,
            s = in(reg) src, d = in(reg) dst, options(nostack, preserves_flags));
    }
}

/// # Safety
/// As for [`copy`], with 16 bytes.
#[inline(always)]
unsafe fn copy_16(dst: *mut u8, src: *const u8) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("movdqu {t}, xmmword ptr [{s}]", "movdqu xmmword ptr [{d}], {t}",
            t = out(xmm_reg) _, s = in(reg) src, d = in(reg) dst,
            options(nostack, preserves_flags));
    }
}

/// # Safety
/// As for [`copy`], with 8 bytes.
#[inline(always)]
unsafe fn copy_8(dst: *mut u8, src: *const u8) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("mov {t}, qword ptr [{s}]", "mov qword ptr [{d}], {t}",
            t = out(reg) _, s = in(reg) src, d = in(reg) dst,
            options(nostack, preserves_flags));
    }
}

/// # Safety
/// As for [`copy`], with 1 byte.
#[inline(always)]
unsafe fn copy_1(dst: *mut u8, src: *const u8) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("mov {t}, byte ptr [{s}]", "mov byte ptr [{d}], {t}",
            t = out(reg_byte) _, s = in(reg) src, d = in(reg) dst,
            options(nostack, preserves_flags));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What `copy` chooses from, whatever this processor makes it choose.
        #[test]
        fn every_copy_copies(
            len in prop_oneof![WIDE_LOAD..2000, WIDE_LOAD..STRING_COPY],
            from in 0_usize..4200,
            to in 0_usize..4200,
        ) {
            let src: Vec<u8> = (0..from + len).map(|i| (i * 31 % 251) as u8).collect();
            let mut expected = vec![0xff; to + len + 100];
            expected[to..to + len].copy_from_slice(&src[from..]);
            let check = |copy: &dyn Fn(*mut u8, *const u8)| {
                let mut dst = vec![0xff; to + len + 100];
                copy(dst[to..].as_mut_ptr(), src[from..].as_ptr());
                prop_assert_eq!(&dst, &expected);
                Ok(())
            };
            // SAFETY: both are valid for `len` bytes, which are enough for each, and apart; the processor is asked.
            unsafe {
                check(&|dst, src| copy_blocks(dst, src, len, 64, |dst, src| copy_64(dst, src)))?;
                if is_x86_feature_detected!("avx") {
                    check(&|dst, src| copy_wide_256(dst, src, len))?;
                }
                if has_avx512() {
                    check(&|dst, src| copy_wide_512(dst, src, len))?;
                    check(&|dst, src| {
                        copy_blocks(dst, src, len, 64, |dst, src| copy_64_at_once(dst, src));
                    })?;
                }
            }
        }
    }
}
