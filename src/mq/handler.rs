//! What a service does with messages, and what becomes of those it fails on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::error::{Code, Error};
use super::message::Message;
use super::retry_topics::RetryTopics;
use crate::config::bounded;
use crate::ids::{TopicName, TopicPartition, TransactionalId};

/// The future returned by a handler.
pub type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// The outcome of handling a message.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The message is done; continue with the next.
    Continue,
    /// The message is done; stop this handler.
    Stop,
    /// The message is done once these messages are written: exactly once, in a transaction. Needs
    /// [`HandlerOptions::transactional_id`].
    Produce(Vec<Message>),
    /// The message failed; the handler's [`FailurePolicy`] decides what happens to it. With
    /// [`DoNotRetry`] no other attempt is made.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

/// An error that another attempt would not mend: what the handler's [`FailurePolicy`] has after the
/// last attempt follows at once.
///
/// It may also be the [source](std::error::Error::source) of the error that a handler returns.
///
/// ```
/// use kavka::mq::{DoNotRetry, Message};
///
/// async fn pay(order: Message) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///     let text = order.text().ok_or_else(|| DoNotRetry::new("an order must be text"))?;
///     println!("attempt {} at {text}", order.attempt());
///     Ok(())
/// }
/// # let _: &dyn kavka::mq::Handler = &pay;
/// ```
#[derive(Debug)]
pub struct DoNotRetry(Box<dyn std::error::Error + Send + Sync>);

impl DoNotRetry {
    /// Wraps an error, which dead letters and logs then show.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

impl std::fmt::Display for DoNotRetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for DoNotRetry {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Continue
    }
}

/// `true` goes on, `false` stops.
impl From<bool> for Outcome {
    fn from(goes_on: bool) -> Self {
        if goes_on { Self::Continue } else { Self::Stop }
    }
}

impl From<Vec<Message>> for Outcome {
    fn from(messages: Vec<Message>) -> Self {
        Self::Produce(messages)
    }
}

impl From<Message> for Outcome {
    fn from(message: Message) -> Self {
        Self::Produce(vec![message])
    }
}

impl<T: Into<Self>, E: Into<Box<dyn std::error::Error + Send + Sync>>>
    From<std::result::Result<T, E>> for Outcome
{
    fn from(result: std::result::Result<T, E>) -> Self {
        match result {
            Ok(outcome) => outcome.into(),
            Err(error) => Self::Failed(error.into()),
        }
    }
}

/// Handles the messages of topics. Messages of one partition are handled one at a time and in
/// order, unless [`HandlerOptions::ordered_by_key`] keeps the order of each key alone.
///
/// A closure that takes a [`Message`] and returns a future is a handler. The output of the future
/// is `()`, a `bool`, a [`Message`] or a `Vec` of them to produce, or a `Result` of any of these.
/// The future may outlive the call, so it must own what it uses:
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use kavka::mq::{self, Message};
///
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let handler = move |message: Message| {
///     let seen = Arc::clone(&seen);
///     async move { seen.lock().unwrap().push(message.offset) }
/// };
/// # let _: &dyn mq::Handler = &handler;
/// ```
///
/// An async closure (`async |message: Message| …`) is a handler only if it captures nothing, since
/// its future borrows its captures.
pub trait Handler: Send + Sync + 'static {
    /// Handles a message. A call that panics, or is dropped because it takes longer than
    /// `consumer.max_poll_interval`, counts as failed.
    ///
    /// The call runs on a thread of the tokio runtime and must not block it: other tasks, also of
    /// this consumer, may wait for the same thread. Use `tokio::task::spawn_blocking` for blocking
    /// work.
    fn handle(&self, message: Message) -> HandlerFuture<'_>;

    /// Called with an error of a partition, or of the whole consumer if the partition is `None`.
    /// Consuming continues if possible.
    fn failed(&self, error: Error, partition: Option<TopicPartition>) -> HandlerFuture<'_> {
        tracing::warn!(%error, ?partition, "consuming failed");
        Box::pin(std::future::ready(Outcome::Continue))
    }
}

impl<F, Future_> Handler for F
where
    F: Fn(Message) -> Future_ + Send + Sync + 'static,
    Future_: Future + Send + 'static,
    Future_::Output: Into<Outcome>,
{
    fn handle(&self, message: Message) -> HandlerFuture<'_> {
        let handling = self(message);
        Box::pin(async move { handling.await.into() })
    }
}

/// A handler that receives messages and errors as `(message, partition, error)` and returns whether
/// to continue. Created by [`callback`].
#[derive(Debug)]
pub struct Callback<F>(F);

