use super::*;
use crate::observability::ClientRecorder;
use crate::observability::noted::Noted;

#[test]
fn every_event_is_heard_by_all_whom_it_concerns() {
    let events = [
        ConnectionEvent::Attempted,
        ConnectionEvent::Opened,
        ConnectionEvent::Failed,
        ConnectionEvent::Closed,
        ConnectionEvent::Sent { bytes: 9 },
        ConnectionEvent::Received { bytes: 9 },
    ];
    for event in events {
        let noted = Noted::default();
        let _installed = metrics::set_default_local_recorder(&noted);
        let observer = ConnectionObserver::new(ClientRecorder::new("c").connections());
        let (counts, told) = (observer.counts(), noted.snapshot());
        observer.tell(event);
        let heard = (observer.counts() != counts, noted.snapshot() != told);
        let (by_statistics, by_the_facade) = match event {
            ConnectionEvent::Attempted => (true, false),
            ConnectionEvent::Opened | ConnectionEvent::Failed => (true, true),
            ConnectionEvent::Closed
            | ConnectionEvent::Sent { .. }
            | ConnectionEvent::Received { .. } => (false, true),
        };
        assert_eq!(heard, (by_statistics, by_the_facade), "{:?}", std::mem::discriminant(&event));
    }
}
