use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Instant;

use memchr::memmem;

use super::chunked::{Decoder, Step as ChunkStep};
use super::request::{BodyLength, Head, Request};
use super::response::{Asked, Body, DateCache, Fill, Response, Status, Stream};
use super::server::{Reservation, Shared};
use super::wake::Notice;

/// Steps of one connection before the others get their turn.
const STEPS: usize = 16;
/// Bytes read, and asked of a stream, at a time.
const PIECE: usize = 16 * 1024;
const STREAM_PIECE: usize = 64 * 1024;
/// An output buffer that grew beyond this for one answer is given back after it.
const KEEP_CAPACITY: usize = 128 * 1024;
/// What is read and thrown away after a refusal, so that the client gets to see it instead of a reset.
const LINGER_BYTES: usize = 1 << 20;

/// One client's connection: a state machine that is driven whenever its socket or its stream has news.
pub(crate) struct Connection {
    socket: TcpStream,
    peer: SocketAddr,
    notice: Arc<Notice>,
    waker: Waker,
    /// Received, not yet understood.
    input: Vec<u8>,
    /// To be sent, from `sent` on.
    output: Vec<u8>,
    sent: usize,
    phase: Phase,
    /// When something has to have happened; past it, `expire` decides.
    deadline: Instant,
    last_sent: Instant,
    /// Edge-triggered readiness: true until the socket says "would block".
    readable: bool,
    writable: bool,
    /// The peer has closed its sending side.
    half_closed: bool,
}

enum Phase {
    /// Waiting for a request, or for the rest of one.
    Head {
        /// How much of the input is known to hold no end of the head.
        scanned: usize,
    },
    Body(Box<Receiving>),
    Reply {
        stream: Option<Box<dyn Stream>>,
        chunked: bool,
        close: bool,
    },
    Linger {
        left: usize,
    },
}

struct Receiving {
    head: Head,
    framing: Framing,
    body: Vec<u8>,
    limit: usize,
    reservation: Reservation,
}

enum Framing {
    Left(usize),
    Chunked(Decoder),
}

/// What a connection is driven with.
pub(crate) struct Context<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) date: &'a mut DateCache,
    pub(crate) now: Instant,
    /// The server is stopping: send what there is, begin nothing new.
    pub(crate) draining: bool,
}

/// What the worker has to do about a connection next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drive {
    /// Drive it on news, or expire it at its deadline.
    Wait,
    /// Drive it again after the others.
    Again,
    Close,
}

enum Step {
    Next,
    Blocked,
    Close,
}

