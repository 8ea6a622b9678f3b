//! What topics there are and who keeps them, page by page (KIP-966), so that no answer is huge.

use std::collections::{BTreeMap, BTreeSet};

use super::{AclOperation, Admin, Outcomes, acls, check, non_negative, only};
use crate::cluster::{PartitionDescription, Route, partition_description};
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::{BrokerId, PartitionId, TopicId, TopicName};
use crate::wire::messages::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, RequestCursor, TopicRequest,
};
use crate::wire::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseTopic,
};

/// Partitions in a page: what brokers allow at most by default
/// (`max.request.partition.size.limit`).
const PARTITIONS_A_PAGE: i32 = 2000;

/// Topics in a page of a broker that knows no pages.
const TOPICS_A_PAGE: usize = 500;

/// A topic in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicListing {
    /// The topic's name.
    pub name: TopicName,
    /// The topic's id; `None` from brokers before 2.8.
    pub id: Option<TopicId>,
    /// Whether the topic is internal to Kafka.
    pub is_internal: bool,
}

/// A topic and its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicDescription {
    /// The topic's name.
    pub name: TopicName,
    /// The topic's id; `None` from brokers before 2.8.
    pub id: Option<TopicId>,
    /// Whether the topic is internal to Kafka.
    pub is_internal: bool,
    /// The partitions, in order.
    pub partitions: Vec<PartitionDescription>,
    /// The operations the client may perform on the topic, if the broker tells (2.3 and newer).
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

/// Describes topics and their partitions page by page; [`TopicPages::next`] returns the next page.
///
/// This avoids the large response for all topics of a large cluster: a page has about 2,000
/// partitions. Brokers before 3.8 do not support pages; they are asked for 500 topics at a time, or
/// for all topics at once if no names are given.
#[derive(Debug)]
pub struct TopicPages {
    admin: Admin,
    /// What is still to be described, or `None` for all that there is.
    names: Option<BTreeSet<TopicName>>,
    cursor: Option<(TopicName, PartitionId)>,
    is_done: bool,
}

type Page = Vec<(TopicName, Result<TopicDescription>)>;

impl TopicPages {
    /// Returns the next page, or `None` after the last. A topic that does not fit in a page is
    /// returned again in the next one, with further partitions.
    ///
    /// # Errors
    /// The last failure, of the class [`Class::Retriable`](crate::Class::Retriable), if no broker
    /// answered in time; the next call requests the same page again.
    ///
    /// # Cancel safety
    /// Safe: the next call returns the same page.
    pub async fn next(&mut self) -> Result<Option<Page>> {
        if self.is_done || self.names.as_ref().is_some_and(BTreeSet::is_empty) {
            return Ok(None);
        }
        let (page, cursor) = match self.next_by_cursor().await {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                (self.next_by_metadata().await?, None)
            }
            answered => {
                let (page, cursor) = answered?;
                if cursor.is_none() {
                    self.is_done = true;
                }
                (page, cursor)
            }
        };
        if cursor.is_some() && cursor <= self.cursor {
            return Err(Error::new(ErrorKind::Protocol, "the pages of topics do not go on"));
        }
        if let (Some(names), Some((next, _))) = (&mut self.names, &cursor) {
            *names = names.split_off(next);
        }
        self.cursor = cursor;
        Ok(Some(page))
    }

    async fn next_by_cursor(&self) -> Result<(Page, Option<(TopicName, PartitionId)>)> {
        let request = |_| DescribeTopicPartitionsRequest {
            topics: self.names.iter().flatten().map(|name| TopicRequest { name }).collect(),
            response_partition_limit: PARTITIONS_A_PAGE,
            cursor: self.cursor.as_ref().map(|(topic, partition)| RequestCursor {
                topic_name: topic,
                partition_index: partition.0,
            }),
        };
        let read = |response: &DescribeTopicPartitionsResponse<'_>| {
            let cursor = response.next_cursor.as_ref();
            let cursor = cursor.map(|cursor| {
                (TopicName::from(cursor.topic_name), PartitionId(cursor.partition_index))
            });
            Ok((paged(response), cursor))
        };
        self.admin.ask(Route::Any, request, read).await
    }

    async fn next_by_metadata(&mut self) -> Result<Page> {
        let asked: Option<BTreeSet<TopicName>> =
            self.names.as_ref().map(|names| names.iter().take(TOPICS_A_PAGE).cloned().collect());
        let topics = asked.as_ref().map(|names| {
            let topic = |name| MetadataRequestTopic {
                name: Some(TopicName::as_str(name)),
                ..MetadataRequestTopic::default()
            };
            names.iter().map(topic).collect::<Vec<_>>()
        });
        let page = self.admin.metadata(topics, |response| {
            let named = response
                .topics
                .iter()
                .filter_map(|topic| Some((TopicName::from(topic.name?), description(topic))));
            Ok(named.collect())
        });
        let page = page.await?;
        match (&mut self.names, asked) {
            (Some(names), Some(asked)) => names.retain(|name| !asked.contains(name)),
            _ => self.is_done = true,
        }
        Ok(page)
    }
}

