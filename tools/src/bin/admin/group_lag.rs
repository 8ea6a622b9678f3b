//! `admin groups lag`: how far groups are behind, as lines for a program that watches them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kavka::admin::{GroupLag, Outcomes};
use kavka::{Admin, TopicPartition};
use kavka_programs::{Outcome, Stop, complain, write_out};
use serde_json::json;

use super::options::Options;
use super::table::Table;

/// Prints a line for each partition of the groups, once or at intervals. What fails at one interval
/// is told, and may go well at the next.
pub(crate) async fn print(admin: &Admin, options: &Options) -> Outcome<Table> {
    let groups = options.some_names()?;
    let mut table = Table::printed();
    let Some(interval) = interval(options)? else {
        look(admin, groups, |error| table.failure(error)).await?;
        return Ok(table);
    };
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        look(admin, groups, |error| complain("admin", error)).await?;
    }
}

fn interval(options: &Options) -> Outcome<Option<Duration>> {
    let seconds: Option<u32> = options.parsed("--interval")?;
    match seconds {
        Some(0) => Err(Stop::usage("--interval is 0: at least 1 is allowed")),
        seconds => Ok(seconds.map(|seconds| Duration::from_secs(seconds.into()))),
    }
}

async fn look(
    admin: &Admin,
    groups: &[String],
    mut fail: impl FnMut(&kavka::Error),
) -> Outcome<()> {
    for group in groups {
        match admin.list_group_lag(group).await {
            Ok(lags) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                write_out(&lines(group, &lags, now.as_millis(), &mut fail))?;
            }
            Err(error) => fail(&error),
        }
    }
    Ok(())
}

fn lines(
    group: &str,
    lags: &Outcomes<TopicPartition, GroupLag>,
    now: u128,
    fail: &mut impl FnMut(&kavka::Error),
) -> String {
    let mut text = String::new();
    for (TopicPartition { topic, partition, .. }, lag) in lags {
        match lag {
            Ok(GroupLag { offset, end, lag, .. }) => {
                let (offset, end) = (offset.map(|offset| offset.0), end.map(|end| end.0));
                let line = json!({
                    "timestamp": u64::try_from(now).unwrap_or(u64::MAX), "group": group,
                    "topic": topic.as_str(), "partition": partition.0,
                    "offset": offset, "end": end, "lag": lag,
                });
                text.push_str(&format!("{line}\n"));
            }
            Err(error) => fail(error),
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]
mod tests {
    use kavka::admin::NewOffset;
    use kavka::{Client, ClientConfig};
    use kavka_testcontainers::embedded::EmbeddedCluster;

    use super::*;

    #[tokio::test]
    async fn a_line_tells_of_a_partition_and_what_failed_is_told_apart() {
        let cluster = EmbeddedCluster::builder().topic("t", 2, 1).start().await.unwrap();
        let client = Client::new(ClientConfig::new(cluster.bootstrap_servers())).unwrap();
        let admin = client.admin();
        let committed = admin
            .alter_group_offsets("g", [(TopicPartition::new("t", 1), NewOffset::new(0))])
            .await;
        assert!(committed.values().all(Result::is_ok));
        let mut lags = admin.list_group_lag("g").await.unwrap();
        let error = admin.describe_topic("none").await.unwrap_err();
        lags.insert(TopicPartition::new("t", 0), Err(error));
        let mut failures = Vec::new();
        let text = lines("g", &lags, 7, &mut |error| failures.push(error.to_string()));
        let line: serde_json::Value =
            serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap();
        let expected = json!({
            "timestamp": 7, "group": "g", "topic": "t", "partition": 1, "offset": 0, "end": 0,
            "lag": 0,
        });
        assert_eq!(line, expected);
        assert_eq!(failures.len(), 1, "{failures:?}");
    }

    #[test]
    fn an_interval_is_a_number_of_seconds() {
        let of = |line: &str| interval(&Options::read(line.split(' ').map(str::to_owned)).unwrap());
        assert_eq!(of("groups lag g").unwrap(), None);
        assert_eq!(of("groups lag g --interval 30").unwrap(), Some(Duration::from_secs(30)));
        for text in ["0", "-1", "x"] {
            assert!(of(&format!("groups lag g --interval {text}")).is_err(), "{text}");
        }
    }
}
