//! The default instance of `kavka::mq`, which a process has one of: one test, in a process of its
//! own, in steps.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::future::Future;
use std::sync::mpsc;
use std::time::Duration;

use kavka::mq::{self, Code, Config, Message, blocking};
use kavka::{AutoOffsetReset, Offset, TopicPartition};
use kavka_testcontainers::embedded::EmbeddedCluster;

const PATIENCE: Duration = Duration::from_secs(30);

/// Runs something in a runtime that ends with it.
fn in_a_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// What a subscription hears.
fn listener() -> (impl mq::Handler, mpsc::Receiver<Message>) {
    let (heard, hears) = mpsc::channel();
    let handler = move |message: Message| {
        heard.send(message).unwrap();
        std::future::ready(())
    };
    (handler, hears)
}

async fn sent_async(value: &str) -> Offset {
    let (tell, told) = tokio::sync::oneshot::channel();
    mq::send_async("t", value, move |sent| tell.send(sent).unwrap()).await.unwrap();
    told.await.unwrap().unwrap().offset.unwrap()
}

#[test]
fn the_default_instance_outlives_runtimes_and_threads_without_one_use_it_too() {
    // The cluster needs a runtime that lasts.
    let host = tokio::runtime::Runtime::new().unwrap();
    let builder = EmbeddedCluster::builder().tcp().topic("t", 1, 1);
    let embedded = host.block_on(builder.start()).unwrap();

    // No broker: an error that says so, and soon.
    let mut nowhere = Config::new("127.0.0.1:1");
    nowhere.connection.dial_timeout = Duration::from_millis(200);
    nowhere.connection.read_timeout = Duration::from_millis(200);
    mq::configure(nowhere).unwrap();
    let error = in_a_runtime(mq::ping()).unwrap_err();
    assert_eq!(error.code(), Code::ConnectionFailed, "{error}");
    assert!(
        error.to_string().starts_with("CONNECTION_FAILED: ")
            && error.to_string().contains("127.0.0.1:1"),
        "{error}"
    );
    // It is in use now, so that another configuration comes too late, until it is closed.
    let mut config = Config::new(embedded.bootstrap_servers());
    config.consumer.group_id = Some("g".to_owned());
    config.consumer.auto_offset_reset = AutoOffsetReset::Earliest;
    assert_eq!(mq::configure(config.clone()).unwrap_err().code(), Code::InvalidConfig);
    blocking::close().unwrap();
    mq::configure(config).unwrap();

    // Two runtimes, one after the other.
    assert_eq!(in_a_runtime(sent_async("0")), Offset(0));
    let (handler, hears) = listener();
    in_a_runtime(async {
        assert_eq!(sent_async("1").await, Offset(1));
        mq::subscribe(["t"], handler).await.unwrap();
        assert_eq!(mq::send_sync("t", "2").await.unwrap().offset, Some(Offset(2)));
        assert_eq!(mq::send_sync_with_key("t", "k", "3").await.unwrap().offset, Some(Offset(3)));
        let results = mq::send_batch_sync(vec![Message::new("t", "4"), Message::new("t", "5")])
            .await
            .unwrap();
        assert_eq!(
            results
                .iter()
                .map(|sent| sent.result.as_ref().unwrap().offset.unwrap().0)
                .collect::<Vec<_>>(),
            [4, 5]
        );
        let (tell, told) = tokio::sync::oneshot::channel();
        mq::send_batch_async(vec![Message::new("t", "6")], move |results| {
            tell.send(results.len()).unwrap()
        })
        .await
        .unwrap();
        assert_eq!(told.await.unwrap(), 1);
        mq::ping().await.unwrap();
        // To wait here would stop the runtime.
        for refused in
            [blocking::send_sync("t", "x").map(drop), blocking::ping().map(drop), blocking::close()]
        {
            assert_eq!(refused.unwrap_err().code(), Code::InvalidConfig);
        }
    });

    // Threads without a runtime; the subscription has outlived the one in which it was made.
    assert_eq!(blocking::send_sync("t", "7").unwrap().offset, Some(Offset(7)));
    blocking::send_sync_with_key("t", "k", "8").unwrap();
    let (tell, told) = mpsc::channel();
    blocking::send_async("t", "9", move |sent| tell.send(sent).unwrap()).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap().unwrap().offset, Some(Offset(9)));
    let again = told_of_batch();
    assert_eq!(blocking::send_batch_sync(vec![Message::new("t", "10")]).unwrap().len(), 1);
    blocking::send_batch_async(vec![Message::new("t", "11")], again.0).unwrap();
    assert_eq!(again.1.recv_timeout(PATIENCE).unwrap(), 1);
    blocking::ping().unwrap();
    for expected in 0..12 {
        let message = hears.recv_timeout(PATIENCE).unwrap();
        assert_eq!(
            (message.text(), message.offset),
            (Some(expected.to_string().as_str()), Some(Offset(expected)))
        );
    }
    in_a_runtime(mq::commit_offset(&TopicPartition::new("t", 0), 5)).unwrap();
    blocking::commit_offset(&TopicPartition::new("t", 0), 6).unwrap();
    assert_eq!(mq::producer_metrics().unwrap().successful_messages, 12);
    in_a_runtime(mq::unsubscribe(["t"])).unwrap();
    blocking::unsubscribe(["t"]).unwrap();

    // Closed in order, and made anew by the next who needs it, with the same configuration.
    in_a_runtime(mq::close()).unwrap();
    in_a_runtime(mq::close()).unwrap();
    assert_eq!(blocking::send_sync("t", "12").unwrap().offset, Some(Offset(12)));
    let (handler, hears) = listener();
    blocking::subscribe(["t"], handler).unwrap();
    assert_eq!(
        hears.recv_timeout(PATIENCE).unwrap().offset,
        Some(Offset(12)),
        "all before was handled and committed"
    );
    blocking::close().unwrap();
    host.block_on(embedded.shutdown());
}

/// A callback for a batch, and where it tells the number of results.
fn told_of_batch() -> (impl FnOnce(Vec<mq::BatchResult>) + Send + 'static, mpsc::Receiver<usize>) {
    let (tell, told) = mpsc::channel();
    (move |results: Vec<mq::BatchResult>| tell.send(results.len()).unwrap(), told)
}
