//! One question about many items: split by the broker that must be asked of each, asked of all
//! brokers at once, joined, and asked again where that may help.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Instant;

use futures_util::future::join_all;
use tracing::debug;

use super::coordinators::CoordinatorKey;
use super::pool::Node;
use super::{Cluster, InterestGuard, Lane, MetadataInterest, Route};
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::{BrokerId, TopicName, TopicPartition};
use crate::runtime;
use crate::wire::call::Request;

/// How often something unknown is asked for: a topic that was made a moment ago may not be known
/// everywhere yet, but one that does not exist must not keep the caller until the deadline. With
/// the default backoff that is about a second and a half.
const TRIES_OF_THE_UNKNOWN: u32 = 4;

/// What a question can be about.
pub(crate) trait Item: Ord + Clone + fmt::Display {
    /// What it is, for messages.
    const KIND: &'static str;

    /// Why no broker has such an item, whose name in a request might be the end of a connection
    /// that others use.
    fn impossible(&self) -> Option<ErrorCode> {
        None
    }
}

impl Item for TopicName {
    const KIND: &'static str = "topic";

    fn impossible(&self) -> Option<ErrorCode> {
        (!self.is_legal()).then_some(ErrorCode::INVALID_TOPIC_EXCEPTION)
    }
}

impl Item for TopicPartition {
    const KIND: &'static str = "partition";

    fn impossible(&self) -> Option<ErrorCode> {
        self.topic.impossible()
    }
}

impl Item for BrokerId {
    const KIND: &'static str = "broker";
}

/// The answers, one for each item.
pub(crate) type Answers<K, T> = BTreeMap<K, Result<T>>;

