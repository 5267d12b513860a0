//! Where the numbers of each thread lie.
//!
//! A library that is loaded at run time gets its thread-local storage in each thread by a `malloc`, at the thread's first
//! access, which takes most of a thread's first call. The dynamic linker gives it a place in every thread's own block
//! instead, as long as there is room for that, if the library reaches some of it by a *TLS descriptor*; and then all the
//! library's thread-local storage is there. On most processors compilers do it so anyway. On x86-64 they must be told, and
//! this one cannot be, so it is written out here. Linkers make it two instructions where it ends up in a program.

use crate::local::Local;

/// The calling thread's; zeroed when the thread begins. It has no destructor, so it can be used to the thread's very end.
#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&Local) -> R) -> R {
    let offset: usize;
    let thread: usize;
    // SAFETY: the psABI's sequence for a TLS descriptor: it answers in `rax` with the distance from the thread pointer, which
    // stands in `fs:0`. Its callee keeps all other registers, except that some versions of the GNU linker lose the vector
    // registers, so it is taken for a C function that keeps what such functions keep.
    unsafe {
        std::arch::asm!(
            "leaq flr_logger_local@tlsdesc(%rip), %rax",
            "call *flr_logger_local@tlscall(%rax)",
            out("rax") offset,
            clobber_abi("sysv64"),
            options(att_syntax),
        );
        std::arch::asm!("mov {}, fs:0", out(reg) thread, options(pure, readonly, nostack, preserves_flags));
    }
    let local = std::ptr::with_exposed_provenance::<Local>(thread.wrapping_add(offset));
    // SAFETY: it is the calling thread's own, as large and as aligned as reserved below, and zeroed, which is a value of
    // `Local`; it lives as long as the thread, and `f` cannot keep the reference.
    f(unsafe { &*local })
}

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
const _: () = assert!(size_of::<Local>() == 16 && align_of::<Local>() == 8);

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
std::arch::global_asm!(
    r#".pushsection .tbss.flr_logger_local, "awT", @nobits"#,
    ".globl flr_logger_local",
    ".hidden flr_logger_local",
    ".type flr_logger_local, @object",
    ".size flr_logger_local, 16",
    ".p2align 3",
    "flr_logger_local:",
    ".zero 16",
    ".popsection",
);

/// As above, where the compiler does it well or it does not matter.
#[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(miri))))]
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&Local) -> R) -> R {
    thread_local! {
        // SAFETY: as the zeroes above.
        static LOCAL: Local = const { unsafe { std::mem::zeroed() } };
    }
    LOCAL.with(f)
}
