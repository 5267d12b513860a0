//! The buffer against a model that is too simple to be wrong: a `Vec` of everything that was ever written.
#![cfg(not(loom))]

use std::time::Duration;

use flightring_replay::{CreateError, FutureOffset, Read, ReplayBuffer, Wait, WriteError};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    Write(Vec<u8>),
    Clear,
    Close,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        40 => prop::collection::vec(any::<u8>(), 0..150).prop_map(Op::Write),
        2 => prop::collection::vec(any::<u8>(), 500..1500).prop_map(Op::Write),
        2 => Just(Op::Clear),
        1 => Just(Op::Close),
    ];
    prop::collection::vec(op, 0..60)
}

/// Around the edges of 32 and 64 bits, and of the buffer's own size.
fn starts() -> impl Strategy<Value = u64> {
    let near = |edge: u64| (0_u64..200).prop_map(move |below| edge - below);
    prop_oneof![Just(0), 0_u64..100, near(1 << 32), near(1 << 63), near(u64::MAX - 20_000)]
}

proptest! {
    #[test]
    fn every_read_is_what_was_written(
        capacity in 1_usize..100,
        start in starts(),
        ops in ops(),
        cut in 0_usize..120,
        back in 0_u64..300,
    ) {
        let buffer = ReplayBuffer::starting_at(capacity, start).unwrap();
        let mut all = Vec::new();
        let (mut floor, mut closed) = (0, false);
        for op in ops {
            let total = start + all.len() as u64;
            match op {
                Op::Write(_) if closed => {
                    prop_assert_eq!(buffer.write(b"late"), Err(WriteError::Closed));
                }
                Op::Write(data) => {
                    prop_assert_eq!(buffer.write(&data), Ok(total));
                    all.extend_from_slice(&data);
                }
                Op::Clear => {
                    buffer.clear();
                    floor = all.len();
                    prop_assert_eq!(buffer.allocated(), 0);
                }
                Op::Close => {
                    buffer.close();
                    closed = true;
                }
            }
            let total = start + all.len() as u64;
            let oldest = floor.max(all.len().saturating_sub(capacity));
            prop_assert_eq!(buffer.total(), total);
            prop_assert_eq!(buffer.oldest(), start + oldest as u64);
            prop_assert_eq!(buffer.is_closed(), closed);

            for offset in [0, start, total.saturating_sub(back), total] {
                let mut dst = vec![0; cut];
                let read = buffer.read_from(offset, &mut dst).unwrap();
                let from = (offset.saturating_sub(start) as usize).max(oldest);
                let expected = &all[from..][..cut.min(all.len() - from)];
                prop_assert_eq!(&dst[..read.len], expected);
                let next = start + (from + expected.len()) as u64;
                prop_assert_eq!(read, Read {
                    start: start + from as u64,
                    len: expected.len(),
                    skipped: start + from as u64 - offset,
                    total,
                    end: closed && next == total,
                });
                prop_assert_eq!(read.next(), next);
                let waited = buffer.wait(offset, Some(Duration::ZERO));
                prop_assert_eq!(waited, Ok(match (offset < total, closed) {
                    (true, _) => Wait::Ready,
                    (false, true) => Wait::Ended,
                    (false, false) => Wait::TimedOut,
                }));
            }
            let beyond = FutureOffset { offset: total + 1, total };
            prop_assert_eq!(buffer.read_from(total + 1, &mut [0; 8]), Err(beyond));
            prop_assert_eq!(buffer.wait(total + 1, None), Err(beyond));
        }
    }
}

#[test]
fn nothing_is_allocated_before_the_first_byte() {
    let buffer = ReplayBuffer::new(1 << 20).unwrap();
    buffer.write(b"").unwrap();
    buffer.clear();
    assert_eq!((buffer.allocated(), buffer.total()), (0, 0));
    buffer.write(b"x").unwrap();
    assert_eq!(buffer.allocated(), 1 << 20);
}

#[test]
fn a_cursor_from_before_a_clear_sees_a_gap() {
    let buffer = ReplayBuffer::new(16).unwrap();
    buffer.write(b"before").unwrap();
    buffer.clear();
    let mut dst = [0; 16];
    let read = buffer.read_from(2, &mut dst).unwrap();
    assert_eq!((read.start, read.len, read.skipped, read.total), (6, 0, 4, 6));
    buffer.write(b"after").unwrap();
    let read = buffer.read_from(2, &mut dst).unwrap();
    assert_eq!((read.start, read.len, read.skipped), (6, 5, 4));
    assert_eq!(&dst[..5], b"after");
}

#[test]
fn offsets_end_where_64_bits_end() {
    let buffer = ReplayBuffer::starting_at(8, u64::MAX - 4).unwrap();
    buffer.write(b"abcd").unwrap();
    assert_eq!(buffer.total(), u64::MAX);
    assert_eq!(buffer.write(b"f"), Err(WriteError::OffsetsExhausted));
    let mut dst = [0; 8];
    let read = buffer.read_from(0, &mut dst).unwrap();
    assert_eq!(&dst[..read.len], b"abcd");
}

#[test]
fn impossible_capacities_are_refused_not_fatal() {
    assert_eq!(ReplayBuffer::new(0).err(), Some(CreateError::ZeroCapacity));
    assert_eq!(ReplayBuffer::new(usize::MAX).err(), Some(CreateError::TooLarge));
    let huge = (isize::MAX as usize / 8) * 8;
    let buffer = ReplayBuffer::new(huge).unwrap();
    assert_eq!(buffer.write(b"x"), Err(WriteError::OutOfMemory { bytes: huge }));
    assert_eq!(buffer.total(), 0);
    assert!(buffer.write(b"x").unwrap_err().to_string().contains("smaller capacity"));
}
