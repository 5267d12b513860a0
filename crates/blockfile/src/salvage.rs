use std::io::{self, Write};

use crate::blocks::{BlockItem, BlockReader};
use crate::damage::{Damage, ReadStats};
use crate::format::HEADER_LEN;

/// Copies the good blocks of a file, one after the other, and nothing else. Returns what the file held.
///
/// Blocks are copied byte for byte, so what was missing stays visible in their sequence numbers. A header that was
/// destroyed is written anew from the block's trailer; in a block of an older dialect whose record lengths break
/// off, `valid` is set to what makes sense.
///
/// # Errors
///
/// The operating system's, of reading or of `out`.
pub fn salvage(
    reader: &mut BlockReader,
    out: &mut impl Write,
    mut report: impl FnMut(&Damage),
) -> io::Result<ReadStats> {
    while let Some(item) = reader.next_block()? {
        match item {
            BlockItem::Damage(damage) => report(&damage),
            BlockItem::Block(block) => {
                let bytes = reader.block_bytes(&block);
                out.write_all(&reader.sound_header(&block))?;
                out.write_all(bytes.get(HEADER_LEN..).unwrap_or_default())?;
            }
        }
    }
    Ok(*reader.stats())
}
