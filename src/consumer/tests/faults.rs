//! What an application sees while brokers fail, move and lie.

use kavka_testcontainers::embedded::{ApiKey, ErrorCode, Fault, Reaction, TransactionEnd};

use super::*;
use crate::observability::captured_logs::CapturedLogs;

async fn consuming(embedded: &EmbeddedCluster, config: ConsumerConfig) -> Consumer {
    let consumer = client(embedded).consumer(config).unwrap();
    consumer.assign([tp(0)]).unwrap();
    consumer
}

#[tokio::test(start_paused = true)]
async fn cut_connections_lose_and_repeat_nothing() {
    let embedded = brokers(3).await;
    let mut consumer = consuming(&embedded, from_earliest()).await;
    for round in 0..10 {
        append(&embedded, 0, round * 3..round * 3 + 3);
        let expected: Vec<_> = (round * 3..round * 3 + 3).collect();
        assert_eq!(values(&mut consumer, 3).await, expected);
        for id in embedded.running_brokers() {
            embedded.cut_connections(id);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn leader_moves_are_followed() {
    let embedded = brokers(3).await;
    let mut consumer = consuming(&embedded, from_earliest()).await;
    for round in 0..6 {
        append(&embedded, 0, round..round + 1);
        assert_eq!(values(&mut consumer, 1).await, [round]);
        let leader = embedded.leader("t", 0).unwrap();
        embedded.move_leader("t", 0, Some(leader % 3 + 1));
    }
}

#[tokio::test(start_paused = true)]
async fn partition_without_a_leader_is_waited_for() {
    let embedded =
        EmbeddedCluster::builder().brokers(3).in_memory().topic("t", 3, 1).start().await.unwrap();
    append(&embedded, 0, 0..1);
    let leader = embedded.leader("t", 0).unwrap();
    embedded.kill_broker(leader);
    let mut consumer = consuming(&embedded, from_earliest()).await;
    assert!(nothing_comes(&mut consumer).await);
    let requests = embedded.requests_of(ApiKey::Metadata).len();
    assert!(requests < 60, "{requests} metadata requests in ten seconds");
    embedded.start_broker(leader).await.unwrap();
    assert_eq!(values(&mut consumer, 1).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn killed_broker_comes_back_and_is_read_on() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..2);
    let mut consumer = consuming(&embedded, from_earliest()).await;
    assert_eq!(values(&mut consumer, 2).await, [0, 1]);
    embedded.kill_broker(1);
    assert!(nothing_comes(&mut consumer).await);
    embedded.start_broker(1).await.unwrap();
    append(&embedded, 0, 2..3);
    assert_eq!(values(&mut consumer, 1).await, [2]);
}

#[tokio::test(start_paused = true)]
async fn evicted_and_refused_sessions_cost_no_record_and_no_spin() {
    let embedded = brokers(1).await;
    let mut consumer = consuming(&embedded, from_earliest()).await;
    for round in 0..5 {
        append(&embedded, 0, round..round + 1);
        assert_eq!(values(&mut consumer, 1).await, [round]);
        embedded.evict_fetch_sessions(1);
    }
    embedded.set_fetch_session_slots(1, 0);
    embedded.evict_fetch_sessions(1);
    append(&embedded, 0, 5..6);
    assert_eq!(values(&mut consumer, 1).await, [5]);
    embedded.clear_requests();
    assert!(nothing_comes(&mut consumer).await);
    let fetches = embedded.requests_of(ApiKey::Fetch).len();
    assert!(fetches <= 25, "{fetches} fetches in ten idle seconds");
}

#[tokio::test(start_paused = true)]
async fn offset_out_of_range_resets_by_policy() {
    for (policy, expected) in [(AutoOffsetReset::Earliest, 3), (AutoOffsetReset::Latest, 9)] {
        let embedded = brokers(1).await;
        append(&embedded, 0, 0..9);
        embedded.delete_records("t", 0, 3);
        let mut consumer =
            consuming(&embedded, ConsumerConfig::new().auto_offset_reset(policy)).await;
        consumer.seek(&tp(0), 1).unwrap();
        let told = CapturedLogs::warnings();
        let waiting = tokio::time::timeout(Duration::from_secs(5), consumer.recv()).await;
        assert_eq!(
            told.count(&["refused=1", &format!("to={expected}")]),
            1,
            "with both offsets: {}",
            told.text()
        );
        if expected == 3 {
            assert_eq!(waiting.unwrap().unwrap().offset(), Offset(3));
        } else {
            assert!(waiting.is_err());
            assert_eq!(consumer.position(&tp(0)).await.unwrap(), Offset(9));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn policy_none_tells_once_and_goes_on_after_a_seek() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let mut consumer =
        consuming(&embedded, ConsumerConfig::new().auto_offset_reset(AutoOffsetReset::None)).await;
    let error = next(&mut consumer).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.context().partition.clone()),
        (ErrorKind::NoOffset, Some(tp(0)))
    );
    assert!(nothing_comes(&mut consumer).await);
    consumer.seek(&tp(0), 1).unwrap();
    assert_eq!(values(&mut consumer, 2).await, [1, 2]);

    consumer.seek(&tp(0), 77).unwrap();
    assert_eq!(next(&mut consumer).await.unwrap_err().kind(), ErrorKind::NoOffset);
    assert!(nothing_comes(&mut consumer).await);
}

#[tokio::test(start_paused = true)]
async fn damaged_batch_stops_its_partition_until_a_seek() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..2);
    let mut damaged = embedded.log("t", 0)[1].bytes.to_vec();
    *damaged.last_mut().unwrap() ^= 0xff;
    damaged[..8].copy_from_slice(&2_i64.to_be_bytes());
    embedded.append_raw("t", 0, &damaged);
    append(&embedded, 0, 3..4);
    append(&embedded, 1, 10..11);
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();

    assert_eq!(values(&mut consumer, 2).await, [0, 1]);
    let error = next(&mut consumer).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.context().partition.clone()),
        (ErrorKind::Corrupt, Some(tp(0)))
    );
    assert_eq!(consumer.position(&tp(0)).await.unwrap(), Offset(2));
    assert!(nothing_comes(&mut consumer).await);
    consumer.assign([tp(0), tp(1)]).unwrap();
    assert_eq!(values(&mut consumer, 1).await, [10]);
    consumer.seek(&tp(0), 3).unwrap();
    assert_eq!(values(&mut consumer, 1).await, [3]);
}

