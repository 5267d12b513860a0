use std::fmt;
use std::time::Duration;

use flightring_ring::CreateError;
use flightring_sync::prefer_large_pages;

/// The limits of one store. Whichever is met first evicts the oldest records.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most records held: 1 to 2^31 - 1.
    pub capacity: usize,
    /// The most bytes of records held (each rounded up to 8) and of the names and origins they use: at least 1024.
    /// Memory is taken as it is needed (32 KiB at a time), so a generous limit costs nothing.
    pub max_bytes: u64,
    /// Records that arrived longer ago than this are evicted when the next one arrives or when
    /// [`expire`](crate::Recorder::expire) is called. `None`: age does not matter.
    pub max_age: Option<Duration>,
    /// The most records of one trace that are held at a time; further ones are refused and counted. `None`: as many
    /// as fit.
    pub max_per_trace: Option<u32>,
    /// A record of more bytes than this leaves a placeholder: everything but its attributes, events, links and
    /// body. 256 to `max_bytes`.
    pub max_record_bytes: usize,
    /// The sequence number of the first record. Numbers go on after a [`clear`](crate::Recorder::clear), so a
    /// process that knows how far its predecessor came can go on from there. Below 2^63.
    pub first_sequence: u64,
}

impl Limits {
    /// Limits by count, with room for 2 KiB a record.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            capacity,
            max_bytes: (capacity as u64).saturating_mul(2048).max(1 << 20),
            max_age: None,
            max_per_trace: None,
            max_record_bytes: 64 << 10,
            first_sequence: 0,
        }
    }

    /// The same with another limit of bytes.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self.max_record_bytes =
            self.max_record_bytes.min(usize::try_from(bytes).unwrap_or(usize::MAX));
        self
    }

    /// The same with a limit of age.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// The same with a limit of records a trace.
    #[must_use]
    pub fn max_per_trace(mut self, records: u32) -> Self {
        self.max_per_trace = Some(records);
        self
    }

    /// The same with another limit of bytes a record.
    #[must_use]
    pub fn max_record_bytes(mut self, bytes: usize) -> Self {
        self.max_record_bytes = bytes;
        self
    }

    /// The same with another first sequence number, which is below 2^63.
    #[must_use]
    pub fn first_sequence(mut self, sequence: u64) -> Self {
        self.first_sequence = sequence;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.capacity == 0 || self.capacity >= 1 << 31 {
            return Err(ConfigError::Capacity(self.capacity));
        }
        if self.max_bytes < 1024 || self.max_bytes > 1 << 46 {
            return Err(ConfigError::MaxBytes(self.max_bytes));
        }
        if self.max_record_bytes < 256
            || self.max_record_bytes as u64 > self.max_bytes.min(u64::from(u32::MAX))
        {
            return Err(ConfigError::MaxRecordBytes(self.max_record_bytes));
        }
        if self.max_per_trace == Some(0) {
            return Err(ConfigError::MaxPerTrace);
        }
        if self.first_sequence >= SEQUENCE_LIMIT {
            return Err(ConfigError::FirstSequence(self.first_sequence));
        }
        Ok(())
    }
}

/// First sequence numbers are below this. Half of all numbers are left then, which is more records than any store will see, so
/// the numbers never come to their end and none is ever given twice.
const SEQUENCE_LIMIT: u64 = 1 << 63;

/// So many values, each as `make` makes it, or the word that there is no memory for them: a host asks for a store of some size
/// and is not to be ended for it.
pub(crate) fn filled<T>(count: usize, make: impl FnMut() -> T) -> Result<Box<[T]>, ConfigError> {
    let mut values = Vec::new();
    if values.try_reserve_exact(count).is_err() {
        let bytes = count.saturating_mul(size_of::<T>());
        return Err(ConfigError::NoMemory(CreateError::OutOfMemory { bytes }));
    }
    prefer_large_pages(values.spare_capacity_mut());
    values.extend(std::iter::repeat_with(make).take(count));
    Ok(values.into_boxed_slice())
}

/// Why a store could not be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The capacity is 0 or more than 2^31 - 1.
    Capacity(usize),
    /// The limit of bytes is below 1024 or above 2^46.
    MaxBytes(u64),
    /// The limit of bytes a record is below 256 or above the limit of bytes.
    MaxRecordBytes(usize),
    /// The limit of records a trace is 0.
    MaxPerTrace,
    /// The first sequence number is 2^63 or more.
    FirstSequence(u64),
    /// There is no memory for a store of that capacity.
    NoMemory(CreateError),
}

impl From<CreateError> for ConfigError {
    fn from(error: CreateError) -> Self {
        Self::NoMemory(error)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capacity(n) => write!(f, "a capacity of {n} records; ask for 1 to 2147483647"),
            Self::MaxBytes(n) => write!(f, "a limit of {n} bytes; ask for 1024 to 2^46"),
            Self::MaxRecordBytes(n) => {
                write!(f, "a limit of {n} bytes a record; ask for 256 up to the limit of all bytes")
            }
            Self::MaxPerTrace => {
                f.write_str("a limit of 0 records a trace; ask for at least 1, or for none")
            }
            Self::FirstSequence(n) => {
                write!(f, "a first sequence number of {n}; ask for one below 2^63")
            }
            Self::NoMemory(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ConfigError {}
