//! `/api/loggers` over real loggers.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use flightring_logger::{Logger, Options as LogOptions};
use flightring_serve::http::{Options, Server};
use flightring_serve::{App, Loggers};
use serde_json::Value as Json;
use support::Client;

#[test]
fn loggers_show_their_numbers_and_their_newest_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let mut options = LogOptions::new(&path);
    (options.buffer_size, options.shards) = (1 << 20, 2);
    let logger = Logger::open(&options).unwrap();
    let loggers = Arc::new(Loggers::default());
    let app = App::new().with_loggers(Arc::clone(&loggers));
    let server = Server::start(Options::default(), Arc::new(app)).unwrap();
    let get = |target: &str| Client::connect(server.address()).get(target);
    let json = |target: &str| -> Json { serde_json::from_str(&get(target).text()).unwrap() };

    assert_eq!(json("/api/loggers"), serde_json::json!({ "loggers": [] }));
    assert_eq!(json("/api/monitors")["loggers"], false);
    loggers.add("a/b c", logger.view());
    for i in 0..300 {
        logger.write(format!("record {i}").as_bytes()).unwrap();
    }
    logger.write(&[0xff; 20_000]).unwrap();
    assert!(logger.write(&vec![0; 8 << 20]).is_err());
    logger.flush(Duration::from_secs(60)).unwrap();

    assert_eq!(json("/api/monitors")["loggers"], true);
    let list = json("/api/loggers");
    let shown = &list["loggers"][0];
    assert_eq!((&shown["name"], &shown["error"]), (&"a/b c".into(), &Json::Null));
    assert_eq!(shown["path"], path.to_str().unwrap());
    for (key, value) in
        [("accepted", 301), ("written", 301), ("dropped", 1), ("dropped_too_large", 1)]
    {
        assert_eq!(shown["stats"][key], value, "{key}");
    }
    assert!(shown["stats"]["flush_time"]["count"].as_u64().unwrap() > 0);
    let writes = shown["shards"].as_array().unwrap().iter().map(|s| s["writes"].as_u64().unwrap());
    assert_eq!(writes.sum::<u64>(), 301);

    let newest = json("/api/loggers/records?logger=a%2Fb+c&most=3");
    let records = newest["records"].as_array().unwrap();
    let texts: Vec<_> = records.iter().map(|r| r["text"].as_str().unwrap()).collect();
    assert_eq!(texts[..2], ["record 298", "record 299"]);
    assert_eq!((texts[2].chars().count(), &records[2]["cut"]), (16 << 10, &true.into()));
    assert_eq!((&records[0]["sequence"], &records[0]["time_ms"]), (&298.into(), &Json::Null));
    assert_eq!(
        json("/api/loggers/records?logger=a%2Fb+c")["records"].as_array().unwrap().len(),
        100
    );
    assert_eq!(json("/api/loggers/records?logger=a%2Fb+c&most=0")["records"], Json::Array(vec![]));

    assert_eq!(get("/api/loggers/records?logger=none").status, 400);
    assert_eq!(get("/api/loggers/records").status, 400);
    assert_eq!(get("/api/loggers/records?logger=a%2Fb+c&most=x").status, 400);
    std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    assert_eq!(get("/api/loggers/records?logger=a%2Fb+c").status, 503);

    // Closed it can still be seen; it is gone with its last handle, which the server is not.
    logger.close().unwrap();
    assert_eq!(json("/api/loggers")["loggers"][0]["stats"]["in_memory"], 0);
    drop(logger);
    assert_eq!(json("/api/loggers")["loggers"], Json::Array(vec![]));
    assert_eq!(get("/api/loggers/records?logger=a%2Fb+c").status, 400);
    assert!(loggers.is_empty());
    assert!(loggers.remove("a/b c") && !loggers.remove("a/b c"));
}
