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
    /// What is done to a resource.
    AclOperation(i8) {
        /// Any of them, in a filter.
        Any = 1, "any";
        /// All of them.
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
        /// What brokers do among themselves.
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
    /// Whether something is allowed.
    AclPermission(i8) {
        /// Either, in a filter.
        Any = 1, "any";
        /// It is not allowed, whatever else is.
        Deny = 2, "deny";
        /// It is allowed.
        Allow = 3, "allow";
    }
}

numbered! {
    /// What there are rights to.
    ResourceType(i8) {
        /// Any of them, in a filter.
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
        /// A user, for whom tokens are made.
        User = 7, "user";
    }
}

numbered! {
    /// How the name of a pattern is read.
    PatternType(i8) {
        /// Any pattern, in a filter.
        Any = 1, "any";
        /// Every pattern that matches the name, in a filter.
        Match = 2, "match";
        /// The name itself, or `*` for all.
        Literal = 3, "literal";
        /// Every name that begins so.
        Prefixed = 4, "prefixed";
    }
}

/// What a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ResourcePattern {
    /// What it is.
    pub kind: ResourceType,
    /// Its name, or how it begins, or `*`.
    pub name: String,
    /// How the name is read.
    pub pattern: PatternType,
}

impl ResourcePattern {
    /// The resource of this very name; `*` stands for all.
    pub fn literal(kind: ResourceType, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), pattern: PatternType::Literal }
    }

    /// Every resource whose name begins so.
    pub fn prefixed(kind: ResourceType, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), pattern: PatternType::Prefixed }
    }

    /// The cluster.
    pub fn cluster() -> Self {
        Self::literal(ResourceType::Cluster, "kafka-cluster")
    }
}

/// A rule: who may, or may not, do what to which resources from where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct AclBinding {
    /// What it is about.
    pub resource: ResourcePattern,
    /// Whom it is about, such as `User:alice` or `User:*`.
    pub principal: String,
    /// Where they come from; `*` for everywhere.
    pub host: String,
    /// What they do.
    pub operation: AclOperation,
    /// Whether they may.
    pub permission: AclPermission,
}

impl AclBinding {
    /// Allows a principal, such as `User:alice`, to do something from everywhere.
    pub fn allow(resource: ResourcePattern, principal: impl Into<String>, operation: AclOperation) -> Self {
        let (principal, host) = (principal.into(), "*".to_owned());
        Self { resource, principal, host, operation, permission: AclPermission::Allow }
    }

    /// Forbids a principal, such as `User:alice`, to do something from everywhere.
    pub fn deny(resource: ResourcePattern, principal: impl Into<String>, operation: AclOperation) -> Self {
        Self { permission: AclPermission::Deny, ..Self::allow(resource, principal, operation) }
    }

    /// Restricts the rule to those who come from an address.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }
}

impl fmt::Display for AclBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource: ResourcePattern { kind, name, pattern }, principal, host, operation, permission } = self;
        write!(f, "{permission} {principal} from {host} to {operation} {kind} {name} ({pattern})")
    }
}

impl Item for AclBinding {
    const KIND: &'static str = "rule";
}

/// Which resources a filter finds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ResourcePatternFilter {
    /// What they are.
    pub kind: ResourceType,
    /// Their name; `None` for any.
    pub name: Option<String>,
    /// How their name is read; [`PatternType::Match`] finds all rules that hold for the name.
    pub pattern: PatternType,
}

/// Which rules are looked for; by default all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct AclFilter {
    /// What they are about.
    pub resource: ResourcePatternFilter,
    /// Whom they are about; `None` for anybody.
    pub principal: Option<String>,
    /// From where; `None` for anywhere.
    pub host: Option<String>,
    /// What is done.
    pub operation: AclOperation,
    /// Whether it is allowed.
    pub permission: AclPermission,
}

impl Default for AclFilter {
    fn default() -> Self {
        Self {
            resource: ResourcePatternFilter { kind: ResourceType::Any, name: None, pattern: PatternType::Any },
            principal: None,
            host: None,
            operation: AclOperation::Any,
            permission: AclPermission::Any,
        }
    }
}

impl AclFilter {
    /// All rules.
    pub fn any() -> Self {
        Self::default()
    }

    /// Rules about resources of a kind.
    #[must_use]
    pub fn kind(mut self, kind: ResourceType) -> Self {
        self.resource.kind = kind;
        self
    }

    /// Rules about a name, which is read by `pattern`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>, pattern: PatternType) -> Self {
        self.resource.name = Some(name.into());
        self.resource.pattern = pattern;
        self
    }

    /// Rules about a principal, such as `User:alice`.
    #[must_use]
    pub fn principal(mut self, principal: impl Into<String>) -> Self {
        self.principal = Some(principal.into());
        self
    }

    /// Rules for those who come from an address.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Rules about an operation.
    #[must_use]
    pub fn operation(mut self, operation: AclOperation) -> Self {
        self.operation = operation;
        self
    }

    /// Rules that allow, or that forbid.
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
        let Self { resource: ResourcePatternFilter { kind, name, pattern }, principal, host, operation, permission } = self;
        let any = |text: &Option<String>| text.clone().unwrap_or_else(|| "any".to_owned());
        write!(f, "{permission} {} from {} to {operation} {kind} {} ({pattern})", any(principal), any(host), any(name))
    }
}

impl Item for AclFilter {
    const KIND: &'static str = "filter";
}

impl Admin {
    /// Finds rules.
    ///
    /// # Errors
    /// SECURITY_DISABLED if the cluster has no authorizer; CLUSTER_AUTHORIZATION_FAILED.
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

    /// Adds rules; one that is there already is no error.
    ///
    /// # Errors
    /// Of a rule: INVALID_REQUEST if it cannot be, SECURITY_DISABLED, CLUSTER_AUTHORIZATION_FAILED.
    pub async fn create_acls(&self, rules: impl IntoIterator<Item = AclBinding>) -> Outcomes<AclBinding, ()> {
        let rules = keys::<AclBinding>(rules);
        let read = |share: &[(&AclBinding, &())], response: &CreateAclsResponse<'_>| {
            in_order(share, &response.results, |result| check(result.error_code, result.error_message))
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

    /// Deletes the rules that filters find, and answers with those that each has deleted.
    ///
    /// # Errors
    /// Of a filter: SECURITY_DISABLED, CLUSTER_AUTHORIZATION_FAILED. Of a rule that was found and could not be deleted: why.
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
fn in_order<K: Clone, V, R, T>(share: &[(&K, &V)], results: &[R], read: impl Fn(&R) -> Result<T>) -> Result<Vec<(K, Result<T>)>> {
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
        let rule = AclBinding::deny(ResourcePattern::prefixed(ResourceType::Topic, "pay"), "User:a", AclOperation::Write);
        assert_eq!(rule.host("10.0.0.1").to_string(), "deny User:a from 10.0.0.1 to write topic pay (prefixed)");
    }
}
