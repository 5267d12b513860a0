//! What the stores need to know of a record, wherever it comes from.

/// What is known of a record on its way in, beside its wire bytes.
pub(crate) trait Parts {
    fn time(&self) -> u64;

    fn end(&self) -> u64;

    /// As a slot has it; all zero: of no trace.
    #[inline(always)]
    fn trace(&self) -> [u64; 2] {
        [0; 2]
    }

    /// Empty: no name.
    fn name(&self) -> &[u8];

    fn class(&self) -> u8;

    #[inline(always)]
    fn kind(&self) -> u8 {
        0
    }

    #[inline(always)]
    fn oversize(&self) -> bool {
        false
    }

    /// All of them.
    fn record<'a>(&'a self, wire: &'a [u8]) -> Record<'a> {
        Record {
            time: self.time(),
            end: self.end(),
            trace: self.trace(),
            name: self.name(),
            class: self.class(),
            kind: self.kind(),
            oversize: self.oversize(),
            wire,
        }
    }
}

/// A record whose parts have been read from its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Record<'a> {
    pub(crate) time: u64,
    pub(crate) end: u64,
    pub(crate) trace: [u64; 2],
    pub(crate) name: &'a [u8],
    pub(crate) class: u8,
    pub(crate) kind: u8,
    pub(crate) oversize: bool,
    pub(crate) wire: &'a [u8],
}

impl<'a> Record<'a> {
    /// A record of which nothing but its bytes is known yet.
    #[inline]
    pub(crate) fn of(wire: &'a [u8]) -> Self {
        Self { time: 0, end: 0, trace: [0; 2], name: &[], class: 0, kind: 0, oversize: false, wire }
    }
}

impl Parts for Record<'_> {
    #[inline(always)]
    fn time(&self) -> u64 {
        self.time
    }

    #[inline(always)]
    fn end(&self) -> u64 {
        self.end
    }

    #[inline(always)]
    fn trace(&self) -> [u64; 2] {
        self.trace
    }

    #[inline(always)]
    fn name(&self) -> &[u8] {
        self.name
    }

    #[inline(always)]
    fn class(&self) -> u8 {
        self.class
    }

    #[inline(always)]
    fn kind(&self) -> u8 {
        self.kind
    }

    #[inline(always)]
    fn oversize(&self) -> bool {
        self.oversize
    }
}

pub(crate) fn trace_words(trace: [u8; 16]) -> [u64; 2] {
    let value = u128::from_le_bytes(trace);
    [value as u64, (value >> 64) as u64]
}

pub(crate) fn trace_bytes(trace: [u64; 2]) -> [u8; 16] {
    (u128::from(trace[1]) << 64 | u128::from(trace[0])).to_le_bytes()
}
