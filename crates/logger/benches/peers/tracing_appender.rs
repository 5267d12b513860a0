//! The measurement of `peers.cpp` for tracing-appender, lossless: `tracing_appender THREADS RECORDS FILE` prints the same
//! line.

use std::fs::File;
use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::sync::Barrier;
use std::time::Instant;

use tracing_appender::non_blocking::NonBlockingBuilder;

const LENGTH: usize = 100;
const BATCH: usize = 20;

fn cpu_seconds() -> f64 {
    let mut used = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call fills the structure, which is valid when it is all zero, too.
    let used = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, used.as_mut_ptr());
        used.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + 1e-6 * time.tv_usec as f64;
    seconds(used.ru_utime) + seconds(used.ru_stime)
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, threads, records, path] = &arguments[..] else {
        return Err(io::Error::other("usage: tracing_appender THREADS RECORDS FILE"));
    };
    let (Ok(threads), Ok(records)) = (threads.parse::<usize>(), records.parse::<usize>()) else {
        return Err(io::Error::other("THREADS and RECORDS are numbers"));
    };
    let (writer, guard) = NonBlockingBuilder::default().lossy(false).finish(File::create(path)?);
    let each = records / threads / BATCH * BATCH;
    let barrier = Barrier::new(threads);
    let cpu = cpu_seconds();
    let (begin, mut batches) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let mut writer = writer.clone();
                let barrier = &barrier;
                scope.spawn(move || {
                    let record = [b'a'; LENGTH];
                    let mut mine = Vec::with_capacity(each / BATCH);
                    barrier.wait();
                    let begin = Instant::now();
                    let mut last = begin;
                    for _ in 0..each / BATCH {
                        for _ in 0..BATCH {
                            writer.write_all(&record).expect("the worker is there");
                        }
                        let now = Instant::now();
                        mine.push((now - last).as_secs_f64() * 1e9 / BATCH as f64);
                        last = now;
                    }
                    (begin, mine)
                })
            })
            .collect();
        let mut begin: Option<Instant> = None;
        let mut all = Vec::new();
        for worker in workers {
            let (began, mine) = worker.join().expect("a worker does not panic");
            begin = Some(begin.map_or(began, |begin| begin.min(began)));
            all.extend(mine);
        }
        (begin, all)
    });
    drop((writer, guard));
    // The guard waits for the worker for a while only, so until nothing more comes.
    let file = File::open(path)?;
    let wanted = (each * threads * LENGTH) as u64;
    while file.metadata()?.len() < wanted {
        std::thread::yield_now();
    }
    file.sync_data()?;
    let took = begin.map_or(f64::NAN, |begin| begin.elapsed().as_secs_f64());
    let used = cpu_seconds() - cpu;
    batches.sort_by(f64::total_cmp);
    let quantile = |q: f64| batches[((batches.len() - 1) as f64 * q) as usize];
    let kept = (each * threads) as f64;
    println!(
        "tracing-appender\t{threads}\t{:.1}\t{:.0}\t{:.3}\t{:.3}\t{:.3}\t1.000\t1.000",
        quantile(0.5),
        quantile(0.999),
        quantile(1.0) * BATCH as f64 * 1e-6,
        kept / took / 1e6,
        used / kept * 1e6,
    );
    Ok(())
}
