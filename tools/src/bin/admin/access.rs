//! `admin acls`, `admin quotas` and `admin users`.

use std::collections::BTreeMap;
use std::io::Read as _;

use kavka::Admin;
use kavka::admin::{
    AclBinding, AclFilter, AclOperation, AclPermission, PatternType, QuotaAlteration, QuotaEntity,
    QuotaFilter, ResourcePattern, ResourceType, ScramCredential, ScramMechanism,
};
use kavka_programs::{Outcome, Stop, required};
use serde_json::{Value, json};

use super::options::Options;
use super::table::Table;
use super::topics::checked;

pub(crate) async fn acls(admin: &Admin, options: &Options) -> Outcome<Table> {
    options.no_names()?;
    match options.verb.as_str() {
        "list" => {
            let mut table =
                Table::new(["PERMISSION", "PRINCIPAL", "HOST", "OPERATION", "RESOURCE"]);
            for rule in admin.describe_acls(filter(options)?).await? {
                let cells = row(&rule);
                table.row(cells);
            }
            Ok(table)
        }
        "create" => create_acl(admin, options).await,
        "delete" => delete_acls(admin, options).await,
        _ => options.unknown_verb(),
    }
}

fn row(rule: &AclBinding) -> [Value; 5] {
    let ResourcePattern { kind, name, pattern, .. } = &rule.resource;
    [
        rule.permission.to_string().into(),
        rule.principal.as_str().into(),
        rule.host.as_str().into(),
        rule.operation.to_string().into(),
        json!({"kind": kind.to_string(), "name": name, "pattern": pattern.to_string()}),
    ]
}

/// The resource that the options name, if they name one.
fn resource(options: &Options) -> Outcome<Option<(ResourceType, String)>> {
    let mut named = Vec::new();
    for (option, kind) in [
        ("--topic", ResourceType::Topic),
        ("--group", ResourceType::Group),
        ("--transactional-id", ResourceType::TransactionalId),
    ] {
        named.extend(options.one(option).map(|name| (kind, name.to_owned())));
    }
    if options.has("--cluster") {
        named.push((ResourceType::Cluster, "kafka-cluster".to_owned()));
    }
    match named.len() {
        0 | 1 => Ok(named.pop()),
        _ => Err(Stop::usage(
            "only one of --topic, --group, --transactional-id and --cluster is allowed",
        )),
    }
}

fn operation(options: &Options) -> Outcome<Option<AclOperation>> {
    Ok(options.one("--operation").map(|text| text.replace('-', "_").parse()).transpose()?)
}

fn filter(options: &Options) -> Outcome<AclFilter> {
    let mut filter = AclFilter::any();
    if let Some((kind, name)) = resource(options)? {
        let pattern =
            if options.has("--prefixed") { PatternType::Prefixed } else { PatternType::Match };
        filter = filter.kind(kind).name(name, pattern);
    }
    if let Some(principal) = options.one("--principal") {
        filter = filter.principal(principal);
    }
    if let Some(host) = options.one("--host") {
        filter = filter.host(host);
    }
    if let Some(operation) = operation(options)? {
        filter = filter.operation(operation);
    }
    if options.has("--deny") {
        filter = filter.permission(AclPermission::Deny);
    }
    Ok(filter)
}

async fn create_acl(admin: &Admin, options: &Options) -> Outcome<Table> {
    let (kind, name) =
        required(resource(options)?, "one of --topic, --group, --transactional-id and --cluster")?;
    let principal = required(options.one("--principal"), "--principal")?;
    let operation = required(operation(options)?, "--operation")?;
    let pattern = if options.has("--prefixed") {
        ResourcePattern::prefixed(kind, name)
    } else {
        ResourcePattern::literal(kind, name)
    };
    let rule = match options.has("--deny") {
        true => AclBinding::deny(pattern, principal, operation),
        false => AclBinding::allow(pattern, principal, operation),
    };
    let rule = rule.host(options.one("--host").unwrap_or("*"));
    if options.is_dry_run {
        return Ok(Options::dry_run(vec![rule.to_string()]));
    }
    let mut table = Table::new(["CREATED"]);
    for (rule, created) in admin.create_acls([rule]).await {
        table.outcome(created, |()| [rule.to_string().into()]);
    }
    Ok(table)
}

async fn delete_acls(admin: &Admin, options: &Options) -> Outcome<Table> {
    let filter = filter(options)?;
    let found = admin.describe_acls(filter.clone()).await?;
    let plan: Vec<String> = found.iter().map(|rule| format!("delete the rule: {rule}")).collect();
    if !options.may_destroy(&plan)? {
        return Ok(Options::dry_run(plan));
    }
    let mut table = Table::new(["DELETED"]);
    // The very rules that were shown, and no others.
    for deleted in admin.delete_acls(found.into_iter().map(AclFilter::from)).await.into_values() {
        match deleted {
            Ok(rules) => {
                for (rule, deleted) in rules {
                    table.outcome(deleted, |()| [rule.to_string().into()]);
                }
            }
            Err(error) => table.failure(&error),
        }
    }
    Ok(table)
}

