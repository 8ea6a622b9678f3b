//! Handlers that keep the order of each key: many messages of one partition at once, killed twice.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kavka::mq::{Config, HandlerOptions, Message, Mq};
use kavka::{Client, NewTopic, ProducerConfig, Record};
use kavka_testcontainers::apache::Cluster;

use super::{settings, until};
use crate::support::{Dice, PATIENCE, client, config, sized};

/// So many messages are handled at once.
const AT_ONCE: usize = 64;

/// What one run of a handler has seen.
#[derive(Default)]
struct Book {
    /// By key, the numbers of the messages begun, and how many of them are done.
    keys: Vec<(Vec<u32>, u32)>,
    first: Option<Instant>,
    last: Option<Instant>,
    done: u64,
}

/// What a service loses by a crash, and how fast it is, where each message takes a millisecond.
#[tokio::test(flavor = "multi_thread")]
async fn a_million_messages_of_ten_thousand_keys_keep_the_order_of_each_and_are_all_handled() {
    let cluster = Cluster::start(config()).await.unwrap();
    let (messages, keys) = sized((60_000_u32, 1_000_u32), (1_000_000, 10_000));
    let mut dice = Dice::new();
    let client = client(&cluster);
    let topic = NewTopic::new("keyed").partitions(1).replication_factor(1);
    let made = client.admin().create_topics([topic]).await;
    made.into_values().for_each(|made| drop(made.unwrap()));
    let all = produce(&client, &mut dice, messages, keys).await;
    client.close(PATIENCE).await.unwrap();
    let bound = bound().await;
    let mut next = vec![0; all.len()];
    let (mut handled, mut took) = (0, Duration::ZERO);
    for ends in [Some(dice.below(100)), Some(dice.below(100)), None] {
        let until_done = ends.map(|hundredths| u64::from(messages) * (20 + hundredths / 5) / 100);
        let book = run(settings(&cluster, "by-key"), &all, &next, until_done).await;
        let book = book.lock().unwrap();
        handled += book.done;
        took += book.last.unwrap() - book.first.unwrap();
        for (key, (begun, done)) in book.keys.iter().enumerate() {
            let Some(first) = begun.first().copied() else { continue };
            assert!(first <= next[key], "key {key} goes on at {first}, not {}", next[key]);
            assert!(begun.iter().copied().eq((first..).take(begun.len())), "key {key}: {begun:?}");
            next[key] = next[key].max(first + done);
        }
    }
    assert!(next == all, "none is lost");
    let rate = handled as f64 / took.as_secs_f64();
    eprintln!(
        "{handled} calls for {messages} messages of {keys} keys, {AT_ONCE} at once: {rate:.0} a \
         second; {AT_ONCE} tasks that do nothing but sleep: {bound:.0}"
    );
    assert!(rate > bound / 2.0, "{rate:.0} a second of {bound:.0}");
    cluster.shutdown().await.unwrap();
}

/// How often so many tasks sleep for a millisecond, in a second: what tokio's timer allows, which
/// knows whole milliseconds only.
async fn bound() -> f64 {
    const TIMES: usize = 500;
    let begun = Instant::now();
    let sleeping = async || {
        for _ in 0..TIMES {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let sleepers: Vec<_> = (0..AT_ONCE).map(|_| tokio::spawn(sleeping())).collect();
    for sleeper in sleepers {
        sleeper.await.unwrap();
    }
    (AT_ONCE * TIMES) as f64 / begun.elapsed().as_secs_f64()
}

/// Writes messages of random keys, an eighth of them of a few; those of a key are numbered from 0.
/// Returns how many each has.
async fn produce(client: &Client, dice: &mut Dice, messages: u32, keys: u32) -> Vec<u32> {
    let producer = client.producer(ProducerConfig::new()).unwrap();
    let mut all = vec![0; usize::try_from(keys).unwrap()];
    for _ in 0..messages {
        let few = if dice.below(8) == 0 { 64 } else { keys };
        let key = usize::try_from(dice.below(few.into())).unwrap();
        let (text, value) = (key.to_string(), all[key].to_string());
        all[key] += 1;
        drop(producer.send(Record::to("keyed").key(&text).value(&value)).await.unwrap());
    }
    producer.close(PATIENCE).await.unwrap();
    all
}

/// Handles so many messages and then vanishes without a word; or handles all.
async fn run(
    settings: Config,
    all: &[u32],
    next: &[u32],
    until_done: Option<u64>,
) -> Arc<Mutex<Book>> {
    let keys = vec![(Vec::new(), 0); all.len()];
    let book = Arc::new(Mutex::new(Book { keys, ..Book::default() }));
    let mq = Mq::new(settings).unwrap();
    let noted = Arc::clone(&book);
    let handler = move |message: Message| {
        let book = Arc::clone(&noted);
        async move {
            let key = std::str::from_utf8(message.key.as_deref().unwrap()).unwrap();
            let key: usize = key.parse().unwrap();
            book.lock().unwrap().begin(key, message.text().unwrap().parse().unwrap());
            tokio::time::sleep(Duration::from_millis(1)).await;
            book.lock().unwrap().end(key);
        }
    };
    let options = HandlerOptions::new().ordered_by_key(AT_ONCE);
    mq.consumer().unwrap().subscribe_with(["keyed"], options, handler).unwrap();
    if let Some(count) = until_done {
        until("part of the work", || book.lock().unwrap().done >= count).await;
    } else {
        until("the rest of the work", || {
            let book = book.lock().unwrap();
            let mut keys = book.keys.iter().zip(all.iter().zip(next));
            keys.all(|((begun, done), (all, next))| {
                next == all || begun.first().is_some_and(|first| first + done == *all)
            })
        })
        .await;
        mq.close().await.unwrap();
    }
    book
}

impl Book {
    fn begin(&mut self, key: usize, number: u32) {
        self.first.get_or_insert_with(Instant::now);
        let (begun, done) = &mut self.keys[key];
        assert_eq!(begun.len(), *done as usize, "one of key {key} is in hand");
        begun.push(number);
    }

    fn end(&mut self, key: usize) {
        self.keys[key].1 += 1;
        self.done += 1;
        self.last = Some(Instant::now());
    }
}
