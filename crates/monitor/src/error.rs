use std::{fmt, io};

/// Why nothing was kept of a write.
#[derive(Debug)]
#[non_exhaustive]
pub enum WriteError {
    /// The sink did not take it.
    Sink(io::Error),
    /// The sink's callback wrote to the monitor that it is the sink of.
    Reentrant,
    /// The history did not take it: the monitor is closed, or there is no memory.
    History(flightring_replay::WriteError),
}

impl WriteError {
    /// Whether the monitor is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::History(flightring_replay::WriteError::Closed))
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sink(error) => write!(f, "the sink failed, so nothing was kept: {error}"),
            Self::Reentrant => {
                f.write_str("a sink must not write to its own monitor; write to another one")
            }
            Self::History(flightring_replay::WriteError::Closed) => {
                f.write_str("the monitor is closed; nothing can be written any more")
            }
            Self::History(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Sink(error) => Some(error),
            Self::Reentrant => None,
            Self::History(error) => Some(error),
        }
    }
}

impl From<flightring_replay::WriteError> for WriteError {
    fn from(error: flightring_replay::WriteError) -> Self {
        Self::History(error)
    }
}