impl Connection {
    pub(crate) fn new(
        socket: TcpStream,
        peer: SocketAddr,
        notice: Notice,
        now: Instant,
        shared: &Shared,
    ) -> Self {
        let notice = Arc::new(notice);
        Self {
            socket,
            peer,
            waker: Waker::from(Arc::clone(&notice)),
            notice,
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            phase: Phase::Head { scanned: 0 },
            deadline: now + shared.limits.head,
            last_sent: now,
            readable: true,
            writable: true,
            half_closed: false,
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Notes what epoll reported.
    pub(crate) fn note(&mut self, readable: bool, writable: bool, half_closed: bool) {
        self.readable |= readable;
        self.writable |= writable;
        self.half_closed |= half_closed;
    }

    /// Goes on as far as socket and stream allow.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) -> Drive {
        for _ in 0..STEPS {
            let step = match self.phase {
                _ if self.sent < self.output.len() => self.flush(cx),
                Phase::Head { .. } if cx.draining => Step::Close,
                Phase::Head { scanned } => self.step_head(scanned, cx),
                Phase::Body(_) => self.step_body(cx),
                Phase::Reply { .. } => self.step_reply(cx),
                Phase::Linger { left } => self.step_linger(left),
            };
            match step {
                Step::Next => {}
                Step::Blocked => return Drive::Wait,
                Step::Close => return Drive::Close,
            }
        }
        Drive::Again
    }

    /// The deadline has passed.
    pub(crate) fn expire(&mut self, cx: &mut Context<'_>) -> Drive {
        let pending = self.sent < self.output.len();
        let receiving = self.is_receiving();
        match &mut self.phase {
            Phase::Reply { stream: Some(stream), chunked, .. } if !pending => {
                if cx.now >= self.last_sent + cx.shared.limits.keep_alive {
                    let at = begin_chunk(&mut self.output, *chunked);
                    stream.keep_alive(&mut self.output);
                    end_chunk(&mut self.output, at, *chunked);
                    self.last_sent = cx.now;
                    self.deadline = cx.now + cx.shared.limits.stall;
                }
                self.drive(cx)
            }
            Phase::Head { .. } | Phase::Body(_) if !pending && receiving => {
                let answer =
                    Response::text(Status::REQUEST_TIMEOUT, "the request took too long to arrive");
                self.answer(answer.closing(), Asked::UNKNOWN, cx);
                self.drive(cx)
            }
            Phase::Reply { .. } => {
                cx.shared.counters.stalled.fetch_add(1, Ordering::Relaxed);
                Drive::Close
            }
            _ => Drive::Close,
        }
    }

    /// Whether a part of a request has arrived.
    fn is_receiving(&self) -> bool {
        matches!(self.phase, Phase::Body(_)) || !self.input.is_empty()
    }

    fn step_head(&mut self, scanned: usize, cx: &mut Context<'_>) -> Step {
        if scanned == 0 {
            // Empty lines before a request are ignored (RFC 9112, section 2.2).
            let blank = self.input.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            self.input.drain(..blank);
        }
        let Some(end) = head_end(&self.input, scanned) else {
            if self.input.len() >= cx.shared.limits.head_bytes {
                let why = format!(
                    "the request head is longer than {} bytes",
                    cx.shared.limits.head_bytes
                );
                self.answer(
                    Response::text(Status::HEADERS_TOO_LARGE, why).closing(),
                    Asked::UNKNOWN,
                    cx,
                );
                return Step::Next;
            }
            self.phase = Phase::Head { scanned: self.input.len() };
            let was_empty = self.input.is_empty();
            let step = self.read();
            if was_empty && !self.input.is_empty() {
                self.deadline = cx.now + cx.shared.limits.head;
            }
            return step;
        };
        cx.shared.counters.requests.fetch_add(1, Ordering::Relaxed);
        let parsed = Head::parse(&self.input[..end], self.peer);
        self.input.drain(..end);
        match parsed {
            Ok(head) => self.begin(head, cx),
            Err(answer) => self.answer(answer.closing(), Asked::UNKNOWN, cx),
        }
        Step::Next
    }

    /// A head is complete: answer it, or receive its body first.
    fn begin(&mut self, head: Head, cx: &mut Context<'_>) {
        let asked = Asked::by(&head);
        let length = match head.body_length() {
            Ok(length) => length,
            Err(answer) => return self.answer(answer.closing(), asked, cx),
        };
        let admitted = cx.shared.guard.check(&head).and_then(|()| {
            catch_unwind(AssertUnwindSafe(|| cx.shared.service.admit(&head)))
                .unwrap_or_else(|_| Err(panicked()))
        });
        let limit = match admitted {
            Ok(limit) => limit,
            // What was refused may still be under way, so the connection is done for.
            Err(answer) if length != BodyLength::None => {
                return self.answer(answer.closing(), asked, cx);
            }
            Err(answer) => return self.answer(answer, asked, cx),
        };
        let framing = match length {
            BodyLength::None => return self.call(Request { head, body: Vec::new() }, asked, cx),
            BodyLength::Exactly(n) if n > limit as u64 => {
                return self.answer(too_large(limit).closing(), asked, cx);
            }
            // It fits the limit, which is a usize.
            BodyLength::Exactly(n) => Framing::Left(n as usize),
            BodyLength::Chunked => Framing::Chunked(Decoder::default()),
        };
        if head.expects_continue() && self.input.is_empty() {
            self.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.deadline = cx.now + cx.shared.limits.body;
        let reservation = cx.shared.reservation();
        self.phase = Phase::Body(Box::new(Receiving {
            head,
            framing,
            body: Vec::new(),
            limit,
            reservation,
        }));
    }

    fn step_body(&mut self, cx: &mut Context<'_>) -> Step {
        let Phase::Body(receiving) = &mut self.phase else { return Step::Close };
        let Receiving { head, framing, body, limit, reservation } = &mut **receiving;
        let before = body.len();
        let step = match framing {
            Framing::Left(left) => {
                let take = self.input.len().min(*left);
                body.extend(self.input.drain(..take));
                *left -= take;
                if *left == 0 { ChunkStep::Done } else { ChunkStep::NeedMore }
            }
            Framing::Chunked(decoder) => {
                let (used, step) = decoder.decode(&self.input, body, *limit);
                self.input.drain(..used);
                step
            }
        };
        let asked = Asked::by(head);
        let limit = *limit;
        if !reservation.grow(body.len() - before) {
            let why = "too many request bodies at once; try again shortly";
            let answer = Response::text(Status::UNAVAILABLE, why).with("Retry-After", "1");
            self.answer(answer.closing(), asked, cx);
            return Step::Next;
        }
        match step {
            ChunkStep::NeedMore => return self.read(),
            ChunkStep::Malformed => {
                let why = "the chunked body is malformed";
                self.answer(Response::text(Status::BAD_REQUEST, why).closing(), asked, cx);
            }
            ChunkStep::TooLarge => self.answer(too_large(limit).closing(), asked, cx),
            ChunkStep::Done => {
                let phase = std::mem::replace(&mut self.phase, Phase::Head { scanned: 0 });
                if let Phase::Body(received) = phase {
                    let Receiving { head, body, reservation, .. } = *received;
                    self.call(Request { head, body }, asked, cx);
                    drop(reservation);
                }
            }
        }
        Step::Next
    }

    fn call(&mut self, request: Request, asked: Asked, cx: &mut Context<'_>) {
        let service = &cx.shared.service;
        let called = catch_unwind(AssertUnwindSafe(|| service.call(request, &self.waker)));
        self.answer(called.unwrap_or_else(|_| panicked()), asked, cx);
    }

    fn answer(&mut self, response: Response, mut asked: Asked, cx: &mut Context<'_>) {
        let streams = matches!(response.body, Body::Stream(_));
        asked.close |= response.close || cx.draining || (streams && asked.http_1_0);
        response.write_head(&mut self.output, asked, cx.date.at(cx.now));
        let stream = match response.body {
            _ if asked.head_only => None,
            Body::Bytes(bytes) => {
                self.output.extend_from_slice(&bytes);
                None
            }
            Body::Stream(stream) => Some(stream),
        };
        self.phase = Phase::Reply { stream, chunked: !asked.http_1_0, close: asked.close };
        self.last_sent = cx.now;
        self.deadline = cx.now + cx.shared.limits.stall;
    }

    fn step_reply(&mut self, cx: &mut Context<'_>) -> Step {
        let Phase::Reply { stream, chunked, close } = &mut self.phase else { return Step::Close };
        let (chunked, close) = (*chunked, *close);
        let Some(body) = stream else {
            if close {
                // The peer must see all of the answer, which a close with
                // unread input would cut off by a reset.
                let _ = self.socket.shutdown(Shutdown::Write);
                self.phase = Phase::Linger { left: LINGER_BYTES };
                self.deadline = cx.now + cx.shared.limits.linger;
            } else {
                self.phase = Phase::Head { scanned: 0 };
                let limits = &cx.shared.limits;
                self.deadline =
                    cx.now + if self.input.is_empty() { limits.idle } else { limits.head };
            }
            return Step::Next;
        };
        if self.half_closed && !body.is_finite() {
            return Step::Close;
        }
        // From here on a wake-up means news.
        self.notice.clear();
        let at = begin_chunk(&mut self.output, chunked);
        let Ok(fill) = catch_unwind(AssertUnwindSafe(|| body.fill(&mut self.output, STREAM_PIECE)))
        else {
            return Step::Close;
        };
        end_chunk(&mut self.output, at, chunked);
        match fill {
            Fill::More => {}
            Fill::Wait if !cx.draining => {
                if self.output.is_empty() {
                    let alive_by = self.last_sent + cx.shared.limits.keep_alive;
                    let again = body.revisit().map(|after| cx.now + after);
                    self.deadline = again.map_or(alive_by, |again| again.min(alive_by));
                    return Step::Blocked;
                }
            }
            Fill::Wait | Fill::End => {
                *stream = None;
                if chunked {
                    self.output.extend_from_slice(b"0\r\n\r\n");
                }
            }
        }
        self.deadline = cx.now + cx.shared.limits.stall;
        Step::Next
    }

    fn step_linger(&mut self, left: usize) -> Step {
        let step = self.read();
        let Some(left) = left.checked_sub(self.input.len()) else { return Step::Close };
        self.input.clear();
        self.phase = Phase::Linger { left };
        step
    }

    /// Receives one piece into `input`.
    fn read(&mut self) -> Step {
        if !self.readable {
            return Step::Blocked;
        }
        let mut piece = [0_u8; PIECE];
        match self.socket.read(&mut piece) {
            Ok(0) => Step::Close,
            Ok(n) => {
                self.input.extend_from_slice(&piece[..n]);
                Step::Next
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    Step::Blocked
                }
                io::ErrorKind::Interrupted => Step::Next,
                _ => Step::Close,
            },
        }
    }

    /// Sends what fits of the output.
    fn flush(&mut self, cx: &mut Context<'_>) -> Step {
        if !self.writable {
            return Step::Blocked;
        }
        match self.socket.write(&self.output[self.sent..]) {
            Ok(0) => Step::Close,
            Ok(n) => {
                self.sent += n;
                self.last_sent = cx.now;
                if matches!(self.phase, Phase::Reply { .. }) {
                    self.deadline = cx.now + cx.shared.limits.stall;
                }
                if self.sent == self.output.len() {
                    self.sent = 0;
                    self.output.clear();
                    self.output.shrink_to(KEEP_CAPACITY);
                }
                Step::Next
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => {
                    self.writable = false;
                    Step::Blocked
                }
                io::ErrorKind::Interrupted => Step::Next,
                _ => Step::Close,
            },
        }
    }
}

/// The length of the head in `input`, its empty line included. The first `scanned` bytes hold no end.
fn head_end(input: &[u8], scanned: usize) -> Option<usize> {
    let from = scanned.saturating_sub(3);
    let rest = &input[from..];
    let crlf = memmem::find(rest, b"\n\r\n").map(|at| at + 3);
    let lf = memmem::find(rest, b"\n\n").map(|at| at + 2);
    match (crlf, lf) {
        (Some(a), Some(b)) => Some(from + a.min(b)),
        (a, b) => Some(from + a.or(b)?),
    }
}

fn too_large(limit: usize) -> Response {
    if limit == 0 {
        return Response::text(Status::TOO_LARGE, "no request body is taken here");
    }
    Response::text(Status::TOO_LARGE, format!("the request body is longer than {limit} bytes"))
}

fn panicked() -> Response {
    Response::text(Status::INTERNAL, "an internal error kept this request from being answered")
        .closing()
}

/// Room for the size line of a chunk: eight hexadecimal digits (leading zeros are allowed) and CRLF.
const SIZE_LINE: usize = 10;

fn begin_chunk(output: &mut Vec<u8>, chunked: bool) -> usize {
    let at = output.len();
    if chunked {
        output.extend_from_slice(b"00000000\r\n");
    }
    at
}

/// Fills in the size of the chunk begun at `at`, or takes it back if nothing was added: an empty chunk would end the body.
fn end_chunk(output: &mut Vec<u8>, at: usize, chunked: bool) {
    if !chunked {
        return;
    }
    let len = output.len() - at - SIZE_LINE;
    if len == 0 {
        output.truncate(at);
        return;
    }
    let digits = format!("{len:08x}");
    output[at..at + 8].copy_from_slice(&digits.as_bytes()[..8]);
    output.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_head_is_found_wherever_reads_cut_it() {
        let input = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nnext\n\n";
        let end = input.len() - 6;
        for scanned in 0..end {
            assert_eq!(head_end(input, scanned), Some(end), "scanned {scanned}");
        }
        assert_eq!(head_end(&input[..end - 1], 0), None);
        assert_eq!(head_end(b"GET / HTTP/1.1\n\nX", 0), Some(16));
    }

    #[test]
    fn empty_chunks_are_never_sent() {
        let mut output = b"x".to_vec();
        let at = begin_chunk(&mut output, true);
        end_chunk(&mut output, at, true);
        assert_eq!(output, b"x");
        let at = begin_chunk(&mut output, true);
        output.extend_from_slice(&[b'y'; 17]);
        end_chunk(&mut output, at, true);
        assert_eq!(&output[1..], b"00000011\r\nyyyyyyyyyyyyyyyyy\r\n");
    }
}