/// Creates a handler from a function that receives messages and errors and returns whether to
/// continue.
///
/// ```
/// use kavka::mq::{self, Message};
///
/// let handler = mq::callback(|message: Option<Message>, partition, error| match (message, error) {
///     (Some(message), _) => {
///         println!("{}", message.text().unwrap_or("?"));
///         true
///     }
///     (None, error) => {
///         eprintln!("{partition:?}: {error:?}");
///         false
///     }
/// });
/// # let _: &dyn mq::Handler = &handler;
/// ```
pub fn callback<F>(function: F) -> Callback<F>
where
    F: Fn(Option<Message>, Option<TopicPartition>, Option<Error>) -> bool + Send + Sync + 'static,
{
    Callback(function)
}

impl<F> Handler for Callback<F>
where
    F: Fn(Option<Message>, Option<TopicPartition>, Option<Error>) -> bool + Send + Sync + 'static,
{
    fn handle(&self, message: Message) -> HandlerFuture<'_> {
        let partition = message.topic_partition();
        let goes_on = self.0(Some(message), partition, None);
        Box::pin(std::future::ready(goes_on.into()))
    }

    fn failed(&self, error: Error, partition: Option<TopicPartition>) -> HandlerFuture<'_> {
        let goes_on = self.0(None, partition, Some(error));
        Box::pin(std::future::ready(goes_on.into()))
    }
}

/// A handler of JSON values. Created by [`json`].
#[cfg(feature = "json")]
pub struct Json<T, F>(F, std::marker::PhantomData<fn(T)>);

#[cfg(feature = "json")]
impl<T, F> std::fmt::Debug for Json<T, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Json")
    }
}

/// Creates a handler from an async function that takes a value, deserialized from JSON, and its
/// message.
///
/// A value that cannot be deserialized fails with
/// [`Code::DeserializationFailed`] and is not retried: the
/// policy's final action follows at once.
#[cfg(feature = "json")]
pub fn json<T, F, Future_>(function: F) -> Json<T, F>
where
    T: serde::de::DeserializeOwned + 'static,
    F: Fn(T, Message) -> Future_ + Send + Sync + 'static,
    Future_: Future + Send + 'static,
    Future_::Output: Into<Outcome>,
{
    Json(function, std::marker::PhantomData)
}

#[cfg(feature = "json")]
impl<T, F, Future_> Handler for Json<T, F>
where
    T: serde::de::DeserializeOwned + 'static,
    F: Fn(T, Message) -> Future_ + Send + Sync + 'static,
    Future_: Future + Send + 'static,
    Future_::Output: Into<Outcome>,
{
    fn handle(&self, message: Message) -> HandlerFuture<'_> {
        match serde_json::from_slice(message.value.as_deref().unwrap_or_default()) {
            Ok(value) => {
                let handling = self.0(value, message);
                Box::pin(async move { handling.await.into() })
            }
            Err(error) => {
                let text = format!("{} holds no such JSON: {error}", message.topic);
                let error = Error::new(Code::DeserializationFailed, text).with_source(error);
                Box::pin(std::future::ready(Outcome::Failed(Box::new(error))))
            }
        }
    }
}

/// What happens to a message whose handler fails: it is retried with growing backoff, and then a
/// final action is taken. A handler that knows better says so by [`DoNotRetry`].
///
/// Meanwhile the message's partition waits, which preserves order. Other partitions continue if the
/// handler runs several in parallel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailurePolicy {
    pub(super) retries: u32,
    pub(super) backoff: Duration,
    pub(super) longest_backoff: Duration,
    pub(super) retry_topics: RetryTopics,
    pub(super) resort: ExhaustedAction,
}

/// What becomes of a message in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ExhaustedAction {
    Stop,
    Skip,
    DeadLetter(TopicName),
}

impl FailurePolicy {
    /// Retries the given number of times, after 100 ms and then twice as long each time, up to 10
    /// s. Afterwards the handler stops.
    pub fn retry(times: u32) -> Self {
        Self {
            retries: times,
            backoff: Duration::from_millis(100),
            longest_backoff: Duration::from_secs(10),
            retry_topics: RetryTopics::default(),
            resort: ExhaustedAction::Stop,
        }
    }

    /// Stops the handler at the first failure. The message stays uncommitted and is consumed again
    /// by the next consumer of the partition.
    pub fn stop() -> Self {
        Self::retry(0)
    }

    /// Logs the first failure and skips the message.
    pub fn skip() -> Self {
        Self::retry(0).then_skip()
    }

    /// Sends the message to another topic at the first failure.
    pub fn dead_letter(topic: impl Into<TopicName>) -> Self {
        Self::retry(0).then_dead_letter(topic)
    }

