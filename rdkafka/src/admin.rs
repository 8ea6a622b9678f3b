//! Administration: topics, partitions, records, groups and configurations.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use kavka::TopicPartition;
use kavka::admin::{Admin, ConfigAlteration, Outcomes};

use crate::client::{Client, ClientContext, DefaultClientContext};
use crate::config::{ClientConfig, FromClientConfig, FromClientConfigAndContext};
use crate::error::{KafkaError, KafkaResult, RDKafkaErrorCode, code_of};
use crate::runtime;
use crate::topic_partition_list::{Offset, TopicPartitionList};
use crate::util::{Deadline, Timeout};

mod configs;
mod topics;

pub use self::configs::{
    AlterConfig, AlterConfigsResult, ConfigEntry, ConfigResource, ConfigResourceResult,
    ConfigSource, OwnedResourceSpecifier, ResourceSpecifier,
};
pub use self::topics::{NewPartitions, NewTopic, PartitionAssignment, TopicReplication};

/// How long an operation may take where nothing is said (librdkafka's `socket.timeout.ms`).
const OPERATION: std::time::Duration = std::time::Duration::from_secs(60);

/// Administers a cluster.
///
/// # Errors of its methods
/// [`KafkaError::AdminOpCreation`] for what makes no sense, [`KafkaError::AdminOp`] if the operation
/// failed as a whole; what failed for a part of it is in the results, which are in the order of what
/// was asked for.
pub struct AdminClient<C: ClientContext> {
    client: Client<C>,
}

