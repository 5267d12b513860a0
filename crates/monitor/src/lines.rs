use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use flightring_replay::{FutureOffset, Wait};

use crate::clock::Time;
use crate::follow::{Chunk, Follower, Next, Start};
use crate::monitor::Monitor;
use crate::stream::Stream;
use crate::tail;

/// A line of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Combined offset of its first byte.
    pub offset: u64,
    /// Its stream.
    pub stream: Stream,
    /// Offset of its first byte in the stream.
    pub stream_offset: u64,
    /// When its first byte arrived.
    pub time: Time,
    /// Its bytes, without the line feed.
    pub text: &'a [u8],
    /// No line feed follows: it was cut at the maximum length and continues in the stream's next line, or a gap or the
    /// end came first.
    pub partial: bool,
    /// It does not begin after a line feed: it continues a line that was cut, or its beginning is gone.
    pub continued: bool,
}

/// What comes next, line by line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextLine<'a> {
    /// A line, or as much of it as there will be in one piece.
    Line(Line<'a>),
    /// Bytes that were evicted or cleared before they were read.
    Gap {
        /// Combined offset of the first of them.
        offset: u64,
        /// How many they were.
        skipped: u64,
    },
    /// No complete line yet.
    Empty,
    /// The monitor is closed, and everything was delivered, the last partial lines included.
    End,
}

/// Makes lines of what a [`Follower`] gives.
///
/// Each stream has its own: a line of stderr that arrives in the middle of one of stdout is a line of its own and splices
/// nothing. A line that is not complete is kept until it is, or until it is known that it never will be: by a gap, by the end of the
/// monitor, or by that of the process or descriptor that it came from. The output of the next process goes on in no line of
/// the one before.
pub struct Lines {
    follower: Follower,
    max: usize,
    /// The chunk at work is the beginning of this.
    buffer: Box<[u8]>,
    chunk: ChunkState,
    pending: [Pending; 3],
    /// What comes after the partial lines that it ended.
    after: Option<NextLine<'static>>,
    /// Where each stream begins, as a combined offset.
    from: [u64; 3],
}

/// What is left of a chunk.
#[derive(Debug, Clone, Copy)]
struct ChunkState {
    offset: u64,
    stream: Stream,
    stream_offset: u64,
    time: Time,
    /// The stream begins afresh at `start`.
    fresh: bool,
    start: usize,
    end: usize,
}

/// The beginning of a line.
#[derive(Debug, Default)]
struct Pending {
    text: Vec<u8>,
    /// Offset, offset in the stream, and time of its first byte, if there is one.
    first: Option<(u64, u64, Time)>,
    continued: bool,
    /// The text was delivered, and goes with the next call.
    delivered: bool,
}

impl Lines {
    /// How long a line may be before it is cut, for those who do not choose: 64 KiB.
    pub const DEFAULT_MAX: usize = 1 << 16;

    /// The lines of `monitor` from `start` on. Lines longer than `max` bytes are cut; 0 means 64 KiB. Only
    /// [`Start::Offset`] can fail.
    pub fn new(monitor: &Arc<Monitor>, start: Start, max: usize) -> Result<Self, FutureOffset> {
        match start {
            Start::Lines(count) => {
                let tail = tail::tail(monitor, count);
                Self::begin(monitor, Start::Offset(tail.offset), tail.by_stream, max)
            }
            start => Self::begin(monitor, start, [0; 3], max),
        }
    }

    /// The lines that an earlier reader had not delivered when its [`place`](Self::place) was this one.
    pub fn resume(
        monitor: &Arc<Monitor>,
        place: [u64; 3],
        max: usize,
    ) -> Result<Self, FutureOffset> {
        // Each of them must be an offset that was given out.
        for offset in place {
            monitor.read(offset, &mut [])?;
        }
        let [a, b, c] = place;
        Self::begin(monitor, Start::Offset(a.min(b).min(c)), place, max)
    }

