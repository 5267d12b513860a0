//! What a recorder costs through C: the same spans into it, and the same traces out of it, by a program in C (`recorder.c`) and by
//! one in Rust, which take turns. `cargo bench -p ffi-tests --bench recorder` prints a table; figures are medians of several
//! rounds, in processor time of this thread. The records are those of `crates/store/benches/store`.

use std::ffi::c_void;
use std::hint::black_box;

use flightring_store::{Attribute, Filter, Limits, Recorder, RecorderOptions, Signal, Span};

extern crate ffi_tests as _;
extern crate flightring_capi as _;

unsafe extern "C" {
    fn flrbench_open(capacity: u64, services: usize) -> *mut c_void;
    fn flrbench_insert(bench: *mut c_void, count: u64) -> i32;
    fn flrbench_by_trace(bench: *mut c_void, trace: *const u8) -> usize;
    fn flrbench_close(bench: *mut c_void);
}

/// What both programs do.
trait Program {
    fn insert(&mut self, count: u64);
    /// Bytes of the records of a trace.
    fn by_trace(&mut self, trace: [u8; 16]) -> usize;
}

struct InC(*mut c_void);

impl InC {
    fn new(capacity: usize, services: usize) -> Self {
        // SAFETY: takes numbers, and its result goes to the functions below only.
        Self(unsafe { flrbench_open(capacity as u64, services) })
    }
}

impl Program for InC {
    fn insert(&mut self, count: u64) {
        // SAFETY: it was opened, and is closed when this is dropped.
        let status = unsafe { flrbench_insert(self.0, count) };
        assert_eq!(status, 0, "a span is refused");
    }

    fn by_trace(&mut self, trace: [u8; 16]) -> usize {
        // SAFETY: as above, and the id has the 16 bytes that are read.
        unsafe { flrbench_by_trace(self.0, trace.as_ptr()) }
    }
}

impl Drop for InC {
    fn drop(&mut self) {
        // SAFETY: it was opened, and is closed once.
        unsafe { flrbench_close(self.0) };
    }
}

struct InRust {
    recorder: Recorder,
    random: u64,
    n: u64,
    services: Vec<String>,
    names: Vec<String>,
    payload: String,
}

impl InRust {
    fn new(capacity: usize, services: usize) -> Self {
        let mut options = RecorderOptions::default();
        options.traces = Limits::with_capacity(capacity);
        Self {
            recorder: Recorder::new(&options).expect("valid options"),
            random: 42,
            n: 0,
            services: (0..services).map(|i| format!("service-{i:04}")).collect(),
            names: (0..100).map(|i| format!("operation-{i:03}")).collect(),
            payload: "p".repeat(400),
        }
    }
}

impl Program for InRust {
    fn insert(&mut self, count: u64) {
        for _ in 0..count {
            self.random = self
                .random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let (n, pick) = (self.n, (self.random >> 33) as usize);
            self.n += 1;
            let start_ns = 1_700_000_000_000_000_000 + n * 1000;
            let added = self.recorder.add_span(&Span {
                trace_id: trace_of(n),
                span_id: n.to_be_bytes(),
                name: &self.names[pick / 1024 % self.names.len()],
                service: &self.services[pick % self.services.len()],
                start_ns,
                end_ns: start_ns + 1000,
                attributes: &[Attribute::text("payload", &self.payload)],
                ..Span::default()
            });
            assert!(added.sequence().is_some(), "a span is refused");
        }
    }

    fn by_trace(&mut self, trace: [u8; 16]) -> usize {
        let mut filter = Filter::default();
        filter.trace_id = Some(trace);
        let mut cursor = self.recorder.query(Signal::Traces, filter).expect("a valid filter");
        let mut bytes = 0;
        while let Some(record) = cursor.next() {
            // As C is told of a record.
            black_box((record.parts(), record.service_bytes(), record.body_bytes()));
            bytes += record.wire().len();
        }
        bytes
    }
}

/// As `recorder.c` has it.
fn trace_of(n: u64) -> [u8; 16] {
    let trace = n / 128 * 16 + n % 16 + 1;
    let mut id = [0; 16];
    id[..8].copy_from_slice(&trace.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id[8..].copy_from_slice(&trace.wrapping_mul(0xf39c_c060_5ced_c835).to_be_bytes());
    id
}

/// Processor time of this thread, in nanoseconds.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

const INSERTS: u64 = 200_000;
const QUERIES: u64 = 2000;

/// Nanoseconds that an insert and the query of a trace take in C, and in Rust.
fn measure(capacity: usize, services: usize) -> [[f64; 2]; 2] {
    let mut programs: [Box<dyn Program>; 2] =
        [Box::new(InC::new(capacity, services)), Box::new(InRust::new(capacity, services))];
    let mut times = [const { [const { Vec::new() }; 2] }; 2];
    for program in &mut programs {
        program.insert(capacity as u64 + 10);
    }
    for round in 1..=11 {
        for (program, times) in programs.iter_mut().zip(&mut times) {
            let begin = cpu();
            program.insert(INSERTS);
            times[0].push((cpu() - begin) / INSERTS as f64);
            let oldest = 10 + round * INSERTS + 128;
            let begin = cpu();
            for i in 0..QUERIES {
                let n = oldest + i * 7919 % (capacity as u64 - 256);
                assert!(program.by_trace(trace_of(n)) > 8 * 400, "a whole trace is held");
            }
            times[1].push((cpu() - begin) / QUERIES as f64);
        }
    }
    times.map(|of_program| of_program.map(median))
}

fn main() {
    println!(
        "| capacity | services | insert in C ns | in Rust ns | a trace in C us | in Rust us |"
    );
    println!("|---|---|---|---|---|---|");
    for (capacity, services) in [(10_000, 1), (10_000, 10), (10_000, 1000), (100_000, 10)] {
        let [in_c, in_rust] = measure(capacity, services);
        println!(
            "| {capacity} | {services} | {:.0} | {:.0} | {:.2} | {:.2} |",
            in_c[0],
            in_rust[0],
            in_c[1] / 1e3,
            in_rust[1] / 1e3
        );
    }
}
