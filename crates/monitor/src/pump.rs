use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle, ThreadId};

use parking_lot::Mutex;
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

use crate::monitor::Monitor;
use crate::process::ProcessState;
use crate::stream::Stream;
use crate::threads;

/// The most that one descriptor may deliver before the others have their turn.
const PIECE: usize = 1 << 16;
const STACK: usize = 1 << 18;
/// The epoll key of the descriptor that ends the thread.
const STOP: u64 = 0;

/// One thread that reads any number of descriptors into monitors. It starts with the first of them and ends with
/// the pump. A hub has one, and so has every sink that may be slow.
#[derive(Default)]
pub(crate) struct Pump {
    running: Mutex<Option<Running>>,
}

/// The pumps that a hub's monitors have in common.
#[derive(Debug, Default)]
pub(crate) struct Pumps {
    /// Of those whose output ends nowhere that may be slow.
    pub(crate) plain: Arc<Pump>,
    /// Of those whose output ends in this process's own: all of them wait for the same reader.
    pub(crate) stdout: Arc<Pump>,
    pub(crate) stderr: Arc<Pump>,
}

struct Running {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

struct Shared {
    epoll: OwnedFd,
    stop: OwnedFd,
    sources: Mutex<HashMap<u64, Arc<Source>>>,
    last_key: AtomicU64,
}

/// A descriptor that is read into a monitor, or the process whose end is waited for.
pub(crate) struct Source {
    key: u64,
    monitor: Weak<Monitor>,
    kind: Kind,
    detached: AtomicBool,
    /// Held by the pump while it reads and passes on what it read, so that nothing more comes from a descriptor that was
    /// taken out. Empty when it ended.
    fd: Mutex<Option<OwnedFd>>,
    pump: ThreadId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Output(Stream),
    /// A pidfd; or a pipe that ends with the process of this id.
    Process(Option<Pid>),
}

/// What a descriptor's turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Read,
    Idle,
    Ended,
}

impl Pump {
    fn add(&self, monitor: &Arc<Monitor>, fd: OwnedFd, kind: Kind) -> io::Result<()> {
        let mut running = self.running.lock();
        let Running { shared, thread } = match &mut *running {
            Some(running) => running,
            none => none.insert(Running::start()?),
        };
        let key = shared.last_key.fetch_add(1, Ordering::Relaxed) + 1;
        let mut attached = monitor.sources.lock();
        // The pump finds in the table whatever it is told about.
        let mut table = shared.sources.lock();
        epoll::add(&shared.epoll, &fd, epoll::EventData::new_u64(key), epoll::EventFlags::IN)?;
        let source = Arc::new(Source {
            key,
            monitor: Arc::downgrade(monitor),
            kind,
            detached: AtomicBool::new(false),
            fd: Mutex::new(Some(fd)),
            pump: thread.thread().id(),
        });
        table.insert(key, Arc::clone(&source));
        attached.push(source);
        Ok(())
    }

    fn remove(&self, key: u64) {
        if let Some(running) = &*self.running.lock() {
            running.shared.sources.lock().remove(&key);
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        let Some(Running { shared, thread }) = self.running.get_mut().take() else { return };
        // It cannot fail: the counter is far from full.
        let _ = rustix::io::write(&shared.stop, &1_u64.to_ne_bytes());
        // The last monitor may have been dropped by the pump itself.
        if thread.thread().id() != thread::current().id() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Pump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = self.running.lock();
        let sources = running.as_ref().map(|running| running.shared.sources.lock().len());
        f.debug_struct("Pump").field("sources", &sources).finish()
    }
}

impl Running {
    fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            stop: eventfd(0, EventfdFlags::CLOEXEC)?,
            sources: Mutex::default(),
            last_key: AtomicU64::new(STOP),
        });
        let key = epoll::EventData::new_u64(STOP);
        epoll::add(&shared.epoll, &shared.stop, key, epoll::EventFlags::IN)?;
        let thread = threads::spawn("flr-pump", STACK, {
            let shared = Arc::clone(&shared);
            move || shared.run()
        })?;
        Ok(Self { shared, thread })
    }
}

impl Shared {
    fn run(&self) {
        let mut buffer = Vec::with_capacity(PIECE);
        let mut events = Vec::with_capacity(64);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            for event in &events {
                let data = event.data;
                if data.u64() == STOP {
                    return;
                }
                let source = self.sources.lock().get(&data.u64()).cloned();
                if let Some(source) = source
                    && source.turn(&mut buffer) == Turn::Ended
                {
                    self.sources.lock().remove(&source.key);
                }
            }
        }
    }
}

impl Source {
    fn turn(&self, buffer: &mut Vec<u8>) -> Turn {
        let mut fd = self.fd.lock();
        let Some(monitor) = self.monitor.upgrade() else { return Turn::Ended };
        let turn = match (&*fd, self.kind) {
            (None, _) => return Turn::Ended,
            (Some(fd), Kind::Output(stream)) => pass_on(&monitor, stream, fd.as_fd(), buffer),
            (Some(fd), Kind::Process(pid)) => {
                // What it wrote before its end comes first.
                monitor.drain(buffer);
                monitor.set_process(status_of(pid.map_or(WaitId::PidFd(fd.as_fd()), WaitId::Pid)));
                Turn::Ended
            }
        };
        if turn == Turn::Ended || self.detached.load(Ordering::Relaxed) {
            *fd = None;
            drop(fd);
            monitor.source_ended(self, turn);
            return Turn::Ended;
        }
        turn
    }

