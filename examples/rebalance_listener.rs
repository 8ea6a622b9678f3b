//! Hears which partitions come and go while members join and leave a group.

use std::time::Duration;

use kavka::{
    AssignmentStrategy, BoxFuture, Client, ClientConfig, Consumer, ConsumerConfig, ConsumerHandle,
    NewTopic,
};
use kavka::{RebalanceListener, TopicPartition};

struct Told(&'static str);

impl Told {
    fn say(&self, what: &str, partitions: &[TopicPartition]) {
        let partitions: Vec<String> = partitions.iter().map(ToString::to_string).collect();
        println!("{} {what} {}", self.0, partitions.join(", "));
    }
}

impl RebalanceListener for Told {
    /// The place to seek, or to load what belongs to the partitions.
    fn on_assigned<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        Box::pin(async move { self.say("was given", partitions) })
    }

    /// The last moment to commit; the group waits for it.
    fn on_revoked<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        Box::pin(async move {
            self.say("gives up", partitions);
            if let Err(error) = consumer.commit().await {
                println!("not committed: {error}");
            }
        })
    }
}

fn member(client: &Client, name: &'static str) -> kavka::Result<Consumer> {
    let strategy = [AssignmentStrategy::CooperativeSticky];
    let consumer = client.consumer(
        ConsumerConfig::new().group_id("listeners").partition_assignment_strategy(strategy),
    )?;
    consumer.rebalance_listener(Told(name));
    consumer.subscribe(["listened-to"])?;
    Ok(consumer)
}

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let client = Client::new(ClientConfig::new(&cluster.bootstrap))?;
    let _ = client.admin().create_topic(NewTopic::new("listened-to").partitions(4)).await;
    let mut first = member(&client, "first")?;
    // Rebalances go on while somebody waits for records, so both do.
    let _ = tokio::time::timeout(Duration::from_secs(4), first.recv()).await;
    let mut second = member(&client, "second")?;
    let both = async { tokio::join!(first.recv(), second.recv()) };
    let _ = tokio::time::timeout(Duration::from_secs(8), both).await;
    second.close(Duration::from_secs(10)).await?;
    Ok(first.close(Duration::from_secs(10)).await?)
}
