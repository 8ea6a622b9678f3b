use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, MetadataRequest, ProduceRequest};
use tokio::time::{Instant, timeout};

use super::client::{Client, one_broker, plain, produce_request};
use crate::embedded::{Fault, Reaction};

#[tokio::test(start_paused = true)]
async fn the_nth_reply_is_lost_after_it_was_applied() {
    let cluster = one_broker().start().await.unwrap();
    let rule = cluster
        .fault(Fault::on(ApiKey::Produce).partition("t", 0).nth(2).then(Reaction::CloseAfter));
    let mut client = Client::to(&cluster, 1);
    assert_eq!(client.produce(plain(&["a"])).await.error_code, 0);
    client.send(&produce_request(plain(&["b"])), 9).await;
    assert!(client.receive::<ProduceRequest>(9).await.is_none());
    assert_eq!(cluster.offsets("t", 0), Some((0, 2)));
    assert_eq!(cluster.fault_hits(rule), 1);
}

#[tokio::test(start_paused = true)]
async fn closing_before_applies_nothing() {
    let cluster = one_broker().start().await.unwrap();
    cluster.fault(Fault::on(ApiKey::Produce).times(1).then(Reaction::CloseBefore));
    let mut client = Client::to(&cluster, 1);
    client.send(&produce_request(plain(&["a"])), 9).await;
    assert!(client.receive::<ProduceRequest>(9).await.is_none());
    assert_eq!(cluster.offsets("t", 0), Some((0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_reply_leaves_the_connection_mute() {
    let cluster = one_broker().start().await.unwrap();
    cluster.fault(Fault::on(ApiKey::Produce).then(Reaction::DropReply));
    let mut client = Client::to(&cluster, 1);
    client.send(&produce_request(plain(&["a"])), 9).await;
    assert!(timeout(Duration::from_secs(3600), client.frame()).await.is_err());
    assert_eq!(cluster.offsets("t", 0), Some((0, 1)));
}

#[tokio::test(start_paused = true)]
async fn a_code_is_answered_and_nothing_done() {
    let cluster = one_broker().start().await.unwrap();
    let error = ResponseError::NotEnoughReplicas;
    let rule = cluster.fault(Fault::on(ApiKey::Produce).then(Reaction::Answer(error)));
    let mut client = Client::to(&cluster, 1);
    assert_eq!(client.produce(plain(&["a"])).await.error_code, error.code());
    cluster.remove_fault(rule);
    assert_eq!(client.produce(plain(&["a"])).await.base_offset, 0);
}

#[tokio::test(start_paused = true)]
async fn a_leader_moves_before_the_request_is_served() {
    let cluster = one_broker().brokers(2).start().await.unwrap();
    cluster.fault(Fault::on(ApiKey::Produce).times(1).then(Reaction::MoveLeader(Some(2))));
    let answer = Client::to(&cluster, 1).produce(plain(&["a"])).await;
    assert_eq!(answer.error_code, ResponseError::NotLeaderOrFollower.code());
    assert_eq!(cluster.leader("t", 0), Some(2));
    assert_eq!(Client::to(&cluster, 2).produce(plain(&["a"])).await.base_offset, 0);
}

#[tokio::test(start_paused = true)]
async fn replies_wait_and_requests_are_tracked() {
    let cluster = one_broker().start().await.unwrap();
    cluster.fault(Fault::any().broker(1).then(Reaction::DelayReply(Duration::from_secs(2))));
    let started = Instant::now();
    Client::to(&cluster, 1).call(&MetadataRequest::default().with_topics(None), 12).await;
    assert_eq!(started.elapsed(), Duration::from_secs(2));
    let requests = cluster.requests_of(ApiKey::Metadata);
    assert_eq!(
        (requests[0].broker, requests[0].version, requests[0].client_id.as_deref()),
        (1, 12, Some("test"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_killed_broker_refuses_and_its_partitions_move() {
    let cluster = one_broker().brokers(2).start().await.unwrap();
    cluster.create_topic("two", 1, 2).unwrap();
    let leader = cluster.leader("two", 0).unwrap();
    let mut client = Client::to(&cluster, leader);
    cluster.kill_broker(leader);
    assert!(client.frame().await.is_none());
    let refused = cluster.connect(&format!("broker-{leader}"), 9092).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(cluster.leader("two", 0), Some(3 - leader));
    cluster.start_broker(leader).await.unwrap();
    assert_eq!(cluster.leader("two", 0), Some(3 - leader));
    assert!(cluster.connect(&format!("broker-{leader}"), 9092).is_ok());
}

#[tokio::test]
async fn a_stopped_broker_listens_again_at_its_old_port() {
    let cluster = crate::embedded::EmbeddedCluster::builder().start().await.unwrap();
    let address = cluster.bootstrap_servers();
    cluster.stop_broker(1);
    cluster.start_broker(1).await.unwrap();
    assert!(tokio::net::TcpStream::connect(&address).await.is_ok());
    cluster.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn lies_are_the_same_for_the_same_seed() {
    let listen = async |seed: u64| {
        let cluster = one_broker().seed(seed).start().await.unwrap();
        cluster.fault(Fault::any().then(Reaction::Mutate));
        let mut frames = Vec::new();
        for _ in 0..50 {
            let mut client = Client::to(&cluster, 1);
            client.send(&MetadataRequest::default().with_topics(None), 12).await;
            frames.push(client.frame().await.unwrap());
        }
        frames
    };
    assert_eq!(listen(3).await, listen(3).await);
    assert_ne!(listen(3).await, listen(4).await);
}