impl Admin {
    /// Lists all topics that the client may see, by name.
    ///
    /// # Errors
    /// The last failure, of the class [`Class::Retriable`](crate::Class::Retriable), if no broker
    /// answered in time.
    pub async fn list_topics(&self) -> Result<Vec<TopicListing>> {
        let mut pages = self.begun().all_topic_pages();
        let mut topics = BTreeMap::new();
        while let Some(page) = pages.next().await? {
            for (name, topic) in page {
                if let Ok(TopicDescription { id, is_internal, .. }) = topic {
                    topics.insert(name.clone(), TopicListing { name, id, is_internal });
                }
            }
        }
        Ok(topics.into_values().collect())
    }

    /// Describes topics.
    ///
    /// # Errors
    /// For a topic: [`UNKNOWN_TOPIC_OR_PARTITION`](crate::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) if
    /// it does not exist, or not yet on the broker that answered; the class
    /// [`Class::InvalidConfiguration`](crate::Class::InvalidConfiguration) if the client lacks the
    /// permission.
    pub async fn describe_topics(
        &self,
        names: impl IntoIterator<Item = impl Into<TopicName>>,
    ) -> Outcomes<TopicName, TopicDescription> {
        let names: BTreeSet<TopicName> = names.into_iter().map(Into::into).collect();
        let mut described: Outcomes<TopicName, TopicDescription> = BTreeMap::new();
        let mut pages = self.begun().topic_pages(names.clone());
        let failure = loop {
            let page = match pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => {
                    break Error::new(ErrorKind::Protocol, "the reply does not speak of it");
                }
                Err(error) => break error,
            };
            for (name, topic) in page.into_iter().filter(|(name, _)| names.contains(name)) {
                match (described.get_mut(&name), topic) {
                    (Some(Ok(known)), Ok(more)) => known.partitions.extend(more.partitions),
                    (_, topic) => {
                        let topic =
                            topic.map_err(|error| error.with_context(format_args!("topic {name}")));
                        described.insert(name, topic);
                    }
                }
            }
        };
        // Where the pages stopped, a topic may have come in part.
        if let Some((name, _)) = &pages.cursor {
            described.remove(name);
        }
        for name in names {
            let missing = || Err(failure.clone().with_context(format_args!("topic {name}")));
            described.entry(name.clone()).or_insert_with(missing);
        }
        described
    }

    /// Describes one topic.
    ///
    /// # Errors
    /// As [`Admin::describe_topics`].
    pub async fn describe_topic(&self, name: impl Into<TopicName>) -> Result<TopicDescription> {
        only(self.describe_topics([name.into()]).await)
    }

    /// Describes topics by their ids.
    ///
    /// # Errors
    /// For a topic: [`UNKNOWN_TOPIC_ID`](crate::ErrorCode::UNKNOWN_TOPIC_ID);
    /// [`ErrorKind::Unsupported`] before Kafka 3.1.
    pub async fn describe_topics_by_id(
        &self,
        ids: impl IntoIterator<Item = TopicId>,
    ) -> Outcomes<TopicId, TopicDescription> {
        let ids = super::keys::<TopicId>(ids);
        let read = |_: &[_], response: &MetadataResponse<'_>| {
            check(response.error_code, None)?;
            Ok(response
                .topics
                .iter()
                .map(|topic| (topic.topic_id.into(), description(topic)))
                .collect())
        };
        self.ask_each(
            &ids,
            |_| Route::Any,
            |share, _| MetadataRequest {
                topics: Some(
                    share
                        .iter()
                        .map(|(id, ())| MetadataRequestTopic {
                            topic_id: (**id).into(),
                            name: None,
                        })
                        .collect(),
                ),
                include_topic_authorized_operations: true,
                allow_auto_topic_creation: false,
                ..MetadataRequest::default()
            },
            read,
        )
        .await
    }

    /// Describes topics page by page.
    pub fn topic_pages(&self, names: impl IntoIterator<Item = impl Into<TopicName>>) -> TopicPages {
        let names = names.into_iter().map(Into::into).collect();
        TopicPages { admin: self.clone(), names: Some(names), cursor: None, is_done: false }
    }

    /// Describes all topics that the client may see, page by page.
    pub fn all_topic_pages(&self) -> TopicPages {
        TopicPages { admin: self.clone(), names: None, cursor: None, is_done: false }
    }

    /// Asks for some topics, or with `None` for all, and reads the reply.
    pub(super) async fn metadata<T>(
        &self,
        topics: Option<Vec<MetadataRequestTopic<'_>>>,
        read: impl Fn(&MetadataResponse<'_>) -> Result<T>,
    ) -> Result<T> {
        let request = |version| MetadataRequest {
            topics: topics.clone(),
            allow_auto_topic_creation: false,
            include_topic_authorized_operations: version >= 8
                && topics.as_ref().is_none_or(|topics| !topics.is_empty()),
            ..MetadataRequest::default()
        };
        let read = |response: &MetadataResponse<'_>| {
            check(response.error_code, None)?;
            read(response)
        };
        self.ask(Route::Any, request, read).await
    }
}

