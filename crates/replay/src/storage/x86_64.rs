use std::arch::asm;

use super::WORD;
use crate::sync::AtomicU64;

/// From here on, and below [`STRING_COPY`], wide registers are faster, where the processor has them.
const WIDE_COPY: usize = 512;
/// From here on the microcoded string copy is the fastest that the processor has.
const STRING_COPY: usize = 16 * 1024;

/// Stores `data` at byte `at`. The caller is the only writer; the range lies inside `words`.
#[inline]
pub(crate) fn store(words: &[AtomicU64], at: usize, data: &[u8]) {
    assert!(at + data.len() <= words.len() * WORD);
    let dst = words.as_ptr().cast_mut().cast::<u8>();
    if data.len() < WIDE_COPY {
        // Short writes are followed by others, which should not wait for the cache.
        for ahead in (0..data.len()).step_by(64) {
            // SAFETY: a hint, which touches nothing and may be given any address.
            unsafe {
                asm!("prefetchw [{}]", in(reg) dst.wrapping_add(at + 512 + ahead),
                    options(nostack, preserves_flags));
            }
        }
    }
    // SAFETY: the destination lies inside `words`, whose atomics may be written through a shared reference; it
    // cannot overlap `data`, which nobody writes while it is borrowed.
    unsafe { copy(dst.add(at), data.as_ptr(), data.len()) }
}

/// Loads `dst.len()` bytes from byte `at`; the range lies inside `words`.
#[inline]
pub(crate) fn load(words: &[AtomicU64], at: usize, dst: &mut [u8]) {
    assert!(at + dst.len() <= words.len() * WORD);
    // SAFETY: the source lies inside `words`; `dst` is borrowed exclusively, so the two cannot overlap.
    unsafe { copy(dst.as_mut_ptr(), words.as_ptr().cast::<u8>().add(at), dst.len()) }
}

/// Copies like `memcpy`, as relaxed atomic accesses of single bytes: on this architecture no byte is ever torn, and
/// assembly is opaque to the compiler, so nothing of it is repeated, merged or invented. Storage is touched
/// by nothing else, so no byte sees atomics of two sizes.
///
/// # Safety
/// Both ranges are valid for `len` bytes and do not overlap. One side may be written (`src`) or read (`dst`)
/// concurrently, by this function only.
#[inline(always)]
unsafe fn copy(mut dst: *mut u8, mut src: *const u8, len: usize) {
    // SAFETY: every block below copies inside the `len` bytes of both ranges: the steps of 64 or 16 while as many remain,
    // and the last ones aligned to the end. The direction flag is clear on entry to inline assembly.
    unsafe {
        if (WIDE_COPY..STRING_COPY).contains(&len) && is_x86_feature_detected!("avx") {
            copy_wide(dst, src, len);
        } else if len >= WIDE_COPY {
            asm!("rep movsb", inout("rcx") len => _, inout("rdi") dst => _, inout("rsi") src => _,
                options(nostack, preserves_flags));
        } else if len >= 64 {
            let (last_dst, last_src) = (dst.add(len - 64), src.add(len - 64));
            while src < last_src {
                copy_64(dst, src);
                (dst, src) = (dst.add(64), src.add(64));
            }
            copy_64(last_dst, last_src);
        } else if len >= 16 {
            let (last_dst, last_src) = (dst.add(len - 16), src.add(len - 16));
            while src < last_src {
                copy_16(dst, src);
                (dst, src) = (dst.add(16), src.add(16));
            }
            copy_16(last_dst, last_src);
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

/// Bytes that [`copy_wide`] moves at a time.
const STEP: usize = 128;

/// # Safety
/// As for [`copy`], with two [`STEP`]s or more, on a processor with AVX.
// Never inlined: at a call no vector register holds anything that is still needed, so clearing all their upper halves is
// harmless, whatever the caller was compiled for.
#[inline(never)]
unsafe fn copy_wide(dst: *mut u8, src: *const u8, len: usize) {
    // Whole steps from where the destination begins a cache line: a store into two lines costs twice as much. What is left
    // before and behind them is less than a step.
    let head = dst.addr().wrapping_neg() % 64;
    let count = (len - head) / STEP;
    // A load waits for a store just before it if their addresses agree in the last 12 bits, which happens all the time while
    // the destination is a little ahead of the source in that sense. Going backwards it never does.
    let ahead = dst.addr().wrapping_sub(src.addr()) % 4096;
    let (first, step) = if (1..4 * STEP).contains(&ahead) {
        (head + (count - 1) * STEP, STEP.wrapping_neg())
    } else {
        (head, STEP)
    };
    // SAFETY: the loop moves `count` steps, which are at least one and lie between `head` and `len`; the first and the last step
    // of the ranges are moved besides. All of it is inside the `len` bytes of both.
    unsafe {
        asm!(
            "2:",
            "vmovdqu ymm0, ymmword ptr [{s}]", "vmovdqu ymm1, ymmword ptr [{s} + 32]",
            "vmovdqu ymm2, ymmword ptr [{s} + 64]", "vmovdqu ymm3, ymmword ptr [{s} + 96]",
            "vmovdqu ymmword ptr [{d}], ymm0", "vmovdqu ymmword ptr [{d} + 32], ymm1",
            "vmovdqu ymmword ptr [{d} + 64], ymm2", "vmovdqu ymmword ptr [{d} + 96], ymm3",
            "add {s}, {step}", "add {d}, {step}",
            "dec {count}", "jnz 2b",
            "vzeroupper",
            s = inout(reg) src.add(first) => _, d = inout(reg) dst.add(first) => _,
            count = inout(reg) count => _, step = in(reg) step,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            options(nostack));
        let last = len - STEP;
        for edge in [0, 64, last, last + 64] {
            copy_64(dst.add(edge), src.add(edge));
        }
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
