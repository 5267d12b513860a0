use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Four buckets to a power of two: a value is known to within a quarter.
const SUB_BITS: u32 = 2;
const BUCKETS: usize = (64 - SUB_BITS as usize + 1) << SUB_BITS;

/// How long something took, over the life of a logger. One thread records, any thread reads.
pub(crate) struct Histogram {
    buckets: Box<[AtomicU64]>,
    total: AtomicU64,
    longest: AtomicU64,
}

/// Durations of one kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// Their sum.
    pub total: Duration,
    /// The mean.
    pub average: Duration,
    /// Half took at most this, to within a quarter.
    pub p50: Duration,
    /// 99 of 100 took at most this, to within a quarter.
    pub p99: Duration,
    /// The longest, exactly.
    pub max: Duration,
}

impl Latency {
    /// Counts and sums of both, and the worse quantiles.
    pub(crate) fn worse(self, other: Self) -> Self {
        let (count, total) = (self.count + other.count, self.total + other.total);
        let average = total.as_nanos().checked_div(count.into()).unwrap_or(0);
        Self {
            count,
            total,
            average: Duration::from_nanos(u64::try_from(average).unwrap_or(u64::MAX)),
            p50: self.p50.max(other.p50),
            p99: self.p99.max(other.p99),
            max: self.max.max(other.max),
        }
    }

    pub(crate) fn to_json(self) -> String {
        format!(
            r#"{{"count":{},"total_ns":{},"average_ns":{},"p50_ns":{},"p99_ns":{},"max_ns":{}}}"#,
            self.count,
            self.total.as_nanos(),
            self.average.as_nanos(),
            self.p50.as_nanos(),
            self.p99.as_nanos(),
            self.max.as_nanos()
        )
    }
}

fn bucket(ns: u64) -> usize {
    if ns < 1 << SUB_BITS {
        return ns as usize;
    }
    let exponent = ns.ilog2();
    let sub = (ns >> (exponent - SUB_BITS)) & ((1 << SUB_BITS) - 1);
    (((exponent - SUB_BITS + 1) << SUB_BITS) + sub as u32) as usize
}

/// The largest value of a bucket.
fn upper(bucket: usize) -> u64 {
    let (row, sub) = (bucket as u32 >> SUB_BITS, bucket as u64 & ((1 << SUB_BITS) - 1));
    if row == 0 {
        return sub;
    }
    let width = row - 1;
    (((1 << SUB_BITS) + sub) << width) + ((1 << width) - 1)
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            total: AtomicU64::new(0),
            longest: AtomicU64::new(0),
        }
    }

    pub(crate) fn record(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(ns)].fetch_add(1, Ordering::Relaxed);
        self.total.fetch_add(ns, Ordering::Relaxed);
        self.longest.fetch_max(ns, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Latency {
        let counts: Vec<u64> = self.buckets.iter().map(|b| b.load(Ordering::Relaxed)).collect();
        let count: u64 = counts.iter().sum();
        let longest = self.longest.load(Ordering::Relaxed);
        let total = self.total.load(Ordering::Relaxed);
        let quantile = |numerator: u64, denominator: u64| {
            let rank = (count * numerator).div_ceil(denominator);
            let mut seen = 0;
            let found = counts.iter().position(|&n| {
                seen += n;
                seen >= rank
            });
            Duration::from_nanos(found.map_or(0, upper).min(longest))
        };
        Latency {
            count,
            total: Duration::from_nanos(total),
            average: Duration::from_nanos(total.checked_div(count).unwrap_or(0)),
            p50: quantile(1, 2),
            p99: quantile(99, 100),
            max: Duration::from_nanos(longest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_cover_every_value_in_order() {
        let mut last = 0;
        for shift in 0..64 {
            for value in [1u64 << shift, (1u64 << shift) | (1u64 << shift >> 1)] {
                let index = bucket(value);
                assert!(index >= last && index < BUCKETS);
                assert!(upper(index) >= value, "{value} in {index} up to {}", upper(index));
                assert!(upper(index) - value <= value / 4);
                last = index;
            }
        }
        assert_eq!(upper(bucket(u64::MAX)), u64::MAX);
    }

    #[test]
    fn quantiles_are_within_a_quarter() {
        let histogram = Histogram::new();
        assert_eq!(histogram.read(), Latency::default());
        for us in 1..=100 {
            histogram.record(Duration::from_micros(us));
        }
        let latency = histogram.read();
        assert_eq!(latency.count, 100);
        assert_eq!(latency.max, Duration::from_micros(100));
        assert_eq!(latency.average, Duration::from_nanos(50_500));
        assert!(
            latency.p50 >= Duration::from_micros(50) && latency.p50 < Duration::from_micros(63)
        );
        assert!(latency.p99 >= Duration::from_micros(99) && latency.p99 <= latency.max);
    }
}
