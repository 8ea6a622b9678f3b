//! The cluster layer against embedded brokers in memory, under paused time.

use std::time::Duration;

use kavka_testcontainers::embedded::{ApiKey, EmbeddedCluster, ErrorCode, Fault, Reaction};

use super::view::Broker;
use super::*;
use crate::boxed::BoxFuture;
use crate::net::Io;
use crate::observability::captured_logs::CapturedLogs;
use crate::wire::messages::metadata::MetadataRequest;

mod trouble;

/// The embedded cluster's network.
#[derive(Debug)]
struct InMemory(EmbeddedCluster);

impl Connector for InMemory {
    fn connect<'a>(
        &'a self,
        address: &'a BrokerAddress,
        _: Instant,
    ) -> BoxFuture<'a, std::io::Result<Box<dyn Io>>> {
        Box::pin(async move {
            match address.host() {
                // A firewall that drops what comes.
                "swallows" => std::future::pending().await,
                // Something that is no Kafka.
                "http" => Ok(Box::new(web_server()) as Box<dyn Io>),
                host => Ok(Box::new(self.0.connect(host, address.port())?) as Box<dyn Io>),
            }
        })
    }
}

/// A peer that answers whatever it is asked as a web server would.
fn web_server() -> impl Io {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut request = [0; 16];
        let _ = theirs.read_exact(&mut request).await;
        let _ = theirs.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    ours
}

async fn brokers(count: i32) -> EmbeddedCluster {
    EmbeddedCluster::builder().brokers(count).in_memory().topic("t", 3, 1).start().await.unwrap()
}

fn cluster(embedded: &EmbeddedCluster) -> Cluster {
    cluster_at(embedded, &embedded.bootstrap_servers())
}

fn cluster_at(embedded: &EmbeddedCluster, bootstrap: &str) -> Cluster {
    cluster_with(embedded, ClientConfig::new(bootstrap))
}

fn cluster_with(embedded: &EmbeddedCluster, config: ClientConfig) -> Cluster {
    let connector = std::sync::Arc::new(InMemory(embedded.clone()));
    let runtime = Runtime::current(true).unwrap();
    Cluster::start(config, connector, runtime, WallClock::system(), Random::new(1)).unwrap()
}

fn topics(names: &[&str]) -> MetadataInterest {
    MetadataInterest {
        topics: names.iter().map(Into::into).collect(),
        ..MetadataInterest::default()
    }
}

fn after(seconds: u64) -> Instant {
    runtime::now() + Duration::from_secs(seconds)
}