#[tokio::test(start_paused = true)]
async fn refused_partition_is_told_once_and_does_not_stop_others() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    append(&embedded, 1, 10..13);
    let refusal = Reaction::Answer(ErrorCode::TopicAuthorizationFailed);
    let fault = embedded.fault(Fault::on(ApiKey::Fetch).partition("t", 0).then(refusal));
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0), tp(1)]).unwrap();
    let (mut seen, mut errors) = (Vec::new(), 0);
    while let Ok(answer) = tokio::time::timeout(Duration::from_secs(20), consumer.recv()).await {
        match answer {
            Ok(record) => seen.push(record.offset().0),
            Err(_) => errors += 1,
        }
    }
    assert_eq!((seen, errors), (vec![0, 1, 2], 1));
    embedded.remove_fault(fault);
    assert_eq!(values(&mut consumer, 1).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn failing_fetches_are_not_repeated_in_a_hot_loop() {
    for code in [
        ErrorCode::NotLeaderOrFollower,
        ErrorCode::UnknownServerError,
        ErrorCode::OffsetNotAvailable,
        ErrorCode::UnknownLeaderEpoch,
    ] {
        let embedded = brokers(1).await;
        append(&embedded, 0, 0..1);
        embedded.fault(Fault::on(ApiKey::Fetch).partition("t", 0).then(Reaction::Answer(code)));
        let mut consumer = consuming(&embedded, from_earliest()).await;
        let _ = tokio::time::timeout(Duration::from_secs(10), async {
            while consumer.recv().await.is_err() {}
        })
        .await;
        let fetches = embedded.requests_of(ApiKey::Fetch).len();
        assert!((5..40).contains(&fetches), "{code:?}: {fetches} fetches in ten seconds");
        embedded.clear_faults();
        assert_eq!(values(&mut consumer, 1).await, [0]);
    }
}

#[tokio::test(start_paused = true)]
async fn aborted_records_are_not_seen_under_read_committed() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    embedded.append_transaction("t", 0, 7, &[(None, Some(b"100"))], TransactionEnd::Aborted);
    embedded.append_transaction("t", 0, 8, &[(None, Some(b"1"))], TransactionEnd::Committed);
    embedded.append_transaction("t", 0, 7, &[(None, Some(b"2"))], TransactionEnd::Committed);
    embedded.append_transaction("t", 0, 9, &[(None, Some(b"101"))], TransactionEnd::Aborted);
    let mut consumer =
        consuming(&embedded, from_earliest().isolation_level(IsolationLevel::ReadCommitted)).await;
    assert_eq!(values(&mut consumer, 3).await, [0, 1, 2]);
    assert!(nothing_comes(&mut consumer).await);
    let end = embedded.offsets("t", 0).unwrap().1;
    assert_eq!(
        consumer.position(&tp(0)).await.unwrap(),
        Offset(end),
        "markers and aborted records are passed over"
    );
    append(&embedded, 0, 3..4);
    assert_eq!(values(&mut consumer, 1).await, [3]);

    let mut all = consuming(&embedded, from_earliest()).await;
    assert_eq!(values(&mut all, 6).await, [0, 100, 1, 2, 101, 3]);
}

