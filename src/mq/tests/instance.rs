use std::time::Instant;

use super::*;
use crate::admin::NewTopic;
use crate::boxed::BoxFuture;
use crate::config::BrokerAddress;
use crate::mq::Code;
use crate::net::{Connector, Io};
use crate::observability::captured_logs::CapturedLogs;

#[tokio::test(start_paused = true)]
async fn a_ping_tells_whether_a_broker_answers() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    assert_eq!(mq.ping().await.unwrap(), Duration::ZERO);
    assert_eq!(mq.connection_pool().health_check().await.unwrap(), Duration::ZERO);
    embedded.stop_broker(1);
    let begun = crate::runtime::now();
    let error = mq.ping().await.unwrap_err();
    assert!(
        matches!(
            error.code(),
            Code::ConnectionFailed | Code::ConnectionTimeout | Code::ConnectionClosed
        ),
        "{error}"
    );
    assert!(error.is_retriable());
    assert!(crate::runtime::now() - begun <= 2 * SECOND, "monitoring.health_timeout");
    embedded.start_broker(1).await.unwrap();
    mq.ping().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_pool_is_the_clients_connections() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    let pool = mq.connection_pool();
    assert_eq!((pool.stats().max_connections, pool.stats().errors), (10, 0));
    let seen = Seen::default();
    let noted = seen.clone();
    mq.consumer()
        .unwrap()
        .subscribe(["t"], move |message: Message| {
            noted.add(&message);
            std::future::ready(())
        })
        .unwrap();
    mq.producer().send_sync("t", "1").await.unwrap();
    seen.wait_for(1).await;
    let stats = pool.stats();
    assert_eq!(stats.total_connections, stats.active_connections + stats.idle_connections);
    assert!(
        (3..=5).contains(&stats.total_connections),
        "control, produce, fetch, group: {stats:?}"
    );
    assert!(stats.active_connections >= 1, "the fetch waits: {stats:?}");
    assert!(stats.created >= 4);
    embedded.stop_broker(1);
    until(|| pool.stats().errors > 0).await;
    assert!(pool.stats().closed >= 3, "{:?}", pool.stats());
}

#[tokio::test(start_paused = true)]
async fn connections_stay_warm_and_are_replaced_in_time_without_loss() {
    let embedded = brokers(1).await;
    let mut config = config(&embedded);
    config.pool.connection_max_idle_time = Duration::from_secs(60);
    config.pool.connection_max_lifetime = Duration::from_secs(3600);
    let mq = Mq::new(config).unwrap();
    let pool = mq.connection_pool();
    mq.producer().send_sync("t", "1").await.unwrap();
    assert_eq!(pool.stats().total_connections, 2, "short requests and producing");
    tokio::time::sleep(30 * 60 * SECOND).await;
    assert_eq!(
        (pool.stats().total_connections, pool.stats().created),
        (2, 2),
        "pool.min_idle_connections is 2"
    );
    for number in 0..240 {
        tokio::time::sleep(30 * SECOND).await;
        mq.producer().send_sync("t", number.to_string()).await.unwrap();
    }
    assert!((4..=8).contains(&pool.stats().created), "each once an hour: {:?}", pool.stats());
    assert_eq!(mq.producer().metrics().failed_messages, 0);
    let kept: usize = (0..3).map(|partition| log(&embedded, "t", partition).len()).sum();
    assert_eq!(kept, 241);
}

#[tokio::test(start_paused = true)]
async fn topics_are_made_listed_found_and_deleted() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    let admin = mq.admin();
    let room = || {
        NewTopic::new("room")
            .partitions(2)
            .replication_factor(1)
            .config("cleanup.policy", "compact")
    };
    admin.create_topic(room()).await.unwrap();
    assert!(!admin.ensure_topic(room()).await.unwrap());
    let error = admin.create_topic(room()).await.unwrap_err();
    assert_eq!(
        error.client_error().and_then(crate::error::Error::code),
        Some(crate::error::ErrorCode::TOPIC_ALREADY_EXISTS)
    );
    assert_eq!(error.code(), Code::InvalidTopic, "{error}");
    let names: Vec<_> =
        admin.list_topics().await.unwrap().iter().map(|name| name.to_string()).collect();
    assert_eq!(names, ["dead", "room", "t", "u"]);
    assert!(admin.topic_exists("room").await.unwrap());
    admin.delete_topic("room").await.unwrap();
    assert!(!admin.topic_exists("room").await.unwrap());
    assert_eq!(admin.delete_topic("room").await.unwrap_err().code(), Code::TopicNotFound);
    assert_eq!(
        admin.create_topic(NewTopic::new("no/name")).await.unwrap_err().code(),
        Code::InvalidTopic
    );
}

