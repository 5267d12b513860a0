use std::io::Cursor;

use flightring_blockfile::{BlockReader, Dialect, Item, ReadOptions, Reader, verify};

/// A file of arbitrary bytes is read to its end in every dialect, whatever it holds: every record lies within it, the
/// counts agree with what was delivered, and verifying finds the same.
pub fn reader(data: &[u8]) {
    for dialect in [Dialect::Auto, Dialect::V2, Dialect::Timed] {
        let options = ReadOptions { dialect, max_block: 1 << 20, follow: false };
        let stream = || Box::new(Cursor::new(data.to_vec()));
        let mut reader = Reader::from_stream(stream(), options);
        let (mut records, mut damages, mut payload) = (0, 0, 0);
        while let Some(item) = reader.next_item().expect("memory can be read") {
            match item {
                Item::Record(record) => {
                    records += 1;
                    payload += record.data.len();
                }
                Item::Damage(_) => damages += 1,
            }
        }
        assert!(payload <= data.len(), "no byte is delivered twice");
        let stats = *reader.stats();
        assert_eq!((stats.records, stats.damages), (records, damages));
        assert_eq!(stats.file_bytes, data.len() as u64);

        let mut blocks = BlockReader::from_stream(stream(), options);
        let verified = verify(&mut blocks, |_| {}).expect("memory can be read");
        assert_eq!(verified.records, stats.records);
    }
}
