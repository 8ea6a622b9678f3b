//! Frames that real clients and brokers sent each other (`protocol-tests/vectors`): each is read whole, and written the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{TestRequest, encoded};
use crate::wire::Reader;
use crate::wire::call::{Request, decode_response};
use crate::wire::messages::broker_side::for_each_api;
use crate::wire::versions::ApiKey;

/// APIs in use that the captured exchanges do not have.
const NOT_CAPTURED: &[ApiKey] = &[
    ApiKey::ListGroups,
    ApiKey::SaslHandshake,
    ApiKey::DeleteRecords,
    ApiKey::WriteTxnMarkers,
    ApiKey::DescribeAcls,
    ApiKey::CreateAcls,
    ApiKey::DeleteAcls,
    ApiKey::AlterReplicaLogDirs,
    ApiKey::DescribeLogDirs,
    ApiKey::SaslAuthenticate,
    ApiKey::CreateDelegationToken,
    ApiKey::RenewDelegationToken,
    ApiKey::ExpireDelegationToken,
    ApiKey::DescribeDelegationToken,
    ApiKey::DeleteGroups,
    ApiKey::ElectLeaders,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::AlterPartitionReassignments,
    ApiKey::OffsetDelete,
    ApiKey::DescribeClientQuotas,
    ApiKey::AlterClientQuotas,
    ApiKey::DescribeUserScramCredentials,
    ApiKey::AlterUserScramCredentials,
    ApiKey::DescribeQuorum,
    ApiKey::UpdateFeatures,
    ApiKey::DescribeProducers,
    ApiKey::UnregisterBroker,
    ApiKey::DescribeTransactions,
    ApiKey::ListTransactions,
    ApiKey::GetTelemetrySubscriptions,
    ApiKey::PushTelemetry,
    ApiKey::ListConfigResources,
    ApiKey::ShareGroupHeartbeat,
    ApiKey::ShareGroupDescribe,
    ApiKey::ShareFetch,
    ApiKey::ShareAcknowledge,
    ApiKey::AddRaftVoter,
    ApiKey::RemoveRaftVoter,
    ApiKey::StreamsGroupDescribe,
    ApiKey::DescribeShareGroupOffsets,
    ApiKey::AlterShareGroupOffsets,
    ApiKey::DeleteShareGroupOffsets,
    ApiKey::UnregisterController,
];

struct Captured {
    api: i16,
    version: i16,
    is_request: bool,
    frame: &'static [u8],
    place: String,
}

fn captured() -> Vec<Captured> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol-tests/vectors");
    let mut captured = Vec::new();
    for file in fs::read_dir(folder).expect("the vectors") {
        let path = file.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            let text = fs::read_to_string(&path).expect("text");
            captured.extend(text.lines().zip(1..).map(|(line, number)| {
                Captured::parse(
                    &serde_json::from_str(line).expect("JSON"),
                    &format!("{}:{number}", path.display()),
                )
            }));
        }
    }
    assert!(!captured.is_empty(), "no vectors");
    captured
}

impl Captured {
    fn parse(line: &Value, place: &str) -> Self {
        let number = |key: &str| {
            line[key].as_i64().and_then(|number| i16::try_from(number).ok()).expect("a number")
        };
        let text = |key: &str| line[key].as_str().expect("text");
        let hex = text("frame");
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        Self {
            api: number("api"),
            version: number("version"),
            is_request: text("direction") == "request",
            frame: (0..hex.len()).step_by(2).map(byte).collect::<Vec<_>>().leak(),
            place: format!("{place} {} {} v{}", text("name"), text("direction"), number("version")),
        }
    }

    fn check<R: TestRequest>(&self) {
        let Self { version, frame, place, .. } = self;
        let is_flexible = *version >= R::FLEXIBLE;
        if self.is_request {
            let mut header = Reader::new(&frame[8..], "header", 1, false);
            let client_id =
                header.nullable_string("client_id").expect("a client id").unwrap_or_default();
            let body = &frame[8 + 2 + client_id.len() + usize::from(is_flexible)..];
            let mut from = Reader::new(body, R::API.name(), *version, is_flexible);
            let request =
                R::decode(&mut from, *version).unwrap_or_else(|error| panic!("{place}: {error}"));
            from.finish().unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(
                encoded(&request, R::API, *version, is_flexible),
                body,
                "{place}: {request:?}"
            );
        } else {
            let response = decode_response::<R>(frame, *version)
                .unwrap_or_else(|error| panic!("{place}: {error}"));
            let header_len = 4 + usize::from(is_flexible && R::API != ApiKey::ApiVersions);
            let written = encoded(&response, R::API, *version, is_flexible);
            assert_eq!(written, frame[header_len..], "{place}: {response:?}");
        }
    }
}

macro_rules! check {
    ($($api:ident: $request:ident, $response:ident;)*) => {
        /// Checks the frame if we speak its API in its version.
        fn check(captured: &Captured) -> Option<ApiKey> {
            use crate::wire::messages as ours;

            let api = ApiKey::from_key(captured.api)?;
            match api {
                $(
                    <ours::$api::$request as Request>::API if ours::$api::$request::VERSIONS.contains(&captured.version) => {
                        captured.check::<ours::$api::$request>();
                    }
                )*
                _ => return None,
            }
            Some(api)
        }

        const IN_USE: &[ApiKey] = &[$(<crate::wire::messages::$api::$request as Request>::API),*];
    };
}

for_each_api!(check);

#[test]
fn what_real_brokers_and_clients_said_is_read_whole_and_written_the_same() {
    let captured = captured();
    let seen: BTreeSet<_> =
        captured.iter().filter_map(|one| Some((check(one)?, one.is_request))).collect();
    let both = |api: &&ApiKey| seen.contains(&(**api, true)) && seen.contains(&(**api, false));
    let missing: Vec<_> = IN_USE.iter().filter(|api| !both(api)).collect();
    assert_eq!(missing, NOT_CAPTURED.iter().collect::<Vec<_>>());
}
