//! The definition of both jobs, in plain code.

use super::{Bitmap, Scratch, Squeeze, Written};

const WORD: u8 = 1;
const DIGIT: u8 = 2;
const MARK: u8 = 4;
const SPACE: u8 = 8;

/// What each byte is.
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        let mut class = 0;
        if byte.is_ascii_alphanumeric() {
            class |= WORD;
        }
        if byte.is_ascii_digit() {
            class |= DIGIT;
        }
        if matches!(
            byte,
            b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b'(' | b')' | b'"' | b'\'' | b'\n'
        ) {
            class |= MARK;
        }
        if is_space(byte) {
            class |= SPACE;
        }
        classes[byte as usize] = class;
        if byte == u8::MAX {
            return classes;
        }
        byte += 1;
    }
}

/// ASCII white space: tab, line feed, vertical tab, form feed, carriage return, space.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
}

pub(super) fn squeeze(
    what: Squeeze,
    piece: &[u8],
    in_run: &mut bool,
    scratch: &mut Scratch,
) -> Written {
    let (squeezed, marked) = match what {
        Squeeze::Words => (WORD, MARK),
        Squeeze::Digits => (DIGIT, 0),
    };
    let letter = what.letter();
    let mut written = Written::default();
    for &byte in piece {
        let class = CLASS[usize::from(byte)];
        let is_member = class & squeezed != 0;
        // Everything is stored, and what is not kept is overwritten by the next: no branch to mispredict.
        scratch.bytes[written.bytes].write(if is_member { letter } else { byte });
        // At most PIECE bytes are kept, so the position fits.
        scratch.marks[written.marks].write(written.bytes as u16);
        written.marks += usize::from(class & marked != 0);
        written.bytes += usize::from(!(is_member && *in_run));
        *in_run = is_member;
    }
    written
}

pub(super) fn digits_and_spaces(piece: &[u8], digits: &mut Bitmap, spaces: &mut Bitmap) {
    for (index, block) in piece.chunks(64).enumerate() {
        let (mut digit_bits, mut space_bits) = (0, 0);
        for (bit, &byte) in block.iter().enumerate() {
            let class = CLASS[usize::from(byte)];
            digit_bits |= u64::from(class & DIGIT != 0) << bit;
            space_bits |= u64::from(class & SPACE != 0) << bit;
        }
        digits[index] = digit_bits;
        spaces[index] = space_bits;
    }
}
