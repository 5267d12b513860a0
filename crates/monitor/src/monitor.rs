use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use flightring_replay::{CreateError, FutureOffset, Read};
use jiff::Zoned;
use parking_lot::{Condvar, Mutex};

use crate::clock::Time;
use crate::error::WriteError;
use crate::follow::{Follower, Start};
use crate::level::Level;
use crate::patterns::Patterns;
use crate::process::ProcessState;
use crate::pump::{Pump, Pumps, Source};
use crate::sink::{OrderedSink, Sink};
use crate::stream::Stream;
use crate::time_format::TimeFormat;
use crate::timeline::Timeline;

/// How a monitor is set up. The default keeps 1 MiB and passes nothing on.
#[derive(Debug, Default)]
pub struct Options {
    /// How many bytes of history are retained, all streams together; 0 means 1 MiB.
    pub capacity: usize,
    /// Where everything is passed on before it is kept.
    pub sink: Option<Sink>,
    /// Own lines below this level are left out.
    pub level: Level,
    /// Stands in brackets in own lines, unless it is empty.
    pub prefix: String,
    /// The time in front of own lines, in the system's time zone.
    pub time_format: TimeFormat,
}

impl Options {
    /// The capacity for those who do not choose one: 1 MiB.
    pub const DEFAULT_CAPACITY: usize = 1 << 20;
}

/// The recent output of one process or subsystem.
///
/// Every method may be called from any thread. Reading and following never hold a writer up.
pub struct Monitor {
    name: String,
    pub(crate) timeline: Timeline,
    sink: Option<OrderedSink>,
    level: AtomicU8,
    prefix: String,
    time_format: TimeFormat,
    pub(crate) followers: AtomicUsize,
    pub(crate) skipped: AtomicU64,
    pub(crate) refused: AtomicU64,
    process: Mutex<ProcessState>,
    process_changed: Condvar,
    pub(crate) pump: Arc<Pump>,
    pub(crate) sources: Mutex<Vec<Arc<Source>>>,
    pub(crate) patterns: OnceLock<Arc<Patterns>>,
}

/// What can be counted about a monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes written since the monitor was opened: the combined offset of the next byte.
    pub total: u64,
    /// The same by stream, in the order of [`Stream::ALL`].
    pub stream_totals: [u64; 3],
    /// Line feeds among them.
    pub lines: u64,
    /// Combined offset of the oldest byte that is retained.
    pub oldest: u64,
    /// The most bytes that are retained.
    pub capacity: usize,
    /// Bytes of memory that the history has now, with its index.
    pub allocated: usize,
    /// Followers and subscriptions.
    pub subscribers: usize,
    /// Bytes that followers missed because they were too slow, added up.
    pub skipped: u64,
    /// Bytes that were read from an attached descriptor and refused by the sink.
    pub refused: u64,
    /// Attached descriptors that have not ended.
    pub attached: usize,
    /// When something was written last.
    pub last_write: Option<Time>,
    /// What is known about the process.
    pub process: ProcessState,
}

impl Monitor {
    /// A monitor that belongs to no hub.
    pub fn new(name: impl Into<String>, options: Options) -> Result<Arc<Self>, CreateError> {
        Self::with_pumps(name.into(), options, &Pumps::default())
    }

    pub(crate) fn with_pumps(
        name: String,
        options: Options,
        pumps: &Pumps,
    ) -> Result<Arc<Self>, CreateError> {
        let Options { capacity, sink, level, prefix, time_format } = options;
        let pump = sink.as_ref().and_then(|sink| sink.own_pump(pumps));
        let pump = pump.unwrap_or_else(|| Arc::clone(&pumps.plain));
        let capacity = if capacity == 0 { Options::DEFAULT_CAPACITY } else { capacity };
        Ok(Arc::new(Self {
            name,
            timeline: Timeline::new(capacity)?,
            sink: sink.map(OrderedSink::new),
            level: AtomicU8::new(level as u8),
            prefix,
            time_format,
            followers: AtomicUsize::new(0),
            skipped: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            process: Mutex::new(ProcessState::Unknown),
            process_changed: Condvar::new(),
            pump,
            sources: Mutex::new(Vec::new()),
            patterns: OnceLock::new(),
        }))
    }

