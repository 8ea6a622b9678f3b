use super::*;
use crate::error::ErrorKind;
use crate::hooks::HookCaller;
use crate::hooks::tests::Heard;
use crate::observability::ClientRecorder;
use crate::observability::noted::Noted;

#[test]
fn every_event_is_heard_by_all_whom_it_concerns() {
    let (took, error) = (Duration::ZERO, &Error::new(ErrorKind::Connect, ""));
    let (api, bytes) = ("Fetch", 90);
    let events = [
        ConnectionEvent::Attempted,
        ConnectionEvent::Opened { took },
        ConnectionEvent::Failed { took, error },
        ConnectionEvent::Closed { reason: None },
        ConnectionEvent::Sent { api, bytes },
        ConnectionEvent::Received { api, bytes, took },
    ];
    for event in events {
        let (noted, hooks) = (Noted::default(), Heard::default());
        let _installed = metrics::set_default_local_recorder(&noted);
        let observer = ConnectionObserver::new(
            ClientRecorder::new("c").connections(),
            Listeners::new(Some(HookCaller::new(hooks.clone())), None),
        );
        let (counts, told) = (observer.counts(), noted.snapshot());
        observer.tell(None, &BrokerAddress::new("b", 9092), event);
        let heard = (observer.counts() != counts, noted.snapshot() != told, !hooks.is_empty());
        let listeners = match event {
            ConnectionEvent::Attempted => (true, false, false),
            ConnectionEvent::Opened { .. } | ConnectionEvent::Failed { .. } => (true, true, true),
            ConnectionEvent::Closed { .. }
            | ConnectionEvent::Sent { .. }
            | ConnectionEvent::Received { .. } => (false, true, true),
        };
        assert_eq!(heard, listeners, "{:?}", std::mem::discriminant(&event));
    }
}