    /// `from` says where each stream begins, if that is after `start`.
    fn begin(
        monitor: &Arc<Monitor>,
        start: Start,
        from: [u64; 3],
        max: usize,
    ) -> Result<Self, FutureOffset> {
        let follower = monitor.follow(start)?;
        let offset = follower.offset();
        let mut lines = Self {
            follower,
            max: if max == 0 { Self::DEFAULT_MAX } else { max },
            buffer: vec![0; 1 << 14].into(),
            chunk: ChunkState {
                offset: 0,
                stream: Stream::Stdout,
                stream_offset: 0,
                time: Time::default(),
                fresh: false,
                start: 0,
                end: 0,
            },
            pending: Default::default(),
            after: None,
            from,
        };
        lines.look_for_beginnings(offset);
        Ok(lines)
    }

    /// Finds out whether each stream begins with a line from the combined offset `offset` on.
    fn look_for_beginnings(&mut self, offset: u64) {
        let timeline = &self.follower.monitor().timeline;
        for (stream, pending) in Stream::ALL.into_iter().zip(&mut self.pending) {
            let begin = self.from[stream.index()].max(offset);
            // What is not known any more is taken for the middle of a line.
            pending.continued = timeline.begins_line(stream, begin) != Some(true);
        }
    }

    /// As [`Follower::hide`].
    pub(crate) fn hide(&mut self) {
        self.follower.hide();
    }

