//! DescribeConfigs, key 32, versions 1 to 4: what was set on a topic or a group, and the defaults
//! that clients look for.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use super::{Api, Call, owned};
use crate::embedded::group::config::{GROUP_RESOURCE, defaults};
use crate::embedded::state::State;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

const SET_ON_TOPIC: i8 = 1;
const DEFAULT: i8 = 5;
const SET_ON_GROUP: i8 = 8;

impl Api for DescribeConfigsRequest {
    const SERVED: (i16, i16) = (1, 4);

    async fn handle(self, call: &Call) -> Option<DescribeConfigsResponse> {
        let state = call.lock();
        let results = self.resources.iter().map(|resource| {
            let found = match call.injected_any() {
                Some(error) => Err(error),
                None => find(&state, resource),
            };
            let result = DescribeConfigsResult::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name.clone())
                .with_error_code(super::code(&found));
            let is_wanted = |name: &str| {
                resource
                    .configuration_keys
                    .as_ref()
                    .is_none_or(|keys| keys.iter().any(|key| **key == *name))
            };
            let configs = found.unwrap_or_default().into_iter().filter(|(name, _)| is_wanted(name));
            result.with_configs(configs.map(entry).collect())
        });
        let response = DescribeConfigsResponse::default().with_results(results.collect());
        drop(state);
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn find(
    state: &State,
    resource: &DescribeConfigsResource,
) -> Result<BTreeMap<String, (String, i8)>, ResponseError> {
    match resource.resource_type {
        TOPIC => {
            let topic = state
                .topics
                .get(&*resource.resource_name)
                .ok_or(ResponseError::UnknownTopicOrPartition)?;
            let defaults = [
                ("cleanup.policy", "delete".to_owned()),
                ("compression.type", "producer".to_owned()),
                ("max.message.bytes", state.settings.message_max_bytes.to_string()),
                ("message.timestamp.type", "CreateTime".to_owned()),
                ("min.insync.replicas", "1".to_owned()),
                ("retention.ms", "604800000".to_owned()),
            ];
            let mut configs: BTreeMap<_, _> = defaults
                .into_iter()
                .map(|(name, value)| (name.to_owned(), (value, DEFAULT)))
                .collect();
            configs.extend(
                topic
                    .configs
                    .iter()
                    .map(|(name, value)| (name.clone(), (value.clone(), SET_ON_TOPIC))),
            );
            Ok(configs)
        }
        BROKER => Ok(BTreeMap::from([(
            "message.max.bytes".to_owned(),
            (state.settings.message_max_bytes.to_string(), DEFAULT),
        )])),
        GROUP_RESOURCE if !resource.resource_name.is_empty() => {
            let set = state.group_configs.of(&resource.resource_name);
            let defaults = defaults(&state.settings).into_iter();
            let defaults = defaults.map(|(name, value)| (name.to_owned(), (value, DEFAULT)));
            let set = set.into_iter().map(|(name, value)| (name, (value, SET_ON_GROUP)));
            Ok(defaults.chain(set).collect())
        }
        _ => Err(ResponseError::InvalidRequest),
    }
}

fn entry((name, (value, source)): (String, (String, i8))) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult::default()
        .with_name(owned(&name))
        .with_value(Some(owned(&value)))
        .with_config_source(source)
}
