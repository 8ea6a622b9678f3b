//! Groups and their members.

use std::fmt;

/// A member of a group.
#[derive(Debug)]
pub struct GroupMemberInfo {
    pub(crate) id: String,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) assignment: Vec<u8>,
}

impl GroupMemberInfo {
    /// Returns its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the name of its client.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Returns where its client is.
    pub fn client_host(&self) -> &str {
        &self.client_host
    }

    /// Returns `None`: kavka reads what a member says when it joins, and does not keep the bytes.
    pub fn metadata(&self) -> Option<&[u8]> {
        None
    }

    /// Returns what it is assigned, in the bytes of Kafka's consumers.
    pub fn assignment(&self) -> Option<&[u8]> {
        Some(&self.assignment)
    }
}

/// A group.
pub struct GroupInfo {
    pub(crate) name: String,
    pub(crate) members: Vec<GroupMemberInfo>,
    pub(crate) state: String,
    pub(crate) protocol: String,
    pub(crate) protocol_type: String,
}

impl GroupInfo {
    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its members.
    pub fn members(&self) -> &[GroupMemberInfo] {
        &self.members
    }

    /// Returns its state.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Returns its assignment strategy.
    pub fn protocol(&self) -> &str {
        &self.protocol
    }

    /// Returns the type of its protocol: `consumer`, for consumers.
    pub fn protocol_type(&self) -> &str {
        &self.protocol_type
    }
}

impl fmt::Debug for GroupInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Some groups.
#[derive(Debug)]
pub struct GroupList {
    pub(crate) groups: Vec<GroupInfo>,
}

impl GroupList {
    /// Returns the groups.
    pub fn groups(&self) -> &[GroupInfo] {
        &self.groups
    }
}
