//! The modes once more, as plainly as they can be written. Slow, and too simple to be wrong.

use flightring_normalise::Mode;

/// The mode `mode` on one line or several.
pub(crate) fn naive(mode: Mode, text: &[u8]) -> Vec<u8> {
    let lines: Vec<Vec<u8>> = text
        .split(|&byte| byte == b'\n')
        .map(|line| match mode {
            // The recursion is as deep as the nesting.
            Mode::Shape if line.len() > 1000 => std::thread::scope(|scope| {
                let stack = std::thread::Builder::new().stack_size(1 << 30);
                let thread = stack.spawn_scoped(scope, || shape(line)).expect("a thread");
                thread.join().expect("no panic")
            }),
            Mode::Shape => shape(line),
            Mode::Digits => digits(line),
            Mode::Tokens => tokens(line),
            _ => unreachable!("no naive form"),
        })
        .collect();
    lines.join(&b'\n')
}

/// Decode, letters to `Y`, pairs to `X` by recursion, collapse: in this order.
fn shape(line: &[u8]) -> Vec<u8> {
    let mut chars = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let len = (1..=rest.len().min(4)).find(|&len| str::from_utf8(&rest[..len]).is_ok());
        match len {
            Some(len) => chars.extend(str::from_utf8(&rest[..len]).expect("tried").chars()),
            None => chars.push('\u{fffd}'),
        }
        rest = &rest[len.unwrap_or(1)..];
    }
    for c in &mut chars {
        if c.is_ascii_alphanumeric() {
            *c = 'Y';
        }
    }
    let mut masked = Vec::new();
    let mut at = 0;
    frame(&chars, &mut at, None, &mut masked);
    // `Y` marks a word, and so it is told apart from the letter of a closed pair.
    masked.dedup_by(|a, b| *a == 'Y' && *b == 'Y');
    String::from_iter(masked).into_bytes()
}

/// Takes characters until `closer`, which is taken too: whether it came.
fn frame(chars: &[char], at: &mut usize, closer: Option<char>, out: &mut Vec<char>) -> bool {
    while *at < chars.len() {
        let c = chars[*at];
        *at += 1;
        if Some(c) == closer {
            return true;
        }
        out.push(c);
        let pair = ["[]", "{}", "<>", "()", "\"\"", "''"].iter().find(|pair| pair.starts_with(c));
        if let Some(pair) = pair {
            let closer = pair.chars().nth(1).expect("two");
            let mut inner = Vec::new();
            if frame(chars, at, Some(closer), &mut inner) {
                out.extend(['X', closer]);
            } else {
                out.extend(inner);
            }
        }
    }
    false
}

fn digits(line: &[u8]) -> Vec<u8> {
    let mut masked: Vec<u8> = Vec::new();
    let mut in_run = false;
    for &byte in line {
        if !byte.is_ascii_digit() {
            masked.push(byte);
        } else if !in_run {
            masked.push(b'#');
        }
        in_run = byte.is_ascii_digit();
    }
    masked
}

fn tokens(line: &[u8]) -> Vec<u8> {
    let is_space = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r');
    let mut masked = Vec::new();
    for part in line.chunk_by(|a, b| is_space(*a) == is_space(*b)) {
        if part.iter().any(u8::is_ascii_digit) {
            masked.push(b'#');
        } else {
            masked.extend_from_slice(part);
        }
    }
    masked
}
