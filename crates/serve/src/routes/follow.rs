//! Following one monitor or several as one stream of an answer.

use std::collections::HashSet;
use std::sync::Arc;
use std::task::{Poll, Waker};

use flightring_monitor::{
    AnsiStripper, Chunk, Follower, FutureOffset, Hub, Line, Lines, Monitor, Next, NextLine, Start,
    Stream, Time, Wait, strip_ansi,
};

use super::cursors::{self, Cursors, Place};
use super::format::{Carry, Format, Piece};
use crate::http::{self, Fill};

/// Read from a monitor at a time.
const PIECE: usize = 16 * 1024;
/// A number of changes that no hub has had.
const UNSEEN: u64 = u64::MAX;

/// What of the monitors is wanted, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) format: Format,
    /// One of the streams, or all.
    pub(super) stream: Option<Stream>,
    /// Without escape sequences.
    pub(super) strip: bool,
    /// Whether output is taken in whole lines: where several monitors share one text, none may splice another's line.
    pub(super) by_lines: bool,
}

/// The body of an answer that follows monitors. It is driven by an event loop: each monitor wakes it when it has more,
/// and none ever waits for it.
pub(super) struct Follow {
    sources: Vec<Source>,
    wanted: Wanted,
    waker: Waker,
    /// Where new monitors come from, and the state that it was looked at in last.
    hub: Option<Arc<Hub>>,
    discovered: u64,
    buffer: Box<[u8]>,
    /// Whether it ends at what was there when it began.
    finite: bool,
    ended: bool,
}

/// One monitor that is followed.
pub(super) struct Source {
    reader: Reader,
    /// The end of a finite answer.
    until: u64,
    /// Where each stream begins, if pieces are wanted.
    from: Place,
    /// What comes next, taken but not sent, so that several sources can be put in order of time.
    held: Option<Held>,
    time: Time,
    carries: [Carry; 3],
    strippers: [AnsiStripper; 3],
    /// Whether the last partial lines of a finite answer were asked for.
    flushed: bool,
    done: bool,
}

enum Reader {
    Chunks(Follower),
    Lines(Box<Lines>),
}

enum Held {
    Chunk {
        offset: u64,
        stream: Stream,
        fresh: bool,
        data: Vec<u8>,
    },
    /// A line, and the place of its reader after it.
    Line {
        offset: u64,
        stream: Stream,
        text: Vec<u8>,
        partial: bool,
        continued: bool,
        next: [u64; 3],
    },
    Gap {
        offset: u64,
        skipped: u64,
    },
}

impl Source {
    pub(super) fn new(
        monitor: &Arc<Monitor>,
        start: Start,
        wanted: Wanted,
    ) -> Result<Self, FutureOffset> {
        Ok(Self::of(if wanted.by_lines {
            Reader::Lines(Box::new(Lines::new(monitor, start, 0)?))
        } else {
            Reader::Chunks(monitor.follow(start)?)
        }))
    }

    /// What follows a place that an earlier answer gave.
    pub(super) fn at(
        monitor: &Arc<Monitor>,
        place: Place,
        wanted: Wanted,
    ) -> Result<Self, FutureOffset> {
        if wanted.by_lines {
            return Ok(Self::of(Reader::Lines(Box::new(Lines::resume(monitor, place, 0)?))));
        }
        // Each of them must be an offset that was given out.
        for offset in place {
            monitor.read(offset, &mut [])?;
        }
        let [a, b, c] = place;
        let follower = monitor.follow(Start::Offset(a.min(b).min(c)))?;
        Ok(Self { from: place, ..Self::of(Reader::Chunks(follower)) })
    }

    fn of(reader: Reader) -> Self {
        Self {
            reader,
            until: u64::MAX,
            from: [0; 3],
            held: None,
            time: Time::default(),
            carries: Default::default(),
            strippers: Default::default(),
            flushed: false,
            done: false,
        }
    }

    fn follower(&self) -> &Follower {
        match &self.reader {
            Reader::Chunks(follower) => follower,
            Reader::Lines(lines) => lines.follower(),
        }
    }

    fn monitor(&self) -> &Arc<Monitor> {
        self.follower().monitor()
    }

    /// Where the answer begins, before anything was taken.
    pub(super) fn begin(&self) -> u64 {
        // What is older is gone already, and the first thing that is taken
        // says so.
        self.follower().offset().max(self.monitor().oldest())
    }

    /// How much of what was asked for is gone, before anything was taken.
    pub(super) fn skipped(&self) -> u64 {
        self.begin() - self.follower().offset()
    }

