//! Reports of whole clients, against embedded brokers in memory under paused time.

use std::sync::Mutex;

use kavka_testcontainers::embedded::{ApiKey, EmbeddedCluster, Fault, Reaction};
use serde_json::Value;

use super::*;
use crate::client::Client;
use crate::config::{ClientConfig, Properties};
use crate::consumer::{AutoOffsetReset, ConsumerConfig};
use crate::net::InMemory;
use crate::observability::captured_logs::CapturedLogs;
use crate::producer::ProducerConfig;
use crate::record::Record;

const SECOND: Duration = Duration::from_secs(1);

type Reports = Arc<Mutex<Vec<Value>>>;

async fn brokers() -> EmbeddedCluster {
    EmbeddedCluster::builder().in_memory().topic("t", 2, 1).start().await.unwrap()
}

fn config(embedded: &EmbeddedCluster) -> ClientConfig {
    let config = ClientConfig::new(embedded.bootstrap_servers()).client_id("me");
    config.connector(InMemory(embedded.clone())).seed(1).wall_clock(|| 7_900.into())
}

fn reporting(config: ClientConfig) -> (Client, Reports) {
    let reports = Reports::default();
    let sink = Arc::clone(&reports);
    let callback = move |text: &str| {
        sink.lock().unwrap().push(serde_json::from_str(text).unwrap());
    };
    let config = config.statistics_callback(callback);
    (Client::new(config).unwrap(), reports)
}

#[tokio::test(start_paused = true)]
async fn a_producers_report_has_its_requests_and_records() {
    let embedded = brokers().await;
    embedded.fault(Fault::on(ApiKey::Produce).nth(1).then(Reaction::Throttle(2 * SECOND)));
    embedded.fault(Fault::on(ApiKey::Produce).nth(2).then(Reaction::DelayReply(SECOND)));
    let config = config(&embedded).statistics_interval(10 * SECOND);
    let (client, reports) = reporting(config);
    let producer = client.producer(ProducerConfig::new().buffer_memory(1 << 20)).unwrap();
    for _ in 0..2 {
        producer.send(Record::to("t").partition(1).value("x")).await.unwrap().await.unwrap();
    }
    tokio::time::sleep(25 * SECOND).await;
    let reports = reports.lock().unwrap();
    let [first, second] = reports.as_slice() else { panic!("one each 10 s: {reports:?}") };
    assert_eq!(
        (&first["name"], &first["client_id"], &first["type"]),
        (&"me#producer".into(), &"me".into(), &"producer".into())
    );
    assert_eq!((&first["age"], &first["time"]), (&10_000_000.into(), &7.into()));
    assert_eq!((&first["msg_size"], &first["msg_size_max"]), (&0.into(), &(1 << 20).into()));
    assert_eq!((&first["txmsgs"], first.get("rxmsgs"), first.get("cgrp")), (&2.into(), None, None));
    let address = embedded.bootstrap_servers();
    let broker = &first["brokers"][format!("{address}/1")];
    assert_eq!((&broker["nodeid"], &broker["nodename"]), (&1.into(), &address.as_str().into()));
    assert_eq!((&broker["state"], &broker["source"]), (&"UP".into(), &"learned".into()));
    assert_eq!(broker["req"]["Produce"], 2);
    assert_eq!(broker["tx"], broker["rx"], "all are answered");
    assert!(broker["txbytes"].as_u64() > Some(100), "{broker}");
    let rtt = &broker["rtt"];
    assert_eq!(
        (&rtt["min"], &rtt["max"], &rtt["sum"]),
        (&0.into(), &1_000_000.into(), &1_000_000.into())
    );
    let throttle = &broker["throttle"];
    assert_eq!((&throttle["cnt"], &throttle["max"]), (&1.into(), &2000.into()));
    assert_eq!(broker["toppars"]["t-1"]["partition"], 1);
    let bootstrap = &first["brokers"][format!("{address}/bootstrap")];
    assert_eq!((&bootstrap["nodeid"], &bootstrap["connects"]), (&(-1).into(), &1.into()));
    let partition = &first["topics"]["t"]["partitions"]["1"];
    assert_eq!((&partition["txmsgs"], &partition["leader"]), (&2.into(), &1.into()));
    assert_eq!((&partition["unknown"], partition.get("rxmsgs")), (&false.into(), None));
    let brokers = first["brokers"].as_object().unwrap().values();
    let sum: u64 = brokers.map(|broker| broker["tx"].as_u64().unwrap()).sum();
    assert_eq!(first["tx"], sum);
    // Sums go on, and windows begin anew.
    let broker = &second["brokers"][format!("{address}/1")];
    assert_eq!((&second["txmsgs"], &broker["throttle"]["cnt"]), (&2.into(), &0.into()));
    assert_eq!(broker["throttle"].get("max"), None);
}

