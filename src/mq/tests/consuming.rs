//! What handlers get, in which order, and what is committed of it.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::*;
use crate::ids::Offset;
use crate::mq::{Code, HandlerOptions};

#[tokio::test(start_paused = true)]
async fn a_handler_sees_each_partition_in_order_and_a_restart_goes_on_behind_it() {
    let embedded = brokers(1).await;
    for partition in 0..3 {
        append(&embedded, "t", partition, 0..50);
    }
    let first = mq(&embedded);
    let seen = Seen::default();
    first.consumer().unwrap().subscribe(["t"], noting(&seen)).unwrap();
    seen.wait_for(150).await;
    for partition in 0..3 {
        assert_eq!(seen.of(partition), numbers(0..50));
    }
    first.close().await.unwrap();
    append(&embedded, "t", 1, 50..52);
    let second = mq(&embedded);
    let rest = Seen::default();
    second.consumer().unwrap().subscribe(["t"], noting(&rest)).unwrap();
    rest.wait_for(2).await;
    assert_eq!(rest.of(1), numbers(50..52), "what was handled was committed");
    assert_eq!(rest.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn offsets_are_committed_by_themselves_in_time() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..10);
    let mq = mq(&embedded);
    let consumer = mq.consumer().unwrap();
    let seen = Seen::default();
    consumer.subscribe(["t"], noting(&seen)).unwrap();
    seen.wait_for(10).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(committed(&consumer, 0).await, Some(10));
    assert_eq!(consumer.metrics().partitions[&tp(0)].committed_offset, Some(Offset(10)));
    assert_eq!(consumer.current_offset(&tp(0)).await.unwrap(), Offset(10));
}

#[tokio::test(start_paused = true)]
async fn without_automatic_commits_the_service_commits() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..10);
    let mut config = config(&embedded);
    config.consumer.enable_auto_commit = false;
    let consumer = Consumer::new(config).unwrap();
    let seen = Seen::default();
    consumer.subscribe(["t"], noting(&seen)).unwrap();
    seen.wait_for(10).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(committed(&consumer, 0).await, None);
    consumer.commit_offset(&tp(0), 4).await.unwrap();
    assert_eq!(committed(&consumer, 0).await, Some(4));
    consumer.commit_offsets([(tp(0), Offset(5)), (tp(1), Offset(0))]).await.unwrap();
    assert_eq!((committed(&consumer, 0).await, committed(&consumer, 1).await), (Some(5), Some(0)));
    consumer.commit().await.unwrap();
    assert_eq!(committed(&consumer, 0).await, Some(10));
}

#[tokio::test(start_paused = true)]
async fn several_handlers_work_at_once_and_a_topic_has_one() {
    let embedded = brokers(1).await;
    append_batch(&embedded, "t", 0, 0..40);
    let mut config = config(&embedded);
    config.consumer.max_poll_records = 2;
    let mq = Mq::new(config).unwrap();
    let consumer = mq.consumer().unwrap();
    // The handler of t never comes to an end, with more to come than fits in its queue.
    consumer.subscribe(["t"], |_: Message| std::future::pending::<()>()).unwrap();
    let seen = Seen::default();
    consumer.subscribe(["u"], noting(&seen)).unwrap();
    tokio::time::sleep(SECOND).await;
    append_batch(&embedded, "u", 0, 0..5);
    seen.wait_for(5).await;
    let error = consumer.subscribe(["u"], noting(&seen)).unwrap_err();
    assert_eq!(error.code(), Code::InvalidConfig);
}

#[tokio::test(start_paused = true)]
async fn a_pattern_takes_what_it_matches_beside_named_topics() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..3);
    append(&embedded, "u", 0, 0..4);
    let mq = mq(&embedded);
    let consumer = mq.consumer().unwrap();
    let (named, matched) = (Seen::default(), Seen::default());
    consumer.subscribe(["t"], noting(&named)).unwrap();
    consumer.subscribe_pattern("u|nothing.*", HandlerOptions::new(), noting(&matched)).unwrap();
    matched.wait_for(4).await;
    named.wait_for(3).await;
    assert_eq!(
        consumer.subscribe_pattern("(", HandlerOptions::new(), noting(&named)).unwrap_err().code(),
        Code::InvalidConfig
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_false_stops_the_handler_and_commits_what_it_saw() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..10);
    let mq = mq(&embedded);
    let consumer = mq.consumer().unwrap();
    let seen = Seen::default();
    let noted = seen.clone();
    let handler = crate::mq::callback(move |message, partition, error| {
        assert!(error.is_none());
        assert_eq!(partition, Some(tp(0)));
        noted.add(&message.unwrap());
        noted.len() < 4
    });
    consumer.subscribe(["t"], handler).unwrap();
    consumer.stopped().await;
    assert_eq!(seen.of(0), numbers(0..4));
    mq.close().await.unwrap();
    let (again, rest) = (super::mq(&embedded), Seen::default());
    again.consumer().unwrap().subscribe(["t"], noting(&rest)).unwrap();
    rest.wait_for(6).await;
    assert_eq!(rest.of(0), numbers(4..10));
}

