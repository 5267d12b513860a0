//! Points of one series, compressed.
//!
//! The scheme is that of Pelkonen et al., "Gorilla: A Fast, Scalable, In-Memory Time Series Database", VLDB 2015
//! (<https://www.vldb.org/pvldb/vol8/p1816-teller.pdf>): times as the difference of differences, in as few bits as hold it,
//! and floating-point values as the exclusive or with the value before. Two things are added: the sequence number of each
//! point, coded as times are, so that series can be merged back into the order of arrival, and integers, coded as times are,
//! too.
//!
//! A regular series costs one bit for the sequence number, one for the time, one for the start time and one or a few
//! for the value. The first point of a chunk costs some 30 bytes, so chunks have up to [`CHUNK_POINTS`].

/// Points in a full chunk.
pub(crate) const CHUNK_POINTS: u16 = 128;

/// What the values of a series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Double,
    Int,
    /// Points that are no single number: kept as their wire bytes; the value is how many there are.
    Raw,
}

/// A point, uncompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) position: u64,
    pub(crate) time: u64,
    pub(crate) start: u64,
    pub(crate) value: u64,
}

/// The bits of one point: at most 69 for each of three numbers, and 66 for the start time.
#[derive(Debug, Default)]
pub(crate) struct Bits {
    words: [u64; 5],
    len: u32,
}

impl Bits {
    #[inline]
    fn push(&mut self, value: u64, count: u32) {
        if count == 0 {
            return;
        }
        let value = if count == 64 { value } else { value & ((1 << count) - 1) };
        let (index, free) = ((self.len / 64) as usize, 64 - self.len % 64);
        if count <= free {
            self.words[index] |= value << (free - count);
        } else {
            self.words[index] |= value >> (count - free);
            self.words[index + 1] = value << (64 - (count - free));
        }
        self.len += count;
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The words that they take, from the highest bit on.
    pub(crate) fn words(&self) -> &[u64] {
        &self.words[..self.len.div_ceil(64) as usize]
    }
}

/// Widths of a coded difference, by the number of ones in front of it.
const WIDTHS: [u32; 6] = [0, 7, 14, 22, 32, 64];

fn push_difference(bits: &mut Bits, value: i64) {
    let zigzag = (value << 1 ^ value >> 63) as u64;
    let needed = 64 - zigzag.leading_zeros();
    let class = WIDTHS.iter().position(|&width| needed <= width).unwrap_or(5) as u32;
    // The last class needs no zero to end its ones.
    let prefix = if class == 5 { (0b11111, 5) } else { ((1 << (class + 1)) - 2, class + 1) };
    bits.push(prefix.0, prefix.1);
    bits.push(zigzag, WIDTHS[class as usize]);
}

/// What is known of the point before.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    position: u64,
    position_step: u64,
    time: u64,
    time_step: u64,
    start: u64,
    value: u64,
    value_step: u64,
    leading: u32,
    meaningful: u32,
}

impl State {
    /// Appends the point that comes after those before.
    pub(crate) fn push(&mut self, bits: &mut Bits, kind: Kind, sample: &Sample) {
        let mut stepped = |value: u64, last: &mut u64, step: &mut u64| {
            let new_step = value.wrapping_sub(*last);
            push_difference(bits, new_step.wrapping_sub(*step) as i64);
            (*last, *step) = (value, new_step);
        };
        let time_before = self.time;
        stepped(sample.position, &mut self.position, &mut self.position_step);
        stepped(sample.time, &mut self.time, &mut self.time_step);
        if kind != Kind::Double {
            stepped(sample.value, &mut self.value, &mut self.value_step);
        }
        // Of a cumulative series the start stays; of a delta series it is the
        // time of the point before.
        if sample.start == self.start {
            bits.push(0, 1);
        } else if sample.start == time_before {
            bits.push(0b10, 2);
        } else {
            bits.push(0b11, 2);
            bits.push(sample.start, 64);
        }
        self.start = sample.start;
        if kind == Kind::Double {
            self.push_double(bits, sample.value);
        }
    }

    fn push_double(&mut self, bits: &mut Bits, value: u64) {
        let xor = value ^ self.value;
        self.value = value;
        if xor == 0 {
            bits.push(0, 1);
            return;
        }
        let (leading, trailing) = (xor.leading_zeros().min(31), xor.trailing_zeros());
        let fits = self.meaningful > 0
            && leading >= self.leading
            && trailing >= 64 - self.leading - self.meaningful;
        if fits {
            bits.push(0b10, 2);
        } else {
            (self.leading, self.meaningful) = (leading, 64 - leading - trailing);
            bits.push(0b11, 2);
            bits.push(u64::from(self.leading), 5);
            // 1 to 64, in six bits.
            bits.push(u64::from(self.meaningful - 1), 6);
        }
        bits.push(xor >> (64 - self.leading - self.meaningful), self.meaningful);
    }
}

