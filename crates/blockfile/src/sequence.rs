use std::ops::Range;

use crate::format::BlockMeta;

/// How a block stands to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// It is the next one, or the first of its writer.
    Next,
    /// Blocks between the last one and it are missing.
    Gap { blocks: u64, records: u64 },
    /// It was missed before.
    Late,
    /// It was met before.
    Repeated,
}

/// Follows the block sequence numbers of one writer at a time.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    /// What the next block should state.
    expected: Option<BlockMeta>,
    /// Sequence numbers that were missed, ascending.
    missed: Vec<Range<u64>>,
    /// `expected` is of the file before this one, and may be wrong for it.
    assumed: bool,
}

/// More gaps than this are not remembered: blocks that fill older ones then count as repeated.
const MOST_GAPS: usize = 1024;

impl Sequence {
    /// Goes on after a block, as if it had been met.
    pub(crate) fn resume(meta: &BlockMeta) -> Self {
        Self { expected: Some(meta.next()), missed: Vec::new(), assumed: false }
    }

    /// For the file that follows this one in a log: blocks that are missing between them are noticed, but numbers that
    /// begin again, as in a file that was put back, are taken as they are.
    pub(crate) fn in_next_file(&self) -> Self {
        Self { expected: self.expected, missed: Vec::new(), assumed: true }
    }

    /// What the next block should state.
    pub(crate) fn expected(&self) -> Option<BlockMeta> {
        self.expected
    }

    /// The writer of the last block.
    pub(crate) fn writer(&self) -> Option<u64> {
        self.expected.map(|expected| expected.writer_id)
    }

    pub(crate) fn meet(&mut self, meta: &BlockMeta) -> Order {
        let seq = meta.block_seq;
        let assumed = std::mem::take(&mut self.assumed);
        let continues = |expected: &BlockMeta| {
            expected.writer_id == meta.writer_id && (!assumed || seq >= expected.block_seq)
        };
        let expected = match self.expected.filter(continues) {
            Some(expected) => expected,
            None => {
                self.missed.clear();
                self.expected = Some(meta.next());
                return Order::Next;
            }
        };
        if seq < expected.block_seq {
            return if self.fill_gap(seq) { Order::Late } else { Order::Repeated };
        }
        self.expected = Some(meta.next());
        if seq == expected.block_seq {
            return Order::Next;
        }
        if self.missed.len() == MOST_GAPS {
            self.missed.remove(0);
        }
        self.missed.push(expected.block_seq..seq);
        Order::Gap {
            blocks: seq - expected.block_seq,
            records: meta.first_record.saturating_sub(expected.first_record),
        }
    }

    /// Takes a number out of the missed ones, if it is among them.
    fn fill_gap(&mut self, seq: u64) -> bool {
        let Some(index) = self.missed.iter().position(|gap| gap.contains(&seq)) else {
            return false;
        };
        let gap = self.missed[index].clone();
        let parts = [gap.start..seq, seq + 1..gap.end];
        self.missed.splice(index..=index, parts.into_iter().filter(|part| !part.is_empty()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Kind;

    fn block(block_seq: u64) -> BlockMeta {
        BlockMeta {
            block_seq,
            first_record: 10 * block_seq,
            record_count: 10,
            kind: Kind::Raw,
            ..BlockMeta::default()
        }
    }

    #[test]
    fn gaps_late_blocks_and_doubles_are_told_apart() {
        let mut sequence = Sequence::default();
        let mut meet = |seq| sequence.meet(&block(seq));
        assert_eq!(meet(5), Order::Next);
        assert_eq!(meet(6), Order::Next);
        assert_eq!(meet(6), Order::Repeated);
        assert_eq!(meet(3), Order::Repeated);
        assert_eq!(meet(10), Order::Gap { blocks: 3, records: 30 });
        assert_eq!(meet(8), Order::Late);
        assert_eq!(meet(8), Order::Repeated);
        assert_eq!(meet(7), Order::Late);
        assert_eq!(meet(9), Order::Late);
        assert_eq!(meet(9), Order::Repeated);
        assert_eq!(meet(11), Order::Next);
        let other = BlockMeta { writer_id: 1, ..block(0) };
        assert_eq!(sequence.meet(&other), Order::Next);
        assert_eq!(sequence.meet(&other), Order::Repeated);
    }

    #[test]
    fn a_file_that_follows_is_held_to_the_numbers_only_if_it_goes_on_with_them() {
        let mut sequence = Sequence::default();
        sequence.meet(&block(5));
        assert_eq!(sequence.in_next_file().meet(&block(6)), Order::Next);
        let gap = Order::Gap { blocks: 2, records: 20 };
        assert_eq!(sequence.in_next_file().meet(&block(8)), gap);
        let mut again = sequence.in_next_file();
        assert_eq!(again.meet(&block(0)), Order::Next);
        assert_eq!(again.meet(&block(0)), Order::Repeated);
        assert_eq!(Sequence::default().in_next_file().meet(&block(7)), Order::Next);
    }
}
