//! Each dialect, byte by byte.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{old_block, read};
use flightring_blockfile::{Dialect, Kind, Level, ReadOptions, Reason};

fn auto() -> ReadOptions {
    ReadOptions::default()
}

fn with(dialect: Dialect) -> ReadOptions {
    ReadOptions { dialect, ..ReadOptions::default() }
}

/// `u32 n, n bytes` for each text.
fn run(texts: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for text in texts {
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text.as_bytes());
    }
    out
}

#[test]
fn the_current_format_to_the_last_byte() {
    let mut file = vec![0u8; 512];
    file[..8].copy_from_slice(&[0x00, 0x02, 0, 0, 58, 0, 0, 0]); // capacity 512, valid 30 + 28
    file[8..12].copy_from_slice(&[0x1A, 0, 0, 0]); // n = 24 + 2
    file[12..20].copy_from_slice(&[0x00, 0x00, 0x64, 0xA7, 0xB3, 0xB6, 0xE0, 0x0D]); // 10^18 ns: 2001-09-09
    file[20..28].copy_from_slice(&[7, 0, 0, 0, 0, 0, 0, 0]); // shard sequence 7
    file[28..32].copy_from_slice(&[0x39, 0x30, 0, 0]); // thread 12345
    file[32..36].copy_from_slice(&[3, 0, 5, 0]); // shard 3, level error, 0
    file[36..38].copy_from_slice(b"hi");
    file[38..42].copy_from_slice(&[0x18, 0, 0, 0]); // n = 24: an empty text
    file[42..50].copy_from_slice(&[0x01, 0x00, 0x64, 0xA7, 0xB3, 0xB6, 0xE0, 0x0D]);
    file[50..58].copy_from_slice(&[8, 0, 0, 0, 0, 0, 0, 0]);
    file[58..62].copy_from_slice(&[0x39, 0x30, 0, 0]);
    file[62..66].copy_from_slice(&[3, 0, 3, 0]);
    let trailer = &mut file[448..];
    trailer[..4].copy_from_slice(b"FLRB");
    trailer[4..8].copy_from_slice(&[1, 3, 0, 0]); // version 1, events, no flags
    trailer[8..12].copy_from_slice(&[0x00, 0x02, 0, 0]);
    trailer[12..16].copy_from_slice(&[58, 0, 0, 0]);
    trailer[16..24].copy_from_slice(&[0xEF, 0xCD, 0xAB, 0x89, 0x67, 0x45, 0x23, 0x01]);
    trailer[24..32].copy_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0]); // the third block
    trailer[32..40].copy_from_slice(&[100, 0, 0, 0, 0, 0, 0, 0]); // 100 records before
    trailer[40..48].copy_from_slice(&[0x00, 0x00, 0x64, 0xA7, 0xB3, 0xB6, 0xE0, 0x0D]);
    trailer[48..56].copy_from_slice(&[0x01, 0x00, 0x64, 0xA7, 0xB3, 0xB6, 0xE0, 0x0D]);
    trailer[56..60].copy_from_slice(&[2, 0, 0, 0]);
    // The checksum is computed here bit by bit, from the polynomial of CRC-32C.
    let mut crc = !0u32;
    for &byte in file[..8 + 58].iter().chain(&file[448..508]) {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
        }
    }
    file[508..].copy_from_slice(&(!crc).to_le_bytes());

    let got = read(&file, auto());
    assert_eq!(got.damage, []);
    assert_eq!(got.texts(), ["hi", ""]);
    let first = &got.records[0];
    assert_eq!((first.kind, first.level, first.thread), (Kind::Event, Level::Error, 12345));
    assert_eq!((first.time_ns, first.sequence), (1_000_000_000_000_000_000, 100));
    assert_eq!(got.records[1].sequence, 101);
    assert_eq!((got.stats.first_ns, got.stats.last_ns), (10u64.pow(18), 10u64.pow(18) + 1));
}

#[test]
fn v1_at_512_and_4096_with_stale_bytes() {
    for (size, capacity) in [(512, [0x00, 0x02, 0, 0]), (4096, [0x00, 0x10, 0, 0])] {
        let mut file = vec![0x5A; 2 * size];
        file[..4].copy_from_slice(&capacity);
        file[4..8].copy_from_slice(&[18, 0, 0, 0]); // 4+5 + 4+0 + 4+1
        file[8..17].copy_from_slice(&[5, 0, 0, 0, b'h', b'e', b'l', b'l', b'o']);
        file[17..21].copy_from_slice(&[0, 0, 0, 0]);
        file[21..26].copy_from_slice(&[1, 0, 0, 0, b'!']);
        file[size..size + 4].copy_from_slice(&capacity);
        file[size + 4..size + 8].copy_from_slice(&[6, 0, 0, 0]);
        file[size + 8..size + 14].copy_from_slice(&[2, 0, 0, 0, b'o', b'k']);
        for options in [auto(), with(Dialect::V1)] {
            let got = read(&file, options);
            assert_eq!(got.texts(), ["hello", "", "!", "ok"]);
            assert_eq!((got.damage, got.stats.dialect), (vec![], Dialect::V1));
            assert_eq!(got.records.iter().map(|r| r.sequence).collect::<Vec<_>>(), [0, 1, 2, 3]);
        }
    }
}

