//! The first stage: inputs cut into parts of whole lines.

use std::io::{self, Read};
use std::sync::Arc;

use memchr::{memchr, memrchr};

use super::exchange::Exchange;
use super::input::Input;
use super::part::Part;
use super::spill::Spill;
use super::{Control, Options, PipelineError};
use crate::masker::Masker;

/// Bytes of a long line that are kept for a sample.
const HEAD: usize = 1024;

pub(super) struct Reader<'a> {
    exchange: &'a Exchange,
    masker: &'a Masker,
    options: &'a Options,
    control: &'a Arc<Control>,
}

/// What went wrong, before it is known at which line.
pub(super) struct ReadError {
    input: usize,
    cause: Cause,
}

enum Cause {
    Open(io::Error),
    Read(io::Error),
    Spill(io::Error),
    LongLine(usize),
}

impl ReadError {
    /// The error with its place: the line after those that were read of the input.
    pub(super) fn at(self, names: &[String], lines: &[u64]) -> PipelineError {
        let input = names.get(self.input).cloned().unwrap_or_default();
        let line = lines.get(self.input).copied().unwrap_or(0) + 1;
        match self.cause {
            Cause::Open(source) => PipelineError::Open { input, source },
            Cause::Read(source) => PipelineError::Read { input, line, source },
            Cause::Spill(source) => PipelineError::Spill { input, line, source },
            Cause::LongLine(limit) => PipelineError::LongLine { input, line, limit },
        }
    }
}

/// Why reading goes no further.
enum End {
    /// The run was aborted from outside; whoever did it has noted why.
    Aborted,
    Failed(Cause),
}

impl From<Cause> for End {
    fn from(cause: Cause) -> Self {
        Self::Failed(cause)
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        exchange: &'a Exchange,
        masker: &'a Masker,
        options: &'a Options,
        control: &'a Arc<Control>,
    ) -> Self {
        Self { exchange, masker, options, control }
    }

    pub(super) fn read_all(&self, inputs: Vec<Input>) -> Result<(), ReadError> {
        for (index, input) in inputs.into_iter().enumerate() {
            if self.control.is_stopped() {
                break;
            }
            match self.read(index, input) {
                Ok(()) => {}
                Err(End::Aborted) => break,
                Err(End::Failed(cause)) => return Err(ReadError { input: index, cause }),
            }
        }
        Ok(())
    }

    fn take(&self, input: usize) -> Result<Part, End> {
        let mut part = self.exchange.take_free().ok_or(End::Aborted)?;
        part.input = input;
        Ok(part)
    }

    /// Hands a part on, or back when there is nothing in it.
    fn put(&self, part: Part) {
        if part.len > 0 {
            self.exchange.put_read(part);
        } else {
            self.exchange.put_free(part);
        }
    }

    fn read(&self, input: usize, source: Input) -> Result<(), End> {
        let opened = source.open(self.control).map_err(Cause::Open)?;
        let mut source = opened.reader;
        let mut part = self.take(input)?;
        loop {
            let before = part.len;
            let read = self.fill(&mut *source, &mut part);
            let is_end = matches!(read, Ok(false));
            let is_full = part.len == part.text.len();
            // A part that waits for more has no line feed, unless it began with the rest of a long line's buffer.
            let from = if is_full { 0 } else { before };
            let last_end = memrchr(b'\n', &part.text[from..part.len]).map(|at| from + at);
            if self.control.is_stopped() || read.is_err() {
                // What follows the last whole line is not known to be a whole one.
                part.len = memrchr(b'\n', part.text()).map_or(0, |end| end + 1);
                self.put(part);
                return read.map(drop).map_err(|error| Cause::Read(error).into());
            }
            if is_end {
                part.is_unended = part.text().last().is_some_and(|&byte| byte != b'\n');
                self.put(part);
                return Ok(());
            }
            match last_end {
                Some(end) if is_full || opened.is_live => {
                    let mut next = self.take(input)?;
                    let tail = end + 1..part.len;
                    next.len = tail.len();
                    next.text[..tail.len()].copy_from_slice(&part.text[tail]);
                    part.len = end + 1;
                    self.exchange.put_read(part);
                    part = next;
                }
                None if is_full => match self.long_line(&mut *source, part)? {
                    Some(next) => part = next,
                    None => return Ok(()),
                },
                _ => {}
            }
        }
    }

    /// Reads once, or when that gives nothing finds that it is the end.
    fn fill(&self, source: &mut dyn Read, part: &mut Part) -> io::Result<bool> {
        let len = part.len;
        loop {
            match source.read(&mut part.text[len..]) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    part.len += read;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Masks the line that begins in `part` and fills all of it, and returns a part that begins with what follows it; `None`
    /// at the end of the input.
    fn long_line(&self, source: &mut dyn Read, mut part: Part) -> Result<Option<Part>, End> {
        let mut stream = self.masker.stream().ok_or(Cause::LongLine(self.options.buffer_size))?;
        let mut spill = Spill::new(self.options.buffer_size);
        let mut long_len = 0;
        part.head.clear();
        part.head.extend_from_slice(&part.text[..part.len.min(HEAD)]);
        loop {
            let end = memchr(b'\n', part.text()).map(|at| at + 1);
            let taken = end.unwrap_or(part.len);
            stream.feed(&part.text[..taken], end.is_some(), &mut spill);
            spill.check().map_err(Cause::Spill)?;
            long_len += taken as u64;
            if end.is_some() {
                let mut next = self.take(part.input)?;
                let tail = taken..part.len;
                next.len = tail.len();
                next.text[..tail.len()].copy_from_slice(&part.text[tail]);
                self.put_long(part, spill, long_len, false);
                return Ok(Some(next));
            }
            part.len = 0;
            let is_end = !self.fill(source, &mut part).map_err(Cause::Read)?;
            if self.control.is_stopped() {
                part.len = 0;
                self.put(part);
                return Ok(None);
            }
            if is_end {
                stream.feed(&[], true, &mut spill);
                spill.check().map_err(Cause::Spill)?;
                self.put_long(part, spill, long_len, true);
                return Ok(None);
            }
        }
    }

    fn put_long(&self, mut part: Part, spill: Spill, len: u64, is_unended: bool) {
        part.long = Some(spill);
        part.long_len = len;
        part.lines = 1;
        part.len = 0;
        part.is_unended = is_unended;
        self.exchange.put_read(part);
    }
}
