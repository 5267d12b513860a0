//! The mode `tokens`: each token that contains an ASCII digit becomes `#`, everything else stays. A token is what stands
//! between ASCII white space.

use crate::kernel::{Bitmap, Engine, PIECE};
use crate::target::Target;

/// What is known about the token that the text ended in.
#[derive(Debug, Default)]
enum Token {
    /// There is none, or it begins with the next byte.
    #[default]
    None,
    /// It begins there in the output, and has had no digit.
    Kept(usize),
    /// It has had a digit, and is in the output as `#`.
    Masked,
}

/// What is known about the line so far.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    token: Token,
}

impl Tokens {
    /// Masks `text`, which continues what was fed before.
    pub(crate) fn feed(&mut self, engine: Engine, text: &[u8], target: &mut impl Target) {
        let mut digits: Bitmap = [0; PIECE / 64];
        let mut spaces: Bitmap = [0; PIECE / 64];
        for piece in text.chunks(PIECE) {
            engine.digits_and_spaces(piece, &mut digits, &mut spaces);
            self.piece(piece, &digits, &spaces, target);
        }
    }

    fn piece(&mut self, piece: &[u8], digits: &Bitmap, spaces: &Bitmap, target: &mut impl Target) {
        let len = piece.len();
        let next = |bitmap: &Bitmap, from: usize| next_set(bitmap, from, len).unwrap_or(len);
        // Everything before this is in the target, or dropped.
        let mut from = 0;
        if !matches!(self.token, Token::None) {
            let end = next(spaces, 0);
            if let Token::Kept(start) = self.token
                && next(digits, 0) < end
            {
                target.truncate(start);
                target.append(b"#");
                self.token = Token::Masked;
            }
            if matches!(self.token, Token::Masked) {
                from = end;
            }
            if end == len {
                target.append(&piece[from..]);
                return;
            }
        }
        self.token = Token::None;
        loop {
            let digit = next(digits, from);
            if digit == len {
                break;
            }
            let start = previous_set(spaces, digit).map_or(0, |space| space + 1).max(from);
            target.append(&piece[from..start]);
            target.append(b"#");
            from = next(spaces, digit);
            if from == len {
                self.token = Token::Masked;
                return;
            }
        }
        let tail = previous_set(spaces, len).map_or(0, |space| space + 1).max(from);
        if tail < len {
            self.token = Token::Kept(target.len() + (tail - from));
        }
        target.append(&piece[from..]);
    }
}

/// The first bit set at `from` or after it and before `len`.
#[inline]
fn next_set(bitmap: &Bitmap, from: usize, len: usize) -> Option<usize> {
    if from >= len {
        return None;
    }
    let mut word = from / 64;
    let mut bits = bitmap[word] & (u64::MAX << (from % 64));
    while bits == 0 {
        word += 1;
        if word * 64 >= len {
            return None;
        }
        bits = bitmap[word];
    }
    Some(word * 64 + bits.trailing_zeros() as usize)
}

/// The last bit set before `before`.
#[inline]
fn previous_set(bitmap: &Bitmap, before: usize) -> Option<usize> {
    let (mut word, bit) = (before / 64, before % 64);
    let mut bits = if bit == 0 { 0 } else { bitmap[word] & (u64::MAX >> (64 - bit)) };
    while bits == 0 {
        word = word.checked_sub(1)?;
        bits = bitmap[word];
    }
    Some(word * 64 + 63 - bits.leading_zeros() as usize)
}