    /// Takes the next line. Never waits.
    #[expect(clippy::should_implement_trait, reason = "a line borrows from its reader")]
    pub fn next(&mut self) -> NextLine<'_> {
        for pending in &mut self.pending {
            if mem::take(&mut pending.delivered) {
                pending.text.clear();
            }
        }
        loop {
            if self.chunk.start < self.chunk.end {
                if let Some(found) = self.advance() {
                    return NextLine::Line(self.line(found));
                }
                continue;
            }
            if let Some(after) = self.after {
                // First what it ended, in the order of the lines' beginnings.
                let begun = self.pending.iter().enumerate();
                let first = begun.filter_map(|(i, pending)| Some((pending.first?.0, i))).min();
                if let Some((_, index)) = first {
                    return NextLine::Line(self.line(Found::Pending { index, partial: true }));
                }
                self.after = None;
                if let NextLine::Gap { .. } = after {
                    // The beginning of what follows may be missing.
                    self.look_for_beginnings(self.follower.offset());
                }
                return after;
            }
            match self.follower.next(&mut self.buffer) {
                Next::Chunk(chunk) => self.chunk = Self::skip_to(&self.from, &chunk),
                Next::Gap { offset, skipped } => {
                    self.after = Some(NextLine::Gap { offset, skipped });
                }
                Next::End => self.after = Some(NextLine::End),
                Next::Empty => {
                    let Some(index) = self.last_words() else { return NextLine::Empty };
                    // The bytes came before the end, so who sees the end and then finds nothing has all of them.
                    if self.follower.is_caught_up() {
                        return NextLine::Line(self.line(Found::Pending { index, partial: true }));
                    }
                }
            }
        }
    }

    /// The first stream whose line will not become whole, because what it came from has ended.
    fn last_words(&self) -> Option<usize> {
        let timeline = &self.follower.monitor().timeline;
        let begun = Stream::ALL.into_iter().filter_map(|stream| {
            let (offset, ..) = self.pending[stream.index()].first?;
            timeline.has_ended(stream).then_some((offset, stream.index()))
        });
        begun.min().map(|(_, index)| index)
    }

    /// Leaves out what comes before the stream's first wanted line.
    fn skip_to(from: &[u64; 3], chunk: &Chunk<'_>) -> ChunkState {
        let unwanted = from[chunk.stream.index()].saturating_sub(chunk.offset);
        ChunkState {
            fresh: chunk.fresh && unwanted == 0,
            offset: chunk.offset,
            stream: chunk.stream,
            stream_offset: chunk.stream_offset,
            time: chunk.time,
            start: usize::try_from(unwanted).map_or(chunk.data.len(), |n| n.min(chunk.data.len())),
            end: chunk.data.len(),
        }
    }

    /// Where each stream goes on after what was delivered, as combined offsets in the order of [`Stream::ALL`]: a line of
    /// one stream may be delivered while one of another is not complete. [`resume`](Self::resume) goes on there.
    #[must_use]
    pub fn place(&self) -> [u64; 3] {
        let at = if self.chunk.start < self.chunk.end {
            self.chunk.offset + self.chunk.start as u64
        } else {
            self.follower.offset()
        };
        // A stream that is resumed in the middle of the history may begin later.
        [0, 1, 2].map(|i| {
            self.pending[i].first.map_or_else(|| at.max(self.from[i]), |(offset, ..)| offset)
        })
    }

    /// Takes bytes from the chunk up to the end of a line or of the chunk.
    fn advance(&mut self) -> Option<Found> {
        let ChunkState { offset, stream, stream_offset, time, start, end, .. } = self.chunk;
        let index = stream.index();
        let pending = &mut self.pending[index];
        if self.chunk.fresh {
            if pending.first.is_some() {
                return Some(Found::Pending { index, partial: true });
            }
            self.chunk.fresh = false;
            pending.continued = false;
        }
        let rest = &self.buffer[start..end];
        let room = self.max - pending.text.len();
        // One more than there is room for: the line feed of a line that just fits.
        let newline = memchr::memchr(b'\n', &rest[..rest.len().min(room + 1)]);
        let taken = newline.unwrap_or(rest.len().min(room));
        let partial = newline.is_none();
        let complete = newline.is_some() || rest.len() > room;
        self.chunk.start += taken + usize::from(newline.is_some());
        let here = (offset + start as u64, stream_offset + start as u64, time);
        if complete && pending.text.is_empty() && pending.first.is_none() {
            return Some(Found::InChunk { index, first: here, start, end: start + taken, partial });
        }
        pending.first.get_or_insert(here);
        pending.text.extend_from_slice(&rest[..taken]);
        complete.then_some(Found::Pending { index, partial })
    }

    fn line(&mut self, found: Found) -> Line<'_> {
        let (index, partial) = match found {
            Found::InChunk { index, partial, .. } | Found::Pending { index, partial } => {
                (index, partial)
            }
        };
        let pending = &mut self.pending[index];
        let continued = mem::replace(&mut pending.continued, partial);
        let (first, text) = match found {
            Found::InChunk { first, start, end, .. } => (first, &self.buffer[start..end]),
            Found::Pending { .. } => {
                pending.delivered = true;
                (pending.first.take().unwrap_or_default(), &pending.text[..])
            }
        };
        let (offset, stream_offset, time) = first;
        let stream = Stream::ALL[index];
        Line { offset, stream, stream_offset, time, text, partial, continued }
    }

    /// Has the lines that are not complete yet delivered as they are, as partial ones, by the calls of
    /// [`next`](Self::next) that follow. Of use when [`NextLine::Empty`] was returned.
    pub fn flush(&mut self) {
        let begun = self.pending.iter().any(|pending| pending.first.is_some());
        if begun && self.chunk.start == self.chunk.end && self.after.is_none() {
            self.after = Some(NextLine::Empty);
        }
    }

    /// Waits until there is something to take, at most for `timeout` (`None`: for ever). It need not complete a line.
    pub fn wait(&self, timeout: Option<Duration>) -> Wait {
        match self.follower.wait_while(timeout, || self.last_words().is_none()) {
            Wait::Interrupted => Wait::Ready,
            other => other,
        }
    }

    /// As [`Follower::poll`].
    pub fn poll(&self, waker: &Waker) -> Poll<Wait> {
        let polled = self.follower.poll(waker);
        // In this order: if the end comes after this look, the waker is called.
        if self.last_words().is_some() { Poll::Ready(Wait::Ready) } else { polled }
    }

    /// As [`Follower::forget`].
    pub fn forget(&self, waker: &Waker) {
        self.follower.forget(waker);
    }

    /// The follower that the lines are made of.
    #[must_use]
    pub fn follower(&self) -> &Follower {
        &self.follower
    }
}

/// Where the bytes of a line are.
#[derive(Debug, Clone, Copy)]
enum Found {
    InChunk { index: usize, first: (u64, u64, Time), start: usize, end: usize, partial: bool },
    Pending { index: usize, partial: bool },
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lines").field(&self.follower).finish()
    }
}
