//! Groups and what they have committed.

use std::collections::BTreeSet;

use kavka::admin::{GroupFilter, GroupState, GroupType, MemberToRemove, NewOffset};
use kavka::{ErrorCode, GroupId, Offset, TopicPartition};

use super::{Bench, GROUPS, one, partition, refused, topic, until};
use crate::support::{PATIENCE, earliest, produce};

pub(super) async fn classic(bench: &Bench) {
    let admin = &bench.admin;
    topic(bench, "grouped", 3, 3).await;
    produce(&bench.client, "grouped", 3, 0..30).await;
    let all: BTreeSet<TopicPartition> = (0..3).map(|number| partition("grouped", number)).collect();

    // A group that only has offsets.
    let offset =
        |number| (partition("grouped", number), NewOffset::new(Offset(4)).metadata("by hand"));
    let altered = admin.alter_group_offsets("idle", [offset(0), offset(1), offset(9)]).await;
    altered[&partition("grouped", 0)].as_ref().unwrap();
    let missing = altered[&partition("grouped", 9)].as_ref().unwrap_err();
    assert_eq!(missing.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{missing}");
    let described = bench.java(GROUPS, &["--describe", "--group", "idle"]).await;
    let rows = described
        .lines()
        .filter(|line| line.split_whitespace().take(4).eq(["idle", "grouped", "0", "4"]));
    assert_eq!(rows.count(), 1, "{described}");
    let mut committed = admin.list_group_offsets(["idle", "none"]).await;
    assert!(committed.remove("none").unwrap().unwrap().is_empty());
    let committed = committed.remove("idle").unwrap().unwrap();
    let first = committed[&partition("grouped", 0)].as_ref().unwrap();
    assert_eq!((first.offset, first.metadata.as_str(), committed.len()), (Offset(4), "by hand", 2));
    one(admin.delete_group_offsets("idle", [partition("grouped", 1)]).await).unwrap();
    let left = one(admin.list_group_offsets(["idle"]).await).unwrap();
    assert_eq!(left.len(), 1);

    // A group that works.
    let mut consumer =
        bench.client.consumer(earliest().group_id("busy").group_instance_id("first")).unwrap();
    consumer.subscribe(["grouped"]).unwrap();
    consumer.recv().await.unwrap();
    consumer.commit().await.unwrap();
    let listed = admin
        .list_groups(GroupFilter::all().states([GroupState::Stable]).types([GroupType::Classic]))
        .await
        .unwrap();
    assert_eq!(listed.items.iter().map(|group| group.id.as_str()).collect::<Vec<_>>(), ["busy"]);
    assert!(
        listed.failures.is_empty() && listed.items[0].protocol_type.as_deref() == Some("consumer"),
        "{listed:?}"
    );
    let listed = admin.list_groups(GroupFilter::all()).await.unwrap();
    let idle = listed.items.iter().find(|group| group.id.as_str() == "idle").unwrap();
    assert_eq!(idle.state, Some(GroupState::Empty));
    let mut described = admin.describe_classic_groups(["busy", "none"]).await;
    let busy = described.remove("busy").unwrap().unwrap();
    assert_eq!((busy.state, busy.protocol_type.as_deref()), (GroupState::Stable, Some("consumer")));
    assert_eq!(
        (busy.members[0].instance_id.as_deref(), &busy.members[0].assignment),
        (Some("first"), &all)
    );
    assert_eq!(
        refused(described.remove("none").unwrap(), "group none"),
        ErrorCode::GROUP_ID_NOT_FOUND
    );
    let same = one(admin.describe_consumer_groups(["busy"]).await).unwrap();
    assert_eq!((same.kind, &same.members[0].assignment), (GroupType::Classic, &all));
    let members = bench.java(GROUPS, &["--describe", "--members", "--group", "busy"]).await;
    assert!(members.contains(&same.members[0].id) && same.coordinator.is_some(), "{members}");

    // What cannot be done to it while it works.
    assert_eq!(
        refused(one(admin.delete_groups(["busy"]).await), "group busy"),
        ErrorCode::NON_EMPTY_GROUP
    );
    let altered = one(admin.alter_group_offsets("busy", [offset(0)]).await);
    assert_eq!(refused(altered, "grouped-0"), ErrorCode::UNKNOWN_MEMBER_ID);
    let deleted = one(admin.delete_group_offsets("busy", [partition("grouped", 0)]).await);
    assert_eq!(refused(deleted, "grouped-0"), ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC);
    let stranger = MemberToRemove::Member("stranger".into());
    assert_eq!(
        refused(one(admin.remove_members("busy", [stranger], "test").await), "stranger"),
        ErrorCode::UNKNOWN_MEMBER_ID
    );

    // Its member is sent away, and it is deleted.
    drop(consumer);
    let empty = async || {
        let removed = admin.remove_all_members("busy", "test").await;
        let group = one(admin.describe_classic_groups(["busy"]).await);
        (removed.is_ok(), group.map(|group| group.state).ok())
    };
    until("the group to be empty", empty, |(_, state)| *state == Some(GroupState::Empty)).await;
    let deleted = admin.delete_groups(["busy", "idle", "none"]).await;
    assert!(deleted["busy"].is_ok() && deleted["idle"].is_ok(), "{deleted:?}");
    let none = deleted["none"].as_ref().unwrap_err().code();
    assert_eq!(none, Some(ErrorCode::GROUP_ID_NOT_FOUND));
    let listed = bench.java(GROUPS, &["--list"]).await;
    assert!(!listed.contains("busy") && !listed.contains("idle"), "{listed}");
}

pub(super) async fn consumer(bench: &Bench) {
    let admin = &bench.admin;
    let bootstrap = bench.cluster.bootstrap();
    let mut java = bench
        .cluster
        .tool("org.apache.kafka.tools.consumer.ConsoleConsumer")
        .args(["--bootstrap-server", &bootstrap, "--topic", "grouped", "--group", "modern"])
        .args(["--consumer-property", "group.protocol=consumer"])
        .spawn()
        .unwrap();
    let described = until(
        "the member",
        async || one(admin.describe_consumer_groups(["modern"]).await),
        |group| {
            group.as_ref().is_ok_and(|group| {
                group.members.first().is_some_and(|member| member.assignment.len() == 3)
            })
        },
    );
    let group = described.await.unwrap();
    assert_eq!(
        (group.kind, group.state, group.assignor.as_deref()),
        (GroupType::Consumer, GroupState::Stable, Some("uniform"))
    );
    let member = &group.members[0];
    assert_eq!(
        (member.target_assignment.as_ref(), member.is_classic),
        (Some(&member.assignment), Some(false))
    );
    let other = one(admin.describe_classic_groups(["modern"]).await);
    assert_eq!(refused(other, "group modern"), ErrorCode::GROUP_ID_NOT_FOUND);
    java.kill().await.unwrap();
}

pub(super) async fn share(bench: &Bench) {
    let admin = &bench.admin;
    let bootstrap = bench.cluster.bootstrap();
    let mut java = bench
        .cluster
        .tool("org.apache.kafka.tools.consumer.ConsoleShareConsumer")
        .args(["--bootstrap-server", &bootstrap, "--topic", "grouped", "--group", "shared"])
        .spawn()
        .unwrap();
    let described = until(
        "the member",
        async || one(admin.describe_share_groups(["shared"]).await),
        |group| {
            group.as_ref().is_ok_and(|group| {
                group.members.first().is_some_and(|member| member.assignment.len() == 3)
            })
        },
    );
    let group = described.await.unwrap();
    assert_eq!(group.state, GroupState::Stable);
    let offset = |number| (partition("grouped", number), Offset(2));
    let altered = one(admin.alter_share_group_offsets("shared", [offset(0)]).await);
    assert_eq!(refused(altered, "grouped-0"), ErrorCode::NON_EMPTY_GROUP);
    java.terminate().unwrap();
    java.wait(PATIENCE).await.unwrap();
    until(
        "the group to be empty",
        async || one(admin.describe_share_groups(["shared"]).await),
        |group| group.as_ref().is_ok_and(|group| group.state == GroupState::Empty),
    )
    .await
    .unwrap();
    one(admin.alter_share_group_offsets("shared", [offset(0)]).await).unwrap();
    let mut offsets = one(admin.list_share_group_offsets(["shared"]).await).unwrap();
    let first = offsets.remove(&partition("grouped", 0)).unwrap().unwrap();
    assert_eq!(first.start, Some(Offset(2)));
    let printed = bench
        .java(
            "org.apache.kafka.tools.consumer.group.ShareGroupCommand",
            &["--describe", "--offsets", "--group", "shared"],
        )
        .await;
    let row = |line: &str| line.split_whitespace().take(4).eq(["shared", "grouped", "0", "2"]);
    assert!(printed.lines().any(row), "{printed}");
    one(admin.delete_share_group_offsets("shared", ["grouped"]).await).unwrap();
    let gone = one(admin.delete_share_group_offsets("shared", ["none"]).await);
    assert_eq!(refused(gone, "topic none"), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let other = one(admin.describe_streams_groups(["shared"]).await);
    assert_eq!(refused(other, "group shared"), ErrorCode::GROUP_ID_NOT_FOUND);
    let listed = admin.list_groups(GroupFilter::all().types([GroupType::Share])).await.unwrap();
    assert_eq!(listed.items.len(), 1, "{listed:?}");
    one(admin.delete_groups([GroupId::from("shared")]).await).unwrap();
}
