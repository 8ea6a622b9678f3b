//! What is said where a broker does not speak what a request needs.

use crate::config::BrokerAddress;
use crate::error::{Error, ErrorKind, Written};
use crate::wire::call::Request;
use crate::wire::versions::ApiVersions;

/// Says what a broker lacks: most who meet it have an old one, or something that only resembles
/// one.
pub(super) fn lacking<R: Request>(address: &BrokerAddress, versions: &ApiVersions) -> Error {
    let (api, ours) = (R::API.name(), R::VERSIONS);
    let cap = versions.cap(R::API).unwrap_or(i16::MAX);
    let needed = format!("this client needs one of v{} to v{}", ours.start(), ours.end());
    let message = match versions.range(R::API) {
        None => {
            let otherwise = otherwise(api);
            format!(
                "{address} does not have {api}, of which {needed}: use a broker that has \
                 it{otherwise}"
            )
        }
        Some(theirs) if *theirs.start() > cap && theirs.start() <= ours.end() => {
            format!(
                "{address} has {api} from v{}: raise max_api_version from {cap}",
                theirs.start()
            )
        }
        Some(theirs) if theirs.start() > ours.end() => {
            format!("{address} has {api} from v{}, and {needed}: use a newer kavka", theirs.start())
        }
        Some(theirs) => {
            format!(
                "{address} has {api} up to v{}, and {needed}: upgrade the broker (Kafka 2.1 or \
                 later)",
                theirs.end()
            )
        }
    };
    Error::new(ErrorKind::Unsupported, message).with_written(Written::No)
}

/// What goes without an API.
fn otherwise(api: &str) -> &'static str {
    match api {
        "InitProducerId" => ", or set enable.idempotence=false and no transactional.id",
        _ => "",
    }
}
