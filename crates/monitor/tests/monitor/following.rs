//! What who follows a monitor's output gets: chunks, lines, subscriptions.

use std::io::Write;
use std::ops::ControlFlow;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use flightring_monitor::{
    Lines, Monitor, Next, NextLine, Options, Sink, Start, Stream, Time, Wait,
};

use crate::{monitor, text_of};

#[test]
fn chunks_have_times_and_following_can_begin_at_one() {
    let monitor = monitor(Options::default());
    let before = Time::now();
    monitor.write(Stream::Stdout, b"early\n").unwrap();
    let early = Time::now();
    while Time::now() == early {
        std::thread::yield_now();
    }
    let between = Time::now();
    monitor.write(Stream::Stdout, b"late\n").unwrap();
    let mut buffer = [0; 64];
    let mut follower = monitor.follow(Start::Oldest).unwrap();
    let Next::Chunk(first) = follower.next(&mut buffer) else { panic!() };
    assert!(first.data == b"early\n" && (before..=early).contains(&first.time));
    let mut follower = monitor.follow(Start::Time(between)).unwrap();
    assert!(matches!(follower.next(&mut buffer), Next::Chunk(chunk) if chunk.data == b"late\n"));
    let mut all = monitor.follow(Start::Time(Time(0))).unwrap();
    assert!(matches!(all.next(&mut buffer), Next::Chunk(chunk) if chunk.offset == 0));
    let mut none = monitor.follow(Start::Time(Time(u64::MAX >> 8))).unwrap();
    assert_eq!(none.next(&mut buffer), Next::Empty);
}

#[test]
fn the_last_partial_line_is_kept_until_it_is_complete_or_the_end_comes() {
    let monitor = monitor(Options { capacity: 64, ..Options::default() });
    let mut lines = Lines::new(&monitor, Start::Now, 0).unwrap();
    monitor.write(Stream::Stdout, b"out ").unwrap();
    monitor.write(Stream::Stderr, b"err\nand ").unwrap();
    let NextLine::Line(line) = lines.next() else { panic!() };
    assert_eq!((line.stream, line.text, line.partial), (Stream::Stderr, &b"err"[..], false));
    assert_eq!(lines.next(), NextLine::Empty);
    monitor.write(Stream::Stdout, b"put\n").unwrap();
    let NextLine::Line(line) = lines.next() else { panic!() };
    assert_eq!((line.text, line.offset, line.partial), (&b"out put"[..], 0, false));
    // A gap ends what is pending.
    monitor.write(Stream::Stdout, &[b'x'; 100]).unwrap();
    let NextLine::Line(line) = lines.next() else { panic!() };
    assert_eq!((line.text, line.partial), (&b"and "[..], true));
    assert_eq!(lines.next(), NextLine::Gap { offset: 16, skipped: 36 });
    assert_eq!(lines.next(), NextLine::Empty);
    monitor.write(Stream::Stdout, b"y").unwrap();
    monitor.close();
    let mut rest = Vec::new();
    while let NextLine::Line(line) = lines.next() {
        assert!(line.partial && line.continued);
        rest.extend_from_slice(line.text);
    }
    assert_eq!(rest.last(), Some(&b'y'));
    assert_eq!(lines.next(), NextLine::End);
}

