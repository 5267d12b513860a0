//! The earlier normaliser as it is described: a reader, workers and a writer joined by queues of lines, buffers from a pool.
//! A line is decoded into characters, its letters are replaced, pairs are masked by recursion, and runs are collapsed, one
//! pass and one copy after the other. With several workers the order of lines is lost, as it was there.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Lines that wait in a queue.
const QUEUE: usize = 1024;

pub(crate) fn pipeline(input: &Path, output: &Path, workers: usize) -> io::Result<()> {
    let (lines, line_queue) = sync_channel::<Vec<u8>>(QUEUE);
    let (masks, mask_queue) = sync_channel::<Vec<u8>>(QUEUE);
    let pool: Pool = Arc::default();
    let line_queue = Arc::new(Mutex::new(line_queue));
    let reader = BufReader::new(File::open(input)?);
    let mut out = BufWriter::new(File::create(output)?);
    thread::scope(|scope| {
        for _ in 0..workers {
            let (queue, masks, pool) = (Arc::clone(&line_queue), masks.clone(), Arc::clone(&pool));
            scope.spawn(move || work(&queue, &masks, &pool));
        }
        drop(masks);
        let writer_pool = Arc::clone(&pool);
        let writer = scope.spawn(move || -> io::Result<()> {
            for mask in mask_queue {
                out.write_all(&mask)?;
                out.write_all(b"\n")?;
                give_back(&writer_pool, mask);
            }
            out.flush()
        });
        for line in reader.split(b'\n') {
            if lines.send(line?).is_err() {
                break;
            }
        }
        drop(lines);
        writer.join().unwrap_or_else(|_| Err(io::Error::other("the writer panicked")))
    })
}

type Pool = Arc<Mutex<Vec<Vec<u8>>>>;

fn give_back(pool: &Pool, mut buffer: Vec<u8>) {
    buffer.clear();
    pool.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
}

fn work(queue: &Mutex<Receiver<Vec<u8>>>, masks: &SyncSender<Vec<u8>>, pool: &Pool) {
    loop {
        let line = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(line) = line else { return };
        let mut buffer =
            pool.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        buffer.extend_from_slice(&mask(&line));
        if masks.send(buffer).is_err() {
            return;
        }
    }
}

/// The four steps on one line.
pub(crate) fn mask(line: &[u8]) -> Vec<u8> {
    let mut chars: Vec<char> = String::from_utf8_lossy(line).chars().collect();
    for c in &mut chars {
        if c.is_ascii_alphanumeric() {
            *c = 'Y';
        }
    }
    let mut masked = Vec::with_capacity(chars.len());
    let mut at = 0;
    pairs(&chars, &mut at, None, &mut masked);
    let mut collapsed = String::with_capacity(masked.len());
    let mut last = '\0';
    for c in masked {
        if c != 'Y' || last != 'Y' {
            collapsed.push(c);
        }
        last = c;
    }
    collapsed.into_bytes()
}

fn pairs(chars: &[char], at: &mut usize, closer: Option<char>, out: &mut Vec<char>) -> bool {
    while let Some(&c) = chars.get(*at) {
        *at += 1;
        if Some(c) == closer {
            return true;
        }
        out.push(c);
        let closer = match c {
            '[' => ']',
            '{' => '}',
            '<' => '>',
            '(' => ')',
            '"' | '\'' => c,
            _ => continue,
        };
        let mut inner = Vec::new();
        if pairs(chars, at, Some(closer), &mut inner) {
            out.push('X');
            out.push(closer);
        } else {
            out.append(&mut inner);
        }
    }
    false
}
