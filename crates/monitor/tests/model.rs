//! Monitors against a model that is too simple to be wrong: a list of all bytes with their streams.

use std::sync::Arc;

use flightring_monitor::{Lines, Monitor, Next, NextLine, Options, Start, Stream};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    Write(Stream, Vec<u8>),
    Stop,
}

fn stream() -> impl Strategy<Value = Stream> {
    prop::sample::select(Stream::ALL.to_vec())
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let byte = prop_oneof![3 => any::<u8>(), 1 => Just(b'\n')];
    let op = prop_oneof![
        30 => (stream(), prop::collection::vec(byte, 0..40)).prop_map(|(s, d)| Op::Write(s, d)),
        1 => Just(Op::Stop),
    ];
    prop::collection::vec(op, 0..150)
}

struct Model {
    all: Vec<(Stream, u8)>,
    floor: usize,
}

impl Model {
    fn run(monitor: &Monitor, ops: Vec<Op>) -> Self {
        let mut model = Self { all: Vec::new(), floor: 0 };
        for op in ops {
            match op {
                Op::Write(stream, data) => {
                    let at = model.all.len() as u64;
                    assert_eq!(monitor.write(stream, &data).ok(), Some(at));
                    model.all.extend(data.into_iter().map(|byte| (stream, byte)));
                }
                Op::Stop => {
                    monitor.stop();
                    model.floor = model.all.len();
                }
            }
        }
        model
    }

    fn stream(&self, stream: Stream) -> Vec<u8> {
        self.all.iter().filter(|entry| entry.0 == stream).map(|entry| entry.1).collect()
    }

    fn stream_offset(&self, stream: Stream, offset: usize) -> u64 {
        self.all[..offset].iter().filter(|entry| entry.0 == stream).count() as u64
    }
}

fn monitor(capacity: usize) -> Arc<Monitor> {
    Monitor::new("m", Options { capacity, ..Options::default() }).expect("not 0")
}

