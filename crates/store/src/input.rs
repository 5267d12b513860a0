//! Records as a program hands them in: plain structs of borrowed parts, copied on the way in.

/// The value of an attribute, or the body of a log record.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Text.
    Str(&'a str),
    /// True or false.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// Bytes that are not text.
    Bytes(&'a [u8]),
    /// A list.
    Array(&'a [Value<'a>]),
    /// A list of named values.
    Map(&'a [Attribute<'a>]),
}

/// A named value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attribute<'a> {
    /// The name.
    pub key: &'a str,
    /// The value.
    pub value: Value<'a>,
}

impl<'a> Attribute<'a> {
    /// A text attribute.
    #[must_use]
    pub fn text(key: &'a str, value: &'a str) -> Self {
        Self { key, value: Value::Str(value) }
    }
}

/// Something that happened during a span.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Event<'a> {
    /// When, in nanoseconds since 1970.
    pub time_ns: u64,
    /// What.
    pub name: &'a str,
    /// More about it.
    pub attributes: &'a [Attribute<'a>],
}

/// A span of another trace that this one belongs with.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Link<'a> {
    /// That trace.
    pub trace_id: [u8; 16],
    /// That span.
    pub span_id: [u8; 8],
    /// Why.
    pub attributes: &'a [Attribute<'a>],
}

/// A unit of work.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Span<'a> {
    /// All spans of one request have the same; all zero means none.
    pub trace_id: [u8; 16],
    /// This span.
    pub span_id: [u8; 8],
    /// The span that this one is a part of; all zero for a root.
    pub parent_id: [u8; 8],
    /// What was done.
    pub name: &'a str,
    /// Who did it; empty is taken as `unknown`.
    pub service: &'a str,
    /// OTLP's number: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    pub kind: u8,
    /// Begin, in nanoseconds since 1970.
    pub start_ns: u64,
    /// End, in nanoseconds since 1970.
    pub end_ns: u64,
    /// OTLP's number: 0 unset, 1 ok, 2 error.
    pub status: u8,
    /// What went wrong.
    pub status_message: &'a str,
    /// More about it.
    pub attributes: &'a [Attribute<'a>],
    /// What happened meanwhile.
    pub events: &'a [Event<'a>],
    /// What it belongs with.
    pub links: &'a [Link<'a>],
}

/// A log record.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Log<'a> {
    /// When it happened, in nanoseconds since 1970; 0 if only `observed_ns` is known.
    pub time_ns: u64,
    /// When it was seen, in nanoseconds since 1970.
    pub observed_ns: u64,
    /// OTLP's number: 1 to 4 trace, 5 debug, 9 info, 13 warn, 17 error, 21 to 24 fatal, 0 unknown.
    pub severity: u8,
    /// The severity as its source calls it.
    pub severity_text: &'a str,
    /// The message.
    pub body: Option<Value<'a>>,
    /// The trace it belongs to; all zero means none.
    pub trace_id: [u8; 16],
    /// The span it belongs to; all zero means none.
    pub span_id: [u8; 8],
    /// Who wrote it; empty is taken as `unknown`.
    pub service: &'a str,
    /// The name of the event, if it is one.
    pub event_name: &'a str,
    /// More about it.
    pub attributes: &'a [Attribute<'a>],
}

/// How successive points of a sum or histogram relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Temporality {
    /// Not said.
    #[default]
    Unspecified = 0,
    /// Each point counts since the one before.
    Delta = 1,
    /// Each point counts since the start time.
    Cumulative = 2,
}

/// A number as it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A floating-point number.
    Double(f64),
    /// An integer.
    Int(i64),
}

/// The buckets of one side of an exponential histogram.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Buckets<'a> {
    /// Index of the first bucket.
    pub offset: i32,
    /// The counts from there on.
    pub counts: &'a [u64],
}

/// What a metric point says.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Point<'a> {
    /// A value that goes up and down.
    Gauge(Number),
    /// A value that adds up.
    Sum {
        /// The value.
        value: Number,
        /// Since when it counts.
        temporality: Temporality,
        /// Whether it never falls.
        monotonic: bool,
    },
    /// Counts between explicit bounds.
    Histogram {
        /// How many were measured.
        count: u64,
        /// Their sum, if known.
        sum: Option<f64>,
        /// One more than there are bounds, or none.
        bucket_counts: &'a [u64],
        /// Upper bounds, rising.
        bounds: &'a [f64],
        /// Since when it counts.
        temporality: Temporality,
    },
    /// Counts in buckets that grow exponentially.
    ExponentialHistogram {
        /// How many were measured.
        count: u64,
        /// Their sum, if known.
        sum: Option<f64>,
        /// Resolution: bounds are powers of 2^(2^-scale).
        scale: i32,
        /// How many were zero.
        zero_count: u64,
        /// Buckets of positive values.
        positive: Buckets<'a>,
        /// Buckets of negative values.
        negative: Buckets<'a>,
        /// Since when it counts.
        temporality: Temporality,
    },
    /// Quantiles computed by the source.
    Summary {
        /// How many were measured.
        count: u64,
        /// Their sum.
        sum: f64,
        /// Pairs of quantile (0 to 1) and value.
        quantiles: &'a [(f64, f64)],
    },
}

/// One point of one metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric<'a> {
    /// The metric.
    pub name: &'a str,
    /// Its unit (UCUM).
    pub unit: &'a str,
    /// What it means.
    pub description: &'a str,
    /// Who measured; empty is taken as `unknown`.
    pub service: &'a str,
    /// When, in nanoseconds since 1970.
    pub time_ns: u64,
    /// Since when a sum or histogram counts; 0 if not known.
    pub start_ns: u64,
    /// The point.
    pub point: Point<'a>,
    /// Which of the metric's series.
    pub attributes: &'a [Attribute<'a>],
    /// Measurements that stand for the rest, with the traces they belong to: OTLP's `Exemplar` messages. Summaries have
    /// none.
    pub exemplars: &'a [&'a [u8]],
}