fn any_request(_: i16) -> MetadataRequest<'static> {
    MetadataRequest::default()
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_becomes_known() {
    let embedded = brokers(3).await;
    let cluster = cluster(&embedded);
    let _want = cluster.want(topics(&["t"]));
    let view = cluster.wait_for_view(after(5), |view| view.topic("t").is_some()).await.unwrap();
    assert_eq!(view.brokers.len(), 3);
    assert_eq!(view.topic("t").unwrap().partitions.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_moved_leader_is_found_by_a_refresh() {
    let embedded = brokers(3).await;
    let cluster = cluster(&embedded);
    let _want = cluster.want(topics(&["t"]));
    let partition = crate::ids::TopicPartition::new("t", 0);
    let view =
        cluster.wait_for_view(after(5), |view| view.leader(&partition).is_some()).await.unwrap();
    let old = view.leader(&partition).unwrap();
    let new = view.brokers.keys().copied().find(|id| *id != old).unwrap();
    embedded.move_leader("t", 0, Some(new.0));
    cluster.request_refresh();
    cluster.wait_for_view(after(5), |view| view.leader(&partition) == Some(new)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_moved_is_found_again() {
    let embedded = brokers(3).await;
    let cluster = cluster(&embedded);
    let key = CoordinatorKey::group("g");
    let first = cluster.coordinator(&key, after(5)).await.unwrap();
    assert_eq!(Some(first.0), embedded.group_coordinator("g"));
    let to = (1..=3).find(|id| *id != first.0).unwrap();
    embedded.move_group_coordinator("g", Some(to));
    assert_eq!(
        cluster.coordinator(&key, after(5)).await.unwrap(),
        first,
        "cached until it is known to be wrong"
    );
    cluster.coordinator_moved(&key, first);
    assert_eq!(cluster.coordinator(&key, after(5)).await.unwrap(), BrokerId(to));
}

#[tokio::test(start_paused = true)]
async fn a_broker_is_followed_to_the_address_that_it_advertises() {
    let embedded = brokers(1).await;
    let cluster = cluster(&embedded);
    let _want = cluster.want(topics(&["t"]));
    let id = BrokerId(1);
    let first = cluster
        .wait_for_view(after(5), |view| view.version > 0)
        .await
        .unwrap()
        .broker(id)
        .unwrap()
        .address
        .clone();
    cluster.call_with(id, Lane::Control, after(5), any_request).await.unwrap();

    embedded.set_advertised_address(1, "kafka", 9092);
    cluster.request_refresh();
    let moved =
        |view: &ClusterView| view.broker(id).is_some_and(|broker| broker.address.host() == "kafka");
    cluster.wait_for_view(after(5), moved).await.unwrap();
    let said =
        cluster.call_with(id, Lane::Control, after(5), any_request).await.unwrap_err().to_string();
    assert!(
        said.starts_with("bootstrap answered, but broker 1 advertises kafka:9092: cannot connect"),
        "{said}"
    );

    embedded.set_advertised_address(1, first.host(), first.port());
    cluster.request_refresh();
    cluster.wait_for_view(after(60), |view| !moved(view)).await.unwrap();
    cluster.call_with(id, Lane::Control, after(5), any_request).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_routed_call_survives_a_broker_that_is_down_for_a_while() {
    let embedded = brokers(1).await;
    let cluster = cluster(&embedded);
    embedded.kill_broker(1);
    let restart = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        embedded.start_broker(1).await.unwrap();
    };
    let call = cluster.call_routed(&Route::Any, Lane::Control, after(30), any_request, |_| None);
    let (reply, ()) = tokio::join!(call, restart);
    reply.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_call_outlives_its_deadline() {
    let embedded = brokers(1).await;
    let cluster = cluster(&embedded);
    embedded.fault(Fault::on(ApiKey::Metadata).then(Reaction::DropReply));
    let started = runtime::now();
    let outcome =
        cluster.call_routed(&Route::Any, Lane::Control, after(7), any_request, |_| None).await;
    assert!(outcome.is_err());
    assert!(runtime::now() - started <= Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn an_error_code_that_may_pass_is_tried_again_and_one_that_does_not_is_told() {
    let embedded = brokers(1).await;
    let cluster = cluster(&embedded);
    cluster.coordinator(&CoordinatorKey::group("warm"), after(5)).await.unwrap();
    let fault = embedded.fault(
        Fault::on(ApiKey::FindCoordinator)
            .times(2)
            .then(Reaction::Answer(ErrorCode::CoordinatorNotAvailable)),
    );
    cluster.coordinator(&CoordinatorKey::group("g"), after(5)).await.unwrap();
    assert_eq!(embedded.fault_hits(fault), 2);
    embedded.fault(
        Fault::on(ApiKey::FindCoordinator)
            .then(Reaction::Answer(ErrorCode::GroupAuthorizationFailed)),
    );
    let error = cluster.coordinator(&CoordinatorKey::group("h"), after(5)).await.unwrap_err();
    assert_eq!(error.code(), Some(crate::error::ErrorCode::GROUP_AUTHORIZATION_FAILED));
}

#[tokio::test(start_paused = true)]
async fn when_all_known_brokers_are_replaced_the_bootstrap_addresses_lead_back() {
    let embedded = brokers(3).await;
    // The second of the three is the bootstrap address; the view then loses it.
    let cluster = cluster(&embedded);
    let _want = cluster.want(topics(&["t"]));
    cluster.wait_for_view(after(5), |view| view.version > 0).await.unwrap();
    cluster.inner.view.send_modify(|view| {
        let mut next = ClusterView::clone(view);
        next.brokers = [(
            BrokerId(9),
            Broker { id: BrokerId(9), address: BrokerAddress::new("gone", 1), rack: None },
        )]
        .into();
        *view = std::sync::Arc::new(next);
    });
    cluster.request_refresh();
    cluster.wait_for_view(after(60), |view| view.brokers.len() == 3).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn requests_keep_their_order_while_their_broker_leaves_and_comes_back() {
    let embedded = brokers(2).await;
    // Longer than the broker is away.
    let config =
        ClientConfig::new(embedded.bootstrap_servers()).reconnect_backoff(Duration::from_secs(10));
    let cluster = cluster_with(&embedded, config);
    let _want = cluster.want(topics(&["t"]));
    cluster.wait_for_view(after(5), |view| view.brokers.len() == 2).await.unwrap();
    embedded.stop_broker(2);
    let done = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let call = |number: i32| {
        let (cluster, done) = (cluster.clone(), std::sync::Arc::clone(&done));
        tokio::spawn(async move {
            cluster.call_with(BrokerId(2), Lane::Control, after(60), any_request).await.unwrap();
            done.lock().unwrap().push(number);
        })
    };
    // The first fails to connect, and the next one then waits for the backoff.
    assert!(cluster.call_with(BrokerId(2), Lane::Control, after(60), any_request).await.is_err());
    let first = call(1);
    tokio::task::yield_now().await;
    cluster.request_refresh();
    cluster.wait_for_view(after(60), |view| view.brokers.len() == 1).await.unwrap();
    embedded.start_broker(2).await.unwrap();
    cluster.request_refresh();
    cluster.wait_for_view(after(60), |view| view.brokers.len() == 2).await.unwrap();
    let second = call(2);
    let (first, second) = tokio::join!(first, second);
    first.unwrap();
    second.unwrap();
    assert_eq!(*done.lock().unwrap(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn lanes_close_with_their_handle() {
    let embedded = brokers(1).await;
    let cluster = cluster(&embedded);
    let _want = cluster.want(topics(&["t"]));
    cluster.wait_for_view(after(5), |view| view.version > 0).await.unwrap();
    let lanes = cluster.lanes();
    cluster.call_with(BrokerId(1), Lane::Fetch(lanes.id()), after(5), any_request).await.unwrap();
    let open = cluster.pool_counts().open;
    drop(lanes);
    assert_eq!(cluster.pool_counts().open, open - 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_runs_after_the_last_handle_is_gone() {
    let embedded = brokers(1).await;
    let cluster = cluster(&embedded);
    let want = cluster.want(topics(&["t"]));
    cluster.wait_for_view(after(5), |view| view.version > 0).await.unwrap();
    let runtime = cluster.runtime().clone();
    drop((want, cluster));
    tokio::time::timeout(Duration::from_secs(1), runtime.join()).await.expect("all tasks end");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_does_not_hold_up_the_next() {
    let embedded = brokers(1).await;
    let cluster = cluster(&embedded);
    embedded.fault(
        Fault::on(ApiKey::FindCoordinator).nth(1).then(Reaction::Delay(Duration::from_secs(2))),
    );
    {
        let key = CoordinatorKey::group("g");
        let dropped = cluster.coordinator(&key, after(20));
        let _ = tokio::time::timeout(Duration::from_secs(1), dropped).await.unwrap_err();
    }
    cluster.coordinator(&CoordinatorKey::group("g"), after(20)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_client_and_with_its_runtime() {
    let embedded = brokers(1).await;
    embedded.fault(Fault::any().then(Reaction::Delay(Duration::from_secs(1000))));
    let cluster = cluster(&embedded);
    let close = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cluster.runtime().cancel();
    };
    let begun = runtime::now();
    let key = CoordinatorKey::group("g");
    let (view, routed, coordinator, ()) = tokio::join!(
        cluster.wait_for_view(after(60), |_| false),
        cluster.call_routed(&Route::Any, Lane::Control, after(60), any_request, |_| None),
        cluster.coordinator(&key, after(60)),
        close
    );
    assert_eq!(runtime::now() - begun, Duration::from_secs(1));
    let kinds = [
        view.map(drop).unwrap_err(),
        routed.map(drop).unwrap_err(),
        coordinator.map(drop).unwrap_err(),
    ];
    assert!(kinds.iter().all(|error| error.kind() == ErrorKind::Closed), "{kinds:?}");
}

#[test]
fn the_end_of_the_runtime_is_the_end_of_the_client() {
    let build = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let (first, second) = (build(), build());
    let (cluster, _embedded) = first.block_on(async {
        let embedded = brokers(1).await;
        (cluster(&embedded), embedded)
    });
    drop(first);
    second.block_on(async {
        let begun = runtime::now();
        let error = cluster.wait_for_view(after(60), |_| false).await.unwrap_err();
        assert_eq!((error.kind(), runtime::now() - begun), (ErrorKind::Closed, Duration::ZERO));
    });
}

/// Lets a call wait for a minute; how often it was told within two seconds, and in all.
async fn told_of(call: impl Future<Output = bool>, words: &[&str]) -> (usize, usize) {
    let told = CapturedLogs::warnings();
    let early = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        told.count(words)
    };
    let (is_done, early) = tokio::join!(call, early);
    assert!(!is_done, "there is nobody who answers");
    let all = told.count(&[]);
    assert_eq!(all, told.count(words), "{}", told.text());
    (early, all)
}

#[tokio::test(start_paused = true)]
async fn whatever_waits_for_a_cluster_says_so_soon_and_then_ever_more_rarely() {
    let embedded = brokers(1).await;
    for address in ["swallows:909", "refuses:909"] {
        for bootstrap in [format!("{address}2"), format!("{address}2,{address}3")] {
            let start = || cluster_with(&embedded, ClientConfig::new(&bootstrap).client_id("shop"));
            let (key, group) = (CoordinatorKey::group("g"), start());
            let (any, controller, view) = (start(), start(), start());
            let calls: [(&str, std::pin::Pin<Box<dyn Future<Output = bool>>>); 4] = [
                (
                    "any",
                    Box::pin(async {
                        any.call_routed(&Route::Any, Lane::Control, after(60), any_request, |_| {
                            None
                        })
                        .await
                        .is_ok()
                    }),
                ),
                (
                    "controller",
                    Box::pin(async {
                        controller
                            .call_routed(
                                &Route::Controller,
                                Lane::Control,
                                after(60),
                                any_request,
                                |_| None,
                            )
                            .await
                            .is_ok()
                    }),
                ),
                (
                    "coordinator",
                    Box::pin(async { group.coordinator(&key, after(60)).await.is_ok() }),
                ),
                (
                    "metadata",
                    Box::pin(async {
                        let _want = view.want(topics(&["t"]));
                        view.wait_for_view(after(60), |view| view.version > 0).await.is_ok()
                    }),
                ),
            ];
            for (name, call) in calls {
                let (early, all) = told_of(call, &["WARN", "shop", address]).await;
                assert!(
                    (1..=2).contains(&early) && (5..=8).contains(&all),
                    "{name} at {bootstrap}: {early}, {all}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_waited_for_at_the_address_that_it_advertises_is_told() {
    let embedded = brokers(2).await;
    embedded.set_advertised_address(2, "swallows", 9092);
    let cluster = cluster(&embedded);
    let _want = cluster.want(topics(&["t"]));
    cluster.wait_for_view(after(5), |view| view.version > 0).await.unwrap();
    let call = async {
        let route = Route::Broker(BrokerId(2));
        cluster.call_routed(&route, Lane::Control, after(60), any_request, |_| None).await.is_ok()
    };
    let (early, all) = told_of(call, &["swallows:9092"]).await;
    assert!((1..=2).contains(&early) && (5..=8).contains(&all), "{early}, {all}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_of_what_nobody_waits_for() {
    let told = CapturedLogs::warnings();
    let embedded = brokers(2).await;
    let bootstrap = format!("swallows:9092,{}", embedded.bootstrap_servers());
    let cluster = cluster_at(&embedded, &bootstrap);
    embedded.kill_broker(2);
    for _ in 0..100 {
        cluster.request_refresh();
        cluster
            .call_routed(&Route::Any, Lane::Control, after(60), any_request, |_| None)
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(told.text(), "");
}

#[tokio::test(start_paused = true)]
async fn no_try_begins_at_the_deadline_and_the_wait_for_one_ends_with_the_client() {
    let embedded = brokers(1).await;
    let cluster = cluster(&embedded);
    let deadline = after(3);
    let mut retries = cluster.retries(deadline);
    while let Some(pause) = retries.pause() {
        pause.await.unwrap();
        assert!(runtime::now() < deadline);
    }
    // Of 100 ms that double up to 1 s, each within 20 %, five to six end within 3 s; the next is
    // counted and not waited for.
    assert!((5..=7).contains(&retries.failures()), "{}", retries.failures());
    let task = cluster.for_task();
    let pause = task.retries(after(60)).pause().unwrap();
    drop(cluster);
    assert_eq!(pause.await.unwrap_err().kind(), ErrorKind::Closed);
}
