//! The exactly-once session: what goes in comes out once, whatever happens to members, handlers and
//! futures; on embedded brokers under paused time, by both protocols.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kavka::admin::NewOffset;
use kavka::{
    AssignmentStrategy, AutoOffsetReset, Client, ClientConfig, ConsumerConfig, Error, ErrorKind,
    ExactlyOnce, ProducerConfig, Record, RecordBatch, TopicPartition, TransactionSender,
};
use kavka_protocol_tests::InMemory;
use kavka_testcontainers::embedded::{
    ApiKey, EmbeddedCluster, ErrorCode, Fault, FaultId, Reaction,
};

const PARTITIONS: i32 = 4;
const EACH: u32 = 200;

async fn cluster(level: i16) -> EmbeddedCluster {
    let cluster = EmbeddedCluster::builder()
        .brokers(3)
        .in_memory()
        .topic("in", PARTITIONS, 3)
        .topic("out", PARTITIONS, 3)
        .transaction_version(level)
        .start()
        .await
        .expect("a cluster");
    for partition in 0..PARTITIONS {
        append(&cluster, partition, 0..EACH);
    }
    cluster
}

fn append(cluster: &EmbeddedCluster, partition: i32, values: Range<u32>) {
    for value in values {
        let value = format!("{partition}-{value}");
        cluster.append("in", partition, &[(None, Some(value.as_bytes()))]).expect("appended");
    }
}

fn client(cluster: &EmbeddedCluster, seed: u64) -> Client {
    let config = ClientConfig::new(cluster.bootstrap_servers())
        .connector(InMemory(cluster.clone()))
        .seed(seed);
    Client::new(config).expect("a client")
}

fn session(client: &Client, id: &str) -> ExactlyOnce {
    session_as(client, id, ConsumerConfig::new())
}

fn session_as(client: &Client, id: &str, input: ConsumerConfig) -> ExactlyOnce {
    let input = input.group_id("copiers").auto_offset_reset(AutoOffsetReset::Earliest);
    let output = ProducerConfig::new().transactional_id(id);
    let session = client.exactly_once(input, output).expect("a session").max_records(37);
    session.subscribe(["in"]).expect("subscribed");
    session
}

/// Copies each record to the same partition.
async fn copy(batch: RecordBatch, output: TransactionSender) -> Result<(), Error> {
    for record in &batch {
        let copied = Record::to("out").partition(record.partition()).value(record.value());
        drop(output.send(copied).await?);
    }
    Ok(())
}

async fn copy_slowly(batch: RecordBatch, output: TransactionSender) -> Result<(), Error> {
    tokio::time::sleep(Duration::from_millis(40)).await;
    copy(batch, output).await
}

/// What readers of committed records see of each partition, in order.
fn copied(cluster: &EmbeddedCluster) -> BTreeMap<i32, Vec<String>> {
    let of = |partition| {
        let batches = cluster.committed_log("out", partition);
        let values = batches.iter().flat_map(|batch| {
            let records = batch.records().expect("readable");
            let text = |value: Option<&[u8]>| {
                String::from_utf8_lossy(value.expect("a value")).into_owned()
            };
            records.into_iter().map(|record| text(record.value)).collect::<Vec<_>>()
        });
        (partition, values.collect())
    };
    (0..PARTITIONS).map(of).collect()
}

fn all() -> BTreeMap<i32, Vec<String>> {
    let of =
        |partition| (partition, (0..EACH).map(|value| format!("{partition}-{value}")).collect());
    (0..PARTITIONS).map(of).collect()
}

#[track_caller]
fn assert_copied_once(cluster: &EmbeddedCluster, case: &str) {
    for (partition, values) in copied(cluster) {
        assert_eq!(values, all()[&partition], "{case}, partition {partition}");
    }
}

