//! Whatever happens to a file: a record comes back as it was written, or its place is reported.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Outcome, Rec, block, old_block, raw, read};
use flightring_blockfile::{BlockMeta, Kind, Level, ReadOptions, Reason};
use proptest::prelude::*;

/// Blocks with records whose text is unique and states its own number.
fn file(sizes: &[Vec<u16>], align: usize) -> (Vec<u8>, Vec<Rec>, Vec<usize>) {
    let mut meta = BlockMeta { writer_id: 0x1234_5678, ..BlockMeta::default() };
    let (mut bytes, mut all, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for (index, lens) in sizes.iter().enumerate() {
        let kind = [Kind::Raw, Kind::Timed, Kind::Event][index % 3];
        let records: Vec<Rec> = lens
            .iter()
            .map(|&len| {
                let sequence = all.len() as u64;
                let mut data = format!("{sequence}:").into_bytes();
                data.resize(data.len() + len as usize, b'a' + (sequence % 26) as u8);
                let mut record = Rec { kind, data, sequence, ..Rec::default() };
                if kind != Kind::Raw {
                    record.time_ns = 1_700_000_000_000_000_000 + sequence;
                }
                if kind == Kind::Event {
                    (record.thread, record.level) = (7, Level::Info);
                }
                all.push(record.clone());
                record
            })
            .collect();
        starts.push(bytes.len());
        bytes.extend(block(&mut meta, kind, &records, align));
    }
    (bytes, all, starts)
}

fn options() -> ReadOptions {
    ReadOptions::default()
}

/// Every record is one that was written, at most once, in order; and what is missing lies in reported ranges.
fn check(got: &Outcome, written: &[Rec]) -> Result<(), TestCaseError> {
    let mut last = None;
    for record in &got.records {
        let original = written.get(record.sequence as usize);
        prop_assert_eq!(Some(record), original);
        prop_assert!(last.is_none_or(|l| record.sequence > l), "order or double");
        last = Some(record.sequence);
    }
    prop_assert!(got.records.len() == written.len() || !got.damage.is_empty());
    prop_assert_eq!(got.records.len() as u64, got.stats.records);
    Ok(())
}

/// Few by default; many for a long run.
fn cases() -> u32 {
    if std::env::var_os("FLIGHTRING_LONG").is_some() { 20_000 } else { 100 }
}

fn sizes() -> impl Strategy<Value = Vec<Vec<u16>>> {
    prop_oneof![
        prop::collection::vec(prop::collection::vec(0u16..900, 0..6), 2..9),
        prop::collection::vec(prop::collection::vec(0u16..900, 1..6), 2..9),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn what_was_written_is_read(sizes in sizes(), align in prop::sample::select(vec![512, 4096])) {
        let (bytes, written, _) = file(&sizes, align);
        let got = read(&bytes, options());
        prop_assert_eq!(&got.damage, &[]);
        prop_assert_eq!(&got.records, &written);
        prop_assert_eq!(got.stats.blocks, sizes.len() as u64);
        prop_assert_eq!(got.stats.file_bytes, bytes.len() as u64);
        let payload: usize = written.iter().map(|r| r.data.len()).sum();
        prop_assert_eq!(got.stats.payload_bytes, payload as u64);
    }

    #[test]
    fn a_flipped_bit_costs_at_most_its_block(sizes in sizes(), place in any::<prop::sample::Index>(), bit in 0..8) {
        let (mut bytes, written, starts) = file(&sizes, 512);
        let at = place.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        let got = read(&bytes, options());
        check(&got, &written)?;
        prop_assert!(!got.damage.is_empty(), "byte {} bit {}", at, bit);
        let hit = starts.iter().rposition(|&start| start <= at).unwrap();
        let lost = written.len() - got.records.len();
        prop_assert!(lost == 0 || lost == sizes[hit].len());
    }

    #[test]
    fn torn_overwritten_and_missing_parts(
        sizes in sizes(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..3000, 0u8..4, any::<u64>()), 1..4),
    ) {
        let (mut bytes, written, starts) = file(&sizes, 512);
        // The first block stays whole, so that the file is known to be of this format.
        let first = starts[1];
        for (place, len, what, seed) in cuts {
            if bytes.len() <= first {
                break;
            }
            let at = first + place.index(bytes.len() - first);
            let end = bytes.len().min(at + len);
            match what {
                0 => bytes[at..end].fill(0),
                1 => {
                    let mut state = seed | 1;
                    for byte in &mut bytes[at..end] {
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        *byte = state as u8;
                    }
                }
                2 => { bytes.drain(at..end); }
                _ => bytes.truncate(at),
            }
        }
        let got = read(&bytes, options());
        for record in &got.records {
            prop_assert_eq!(Some(record), written.get(record.sequence as usize));
        }
        let mut seen: Vec<u64> = got.records.iter().map(|record| record.sequence).collect();
        seen.dedup();
        prop_assert_eq!(seen.len(), got.records.len());
        // Whole blocks cut off the end are the one loss that the rest of a file cannot know of.
        let next = got.records.last().map_or(0, |record| record.sequence + 1);
        prop_assert!(got.records.len() as u64 == next || !got.damage.is_empty());
        // In between, what is lost is known to the record.
        if !sizes.iter().any(Vec::is_empty) {
            prop_assert_eq!(got.records.len() as u64 + got.stats.missing_records, next);
        }
    }

    #[test]
    fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..20_000), max in 0usize..3) {
        let options = ReadOptions { max_block: [0, 4096, 1 << 20][max], ..options() };
        let got = read(&bytes, options);
        let skipped: u64 = got.damage.iter().map(|d| d.len).sum();
        prop_assert!(skipped <= bytes.len() as u64);
        prop_assert!(bytes.is_empty() || skipped > 0 || got.stats.blocks > 0);
    }

    #[test]
    fn random_headers_are_survived(blocks in prop::collection::vec((0u32..6, 0u32..5000, any::<bool>()), 0..40)) {
        let mut bytes = Vec::new();
        for (sectors, valid, magic) in blocks {
            let mut sector = [0u8; 512];
            sector[..4].copy_from_slice(&(sectors * 512).to_le_bytes());
            sector[4..8].copy_from_slice(&valid.to_le_bytes());
            if magic {
                sector[448..456].copy_from_slice(&[b'F', b'L', b'R', b'B', 1, 1, 0, 0]);
                sector[456..460].copy_from_slice(&(sectors * 512).to_le_bytes());
                sector[460..464].copy_from_slice(&valid.to_le_bytes());
            }
            bytes.extend(sector);
        }
        read(&bytes, options());
    }
}

