//! What monitors, hubs, sinks and subscriptions promise.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::time::Duration;

use flightring_monitor::{
    Hub, Level, Lines, Monitor, Next, NextLine, Options, ProcessState, Sink, Start, Stream,
    TimeFormat, WriteError,
};

mod following;

const SOON: Option<Duration> = Some(Duration::from_secs(20));

fn monitor(options: Options) -> Arc<Monitor> {
    Monitor::new("test", options).expect("a capacity that exists")
}

fn callback_sink(
    call: impl Fn(Stream, &[u8]) -> io::Result<()> + Send + Sync + 'static,
) -> Options {
    Options { sink: Some(Sink::Callback(Box::new(call))), ..Options::default() }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn text(monitor: &Monitor) -> String {
    String::from_utf8(monitor.snapshot().1).expect("text was written")
}

#[test]
fn memory_comes_with_the_first_byte_and_goes_with_stop() {
    let monitor = monitor(Options { capacity: 1000, ..Options::default() });
    monitor.write(Stream::Stdout, b"").unwrap();
    assert_eq!(monitor.stats().allocated, 0);
    monitor.write(Stream::Stdout, b"one\n").unwrap();
    assert!(monitor.stats().allocated >= 1000);
    monitor.stop();
    let stats = monitor.stats();
    assert_eq!((stats.allocated, stats.total, stats.oldest), (0, 4, 4));
    assert_eq!(stats.process, ProcessState::Stopped);
    monitor.write(Stream::Stdout, b"two\n").unwrap();
    assert_eq!(monitor.snapshot(), (4, b"two\n".to_vec()));
    assert_eq!(monitor.stats().lines, 2);
}

#[test]
fn the_sink_comes_first_and_what_it_refuses_is_not_kept() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let monitor = monitor(callback_sink({
        let seen = Arc::clone(&seen);
        move |stream, data| {
            if data.starts_with(b"bad") {
                return Err(io::Error::other("no"));
            }
            seen.lock().unwrap().push((stream, data.to_vec()));
            Ok(())
        }
    }));
    monitor.write(Stream::Stderr, b"good\n").unwrap();
    monitor.write(Stream::Stderr, b"").unwrap();
    let error = monitor.write(Stream::Stdout, b"bad\n").unwrap_err();
    assert_eq!(error.to_string(), "the sink failed, so nothing was kept: no");
    assert_eq!(text(&monitor), "good\n");
    assert_eq!(*seen.lock().unwrap(), [(Stream::Stderr, b"good\n".to_vec())]);
    monitor.close();
    assert!(monitor.write(Stream::Stdout, b"late").unwrap_err().is_closed());
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[test]
fn a_chain_passes_on_upwards_and_a_failure_above_keeps_nothing_below() {
    let fail = Arc::new(AtomicUsize::new(0));
    let all = monitor(callback_sink({
        let fail = Arc::clone(&fail);
        move |_, _| match fail.load(Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }));
    let chained = |above: &Arc<Monitor>| {
        monitor(Options { sink: Some(Sink::Monitor(Arc::clone(above))), ..Options::default() })
    };
    let group = chained(&all);
    let (a, b) = (chained(&group), chained(&group));
    a.write(Stream::Stdout, b"from a\n").unwrap();
    b.write(Stream::Stderr, b"from b\n").unwrap();
    fail.store(1, Ordering::Relaxed);
    assert!(matches!(a.write(Stream::Stdout, b"lost\n"), Err(WriteError::Sink(_))));
    assert_eq!((text(&a), text(&b)), ("from a\n".to_owned(), "from b\n".to_owned()));
    assert_eq!((text(&group), text(&all)), ("from a\nfrom b\n".to_owned(), text(&group)));
}

#[test]
fn a_sink_that_writes_to_its_own_monitor_gets_an_error() {
    let slot: Arc<Mutex<Option<Arc<Monitor>>>> = Arc::default();
    let errors = Arc::new(Mutex::new(Vec::new()));
    let monitor = monitor(callback_sink({
        let (slot, errors) = (Arc::clone(&slot), Arc::clone(&errors));
        move |_, _| {
            let own = slot.lock().unwrap().clone().unwrap();
            errors.lock().unwrap().push(own.write(Stream::Log, b"again").unwrap_err().to_string());
            Ok(())
        }
    }));
    *slot.lock().unwrap() = Some(Arc::clone(&monitor));
    monitor.write(Stream::Stdout, b"x").unwrap();
    assert!(errors.lock().unwrap()[0].contains("its own monitor"));
    assert_eq!(text(&monitor), "x");
    *slot.lock().unwrap() = None;
}

#[test]
fn a_descriptor_as_sink_gets_the_bytes_untouched() {
    let (mut reader, writer) = io::pipe().unwrap();
    let monitor = monitor(Options { sink: Some(Sink::Fd(writer.into())), ..Options::default() });
    monitor.write(Stream::Stdout, b"\x1b[1m\xff\n").unwrap();
    drop(monitor);
    let mut all = Vec::new();
    reader.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"\x1b[1m\xff\n");
}

#[test]
fn own_lines_have_level_prefix_and_time() {
    let plain = monitor(Options::default());
    assert!(!plain.log(Level::Debug, "hidden").unwrap());
    assert!(plain.log(Level::Info, format_args!("{} + {}", 1, 1)).unwrap());
    plain.set_level(Level::Error);
    assert!(!plain.log(Level::Warn, "hidden").unwrap());
    plain.log(Level::Error, "shown").unwrap();
    plain.log(Level::Error, "no empty line\n").unwrap();
    assert_eq!(text(&plain), "[INFO] 1 + 1\n[ERROR] shown\n[ERROR] no empty line\n");
    assert_eq!(plain.stats().stream_totals[2], plain.total());

    let full = monitor(Options {
        prefix: "proxy".to_owned(),
        level: Level::Debug,
        time_format: TimeFormat::from_name("RFC3339"),
        ..Options::default()
    });
    full.log(Level::Debug, "x").unwrap();
    let line = text(&full);
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(time.len() >= 20 && time.as_bytes()[10] == b'T', "{time}");
    assert_eq!(rest, "[proxy] [DEBUG] x\n");
}

#[test]
fn a_hub_opens_finds_lists_and_removes_by_name() {
    let hub = Hub::new();
    let b = hub.open("b/with/slashes", Options::default()).unwrap();
    let a = hub.open("a", Options { capacity: 10, ..Options::default() }).unwrap();
    assert!(Arc::ptr_eq(&a, &hub.open("a", Options::default()).unwrap()));
    assert!(hub.open("huge", Options { capacity: usize::MAX, ..Options::default() }).is_err());
    let names: Vec<_> = hub.list().iter().map(|monitor| monitor.name().to_owned()).collect();
    assert_eq!(names, ["a", "b/with/slashes"]);
    assert!(Arc::ptr_eq(&b, &hub.get("b/with/slashes").unwrap()));
    a.write(Stream::Stdout, b"last words").unwrap();
    let mut follower = a.follow(Start::Oldest).unwrap();
    hub.remove("a").unwrap();
    assert!(hub.remove("a").is_none() && hub.get("a").is_none());
    assert!(
        matches!(follower.next(&mut [0; 64]), Next::Chunk(chunk) if chunk.data == b"last words")
    );
    assert_eq!(follower.next(&mut [0; 64]), Next::End);
    drop(hub);
    assert!(b.is_closed());
}

#[test]
fn everything_a_child_writes_is_there_before_its_end_is_noted() {
    let hub = Hub::new();
    let monitor = hub.open("child", Options::default()).unwrap();
    let script = "printf out1; printf err1 >&2; printf out2; exit 7";
    let mut child = Command::new("sh")
        .args(["-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    monitor.watch(child.id()).unwrap();
    monitor.attach(Stream::Stdout, OwnedFd::from(child.stdout.take().unwrap())).unwrap();
    monitor.attach(Stream::Stderr, OwnedFd::from(child.stderr.take().unwrap())).unwrap();
    assert!(monitor.wait_finished(SOON));
    assert_eq!(monitor.process(), ProcessState::Exited { code: 7 });
    assert_eq!(child.wait().unwrap().code(), Some(7));
    let mut dst = [0; 64];
    let read = monitor.read_stream(Stream::Stdout, 0, &mut dst).unwrap();
    assert_eq!(&dst[..read.len], b"out1out2");
    let read = monitor.read_stream(Stream::Stderr, 0, &mut dst).unwrap();
    assert_eq!(&dst[..read.len], b"err1");
    assert_eq!(monitor.stats().attached, 0);
}

#[test]
fn a_killed_child_is_noted_and_its_monitor_can_serve_the_next() {
    let hub = Hub::new();
    let monitor = hub.open("child", Options::default()).unwrap();
    for round in 0..3 {
        let mut child = Command::new("sh")
            .args(["-c", "echo up; exec sleep 1000"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = Lines::new(&monitor, Start::Now, 0).unwrap();
        monitor.attach(Stream::Stdout, child.stdout.take().unwrap().into()).unwrap();
        monitor.watch(child.id()).unwrap();
        assert_eq!(monitor.process(), ProcessState::Running { pid: child.id() });
        lines.wait(SOON);
        assert!(matches!(lines.next(), NextLine::Line(line) if line.text == b"up"));
        child.kill().unwrap();
        assert!(monitor.wait_finished(SOON));
        assert_eq!(monitor.process(), ProcessState::Killed { signal: 9 });
        child.wait().unwrap();
        monitor.stop();
        assert_eq!(monitor.oldest(), 3 * (round + 1));
    }
}

#[test]
fn stop_detaches_and_nothing_comes_any_more() {
    let monitor = monitor(Options::default());
    let (reader, mut writer) = io::pipe().unwrap();
    monitor.attach(Stream::Stdout, reader.into()).unwrap();
    writer.write_all(b"before").unwrap();
    let follower = monitor.follow(Start::Now).unwrap();
    while monitor.total() < 6 {
        follower.wait(Some(Duration::from_millis(10)));
    }
    monitor.stop();
    // A process that another test is starting has a copy of the reader until it runs its program.
    let refused = loop {
        match writer.write_all(b"after") {
            Ok(()) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!((monitor.total(), monitor.stats().attached), (6, 0));
}

#[test]
fn what_a_broken_sink_refuses_is_counted_and_the_child_goes_on() {
    let monitor = monitor(callback_sink(|_, _| Err(io::ErrorKind::BrokenPipe.into())));
    let (reader, mut writer) = io::pipe().unwrap();
    monitor.attach(Stream::Stdout, reader.into()).unwrap();
    writer.write_all(&[0; 300_000]).unwrap();
    drop(writer);
    assert!(monitor.wait_finished(SOON));
    assert_eq!((monitor.stats().refused, monitor.total()), (300_000, 0));
}

/// A sink that takes nothing throttles the processes that write to it, and nobody else's.
#[test]
fn a_sink_that_stands_still_holds_up_its_own_processes_only() {
    let hub = Hub::new();
    let (release, released) = mpsc::channel::<()>();
    let (entered, inside) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let group = hub
        .open(
            "group",
            callback_sink(move |_, _| {
                entered.send(()).unwrap();
                // Closed at the end: then every call returns at once.
                let _ = released.lock().unwrap().recv();
                Ok(())
            }),
        )
        .unwrap();
    let sink = Some(Sink::Monitor(Arc::clone(&group)));
    let stuck = hub.open("stuck", Options { sink, ..Options::default() }).unwrap();
    let (free, free_too) = (
        hub.open("free", Options::default()).unwrap(),
        hub.open("free too", callback_sink(|_, _| Ok(()))).unwrap(),
    );
    let mut pipes = Vec::new();
    for monitor in [&stuck, &free, &free_too] {
        let (reader, writer) = io::pipe().unwrap();
        monitor.attach(Stream::Stdout, reader.into()).unwrap();
        pipes.push(writer);
    }
    pipes[0].write_all(b"one").unwrap();
    inside.recv_timeout(SOON.unwrap()).unwrap();
    for (pipe, monitor) in pipes[1..].iter_mut().zip([&free, &free_too]) {
        pipe.write_all(&[b'x'; 300_000]).unwrap();
        monitor.follow(Start::Offset(0)).unwrap().wait(SOON);
        assert!(monitor.total() > 0);
    }
    pipes[0].write_all(b" two").unwrap();
    assert_eq!((stuck.total(), group.total()), (0, 0));
    drop(release);
    drop(pipes);
    for monitor in [&stuck, &free, &free_too] {
        assert!(monitor.wait_finished(SOON));
    }
    assert_eq!((text(&stuck), text(&group)), ("one two".into(), "one two".into()));
    assert_eq!((free.total(), free_too.total()), (300_000, 300_000));
}

#[test]
fn who_looks_at_a_hub_is_told_when_monitors_come_and_go() {
    struct Count(AtomicUsize);
    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let called = || count.0.load(Ordering::SeqCst);
    let waker = std::task::Waker::from(Arc::clone(&count));
    let hub = Hub::new();
    assert_eq!(hub.poll_changes(u64::MAX, &waker), Poll::Ready(0));
    assert_eq!(hub.poll_changes(0, &waker), Poll::Pending);
    hub.open("a", Options::default()).unwrap();
    assert_eq!((called(), hub.poll_changes(0, &waker)), (1, Poll::Ready(1)));
    hub.open("a", Options::default()).unwrap();
    assert_eq!(hub.poll_changes(1, &waker), Poll::Pending);
    assert!(hub.remove("a").is_some() && hub.remove("a").is_none());
    assert_eq!((called(), hub.poll_changes(1, &waker)), (2, Poll::Ready(2)));
    assert_eq!(hub.poll_changes(2, &waker), Poll::Pending);
    hub.forget(&waker);
    hub.open("a", Options::default()).unwrap();
    assert_eq!(called(), 2);
}

#[test]
fn what_cannot_be_waited_for_is_refused() {
    let monitor = monitor(Options::default());
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let error = monitor.attach(Stream::Stdout, file.into()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(monitor.watch(u32::MAX).is_err());
    monitor.close();
    let (reader, _writer) = io::pipe().unwrap();
    assert!(monitor.attach(Stream::Stdout, reader.into()).is_err());
}

/// The last reference may go away inside the thread that reads the descriptors.
#[test]
fn a_monitor_may_be_dropped_and_stopped_inside_its_own_sink() {
    let slot: Arc<Mutex<Option<Arc<Monitor>>>> = Arc::default();
    let (sender, done) = mpsc::channel();
    let monitor = monitor(callback_sink({
        let slot = Arc::clone(&slot);
        move |_, _| {
            let own = slot.lock().unwrap().take();
            if let Some(own) = own {
                own.close();
                sender.send(own.stats().attached).unwrap();
            }
            Ok(())
        }
    }));
    let (reader, mut writer) = io::pipe().unwrap();
    monitor.attach(Stream::Stdout, reader.into()).unwrap();
    *slot.lock().unwrap() = Some(monitor);
    writer.write_all(b"x").unwrap();
    assert_eq!(done.recv_timeout(SOON.unwrap()), Ok(0));
}

#[test]
fn flushing_delivers_what_is_no_whole_line_yet() {
    let monitor = monitor(Options::default());
    monitor.write(Stream::Stdout, b"done\nname? ").unwrap();
    let mut lines = Lines::new(&monitor, Start::Oldest, 0).unwrap();
    let mut next = |flush: bool| {
        if flush {
            lines.flush();
        }
        match lines.next() {
            NextLine::Line(line) => Some((
                String::from_utf8_lossy(line.text).into_owned(),
                line.partial,
                line.continued,
            )),
            _ => None,
        }
    };
    assert_eq!(next(false), Some(("done".into(), false, false)));
    assert_eq!(next(false), None);
    assert_eq!(next(true), Some(("name? ".into(), true, false)));
    assert_eq!(next(true), None);
    monitor.write(Stream::Stdout, b"me\n").unwrap();
    assert_eq!(next(true), Some(("me".into(), false, true)));
    assert_eq!(next(false), None);
}

#[test]
fn a_monitor_knows_the_one_that_it_passes_its_output_on_to() {
    let all = monitor(Options::default());
    let sink = Some(Sink::Monitor(Arc::clone(&all)));
    let one = Monitor::new("one", Options { sink, ..Options::default() }).unwrap();
    assert!(one.passes_to().is_some_and(|to| Arc::ptr_eq(to, &all)));
    assert!(all.passes_to().is_none());
}

#[test]
fn terminals_and_sockets_are_read_like_pipes() {
    use std::os::fd::FromRawFd;
    let monitor = monitor(Options::default());
    let (mut master, mut slave) = (-1, -1);
    let null = std::ptr::null_mut();
    // SAFETY: both numbers are written, nothing else is asked for.
    let opened = unsafe { libc::openpty(&mut master, &mut slave, null, null.cast(), null.cast()) };
    assert_eq!(opened, 0);
    // SAFETY: the two were just opened, and belong to nobody else.
    let [master, slave] = [master, slave].map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    monitor.attach(Stream::Stdout, master).unwrap();
    let mut child = Command::new("sh")
        .args(["-c", "test -t 1 && echo terminal"])
        .stdout(Stdio::from(slave))
        .spawn()
        .unwrap();
    assert!(child.wait().unwrap().success());
    // That the other side is gone is an error for a terminal, and an end here.
    assert!(monitor.wait_finished(SOON));
    assert_eq!(text(&monitor), "terminal\r\n");

    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    monitor.attach(Stream::Stderr, ours.into()).unwrap();
    theirs.write_all(b"socket\n").unwrap();
    drop(theirs);
    assert!(monitor.wait_finished(SOON));
    assert_eq!(text(&monitor), "terminal\r\nsocket\n");
}
