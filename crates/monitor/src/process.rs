use std::fmt;

/// What is known about the process behind a monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ProcessState {
    /// Nothing was said about one.
    #[default]
    Unknown,
    /// It runs.
    Running {
        /// Its process id.
        pid: u32,
    },
    /// It ended by itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// A signal ended it.
    Killed {
        /// The signal's number.
        signal: i32,
    },
    /// It ended, and somebody else collected its status first.
    Gone,
    /// The monitor was stopped.
    Stopped,
}

impl ProcessState {
    /// `unknown`, `running`, `exited`, `killed`, `gone` or `stopped`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Running { .. } => "running",
            Self::Exited { .. } => "exited",
            Self::Killed { .. } => "killed",
            Self::Gone => "gone",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for ProcessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { pid } => write!(f, "running, pid {pid}"),
            Self::Exited { code } => write!(f, "exited with {code}"),
            Self::Killed { signal } => write!(f, "killed by signal {signal}"),
            other => f.write_str(other.name()),
        }
    }
}