    /// The name that it was opened under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Passes `data` on to the sink, keeps it, and returns the combined offset of its first byte. Nothing happens if it
    /// is empty, and nothing is kept if the sink refuses it.
    #[inline]
    pub fn write(&self, stream: Stream, data: &[u8]) -> Result<u64, WriteError> {
        match &self.sink {
            None => self.keep(stream, data),
            Some(_) if data.is_empty() || self.is_closed() => self.keep(stream, data),
            Some(sink) => sink.write_then(stream, data, || self.keep(stream, data)),
        }
    }

    #[inline]
    fn keep(&self, stream: Stream, data: &[u8]) -> Result<u64, WriteError> {
        Ok(self.timeline.append(stream, Time::now(), data)?)
    }

    /// Writes a line of the service's own, `{time }{[prefix] }[LEVEL] message`, to [`Stream::Log`], unless `level` is
    /// below the monitor's. Returns whether it was written.
    pub fn log(&self, level: Level, message: impl fmt::Display) -> Result<bool, WriteError> {
        if level < self.level() {
            return Ok(false);
        }
        let mut line = String::new();
        if self.time_format != TimeFormat::None {
            line.push_str(&self.time_format.format(&Zoned::now()));
            line.push(' ');
        }
        if !self.prefix.is_empty() {
            line.push('[');
            line.push_str(&self.prefix);
            line.push_str("] ");
        }
        line.push_str(&format!("[{level}] {message}"));
        // One that brings its own line feed gets no empty line.
        if !line.ends_with('\n') {
            line.push('\n');
        }
        self.write(Stream::Log, line.as_bytes())?;
        Ok(true)
    }

    /// The thread that belongs to the sink that writes end in, if there is one that may be slow.
    pub(crate) fn sink_pump(&self) -> Option<Arc<Pump>> {
        match self.sink.as_ref()?.monitor() {
            Some(next) => next.sink_pump(),
            None => Some(Arc::clone(&self.pump)),
        }
    }

    /// The monitor that this one passes its output on to, if its sink is one.
    #[must_use]
    pub fn passes_to(&self) -> Option<&Arc<Self>> {
        self.sink.as_ref().and_then(OrderedSink::monitor)
    }

    /// Own lines below this level are left out.
    #[must_use]
    pub fn level(&self) -> Level {
        Level::from_number(self.level.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// Changes the level, for the lines from now on.
    pub fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    /// Copies the newest bytes of the history that fit into `dst`, oldest first, all streams as they came.
    pub fn history(&self, dst: &mut [u8]) -> Read {
        loop {
            let from = self.total().saturating_sub(dst.len() as u64).max(self.oldest());
            // It cannot be in the future: totals only grow.
            if let Ok(read) = self.read(from, dst) {
                return Read { skipped: 0, ..read };
            }
        }
    }

    /// A copy of the whole history, and the combined offset of its first byte.
    #[must_use]
    pub fn snapshot(&self) -> (u64, Vec<u8>) {
        let held = self.total() - self.oldest().min(self.total());
        let mut copy = vec![0; usize::try_from(held).unwrap_or(0)];
        let read = self.history(&mut copy);
        copy.truncate(read.len);
        (read.start, copy)
    }

    /// Copies bytes from the combined offset `offset` on into `dst`, all streams as they came. As
    /// [`ReplayBuffer::read_from`](flightring_replay::ReplayBuffer::read_from).
    pub fn read(&self, offset: u64, dst: &mut [u8]) -> Result<Read, FutureOffset> {
        self.timeline.bytes().read_from(offset, dst)
    }

    /// Copies bytes of one stream into `dst`; the offsets, and the numbers in the result, count that stream only.
    pub fn read_stream(
        &self,
        stream: Stream,
        offset: u64,
        dst: &mut [u8],
    ) -> Result<Read, FutureOffset> {
        self.timeline.read_stream(stream, offset, dst)
    }

    /// Follows the monitor from some place in its history on. There is no gap and no doubled byte between history and
    /// live output: they are one stream. Only [`Start::Offset`] can fail.
    pub fn follow(self: &Arc<Self>, start: Start) -> Result<Follower, FutureOffset> {
        Follower::new(Arc::clone(self), start)
    }

    /// Combined offset of the next byte: how many were ever written.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.timeline.bytes().total()
    }

    /// How many bytes of `stream` were ever written.
    #[must_use]
    pub fn stream_total(&self, stream: Stream) -> u64 {
        self.timeline.visible_total(stream)
    }

    /// Combined offset of the oldest byte that is retained.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.timeline.bytes().oldest()
    }

