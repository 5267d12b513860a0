//! A logger's numbers, told to callbacks and to other processes.

#![allow(clippy::unwrap_used, reason = "tests may stop where they stand")]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use flightring_logger::{
    CloseError, FlushError, Logger, LoggerSet, Options, RotateError, SetOptions, Stats, WatchError,
    published,
};

const SOON: Duration = Duration::from_secs(60);
const OFTEN: Duration = Duration::from_millis(1);
const NEVER: Duration = Duration::from_secs(100_000);

/// Adds one when it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn open(folder: &Path) -> Logger {
    Logger::open(&Options::new(folder.join("x.log"))).unwrap()
}

#[test]
fn a_watch_is_told_now_and_then_and_in_the_end_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let logger = open(folder.path());
    let (tell, told) = mpsc::channel::<Stats>();
    let dropped = Arc::new(AtomicUsize::new(0));
    let counted = Counted(Arc::clone(&dropped));
    let watch = logger.watch(OFTEN, move |stats| {
        let _ = &counted;
        tell.send(stats.clone()).unwrap();
    });
    let watch = watch.unwrap();
    for _ in 0..3 {
        told.recv_timeout(SOON).unwrap();
    }
    logger.write(b"one").unwrap();
    while told.recv_timeout(SOON).unwrap().accepted == 0 {}
    logger.close().unwrap();
    let last = told.iter().last().unwrap();
    assert_eq!((last.accepted, last.written, last.in_memory), (1, 1, 0));
    assert_eq!(dropped.load(Ordering::SeqCst), 1, "dropped by closing");
    drop(watch);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    let late = Counted(Arc::clone(&dropped));
    let refused = logger.watch(OFTEN, move |_| {
        let _ = &late;
    });
    assert_eq!(refused.unwrap_err(), WatchError::Closed);
    assert_eq!(dropped.load(Ordering::SeqCst), 2, "dropped when it is refused");
}

#[test]
fn a_watch_of_long_period_is_told_the_final_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let logger = open(folder.path());
    let (tell, told) = mpsc::channel();
    logger.watch(NEVER, move |stats| tell.send(stats.accepted).unwrap()).unwrap().detach();
    logger.write(b"one").unwrap();
    logger.close().unwrap();
    assert_eq!(told.iter().collect::<Vec<_>>(), [1]);
}

#[test]
fn a_watch_that_was_ended_is_never_told_again() {
    let folder = tempfile::tempdir().unwrap();
    let logger = open(folder.path());
    let dropped = Arc::new(AtomicUsize::new(0));
    for _ in 0..200 {
        let ended = Arc::new(Mutex::new(false));
        let seen = Arc::clone(&ended);
        let counted = Counted(Arc::clone(&dropped));
        let watch = logger.watch(OFTEN, move |_| {
            let _ = &counted;
            assert!(!*seen.lock().unwrap(), "told after it was ended");
        });
        drop(watch.unwrap());
        *ended.lock().unwrap() = true;
    }
    assert_eq!(dropped.load(Ordering::SeqCst), 200);
    logger.close().unwrap();
}

#[test]
fn a_watch_ends_itself() {
    let folder = tempfile::tempdir().unwrap();
    let logger = open(folder.path());
    let own = Arc::new(Mutex::new(None));
    let (mine, calls) = (Arc::clone(&own), Arc::new(AtomicUsize::new(0)));
    let (count, (tell, told)) = (Arc::clone(&calls), mpsc::channel::<()>());
    let watch = logger.watch(OFTEN, move |_| {
        let _ = &tell;
        if let Some(watch) = mine.lock().unwrap().take() {
            count.fetch_add(1, Ordering::SeqCst);
            drop::<flightring_logger::Watch>(watch);
        }
    });
    *own.lock().unwrap() = Some(watch.unwrap());
    // The sender is gone once the callback is.
    assert_eq!(told.recv_timeout(SOON), Err(mpsc::RecvTimeoutError::Disconnected));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    logger.close().unwrap();
}

#[test]
fn a_watch_that_panics_is_ended_and_the_log_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let logger = open(folder.path());
    let (tell, told) = mpsc::channel::<()>();
    let watch = logger.watch(OFTEN, move |_| {
        let _ = &tell;
        panic!("as the test wants it");
    });
    assert_eq!(told.recv_timeout(SOON), Err(mpsc::RecvTimeoutError::Disconnected));
    drop(watch);
    logger.write(b"on").unwrap();
    logger.flush(SOON).unwrap();
    logger.close().unwrap();
    assert_eq!(support::records(&folder.path().join("x.log")), [b"on"]);
}

#[test]
fn what_would_wait_for_the_watch_is_refused_inside_it() {
    let folder = tempfile::tempdir().unwrap();
    let logger = Arc::new(open(folder.path()));
    let (inner, (tell, told)) = (Arc::clone(&logger), mpsc::channel());
    let watch = logger.watch(OFTEN, move |_| {
        inner.write(b"from inside").unwrap();
        let answers = (inner.flush(SOON), inner.rotate(), inner.close());
        let _ = tell.send((answers, inner.stats().accepted));
    });
    let (answers, accepted) = told.recv_timeout(SOON).unwrap();
    let refused =
        (Err(FlushError::TimedOut), Err(RotateError::Closed), Err(CloseError::InCallback));
    assert_eq!(answers, refused);
    assert_eq!(accepted, 1);
    drop(watch);
    logger.close().unwrap();
    assert!(logger.stats().written >= 1);
}

