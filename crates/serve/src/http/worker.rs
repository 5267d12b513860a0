use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::net::sockopt;

use super::connection::{Connection, Context, Drive};
use super::response::DateCache;
use super::server::Shared;
use super::wake::{Inbox, Notice};

/// Tokens that are no connection's: a connection's index is below the limit of connections.
const LISTENER: u64 = u64::MAX;
const INBOX: u64 = u64::MAX - 1;
/// How long accepting pauses when the process has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Connections accepted before those that are there get their turn.
const ACCEPT_BATCH: usize = 16;

/// One server thread: its epoll loop and the connections it accepted.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    listener: Arc<TcpListener>,
    epoll: OwnedFd,
    inbox: Arc<Inbox>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Connections with work to do before the next wait.
    ready: Vec<u64>,
    /// No deadline passes before this. Deadlines mostly move later, so it is a lower bound that a sweep over the
    /// connections makes exact again.
    next_sweep: Option<Instant>,
    accept_again: Option<Instant>,
    date: DateCache,
    draining: bool,
}

struct Slot {
    /// Part of the token: news for an earlier connection in this slot is recognised as stale.
    generation: u32,
    connection: Option<Connection>,
}

impl Worker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        listener: Arc<TcpListener>,
        inbox: Arc<Inbox>,
    ) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &*inbox, EventData::new_u64(INBOX), EventFlags::IN)?;
        let worker = Self {
            shared,
            listener,
            epoll,
            inbox,
            slots: Vec::new(),
            free: Vec::new(),
            ready: Vec::new(),
            next_sweep: None,
            accept_again: None,
            date: DateCache::new(),
            draining: false,
        };
        worker.listen()?;
        Ok(worker)
    }

    /// Runs until the server stops.
    pub(crate) fn run(mut self) {
        let mut events = Vec::with_capacity(64);
        let mut notices = Vec::new();
        let mut stop_by = None;
        loop {
            let mut now = Instant::now();
            if self.shared.stopping.load(Ordering::Acquire) && stop_by.is_none() {
                stop_by = Some(now + self.shared.limits.drain);
                self.begin_drain();
            }
            if stop_by
                .is_some_and(|by| now >= by || self.slots.iter().all(|s| s.connection.is_none()))
            {
                break;
            }
            let until = [self.next_sweep, self.accept_again, stop_by].into_iter().flatten().min();
            let timeout = match until {
                _ if !self.ready.is_empty() => Some(Duration::ZERO),
                until => until.map(|until| until.saturating_duration_since(now)),
            };
            if !self.wait(&mut events, timeout) {
                break;
            }
            now = Instant::now();
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept(now),
                    INBOX => self.inbox.take(&mut notices),
                    token => self.note(token, event.flags),
                }
            }
            self.ready.append(&mut notices);
            for token in std::mem::take(&mut self.ready) {
                self.visit(token, now, Connection::drive);
            }
            if self.next_sweep.is_some_and(|at| now >= at) {
                self.sweep(now);
            }
            if self.accept_again.is_some_and(|at| now >= at) {
                self.accept_again = None;
                if self.listen().is_err() {
                    self.accept_again = Some(now + ACCEPT_PAUSE);
                }
            }
        }
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> bool {
        // Rounded up to whole milliseconds by the kernel or not: a deadline is
        // only acted on once it has passed, so waking early is harmless.
        let timeout = timeout.and_then(|t| Timespec::try_from(t).ok());
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(events), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => true,
            Err(_) => false,
        }
    }

    fn listen(&self) -> io::Result<()> {
        // Exclusive: a new client wakes one thread, not all.
        let flags = EventFlags::IN | EventFlags::EXCLUSIVE;
        Ok(epoll::add(&self.epoll, &*self.listener, EventData::new_u64(LISTENER), flags)?)
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..ACCEPT_BATCH {
            let (socket, peer) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) => {
                    let pause = !matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock
                            | io::ErrorKind::Interrupted
                            | io::ErrorKind::ConnectionAborted
                    );
                    // Out of descriptors or memory: the listener stays
                    // readable, and polling it would burn the processor.
                    if pause && epoll::delete(&self.epoll, &*self.listener).is_ok() {
                        self.accept_again = Some(now + ACCEPT_PAUSE);
                    }
                    return;
                }
            };
            let shared = Arc::clone(&self.shared);
            let counters = &shared.counters;
            counters.accepted.fetch_add(1, Ordering::Relaxed);
            let limit = shared.limits.connections;
            if counters.active.fetch_add(1, Ordering::Relaxed) >= limit {
                counters.active.fetch_sub(1, Ordering::Relaxed);
                counters.refused.fetch_add(1, Ordering::Relaxed);
                refuse(socket);
                continue;
            }
            if self.adopt(socket, peer, now).is_err() {
                counters.active.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    fn adopt(
        &mut self,
        socket: TcpStream,
        peer: std::net::SocketAddr,
        now: Instant,
    ) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        find_out_when_it_vanishes(&socket)?;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, connection: None });
            // Slots are at most as many as connections.
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        let token = u64::from(slot.generation) << 32 | u64::from(index);
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        if let Err(error) = epoll::add(&self.epoll, &socket, EventData::new_u64(token), flags) {
            self.free.push(index);
            return Err(error.into());
        }
        let notice = Notice::new(Arc::clone(&self.inbox), token);
        slot.connection = Some(Connection::new(socket, peer, notice, now, &self.shared));
        self.ready.push(token);
        Ok(())
    }

    fn note(&mut self, token: u64, flags: EventFlags) {
        let Some(connection) = self.connection(token) else { return };
        let broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        connection.note(
            broken || flags.intersects(EventFlags::IN | EventFlags::RDHUP),
            broken || flags.contains(EventFlags::OUT),
            flags.intersects(EventFlags::RDHUP | EventFlags::HUP),
        );
        self.ready.push(token);
    }

    fn connection(&mut self, token: u64) -> Option<&mut Connection> {
        let slot = self.slots.get_mut((token & u64::from(u32::MAX)) as usize)?;
        if u64::from(slot.generation) != token >> 32 {
            return None;
        }
        slot.connection.as_mut()
    }

    /// Lets a connection go on, and does what it says about itself.
    fn visit(
        &mut self,
        token: u64,
        now: Instant,
        go: impl FnOnce(&mut Connection, &mut Context<'_>) -> Drive,
    ) {
        let index = (token & u64::from(u32::MAX)) as usize;
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Some(connection) =
            slot.connection.as_mut().filter(|_| u64::from(slot.generation) == token >> 32)
        else {
            return;
        };
        let mut cx =
            Context { shared: &self.shared, date: &mut self.date, now, draining: self.draining };
        match go(connection, &mut cx) {
            Drive::Close => {
                slot.connection = None;
                slot.generation = slot.generation.wrapping_add(1);
                self.free.push(index as u32);
                self.shared.counters.active.fetch_sub(1, Ordering::Relaxed);
            }
            next => {
                let deadline = connection.deadline();
                self.next_sweep = Some(self.next_sweep.map_or(deadline, |at| at.min(deadline)));
                if next == Drive::Again {
                    self.ready.push(token);
                }
            }
        }
    }

    /// Expires what is due, and finds the next deadline.
    fn sweep(&mut self, now: Instant) {
        self.next_sweep = None;
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            let Some(connection) = &slot.connection else { continue };
            let token = u64::from(slot.generation) << 32 | index as u64;
            let deadline = connection.deadline();
            if deadline <= now {
                self.visit(token, now, Connection::expire);
            } else {
                self.next_sweep = Some(self.next_sweep.map_or(deadline, |at| at.min(deadline)));
            }
        }
    }

    fn begin_drain(&mut self) {
        self.draining = true;
        let _ = epoll::delete(&self.epoll, &*self.listener);
        self.accept_again = None;
        let tokens = self.slots.iter().enumerate().filter(|(_, slot)| slot.connection.is_some());
        self.ready = tokens.map(|(i, slot)| u64::from(slot.generation) << 32 | i as u64).collect();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let open = self.slots.iter().filter(|slot| slot.connection.is_some()).count();
        self.shared.counters.active.fetch_sub(open, Ordering::Relaxed);
    }
}

/// Has the kernel ask a client whether it is still there when nothing was heard for a while: a stream of text on which nothing is
/// sent has no other way to notice that its machine or network is gone.
fn find_out_when_it_vanishes(socket: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, Duration::from_secs(60))?;
    sockopt::set_tcp_keepintvl(socket, Duration::from_secs(15))?;
    sockopt::set_tcp_keepcnt(socket, 4)?;
    Ok(())
}

/// Tells a client beyond the limit so, if that can be done without waiting.
fn refuse(mut socket: TcpStream) {
    let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 21\r\n\
                   Retry-After: 1\r\nConnection: close\r\n\r\ntoo many connections\n";
    if socket.set_nonblocking(true).is_ok() {
        let _ = socket.write(answer);
        let _ = socket.shutdown(std::net::Shutdown::Write);
    }
}