pub(crate) async fn quotas(admin: &Admin, options: &Options) -> Outcome<Table> {
    options.no_names()?;
    match options.verb.as_str() {
        "list" => {
            let mut table = Table::new(["ENTITY", "QUOTA", "VALUE"]);
            for (entity, quotas) in admin.describe_quotas(QuotaFilter::all()).await? {
                for (name, value) in quotas {
                    table.row([entity.to_string().into(), name.into(), value.into()]);
                }
            }
            Ok(table)
        }
        "alter" => alter_quotas(admin, options).await,
        _ => options.unknown_verb(),
    }
}

async fn alter_quotas(admin: &Admin, options: &Options) -> Outcome<Table> {
    let mut entity = QuotaEntity::default();
    for (option, kind) in [("--user", "user"), ("--client-id", "client-id"), ("--ip", "ip")] {
        if let Some(name) = options.one(option) {
            entity = entity.with(kind, (!name.is_empty()).then(|| name.to_owned()));
        }
    }
    if entity.parts.is_empty() {
        return Err(Stop::usage("one of --user, --client-id and --ip is needed"));
    }
    let mut changes = Vec::new();
    let mut plan = Vec::new();
    for (name, value) in options.pairs("--set")? {
        let number =
            value.parse().map_err(|_| Stop::usage(format_args!("{name} cannot be {value:?}")))?;
        changes.push(QuotaAlteration::set(name, number));
        plan.push(format!("set {name} of {entity} to {number}"));
    }
    for name in options.all("--delete") {
        changes.push(QuotaAlteration::remove(name));
        plan.push(format!("delete {name} of {entity}"));
    }
    if changes.is_empty() {
        return Err(Stop::usage("one of --set and --delete is needed"));
    }
    let is_real = options.may_destroy(&plan)?;
    let mut table = if is_real { Table::new(["ALTERED"]) } else { Options::dry_run(plan) };
    for (entity, altered) in checked(admin, options).alter_quotas([(entity, changes)]).await {
        match altered {
            Ok(()) if is_real => table.row([entity.to_string().into()]),
            Ok(()) => {}
            Err(error) => table.failure(&error),
        }
    }
    Ok(table)
}

pub(crate) async fn users(admin: &Admin, options: &Options) -> Outcome<Table> {
    match options.verb.as_str() {
        "list" => {
            let mut table = Table::new(["USER", "MECHANISM", "ITERATIONS"]);
            for (user, credentials) in admin.describe_scram_users(&options.names).await? {
                match credentials {
                    Ok(credentials) => {
                        for credential in credentials {
                            let mechanism = credential.mechanism.to_string();
                            table.row([
                                user.as_str().into(),
                                mechanism.into(),
                                credential.iterations.into(),
                            ]);
                        }
                    }
                    Err(error) => table.failure(&error),
                }
            }
            Ok(table)
        }
        "create" => create_user(admin, options).await,
        "delete" => delete_users(admin, options).await,
        _ => options.unknown_verb(),
    }
}

fn mechanism(options: &Options) -> Outcome<ScramMechanism> {
    Ok(options.one("--mechanism").map_or(Ok(ScramMechanism::Sha256), str::parse)?)
}

async fn create_user(admin: &Admin, options: &Options) -> Outcome<Table> {
    let [name] = options.some_names()? else {
        return Err(Stop::usage("users create needs one name"));
    };
    let mut credential = ScramCredential::new(mechanism(options)?);
    if let Some(iterations) = options.parsed("--iterations")? {
        credential = credential.iterations(iterations);
    }
    if options.is_dry_run {
        return Ok(Options::dry_run(vec![format!(
            "set the password of user {name} for {}",
            credential.mechanism
        )]));
    }
    // A password on the command line would be seen by everybody on the machine.
    let file = required(options.one("--password-file"), "--password-file")?;
    let mut password = String::new();
    match file {
        "-" => drop(std::io::stdin().read_to_string(&mut password)?),
        file => {
            password = std::fs::read_to_string(file)
                .map_err(|error| Stop::failure(format_args!("{file}: {error}")))?
        }
    }
    let password = password.trim_end_matches(['\r', '\n']);
    admin.upsert_scram_user(name, credential, password).await?;
    let mut table = Table::new(["CREATED", "MECHANISM"]);
    table.row([name.as_str().into(), credential.mechanism.to_string().into()]);
    Ok(table)
}

async fn delete_users(admin: &Admin, options: &Options) -> Outcome<Table> {
    let mechanism = mechanism(options)?;
    let names: BTreeMap<&String, ScramMechanism> =
        options.some_names()?.iter().map(|name| (name, mechanism)).collect();
    let plan: Vec<String> = names
        .keys()
        .map(|name| format!("delete the password of user {name} for {mechanism}"))
        .collect();
    if !options.may_destroy(&plan)? {
        return Ok(Options::dry_run(plan));
    }
    let mut table = Table::new(["DELETED", "MECHANISM"]);
    for (user, deleted) in admin.delete_scram_users(names).await {
        table.outcome(deleted, |()| [user.into(), mechanism.to_string().into()]);
    }
    Ok(table)
}
