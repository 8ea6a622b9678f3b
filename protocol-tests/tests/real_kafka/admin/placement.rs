//! Where partitions are, and who leads them.

use kavka::admin::{Election, FeatureUpdate, Replica};
use kavka::{BrokerId, ErrorCode, ErrorKind, NewTopic};

use super::{Bench, one, partition, refused, until};
use crate::support::produce;

const REASSIGN: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";

pub(super) async fn placement(bench: &Bench) {
    let admin = &bench.admin;
    let brokers = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
    admin.create_topic(NewTopic::new("moved").assignments([brokers(&[1, 2])])).await.unwrap();
    produce(&bench.client, "moved", 1, 0..1000).await;
    let moved = partition("moved", 0);
    let unmoved = one(admin.alter_reassignments([(moved.clone(), None)]).await);
    assert_eq!(refused(unmoved, "moved-0"), ErrorCode::NO_REASSIGNMENT_IN_PROGRESS);
    let impossible = one(admin.alter_reassignments([(moved.clone(), Some(brokers(&[9])))]).await);
    assert_eq!(refused(impossible, "moved-0"), ErrorCode::INVALID_REPLICA_ASSIGNMENT);
    let grown = one(admin
        .alter_reassignments_of_same_size([(moved.clone(), Some(brokers(&[1, 2, 3])))])
        .await);
    match bench.is_at_least(4, 1) {
        true => assert_eq!(refused(grown, "moved-0"), ErrorCode::INVALID_REPLICATION_FACTOR),
        false => assert_eq!(grown.unwrap_err().kind(), ErrorKind::Unsupported),
    }

    // A move that is held up by a node that sleeps is seen and cancelled.
    bench.cluster.stop(3).await.unwrap();
    one(admin.alter_reassignments([(moved.clone(), Some(brokers(&[1, 3])))]).await).unwrap();
    let under_way = admin.list_reassignments().await.unwrap();
    assert_eq!(
        (&under_way[&moved].adding, &under_way[&moved].removing),
        (&brokers(&[3]), &brokers(&[2]))
    );
    assert_eq!(admin.list_reassignments_of([moved.clone()]).await.unwrap(), under_way);
    let printed = bench.java(REASSIGN, &["--list"]).await;
    assert!(printed.contains("moved-0"), "{printed}");
    one(admin.alter_reassignments([(moved.clone(), None)]).await).unwrap();
    assert!(admin.list_reassignments().await.unwrap().is_empty());

    // And one that ends; then the preferred leader leads again.
    bench.cluster.restart(3).await.unwrap();
    one(admin.alter_reassignments([(moved.clone(), Some(brokers(&[3, 1])))]).await).unwrap();
    until(
        "the end of the move",
        async || admin.list_reassignments().await.unwrap(),
        |moves| moves.is_empty(),
    )
    .await;
    let described = async || admin.describe_topic("moved").await.unwrap().partitions.remove(0);
    until("the new place", described, |found| {
        found.replicas == brokers(&[3, 1]) && found.in_sync_replicas.len() == 2
    })
    .await;
    let elected = one(admin.elect_leaders(Election::Preferred, [moved.clone()]).await);
    if let Err(error) = &elected {
        assert_eq!(error.code(), Some(ErrorCode::ELECTION_NOT_NEEDED), "{error}");
    }
    until("the preferred leader", described, |found| found.leader == Some(BrokerId(3))).await;
    let again = one(admin.elect_leaders(Election::Preferred, [moved.clone()]).await);
    assert_eq!(refused(again, "moved-0"), ErrorCode::ELECTION_NOT_NEEDED);
    let unclean = one(admin.elect_leaders(Election::Unclean, [moved]).await);
    assert_eq!(refused(unclean, "moved-0"), ErrorCode::ELECTION_NOT_NEEDED);
    for (partition, elected) in admin.elect_all_leaders(Election::Preferred).await.unwrap() {
        elected.unwrap_or_else(|error| panic!("{partition}: {error}"));
    }
    let printed = bench.java(super::TOPICS, &["--describe", "--topic", "moved"]).await;
    assert!(printed.contains("Leader: 3\tReplicas: 3,1"), "{printed}");
}

pub(super) async fn log_dirs(bench: &Bench) {
    let admin = &bench.admin;
    let mut described = admin.describe_log_dirs([1, 9]).await;
    assert_eq!(
        refused(described.remove(&BrokerId(9)).unwrap(), "broker 9"),
        ErrorCode::BROKER_NOT_AVAILABLE
    );
    let dirs = described.remove(&BrokerId(1)).unwrap().unwrap();
    let dir = &dirs[0];
    let size = dir.replicas[&partition("moved", 0)].size;
    assert!(dir.error.is_none() && dir.total_bytes > Some(0) && size > 0, "{dir:?}");
    let printed = bench
        .java(
            "org.apache.kafka.tools.LogDirsCommand",
            &["--describe", "--topic-list", "moved", "--broker-list", "1"],
        )
        .await;
    assert!(
        printed.contains(&format!("\"size\":{size}")) && printed.contains(&dir.path),
        "{printed}"
    );
    let replica = |broker: i32| Replica::new(partition("moved", 0), broker);
    let mut found = admin.describe_replica_log_dirs([replica(1), replica(2)]).await;
    assert_eq!(found.remove(&replica(1)).unwrap().unwrap()[&dir.path].size, size);
    assert_eq!(
        refused(found.remove(&replica(2)).unwrap(), "moved-0 on broker 2"),
        ErrorCode::REPLICA_NOT_AVAILABLE
    );
    let stays = admin.alter_replica_log_dirs([(replica(1), dir.path.clone())]).await;
    one(stays).unwrap();
    let nowhere = admin.alter_replica_log_dirs([(replica(1), "/none")]).await;
    assert_eq!(refused(one(nowhere), "moved-0 on broker 1"), ErrorCode::LOG_DIR_NOT_FOUND);
}