impl Cluster {
    /// Asks about items, each where `route` says, until each has an answer that will not change by
    /// asking again.
    ///
    /// `request` makes the question to one broker about its share of the items; `read` finds the
    /// answers in the reply, or the error of the reply as a whole, which is then that of each item
    /// asked of it. Errors name their item.
    ///
    /// # Cancel safety
    /// If the future is dropped, requests may still be sent; their replies are thrown away.
    pub(crate) async fn fan_out<'k, K: Item, V, T, R: Request>(
        &self,
        items: &'k BTreeMap<K, V>,
        route: impl Fn(&K) -> Route,
        deadline: Instant,
        request: impl Fn(&[(&'k K, &'k V)], i16) -> R,
        read: impl for<'a> Fn(&[(&'k K, &'k V)], &R::Response<'a>) -> Result<Vec<(K, Result<T>)>>,
    ) -> Answers<K, T> {
        let mut answers = BTreeMap::new();
        for (key, code) in items.keys().filter_map(|key| Some((key, key.impossible()?))) {
            answers.insert(key.clone(), Err(Error::broker(code).in_api(R::API.name())));
        }
        let possible: Vec<_> =
            items.iter().filter(|(key, _)| !answers.contains_key(*key)).collect();
        let routes: Vec<Route> = possible.iter().map(|(key, _)| route(key)).collect();
        let _interest = self.interest(&routes);
        let mut pending: Vec<(&Route, (&'k K, &'k V))> = routes.iter().zip(possible).collect();
        let mut retries = self.retries(deadline);
        while !pending.is_empty() {
            let asked = pending.iter().map(|(route, _)| *route).collect();
            let nodes = match self.while_open(self.nodes(&asked, deadline)).await {
                Ok(nodes) => nodes,
                Err(closed) => {
                    answers.extend(
                        pending.iter().map(|(_, (key, _))| ((*key).clone(), Err(closed.clone()))),
                    );
                    break;
                }
            };
            let mut shares: BTreeMap<Node, Vec<(&'k K, &'k V)>> = BTreeMap::new();
            for (route, item) in &pending {
                match nodes.get(route) {
                    Some(Ok(node)) => shares.entry(*node).or_default().push(*item),
                    Some(Err(error)) => drop(answers.insert(item.0.clone(), Err(error.clone()))),
                    None => {}
                }
            }
            let asked = shares.iter().map(|(node, share)| {
                self.ask::<K, V, T, R>(*node, share, deadline, &request, &read)
            });
            for (key, answer) in join_all(asked).await.into_iter().flatten() {
                answers.insert(key, answer);
            }
            let pause = retries.pause();
            pending.retain(|(route, (key, _))| {
                let Some(Err(error)) = answers.get(key) else { return false };
                if let Some(Ok(node)) = nodes.get(route) {
                    self.unlearn(route, *node, error);
                }
                may_pass(error, route, retries.failures())
            });
            let Some(pause) = pause.filter(|_| !pending.is_empty()) else { break };
            debug!(
                items = pending.len(),
                failures = retries.failures(),
                api = R::API.name(),
                "asking again"
            );
            // At the end of the client the next questions tell so.
            let _ = pause.await;
        }
        items.keys().map(|key| (key.clone(), named(key, answers.remove(key)))).collect()
    }

    /// Asks one broker about its share.
    async fn ask<'k, K: Item, V, T, R: Request>(
        &self,
        node: Node,
        share: &[(&'k K, &'k V)],
        deadline: Instant,
        request: &impl Fn(&[(&'k K, &'k V)], i16) -> R,
        read: &impl for<'a> Fn(&[(&'k K, &'k V)], &R::Response<'a>) -> Result<Vec<(K, Result<T>)>>,
    ) -> Vec<(K, Result<T>)> {
        let place = |error: Error| {
            let error = error.in_api(R::API.name());
            match node {
                Node::Broker(broker) => error.at_broker(broker),
                Node::Bootstrap(_) => error,
            }
        };
        let mut rest = share.to_vec();
        let mut answered = Vec::with_capacity(rest.len());
        while !rest.is_empty() {
            let attempt = deadline.min(runtime::now() + self.config().request_timeout);
            let reply = self
                .exchange::<R, R>(node, Lane::Admin, attempt, |version| request(&rest, version))
                .await;
            let mut answers =
                match reply.and_then(|reply| read(&rest, &reply.parse()?).map_err(place)) {
                    Ok(answers) => answers,
                    Err(error) => {
                        rest.iter().map(|(key, _)| ((*key).clone(), Err(error.clone()))).collect()
                    }
                };
            // Some APIs, and some versions of others, take one item at a time: the rest is asked
            // for next.
            let keys: BTreeSet<&K> = answers.iter().map(|(key, _)| key).collect();
            let before = rest.len();
            rest.retain(|(key, _)| !keys.contains(key));
            drop(keys);
            let stuck = rest.len() == before;
            answered.extend(answers.drain(..).map(|(key, answer)| (key, answer.map_err(place))));
            if stuck {
                break;
            }
        }
        answered
    }

    /// Has metadata of the topics whose leaders must be asked kept fresh meanwhile.
    fn interest(&self, routes: &[Route]) -> Option<InterestGuard> {
        let topics = topics_of(routes);
        (!topics.is_empty())
            .then(|| self.want(MetadataInterest { topics, ..MetadataInterest::default() }))
    }

    /// Where some routes lead now, or why that is not known.
    async fn nodes<'r>(
        &self,
        routes: &BTreeSet<&'r Route>,
        deadline: Instant,
    ) -> BTreeMap<&'r Route, Result<Node>> {
        let attempt = deadline.min(runtime::now() + self.config().request_timeout);
        let topics = topics_of(routes.iter().copied());
        if !topics.is_empty() {
            // What is missing after it is told item by item.
            let _ = self
                .wait_for_view(attempt, |view| {
                    topics.iter().all(|topic| view.topic(topic).is_some())
                })
                .await;
        }
        let keys = routes.iter().filter_map(|route| match route {
            Route::Coordinator(key) => Some(key.clone()),
            _ => None,
        });
        let coordinators = self.coordinators(keys.collect(), attempt).await;
        let mut nodes = BTreeMap::new();
        for route in routes {
            let node = match route {
                Route::Coordinator(key) => match coordinators.get(key) {
                    Some(found) => found.clone().map(Node::Broker),
                    None => {
                        Err(Error::new(ErrorKind::Protocol, "nobody was named as the coordinator"))
                    }
                },
                _ => self.node(route, Lane::Admin, deadline).await,
            };
            nodes.insert(*route, node);
        }
        nodes
    }

    /// The coordinators of groups or of transactions: those that are not known are asked for
    /// together (KIP-699).
    async fn coordinators(
        &self,
        keys: BTreeSet<CoordinatorKey>,
        deadline: Instant,
    ) -> BTreeMap<CoordinatorKey, Result<BrokerId>> {
        let mut found: BTreeMap<_, _> = keys
            .iter()
            .filter_map(|key| Some((key.clone(), Ok(self.lock_coordinators().get(key)?))))
            .collect();
        // A request is for keys of one kind.
        let mut unknown: BTreeMap<i8, Vec<CoordinatorKey>> = BTreeMap::new();
        for key in keys.into_iter().filter(|key| !found.contains_key(key)) {
            unknown.entry(key.kind()).or_default().push(key);
        }
        for keys in unknown.into_values() {
            match self.find_coordinators(&keys, deadline).await {
                Ok(answers) => found.extend(answers),
                Err(error) => found.extend(keys.into_iter().map(|key| (key, Err(error.clone())))),
            }
        }
        found
    }
}

