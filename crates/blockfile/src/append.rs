use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::format::{HEADER_LEN, u32_at};
use crate::layer::{FileLayer, Identity, LayerFile, uninterrupted};
use crate::open::{
    self, AppendOptions, DirectFallback, OpenError, OpenReport, Opened, RotateError, SyncPolicy,
};

/// Which step of an append failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedStep {
    /// The bytes given are not a row of whole blocks of the appender's alignment; nothing was written.
    Framing,
    /// The device did not take the bytes.
    Write,
    /// The device took them, and would not promise that they are durable.
    Sync,
}

/// An append that did not succeed.
///
/// The blocks in front of `accepted` are in the file for good. Append `&blocks[accepted..]` again, or other blocks
/// in their place: the file goes on at the same offset, and no accepted byte is written twice.
#[derive(Debug)]
pub struct AppendError {
    /// Bytes of whole blocks, from the beginning of what was given, that the file now holds.
    pub accepted: usize,
    /// What failed.
    pub step: FailedStep,
    /// How.
    pub source: io::Error,
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self.step {
            FailedStep::Framing => "cannot append to the log, not a row of blocks",
            FailedStep::Write => "cannot append to the log",
            FailedStep::Sync => "cannot make the log durable",
        };
        write!(f, "{step}: {}", self.source)
    }
}

impl std::error::Error for AppendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Appends sealed blocks to one log file.
///
/// Dropping it closes the file as it is; call [`Self::finish`] first to give back what was reserved ahead.
pub struct Appender {
    path: PathBuf,
    options: AppendOptions,
    layer: Arc<dyn FileLayer>,
    file: Box<dyn LayerFile>,
    align: usize,
    direct: bool,
    fallback: Option<DirectFallback>,
    /// The end of the last accepted block: where the next one goes.
    len: u64,
    /// The end of what may have been written, at or after `len`: more after a failed append.
    touched: u64,
    /// Space is reserved up to here, if beyond `touched`.
    reserved: u64,
}

impl Appender {
    pub(crate) fn from_opened(
        path: PathBuf,
        options: AppendOptions,
        layer: Arc<dyn FileLayer>,
        file: Box<dyn LayerFile>,
        report: &OpenReport,
        align: usize,
    ) -> Self {
        Self {
            direct: options.direct && report.fallback.is_none(),
            path,
            options,
            layer,
            file,
            align,
            fallback: report.fallback,
            len: report.continued,
            touched: report.continued,
            reserved: 0,
        }
    }

    /// Appends a row of whole blocks, each made by [`crate::seal`] with this appender's alignment.
    ///
    /// For direct I/O the bytes must lie at a page boundary, as those of an [`crate::AlignedBuf`] do; where they do
    /// not, or the device refuses direct I/O after all, the appender falls back to the page cache for good
    /// ([`Self::fallback`]). Interrupted and short writes are continued.
    ///
    /// # Errors
    ///
    /// [`AppendError`] says how much of it is in the file all the same, and what may be done next.
    pub fn append(&mut self, blocks: &[u8]) -> Result<(), AppendError> {
        if let Err(source) = self.check_framing(blocks) {
            return Err(AppendError { accepted: 0, step: FailedStep::Framing, source });
        }
        self.notice_cut();
        self.reserve_ahead(blocks.len() as u64);
        if let Err((written, source)) = self.write(blocks) {
            // Without a promise of durability for the part, the part is not accepted.
            let synced = self.options.sync != SyncPolicy::EachAppend || self.sync().is_ok();
            let accepted = if synced { whole_blocks(blocks, written) } else { 0 };
            self.len += accepted as u64;
            return Err(AppendError { accepted, step: FailedStep::Write, source });
        }
        if self.options.sync == SyncPolicy::EachAppend
            && let Err(source) = self.sync()
        {
            // The kernel may have forgotten the pages, so all of them have to be written again.
            return Err(AppendError { accepted: 0, step: FailedStep::Sync, source });
        }
        self.len += blocks.len() as u64;
        Ok(())
    }

    /// Writes at the end of the file; on failure, how much of it was written.
    fn write(&mut self, blocks: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut done = 0;
        while done < blocks.len() {
            let at = self.len + done as u64;
            match self.file.write_at(&blocks[done..], at) {
                Ok(0) => return Err((done, io::ErrorKind::WriteZero.into())),
                Ok(n) => {
                    self.touched = self.touched.max(at + n as u64);
                    let end = done + n;
                    // A direct write begins at a multiple of the alignment, so the rest of a sector is written
                    // again. Blocks end at such multiples: no whole block is touched by that.
                    let whole = end - end % self.align;
                    if !self.direct || end >= blocks.len() {
                        done = end;
                    } else if whole > done {
                        done = whole;
                    } else {
                        self.fall_back().map_err(|source| (done, source))?;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if self.direct && error.kind() == io::ErrorKind::InvalidInput => {
                    self.fall_back().map_err(|source| (done, source))?;
                }
                Err(source) => return Err((done, source)),
            }
        }
        Ok(())
    }

    /// Goes on through the page cache, for good.
    fn fall_back(&mut self) -> io::Result<()> {
        self.file.set_direct(false)?;
        self.direct = false;
        self.fallback = Some(DirectFallback::WriteRefused);
        Ok(())
    }

    /// Goes on at the end of the file where somebody has cut it, as logrotate does with `copytruncate`: at the old place the
    /// next block would leave a hole of zeros before it. Returns whether it was cut; if that cannot be told, writing goes on
    /// where it was.
    ///
    /// Appending looks by itself, too. Who notes elsewhere how long the file is looks first.
    pub fn notice_cut(&mut self) -> bool {
        let size = self.file.size().unwrap_or(u64::MAX);
        let cut = size < self.len;
        if cut {
            self.len = size.next_multiple_of(self.align as u64);
            (self.touched, self.reserved) = (self.len, 0);
        }
        cut
    }

    fn check_framing(&self, blocks: &[u8]) -> io::Result<()> {
        let mut at = 0;
        while at < blocks.len() {
            let step = step_at(blocks, at).filter(|step| step.is_multiple_of(self.align));
            let Some(step) = step else {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("no block of a multiple of {} bytes at {at}", self.align),
                ));
            };
            at += step;
        }
        Ok(())
    }

