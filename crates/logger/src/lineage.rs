//! The numbering of a log's blocks and records, over restarts and rotations.

use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use flightring_blockfile::{BlockMeta, TRAILER_LEN, Trailer};

use crate::rotate::sealed_files;

/// The block that a log's file of `size` bytes goes on with, if it holds none with a trailer: if it is empty, as after a
/// rotation, the one that follows the last block of the newest finished file. `None`: there is no such file, or it does not end
/// with a block, or the log is in a format that has no numbers, and they begin.
///
/// A compressed file ends with the last block's trailer, too (see [`mod@crate::compress`]).
pub(crate) fn continued(log: &Path, size: u64) -> Option<BlockMeta> {
    if size > 0 {
        return None;
    }
    let newest = sealed_files(log).ok()?.pop()?;
    // Opening a pipe would wait for its writer.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(newest)
        .ok()?;
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let mut bytes = [0; TRAILER_LEN];
    let end = metadata.len().checked_sub(TRAILER_LEN as u64)?;
    file.read_exact_at(&mut bytes, end).ok()?;
    let trailer = Trailer::from_bytes(&bytes).filter(Trailer::sizes_fit)?;
    Some(trailer.meta.next())
}
