//! A file layer that fails on purpose.
//!
//! [`FaultLayer`] passes every operation on to the operating system, unless a fault was planned for it through its
//! [`Faults`] handle, which may be shared with the thread that runs the test:
//!
//! ```
//! use flightring_blockfile::testing::{Fault, FaultLayer, Op};
//!
//! let (layer, faults) = FaultLayer::new();
//! faults.plan(Op::Write, 3, 1, Fault::Error(28)); // the fourth write meets a full disk, once
//! faults.set_free_space(Some(1 << 20));           // and only a megabyte is left anyway
//! # let _ = layer;
//! ```

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::layer::{DirectAlignment, FileLayer, Identity, LayerFile, OpenHow, OsLayer};

/// The operations that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
#[allow(missing_docs, reason = "named after the layer's methods")]
pub enum Op {
    Open,
    Identify,
    Rename,
    SyncDirectory,
    Read,
    Write,
    Sync,
    SetSize,
    Reserve,
    Lock,
    DirectAlignment,
    SetDirect,
}

const OPS: usize = Op::SetDirect as usize + 1;

/// What happens to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails with this `errno` and does nothing.
    Error(i32),
    /// A read or write is cut to this many bytes; other operations are not affected.
    Short(usize),
    /// It takes this much longer.
    Delay(Duration),
}

struct Planned {
    skip: u64,
    times: u64,
    fault: Fault,
}

#[derive(Default)]
struct State {
    plans: [VecDeque<Planned>; OPS],
    calls: [u64; OPS],
    free_space: Option<u64>,
    alignment: Option<DirectAlignment>,
    chaos: Option<Chaos>,
}

struct Chaos {
    state: u64,
    per_mille: u64,
    faults: Vec<Fault>,
}

/// Plans faults, and counts operations. Clones share their plans.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After `skip` further calls of `op`, the next `times` of them meet `fault`. Plans of one operation follow
    /// one another; `u64::MAX` times is until [`Self::clear`].
    pub fn plan(&self, op: Op, skip: u64, times: u64, fault: Fault) {
        self.state().plans[op as usize].push_back(Planned { skip, times, fault });
    }

    /// Writes and syncs meet a random one of `faults` with this probability, as drawn from `seed`.
    pub fn set_chaos(&self, seed: u64, per_mille: u64, faults: &[Fault]) {
        self.state().chaos = Some(Chaos { state: seed | 1, per_mille, faults: faults.to_vec() });
    }

    /// How many bytes files may still grow by before writes are cut short and then meet ENOSPC; `None` = no limit.
    pub fn set_free_space(&self, bytes: Option<u64>) {
        self.state().free_space = bytes;
    }

    /// What files claim about direct I/O from now on.
    pub fn set_direct_alignment(&self, alignment: DirectAlignment) {
        self.state().alignment = Some(alignment);
    }

    /// Forgets all plans, chaos and limits; the disk is healthy again.
    pub fn clear(&self) {
        let mut state = self.state();
        let calls = state.calls;
        *state = State { calls, ..State::default() };
    }

    /// How often an operation was asked for, failures included.
    #[must_use]
    pub fn calls(&self, op: Op) -> u64 {
        self.state().calls[op as usize]
    }

    /// Counts a call; the fault that it meets, after any delay.
    fn meet(&self, op: Op) -> io::Result<Option<usize>> {
        let fault = self.state().next_fault(op);
        match fault {
            Some(Fault::Error(errno)) => Err(io::Error::from_raw_os_error(errno)),
            Some(Fault::Short(bytes)) => Ok(Some(bytes)),
            Some(Fault::Delay(time)) => {
                std::thread::sleep(time);
                Ok(None)
            }
            None => Ok(None),
        }
    }
}

