//! How often something occurs along a file of unknown length, in a fixed number of steps.

/// Steps along the file.
pub(super) const STEPS: usize = 64;

/// Counts in steps of equal numbers of lines. When the file turns out longer, two steps become one.
#[derive(Debug, Clone)]
pub(super) struct Rate {
    counts: [u32; STEPS],
    /// Lines in a step: two to this power.
    shift: u32,
}

impl Rate {
    pub(super) fn new() -> Self {
        Self { counts: [0; STEPS], shift: 0 }
    }

    /// Counts `count` more at `line`, counted from 0.
    pub(super) fn add(&mut self, line: u64, count: u32) {
        while line >> self.shift >= STEPS as u64 {
            self.widen();
        }
        let step = &mut self.counts[(line >> self.shift) as usize];
        *step = step.saturating_add(count);
    }

    fn widen(&mut self) {
        for step in 0..STEPS / 2 {
            self.counts[step] = self.counts[2 * step].saturating_add(self.counts[2 * step + 1]);
        }
        self.counts[STEPS / 2..].fill(0);
        self.shift += 1;
    }

    /// The counts of a file of `lines` lines, and how many lines a step has.
    pub(super) fn finish(mut self, lines: u64) -> (Vec<u32>, u64) {
        let last = lines.saturating_sub(1);
        while last >> self.shift >= STEPS as u64 {
            self.widen();
        }
        let steps = (last >> self.shift) as usize + 1;
        (self.counts[..steps].to_vec(), 1 << self.shift)
    }
}

#[cfg(test)]
mod tests {
    use super::Rate;

    #[test]
    fn steps_widen_and_nothing_is_lost() {
        let mut rate = Rate::new();
        for line in 0..1000 {
            rate.add(line, 1);
        }
        let (counts, width) = rate.finish(1000);
        assert_eq!(width, 16);
        assert_eq!(counts.len(), 63);
        assert!(counts[..62].iter().all(|&count| count == 16));
        assert_eq!(counts[62], 1000 - 62 * 16);
        let mut early = Rate::new();
        early.add(0, 5);
        assert_eq!(early.finish(6400).0[0], 5);
    }
}
