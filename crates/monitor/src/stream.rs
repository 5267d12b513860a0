/// Where a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stream {
    /// The standard output of a process.
    Stdout = 1,
    /// The standard error of a process.
    Stderr = 2,
    /// What the service itself has to say about it.
    Log = 3,
}

impl Stream {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Stdout, Self::Stderr, Self::Log];

    /// The name in lower case: `stdout`, `stderr`, `log`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Log => "log",
        }
    }

    /// The stream with this number: 1, 2 or 3.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| *stream as u8 == number)
    }

    pub(crate) fn index(self) -> usize {
        self as usize - 1
    }
}
