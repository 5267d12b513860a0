//! A target without an end in bounded memory: what does not fit goes to a temporary file.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use crate::target::Target;

/// Bytes that grow and shrink at their end. The newest are in memory, the others in a file without a name, which the
/// system deletes with the last handle to it.
#[derive(Debug)]
struct Paged {
    memory: Vec<u8>,
    limit: usize,
    file: Option<File>,
    /// Bytes in the file that count; `memory` comes after them.
    in_file: u64,
}

impl Paged {
    fn new(limit: usize) -> Self {
        Self { memory: Vec::new(), limit, file: None, in_file: 0 }
    }

    fn len(&self) -> u64 {
        self.in_file + self.memory.len() as u64
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.memory.extend_from_slice(bytes);
        if self.memory.len() > self.limit {
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(tempfile::tempfile()?),
            };
            file.write_all_at(&self.memory, self.in_file)?;
            self.in_file += self.memory.len() as u64;
            self.memory.clear();
        }
        Ok(())
    }

    fn truncate(&mut self, len: u64) {
        match usize::try_from(len.saturating_sub(self.in_file)) {
            Ok(in_memory) if len >= self.in_file => self.memory.truncate(in_memory),
            _ => {
                self.memory.clear();
                self.in_file = len.min(self.in_file);
            }
        }
    }

    fn pop(&mut self) -> io::Result<Option<u8>> {
        if let (true, Some(file)) = (self.memory.is_empty(), &self.file) {
            // Half the room, so that the next bytes do not go straight back.
            let back = self.in_file.min(self.limit.div_ceil(2) as u64);
            self.memory.resize(back as usize, 0);
            file.read_exact_at(&mut self.memory, self.in_file - back)?;
            self.in_file -= back;
        }
        Ok(self.memory.pop())
    }

    fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(file) = &self.file {
            let mut chunk = vec![0; self.limit.clamp(1, 64 << 10)];
            let mut at = 0;
            while at < self.in_file {
                let len = (self.in_file - at).min(chunk.len() as u64) as usize;
                file.read_exact_at(&mut chunk[..len], at)?;
                out.write_all(&chunk[..len])?;
                at += len as u64;
            }
        }
        out.write_all(&self.memory)
    }
}

/// The pattern of a line that is longer than a buffer, with the memory that its nesting needs.
#[derive(Debug)]
pub(super) struct Spill {
    text: Paged,
    stack: Paged,
    error: Option<io::Error>,
}

impl Spill {
    /// Keeps about `limit` bytes of the text and as much of the stack in memory.
    pub(super) fn new(limit: usize) -> Self {
        Self { text: Paged::new(limit), stack: Paged::new(limit), error: None }
    }

    /// What went wrong with a temporary file, if anything did. The contents then mean nothing.
    pub(super) fn check(&mut self) -> io::Result<()> {
        self.error.take().map_or(Ok(()), Err)
    }

    pub(super) fn len(&self) -> u64 {
        self.text.len()
    }

    pub(super) fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        self.text.write_to(out)
    }

    fn note<T>(&mut self, result: io::Result<T>) -> Option<T> {
        result.map_err(|error| self.error = Some(error)).ok()
    }
}

impl Target for Spill {
    fn is_full(&self) -> bool {
        self.error.is_some()
    }

    fn len(&self) -> usize {
        // What passes the address space would need a temporary file as large.
        usize::try_from(self.text.len()).unwrap_or(usize::MAX)
    }

    fn append(&mut self, bytes: &[u8]) {
        let result = self.text.append(bytes);
        self.note(result);
    }

    fn truncate(&mut self, len: usize) {
        self.text.truncate(len as u64);
    }

    fn push(&mut self, byte: u8) {
        let result = self.stack.append(&[byte]);
        self.note(result);
    }

    fn pop(&mut self) -> Option<u8> {
        let result = self.stack.pop();
        self.note(result).flatten()
    }

    fn clear_stack(&mut self) {
        self.stack.truncate(0);
    }
}

#[cfg(test)]
mod tests {
    use super::Paged;

    #[test]
    fn pages_behave_like_a_vector() {
        let mut random = 1_u64;
        for limit in [1, 2, 7, 64] {
            let mut paged = Paged::new(limit);
            let mut model: Vec<u8> = Vec::new();
            for step in 0..4000_u64 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step | 1);
                let amount = (random >> 40) as usize % 9;
                match random >> 60 {
                    0..8 => {
                        let bytes = vec![step as u8; amount];
                        paged.append(&bytes).expect("room for a temporary file");
                        model.extend(bytes);
                    }
                    8..10 => {
                        let len = model.len().saturating_sub(amount * amount);
                        paged.truncate(len as u64);
                        model.truncate(len);
                    }
                    _ => {
                        for _ in 0..amount {
                            assert_eq!(paged.pop().expect("a readable file"), model.pop());
                        }
                    }
                }
                assert_eq!(paged.len(), model.len() as u64);
            }
            let mut written = Vec::new();
            paged.write_to(&mut written).expect("a readable file");
            assert_eq!(written, model);
        }
    }
}
