//! Where lines come from: files, standard input, anything that can be read; plain, gzip or zstd.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use ruzstd::decoding::FrameDecoder;

use super::Control;

/// One source of lines.
pub struct Input {
    name: String,
    source: Source,
}

enum Source {
    Path(PathBuf),
    Stdin,
    Reader(Box<dyn Read + Send>),
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Input {
    /// A file, which is opened when its turn comes.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { name: path.display().to_string(), source: Source::Path(path) }
    }

    /// Standard input.
    #[must_use]
    pub fn stdin() -> Self {
        Self { name: "<stdin>".to_owned(), source: Source::Stdin }
    }

    /// Anything else, under a name for messages. It is read to its end and not looked into for compression.
    pub fn reader(name: impl Into<String>, reader: impl Read + Send + 'static) -> Self {
        Self { name: name.into(), source: Source::Reader(Box::new(reader)) }
    }

    /// The name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn as_path(&self) -> Option<&PathBuf> {
        match &self.source {
            Source::Path(path) => Some(path),
            _ => None,
        }
    }

    pub(super) fn open(self, control: &Arc<Control>) -> io::Result<Opened> {
        let file = match self.source {
            Source::Path(path) => File::open(path)?,
            Source::Stdin => File::from(io::stdin().as_fd().try_clone_to_owned()?),
            Source::Reader(reader) => {
                return Ok(Opened { reader, is_live: false });
            }
        };
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let is_live = !metadata.is_file();
        let raw = Raw { file, control: Arc::clone(control), is_live };
        Ok(match decompress(raw)? {
            Decompressed { reader, compressed: true } => Opened { reader, is_live: false },
            Decompressed { reader, .. } => Opened { reader, is_live },
        })
    }
}

/// Bytes as they were before they were compressed.
pub struct Decompressed {
    /// The bytes.
    pub reader: Box<dyn Read + Send>,
    /// They were compressed.
    pub compressed: bool,
}

/// Looks at the first bytes of `raw`: gzip and zstd are decompressed while they are read, anything else is passed on.
///
/// # Errors
///
/// Those of reading `raw`.
pub fn decompress(mut raw: impl Read + Send + 'static) -> io::Result<Decompressed> {
    let head = peek(&mut raw)?;
    let whole = Cursor::new(head.clone()).chain(raw);
    let (reader, compressed): (Box<dyn Read + Send>, bool) = match &head[..] {
        [0x1f, 0x8b, 8, ..] => (Box::new(flate2::read::MultiGzDecoder::new(whole)), true),
        // Frames, and frames to skip, which may come first.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            (Box::new(Zstd::new(whole)), true)
        }
        _ => (Box::new(whole), false),
    };
    Ok(Decompressed { reader, compressed })
}

/// What a file holds if it is compressed, by gzip or zstd; `None` if it is not.
///
/// # Errors
///
/// Those of reading it.
pub fn unpack(file: File) -> io::Result<Option<Box<dyn Read + Send>>> {
    let found = decompress(file)?;
    Ok(found.compressed.then_some(found.reader))
}

pub(super) struct Opened {
    pub(super) reader: Box<dyn Read + Send>,
    /// Data may come slowly, so what has come should not wait for more.
    pub(super) is_live: bool,
}

/// The first bytes, at most four, and only as many as could be the beginning of a compressed file.
fn peek(raw: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while head.len() < 4 && matches!(head.first(), None | Some(0x1f | 0x28 | 0x50..=0x5f)) {
        let mut bytes = [0; 4];
        match raw.read(&mut bytes[..4 - head.len()]) {
            Ok(0) => break,
            Ok(len) => head.extend_from_slice(&bytes[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(head)
}

/// The file itself: counts what was read, and does not wait for a slow source when the run is to stop.
struct Raw {
    file: File,
    control: Arc<Control>,
    is_live: bool,
}

impl Raw {
    /// Waits until there is something to read: whether there is.
    fn wait(&self) -> io::Result<bool> {
        let timeout = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        let fd: BorrowedFd<'_> = self.file.as_fd();
        while !self.control.is_stopped() {
            match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_live && !self.wait()? {
            return Ok(0);
        }
        let len = self.file.read(buffer)?;
        self.control.bytes_read.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }
}

/// Zstandard frames one after another (RFC 8878). A frame may ask for a window of up to 128 MiB, like in the reference
/// decoder; common levels ask for 8 MiB at most.
struct Zstd<R: Read> {
    source: BufReader<R>,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: Read> Zstd<R> {
    fn new(source: R) -> Self {
        let source = BufReader::with_capacity(64 << 10, source);
        Self { source, decoder: FrameDecoder::new(), in_frame: false }
    }

    /// Starts the next frame: whether there is one.
    fn next_frame(&mut self) -> io::Result<bool> {
        use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let skipped = io::copy(&mut (&mut self.source).take(length), &mut io::sink())?;
                    if skipped < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(damaged(error)),
            }
        }
        Ok(false)
    }
}

fn damaged(error: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("damaged zstd data: {error}"))
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use ruzstd::decoding::BlockDecodingStrategy::UptoBlocks;
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.in_frame = true;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder.decode_blocks(&mut self.source, UptoBlocks(1)).map_err(damaged)?;
            }
            let len = self.decoder.read(buffer)?;
            if len > 0 {
                return Ok(len);
            }
            let promised = self.decoder.get_checksum_from_data();
            if promised.is_some() && promised != self.decoder.get_calculated_checksum() {
                return Err(damaged("the checksum differs"));
            }
            self.in_frame = false;
        }
    }
}
