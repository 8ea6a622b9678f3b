//! Transactions of Java's producer, which is killed in the middle.

use kavka::admin::{HangingTransaction, TransactionFilter, TransactionState};
use kavka::{Class, ErrorCode, Offset};

use super::{Bench, one, partition, refused, topic, until};

const TRANSACTIONS: &str = "org.apache.kafka.tools.TransactionsCommand";

pub(super) async fn transactions(bench: &Bench) {
    let admin = &bench.admin;
    topic(bench, "ledger", 1, 3).await;
    let ledger = partition("ledger", 0);
    let bootstrap = bench.cluster.bootstrap();
    let mut java = bench
        .cluster
        .tool("org.apache.kafka.tools.ProducerPerformance")
        .args([
            "--topic",
            "ledger",
            "--num-records",
            "1000000",
            "--record-size",
            "10",
            "--throughput",
            "20",
        ])
        .args(["--transactional-id", "teller", "--transaction-duration-ms", "600000"])
        .args(["--producer-props", &format!("bootstrap.servers={bootstrap}")])
        .spawn()
        .unwrap();

    // Found by the list, by the coordinator, and by the partition's leader.
    let ongoing = TransactionFilter::all().states([TransactionState::Ongoing]);
    let listed = until(
        "the transaction",
        async || admin.list_transactions(ongoing.clone()).await.unwrap().items,
        |items| !items.is_empty(),
    );
    let listed = listed.await;
    assert_eq!(listed[0].transactional_id.as_str(), "teller");
    let mut described = admin.describe_transactions(["teller", "none"]).await;
    let teller = described.remove("teller").unwrap().unwrap();
    assert_eq!(
        (teller.state, teller.producer_id),
        (TransactionState::Ongoing, listed[0].producer_id)
    );
    assert!(
        teller.partitions.contains(&ledger) && teller.started.is_some(),
        "{:?}",
        teller.partitions
    );
    assert_eq!(
        refused(described.remove("none").unwrap(), "transactional id none"),
        ErrorCode::TRANSACTIONAL_ID_NOT_FOUND
    );
    let printed = bench.java(TRANSACTIONS, &["describe", "--transactional-id", "teller"]).await;
    assert!(
        printed.contains("Ongoing") && printed.contains(&teller.producer_id.to_string()),
        "{printed}"
    );
    let open = until(
        "the open transaction",
        async || one(admin.describe_producers([ledger.clone()]).await).unwrap(),
        |producers| producers.iter().any(|producer| producer.transaction_start.is_some()),
    );
    let open = open.await.remove(0);
    assert_eq!((open.id, open.transaction_start), (teller.producer_id, Some(Offset(0))));
    let elsewhere = one(admin.describe_producers_on(2, [ledger.clone()]).await).unwrap();
    assert!(elsewhere.iter().any(|producer| producer.id == open.id), "{elsewhere:?}");
    let missing = one(admin.describe_producers([partition("ledger", 7)]).await);
    assert_eq!(refused(missing, "ledger-7"), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);

    // Nobody ends it: the marker does, in this partition.
    java.kill().await.unwrap();
    let hanging = HangingTransaction::of(ledger.clone(), &open).unwrap();
    admin.abort_transaction(hanging).await.unwrap();
    let ended = one(admin.describe_producers([ledger.clone()]).await).unwrap();
    assert!(ended.iter().all(|producer| producer.transaction_start.is_none()), "{ended:?}");
    assert_eq!(
        HangingTransaction::of(ledger.clone(), &ended[0]).unwrap_err().class(),
        Class::InvalidConfiguration
    );
    let printed = bench
        .java(TRANSACTIONS, &["describe-producers", "--topic", "ledger", "--partition", "0"])
        .await;
    let row = printed
        .lines()
        .find(|line| line.starts_with(&open.id.to_string()))
        .unwrap_or_else(|| panic!("{printed}"));
    assert!(row.trim_end().ends_with("None"), "{printed}");

    // The coordinator ends it for all, and the next incarnation has a higher epoch.
    let fenced = one(admin.fence_producers(["teller"]).await).unwrap();
    assert!(fenced.0 != teller.producer_id || fenced.1 > teller.producer_epoch, "{fenced:?}");
    admin.force_terminate_transaction("teller").await.unwrap();
    let states = until(
        "the end",
        async || one(admin.describe_transactions(["teller"]).await).unwrap().state,
        |state| *state != TransactionState::Ongoing && *state != TransactionState::PrepareAbort,
    );
    assert!(matches!(states.await, TransactionState::Empty | TransactionState::CompleteAbort));
}
