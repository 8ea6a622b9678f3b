//! A service that is told of partitions that come and go.

use kavka_testcontainers::embedded::{ApiKey, ErrorCode, Fault, Reaction};

use super::*;
use crate::boxed::BoxFuture;
use crate::consumer::{ConsumerHandle, RebalanceListener};

/// Notes what it is told, and how many messages were handled and committed by then.
#[derive(Clone)]
struct Listener {
    embedded: EmbeddedCluster,
    begun: Seen,
    seen: Seen,
    heard: Arc<Mutex<Vec<Heard>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Heard {
    what: &'static str,
    partitions: Vec<i32>,
    in_hand: usize,
    handled: usize,
    committed: Option<i64>,
}

impl Listener {
    fn new(embedded: &EmbeddedCluster, begun: &Seen, seen: &Seen) -> Self {
        let (begun, seen) = (begun.clone(), seen.clone());
        Self { embedded: embedded.clone(), begun, seen, heard: Arc::default() }
    }

    fn hear<'a>(&'a self, what: &'static str, partitions: &'a [TopicPartition]) -> BoxFuture<'a> {
        let mut partitions: Vec<_> =
            partitions.iter().map(|partition| partition.partition.0).collect();
        partitions.sort_unstable();
        Box::pin(async move {
            let in_hand = self.begun.len().saturating_sub(self.seen.len());
            tokio::time::sleep(Duration::from_millis(100)).await;
            let committed = self.embedded.committed("g", "t", 0);
            let handled = self.seen.len();
            self.heard.lock().unwrap().push(Heard {
                what,
                partitions,
                in_hand,
                handled,
                committed,
            });
        })
    }

    fn heard(&self, what: &str) -> Vec<Heard> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|heard| heard.what == what).cloned().collect()
    }
}

impl RebalanceListener for Listener {
    fn on_assigned<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        all: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        self.hear("assigned", all)
    }

    fn on_revoked<'a>(&'a self, _: &'a ConsumerHandle, all: &'a [TopicPartition]) -> BoxFuture<'a> {
        self.hear("revoked", all)
    }

    fn on_lost<'a>(&'a self, _: &'a ConsumerHandle, all: &'a [TopicPartition]) -> BoxFuture<'a> {
        self.hear("lost", all)
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_hears_after_what_is_in_hand_is_finished_and_before_it_is_committed() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..5);
    let mq = mq(&embedded);
    let consumer = mq.consumer().unwrap();
    let (begun, seen) = (Seen::default(), Seen::default());
    let listener = Listener::new(&embedded, &begun, &seen);
    consumer.rebalance_listener(listener.clone());
    let handler = {
        let (begun, seen) = (begun.clone(), seen.clone());
        move |message: Message| {
            let (begun, seen) = (begun.clone(), seen.clone());
            async move {
                begun.add(&message);
                tokio::time::sleep(SECOND).await;
                seen.add(&message);
            }
        }
    };
    consumer.subscribe(["t"], handler).unwrap();
    begun.wait_for(2).await;
    let assigned = Heard {
        what: "assigned",
        partitions: vec![0, 1, 2],
        in_hand: 0,
        handled: 0,
        committed: None,
    };
    assert_eq!(listener.heard("assigned"), [assigned]);
    mq.close().await.unwrap();
    let revoked = listener.heard("revoked");
    assert_eq!(revoked.len(), 1, "{revoked:?}");
    let revoked = &revoked[0];
    assert_eq!(
        (&revoked.partitions, revoked.handled, revoked.committed),
        (&vec![0, 1, 2], 2, None)
    );
    assert_eq!(embedded.committed("g", "t", 0), Some(2));
    assert_eq!(listener.heard("lost"), []);
}

#[tokio::test(start_paused = true)]
async fn a_listener_hears_of_partitions_that_move_before_they_are_committed() {
    let embedded = brokers(1).await;
    for partition in 0..3 {
        append(&embedded, "t", partition, 0..40);
    }
    let member = || {
        let mut config = config(&embedded);
        config.consumer.auto_commit_interval = 1000 * SECOND;
        let (mq, begun, seen) = (Mq::new(config).unwrap(), Seen::default(), Seen::default());
        let listener = Listener::new(&embedded, &begun, &seen);
        mq.consumer().unwrap().rebalance_listener(listener.clone());
        let handler = move |message: Message| {
            let (begun, seen) = (begun.clone(), seen.clone());
            async move {
                begun.add(&message);
                tokio::time::sleep(SECOND).await;
                seen.add(&message);
            }
        };
        mq.consumer().unwrap().subscribe(["t"], handler).unwrap();
        (mq, listener)
    };
    let (first, of_first) = member();
    until(|| of_first.seen.len() > 3).await;
    let (second, of_second) = member();
    until(|| !of_second.heard("assigned").iter().all(|heard| heard.partitions.is_empty())).await;
    let revoked = of_first.heard("revoked");
    assert_eq!(revoked.iter().map(|heard| heard.committed).collect::<Vec<_>>(), [None]);
    assert!(revoked[0].handled > 3 && revoked[0].in_hand == 0, "{revoked:?}");
    // Before any of its messages.
    let assigned = of_second.heard("assigned");
    assert_eq!(assigned.last().unwrap().handled, 0);
    first.close().await.unwrap();
    second.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_listener_hears_of_partitions_that_are_lost_and_not_that_they_are_revoked() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..5);
    let mq = mq(&embedded);
    let seen = Seen::default();
    let listener = Listener::new(&embedded, &Seen::default(), &seen);
    mq.consumer().unwrap().rebalance_listener(listener.clone());
    mq.consumer().unwrap().subscribe(["t"], noting(&seen)).unwrap();
    seen.wait_for(5).await;
    let expired = Reaction::Answer(ErrorCode::UnknownMemberId);
    embedded.fault(Fault::on(ApiKey::Heartbeat).times(1).then(expired));
    until(|| listener.heard("assigned").len() == 2).await;
    assert_eq!(listener.heard("lost").len(), 1);
    assert_eq!(listener.heard("revoked"), []);
    mq.close().await.unwrap();
}
