//! Which process is which: process ids are used again, and mean nothing after a reboot or in another container.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// Names one process among all that this machine ever ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcessId {
    pub(crate) pid: u32,
    /// In clock ticks since the machine was started.
    start: u64,
    boot: String,
    /// Of process ids.
    namespace: u64,
}

impl ProcessId {
    /// This process.
    pub(crate) fn own() -> Self {
        let pid = std::process::id();
        Self { pid, start: start_of(pid).unwrap_or(0), boot: boot_id(), namespace: namespace() }
    }

    /// As four words.
    pub(crate) fn to_text(&self) -> String {
        format!("{} {} {} {}", self.pid, self.start, self.namespace, self.boot)
    }

    pub(crate) fn from_words<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
        Some(Self {
            pid: words.next()?.parse().ok()?,
            start: words.next()?.parse().ok()?,
            namespace: words.next()?.parse().ok()?,
            boot: words.next()?.to_owned(),
        })
    }

    /// What became of it, as far as this process can see.
    pub(crate) fn fate(&self) -> Fate {
        if self.boot != boot_id() {
            Fate::Dead
        } else if self.namespace != namespace() {
            Fate::Elsewhere
        } else if start_of(self.pid) == Some(self.start) {
            Fate::Alive
        } else {
            Fate::Dead
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Alive,
    Dead,
    /// In another namespace of process ids, where this process cannot look.
    Elsewhere,
}

/// The running kernel's random name, or nothing where there is no `/proc`.
pub(crate) fn boot_id() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    if id.trim().is_empty() { "-".to_owned() } else { id.trim().to_owned() }
}

fn namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino())
}

/// When a process was started; None if there is none, or only what its parent has not buried yet.
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut after_name = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let state = after_name.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    after_name.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_are_told_from_the_living() {
        let own = ProcessId::own();
        assert_eq!(own.fate(), Fate::Alive);
        let text = own.to_text();
        assert_eq!(ProcessId::from_words(&mut text.split(' ')), Some(own.clone()));
        assert_eq!(ProcessId { start: own.start + 1, ..own.clone() }.fate(), Fate::Dead);
        assert_eq!(ProcessId { boot: "x".to_owned(), ..own.clone() }.fate(), Fate::Dead);
        assert_eq!(ProcessId { namespace: 1, ..own.clone() }.fate(), Fate::Elsewhere);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let other = ProcessId { pid: child.id(), start: 0, ..own };
        child.wait().unwrap();
        assert_eq!(other.fate(), Fate::Dead);
    }
}
