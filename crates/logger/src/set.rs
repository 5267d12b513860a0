use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::engine::Engine;
use crate::local;
use crate::options::MIN_SHARD;
use crate::rotate::LONGEST_FILE_NAME;
use crate::stats::Stats;
use crate::{CloseError, Logger, OpenError, Options};

/// How a set is opened.
#[derive(Clone)]
pub struct SetOptions {
    /// The folder of the logs. It must exist.
    pub folder: PathBuf,
    /// Bytes of the buffers of all logs together. Default: 64 MiB.
    pub budget: usize,
    /// How many logs there may be; each gets an equal part of the budget. Default: 32.
    pub most_logs: usize,
    /// Everything else about each log; path and buffer size in it are not used, and `shards` is the most that a log
    /// gets, so that a shard has at least [`MIN_SHARD`] bytes.
    pub each: Options,
}

impl SetOptions {
    /// The defaults, with this folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let each = Options::new("");
        Self { folder: folder.into(), budget: each.buffer_size, most_logs: 32, each }
    }
}

/// Named logs in one folder, with one flusher and one memory budget for all of them. Logs are made when they are first
/// asked for, from any thread.
///
/// A name may be anything that is not empty: the characters `/ \ : * ? " < > |`, spaces and control characters become
/// `_`, and names that become equal are the same log, `<folder>/<name>.log`.
///
/// Dropping it closes all its logs, also those that somebody still has a handle to.
pub struct LoggerSet {
    // As in `Logger`: a forked child leaves all of it alone.
    inner: ManuallyDrop<Inner>,
}

struct Inner {
    options: SetOptions,
    engine: Arc<Engine>,
    generation: u32,
    logs: RwLock<State>,
    /// Held while a log is being opened, which takes a while, so that those that are open can be found meanwhile.
    opening: Mutex<()>,
}

struct State {
    open: bool,
    logs: BTreeMap<String, Logger>,
}

impl LoggerSet {
    /// Starts the flusher. No log is opened yet.
    ///
    /// # Errors
    ///
    /// [`OpenError::Configuration`] if the budget is too small for that many logs; or there is no memory or thread.
    pub fn open(options: &SetOptions) -> Result<Self, OpenError> {
        let bad = |what: String| Err(OpenError::Configuration(what));
        if options.most_logs == 0 {
            return bad("a set of at most 0 logs; choose at least 1".into());
        }
        if options.budget / options.most_logs < MIN_SHARD {
            return bad(format!(
                "a budget of {} bytes for {} logs is less than {MIN_SHARD} bytes each; choose at least {} bytes, or \
                 fewer logs",
                options.budget,
                options.most_logs,
                MIN_SHARD.saturating_mul(options.most_logs)
            ));
        }
        let mut options = options.clone();
        options.each.buffer_size = options.budget / options.most_logs;
        options.each.shards = options.each.shards.min(options.each.buffer_size / MIN_SHARD);
        options.each.path = options.folder.join("x.log");
        let engine = Engine::start(options.each.geometry()?.batch)?;
        Ok(Self {
            inner: ManuallyDrop::new(Inner {
                options,
                engine: Arc::new(engine),
                generation: local::generation(),
                logs: RwLock::new(State { open: true, logs: BTreeMap::new() }),
                opening: Mutex::new(()),
            }),
        })
    }

    fn is_forked(&self) -> bool {
        self.inner.generation != local::generation()
    }

    /// The log of this name; it is opened if it was not. The handle is one of many to the same log.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: the name is empty or too long, there are as many logs as there may be, the set is closed, or the
    /// file cannot be opened.
    pub fn get(&self, name: &str) -> Result<Logger, OpenError> {
        let bad = |what: String| Err(OpenError::Configuration(what));
        if self.is_forked() {
            return bad("the set belongs to the parent process".into());
        }
        let name = file_stem(name)?;
        let inner = &*self.inner;
        let find = || inner.logs.read().logs.get(&name).map(Logger::share);
        if let Some(found) = find() {
            return Ok(found);
        }
        let _opening = inner.opening.lock();
        // Another thread may have opened it meanwhile.
        if let Some(found) = find() {
            return Ok(found);
        }
        let (open, logs) = {
            let state = inner.logs.read();
            (state.open, state.logs.len())
        };
        if !open {
            return bad("the set is closed".into());
        }
        if logs >= inner.options.most_logs {
            return bad(format!("there are {logs} logs, as many as there may be"));
        }
        let path = inner.options.folder.join(format!("{name}.log"));
        let options = Options { path, ..inner.options.each.clone() };
        let logger = Logger::open_with(&options, Arc::clone(&inner.engine), false)?;
        let handle = logger.share();
        inner.logs.write().logs.insert(name, logger);
        Ok(handle)
    }

