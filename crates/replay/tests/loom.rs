//! Every interleaving of a few threads, and every value that the memory model lets their loads see.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p flightring-replay --release --test loom`; with `FLIGHTRING_LONG` set
//! more preemptions are explored.
#![cfg(loom)]

use flightring_replay::{ReplayBuffer, Wait};
use loom::sync::Arc;
use loom::thread;

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound =
        Some(if std::env::var_os("FLIGHTRING_LONG").is_some() { 4 } else { 3 });
    builder.check(check);
}

fn check_bytes(buffer: &ReplayBuffer, from: u64, written: &[u8]) -> u64 {
    let mut dst = [0; 16];
    let read = buffer.read_from(from, &mut dst).expect("not beyond the total");
    assert_eq!(read.start, from + read.skipped);
    assert!(read.next() <= read.total);
    assert_eq!(&dst[..read.len], &written[read.start as usize..read.next() as usize]);
    read.next()
}

/// The writer overwrites what the reader may be copying.
#[test]
fn an_overtaken_reader_gets_no_wrong_byte() {
    const ALL: &[u8] = b"abcdefghijklmnopqrstuv";
    model(|| {
        let buffer = Arc::new(ReplayBuffer::new(16).expect("small"));
        buffer.write(&ALL[..12]).expect("open");
        let reader = thread::spawn({
            let buffer = Arc::clone(&buffer);
            move || {
                let at = check_bytes(&buffer, 0, ALL);
                check_bytes(&buffer, at, ALL)
            }
        });
        buffer.write(&ALL[12..18]).expect("open");
        buffer.write(&ALL[18..]).expect("open");
        let at = reader.join().expect("no panic");
        assert!([12, 18, 22].contains(&at));
        assert_eq!(check_bytes(&buffer, at, ALL), 22);
    });
}

#[test]
fn a_clear_hides_the_past_and_nothing_else() {
    model(|| {
        let buffer = Arc::new(ReplayBuffer::new(8).expect("small"));
        buffer.write(b"abcd").expect("open");
        let writer = thread::spawn({
            let buffer = Arc::clone(&buffer);
            move || {
                buffer.clear();
                buffer.write(b"ef").expect("open");
            }
        });
        check_bytes(&buffer, 0, b"abcdef");
        writer.join().expect("no panic");
        let read = buffer.read_from(0, &mut [0; 8]).expect("in range");
        assert_eq!((read.start, read.len), (4, 2));
    });
}

/// No write may slip between the last look and the sleep: the model would deadlock.
#[test]
fn no_wake_up_is_lost() {
    model(|| {
        let buffer = Arc::new(ReplayBuffer::new(8).expect("small"));
        let writer = thread::spawn({
            let buffer = Arc::clone(&buffer);
            move || {
                buffer.write(b"a").expect("open");
                buffer.close();
            }
        });
        assert_eq!(buffer.wait(0, None), Ok(Wait::Ready));
        assert_eq!(buffer.wait(1, None), Ok(Wait::Ended));
        writer.join().expect("no panic");
    });
}

#[test]
fn writers_exclude_one_another() {
    model(|| {
        let buffer = Arc::new(ReplayBuffer::new(8).expect("small"));
        let other = thread::spawn({
            let buffer = Arc::clone(&buffer);
            move || buffer.write(b"aa").expect("open")
        });
        let mine = buffer.write(b"bb").expect("open");
        let theirs = other.join().expect("no panic");
        assert!([(0, 2), (2, 0)].contains(&(mine, theirs)));
        let mut dst = [0; 4];
        buffer.read_from(0, &mut dst).expect("in range");
        assert_eq!(&dst, if mine == 0 { b"bbaa" } else { b"aabb" });
    });
}

/// The first write makes this thread the owner; the second one is done as such, against one that takes it away.
#[test]
fn an_owner_and_another_writer_exclude_one_another() {
    model(|| {
        let buffer = Arc::new(ReplayBuffer::new(16).expect("small"));
        buffer.write(b"..").expect("open");
        let other = thread::spawn({
            let buffer = Arc::clone(&buffer);
            move || buffer.write(b"aa").expect("open")
        });
        let mine = buffer.write(b"bb").expect("open");
        let theirs = other.join().expect("no panic");
        assert!([(2, 4), (4, 2)].contains(&(mine, theirs)));
        let mut dst = [0; 6];
        buffer.read_from(0, &mut dst).expect("in range");
        assert_eq!(&dst, if mine == 2 { b"..bbaa" } else { b"..aabb" });
    });
}

/// The owner has no exchange that would find the sleeper's mark.
#[test]
fn no_wake_up_by_an_owner_is_lost() {
    model(|| {
        let buffer = Arc::new(ReplayBuffer::new(8).expect("small"));
        buffer.write(b"a").expect("open");
        let reader = thread::spawn({
            let buffer = Arc::clone(&buffer);
            move || assert_eq!(buffer.wait(1, None), Ok(Wait::Ready))
        });
        buffer.write(b"b").expect("open");
        reader.join().expect("no panic");
    });
}