    /// Takes the next piece, if there is one.
    fn take(&mut self, only: Option<Stream>, buffer: &mut [u8]) {
        let wanted = |stream| only.is_none_or(|only| only == stream);
        while self.held.is_none() && !self.done {
            match &mut self.reader {
                Reader::Chunks(follower) => {
                    let left = self.until - follower.offset().min(self.until);
                    let room = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
                    if room == 0 {
                        self.done = true;
                        return;
                    }
                    match follower.next(&mut buffer[..room]) {
                        Next::Chunk(Chunk { offset, stream, time, fresh, data, .. })
                            if wanted(stream) =>
                        {
                            let had = self.from[stream as usize - 1].saturating_sub(offset);
                            let had =
                                usize::try_from(had).map_or(data.len(), |n| n.min(data.len()));
                            if had < data.len() {
                                let (fresh, data) = (fresh && had == 0, data[had..].to_vec());
                                let offset = offset + had as u64;
                                self.time = time;
                                self.held = Some(Held::Chunk { offset, stream, fresh, data });
                            }
                        }
                        Next::Chunk(_) => {}
                        Next::Gap { offset, skipped } => {
                            self.held = Some(Held::Gap { offset, skipped })
                        }
                        Next::Empty => return,
                        Next::End => self.done = true,
                    }
                }
                Reader::Lines(lines) => match lines.next() {
                    NextLine::Line(Line { offset, .. }) if offset >= self.until => self.done = true,
                    NextLine::Line(Line {
                        offset, stream, time, text, partial, continued, ..
                    }) if wanted(stream) => {
                        self.time = time;
                        let text = text.to_vec();
                        let next = lines.place();
                        self.held =
                            Some(Held::Line { offset, stream, text, partial, continued, next });
                    }
                    NextLine::Line(_) => {}
                    NextLine::Gap { offset, skipped } => {
                        self.held = Some(Held::Gap { offset, skipped })
                    }
                    NextLine::Empty => {
                        if lines.follower().offset() < self.until {
                            return;
                        }
                        if self.flushed {
                            self.done = true;
                        } else {
                            // What is no whole line yet is part of the answer too.
                            self.flushed = true;
                            lines.flush();
                        }
                    }
                    NextLine::End => self.done = true,
                },
            }
        }
    }

    fn poll(&self, waker: &Waker) -> Poll<Wait> {
        match &self.reader {
            Reader::Chunks(follower) => follower.poll(waker),
            Reader::Lines(lines) => lines.poll(waker),
        }
    }

    /// Where a client that got everything but what is held resumes.
    fn resume(&self) -> Place {
        self.resume_at(match &self.held {
            Some(
                Held::Chunk { offset, .. } | Held::Line { offset, .. } | Held::Gap { offset, .. },
            ) => *offset,
            None => self.follower().offset(),
        })
    }

    /// Where a client that got everything up to `next` resumes: earlier with a stream whose last character is not complete.
    fn resume_at(&self, next: u64) -> Place {
        [0, 1, 2].map(|i| self.carries[i].offset().unwrap_or(next).max(self.from[i]))
    }
}

impl Follow {
    /// Follows each source from its own place.
    pub(super) fn new(sources: Vec<Source>, wanted: Wanted, waker: Waker) -> Self {
        Self {
            sources,
            wanted,
            waker,
            hub: None,
            discovered: UNSEEN,
            buffer: vec![0; PIECE].into(),
            finite: false,
            ended: false,
        }
    }

    /// The same, and the monitors that are opened later.
    pub(super) fn discovering(mut self, hub: Arc<Hub>) -> Self {
        self.hub = Some(hub);
        self
    }

    /// The same, up to what is there now.
    pub(super) fn finite(mut self) -> Self {
        for source in &mut self.sources {
            source.until = source.monitor().total();
        }
        self.finite = true;
        self
    }

    /// Adds monitors that were opened since, and lets go of those that have ended and left the hub.
    fn discover(&mut self) {
        let Some(hub) = &self.hub else { return };
        let Poll::Ready(changes) = hub.poll_changes(self.discovered, &self.waker) else { return };
        self.discovered = changes;
        let all = hub.list();
        let listed: HashSet<_> = all.iter().map(Arc::as_ptr).collect();
        self.sources.retain(|source| {
            let over = source.done && source.held.is_none();
            !over || listed.contains(&Arc::as_ptr(source.monitor()))
        });
        let known: HashSet<_> =
            self.sources.iter().map(|source| Arc::as_ptr(source.monitor())).collect();
        for monitor in roots(all) {
            if !known.contains(&Arc::as_ptr(&monitor))
                && let Ok(source) = Source::new(&monitor, Start::Oldest, self.wanted)
            {
                self.sources.push(source);
            }
        }
    }

