//! Who may do what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::wire_enum::numbered;
use super::{Admin, Outcomes, check, keys};
use crate::cluster::{Item, Route};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::messages::create_acls::{AclCreation, CreateAclsRequest, CreateAclsResponse};
use crate::wire::messages::delete_acls::{DeleteAclsFilter, DeleteAclsRequest, DeleteAclsResponse};
use crate::wire::messages::describe_acls::{DescribeAclsRequest, DescribeAclsResponse};

numbered! {
    /// An operation on a resource.
    AclOperation(i8) {
        /// Any operation, in a filter.
        Any = 1, "any";
        /// All operations.
        All = 2, "all";
        /// Reading.
        Read = 3, "read";
        /// Writing.
        Write = 4, "write";
        /// Creating.
        Create = 5, "create";
        /// Deleting.
        Delete = 6, "delete";
        /// Altering.
        Alter = 7, "alter";
        /// Describing.
        Describe = 8, "describe";
        /// Operations of brokers among themselves.
        ClusterAction = 9, "cluster_action";
        /// Describing configs.
        DescribeConfigs = 10, "describe_configs";
        /// Altering configs.
        AlterConfigs = 11, "alter_configs";
        /// Writing as an idempotent producer, before Kafka 3.0.
        IdempotentWrite = 12, "idempotent_write";
        /// Creating delegation tokens for others.
        CreateTokens = 13, "create_tokens";
        /// Describing delegation tokens of others.
        DescribeTokens = 14, "describe_tokens";
        /// Taking part in a two-phase commit (KIP-939).
        TwoPhaseCommit = 15, "two_phase_commit";
    }
}

numbered! {
    /// Whether an ACL allows or denies an operation.
    AclPermission(i8) {
        /// Either, in a filter.
        Any = 1, "any";
        /// The operation is denied, even if another ACL allows it.
        Deny = 2, "deny";
        /// The operation is allowed.
        Allow = 3, "allow";
    }
}

numbered! {
    /// The type of a resource protected by ACLs.
    ResourceType(i8) {
        /// Any type, in a filter.
        Any = 1, "any";
        /// A topic.
        Topic = 2, "topic";
        /// A group.
        Group = 3, "group";
        /// The cluster, whose name is `kafka-cluster`.
        Cluster = 4, "cluster";
        /// A transactional id.
        TransactionalId = 5, "transactional_id";
        /// A delegation token.
        DelegationToken = 6, "delegation_token";
        /// A user, for whom delegation tokens are created.
        User = 7, "user";
    }
}

numbered! {
    /// How the name of a resource pattern is matched.
    PatternType(i8) {
        /// Any pattern, in a filter.
        Any = 1, "any";
        /// Every pattern that matches the name, in a filter.
        Match = 2, "match";
        /// The name itself, or `*` for all.
        Literal = 3, "literal";
        /// All names with this prefix.
        Prefixed = 4, "prefixed";
    }
}

/// The resources an ACL applies to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ResourcePattern {
    /// The type of the resources.
    pub kind: ResourceType,
    /// The name, a prefix of it, or `*`.
    pub name: String,
    /// How the name is matched.
    pub pattern: PatternType,
}

impl ResourcePattern {
    /// Matches the resource of this exact name; `*` matches all.
    pub fn literal(kind: ResourceType, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), pattern: PatternType::Literal }
    }

    /// Matches all resources whose name has this prefix.
    pub fn prefixed(kind: ResourceType, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), pattern: PatternType::Prefixed }
    }

    /// The cluster.
    pub fn cluster() -> Self {
        Self::literal(ResourceType::Cluster, "kafka-cluster")
    }
}

/// An access control list entry (ACL): allows or denies a principal an operation on resources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct AclBinding {
    /// The resources the ACL applies to.
    pub resource: ResourcePattern,
    /// The principal, such as `User:alice` or `User:*`.
    pub principal: String,
    /// The address of the client; `*` for any.
    pub host: String,
    /// The operation.
    pub operation: AclOperation,
    /// Whether the operation is allowed or denied.
    pub permission: AclPermission,
}