#[test]
fn v2_counts_the_header_whatever_its_padding_holds() {
    for padding in [0x5A, 0x00] {
        let mut file = vec![padding; 2 * 4096];
        file[..8].copy_from_slice(&[0x00, 0x10, 0, 0, 17, 0, 0, 0]); // 8 + 4+5
        file[8..17].copy_from_slice(&[5, 0, 0, 0, b'h', b'e', b'l', b'l', b'o']);
        file[4096..4104].copy_from_slice(&[0x00, 0x10, 0, 0, 14, 0, 0, 0]);
        file[4104..4110].copy_from_slice(&[2, 0, 0, 0, b'o', b'k']);
        for options in [auto(), with(Dialect::V2)] {
            let got = read(&file, options);
            assert_eq!(got.texts(), ["hello", "ok"], "padding {padding}");
            assert_eq!((got.damage, got.stats.dialect), (vec![], Dialect::V2));
        }
    }
    // Not a byte of padding: valid = capacity.
    let text = "x".repeat(4096 - 12);
    let full = old_block(4096, 4096, &run(&[&text]), 4096);
    assert_eq!(read(&full, auto()).texts(), [text.as_str()]);
}

#[test]
fn records_that_end_like_padding_are_still_v1() {
    let mut file = old_block(512, 17, &run(&["hello", "", ""]), 512);
    file.extend(old_block(512, 8, &run(&["four"]), 512));
    let got = read(&file, auto());
    assert_eq!(got.texts(), ["hello", "", "", "four"]);
    assert_eq!(got.stats.dialect, Dialect::V1);
}

#[test]
fn times_in_front_of_records_are_recognised() {
    let mut file = vec![0x5A; 4096];
    file[..8].copy_from_slice(&[0x00, 0x10, 0, 0, 27, 0, 0, 0]);
    file[8..12].copy_from_slice(&[11, 0, 0, 0]); // 8 + 3
    file[12..20].copy_from_slice(&1_750_000_000_000_000_000u64.to_le_bytes());
    file[20..23].copy_from_slice(b"one");
    file[23..27].copy_from_slice(&[8, 0, 0, 0]); // an empty text
    file[27..35].copy_from_slice(&1_750_000_000_000_000_001u64.to_le_bytes());
    for options in [auto(), with(Dialect::Timed)] {
        let got = read(&file, options);
        assert_eq!(got.texts(), ["one", ""]);
        assert_eq!(got.records[1].time_ns, 1_750_000_000_000_000_001);
        let (first, last) = (got.stats.first_ns, got.stats.last_ns);
        assert_eq!((first, last), (1_750_000_000_000_000_000, 1_750_000_000_000_000_001));
        assert_eq!((got.damage, got.stats.dialect), (vec![], Dialect::Timed));
    }
    // Text does not pass for a time.
    let text = old_block(512, 20, &run(&["2024 was a year."]), 512);
    assert_eq!(read(&text, auto()).texts(), ["2024 was a year."]);
}

#[test]
fn blocks_may_be_packed_closer_than_their_capacity() {
    let mut file = old_block(8192, 9, &run(&["hello"]), 512);
    let long = "y".repeat(700);
    file.extend(old_block(8192, 704, &run(&[&long]), 1024));
    file.extend(old_block(8192, 6, &run(&["ok"]), 512));
    for options in [auto(), with(Dialect::Packed)] {
        let got = read(&file, options);
        assert_eq!(got.texts(), ["hello", &long, "ok"]);
        assert_eq!((got.damage, got.stats.dialect), (vec![], Dialect::Packed));
    }
}

#[test]
fn headers_that_production_readers_meet() {
    // valid > capacity, in the middle of a v1 file.
    let mut file = old_block(512, 9, &run(&["hello"]), 512);
    file.extend(old_block(512, 600, &run(&["lost"]), 512));
    file.extend(old_block(512, 6, &run(&["ok"]), 512));
    let got = read(&file, auto());
    assert_eq!(got.texts(), ["hello", "ok"]);
    assert_eq!((got.damage[0].offset, got.damage[0].len), (512, 512));

    // A record that claims more than the block has: what came before it is kept.
    let mut broken = run(&["kept"]);
    broken.extend([200, 0, 0, 0, b'?']);
    let mut file = old_block(512, 9, &run(&["hello"]), 512);
    file.extend(old_block(512, broken.len() as u32, &broken, 512));
    file.extend(old_block(512, 6, &run(&["ok"]), 512));
    let got = read(&file, auto());
    assert_eq!(got.texts(), ["hello", "kept", "ok"]);
    assert_eq!(got.damage.len(), 1);
    assert_eq!((got.damage[0].offset, got.damage[0].len), (512 + 16, 5));
    assert_eq!(got.damage[0].reason, Reason::Records);
}

#[test]
fn an_old_file_may_be_continued_in_the_current_format() {
    let mut file = old_block(512, 9, &run(&["hello"]), 512);
    let mut meta = flightring_blockfile::BlockMeta { writer_id: 1, ..Default::default() };
    file.extend(common::block(&mut meta, Kind::Raw, &[common::raw(b"new")], 512));
    file.extend(common::block(&mut meta, Kind::Marker, &[common::raw(b"dropped")], 512));
    let got = read(&file, auto());
    assert_eq!(got.texts(), ["hello", "new", "dropped"]);
    assert_eq!(got.damage, []);
    assert_eq!((got.stats.records, got.stats.markers, got.stats.dropped), (2, 1, 1));
}

#[test]
fn a_broken_first_block_does_not_hide_an_old_file() {
    let mut file = old_block(512, 600, &run(&["lost"]), 512);
    for text in ["hello", "old", "world"] {
        let records = run(&[text]);
        file.extend(old_block(512, records.len() as u32, &records, 512));
    }
    let got = read(&file, auto());
    assert_eq!(got.texts(), ["hello", "old", "world"]);
    assert_eq!((got.damage[0].offset, got.damage[0].len), (0, 512));
}
