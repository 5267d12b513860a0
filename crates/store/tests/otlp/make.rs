//! Requests made up, and their records one by one.

use flightring_store::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest as Logs;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest as Metrics;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest as Traces;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
    SummaryDataPoint, exemplar, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};
use prost::Message;

/// Makes messages with every field set some of the time.
pub(crate) struct Make(pub(crate) u64);

impl Make {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn some<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(3) > 0).then(|| f(self))
    }

    fn list<T>(&mut self, f: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.below(4)).map(|_| f(self)).collect()
    }

    fn text(&mut self) -> String {
        let long = "long ".repeat(40);
        ["", "a", "http.route", "naïve \u{1f600} \"quoted\"\n", &long][self.below(5) as usize]
            .to_owned()
    }

    fn number(&mut self) -> u64 {
        [0, 1, 127, 128, 1_700_000_000_123_456_789, u64::MAX, 1 << 63][self.below(7) as usize]
    }

    fn double(&mut self) -> f64 {
        [0.0, -1.5, 1e300, 0.1, -0.0, 3.0][self.below(6) as usize]
    }

    fn id<const N: usize>(&mut self) -> Vec<u8> {
        // Ten different ones; sometimes none.
        let n = self.below(11) as u8;
        if n == 0 { Vec::new() } else { vec![n; N] }
    }

    fn any(&mut self, depth: u64) -> AnyValue {
        let kinds = if depth > 3 { 5 } else { 8 };
        let value = match self.below(kinds) {
            0 => None,
            1 => Some(Value::StringValue(self.text())),
            2 => Some(Value::BoolValue(self.below(2) == 0)),
            3 => Some(Value::IntValue(self.number() as i64)),
            4 => Some(Value::DoubleValue(self.double())),
            5 => Some(Value::ArrayValue(ArrayValue { values: self.list(|m| m.any(depth + 1)) })),
            6 => Some(Value::KvlistValue(KeyValueList { values: self.attributes(depth + 1) })),
            _ => Some(Value::BytesValue(vec![0, 255, 7])),
        };
        AnyValue { value }
    }

    fn attributes(&mut self, depth: u64) -> Vec<KeyValue> {
        self.list(|m| KeyValue {
            key: m.text(),
            value: m.some(|m| m.any(depth)),
            ..KeyValue::default()
        })
    }

    fn resource(&mut self) -> Option<Resource> {
        self.some(|m| {
            let mut attributes = m.attributes(0);
            if m.below(2) == 0 {
                let value = Some(AnyValue {
                    value: Some(Value::StringValue(format!("service-{}", m.below(3)))),
                });
                attributes.push(KeyValue {
                    key: "service.name".to_owned(),
                    value,
                    ..KeyValue::default()
                });
            }
            Resource {
                attributes,
                dropped_attributes_count: m.below(2) as u32,
                entity_refs: Vec::new(),
            }
        })
    }

    fn scope(&mut self) -> Option<InstrumentationScope> {
        self.some(|m| InstrumentationScope {
            name: m.text(),
            version: m.text(),
            attributes: m.attributes(0),
            dropped_attributes_count: m.below(3) as u32,
        })
    }

    fn span(&mut self) -> Span {
        Span {
            trace_id: self.id::<16>(),
            span_id: self.id::<8>(),
            trace_state: self.text(),
            parent_span_id: self.id::<8>(),
            flags: self.below(300) as u32,
            name: self.text(),
            kind: self.below(6) as i32,
            start_time_unix_nano: self.number(),
            end_time_unix_nano: self.number(),
            attributes: self.attributes(0),
            dropped_attributes_count: self.below(3) as u32,
            events: self.list(|m| span::Event {
                time_unix_nano: m.number(),
                name: m.text(),
                attributes: m.attributes(0),
                dropped_attributes_count: m.below(2) as u32,
            }),
            dropped_events_count: self.below(2) as u32,
            links: self.list(|m| span::Link {
                trace_id: m.id::<16>(),
                span_id: m.id::<8>(),
                trace_state: m.text(),
                attributes: m.attributes(0),
                dropped_attributes_count: m.below(2) as u32,
                flags: m.below(2) as u32,
            }),
            dropped_links_count: self.below(2) as u32,
            status: self.some(|m| Status { message: m.text(), code: m.below(3) as i32 }),
        }
    }

    pub(crate) fn traces(&mut self) -> Traces {
        let resource_spans = self.list(|m| ResourceSpans {
            resource: m.resource(),
            scope_spans: m.list(|m| ScopeSpans {
                scope: m.scope(),
                spans: m.list(Self::span),
                schema_url: m.text(),
            }),
            schema_url: m.text(),
        });
        Traces { resource_spans }
    }

    pub(crate) fn logs(&mut self) -> Logs {
        let record = |m: &mut Self| LogRecord {
            time_unix_nano: m.number(),
            observed_time_unix_nano: m.number(),
            severity_number: m.below(25) as i32,
            severity_text: m.text(),
            body: m.some(|m| m.any(0)),
            attributes: m.attributes(0),
            dropped_attributes_count: m.below(2) as u32,
            flags: m.below(2) as u32,
            trace_id: m.id::<16>(),
            span_id: m.id::<8>(),
            event_name: m.text(),
        };
        let resource_logs = self.list(|m| ResourceLogs {
            resource: m.resource(),
            scope_logs: m.list(|m| ScopeLogs {
                scope: m.scope(),
                log_records: m.list(record),
                schema_url: m.text(),
            }),
            schema_url: m.text(),
        });
        Logs { resource_logs }
    }

    fn exemplar(&mut self) -> Exemplar {
        Exemplar {
            filtered_attributes: self.attributes(0),
            time_unix_nano: self.number(),
            span_id: self.id::<8>(),
            trace_id: self.id::<16>(),
            value: self.some(|m| match m.below(2) {
                0 => exemplar::Value::AsDouble(m.double()),
                _ => exemplar::Value::AsInt(m.number() as i64),
            }),
        }
    }

    fn number_point(&mut self) -> NumberDataPoint {
        NumberDataPoint {
            attributes: self.attributes(0),
            start_time_unix_nano: self.number(),
            time_unix_nano: self.number(),
            exemplars: self.list(Self::exemplar),
            flags: self.below(2) as u32,
            value: self.some(|m| match m.below(2) {
                0 => number_data_point::Value::AsDouble(m.double()),
                _ => number_data_point::Value::AsInt(m.number() as i64),
            }),
        }
    }

    fn histogram_point(&mut self) -> HistogramDataPoint {
        HistogramDataPoint {
            attributes: self.attributes(0),
            start_time_unix_nano: self.number(),
            time_unix_nano: self.number(),
            count: self.number(),
            sum: self.some(Self::double),
            bucket_counts: self.list(Self::number),
            explicit_bounds: self.list(Self::double),
            exemplars: self.list(Self::exemplar),
            flags: self.below(2) as u32,
            min: self.some(Self::double),
            max: self.some(Self::double),
        }
    }

    fn exponential_point(&mut self) -> ExponentialHistogramDataPoint {
        let buckets = |m: &mut Self| Buckets {
            offset: m.number() as i32,
            bucket_counts: m.list(Self::number),
        };
        ExponentialHistogramDataPoint {
            attributes: self.attributes(0),
            start_time_unix_nano: self.number(),
            time_unix_nano: self.number(),
            count: self.number(),
            sum: self.some(Self::double),
            scale: self.number() as i32,
            zero_count: self.number(),
            positive: self.some(buckets),
            negative: self.some(buckets),
            flags: self.below(2) as u32,
            exemplars: self.list(Self::exemplar),
            min: self.some(Self::double),
            max: self.some(Self::double),
            zero_threshold: self.double(),
        }
    }

    fn summary_point(&mut self) -> SummaryDataPoint {
        SummaryDataPoint {
            attributes: self.attributes(0),
            start_time_unix_nano: self.number(),
            time_unix_nano: self.number(),
            count: self.number(),
            sum: self.double(),
            quantile_values: self
                .list(|m| ValueAtQuantile { quantile: m.double(), value: m.double() }),
            flags: self.below(2) as u32,
        }
    }

    fn metric(&mut self) -> Metric {
        let aggregation_temporality = self.below(3) as i32;
        let data = match self.below(5) {
            0 => Data::Gauge(Gauge { data_points: self.list(Self::number_point) }),
            1 => Data::Sum(Sum {
                data_points: self.list(Self::number_point),
                aggregation_temporality,
                is_monotonic: self.below(2) == 0,
            }),
            2 => Data::Histogram(Histogram {
                data_points: self.list(Self::histogram_point),
                aggregation_temporality,
            }),
            3 => Data::ExponentialHistogram(ExponentialHistogram {
                data_points: self.list(Self::exponential_point),
                aggregation_temporality,
            }),
            _ => Data::Summary(Summary { data_points: self.list(Self::summary_point) }),
        };
        Metric {
            name: self.text(),
            description: self.text(),
            unit: self.text(),
            metadata: self.attributes(0),
            data: Some(data),
        }
    }

    pub(crate) fn metrics(&mut self) -> Metrics {
        let resource_metrics = self.list(|m| ResourceMetrics {
            resource: m.resource(),
            scope_metrics: m.list(|m| ScopeMetrics {
                scope: m.scope(),
                metrics: m.list(Self::metric),
                schema_url: m.text(),
            }),
            schema_url: m.text(),
        });
        Metrics { resource_metrics }
    }
}

