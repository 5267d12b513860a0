use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use flightring_blockfile::{ReadOptions, Reader};
use flightring_logger::{Logger, Options, StagingPolicy};
use tempfile::TempDir;

/// The shared staging of a killed process and its log, both overwritten in places, are recovered as far as they make sense, or
/// refused with an error; the log that results can be read, and the next opening has nothing left to do.
///
/// The input is a list of overwritings: three bytes of offset, one of length, then the bytes. An odd offset means the
/// log, an even one the staging.
pub fn recover(data: &[u8]) {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    let scene = SCENE.get_or_init(Scene::new);
    let (mut staging, mut log) = (scene.staging.clone(), scene.log.clone());
    let mut rest = data;
    while let Some((head, tail)) = rest.split_at_checked(4) {
        let place = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
        let (bytes, tail) = tail.split_at(tail.len().min(usize::from(head[3])));
        let target = if place & 1 == 0 { &mut staging } else { &mut log };
        let begin = (place >> 1) % target.len();
        let len = bytes.len().min(target.len() - begin);
        target[begin..begin + len].copy_from_slice(&bytes[..len]);
        rest = tail;
    }
    fs::write(&scene.options.path, &log).expect("the folder is ours");
    fs::write(&scene.staging_file, &staging).expect("the folder is ours");

    if let Ok(logger) = Logger::open(&scene.options) {
        logger.write(b"after").expect("there is room");
        logger.close().expect("the disk takes it");
        let logger = Logger::open(&scene.options).expect("it was opened before");
        let again = logger.open_report().recovered.iter().map(|report| report.records).sum::<u64>();
        assert_eq!(again, 0, "nothing is recovered twice");
        logger.close().expect("there is nothing to write");
    }
    let mut reader =
        Reader::open(&scene.options.path, ReadOptions::default()).expect("it is there");
    while reader.next_item().expect("it can be read").is_some() {}
    scene.tidy();
}

/// What a killed process leaves, and where.
struct Scene {
    folder: TempDir,
    options: Options,
    staging_file: PathBuf,
    staging: Vec<u8>,
    log: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let staging_folder = folder.path().join("staging");
        fs::create_dir(&staging_folder).expect("the folder is ours");
        let options = Options {
            buffer_size: 128 << 10,
            shards: 2,
            flush_interval: Duration::from_secs(3600),
            staging: StagingPolicy::Shared,
            staging_folder: staging_folder.clone(),
            direct: false,
            ..Options::new(folder.path().join("log"))
        };
        let logger = Logger::open(&options).expect("a fresh log");
        for number in 0..100 {
            logger.write(format!("record {number}").as_bytes()).expect("there is room");
            if number == 50 {
                logger.flush(Duration::from_secs(60)).expect("the disk takes it");
            }
        }
        let staging_file = fs::read_dir(&staging_folder)
            .and_then(|mut files| files.next().expect("staging is shared"))
            .expect("the folder is ours")
            .path();
        let staging = fs::read(&staging_file).expect("the file is ours");
        let log = fs::read(&options.path).expect("the file is ours");
        logger.close().expect("the disk takes it");
        let scene = Self { folder, options, staging_file, staging, log };
        scene.tidy();
        scene
    }

    /// Removes what a run left, files that were set aside included.
    fn tidy(&self) {
        for folder in [self.folder.path(), &self.options.staging_folder] {
            for entry in fs::read_dir(folder).expect("the folder is ours").flatten() {
                if entry.path().is_file() {
                    fs::remove_file(entry.path()).expect("the file is ours");
                }
            }
        }
    }
}
