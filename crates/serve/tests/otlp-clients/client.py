"""Sends spans, logs and metrics with the OpenTelemetry SDK for Python, then asks flightring for them.

Everything about the connection comes from the OTEL_EXPORTER_OTLP_... variables that `flightring run --otlp` sets: Protocol
Buffers over HTTP, and gzip where OTEL_EXPORTER_OTLP_COMPRESSION says so.
"""

import json
import logging
import os
import urllib.parse
import urllib.request
import warnings

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode

# The handler for Python's own logging has moved to another package; it works.
warnings.simplefilter("ignore")
SERVICE = "python-" + os.environ.get("OTEL_EXPORTER_OTLP_COMPRESSION", "plain")
resource = Resource.create({"service.name": SERVICE})


def ask(signal, **parameters):
    """The records of a signal that flightring has from this program."""
    query = urllib.parse.urlencode({"service": SERVICE, "limit": 10000, **parameters})
    request = urllib.request.Request(f"{os.environ['OTEL_EXPORTER_OTLP_ENDPOINT']}/api/{signal}?{query}")
    name, _, value = os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").partition("=")
    if name:
        request.add_header(name, urllib.parse.unquote(value))
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["records"]


tracing = TracerProvider(resource=resource)
tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
metering = MeterProvider(resource=resource, metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter())])
log = logging.getLogger("shop")
log.addHandler(LoggingHandler(logger_provider=logs))
log.setLevel(logging.INFO)

tracer = tracing.get_tracer("shop")
for i in range(300):
    with tracer.start_as_current_span("checkout", attributes={"order": i, "café": True}) as checkout:
        with tracer.start_as_current_span("pay", kind=trace.SpanKind.CLIENT) as pay:
            pay.add_event("retry", {"attempt": 2})
            if i % 100 == 7:
                pay.set_status(Status(StatusCode.ERROR, "card declined"))
                log.error("order %d failed", i)
meter = metering.get_meter("shop")
meter.create_counter("orders", unit="1").add(300, {"region": "north"})
meter.create_histogram("latency", unit="ms").record(12.5)
meter.create_observable_gauge("queue", [lambda _: [metrics.Observation(7)]])

assert tracing.force_flush() and logs.force_flush() and metering.force_flush()

spans = ask("traces")
assert len(spans) == 600, len(spans)
failed = ask("traces", errors="true")
assert len(failed) == 3 and {s["status"]["message"] for s in failed} == {"card declined"}
assert len(ask("traces", attribute="order=42")) == 1
one = ask("traces", trace_id=failed[0]["traceId"])
parents = {s["spanId"]: s.get("parentSpanId") for s in one}
assert len(one) == 2 and parents[failed[0]["spanId"]] in parents
assert failed[0]["events"][0]["name"] == "retry" and failed[0]["kind"] == 3

records = ask("logs", severity="error")
assert [r["body"]["stringValue"] for r in records] == ["order 207 failed", "order 107 failed", "order 7 failed"], records
assert records[2]["traceId"] in {s["traceId"] for s in failed}

points = {p["name"]: p for p in ask("metrics")}
assert points["orders"]["sum"]["dataPoints"][0]["asInt"] == "300", points["orders"]
assert points["latency"]["histogram"]["dataPoints"][0]["sum"] == 12.5
assert points["queue"]["gauge"]["dataPoints"][0]["asInt"] == "7"
print(f"{SERVICE}: {len(spans)} spans, {len(records)} records, {len(points)} metrics")
