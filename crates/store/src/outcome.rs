//! What became of a request.

use std::fmt;

use crate::store::Added;
use crate::wire::WireError;

/// What became of a request's records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Ingested {
    /// Records that are held now (or were evicted by later ones of the same request).
    pub accepted: u64,
    /// Of these, records that were too large and left a placeholder.
    pub placeholders: u64,
    /// Records refused because they could not be read.
    pub malformed: u64,
    /// What was wrong with the first of those; empty if there are none.
    pub first_malformed: String,
    /// Records refused because their trace holds as many as it may.
    pub trace_full: u64,
}

impl Ingested {
    /// All refused records, for OTLP's partial success reply.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.malformed + self.trace_full
    }

    /// Why records were refused, in words; empty if none were.
    #[must_use]
    pub fn message(&self) -> String {
        let mut message = String::new();
        if self.malformed > 0 {
            message = format!("{} could not be read", self.malformed);
            if !self.first_malformed.is_empty() {
                message = format!("{message} (the first: {})", self.first_malformed);
            }
        }
        if self.trace_full > 0 {
            let separator = if message.is_empty() { "" } else { ", " };
            message = format!(
                "{message}{separator}{} belong to a trace that holds as many records as it may",
                self.trace_full
            );
        }
        message
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.placeholders += other.placeholders;
        self.lose(other.malformed, || other.first_malformed.clone());
        self.trace_full += other.trace_full;
    }

    pub(crate) fn lose(&mut self, records: u64, reason: impl FnOnce() -> String) {
        if self.malformed == 0 && records > 0 {
            self.first_malformed = reason();
        }
        self.malformed += records;
    }

    pub(crate) fn count(&mut self, added: Added) {
        match added {
            Added::Held(_) => self.accepted += 1,
            Added::Placeholder(_) => {
                self.accepted += 1;
                self.placeholders += 1;
            }
            Added::TraceFull => self.trace_full += 1,
        }
    }
}

/// Why a request was refused as a whole. Nothing of it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IngestError {
    /// It is larger than a request may be.
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// The most bytes that a request may have.
        limit: usize,
    },
    /// Its framing is damaged.
    Wire(WireError),
    /// It is no JSON, or not an object with the list of an OTLP request.
    Json(String),
}

impl fmt::Display for IngestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, limit } => {
                write!(
                    f,
                    "the request has {bytes} bytes, at most {limit} are accepted; send smaller batches"
                )
            }
            Self::Wire(error) => write!(f, "not an OTLP request: {error}"),
            Self::Json(error) => write!(f, "not an OTLP request in JSON: {error}"),
        }
    }
}

impl std::error::Error for IngestError {}

impl From<WireError> for IngestError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}
