//! Every error code of the Kafka protocol, and its class.
//!
//! Numbers and names are those of Java's `Errors` (4.4), the classes follow its exceptions and
//! KIP-1050. Codes that only brokers and controllers tell each other are here too, so that a log
//! never shows a bare number.

use std::fmt;

use super::Class;
use crate::shown::padded;

/// An error code of the Kafka protocol. A code unknown to this version is kept as its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i16);

macro_rules! codes {
    ($($code:literal $name:ident $class:ident $description:literal)+) => {
        impl ErrorCode {
            $(
                #[doc = concat!("Code ", stringify!($code), ": ", $description, ".")]
                pub const $name: Self = Self($code);
            )+

            /// Returns Kafka's name of the code, such as `NOT_LEADER_OR_FOLLOWER`, or `None` if
            /// this version does not know the code.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)+
                    _ => None,
                }
            }

            /// Returns the meaning of the code in a few words.
            pub fn description(self) -> &'static str {
                match self.0 {
                    $($code => $description,)+
                    _ => "a newer Kafka knows what it means",
                }
            }

            /// Returns how the application should react. A code unknown to this version counts as
            /// [`Class::Rejected`].
            pub fn class(self) -> Class {
                match self.0 {
                    $($code => Class::$class,)+
                    _ => Class::Rejected,
                }
            }
        }

        #[cfg(test)]
        const ALL: &[ErrorCode] = &[$(ErrorCode::$name),+];
    };
}

impl ErrorCode {
    /// `Ok` for 0.
    pub(crate) fn check(code: i16) -> Result<(), Self> {
        if code == 0 { Ok(()) } else { Err(Self(code)) }
    }

    /// Returns whether the client's metadata about topics, leaders or the controller is stale and
    /// must be refreshed before a retry.
    pub fn needs_metadata_refresh(self) -> bool {
        matches!(
            self,
            Self::UNKNOWN_TOPIC_OR_PARTITION
                | Self::LEADER_NOT_AVAILABLE
                | Self::NOT_LEADER_OR_FOLLOWER
                | Self::REPLICA_NOT_AVAILABLE
                | Self::NETWORK_EXCEPTION
                | Self::NOT_CONTROLLER
                | Self::KAFKA_STORAGE_ERROR
                | Self::LISTENER_NOT_FOUND
                | Self::FENCED_LEADER_EPOCH
                | Self::PREFERRED_LEADER_NOT_AVAILABLE
                | Self::ELIGIBLE_LEADERS_NOT_AVAILABLE
                | Self::ELECTION_NOT_NEEDED
                | Self::UNKNOWN_TOPIC_ID
                | Self::INCONSISTENT_TOPIC_ID
                | Self::FETCH_SESSION_TOPIC_ID_ERROR
        )
    }

    /// Returns whether the coordinator of the group or transaction must be looked up again before a
    /// retry.
    pub fn needs_coordinator_lookup(self) -> bool {
        matches!(self, Self::COORDINATOR_NOT_AVAILABLE | Self::NOT_COORDINATOR)
    }

    /// Returns whether the same request may succeed later.
    pub fn is_retriable(self) -> bool {
        self.class() == Class::Retriable
    }
}

impl From<i16> for ErrorCode {
    fn from(code: i16) -> Self {
        Self(code)
    }
}

impl fmt::Display for ErrorCode {
    /// Writes name and meaning, or the number of a code that is not known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => padded(f, format_args!("{name}: {}", self.description())),
            None => padded(f, format_args!("unknown code {}", self.0)),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => padded(f, format_args!("unknown code {}", self.0)),
        }
    }
}

