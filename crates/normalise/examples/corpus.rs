//! Writes the made-up log of the benches to standard output: `corpus [lines] [seed]`.

#[path = "../corpus/mod.rs"]
mod corpus;

use std::io::{self, Write};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let mut next = |default| match arguments.next() {
        Some(number) => number.map_err(io::Error::other),
        None => Ok(default),
    };
    let (lines, seed) = (next(500_000)?, next(1)?);
    let mut corpus = corpus::Corpus::new(seed);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut line = Vec::new();
    for _ in 0..lines {
        line.clear();
        corpus.line(&mut line);
        line.push(b'\n');
        out.write_all(&line)?;
    }
    out.flush()
}