#[tokio::test(start_paused = true)]
async fn truncated_log_is_told_once_and_read_on_from_where_it_was_cut() {
    let embedded = brokers(3).await;
    append(&embedded, 0, 0..10);
    let mut consumer = consuming(&embedded, from_earliest()).await;
    values(&mut consumer, 10).await;
    embedded.truncate("t", 0, 6);
    let leader = embedded.leader("t", 0).unwrap();
    embedded.move_leader("t", 0, Some(leader % 3 + 1));
    append(&embedded, 0, 20..22);
    let error = next(&mut consumer).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.context().partition.clone()),
        (ErrorKind::LogTruncated, Some(tp(0)))
    );
    assert_eq!(next(&mut consumer).await.unwrap(), (0, 6, 20));
    assert_eq!(next(&mut consumer).await.unwrap(), (0, 7, 21));
    assert!(nothing_comes(&mut consumer).await);
}

#[tokio::test(start_paused = true)]
async fn topic_created_anew_is_read_from_its_beginning() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..5);
    let mut consumer = consuming(&embedded, from_earliest().allow_auto_create_topics(false)).await;
    values(&mut consumer, 5).await;
    embedded.delete_topic("t").unwrap();
    assert!(nothing_comes(&mut consumer).await);
    embedded.create_topic("t", 3, 1).unwrap();
    append(&embedded, 0, 30..33);
    assert_eq!(values(&mut consumer, 3).await, [30, 31, 32]);
}

#[tokio::test(start_paused = true)]
async fn nearer_replica_is_used_and_left_when_it_fails() {
    let embedded = with_a_nearer_replica().await;
    append(&embedded, 0, 0..3);
    let mut consumer = consuming(&embedded, from_earliest().client_rack("b")).await;
    assert_eq!(values(&mut consumer, 3).await, [0, 1, 2]);
    assert!(nothing_comes(&mut consumer).await);
    embedded.set_preferred_replica("t", 0, None);
    embedded.kill_broker(2);
    append(&embedded, 0, 3..4);
    assert_eq!(values(&mut consumer, 1).await, [3]);
}

/// Until metadata knows it, or the leader thinks better of it.
#[tokio::test(start_paused = true)]
async fn a_nearer_replica_that_is_not_known_is_asked_about_and_not_in_a_hot_loop() {
    let embedded = with_a_nearer_replica().await;
    embedded.set_preferred_replica("t", 0, Some(9));
    append(&embedded, 0, 0..3);
    let mut consumer = consuming(&embedded, from_earliest().client_rack("b")).await;
    assert!(nothing_comes(&mut consumer).await);
    let asked = [ApiKey::Fetch, ApiKey::Metadata].map(|api| embedded.requests_of(api).len());
    assert!(asked[0] < 250 && (2..120).contains(&asked[1]), "{asked:?} in ten seconds");
    embedded.set_preferred_replica("t", 0, None);
    assert_eq!(values(&mut consumer, 3).await, [0, 1, 2]);
}

