//! `buffer.memory`: what holds it, and who waits for it.

use super::*;

#[cfg(feature = "lz4")]
#[tokio::test(start_paused = true)]
async fn a_compressed_batch_holds_as_much_memory_as_it_took_before() {
    let embedded = brokers(1).await;
    let config = ProducerConfig::new()
        .buffer_memory(40_000)
        .batch_size(4_000)
        .compression(crate::Compression::LZ4);
    let producer = producer(&embedded, config);
    all(send_numbers(&producer, 0, 0..1).await).await;
    embedded.fault(Fault::on(ApiKey::Produce).then(Reaction::Answer(Code::NotEnoughReplicas)));
    let value = [7; 1_000];
    let mut accepted = 0;
    // Each round gives the task time to compress what is full.
    while producer.try_send(to(0).value(&value)).is_ok() {
        accepted += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!((30..40).contains(&accepted), "{accepted}");
}

#[tokio::test(start_paused = true)]
async fn without_room_send_waits_and_try_send_does_not() {
    let embedded = brokers(1).await;
    let config = ProducerConfig::new()
        .buffer_memory(40_000)
        .batch_size(4_000)
        .max_block(Duration::from_secs(2));
    let producer = producer(&embedded, config);
    all(send_numbers(&producer, 0, 0..1).await).await;
    let fault =
        embedded.fault(Fault::on(ApiKey::Produce).then(Reaction::Answer(Code::NotEnoughReplicas)));
    let value = [7; 1_000];
    let mut deliveries = Vec::new();
    let error = loop {
        match producer.try_send(to(0).value(&value)) {
            Ok(delivery) => deliveries.push(delivery),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::BufferFull);
    assert!((30..40).contains(&deliveries.len()), "{}", deliveries.len());
    // Closing what was open may free what it did not use.
    let error = loop {
        match producer.send(to(0).value(&value)).await {
            Ok(delivery) => deliveries.push(delivery),
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind(), error.written()), (ErrorKind::BufferFull, Some(Written::No)));
    assert!(deliveries.len() < 40, "{}", deliveries.len());
    embedded.remove_fault(fault);
    for _ in 0..200 {
        deliveries.push(producer.send(to(0).value(&value)).await.unwrap());
    }
    all(deliveries).await;
    assert_eq!(producer.stats().memory_used, 0);
}

#[tokio::test(start_paused = true)]
async fn many_blocked_senders_some_of_which_give_up_all_come_to_an_end() {
    let embedded = brokers(1).await;
    let config = ProducerConfig::new().buffer_memory(20_000).batch_size(4_000);
    let producer = producer(&embedded, config);
    let tasks: Vec<_> = (0..40_usize)
        .map(|task| {
            let producer = producer.clone();
            tokio::spawn(async move {
                let value = vec![1; 100 + task * 100];
                for round in 0..20_usize {
                    let record = Record::to("t").value(&value);
                    let sending = producer.send(record);
                    if (task + round).is_multiple_of(7) {
                        let _given_up =
                            tokio::time::timeout(Duration::from_micros(100), sending).await;
                    } else {
                        sending.await.unwrap().await.unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    producer.flush().await.unwrap();
    assert_eq!(producer.stats().memory_used, 0);
}
