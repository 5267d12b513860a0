//! Structs that grow by size.
//!
//! The caller says in the first field how large the struct was when it was compiled. A field that the caller does not
//! have reads as zero, which means the default. A field that we do not have must be zero, because a caller that set it
//! would otherwise be ignored silently.

use std::mem::MaybeUninit;
use std::ptr;
use std::slice;

use crate::flr_status;
use crate::status::invalid;

/// More than any version of any struct will have: a larger size is memory that was never initialised.
const LARGEST: usize = 64 * 1024;

/// A struct of the C interface whose first field is `struct_size: u32`.
///
/// # Safety
/// The type is `repr(C)`, its first field is the `u32` size, and all-zero bytes are a valid value of it, as is
/// every value that C can put into its fields: integers, raw pointers, `Option` of function pointers, no enums.
pub(crate) unsafe trait SizedStruct: Copy {
    /// The C name, for messages.
    const NAME: &'static str;
}

#[inline]
unsafe fn declared_size<T: SizedStruct>(at: *const T) -> Result<usize, flr_status> {
    if at.is_null() {
        return Err(invalid(format_args!("the {} pointer is NULL", T::NAME)));
    }
    // SAFETY: not NULL, and the caller of this layer promises that a struct starts with its size.
    let size = unsafe { at.cast::<u32>().read() } as usize;
    if !(size_of::<u32>()..=LARGEST).contains(&size) {
        return Err(impossible(T::NAME, size));
    }
    Ok(size)
}

#[cold]
fn impossible(name: &str, size: usize) -> flr_status {
    invalid(format_args!("{name}.struct_size is {size}; start from its FLR_..._INIT macro"))
}

/// Copies options in.
///
/// # Safety
/// `from` is NULL or valid for reading as many bytes as its first field says.
pub(crate) unsafe fn read<T: SizedStruct>(from: *const T) -> Result<T, flr_status> {
    // SAFETY: passed on.
    let size = unsafe { declared_size(from)? };
    if size == size_of::<T>() {
        // SAFETY: as large as a T, whose fields C's own values are valid for, by the trait's contract; the alignment of
        // structs on the other side is not ours to trust.
        return Ok(unsafe { from.read_unaligned() });
    }
    let known = size.min(size_of::<T>());
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: both sides are valid for `known` bytes: ours is a T, theirs has `size`.
    unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), value.as_mut_ptr().cast(), known) };
    // SAFETY: `known..size` lies within what the caller declared.
    let tail = unsafe { slice::from_raw_parts(from.cast::<u8>().add(known), size - known) };
    if tail.iter().any(|&byte| byte != 0) {
        return Err(invalid(format_args!(
            "{} sets a member that this version of flightring does not know; update the library or leave it zero",
            T::NAME
        )));
    }
    // SAFETY: zeroed bytes and C's own values are valid for every field, by the trait's contract.
    Ok(unsafe { value.assume_init() })
}

/// [`read`] for structs that are read so often that it matters: the caller's own, if it is whole and aligned, and otherwise a copy
/// in `copy`. What a program has just written member by member cannot be copied in larger pieces before it has left the store
/// buffer; its members can be read.
///
/// # Safety
/// As for [`read`], and nothing changes the struct while what is returned is used.
#[inline(always)]
pub(crate) unsafe fn view<T: SizedStruct>(
    from: *const T,
    copy: &mut MaybeUninit<T>,
) -> Result<&T, flr_status> {
    // SAFETY: passed on.
    let size = unsafe { declared_size(from)? };
    if size == size_of::<T>() && from.is_aligned() {
        // SAFETY: not NULL, aligned, as large as a T, whose fields C's own values are valid for, by the trait's contract.
        return Ok(unsafe { &*from });
    }
    // SAFETY: passed on.
    unsafe { view_of_copy(from, copy) }
}

#[cold]
#[inline(never)]
unsafe fn view_of_copy<T: SizedStruct>(
    from: *const T,
    copy: &mut MaybeUninit<T>,
) -> Result<&T, flr_status> {
    // SAFETY: passed on.
    Ok(copy.write(unsafe { read(from)? }))
}

/// Checks an output struct before there is anything to write, so that a call can fail without side effects.
///
/// # Safety
/// `to` is NULL or valid for reading its first field.
pub(crate) unsafe fn check<T: SizedStruct>(to: *const T) -> Result<(), flr_status> {
    // SAFETY: passed on.
    unsafe { declared_size(to) }.map(drop)
}

/// [`write`] for structs that are written so often that it matters: the value is made where it belongs if the caller has
/// all of it. `make` gets what its `struct_size` must be.
///
/// # Safety
/// As for [`write`].
#[inline(always)]
pub(crate) unsafe fn write_new<T: SizedStruct>(
    to: *mut T,
    make: impl Fn(u32) -> T,
) -> Result<(), flr_status> {
    // SAFETY: passed on.
    let size = unsafe { declared_size(to.cast_const())? };
    if size == size_of::<T>() {
        // SAFETY: as large as a T; the alignment of structs on the other side is not ours to trust.
        unsafe { to.write_unaligned(make(size as u32)) };
        return Ok(());
    }
    // SAFETY: passed on.
    unsafe { write_part(to, make) }
}

/// Apart from the rest, because what is copied by a length known at run time must lie in memory.
#[cold]
#[inline(never)]
unsafe fn write_part<T: SizedStruct>(
    to: *mut T,
    make: impl Fn(u32) -> T,
) -> Result<(), flr_status> {
    // SAFETY: passed on.
    unsafe { write(to, &make(0)) }
}