#[test]
fn missing_doubled_and_late_blocks_are_noticed() {
    let mut meta = BlockMeta { writer_id: 9, ..BlockMeta::default() };
    let blocks: Vec<Vec<u8>> = (0..5)
        .map(|n| block(&mut meta, Kind::Raw, &[raw(&[b'0' + n]), raw(&[b'0' + n])], 512))
        .collect();
    let order = |order: &[usize]| {
        let bytes: Vec<u8> = order.iter().flat_map(|&n| blocks[n].clone()).collect();
        read(&bytes, options())
    };
    let got = order(&[0, 1, 4]);
    assert_eq!(got.texts(), ["0", "0", "1", "1", "4", "4"]);
    assert_eq!(got.damage.len(), 1);
    assert_eq!(got.damage[0].reason, Reason::Missing { blocks: 2, records: 4 });
    assert_eq!(got.damage[0].offset, 1024);

    let got = order(&[0, 1, 1, 2, 0, 3]);
    assert_eq!(got.texts(), ["0", "0", "1", "1", "2", "2", "3", "3"]);
    assert_eq!(got.stats.repeated_blocks, 2);
    assert_eq!(got.damage.iter().map(|d| d.offset).collect::<Vec<_>>(), [1024, 2048]);

    let got = order(&[0, 2, 1, 3]);
    assert_eq!(got.texts(), ["0", "0", "2", "2", "1", "1", "3", "3"]);
    assert_eq!((got.stats.missing_blocks, got.stats.missing_records), (0, 0));
}

#[test]
fn a_destroyed_header_costs_no_record() {
    let (mut bytes, written, starts) = file(&[vec![10], vec![700, 20], vec![30]], 512);
    bytes[starts[1]..starts[1] + 8].fill(0xFF);
    let got = read(&bytes, options());
    assert_eq!(got.records, written);
    assert_eq!(got.damage.len(), 1);
    assert_eq!((got.damage[0].offset, got.damage[0].len), (starts[1] as u64, 8));
}

#[test]
fn a_lost_first_block_is_not_taken_for_an_older_dialect() {
    let (mut bytes, written, starts) = file(&[vec![10, 20], vec![30], vec![40]], 512);
    // Its trailer is gone, and one byte of its text is not what was written.
    bytes[starts[1] - 64..starts[1]].fill(0);
    bytes[15] ^= 1;
    let got = read(&bytes, options());
    assert_eq!(got.records, written[2..]);
    assert_eq!((got.damage[0].offset, got.damage[0].len), (0, starts[1] as u64));
}

#[test]
fn zeros_and_torn_ends_are_named() {
    let (mut bytes, written, _) = file(&[vec![10], vec![20]], 512);
    let whole = bytes.len();
    bytes.resize(whole + 5000, 0);
    let got = read(&bytes, options());
    assert_eq!(got.records, written);
    assert_eq!((got.damage[0].reason, got.damage[0].len), (Reason::Zeros, 5000));

    bytes.truncate(whole - 100);
    let got = read(&bytes, options());
    assert_eq!(got.records, written[..1]);
    assert_eq!((got.damage[0].reason, got.damage[0].len), (Reason::Truncated, 412));
}

