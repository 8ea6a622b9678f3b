//! Every public future inside `tokio::spawn`, from the crate's outside: that this compiles is the
//! test.
//!
//! An argument is given as users do: by closures that borrow from what the task owns. A future that
//! holds such a closure in an `async fn` that is generic over it is not `Send` for every lifetime,
//! and only whoever spawns it hears of that.

#![allow(
    clippy::clone_on_copy,
    clippy::map_clone,
    clippy::redundant_closure,
    clippy::redundant_closure_for_method_calls,
    reason = "closures are what is tested"
)]

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use kavka::admin::{
    AclBinding, AclFilter, ConfigAlteration, ConfigResource, ConfigResourceType, Election,
    FeatureUpdate, GroupFilter, HangingTransaction, MemberToRemove, NewDelegationToken, NewOffset,
    NewPartitions, OffsetSpec, Principal, QuotaAlteration, QuotaEntity, QuotaFilter, Replica,
    ScramCredential, ScramMechanism, TransactionFilter, Voter,
};
use kavka::mq::{self, Message, MessageHeader, Mq};
use kavka::unstable::{Target, messages::list_groups::ListGroupsRequest};
use kavka::{
    AcknowledgeType, Admin, BrokerId, Client, Consumer, ConsumerHandle, NewTopic, Offset, Producer,
    Record, ShareConsumer, Timestamp, TopicId, TopicPartition,
};

fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) {
    drop(tokio::spawn(future));
}

fn seen(told: impl Debug) {
    drop(format!("{told:?}"));
}

const SOON: Duration = Duration::from_secs(1);

fn client(client: Client) {
    spawn(async move {
        seen(client.connect(SOON).await);
        let group = String::from("g");
        let request = ListGroupsRequest { states_filter: vec![&group], ..Default::default() };
        seen(client.request(Target::GroupCoordinator(&group), &request).await);
        client.close(SOON).await
    });
}

fn share_consumer(mut consumer: ShareConsumer, partition: TopicPartition) {
    spawn(async move {
        seen(consumer.recv().await?.accept().await);
        seen(consumer.next_batch().await?.release().await);
        let offset = Offset(1);
        seen(consumer.acknowledge(&partition, offset, AcknowledgeType::Reject)?.await);
        let kept = consumer.recv().await?;
        seen(kept.renew().await);
        seen(consumer.commit().await);
        kavka::Result::<()>::Ok(())
    });
}

fn closes(consumer: ShareConsumer) {
    spawn(consumer.close(SOON));
}

fn producer(producer: Producer, lines: Vec<String>, topic: String) {
    let one = producer.clone();
    spawn(async move {
        let delivery = one.send(Record::to(&topic).value(&lines[0])).await?;
        seen(delivery.await);
        kavka::Result::<()>::Ok(())
    });
    let all = producer.clone();
    spawn(async move {
        let lines = ["a", "b", "c"];
        seen(all.send_all(lines.iter().map(|line| Record::to("lines").value(line))).await.await);
        let (topic, owned) = (String::new(), vec![String::new()]);
        let records =
            owned.iter().filter(|line| !line.is_empty()).map(|line| Record::to(&topic).value(line));
        seen(all.send_all(records).await.await);
        seen(
            all.send_all(
                owned
                    .iter()
                    .map(|line| (line.len(), line))
                    .map(|(_, line)| Record::to(&topic).value(line)),
            )
            .await
            .await,
        );
        seen(all.send_all((0..3).map(|_| Record::to("lines").value("x"))).await.await);
        seen(all.send_all([Record::to("lines")]).await.await);
    });
    let several = producer.clone();
    spawn(async move {
        seen(several.flush().await);
        seen(several.purge(kavka::Purge::all()).await);
        seen(several.client_instance_id(SOON).await);
    });
    spawn(producer.close(SOON));
}

fn consumer(mut consumer: Consumer) {
    spawn(async move {
        seen(consumer.recv().await);
        seen(consumer.next_batch().await.is_ok());
        seen(consumer.recv_many(10, SOON).await);
        seen(consumer.caught_up().await);
        consumer.close_with(kavka::CloseOptions::new().timeout(SOON)).await
    });
}