    /// The names of all logs, in alphabetical order, as they are in the folder.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.with_logs(|logs| logs.keys().cloned().collect())
    }

    /// The numbers of each log.
    #[must_use]
    pub fn stats(&self) -> Vec<(String, Stats)> {
        self.with_logs(|logs| {
            logs.iter().map(|(name, logger)| (name.clone(), logger.stats())).collect()
        })
    }

    /// The numbers of all logs together. Times and errors are those of the log that was worst.
    #[must_use]
    pub fn total(&self) -> Stats {
        let logs = self.stats();
        // Each counts the output buffers, which they share.
        let again = logs.iter().filter(|(_, stats)| stats.memory > 0).count().saturating_sub(1);
        let mut total = logs.iter().fold(Stats::default(), |total, (_, stats)| total.plus(stats));
        total.memory -= (again * self.inner.engine.output_bytes) as u64;
        total
    }

    /// In a forked child there are none, because the lock may be held by a thread that is not there.
    fn with_logs<R: Default>(&self, f: impl FnOnce(&BTreeMap<String, Logger>) -> R) -> R {
        if self.is_forked() { R::default() } else { f(&self.inner.logs.read().logs) }
    }

    /// Closes all logs. Closing again gives the same answer.
    ///
    /// # Errors
    ///
    /// The first log that could not be written in full, with its name.
    pub fn close(&self) -> Result<(), (String, CloseError)> {
        if self.is_forked() {
            return Err((String::new(), CloseError::Forked));
        }
        if self.inner.engine.is_here() {
            return Err((String::new(), CloseError::InCallback));
        }
        // What is being opened is in the set by then, and nothing is opened after.
        let _opening = self.inner.opening.lock();
        self.inner.logs.write().open = false;
        let mut result = Ok(());
        for (name, logger) in &self.inner.logs.read().logs {
            if let Err(error) = logger.close()
                && result.is_ok()
            {
                result = Err((name.clone(), error));
            }
        }
        self.inner.engine.stop();
        result
    }
}

impl Drop for LoggerSet {
    fn drop(&mut self) {
        if self.is_forked() {
            return;
        }
        // As with a logger: who wants to know closes. Its flusher cannot wait for itself.
        if self.close().is_err_and(|(_, error)| error == CloseError::InCallback) {
            self.inner.engine.shared.stop();
        }
        // SAFETY: this is the only place that drops it, and the set is not used again.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
    }
}

impl std::fmt::Debug for LoggerSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoggerSet")
            .field("folder", &self.inner.options.folder)
            .finish_non_exhaustive()
    }
}

/// The name as a file may have it.
fn file_stem(name: &str) -> Result<String, OpenError> {
    let stem: String = name
        .chars()
        .map(|c| if c.is_control() || " /\\:*?\"<>|".contains(c) { '_' } else { c })
        .collect();
    if stem.is_empty() {
        return Err(OpenError::Configuration("the log's name is empty".into()));
    }
    if stem.len() + ".log".len() > LONGEST_FILE_NAME {
        return Err(OpenError::Configuration(format!(
            "the log's name has {} bytes; choose at most {}",
            stem.len(),
            LONGEST_FILE_NAME - ".log".len()
        )));
    }
    Ok(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_file_names() {
        assert_eq!(file_stem("a/b\\c:d*e?f\"g<h>i|j k").unwrap(), "a_b_c_d_e_f_g_h_i_j_k");
        assert_eq!(file_stem("..").unwrap(), "..");
        assert_eq!(file_stem("größe\n\0").unwrap(), "größe__");
        assert_eq!(file_stem(&"x".repeat(251)).unwrap().len(), 251);
        assert!(file_stem("").unwrap_err().to_string().contains("empty"));
        assert!(file_stem(&"x".repeat(252)).unwrap_err().to_string().contains("at most 251"));
    }
}
