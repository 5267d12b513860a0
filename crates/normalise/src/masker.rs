//! A mode, made ready to be used on any number of lines.

use std::fmt;
use std::str::FromStr;

use memchr::memchr;

use crate::digits::Digits;
use crate::kernel::{Engine, Kernel};
use crate::rules::Rules;
use crate::shape::Shape;
use crate::target::{Buffer, Target};
use crate::tokens::Tokens;
use crate::typed::Typed;

/// What is taken out of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Words become `Y`, what is quoted or in brackets becomes `X`: the coarsest.
    Shape,
    /// Each run of digits becomes `#`: the fastest.
    Digits,
    /// Each token (between white space) with a digit in it becomes `#`.
    Tokens,
    /// Addresses, times, numbers, paths and so on become the name of what they are: the most telling.
    Typed,
    /// Nothing. For rules that are to work alone.
    Keep,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 5] = [Self::Shape, Self::Digits, Self::Tokens, Self::Typed, Self::Keep];

    /// Its name: lower case, one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shape => "shape",
            Self::Digits => "digits",
            Self::Tokens => "tokens",
            Self::Typed => "typed",
            Self::Keep => "keep",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is not that of a mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownMode(String);

impl fmt::Display for UnknownMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no mode; the modes are shape, digits, tokens, typed and keep", self.0)
    }
}

impl std::error::Error for UnknownMode {}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, UnknownMode> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.name() == name)
            .ok_or_else(|| UnknownMode(name.to_owned()))
    }
}

/// The buffer has no room for the pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferTooSmall {
    /// A size, in bytes, that is enough. Less may be too.
    pub sufficient: usize,
}

impl fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the buffer is too small; {} bytes are enough", self.sufficient)
    }
}

impl std::error::Error for BufferTooSmall {}

/// Why a masker could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MaskerError {
    /// This machine cannot run that kernel.
    Kernel(Kernel),
    /// Rules cannot be combined with the mode `shape`, which would mask the names that they leave.
    RulesWithShape,
}

impl fmt::Display for MaskerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(kernel) => {
                write!(f, "this machine cannot run the kernel {kernel:?}; use Kernel::detect()")
            }
            Self::RulesWithShape => f.write_str(
                "rules do not go together with the mode shape, which masks the names that they \
                 leave; use typed, tokens, digits or keep",
            ),
        }
    }
}

impl std::error::Error for MaskerError {}

/// Turns lines into patterns.
///
/// It has no state: the same line gives the same pattern, always and on every thread. Text of several lines is masked line
/// by line; the line feeds stay.
///
/// ```
/// use flightring_normalise::{Masker, Mode};
/// let masker = Masker::new(Mode::Typed);
/// let pattern = masker.mask(b"GET /a/7 from 10.0.0.1 took 12ms");
/// assert_eq!(pattern, b"GET <path> from <ip> took <num>ms");
/// ```
#[derive(Debug, Clone)]
pub struct Masker {
    mode: Mode,
    engine: Engine,
    rules: Option<Rules>,
}