fn topics_of<'a>(routes: impl IntoIterator<Item = &'a Route>) -> BTreeSet<TopicName> {
    let topic = |route: &Route| match route {
        Route::Leader(partition) => Some(partition.topic.clone()),
        _ => None,
    };
    routes.into_iter().filter_map(topic).collect()
}

/// The answer to an item, whose error names the item.
fn named<K: Item, T>(key: &K, answer: Option<Result<T>>) -> Result<T> {
    let silent = || Err(Error::new(ErrorKind::Protocol, "the reply does not speak of it"));
    answer.unwrap_or_else(silent).map_err(|error| match K::KIND {
        "" => error,
        kind => error.with_context(format_args!("{kind} {key}")),
    })
}

/// Whether asking again may help. The answers of a controller or of the least busy broker about
/// topics are final, as they are for Java's Admin; those of leaders and coordinators may be behind.
fn may_pass(error: &Error, route: &Route, failures: u32) -> bool {
    let Some(code) = error.code() else { return error.is_retriable() };
    match code {
        ErrorCode::NOT_CONTROLLER
        | ErrorCode::COORDINATOR_NOT_AVAILABLE
        | ErrorCode::NOT_COORDINATOR
        | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
        | ErrorCode::CONCURRENT_TRANSACTIONS
        | ErrorCode::UNSTABLE_OFFSET_COMMIT
        | ErrorCode::NETWORK_EXCEPTION
        | ErrorCode::THROTTLING_QUOTA_EXCEEDED => true,
        ErrorCode::LEADER_NOT_AVAILABLE
        | ErrorCode::NOT_LEADER_OR_FOLLOWER
        | ErrorCode::FENCED_LEADER_EPOCH
        | ErrorCode::UNKNOWN_LEADER_EPOCH
        | ErrorCode::OFFSET_NOT_AVAILABLE
        | ErrorCode::KAFKA_STORAGE_ERROR => matches!(route, Route::Leader(_)),
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
            matches!(route, Route::Leader(_)) && failures < TRIES_OF_THE_UNKNOWN
        }
        ErrorCode::BROKER_NOT_AVAILABLE => {
            matches!(route, Route::Broker(_)) && failures < TRIES_OF_THE_UNKNOWN
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unknown_is_asked_for_a_few_times_only() {
        let leader = Route::Leader(TopicPartition::new("t", 0));
        let unknown = Error::broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        assert!(may_pass(&unknown, &leader, 1));
        assert!(!may_pass(&unknown, &leader, TRIES_OF_THE_UNKNOWN));
        assert!(!may_pass(&unknown, &Route::Controller, 1), "the controller knows all topics");
    }

    #[test]
    fn what_moves_is_asked_for_until_the_deadline() {
        let group = Route::Coordinator(CoordinatorKey::group("g"));
        assert!(may_pass(&Error::broker(ErrorCode::NOT_COORDINATOR), &group, u32::MAX));
        assert!(may_pass(&Error::broker(ErrorCode::NOT_CONTROLLER), &Route::Controller, u32::MAX));
        assert!(may_pass(&Error::new(ErrorKind::Disconnected, ""), &Route::Controller, u32::MAX));
        assert!(!may_pass(&Error::broker(ErrorCode::NON_EMPTY_GROUP), &group, 1));
        assert!(
            !may_pass(&Error::broker(ErrorCode::REQUEST_TIMED_OUT), &Route::Controller, 1),
            "the change may be under way"
        );
    }

    #[test]
    fn an_error_names_its_item_and_a_silent_reply_is_one() {
        let key = TopicName::from("orders");
        let error = named::<_, ()>(&key, Some(Err(Error::broker(ErrorCode::INVALID_PARTITIONS))))
            .expect_err("a code");
        assert!(error.to_string().starts_with("topic orders: INVALID_PARTITIONS"), "{error}");
        let error = named::<_, ()>(&key, None).expect_err("nothing");
        assert_eq!(error.kind(), ErrorKind::Protocol);
    }
}
