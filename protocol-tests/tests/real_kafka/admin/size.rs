//! A cluster with many topics.

use std::time::{Duration, Instant};

use kavka::NewTopic;

use crate::support::{PATIENCE, client, config, sized};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_topics_are_described_in_pages() {
    let topics = sized(1000, 5000);
    let cluster = kavka_testcontainers::apache::Cluster::start(config()).await.unwrap();
    let client = client(&cluster);
    let admin = client.admin();
    let new =
        |number| NewTopic::new(format!("many-{number:05}")).partitions(3).replication_factor(1);
    for chunk in (0..topics).collect::<Vec<_>>().chunks(200) {
        for (name, made) in admin.create_topics(chunk.iter().map(new)).await {
            made.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
    // The broker learns of the last some time after the controller has made them.
    super::until(
        "the last topic",
        async || admin.list_topics().await.unwrap().len(),
        |count| *count == topics,
    )
    .await;
    let started = Instant::now();
    let mut pages = admin.all_topic_pages();
    let (mut count, mut names, mut partitions) = (0, std::collections::BTreeSet::new(), 0);
    while let Some(page) = pages.next().await.unwrap() {
        count += 1;
        for (name, topic) in page {
            partitions += topic.unwrap().partitions.len();
            names.insert(name);
        }
    }
    let took = started.elapsed();
    eprintln!("{topics} topics with {partitions} partitions in {count} pages: {took:?}");
    assert_eq!((names.len(), partitions), (topics, topics * 3));
    assert!(topics * 3 <= 2000 || count > 1, "{count} page");
    let described = admin.describe_topics(names).await;
    assert!(
        described
            .values()
            .all(|topic| topic.as_ref().is_ok_and(|topic| topic.partitions.len() == 3))
    );
    assert!(took < Duration::from_secs(2), "{took:?}");
    client.close(PATIENCE).await.unwrap();
    cluster.shutdown().await.unwrap();
}
