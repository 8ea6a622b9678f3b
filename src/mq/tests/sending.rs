use kavka_testcontainers::embedded::{ApiKey, ErrorCode as BrokerCode, Fault, Reaction};

use super::*;
use crate::error::Written;
use crate::mq::{Code, MessageHeader, Producer};
use crate::record::Record;

fn shared() -> Arc<Mutex<Vec<i64>>> {
    Arc::default()
}

#[tokio::test(start_paused = true)]
async fn each_way_of_sending_tells_where_the_message_is() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    let producer = mq.producer();
    let first = producer.send_sync_with_key("t", "k", "a").await.unwrap();
    let headers = [MessageHeader::new("h", "1"), MessageHeader::new("h", "2")];
    let second = producer.send_sync_with_headers("t", Some(b"k"), "b", &headers).await.unwrap();
    let third = producer.send(Record::to("t").key("k").value("c")).await.unwrap().await.unwrap();
    let offsets = [&first, &second, &third].map(|sent| sent.offset.unwrap().0);
    assert_eq!(offsets, [0, 1, 2]);
    let partition = first.topic_partition.partition.0;
    assert_eq!(log(&embedded, "t", partition), ["a", "b", "c"]);
    producer.send_sync("t", "no key").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn callbacks_of_a_partition_come_in_its_order() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    let offsets = shared();
    for number in 0..200 {
        let told = Arc::clone(&offsets);
        let tell = move |sent: crate::mq::Result<crate::mq::Sent>| {
            told.lock().unwrap().push(sent.unwrap().offset.unwrap().0)
        };
        match number % 3 {
            0 => mq.producer().send_async_with_key("t", "k", "v", tell).await.unwrap(),
            1 => mq
                .producer()
                .send_async_with_headers("t", Some(b"k"), "v", &[], tell)
                .await
                .unwrap(),
            _ => {
                let message = Message::new("t", "v").key("k");
                mq.producer()
                    .send_batch_async(vec![message], move |mut results| {
                        tell(results.remove(0).result)
                    })
                    .unwrap();
                tokio::task::yield_now().await;
            }
        }
    }
    mq.producer().flush().await.unwrap();
    until(|| offsets.lock().unwrap().len() == 200).await;
    let told: Vec<i64> = offsets.lock().unwrap().clone();
    let of_callbacks = told.iter().filter(|offset| *offset % 3 != 2);
    assert!(of_callbacks.is_sorted(), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_one_result_for_each_message_in_order() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    let messages = [
        Message::new("t", "a").partition(1),
        Message::new("t", vec![0; 2 * 1024 * 1024]).partition(1),
        Message::new("u", "b").partition(9),
        Message::new("t", "c").partition(1),
    ];
    let results = mq.producer().send_batch_sync(&messages).await;
    assert_eq!(
        results.iter().map(|result| result.topic.as_str()).collect::<Vec<_>>(),
        ["t", "t", "u", "t"]
    );
    let codes: Vec<_> = results
        .iter()
        .map(|result| result.result.as_ref().err().map(crate::mq::Error::code))
        .collect();
    assert_eq!(codes, [None, Some(Code::MessageTooLarge), Some(Code::PartitionNotFound), None]);
    assert_eq!(log(&embedded, "t", 1), ["a", "c"]);
    let metrics = mq.producer().metrics();
    assert_eq!(
        (metrics.total_messages, metrics.successful_messages, metrics.failed_messages),
        (4, 2, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_is_dropped_is_counted() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    drop(mq.producer().send(Record::to("t").value("a")).await.unwrap());
    mq.producer().flush().await.unwrap();
    until(|| mq.producer().metrics().successful_messages == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_send_has_sent_nothing_or_all() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    let producer = mq.producer();
    // The topic is not known yet, so that the first poll must wait.
    let dropped =
        tokio::time::timeout(Duration::ZERO, producer.send(Record::to("t").value("dropped"))).await;
    assert!(dropped.is_err());
    producer.send_sync("t", "sent").await.unwrap();
    let all: Vec<_> = (0..3).flat_map(|partition| log(&embedded, "t", partition)).collect();
    assert_eq!(all, ["sent"]);
}

#[tokio::test(start_paused = true)]
async fn a_closed_producer_says_so() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    mq.producer().send_sync("t", "a").await.unwrap();
    mq.producer().close(SECOND).await.unwrap();
    let error = mq.producer().send_sync("t", "b").await.unwrap_err();
    assert_eq!(error.code(), Code::ProducerClosed);
    assert!(error.is_fatal() && error.to_string().starts_with("PRODUCER_CLOSED: "));
}

#[tokio::test(start_paused = true)]
async fn a_producer_stands_alone() {
    let embedded = brokers(1).await;
    let producer = Producer::new(config(&embedded)).unwrap();
    producer.send_sync("t", "a").await.unwrap();
    assert!(producer.metrics().latency.count == 1);
}

#[tokio::test(start_paused = true)]
async fn refusals_of_the_leader_use_up_max_retries() {
    let embedded = brokers(1).await;
    embedded.fault(
        Fault::on(ApiKey::Produce).times(4).then(Reaction::Answer(BrokerCode::NotEnoughReplicas)),
    );
    let mq = mq(&embedded);
    let error = mq.producer().send_sync("t", "a").await.unwrap_err();
    assert_eq!(error.code(), Code::RetryExhausted);
    assert!(!error.is_retriable());
    assert_eq!(error.client_error().and_then(crate::error::Error::written), Some(Written::No));
    mq.producer().send_sync("t", "b").await.expect("the fault is over");
}

#[tokio::test(start_paused = true)]
async fn lost_connections_use_up_nothing_and_lose_nothing() {
    let embedded = brokers(1).await;
    embedded.fault(Fault::on(ApiKey::Produce).times(6).then(Reaction::CloseAfter));
    let mq = mq(&embedded);
    let mut receipts = Vec::new();
    for number in 0..50 {
        let value = number.to_string();
        receipts
            .push(mq.producer().send(Record::to("t").partition(0).value(&value)).await.unwrap());
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
    assert_eq!(
        log(&embedded, "t", 0),
        (0..50).map(|number| number.to_string()).collect::<Vec<_>>(),
        "once each, in order"
    );
}

#[tokio::test(start_paused = true)]
async fn without_brokers_sends_are_kept_then_wait_then_time_out_and_go_on_in_order() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    mq.producer().send_sync("t", "warm").await.unwrap();
    embedded.stop_broker(1);
    let (begun, value) = (crate::runtime::now(), "x".repeat(1_000_000));
    let mut kept = Vec::new();
    let refused = loop {
        match mq.producer().send(Record::to("t").partition(2).value(&value)).await {
            Ok(receipt) => kept.push(receipt),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.code(), Code::Timeout);
    let waited = crate::runtime::now() - begun;
    assert!(waited >= Duration::from_secs(60) && waited < Duration::from_secs(61), "{waited:?}");
    assert_eq!(kept.len(), 33, "32 MiB of them");
    embedded.start_broker(1).await.unwrap();
    let mut last = None;
    for receipt in kept {
        let offset = receipt.await.unwrap().offset;
        assert!(offset > last, "in order");
        last = offset;
    }
}

#[tokio::test(start_paused = true)]
async fn lone_messages_leave_at_once_and_metrics_tell_how_long_they_took() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    mq.producer().send_sync("t", "connects").await.unwrap();
    tokio::time::advance(SECOND).await;
    let begun = crate::runtime::now();
    for _ in 0..10 {
        mq.producer().send_sync("t", "12345").await.unwrap();
    }
    assert_eq!(crate::runtime::now(), begun, "no linger");
    tokio::time::advance(SECOND).await;
    let metrics = mq.producer().metrics();
    assert_eq!((metrics.total_messages, metrics.bytes), (11, 8 + 50));
    assert_eq!(metrics.latency.p50, Duration::ZERO);
    assert!(metrics.messages_per_second > 5.0 && metrics.bytes_per_second > 25.0);
}

#[cfg(feature = "json")]
#[tokio::test(start_paused = true)]
async fn a_value_goes_as_json_or_says_why_not() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    mq.producer().send_json("t", Some(b"k"), &serde_json::json!({"a": 1})).await.unwrap();
    let all: Vec<_> = (0..3).flat_map(|partition| log(&embedded, "t", partition)).collect();
    assert_eq!(all, [r#"{"a":1}"#]);
    let keys_are_no_text = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = mq.producer().send_json("t", None, &keys_are_no_text).await.unwrap_err();
    assert_eq!(error.code(), Code::SerializationFailed);
}

/// Chat-like text: sentences of everyday words, from a seed.
fn chatter(random: &mut crate::clock::Random) -> String {
    const WORDS: &str = "the a i you we they is are was will can should not and but so then when \
                         if that this here there now later today tomorrow morning evening coffee \
                         lunch meeting train home office phone message picture link song game \
                         movie weather rain sun friend mother brother boss team plan idea \
                         question answer problem fine great sorry thanks please maybe really \
                         think know want need see hear go come make take give send call wait ok \
                         yes no haha what where who why how much many";
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let count = 4 + random.below(20);
    let word = |random: &mut crate::clock::Random| {
        words[usize::try_from(random.below(words.len() as u64)).unwrap()]
    };
    let text: Vec<&str> = (0..count).map(|_| word(random)).collect();
    let (user, sequence) = (random.below(200), random.below(1_000_000));
    format!(r#"{{"user":"user-{user}","seq":{sequence},"text":"{}"}}"#, text.join(" "))
}

#[cfg(all(feature = "lz4", feature = "snappy"))]
#[test]
fn chat_like_text_shrinks_to_about_what_the_seed_promises() {
    use crate::ids::Timestamp;
    use crate::wire::batch::{RecordFields, RecordsBuilder};
    use crate::wire::compress::Compression;
    for (compression, most) in [(Compression::LZ4, 0.60), (Compression::SNAPPY, 0.65)] {
        let mut random = crate::clock::Random::new(1);
        let mut records = RecordsBuilder::with_capacity(16_384);
        loop {
            let text = chatter(&mut random);
            let fields = RecordFields {
                timestamp: Timestamp(0),
                key: Some(b"room-7"),
                value: Some(text.as_bytes()),
                headers: &[],
            };
            if records.append_within(16_384, &fields).is_none() {
                break;
            }
        }
        let before = records.len();
        let after = records.seal(compression).unwrap().len();
        let ratio = after as f64 / before as f64;
        eprintln!("{compression}: {before} bytes become {after}, {ratio:.3}");
        assert!(ratio <= most, "{compression}: {ratio}");
    }
}
