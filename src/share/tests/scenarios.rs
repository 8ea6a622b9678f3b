//! What librdkafka's suite says of share consumers, as far as no other test shows it.

use kavka_testcontainers::embedded::TransactionEnd;

use super::*;

#[tokio::test(start_paused = true)]
async fn scenario_0155_transactions_are_seen_as_the_group_has_it() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    embedded.append_transaction("t", 0, 7, &[(None, Some(b"100"))], TransactionEnd::Aborted);
    embedded.append_transaction("t", 0, 8, &[(None, Some(b"1"))], TransactionEnd::Committed);
    embedded.append_transaction("t", 0, 9, &[(None, Some(b"101"))], TransactionEnd::Aborted);
    append(&embedded, 0, 2..3);
    for (group, level, expected) in [
        ("g", "read_committed", ["0", "1", "2"].as_slice()),
        ("all", "read_uncommitted", ["0", "100", "1", "101", "2"].as_slice()),
    ] {
        embedded.set_group_config(group, "share.auto.offset.reset", "earliest");
        embedded.set_group_config(group, "share.isolation.level", level);
        let mut consumer = member(&client(&embedded), ShareConsumerConfig::new(group));
        let received = records(&mut consumer, expected.len()).await;
        let values: Vec<_> = received
            .iter()
            .map(|record| String::from_utf8(record.value().unwrap().to_vec()).unwrap())
            .collect();
        assert_eq!(values, expected, "{level}");
        assert!(nothing_comes(&mut consumer, SECOND).await);
        consumer.close(SECOND).await.unwrap();
        let mut again = member(&client(&embedded), ShareConsumerConfig::new(group));
        assert!(nothing_comes(&mut again, 10 * SECOND).await, "all is done, markers too");
    }
}

#[tokio::test(start_paused = true)]
async fn scenario_0190_a_topic_created_anew_is_shared_from_its_beginning() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..5);
    let client = client(&embedded);
    let mut consumer = member(&client, explicit().allow_auto_create_topics(false));
    let old = records(&mut consumer, 5).await;
    embedded.delete_topic("t").unwrap();
    assert!(nothing_comes(&mut consumer, 5 * SECOND).await);
    embedded.create_topic("t", 3, 1).unwrap();
    append(&embedded, 0, 30..33);
    let new = records(&mut consumer, 3).await;
    assert_eq!(places(&new), [(0, 0, 1), (0, 1, 1), (0, 2, 1)], "each for the first time");
    for record in old {
        // Nothing that is said of the old topic's records is taken for the new one's.
        let said = tokio::time::timeout(60 * SECOND, record.accept()).await.unwrap();
        assert!(said.is_err());
    }
    for record in new {
        record.accept().await.unwrap();
    }
    assert_eq!(start(&embedded, 0), 3);
}

#[tokio::test(start_paused = true)]
async fn scenario_0172_partitions_that_are_added_are_shared_too() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let mut consumer = member(&client, ShareConsumerConfig::new("g"));
    append(&embedded, 0, 0..1);
    records(&mut consumer, 1).await;
    embedded.grow_topic("t", 4).unwrap();
    append(&embedded, 3, 0..2);
    let received = records(&mut consumer, 2).await;
    assert_eq!(places(&received), [(3, 0, 1), (3, 1, 1)]);
}
