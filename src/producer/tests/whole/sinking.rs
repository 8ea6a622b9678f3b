//! A producer as the end of a stream.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_sink::Sink;
use futures_util::stream::{self, StreamExt};

use super::*;

type Sinking<'s, T> = Pin<&'s mut (dyn Sink<T, Error = crate::Error> + 's)>;

/// Waits until one of the sink's calls is ready.
async fn when<T>(
    mut sink: Sinking<'_, T>,
    mut poll: impl FnMut(Sinking<'_, T>, &mut Context<'_>) -> Poll<crate::Result<()>>,
) -> crate::Result<()> {
    std::future::poll_fn(|context| poll(sink.as_mut(), context)).await
}

fn numbered(number: &String) -> Record<'_> {
    to(0).value(number)
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_forwarded_is_written_in_order_when_its_end_is_told() {
    let embedded = brokers(1).await;
    let config = ProducerConfig::new().buffer_memory(10_000).batch_size(1_000);
    let producer = producer(&embedded, config.linger(Duration::from_secs(60)));
    let begun = runtime::now();
    let sink = producer.sink(numbered);
    stream::iter(numbers(0..2_000)).map(Ok).forward(sink).await.unwrap();
    assert_eq!(values(&embedded, 0), numbers(0..2_000));
    assert!(runtime::now() - begun < Duration::from_secs(1), "a flush does not linger");
    all(send_numbers(&producer, 0, 2_000..2_001).await).await;
}

#[tokio::test(start_paused = true)]
async fn an_item_waits_in_the_sink_for_its_topic_and_for_room() {
    let embedded = brokers(1).await;
    let config = ProducerConfig::new().buffer_memory(3_000).batch_size(1_000);
    let producer = producer(&embedded, config);
    let mut sink = producer.sink(numbered);
    let mut sink = Pin::new(&mut sink);
    let mut context = Context::from_waker(Waker::noop());
    assert!(sink.as_mut().poll_ready(&mut context).is_ready());
    sink.as_mut().start_send("first".to_owned()).unwrap();
    assert!(sink.as_mut().poll_ready(&mut context).is_pending(), "the topic is not known");
    when(sink.as_mut(), |sink, context| sink.poll_ready(context)).await.unwrap();
    let fault =
        embedded.fault(Fault::on(ApiKey::Produce).then(Reaction::Answer(Code::NotEnoughReplicas)));
    let mut expected = vec!["first".to_owned()];
    while sink.as_mut().poll_ready(&mut context).is_ready() {
        expected.push("x".repeat(400));
        sink.as_mut().start_send("x".repeat(400)).unwrap();
    }
    assert!(sink.as_mut().poll_flush(&mut context).is_pending());
    embedded.remove_fault(fault);
    when(sink.as_mut(), |sink, context| sink.poll_flush(context)).await.unwrap();
    assert_eq!(values(&embedded, 0), expected);
    assert_eq!(producer.stats().memory_used, 0);
}

#[tokio::test(start_paused = true)]
async fn a_flush_tells_the_first_failure_once_and_the_sink_goes_on() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new().linger(Duration::from_secs(60)));
    all(send_numbers(&producer, 0, 0..1).await).await;
    let begun = runtime::now();
    let fault = embedded.fault(
        Fault::on(ApiKey::Produce)
            .topic("t")
            .then(Reaction::Answer(Code::TopicAuthorizationFailed)),
    );
    let mut sink = producer.sink(numbered);
    let mut sink = Pin::new(&mut sink);
    for number in numbers(1..3) {
        when(sink.as_mut(), |sink, context| sink.poll_ready(context)).await.unwrap();
        sink.as_mut().start_send(number).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let error = when(sink.as_mut(), |sink, context| sink.poll_flush(context)).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    embedded.remove_fault(fault);
    when(sink.as_mut(), |sink, context| sink.poll_ready(context)).await.unwrap();
    sink.as_mut().start_send("3".to_owned()).unwrap();
    when(sink.as_mut(), |sink, context| sink.poll_close(context)).await.unwrap();
    assert_eq!(values(&embedded, 0), ["0", "3"]);
    assert!(runtime::now() - begun < Duration::from_secs(10), "no flush lingers");
    all(send_numbers(&producer, 0, 4..5).await).await;
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_refused_is_told_and_the_next_is_taken() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new().max_block(Duration::from_secs(3)));
    let mut sink = producer.sink(|topic: &&'static str| Record::to(topic).value("x"));
    let mut sink = Pin::new(&mut sink);
    for topic in ["mispelt", "mispelt"] {
        let begun = runtime::now();
        when(sink.as_mut(), |sink, context| sink.poll_ready(context)).await.unwrap();
        sink.as_mut().start_send(topic).unwrap();
        let refused = when(sink.as_mut(), |sink, context| sink.poll_ready(context)).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!((runtime::now() - begun).as_secs(), 3, "each waits for max.block.ms");
    }
    when(sink.as_mut(), |sink, context| sink.poll_ready(context)).await.unwrap();
    sink.as_mut().start_send("t").unwrap();
    when(sink.as_mut(), |sink, context| sink.poll_flush(context)).await.unwrap();
    producer.close(Duration::from_secs(1)).await.unwrap();
    when(sink.as_mut(), |sink, context| sink.poll_ready(context)).await.unwrap();
    assert_eq!(sink.as_mut().start_send("t").unwrap_err().kind(), ErrorKind::Closed);
}