fn cases() -> ProptestConfig {
    let long = std::env::var_os("FLIGHTRING_LONG").is_some();
    ProptestConfig::with_cases(if long { 5_000 } else { 80 })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn followers_get_each_byte_with_its_stream_or_a_gap(
        capacity in 1_usize..600, ops in ops(), piece in 1_usize..50, from in 0_usize..400,
    ) {
        let monitor = monitor(capacity);
        let model = Model::run(&monitor, ops);
        let total = model.all.len();
        let oldest = model.floor.max(total.saturating_sub(capacity));
        prop_assert_eq!(monitor.oldest(), oldest as u64);
        let (start, bytes) = monitor.snapshot();
        prop_assert_eq!(start, oldest as u64);
        prop_assert_eq!(bytes, model.all[oldest..].iter().map(|entry| entry.1).collect::<Vec<_>>());

        monitor.close();
        let from = from.min(total);
        let mut follower = monitor.follow(Start::Offset(from as u64)).unwrap();
        let mut buffer = vec![0; piece];
        let mut at = from;
        let mut skipped = 0;
        loop {
            match follower.next(&mut buffer) {
                Next::Chunk(chunk) => {
                    prop_assert_eq!(chunk.offset, at as u64);
                    prop_assert_eq!(chunk.stream_offset, model.stream_offset(chunk.stream, at));
                    for byte in chunk.data {
                        prop_assert_eq!((chunk.stream, *byte), model.all[at]);
                        at += 1;
                    }
                }
                Next::Gap { offset, skipped: gap } => {
                    prop_assert_eq!(offset, at as u64);
                    at += gap as usize;
                    skipped += gap;
                }
                Next::Empty => prop_assert!(false, "a closed monitor ends"),
                Next::End => break,
            }
        }
        prop_assert_eq!(at, total);
        prop_assert_eq!(skipped, follower.skipped());
        prop_assert_eq!(skipped, monitor.stats().skipped);
        // Marks may be evicted before the bytes they describe, but not here:
        // there are fewer than 150.
        if monitor.stats().total < 64 {
            prop_assert_eq!(skipped, oldest.saturating_sub(from) as u64);
        }
        prop_assert!(monitor.follow(Start::Offset(total as u64 + 1)).is_err());
    }

    #[test]
    fn each_stream_has_its_own_offsets(
        capacity in 1_usize..600, ops in ops(), stream in stream(), from in 0_usize..300, room in 1_usize..60,
    ) {
        let monitor = monitor(capacity);
        let model = Model::run(&monitor, ops);
        let own = model.stream(stream);
        prop_assert_eq!(monitor.stream_total(stream), own.len() as u64);
        prop_assert!(monitor.read_stream(stream, own.len() as u64 + 1, &mut []).is_err());
        let mut at = from.min(own.len());
        let mut dst = vec![0; room];
        let probe = monitor.read_stream(stream, at as u64, &mut []).unwrap();
        prop_assert_eq!((probe.len, probe.start), (0, at as u64 + probe.skipped));
        loop {
            let read = monitor.read_stream(stream, at as u64, &mut dst).unwrap();
            prop_assert_eq!(read.total, own.len() as u64);
            prop_assert_eq!(read.start, at as u64 + read.skipped);
            let start = read.start as usize;
            prop_assert_eq!(&dst[..read.len], &own[start..start + read.len]);
            at = start + read.len;
            if read.len == 0 {
                prop_assert_eq!(at, own.len());
                break;
            }
        }
    }

    #[test]
    fn lines_are_those_of_each_stream(
        ops in ops(), max in 1_usize..60, count in 0_usize..20,
    ) {
        let monitor = monitor(1 << 16);
        let model = Model::run(&monitor, ops.into_iter().filter(|op| !matches!(op, Op::Stop)).collect());
        monitor.close();
        let lines = collect(Lines::new(&monitor, Start::Oldest, max).unwrap());
        for stream in Stream::ALL {
            let mut joined = Vec::new();
            let mut continued = false;
            for line in lines.iter().filter(|line| line.stream == stream) {
                prop_assert!(line.text.len() <= max);
                prop_assert_eq!(line.stream_offset, joined.len() as u64);
                prop_assert_eq!(line.stream_offset, model.stream_offset(stream, line.offset as usize));
                prop_assert_eq!(line.continued, continued);
                continued = line.partial;
                joined.extend_from_slice(&line.text);
                if !line.partial {
                    joined.push(b'\n');
                }
            }
            prop_assert_eq!(joined, model.stream(stream));
        }
        // The last lines are the last of all lines, by their beginnings.
        let mut whole = collect(Lines::new(&monitor, Start::Oldest, 0).unwrap());
        whole.sort_by_key(|line| line.offset);
        let mut tail = collect(Lines::new(&monitor, Start::Lines(count), 0).unwrap());
        tail.sort_by_key(|line| line.offset);
        prop_assert_eq!(&tail[..], &whole[whole.len().saturating_sub(count)..]);
    }
}

#[derive(Debug, PartialEq, Clone)]
struct Owned {
    offset: u64,
    stream: Stream,
    stream_offset: u64,
    text: Vec<u8>,
    partial: bool,
    continued: bool,
}

fn collect(mut lines: Lines) -> Vec<Owned> {
    let mut all = Vec::new();
    loop {
        match lines.next() {
            NextLine::Line(line) => all.push(Owned {
                offset: line.offset,
                stream: line.stream,
                stream_offset: line.stream_offset,
                text: line.text.to_vec(),
                partial: line.partial,
                continued: line.continued,
            }),
            NextLine::End => return all,
            other => panic!("nothing is missing here: {other:?}"),
        }
    }
}

/// A line: offset, stream, text, whether partial, whether continued.
type Placed = (u64, Stream, Vec<u8>, bool, bool);