fn consumer_handle(consumer: ConsumerHandle, partitions: Vec<TopicPartition>) {
    spawn(async move {
        let all = || partitions.iter().map(|partition| partition.clone());
        seen(consumer.client_instance_id(SOON).await);
        seen(consumer.position(&partitions[0]).await);
        seen(consumer.caught_up().await);
        seen(consumer.partitions_for(partitions[0].topic.clone()).await);
        seen(consumer.beginning_offsets(all()).await);
        seen(consumer.end_offsets(all()).await);
        seen(
            consumer
                .offsets_for_times(
                    partitions.iter().map(|partition| (partition.clone(), Timestamp(0))),
                )
                .await,
        );
        seen(consumer.commit().await);
        seen(
            consumer
                .commit_offsets(partitions.iter().map(|partition| (partition.clone(), Offset(0))))
                .await,
        );
        seen(consumer.committed(all()).await);
    });
}

#[derive(Debug)]
struct Things {
    names: Vec<String>,
    ids: Vec<TopicId>,
    partitions: Vec<TopicPartition>,
    brokers: Vec<BrokerId>,
    replicas: Vec<Replica>,
    topic: NewTopic,
    rule: AclBinding,
    filter: AclFilter,
    resource: ConfigResource,
    kinds: Vec<ConfigResourceType>,
    alteration: ConfigAlteration,
    election: Election,
    feature: FeatureUpdate,
    members: Vec<MemberToRemove>,
    offset: NewOffset,
    growth: NewPartitions,
    spec: OffsetSpec,
    entity: QuotaEntity,
    quota: QuotaAlteration,
    owner: Principal,
    credential: ScramCredential,
    mechanism: ScramMechanism,
}

fn admin_of_topics(admin: Admin, things: Things) {
    spawn(async move {
        let Things {
            names,
            ids,
            partitions,
            brokers,
            replicas,
            topic,
            resource,
            kinds,
            alteration,
            election,
            growth,
            spec,
            ..
        } = &things;
        let name = || names.iter().map(|name| name.as_str());
        let all = || partitions.iter().map(|partition| partition.clone());
        seen(admin.list_topics().await);
        seen(admin.describe_topic(names[0].as_str()).await);
        seen(admin.describe_topics(name()).await);
        seen(admin.describe_topics_by_id(ids.iter().map(|id| *id)).await);
        seen(admin.topic_pages(name()).next().await);
        seen(admin.create_topic(topic.clone()).await);
        seen(admin.create_topics(names.iter().map(|name| NewTopic::new(name.as_str()))).await);
        seen(admin.delete_topic(names[0].as_str()).await);
        seen(admin.delete_topics(name()).await);
        seen(admin.delete_topics_by_id(ids.iter().map(|id| *id)).await);
        seen(
            admin.create_partitions(names.iter().map(|name| (name.as_str(), growth.clone()))).await,
        );
        seen(
            admin
                .delete_records(partitions.iter().map(|partition| (partition.clone(), Offset(0))))
                .await,
        );
        seen(admin.delete_all_records(all()).await);
        seen(
            admin
                .list_offsets(partitions.iter().map(|partition| (partition.clone(), spec.clone())))
                .await,
        );
        seen(
            admin
                .list_committed_offsets(
                    partitions.iter().map(|partition| (partition.clone(), spec.clone())),
                )
                .await,
        );
        seen(admin.describe_configs(names.iter().map(|name| ConfigResource::topic(name))).await);
        seen(
            admin
                .describe_configs_with_documentation(
                    names.iter().map(|name| ConfigResource::topic(name)),
                )
                .await,
        );
        seen(
            admin
                .alter_configs(names.iter().map(|_| (resource.clone(), vec![alteration.clone()])))
                .await,
        );
        seen(admin.list_config_resources(kinds.iter().map(|kind| kind.clone())).await);
        seen(admin.elect_leaders(*election, all()).await);
        seen(admin.elect_all_leaders(*election).await);
        seen(
            admin
                .alter_reassignments(
                    partitions.iter().map(|partition| (partition.clone(), Some(brokers.clone()))),
                )
                .await,
        );
        seen(
            admin
                .alter_reassignments_of_same_size(
                    partitions.iter().map(|partition| (partition.clone(), None)),
                )
                .await,
        );
        seen(admin.list_reassignments().await);
        seen(admin.list_reassignments_of(all()).await);
        seen(admin.describe_log_dirs(brokers.iter().map(|broker| *broker)).await);
        seen(
            admin
                .alter_replica_log_dirs(replicas.iter().map(|replica| (replica.clone(), "/data")))
                .await,
        );
        seen(admin.describe_replica_log_dirs(replicas.iter().map(|replica| replica.clone())).await);
        seen(admin.describe_producers(all()).await);
        seen(admin.describe_producers_on(1, all()).await);
    });
}