fn brokers(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

fn paged(response: &DescribeTopicPartitionsResponse<'_>) -> Page {
    let partition = |partition: &DescribeTopicPartitionsResponsePartition| PartitionDescription {
        id: PartitionId(partition.partition_index),
        leader: non_negative(partition.leader_id),
        leader_epoch: non_negative(partition.leader_epoch),
        replicas: brokers(&partition.replica_nodes),
        in_sync_replicas: brokers(&partition.isr_nodes),
        offline_replicas: brokers(&partition.offline_replicas),
        eligible_leader_replicas: partition.eligible_leader_replicas.as_deref().map(brokers),
        last_known_eligible_leader_replicas: partition.last_known_elr.as_deref().map(brokers),
    };
    let topics = response.topics.iter().filter_map(|topic| {
        let name = TopicName::from(topic.name?);
        let described = check(topic.error_code, None).map(|()| TopicDescription {
            name: name.clone(),
            id: topic.topic_id.known(),
            is_internal: topic.is_internal,
            partitions: topic.partitions.iter().map(partition).collect(),
            authorized_operations: acls::operations(topic.topic_authorized_operations),
        });
        Some((name, described))
    });
    topics.collect()
}

fn description(topic: &MetadataResponseTopic<'_>) -> Result<TopicDescription> {
    check(topic.error_code, None)?;
    let name = topic.name.ok_or_else(|| Error::broker(ErrorCode::UNKNOWN_TOPIC_ID))?;
    let mut partitions: Vec<PartitionDescription> =
        topic.partitions.iter().map(partition_description).collect();
    partitions.sort_by_key(|partition| partition.id);
    Ok(TopicDescription {
        name: TopicName::from(name),
        id: topic.topic_id.known(),
        is_internal: topic.is_internal,
        partitions,
        authorized_operations: acls::operations(topic.topic_authorized_operations),
    })
}
