//! Live files, several files, and choices among records.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use common::{Rec, block, raw};
use flightring_blockfile::{
    AlignedBuf, AppendOptions, Appender, BlockMeta, BlockReader, Filter, Follower, HEADER_LEN,
    Item, Kind, Level, Merge, Merged, OrderBy, OsLayer, ReadOptions, Reader, Reason, salvage, seal,
};

fn drain(follower: &mut Follower) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(item) = follower.next_item().unwrap() {
        texts.push(match item {
            Item::Record(record) => String::from_utf8(record.data.to_vec()).unwrap(),
            Item::Damage(damage) => format!("<{}>", damage.reason),
        });
    }
    texts
}

fn add(path: &Path, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_live_file_is_followed_through_torn_appends_and_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let mut meta = BlockMeta::default();
    let blocks: Vec<Vec<u8>> = ["zero", "one", "two", "three", "four", "five"]
        .iter()
        .map(|text| block(&mut meta, Kind::Raw, &[raw(text.as_bytes())], 512))
        .collect();

    add(&path, &blocks[0]);
    let mut follower = Follower::open(&path, ReadOptions::default()).unwrap();
    assert_eq!(drain(&mut follower), ["zero"]);
    assert_eq!(drain(&mut follower), [""; 0]);

    // An append that has not ended, is repeated with other bytes, and then ends.
    add(&path, &[7; 200]);
    assert_eq!(drain(&mut follower), [""; 0]);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(512).unwrap();
    add(&path, &blocks[1][..300]);
    assert_eq!(drain(&mut follower), [""; 0]);
    add(&path, &blocks[1][300..]);
    assert_eq!(drain(&mut follower), ["one"]);

    // Rotation: what was still written to the old file comes first.
    add(&path, &blocks[2]);
    std::fs::rename(&path, path.with_extension("1")).unwrap();
    assert_eq!(drain(&mut follower), ["two"]);
    std::fs::write(&path, b"").unwrap();
    assert_eq!(drain(&mut follower), [""; 0]);
    add(&path.with_extension("1"), &blocks[3]);
    add(&path, &blocks[4]);
    assert_eq!(drain(&mut follower), ["three", "four"]);
    assert_eq!(follower.rotations(), 1);

    // A torn end is damage once the log has gone elsewhere.
    add(&path, &blocks[5][..100]);
    std::fs::rename(&path, path.with_extension("2")).unwrap();
    add(&path, &blocks[5]);
    assert_eq!(drain(&mut follower), [format!("<{}>", Reason::Truncated), "five".to_owned()]);
}

/// Stands in for a decompressor.
fn unpack(mut file: File) -> io::Result<Option<Box<dyn Read + Send>>> {
    let mut magic = [0; 4];
    file.read_exact(&mut magic)?;
    let rest: Box<dyn Read + Send> = Box::new(file);
    Ok((magic == *b"PACK").then_some(rest))
}

#[test]
fn finished_files_are_followed_before_the_next_one_holds_anything_and_when_they_are_compressed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let beside = |suffix: &str| dir.path().join(format!("a.log.{suffix}"));
    let mut meta = BlockMeta { writer_id: 5, ..BlockMeta::default() };
    let blocks: Vec<Vec<u8>> = ["zero", "one", "two", "three", "four", "five", "six"]
        .iter()
        .map(|text| block(&mut meta, Kind::Raw, &[raw(text.as_bytes())], 512))
        .collect();
    add(&path, &blocks[0]);
    let mut follower = Follower::open(&path, ReadOptions::default()).unwrap().unpacking(unpack);
    assert_eq!(drain(&mut follower), ["zero"]);

    // Rotated twice between two looks, and nothing was logged since.
    std::fs::rename(&path, beside("1")).unwrap();
    add(&beside("2"), &blocks[1]);
    std::fs::write(&path, b"").unwrap();
    assert_eq!(drain(&mut follower), ["one"]);
    assert_eq!(drain(&mut follower), [""; 0]);

    // The same, with files that were compressed meanwhile, and another log's.
    std::fs::remove_file(&path).unwrap();
    add(&beside("3.zst"), &[b"PACK", &blocks[2][..], &blocks[3][..]].concat());
    add(&beside("4"), &blocks[4]);
    let mut other = BlockMeta { writer_id: 6, block_seq: 2, ..BlockMeta::default() };
    add(&beside("0"), &block(&mut other, Kind::Raw, &[raw(b"other")], 512));
    assert_eq!(drain(&mut follower), ["two", "three", "four"]);

    // What is not to be had is missing.
    add(&path, &blocks[6]);
    let got = drain(&mut follower);
    assert_eq!((got.len(), got[1].as_str()), (2, "six"), "{got:?}");
    assert_eq!(follower.stats().missing_blocks, 1);
    assert_eq!(follower.stats().records, 6);
}

