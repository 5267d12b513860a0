//! Where the good data of an existing file ends.
//!
//! A log that was closed, or whose writer was killed between two appends, ends with a trailer, so one block is read.
//! Otherwise the file is searched backwards, one sector after the other, for a good block of the writer that began it,
//! and read forwards from there: the end of the last good block that a reader finds is the end of the good data. Only that
//! writer's blocks are believed in the search, because what looks like a block may be bytes that somebody logged (see
//! `resync`). If there are none, the whole file is read.

use std::io;

use crate::blocks::{BlockItem, BlockReader};
use crate::buffer::AlignedBuf;
use crate::format::{HEADER_LEN, MIN_ALIGN, TRAILER_LEN, Trailer, header_bytes, u32_at};
use crate::layer::{LayerFile, read_full};

const WINDOW: usize = 1 << 20;

/// What was found at the end of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The end of the last good block.
    pub(crate) good_end: u64,
    /// The trailer of that block; `None` for an older dialect or an empty file.
    pub(crate) last: Option<Trailer>,
    /// The bytes after `good_end` are all zero: reserved, and never written.
    pub(crate) zeros: bool,
    /// Nothing in the file looks like a log.
    pub(crate) foreign: bool,
}

/// Finds the end of the good data; gives the file back.
pub(crate) fn find(file: Box<dyn LayerFile>, size: u64) -> io::Result<(Box<dyn LayerFile>, Tail)> {
    let mut scratch = AlignedBuf::new(WINDOW, 4096).map_err(io::Error::other)?;
    let anchor = match first_writer(&*file)? {
        Some(writer) => search_backwards(&*file, size, writer, &mut scratch)?,
        None => None,
    };
    let (mut good_end, mut last) = match anchor {
        Some((end, trailer)) => (end, Some(trailer)),
        None => (0, None),
    };
    let mut reader = BlockReader::resume(file, good_end, last.as_ref());
    while let Some(item) = reader.next_block()? {
        if let BlockItem::Block(block) = item {
            good_end = block.offset + block.len as u64;
            last = block.trailer;
        }
    }
    let file = reader.into_layer_file().ok_or(io::ErrorKind::Other)?;
    let zeros = good_end < size && is_zero(&*file, good_end, size, &mut scratch)?;
    let foreign = good_end == 0 && size > 0 && !zeros && !may_be_a_torn_block(&*file)?;
    Ok((file, Tail { good_end, last, zeros, foreign }))
}

/// The writer of the file's first block, if it has a trailer; its checksum is not looked at.
fn first_writer(file: &dyn LayerFile) -> io::Result<Option<u64>> {
    let (mut header, mut bytes) = ([0; HEADER_LEN], [0; TRAILER_LEN]);
    if read_full(file, &mut header, 0)? < HEADER_LEN {
        return Ok(None);
    }
    let Some(at) = u64::from(u32_at(&header, 0)).checked_sub(TRAILER_LEN as u64) else {
        return Ok(None);
    };
    if read_full(file, &mut bytes, at)? < TRAILER_LEN {
        return Ok(None);
    }
    let trailer =
        Trailer::from_bytes(&bytes).filter(|t| header == header_bytes(t.capacity, t.valid));
    Ok(trailer.map(|trailer| trailer.meta.writer_id))
}

/// The last block of this writer whose checksum holds, and where it ends.
fn search_backwards(
    file: &dyn LayerFile,
    size: u64,
    writer: u64,
    scratch: &mut [u8],
) -> io::Result<Option<(u64, Trailer)>> {
    let step = MIN_ALIGN as u64;
    let mut window_end = size - size % step;
    while window_end > 0 {
        let window_start = window_end.saturating_sub(WINDOW as u64);
        let window = (window_end - window_start) as usize;
        let got = read_full(file, &mut scratch[..window], window_start)?;
        // Candidates first: verifying one of them overwrites the window.
        let candidates: Vec<(u64, Trailer)> = scratch[..got]
            .chunks_exact(MIN_ALIGN)
            .enumerate()
            .rev()
            .filter_map(|(number, sector)| {
                let trailer = Trailer::from_bytes(sector.last_chunk::<TRAILER_LEN>()?)?;
                let end = window_start + (number as u64 + 1) * step;
                (trailer.meta.writer_id == writer).then_some((end, trailer))
            })
            .collect();
        for (end, trailer) in candidates {
            if block_holds(file, end, &trailer, scratch)? {
                return Ok(Some((end, trailer)));
            }
        }
        window_end = window_start;
    }
    Ok(None)
}

/// Whether the block that `trailer` ends has the sizes and the checksum that it states.
fn block_holds(
    file: &dyn LayerFile,
    end: u64,
    trailer: &Trailer,
    scratch: &mut [u8],
) -> io::Result<bool> {
    let Some(start) = end.checked_sub(u64::from(trailer.capacity)) else {
        return Ok(false);
    };
    if !trailer.sizes_fit() {
        return Ok(false);
    }
    let mut crc = trailer.crc_begin();
    let mut offset = start + HEADER_LEN as u64;
    let mut left = trailer.valid as usize;
    let mut header = [0; HEADER_LEN];
    if read_full(file, &mut header, start)? < HEADER_LEN
        || u32_at(&header, 0) != trailer.capacity
        || u32_at(&header, 4) != trailer.valid
    {
        return Ok(false);
    }
    while left > 0 {
        let want = left.min(scratch.len());
        let got = read_full(file, &mut scratch[..want], offset)?;
        if got == 0 {
            return Ok(false);
        }
        crc = crc32c::crc32c_append(crc, &scratch[..got]);
        left -= got;
        offset += got as u64;
    }
    Ok(trailer.crc_end(crc) == trailer.crc)
}

/// Whether a header can belong to a block of any dialect (in one of them `valid` counts the header too).
fn plausible(capacity: u32, valid: u32) -> bool {
    capacity != 0 && (capacity as usize).is_multiple_of(MIN_ALIGN) && valid <= capacity
}

/// Whether the first append to the file may have been interrupted: a plausible header, at least.
fn may_be_a_torn_block(file: &dyn LayerFile) -> io::Result<bool> {
    let mut header = [0; HEADER_LEN];
    let got = read_full(file, &mut header, 0)?;
    Ok(got == HEADER_LEN && plausible(u32_at(&header, 0), u32_at(&header, 4)))
}

fn is_zero(file: &dyn LayerFile, from: u64, to: u64, scratch: &mut [u8]) -> io::Result<bool> {
    let mut at = from;
    while at < to {
        let want = (to - at).min(scratch.len() as u64) as usize;
        let got = read_full(file, &mut scratch[..want], at)?;
        if got == 0 {
            break;
        }
        if scratch[..got].iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        at += got as u64;
    }
    Ok(true)
}
