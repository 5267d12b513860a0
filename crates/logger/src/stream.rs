//! Copying to where only the device will look.
//!
//! What the flusher copies into an output buffer is read next by the device, megabytes later. Stores that go past the
//! cache spare the processor from fetching each line of the buffer before it is overwritten, and leave the cache to the
//! threads that log.

use std::ptr;

/// Below this the plain copy wins.
const WORTH: usize = 4096;

/// Copies `len` bytes. Another thread may look at them after [`finish`].
///
/// # Safety
///
/// As for [`ptr::copy_nonoverlapping`].
#[inline]
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    if len >= WORTH {
        // SAFETY: the caller's promise.
        unsafe { sse2::copy(from, to, len) };
        return;
    }
    // SAFETY: the caller's promise.
    unsafe { ptr::copy_nonoverlapping(from, to, len) };
}

/// Orders the copies before what the calling thread does next.
#[inline]
pub(crate) fn finish() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has SSE; the instruction touches no memory.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

/// Has the processor bring `len` bytes into the cache; a hint.
#[inline]
pub(crate) fn fetch(from: *const u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    for at in (0..len).step_by(64) {
        // SAFETY: every x86-64 processor has SSE; a prefetch faults on no address.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(at).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (from, len);
}

/// Has the processor take over, for writing, the two lines that will be written some records after `at`; a hint.
///
/// The flusher, on another processor, has read them since they were written last, and a store to a line that another
/// processor holds waits for it. The hardware does not fetch ahead for stores to lines that it holds for reading.
#[inline(always)]
pub(crate) fn claim_ahead(at: *mut u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch faults on no address and changes no memory; processors that do not know it do nothing.
    unsafe {
        std::arch::asm!(
            "prefetchw [{at} + 1024]",
            "prefetchw [{at} + 1088]",
            at = in(reg) at,
            options(nostack, preserves_flags, readonly),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
    use std::ptr;

    const LINE: usize = 64;

    /// # Safety
    ///
    /// As for [`ptr::copy_nonoverlapping`]; `len` must be at least a line.
    pub(super) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
        let head = to.align_offset(LINE);
        let lines = (len - head) / LINE;
        let tail = head + lines * LINE;
        // SAFETY: head + lines * LINE + the rest is `len`, so all accesses lie in the caller's ranges; the stores begin at
        // a line's start, so each is aligned to its 16 bytes; SSE2 is part of x86-64.
        unsafe {
            ptr::copy_nonoverlapping(from, to, head);
            let mut source = from.add(head).cast::<__m128i>();
            let mut line = to.add(head).cast::<__m128i>();
            for _ in 0..lines {
                let a = _mm_loadu_si128(source);
                let b = _mm_loadu_si128(source.add(1));
                let c = _mm_loadu_si128(source.add(2));
                let d = _mm_loadu_si128(source.add(3));
                _mm_stream_si128(line, a);
                _mm_stream_si128(line.add(1), b);
                _mm_stream_si128(line.add(2), c);
                _mm_stream_si128(line.add(3), d);
                source = source.add(4);
                line = line.add(4);
            }
            ptr::copy_nonoverlapping(from.add(tail), to.add(tail), len - tail);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_byte_is_copied_and_no_other() {
        let source: Vec<u8> = (0..20_000).map(|n| (n % 253) as u8).collect();
        for from in [0, 1, 13] {
            for to in [0, 7, 8, 63, 64] {
                for len in [0, 1, 63, 4095, 4096, 4097, 4159, 4160, 9999] {
                    let mut found = vec![0xee; 11_000];
                    // SAFETY: both ranges lie in their vectors.
                    unsafe {
                        super::copy(source.as_ptr().add(from), found.as_mut_ptr().add(to), len);
                    }
                    super::finish();
                    assert!(found[to..to + len] == source[from..from + len], "{from} {to} {len}");
                    assert!(found[..to].iter().chain(&found[to + len..]).all(|&b| b == 0xee));
                }
            }
        }
    }
}