/// Brokers tell only each other so: a consumer is served from tiered storage.
#[tokio::test(start_paused = true)]
async fn an_offset_that_is_said_to_be_in_tiered_storage_only_is_told_once_and_moves_nothing() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    append(&embedded, 1, 10..11);
    let refusal = Reaction::Answer(ErrorCode::OffsetMovedToTieredStorage);
    embedded.fault(Fault::on(ApiKey::Fetch).partition("t", 0).then(refusal));
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0), tp(1)]).unwrap();
    let (mut read, mut errors) = (Vec::new(), Vec::new());
    while let Ok(came) = tokio::time::timeout(Duration::from_secs(20), consumer.recv()).await {
        match came {
            Ok(record) => read.push(record.partition().0),
            Err(error) => errors.push((error.code(), error.context().partition.clone())),
        }
    }
    let code = crate::ErrorCode::OFFSET_MOVED_TO_TIERED_STORAGE;
    assert_eq!((read, errors), (vec![1], vec![(Some(code), Some(tp(0)))]));
    embedded.clear_faults();
    assert_eq!(next(&mut consumer).await.unwrap(), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_rack_of_a_client_is_that_of_its_consumers() {
    let embedded = with_a_nearer_replica().await;
    append(&embedded, 0, 0..3);
    let config = ClientConfig::new(embedded.bootstrap_servers())
        .connector(InMemory(embedded.clone()))
        .seed(1);
    let client = Client::new(config.client_rack("b")).unwrap();
    let mut consumer = client.consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    assert_eq!(values(&mut consumer, 3).await, [0, 1, 2]);
    assert!(nothing_comes(&mut consumer).await);
    assert_eq!(embedded.requests_of(ApiKey::Fetch).last().unwrap().broker, 2);
}

#[tokio::test(start_paused = true)]
async fn look_ups_of_topics_that_are_not_there_say_so() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let consumer = client.consumer(from_earliest()).unwrap();
    for (name, code) in [
        ("missing", crate::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        ("a/b", crate::ErrorCode::INVALID_TOPIC_EXCEPTION),
    ] {
        let error = consumer.end_offsets([TopicPartition::new(name, 0)]).await.unwrap_err();
        assert_eq!(error.code(), Some(code), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_not_there_is_warned_of_once_and_read_when_it_comes() {
    let embedded = brokers(1).await;
    let mut consumer =
        client(&embedded).consumer(from_earliest().allow_auto_create_topics(false)).unwrap();
    consumer.assign([TopicPartition::new("missing", 0)]).unwrap();
    let told = CapturedLogs::warnings();
    assert!(tokio::time::timeout(Duration::from_secs(2), consumer.recv()).await.is_err());
    assert_eq!(told.count(&["missing", "there is no such topic"]), 1, "{}", told.text());
    embedded.create_topic("missing", 1, 1).unwrap();
    embedded.append("missing", 0, &[(None, Some(b"1"))]).unwrap();
    assert_eq!(consumer.recv().await.unwrap().value(), Some(&b"1"[..]));
    assert_eq!(told.count(&["missing", "there is no such topic"]), 1, "{}", told.text());
}

#[cfg(feature = "admin")]
#[tokio::test(start_paused = true)]
async fn a_closed_client_makes_no_handles() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let admin = client.admin();
    client.clone().close(Duration::from_secs(1)).await.unwrap();
    assert_eq!(client.consumer(from_earliest()).map(drop).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(
        client.producer(crate::ProducerConfig::new()).map(drop).unwrap_err().kind(),
        ErrorKind::Closed
    );
    let begun = tokio::time::Instant::now();
    assert_eq!(admin.list_topics().await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn limits_smaller_than_a_record_still_make_progress() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..20);
    let mut consumer =
        consuming(&embedded, from_earliest().max_partition_fetch_bytes(1).fetch_max_bytes(1)).await;
    assert_eq!(values(&mut consumer, 20).await, (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn old_brokers_without_sessions_and_topic_ids_are_read() {
    for newest in [4, 6, 7, 11, 12] {
        let embedded = brokers(1).await;
        embedded.set_versions(1, ApiKey::Fetch, 4, newest);
        append(&embedded, 0, 0..5);
        let mut consumer = consuming(&embedded, from_earliest()).await;
        assert_eq!(values(&mut consumer, 5).await, [0, 1, 2, 3, 4], "Fetch v{newest}");
        append(&embedded, 0, 5..6);
        assert_eq!(values(&mut consumer, 1).await, [5], "Fetch v{newest}");
    }
}

#[tokio::test(start_paused = true)]
async fn partition_beyond_the_topic_is_no_error_for_others() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0), tp(9)]).unwrap();
    assert_eq!(values(&mut consumer, 1).await, [0]);
    embedded.grow_topic("t", 10).unwrap();
    append(&embedded, 9, 5..6);
    assert_eq!(next(&mut consumer).await.unwrap(), (9, 0, 5));
}