    /// Reserves space when the reserve is used up. That it fails is no error: the write will tell.
    fn reserve_ahead(&mut self, more: u64) {
        let end = self.len + more;
        if self.options.preallocate == 0 || end <= self.reserved {
            return;
        }
        let from = self.len.max(self.reserved);
        let to = end.saturating_add(self.options.preallocate);
        match uninterrupted(|| self.file.reserve(from, to - from)) {
            Ok(()) => self.reserved = to,
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                self.options.preallocate = 0;
            }
            Err(_) => {
                // What there was room for may be taken now, and is more than the log's share.
                let given_back = self.file.size().and_then(|size| self.file.set_size(size));
                self.reserved = if given_back.is_ok() { 0 } else { to };
            }
        }
    }

    /// Makes every accepted block durable.
    ///
    /// # Errors
    ///
    /// The operating system's. After one, blocks accepted since the last success (under [`SyncPolicy::None`]) may
    /// be lost: the kernel reports a failed write-back once, and forgets it.
    pub fn sync(&self) -> io::Result<()> {
        uninterrupted(|| self.file.sync_data())
    }

    /// Cuts the file to its accepted blocks, gives back what was reserved, and makes it durable.
    ///
    /// Appending may go on afterwards.
    ///
    /// # Errors
    ///
    /// The operating system's; the accepted blocks are in the file all the same.
    pub fn finish(&mut self) -> io::Result<()> {
        self.notice_cut();
        if self.touched > self.len || self.reserved > self.len {
            uninterrupted(|| self.file.set_size(self.len))?;
            self.touched = self.len;
            self.reserved = 0;
        }
        self.sync()
    }

    /// Finishes the file, renames it to `to`, and begins a new one under the old name.
    ///
    /// No other file is ever replaced: if `to` exists, choose another name. `to` must be on the same file system.
    ///
    /// # Errors
    ///
    /// [`RotateError`]; the appender then goes on with the file that it had.
    pub fn rotate(&mut self, to: &Path) -> Result<OpenReport, RotateError> {
        self.finish().map_err(RotateError::Finish)?;
        uninterrupted(|| self.layer.rename_noreplace(&self.path, to))
            .map_err(RotateError::Rename)?;
        match open::open(&self.path, &self.options, &*self.layer) {
            Ok(opened) => Ok(self.go_on_with(opened)),
            Err(error) => {
                // If this fails too, the log goes on under its new name.
                let _ = uninterrupted(|| self.layer.rename_noreplace(to, &self.path));
                Err(RotateError::Open(error))
            }
        }
    }

    /// Whether the path still names the file that is appended to. It does not once somebody (logrotate, say) has
    /// renamed or deleted that file.
    ///
    /// # Errors
    ///
    /// The operating system's, other than that there is no such file.
    pub fn is_current(&self) -> io::Result<bool> {
        match uninterrupted(|| self.layer.identify(&self.path)) {
            Ok(named) => Ok(named == self.file.identity()?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Finishes the file wherever it is now, and opens the one that the path names, for use after
    /// [`Self::is_current`] said no.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; the appender then goes on with the file that it had.
    pub fn reopen(&mut self) -> Result<OpenReport, OpenError> {
        let opened = open::open(&self.path, &self.options, &*self.layer)?;
        // What was accepted stays accepted; cutting the reserve off a file that has left is a courtesy.
        let _ = self.finish();
        Ok(self.go_on_with(opened))
    }

    fn go_on_with(&mut self, opened: Opened) -> OpenReport {
        let Opened { file, report, align } = opened;
        let (path, options, layer) =
            (self.path.clone(), self.options.clone(), Arc::clone(&self.layer));
        *self = Self::from_opened(path, options, layer, file, &report, align);
        report
    }

    /// What the file is, whatever its name is by now.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn identity(&self) -> io::Result<Identity> {
        self.file.identity()
    }

    /// The path that was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of accepted blocks in the file: where the next one goes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file holds no block.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What [`crate::seal`] must align blocks to. It may change when a file is rotated or reopened.
    #[must_use]
    pub fn alignment(&self) -> usize {
        self.align
    }

    /// Whether direct I/O is in use.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.direct
    }

    /// Why direct I/O is not in use, if it was asked for.
    #[must_use]
    pub fn fallback(&self) -> Option<DirectFallback> {
        self.fallback
    }
}

impl fmt::Debug for Appender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appender")
            .field("path", &self.path)
            .field("len", &self.len)
            .field("align", &self.align)
            .field("direct", &self.direct)
            .finish_non_exhaustive()
    }
}

/// The size of the block at `at`, if there is a whole one.
fn step_at(blocks: &[u8], at: usize) -> Option<usize> {
    let header = blocks.get(at..at + HEADER_LEN)?;
    let step = u32_at(header, 0) as usize;
    (step > 0 && step <= blocks.len() - at).then_some(step)
}

/// How many bytes of whole blocks there are within the first `written` bytes.
fn whole_blocks(blocks: &[u8], written: usize) -> usize {
    let mut at = 0;
    while let Some(step) = step_at(blocks, at) {
        if at + step > written {
            break;
        }
        at += step;
    }
    at
}