impl<C: ClientContext> AdminClient<C> {
    /// Creates topics.
    pub fn create_topics<'a, I>(
        &self,
        topics: I,
        opts: &AdminOptions,
    ) -> impl Future<Output = KafkaResult<Vec<TopicResult>>> + use<C, I>
    where
        I: IntoIterator<Item = &'a NewTopic<'a>>,
    {
        let new: KafkaResult<Vec<_>> = topics.into_iter().map(NewTopic::checked).collect();
        self.operation(opts, new, |admin, topics: Vec<(String, kavka::NewTopic)>| async move {
            let (names, topics): (Vec<_>, Vec<_>) = topics.into_iter().unzip();
            in_order(names, admin.create_topics(topics).await)
        })
    }

    /// Deletes topics.
    pub fn delete_topics(
        &self,
        topic_names: &[&str],
        opts: &AdminOptions,
    ) -> impl Future<Output = KafkaResult<Vec<TopicResult>>> + use<C> {
        self.operation(opts, Ok(owned(topic_names)), |admin, names| async move {
            in_order(names.clone(), admin.delete_topics(names).await)
        })
    }

    /// Deletes groups.
    pub fn delete_groups(
        &self,
        group_names: &[&str],
        opts: &AdminOptions,
    ) -> impl Future<Output = KafkaResult<Vec<GroupResult>>> + use<C> {
        self.operation(opts, Ok(owned(group_names)), |admin, names| async move {
            in_order(names.clone(), admin.delete_groups(names).await)
        })
    }

    /// Adds partitions to topics.
    pub fn create_partitions<'a, I>(
        &self,
        partitions: I,
        opts: &AdminOptions,
    ) -> impl Future<Output = KafkaResult<Vec<TopicResult>>> + use<C, I>
    where
        I: IntoIterator<Item = &'a NewPartitions<'a>>,
    {
        let new: KafkaResult<Vec<_>> = partitions.into_iter().map(NewPartitions::checked).collect();
        self.operation(
            opts,
            new,
            |admin, new: Vec<(String, kavka::admin::NewPartitions)>| async move {
                let names = new.iter().map(|(name, _)| name.clone()).collect();
                in_order(names, admin.create_partitions(new).await)
            },
        )
    }

    /// Deletes the records before the offset of each partition; [`Offset::End`] stands for all.
    pub fn delete_records(
        &self,
        offsets: &TopicPartitionList,
        opts: &AdminOptions,
    ) -> impl Future<Output = KafkaResult<TopicPartitionList>> + use<C> {
        self.operation(opts, Ok(offsets.clone()), |admin, list: TopicPartitionList| async move {
            let (mut all, mut some) = (Vec::new(), Vec::new());
            for element in list.elements() {
                let partition = TopicPartition::new(element.topic(), element.partition());
                match element.offset() {
                    Offset::Offset(offset) => some.push((partition, kavka::Offset(offset))),
                    _ => all.push(partition),
                }
            }
            let mut outcomes = admin.delete_records(some).await;
            outcomes.extend(admin.delete_all_records(all).await);
            for mut element in list.elements() {
                let partition = TopicPartition::new(element.topic(), element.partition());
                match outcomes.get(&partition).cloned().map(part).transpose()? {
                    Some(Ok(start)) => element.set_offset(Offset::Offset(start.0))?,
                    // librdkafka knows the partitions before it asks for something of one.
                    Some(Err(RDKafkaErrorCode::UnknownTopicOrPartition)) | None => {
                        element.set_error(Some(RDKafkaErrorCode::UnknownPartition));
                    }
                    Some(Err(code)) => element.set_error(Some(code)),
                }
            }
            Ok(list)
        })
    }

    /// Asks for the configurations of resources.
    pub fn describe_configs<'a, I>(
        &self,
        configs: I,
        opts: &AdminOptions,
    ) -> impl Future<Output = KafkaResult<Vec<ConfigResourceResult>>> + use<C, I>
    where
        I: IntoIterator<Item = &'a ResourceSpecifier<'a>>,
    {
        let asked: Vec<_> = configs.into_iter().map(|specifier| specifier.into_owned()).collect();
        self.operation(opts, Ok(asked), |admin, asked: Vec<OwnedResourceSpecifier>| async move {
            let resources = asked.iter().map(OwnedResourceSpecifier::resource);
            let mut described = admin.describe_configs(resources).await;
            let mut results = Vec::new();
            for specifier in asked {
                let Some(outcome) = described.remove(&specifier.resource()) else { continue };
                results.push(part(outcome)?.map(|entries| {
                    let entries = entries.into_iter().map(ConfigEntry::of).collect();
                    ConfigResource { specifier, entries }
                }));
            }
            Ok(results)
        })
    }

    /// Sets the configurations of resources: what is set is what is given here, all else goes back to
    /// its default.
    pub fn alter_configs<'a, I>(
        &self,
        configs: I,
        opts: &AdminOptions,
    ) -> impl Future<Output = KafkaResult<Vec<AlterConfigsResult>>> + use<C, I>
    where
        I: IntoIterator<Item = &'a AlterConfig<'a>>,
    {
        let asked: Vec<_> = configs.into_iter().map(AlterConfig::owned).collect();
        self.operation(
            opts,
            Ok(asked),
            |admin, asked: Vec<(OwnedResourceSpecifier, Vec<_>)>| async move {
                let resources = asked.iter().map(|(specifier, _)| specifier.resource());
                let mut described = admin.describe_configs(resources).await;
                let (mut alterations, mut refused) = (Vec::new(), HashMap::new());
                for (specifier, entries) in &asked {
                    let resource = specifier.resource();
                    let known = described.remove(&resource).map(part).transpose()?;
                    match known.unwrap_or_else(|| Ok(Vec::new())) {
                        Ok(known) => {
                            let own = known.iter().filter(|entry| specifier.has_set(entry));
                            let own = own.map(|entry| entry.name.as_str());
                            alterations.push((resource, alterations_to(entries, own)));
                        }
                        // What it has of its own could not be taken away.
                        Err(code) => drop(refused.insert(resource, code)),
                    }
                }
                let mut outcomes = admin.alter_configs(alterations).await;
                let mut results = Vec::new();
                for (specifier, _) in asked {
                    let resource = specifier.resource();
                    let outcome = outcomes.remove(&resource).map(part).transpose()?;
                    results.push(
                        match refused.remove(&resource).or(outcome.and_then(Result::err)) {
                            Some(code) => Err((specifier, code)),
                            None => Ok(specifier),
                        },
                    );
                }
                Ok(results)
            },
        )
    }

    /// Returns the client, for questions about the cluster.
    pub fn inner(&self) -> &Client<C> {
        &self.client
    }

    /// Runs an operation on kavka's threads.
    fn operation<A, T, R, F>(
        &self,
        options: &AdminOptions,
        asked: KafkaResult<A>,
        run: R,
    ) -> impl Future<Output = KafkaResult<T>> + use<A, T, R, F, C>
    where
        R: FnOnce(Admin, A) -> F + Send + 'static,
        A: Send + 'static,
        T: Send + 'static,
        F: Future<Output = KafkaResult<T>> + Send,
    {
        let deadline = options.deadline();
        let mut admin = self.client.kavka().admin();
        if options.validate_only {
            admin = admin.validate_only();
        }
        admin = admin.timeout(deadline.left_up_to(OPERATION));
        let task = asked.map(|asked| {
            runtime::spawn(async move {
                if deadline.has_passed() {
                    return Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut));
                }
                run(admin, asked).await
            })
        });
        async move { task?.await.unwrap_or(Err(KafkaError::Canceled)) }
    }
}

