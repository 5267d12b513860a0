//! The CRC-32C of two byte strings, one after the other, from those of each.
//!
//! A checksum is a polynomial modulo P; appending `n` bytes multiplies what was in front by x^(8n). That power is put
//! together from squares in a table, as in zlib, which takes a microsecond for any length.

/// P without its highest term, lowest term first, as all polynomials here: bit 31 is x^0.
const POLYNOMIAL: u32 = 0x82f6_3b78;
const ONE: u32 = 1 << 31;

/// x^(2^n), for each n up to the bits of a block of 2^32 bytes.
const SQUARES: [u32; 36] = {
    let mut squares = [0; 36];
    let mut power = ONE >> 1;
    let mut n = 0;
    while n < squares.len() {
        squares[n] = power;
        power = multiply(power, power);
        n += 1;
    }
    squares
};

const fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut term = ONE;
    while term != 0 {
        if a & term != 0 {
            product ^= b;
        }
        term >>= 1;
        b = if b & 1 == 0 { b >> 1 } else { (b >> 1) ^ POLYNOMIAL };
    }
    product
}

/// The checksum of what has the checksum `first`, followed by `len` bytes that have `second`.
pub(crate) fn combine(first: u32, second: u32, len: usize) -> u32 {
    let mut bits = 8 * len as u64;
    let mut power = ONE;
    for square in SQUARES {
        if bits & 1 != 0 {
            power = multiply(square, power);
        }
        bits >>= 1;
    }
    multiply(power, first) ^ second
}

#[cfg(test)]
mod tests {
    use super::combine;

    #[test]
    fn it_is_the_checksum_of_both() {
        let bytes: Vec<u8> =
            (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for middle in [0, 1, 8, 77, 4096, 99_999, 100_000] {
            let (a, b) = bytes.split_at(middle);
            let both = combine(crc32c::crc32c(a), crc32c::crc32c(b), b.len());
            assert_eq!(both, crc32c::crc32c(&bytes), "{middle}");
        }
    }

    #[test]
    fn it_agrees_with_the_library_on_long_strings() {
        for len in [1 << 20, (4 << 20) - 72, (1 << 29) - 1, 1 << 29, u32::MAX as usize] {
            let (a, b) = (0xdead_beef, 0x0123_4567);
            assert_eq!(combine(a, b, len), crc32c::crc32c_combine(a, b, len), "{len}");
        }
    }
}