#[tokio::test(start_paused = true)]
async fn health_lists_each_check_and_remembers_for_a_while() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    let health = mq.health();
    health.register("disk", async || Err("full".to_owned()));
    health.register("never", std::future::pending);
    let status = health.status().await;
    assert!(!status.is_healthy());
    assert_eq!(status.checks["kafka"].error, None);
    assert_eq!(status.checks["disk"].error.as_deref(), Some("full"));
    assert_eq!(status.checks["never"].latency, 2 * SECOND, "monitoring.health_timeout");
    health.register("disk", async || Ok(()));
    health.register("never", async || Ok(()));
    assert_eq!(health.status().await, status, "not looked at again before 30 s are over");
    tokio::time::advance(30 * SECOND).await;
    assert!(health.status().await.is_healthy());
    embedded.stop_broker(1);
    health.register("never", std::future::pending);
    let begun = crate::runtime::now();
    assert!(!health.check().await.is_healthy());
    assert!(crate::runtime::now() - begun <= 2 * SECOND, "all at once");
}

#[tokio::test(start_paused = true)]
async fn a_consumer_needs_a_group() {
    let embedded = brokers(1).await;
    let mut config = config(&embedded);
    config.consumer.group_id = None;
    let error = Mq::new(config).unwrap().consumer().unwrap_err();
    assert_eq!(error.code(), Code::MissingConfig);
    assert!(error.to_string().contains("consumer.group_id"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn closing_flushes_and_leaves_no_task_and_no_connection() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    let seen = Seen::default();
    let noted = seen.clone();
    mq.consumer()
        .unwrap()
        .subscribe(["t"], move |message: Message| {
            noted.add(&message);
            std::future::ready(())
        })
        .unwrap();
    mq.producer().send_sync("t", "1").await.unwrap();
    seen.wait_for(1).await;
    let receipt = mq.producer().send(crate::record::Record::to("t").value("2")).await.unwrap();
    mq.close().await.unwrap();
    receipt.await.expect("flushed");
    assert_eq!(mq.connection_pool().stats().total_connections, 0);
    drop(mq);
    tokio::task::yield_now().await;
    let left = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    // The embedded cluster has its own.
    drop(embedded);
    assert!(left <= 4, "{left} tasks are left");
}

#[test]
fn outside_a_runtime_an_instance_is_refused() {
    let error = Mq::new(Config::default()).unwrap_err();
    assert_eq!(error.code(), Code::InvalidConfig);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_never_answers_is_told_in_time() {
    /// Connects, and then nothing comes.
    #[derive(Debug)]
    struct Silent;
    impl Connector for Silent {
        fn connect<'a>(
            &'a self,
            _: &'a BrokerAddress,
            _: Instant,
        ) -> BoxFuture<'a, std::io::Result<Box<dyn Io>>> {
            Box::pin(async {
                let (ours, theirs) = tokio::io::duplex(64 * 1024);
                // Kept open for as long as the test.
                Box::leak(Box::new(theirs));
                Ok(Box::new(ours) as Box<dyn Io>)
            })
        }
    }
    let mq = Mq::new(Config::new("a:1,b:2").connector(Silent)).unwrap();
    let begun = crate::runtime::now();
    let told = CapturedLogs::warnings();
    assert_eq!(mq.ping().await.unwrap_err().code(), Code::ConnectionTimeout);
    let names = told.count(&["kavka-mq", "a:1", "b:2"]);
    assert!((1..=2).contains(&names), "it waits without a word, or says too much: {}", told.text());
    assert_eq!(
        mq.connection_pool().health_check().await.unwrap_err().code(),
        Code::ConnectionTimeout
    );
    assert!(!mq.health().check().await.is_healthy());
    assert!(crate::runtime::now() - begun <= 6 * SECOND);
    mq.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_send_takes_no_longer_than_its_setting() {
    let embedded = brokers(1).await;
    let mut config = config(&embedded);
    config.producer.delivery_timeout = 5 * SECOND;
    let mq = Mq::new(config).unwrap();
    mq.producer().send_sync("t", "1").await.unwrap();
    embedded.stop_broker(1);
    let begun = crate::runtime::now();
    assert_eq!(mq.producer().send_sync("t", "2").await.unwrap_err().code(), Code::Timeout);
    assert!(crate::runtime::now() - begun <= 6 * SECOND);
    let begun = crate::runtime::now();
    mq.producer().send_sync("nowhere", "3").await.unwrap_err();
    assert!(crate::runtime::now() - begun <= 6 * SECOND, "waiting for a topic");
}
