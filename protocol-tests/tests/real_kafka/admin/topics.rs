//! Topics, their records and their configs.

use std::collections::BTreeSet;

use kavka::admin::{
    ConfigAlteration, ConfigEntry, ConfigResource, ConfigResourceType, ConfigSource, NewPartitions,
    OffsetSpec,
};
use kavka::{
    BrokerId, Class, ErrorCode, ErrorKind, NewTopic, Offset, Timestamp, TopicId, TopicName,
};

use super::{Bench, CONFIGS, TOPICS, one, partition, refused, topic, until};
use crate::support::produce;

pub(super) async fn topics(bench: &Bench) {
    let admin = &bench.admin;
    let brokers = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();

    // Only checked, then made; of two topics one is refused.
    let orders = NewTopic::new("orders")
        .partitions(3)
        .replication_factor(2)
        .config("retention.ms", "3600000");
    let checked = admin.clone().validate_only().create_topic(orders.clone()).await.unwrap();
    assert_eq!(checked.partitions, Some(3));
    let placed = NewTopic::new("placed").assignments([brokers(&[1, 2]), brokers(&[2, 3])]);
    let made = admin.create_topics([orders.clone(), placed, NewTopic::new("bad name")]).await;
    assert_eq!(made.len(), 3);
    let mut made: Vec<_> = made.into_iter().collect();
    let (bad, made) = (made.remove(0), made);
    assert_eq!((refused(bad.1, "bad name"), made.len()), (ErrorCode::INVALID_TOPIC_EXCEPTION, 2));
    for (name, made) in made {
        let made = made.unwrap();
        assert_eq!(made.replication_factor, Some(2), "{name}");
        assert!(made.configs.iter().any(|config| config.name == "retention.ms"), "{name}");
    }
    assert_eq!(
        refused(admin.create_topic(orders).await, "topic orders"),
        ErrorCode::TOPIC_ALREADY_EXISTS
    );
    let missing = NewTopic::new("t").partitions(1).replication_factor(9);
    assert_eq!(
        refused(admin.create_topic(missing).await, "topic t"),
        ErrorCode::INVALID_REPLICATION_FACTOR
    );
    let described = bench.java(TOPICS, &["--describe", "--topic", "orders,placed"]).await;
    assert!(
        described.contains("retention.ms=3600000") && described.contains("PartitionCount: 3"),
        "{described}"
    );
    assert!(
        described.contains("Replicas: 1,2") && described.contains("Replicas: 2,3"),
        "{described}"
    );

    // Described by name, by id, and in pages.
    let known = |topics: &kavka::admin::Outcomes<TopicName, _>| topics.values().all(Result::is_ok);
    let described =
        until("the topics", async || admin.describe_topics(["orders", "placed"]).await, known)
            .await;
    let placed = described[&TopicName::from("placed")].as_ref().unwrap();
    let replicas: Vec<_> =
        placed.partitions.iter().map(|partition| partition.replicas.clone()).collect();
    assert_eq!(replicas, [brokers(&[1, 2]), brokers(&[2, 3])]);
    let id = placed.id.unwrap();
    let by_id = async || one(admin.describe_topics_by_id([id]).await);
    let by_id = until("the topic by id", by_id, Result::is_ok).await.unwrap();
    assert_eq!(by_id.name.as_str(), "placed");
    let unknown = TopicId([7; 16]);
    assert_eq!(
        refused(one(admin.describe_topics_by_id([unknown]).await), &unknown.to_string()),
        ErrorCode::UNKNOWN_TOPIC_ID
    );
    assert_eq!(
        refused(admin.describe_topic("none").await, "topic none"),
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    let mut pages = admin.all_topic_pages();
    let mut seen = BTreeSet::new();
    while let Some(page) = pages.next().await.unwrap() {
        seen.extend(page.into_iter().map(|(name, _)| name));
    }
    let listed: BTreeSet<_> =
        admin.list_topics().await.unwrap().into_iter().map(|topic| topic.name).collect();
    assert_eq!(seen, listed);
    assert!(listed.contains("orders"), "{listed:?}");

    // More partitions.
    let more = NewPartitions::increase_to(4).assignments([brokers(&[3, 1])]);
    let checked = admin.clone().validate_only().create_partitions([("orders", more.clone())]).await;
    one(checked).unwrap();
    one(admin.create_partitions([("orders", more)]).await).unwrap();
    let fewer = admin.create_partitions([("orders", NewPartitions::increase_to(2))]).await;
    assert_eq!(refused(one(fewer), "topic orders"), ErrorCode::INVALID_PARTITIONS);
    let described = bench.java(TOPICS, &["--describe", "--topic", "orders"]).await;
    assert!(
        described.contains("PartitionCount: 4") && described.contains("Replicas: 3,1"),
        "{described}"
    );

    // Deleted by name and by id.
    let only_checked = admin.clone().validate_only().delete_topic("orders").await.unwrap_err();
    assert_eq!(only_checked.class(), Class::InvalidConfiguration, "{only_checked}");
    let deleted = admin.delete_topics(["orders", "none"]).await;
    deleted[&TopicName::from("orders")].as_ref().unwrap();
    assert_eq!(
        deleted[&TopicName::from("none")].as_ref().unwrap_err().code(),
        Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    );
    one(admin.delete_topics_by_id([id]).await).unwrap();
    assert_eq!(
        refused(one(admin.delete_topics_by_id([id]).await), &id.to_string()),
        ErrorCode::UNKNOWN_TOPIC_ID
    );
    let listed = bench.java(TOPICS, &["--list"]).await;
    assert!(!listed.contains("orders") && !listed.contains("placed"), "{listed}");
}

pub(super) async fn records(bench: &Bench) {
    let admin = &bench.admin;
    topic(bench, "log", 2, 3).await;
    produce(&bench.client, "log", 2, 0..100).await;
    let (first, second, missing) = (partition("log", 0), partition("log", 1), partition("log", 9));
    let wanted = [
        (first.clone(), OffsetSpec::Latest),
        (second.clone(), OffsetSpec::Earliest),
        (missing.clone(), OffsetSpec::Latest),
    ];
    let mut found = admin.list_offsets(wanted).await;
    assert_eq!(found.remove(&first).unwrap().unwrap().offset, Some(Offset(50)));
    assert_eq!(found.remove(&second).unwrap().unwrap().offset, Some(Offset(0)));
    assert_eq!(
        refused(found.remove(&missing).unwrap(), "log-9"),
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    let find = async |spec| one(admin.list_offsets([(first.clone(), spec)]).await);
    let newest = find(OffsetSpec::MaxTimestamp).await.unwrap();
    assert!(
        newest.offset >= Some(Offset(0)) && newest.timestamp > Some(Timestamp(0)),
        "{newest:?}"
    );
    assert_eq!(find(OffsetSpec::At(Timestamp(0))).await.unwrap().offset, Some(Offset(0)));
    assert_eq!(find(OffsetSpec::At(Timestamp(i64::MAX))).await.unwrap().offset, None);
    match find(OffsetSpec::EarliestPendingUpload).await {
        Ok(found) => assert!(bench.is_at_least(4, 2) && found.offset.is_none(), "{found:?}"),
        Err(error) => {
            assert!(!bench.is_at_least(4, 2) && error.kind() == ErrorKind::Unsupported, "{error}")
        }
    }
    let committed =
        one(admin.list_committed_offsets([(second.clone(), OffsetSpec::Latest)]).await).unwrap();
    assert_eq!(committed.offset, Some(Offset(50)));

    let mut deleted =
        admin.delete_records([(first.clone(), Offset(10)), (second.clone(), Offset(999))]).await;
    assert_eq!(deleted.remove(&first).unwrap().unwrap(), Offset(10));
    assert_eq!(refused(deleted.remove(&second).unwrap(), "log-1"), ErrorCode::OFFSET_OUT_OF_RANGE);
    assert_eq!(one(admin.delete_all_records([second]).await).unwrap(), Offset(50));
    let begins = bench
        .java("org.apache.kafka.tools.GetOffsetShell", &["--topic", "log", "--time", "-2"])
        .await;
    assert!(begins.contains("log:0:10") && begins.contains("log:1:50"), "{begins}");
}

pub(super) async fn configs(bench: &Bench) {
    let admin = &bench.admin;
    topic(bench, "configured", 1, 1).await;
    let resource = ConfigResource::topic("configured");
    let alter = async |admin: &kavka::Admin, resource: &ConfigResource, change| {
        one(admin.alter_configs([(resource.clone(), vec![change])]).await)
    };
    let entry = async |resource: &ConfigResource, name: &str| -> ConfigEntry {
        let entries = one(admin.describe_configs([resource.clone()]).await).unwrap();
        entries
            .into_iter()
            .find(|entry| entry.name == name)
            .unwrap_or_else(|| panic!("{resource} has no {name}"))
    };
    let java = async |arguments: &[&str]| bench.java(CONFIGS, arguments).await;

    // Set, append, subtract, delete; only checked; refused.
    alter(&admin.clone().validate_only(), &resource, ConfigAlteration::set("retention.ms", "1"))
        .await
        .unwrap();
    alter(admin, &resource, ConfigAlteration::set("retention.ms", "7200000")).await.unwrap();
    alter(admin, &resource, ConfigAlteration::append("cleanup.policy", "compact")).await.unwrap();
    let described =
        java(&["--describe", "--entity-type", "topics", "--entity-name", "configured"]).await;
    assert!(
        described.contains("retention.ms=7200000")
            && described.contains("cleanup.policy=delete,compact"),
        "{described}"
    );
    alter(admin, &resource, ConfigAlteration::subtract("cleanup.policy", "delete")).await.unwrap();
    let policy = until(
        "cleanup.policy",
        async || entry(&resource, "cleanup.policy").await,
        |entry| entry.value.as_deref() == Some("compact"),
    )
    .await;
    let retention = until(
        "the topic's retention.ms",
        async || entry(&resource, "retention.ms").await,
        |entry| !entry.is_default(),
    )
    .await;
    assert_eq!(retention.source, ConfigSource::DynamicTopic);
    // What would hold without the topic's own value comes after it.
    let places: Vec<_> = policy.synonyms.iter().map(|synonym| synonym.source).collect();
    assert_eq!(places, [ConfigSource::DynamicTopic, ConfigSource::Default]);
    alter(admin, &resource, ConfigAlteration::delete("retention.ms")).await.unwrap();
    until("retention.ms", async || entry(&resource, "retention.ms").await, ConfigEntry::is_default)
        .await;
    let refusal = alter(admin, &resource, ConfigAlteration::set("retention.ms", "soon")).await;
    assert_eq!(refused(refusal, "topic configured"), ErrorCode::INVALID_CONFIG);
    let none = ConfigResource::topic("none");
    let mut both = admin.describe_configs([none.clone(), resource.clone()]).await;
    both.remove(&resource).unwrap().unwrap();
    assert_eq!(
        refused(both.remove(&none).unwrap(), "topic none"),
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    let documented = one(admin.describe_configs_with_documentation([resource]).await).unwrap();
    assert!(
        documented.iter().all(|entry| entry.documentation.is_some() && entry.kind.is_some()),
        "{documented:?}"
    );

    // A broker, all brokers, and loggers: each is asked of itself.
    let (broker, loggers) = (ConfigResource::broker(2), ConfigResource::broker_loggers(2));
    alter(admin, &broker, ConfigAlteration::set("log.cleaner.threads", "2")).await.unwrap();
    alter(
        admin,
        &ConfigResource::all_brokers(),
        ConfigAlteration::set("message.max.bytes", "1000000"),
    )
    .await
    .unwrap();
    let is_changed = |entry: &ConfigEntry| {
        entry.source == ConfigSource::DynamicBroker && entry.value.as_deref() == Some("2")
    };
    until("a broker's config", async || entry(&broker, "log.cleaner.threads").await, is_changed)
        .await;
    let described = java(&["--describe", "--entity-type", "brokers", "--entity-name", "2"]).await;
    assert!(described.contains("log.cleaner.threads=2"), "{described}");
    alter(admin, &loggers, ConfigAlteration::set("kafka.server.KafkaApis", "ERROR")).await.unwrap();
    assert_eq!(entry(&loggers, "kafka.server.KafkaApis").await.value.as_deref(), Some("ERROR"));
    let other = one(admin.describe_configs([ConfigResource::broker_loggers(1)]).await).unwrap();
    let other = other
        .into_iter()
        .find(|entry| entry.name == "kafka.server.KafkaApis")
        .and_then(|entry| entry.value);
    assert_ne!(other.as_deref(), Some("ERROR"), "another broker's logger was changed");
    let absent = one(admin.describe_configs([ConfigResource::broker(9)]).await);
    assert_eq!(refused(absent, "broker 9"), ErrorCode::BROKER_NOT_AVAILABLE);

    // A subscription to metrics of clients, and a group.
    let metrics = ConfigResource::client_metrics("watch");
    alter(admin, &metrics, ConfigAlteration::set("interval.ms", "60000")).await.unwrap();
    let listed = until(
        "the subscription",
        async || admin.list_config_resources([ConfigResourceType::ClientMetrics]).await.unwrap(),
        |list| !list.is_empty(),
    );
    assert_eq!(listed.await, [metrics]);
    if bench.is_at_least(4, 0) {
        let group = ConfigResource::group("configured");
        alter(admin, &group, ConfigAlteration::set("consumer.session.timeout.ms", "50000"))
            .await
            .unwrap();
        until(
            "the group's config",
            async || entry(&group, "consumer.session.timeout.ms").await.value,
            |value| value.as_deref() == Some("50000"),
        )
        .await;
    }
    if bench.is_at_least(4, 1) {
        let (topic, broker) = (ConfigResource::topic("configured"), ConfigResource::broker(1));
        until(
            "what has a configuration",
            async || admin.list_config_resources([]).await.unwrap(),
            |listed| listed.contains(&topic) && listed.contains(&broker),
        )
        .await;
    } else {
        assert_eq!(
            admin.list_config_resources([]).await.unwrap_err().kind(),
            ErrorKind::Unsupported
        );
    }
}
