//! IncrementalAlterConfigs, key 44, versions 0 and 1: of topics and groups.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::{Api, Call};
use crate::embedded::group::config::{GROUP_RESOURCE, check};
use crate::embedded::state::State;

const TOPIC: i8 = 2;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

impl Api for IncrementalAlterConfigsRequest {
    const SERVED: (i16, i16) = (0, 1);

    async fn handle(self, call: &Call) -> Option<IncrementalAlterConfigsResponse> {
        let mut state = call.lock();
        let responses = self.resources.iter().map(|resource| {
            let result = match call.injected_any() {
                Some(error) => Err(error),
                None => alter(&mut state, resource, self.validate_only),
            };
            AlterConfigsResourceResponse::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name.clone())
                .with_error_code(super::code(&result))
        });
        let responses = responses.collect();
        drop(state);
        let response = IncrementalAlterConfigsResponse::default().with_responses(responses);
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn alter(
    state: &mut State,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), ResponseError> {
    if resource.resource_type == GROUP_RESOURCE {
        return alter_group(state, resource, validate_only);
    }
    if resource.resource_type != TOPIC {
        return Err(ResponseError::InvalidRequest);
    }
    let topic = state
        .topics
        .get_mut(&*resource.resource_name)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    let mut changed = topic.configs.clone();
    for config in &resource.configs {
        apply(&mut changed, config)?;
    }
    if !validate_only {
        topic.configs = changed;
    }
    Ok(())
}

fn alter_group(
    state: &mut State,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), ResponseError> {
    if resource.resource_name.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    let mut changed = state.group_configs.of(&resource.resource_name);
    for config in &resource.configs {
        apply(&mut changed, config)?;
    }
    check(&changed, &state.settings)?;
    if !validate_only {
        state.group_configs.replace(&resource.resource_name, changed);
    }
    Ok(())
}

/// The settings of a topic or a group.
type Configs = BTreeMap<String, String>;

fn apply(configs: &mut Configs, config: &AlterableConfig) -> Result<(), ResponseError> {
    let name = config.name.to_string();
    let value = || config.value.as_deref().ok_or(ResponseError::InvalidConfig);
    let list = |configs: &Configs| -> Vec<String> {
        let current = configs.get(&name).map(String::as_str).unwrap_or_default();
        current.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect()
    };
    match config.config_operation {
        SET => drop(configs.insert(name, value()?.to_owned())),
        DELETE => drop(configs.remove(&name)),
        APPEND => {
            let mut all = list(configs);
            all.push(value()?.to_owned());
            configs.insert(name, all.join(","));
        }
        SUBTRACT => {
            let gone = value()?;
            let rest: Vec<String> = list(configs).into_iter().filter(|one| one != gone).collect();
            configs.insert(name, rest.join(","));
        }
        _ => return Err(ResponseError::InvalidRequest),
    }
    Ok(())
}