/// Takes the lines that are there, the incomplete ones last, each with the place after it.
fn take_all(mut lines: Lines) -> Vec<(Placed, [u64; 3])> {
    let mut all = Vec::new();
    let mut flushed = false;
    loop {
        let line = match lines.next() {
            NextLine::Line(line) => {
                (line.offset, line.stream, line.text.to_vec(), line.partial, line.continued)
            }
            NextLine::Gap { .. } => continue,
            NextLine::Empty | NextLine::End if flushed => return all,
            NextLine::Empty | NextLine::End => {
                lines.flush();
                flushed = true;
                continue;
            }
        };
        all.push((line, lines.place()));
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_last_lines_are_the_end_of_all_lines(
        capacity in 1_usize..20_000, ops in ops(), repeat in 1_usize..20, count in 0_usize..200,
    ) {
        let monitor = monitor(capacity);
        for _ in 0..repeat {
            for op in &ops {
                if let Op::Write(stream, data) = op {
                    monitor.write(*stream, data).unwrap();
                }
            }
        }
        let begins = |start| {
            let lines = take_all(Lines::new(&monitor, start, 0).unwrap());
            let mut begins: Vec<_> = lines.into_iter().map(|(line, _)| (line.0, line.2)).collect();
            begins.sort();
            begins
        };
        let all = begins(Start::Oldest);
        let last = begins(Start::Lines(count));
        prop_assert_eq!(&last[..], &all[all.len().saturating_sub(count)..]);
    }

    #[test]
    fn resuming_at_any_place_gives_what_was_not_delivered(
        ops in ops(), max in 1_usize..60, at in any::<prop::sample::Index>(),
    ) {
        let monitor = monitor(1 << 20);
        let writes = ops.into_iter().filter(|op| matches!(op, Op::Write(..)));
        Model::run(&monitor, writes.collect());
        let all = take_all(Lines::new(&monitor, Start::Oldest, max).unwrap());
        prop_assume!(!all.is_empty());
        let at = at.index(all.len());
        let rest = take_all(Lines::resume(&monitor, all[at].1, max).unwrap());
        prop_assert_eq!(&rest[..], &all[at + 1..]);
    }

    /// However a reader takes turns with the writers, it gets the lines of each run, and none goes on in the next.
    #[test]
    fn a_line_ends_with_its_run(ops in ops(), every in 1_usize..6) {
        let monitor = monitor(1 << 20);
        let mut lines = Lines::new(&monitor, Start::Oldest, 0).unwrap();
        let mut seen: [Vec<(Vec<u8>, bool)>; 3] = Default::default();
        let mut expected: [Vec<(Vec<u8>, bool)>; 3] = Default::default();
        let mut run: [Vec<u8>; 3] = Default::default();
        let mut look = |lines: &mut Lines| loop {
            match lines.next() {
                NextLine::Line(line) => {
                    assert!(!line.continued);
                    seen[line.stream as usize - 1].push((line.text.to_vec(), line.partial));
                }
                NextLine::Gap { .. } => panic!("it keeps up"),
                NextLine::Empty | NextLine::End => return,
            }
        };
        let end = |run: &mut [Vec<u8>; 3], expected: &mut [Vec<(Vec<u8>, bool)>; 3]| {
            for (run, expected) in run.iter_mut().zip(expected) {
                let run = std::mem::take(run);
                let mut texts: Vec<_> = run.split(|&byte| byte == b'\n').collect();
                let rest = texts.pop().filter(|rest| !rest.is_empty());
                expected.extend(texts.into_iter().map(|text| (text.to_vec(), false)));
                expected.extend(rest.map(|rest| (rest.to_vec(), true)));
            }
        };
        for (i, op) in ops.into_iter().enumerate() {
            match op {
                Op::Write(stream, data) => {
                    monitor.write(stream, &data).unwrap();
                    run[stream as usize - 1].extend(data);
                }
                Op::Stop => {
                    look(&mut lines);
                    monitor.stop();
                    end(&mut run, &mut expected);
                    // Who comes later begins with a line, too.
                    let mut late = Lines::new(&monitor, Start::Oldest, 0).unwrap();
                    monitor.write(Stream::Log, b"new\n").unwrap();
                    run[2].extend(b"new\n");
                    assert!(matches!(late.next(), NextLine::Line(line) if !line.continued));
                }
            }
            if i % every == 0 {
                look(&mut lines);
            }
        }
        monitor.close();
        look(&mut lines);
        end(&mut run, &mut expected);
        prop_assert_eq!(seen, expected);
    }
}