    /// Sends what source `index` holds.
    fn send(&mut self, index: usize, out: &mut Vec<u8>) {
        let Wanted { format, strip, .. } = self.wanted;
        let Some(held) = self.sources[index].held.take() else { return };
        let several = self.hub.is_some() || self.sources.len() > 1;
        let cursor = |sources: &[Source], next: Place| {
            if format != Format::Events {
                return String::new();
            }
            if !several {
                return cursors::place(next);
            }
            Cursors::write(sources.iter().enumerate().map(|(i, source)| {
                (source.monitor().name(), if i == index { next } else { source.resume() })
            }))
        };
        let source = &mut self.sources[index];
        let monitor = Arc::clone(source.monitor());
        let name = monitor.name();
        match held {
            Held::Gap { offset, skipped } => {
                // What they waited for is gone, or comes without its beginning.
                source.carries = Default::default();
                let next = source.resume_at(offset + skipped);
                format.gap(out, name, (offset, skipped), &cursor(&self.sources, next));
            }
            Held::Line { offset, stream, mut text, partial, continued, next } => {
                if strip {
                    text = strip_ansi(&text);
                }
                let line = Line {
                    offset,
                    stream,
                    stream_offset: 0,
                    time: source.time,
                    text: &text,
                    partial,
                    continued,
                };
                format.line(out, name, &line, next);
            }
            Held::Chunk { offset, stream, fresh, mut data } => {
                let end = offset + data.len() as u64;
                let which = stream as usize - 1;
                if fresh {
                    // What was cut by the end of what came before goes on in nothing.
                    (source.strippers[which], source.carries[which]) = Default::default();
                }
                if strip {
                    let mut plain = Vec::with_capacity(data.len());
                    source.strippers[which].strip(&data, &mut plain);
                    data = plain;
                }
                if format == Format::Text {
                    out.extend_from_slice(&data);
                    return;
                }
                let (text, offset) = source.carries[which].decode(offset, &data);
                let next = source.resume_at(end);
                let time = source.time;
                let piece = Piece { source: name, stream, offset, time, fresh, text: &text, next };
                format.piece(out, &piece, &cursor(&self.sources, next));
            }
        }
    }
}

/// Those of `all` that pass their output on to no other one of them: following these alone shows everything once.
pub(super) fn roots(all: Vec<Arc<Monitor>>) -> Vec<Arc<Monitor>> {
    let listed: HashSet<_> = all.iter().map(Arc::as_ptr).collect();
    let is_root = |monitor: &Arc<Monitor>| {
        let mut above = std::iter::successors(monitor.passes_to(), |above| above.passes_to());
        !above.any(|above| listed.contains(&Arc::as_ptr(above)))
    };
    all.into_iter().filter(is_root).collect()
}

impl http::Stream for Follow {
    fn fill(&mut self, out: &mut Vec<u8>, room: usize) -> Fill {
        let before = out.len();
        self.discover();
        while out.len() - before < room {
            for source in &mut self.sources {
                let was_done = source.done;
                source.take(self.wanted.stream, &mut self.buffer);
                if source.done && !was_done {
                    // It may have left the hub before.
                    self.discovered = UNSEEN;
                }
            }
            let held = self.sources.iter().enumerate().filter(|(_, source)| source.held.is_some());
            let Some((first, _)) = held.min_by_key(|(_, source)| source.time) else { break };
            self.send(first, out);
        }
        if out.len() > before {
            return Fill::More;
        }
        if self.ended {
            return Fill::End;
        }
        if let Some(hub) = &self.hub
            && hub.poll_changes(self.discovered, &self.waker).is_ready()
        {
            return Fill::More;
        }
        if self.hub.is_none() && self.sources.iter().all(|source| source.done) {
            self.ended = true;
            if !self.finite {
                self.wanted.format.end(out);
            }
            return Fill::More;
        }
        let mut live = self.sources.iter().filter(|source| !source.done);
        if live.any(|source| source.poll(&self.waker).is_ready()) {
            return Fill::More;
        }
        Fill::Wait
    }

    fn keep_alive(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.wanted.format.keep_alive());
    }

    fn is_finite(&self) -> bool {
        self.finite
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        for source in &self.sources {
            source.follower().forget(&self.waker);
        }
        if let Some(hub) = &self.hub {
            hub.forget(&self.waker);
        }
    }
}
