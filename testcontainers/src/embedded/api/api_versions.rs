//! ApiVersions, key 18, versions 0 to 4.

use bytes::BytesMut;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, RequestHeader};
use kafka_protocol::protocol::{Request, StrBytes};

use super::{Api, Call};

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
        if call.version() >= TELLS_FEATURES && state.settings.has_transaction_version {
            // The lowest level is 0, which only version 4 can tell; before it such a feature is
            // left out.
            let supported =
                SupportedFeatureKey::default().with_name(TRANSACTION_VERSION).with_max_version(2);
            let newest = (state.settings.transaction_version, state.features_epoch);
            let (level, epoch) = broker.stale_features.unwrap_or(newest);
            let finalized = FinalizedFeatureKey::default()
                .with_name(TRANSACTION_VERSION)
                .with_max_version_level(level)
                .with_min_version_level(level);
            response = response
                .with_supported_features(if call.version() >= TELLS_LEVEL_0 {
                    vec![supported]
                } else {
                    Vec::new()
                })
                .with_finalized_features(if level > 0 { vec![finalized] } else { Vec::new() })
                .with_finalized_features_epoch(epoch);
        }
        Some(response)
    }
}

/// The reply, in version 0, to an ApiVersions of a version that the broker does not know (KIP-511).
pub(crate) fn unsupported_version(header: &RequestHeader, served: (i16, i16)) -> Option<BytesMut> {
    let response = ApiVersionsResponse::default()
        .with_error_code(ResponseError::UnsupportedVersion.code())
        .with_api_keys(vec![version(ApiVersionsRequest::KEY, served)]);
    let header = RequestHeader::default().with_correlation_id(header.correlation_id);
    super::encode(&header, &response).ok()
}

fn version(key: i16, range: (i16, i16)) -> ApiVersion {
    ApiVersion::default().with_api_key(key).with_min_version(range.0).with_max_version(range.1)
}
