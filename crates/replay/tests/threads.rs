//! Threads that read while others write. Every byte is a function of its offset, so that a reader can check each one
//! that it gets without knowing who wrote it or when.
#![cfg(not(loom))]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use flightring_replay::{ReplayBuffer, Wait};

fn byte_at(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

fn long() -> u64 {
    if std::env::var_os("FLIGHTRING_LONG").is_some() { 100 } else { 1 }
}

/// Reads to the end, checks every byte, and returns (bytes read, bytes skipped).
fn follow(buffer: &ReplayBuffer, chunk: usize, start: u64) -> (u64, u64) {
    let mut dst = vec![0; chunk];
    let (mut at, mut read_bytes, mut skipped) = (start, 0, 0);
    loop {
        let read = buffer.read_from(at, &mut dst).expect("a cursor of this buffer");
        assert_eq!(read.start, at + read.skipped);
        for (i, byte) in dst[..read.len].iter().enumerate() {
            assert_eq!(*byte, byte_at(read.start + i as u64), "at {}", read.start + i as u64);
        }
        at = read.next();
        read_bytes += read.len as u64;
        skipped += read.skipped;
        if read.end {
            return (read_bytes, skipped);
        }
        if read.len == 0 {
            buffer.wait(at, None).expect("a cursor of this buffer");
        }
    }
}

#[test]
fn readers_get_every_byte_right_or_know_how_many_they_missed() {
    for (capacity, start) in [(1, 0), (100, u64::from(u32::MAX) - 1000), (4096, 7), (1 << 17, 0)] {
        let buffer = ReplayBuffer::starting_at(capacity, start).unwrap();
        let written = thread::scope(|scope| {
            let readers = [1, 64, 5000, 1 << 17].map(|chunk| {
                scope.spawn({
                    let buffer = &buffer;
                    move || follow(buffer, chunk, start)
                })
            });
            let mut offset = start;
            for round in 0..20_000 * long() {
                let len = [1, 3, 17, 128, 700][round as usize % 5];
                let data = (offset..offset + len).map(byte_at).collect::<Vec<_>>();
                assert_eq!(buffer.write(&data), Ok(offset));
                offset += len;
            }
            buffer.close();
            for reader in readers {
                let (read, skipped) = reader.join().unwrap();
                assert_eq!(read + skipped, offset - start);
            }
            offset - start
        });
        assert_eq!(buffer.total(), start + written);
    }
}

#[test]
fn writers_are_serialised_and_records_stay_whole() {
    const WRITERS: u8 = 4;
    let rounds = 3_000 * long();
    let buffer = ReplayBuffer::new(1 << 20).unwrap();
    let seen = thread::scope(|scope| {
        for writer in 0..WRITERS {
            let buffer = &buffer;
            scope.spawn(move || {
                (0..rounds).for_each(|_| {
                    buffer.write(&[writer; 16]).unwrap();
                })
            });
        }
        let mut counts = [0_u64; WRITERS as usize];
        let (mut at, mut skipped) = (0, 0);
        let mut dst = [0; 16 * 100];
        while at < u64::from(WRITERS) * rounds * 16 {
            buffer.wait(at, None).unwrap();
            let read = buffer.read_from(at, &mut dst).unwrap();
            // Writes are 16 bytes each, and so is the step of every cursor.
            assert_eq!((read.len % 16, read.start % 16), (0, 0));
            for record in dst[..read.len].chunks(16) {
                assert!(record.iter().all(|byte| *byte == record[0]), "torn: {record:?}");
                counts[record[0] as usize] += 1;
            }
            skipped += read.skipped / 16;
            at = read.next();
        }
        counts.iter().sum::<u64>() + skipped
    });
    assert_eq!(seen, u64::from(WRITERS) * rounds);
}

#[test]
fn clearing_while_others_read_and_write_frees_nothing_in_use() {
    let buffer = ReplayBuffer::new(8192).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| follow(&buffer, 8192, 0));
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                buffer.clear();
                thread::yield_now();
            }
        });
        let mut offset = 0;
        for _ in 0..5_000 * long() {
            let data = (offset..offset + 200).map(byte_at).collect::<Vec<_>>();
            assert_eq!(buffer.write(&data), Ok(offset));
            offset += 200;
        }
        done.store(true, Ordering::Relaxed);
        buffer.close();
    });
    buffer.clear();
    assert_eq!(buffer.allocated(), 0);
}

#[test]
fn one_write_wakes_everybody_who_waits() {
    let buffer = ReplayBuffer::new(64).unwrap();
    for round in 0..50 {
        let woken = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    assert_eq!(buffer.wait(round, None), Ok(Wait::Ready));
                    woken.fetch_add(1, Ordering::Relaxed);
                });
            }
            buffer.write(b"!").unwrap();
        });
        assert_eq!(woken.into_inner(), 8);
    }
}

#[test]
fn a_wait_ends_by_timeout_close_or_interruption() {
    let buffer = ReplayBuffer::new(64).unwrap();
    assert_eq!(buffer.wait(0, Some(Duration::from_millis(1))), Ok(Wait::TimedOut));
    let go_on = AtomicBool::new(true);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| buffer.wait_while(0, None, || go_on.load(Ordering::SeqCst)));
        go_on.store(false, Ordering::SeqCst);
        buffer.interrupt();
        assert_eq!(waiter.join().unwrap(), Ok(Wait::Interrupted));
        let waiter = scope.spawn(|| buffer.wait(0, Some(Duration::MAX)));
        buffer.close();
        assert_eq!(waiter.join().unwrap(), Ok(Wait::Ended));
    });
}

struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_waker_is_called_once_per_request_and_not_after_it_was_taken_back() {
    let buffer = ReplayBuffer::new(64).unwrap();
    let calls = Arc::new(Calls(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&calls));
    assert_eq!(buffer.poll_wait(0, &waker), Ok(Poll::Pending));
    assert_eq!(buffer.poll_wait(0, &waker), Ok(Poll::Pending));
    buffer.write(b"a").unwrap();
    buffer.write(b"b").unwrap();
    assert_eq!(calls.0.load(Ordering::Relaxed), 1);
    assert_eq!(buffer.poll_wait(0, &waker), Ok(Poll::Ready(Wait::Ready)));
    assert_eq!(buffer.poll_wait(2, &waker), Ok(Poll::Pending));
    buffer.forget(&waker);
    assert_eq!(Arc::strong_count(&calls), 2);
    buffer.close();
    assert_eq!(calls.0.load(Ordering::Relaxed), 1);
    assert_eq!(buffer.poll_wait(2, &waker), Ok(Poll::Ready(Wait::Ended)));
    assert!(buffer.poll_wait(3, &waker).is_err());
}
