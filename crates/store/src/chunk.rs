//! Points of one series, compressed.
//!
//! The scheme is that of Pelkonen et al., "Gorilla: A Fast, Scalable, In-Memory Time Series Database", VLDB 2015
//! (<https://www.vldb.org/pvldb/vol8/p1816-teller.pdf>): times as the difference of differences, in as few bits as hold it, and floating-point
//! values as the exclusive or with the value before. Two things are added: the sequence number of each point, coded
//! as times are, so that series can be merged back into the order of arrival, and integers, coded as times are, too.
//!
//! A regular series costs one bit for the sequence number, one for the time, one for the start time and one or a few
//! for the value. The first point of a chunk costs some 30 bytes, so chunks have up to [`CHUNK_POINTS`].

/// Points in a full chunk.
pub(crate) const CHUNK_POINTS: u16 = 128;
/// Bytes of raw points that fill a chunk.
const CHUNK_RAW: usize = 16 << 10;

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

#[derive(Debug, Clone, Default)]
struct Bits {
    words: Vec<u64>,
    len: u32,
}

impl Bits {
    fn push(&mut self, value: u64, count: u32) {
        if count == 0 {
            return;
        }
        let value = if count == 64 { value } else { value & ((1 << count) - 1) };
        let used = self.len % 64;
        if used == 0 {
            self.words.push(0);
        }
        let free = 64 - used;
        if let Some(last) = self.words.last_mut() {
            if count <= free {
                *last |= value << (free - count);
            } else {
                *last |= value >> (count - free);
                self.words.push(value << (64 - (count - free)));
            }
        }
        self.len += count;
    }

    /// The `count` bits at `at`.
    fn get(&self, at: u32, count: u32) -> u64 {
        if count == 0 {
            return 0;
        }
        let (index, used) = ((at / 64) as usize, at % 64);
        let word = |i: usize| self.words.get(i).copied().unwrap_or(0);
        let high = word(index) << used;
        let low = if used == 0 { 0 } else { word(index + 1) >> (64 - used) };
        (high | low) >> (64 - count)
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
struct State {
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
    fn push(&mut self, bits: &mut Bits, kind: Kind, sample: &Sample) {
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

/// Up to [`CHUNK_POINTS`] points.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    bits: Bits,
    raw: Vec<u8>,
    pub(crate) count: u16,
    /// Position of the last point.
    pub(crate) last: u64,
    kind: Kind,
}

/// A chunk that is being written.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) chunk: Chunk,
    state: State,
}

impl Open {
    pub(crate) fn new(kind: Kind) -> Self {
        let chunk = Chunk { bits: Bits::default(), raw: Vec::new(), count: 0, last: 0, kind };
        Self { chunk, state: State::default() }
    }

    /// Appends a point; `raw` are the bytes of one that is no single number.
    pub(crate) fn push(&mut self, sample: &Sample, raw: &[u8]) {
        self.state.push(&mut self.chunk.bits, self.chunk.kind, sample);
        self.chunk.raw.extend_from_slice(raw);
        self.chunk.count += 1;
        self.chunk.last = sample.position;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.chunk.count == CHUNK_POINTS || self.chunk.raw.len() >= CHUNK_RAW
    }

    /// Ends the chunk and begins a new one.
    pub(crate) fn seal(&mut self) -> Chunk {
        let kind = self.chunk.kind;
        let mut chunk = std::mem::replace(self, Self::new(kind)).chunk;
        chunk.bits.words.shrink_to_fit();
        chunk.raw.shrink_to_fit();
        chunk
    }
}

impl Chunk {
    /// Heap bytes of the contents.
    pub(crate) fn heap_bytes(&self) -> u64 {
        (self.bits.words.capacity() * size_of::<u64>() + self.raw.capacity()) as u64
    }

    /// Bytes that the points take.
    pub(crate) fn used_bytes(&self) -> u64 {
        u64::from(self.bits.len.div_ceil(8)) + self.raw.len() as u64
    }

    /// The points, oldest first, each with its raw bytes.
    pub(crate) fn samples(&self) -> Samples<'_> {
        Samples { chunk: self, state: State::default(), at: 0, raw: &self.raw, left: self.count }
    }
}

/// See [`Chunk::samples`].
pub(crate) struct Samples<'a> {
    chunk: &'a Chunk,
    state: State,
    at: u32,
    raw: &'a [u8],
    left: u16,
}

impl Samples<'_> {
    fn bits(&mut self, count: u32) -> u64 {
        let value = self.chunk.bits.get(self.at, count);
        self.at += count;
        value
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
        let kind = self.chunk.kind;
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

    fn round_trip(kind: Kind, samples: &[Sample]) -> Chunk {
        let mut open = Open::new(kind);
        for sample in samples {
            open.push(sample, &[7; 3][..if kind == Kind::Raw { sample.value as usize } else { 0 }]);
        }
        let chunk = open.seal();
        let back = chunk.samples().map(|(sample, _)| sample).collect::<Vec<_>>();
        assert_eq!(back, samples);
        chunk
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
        let chunk = round_trip(Kind::Int, &counter.collect::<Vec<_>>());
        assert!(chunk.used_bytes() < 128, "{}", chunk.used_bytes());
    }
}
