use std::time::Duration;

use super::*;
use crate::hooks::HookCaller;
use crate::hooks::tests::Heard;
use crate::ids::{BrokerId, TopicPartition};
use crate::observability::AssignmentChange;
use crate::observability::ClientRecorder;
use crate::observability::noted::Noted;

const SECOND: Duration = Duration::from_secs(1);

/// Who hears of what is told, once it was told what comes before.
fn heard(
    before: impl Fn(&ConsumerObserver, &mut MemberObserver),
    tell: impl Fn(&ConsumerObserver, &mut MemberObserver),
) -> Vec<&'static str> {
    let noted = Noted::default();
    let _installed = metrics::set_default_local_recorder(&noted);
    let client = ClientRecorder::new("c");
    let meter = Arc::new(Meter::subscribed(ClientKind::Consumer));
    let hooks = Heard::default();
    let observer = ConsumerObserver {
        recorder: client.consumer(),
        meter: Arc::clone(&meter),
        listeners: Listeners::new(Some(HookCaller::new(hooks.clone())), None),
    };
    let mut member = observer.member(client.group("g"));
    before(&observer, &mut member);
    let told = noted.snapshot();
    tell(&observer, &mut member);
    let heard = [
        ("facade", noted.snapshot() != told),
        ("telemetry", meter.has_measured()),
        ("hooks", !hooks.is_empty()),
    ];
    heard.into_iter().filter_map(|(who, has_heard)| has_heard.then_some(who)).collect()
}

#[test]
fn every_event_of_fetching_is_heard_by_all_whom_it_concerns() {
    let partition = &TopicPartition::new("t", 0);
    let bytes = &|| 9;
    for event in [
        ConsumerEvent::Fetched { broker: BrokerId(1), took: SECOND, bytes },
        ConsumerEvent::Delivered { partition, records: 2, bytes: 9 },
        ConsumerEvent::Lagging { partition, lag: Some(3) },
        ConsumerEvent::Left { partition },
        ConsumerEvent::Rebalancing {
            group: "g",
            change: AssignmentChange::Lost,
            partitions: std::slice::from_ref(partition),
        },
    ] {
        let lags = |observer: &ConsumerObserver, _: &mut MemberObserver| {
            if matches!(event, ConsumerEvent::Left { .. }) {
                observer.tell(ConsumerEvent::Lagging { partition, lag: Some(5) });
            }
        };
        let listeners: &[&str] = match event {
            ConsumerEvent::Fetched { .. } => &["facade", "telemetry"],
            ConsumerEvent::Delivered { .. }
            | ConsumerEvent::Lagging { .. }
            | ConsumerEvent::Left { .. } => &["facade"],
            ConsumerEvent::Rebalancing { .. } => &["hooks"],
        };
        let heard = heard(lags, |observer, _| observer.tell(event));
        assert_eq!(heard, listeners, "{:?}", std::mem::discriminant(&event));
    }
}

#[test]
fn every_event_of_a_member_is_heard_by_all_whom_it_concerns() {
    let partitions = &|| 3;
    for event in [
        MemberEvent::Rebalanced { took: SECOND },
        MemberEvent::Assigned { partitions },
        MemberEvent::Committed { took: SECOND, has_failed: false },
    ] {
        let listeners: &[&str] = match event {
            MemberEvent::Rebalanced { .. } | MemberEvent::Committed { .. } => {
                &["facade", "telemetry"]
            }
            // Telemetry reads it when it pushes.
            MemberEvent::Assigned { .. } => &["facade"],
        };
        let heard = heard(|_, _| {}, |_, member| member.tell(event));
        assert_eq!(heard, listeners, "{:?}", std::mem::discriminant(&event));
    }
}