#[test]
fn the_last_handle_may_go_inside_a_watch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.log");
    let place = Arc::new(Mutex::new(None::<Logger>));
    let logger = open(folder.path());
    logger.write(b"kept").unwrap();
    let (inside, (tell, told)) = (Arc::clone(&place), mpsc::channel::<()>());
    let watch = logger.watch(OFTEN, move |_| {
        let _ = &tell;
        drop(inside.lock().unwrap().take());
    });
    watch.unwrap().detach();
    *place.lock().unwrap() = Some(logger);
    // The logger is finished when its callbacks are gone.
    assert_eq!(told.recv_timeout(SOON), Err(mpsc::RecvTimeoutError::Disconnected));
    assert_eq!(support::records(&path), [b"kept"]);
}

#[test]
fn a_set_is_not_closed_inside_a_watch_of_its_logs() {
    let folder = tempfile::tempdir().unwrap();
    let set = Arc::new(LoggerSet::open(&SetOptions::new(folder.path())).unwrap());
    let (a, b) = (set.get("a").unwrap(), set.get("b").unwrap());
    let (inner, (tell, told)) = (Arc::downgrade(&set), mpsc::channel());
    let watch = a.watch(OFTEN, move |_| {
        let of_set = inner.upgrade().map(|set| set.close());
        let _ = tell.send((of_set, b.close()));
    });
    let (of_set, of_other) = told.recv_timeout(SOON).unwrap();
    assert_eq!(of_set, Some(Err((String::new(), CloseError::InCallback))));
    assert_eq!(of_other, Err(CloseError::InCallback), "it has the same flusher");
    drop(watch);
    set.close().unwrap();
}

/// What is published about this log, by this process or another.
fn found(path: &Path) -> Vec<String> {
    let name = format!("\"path\":\"{}\"", path.canonicalize().unwrap().display());
    let all = published("/dev/shm").unwrap();
    all.into_iter().map(|one| one.json).filter(|json| json.contains(&name)).collect()
}

#[test]
fn numbers_are_published_while_the_logger_lives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.log");
    let logger = open(folder.path());
    assert_eq!(found(&path).len(), 1);
    assert!(found(&path)[0].contains(&format!("\"pid\":{},", std::process::id())));
    logger.write(b"one").unwrap();
    while !found(&path)[0].contains("\"accepted\":1,") {
        std::thread::sleep(Duration::from_millis(5));
    }
    logger.close().unwrap();
    assert_eq!(found(&path), [""; 0]);
    assert!(logger.open_report().not_published.is_none());
}

#[test]
fn nothing_is_published_where_it_is_not_wanted_or_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.log");
    let off = Options { stats_folder: None, ..Options::new(&path) };
    let logger = Logger::open(&off).unwrap();
    assert_eq!(found(&path), [""; 0]);
    drop(logger);
    let missing = Options { stats_folder: Some("/nowhere".into()), ..Options::new(&path) };
    let logger = Logger::open(&missing).unwrap();
    let why = logger.open_report().not_published.as_ref().unwrap();
    assert_eq!(why.kind(), std::io::ErrorKind::NotFound);
    logger.write(b"all the same").unwrap();
    logger.close().unwrap();
}

/// Not a test of its own: what the next one starts in another process, and kills.
#[test]
fn child() {
    let Some(folder) = std::env::var_os("FLR_TEST_FOLDER") else { return };
    let folder = Path::new(&folder);
    let options =
        Options { stats_folder: Some(folder.into()), ..Options::new(folder.join("x.log")) };
    let logger = Logger::open(&options).unwrap();
    logger.write(b"one").unwrap();
    std::fs::write(folder.join("ready"), "").unwrap();
    std::thread::sleep(NEVER);
}

#[test]
fn the_numbers_of_the_dead_are_passed_over_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env("FLR_TEST_FOLDER", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !folder.path().join("ready").exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let live = published(folder.path()).unwrap();
    assert_eq!(live.iter().map(|one| one.pid).collect::<Vec<_>>(), [child.id()]);
    let published_file = || {
        let mut entries = std::fs::read_dir(folder.path()).unwrap().flatten();
        entries.any(|entry| entry.file_name().to_string_lossy().starts_with("flightring-stats-"))
    };
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(published_file(), "a killed process leaves it");
    assert_eq!(published(folder.path()).unwrap(), []);
    // The first logger of a process tidies up.
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env("FLR_TEST_FOLDER", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while published(folder.path()).unwrap().is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let files = std::fs::read_dir(folder.path()).unwrap().flatten();
    let left = files.filter(|e| e.file_name().to_string_lossy().starts_with("flightring-stats-"));
    assert_eq!(left.count(), 1);
    other.kill().unwrap();
    other.wait().unwrap();
}
