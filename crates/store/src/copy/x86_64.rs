//! In wide registers.

#![allow(unsafe_code)] // assembly

use std::arch::asm;

use crate::sync::AtomicU64;

/// Copies `bytes` to the begin of `words`, whose last one is kept where nothing comes.
#[inline]
pub(crate) fn store(words: &[AtomicU64], bytes: &[u8]) {
    assert!(bytes.len() <= size_of_val(words));
    // SAFETY: the destination lies inside `words`, whose atomics may be written through a shared reference; it cannot
    // overlap `bytes`, which nobody writes while they are borrowed.
    unsafe { copy::<true>(words.as_ptr().cast_mut().cast(), bytes.as_ptr(), bytes.len()) }
}

/// Copies what stands at the begin of `words` to `out`.
#[inline]
pub(crate) fn load(words: &[AtomicU64], out: &mut [u8]) {
    assert!(out.len() <= size_of_val(words));
    // SAFETY: the source lies inside `words`; `out` is borrowed exclusively, so the two cannot overlap.
    unsafe { copy::<false>(out.as_mut_ptr(), words.as_ptr().cast(), out.len()) }
}

/// Copies like `memcpy`, as relaxed atomic accesses of single bytes: on this architecture no byte is ever torn, and
/// assembly is opaque to the compiler, so nothing of it is repeated, merged or invented.
///
/// # Safety
/// Both ranges are valid for `len` bytes and do not overlap. One side may be written (`src`) or read (`dst`) concurrently, by
/// this function only.
#[inline(always)]
unsafe fn copy<const AHEAD: bool>(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the caller's promise; the lengths, and the processor, are what each of these asks for.
    unsafe {
        if len >= 64 {
            // Registers of 64 bytes; and of a generation that does not lower its clock for them.
            if is_x86_feature_detected!("avx512vbmi2") {
                blocks(dst, src, len, 64, |dst, src| {
                    if AHEAD {
                        ahead(dst);
                    }
                    copy_64_at_once(dst, src)
                });
            } else {
                blocks(dst, src, len, 64, |dst, src| {
                    if AHEAD {
                        ahead(dst);
                    }
                    copy_64(dst, src)
                });
            }
        } else if len >= 16 {
            blocks(dst, src, len, 16, |dst, src| copy_16(dst, src));
        } else if len >= 8 {
            blocks(dst, src, len, 8, |dst, src| copy_8(dst, src));
        } else {
            for i in 0..len {
                copy_1(dst.add(i), src.add(i));
            }
        }
    }
}

/// As many blocks as fit, and one that ends where the ranges end.
///
/// # Safety
/// As for [`copy`], with at least `size` bytes; `block` copies `size` bytes.
#[inline(always)]
unsafe fn blocks(
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

/// Has the line fetched that will be written some records later.
#[inline(always)]
fn ahead(dst: *mut u8) {
    // SAFETY: the instruction changes no register, no flag and no memory, and it does not fault, whatever the address.
    unsafe {
        asm!("prefetchw [{d} + 2048]", d = in(reg) dst, options(nostack, preserves_flags, readonly));
    }
}

/// # Safety
/// As for [`copy`], with 64 bytes, on a processor with AVX-512.
// This register has no older half to clear.
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
        /// Also what this processor does not need.
        #[test]
        fn blocks_of_four_registers_copy(len in 64_usize..700) {
            let src = (0..len).map(|i| (i * 31 % 251) as u8).collect::<Vec<_>>();
            let mut dst = vec![0; len];
            // SAFETY: both have `len` bytes, which are at least 64.
            unsafe {
                blocks(dst.as_mut_ptr(), src.as_ptr(), len, 64, |dst, src| copy_64(dst, src));
            }
            prop_assert_eq!(dst, src);
        }
    }
}
