//! DeleteGroups, key 42, versions 0 to 2.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use super::{Api, Call};
use crate::embedded::state::{GROUP_KEY, State};

impl Api for DeleteGroupsRequest {
    const SERVED: (i16, i16) = (0, 2);

    fn coordinated(&self) -> Option<(i8, String)> {
        self.groups_names.first().map(|group| (GROUP_KEY, group.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<DeleteGroupsResponse> {
        let mut state = call.lock();
        let results = self.groups_names.iter().map(|id| {
            let result = delete(call, &mut state, id);
            DeletableGroupResult::default()
                .with_group_id(id.clone())
                .with_error_code(super::code(&result))
        });
        let results = results.collect();
        drop(state);
        Some(
            DeleteGroupsResponse::default()
                .with_results(results)
                .with_throttle_time_ms(call.throttle_ms()),
        )
    }
}

fn delete(call: &Call, state: &mut State, id: &str) -> Result<(), ResponseError> {
    if let Some(error) = call.injected_any() {
        return Err(error);
    }
    let group = state.known_group_at(call.broker, id)?.ok_or(ResponseError::GroupIdNotFound)?;
    if !group.is_empty() {
        return Err(ResponseError::NonEmptyGroup);
    }
    state.groups.remove(id);
    state.share_store.forget(|key| key.group == id);
    Ok(())
}