    /// The process is over: detaches its descriptors, forgets the history and gives its memory back. The monitor stays, its
    /// offsets go on, and followers stay: the next write is the beginning of a new run.
    pub fn stop(&self) {
        self.detach_all();
        // For those that it passes its output on to.
        Stream::ALL.into_iter().for_each(|stream| self.end_stream(stream));
        self.timeline.clear();
        self.set_process(ProcessState::Stopped);
    }

    /// Ends the monitor: detaches all descriptors, and refuses later writes. Followers get what is retained and then the
    /// end. The history stays readable.
    pub fn close(&self) {
        self.detach_all();
        self.timeline.close();
    }

    /// Whether [`close`](Self::close) was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.timeline.bytes().is_closed()
    }

    /// What is known about the process.
    #[must_use]
    pub fn process(&self) -> ProcessState {
        *self.process.lock()
    }

    /// Notes what became of the process, for those who start and reap it themselves.
    pub fn set_process(&self, state: ProcessState) {
        if !matches!(state, ProcessState::Unknown | ProcessState::Running { .. }) {
            // Who still holds a descriptor may go on writing.
            let over = Stream::ALL.into_iter().filter(|&stream| !self.has_attached(stream));
            over.for_each(|stream| self.end_stream(stream));
        }
        // Whoever sees the end sees the ends of the lines.
        *self.process.lock() = state;
        self.process_changed.notify_all();
        self.interrupt();
    }

    /// A descriptor ended, which may be what [`wait_finished`](Self::wait_finished) waits for.
    pub(crate) fn notify_process(&self) {
        drop(self.process.lock());
        self.process_changed.notify_all();
        self.interrupt();
    }

    /// What `stream` got so far has ended: a line that is not complete now will not become one.
    pub(crate) fn end_stream(&self, stream: Stream) {
        if self.timeline.is_within_line(stream) {
            self.timeline.end_stream(stream);
            if let Some(next) = self.passes_to() {
                next.end_stream(stream);
                next.interrupt();
            }
        }
    }

    /// Waits until every attached descriptor has ended and the process, if one is watched, too; at most for `timeout`
    /// (`None`: for ever). Returns whether that is so.
    pub fn wait_finished(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut process = self.process.lock();
        loop {
            if !matches!(*process, ProcessState::Running { .. }) && self.attached() == 0 {
                return true;
            }
            match deadline {
                None => self.process_changed.wait(&mut process),
                Some(deadline) => {
                    if self.process_changed.wait_until(&mut process, deadline).timed_out() {
                        return false;
                    }
                }
            }
        }
    }

    /// All counts, each exact, taken one after the other.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            total: self.total(),
            stream_totals: Stream::ALL.map(|stream| self.timeline.stream_total(stream)),
            lines: self.timeline.lines(),
            oldest: self.oldest(),
            capacity: self.timeline.bytes().capacity(),
            allocated: self.timeline.allocated(),
            subscribers: self.followers.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            attached: self.attached(),
            last_write: self.timeline.last_write(),
            process: self.process(),
        }
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("name", &self.name).field("stats", &self.stats()).finish()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.detach_all();
    }
}