#[test]
fn a_live_file_that_recovery_cuts_and_writes_again_is_read_on_from_the_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let mut meta = BlockMeta { writer_id: 5, ..BlockMeta::default() };
    let write = |meta: &mut BlockMeta, text: &str| {
        add(&path, &block(meta, Kind::Raw, &[raw(text.as_bytes())], 512));
    };
    write(&mut meta, "zero");
    write(&mut meta, "one");
    let mut noted = meta;
    write(&mut meta, "not noted");
    let mut follower = Follower::open(&path, ReadOptions::default()).unwrap();
    assert_eq!(drain(&mut follower), ["zero", "one", "not noted"]);
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(1024).unwrap();
    assert_eq!(drain(&mut follower), [""; 0]);
    write(&mut noted, "again");
    assert_eq!(drain(&mut follower), ["again"]);

    // The same, seen only when the file is longer than before.
    file.set_len(1024).unwrap();
    let mut noted = BlockMeta { block_seq: 2, first_record: 2, ..noted };
    write(&mut noted, "once more");
    write(&mut noted, "three");
    assert_eq!(drain(&mut follower), ["once more", "three"]);
    assert_eq!(follower.stats().damages, 0);
}

#[test]
fn damage_in_a_live_file_is_reported_once_its_end_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let mut meta = BlockMeta::default();
    let mut blocks: Vec<Vec<u8>> = ["zero", "one", "two"]
        .iter()
        .map(|text| block(&mut meta, Kind::Raw, &[raw(text.as_bytes())], 512))
        .collect();
    blocks[1][13] ^= 1;
    add(&path, &blocks[0]);
    add(&path, &blocks[1]);
    let mut follower = Follower::open(&path, ReadOptions::default()).unwrap();
    assert_eq!(drain(&mut follower), ["zero"]);
    assert_eq!(drain(&mut follower), [""; 0]);
    add(&path, &blocks[2]);
    // A little later, because it might be what a reader sees of a block that is being written.
    let mut got = Vec::new();
    while got.is_empty() {
        got = drain(&mut follower);
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(got.len(), 3, "{got:?}");
    assert_eq!((got[0].as_str(), got[2].as_str()), ("<the checksum does not match>", "two"));
}

#[test]
fn a_block_that_shows_later_than_the_one_behind_it_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let mut meta = BlockMeta::default();
    let blocks: Vec<Vec<u8>> = ["zero", "one", "two"]
        .iter()
        .map(|text| block(&mut meta, Kind::Raw, &[raw(text.as_bytes())], 512))
        .collect();
    add(&path, &blocks[0]);
    let mut follower = Follower::open(&path, ReadOptions::default()).unwrap();
    assert_eq!(drain(&mut follower), ["zero"]);
    add(&path, &[0; 512]);
    add(&path, &blocks[2]);
    assert_eq!(drain(&mut follower), [""; 0]);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&blocks[1], 512).unwrap();
    assert_eq!(drain(&mut follower), ["one", "two"]);
    assert_eq!(follower.stats().damages, 0);
}

#[test]
fn a_live_appender_with_a_reserve_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let options = AppendOptions { preallocate: 1 << 20, ..AppendOptions::default() };
    let (mut appender, _) = Appender::open(&path, &options, Arc::new(OsLayer)).unwrap();
    let mut follower = Follower::open(&path, ReadOptions::default()).unwrap();
    let mut meta = BlockMeta::default();
    let mut buf = AlignedBuf::new(8192, 4096).unwrap();
    for n in 0..50 {
        let text = format!("record {n}");
        buf[HEADER_LEN..][..4].copy_from_slice(&(text.len() as u32).to_le_bytes());
        buf[HEADER_LEN + 4..][..text.len()].copy_from_slice(text.as_bytes());
        meta.record_count = 1;
        let len = seal(&mut buf, 4 + text.len(), &meta, appender.alignment()).unwrap();
        meta = meta.next();
        appender.append(&buf[..len]).unwrap();
        if n == 25 {
            appender.rotate(&path.with_extension("1")).unwrap();
        }
        if n % 3 == 0 && n != 25 {
            assert_eq!(drain(&mut follower).last(), Some(&text));
        }
    }
}

