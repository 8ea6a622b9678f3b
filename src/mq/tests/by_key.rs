//! Handlers that keep the order of each key, and not of their partitions.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::clock::Random;
use crate::mq::handler::HandlerFuture;
use crate::mq::{Code, FailurePolicy, Handler, HandlerOptions, Outcome};

/// Appends `keys` keys in turn, with the values `from` up to `to`, in batches of at most 50.
fn append_keyed(
    embedded: &EmbeddedCluster,
    partition: i32,
    keys: u32,
    values: std::ops::Range<u32>,
) {
    let records: Vec<_> =
        values.map(|value| ((value % keys).to_string(), value.to_string())).collect();
    for some in records.chunks(50) {
        let some: Vec<_> = some
            .iter()
            .map(|(key, value)| (Some(key.as_bytes()), Some(value.as_bytes())))
            .collect();
        embedded.append("t", partition, &some).unwrap();
    }
}

fn number(message: &Message) -> u32 {
    message.text().unwrap().parse().unwrap()
}

/// What one handler has begun and ended.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    /// By key, all that was begun.
    begun: BTreeMap<Option<bytes::Bytes>, Vec<u32>>,
    in_hand: BTreeMap<Option<bytes::Bytes>, usize>,
    most_in_hand: usize,
    /// In the order in which they ended.
    ended: Vec<u32>,
}

impl Book {
    fn begin(&self, message: &Message) {
        let mut entries = self.0.lock().unwrap();
        let number = number(message);
        entries.begun.entry(message.key.clone()).or_default().push(number);
        let of_key = entries.in_hand.entry(message.key.clone()).or_default();
        *of_key += 1;
        assert!(*of_key == 1 || message.key.is_none(), "two of {:?} are in hand", message.key);
        let in_hand = entries.in_hand.values().sum();
        entries.most_in_hand = entries.most_in_hand.max(in_hand);
    }

    fn end(&self, message: &Message) {
        let mut entries = self.0.lock().unwrap();
        *entries.in_hand.get_mut(&message.key).unwrap() -= 1;
        entries.ended.push(number(message));
    }

    fn ended(&self) -> usize {
        self.0.lock().unwrap().ended.len()
    }

    async fn wait_for(&self, ended: usize) {
        until(|| self.ended() >= ended).await;
    }

    /// A handler that takes as long for each message as it is told.
    fn handler(&self, time: impl Fn(u32) -> Duration + Send + Sync + 'static) -> impl Handler {
        let book = self.clone();
        move |message: Message| {
            let (book, time) = (book.clone(), time(number(&message)));
            async move {
                book.begin(&message);
                tokio::time::sleep(time).await;
                book.end(&message);
            }
        }
    }
}

fn by_key(messages: usize) -> HandlerOptions {
    HandlerOptions::new().ordered_by_key(messages)
}

#[tokio::test(start_paused = true)]
async fn so_many_messages_of_a_partition_are_handled_at_once_and_each_key_in_order() {
    let embedded = brokers(1).await;
    append_keyed(&embedded, 0, 20, 0..400);
    let mq = mq(&embedded);
    let book = Book::default();
    let begun = crate::runtime::now();
    let handler = book.handler(|number| Duration::from_millis(5 + u64::from(number % 7)));
    mq.consumer().unwrap().subscribe_with(["t"], by_key(8), handler).unwrap();
    book.wait_for(400).await;
    let took = crate::runtime::now() - begun;
    // 8 ms on average, and as much at the end, and to join the group.
    assert!(took < Duration::from_millis(400 * 8 / 8 + 150), "{took:?}");
    let entries = book.0.lock().unwrap();
    assert_eq!(entries.most_in_hand, 8);
    for (key, numbers) in &entries.begun {
        assert_eq!(numbers.len(), 20, "{key:?}");
        assert!(numbers.is_sorted(), "{key:?}: {numbers:?}");
    }
    assert!(!entries.ended.is_sorted(), "the quick overtake the slow of other keys");
}