/// The points of a chunk, oldest first, each with its raw bytes.
pub(crate) struct Samples<'a> {
    kind: Kind,
    words: &'a [u64],
    at: u32,
    raw: &'a [u8],
    left: u16,
    state: State,
}

impl<'a> Samples<'a> {
    /// Reads `count` points from a chunk's words and raw bytes.
    pub(crate) fn new(kind: Kind, words: &'a [u64], raw: &'a [u8], count: u16) -> Self {
        Self { kind, words, at: 0, raw, left: count, state: State::default() }
    }

    fn bits(&mut self, count: u32) -> u64 {
        if count == 0 {
            return 0;
        }
        let (index, used) = ((self.at / 64) as usize, self.at % 64);
        self.at += count;
        let word = |i: usize| self.words.get(i).copied().unwrap_or(0);
        let high = word(index) << used;
        let low = if used == 0 { 0 } else { word(index + 1) >> (64 - used) };
        (high | low) >> (64 - count)
    }

    fn difference(&mut self) -> u64 {
        let mut class = 0;
        while class < 5 && self.bits(1) == 1 {
            class += 1;
        }
        let zigzag = self.bits(WIDTHS[class]);
        (zigzag >> 1) ^ 0_u64.wrapping_sub(zigzag & 1)
    }

    fn double(&mut self) -> u64 {
        if self.bits(1) == 0 {
            return self.state.value;
        }
        if self.bits(1) == 1 {
            self.state.leading = self.bits(5) as u32;
            self.state.meaningful = self.bits(6) as u32 + 1;
        }
        let (leading, meaningful) = (self.state.leading, self.state.meaningful);
        let xor = self.bits(meaningful) << (64 - leading - meaningful);
        self.state.value ^ xor
    }
}

impl<'a> Iterator for Samples<'a> {
    type Item = (Sample, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let time_before = self.state.time;
        self.state.position_step = self.state.position_step.wrapping_add(self.difference());
        self.state.position = self.state.position.wrapping_add(self.state.position_step);
        self.state.time_step = self.state.time_step.wrapping_add(self.difference());
        self.state.time = self.state.time.wrapping_add(self.state.time_step);
        let kind = self.kind;
        if kind != Kind::Double {
            self.state.value_step = self.state.value_step.wrapping_add(self.difference());
            self.state.value = self.state.value.wrapping_add(self.state.value_step);
        }
        if self.bits(1) == 1 {
            self.state.start = if self.bits(1) == 0 { time_before } else { self.bits(64) };
        }
        if kind == Kind::Double {
            self.state.value = self.double();
        }
        let len = if kind == Kind::Raw { self.state.value as usize } else { 0 };
        let (raw, rest) = self.raw.split_at(len.min(self.raw.len()));
        self.raw = rest;
        let State { position, time, start, value, .. } = self.state;
        Some((Sample { position, time, start, value }, raw))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How many bits the points take.
    fn round_trip(kind: Kind, samples: &[Sample]) -> usize {
        let (mut state, mut all) = (State::default(), Vec::new());
        for sample in samples {
            let mut bits = Bits::default();
            state.push(&mut bits, kind, sample);
            all.extend(
                (0..bits.len()).map(|i| bits.words()[(i / 64) as usize] >> (63 - i % 64) & 1),
            );
        }
        let words = all
            .chunks(64)
            .map(|bits| bits.iter().enumerate().fold(0, |word, (i, bit)| word | bit << (63 - i)))
            .collect::<Vec<_>>();
        let raw = [7; 3 * 128];
        let back = Samples::new(kind, &words, &raw, samples.len() as u16)
            .map(|(sample, raw)| {
                assert_eq!(raw.len() as u64, if kind == Kind::Raw { sample.value } else { 0 });
                sample
            })
            .collect::<Vec<_>>();
        assert_eq!(back, samples);
        all.len()
    }

    fn numbers() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            0_u64..100,
            (0_u64..1000).prop_map(|n| 1_700_000_000_000_000_000 + n * 1_000_000)
        ]
    }

    proptest! {
        #[test]
        fn what_is_pushed_comes_back(
            samples in prop::collection::vec((numbers(), numbers(), numbers(), any::<f64>(), numbers()), 0..128),
            kind in prop_oneof![Just(Kind::Double), Just(Kind::Int), Just(Kind::Raw)],
        ) {
            let samples = samples.into_iter().map(|(position, time, start, double, int)| Sample {
                position,
                time,
                start,
                value: match kind {
                    Kind::Double => double.to_bits(),
                    Kind::Int => int,
                    Kind::Raw => int % 4,
                },
            });
            round_trip(kind, &samples.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_regular_series_takes_a_few_bits_a_point() {
        let counter = (0..128_u64).map(|i| Sample {
            position: 100 + 20 * i,
            time: 1_700_000_000_000_000_000 + 10_000_000_000 * i,
            start: 1_690_000_000_000_000_000,
            value: 5 * i,
        });
        let bits = round_trip(Kind::Int, &counter.collect::<Vec<_>>());
        assert!(bits < 128 * 8, "{bits}");
    }
}