#[test]
fn changed_padding_is_noticed_and_costs_nothing() {
    let (mut bytes, written, _) = file(&[vec![10], vec![20]], 512);
    bytes[300] = 1;
    let got = read(&bytes, options());
    assert_eq!(got.records, written);
    assert_eq!((got.damage.len(), got.damage[0].reason), (1, Reason::Padding));
    assert_eq!(got.stats.skipped_bytes, 0);
}

#[test]
fn a_later_version_is_skipped_by_name() {
    let (mut bytes, written, starts) = file(&[vec![10], vec![20], vec![30]], 512);
    bytes[starts[2] - 60] = 9;
    let got = read(&bytes, options());
    assert_eq!(got.damage[0].reason, Reason::Unknown { version: 9, kind: 2 });
    assert_eq!(got.records, [written[0].clone(), written[2].clone()]);
}

#[test]
fn blocks_that_left_memory_during_a_search_do_not_hide_those_after_them() {
    let mut meta = BlockMeta { writer_id: 9, ..BlockMeta::default() };
    let big = raw(&vec![b'x'; 40 << 20]);
    let mut bytes = block(&mut meta, Kind::Raw, &[raw(b"first")], 512);
    let second = bytes.len();
    bytes.extend(block(&mut meta, Kind::Raw, std::slice::from_ref(&big), 512));
    bytes.extend(block(&mut meta, Kind::Raw, &[big], 512));
    bytes.extend(block(&mut meta, Kind::Raw, &[raw(b"last")], 512));
    bytes[second..second + 8].fill(0xFF);
    let got = read(&bytes, options());
    let texts: Vec<usize> = got.records.iter().map(|r| r.data.len()).collect();
    assert_eq!(texts, [5, 40 << 20, 4]);
    assert_eq!(got.stats.missing_records, 1);
}

#[test]
fn forged_trailers_do_not_make_the_reader_slow() {
    // Every 64 bytes a trailer that claims the 2 MB before it; each takes a checksum over them to refute.
    let mut forged = [0u8; 64];
    forged[..8].copy_from_slice(&[b'F', b'L', b'R', b'B', 1, 1, 0, 0]);
    forged[8..12].copy_from_slice(&(2u32 << 20).to_le_bytes());
    forged[12..16].copy_from_slice(&((2u32 << 20) - 72).to_le_bytes());
    let bytes: Vec<u8> = forged.repeat(8 << 14);
    let got = read(&bytes, options());
    assert_eq!(got.records.len(), 0);
    assert_eq!(got.stats.skipped_bytes, bytes.len() as u64);
}

#[test]
fn a_claim_alone_allocates_nothing() {
    let bytes = old_block(0xFFFF_FE00, 0xFFFF_0000, b"", 512);
    let got = read(&bytes, ReadOptions { max_block: usize::MAX, ..options() });
    assert_eq!(got.damage.len(), 1);
}

/// A log whose last block holds, as its text, whole blocks of somebody's making, at every sector.
fn with_forged_blocks() -> (Vec<u8>, usize) {
    let mut meta = BlockMeta { writer_id: 0x5EC2_E700, ..BlockMeta::default() };
    let mut bytes = block(&mut meta, Kind::Raw, &[raw(b"before")], 512);
    let good = bytes.len();
    let mut forged_meta = BlockMeta { writer_id: 0xBAD, ..BlockMeta::default() };
    // Header and length take 12 bytes, so that the forged blocks begin at sectors.
    let mut text = vec![b' '; 512 - 12];
    for _ in 0..20 {
        text.extend(block(&mut forged_meta, Kind::Event, &[raw(b"forged")], 512));
    }
    bytes.extend(block(&mut meta, Kind::Raw, &[raw(&text)], 512));
    (bytes, good)
}

#[test]
fn blocks_that_somebody_logged_are_not_believed_when_the_block_around_them_is_torn() {
    let (whole, good) = with_forged_blocks();
    assert_eq!(read(&whole, options()).records.len(), 2);
    for cut in (good + 512..whole.len()).step_by(512) {
        let got = read(&whole[..cut], options());
        assert_eq!(got.texts(), ["before"], "cut at {cut}");

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::fs::write(&path, &whole[..cut]).unwrap();
        let layer = std::sync::Arc::new(flightring_blockfile::OsLayer);
        let (appender, report) =
            flightring_blockfile::Appender::open(&path, &Default::default(), layer).unwrap();
        assert_eq!(appender.len(), good as u64, "cut at {cut}");
        assert_eq!(report.last.unwrap().meta.writer_id, 0x5EC2_E700);
    }
    // Flipped instead of torn, with more of the log behind it.
    let mut meta =
        BlockMeta { writer_id: 0x5EC2_E700, block_seq: 2, first_record: 2, ..BlockMeta::default() };
    let mut flipped = whole;
    flipped[good + 20] ^= 1;
    flipped.extend(block(&mut meta, Kind::Raw, &[raw(b"after")], 512));
    assert_eq!(read(&flipped, options()).texts(), ["before", "after"]);
}
