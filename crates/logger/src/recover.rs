//! Bringing back what killed processes had accepted.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flightring_blockfile::{
    AppendOptions, Appender, BlockMeta, DamagedTail, FLAG_RECOVERED, Resume,
};

use crate::batch::Batch;
use crate::lineage;
use crate::pool::Pool;
use crate::shard::{Gate, Shard};
use crate::staging::{self, Commit, Leftover, Unusable};
use crate::{OpenError, Options};

/// What became of the staging that one dead logger left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// The process that it belonged to.
    pub pid: u32,
    /// Records that it had accepted and are in the log now, beyond those that it had noted as written.
    pub records: u64,
    /// Their bytes, with lengths and headers.
    pub bytes: u64,
    /// Shards whose content made no sense from some point on; what came before is recovered.
    pub damaged_shards: u32,
    /// What was torn at the log's end, and is beside it now.
    pub damaged_tail: Option<DamagedTail>,
    /// It is of another boot of the machine, so nothing was recovered; it was moved to this name.
    pub stale: Option<PathBuf>,
    /// Its notes make no sense, so nothing was recovered; it was moved to this name.
    pub unreadable: Option<PathBuf>,
}

/// Appends to a log what killed processes had accepted for it and not written, as the next opening of the log would do.
/// Safe to be killed itself at any point. A log that is in use is refused.
///
/// # Errors
///
/// [`OpenError`]: nothing is lost, and the next attempt begins again.
pub fn recover(path: impl Into<PathBuf>) -> Result<Vec<Recovered>, OpenError> {
    leftovers(&Options::new(path))
}

/// As [`recover`], for loggers whose [`Options::staging_folder`] is not the default.
///
/// # Errors
///
/// As [`recover`].
pub fn recover_from(
    path: impl Into<PathBuf>,
    staging_folder: impl Into<PathBuf>,
) -> Result<Vec<Recovered>, OpenError> {
    leftovers(&Options { staging_folder: staging_folder.into(), ..Options::new(path) })
}

/// Recovers all leftovers of the options' log.
pub(crate) fn leftovers(options: &Options) -> Result<Vec<Recovered>, OpenError> {
    let found = match staging::leftovers(&options.staging_folder, &options.path) {
        Ok(found) => found,
        // The log's folder is not there: opening says so better. No folder for staging: nothing is staged.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(OpenError::Recovery { step: "look for staging files", source }),
    };
    let mut reports = Vec::new();
    for leftover in found {
        match leftover {
            Ok(leftover) => reports.push(bring_back(leftover, options)?),
            Err(Unusable::Unfinished) => {}
            Err(Unusable::OtherBoot(aside)) => {
                reports.push(Recovered { stale: Some(aside), ..Recovered::default() });
            }
            Err(Unusable::Unreadable(aside)) => {
                reports.push(Recovered { unreadable: Some(aside), ..Recovered::default() });
            }
        }
    }
    Ok(reports)
}

fn bring_back(leftover: Leftover, options: &Options) -> Result<Recovered, OpenError> {
    let Leftover { staging, region, header, commit } = leftover;
    let mut report = Recovered { pid: header.pid, ..Recovered::default() };
    let failed = |step| move |source| OpenError::Recovery { step, source };
    let shards: Box<[Shard]> = (0..staging.shards())
        .map(|index| {
            let (line, base) = staging.shard(index);
            // SAFETY: line and bytes are in the region, which is mapped to the end of this function; nobody else
            // uses them, because their process is dead and the file is locked.
            unsafe { Shard::new(index, base, staging.frames(), Some(line)) }
        })
        .collect();
    let count = shards.len();
    shards.iter().for_each(|shard| shard.restore_gate(count));
    let append = AppendOptions { direct: false, ..AppendOptions::default() };
    let path = path_of(&commit.file, &options.path);
    let layer = Arc::clone(&options.layer);
    let (mut appender, opened) =
        Appender::open_resuming(&path, &append, layer, &commit.file).map_err(OpenError::File)?;
    let begin = match &opened.last {
        Some(trailer) => trailer.meta.next(),
        None => lineage::continued(&options.path, opened.continued)
            .unwrap_or(BlockMeta { writer_id: header.writer_id, ..BlockMeta::default() }),
    };
    report.damaged_tail = opened.damaged_tail;
    let meta = BlockMeta { kind: header.kind, flags: FLAG_RECOVERED, ..begin };
    let batch = Batch::new(header.batch).map_err(failed("get memory"))?;
    append_all(&Pool::new(shards), commit, meta, batch, &mut appender, &mut report)
        .map_err(failed("append to the log"))?;
    appender.finish().map_err(failed("make the log durable"))?;
    staging.remove().map_err(failed("remove the staging file"))?;
    drop(region);
    Ok(report)
}

fn append_all(
    pool: &Pool,
    commit: Commit,
    mut meta: BlockMeta,
    mut batch: Batch,
    appender: &mut Appender,
    report: &mut Recovered,
) -> io::Result<()> {
    let mut cursors = commit.cursors;
    let targets: Vec<u64> = pool
        .shards()
        .iter()
        .zip(&cursors)
        .map(|(shard, cursor)| {
            let (tail, capacity) = (shard.tail(), shard.capacity());
            let length = tail.checked_sub(cursor.position);
            if cursor.is_sound(capacity) && length.is_some_and(|length| length <= capacity) {
                return tail;
            }
            report.damaged_shards += 1;
            cursor.position
        })
        .collect();
    let mut gates_hold = true;
    loop {
        let align = appender.alignment();
        batch.clear();
        let all = batch.fill(pool, &mut cursors, &targets, &mut meta, align, &mut 0);
        for block in &batch.blocks {
            report.records += u64::from(block.meta.record_count);
            report.bytes += block.payload as u64;
            report.damaged_shards += u32::from(block.damaged);
        }
        if !batch.is_empty() {
            batch.write_to(appender).map_err(|error| error.source)?;
        }
        if !all {
            if batch.is_empty() {
                return Err(io::Error::other("a record does not fit an output buffer"));
            }
            continue;
        }
        let left = cursors.iter().zip(&targets).any(|(cursor, target)| cursor.position < *target);
        if !left {
            return Ok(());
        }
        if !gates_hold {
            return Err(io::Error::other("the shards' order makes no sense"));
        }
        // The process died while it set a gate. Better out of order than not at all.
        gates_hold = false;
        pool.shards().iter().for_each(|shard| shard.set_gate(Gate::default()));
    }
}

/// Where the file is that was being written: under the log's name, or under another one in the same folder if it was
/// rotated away. If it is gone, its successor under the log's name takes the records.
fn path_of(file: &Resume, log: &Path) -> PathBuf {
    let is_it = |path: &Path| {
        fs::metadata(path).is_ok_and(|now| now.dev() == file.device && now.ino() == file.inode)
    };
    if is_it(log) {
        return log.to_owned();
    }
    let folder = match log.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| is_it(path))
        .unwrap_or_else(|| log.to_owned())
}
