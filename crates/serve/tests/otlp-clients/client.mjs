// Sends spans, logs and metrics with the OpenTelemetry SDK for JavaScript, then asks flightring for them. Its exporters
// speak JSON over HTTP; where they send comes from the OTEL_EXPORTER_OTLP_... variables that `flightring run --otlp` sets.

import assert from "node:assert/strict";
import { SpanStatusCode, context, trace } from "@opentelemetry/api";
import { SeverityNumber } from "@opentelemetry/api-logs";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

const service = `javascript-${process.env.OTEL_EXPORTER_OTLP_COMPRESSION ?? "plain"}`;
const resource = resourceFromAttributes({ "service.name": service });

async function ask(signal, parameters = {}) {
  const query = new URLSearchParams({ service, limit: 10000, ...parameters });
  const headers = {};
  const [name, value] = (process.env.OTEL_EXPORTER_OTLP_HEADERS ?? "").split("=");
  if (name) headers[name] = decodeURIComponent(value);
  const answer = await fetch(`${process.env.OTEL_EXPORTER_OTLP_ENDPOINT}/api/${signal}?${query}`, { headers });
  assert.equal(answer.status, 200);
  return (await answer.json()).records;
}

const spans = new BatchSpanProcessor(new OTLPTraceExporter());
const logs = new BatchLogRecordProcessor({ exporter: new OTLPLogExporter() });
const reader = new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter() });
const tracer = new BasicTracerProvider({ resource, spanProcessors: [spans] }).getTracer("shop");
const logger = new LoggerProvider({ resource, processors: [logs] }).getLogger("shop");
const meter = new MeterProvider({ resource, readers: [reader] }).getMeter("shop");

let failedTrace;
for (let i = 0; i < 200; i++) {
  const checkout = tracer.startSpan("checkout", { attributes: { order: i, "café": true } });
  const pay = tracer.startSpan("pay", {}, trace.setSpan(context.active(), checkout));
  if (i === 7) {
    pay.setStatus({ code: SpanStatusCode.ERROR, message: "card declined" });
    failedTrace = pay.spanContext().traceId;
    logger.emit({ severityNumber: SeverityNumber.ERROR, severityText: "ERROR", body: { why: ["declined", 3] }, context: trace.setSpan(context.active(), pay) });
  }
  pay.end();
  checkout.end();
}
meter.createCounter("orders", { unit: "1" }).add(200, { region: "north" });
meter.createHistogram("latency", { unit: "ms" }).record(12.5);
await Promise.all([spans.forceFlush(), logs.forceFlush(), reader.forceFlush()]);

const held = await ask("traces");
assert.equal(held.length, 400);
const failed = await ask("traces", { errors: "true" });
assert.deepEqual(failed.map((s) => [s.name, s.status.message, s.traceId]), [["pay", "card declined", failedTrace]]);
const whole = await ask("traces", { trace_id: failedTrace });
assert.deepEqual(whole.map((s) => s.name).sort(), ["checkout", "pay"]);
assert.equal((await ask("traces", { attribute: "order=42" })).length, 1);
const records = await ask("logs", { severity: "error" });
assert.equal(records[0].traceId, failedTrace);
assert.equal(records[0].body.kvlistValue.values[0].value.arrayValue.values[1].intValue, "3");
const points = Object.fromEntries((await ask("metrics")).map((p) => [p.name, p]));
const orders = points.orders.sum.dataPoints[0];
assert.equal(Number(orders.asDouble ?? orders.asInt), 200);
assert.equal(points.latency.histogram.dataPoints[0].sum, 12.5);
console.log(`${service}: ${held.length} spans, ${records.length} records, ${Object.keys(points).length} metrics`);
process.exit(0);
