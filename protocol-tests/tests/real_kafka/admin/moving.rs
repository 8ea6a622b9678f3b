//! Operations in the middle of which the controller, a coordinator or a leader moves, since their
//! node is killed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kavka::admin::{
    AclBinding, AclFilter, AclOperation, ConfigAlteration, ConfigResource, Election, FeatureUpdate,
    GroupFilter, MemberToRemove, NewOffset, OffsetSpec, QuotaAlteration, QuotaEntity, QuotaFilter,
    ResourcePattern, ScramCredential, ScramMechanism, TransactionFilter,
};
use kavka::{Admin, ErrorCode, NewTopic, Offset};

use super::{Bench, TOPICS, one, partition, refused, topic, until};
use crate::support::{in_time, sized};

#[tokio::test(flavor = "multi_thread")]
async fn operations_go_on_while_controller_coordinator_and_leader_are_killed() {
    let bench = Bench::start(None).await;
    topic(&bench, "kept", 3, 3).await;
    one(bench
        .admin
        .alter_group_offsets("kept", [(partition("kept", 0), NewOffset::new(Offset(0)))])
        .await)
    .unwrap();
    for round in 0..sized(2, 10) {
        let controller = bench.admin.describe_quorum().await.unwrap().leader.unwrap();
        let coordinator =
            one(bench.admin.describe_consumer_groups(["kept"]).await).unwrap().coordinator.unwrap();
        // In turn the active controller, which is a broker too, and the coordinator.
        let victim = if round % 2 == 0 { controller } else { coordinator };
        eprintln!(
            "round {round}: controller {controller}, coordinator {coordinator}, killed {victim}"
        );
        let over = Arc::new(AtomicBool::new(false));
        let working = tokio::spawn(work(bench.admin.clone(), round, Arc::clone(&over)));
        let node = u16::try_from(victim.0).unwrap();
        bench.cluster.kill(node).await.unwrap();
        // What is asked now is asked of a dead node first.
        in_time("operations without the node", step(&bench.admin, &format!("during-{round}")))
            .await;
        bench.cluster.restart(node).await.unwrap();
        over.store(true, Ordering::Relaxed);
        let made = in_time("the work to end", working).await.unwrap();
        eprintln!("{} rounds of work", made.len());
        let listed = bench.java(TOPICS, &["--list"]).await;
        let listed: BTreeSet<&str> = listed.lines().collect();
        assert!(
            made.iter().all(|name| listed.contains(name.as_str())),
            "{made:?} are not all in {listed:?}"
        );
        until(
            "all in sync",
            async || bench.admin.describe_topic("kept").await,
            |topic| {
                topic.as_ref().is_ok_and(|topic| {
                    topic.partitions.iter().all(|partition| partition.in_sync_replicas.len() == 3)
                })
            },
        )
        .await
        .unwrap();
    }
    bench.close().await;
}

/// Works until told to stop; returns the topics that were made.
async fn work(admin: Admin, round: u32, over: Arc<AtomicBool>) -> Vec<String> {
    let mut made = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let name = format!("made-{round}-{}", made.len());
        step(&admin, &name).await;
        made.push(name);
    }
    made
}

/// Operations of every place that is asked: controller, coordinators, leaders, each broker, any
/// broker.
async fn step(admin: &Admin, name: &str) {
    by_the_controller(admin, name).await;
    by_coordinators(admin, name).await;
    by_leaders(admin).await;
    by_brokers(admin).await;
}