#[tokio::test(start_paused = true)]
async fn a_consumers_report_has_where_it_stands() {
    let embedded = brokers().await;
    for _ in 0..5 {
        embedded.append("t", 0, &[(None, Some(b"x"))]).unwrap();
    }
    let properties: Properties = [("statistics.interval.ms", "10000")].into_iter().collect();
    let read = ClientConfig::from_properties(&properties).unwrap().statistics_interval;
    let (client, reports) = reporting(config(&embedded).statistics_interval(read));
    let consumer = ConsumerConfig::new().group_id("g").enable_auto_commit(false);
    let consumer = consumer.auto_offset_reset(AutoOffsetReset::Earliest);
    let mut consumer = client.consumer(consumer).unwrap();
    consumer.subscribe(["t"]).unwrap();
    for _ in 0..3 {
        consumer.recv().await.unwrap();
    }
    consumer.commit().await.unwrap();
    consumer.recv().await.unwrap();
    tokio::time::sleep(11 * SECOND).await;
    let first = reports.lock().unwrap().pop().unwrap();
    assert_eq!((&first["type"], first.get("txmsgs")), (&"consumer".into(), None));
    let partition = &first["topics"]["t"]["partitions"]["0"];
    for (name, number) in [
        ("app_offset", 4),
        ("stored_offset", 3),
        ("committed_offset", 3),
        ("lo_offset", 0),
        ("hi_offset", 5),
        ("ls_offset", 5),
        ("consumer_lag", 2),
        ("consumer_lag_stored", 2),
    ] {
        assert_eq!(partition[name], number, "{name}: {partition}");
    }
    assert!(first["rxmsgs"].as_u64() > Some(0) && first["rxmsgs"] == partition["rxmsgs"]);
    let group = &first["cgrp"];
    assert_eq!((&group["rebalance_cnt"], &group["assignment_size"]), (&1.into(), &2.into()));
    drop(consumer);
    tokio::time::sleep(10 * SECOND).await;
    let second = reports.lock().unwrap().pop().unwrap();
    assert_eq!((&second["type"], second.get("cgrp")), (&"producer".into(), None), "it is gone");
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_panics_is_called_again_and_none_is_called_once_the_client_is_closed() {
    let logs = CapturedLogs::warnings();
    let embedded = brokers().await;
    let calls = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&calls);
    let config = config(&embedded).statistics_interval(SECOND).statistics_callback(move |_| {
        *counted.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += 1;
        panic!("the program's");
    });
    let client = Client::new(config).unwrap();
    tokio::time::sleep(SECOND * 7 / 2).await;
    client.close(SECOND).await.unwrap();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(*calls.lock().unwrap(), 3);
    assert_eq!(logs.count(&["ERROR", "callback for statistics has panicked"]), 1);
}

#[tokio::test(start_paused = true)]
async fn an_interval_without_a_callback_says_what_is_missing() {
    let logs = CapturedLogs::warnings();
    let embedded = brokers().await;
    let client = Client::new(config(&embedded).statistics_interval(SECOND)).unwrap();
    assert!(client.cluster().listeners().statistics().is_none(), "nothing is counted for nobody");
    assert_eq!(
        logs.count(&["statistics.interval.ms", "statistics_callback"]),
        1,
        "{}",
        logs.text()
    );
    let error = Client::new(config(&embedded).statistics_interval(SECOND * 86_401)).unwrap_err();
    assert!(error.to_string().starts_with("statistics.interval.ms is 86401000"), "{error}");
}