impl AclBinding {
    /// Allows a principal, such as `User:alice`, an operation from any address.
    pub fn allow(
        resource: ResourcePattern,
        principal: impl Into<String>,
        operation: AclOperation,
    ) -> Self {
        let (principal, host) = (principal.into(), "*".to_owned());
        Self { resource, principal, host, operation, permission: AclPermission::Allow }
    }

    /// Denies a principal, such as `User:alice`, an operation from any address.
    pub fn deny(
        resource: ResourcePattern,
        principal: impl Into<String>,
        operation: AclOperation,
    ) -> Self {
        Self { permission: AclPermission::Deny, ..Self::allow(resource, principal, operation) }
    }

    /// Restricts the ACL to clients with this address.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }
}

impl fmt::Display for AclBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            resource: ResourcePattern { kind, name, pattern },
            principal,
            host,
            operation,
            permission,
        } = self;
        write!(f, "{permission} {principal} from {host} to {operation} {kind} {name} ({pattern})")
    }
}

impl Item for AclBinding {
    const KIND: &'static str = "rule";
}

/// Selects resource patterns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ResourcePatternFilter {
    /// The type of the resources.
    pub kind: ResourceType,
    /// The name; `None` for any.
    pub name: Option<String>,
    /// How the name is matched; [`PatternType::Match`] finds all ACLs that apply to the name.
    pub pattern: PatternType,
}

/// Selects ACLs; by default all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct AclFilter {
    /// The resources the ACLs apply to.
    pub resource: ResourcePatternFilter,
    /// The principal; `None` for any.
    pub principal: Option<String>,
    /// The address of the client; `None` for any.
    pub host: Option<String>,
    /// The operation.
    pub operation: AclOperation,
    /// Whether the operation is allowed or denied.
    pub permission: AclPermission,
}

impl Default for AclFilter {
    fn default() -> Self {
        Self {
            resource: ResourcePatternFilter {
                kind: ResourceType::Any,
                name: None,
                pattern: PatternType::Any,
            },
            principal: None,
            host: None,
            operation: AclOperation::Any,
            permission: AclPermission::Any,
        }
    }
}

impl AclFilter {
    /// Selects all ACLs.
    pub fn any() -> Self {
        Self::default()
    }

    /// Selects ACLs for resources of a type.
    #[must_use]
    pub fn kind(mut self, kind: ResourceType) -> Self {
        self.resource.kind = kind;
        self
    }

    /// Selects ACLs for a name, matched as `pattern` says.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>, pattern: PatternType) -> Self {
        self.resource.name = Some(name.into());
        self.resource.pattern = pattern;
        self
    }

    /// Selects ACLs for a principal, such as `User:alice`.
    #[must_use]
    pub fn principal(mut self, principal: impl Into<String>) -> Self {
        self.principal = Some(principal.into());
        self
    }

    /// Selects ACLs for clients with an address.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Selects ACLs for an operation.
    #[must_use]
    pub fn operation(mut self, operation: AclOperation) -> Self {
        self.operation = operation;
        self
    }

    /// Selects ACLs that allow, or that deny.
    #[must_use]
    pub fn permission(mut self, permission: AclPermission) -> Self {
        self.permission = permission;
        self
    }
}

impl From<AclBinding> for AclFilter {
    /// Finds this very rule.
    fn from(binding: AclBinding) -> Self {
        let ResourcePattern { kind, name, pattern } = binding.resource;
        Self {
            resource: ResourcePatternFilter { kind, name: Some(name), pattern },
            principal: Some(binding.principal),
            host: Some(binding.host),
            operation: binding.operation,
            permission: binding.permission,
        }
    }
}

