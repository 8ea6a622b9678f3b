//! Brokers that refuse, for ever or for want of a version, and partitions that stand in each
//! other's way.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use kavka_testcontainers::embedded::{ApiKey, ErrorCode, Fault, Reaction};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use std::time::Instant;

use super::*;
use crate::boxed::BoxFuture;
use crate::config::BrokerAddress;
use crate::net::{Connector, Io};
use crate::observability::captured_logs::CapturedLogs;

async fn consuming(embedded: &EmbeddedCluster, config: ConsumerConfig) -> Consumer {
    let consumer = client(embedded).consumer(config).unwrap();
    consumer.assign([tp(0)]).unwrap();
    consumer
}

#[tokio::test(start_paused = true)]
async fn offset_out_of_range_for_ever_is_asked_ever_more_seldom() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let fault = Fault::on(ApiKey::Fetch)
        .partition("t", 0)
        .then(Reaction::Answer(ErrorCode::OffsetOutOfRange));
    embedded.fault(fault);
    let mut consumer = consuming(&embedded, from_earliest()).await;
    assert!(nothing_comes(&mut consumer).await);
    let fetches = embedded.requests_of(ApiKey::Fetch).len();
    assert!((5..40).contains(&fetches), "{fetches} fetches in ten seconds");
    embedded.clear_faults();
    assert_eq!(values(&mut consumer, 3).await, [0, 1, 2]);
    // A seek owes nothing to what was refused before.
    consumer.seek(&tp(0), 99).unwrap();
    // The fetch that waits at the broker ends after half a second.
    let moved = tokio::time::timeout(Duration::from_millis(520), consumer.recv()).await;
    assert_eq!(moved.expect("at once").unwrap().offset(), Offset(0));
}

#[tokio::test(start_paused = true)]
async fn cluster_without_topic_ids_is_read_by_names_and_by_ids_as_soon_as_it_has_some() {
    let embedded = brokers(1).await;
    // Metadata of version 9 knows no ids; the brokers speak Fetch of version 17 all the same.
    embedded.set_versions(1, ApiKey::Metadata, 0, 9);
    append(&embedded, 0, 0..3);
    let client = client(&embedded);
    let mut consumer = client.consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    assert_eq!(values(&mut consumer, 3).await, [0, 1, 2]);
    assert!(embedded.requests_of(ApiKey::Fetch).iter().all(|fetch| fetch.version == 12));
    embedded.clear_requests();
    assert!(nothing_comes(&mut consumer).await);
    let fetches = embedded.requests_of(ApiKey::Fetch).len();
    assert!(fetches <= 25, "{fetches} fetches in ten idle seconds");

    embedded.set_versions(1, ApiKey::Metadata, 0, 13);
    embedded.cut_connections(1);
    append(&embedded, 0, 3..4);
    assert_eq!(values(&mut consumer, 1).await, [3]);
    tokio::time::sleep(Duration::from_secs(400)).await;
    append(&embedded, 0, 4..5);
    assert_eq!(values(&mut consumer, 1).await, [4]);
    assert!(embedded.requests_of(ApiKey::Fetch).last().unwrap().version > 12);
}

