use flightring_store::{Encoding, Filter, Limits, Recorder, RecorderOptions, Signal};

/// An arbitrary request is refused or taken; what was taken is within the limits, can be read in every form, and is taken
/// again, whole, when it is exported and sent to another recorder. The first byte chooses signal and encoding.
pub fn otlp(data: &[u8]) {
    let Some((&choice, body)) = data.split_first() else { return };
    let signal = Signal::ALL[usize::from(choice >> 1) % Signal::ALL.len()];
    let encoding = if choice & 1 == 0 { Encoding::Protobuf } else { Encoding::Json };
    let recorder = small();
    if recorder.ingest(signal, encoding, body).is_err() {
        assert_eq!(recorder.stats(signal).added, 0, "a refused request leaves nothing");
        return;
    }
    let stats = recorder.stats(signal);
    assert_eq!(stats.added, stats.count + stats.evicted);
    assert!(stats.live_bytes <= 4096);
    let query = || recorder.query(signal, Filter::default()).expect("the default is valid");
    let mut cursor = query();
    let mut held = 0;
    while let Some(record) = cursor.next() {
        held += 1;
        let _ = record.to_json();
        let _ = recorder.trace_json(record.trace_id());
    }
    assert_eq!(held, stats.count);

    let again = small();
    let exported = query().export_protobuf();
    let taken = again.ingest(signal, Encoding::Protobuf, &exported).expect("an export is valid");
    assert_eq!((taken.accepted, taken.rejected()), (held, 0));
    let exported = query().export_json().to_string();
    let taken = again.ingest(signal, Encoding::Json, exported.as_bytes()).expect("as is its JSON");
    assert_eq!((taken.accepted, taken.malformed), (held, 0));
}

fn small() -> Recorder {
    let mut options = RecorderOptions::default();
    for limits in [&mut options.traces, &mut options.logs, &mut options.metrics] {
        *limits = Limits::with_capacity(20).max_bytes(4096).max_record_bytes(256);
    }
    Recorder::new(&options).expect("these limits are valid")
}