fn admin_of_groups(admin: Admin, things: Things) {
    spawn(async move {
        let Things { names, partitions, members, offset, .. } = &things;
        let name = || names.iter().map(|name| name.as_str());
        let all = || partitions.iter().map(|partition| partition.clone());
        seen(admin.list_groups(GroupFilter::all()).await);
        seen(admin.delete_groups(name()).await);
        seen(admin.remove_members("g", members.iter().map(|member| member.clone()), "why").await);
        seen(admin.remove_all_members("g", "why").await);
        seen(admin.describe_classic_groups(name()).await);
        seen(admin.describe_consumer_groups(name()).await);
        seen(admin.describe_share_groups(name()).await);
        seen(admin.describe_streams_groups(name()).await);
        seen(admin.list_group_offsets(name()).await);
        seen(admin.list_stable_group_offsets(name()).await);
        seen(admin.list_group_lag("g").await);
        seen(
            admin
                .alter_group_offsets(
                    "g",
                    partitions.iter().map(|partition| (partition.clone(), offset.clone())),
                )
                .await,
        );
        seen(admin.delete_group_offsets("g", all()).await);
        seen(admin.list_share_group_offsets(name()).await);
        seen(
            admin
                .alter_share_group_offsets(
                    "g",
                    partitions.iter().map(|partition| (partition.clone(), Offset(0))),
                )
                .await,
        );
        seen(admin.delete_share_group_offsets("g", name()).await);
    });
}

fn admin_of_clusters(
    admin: Admin,
    things: Things,
    voter: Voter,
    transaction: HangingTransaction,
    token: NewDelegationToken,
) {
    spawn(async move {
        let Things {
            names,
            rule,
            filter,
            feature,
            entity,
            quota,
            owner,
            credential,
            mechanism,
            ..
        } = &things;
        let name = || names.iter().map(|name| name.as_str());
        seen(admin.describe_cluster().await);
        seen(admin.describe_registered_brokers().await);
        seen(admin.unregister_broker(1).await);
        seen(admin.unregister_controller(1).await);
        seen(admin.describe_acls(filter.clone()).await);
        seen(admin.create_acls(names.iter().map(|_| rule.clone())).await);
        seen(admin.delete_acls(names.iter().map(|_| filter.clone())).await);
        seen(admin.describe_features().await);
        seen(admin.describe_features_of(1).await);
        seen(
            admin.update_features(names.iter().map(|name| (name.as_str(), feature.clone()))).await,
        );
        seen(admin.describe_quorum().await);
        seen(admin.add_voter(voter.clone()).await);
        seen(admin.remove_voter(voter).await);
        seen(admin.describe_quotas(QuotaFilter::all()).await);
        seen(admin.alter_quotas(names.iter().map(|_| (entity.clone(), vec![quota.clone()]))).await);
        seen(admin.describe_scram_users(name()).await);
        seen(admin.upsert_scram_user("alice", credential.clone(), "password").await);
        seen(admin.delete_scram_users(names.iter().map(|name| (name.as_str(), *mechanism))).await);
        seen(admin.create_delegation_token(token).await.is_ok());
        seen(admin.renew_delegation_token(&[], None).await);
        seen(admin.expire_delegation_token(&[], None).await);
        seen(admin.describe_delegation_tokens(names.iter().map(|_| owner.clone())).await.is_ok());
        seen(admin.list_transactions(TransactionFilter::all()).await);
        seen(admin.describe_transactions(name()).await);
        seen(admin.abort_transaction(transaction).await);
        seen(admin.fence_producers(name()).await);
        seen(admin.force_terminate_transaction("id").await);
    });
}

fn mq_instance(mq: Mq, topic: NewTopic) {
    spawn(async move {
        seen(mq.ping().await);
        seen(mq.connection_pool().health_check().await);
        seen(mq.health().check().await);
        seen(mq.health().status().await);
        let admin = mq.admin();
        seen(admin.create_topic(topic.clone()).await);
        seen(admin.ensure_topic(topic).await);
        seen(admin.delete_topic("t").await);
        seen(admin.list_topics().await);
        seen(admin.topic_exists("t").await);
        seen(mq.close_within(SOON).await);
        mq.close().await
    });
}