/// Two shards that take turns, as a flusher writes them.
fn sharded(path: &Path) -> Vec<String> {
    let (mut meta, mut bytes, mut expected) = (BlockMeta::default(), Vec::new(), Vec::new());
    let base = 1_700_000_000_000_000_000u64;
    for round in 0..20u64 {
        for shard in 0..2u64 {
            let records: Vec<Rec> = (0..5)
                .map(|n| {
                    let time_ns = base + round * 10 + 2 * n + shard;
                    expected.push((time_ns, format!("{time_ns}")));
                    let level = if n == 0 { Level::Error } else { Level::Info };
                    let data = time_ns.to_string().into_bytes();
                    Rec {
                        kind: Kind::Event,
                        data,
                        time_ns,
                        thread: shard as u32,
                        level,
                        ..Rec::default()
                    }
                })
                .collect();
            bytes.extend(block(&mut meta, Kind::Event, &records, 512));
        }
    }
    std::fs::write(path, bytes).unwrap();
    expected.sort();
    expected.into_iter().map(|(_, text)| text).collect()
}

fn merged(paths: &[&Path], order: OrderBy, filter: Filter, window: usize) -> (Vec<String>, u64) {
    let readers = paths.iter().map(|p| Reader::open(p, ReadOptions::default()).unwrap()).collect();
    let mut merge = Merge::new(readers, order, filter, window);
    let mut texts = Vec::new();
    while let Some(item) = merge.next_item().unwrap() {
        if let Merged::Record(_, record) = item {
            texts.push(String::from_utf8(record.data).unwrap());
        }
    }
    (texts, merge.late())
}

#[test]
fn shards_and_files_become_one_ordered_stream() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let expected = sharded(&path);
    let (texts, late) = merged(&[&path], OrderBy::Time, Filter::default(), 1 << 20);
    assert_eq!((texts, late), (expected.clone(), 0));
    // Two blocks are enough, here: as much as one turn of all shards.
    let (texts, late) = merged(&[&path], OrderBy::Time, Filter::default(), 4000);
    assert_eq!((texts, late), (expected.clone(), 0));
    let (mut texts, late) = merged(&[&path], OrderBy::Time, Filter::default(), 1);
    assert!(late > 0);
    texts.sort();
    assert_eq!(texts, expected, "late, but there");

    let twice: Vec<String> =
        expected.iter().flat_map(|text| [text.clone(), text.clone()]).collect();
    let (texts, _) = merged(&[&path, &path], OrderBy::Time, Filter::default(), 1 << 20);
    assert_eq!(texts, twice);
}

#[test]
fn rotated_files_in_any_order_are_put_in_sequence() {
    let dir = tempfile::tempdir().unwrap();
    let mut meta = BlockMeta::default();
    let names = ["a", "b", "c"].map(|name| dir.path().join(name));
    for (n, path) in names.iter().enumerate() {
        let records: Vec<Rec> = (0..3).map(|m| raw(format!("{}", 3 * n + m).as_bytes())).collect();
        std::fs::write(path, block(&mut meta, Kind::Raw, &records, 512)).unwrap();
    }
    let (texts, late) =
        merged(&[&names[2], &names[0], &names[1]], OrderBy::Sequence, Filter::default(), 1);
    assert_eq!(texts, ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
    assert_eq!(late, 0);
}

#[test]
fn filters_choose_by_time_level_thread_and_text() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let all = sharded(&path);
    let choose = |filter: Filter| merged(&[&path], OrderBy::Time, filter, 1 << 20).0;
    let base = 1_700_000_000_000_000_000u64;

    let time = Filter { since_ns: Some(base + 5), until_ns: Some(base + 8), ..Filter::default() };
    assert_eq!(
        choose(time),
        all.iter()
            .filter(|t| (base + 5..base + 8).contains(&t.parse().unwrap()))
            .cloned()
            .collect::<Vec<_>>()
    );
    let level = choose(Filter { level: Level::Warn, ..Filter::default() });
    assert_eq!(level.len(), 40);
    let thread = choose(Filter { threads: vec![1], ..Filter::default() });
    assert!(thread.len() == 100 && thread.iter().all(|t| t.ends_with(['1', '3', '5', '7', '9'])));
    let mut text = Filter::default();
    text.set_text(b"0000199");
    assert_eq!(choose(text), [format!("{}", base + 199)]);
}

