//! Controllers that begin and end to vote (KIP-853), as Kafka's own tool sees them.

use std::collections::BTreeSet;

use kavka::ErrorCode;
use kavka::admin::{Quorum, Voter};
use kavka_testcontainers::apache::{Cluster, Version};

use super::{refused, until};
use crate::support::{PATIENCE, client, config, sized};

const TOOL: &str = "org.apache.kafka.tools.MetadataQuorumCommand";

fn voters(quorum: &Quorum) -> BTreeSet<i32> {
    quorum.voters.iter().map(|voter| voter.id.0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_votes_from_when_it_is_added_until_it_is_removed() {
    for version in sized(&[None][..], &[None, Some(Version::new(3, 9, 2))][..]) {
        let config = version.map_or_else(config, |version| config().version(version));
        let cluster = Cluster::start(config.nodes(3).dynamic_quorum()).await.unwrap();
        eprintln!("Kafka {}", cluster.version());
        let client = client(&cluster);
        let admin = client.admin();
        let bootstrap = cluster.internal_bootstrap();
        let java = async || {
            let tool =
                cluster.tool(TOOL).args(["--bootstrap-server", &bootstrap, "describe", "--status"]);
            let printed = tool.run().await.unwrap();
            let line =
                printed.lines().find(|line| line.starts_with("CurrentVoters")).map(str::to_owned);
            line.unwrap_or_else(|| panic!("{printed}"))
        };
        let quorum = async || admin.describe_quorum().await.unwrap();

        let at_first = until("all follow", quorum, |quorum| quorum.observers.len() == 2).await;
        assert_eq!(voters(&at_first), BTreeSet::from([1]));
        let directory = |id: i32| {
            let replica = at_first
                .voters
                .iter()
                .chain(&at_first.observers)
                .find(|replica| replica.id.0 == id);
            replica.and_then(|replica| replica.directory_id).expect("the brokers name the folders")
        };
        let voter = |id: u16| {
            let (host, port) = cluster.controller_address(id).unwrap();
            Voter::new(i32::from(id), directory(i32::from(id))).endpoint("CONTROLLER", host, port)
        };
        for id in [2, 3] {
            admin.add_voter(voter(id)).await.unwrap();
        }
        let all = until("three vote", quorum, |quorum| quorum.voters.len() == 3).await;
        assert_eq!((voters(&all), all.observers.len()), (BTreeSet::from([1, 2, 3]), 0));
        assert_eq!(all.nodes.len(), 3, "where they listen: {:?}", all.nodes);
        let line = java().await;
        assert!([1, 2, 3].iter().all(|id| line.contains(&format!("\"id\": {id}"))), "{line}");
        assert_eq!(refused(admin.add_voter(voter(2)).await, "voter 2"), ErrorCode::DUPLICATE_VOTER);

        // The active controller leaves too: another takes over.
        admin.remove_voter(voter(1)).await.unwrap();
        let left = until("two vote", quorum, |quorum| {
            quorum.voters.len() == 2 && quorum.leader.is_some_and(|id| id.0 != 1)
        })
        .await;
        assert_eq!(voters(&left), BTreeSet::from([2, 3]));
        let line = java().await;
        assert!(!line.contains("\"id\": 1,") && line.contains("\"id\": 2"), "{line}");
        assert_eq!(
            refused(admin.remove_voter(voter(1)).await, "voter 1"),
            ErrorCode::VOTER_NOT_FOUND
        );
        client.close(PATIENCE).await.unwrap();
        cluster.shutdown().await.unwrap();
    }
}