impl State {
    fn next_fault(&mut self, op: Op) -> Option<Fault> {
        self.calls[op as usize] += 1;
        let plans = &mut self.plans[op as usize];
        if let Some(plan) = plans.front_mut() {
            if plan.skip > 0 {
                plan.skip -= 1;
            } else {
                let fault = plan.fault;
                plan.times = plan.times.saturating_sub(1);
                if plan.times == 0 {
                    plans.pop_front();
                }
                return Some(fault);
            }
        }
        let chaos = self.chaos.as_mut().filter(|_| matches!(op, Op::Write | Op::Sync))?;
        let pick = chaos.next();
        let hit = pick % 1000 < chaos.per_mille && !chaos.faults.is_empty();
        hit.then(|| chaos.faults[(pick >> 32) as usize % chaos.faults.len()])
    }
}

impl Chaos {
    /// Xorshift64: reproducible is all it has to be.
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// The operating system, with planned faults in front.
pub struct FaultLayer(Faults);

impl FaultLayer {
    /// A layer without faults, and the handle to plan them.
    #[must_use]
    pub fn new() -> (Arc<Self>, Faults) {
        let faults = Faults::default();
        (Arc::new(Self(faults.clone())), faults)
    }
}

impl FileLayer for FaultLayer {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Box<dyn LayerFile>> {
        self.0.meet(Op::Open)?;
        let inner = OsLayer.open(path, how)?;
        let end = Mutex::new(inner.size()?);
        Ok(Box::new(FaultFile { inner, faults: self.0.clone(), end }))
    }

    fn identify(&self, path: &Path) -> io::Result<Identity> {
        self.0.meet(Op::Identify)?;
        OsLayer.identify(path)
    }

    fn rename_noreplace(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.meet(Op::Rename)?;
        OsLayer.rename_noreplace(from, to)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.0.meet(Op::SyncDirectory)?;
        OsLayer.sync_directory(directory)
    }
}

struct FaultFile {
    inner: Box<dyn LayerFile>,
    faults: Faults,
    /// The file's size, as far as the free space is concerned.
    end: Mutex<u64>,
}

const ENOSPC: i32 = 28;

impl LayerFile for FaultFile {
    fn identity(&self) -> io::Result<Identity> {
        self.inner.identity()
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let limit = self.faults.meet(Op::Read)?.unwrap_or(buf.len()).min(buf.len());
        self.inner.read_at(&mut buf[..limit], offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let mut limit = self.faults.meet(Op::Write)?.unwrap_or(buf.len()).min(buf.len());
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.faults.state().free_space;
        if let Some(free) = free {
            let growth = (offset + limit as u64).saturating_sub(*end);
            if growth > free {
                // Disks are full by whole blocks.
                limit -= (growth - free) as usize;
                limit -= limit % 512;
            }
            if limit == 0 && !buf.is_empty() {
                return Err(io::Error::from_raw_os_error(ENOSPC));
            }
        }
        // A device writes whole sectors; what is cut within one goes through the page cache.
        let unaligned = limit % 512 != 0;
        if unaligned {
            let _ = self.inner.set_direct(false);
        }
        let written = self.inner.write_at(&buf[..limit], offset)?;
        let grown = (offset + written as u64).saturating_sub(*end);
        *end += grown;
        if let Some(free) = self.faults.state().free_space.as_mut() {
            *free = free.saturating_sub(grown);
        }
        Ok(written)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.meet(Op::Sync)?;
        self.inner.sync_data()
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.faults.meet(Op::SetSize)?;
        self.inner.set_size(size)?;
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(free) = self.faults.state().free_space.as_mut() {
            *free += end.saturating_sub(size);
        }
        *end = size;
        Ok(())
    }

    fn reserve(&self, offset: u64, len: u64) -> io::Result<()> {
        self.faults.meet(Op::Reserve)?;
        if self.faults.state().free_space.is_some_and(|free| len > free) {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        self.inner.reserve(offset, len)
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.faults.meet(Op::Lock)?;
        self.inner.try_lock()
    }

    fn direct_alignment(&self) -> io::Result<Option<DirectAlignment>> {
        self.faults.meet(Op::DirectAlignment)?;
        match self.faults.state().alignment {
            Some(alignment) => Ok(Some(alignment)),
            None => self.inner.direct_alignment(),
        }
    }

    fn set_direct(&self, on: bool) -> io::Result<()> {
        self.faults.meet(Op::SetDirect)?;
        self.inner.set_direct(on)
    }
}
