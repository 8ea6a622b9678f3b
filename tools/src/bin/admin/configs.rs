//! `admin configs`.

use std::collections::BTreeMap;

use kavka::Admin;
use kavka::admin::{ConfigAlteration, ConfigResource};
use kavka_programs::{Outcome, Stop};

use super::options::Options;
use super::table::{Table, text};
use super::topics::checked;

pub(crate) async fn run(admin: &Admin, options: &Options) -> Outcome<Table> {
    match options.verb.as_str() {
        "list" => list(admin, options).await,
        "describe" => describe(admin, options).await,
        "alter" => alter(admin, options).await,
        _ => options.unknown_verb(),
    }
}

fn resources(options: &Options) -> Outcome<Vec<ConfigResource>> {
    options.some_names()?.iter().map(|name| resource(name)).collect()
}

fn resource(text: &str) -> Outcome<ConfigResource> {
    let refuse = || {
        Stop::usage(format_args!(
            "{text:?} is no resource: topic:NAME, broker:ID, broker:, logger:ID, group:ID and \
             client-metrics:NAME are"
        ))
    };
    let (kind, name) = text.split_once(':').ok_or_else(refuse)?;
    let id = || name.parse::<i32>().map_err(|_| refuse());
    Ok(match kind {
        "topic" => ConfigResource::topic(name),
        "broker" if name.is_empty() => ConfigResource::all_brokers(),
        "broker" => ConfigResource::broker(id()?),
        "logger" => ConfigResource::broker_loggers(id()?),
        "group" => ConfigResource::group(name),
        "client-metrics" => ConfigResource::client_metrics(name),
        _ => return Err(refuse()),
    })
}

async fn list(admin: &Admin, options: &Options) -> Outcome<Table> {
    options.no_names()?;
    let mut table = Table::new(["TYPE", "NAME"]);
    let mut listed = admin.list_config_resources([]).await?;
    listed.sort();
    for resource in listed {
        table.row([resource.kind.to_string().into(), resource.name.into()]);
    }
    Ok(table)
}

/// What was set; with `--all` the defaults too.
async fn describe(admin: &Admin, options: &Options) -> Outcome<Table> {
    let resources = resources(options)?;
    let with_documentation = options.has("--docs");
    let described = match with_documentation {
        true => admin.describe_configs_with_documentation(resources).await,
        false => admin.describe_configs(resources).await,
    };
    let mut table = match with_documentation {
        true => Table::new(["RESOURCE", "CONFIG", "VALUE", "SOURCE", "DOCUMENTATION"]),
        false => Table::new(["RESOURCE", "CONFIG", "VALUE", "SOURCE"]),
    };
    for (resource, entries) in described {
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                table.failure(&error);
                continue;
            }
        };
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in entries.into_iter().filter(|entry| options.has("--all") || !entry.is_default())
        {
            let value = if entry.is_sensitive { Some("(hidden)".to_owned()) } else { entry.value };
            let cells = [
                resource.to_string().into(),
                entry.name.into(),
                value.into(),
                entry.source.to_string().into(),
            ];
            match with_documentation {
                true => {
                    let [resource, config, value, source] = cells;
                    table.row([
                        resource,
                        config,
                        value,
                        source,
                        text(entry.documentation.as_deref().map(plain)),
                    ]);
                }
                false => table.row(cells),
            }
        }
    }
    Ok(table)
}

/// Kafka's documentation without the tags of the page that it is made for.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        let is_tag = tag.starts_with(|letter: char| letter == '/' || letter.is_ascii_alphabetic());
        match tag.split_once('>').filter(|_| is_tag) {
            Some((_, after)) => rest = after,
            None => {
                text.push('<');
                rest = tag;
            }
        }
    }
    text + rest
}

async fn alter(admin: &Admin, options: &Options) -> Outcome<Table> {
    let mut changes = Vec::new();
    changes.extend(
        options.pairs("--set")?.into_iter().map(|(name, value)| ConfigAlteration::set(name, value)),
    );
    changes.extend(
        options
            .pairs("--append")?
            .into_iter()
            .map(|(name, value)| ConfigAlteration::append(name, value)),
    );
    changes.extend(
        options
            .pairs("--subtract")?
            .into_iter()
            .map(|(name, value)| ConfigAlteration::subtract(name, value)),
    );
    changes.extend(options.all("--delete").map(ConfigAlteration::delete));
    if changes.is_empty() {
        return Err(Stop::usage("one of --set, --delete, --append and --subtract is needed"));
    }
    let resources: BTreeMap<_, _> =
        resources(options)?.into_iter().map(|resource| (resource, changes.clone())).collect();
    let step = |resource: &ConfigResource, change: &ConfigAlteration| match change {
        ConfigAlteration::Set { name, value } => format!("set {name} of {resource} to {value}"),
        ConfigAlteration::Delete { name } => format!("delete {name} of {resource}"),
        ConfigAlteration::Append { name, values } => {
            format!("append {values} to {name} of {resource}")
        }
        ConfigAlteration::Subtract { name, values } => {
            format!("subtract {values} from {name} of {resource}")
        }
        other => format!("{other:?} of {resource}"),
    };
    let steps = resources
        .iter()
        .flat_map(|(resource, changes)| changes.iter().map(move |change| step(resource, change)));
    let plan: Vec<String> = steps.collect();
    let is_real = options.may_destroy(&plan)?;
    let altered = checked(admin, options).alter_configs(resources).await;
    let mut table = match is_real {
        true => Table::new(["ALTERED"]),
        false => Options::dry_run(plan),
    };
    for (resource, altered) in altered {
        match altered {
            Ok(()) if is_real => table.row([resource.to_string().into()]),
            Ok(()) => {}
            Err(error) => table.failure(&error),
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_loses_its_tags_and_nothing_else() {
        assert_eq!(plain("at <code>most</code> 3 < 4 <br/>done"), "at most 3 < 4 done");
    }
}
