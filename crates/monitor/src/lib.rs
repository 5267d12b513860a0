//! The recent output of child processes and subsystems, for a service that must never be held up by it.
//!
//! # The model
//!
//! A [`Monitor`] keeps the newest bytes of one process: its standard output, its standard error, and the lines that the service
//! itself [logs](Monitor::log) about it, in one *timeline* in the order of their arrival. Every byte has an absolute
//! *combined* offset in the timeline and an offset in its own [`Stream`]; the timeline knows, for every byte, the
//! stream and the time of its arrival (`timeline.rs`). Offsets are never used twice, also when the process is
//! restarted ([`stop`](Monitor::stop)), so a place in the output that somebody remembers is either that place or known
//! to be gone. A [`Hub`] holds monitors by name.
//!
//! # Who waits for whom
//!
//! * Writers wait for each other, and for the monitor's [`Sink`] if it has one: a sink is part of the write.
//! * Readers never wait for a writer, and a writer never waits for readers: the timeline is made of
//!   [replay buffers](flightring_replay).
//! * A [`Follower`] is a place in the timeline, nothing more. History and live output are one stream to it, so nothing
//!   can be missing or doubled between the two. One that is too slow finds a [gap](Next::Gap) of a known size.
//! * A [`Subscription`] is a follower with a callback and a thread of its own.
//! * One thread per hub reads all [attached](Monitor::attach) descriptors, so a child's pipe is emptied whatever
//!   followers do, and what it wrote before its end is there before its end is noted. Monitors whose output ends in a sink that
//!   may be slow are read by a thread per sink instead, so a slow sink throttles its own processes only.
//! * What is read at once, up to 64 KiB, arrived together: its lines share one time.
//!
//! # Patterns
//!
//! A monitor can [count the patterns](Monitor::count_patterns) of its lines while they come: what kinds of lines a process
//! writes, and how often.
//!
//! # Lines
//!
//! [`Lines`] makes lines of chunks, per stream, so that interleaved streams splice nothing. Escape sequences are kept as
//! they came; [`strip_ansi`] and [`AnsiStripper`] take them out for those who want plain text.
//!
//! ```
//! use flightring_monitor::{Hub, Level, Lines, NextLine, Options, Start, Stream};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::new();
//! let monitor = hub.open("worker-1", Options::default())?;
//! monitor.write(Stream::Stdout, b"ready\nhalf a li")?;
//! monitor.log(Level::Warn, "low on memory")?;
//! monitor.write(Stream::Stdout, b"ne\n")?;
//!
//! let mut lines = Lines::new(&monitor, Start::Oldest, 0)?;
//! let mut seen = Vec::new();
//! while let NextLine::Line(line) = lines.next() {
//!     seen.push((line.stream, String::from_utf8_lossy(line.text).into_owned()));
//! }
//! assert_eq!(seen, [
//!     (Stream::Stdout, "ready".to_owned()),
//!     (Stream::Log, "[WARN] low on memory".to_owned()),
//!     (Stream::Stdout, "half a line".to_owned()),
//! ]);
//! # Ok(()) }
//! ```

mod ansi;
mod clock;
mod error;
mod follow;
mod hub;
mod level;
mod lines;
mod monitor;
mod newlines;
mod pace;
mod patterns;
mod process;
mod pump;
mod sigpipe;
mod sink;
mod stream;
mod subscription;
mod tail;
mod threads;
mod time_format;
mod timeline;

pub use ansi::{AnsiStripper, strip_ansi};
pub use clock::Time;
pub use error::WriteError;
pub use flightring_normalise::{Masker, Mode, PatternCount, SummaryOptions};
pub use flightring_replay::{CreateError, FutureOffset, Read, Wait, WriteError as ReplayError};
pub use follow::{Chunk, Follower, Next, Start};
pub use hub::Hub;
pub use level::{Level, UnknownLevel};
pub use lines::{Line, Lines, NextLine};
pub use monitor::{Monitor, Options, Stats};
pub use patterns::TopPatterns;
pub use process::ProcessState;
pub use sink::{Sink, SinkFn};
pub use stream::Stream;
pub use subscription::{SubscribeError, Subscription};
pub use time_format::TimeFormat;