#[tokio::test(start_paused = true)]
async fn topics_can_be_given_up_one_by_one_or_all() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    let consumer = mq.consumer().unwrap();
    let seen = Seen::default();
    consumer.subscribe(["t", "u"], noting(&seen)).unwrap();
    append(&embedded, "t", 0, 0..1);
    append(&embedded, "u", 0, 0..1);
    seen.wait_for(2).await;
    consumer.unsubscribe(["t"]).unwrap();
    append(&embedded, "t", 0, 1..2);
    append(&embedded, "u", 0, 1..2);
    seen.wait_for(3).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(seen.len(), 3);
    consumer.unsubscribe_all().unwrap();
    consumer.stopped().await;
    assert!(consumer.assignment().is_empty());
    consumer.subscribe(["t"], noting(&seen)).unwrap();
    seen.wait_for(4).await;
    assert_eq!(seen.len(), 4, "it goes on where it was");
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_changes_hands_at_once_misses_nothing() {
    let cases = [
        (Duration::ZERO, &["t"][..]),
        (Duration::ZERO, &["t", "u"]),
        (Duration::from_millis(1), &["t", "u"]),
        (SECOND, &["t"]),
    ];
    for (pause, topics) in cases {
        let embedded = brokers(1).await;
        append_batch(&embedded, "t", 0, 0..40);
        let mut config = config(&embedded);
        config.consumer.max_poll_records = 4;
        let mq = Mq::new(config).unwrap();
        let consumer = mq.consumer().unwrap();
        let (first, second) = (Seen::default(), Seen::default());
        let noted = first.clone();
        let slow = move |message: Message| {
            let noted = noted.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                noted.add(&message);
            }
        };
        // So that the consumer stays a member, and keeps the partition.
        consumer.subscribe(["dead"], noting(&Seen::default())).unwrap();
        consumer.subscribe(topics.iter().copied(), slow).unwrap();
        first.wait_for(3).await;
        consumer.unsubscribe(["t"]).unwrap();
        tokio::time::sleep(pause).await;
        consumer.subscribe(["t"], noting(&second)).unwrap();
        until(|| second.of(0).last() == Some(&39)).await;
        let mut all = [first.of(0), second.of(0)].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all, numbers(0..40), "{pause:?} {topics:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_is_not_flooded_and_misses_nothing() {
    let embedded = brokers(1).await;
    for partition in 0..3 {
        append(&embedded, "t", partition, 0..20);
        append_batch(&embedded, "t", partition, 20..40);
    }
    let mut config = config(&embedded);
    config.consumer.max_poll_records = 3;
    let mq = Mq::new(config).unwrap();
    let seen = Seen::default();
    let noted = seen.clone();
    let handler = move |message: Message| {
        let noted = noted.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            noted.add(&message);
        }
    };
    mq.consumer().unwrap().subscribe(["t"], handler).unwrap();
    seen.wait_for(120).await;
    for partition in 0..3 {
        assert_eq!(seen.of(partition), numbers(0..40));
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_can_be_handled_in_parallel_each_in_order() {
    let embedded = brokers(1).await;
    for partition in 0..3 {
        append(&embedded, "t", partition, 0..20);
    }
    let mq = mq(&embedded);
    let (seen, at_once, most) =
        (Seen::default(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let (seen, at_once, most) = (seen.clone(), Arc::clone(&at_once), Arc::clone(&most));
        move |message: Message| {
            let (seen, at_once, most) = (seen.clone(), Arc::clone(&at_once), Arc::clone(&most));
            async move {
                most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(10)).await;
                at_once.fetch_sub(1, Ordering::SeqCst);
                seen.add(&message);
            }
        }
    };
    mq.consumer()
        .unwrap()
        .subscribe_with(["t"], HandlerOptions::new().partitions_in_parallel(3), handler)
        .unwrap();
    seen.wait_for(60).await;
    assert_eq!(most.load(Ordering::SeqCst), 3);
    for partition in 0..3 {
        assert_eq!(seen.of(partition), numbers(0..20));
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_moves_takes_its_finished_messages_along_and_repeats_none() {
    let embedded = brokers(1).await;
    let seen = Seen::default();
    let slow = |seen: &Seen| {
        let seen = seen.clone();
        move |message: Message| {
            let seen = seen.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                seen.add(&message);
            }
        }
    };
    let first = mq(&embedded);
    first.consumer().unwrap().subscribe(["t"], slow(&seen)).unwrap();
    for partition in 0..3 {
        append(&embedded, "t", partition, 0..100);
    }
    seen.wait_for(50).await;
    let second = mq(&embedded);
    second.consumer().unwrap().subscribe(["t"], slow(&seen)).unwrap();
    seen.wait_for(150).await;
    first.close().await.unwrap();
    seen.wait_for(300).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    for partition in 0..3 {
        assert_eq!(seen.of(partition), numbers(0..100), "each once, in order, across both members");
    }
    assert!(!second.consumer().unwrap().assignment().is_empty());
}

#[tokio::test(start_paused = true)]
async fn closing_finishes_the_message_in_hand_and_commits_it() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..5);
    let mq = mq(&embedded);
    let (begun, seen) = (Arc::new(AtomicUsize::new(0)), Seen::default());
    let handler = {
        let (begun, seen) = (Arc::clone(&begun), seen.clone());
        move |message: Message| {
            let (begun, seen) = (Arc::clone(&begun), seen.clone());
            async move {
                begun.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(SECOND).await;
                seen.add(&message);
            }
        }
    };
    mq.consumer().unwrap().subscribe(["t"], handler).unwrap();
    until(|| begun.load(Ordering::SeqCst) == 2).await;
    mq.close().await.unwrap();
    assert_eq!(seen.of(0), numbers(0..2));
    let (again, rest) = (super::mq(&embedded), Seen::default());
    again.consumer().unwrap().subscribe(["t"], noting(&rest)).unwrap();
    rest.wait_for(3).await;
    assert_eq!(rest.of(0), numbers(2..5));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_end_does_not_hold_up_closing_for_ever() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..1);
    let mq = mq(&embedded);
    let consumer = mq.consumer().unwrap();
    let begun = Arc::new(AtomicUsize::new(0));
    let noted = Arc::clone(&begun);
    let handler = move |_: Message| {
        noted.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<()>()
    };
    consumer.subscribe(["t"], handler).unwrap();
    until(|| begun.load(Ordering::SeqCst) == 1).await;
    let at = crate::runtime::now();
    assert_eq!(consumer.close(3 * SECOND).await.unwrap_err().code(), Code::Timeout);
    assert_eq!(crate::runtime::now() - at, 3 * SECOND);
    assert_eq!(
        consumer.subscribe(["t"], noting(&Seen::default())).unwrap_err().code(),
        Code::ConsumerClosed
    );
}