impl Masker {
    /// A masker with the fastest kernel of this machine.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self { mode, engine: Engine::detect(), rules: None }
    }

    /// The same, with a chosen kernel: for tests and measurements, since every kernel gives the same result.
    pub fn with_kernel(self, kernel: Kernel) -> Result<Self, MaskerError> {
        let engine = Engine::new(kernel).ok_or(MaskerError::Kernel(kernel))?;
        Ok(Self { engine, ..self })
    }

    /// The same, with rules that are applied first: what they match becomes `<name>`, and the mode takes what is between
    /// the matches, each stretch by itself.
    pub fn with_rules(self, rules: Rules) -> Result<Self, MaskerError> {
        if self.mode == Mode::Shape {
            return Err(MaskerError::RulesWithShape);
        }
        Ok(Self { rules: Some(rules), ..self })
    }

    /// What is taken out.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The kernel that reads the bytes.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        self.engine.kernel()
    }

    /// The rules that are applied first, if any.
    #[must_use]
    pub fn rules(&self) -> Option<&Rules> {
        self.rules.as_ref()
    }

    /// How large a buffer has to be for a text of `len` bytes, whatever they are: 4 * `len` + 64, or
    /// n * `len` + 64 with a rule whose `<name>` has n bytes, when that is more.
    ///
    /// A pattern itself is shorter: in mode `shape` at most 1.5 times the line when that is valid UTF-8, and three times
    /// when not; in `digits`, `tokens` and `keep` at most the line. The rest is room for the nesting of brackets.
    #[must_use]
    pub fn max_len(&self, len: usize) -> usize {
        let factor = self.rules.as_ref().map_or(0, Rules::longest_placeholder).max(4);
        len.saturating_mul(factor).saturating_add(64)
    }

    /// Writes the pattern of `text` to the beginning of `dst` and returns its length. Takes time in proportion to the
    /// text, and allocates nothing (rules allocate when a thread uses them first).
    ///
    /// A buffer of [`max_len`](Self::max_len) bytes is always enough; a smaller one is used as far as it goes. What is
    /// in it after an error, or behind the pattern, is unspecified.
    pub fn mask_into(&self, text: &[u8], dst: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let mut buffer = Buffer::new(dst);
        self.mask_to(text, &mut buffer);
        if buffer.is_full() {
            return Err(BufferTooSmall { sufficient: self.max_len(text.len()) });
        }
        Ok(buffer.len())
    }

    /// The pattern of `text`.
    #[must_use]
    pub fn mask(&self, text: &[u8]) -> Vec<u8> {
        let mut pattern = vec![0; self.max_len(text.len())];
        let len = self.mask_into(text, &mut pattern).unwrap_or_default();
        pattern.truncate(len);
        pattern
    }

    fn mask_to(&self, text: &[u8], target: &mut impl Target) {
        let Some(rules) = &self.rules else {
            State::new(self.mode).feed(self.engine, text, true, target);
            return;
        };
        let mut rest = text;
        loop {
            let end = memchr(b'\n', rest);
            let line = &rest[..end.unwrap_or(rest.len())];
            let mut from = 0;
            let between = |stretch: &[u8], target: &mut _| {
                State::new(self.mode).feed(self.engine, stretch, true, target);
            };
            for (found, placeholder) in rules.find(line) {
                between(&line[from..found.start], target);
                target.append(placeholder.as_bytes());
                from = found.end;
            }
            between(&line[from..], target);
            let Some(end) = end else { return };
            target.append(b"\n");
            rest = &rest[end + 1..];
        }
    }
}

/// What a mode remembers between two parts of a text.
#[derive(Debug)]
enum State {
    Shape(Shape),
    Digits(Digits),
    Tokens(Tokens),
    Typed(Typed),
    Keep,
}

impl State {
    fn new(mode: Mode) -> Self {
        match mode {
            Mode::Shape => Self::Shape(Shape::default()),
            Mode::Digits => Self::Digits(Digits::default()),
            Mode::Tokens => Self::Tokens(Tokens::default()),
            Mode::Typed => Self::Typed(Typed::default()),
            Mode::Keep => Self::Keep,
        }
    }

    /// Masks `text` and returns how much of it was taken; the rest, which is short, is to be given again with what
    /// follows. The `last` is taken whole.
    fn feed(&mut self, engine: Engine, text: &[u8], last: bool, target: &mut impl Target) -> usize {
        match self {
            Self::Shape(shape) => return shape.feed(engine, text, last, target),
            Self::Typed(typed) => return typed.feed(text, last, target),
            Self::Digits(digits) => digits.feed(engine, text, target),
            Self::Tokens(tokens) => tokens.feed(engine, text, target),
            Self::Keep => target.append(text),
        }
        text.len()
    }
}

/// A line that comes in parts.
#[derive(Debug)]
pub(crate) struct Stream<'a> {
    masker: &'a Masker,
    state: State,
    /// What could not be judged yet.
    rest: Vec<u8>,
}

impl Masker {
    /// A line that comes in parts; `None` with rules, which need all of it at once.
    pub(crate) fn stream(&self) -> Option<Stream<'_>> {
        let state = State::new(self.mode);
        self.rules.is_none().then_some(Stream { masker: self, state, rest: Vec::new() })
    }
}

impl Stream<'_> {
    /// Masks the next part; nothing comes after the `last`.
    pub(crate) fn feed(&mut self, text: &[u8], last: bool, target: &mut impl Target) {
        self.rest.extend_from_slice(text);
        let taken = self.state.feed(self.masker.engine, &self.rest, last, target);
        self.rest.drain(..taken);
    }
}