    /// Sets the first and the maximum backoff.
    #[must_use]
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = bounded(first);
        self.longest_backoff = bounded(longest);
        self
    }

    /// Sends the message to other topics after the last attempt, one after the other, each with a
    /// delay after which the handler is called with it once more. Meanwhile its partition goes on.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use kavka::mq::FailurePolicy;
    ///
    /// const MINUTE: Duration = Duration::from_secs(60);
    /// let policy = FailurePolicy::retry(2)
    ///     .then_retry_topics([("orders-retry-1m", MINUTE), ("orders-retry-10m", 10 * MINUTE)])
    ///     .then_dead_letter("orders.dead");
    /// # let _ = policy;
    /// ```
    ///
    /// What comes after the last attempt otherwise (here the dead letter) comes after the last of
    /// these topics. The handler takes them beside its own; they must exist, like a dead-letter topic,
    /// and should belong to this handler alone. It is given the message as it is there, with the
    /// headers `kavka.retry.topic`, `.partition`, `.offset` and `.timestamp` of where it came from
    /// first, `.error` and `.attempt`; [`Message::attempt`] goes on counting. A message is due the
    /// delay after it was written, by the clocks of both sides. Until then its partition is paused,
    /// and no worker waits.
    ///
    /// **Order is given up**: a message that is tried later is overtaken by those behind it, also by
    /// those with its key. Therefore not with [`HandlerOptions::ordered_by_key`].
    #[must_use]
    pub fn then_retry_topics<T: Into<TopicName>>(
        mut self,
        topics: impl IntoIterator<Item = (T, Duration)>,
    ) -> Self {
        let topics = topics.into_iter().map(|(topic, delay)| (topic.into(), bounded(delay)));
        self.retry_topics = RetryTopics::new(topics);
        self
    }

    /// Skips the message after the last attempt.
    #[must_use]
    pub fn then_skip(mut self) -> Self {
        self.resort = ExhaustedAction::Skip;
        self
    }

    /// Sends the message to another topic after the last attempt, with headers that tell where it
    /// came from and why.
    ///
    /// While that topic cannot be written to, only the message's partition waits.
    /// [`Handler::failed`] is called and may stop the handler; otherwise sending is retried with
    /// growing backoff, up to a minute. A message too large for that topic
    /// ([`Code::MessageTooLarge`]) is reported the same way, and
    /// is sent without its value unless [`Handler::failed`] stops the handler: the header
    /// `kavka.dead-letter.omitted` has the number of bytes omitted, and other headers tell where
    /// the message still is.
    #[must_use]
    pub fn then_dead_letter(mut self, topic: impl Into<TopicName>) -> Self {
        self.resort = ExhaustedAction::DeadLetter(topic.into());
        self
    }

    /// The pause before an attempt; `None` if there is none left. `failures` begins with 1.
    pub(super) fn pause(&self, failures: u32) -> Option<Duration> {
        let doubled = self.backoff.saturating_mul(1 << failures.saturating_sub(1).min(20));
        (failures <= self.retries).then(|| doubled.min(self.longest_backoff))
    }
}

/// Three more attempts, then the handler stops: no message is lost without somebody having said so.
impl Default for FailurePolicy {
    fn default() -> Self {
        Self::retry(3)
    }
}

/// Options for running a handler; see
/// [`Consumer::subscribe_with`](crate::mq::Consumer::subscribe_with).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandlerOptions {
    pub(super) policy: FailurePolicy,
    /// 0 counts as 1, as below.
    pub(super) parallel: usize,
    pub(super) at_once: usize,
    pub(super) transactional_id: Option<TransactionalId>,
}

impl HandlerOptions {
    /// Creates the default options: one message at a time, and [`FailurePolicy::default`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what happens to messages whose handling fails.
    #[must_use]
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets how many partitions are handled in parallel (default 1).
    #[must_use]
    pub fn partitions_in_parallel(mut self, partitions: usize) -> Self {
        self.parallel = partitions;
        self
    }

    /// Sets how many messages of a partition are handled at once (default 1): those with the same
    /// key one after the other and in order, others beside them.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use kavka::mq::{HandlerOptions, Message};
    ///
    /// // 64 calls wait for something at a time, and each account's messages keep their order.
    /// let options = HandlerOptions::new().ordered_by_key(64);
    /// let handler = async |_: Message| tokio::time::sleep(Duration::from_millis(5)).await;
    /// # let _: (_, &dyn kavka::mq::Handler) = (options, &handler);
    /// ```
    ///
    /// Messages without a key have no order among themselves or with others: producers spread them
    /// over partitions, so that nobody can rely on one. An empty key is a key.
    ///
    /// What is committed is the first message that is not done, so that a crash loses none: it
    /// repeats that one and all behind it, also those that were done. One that is tried again holds
    /// back its key, and meanwhile takes one of the places; one that stops the handler leaves those
    /// that were begun to be finished. A dead letter that cannot be written holds back its partition.
    ///
    /// With several partitions in parallel, so many messages are handled at once for each of these.
    /// `consumer.max_poll_records` of them, and at least as many again as are handled at once, wait
    /// for their turn: many in a row with one key keep others from coming. Each place is a task, so
    /// that handlers run on all threads of the runtime.
    #[must_use]
    pub fn ordered_by_key(mut self, messages: usize) -> Self {
        self.at_once = messages;
        self
    }