#[tokio::test(start_paused = true)]
async fn messages_without_a_key_have_no_order_and_an_empty_key_is_one() {
    let embedded = brokers(1).await;
    for (number, key) in [None, None, Some(&b""[..]), Some(&b""[..])].into_iter().enumerate() {
        embedded.append("t", 0, &[(key, Some(number.to_string().as_bytes()))]).unwrap();
    }
    let mq = mq(&embedded);
    let book = Book::default();
    // The first of each takes longer.
    let handler =
        book.handler(|number| Duration::from_millis(if number % 2 == 0 { 50 } else { 5 }));
    mq.consumer().unwrap().subscribe_with(["t"], by_key(4), handler).unwrap();
    book.wait_for(4).await;
    let entries = book.0.lock().unwrap();
    assert_eq!(entries.most_in_hand, 3);
    assert_eq!(entries.ended[0], 1, "it waits for none without a key");
    assert_eq!(entries.ended.iter().filter(|number| **number >= 2).collect::<Vec<_>>(), [&2, &3]);
}

/// A handler that fails on a number for as long as it is told to, and then does it.
struct FailingOn {
    book: Book,
    number: u32,
    fails: Arc<AtomicUsize>,
    outcome: fn() -> Outcome,
}

impl Handler for FailingOn {
    fn handle(&self, message: Message) -> HandlerFuture<'_> {
        Box::pin(async move {
            self.book.begin(&message);
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.book.end(&message);
            let is_left = self.fails.load(Ordering::SeqCst) > 0;
            if number(&message) == self.number && is_left {
                self.fails.fetch_sub(1, Ordering::SeqCst);
                return (self.outcome)();
            }
            Outcome::Continue
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_tried_again_holds_back_its_key_alone() {
    let embedded = brokers(1).await;
    append_keyed(&embedded, 0, 10, 0..100);
    let mq = mq(&embedded);
    let (book, fails) = (Book::default(), Arc::new(AtomicUsize::new(3)));
    let handler = FailingOn {
        book: book.clone(),
        number: 3,
        fails: Arc::clone(&fails),
        outcome: || Outcome::Failed("not yet".into()),
    };
    let policy = FailurePolicy::retry(3).backoff(7 * SECOND, 7 * SECOND);
    let consumer = mq.consumer().unwrap();
    consumer.subscribe_with(["t"], by_key(4).on_failure(policy), handler).unwrap();
    // All but those behind it, and it once.
    book.wait_for(91).await;
    tokio::time::sleep(6 * SECOND).await;
    assert!(book.ended() <= 92);
    assert_eq!(committed(&consumer, 0).await, Some(3), "the first that is not done");
    book.wait_for(103).await;
    let of_key = book.0.lock().unwrap().begun[&Some("3".into())].clone();
    assert_eq!(of_key, [3, 3, 3, 3, 13, 23, 33, 43, 53, 63, 73, 83, 93]);
    mq.close().await.unwrap();
    assert_eq!(embedded.committed("g", "t", 0), Some(100));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_stops_finishes_what_was_begun_and_begins_nothing_more() {
    for is_done in [true, false] {
        let embedded = brokers(1).await;
        append_keyed(&embedded, 0, 10, 0..100);
        let mq = mq(&embedded);
        let book = Book::default();
        let handler = FailingOn {
            book: book.clone(),
            number: 13,
            fails: Arc::new(AtomicUsize::new(1)),
            outcome: if is_done { || Outcome::Stop } else { || Outcome::Failed("no".into()) },
        };
        let options = by_key(4).on_failure(FailurePolicy::stop());
        mq.consumer().unwrap().subscribe_with(["t"], options, handler).unwrap();
        mq.consumer().unwrap().stopped().await;
        mq.close().await.unwrap();
        let entries = book.0.lock().unwrap();
        assert!(entries.in_hand.values().all(|in_hand| *in_hand == 0));
        let ended = u32::try_from(entries.ended.len()).unwrap();
        assert!((14..14 + 4).contains(&ended), "{ended}");
        let next = if is_done { ended } else { 13 };
        assert_eq!(embedded.committed("g", "t", 0), Some(next.into()), "the first not done");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_waits_sets_its_partition_aside_and_nothing_is_handled_twice() {
    let embedded = brokers(1).await;
    append_keyed(&embedded, 0, 10, 0..100);
    let mq = mq(&embedded);
    let book = Book::default();
    let handler = FailingOn {
        book: book.clone(),
        number: 13,
        fails: Arc::new(AtomicUsize::new(1)),
        outcome: || Outcome::Failed("no".into()),
    };
    let options = by_key(4).on_failure(FailurePolicy::dead_letter("nowhere"));
    mq.consumer().unwrap().subscribe_with(["t"], options, handler).unwrap();
    tokio::time::sleep(20 * SECOND).await;
    assert!(!book.0.lock().unwrap().ended.contains(&23), "it is behind it in its key");
    embedded.create_topic("nowhere", 1, 1).unwrap();
    book.wait_for(100).await;
    mq.close().await.unwrap();
    let entries = book.0.lock().unwrap();
    for (key, numbers) in &entries.begun {
        let all = (0..10).map(|turn| turn * 10 + numbers[0]);
        assert_eq!(*numbers, all.collect::<Vec<_>>(), "{key:?}");
    }
    assert_eq!(log(&embedded, "nowhere", 0), ["13"]);
    assert_eq!(embedded.committed("g", "t", 0), Some(100));
}

#[tokio::test(start_paused = true)]
async fn a_seek_a_pause_and_a_close_keep_their_promises_with_many_in_hand() {
    let embedded = brokers(1).await;
    append_keyed(&embedded, 0, 10, 0..100);
    let mq = mq(&embedded);
    let consumer = mq.consumer().unwrap();
    let book = Book::default();
    let handler = book.handler(|_| SECOND);
    consumer.subscribe_with(["t"], by_key(4), handler).unwrap();
    until(|| book.0.lock().unwrap().most_in_hand == 4).await;
    consumer.seek(&tp(0), 90).unwrap();
    book.wait_for(14).await;
    tokio::time::sleep(10 * SECOND).await;
    let mut seen = book.0.lock().unwrap().ended.clone();
    seen.sort_unstable();
    assert_eq!(seen, [numbers(0..4), numbers(90..100)].concat());
    assert_eq!(committed(&consumer, 0).await, Some(100), "what was begun before does not count");

    consumer.pause(&[tp(0)]).unwrap();
    append_keyed(&embedded, 0, 10, 100..120);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(book.ended(), 14);
    consumer.resume(&[tp(0)]).unwrap();
    until(|| book.0.lock().unwrap().in_hand.values().sum::<usize>() == 4).await;
    mq.close().await.unwrap();
    assert_eq!(book.ended(), 18, "each of them is finished");
    assert_eq!(embedded.committed("g", "t", 0), Some(104));
}

#[tokio::test(start_paused = true)]
async fn partitions_that_move_repeat_and_lose_nothing_with_many_in_hand() {
    let embedded = brokers(1).await;
    for partition in 0..3 {
        append_keyed(&embedded, partition, 10, 0..200);
    }
    // One for each partition: keys are those of a partition.
    let seen: Arc<Mutex<BTreeMap<(i32, Option<bytes::Bytes>), Vec<u32>>>> = Arc::default();
    let member = || {
        let (mq, seen) = (mq(&embedded), Arc::clone(&seen));
        let handler = move |message: Message| {
            let seen = Arc::clone(&seen);
            async move {
                tokio::time::sleep(Duration::from_millis(u64::from(number(&message) % 90))).await;
                let of = (message.partition.unwrap().0, message.key.clone());
                seen.lock().unwrap().entry(of).or_default().push(number(&message));
            }
        };
        mq.consumer().unwrap().subscribe_with(["t"], by_key(4), handler).unwrap();
        mq
    };
    let first = member();
    until(|| seen.lock().unwrap().len() > 20).await;
    let second = member();
    let count = || seen.lock().unwrap().values().map(Vec::len).sum::<usize>();
    until(|| count() > 300).await;
    first.close().await.unwrap();
    until(|| count() >= 600).await;
    second.close().await.unwrap();
    for (of, numbers) in &*seen.lock().unwrap() {
        let all = (0..20).map(|turn| turn * 10 + numbers[0] % 10);
        assert_eq!(*numbers, all.collect::<Vec<_>>(), "{of:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_key_is_bounded() {
    let embedded = brokers(1).await;
    // One key that never ends, and another.
    append_keyed(&embedded, 0, 2, 0..10_000);
    let mut config = config(&embedded);
    config.consumer.max_poll_records = 100;
    config.consumer.fetch_buffer_bytes = Some(64 * 1024);
    let mq = Mq::new(config).unwrap();
    let book = Book::default();
    let handler = book.handler(|number| if number == 0 { 100 * SECOND } else { Duration::ZERO });
    mq.consumer().unwrap().subscribe_with(["t"], by_key(4), handler).unwrap();
    tokio::time::sleep(90 * SECOND).await;
    let ended = book.ended();
    assert!((50..=300).contains(&ended), "{ended}");
    book.wait_for(10_000).await;
}

#[tokio::test(start_paused = true)]
async fn killed_again_and_again_each_key_goes_on_where_it_was_or_before() {
    for seed in 0..8 {
        killed_again_and_again(seed).await;
    }
}

async fn killed_again_and_again(seed: u64) {
    const MESSAGES: u32 = 3_000;
    let mut random = Random::new(seed);
    let keys = 1 + u32::try_from(random.below(200)).unwrap();
    let at_once = 2 + usize::try_from(random.below(40)).unwrap();
    let embedded = brokers(1).await;
    append_keyed(&embedded, 0, keys, 0..MESSAGES);
    let mut next = vec![0; usize::try_from(keys).unwrap()];
    loop {
        let mut config = config(&embedded);
        config.consumer.auto_commit_interval = Duration::from_millis(20);
        let (mq, book) = (Mq::new(config).unwrap(), Book::default());
        let (shift, longest) = (random.below(100), 1 + random.below(20));
        let handler = book.handler(move |number| {
            Duration::from_millis((u64::from(number) * 7_919 + shift) % longest)
        });
        let committed = embedded.committed("g", "t", 0).unwrap_or(0);
        mq.consumer().unwrap().subscribe_with(["t"], by_key(at_once), handler).unwrap();
        until(|| book.ended() > 0 || embedded.committed("g", "t", 0) == Some(MESSAGES.into()))
            .await;
        tokio::time::sleep(Duration::from_millis(random.below(600))).await;
        // Without a word: its session must end first.
        drop(mq);
        let entries = book.0.lock().unwrap();
        for (key, numbers) in &entries.begun {
            let key: u32 = std::str::from_utf8(key.as_ref().unwrap()).unwrap().parse().unwrap();
            let next = &mut next[usize::try_from(key).unwrap()];
            let first = numbers[0] / keys;
            assert!(first <= *next, "seed {seed}: key {key} goes on at {first}, not {next}");
            assert!(i64::from(numbers[0]) >= committed, "seed {seed}: before what is committed");
            let all = (first..).map(|turn| turn * keys + key).take(numbers.len());
            assert_eq!(*numbers, all.collect::<Vec<_>>(), "seed {seed}: key {key}");
            // What was in hand may or may not have been done.
            let done = numbers.iter().filter(|number| entries.ended.contains(number)).count();
            *next = (*next).max(first + u32::try_from(done).unwrap());
        }
        let left = u32::try_from(next.iter().filter(|next| **next > 0).count()).unwrap();
        let done: u32 = next.iter().sum();
        if done == MESSAGES && left == keys {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn output_in_transactions_and_order_by_key_do_not_go_together() {
    let embedded = brokers(1).await;
    let mut config = config(&embedded);
    config.consumer.isolation_level = crate::consumer::IsolationLevel::ReadCommitted;
    let mq = Mq::new(config).unwrap();
    let options = by_key(2).transactional_id("x");
    let handler = async |message: Message| message;
    let refused = mq.consumer().unwrap().subscribe_with(["t"], options, handler).unwrap_err();
    assert_eq!(refused.code(), Code::InvalidConfig);
    let options = by_key(1).transactional_id("x");
    mq.consumer().unwrap().subscribe_with(["t"], options, handler).unwrap();
}
