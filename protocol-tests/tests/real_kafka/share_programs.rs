//! The programs that know share groups, as processes: what a script would do with them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use kavka_testcontainers::apache::Cluster;
use tokio::time::{Instant, sleep};

use crate::programs::Program;
use crate::support::{PATIENCE, client, config, in_time, produce};

const TOPIC: &str = "letters";

/// Lines that a program prints.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until what was printed suffices.
    async fn until(&self, what: &str, holds: impl Fn(&[String]) -> bool) {
        let limit = Instant::now() + PATIENCE;
        while !holds(&self.all()) {
            assert!(Instant::now() < limit, "{what}: {:#?}", self.all());
            sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

fn spawn(cluster: &Cluster, name: &str, arguments: &[&str]) -> (Program, Lines) {
    let lines = Lines::default();
    let heard = lines.clone();
    let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let complaints = cluster.file(&format!("{name}.err"), b"").unwrap();
    let program = Program::spawn(name, &arguments, complaints, move |line| {
        heard.0.lock().unwrap().push(line.to_owned());
    });
    (program, lines)
}

/// What `admin` prints, as JSON.
async fn admin(cluster: &Cluster, arguments: &[&str]) -> serde_json::Value {
    let bootstrap = cluster.bootstrap();
    let all = ["--bootstrap-server", &bootstrap, "--json", "--yes"];
    let (mut program, lines) = spawn(cluster, "admin", &[&all[..], arguments].concat());
    let status = program.ended().await;
    assert!(status.success(), "{arguments:?}: {}", program.complaints());
    serde_json::from_str(&lines.all().concat()).unwrap()
}

/// How many records a group has still to process, over all partitions.
async fn lag(cluster: &Cluster, group: &str) -> i64 {
    let offsets = admin(cluster, &["groups", "offsets", group]).await;
    offsets.as_array().unwrap().iter().map(|row| row["lag"].as_i64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_read_set_back_and_read_again_by_programs() {
    let cluster = Cluster::start(config()).await.unwrap();
    cluster.create_topic(TOPIC, 3, 1, &[]).await.unwrap();
    let client = client(&cluster);
    produce(&client, TOPIC, 3, 0..300).await;
    let bootstrap = cluster.bootstrap();
    // A group that nobody has joined begins where it is told to.
    let begin =
        ["groups", "reset-offsets", "printers", TOPIC, "--to", "earliest", "--type", "share"];
    assert_eq!(admin(&cluster, &begin).await.as_array().unwrap().len(), 3);
    for turn in 1..=2 {
        let kcat = ["-C", "-b", &bootstrap, "-t", TOPIC, "--share", "printers"];
        let (mut kcat, lines) = spawn(&cluster, "kcat", &kcat);
        lines.until("all records", |lines| lines.len() >= 300).await;
        kcat.terminate().await;
        assert!(kcat.ended().await.success(), "{}", kcat.complaints());
        let values: BTreeSet<u64> = lines.all().iter().map(|line| line.parse().unwrap()).collect();
        assert_eq!((values, lines.all().len()), ((0..300).collect(), 300), "turn {turn}");
        assert_eq!(lag(&cluster, "printers").await, 0);
        admin(&cluster, &["groups", "reset-offsets", "printers", "--to", "earliest"]).await;
        assert_eq!(lag(&cluster, "printers").await, 300);
    }
    client.close(PATIENCE).await.unwrap();
    cluster.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verifiable_share_consumer_tells_what_javas_tells() {
    let cluster = Cluster::start(config()).await.unwrap();
    cluster.create_topic(TOPIC, 3, 1, &[]).await.unwrap();
    let client = client(&cluster);
    produce(&client, TOPIC, 3, 0..300).await;
    let bootstrap = cluster.bootstrap();
    for mode in ["auto", "sync", "async"] {
        let group = format!("by-{mode}");
        let arguments = [
            ["--bootstrap-server", &bootstrap],
            ["--topic", TOPIC],
            ["--group-id", &group],
            ["--acknowledgement-mode", mode],
            ["--offset-reset-strategy", "earliest"],
            ["--max-messages", "300"],
        ];
        let (mut program, lines) =
            spawn(&cluster, "verifiable_share_consumer", arguments.as_flattened());
        assert!(in_time("its end", program.ended()).await.success(), "{}", program.complaints());
        let events: Vec<serde_json::Value> =
            lines.all().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let name = |event: &serde_json::Value| event["name"].as_str().unwrap().to_owned();
        assert_eq!(events.first().map(name).as_deref(), Some("startup_complete"));
        assert_eq!(events.get(1).map(name).as_deref(), Some("offset_reset_strategy_set"));
        assert_eq!(events.last().map(name).as_deref(), Some("shutdown_complete"));
        for of in ["records_consumed", "offsets_acknowledged"] {
            let counts = events.iter().filter(|event| name(event) == of);
            let sum: i64 = counts.map(|event| event["count"].as_i64().unwrap()).sum();
            assert_eq!(sum, 300, "{mode}: {of} in {events:#?}");
        }
        assert_eq!(lag(&cluster, &group).await, 0, "{mode}");
    }
    client.close(PATIENCE).await.unwrap();
    cluster.shutdown().await.unwrap();
}