/// Copies statistics out, as much as the caller's struct has room for. The caller's `struct_size` stays, and members
/// that this version does not know become zero.
///
/// # Safety
/// `to` is NULL or valid for reading and writing as many bytes as its first field says.
pub(crate) unsafe fn write<T: SizedStruct>(to: *mut T, value: &T) -> Result<(), flr_status> {
    const SIZE_FIELD: usize = size_of::<u32>();
    // SAFETY: passed on.
    let size = unsafe { declared_size(to.cast_const())? };
    let known = size.min(size_of::<T>());
    // SAFETY: both sides are valid for `known` bytes, and `known >= SIZE_FIELD`.
    unsafe {
        ptr::copy_nonoverlapping(
            ptr::from_ref(value).cast::<u8>().add(SIZE_FIELD),
            to.cast::<u8>().add(SIZE_FIELD),
            known - SIZE_FIELD,
        );
    }
    // SAFETY: `known..size` lies within what the caller declared.
    unsafe { ptr::write_bytes(to.cast::<u8>().add(known), 0, size - known) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    #[repr(C)]
    struct Options {
        struct_size: u32,
        a: u32,
        b: u64,
    }
    // SAFETY: repr(C), the size first, integers only.
    unsafe impl SizedStruct for Options {
        const NAME: &'static str = "options";
    }

    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Newer {
        known: Options,
        c: u64,
    }

    fn newer(size: u32, c: u64) -> Newer {
        Newer { known: Options { struct_size: size, a: 1, b: 2 }, c }
    }

    fn read_newer(from: &Newer) -> Result<Options, flr_status> {
        // SAFETY: every test declares at most the size of `Newer`, or one that is refused.
        unsafe { read(ptr::from_ref(from).cast()) }
    }

    #[test]
    fn older_callers_get_defaults_for_what_they_lack() {
        let seen = read_newer(&newer(8, 9)).unwrap();
        assert_eq!((seen.a, seen.b), (1, 0));
    }

    #[test]
    fn newer_callers_work_until_they_ask_for_more() {
        assert_eq!(read_newer(&newer(24, 0)).unwrap().b, 2);
        assert_eq!(read_newer(&newer(24, 1)).unwrap_err(), flr_status::INVALID);
    }

    #[test]
    fn uninitialised_sizes_are_refused() {
        for size in [0, 3, 0x7f7f_7f7f, u32::MAX] {
            assert_eq!(read_newer(&newer(size, 0)).unwrap_err(), flr_status::INVALID);
        }
        // SAFETY: NULL is within the contract.
        assert_eq!(unsafe { read::<Options>(ptr::null()) }.unwrap_err(), flr_status::INVALID);
    }

    #[test]
    fn writing_respects_both_sizes() {
        let value = Options { struct_size: 16, a: 7, b: 8 };
        let mut small = newer(8, 5);
        // SAFETY: `Newer` has more than the declared 8 bytes.
        unsafe { write(ptr::from_mut(&mut small).cast(), &value) }.unwrap();
        assert_eq!((small.known.struct_size, small.known.a, small.known.b, small.c), (8, 7, 2, 5));
        let mut large = newer(24, 5);
        // SAFETY: `Newer` has the declared 24 bytes.
        unsafe { write(ptr::from_mut(&mut large).cast(), &value) }.unwrap();
        assert_eq!((large.known.struct_size, large.known.a, large.known.b, large.c), (24, 7, 8, 0));
    }

    #[test]
    fn what_is_made_in_place_is_what_is_copied() {
        for size in [4, 8, 16, 24] {
            let make = |struct_size| Options { struct_size, a: 7, b: 8 };
            let (mut copied, mut made) = (newer(size, 5), newer(size, 5));
            // SAFETY: `Newer` has all of the declared bytes.
            unsafe {
                write(ptr::from_mut(&mut copied).cast(), &make(0)).unwrap();
                write_new(ptr::from_mut(&mut made).cast(), make).unwrap();
            }
            let seen = |one: &Newer| (one.known, one.c);
            assert_eq!(seen(&made), seen(&copied));
        }
    }

    #[test]
    fn a_view_is_of_the_callers_own_struct_or_of_a_copy() {
        let view = |from: *const Options| {
            let mut copy = MaybeUninit::uninit();
            // SAFETY: what is passed below is readable for as many bytes as it says.
            unsafe { view(from, &mut copy).map(|seen| (*seen, ptr::eq(seen, from))) }
        };
        let view_newer = |size, c| view(ptr::from_ref(&newer(size, c)).cast());
        let (whole, invalid) = (newer(16, 0).known, Err(flr_status::INVALID));
        assert_eq!(view(&whole), Ok((whole, true)));
        assert_eq!(view_newer(8, 0), Ok((Options { struct_size: 8, b: 0, ..whole }, false)));
        assert_eq!(view_newer(24, 0), Ok((Options { struct_size: 24, ..whole }, false)));
        assert_eq!(
            (view_newer(24, 9), view_newer(0, 0), view(ptr::null())),
            (invalid, invalid, invalid)
        );
        let mut bytes = [0_u8; 32];
        let odd = (1..9).find(|&at| !bytes[at..].as_ptr().cast::<Options>().is_aligned()).unwrap();
        let misaligned = bytes[odd..].as_mut_ptr().cast::<Options>();
        // SAFETY: there is room for it behind `odd`.
        unsafe { misaligned.write_unaligned(whole) };
        assert_eq!(view(misaligned), Ok((whole, false)));
    }
}