impl FromClientConfig for AdminClient<DefaultClientContext> {
    fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
        Self::from_config_and_context(config, DefaultClientContext)
    }
}

impl<C: ClientContext + 'static> FromClientConfigAndContext<C> for AdminClient<C> {
    fn from_config_and_context(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        let config = config.create_native_config()?;
        let context = Arc::new(context);
        let told = Arc::clone(&context);
        // Nobody polls it.
        let tell = move |event: crate::events::ClientEvent| {
            let context = Arc::clone(&told);
            runtime::spawn_blocking(move || event.serve(&*context));
        };
        Ok(Self { client: Client::create(&config, context, tell)? })
    }
}

impl<C: ClientContext> fmt::Debug for AdminClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminClient").field("client", &self.client).finish()
    }
}

/// How an operation is done.
#[derive(Debug, Default)]
pub struct AdminOptions {
    request_timeout: Option<Timeout>,
    operation_timeout: Option<Timeout>,
    validate_only: bool,
}

impl AdminOptions {
    /// Creates options with which nothing is said.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long the operation may take, by default 60 s.
    #[must_use]
    pub fn request_timeout<T: Into<Timeout>>(mut self, timeout: Option<T>) -> Self {
        self.request_timeout = timeout.map(Into::into);
        self
    }

    /// Sets how long the brokers may take; the same as [`AdminOptions::request_timeout`], and the
    /// shorter of both counts.
    #[must_use]
    pub fn operation_timeout<T: Into<Timeout>>(mut self, timeout: Option<T>) -> Self {
        self.operation_timeout = timeout.map(Into::into);
        self
    }

    /// Only checks, and changes nothing.
    #[must_use]
    pub fn validate_only(mut self, validate_only: bool) -> Self {
        self.validate_only = validate_only;
        self
    }

    /// Names the broker to ask, without effect: kavka knows which one an operation is for.
    #[must_use]
    pub fn broker_id<T: Into<Option<i32>>>(self, _broker_id: T) -> Self {
        self
    }

    fn deadline(&self) -> Deadline {
        let timeouts = [self.request_timeout, self.operation_timeout];
        let shortest = timeouts.into_iter().flatten().min();
        shortest.unwrap_or(Timeout::After(OPERATION)).deadline()
    }
}

/// What became of a topic.
pub type TopicResult = Result<String, (String, RDKafkaErrorCode)>;

/// What became of a group.
pub type GroupResult = Result<String, (String, RDKafkaErrorCode)>;

/// What became of each, in the order of `names`.
fn in_order<K: Ord + From<String>, T>(
    names: Vec<String>,
    mut outcomes: Outcomes<K, T>,
) -> KafkaResult<Vec<Result<String, (String, RDKafkaErrorCode)>>> {
    let mut results = Vec::new();
    for name in names {
        results.push(match outcomes.remove(&K::from(name.clone())).map(part).transpose()? {
            Some(Err(code)) => Err((name, code)),
            _ => Ok(name),
        });
    }
    Ok(results)
}

/// What became of a part of an operation, unless no broker has answered: then the whole has failed.
fn part<T>(outcome: kavka::Result<T>) -> KafkaResult<Result<T, RDKafkaErrorCode>> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(error) if error.code().is_none() => Err(KafkaError::AdminOp(code_of(&error))),
        Err(error) => Ok(Err(code_of(&error))),
    }
}

/// What leads from the entries that a resource has of its own to those that it is to have.
fn alterations_to<'a>(
    entries: &[(String, String)],
    own: impl Iterator<Item = &'a str>,
) -> Vec<ConfigAlteration> {
    let set = entries.iter().map(|(name, value)| ConfigAlteration::set(name, value));
    let gone = own.filter(|name| !entries.iter().any(|(given, _)| given == name));
    set.chain(gone.map(ConfigAlteration::delete)).collect()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_resource_has_of_its_own_and_is_not_given_goes_back_to_its_default() {
        let entries = [("a".to_owned(), "1".to_owned())];
        let expected = vec![ConfigAlteration::set("a", "1"), ConfigAlteration::delete("b")];
        assert_eq!(alterations_to(&entries, ["a", "b"].into_iter()), expected);
    }
}