#[tokio::test(start_paused = true)]
async fn members_that_come_and_go_copy_each_record_once() {
    for level in [1, 2] {
        let cluster = cluster(level).await;
        let mut running = Vec::new();
        for (number, life) in [(1, 3_000), (2, 9_000), (3, 60_000)] {
            let client = client(&cluster, number);
            let mut session = session(&client, &format!("copier-{number}"));
            running.push(tokio::spawn(async move {
                let ended =
                    tokio::time::timeout(Duration::from_millis(life), session.run(copy_slowly));
                assert!(ended.await.is_err(), "it runs until it is dropped");
                session.close(Duration::from_secs(10)).await.expect("closed");
            }));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        for member in running {
            member.await.expect("no panic");
        }
        assert_copied_once(&cluster, &format!("level {level}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_gets_the_same_records_again() {
    for level in [1, 2] {
        let cluster = cluster(level).await;
        let client = client(&cluster, 7);
        let mut session = session(&client, "copier");
        let calls = Arc::new(AtomicU32::new(0));
        for _ in 0..20 {
            let calls = &calls;
            let run = session.run(|batch, output| async move {
                copy(batch, output).await?;
                match calls.fetch_add(1, Ordering::Relaxed) % 5 {
                    3 => Err(std::io::Error::other("no").into()),
                    _ => Ok::<_, Box<dyn std::error::Error + Send + Sync>>(()),
                }
            });
            match tokio::time::timeout(Duration::from_secs(5), run).await {
                Ok(failed) => assert_eq!(failed.unwrap_err().to_string(), "no"),
                Err(_) => break,
            }
        }
        // Futures that are dropped anywhere lose nothing, too.
        for millis in 1..60 {
            let run = session.run(copy);
            let _dropped = tokio::time::timeout(Duration::from_millis(millis), run).await;
        }
        let _dropped = tokio::time::timeout(Duration::from_secs(20), session.run(copy)).await;
        session.close(Duration::from_secs(10)).await.expect("closed");
        assert_copied_once(&cluster, &format!("level {level}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_session_of_the_same_id_fences_the_first() {
    for level in [1, 2] {
        let cluster = cluster(level).await;
        let (old, new) = (client(&cluster, 1), client(&cluster, 2));
        let (mut old, mut new) = (session(&old, "copier"), session(&new, "copier"));
        let first = tokio::spawn(async move { old.run(copy_slowly).await });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let second = tokio::spawn(async move {
            let _dropped = tokio::time::timeout(Duration::from_secs(120), new.run(copy)).await;
            new.close(Duration::from_secs(10)).await
        });
        let fenced = tokio::time::timeout(Duration::from_secs(90), first).await;
        let fenced = fenced.expect("in time").expect("no panic").expect_err("fenced");
        assert_eq!(fenced.kind(), ErrorKind::ProducerFenced, "{fenced}");
        second.await.expect("no panic").expect("closed");
        assert_copied_once(&cluster, &format!("level {level}"));
    }
}

/// Its place in the group is another's for good, so that asking again would have no end.
#[tokio::test(start_paused = true)]
async fn a_session_ends_when_another_has_its_group_instance_id() {
    let cluster = cluster(2).await;
    let (one, two) = (client(&cluster, 1), client(&cluster, 2));
    let session = |client, id| session_as(client, id, ConsumerConfig::new().group_instance_id("i"));
    let mut first = session(&one, "first");
    let first = tokio::spawn(async move { first.run(copy).await });
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_copied_once(&cluster, "the first");
    let mut second = session(&two, "second");
    let second = tokio::spawn(async move { second.run(copy).await });
    let ended = tokio::time::timeout(Duration::from_secs(60), first).await;
    let error = ended.expect("in time").expect("no panic").expect_err("it has lost its place");
    assert_eq!(error.code(), Some(kavka::ErrorCode::FENCED_INSTANCE_ID), "{error}");
    assert!(!second.is_finished());
}

/// Waits until a rule has met a request.
async fn met(cluster: &EmbeddedCluster, fault: FaultId) {
    while cluster.fault_hits(fault) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The handler fails, and its transaction is aborted and what it has read is gone back to, while a
/// question about the position is under way, whose answer is of the place before.
#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_after_an_abort_does_not_move_what_it_has_gone_back_to() {
    for level in [1, 2] {
        for question in [ApiKey::ListOffsets, ApiKey::OffsetForLeaderEpoch] {
            let cluster = cluster(level).await;
            let client = client(&cluster, 11);
            let admin = client.admin();
            let begin =
                (0..PARTITIONS).map(|at| (TopicPartition::new("in", at), NewOffset::new(0)));
            let begun = admin.alter_group_offsets("copiers", begin).await.into_values();
            begun.for_each(|begun| begun.expect("committed"));
            // Behind a slow answer all others on its connection wait.
            cluster.move_leader("in", 0, Some(1));
            cluster.move_transaction_coordinator("copier", Some(2));
            let input = ConsumerConfig::new()
                .group_id("copiers")
                // What a question about the end would skip, and one about a log that was cut.
                .auto_offset_reset(AutoOffsetReset::Latest);
            let output = ProducerConfig::new().transactional_id("copier");
            let mut session = client.exactly_once(input, output).expect("a session");
            session.subscribe(["in"]).expect("subscribed");

            let slow = Fault::on(question).then(Reaction::DelayReply(Duration::from_secs(1)));
            let slow = cluster.fault(slow);
            let (asked, has_failed) = (&cluster, Arc::new(AtomicU32::new(0)));
            let run = session.run(|batch, output| {
                let has_failed = Arc::clone(&has_failed);
                async move {
                    let is_first = batch.topic_partition().partition.0 == 0
                        && has_failed.fetch_add(1, Ordering::Relaxed) == 0;
                    copy(batch, output).await?;
                    if !is_first {
                        return Ok::<_, Box<dyn std::error::Error + Send + Sync>>(());
                    }
                    if question == ApiKey::ListOffsets {
                        let gone = Reaction::Answer(ErrorCode::OffsetOutOfRange);
                        asked.fault(Fault::on(ApiKey::Fetch).partition("in", 0).nth(1).then(gone));
                    } else {
                        asked.truncate("in", 0, 20);
                        asked.move_leader("in", 0, Some(3));
                    }
                    met(asked, slow).await;
                    // Nothing is fetched again before the answer comes.
                    let late = Reaction::Delay(Duration::from_secs(2));
                    asked.fault(Fault::on(ApiKey::Fetch).times(3).then(late));
                    Err(std::io::Error::other("no").into())
                }
            });
            run.await.expect_err("the handler's own");
            cluster.remove_fault(slow);
            if question == ApiKey::OffsetForLeaderEpoch {
                append(&cluster, 0, 20..EACH);
            }
            let _dropped = tokio::time::timeout(Duration::from_secs(30), session.run(copy)).await;
            session.close(Duration::from_secs(10)).await.expect("closed");
            assert_copied_once(&cluster, &format!("level {level}, {question:?}"));
        }
    }
}

/// The log is cut below the transaction at work, and others write where it was.
#[tokio::test(start_paused = true)]
async fn what_is_written_where_a_log_was_cut_is_not_skipped() {
    let cluster = cluster(2).await;
    let client = client(&cluster, 31);
    let mut session = session(&client, "copier");
    let is_cut = AtomicU32::new(0);
    let (asked, is_cut) = (&cluster, &is_cut);
    for _ in 0..5 {
        let run = session.run(|batch, output| async move {
            let last = batch.iter().last().expect("a record").offset();
            let at = batch.topic_partition().partition.0;
            copy(batch, output).await?;
            // In the second transaction, as the first is of 37 records.
            if at == 0 && last.0 > 60 && is_cut.fetch_add(1, Ordering::Relaxed) == 0 {
                asked.truncate("in", 0, 20);
                for value in 20..EACH {
                    let value = format!("new-{value}");
                    let record = [(None, Some(value.as_bytes()))];
                    asked.append("in", 0, &record).expect("appended");
                }
                asked.move_leader("in", 0, None);
                tokio::time::sleep(Duration::from_secs(5)).await;
                return Err(std::io::Error::other("no").into());
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        });
        let _told = tokio::time::timeout(Duration::from_secs(30), run).await;
    }
    session.close(Duration::from_secs(10)).await.expect("closed");
    let copied = copied(&cluster).remove(&0).expect("partition 0");
    let new: Vec<_> = copied.into_iter().filter(|value| value.starts_with("new")).collect();
    let all: Vec<_> = (20..EACH).map(|value| format!("new-{value}")).collect();
    assert_eq!(new, all);
}

/// ```text
///  one:  reads ── partitions go ── commits … ── run is dropped          ── the commit is refused ── runs again
///  two:                                          ── has them ── copies ── leaves ──▶
/// ```
#[tokio::test(start_paused = true)]
async fn what_another_has_copied_meanwhile_is_not_gone_back_to() {
    for level in [1, 2] {
        let cluster = cluster(level).await;
        let (one, two) = (client(&cluster, 21), client(&cluster, 22));
        // What comes back then does so while nobody runs the session: nothing goes for it.
        let input = ConsumerConfig::new()
            .partition_assignment_strategy([AssignmentStrategy::CooperativeSticky]);
        let mut first = session_as(&one, "copier-1", input.clone())
            .commit_interval(Duration::from_secs(30))
            .max_records(1_000_000);
        let late = Fault::on(ApiKey::TxnOffsetCommit).times(1);
        let late = cluster.fault(late.then(Reaction::Delay(Duration::from_secs(10))));

        let mut second = None;
        let committing = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            second = Some(session_as(&two, "copier-2", input));
            met(&cluster, late).await;
        };
        tokio::select! {
            biased;
            () = committing => {}
            ended = first.run(copy) => panic!("{ended:?}"),
        }
        let mut second = second.expect("it has begun");
        let _dropped = tokio::time::timeout(Duration::from_secs(20), second.run(copy)).await;
        second.close(Duration::from_secs(10)).await.expect("closed");
        // Long enough for its partitions to come back, and for the refused commit to end.
        tokio::time::sleep(Duration::from_secs(20)).await;
        let _dropped = tokio::time::timeout(Duration::from_secs(90), first.run(copy)).await;
        first.close(Duration::from_secs(10)).await.expect("closed");
        assert_copied_once(&cluster, &format!("level {level}"));
    }
}
