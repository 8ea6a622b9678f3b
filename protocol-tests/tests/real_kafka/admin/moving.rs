//! Operations in the middle of which the controller, a coordinator or a leader moves, since their node is killed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kavka::admin::{ConfigAlteration, ConfigResource, NewOffset, OffsetSpec};
use kavka::{Admin, ErrorCode, NewTopic, Offset};

use super::{Bench, TOPICS, one, partition, topic, until};
use crate::support::{in_time, sized};

#[tokio::test(flavor = "multi_thread")]
async fn operations_go_on_while_controller_coordinator_and_leader_are_killed() {
    let bench = Bench::start(None).await;
    topic(&bench, "kept", 3, 3).await;
    one(bench.admin.alter_group_offsets("kept", [(partition("kept", 0), NewOffset::new(Offset(0)))]).await).unwrap();
    for round in 0..sized(2, 10) {
        let controller = bench.admin.describe_quorum().await.unwrap().leader.unwrap();
        let coordinator = one(bench.admin.describe_consumer_groups(["kept"]).await).unwrap().coordinator.unwrap();
        // In turn the active controller, which is a broker too, and the coordinator.
        let victim = if round % 2 == 0 { controller } else { coordinator };
        eprintln!("round {round}: controller {controller}, coordinator {coordinator}, killed {victim}");
        let over = Arc::new(AtomicBool::new(false));
        let working = tokio::spawn(work(bench.admin.clone(), round, Arc::clone(&over)));
        let node = u16::try_from(victim.0).unwrap();
        bench.cluster.kill(node).await.unwrap();
        // What is asked now is asked of a dead node first.
        in_time("operations without the node", step(&bench.admin, &format!("during-{round}"))).await;
        bench.cluster.restart(node).await.unwrap();
        over.store(true, Ordering::Relaxed);
        let made = in_time("the work to end", working).await.unwrap();
        eprintln!("{} rounds of work", made.len());
        let listed = bench.java(TOPICS, &["--list"]).await;
        let listed: BTreeSet<&str> = listed.lines().collect();
        assert!(made.iter().all(|name| listed.contains(name.as_str())), "{made:?} are not all in {listed:?}");
        until(
            "all in sync",
            async || bench.admin.describe_topic("kept").await,
            |topic| {
                topic.as_ref().is_ok_and(|topic| topic.partitions.iter().all(|partition| partition.in_sync_replicas.len() == 3))
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

/// One operation for each place that is asked: controller, coordinator, leaders, any broker.
async fn step(admin: &Admin, name: &str) {
    // A repetition of what was done before the connection broke meets it.
    match admin.create_topic(NewTopic::new(name).partitions(1).replication_factor(2)).await {
        Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {}
        made => drop(made.unwrap()),
    }
    let change = ConfigAlteration::set("retention.ms", "100000");
    one(admin.alter_configs([(ConfigResource::topic("kept"), vec![change])]).await).unwrap();
    let offsets = [(partition("kept", 0), NewOffset::new(Offset(7)))];
    one(admin.alter_group_offsets("kept", offsets).await).unwrap();
    let committed = one(admin.list_group_offsets(["kept"]).await).unwrap();
    assert_eq!(committed[&partition("kept", 0)].as_ref().unwrap().offset, Offset(7));
    let ends = admin.list_offsets((0..3).map(|number| (partition("kept", number), OffsetSpec::Latest))).await;
    for (partition, end) in ends {
        end.unwrap_or_else(|error| panic!("{partition}: {error}"));
    }
    admin.describe_topic("kept").await.unwrap();
}
