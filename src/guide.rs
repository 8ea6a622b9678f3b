//! The guides, page by page. The crate's front page is the place to start.
//!
//! - [`connecting`]: property files as vendors print them, identities of clouds, what errors mean
//! - [`services`]: send, subscribe, metrics, health and shutdown with one configuration
//!   (`kavka::mq`)
//! - [`reading`]: which call suits which work, a topic as a table, a task for each partition,
//!   priorities
//! - [`share_groups`]: queues on Kafka, and when to use them
//! - [`typed_records`]: JSON, Avro and other formats, and what cannot be read
//! - [`admin`]: what administers a cluster, beside Java's `Admin`
//! - [`observability`]: metrics, spans and trace context, with a dashboard
//! - [`client_telemetry`]: metrics pushed to the brokers (KIP-714)
//! - [`performance`]: where the time goes, and how it is measured
//! - [`other_brokers`]: Redpanda, Event Hubs and others that only speak the protocol
//! - [`from_rdkafka`], [`from_java`], [`from_franz_go`]: the calls of another client beside those
//!   here, and what differs

// A page and the repository name each other by paths between files; here the modules take their
// place, as the first definition of a link counts.

/// A layer for services: messages, handlers, metrics, health and shutdown.
pub mod services {
    // Without the feature there is nothing that its examples could use.
    #![cfg_attr(any(not(doctest), feature = "mq"), doc = include_str!("../docs/mq.md"))]
}

pub mod connecting {
    //! Property files as vendors print them, identities of clouds, and what errors mean.
    //!
    //! [other brokers]: super::other_brokers
    //!
    #![doc = include_str!("../docs/connecting.md")]
}

pub mod reading {
    //! Which call suits which work, and recipes.
    //!
    //! [the layer for services]: super::services
    //! [layer for services]: super::services
    //!
    #![doc = include_str!("../docs/reading.md")]
}

/// Queues on Kafka: share groups.
pub mod share_groups {
    #![doc = include_str!("../docs/share-groups.md")]
}

pub mod typed_records {
    //! Keys and values in JSON, Avro and other formats.
    //!
    //! [layer for services]: super::services
    //!
    #![doc = include_str!("../docs/typed-records.md")]
}

pub mod admin {
    //! Administration of a cluster.
    //!
    //! [telemetry]: super::client_telemetry
    //! [what KIP-714 requires]: super::client_telemetry
    //!
    #![doc = include_str!("../docs/admin.md")]
}

/// Metrics, spans and trace context.
pub mod observability {
    #![doc = include_str!("../docs/observability.md")]
}

/// The metrics that clients push to brokers.
pub mod client_telemetry {
    #![doc = include_str!("../docs/client-telemetry.md")]
}

/// Where the time goes.
pub mod performance {
    #![doc = include_str!("../docs/performance.md")]
}

/// Brokers that are not Apache's.
pub mod other_brokers {
    #![doc = include_str!("../docs/other-brokers.md")]
}

pub mod from_rdkafka {
    //! For those who come from rdkafka.
    //!
    //! [guide to observability]: super::observability
    //! [a task for each partition]: super::reading#a-task-for-each-partition
    //!
    #![doc = include_str!("../docs/from-rdkafka.md")]
}

pub mod from_java {
    //! For those who come from Java's clients.
    //!
    //! [guide to administration]: super::admin
    //! [guide to observability]: super::observability
    //! [guide to reading]: super::reading
    //! [guide to records of your own types]: super::typed_records
    //! [guide to share groups]: super::share_groups
    //!
    #![doc = include_str!("../docs/from-java.md")]
}

pub mod from_franz_go {
    //! For those who come from franz-go.
    //!
    //! [guide to administration]: super::admin
    //! [guide to observability]: super::observability
    //! [guide to records of your own types]: super::typed_records
    //! [guide to share groups]: super::share_groups
    //!
    #![doc = include_str!("../docs/from-franz-go.md")]
}

#[cfg(test)]
mod tests {
    /// What a page quotes of an error is what somebody looks for who has met it.
    #[test]
    fn the_page_on_connecting_quotes_what_errors_say() {
        let page = include_str!("../docs/connecting.md");
        let (_, table) = page.split_once("## When it does not connect").expect("a table");
        let said = [
            include_str!("cluster/task.rs"),
            include_str!("net/connection/task/opening.rs"),
            include_str!("net/connector.rs"),
            include_str!("net/handshake/authentication.rs"),
            include_str!("net/security.rs"),
            include_str!("net/tls/explain.rs"),
        ];
        // Texts are broken over lines by a backslash.
        let said = said
            .concat()
            .split_whitespace()
            .filter(|word| *word != "\\")
            .fold(String::new(), |text, word| text + " " + word.trim_end_matches('\\'));
        let quoted = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let quoted: Vec<&str> = quoted.collect();
        assert_eq!(quoted.len(), 5);
        for quote in quoted {
            for part in quote.split(" …").flat_map(|part| part.split(": ")) {
                assert!(said.contains(part), "no error says {part:?}");
            }
        }
    }
}