async fn by_the_controller(admin: &Admin, name: &str) {
    // A repetition of what was done before the connection broke meets it.
    match admin.create_topic(NewTopic::new(name).partitions(1).replication_factor(2)).await {
        Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {}
        made => drop(made.unwrap()),
    }
    let change = ConfigAlteration::set("retention.ms", "100000");
    one(admin.alter_configs([(ConfigResource::topic("kept"), vec![change])]).await).unwrap();
    let rule = AclBinding::allow(ResourcePattern::cluster(), "User:nobody", AclOperation::Describe);
    one(admin.create_acls([rule.clone()]).await).unwrap();
    one(admin.delete_acls([AclFilter::from(rule)]).await).unwrap();
    admin.describe_acls(AclFilter::any()).await.unwrap();
    let rate = QuotaAlteration::set("producer_byte_rate", 1e9);
    one(admin.alter_quotas([(QuotaEntity::user("nobody"), vec![rate])]).await).unwrap();
    admin.describe_quotas(QuotaFilter::all()).await.unwrap();
    admin
        .upsert_scram_user("nobody", ScramCredential::new(ScramMechanism::Sha256), "secret")
        .await
        .unwrap();
    admin.describe_scram_users(Vec::<String>::new()).await.unwrap();
    admin.list_reassignments().await.unwrap();
    let cancelled = one(admin.alter_reassignments([(partition("kept", 0), None)]).await);
    assert_eq!(refused(cancelled, "kept-0"), ErrorCode::NO_REASSIGNMENT_IN_PROGRESS);
    for (partition, elected) in
        admin.elect_leaders(Election::Preferred, [partition("kept", 0)]).await
    {
        let allowed = [ErrorCode::ELECTION_NOT_NEEDED, ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE];
        let is_fine = elected.as_ref().map_or_else(
            |error| error.code().is_some_and(|code| allowed.contains(&code)),
            |()| true,
        );
        assert!(is_fine, "{partition}: {elected:?}");
    }
    let update = FeatureUpdate::upgrade(1);
    one(admin.clone().validate_only().update_features([("group.version", update)]).await).unwrap();
    admin.describe_quorum().await.unwrap();
}

async fn by_coordinators(admin: &Admin, name: &str) {
    let offsets = [(partition("kept", 0), NewOffset::new(Offset(7)))];
    one(admin.alter_group_offsets("kept", offsets).await).unwrap();
    let committed = one(admin.list_group_offsets(["kept"]).await).unwrap();
    assert_eq!(committed[&partition("kept", 0)].as_ref().unwrap().offset, Offset(7));
    one(admin.describe_consumer_groups(["kept"]).await).unwrap();
    // A group of its own, as another step goes on beside this one.
    let group = format!("passing-{name}");
    let passing = [(partition("kept", 1), NewOffset::new(Offset(0)))];
    one(admin.alter_group_offsets(group.as_str(), passing).await).unwrap();
    one(admin.delete_group_offsets(group.as_str(), [partition("kept", 1)]).await).unwrap();
    // Without offsets the group is gone by itself, or is deleted here, or was by a try whose reply
    // was lost.
    if let Err(error) = one(admin.delete_groups([group.as_str()]).await) {
        assert_eq!(error.code(), Some(ErrorCode::GROUP_ID_NOT_FOUND), "{error}");
    }
    let stranger = MemberToRemove::Member("stranger".into());
    let removed = one(admin.remove_members("kept", [stranger], "test").await);
    assert_eq!(refused(removed, "stranger"), ErrorCode::UNKNOWN_MEMBER_ID);
    let transaction = one(admin.describe_transactions(["none"]).await);
    assert_eq!(refused(transaction, "none"), ErrorCode::TRANSACTIONAL_ID_NOT_FOUND);
    one(admin.fence_producers(["fenced"]).await).unwrap();
}

async fn by_leaders(admin: &Admin) {
    let all = || (0..3).map(|number| partition("kept", number));
    for (partition, end) in
        admin.list_offsets(all().map(|partition| (partition, OffsetSpec::Latest))).await
    {
        end.unwrap_or_else(|error| panic!("{partition}: {error}"));
    }
    for (partition, deleted) in admin.delete_all_records(all()).await {
        deleted.unwrap_or_else(|error| panic!("{partition}: {error}"));
    }
    for (partition, producers) in admin.describe_producers(all()).await {
        producers.unwrap_or_else(|error| panic!("{partition}: {error}"));
    }
}

async fn by_brokers(admin: &Admin) {
    admin.describe_topic("kept").await.unwrap();
    admin.describe_cluster().await.unwrap();
    admin.describe_features().await.unwrap();
    one(admin.describe_configs([ConfigResource::topic("kept")]).await).unwrap();
    // A broker that is down is not asked, or fails by itself.
    let alone = admin.clone().timeout(Duration::from_secs(10));
    alone.list_groups(GroupFilter::all()).await.unwrap();
    alone.list_transactions(TransactionFilter::all()).await.unwrap();
    let described = alone.describe_log_dirs([1, 2, 3]).await;
    assert!(described.values().filter(|dirs| dirs.is_ok()).count() >= 2, "{described:?}");
}
