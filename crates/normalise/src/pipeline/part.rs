//! A stretch of an input on its way through the pipeline.

use memchr::memchr_iter;

use super::spill::Spill;
use crate::masker::Masker;
use crate::summary::Tally;

/// Whole lines of one input and, later, their patterns; or one line that is longer than a buffer.
pub(super) struct Part {
    /// Its place in the order.
    pub(super) number: u64,
    /// Which input it is from.
    pub(super) input: usize,
    /// The text, a buffer of fixed size of which the first `len` bytes count.
    pub(super) text: Box<[u8]>,
    pub(super) len: usize,
    /// The patterns, in a buffer that is made when it is first needed.
    output: Vec<u8>,
    output_len: usize,
    /// The pattern of a long line.
    pub(super) long: Option<Spill>,
    /// The beginning of the long line.
    pub(super) head: Vec<u8>,
    /// How long the long line is.
    pub(super) long_len: u64,
    /// What the part has of each pattern, when that is wanted.
    pub(super) tally: Option<Tally>,
    /// Lines, counting one without a line feed at the end of an input.
    pub(super) lines: u64,
    /// The text is the last of its input, and has no line feed at its end.
    pub(super) is_unended: bool,
}

impl Part {
    pub(super) fn new(size: usize, tally: Option<Tally>) -> Self {
        Self {
            number: 0,
            input: 0,
            // Zeroed memory of this size is not touched before it is used.
            text: vec![0; size].into_boxed_slice(),
            len: 0,
            output: Vec::new(),
            output_len: 0,
            long: None,
            head: Vec::new(),
            long_len: 0,
            tally,
            lines: 0,
            is_unended: false,
        }
    }

    pub(super) fn is_masked(&self) -> bool {
        self.long.is_some()
    }

    /// Makes the patterns.
    pub(super) fn mask(&mut self, masker: &Masker) {
        let text = &self.text[..self.len];
        let room = masker.max_len(self.text.len());
        if self.output.len() < room {
            self.output = vec![0; room];
        }
        // The buffer has the promised size, so this cannot fail; nothing is written rather than something wrong.
        self.output_len = masker.mask_into(text, &mut self.output).unwrap_or_default();
        let ends = memchr_iter(b'\n', text).count() as u64;
        self.lines = ends + u64::from(text.last().is_some_and(|&byte| byte != b'\n'));
        if let Some(tally) = &mut self.tally {
            tally.count(text, &self.output[..self.output_len], self.lines);
        }
    }

    /// The text, when it is not that of a long line.
    pub(super) fn text(&self) -> &[u8] {
        &self.text[..self.len]
    }

    /// The patterns, when this is not a long line.
    pub(super) fn output(&self) -> &[u8] {
        &self.output[..self.output_len]
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.output_len = 0;
        self.long = None;
        self.long_len = 0;
        self.lines = 0;
        self.is_unended = false;
    }
}