impl fmt::Display for AclFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            resource: ResourcePatternFilter { kind, name, pattern },
            principal,
            host,
            operation,
            permission,
        } = self;
        let any = |text: &Option<String>| text.clone().unwrap_or_else(|| "any".to_owned());
        write!(
            f,
            "{permission} {} from {} to {operation} {kind} {} ({pattern})",
            any(principal),
            any(host),
            any(name)
        )
    }
}

impl Item for AclFilter {
    const KIND: &'static str = "filter";
}

impl Admin {
    /// Returns the ACLs that a filter selects.
    ///
    /// # Errors
    /// [`SECURITY_DISABLED`](crate::ErrorCode::SECURITY_DISABLED) if the cluster has no authorizer;
    /// [`CLUSTER_AUTHORIZATION_FAILED`](crate::ErrorCode::CLUSTER_AUTHORIZATION_FAILED).
    pub async fn describe_acls(&self, filter: AclFilter) -> Result<Vec<AclBinding>> {
        let request = |_| DescribeAclsRequest {
            resource_type_filter: filter.resource.kind.code(),
            resource_name_filter: filter.resource.name.as_deref(),
            pattern_type_filter: filter.resource.pattern.code(),
            principal_filter: filter.principal.as_deref(),
            host_filter: filter.host.as_deref(),
            operation: filter.operation.code(),
            permission_type: filter.permission.code(),
        };
        let read = |response: &DescribeAclsResponse<'_>| {
            check(response.error_code, response.error_message)?;
            let found = response.resources.iter().flat_map(|resource| {
                resource.acls.iter().map(|acl| AclBinding {
                    resource: ResourcePattern {
                        kind: ResourceType::from_code(resource.resource_type),
                        name: resource.resource_name.to_owned(),
                        pattern: PatternType::from_code(resource.pattern_type),
                    },
                    principal: acl.principal.to_owned(),
                    host: acl.host.to_owned(),
                    operation: AclOperation::from_code(acl.operation),
                    permission: AclPermission::from_code(acl.permission_type),
                })
            });
            Ok(BTreeSet::from_iter(found).into_iter().collect())
        };
        self.ask(Route::Any, request, read).await
    }

    /// Creates ACLs. An ACL that exists already is not an error.
    ///
    /// # Errors
    /// For an ACL: [`INVALID_REQUEST`](crate::ErrorCode::INVALID_REQUEST) if it is invalid,
    /// [`SECURITY_DISABLED`](crate::ErrorCode::SECURITY_DISABLED),
    /// [`CLUSTER_AUTHORIZATION_FAILED`](crate::ErrorCode::CLUSTER_AUTHORIZATION_FAILED).
    pub async fn create_acls(
        &self,
        rules: impl IntoIterator<Item = AclBinding>,
    ) -> Outcomes<AclBinding, ()> {
        let rules = keys::<AclBinding>(rules);
        let read = |share: &[(&AclBinding, &())], response: &CreateAclsResponse<'_>| {
            in_order(share, &response.results, |result| {
                check(result.error_code, result.error_message)
            })
        };
        self.change_each(
            &rules,
            |_| Route::Controller,
            |share, _| CreateAclsRequest {
                creations: share
                    .iter()
                    .map(|(rule, ())| AclCreation {
                        resource_type: rule.resource.kind.code(),
                        resource_name: &rule.resource.name,
                        resource_pattern_type: rule.resource.pattern.code(),
                        principal: &rule.principal,
                        host: &rule.host,
                        operation: rule.operation.code(),
                        permission_type: rule.permission.code(),
                    })
                    .collect(),
            },
            read,
        )
        .await
    }

    /// Deletes the ACLs that filters select, and returns the ACLs deleted by each filter.
    ///
    /// # Errors
    /// For a filter: [`SECURITY_DISABLED`](crate::ErrorCode::SECURITY_DISABLED),
    /// [`CLUSTER_AUTHORIZATION_FAILED`](crate::ErrorCode::CLUSTER_AUTHORIZATION_FAILED). For an
    /// ACL: the reason why it was found but not deleted.
    pub async fn delete_acls(
        &self,
        filters: impl IntoIterator<Item = AclFilter>,
    ) -> Outcomes<AclFilter, Outcomes<AclBinding, ()>> {
        let filters = keys::<AclFilter>(filters);
        let read = |share: &[(&AclFilter, &())], response: &DeleteAclsResponse<'_>| {
            in_order(share, &response.filter_results, |result| {
                check(result.error_code, result.error_message)?;
                let deleted = result.matching_acls.iter().map(|acl| {
                    let rule = AclBinding {
                        resource: ResourcePattern {
                            kind: ResourceType::from_code(acl.resource_type),
                            name: acl.resource_name.to_owned(),
                            pattern: PatternType::from_code(acl.pattern_type),
                        },
                        principal: acl.principal.to_owned(),
                        host: acl.host.to_owned(),
                        operation: AclOperation::from_code(acl.operation),
                        permission: AclPermission::from_code(acl.permission_type),
                    };
                    (rule, check(acl.error_code, acl.error_message))
                });
                Ok(BTreeMap::from_iter(deleted))
            })
        };
        self.change_each(
            &filters,
            |_| Route::Controller,
            |share, _| DeleteAclsRequest {
                filters: share
                    .iter()
                    .map(|(filter, ())| DeleteAclsFilter {
                        resource_type_filter: filter.resource.kind.code(),
                        resource_name_filter: filter.resource.name.as_deref(),
                        pattern_type_filter: filter.resource.pattern.code(),
                        principal_filter: filter.principal.as_deref(),
                        host_filter: filter.host.as_deref(),
                        operation: filter.operation.code(),
                        permission_type: filter.permission.code(),
                    })
                    .collect(),
            },
            read,
        )
        .await
    }
}

