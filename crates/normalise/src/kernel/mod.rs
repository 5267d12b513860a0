//! The part that reads every byte: classification and squeezing of runs, 64 bytes at a time.
//!
//! A kernel does two jobs, both defined by [`portable`] and done faster by the x86-64 versions, which the tests hold
//! to exactly the same results:
//!
//! * *squeeze*: every byte of a class becomes one letter, and of a run of them only the first stays;
//! * *bitmaps*: one bit per byte says whether it belongs to a class.
//!
//! They work on pieces of at most [`PIECE`] bytes, so that everything between them and the output stays in the first
//! cache and no working memory has to be allocated. What a piece leaves open (is its last byte inside a run?) is
//! handed on to the next.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::mem::MaybeUninit;

/// Most bytes that one call takes.
pub(crate) const PIECE: usize = 2048;

/// Vectors are stored whole, so a buffer has to be this much longer than what is kept of them.
const SLACK: usize = 64;

/// One bit for each byte of a piece.
pub(crate) type Bitmap = [u64; PIECE / 64];

/// Which implementation reads the bytes. All give the same result; only the time differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kernel {
    /// Plain code for every machine.
    Portable,
    /// 32 bytes at a time. Needs AVX2 and BMI2.
    Avx2,
    /// 64 bytes at a time with a compressing store. Needs AVX-512 F, BW, VBMI2 and BMI2.
    Avx512,
}

impl Kernel {
    /// Every kernel that this machine can run, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        [Self::Portable, Self::Avx2, Self::Avx512]
            .into_iter()
            .filter(|kernel| kernel.is_available())
            .collect()
    }

    /// The fastest kernel that this machine can run.
    #[must_use]
    pub fn detect() -> Self {
        [Self::Avx512, Self::Avx2]
            .into_iter()
            .find(|kernel| kernel.is_available())
            .unwrap_or(Self::Portable)
    }

    /// Whether this machine can run it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => x86::has_avx2(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => x86::has_avx512(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }
}

/// What is squeezed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Squeeze {
    /// Runs of ASCII letters and digits to one `Y`; delimiters and line feeds are marked.
    Words,
    /// Runs of ASCII digits to one `#`; nothing is marked.
    Digits,
}

impl Squeeze {
    /// What a run becomes.
    const fn letter(self) -> u8 {
        match self {
            Self::Words => b'Y',
            Self::Digits => b'#',
        }
    }
}

/// Working memory of a squeeze; it is never read before it was written, so making one costs nothing.
pub(crate) struct Scratch {
    bytes: [MaybeUninit<u8>; PIECE + SLACK],
    marks: [MaybeUninit<u16>; PIECE],
}

impl Scratch {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [const { MaybeUninit::uninit() }; PIECE + SLACK],
            marks: [const { MaybeUninit::uninit() }; PIECE],
        }
    }
}

/// How many bytes and marks of a [`Scratch`] a kernel has written.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    bytes: usize,
    marks: usize,
}

/// A kernel that [`Kernel::is_available`] was asked about, so that using it needs no further check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Engine(Kernel);

impl Engine {
    /// `None` when this machine cannot run the kernel.
    pub(crate) fn new(kernel: Kernel) -> Option<Self> {
        kernel.is_available().then_some(Self(kernel))
    }

    pub(crate) fn detect() -> Self {
        Self(Kernel::detect())
    }

    pub(crate) fn kernel(self) -> Kernel {
        self.0
    }

    /// Squeezes `piece`, of which `in_run` says whether it continues a run, and says the same for the next one.
    /// Returns the squeezed bytes and the positions in them of delimiters and line feeds.
    ///
    /// # Panics
    /// When the piece is longer than [`PIECE`].
    #[inline]
    pub(crate) fn squeeze<'a>(
        self,
        what: Squeeze,
        piece: &[u8],
        in_run: &mut bool,
        scratch: &'a mut Scratch,
    ) -> (&'a [u8], &'a [u16]) {
        assert!(piece.len() <= PIECE);
        let written = match self.0 {
            Kernel::Portable => portable::squeeze(what, piece, in_run, scratch),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Engine` exists only for kernels whose CPU features were detected; the piece fits.
            Kernel::Avx2 => unsafe { x86::squeeze_avx2(what, piece, in_run, scratch) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kernel::Avx512 => unsafe { x86::squeeze_avx512(what, piece, in_run, scratch) },
            #[cfg(not(target_arch = "x86_64"))]
            Kernel::Avx2 | Kernel::Avx512 => portable::squeeze(what, piece, in_run, scratch),
        };
        // SAFETY: the kernel initialised that many bytes and marks, counted from the beginning of each array.
        unsafe {
            (
                scratch.bytes[..written.bytes].assume_init_ref(),
                scratch.marks[..written.marks].assume_init_ref(),
            )
        }
    }

    /// Sets the bits of `digits` and `spaces` (ASCII white space) for the bytes of `piece`; the bits of the last
    /// word beyond the piece are 0, words after it are left as they are.
    ///
    /// # Panics
    /// When the piece is longer than [`PIECE`].
    #[inline]
    pub(crate) fn digits_and_spaces(self, piece: &[u8], digits: &mut Bitmap, spaces: &mut Bitmap) {
        assert!(piece.len() <= PIECE);
        match self.0 {
            Kernel::Portable => portable::digits_and_spaces(piece, digits, spaces),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Engine` exists only for kernels whose CPU features were detected. AVX-512 machines
            // have AVX2, which `has_avx512` checks too.
            Kernel::Avx2 | Kernel::Avx512 => unsafe {
                x86::digits_and_spaces_avx2(piece, digits, spaces);
            },
            #[cfg(not(target_arch = "x86_64"))]
            Kernel::Avx2 | Kernel::Avx512 => portable::digits_and_spaces(piece, digits, spaces),
        }
    }
}
