use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};

use super::client::{Client, batch, one_broker, plain, produce_request};
use crate::embedded::log::batch::build;
use crate::embedded::log::records::encode;

#[tokio::test(start_paused = true)]
async fn what_was_produced_lies_in_the_log() {
    let cluster = one_broker().start().await.unwrap();
    let mut client = Client::to(&cluster, 1);
    assert_eq!(client.produce(plain(&["a", "b"])).await.base_offset, 0);
    assert_eq!(client.produce(plain(&["c"])).await.base_offset, 2);
    let log = cluster.log("t", 0);
    assert_eq!(log.iter().map(|batch| batch.header.base_offset).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(log[0].records().unwrap()[1].value, Some(&b"b"[..]));
    assert_eq!(cluster.offsets("t", 0), Some((0, 3)));
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_of_the_last_five_batches_gets_its_old_offset() {
    let cluster = one_broker().start().await.unwrap();
    let mut client = Client::to(&cluster, 1);
    for sequence in 0..6 {
        assert_eq!(
            client.produce(batch((7, 0, sequence), &["x"])).await.base_offset,
            i64::from(sequence)
        );
    }
    for sequence in 1..6 {
        let again = client.produce(batch((7, 0, sequence), &["x"])).await;
        assert_eq!((again.error_code, again.base_offset), (0, i64::from(sequence)));
    }
    let too_old = client.produce(batch((7, 0, 0), &["x"])).await;
    assert_eq!(too_old.error_code, ResponseError::OutOfOrderSequenceNumber.code());
    assert_eq!(cluster.offsets("t", 0), Some((0, 6)));
}

#[tokio::test(start_paused = true)]
async fn sequences_follow_each_other_within_an_epoch() {
    let cluster = one_broker().start().await.unwrap();
    let mut client = Client::to(&cluster, 1);
    let code = async |client: &mut Client, producer| {
        client.produce(batch(producer, &["x"])).await.error_code
    };
    assert_eq!(code(&mut client, (7, 3, 41)).await, 0, "any first sequence of an unknown producer");
    assert_eq!(code(&mut client, (7, 3, 43)).await, ResponseError::OutOfOrderSequenceNumber.code());
    assert_eq!(code(&mut client, (7, 3, 42)).await, 0);
    assert_eq!(code(&mut client, (7, 2, 43)).await, ResponseError::InvalidProducerEpoch.code());
    assert_eq!(code(&mut client, (7, 4, 43)).await, ResponseError::OutOfOrderSequenceNumber.code());
    assert_eq!(code(&mut client, (7, 4, 0)).await, 0, "a new epoch starts at 0");
    assert_eq!(code(&mut client, (8, 0, i32::MAX)).await, 0);
    assert_eq!(code(&mut client, (8, 0, 0)).await, 0, "the sequence wraps");
}

#[tokio::test(start_paused = true)]
async fn malformed_batches_are_refused() {
    let cluster = one_broker().message_max_bytes(200).start().await.unwrap();
    let mut client = Client::to(&cluster, 1);
    let mut flipped = plain(&["a"]).to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(
        client.produce(flipped.into()).await.error_code,
        ResponseError::CorruptMessage.code()
    );
    let two = [plain(&["a"]), plain(&["b"])].concat();
    assert_eq!(client.produce(two.into()).await.error_code, ResponseError::InvalidRecord.code());
    let large = plain(&[&"x".repeat(300)]);
    assert_eq!(client.produce(large).await.error_code, ResponseError::MessageTooLarge.code());
    assert_eq!(cluster.offsets("t", 0), Some((0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_compacted_topic_names_the_records_without_a_key() {
    let cluster = one_broker().start().await.unwrap();
    cluster.set_topic_config("t", "cleanup.policy", "compact");
    let records = [(Some(&b"k"[..]), Some(&b"v"[..])), (None, Some(&b"v"[..]))];
    let answer =
        Client::to(&cluster, 1).produce(build(0, 0, -1, -1, -1, 2, &encode(&records))).await;
    assert_eq!(answer.error_code, ResponseError::InvalidRecord.code());
    assert_eq!(answer.record_errors.iter().map(|error| error.batch_index).collect::<Vec<_>>(), [1]);
}

#[tokio::test(start_paused = true)]
async fn log_append_time_is_written_over_the_producers() {
    let cluster = one_broker().start().await.unwrap();
    cluster.set_topic_config("t", "message.timestamp.type", "LogAppendTime");
    let answer = Client::to(&cluster, 1).produce(plain(&["a"])).await;
    let stored = &cluster.log("t", 0)[0];
    assert_eq!(answer.log_append_time_ms, 1_700_000_000_000);
    assert_eq!(stored.header.max_timestamp, answer.log_append_time_ms);
    assert!(stored.header.is_log_append_time());
    assert!(crate::embedded::log::batch::crc_matches(&stored.bytes, &stored.header));
}

#[tokio::test(start_paused = true)]
async fn another_leader_is_named_with_its_address() {
    let cluster = one_broker().brokers(2).topic("two", 1, 2).start().await.unwrap();
    cluster.move_leader("t", 0, Some(2));
    let mut client = Client::to(&cluster, 1);
    let response: ProduceResponse = client.call(&produce_request(plain(&["a"])), 10).await;
    let partition = &response.responses[0].partition_responses[0];
    assert_eq!(partition.error_code, ResponseError::NotLeaderOrFollower.code());
    assert_eq!(
        (partition.current_leader.leader_id.0, partition.current_leader.leader_epoch),
        (2, 1)
    );
    assert_eq!(&*response.node_endpoints[0].host, "broker-2");
}

#[tokio::test(start_paused = true)]
async fn without_acks_there_is_no_reply_and_an_error_closes() {
    let cluster = one_broker().start().await.unwrap();
    let mut client = Client::to(&cluster, 1);
    client.send(&produce_request(plain(&["a"])).with_acks(0), 9).await;
    assert_eq!(client.produce(plain(&["b"])).await.base_offset, 1);
    client
        .send(&produce_request([plain(&["a"]), plain(&["b"])].concat().into()).with_acks(0), 9)
        .await;
    assert!(client.receive::<ProduceRequest>(9).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn too_few_replicas_refuse_acks_all() {
    let cluster = one_broker().brokers(2).start().await.unwrap();
    cluster.create_topic("u", 1, 2).unwrap();
    cluster.set_topic_config("t", "min.insync.replicas", "2");
    let answer = Client::to(&cluster, 1).produce(plain(&["a"])).await;
    assert_eq!(answer.error_code, ResponseError::NotEnoughReplicas.code());
}
