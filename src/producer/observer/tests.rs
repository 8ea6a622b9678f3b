use std::time::Duration;

use super::*;
use crate::hooks::HookCaller;
use crate::hooks::tests::Heard;
use crate::ids::{BrokerId, TopicName, TopicPartition};
use crate::observability::ClientRecorder;
use crate::observability::noted::Noted;
use crate::producer::accumulator::memory::BufferMemory;

/// Who is to hear of an event.
fn listeners(event: ProducerEvent<'_>) -> &'static [&'static str] {
    match event {
        ProducerEvent::BatchClosed { .. } => &["statistics"],
        ProducerEvent::BatchSent { .. } => &["facade", "telemetry"],
        ProducerEvent::RequestAnswered { .. } => &["telemetry"],
        ProducerEvent::BatchRetried { .. }
        | ProducerEvent::RequestSent { .. }
        | ProducerEvent::BatchFailed { .. }
        | ProducerEvent::LingerChosen { .. } => &["statistics", "facade"],
        ProducerEvent::BatchResolved { .. } => &["facade", "hooks"],
        ProducerEvent::BatchSplit
        | ProducerEvent::TransactionBegun
        | ProducerEvent::TransactionEnded { .. }
        | ProducerEvent::TransactionRetried => &["facade"],
    }
}

/// Who has heard of an event that was told to an observer.
fn heard(event: ProducerEvent<'_>) -> Vec<&'static str> {
    let (noted, memory) = (Noted::default(), BufferMemory::new(100));
    let _installed = metrics::set_default_local_recorder(&noted);
    let counters = Arc::<Counters>::default();
    let meter = Arc::new(Meter::subscribed(ClientKind::Producer));
    let recorder = ClientRecorder::new("c").producer(100);
    let hooks = Heard::default();
    let mut observer = ProducerObserver {
        counters: Arc::clone(&counters),
        recorder,
        meter: Arc::clone(&meter),
        listeners: Listeners::new(Some(HookCaller::new(hooks.clone())), None),
    };
    let before = (counters.snapshot(&memory), noted.snapshot());
    observer.tell(event);
    let heard = [
        ("statistics", counters.snapshot(&memory) != before.0),
        ("facade", noted.snapshot() != before.1),
        ("telemetry", meter.has_measured()),
        ("hooks", !hooks.is_empty()),
    ];
    heard.into_iter().filter_map(|(who, has_heard)| has_heard.then_some(who)).collect()
}

#[test]
fn every_event_is_heard_by_all_whom_it_concerns() {
    let (topic, second) = (&TopicName::from("t"), Duration::from_secs(1));
    let available = &|| 40;
    for event in [
        ProducerEvent::BatchClosed { records: 2, bytes: 9 },
        ProducerEvent::BatchSent { topic, records: 2, bytes: 5, uncompressed: 9, queued: second },
        ProducerEvent::BatchRetried { topic, records: 2 },
        ProducerEvent::RequestSent { available },
        ProducerEvent::RequestAnswered { broker: BrokerId(1), took: second, throttle: second },
        ProducerEvent::BatchSplit,
        ProducerEvent::BatchResolved {
            available,
            partition: Some(&TopicPartition::new("t", 0)),
            records: 2,
            size: None,
            result: Ok(None),
            record_errors: &[],
        },
        ProducerEvent::BatchFailed { topic: Some(topic), records: 2 },
        ProducerEvent::TransactionBegun,
        ProducerEvent::TransactionEnded { is_committed: true, took: second },
        ProducerEvent::TransactionEnded { is_committed: false, took: second },
        ProducerEvent::TransactionRetried,
        ProducerEvent::LingerChosen { linger: second, waits_for_replies: true },
    ] {
        assert_eq!(heard(event), listeners(event), "{:?}", std::mem::discriminant(&event));
    }
}
