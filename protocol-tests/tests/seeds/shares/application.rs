//! What one member does with its consumer: every call that there is, in any order, also such as are
//! dropped half way.

mod say;

use std::sync::Arc;
use std::time::Duration;

use kavka::{AcknowledgeType, Client, ErrorKind, ShareConsumer, ShareRecord, TopicPartition};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::Stage;
use super::books::Books;
use super::members::End;
use super::plan::MemberPlan;
use crate::dice::Dice;
use crate::run::SLACK;

/// How long closing may take: each broker is told, after what is under way, and then the
/// coordinator.
const CLOSE: Duration = Duration::from_secs(30);

/// From how many records in hand on most of them are settled.
const MANY: usize = 60;

pub(super) struct Application {
    pub(super) stage: Arc<Stage>,
    pub(super) books: Arc<Books>,
    pub(super) member: usize,
    pub(super) plan: MemberPlan,
    pub(super) dice: Dice,
    /// What the next call accepts.
    given: Vec<usize>,
    is_subscribed: bool,
    /// To all topics.
    is_whole: bool,
}

impl Application {
    pub(super) fn new(
        stage: &Arc<Stage>,
        books: &Arc<Books>,
        member: usize,
        plan: &MemberPlan,
        dice: Dice,
    ) -> Self {
        Self {
            stage: Arc::clone(stage),
            books: Arc::clone(books),
            member,
            plan: plan.clone(),
            dice,
            given: Vec::new(),
            is_subscribed: true,
            is_whole: true,
        }
    }

    /// Lives until it is told how to end.
    pub(super) async fn run(
        mut self,
        client: Client,
        mut consumer: ShareConsumer,
        mut end: oneshot::Receiver<End>,
    ) {
        self.subscribe(&consumer, true);
        let end = loop {
            if let Ok(end) = end.try_recv() {
                break end;
            }
            if self.stage.is_calm() {
                self.finish(&mut consumer).await;
            } else {
                self.act(&mut consumer).await;
            }
        };
        self.end(client, consumer, end).await;
    }

    /// Does anything.
    async fn act(&mut self, consumer: &mut ShareConsumer) {
        if self.books.in_hand(self.member).len() > MANY {
            for _ in 0..MANY / 2 {
                self.settle_any(consumer).await;
            }
        }
        match self.dice.within(0..=23) {
            0..=8 => self.receive(consumer).await,
            9..=12 => self.settle_any(consumer).await,
            13 => self.commit(consumer).await,
            14 => self.renew(consumer),
            15 => self.drop_any(),
            16 => self.hand_on(),
            17 => self.say_of_foreign(consumer).await,
            18 => self.say_again(consumer).await,
            19 if self.dice.once_in(6) => self.change_subscription(consumer),
            20 if self.dice.once_in(8) => {
                // Locks run out meanwhile, perhaps.
                let lock = self.books.plan.lock.min(Duration::from_secs(3));
                sleep(lock + self.dice.millis(0..=300)).await;
            }
            _ => sleep(self.dice.millis(0..=self.plan.pause)).await,
        }
        self.look(consumer);
    }

    /// Makes an end of all that there is.
    async fn finish(&mut self, consumer: &mut ShareConsumer) {
        if !self.is_subscribed || !self.is_whole {
            self.subscribe(consumer, true);
        }
        for number in self.books.in_hand(self.member) {
            self.settle(consumer, number, AcknowledgeType::Accept).await;
        }
        self.call();
        let received = timeout(Duration::from_millis(300), consumer.next_batch()).await;
        match received {
            Ok(Ok(batch)) => self.has(batch.into_iter().collect()),
            Ok(Err(error)) => self.check_receive(&error),
            Err(_) => {}
        }
    }

    /// Receives, or gives up waiting.
    async fn receive(&mut self, consumer: &mut ShareConsumer) {
        self.call();
        let patience = self.dice.pick(&[0, 5, 300, 2_000]);
        let patience = Duration::from_millis(patience);
        if self.dice.once_in(2) {
            match timeout(patience, consumer.recv()).await {
                Ok(Ok(record)) => self.has(vec![record]),
                Ok(Err(error)) => self.check_receive(&error),
                Err(_) => {}
            }
            return;
        }
        let batch = match timeout(patience, consumer.next_batch()).await {
            Ok(Ok(batch)) => batch,
            Ok(Err(error)) => return self.check_receive(&error),
            Err(_) => return,
        };
        let most = self.plan.max_records;
        if batch.is_empty() || batch.len() > most {
            self.wrong(&format!("{} records came at once, of at most {most}", batch.len()));
        }
        if self.dice.once_in(3) {
            self.settle_batch(batch).await;
        } else {
            self.has(batch.into_iter().collect());
        }
    }

    /// The application has asked for records, which accepts those before.
    fn call(&mut self) {
        self.books.calls_out(self.member);
        for number in std::mem::take(&mut self.given) {
            let left = self.books.with(number, ShareRecord::lock_time_left).flatten();
            self.books.says(number, AcknowledgeType::Accept, left);
        }
    }

    fn has(&mut self, records: Vec<ShareRecord>) {
        for record in records {
            let number = self.books.holds(self.member, record);
            self.was_given(number);
        }
    }

    fn was_given(&mut self, number: usize) {
        if !self.plan.is_explicit {
            self.given.push(number);
        }
    }

    /// Nothing fails but by what the application does itself.
    fn check_receive(&mut self, error: &kavka::Error) {
        let is_earned = match error.kind() {
            ErrorKind::Config => !self.is_subscribed,
            ErrorKind::MaxPollExceeded => self.plan.is_lax,
            _ => false,
        };
        if !is_earned {
            self.wrong(&format!("nothing is wrong, but {error:?}"));
        }
    }

