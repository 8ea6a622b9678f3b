//! Brokers, addresses and topics that are not as they should be: what one of them does harms no
//! other.

use super::*;

fn metadata_requests(embedded: &EmbeddedCluster) -> usize {
    embedded.requests_of(ApiKey::Metadata).len()
}

#[tokio::test(start_paused = true)]
async fn after_a_quiet_time_known_brokers_are_asked_though_the_bootstrap_broker_is_gone() {
    let embedded = brokers(3).await;
    let bootstrap = embedded.bootstrap_servers().split(',').next().unwrap().to_owned();
    // What loses no leader is not asked for because of that.
    embedded.create_topic("quiet", 1, 3).unwrap();
    let cluster = cluster_at(&embedded, &bootstrap);
    let _want = cluster.want(topics(&["quiet"]));
    cluster.wait_for_view(after(5), |view| view.topic("quiet").is_some()).await.unwrap();
    embedded.kill_broker(1);
    cluster.request_refresh();
    // The defaults of metadata.max.age.ms and metadata.recovery.rebootstrap.trigger.ms are the same
    // five minutes.
    tokio::time::sleep(Duration::from_secs(700)).await;
    embedded.create_topic("new", 1, 1).unwrap();
    let _want = cluster.want(topics(&["quiet", "new"]));
    cluster
        .wait_for_view(after(5), |view| view.topic("new").is_some_and(|topic| topic.is_described()))
        .await
        .unwrap();
    let version = cluster.view().version;
    tokio::time::sleep(Duration::from_secs(350)).await;
    assert!(cluster.view().version > version, "its age renews it too");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_no_kafka_costs_nobody_anything() {
    let embedded = brokers(1).await;
    let kafka = embedded.bootstrap_servers();
    for seed in 0..40 {
        let config = ClientConfig::new(format!("http:80,{kafka}"));
        let connector = std::sync::Arc::new(InMemory(embedded.clone()));
        let runtime = Runtime::current(true).unwrap();
        let cluster =
            Cluster::start(config, connector, runtime, WallClock::system(), Random::new(seed))
                .unwrap();
        let call = cluster.call_routed(&Route::Any, Lane::Control, after(5), any_request, |_| None);
        call.await.unwrap();
        let _want = cluster.want(topics(&["t"]));
        cluster.wait_for_view(after(5), |view| view.topic("t").is_some()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_swallows_packets_delays_by_a_moment() {
    let embedded = brokers(1).await;
    let config = ClientConfig::new(format!("swallows:9092,{}", embedded.bootstrap_servers()));
    for seed in 0..20 {
        let connector = std::sync::Arc::new(InMemory(embedded.clone()));
        let runtime = Runtime::current(true).unwrap();
        let cluster = Cluster::start(
            config.clone(),
            connector,
            runtime,
            WallClock::system(),
            Random::new(seed),
        )
        .unwrap();
        let begun = runtime::now();
        cluster
            .call_routed(&Route::Any, Lane::Control, after(60), any_request, |_| None)
            .await
            .unwrap();
        let _want = cluster.want(topics(&["t"]));
        cluster.wait_for_view(after(60), |view| view.topic("t").is_some()).await.unwrap();
        assert!(runtime::now() - begun < Duration::from_secs(1), "{:?}", runtime::now() - begun);
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_hangs_keeps_nobody_from_metadata() {
    let embedded = brokers(3).await;
    let cluster = cluster(&embedded);
    let _want = cluster.want(topics(&["t"]));
    cluster.wait_for_view(after(5), |view| view.topic("t").is_some()).await.unwrap();
    let hung = embedded.requests_of(ApiKey::Metadata).last().unwrap().broker;
    embedded.fault(Fault::any().broker(hung).then(Reaction::Delay(Duration::from_secs(120))));
    embedded.create_topic("new", 1, 1).unwrap();
    let begun = runtime::now();
    let _want = cluster.want(topics(&["new"]));
    cluster.wait_for_view(after(60), |view| view.topic("new").is_some()).await.unwrap();
    assert!(runtime::now() - begun < Duration::from_secs(2), "{:?}", runtime::now() - begun);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_no_reply_is_asked_for_elsewhere_and_again() {
    for reaction in [Reaction::Garbage(100), Reaction::WrongCorrelation, Reaction::WrongLength(-1)]
    {
        let embedded = brokers(2).await;
        embedded.fault(Fault::on(ApiKey::Metadata).broker(1).then(reaction));
        // The other broker lies at first as well.
        embedded.fault(Fault::on(ApiKey::Metadata).broker(2).times(3).then(reaction));
        let cluster = cluster(&embedded);
        let _want = cluster.want(topics(&["t"]));
        cluster.wait_for_view(after(30), |view| view.topic("t").is_some()).await.unwrap();
        // What nobody can answer is told with its cause.
        embedded.fault(Fault::on(ApiKey::Metadata).then(reaction));
        let error =
            cluster.wait_for_view(after(10), |view| view.topic("u").is_some()).await.map(drop);
        let error = match error {
            Err(error) => error,
            Ok(()) => panic!("{reaction:?}"),
        };
        assert!(
            error.to_string().starts_with("the metadata that is needed did not come within 10.0s"),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_that_names_no_broker_yet_is_waited_for() {
    let embedded = brokers(1).await;
    embedded.hide_broker(1, true);
    let cluster = cluster(&embedded);
    let _want = cluster.want(topics(&["t"]));
    let error =
        cluster.wait_for_view(after(3), |view| view.topic("t").is_some()).await.unwrap_err();
    assert!(error.is_retriable() && error.to_string().contains("names no broker"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    embedded.hide_broker(1, false);
    cluster.wait_for_view(after(3), |view| view.topic("t").is_some()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_name_that_no_topic_can_have_never_leaves_and_harms_no_other() {
    let embedded = brokers(1).await;
    let cluster = cluster(&embedded);
    let long = "x".repeat(40_000);
    let _want = cluster.want(topics(&[&long, "t", "a/b"]));
    let view = cluster.wait_for_view(after(5), |view| view.topic("t").is_some()).await.unwrap();
    assert!(view.topic("t").unwrap().is_described());
    for name in [&long, "a/b"] {
        assert_eq!(
            view.topic(name).unwrap().error,
            Some(crate::error::ErrorCode::INVALID_TOPIC_EXCEPTION)
        );
    }
    assert!(embedded.requests().iter().all(|request| request.size < 1000));
}

#[tokio::test(start_paused = true)]
async fn a_misspelt_topic_is_asked_for_ever_more_rarely_and_delays_no_other() {
    let embedded = brokers(1).await;
    let cluster = cluster(&embedded);
    let _want = cluster.want(topics(&["t", "missing"]));
    tokio::time::sleep(Duration::from_secs(600)).await;
    let asked = metadata_requests(&embedded);
    assert!(asked < 70, "{asked} requests in ten minutes");
    for number in 0..20 {
        embedded.create_topic(&format!("n{number}"), 1, 1).unwrap();
    }
    let begun = runtime::now();
    for number in 0..20 {
        let name = format!("n{number}");
        let _want = cluster.want(topics(&["t", "missing", &name]));
        cluster.wait_for_view(after(5), |view| view.topic(&name).is_some()).await.unwrap();
    }
    assert!(runtime::now() - begun < Duration::from_millis(50), "{:?}", runtime::now() - begun);
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_created_for_those_who_want_that_and_for_nobody_else() {
    let embedded = EmbeddedCluster::builder()
        .brokers(1)
        .in_memory()
        .auto_create_topics(true)
        .topic("t", 1, 1)
        .start()
        .await
        .unwrap();
    let cluster = cluster(&embedded);
    let _pattern = cluster.want(MetadataInterest { all: true, ..MetadataInterest::default() });
    let _producer = cluster.want(MetadataInterest { auto_create: true, ..topics(&["made"]) });
    let _consumer = cluster.want(topics(&["forbidden"]));
    let made = |view: &ClusterView| view.topic("made").is_some_and(|topic| topic.is_described());
    let view = cluster.wait_for_view(after(5), made).await.unwrap();
    assert!(view.topic("t").is_some(), "the pattern sees all");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(embedded.leader("forbidden", 0), None);
}
