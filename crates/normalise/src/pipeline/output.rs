//! Where patterns go.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use super::error::PipelineError;
use super::input::Input;

/// Where patterns go.
#[non_exhaustive]
pub enum Output {
    /// Nowhere: for a summary alone.
    Discard,
    /// A file, which is created, or emptied when it exists. Several writers write to it at once.
    Path(PathBuf),
    /// Standard output, in turns.
    Stdout,
    /// Anything else, in turns, under a name for messages.
    Writer(String, Box<dyn Write + Send>),
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl Output {
    /// A writer of the caller.
    pub fn writer(name: impl Into<String>, writer: impl Write + Send + 'static) -> Self {
        Self::Writer(name.into(), Box::new(writer))
    }

    /// The name in messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Discard => "<nowhere>".to_owned(),
            Self::Path(path) => path.display().to_string(),
            Self::Stdout => "<stdout>".to_owned(),
            Self::Writer(name, _) => name.clone(),
        }
    }

    /// Opens it, but not when that would empty one of `inputs`.
    pub(super) fn open(self, inputs: &[Input]) -> Result<Sink, PipelineError> {
        let name = self.name();
        let create = |source| PipelineError::Create { output: name.clone(), source };
        Ok(match self {
            Self::Discard => Sink::Discard,
            Self::Writer(_, writer) => Sink::Stream(writer),
            Self::Stdout => {
                let fd = io::stdout().as_fd().try_clone_to_owned().map_err(create)?;
                Sink::Stream(Box::new(File::from(fd)))
            }
            Self::Path(path) => {
                if let Ok(existing) = path.metadata()
                    && existing.is_file()
                {
                    let is_same = |input: &Input| {
                        input
                            .as_path()
                            .and_then(|path| path.metadata().ok())
                            .is_some_and(|m| (m.dev(), m.ino()) == (existing.dev(), existing.ino()))
                    };
                    if inputs.iter().any(is_same) {
                        return Err(PipelineError::SameFile { output: name });
                    }
                }
                let file = File::create(&path).map_err(create)?;
                if file.metadata().map_err(create)?.is_file() {
                    Sink::File(file)
                } else {
                    Sink::Stream(Box::new(file))
                }
            }
        })
    }
}

/// An output that is open.
pub(super) enum Sink {
    Discard,
    /// Every part has its place, so parts can be written in any order.
    File(File),
    /// Parts have to be written one after another.
    Stream(Box<dyn Write + Send>),
}

/// Writes to a place in a file, and on from there.
pub(super) struct At<'a> {
    pub(super) file: &'a File,
    pub(super) offset: u64,
}

impl Write for At<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.file.write_at(bytes, self.offset)?;
        self.offset += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
