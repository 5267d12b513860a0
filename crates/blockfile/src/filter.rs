use memchr::memmem::Finder;

use crate::blocks::Block;
use crate::format::Kind;
use crate::reader::Record;
use crate::record::Level;

/// Which records are wanted. The default is all; what is set must all hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Not before this time, Unix nanoseconds.
    pub since_ns: Option<u64>,
    /// Before this time, Unix nanoseconds.
    pub until_ns: Option<u64>,
    /// At least this severe. Records that have no level pass only [`Level::None`].
    pub level: Level,
    /// Logged by one of these threads, unless the list is empty.
    pub threads: Vec<u32>,
    /// Containing these bytes.
    pub text: Option<Finder<'static>>,
}

impl Filter {
    /// Sets the bytes that a record must contain.
    pub fn set_text(&mut self, text: &[u8]) {
        self.text = Some(Finder::new(text).into_owned());
    }

    /// Whether a record is wanted.
    ///
    /// `block` is the one that it came from: a raw record has no time of its own, and passes when the times of its
    /// block meet the range. Markers have no thread, and pass a choice of threads.
    #[must_use]
    pub fn admits(&self, record: &Record<'_>, block: Option<&Block>) -> bool {
        let in_time = if record.time_ns == 0 {
            block.is_none_or(|block| self.admits_block(block))
        } else {
            self.since_ns.is_none_or(|since| record.time_ns >= since)
                && self.until_ns.is_none_or(|until| record.time_ns < until)
        };
        in_time
            && record.level >= self.level
            && (self.threads.is_empty()
                || record.kind == Kind::Marker
                || self.threads.contains(&record.thread))
            && self.text.as_ref().is_none_or(|text| text.find(record.data).is_some())
    }

    /// Whether any record of a block can be wanted, as far as the times in its trailer say.
    #[must_use]
    pub fn admits_block(&self, block: &Block) -> bool {
        let Some(meta) = block.trailer.as_ref().map(|trailer| &trailer.meta) else {
            return true;
        };
        if meta.first_ns == 0 || meta.last_ns == 0 {
            return true;
        }
        self.since_ns.is_none_or(|since| meta.last_ns >= since)
            && self.until_ns.is_none_or(|until| meta.first_ns < until)
    }
}