    /// Has the messages that the handler returns written in transactions, together with the offsets
    /// of the messages that it was called with: each message counts exactly once, in and out, for
    /// whoever reads committed messages.
    ///
    /// ```
    /// use kavka::mq::{HandlerOptions, Message};
    ///
    /// let options = HandlerOptions::new().transactional_id("billing-1");
    /// let handler = async |order: Message| {
    ///     Message::new("invoices", order.value.unwrap_or_default())
    /// };
    /// # let _: (_, &dyn kavka::mq::Handler) = (options, &handler);
    /// ```
    ///
    /// The consumer must read committed messages (`consumer.isolation_level`). Give each instance of
    /// a service an id of its own, and the same one when it is started anew (`transactional.id`);
    /// with several partitions in parallel, `-1`, `-2` and so on are appended for each but the
    /// first.
    ///
    /// A transaction is committed when no message waits for the handler, and after 100 ms at the
    /// latest, so that readers see the output that much later. What the handler returned is kept
    /// until it is committed, and written again if its transaction was aborted; the handler is
    /// called again only with messages whose partition went away. Output that cannot be written is
    /// reported to [`Handler::failed`], and tried again with growing backoff, up to a minute; the
    /// handler stops if another instance takes its id. Dead letters are written outside the
    /// transaction, at least once.
    #[must_use]
    pub fn transactional_id(mut self, id: impl Into<TransactionalId>) -> Self {
        self.transactional_id = Some(id.into());
        self
    }
}

/// Which topics a handler takes.
#[derive(Clone, Debug)]
pub(super) enum HandlerTopics {
    Named(Vec<TopicName>),
    Pattern { text: String, regex: regex_lite::Regex },
}

/// A handler and its topics.
pub(super) struct RegisteredHandler {
    pub(super) id: u64,
    pub(super) topics: HandlerTopics,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) options: HandlerOptions,
}

impl RegisteredHandler {
    /// Whether it takes the messages of a topic: one of its own, or a retry topic.
    pub(super) fn takes(&self, topic: &str) -> bool {
        self.topics.take(topic) || self.options.policy.retry_topics.has(topic)
    }
}

impl HandlerTopics {
    /// With the retry topics of their handler.
    pub(super) fn names<'a>(
        &'a self,
        options: &'a HandlerOptions,
    ) -> impl Iterator<Item = &'a TopicName> {
        let named = match self {
            Self::Named(names) => names.as_slice(),
            Self::Pattern { .. } => &[],
        };
        named.iter().chain(options.policy.retry_topics.names())
    }

    pub(super) fn take(&self, topic: &str) -> bool {
        match self {
            Self::Named(names) => names.iter().any(|name| name.as_str() == topic),
            Self::Pattern { regex, .. } => regex.is_match(topic),
        }
    }
}

/// Whether another attempt would fail too.
pub(super) fn is_in_vain(failure: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(failure), |error| error.source()).any(|error| {
        error.is::<DoNotRetry>()
            || error.downcast_ref::<Error>().is_some_and(|error| {
                matches!(error.code(), Code::DeserializationFailed | Code::InvalidConfig)
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_end() {
        let policy =
            FailurePolicy::retry(4).backoff(Duration::from_millis(100), Duration::from_millis(300));
        let pauses: Vec<_> =
            (1..=5).map(|failures| policy.pause(failures).map(|pause| pause.as_millis())).collect();
        assert_eq!(pauses, [Some(100), Some(200), Some(300), Some(300), None]);
        assert_eq!(FailurePolicy::skip().pause(1), None);
    }

    #[test]
    fn a_handler_may_answer_in_several_ways() {
        assert!(matches!(Outcome::from(()), Outcome::Continue));
        assert!(matches!(Outcome::from(true), Outcome::Continue));
        assert!(matches!(Outcome::from(false), Outcome::Stop));
        assert!(matches!(Outcome::from(Ok::<_, std::io::Error>(false)), Outcome::Stop));
        assert!(matches!(Outcome::from(Err::<(), _>("no")), Outcome::Failed(_)));
    }
}
