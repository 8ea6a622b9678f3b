//! A client that is as plain as can be.

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    FetchRequest, ProduceRequest, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::embedded::api::exchange::Asked;
use crate::embedded::log::batch::build;
use crate::embedded::log::records::encode;
use crate::embedded::{Builder, EmbeddedCluster};

pub(super) struct Client {
    stream: Box<dyn Stream>,
    correlation: i32,
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Client {
    pub(super) fn to(cluster: &EmbeddedCluster, broker: i32) -> Self {
        Self::over(cluster.connect(&format!("broker-{broker}"), 9092).unwrap())
    }

    pub(super) fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), correlation: 0 }
    }

    pub(super) async fn send<R: Asked>(&mut self, request: &R, version: i16) {
        self.correlation += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("test")));
        let mut frame = BytesMut::new();
        header.encode(&mut frame, R::request_header(version)).unwrap();
        request.write_request(&mut frame, version).unwrap();
        self.stream.write_i32(i32::try_from(frame.len()).unwrap()).await.unwrap();
        self.stream.write_all(&frame).await.unwrap();
    }

    /// The next frame, or `None` at the end of the connection.
    pub(super) async fn frame(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.stream.read_i32().await.ok()?).unwrap();
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(frame.into())
    }

    pub(super) async fn receive<R: Asked>(&mut self, version: i16) -> Option<R::Response> {
        let mut frame = self.frame().await?;
        let header = ResponseHeader::decode(&mut frame, R::reply_header(version)).unwrap();
        assert_eq!(header.correlation_id, self.correlation);
        let response = R::read_reply(&mut frame, version).unwrap();
        assert!(!frame.has_remaining(), "the reply is longer than its message");
        Some(response)
    }

    pub(super) async fn call<R: Asked>(&mut self, request: &R, version: i16) -> R::Response {
        self.send(request, version).await;
        let answered = self.receive::<R>(version).await;
        answered.unwrap_or_else(|| {
            panic!("the broker closed the connection over key {} version {version}", R::KEY)
        })
    }

    /// Produces one batch to partition 0 of `t`.
    pub(super) async fn produce(&mut self, batch: Bytes) -> PartitionProduceResponse {
        let response = self.call(&produce_request(batch), 9).await;
        response.responses[0].partition_responses[0].clone()
    }
}

/// One broker in memory with a topic `t` of one partition.
pub(super) fn one_broker() -> Builder {
    EmbeddedCluster::builder().in_memory().topic("t", 1, 1)
}

/// A batch of a producer: id, epoch, first sequence.
pub(super) fn batch(producer: (i64, i16, i32), values: &[&str]) -> Bytes {
    let records: Vec<_> = values.iter().map(|value| (None, Some(value.as_bytes()))).collect();
    let count = i32::try_from(values.len()).unwrap();
    build(0, 1_000, producer.0, producer.1, producer.2, count, &encode(&records))
}

pub(super) fn plain(values: &[&str]) -> Bytes {
    batch((-1, -1, -1), values)
}

pub(super) fn name(topic: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(topic))
}

pub(super) fn produce_request(batch: Bytes) -> ProduceRequest {
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(batch));
    let topic =
        TopicProduceData::default().with_name(name("t")).with_partition_data(vec![partition]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(1000).with_topic_data(vec![topic])
}

pub(super) fn fetch_request(offset: i64) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(0)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(name("t")).with_partitions(vec![partition]);
    FetchRequest::default().with_max_bytes(1 << 20).with_min_bytes(1).with_topics(vec![topic])
}