#[tokio::test(start_paused = true)]
async fn seeking_and_pausing_move_only_their_partition() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..5);
    append(&embedded, "t", 1, 0..5);
    let mq = mq(&embedded);
    let consumer = mq.consumer().unwrap();
    let seen = Seen::default();
    consumer.subscribe(["t"], noting(&seen)).unwrap();
    seen.wait_for(10).await;
    consumer.seek(&tp(0), 3).unwrap();
    seen.wait_for(12).await;
    consumer.seek_to_beginning(&[tp(1)]).unwrap();
    seen.wait_for(17).await;
    assert_eq!(seen.of(0), [0, 1, 2, 3, 4, 3, 4]);
    assert_eq!(seen.of(1), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    consumer.pause(&[tp(0)]).unwrap();
    append(&embedded, "t", 0, 5..6);
    append(&embedded, "t", 1, 5..6);
    seen.wait_for(18).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(seen.len(), 18);
    consumer.seek_to_end(&[tp(0)]).unwrap();
    consumer.resume(&[tp(0)]).unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    append(&embedded, "t", 0, 6..7);
    seen.wait_for(19).await;
    assert_eq!(seen.of(0).last(), Some(&6));
    let stranger = TopicPartition::new("u", 0);
    let codes = [
        consumer.pause(std::slice::from_ref(&stranger)).unwrap_err(),
        consumer.seek(&stranger, 1).unwrap_err(),
        consumer.current_offset(&stranger).await.unwrap_err(),
        consumer.seek(&tp(0), -1).unwrap_err(),
    ]
    .map(|error| error.code());
    assert_eq!(
        codes,
        [
            Code::InvalidPartition,
            Code::InvalidPartition,
            Code::InvalidPartition,
            Code::InvalidOffset
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_seek_drops_what_waits_of_the_batch_in_hand() {
    let embedded = brokers(1).await;
    append_batch(&embedded, "t", 0, 0..50);
    let mq = mq(&embedded);
    let consumer = mq.consumer().unwrap();
    let seen = Seen::default();
    let handler = {
        let (seen, own) = (seen.clone(), mq.clone());
        move |message: Message| {
            seen.add(&message);
            if message.text() == Some("5") {
                own.consumer().unwrap().seek(&tp(0), 47).unwrap();
            }
            std::future::ready(())
        }
    };
    consumer.subscribe(["t"], handler).unwrap();
    seen.wait_for(9).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(seen.of(0), [0, 1, 2, 3, 4, 5, 47, 48, 49]);
    assert_eq!(committed(&consumer, 0).await, Some(50));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_whose_messages_a_seek_drops_is_noticed_to_be_empty() {
    let embedded = brokers(1).await;
    // Each a batch of its own: the worker, which drops what waits, lets others run meanwhile.
    append(&embedded, "t", 0, 0..700);
    let mut config = config(&embedded);
    config.consumer.max_poll_records = 600;
    let mq = Mq::new(config).unwrap();
    let consumer = mq.consumer().unwrap();
    let seen = Seen::default();
    let handler = {
        let (seen, own) = (seen.clone(), mq.clone());
        move |message: Message| {
            let (seen, own) = (seen.clone(), own.clone());
            async move {
                seen.add(&message);
                if message.text() == Some("0") {
                    // Until the queue is full and its partition paused.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    own.consumer().unwrap().seek(&tp(0), 695).unwrap();
                }
            }
        }
    };
    consumer.subscribe(["t"], handler).unwrap();
    seen.wait_for(6).await;
    assert_eq!(seen.of(0), [0, 695, 696, 697, 698, 699]);
}

#[tokio::test(start_paused = true)]
async fn lag_is_what_has_not_been_handled() {
    let embedded = brokers(1).await;
    for partition in 0..3 {
        append(&embedded, "t", partition, 0..10);
    }
    let mq = mq(&embedded);
    let consumer = mq.consumer().unwrap();
    let room = Arc::new(Semaphore::new(12));
    let seen = Seen::default();
    let handler = {
        let (room, seen) = (Arc::clone(&room), seen.clone());
        move |message: Message| {
            let (room, seen) = (Arc::clone(&room), seen.clone());
            async move {
                room.acquire().await.unwrap().forget();
                seen.add(&message);
            }
        }
    };
    consumer.subscribe(["t"], handler).unwrap();
    seen.wait_for(12).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    let metrics = consumer.metrics();
    assert_eq!((metrics.lag, metrics.messages, metrics.bytes), (18, 12, 12));
    assert_eq!(consumer.lag().await.unwrap(), 18);
    let offsets: i64 = metrics
        .partitions
        .values()
        .filter_map(|partition| partition.current_offset)
        .map(|offset| offset.0)
        .sum();
    assert_eq!(offsets, 12);
}

#[tokio::test(start_paused = true)]
async fn the_marker_of_a_transaction_waits_for_no_handler() {
    use kavka_testcontainers::embedded::TransactionEnd;

    let embedded = brokers(1).await;
    embedded.append_transaction("t", 0, 7, &[(None, Some(b"1"))], TransactionEnd::Committed);
    let mq = mq(&embedded);
    let consumer = mq.consumer().unwrap();
    let seen = Seen::default();
    let noted = seen.clone();
    let handler = move |message: Message| {
        noted.add(&message);
        std::future::ready(())
    };
    consumer.subscribe(["t"], handler).unwrap();
    seen.wait_for(1).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(consumer.lag().await.unwrap(), 0);
    assert_eq!(consumer.metrics().lag, 0);
}

#[tokio::test(start_paused = true)]
async fn a_received_message_has_all_that_was_sent() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    let sent = Message::new("t", "1")
        .key("k")
        .header("h", "1")
        .header("h", "2")
        .timestamp(77)
        .partition(1);
    mq.producer().send_batch_sync(std::slice::from_ref(&sent)).await.remove(0).result.unwrap();
    let got: Arc<Mutex<Option<Message>>> = Arc::default();
    let noted = Arc::clone(&got);
    let handler = move |message: Message| {
        *noted.lock().unwrap() = Some(message);
        std::future::ready(false)
    };
    mq.consumer().unwrap().subscribe(["t"], handler).unwrap();
    mq.consumer().unwrap().stopped().await;
    let got = got.lock().unwrap().take().unwrap();
    assert_eq!(got, Message { offset: Some(Offset(0)), ..sent });
    assert_eq!(got.last_header("h"), Some(&b"2"[..]));
}
