//! ApiVersions, key 18, versions 0 to 4.

use bytes::BytesMut;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, RequestHeader};
use kafka_protocol::protocol::{Request, StrBytes};

use super::{Api, Call};
use crate::embedded::broker::Finalized;
use crate::embedded::state::Settings;

const GROUP_VERSION: StrBytes = StrBytes::from_static_str("group.version");
const SHARE_VERSION: StrBytes = StrBytes::from_static_str("share.version");
const TRANSACTION_VERSION: StrBytes = StrBytes::from_static_str("transaction.version");
/// From these versions on features are told, and those with a level 0.
const TELLS_FEATURES: i16 = 3;
const TELLS_LEVEL_0: i16 = 4;

impl Api for ApiVersionsRequest {
    const SERVED: (i16, i16) = (0, 4);

    async fn handle(self, call: &Call) -> Option<ApiVersionsResponse> {
        let error = call.injected_any().or_else(|| {
            let named =
                !self.client_software_name.is_empty() && !self.client_software_version.is_empty();
            (call.version() >= 3 && !named).then_some(ResponseError::InvalidRequest)
        });
        let state = call.lock();
        let mut response = ApiVersionsResponse::default().with_throttle_time_ms(0);
        if let Some(error) = error {
            return Some(response.with_error_code(error.code()));
        }
        let broker = state.broker(call.broker)?;
        let versions = &broker.versions;
        response = response
            .with_api_keys(versions.iter().map(|(key, range)| version(*key, *range)).collect());
        if call.version() >= TELLS_FEATURES {
            let told = broker.stale_features.unwrap_or_else(|| state.finalized());
            response = with_features(response, call.version(), &state.settings, told);
        }
        Some(response)
    }
}

/// Tells the features that brokers know at all.
fn with_features(
    response: ApiVersionsResponse,
    version: i16,
    settings: &Settings,
    told: Finalized,
) -> ApiVersionsResponse {
    let features = [
        (settings.has_group_version, GROUP_VERSION, 1, told.group_version),
        (settings.has_share_version, SHARE_VERSION, 1, told.share_version),
        (settings.has_transaction_version, TRANSACTION_VERSION, 2, told.transaction_version),
    ];
    let known = features.into_iter().filter(|(is_known, ..)| *is_known);
    let (mut supported, mut finalized) = (Vec::new(), Vec::new());
    for (_, name, most, level) in known {
        let feature = SupportedFeatureKey::default().with_name(name.clone());
        supported.push(feature.with_max_version(most));
        if level > 0 {
            let feature = FinalizedFeatureKey::default().with_name(name);
            finalized.push(feature.with_max_version_level(level).with_min_version_level(level));
        }
    }
    if supported.is_empty() {
        return response;
    }
    // The lowest level of each is 0, which only version 4 can tell; before it such a feature is
    // left out.
    if version < TELLS_LEVEL_0 {
        supported.clear();
    }
    response
        .with_supported_features(supported)
        .with_finalized_features(finalized)
        .with_finalized_features_epoch(told.epoch)
}

/// The reply, in version 0, to an ApiVersions of a version that the broker does not know (KIP-511).
pub(crate) fn unsupported_version(header: &RequestHeader, served: (i16, i16)) -> Option<BytesMut> {
    let response = ApiVersionsResponse::default()
        .with_error_code(ResponseError::UnsupportedVersion.code())
        .with_api_keys(vec![version(<ApiVersionsRequest as Request>::KEY, served)]);
    let header = RequestHeader::default().with_correlation_id(header.correlation_id);
    super::encode::<ApiVersionsRequest>(&header, &response).ok()
}

fn version(key: i16, range: (i16, i16)) -> ApiVersion {
    ApiVersion::default().with_api_key(key).with_min_version(range.0).with_max_version(range.1)
}
