//! What records go through: the client's producer, or that of `kavka::mq` on the same client
//! (`--mq`).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use kavka::mq::{self, Mq};
use kavka::{Client, Delivery, Producer, ProducerConfig, Record};
use kavka_programs::{Outcome, Stop};

use super::options::Options;

/// Sends records.
#[derive(Clone, Debug)]
pub(crate) enum Pipe {
    Client(Producer),
    Mq(Mq),
}

/// A record that was handed over.
#[derive(Debug)]
pub(crate) enum Pending {
    Client(Delivery),
    Mq(mq::Receipt),
}

impl Pipe {
    pub(crate) fn open(options: &Options, client: &Client) -> Outcome<Self> {
        if options.mq {
            return Ok(Self::Mq(Mq::with_client(client.clone(), options.mq_config()?)?));
        }
        Ok(Self::Client(
            client.producer(ProducerConfig::from_properties(&options.properties(&[])?)?)?,
        ))
    }

    pub(crate) async fn send(&self, record: Record<'_>) -> Outcome<Pending> {
        match self {
            Self::Client(producer) => Ok(Pending::Client(producer.send(record).await?)),
            Self::Mq(mq) => Ok(Pending::Mq(mq.producer().send(record).await?)),
        }
    }

    /// Sends what lingers; if that cannot be said, the records tell why.
    pub(crate) async fn flush(&self) {
        let _ = match self {
            Self::Client(producer) => producer.flush().await.is_ok(),
            Self::Mq(mq) => mq.producer().flush().await.is_ok(),
        };
    }

    pub(crate) async fn close(self, timeout: Duration) {
        let _ = match self {
            Self::Client(producer) => producer.close(timeout).await.is_ok(),
            Self::Mq(mq) => mq.producer().close(timeout).await.is_ok(),
        };
    }
}

impl Pending {
    pub(crate) fn partition(&self) -> usize {
        let partition = match self {
            Self::Client(delivery) => Some(delivery.topic_partition()),
            Self::Mq(receipt) => receipt.topic_partition(),
        };
        partition.and_then(|partition| usize::try_from(partition.partition.0).ok()).unwrap_or(0)
    }

    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Outcome<()>> {
        match self {
            Self::Client(delivery) => {
                Pin::new(delivery).poll(context).map(|told| told.map(drop).map_err(Stop::from))
            }
            Self::Mq(receipt) => {
                Pin::new(receipt).poll(context).map(|told| told.map(drop).map_err(Stop::from))
            }
        }
    }
}
