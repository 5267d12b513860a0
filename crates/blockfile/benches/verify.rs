//! How fast a file is verified and read, beside the bare reading of its bytes.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flightring_blockfile::{
    BlockMeta, BlockReader, HEADER_LEN, Item, ReadOptions, Reader, seal, verify,
};

const FILE: usize = 128 << 20;

fn write_log(path: &Path, block: usize) {
    let (mut out, mut buf) = (Vec::with_capacity(FILE + block), vec![0; block]);
    let mut meta = BlockMeta { writer_id: 1, ..BlockMeta::default() };
    while out.len() < FILE {
        let mut at = HEADER_LEN;
        meta.record_count = 0;
        while at + 104 + 64 <= block {
            buf[at..at + 4].copy_from_slice(&100u32.to_le_bytes());
            buf[at + 4..at + 104].fill(b'a' + (meta.record_count % 26) as u8);
            at += 104;
            meta.record_count += 1;
        }
        let len = seal(&mut buf, at - HEADER_LEN, &meta, 4096).unwrap();
        out.extend_from_slice(&buf[..len]);
        meta = meta.next();
    }
    std::fs::write(path, out).unwrap();
}

fn benches(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    for block in [4 << 10, 64 << 10, 4 << 20] {
        let path = dir.path().join(format!("{block}.log"));
        write_log(&path, block);
        let size = std::fs::metadata(&path).unwrap().len();
        let mut group =
            c.benchmark_group(format!("blocks of {} KiB, records of 100 B", block >> 10));
        group.throughput(Throughput::Bytes(size)).sample_size(10);
        group.bench_function("read(2) only", |b| {
            let mut buf = vec![0; 512 << 10];
            b.iter(|| {
                let mut file = File::open(&path).unwrap();
                while file.read(&mut buf).unwrap() > 0 {
                    black_box(&buf);
                }
            });
        });
        group.bench_function("verify", |b| {
            b.iter(|| {
                let mut reader = BlockReader::open(&path, ReadOptions::default()).unwrap();
                let stats = verify(&mut reader, |damage| panic!("{damage}")).unwrap();
                assert!(stats.records > 1_000_000);
            });
        });
        group.bench_function("records", |b| {
            b.iter(|| {
                let mut reader = Reader::open(&path, ReadOptions::default()).unwrap();
                let mut bytes = 0;
                while let Some(item) = reader.next_item().unwrap() {
                    if let Item::Record(record) = item {
                        bytes += record.data.len();
                    }
                }
                black_box(bytes)
            });
        });
        group.finish();
    }
}

criterion_group!(verify_benches, benches);
criterion_main!(verify_benches);
