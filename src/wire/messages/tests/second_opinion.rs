//! Our bytes against those of the crate kafka-protocol, which others made from Kafka 4.1's schemas.
//!
//! It reads what we wrote, finds the same values in the fields of the same names, and writes the same bytes.

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{self, Decodable, Encodable, HeaderVersion, Message};

use super::debug_text::canonical;
use super::samples::{Sample, Samples};
use super::{CORRELATION_ID, TestRequest, decode_request, request_frame, response_frame};
use crate::wire::call::{Request, decode_response};
use crate::wire::messages::broker_side::for_each_shared_api;

/// Values of each version.
const CASES: u64 = 15;

/// Fields that only one side has, at their defaults: ours came after Kafka 4.1, theirs are of an unstable version, or of one that
/// is gone.
const UNSHARED: &[(&str, &str)] = &[
    ("AddRaftVoter", ", ack_when_committed: true"),
    ("ApiVersions", ", cluster_id: None, node_id: -1"),
    ("DeleteGroups", ", error_message: None"),
    ("DescribeLogDirs", ", is_cordoned: false"),
    ("DescribeShareGroupOffsets", ", lag: -1"),
    ("InitProducerId", ", enable_2_pc: false, keep_prepared_txn: false"),
    ("ShareAcknowledge", ", is_renew_ack: false"),
    ("ShareAcknowledge", ", acquisition_lock_timeout_ms: 0"),
    ("ShareFetch", ", partition_max_bytes: 0"),
    ("ShareFetch", ", share_acquire_mode: 0, is_renew_ack: false"),
    ("TxnOffsetCommit", ", topic_id: AAAAAAAAAAAAAAAAAAAAAA"),
    ("WriteTxnMarkers", ", transaction_version: 0"),
];

fn assert_same(theirs: &impl Debug, ours: &impl Debug, place: &str) {
    let (mut theirs, mut ours) = (canonical(theirs), canonical(ours));
    for (_, fields) in UNSHARED.iter().filter(|(api, _)| place.starts_with(api)) {
        (theirs, ours) = (theirs.replace(fields, ""), ours.replace(fields, ""));
    }
    // A word of Rust's, which they write otherwise than we do.
    theirs = theirs.replace("_match:", "match:");
    if place.starts_with("TxnOffsetCommit") {
        // What Kafka 4.1 called it.
        theirs = theirs.replace(" generation_id:", " generation_id_or_member_epoch:");
    }
    if place.starts_with("ShareFetch") {
        // Null in a version only that is gone.
        theirs = theirs.replace(" records: Some([", " records: [");
        theirs = theirs.replace("]), acquired_records:", "], acquired_records:");
    }
    assert_eq!(theirs, ours, "{place}");
}

fn shared_versions<R: Request, T: Message>() -> impl Iterator<Item = i16> {
    let shared =
        R::VERSIONS.filter(|version| (T::VERSIONS.min..=T::VERSIONS.max).contains(version));
    assert!(shared.clone().next().is_some(), "no version in common");
    shared
}

fn requests_agree<R: TestRequest, T: protocol::Request + Debug>() {
    assert_eq!(R::API.key(), T::KEY);
    for version in shared_versions::<R, T>() {
        for seed in 0..CASES {
            let place = format!("{} v{version} seed {seed}", R::API.name());
            let ours = R::sample(&mut Samples::new(seed), version);
            let frame = request_frame(&ours, version);

            let mut rest = Bytes::from_static(frame);
            let header_version = T::header_version(version);
            let header =
                theirs::RequestHeader::decode(&mut rest, header_version).expect("a header");
            let expected = (T::KEY, version, CORRELATION_ID, Some("kavka"));
            let client_id = header.client_id.as_deref();
            let found = (
                header.request_api_key,
                header.request_api_version,
                header.correlation_id,
                client_id,
            );
            assert_eq!(found, expected, "{place}");
            let theirs =
                T::decode(&mut rest, version).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert!(rest.is_empty(), "{place}: bytes left over");
            assert_same(&theirs, &ours, &place);

            let mut written = BytesMut::new();
            header.encode(&mut written, header_version).expect("a header");
            theirs.encode(&mut written, version).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(written, frame, "{place}");
            assert_eq!(decode_request::<R>(Vec::from(written).leak(), version), ours, "{place}");
        }
    }
}

fn responses_agree<R: TestRequest, T: Message + Encodable + Decodable + HeaderVersion + Debug>() {
    for version in shared_versions::<R, T>() {
        for seed in 0..CASES {
            let place = format!("{} v{version} seed {seed}", R::API.name());
            let ours = <R::Response<'static>>::sample(&mut Samples::new(seed), version);
            let frame: &'static [u8] = response_frame::<R>(&ours, version).leak();

            let mut rest = Bytes::from_static(frame);
            let header_version = T::header_version(version);
            let header =
                theirs::ResponseHeader::decode(&mut rest, header_version).expect("a header");
            let theirs =
                T::decode(&mut rest, version).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert!(rest.is_empty(), "{place}: bytes left over");
            assert_same(&theirs, &ours, &place);

            let mut written = BytesMut::new();
            header.encode(&mut written, header_version).expect("a header");
            theirs.encode(&mut written, version).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(written, frame, "{place}");
            assert_eq!(
                decode_response::<R>(Vec::from(written).leak(), version),
                Ok(ours),
                "{place}"
            );
        }
    }
}

macro_rules! agree {
    ($($api:ident: $request:ident, $response:ident;)*) => {
        $(
            #[test]
            fn $api() {
                requests_agree::<crate::wire::messages::$api::$request, theirs::$request>();
                responses_agree::<crate::wire::messages::$api::$request, theirs::$response>();
            }
        )*
    };
}

for_each_shared_api!(agree);