#[test]
fn raw_records_have_the_times_of_their_block() {
    let mut meta = BlockMeta::default();
    let blocks: Vec<u8> = [5, 15, 25]
        .iter()
        .flat_map(|&time_ns| {
            let rec = Rec { time_ns, ..raw(time_ns.to_string().as_bytes()) };
            block(&mut meta, Kind::Raw, &[rec.clone(), rec], 512)
        })
        .collect();
    let filter = Filter { since_ns: Some(10), until_ns: Some(20), ..Filter::default() };
    let stream = Box::new(std::io::Cursor::new(blocks));
    let mut reader = Reader::from_stream(stream, ReadOptions::default());
    let mut texts = Vec::new();
    while let Some(Item::Record(record)) = reader.next_wanted(&filter).unwrap() {
        texts.push(record.data.to_vec());
    }
    assert_eq!(texts, [b"15", b"15"]);
    assert_eq!(reader.stats().records, 6);
}

#[test]
fn the_last_records_are_found_from_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let mut meta = BlockMeta::default();
    let mut bytes = Vec::new();
    for n in 0..10 {
        let records: Vec<Rec> = (0..3).map(|m| raw(format!("{}", 3 * n + m).as_bytes())).collect();
        bytes.extend(block(&mut meta, Kind::Raw, &records, 512));
    }
    std::fs::write(&path, &bytes).unwrap();
    let first = |records| {
        let mut reader = Reader::open_tail(&path, records, ReadOptions::default()).unwrap();
        let got = common::drain(Reader::open_tail(&path, records, ReadOptions::default()).unwrap());
        assert_eq!(got.damage, []);
        assert_eq!(got.records.last().unwrap().data, b"29");
        match reader.next_item().unwrap() {
            Some(Item::Record(record)) => record.sequence,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((first(1), first(3), first(4), first(30), first(31)), (27, 27, 24, 0, 0));
    bytes.truncate(bytes.len() - 10);
    std::fs::write(&path, &bytes).unwrap();
    let mut reader = Reader::open_tail(&path, 1, ReadOptions::default()).unwrap();
    assert!(matches!(reader.next_item().unwrap(), Some(Item::Record(r)) if r.sequence == 0));
}

#[test]
fn what_is_left_of_a_file_makes_a_whole_one() {
    let mut meta = BlockMeta::default();
    let mut bytes: Vec<u8> = ["zero", "one", "two", "three"]
        .iter()
        .flat_map(|text| block(&mut meta, Kind::Raw, &[raw(text.as_bytes())], 512))
        .collect();
    bytes[512..520].fill(9); // the header of "one"
    bytes[1024 + 14] ^= 1; // the text of "two"
    let stream = Box::new(std::io::Cursor::new(bytes.clone()));
    let mut reader = BlockReader::from_stream(stream, ReadOptions::default());
    let (mut left, mut damage) = (Vec::new(), 0);
    let stats = salvage(&mut reader, &mut left, |_| damage += 1).unwrap();
    assert_eq!((stats.blocks, left.len()), (3, 3 * 512));
    assert!(damage > 0);
    let got = common::read(&left, ReadOptions::default());
    assert_eq!(got.texts(), ["zero", "one", "three"]);
    assert_eq!(got.damage.len(), 1);
    assert_eq!(got.damage[0].reason, Reason::Missing { blocks: 1, records: 1 });

    // In an older dialect, a block keeps the records that make sense.
    let run = [1, 0, 0, 0, b'a', 200, 0, 0, 0];
    let mut old = common::old_block(512, 5, &run[..5], 512);
    old.extend(common::old_block(512, run.len() as u32, &run, 512));
    let stream = Box::new(std::io::Cursor::new(old));
    let mut reader = BlockReader::from_stream(stream, ReadOptions::default());
    left.clear();
    salvage(&mut reader, &mut left, |_| {}).unwrap();
    let got = common::read(&left, ReadOptions::default());
    assert_eq!((got.texts(), got.damage), (vec!["a".to_owned(), "a".to_owned()], vec![]));
}