    fn subscribe(&mut self, consumer: &ShareConsumer, to_all: bool) {
        let topics = self.stage.world.plan.topics.iter().map(|(name, ..)| name.as_str());
        let count = if to_all || self.dice.once_in(2) { topics.len() } else { 1 };
        let topics: Vec<_> = topics.take(count).collect();
        self.is_whole = topics.len() == self.stage.world.plan.topics.len();
        consumer.subscribe(topics.iter().copied()).unwrap();
        self.is_subscribed = true;
        let known: Vec<_> = consumer.subscription().iter().map(ToString::to_string).collect();
        if known != topics {
            self.wrong(&format!("subscribed to {topics:?}, and says {known:?}"));
        }
    }

    fn change_subscription(&mut self, consumer: &ShareConsumer) {
        self.call_only();
        if self.is_subscribed && self.dice.once_in(2) {
            self.books.leaves(self.member);
            match self.dice.once_in(2) {
                true => consumer.unsubscribe().unwrap(),
                false => consumer.subscribe(Vec::<&str>::new()).unwrap(),
            }
            self.is_subscribed = false;
        } else {
            self.subscribe(consumer, false);
        }
        let is_subscribed = self.is_subscribed;
        self.stage.world.log.say(format_args!("{} subscribes: {is_subscribed}", self.member));
    }

    /// A call that asks for no records.
    fn call_only(&self) {
        self.books.calls_out(self.member);
    }

    async fn commit(&mut self, consumer: &mut ShareConsumer) {
        self.call();
        if self.dice.once_in(4) {
            // Dropped half way.
            let _ = timeout(self.dice.millis(0..=20), consumer.commit()).await;
            return;
        }
        let longest = self.stage.world.api_timeout() + SLACK;
        match timeout(longest, consumer.commit()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.stage.world.log.say(format_args!("a commit: {error}")),
            Err(_) => self.wrong("a commit took longer than it may"),
        }
    }

    /// What the consumer says of itself.
    fn look(&self, consumer: &ShareConsumer) {
        let lock = self.books.plan.lock;
        let known = consumer.acquisition_lock_timeout();
        if known.is_some_and(|known| known != lock) {
            self.wrong(&format!("records are locked for {known:?}, and not {lock:?}"));
        }
    }

    async fn end(mut self, client: Client, consumer: ShareConsumer, end: End) {
        let world = &self.stage.world;
        world.log.say(format_args!("{} {} ends: {end:?}", self.books.plan.name, self.member));
        self.books.leaves(self.member);
        // One outlives the consumer.
        let left = self.books.in_hand(self.member).pop();
        let left = left.and_then(|number| self.books.take(number));
        match end {
            End::Close => {
                world.in_time("share.close", CLOSE, consumer.close(CLOSE)).await;
            }
            End::CloseSoon => {
                self.books.dies(self.member);
                let longest = self.dice.millis(0..=200);
                match timeout(longest + SLACK, consumer.close(longest)).await {
                    Ok(Err(error)) if error.kind() != ErrorKind::Timeout => {
                        self.wrong(&format!("closing: {error:?}"));
                    }
                    Ok(_) => {}
                    Err(_) => self.wrong(&format!("closing took longer than {longest:?}")),
                }
            }
            End::Drop => {
                self.books.dies(self.member);
                drop(consumer);
            }
            End::CloseClient => {
                self.books.dies(self.member);
                self.close_client(client, consumer).await;
                self.books.ends(self.member);
                return self.check_left(left).await;
            }
        }
        self.books.ends(self.member);
        self.check_left(left).await;
        self.stage.world.in_time("client.close", CLOSE, client.close(CLOSE)).await;
    }

    /// Its consumer does not outlive a client.
    async fn close_client(&self, client: Client, mut consumer: ShareConsumer) {
        self.stage.world.in_time("client.close", CLOSE, client.close(CLOSE)).await;
        match timeout(SLACK, consumer.recv()).await {
            Ok(Err(error)) if error.kind() == ErrorKind::Closed => {}
            Ok(received) => self.wrong(&format!("without a client it received {received:?}")),
            Err(_) => self.wrong("without a client it waits"),
        }
        if consumer.unsubscribe().is_ok() {
            self.wrong("without a client it unsubscribes");
        }
    }

    /// A record that outlives its consumer is nobody's.
    async fn check_left(&self, left: Option<ShareRecord>) {
        sleep(SLACK).await;
        let Some(record) = left else { return };
        if let Some(time) = record.lock_time_left() {
            self.wrong(&format!("{record:?} is locked for {time:?}, and its consumer is gone"));
        }
        match timeout(SLACK, record.accept()).await {
            Ok(Err(error))
                if matches!(
                    error.kind(),
                    ErrorKind::Closed
                        | ErrorKind::LockLost
                        | ErrorKind::Config
                        | ErrorKind::Connect
                        | ErrorKind::Disconnected
                        | ErrorKind::Timeout
                        | ErrorKind::Broker
                ) => {}
            // It was accepted before, by the call after it.
            Ok(Ok(())) if !self.plan.is_explicit => {}
            other => self.wrong(&format!("without a consumer it is accepted: {other:?}")),
        }
    }

    fn wrong(&self, what: &str) {
        let (group, member) = (self.books.plan.name, self.member);
        self.stage.world.log.wrong(format_args!("{group}: {member}: {what}"));
    }
}
