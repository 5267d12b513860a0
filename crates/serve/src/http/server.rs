use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::Service;
use super::guard::{Guard, Token};
use super::thread;
use super::wake::Inbox;
use super::worker::Worker;

/// Where a server listens and whom it answers.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address; port 0 takes a free one. The default is 127.0.0.1 with port 0.
    pub address: SocketAddr,
    /// The token that every request must carry. Needed when the address is not loopback.
    pub token: Option<Token>,
    /// Names besides `localhost` and IP addresses under which the server may be reached.
    pub allowed_hosts: Vec<String>,
    /// Threads: 1 to 16, 2 by default.
    pub threads: usize,
    /// What clients may cost.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            token: None,
            allowed_hosts: Vec::new(),
            threads: 2,
            limits: Limits::default(),
        }
    }
}

/// What clients may cost: counts, bytes and time.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time (256). Clients beyond get a 503.
    pub connections: usize,
    /// Bytes of a request line with its header fields (16 KiB).
    pub head_bytes: usize,
    /// Bytes of all request bodies under way together (64 MiB).
    pub bodies_bytes: usize,
    /// From the first byte of a request to the end of its head (10 s).
    pub head: Duration,
    /// From the end of the head to the end of the body (60 s).
    pub body: Duration,
    /// Between requests on one connection (60 s).
    pub idle: Duration,
    /// Without the client taking a byte of what waits for it (10 s).
    pub stall: Duration,
    /// Silence on a stream before a sign of life (15 s).
    pub keep_alive: Duration,
    /// For the client to close after the last answer (1 s).
    pub linger: Duration,
    /// For clients to take what is left when the server stops (500 ms).
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            head_bytes: 16 << 10,
            bodies_bytes: 64 << 20,
            head: Duration::from_secs(10),
            body: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(10),
            keep_alive: Duration::from_secs(15),
            linger: Duration::from_secs(1),
            drain: Duration::from_millis(500),
        }
    }
}

/// Why a server could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The address can be reached from other machines, and no token is set.
    TokenNeeded(SocketAddr),
    /// The number of threads is not 1 to 16.
    Threads(usize),
    /// The address could not be listened on.
    Listen(SocketAddr, io::Error),
    /// The kernel refused a thread, an epoll instance or an eventfd.
    Start(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TokenNeeded(address) => write!(
                f,
                "{address} can be reached from other machines; set a token, or listen on 127.0.0.1 or ::1"
            ),
            Self::Threads(n) => write!(f, "{n} server threads; ask for 1 to 16"),
            Self::Listen(address, error) => {
                write!(f, "cannot listen on {address}: {error}")?;
                match error.kind() {
                    io::ErrorKind::AddrInUse => f.write_str(
                        "; another program listens there: use another port, or 0 for a free one",
                    ),
                    io::ErrorKind::AddrNotAvailable => f.write_str(
                        "; it is no address of this machine: use 127.0.0.1, or 0.0.0.0 for all",
                    ),
                    io::ErrorKind::PermissionDenied => f.write_str("; use a port from 1024 on"),
                    _ => Ok(()),
                }
            }
            Self::Start(error) => write!(f, "cannot start the server threads: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen(_, error) | Self::Start(error) => Some(error),
            Self::TokenNeeded(_) | Self::Threads(_) => None,
        }
    }
}

/// What a server has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections open now.
    pub active: usize,
    /// Connections accepted, refused ones included.
    pub accepted: u64,
    /// Connections refused because there were too many.
    pub refused: u64,
    /// Requests of which a whole head arrived.
    pub requests: u64,
    /// Clients dropped because they did not take what waited for them.
    pub stalled: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) active: AtomicUsize,
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) stalled: AtomicU64,
}

/// What the threads of a server have in common.
pub(crate) struct Shared {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) guard: Guard,
    pub(crate) limits: Limits,
    pub(crate) counters: Counters,
    pub(crate) stopping: AtomicBool,
    bodies: Arc<AtomicUsize>,
}

impl Shared {
    pub(crate) fn reservation(&self) -> Reservation {
        Reservation { total: Arc::clone(&self.bodies), limit: self.limits.bodies_bytes, held: 0 }
    }
}

/// One request body's share of the bytes that all bodies may take together.
pub(crate) struct Reservation {
    total: Arc<AtomicUsize>,
    limit: usize,
    held: usize,
}

impl Reservation {
    /// Takes `more` bytes; false if that is too much.
    pub(crate) fn grow(&mut self, more: usize) -> bool {
        self.held += more;
        self.total.fetch_add(more, Ordering::Relaxed) + more <= self.limit
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.total.fetch_sub(self.held, Ordering::Relaxed);
    }
}

/// A running server. Stopping it, or dropping it, joins its threads.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    inboxes: Vec<Arc<Inbox>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    pid: u32,
}

impl Server {
    /// Binds the address and starts the threads, which block all signals.
    pub fn start(options: Options, service: Arc<dyn Service>) -> Result<Self, StartError> {
        let Options { address, token, allowed_hosts, threads, limits } = options;
        if !address.ip().to_canonical().is_loopback() && token.is_none() {
            return Err(StartError::TokenNeeded(address));
        }
        if !(1..=16).contains(&threads) {
            return Err(StartError::Threads(threads));
        }
        let listen = |error| StartError::Listen(address, error);
        let listener = TcpListener::bind(address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let listener = Arc::new(listener);
        let shared = Arc::new(Shared {
            service,
            guard: Guard { allowed_hosts, token, port: address.port() },
            limits,
            counters: Counters::default(),
            stopping: AtomicBool::new(false),
            bodies: Arc::default(),
        });
        let pid = std::process::id();
        // From here on an early return drops the server, which stops the
        // threads that are already running.
        let mut server =
            Self { shared, address, inboxes: Vec::new(), threads: Mutex::default(), pid };
        for i in 0..threads {
            let inbox = Arc::new(Inbox::new().map_err(|e| StartError::Start(e.into()))?);
            let worker =
                Worker::new(Arc::clone(&server.shared), Arc::clone(&listener), Arc::clone(&inbox))
                    .map_err(StartError::Start)?;
            let thread = thread::spawn(format!("flr-http-{i}"), move || worker.run());
            server.threads.get_mut().push(thread.map_err(StartError::Start)?);
            server.inboxes.push(inbox);
        }
        Ok(server)
    }

    /// The address it listens on, with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.shared.counters;
        Stats {
            active: counters.active.load(Ordering::Relaxed),
            accepted: counters.accepted.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
            requests: counters.requests.load(Ordering::Relaxed),
            stalled: counters.stalled.load(Ordering::Relaxed),
        }
    }

    /// Closes the listener, sends what streams have at this moment (for at most [`Limits::drain`]), closes every
    /// connection and joins the threads. Doing it again does nothing. In a forked child, where the threads do
    /// not exist, nothing is waited for.
    pub fn stop(&self) {
        if std::process::id() != self.pid {
            // Joining or detaching them would touch threads of another process.
            std::mem::forget(
                self.threads.try_lock().map(|mut threads| std::mem::take(&mut *threads)),
            );
            return;
        }
        // Held while they are joined: a second caller returns when it is done.
        let mut threads = self.threads.lock();
        self.shared.stopping.store(true, Ordering::Release);
        for inbox in &self.inboxes {
            inbox.ring();
        }
        for thread in threads.drain(..) {
            // A panic in a thread ends that thread alone; there is nobody to tell.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