#[tokio::test(start_paused = true)]
async fn brokers_that_cannot_say_where_an_epoch_ended_are_read_on() {
    for is_lacking in [true, false] {
        let embedded = brokers(3).await;
        if is_lacking {
            (1..=3).for_each(|id| embedded.remove_api(id, ApiKey::OffsetForLeaderEpoch));
        } else {
            let refusal = Reaction::Answer(ErrorCode::ClusterAuthorizationFailed);
            embedded.fault(Fault::on(ApiKey::OffsetForLeaderEpoch).then(refusal));
        }
        append(&embedded, 0, 0..2);
        let mut consumer = consuming(&embedded, from_earliest()).await;
        assert_eq!(values(&mut consumer, 2).await, [0, 1]);
        let leader = embedded.leader("t", 0).unwrap();
        embedded.move_leader("t", 0, Some(leader % 3 + 1));
        append(&embedded, 0, 2..4);
        assert_eq!(values(&mut consumer, 2).await, [2, 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn missing_right_to_ask_where_an_epoch_ended_is_told() {
    let embedded = brokers(3).await;
    append(&embedded, 0, 0..1);
    let mut consumer = consuming(&embedded, from_earliest()).await;
    assert_eq!(values(&mut consumer, 1).await, [0]);
    let refusal = Reaction::Answer(ErrorCode::TopicAuthorizationFailed);
    let fault = embedded.fault(Fault::on(ApiKey::OffsetForLeaderEpoch).then(refusal));
    let leader = embedded.leader("t", 0).unwrap();
    embedded.move_leader("t", 0, Some(leader % 3 + 1));
    append(&embedded, 0, 1..2);
    let error = next(&mut consumer).await.unwrap_err();
    assert_eq!(error.code(), Some(crate::ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert_eq!(error.context().api.as_deref(), Some("OffsetForLeaderEpoch"));
    embedded.remove_fault(fault);
    assert_eq!(values(&mut consumer, 1).await, [1]);
}

#[tokio::test(start_paused = true)]
async fn batch_longer_than_a_reply_may_be_stops_its_partition_and_no_other() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    embedded.append("t", 0, &[(None, Some(&[b'9'; 100_000]))]).unwrap();
    append(&embedded, 0, 2..3);
    for partition in 1..3 {
        append(&embedded, partition, 10..12);
    }
    let settings = ClientConfig::new(embedded.bootstrap_servers())
        .connector(InMemory(embedded.clone()))
        .seed(1);
    let client = Client::new(settings.receive_message_max_bytes(50_000)).unwrap();
    let mut consumer = client.consumer(from_earliest().fetch_max_bytes(40_000)).unwrap();
    consumer.assign((0..3).map(tp)).unwrap();
    let (mut seen, mut told) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        match next(&mut consumer).await {
            Ok((partition, offset, _)) => seen.push((partition, offset)),
            Err(error) => told.push(error),
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1)]);
    let [error] = &told[..] else { panic!("{told:?}") };
    assert_eq!(
        (error.kind(), error.context().partition.clone()),
        (ErrorKind::RecordTooLarge, Some(tp(0)))
    );
    assert!(error.to_string().contains("receive.message.max.bytes is 50000"), "{error}");
    assert!(error.to_string().contains("offset 1 "), "{error}");

    embedded.clear_requests();
    append(&embedded, 2, 12..13);
    assert_eq!(next(&mut consumer).await.unwrap(), (2, 2, 12));
    assert!(nothing_comes(&mut consumer).await);
    let fetches = embedded.requests_of(ApiKey::Fetch).len();
    assert!(fetches <= 30, "{fetches} fetches in ten idle seconds");
    consumer.seek(&tp(0), 2).unwrap();
    assert_eq!(next(&mut consumer).await.unwrap(), (0, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn quiet_partition_does_not_wait_until_a_busy_one_is_worked_off() {
    let embedded = brokers(1).await;
    for _ in 0..400 {
        embedded.append("t", 0, &[(None, Some(&[b'0'; 1000]))]).unwrap();
    }
    let mut consumer =
        client(&embedded).consumer(from_earliest().max_partition_fetch_bytes(100_000)).unwrap();
    consumer.assign([tp(0), tp(1)]).unwrap();
    let mut appended = None;
    for number in 0..200 {
        if consumer.recv().await.unwrap().partition().0 == 1 {
            let waited =
                tokio::time::Instant::now() - appended.expect("it has come after it was written");
            assert!(waited < Duration::from_millis(500), "{waited:?}");
            return;
        }
        // Half a hundred records are as much as a partition may have buffered when it is asked for
        // more: five seconds of work.
        tokio::time::sleep(Duration::from_millis(100)).await;
        if number == 20 {
            append(&embedded, 1, 0..1);
            appended = Some(tokio::time::Instant::now());
        }
    }
    panic!("it has not come");
}

/// Counts what is read from the network.
#[derive(Debug)]
struct Counting(InMemory, Arc<AtomicUsize>);

struct Counted(Box<dyn Io>, Arc<AtomicUsize>);

impl Connector for Counting {
    fn connect<'a>(
        &'a self,
        address: &'a BrokerAddress,
        deadline: Instant,
    ) -> BoxFuture<'a, std::io::Result<Box<dyn Io>>> {
        Box::pin(async move {
            Ok(Box::new(Counted(self.0.connect(address, deadline).await?, Arc::clone(&self.1)))
                as Box<dyn Io>)
        })
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.0).poll_read(cx, buffer);
        self.1.fetch_add(buffer.filled().len() - before, Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_paused_while_they_are_worked_on_are_not_read_again_and_again() {
    const PARTITIONS: i32 = 24;
    const BATCHES: usize = 40;
    let embedded = EmbeddedCluster::builder()
        .brokers(1)
        .in_memory()
        .topic("t", PARTITIONS, 1)
        .start()
        .await
        .unwrap();
    let mut written = 0;
    for partition in 0..PARTITIONS {
        for _ in 0..BATCHES {
            embedded.append("t", partition, &[(None, Some(&[b'0'; 2000]))]).unwrap();
            written += 2000;
        }
    }
    let read = Arc::new(AtomicUsize::new(0));
    let connector = Counting(InMemory(embedded.clone()), Arc::clone(&read));
    let client =
        Client::new(ClientConfig::new(embedded.bootstrap_servers()).connector(connector).seed(1))
            .unwrap();
    // Not nearly enough for a good part of each.
    let config = from_earliest()
        .fetch_buffer_bytes(400_000)
        .max_partition_fetch_bytes(40_000)
        .fetch_max_bytes(100_000);
    let mut consumer = client.consumer(config).unwrap();
    consumer.assign((0..PARTITIONS).map(tp)).unwrap();
    let handle = consumer.handle();
    let mut working: VecDeque<TopicPartition> = VecDeque::new();
    let mut next = vec![0; usize::try_from(PARTITIONS).unwrap()];
    let mut received = 0;
    while received < BATCHES * next.len() {
        let batch = tokio::time::timeout(Duration::from_millis(20), consumer.next_batch()).await;
        let is_done = batch.is_err();
        match batch {
            Ok(batch) => {
                let batch = batch.unwrap();
                let partition = batch.topic_partition().clone();
                let at = &mut next[usize::try_from(partition.partition.0).unwrap()];
                for record in &batch {
                    assert_eq!(
                        record.offset().0,
                        *at,
                        "{partition}: none is left out and none comes twice"
                    );
                    *at += 1;
                    received += 1;
                }
                handle.pause([&partition]).unwrap();
                working.push_back(partition);
            }
            Err(_) => assert!(!working.is_empty(), "nothing comes, and nothing is paused"),
        }
        if is_done || working.len() > 16 {
            handle.resume(working.pop_front().iter()).unwrap();
        }
    }
    let read = read.load(Ordering::Relaxed);
    assert!(read < 4 * written, "{read} bytes were read of {written}");
}

#[tokio::test(start_paused = true)]
async fn offsets_of_a_missing_topic_end_with_its_code_and_of_a_forbidden_one_at_once() {
    let embedded = brokers(1).await;
    let consumer =
        client(&embedded).consumer(from_earliest().allow_auto_create_topics(false)).unwrap();
    let told = CapturedLogs::warnings();
    let error = consumer.end_offsets([TopicPartition::new("missing", 0)]).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Timeout, Some(crate::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))
    );
    assert_eq!(
        told.count(&["missing", "UNKNOWN_TOPIC_OR_PARTITION", "offsets of this topic"]),
        1,
        "{}",
        told.text()
    );
    assert!(
        error.to_string().contains("missing") && std::error::Error::source(&error).is_some(),
        "{error}"
    );

    embedded.create_topic("secret", 1, 1).unwrap();
    let refusal = Reaction::Answer(ErrorCode::TopicAuthorizationFailed);
    embedded.fault(Fault::on(ApiKey::Metadata).topic("secret").then(refusal));
    let start = tokio::time::Instant::now();
    let error = consumer.end_offsets([TopicPartition::new("secret", 0)]).await.unwrap_err();
    assert_eq!(error.code(), Some(crate::ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_a_coordinator_refuses_names_the_group_and_what_would_allow_it() {
    for api in [ApiKey::FindCoordinator, ApiKey::JoinGroup] {
        let embedded = brokers(1).await;
        embedded.fault(Fault::on(api).then(Reaction::Answer(ErrorCode::GroupAuthorizationFailed)));
        let client = client(&embedded);
        let mut consumer = client.consumer(from_earliest().group_id("shop")).unwrap();
        consumer.subscribe(["t"]).unwrap();
        // Told by each call, as the member tries again at each.
        for _ in 0..3 {
            let error = next(&mut consumer).await.unwrap_err();
            assert_eq!(error.code(), Some(crate::ErrorCode::GROUP_AUTHORIZATION_FAILED));
            let said = error.to_string();
            assert!(
                said.contains("\"shop\"")
                    && said.contains("an ACL must allow")
                    && said.matches("shop").count() == 1,
                "{said}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_says_of_what_how_long_and_why() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let consumer = client.consumer(from_earliest().group_id("shop")).unwrap();
    consumer.assign([tp(0)]).unwrap();
    embedded.fault(
        Fault::on(ApiKey::OffsetFetch).then(Reaction::Answer(ErrorCode::CoordinatorLoadInProgress)),
    );
    let error = consumer.committed([tp(0)]).await.unwrap_err();
    let said = error.to_string();
    assert_eq!(error.code(), Some(crate::ErrorCode::COORDINATOR_LOAD_IN_PROGRESS), "{said}");
    assert!(said.contains("shop") && said.contains("OffsetFetch"), "{said}");
    let error = consumer.position(&tp(0)).await.unwrap_err().to_string();
    assert!(
        error.contains("60000 ms (default.api.timeout.ms)") && error.contains("t-0"),
        "{error}"
    );
}
