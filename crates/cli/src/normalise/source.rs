//! Files as lines, whether they are text or flightring logs.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flightring_blockfile::{Item, ReadOptions, Reader};
use flightring_normalise::pipeline::{Control, Input, decompress};

use crate::failure::{Failure, complain};
use crate::input::{is_stdin, name};

/// What the pipeline reads.
pub(crate) struct Sources {
    pub(crate) inputs: Vec<Input>,
    /// All bytes of all files, if that is known.
    pub(crate) bytes: Option<u64>,
    /// Set when damage is met in a log.
    pub(crate) damaged: Arc<AtomicBool>,
}

impl Sources {
    pub(crate) fn open(files: &[PathBuf], control: &Arc<Control>) -> Result<Self, Failure> {
        let damaged = Arc::new(AtomicBool::new(false));
        let mut bytes = Some(0);
        let mut inputs = Vec::new();
        for path in files {
            if is_stdin(path) {
                bytes = None;
                inputs.push(Input::stdin());
                continue;
            }
            let metadata = path.metadata().map_err(|e| Failure::file("read", path, e))?;
            bytes = bytes.filter(|_| metadata.is_file()).map(|bytes| bytes + metadata.len());
            let log = if metadata.is_file() { log(path) } else { Ok(None) };
            if let Some((reader, compressed)) = log.map_err(|e| Failure::file("read", path, e))? {
                // How much of the file was read is not known, then.
                bytes = bytes.filter(|_| !compressed);
                let file = name(path);
                let lines = Lines {
                    reader,
                    name: file.clone(),
                    rest: Vec::new(),
                    given: 0,
                    control: Arc::clone(control),
                    position: 0,
                    damaged: Arc::clone(&damaged),
                };
                inputs.push(Input::reader(file, lines));
            } else {
                inputs.push(Input::path(path));
            }
        }
        Ok(Self { inputs, bytes, damaged })
    }
}

/// The file as a flightring log, if it is one: the size of a block in front, which no text begins with, and then a record.
fn log(path: &Path) -> io::Result<Option<(Reader, bool)>> {
    let open = || {
        let file = File::open(path)?;
        let found = decompress(file.try_clone()?)?;
        Ok::<_, io::Error>(if found.compressed {
            (found.reader, None)
        } else {
            (found.reader, Some(file))
        })
    };
    let mut head = [0xff; 4];
    let read = open()?.0.read_exact(&mut head);
    // A multiple of 512, little-endian.
    if read.is_err() || head[0] != 0 || head[1] & 1 != 0 {
        return Ok(None);
    }
    let reader = || {
        Ok::<_, io::Error>(match open()? {
            (_, Some(file)) => (Reader::from_file(file, ReadOptions::default()), false),
            (stream, None) => (Reader::from_stream(stream, ReadOptions::default()), true),
        })
    };
    let begins_with_record = matches!(reader()?.0.next_item(), Ok(Some(Item::Record(_))));
    begins_with_record.then(reader).transpose()
}

/// The texts of the records of a log, each with a line feed.
struct Lines {
    reader: Reader,
    name: String,
    /// The text that is being given out, and how much of it was.
    rest: Vec<u8>,
    given: usize,
    control: Arc<Control>,
    /// How much of the file the control knows to be read.
    position: u64,
    damaged: Arc<AtomicBool>,
}

impl Lines {
    /// Fetches the next record: whether there is one.
    fn next(&mut self) -> io::Result<bool> {
        self.rest.clear();
        self.given = 0;
        while self.rest.is_empty() {
            match self.reader.next_item()? {
                None => return Ok(false),
                Some(Item::Damage(damage)) => {
                    self.damaged.store(true, Ordering::Relaxed);
                    complain(format_args!("{}: {damage}", self.name));
                }
                Some(Item::Record(record)) => {
                    self.rest.extend_from_slice(record.data);
                    if record.data.last() != Some(&b'\n') {
                        self.rest.push(b'\n');
                    }
                }
            }
        }
        let position = self.reader.blocks().position();
        self.control.add_bytes_read(position.saturating_sub(self.position));
        self.position = position;
        Ok(true)
    }
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut len = 0;
        while len < buffer.len() {
            if self.given == self.rest.len() && !self.next()? {
                break;
            }
            let count = (buffer.len() - len).min(self.rest.len() - self.given);
            buffer[len..len + count].copy_from_slice(&self.rest[self.given..self.given + count]);
            len += count;
            self.given += count;
        }
        Ok(len)
    }
}
