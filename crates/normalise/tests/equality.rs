//! Every kernel against a naive reference, byte for byte.

mod common;

use flightring_normalise::{Kernel, Masker, Mode};
use proptest::prelude::*;

const EXACT: [Mode; 3] = [Mode::Shape, Mode::Digits, Mode::Tokens];

/// Text in which every rule of every mode has something to do.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => prop::sample::select(b"ab0 9\t".to_vec()),
        4 => prop::sample::select(b"[]{}<>()\"'".to_vec()),
        2 => any::<u8>(),
        1 => prop::sample::select(b"\r\n\0_\xe2\x82\xac\xff".to_vec()),
    ];
    let run = (byte, 1_usize..5).prop_map(|(byte, count)| vec![byte; count]);
    let word = prop_oneof![
        12 => run,
        1 => "\\PC{0,12}".prop_map(String::into_bytes),
        1 => (prop::sample::select(b"a0( ".to_vec()), 50_usize..3000).prop_map(|(b, n)| vec![b; n]),
    ];
    prop::collection::vec(word, 0..160).prop_map(|words| words.concat())
}

fn check(text: &[u8]) {
    for mode in EXACT {
        let expected = common::naive(mode, text);
        for kernel in Kernel::available() {
            let masker = Masker::new(mode).with_kernel(kernel).expect("available");
            let got = masker.mask(text);
            assert!(got == expected, "{mode} by {kernel:?} of {:?}", String::from_utf8_lossy(text));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn every_kernel_gives_the_reference(text in text()) {
        check(&text);
    }

    #[test]
    fn no_pattern_is_longer_than_promised(text in text()) {
        for mode in Mode::ALL {
            let masker = Masker::new(mode);
            let mut dst = vec![0; masker.max_len(text.len())];
            let len = masker.mask_into(&text, &mut dst);
            prop_assert!(len.is_ok(), "{} of {:?}", mode, text);
            let longest = match mode {
                Mode::Shape if str::from_utf8(&text).is_ok() => text.len() * 3 / 2,
                Mode::Shape => text.len() * 3,
                Mode::Typed => text.len() * 4 + 64,
                _ => text.len(),
            };
            prop_assert!(len.unwrap() <= longest, "{} of {:?}", mode, text);
        }
    }

    /// A smaller buffer gives the same pattern or an error, and never something else.
    #[test]
    fn a_small_buffer_is_used_as_far_as_it_goes(text in text(), size in 0_usize..2000) {
        for mode in Mode::ALL {
            let masker = Masker::new(mode);
            let mut dst = vec![0; size];
            match masker.mask_into(&text, &mut dst) {
                Ok(len) => prop_assert_eq!(&dst[..len], &masker.mask(&text)[..]),
                Err(error) => prop_assert!(error.sufficient > size),
            }
        }
    }

    /// What one line becomes does not depend on its neighbours.
    #[test]
    fn lines_are_masked_one_by_one(text in text()) {
        for mode in Mode::ALL {
            let masker = Masker::new(mode);
            let lines: Vec<Vec<u8>> =
                text.split(|&byte| byte == b'\n').map(|line| masker.mask(line)).collect();
            prop_assert_eq!(masker.mask(&text), lines.join(&b'\n'));
        }
    }
}

fn cases() -> u32 {
    if std::env::var_os("FLIGHTRING_LONG").is_some() { 20_000 } else { 150 }
}

#[test]
fn every_length_and_alignment() {
    let text: Vec<u8> = b"ab [12] (x \"y\" 'z) 7\r\n{\xc3\xa9\xff} <>-".repeat(12);
    for start in 0..70 {
        for len in 0..=200 {
            check(&text[start..start + len]);
        }
    }
}

/// Input that is built to be slow or deep. The time of all of these is linear, and no stack overflows.
#[test]
fn adversarial_lines() {
    let size = 200_000;
    let repeat = |unit: &str| unit.repeat(size / unit.len()).into_bytes();
    let mut texts: Vec<Vec<u8>> = [
        "(",
        "([{<",
        ")",
        "()",
        "\"",
        "'\"",
        "(\"",
        "\"(",
        "(a",
        "(a)",
        "((a)",
        "[(])",
        "<'>",
        "1",
        "1 ",
        "a1",
        " ",
        "/a ",
        "a://",
        "a://,",
        "1.",
        "1:",
        ":",
        "::",
        "12:3",
        "@a.",
        "a@b.cc ",
        "\u{fffd}(",
        "-",
        "1-",
        "0x",
        "Jan ",
        "Mon Jan 1 ",
    ]
    .into_iter()
    .map(repeat)
    .collect();
    texts.push([repeat("("), repeat(")")].concat());
    texts.push([repeat("(a "), repeat(")")].concat());
    // Deep, then a long stretch, then pairs that open and close below it.
    texts.push([repeat("("), repeat("x "), repeat("(())")].concat());
    texts.push(vec![0xff; size]);
    texts.push(b"\xff(".repeat(size / 2));
    texts.push(b"\xe2\x82".repeat(size / 2));
    for text in texts {
        for mode in Mode::ALL {
            let expected = Masker::new(mode).with_kernel(Kernel::Portable).unwrap().mask(&text);
            for kernel in Kernel::available() {
                let got = Masker::new(mode).with_kernel(kernel).expect("available").mask(&text);
                assert!(got == expected, "{mode} by {kernel:?} of {:?}...", &text[..8]);
            }
            if matches!(mode, Mode::Digits | Mode::Tokens) {
                assert!(expected == common::naive(mode, &text), "{mode} of {:?}...", &text[..8]);
            }
        }
    }
    assert_eq!(
        Masker::new(Mode::Shape).mask(&[b"(".repeat(size), b")".repeat(size)].concat()),
        b"(X)"
    );
}