/// Answers without names, in the order of the questions.
fn in_order<K: Clone, V, R, T>(
    share: &[(&K, &V)],
    results: &[R],
    read: impl Fn(&R) -> Result<T>,
) -> Result<Vec<(K, Result<T>)>> {
    if results.len() != share.len() {
        let message = format!("{} answers to {} questions", results.len(), share.len());
        return Err(Error::new(ErrorKind::Protocol, message));
    }
    Ok(share.iter().zip(results).map(|((key, _), result)| ((*key).clone(), read(result))).collect())
}

/// The operations of a bit field; `None` if the broker did not say.
pub(super) fn operations(bits: i32) -> Option<BTreeSet<AclOperation>> {
    let codes = (0..31_i8).filter(|code| bits & (1 << code) != 0);
    (bits != i32::MIN).then(|| codes.map(AclOperation::from_code).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_bits() {
        assert_eq!(operations(i32::MIN), None);
        assert_eq!(operations(0), Some(BTreeSet::new()));
        let read_and_delete = BTreeSet::from([AclOperation::Read, AclOperation::Delete]);
        assert_eq!(operations((1 << 3) | (1 << 6)), Some(read_and_delete));
    }

    #[test]
    fn a_reply_of_another_length_than_the_question_is_refused() {
        let rule = AclBinding::allow(ResourcePattern::cluster(), "User:a", AclOperation::Alter);
        assert!(in_order(&[(&rule, &())], &[1, 2], |_| Ok(())).is_err());
        assert!(in_order(&[(&rule, &())], &[1], |_| Ok(())).is_ok());
    }

    #[test]
    fn a_rule_reads_as_a_sentence() {
        let rule = AclBinding::deny(
            ResourcePattern::prefixed(ResourceType::Topic, "pay"),
            "User:a",
            AclOperation::Write,
        );
        assert_eq!(
            rule.host("10.0.0.1").to_string(),
            "deny User:a from 10.0.0.1 to write topic pay (prefixed)"
        );
    }
}
