use std::sync::Arc;

use flightring_monitor::{Lines, Monitor, NextLine, Options, Start, Stream, strip_ansi};

/// Arbitrary output on two streams becomes lines that hold exactly the bytes that were written, stream by stream; and no
/// escape sequence survives stripping. Of each pair of first bytes, one is a length and the other chooses the stream.
pub fn lines(data: &[u8]) {
    let options = Options { capacity: 1 << 16, ..Options::default() };
    let monitor = Monitor::new("fuzz", options).expect("these options are valid");
    let mut written: [Vec<u8>; 2] = Default::default();
    let mut rest = &data[..data.len().min(1 << 12)];
    while let [len, which, tail @ ..] = rest {
        let (piece, tail) = tail.split_at(tail.len().min(usize::from(*len)));
        let stream = usize::from(which & 1);
        monitor.write(Stream::ALL[stream], piece).expect("it is open");
        written[stream].extend_from_slice(piece);
        rest = tail;
    }
    monitor.close();

    let mut read: [Vec<u8>; 2] = Default::default();
    let mut lines = Lines::new(&Arc::clone(&monitor), Start::Oldest, 100).expect("from the start");
    loop {
        match lines.next() {
            NextLine::Line(line) => {
                let stream = usize::from(line.stream == Stream::Stderr);
                assert!(line.text.len() <= 100);
                read[stream].extend_from_slice(line.text);
                if !line.partial {
                    read[stream].push(b'\n');
                }
                let plain = strip_ansi(line.text);
                assert!(!plain.contains(&0x1b));
                assert!(std::str::from_utf8(&plain).is_ok());
            }
            NextLine::Gap { .. } => panic!("the history holds all of it"),
            NextLine::Empty => panic!("what is closed has an end"),
            NextLine::End => break,
        }
    }
    assert_eq!(read, written);
}