/// One record each, with everything it came with, so that requests can be compared whatever their grouping.
pub(crate) trait Flat:
    Message + Default + PartialEq + Clone + serde::Serialize + serde::de::DeserializeOwned
{
    const SIGNAL: Signal;
    fn make(make: &mut Make) -> Self;
    fn flat(&self) -> Vec<Self>;
}

macro_rules! flat {
    ($request:ident, $signal:ident, $make:ident, $list:ident, $scopes:ident, $records:ident, $resource:ident,
     $scope:ident, $split:expr) => {
        impl Flat for $request {
            const SIGNAL: Signal = Signal::$signal;

            fn make(make: &mut Make) -> Self {
                make.$make()
            }

            fn flat(&self) -> Vec<Self> {
                let mut all = Vec::new();
                for resource in &self.$list {
                    for scope in &resource.$scopes {
                        for record in scope.$records.iter().flat_map($split) {
                            let scope = $scope { $records: vec![record], ..scope.clone() };
                            let resource = $resource { $scopes: vec![scope], ..resource.clone() };
                            all.push(Self { $list: vec![resource] });
                        }
                    }
                }
                all
            }
        }
    };
}

flat!(
    Traces,
    Traces,
    traces,
    resource_spans,
    scope_spans,
    spans,
    ResourceSpans,
    ScopeSpans,
    |span: &Span| { vec![span.clone()] }
);
flat!(
    Logs,
    Logs,
    logs,
    resource_logs,
    scope_logs,
    log_records,
    ResourceLogs,
    ScopeLogs,
    |log: &LogRecord| { vec![log.clone()] }
);
flat!(
    Metrics,
    Metrics,
    metrics,
    resource_metrics,
    scope_metrics,
    metrics,
    ResourceMetrics,
    ScopeMetrics,
    points
);

fn points(metric: &Metric) -> Vec<Metric> {
    macro_rules! split {
        ($kind:ident, $data:expr) => {
            $data
                .data_points
                .iter()
                .map(|point| {
                    Data::$kind($kind { data_points: vec![point.clone()], ..$data.clone() })
                })
                .collect::<Vec<_>>()
        };
    }
    let parts = match metric.data.as_ref().unwrap() {
        Data::Gauge(data) => data
            .data_points
            .iter()
            .map(|point| Data::Gauge(Gauge { data_points: vec![point.clone()] }))
            .collect(),
        Data::Sum(data) => split!(Sum, data),
        Data::Histogram(data) => split!(Histogram, data),
        Data::ExponentialHistogram(data) => split!(ExponentialHistogram, data),
        Data::Summary(data) => data
            .data_points
            .iter()
            .map(|point| Data::Summary(Summary { data_points: vec![point.clone()] }))
            .collect(),
    };
    parts.into_iter().map(|data| Metric { data: Some(data), ..metric.clone() }).collect()
}