    /// When this returns, nothing more is read from the descriptor, unless the pump itself calls it while it passes on
    /// what it read: then that is the last.
    fn detach(&self) {
        self.detached.store(true, Ordering::Relaxed);
        if thread::current().id() == self.pump {
            // Only the descriptor at work cannot be locked; its turn ends it.
            if let Some(mut fd) = self.fd.try_lock() {
                *fd = None;
            }
        } else {
            *self.fd.lock() = None;
        }
    }
}

/// Reads once and writes what came.
fn pass_on(monitor: &Monitor, stream: Stream, fd: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Turn {
    buffer.clear();
    match rustix::io::read(fd, spare_capacity(buffer)) {
        // A terminal says with EIO that its other side is gone.
        Ok(0) | Err(Errno::IO) => Turn::Ended,
        Ok(read) => match monitor.write(stream, buffer) {
            Ok(_) => Turn::Read,
            Err(error) if error.is_closed() => Turn::Ended,
            Err(_) => {
                // The process must not stand still because a sink is broken.
                monitor.refused.fetch_add(read as u64, Ordering::Relaxed);
                Turn::Read
            }
        },
        Err(Errno::AGAIN | Errno::INTR) => Turn::Idle,
        Err(error) => {
            let message = format_args!("reading {} failed: {error}", stream.name());
            let _ = monitor.log(crate::Level::Error, message);
            Turn::Ended
        }
    }
}

/// How the process ended, without collecting it: that is its parent's business.
fn status_of(process: WaitId<'_>) -> ProcessState {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(process, options) {
        Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => ProcessState::Exited { code },
            (None, Some(signal)) => ProcessState::Killed { signal },
            (None, None) => ProcessState::Gone,
        },
        Ok(None) | Err(_) => ProcessState::Gone,
    }
}

/// A pipe that ends with the process, which is not collected.
fn wait_in_thread(process: Pid) -> io::Result<OwnedFd> {
    let (reader, writer) = io::pipe()?;
    threads::spawn("flr-waiter", STACK, move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(Errno::INTR) = waitid(WaitId::Pid(process), options) {}
        drop(writer);
    })?;
    Ok(reader.into())
}

impl Monitor {
    /// Reads `fd` into the monitor from now on, in a thread of the hub: any pipe, terminal or socket. It is made non-blocking,
    /// and closed when it ends or is detached by [`stop`](Self::stop) or [`close`](Self::close). The end of a descriptor
    /// is no event of the monitor's; see [`Stats::attached`](crate::Stats::attached). What the last descriptor of a stream
    /// leaves without a line feed is a line of its own.
    ///
    /// However slow followers are, the writing side is never held up; a [sink](crate::Sink) is waited for, by this monitor's
    /// processes alone.
    pub fn attach(self: &Arc<Self>, stream: Stream, fd: OwnedFd) -> io::Result<()> {
        if self.is_closed() {
            return Err(io::Error::other("the monitor is closed; open another one"));
        }
        rustix::io::ioctl_fionbio(&fd, true)?;
        self.pump.add(self, fd, Kind::Output(stream)).map_err(|error| {
            match Errno::from_io_error(&error) {
                Some(Errno::PERM) => io::Error::new(
                    io::ErrorKind::Unsupported,
                    "a file of this kind, such as a regular file, cannot be waited for; attach a pipe, terminal or socket",
                ),
                _ => error,
            }
        })
    }

    /// Notes when and how the process ends, which must be a child of this one for its status to be known. It is not
    /// collected: call `wait` as ever. Output that it wrote before its end is in the monitor before its end is noted.
    pub fn watch(self: &Arc<Self>, pid: u32) -> io::Result<()> {
        let id = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let id = id.ok_or_else(|| io::Error::other(format!("{pid} is no process id")))?;
        let (fd, kind) = match pidfd_open(id, PidfdFlags::empty()) {
            Ok(fd) => (fd, Kind::Process(None)),
            // Linux before 5.3, or forbidden: a thread waits instead.
            Err(Errno::NOSYS | Errno::PERM) => (wait_in_thread(id)?, Kind::Process(Some(id))),
            Err(error) => return Err(error.into()),
        };
        self.set_process(ProcessState::Running { pid });
        self.pump.add(self, fd, kind)
    }

    /// How many attached descriptors have not ended.
    pub(crate) fn attached(&self) -> usize {
        let sources = self.sources.lock();
        sources.iter().filter(|source| matches!(source.kind, Kind::Output(_))).count()
    }

    /// Reads what is there from all descriptors.
    fn drain(&self, buffer: &mut Vec<u8>) {
        let sources = self.sources.lock().clone();
        for source in sources.iter().filter(|source| matches!(source.kind, Kind::Output(_))) {
            // A descendant that goes on writing must not keep us here for ever.
            for _ in 0..64 {
                match source.turn(buffer) {
                    Turn::Read => {}
                    Turn::Idle => break,
                    Turn::Ended => {
                        self.pump.remove(source.key);
                        break;
                    }
                }
            }
        }
    }

    pub(crate) fn detach_all(&self) {
        let sources = std::mem::take(&mut *self.sources.lock());
        for source in sources {
            source.detach();
            self.pump.remove(source.key);
        }
        self.notify_process();
    }

    /// Whether a descriptor of `stream` is attached.
    pub(crate) fn has_attached(&self, stream: Stream) -> bool {
        self.sources.lock().iter().any(|source| source.kind == Kind::Output(stream))
    }

    fn source_ended(&self, ended: &Source, turn: Turn) {
        if let (Kind::Output(stream), Turn::Ended) = (ended.kind, turn) {
            let sources = self.sources.lock();
            let mut others = sources.iter().filter(|source| source.key != ended.key);
            let is_last = !others.any(|source| source.kind == ended.kind);
            drop(sources);
            if is_last {
                self.end_stream(stream);
            }
        }
        self.sources.lock().retain(|source| source.key != ended.key);
        self.notify_process();
    }
}
