use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use flightring_blockfile::{BlockReader, Dialect, Follower, ReadOptions, Reader};
use flightring_normalise::pipeline::{decompress, unpack};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;

/// How files are read.
#[derive(Args)]
pub(crate) struct Input {
    /// Logs to read, also compressed (gzip, zstd); '-' is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// What blocks of earlier formats are taken for
    #[arg(long, value_enum, default_value_t, help_heading = "Reading")]
    dialect: DialectName,

    /// The largest block that is read, in MiB: the bound on memory
    #[arg(long, value_name = "MIB", default_value_t = 512, help_heading = "Reading",
          value_parser = clap::value_parser!(u32).range(1..=4096))]
    max_block: u32,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum DialectName {
    /// Find out
    #[default]
    Auto,
    /// Only the current format: blocks without a trailer are damage
    Current,
    /// Blocks of raw records
    V1,
    /// As v1, with sizes that count the header
    V2,
    /// As v1, with a time in front of each record
    Timed,
    /// As v1, with blocks closer together than their sizes say
    Packed,
}

impl From<DialectName> for Dialect {
    fn from(name: DialectName) -> Self {
        match name {
            DialectName::Auto => Self::Auto,
            DialectName::Current => Self::Current,
            DialectName::V1 => Self::V1,
            DialectName::V2 => Self::V2,
            DialectName::Timed => Self::Timed,
            DialectName::Packed => Self::Packed,
        }
    }
}

impl Input {
    pub(crate) fn options(&self) -> ReadOptions {
        ReadOptions {
            dialect: self.dialect.into(),
            max_block: (self.max_block as usize) << 20,
            follow: false,
        }
    }

    pub(crate) fn open(&self, path: &Path) -> Result<Reader, Failure> {
        Ok(match self.source(path)? {
            Source::File(file) => Reader::from_file(file, self.options()),
            Source::Stream(stream) => Reader::from_stream(stream, self.options()),
        })
    }

    /// As [`Self::open`], from near the end where that can be found.
    pub(crate) fn open_tail(&self, path: &Path, records: u64) -> Result<Reader, Failure> {
        match self.source(path)? {
            Source::File(_) => Reader::open_tail(path, records, self.options())
                .map_err(|error| Failure::file("read", path, error)),
            Source::Stream(stream) => Ok(Reader::from_stream(stream, self.options())),
        }
    }

    /// Follows a live file; see [`Follower::open_tail`].
    pub(crate) fn follow(&self, path: &Path, records: u64) -> Result<Follower, Failure> {
        let failed = |error| Failure::file("read", path, error);
        if is_stdin(path) {
            let message = "standard input cannot be followed; give files";
            return Err(Failure::Message(message.to_owned()));
        }
        let follower = Follower::open_tail(path, records, self.options()).map_err(failed)?;
        let file = follower.reader().blocks().file().map(File::try_clone).transpose();
        if let Some(file) = file.map_err(failed)?
            && unpack(file).map_err(failed)?.is_some()
        {
            let name = path.display();
            return Err(Failure::File(format!(
                "{name} is compressed, so nothing comes after it; leave --follow out"
            )));
        }
        Ok(follower.unpacking(unpack))
    }

    pub(crate) fn open_blocks(&self, path: &Path) -> Result<BlockReader, Failure> {
        Ok(match self.source(path)? {
            Source::File(file) => BlockReader::from_file(file, self.options()),
            Source::Stream(stream) => BlockReader::from_stream(stream, self.options()),
        })
    }

    fn source(&self, path: &Path) -> Result<Source, Failure> {
        let opened = if is_stdin(path) { decompressed(io::stdin()) } else { Source::of_file(path) };
        opened.map_err(|error| Failure::file("read", path, error))
    }
}

enum Source {
    File(File),
    /// Standard input, a pipe, or compressed.
    Stream(Box<dyn Read + Send>),
}

impl Source {
    fn of_file(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !metadata.is_file() {
            return decompressed(file);
        }
        // No log begins as compressed data does: sizes of blocks are multiples of 512.
        let found = decompress(file.try_clone()?)?;
        Ok(if found.compressed { Self::Stream(found.reader) } else { Self::File(file) })
    }
}

fn decompressed(raw: impl Read + Send + 'static) -> io::Result<Source> {
    Ok(Source::Stream(decompress(raw)?.reader))
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// What a file is called in messages.
pub(crate) fn name(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() }
}

/// A bar on standard error while a long file is read, if somebody is there to see it.
pub(crate) struct Progress(Option<ProgressBar>);

/// Shorter files are read before a bar could be looked at.
const LONG: u64 = 256 << 20;

impl Progress {
    /// A bar over the size of one file; `shown` = the output does not go to the same terminal.
    pub(crate) fn over(file: Option<&File>, path: &Path, shown: bool) -> Self {
        let size = file.and_then(|file| file.metadata().ok()).map_or(0, |metadata| metadata.len());
        if !shown || size < LONG || !io::stderr().is_terminal() {
            return Self(None);
        }
        let style = ProgressStyle::with_template(
            "{prefix} {bar:30} {percent:>3} % {binary_bytes_per_sec} {eta}",
        );
        let bar = ProgressBar::new(size).with_prefix(name(path));
        Self(Some(match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }))
    }

    pub(crate) fn at(&self, position: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(position);
        }
    }

    /// Writes a line above the bar.
    pub(crate) fn complain(&self, message: impl std::fmt::Display) {
        match &self.0 {
            Some(bar) => bar.suspend(|| crate::failure::complain(message)),
            None => crate::failure::complain(message),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
