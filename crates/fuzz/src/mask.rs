use flightring_normalise::{Kernel, Masker, Mode, PatternCounter, SummaryOptions};

/// Arbitrary text is masked the same by every kernel in every mode, line by line or in one piece, in no more room than was
/// announced; and a counter, fed in pieces, counts every line. The first byte is where the pieces end.
pub fn mask(data: &[u8]) {
    let Some((&cut, text)) = data.split_first() else { return };
    for mode in Mode::ALL {
        let masker = |kernel| Masker::new(mode).with_kernel(kernel).expect("it is available");
        let whole = masker(Kernel::Portable).mask(text);
        for kernel in Kernel::available() {
            let masker = masker(kernel);
            assert_eq!(masker.mask(text), whole, "{mode:?} {kernel:?}");
            assert!(whole.len() <= masker.max_len(text.len()));
            let mut exact = vec![0; whole.len()];
            match masker.mask_into(text, &mut exact) {
                Ok(len) => assert_eq!(&exact[..len], whole),
                Err(small) => assert!(small.sufficient > whole.len()),
            }
        }
        let masker = Masker::new(mode);
        let lines: Vec<_> = text.split(|&b| b == b'\n').map(|line| masker.mask(line)).collect();
        assert_eq!(lines.join(&b'\n'), whole, "{mode:?}");

        let mut counter = PatternCounter::new(&masker, &SummaryOptions::default());
        text.chunks(usize::from(cut) + 1).for_each(|piece| counter.feed(piece));
        counter.finish_line();
        let unfinished = usize::from(text.last().is_some_and(|&b| b != b'\n'));
        let expected = text.iter().filter(|&&b| b == b'\n').count() + unfinished;
        assert_eq!(counter.lines(), expected as u64);
    }
}