fn mq_producer(
    producer: mq::Producer,
    lines: Vec<String>,
    headers: Vec<MessageHeader>,
    messages: Vec<Message>,
) {
    spawn(async move {
        let receipt = producer.send(Record::to("t").value(&lines[0])).await?;
        seen(receipt.await);
        seen(producer.send_sync("t", &lines[0]).await);
        seen(producer.send_sync_with_key("t", "k", &lines[0]).await);
        seen(producer.send_sync_with_headers("t", None, &lines[0], &headers).await);
        seen(producer.send_message(&messages[0]).await?.await);
        seen(producer.send_async("t", &lines[0], |sent| seen(sent)).await);
        seen(producer.send_async_with_key("t", "k", &lines[0], |sent| seen(sent)).await);
        seen(
            producer
                .send_async_with_headers("t", None, &lines[0], &headers, |sent| seen(sent))
                .await,
        );
        seen(producer.send_batch_sync(&messages).await);
        seen(producer.flush().await);
        producer.close(SOON).await
    });
}

fn mq_consumer(consumer: mq::Consumer, partitions: Vec<TopicPartition>) {
    spawn(async move {
        seen(consumer.commit().await);
        seen(consumer.commit_offset(&partitions[0], 1).await);
        seen(
            consumer
                .commit_offsets(partitions.iter().map(|partition| (partition.clone(), Offset(0))))
                .await,
        );
        seen(consumer.committed_offset(&partitions[0]).await);
        seen(consumer.current_offset(&partitions[0]).await);
        seen(consumer.lag().await);
        consumer.stopped().await;
        consumer.close(SOON).await
    });
}

fn mq_share_consumer(consumer: mq::ShareConsumer) {
    spawn(async move {
        consumer.stopped().await;
        consumer.close(SOON).await
    });
}

fn mq_default(messages: Vec<Message>, topics: Vec<String>, partition: TopicPartition) {
    spawn(async move {
        seen(mq::ping().await);
        seen(mq::send_sync("t", "v").await);
        seen(mq::send_sync_with_key("t", "k", "v").await);
        seen(mq::send_async("t", "v", |sent| seen(sent)).await);
        seen(mq::send_batch_sync(messages.clone()).await);
        seen(mq::send_batch_async(messages, |results| seen(results)).await);
        seen(mq::subscribe(topics.iter().map(|topic| topic.as_str()), async |_: Message| ()).await);
        seen(mq::unsubscribe(topics.iter().map(|topic| topic.as_str())).await);
        seen(mq::commit_offset(&partition, 1).await);
        mq::close().await
    });
}

/// What a service does with messages may use all of it, `send_all` included.
fn mq_handler(consumer: &mq::Consumer, producer: Producer) {
    let handler = move |message: Message| {
        let producer = producer.clone();
        async move {
            let text = message.text().unwrap_or_default();
            producer.send_all(text.lines().map(|line| Record::to("lines").value(line))).await.await
        }
    };
    seen(consumer.subscribe(["t"], handler));
}

#[test]
fn every_public_future_can_be_spawned() {
    // Compiled and not run.
    let _ = (
        client,
        producer,
        share_consumer,
        closes,
        consumer,
        consumer_handle,
        admin_of_topics,
        admin_of_groups,
        admin_of_clusters,
    );
    let _ = (mq_instance, mq_producer, mq_consumer, mq_share_consumer, mq_default, mq_handler);
}

/// A future that is new must be spawned above.
#[test]
fn no_public_future_is_missing() {
    let here = include_str!("spawned.rs");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../src");
    let files = [
        "client.rs",
        "producer/mod.rs",
        "producer/send_all.rs",
        "consumer/mod.rs",
        "consumer/handle.rs",
        "share/mod.rs",
    ]
    .map(str::to_owned);
    let folders = ["admin", "admin/groups", "mq", "mq/consumer"].iter().flat_map(|folder| {
        let files = std::fs::read_dir(root.join(folder)).expect("a folder of the crate");
        files.map(move |file| {
            format!("{folder}/{}", file.expect("a file").file_name().to_string_lossy())
        })
    });
    let mut missing = Vec::new();
    for file in files.into_iter().chain(folders).filter(|file| file.ends_with(".rs")) {
        let source = std::fs::read_to_string(root.join(&file)).expect("a source");
        for after in source.split("pub async fn ").skip(1) {
            let name = after.split(['(', '<']).next().unwrap_or_default();
            let is_spawned =
                here.contains(&format!(".{name}(")) || here.contains(&format!("mq::{name}("));
            // `send_json` is behind a feature that this package does not turn on.
            if !is_spawned && name != "send_json" {
                missing.push(format!("{file}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "spawn these, too: {missing:?}");
}