pub(super) async fn cluster(bench: &Bench) {
    let admin = &bench.admin;
    let cluster = admin.describe_cluster().await.unwrap();
    assert_eq!(cluster.brokers.iter().map(|broker| broker.id.0).collect::<Vec<_>>(), [1, 2, 3]);
    let id = cluster.cluster_id.unwrap();
    // This tool wants its command first.
    let bootstrap = bench.cluster.internal_bootstrap();
    let tool = bench.cluster.tool("org.apache.kafka.tools.ClusterTool").args([
        "cluster-id",
        "--bootstrap-server",
        &bootstrap,
    ]);
    let printed = tool.run().await.unwrap();
    assert!(printed.contains(&id), "{printed}");
    assert!(cluster.authorized_operations.is_some_and(|operations| operations.len() > 5));
    match admin.describe_registered_brokers().await {
        Ok(brokers) => {
            assert!(brokers.iter().all(|broker| broker.is_fenced == Some(false)), "{brokers:?}")
        }
        Err(error) => {
            assert!(!bench.is_at_least(4, 0) && error.kind() == ErrorKind::Unsupported, "{error}")
        }
    }
    let gone = admin.unregister_broker(9).await;
    assert_eq!(refused(gone, "broker 9"), ErrorCode::BROKER_ID_NOT_REGISTERED);
    if bench.is_at_least(4, 0) {
        // One that is down is still registered until it is forgotten; when it comes back it
        // registers anew.
        let registered = async || {
            let brokers = admin.describe_registered_brokers().await.unwrap();
            brokers
                .into_iter()
                .map(|broker| (broker.id.0, broker.is_fenced == Some(true)))
                .collect::<Vec<_>>()
        };
        bench.cluster.stop(3).await.unwrap();
        until("the broker to be fenced", registered, |found| found.contains(&(3, true))).await;
        admin.unregister_broker(3).await.unwrap();
        until("the broker to be forgotten", registered, |found| *found == [(1, false), (2, false)])
            .await;
        bench.cluster.restart(3).await.unwrap();
        until("the broker to be back", registered, |found| found.contains(&(3, false))).await;
    }

    let quorum = admin.describe_quorum().await.unwrap();
    assert_eq!(quorum.voters.len(), 3);
    let printed =
        bench.java("org.apache.kafka.tools.MetadataQuorumCommand", &["describe", "--status"]).await;
    let leader = printed
        .lines()
        .find_map(|line| line.strip_prefix("LeaderId:"))
        .unwrap_or_else(|| panic!("{printed}"));
    assert_eq!(leader.trim(), quorum.leader.unwrap().to_string());
    let voter = kavka::admin::Voter::new(9, kavka::DirectoryId([9; 16]));
    let added =
        admin.add_voter(voter.clone().endpoint("CONTROLLER", "localhost", 1)).await.unwrap_err();
    for outcome in [
        admin.add_voter(voter.clone().cluster_id("another")).await,
        admin.remove_voter(voter.clone().cluster_id("another")).await,
    ] {
        assert_eq!(refused(outcome, "voter 9"), ErrorCode::INCONSISTENT_CLUSTER_ID);
    }
    let removed = admin.remove_voter(voter).await.unwrap_err();
    // These voters are fixed in the properties.
    for error in [added, removed] {
        assert!(error.to_string().contains("voter 9"), "{error}");
        assert_eq!(error.code(), Some(ErrorCode::UNSUPPORTED_VERSION), "{error}");
    }

    let features = admin.describe_features().await.unwrap();
    let level = *features.features["metadata.version"].finalized.as_ref().unwrap().end();
    assert!(features.epoch.is_some());
    assert_eq!(
        admin.describe_features_of(2).await.unwrap().features.len(),
        features.features.len()
    );
    unregistered_controllers(bench).await;
    let validated = admin
        .clone()
        .validate_only()
        .update_features([("metadata.version", FeatureUpdate::upgrade(level))])
        .await;
    one(validated).unwrap();
    let refusal =
        one(admin.update_features([("metadata.version", FeatureUpdate::upgrade(9999))]).await);
    assert_eq!(refused(refusal, "feature metadata.version"), ErrorCode::INVALID_UPDATE_VERSION);
    if bench.is_at_least(4, 2) {
        one(admin.update_features([("share.version", FeatureUpdate::safe_downgrade(0))]).await)
            .unwrap();
        let printed = bench
            .java_until("org.apache.kafka.tools.FeatureCommand", &["describe"], |printed| {
                let row = printed.lines().find(|line| line.contains("share.version"));
                row.is_some_and(|row| row.contains("FinalizedVersionLevel: 0"))
            })
            .await;
        assert!(printed.contains("share.version"), "{printed}");
        one(admin.update_features([("share.version", FeatureUpdate::upgrade(1))]).await).unwrap();
    }
}

/// A controller that there never was, which brokers before 4.4 cannot be told.
async fn unregistered_controllers(bench: &Bench) {
    let absent = bench.admin.unregister_controller(9).await.unwrap_err();
    if !bench.is_at_least(4, 4) {
        assert_eq!(absent.kind(), kavka::ErrorKind::Unsupported, "{absent}");
        return;
    }
    assert_eq!(absent.code(), Some(ErrorCode::CONTROLLER_ID_NOT_REGISTERED), "{absent}");
    assert!(absent.to_string().contains("controller 9"), "{absent}");
}