/// The monitor stays open for the next run, but what the process did not finish it never will.
#[test]
fn the_end_of_a_process_ends_its_last_line() {
    let monitor = monitor(Options::default());
    let mut child = Command::new("sh");
    let child = child.args(["-c", "read x; printf 'whole\\nlast words'"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    monitor.attach(Stream::Stdout, child.stdout.take().unwrap().into()).unwrap();
    monitor.watch(child.id()).unwrap();
    let mut lines = Lines::new(&monitor, Start::Oldest, 0).unwrap();
    let mut seen = Vec::new();
    drop(child.stdin.take());
    while seen.len() < 2 {
        match lines.next() {
            NextLine::Line(line) => seen.push((line.text.to_vec(), line.partial)),
            // For ever: the end itself must wake it.
            NextLine::Empty => assert_eq!(lines.wait(None), Wait::Ready),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, [(b"whole".to_vec(), false), (b"last words".to_vec(), true)]);
    assert_eq!(lines.next(), NextLine::Empty);
    assert!(!monitor.is_closed() && child.wait().unwrap().success());
    // Of what is only written nobody knows whether it is all.
    let written = Monitor::new("written", Options::default()).unwrap();
    written.write(Stream::Stdout, b"half").unwrap();
    assert_eq!(Lines::new(&written, Start::Oldest, 0).unwrap().next(), NextLine::Empty);
}

/// A process is started anew: the first line of the next one is not the end of the last line of the one before, whoever
/// looks when, here and where it is passed on to.
#[test]
fn the_output_of_the_next_process_goes_on_in_no_line() {
    let group = monitor(Options::default());
    let sink = Some(Sink::Monitor(Arc::clone(&group)));
    let web = monitor(Options { sink, ..Options::default() });
    let (reader, mut stderr) = std::io::pipe().unwrap();
    web.attach(Stream::Stderr, reader.into()).unwrap();
    stderr.write_all(b"warn").unwrap();
    for _ in 0..2 {
        let (reader, mut stdout) = std::io::pipe().unwrap();
        web.attach(Stream::Stdout, reader.into()).unwrap();
        stdout.write_all(b"begin\ncut").unwrap();
        drop(stdout);
        while web.stats().attached > 1 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let open = web.follow(Start::Oldest).unwrap();
    for monitor in [&web, &group] {
        let mut lines = Lines::new(monitor, Start::Oldest, 0).unwrap();
        let mut seen = Vec::new();
        while let NextLine::Line(line) = lines.next() {
            seen.push((text_of(line.text), line.partial, line.continued));
        }
        // The other stream has not ended.
        let run = [("begin".to_owned(), false, false), ("cut".to_owned(), true, false)];
        assert_eq!(seen, [run.clone(), run].concat());
        let mut last = Lines::new(monitor, Start::Lines(1), 0).unwrap();
        assert!(matches!(last.next(), NextLine::Line(line) if line.text == b"cut"));
    }
    stderr.write_all(b"ing\n").unwrap();
    let mut lines = Lines::new(&web, Start::Offset(open.offset()), 0).unwrap();
    loop {
        match lines.next() {
            NextLine::Line(line) if line.stream == Stream::Stderr => {
                assert_eq!((line.text, line.partial), (&b"warning"[..], false));
                break;
            }
            NextLine::Line(_) => {}
            NextLine::Empty => assert_eq!(lines.wait(None), Wait::Ready),
            other => panic!("{other:?}"),
        }
    }
    // After a stop, lines that are written in pieces are whole.
    web.stop();
    web.write(Stream::Stdout, b"new").unwrap();
    let mut lines = Lines::new(&web, Start::Oldest, 0).unwrap();
    assert_eq!(lines.next(), NextLine::Empty);
    web.write(Stream::Stdout, b" run\n").unwrap();
    let NextLine::Line(line) = lines.next() else { panic!() };
    assert_eq!((line.text, line.partial, line.continued), (&b"new run"[..], false, false));
}

#[test]
fn a_subscription_gets_history_and_live_output_without_a_seam() {
    let monitor = monitor(Options::default());
    monitor.write(Stream::Stdout, b"history ").unwrap();
    let (sender, receiver) = mpsc::channel();
    let subscription = monitor
        .subscribe(Start::Oldest, move |next| {
            let sent = match next {
                Next::Chunk(chunk) => sender.send((chunk.offset, chunk.data.to_vec())),
                Next::End => sender.send((u64::MAX, Vec::new())),
                other => panic!("{other:?}"),
            };
            sent.unwrap();
            ControlFlow::Continue(())
        })
        .unwrap();
    monitor.write(Stream::Stderr, b"live ").unwrap();
    monitor.write(Stream::Stdout, b"more").unwrap();
    assert_eq!(monitor.stats().subscribers, 1);
    monitor.close();
    let mut all = Vec::new();
    for (offset, data) in receiver {
        if offset != u64::MAX {
            assert_eq!(offset, all.len() as u64);
        }
        all.extend(data);
    }
    assert_eq!(all, b"history live more");
    drop(subscription);
    assert_eq!(monitor.stats().subscribers, 0);
    assert!(monitor.subscribe(Start::Offset(100), |_| ControlFlow::Continue(())).is_err());
}

#[test]
fn a_subscriber_that_stands_still_holds_up_nobody_and_is_told_what_it_missed() {
    let monitor = monitor(Options { capacity: 1000, ..Options::default() });
    let (go, wait) = mpsc::channel::<()>();
    let (sender, seen) = mpsc::channel();
    let slow = monitor
        .subscribe(Start::Now, move |next| {
            match next {
                Next::Chunk(chunk) => sender.send((chunk.data.len() as u64, 0)).unwrap(),
                Next::Gap { skipped, .. } => sender.send((0, skipped)).unwrap(),
                _ => {}
            }
            let _ = wait.recv();
            ControlFlow::Continue(())
        })
        .unwrap();
    for _ in 0..1000 {
        monitor.write(Stream::Stdout, &[b'z'; 100]).unwrap();
    }
    drop(go);
    monitor.close();
    let (bytes, skipped) = seen.iter().fold((0, 0), |(b, s), (bytes, gap)| (b + bytes, s + gap));
    assert_eq!(bytes + skipped, 100_000);
    assert!(skipped > 0);
    assert_eq!(monitor.stats().skipped, skipped);
    drop(slow);
}

#[test]
fn cancelling_inside_the_callback_is_its_last_run() {
    struct DropCounter(Arc<AtomicUsize>);
    impl Drop for DropCounter {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let monitor = monitor(Options::default());
    let slot = Arc::new(Mutex::new(None));
    let (runs, drops) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let guard = DropCounter(Arc::clone(&drops));
    let (sender, done) = mpsc::channel();
    let subscription = monitor.subscribe(Start::Now, {
        let (slot, runs) = (Arc::clone(&slot), Arc::clone(&runs));
        move |_| {
            let _guard = &guard;
            runs.fetch_add(1, Ordering::SeqCst);
            let mut own: flightring_monitor::Subscription = slot.lock().unwrap().take().unwrap();
            own.cancel();
            drop(own);
            sender.send(()).unwrap();
            ControlFlow::Continue(())
        }
    });
    *slot.lock().unwrap() = Some(subscription.unwrap());
    monitor.write(Stream::Stdout, b"a").unwrap();
    done.recv().unwrap();
    monitor.write(Stream::Stdout, b"b").unwrap();
    assert!(done.recv().is_err(), "dropped with the callback");
    while monitor.stats().subscribers > 0 {
        std::thread::yield_now();
    }
    assert_eq!((runs.load(Ordering::SeqCst), drops.load(Ordering::SeqCst)), (1, 1));
    // One that never gets anything is ended from outside.
    let mut idle = monitor.subscribe(Start::Now, |_| ControlFlow::Continue(())).unwrap();
    idle.cancel();
    assert!(idle.is_finished());
    // One that has had enough says so.
    let enough = monitor.subscribe(Start::Oldest, |_| ControlFlow::Break(())).unwrap();
    while !enough.is_finished() {
        std::thread::yield_now();
    }
}