codes! {
    -1 UNKNOWN_SERVER_ERROR Rejected "the broker failed in a way that has no code; its log says more"
    0 NONE Rejected "no error"
    1 OFFSET_OUT_OF_RANGE Rejected "the partition has no such offset"
    2 CORRUPT_MESSAGE Retriable "a batch arrived damaged, or lacks the key that a compacted topic needs"
    3 UNKNOWN_TOPIC_OR_PARTITION Retriable "this broker does not have the topic or partition"
    4 INVALID_FETCH_SIZE Rejected "the fetch size is impossible"
    5 LEADER_NOT_AVAILABLE Retriable "the partition has no leader now"
    6 NOT_LEADER_OR_FOLLOWER Retriable "another broker has the partition"
    7 REQUEST_TIMED_OUT Retriable "the broker could not finish in the time it was given"
    8 BROKER_NOT_AVAILABLE Rejected "the broker is not there"
    9 REPLICA_NOT_AVAILABLE Retriable "the broker has no usable replica of the partition"
    10 MESSAGE_TOO_LARGE Rejected "the batch is larger than the topic's max.message.bytes"
    11 STALE_CONTROLLER_EPOCH Rejected "the controller has moved on"
    12 OFFSET_METADATA_TOO_LARGE Rejected "the text stored with the offset is too long"
    13 NETWORK_EXCEPTION Retriable "the broker lost a connection that it needed"
    14 COORDINATOR_LOAD_IN_PROGRESS Retriable "the coordinator is still reading its log"
    15 COORDINATOR_NOT_AVAILABLE Retriable "there is no coordinator now"
    16 NOT_COORDINATOR Retriable "another broker is the coordinator"
    17 INVALID_TOPIC_EXCEPTION Rejected "the topic's name is not allowed, or it is internal"
    18 RECORD_LIST_TOO_LARGE Rejected "the batch is larger than a segment of the log"
    19 NOT_ENOUGH_REPLICAS Retriable "fewer replicas are in sync than min.insync.replicas; nothing was written"
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND Retriable "written, but fewer replicas were in sync than min.insync.replicas"
    21 INVALID_REQUIRED_ACKS InvalidConfiguration "acks is neither 0, 1 nor all"
    22 ILLEGAL_GENERATION Rejoin "the group has rebalanced since"
    23 INCONSISTENT_GROUP_PROTOCOL InvalidConfiguration "no assignment strategy, or protocol, in common with the other members of the group"
    24 INVALID_GROUP_ID InvalidConfiguration "the group id is not allowed"
    25 UNKNOWN_MEMBER_ID Rejoin "the group does not know the member, or no longer"
    26 INVALID_SESSION_TIMEOUT InvalidConfiguration "session.timeout.ms is outside the broker's group.min/max.session.timeout.ms"
    27 REBALANCE_IN_PROGRESS Rejoin "the group is rebalancing"
    28 INVALID_COMMIT_OFFSET_SIZE Rejected "the commit is too large"
    29 TOPIC_AUTHORIZATION_FAILED InvalidConfiguration "no permission for the topic: an ACL must allow this principal the operation on it"
    30 GROUP_AUTHORIZATION_FAILED InvalidConfiguration "no permission for the group: an ACL must allow this principal the operation on it"
    31 CLUSTER_AUTHORIZATION_FAILED InvalidConfiguration "no permission for the cluster: an ACL must allow this principal the operation on the cluster resource"
    32 INVALID_TIMESTAMP Rejected "the timestamp is further from the broker's clock than the topic allows"
    33 UNSUPPORTED_SASL_MECHANISM Fatal "the broker does not offer the SASL mechanism"
    34 ILLEGAL_SASL_STATE Fatal "the broker did not expect that at this point of the authentication"
    35 UNSUPPORTED_VERSION Rejected "the broker does not know this version of the request"
    36 TOPIC_ALREADY_EXISTS Rejected "there is a topic of this name"
    37 INVALID_PARTITIONS Rejected "the number of partitions is impossible"
    38 INVALID_REPLICATION_FACTOR Rejected "the replication factor is below 1 or above the number of brokers"
    39 INVALID_REPLICA_ASSIGNMENT Rejected "the replica assignment is impossible"
    40 INVALID_CONFIG Rejected "a config name or value is not allowed"
    41 NOT_CONTROLLER Retriable "another node is the controller"
    42 INVALID_REQUEST Rejected "the request contradicts itself, or the state of the broker"
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT Rejected "the topic's message format is too old for it"
    44 POLICY_VIOLATION Rejected "a policy of the cluster forbids it"
    45 OUT_OF_ORDER_SEQUENCE_NUMBER Rejected "the broker misses records of this producer that come before"
    46 DUPLICATE_SEQUENCE_NUMBER Rejected "the broker has the batch already"
    47 INVALID_PRODUCER_EPOCH Rejoin "a newer incarnation of the producer has taken over, or the broker has lost track of it"
    48 INVALID_TXN_STATE Rejected "the transaction is in no state for it"
    49 INVALID_PRODUCER_ID_MAPPING Rejoin "the transactional id no longer has this producer id"
    50 INVALID_TRANSACTION_TIMEOUT InvalidConfiguration "transaction.timeout.ms is above the broker's transaction.max.timeout.ms"
    51 CONCURRENT_TRANSACTIONS Retriable "the transaction before is still being finished"
    52 TRANSACTION_COORDINATOR_FENCED Rejected "another broker coordinates the transaction now"
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED InvalidConfiguration "no permission for the transactional id: an ACL must allow this principal the operation on it"
    54 SECURITY_DISABLED Rejected "the cluster has no security to manage"
    55 OPERATION_NOT_ATTEMPTED Rejected "not tried, because another part of the request failed"
    56 KAFKA_STORAGE_ERROR Retriable "the broker's disk failed"
    57 LOG_DIR_NOT_FOUND Rejected "the broker has no such log directory"
    58 SASL_AUTHENTICATION_FAILED Fatal "the credentials were refused"
    59 UNKNOWN_PRODUCER_ID Rejected "the broker has no record left of this producer"
    60 REASSIGNMENT_IN_PROGRESS Rejected "the partition is being moved already"
    61 DELEGATION_TOKEN_AUTH_DISABLED Rejected "the cluster has delegation tokens switched off"
    62 DELEGATION_TOKEN_NOT_FOUND Rejected "there is no such delegation token"
    63 DELEGATION_TOKEN_OWNER_MISMATCH Rejected "the delegation token belongs to somebody else"
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED Rejected "delegation tokens are not given out on this connection"
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED InvalidConfiguration "no permission for the delegation token: an ACL must allow this principal the operation on it"
    66 DELEGATION_TOKEN_EXPIRED Rejected "the delegation token has expired"
    67 INVALID_PRINCIPAL_TYPE Rejected "the kind of principal is not supported"
    68 NON_EMPTY_GROUP Rejected "the group has members"
    69 GROUP_ID_NOT_FOUND Rejected "there is no such group"
    70 FETCH_SESSION_ID_NOT_FOUND Retriable "the broker has dropped the fetch session"
    71 INVALID_FETCH_SESSION_EPOCH Retriable "the fetch session is out of step"
    72 LISTENER_NOT_FOUND Retriable "the leader has no listener of the kind that the client uses"
    73 TOPIC_DELETION_DISABLED Rejected "the cluster forbids deleting topics"
    74 FENCED_LEADER_EPOCH Retriable "the partition has a newer leader than the client knows"
    75 UNKNOWN_LEADER_EPOCH Retriable "the broker has not yet heard of the leader that the client knows"
    76 UNSUPPORTED_COMPRESSION_TYPE Rejected "the client's version does not know the codec"
    77 STALE_BROKER_EPOCH Rejected "the broker has restarted since"
    78 OFFSET_NOT_AVAILABLE Retriable "the new leader does not yet know how far the partition is replicated"
    79 MEMBER_ID_REQUIRED Rejoin "join again with the member id that the reply gives"
    80 PREFERRED_LEADER_NOT_AVAILABLE Retriable "the preferred leader is not available"
    81 GROUP_MAX_SIZE_REACHED Fatal "the group has as many members as group.max.size allows"
    82 FENCED_INSTANCE_ID Rejoin "another member with the same group.instance.id has taken over"
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE Retriable "no replica may become leader now"
    84 ELECTION_NOT_NEEDED Retriable "the partition has the leader it should have"
    85 NO_REASSIGNMENT_IN_PROGRESS Rejected "the partition is not being moved"
    86 GROUP_SUBSCRIBED_TO_TOPIC Rejected "members of the group are subscribed to the topic"
    87 INVALID_RECORD Rejected "the broker refused the record"
    88 UNSTABLE_OFFSET_COMMIT Retriable "a transaction that commits the offset is not finished"
    89 THROTTLING_QUOTA_EXCEEDED Retriable "the quota is used up for now"
    90 PRODUCER_FENCED Rejoin "another producer with the same transactional.id has taken over"
    91 RESOURCE_NOT_FOUND Rejected "there is no such resource"
    92 DUPLICATE_RESOURCE Rejected "the resource exists, or is named twice"
    93 UNACCEPTABLE_CREDENTIAL Rejected "the credential is not good enough"
    94 INCONSISTENT_VOTER_SET Rejected "the nodes disagree on who votes for the controller"
    95 INVALID_UPDATE_VERSION Rejected "the update was made from an outdated version"
    96 FEATURE_UPDATE_FAILED Rejected "the cluster's features could not be updated"
    97 PRINCIPAL_DESERIALIZATION_FAILURE Rejected "a forwarded principal could not be read"
    98 SNAPSHOT_NOT_FOUND Rejected "there is no such snapshot"
    99 POSITION_OUT_OF_RANGE Rejected "the position is outside the snapshot"
    100 UNKNOWN_TOPIC_ID Retriable "this broker does not know the topic id"
    101 DUPLICATE_BROKER_REGISTRATION Rejected "a broker with this id is alive"
    102 BROKER_ID_NOT_REGISTERED Rejected "no broker with this id has registered"
    103 INCONSISTENT_TOPIC_ID Retriable "the topic was deleted and created anew"
    104 INCONSISTENT_CLUSTER_ID Rejected "the request is meant for another cluster"
    105 TRANSACTIONAL_ID_NOT_FOUND Rejected "there is no such transactional id"
    106 FETCH_SESSION_TOPIC_ID_ERROR Retriable "the fetch session mixes topic names and topic ids"
    107 INELIGIBLE_REPLICA Rejected "the replica may not join the in-sync replicas"
    108 NEW_LEADER_ELECTED Rejected "the change made another replica the leader"
    109 OFFSET_MOVED_TO_TIERED_STORAGE Rejected "the offset is in tiered storage only"
    110 FENCED_MEMBER_EPOCH Rejoin "the coordinator has moved the member on; it must join again"
    111 UNRELEASED_INSTANCE_ID Fatal "another living member has this group.instance.id"
    112 UNSUPPORTED_ASSIGNOR InvalidConfiguration "the broker has no such assignor"
    113 STALE_MEMBER_EPOCH Rejoin "the member has a newer epoch by now"
    114 MISMATCHED_ENDPOINT_TYPE Rejected "a controller was asked in place of a broker, or a broker in place of a controller"
    115 UNSUPPORTED_ENDPOINT_TYPE Rejected "this kind of endpoint is not supported"
    116 UNKNOWN_CONTROLLER_ID Rejected "there is no controller with this id"
    117 UNKNOWN_SUBSCRIPTION_ID Rejected "the subscription to metrics is outdated"
    118 TELEMETRY_TOO_LARGE Rejected "the pushed metrics are too large"
    119 INVALID_REGISTRATION Rejected "the broker's registration is not allowed"
    120 TRANSACTION_ABORTABLE Abortable "the transaction must be aborted, and may then be tried again"
    121 INVALID_RECORD_STATE Rejected "the record is not acquired by this member, or no longer"
    122 SHARE_SESSION_NOT_FOUND Retriable "the broker has dropped the share session"
    123 INVALID_SHARE_SESSION_EPOCH Retriable "the share session is out of step"
    124 FENCED_STATE_EPOCH Rejected "the share partition has a newer state"
    125 INVALID_VOTER_KEY Rejected "the voter's key is not that of the receiver"
    126 DUPLICATE_VOTER Rejected "the voter is one already"
    127 VOTER_NOT_FOUND Rejected "there is no such voter"
    128 INVALID_REGULAR_EXPRESSION Rejected "the broker cannot read the regular expression"
    // Not retriable in Java, where the network layer acts on it before anybody sees it (KIP-1102).
    129 REBOOTSTRAP_REQUIRED Retriable "the client must start again from bootstrap.servers"
    130 STREAMS_INVALID_TOPOLOGY Rejected "the streams topology is not allowed"
    131 STREAMS_INVALID_TOPOLOGY_EPOCH Rejected "the epoch of the streams topology is impossible"
    132 STREAMS_TOPOLOGY_FENCED Rejected "the streams topology is outdated"
    133 SHARE_SESSION_LIMIT_REACHED Retriable "the broker has no room for another share session"
    134 GROUP_DELETION_FAILED Rejected "the group could not be deleted"
    135 STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED Rejected "the description of the streams topology could not be stored"
    136 CONTROLLER_ID_NOT_REGISTERED Rejected "no controller with this id has registered"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes whose exception in Java 4.4 is a `RetriableException`.
    const JAVA_RETRIABLE: [i16; 32] = [
        2, 3, 5, 6, 7, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 70, 71, 72, 74, 75, 78, 80, 83, 84,
        88, 89, 100, 103, 106, 122, 123, 133,
    ];

    /// The codes whose exception in Java 4.4 is an `InvalidMetadataException`.
    const JAVA_INVALID_METADATA: [i16; 13] = [3, 5, 6, 9, 13, 56, 72, 74, 80, 83, 84, 100, 103];

    #[test]
    fn codes_run_from_minus_one_to_136_without_a_gap() {
        let expected: Vec<i16> = (-1..=136).collect();
        assert_eq!(ALL.iter().map(|code| code.0).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_names_are_javas() {
        let listed = include_str!("java_errors.txt");
        let ours: Vec<String> =
            ALL.iter().map(|code| format!("{} {}", code.0, code.name().expect("a name"))).collect();
        assert_eq!(ours, listed.lines().collect::<Vec<_>>());
    }

    #[test]
    fn retriable_is_what_java_retries() {
        for code in ALL {
            let expected =
                JAVA_RETRIABLE.contains(&code.0) || *code == ErrorCode::REBOOTSTRAP_REQUIRED;
            assert_eq!(code.is_retriable(), expected, "{code}");
        }
    }

    #[test]
    fn what_java_calls_invalid_metadata_asks_for_a_refresh() {
        let more = [ErrorCode::NOT_CONTROLLER, ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR];
        for code in ALL {
            let expected = JAVA_INVALID_METADATA.contains(&code.0) || more.contains(code);
            assert_eq!(code.needs_metadata_refresh(), expected, "{code}");
            assert!(!code.needs_metadata_refresh() || code.is_retriable(), "{code}");
            assert!(!code.needs_coordinator_lookup() || code.is_retriable(), "{code}");
        }
    }

    #[test]
    fn what_java_calls_application_recoverable_is_rejoin() {
        for code in [22, 25, 47, 49, 82, 90] {
            assert_eq!(ErrorCode(code).class(), Class::Rejoin);
        }
    }

    #[test]
    fn an_unknown_code_is_kept_and_named_by_its_number() {
        let code = ErrorCode(9999);
        assert_eq!((code.0, code.name(), code.class()), (9999, None, Class::Rejected));
        assert_eq!(code.to_string(), "unknown code 9999");
    }
}
