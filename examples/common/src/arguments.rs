//! A command line, option by option.

use std::collections::VecDeque;
use std::str::FromStr;

use super::{Outcome, Stop};

/// The arguments that are left.
///
/// `--name value`, `--name=value`, `-n value`, `-nvalue`, and `-ab` for `-a -b` are understood. A
/// value may begin with a hyphen.
#[derive(Debug)]
pub struct Arguments {
    rest: VecDeque<String>,
    help: &'static str,
    /// The option taken last, for messages.
    option: String,
    /// What was attached to it: after `=`, or after the letter of a short option.
    attached: Option<String>,
}

impl Arguments {
    /// Those of the process; `help` is what `--help` prints.
    pub fn from_env(help: &'static str) -> Self {
        Self::new(
            help,
            std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()),
        )
    }

    pub fn new(help: &'static str, arguments: impl IntoIterator<Item = String>) -> Self {
        Self { help, rest: arguments.into_iter().collect(), option: String::new(), attached: None }
    }

    /// The next option, or an argument that is none; `--help` stops the program.
    pub fn next_option(&mut self) -> Outcome<Option<String>> {
        if let Some(attached) = self.attached.take() {
            if self.option.starts_with("--") {
                return Err(Stop::usage(format_args!("{} takes no value", self.option)));
            }
            // More short options behind one without a value.
            self.rest.push_front(format!("-{attached}"));
        }
        let Some(argument) = self.rest.pop_front() else { return Ok(None) };
        if argument == "--help" || argument == "-h" {
            return Err(Stop::Asked(format!("{}\n", self.help.trim())));
        }
        self.option = match argument.strip_prefix("--") {
            Some(_) => match argument.split_once('=') {
                Some((name, value)) => {
                    self.attached = Some(value.to_owned());
                    name.to_owned()
                }
                None => argument,
            },
            None if argument.starts_with('-') && argument.chars().count() > 2 => {
                let split = argument.char_indices().nth(2).map_or(argument.len(), |(at, _)| at);
                self.attached = Some(argument[split..].to_owned());
                argument[..split].to_owned()
            }
            None => argument,
        };
        Ok(Some(self.option.clone()))
    }

    /// The value of the option taken last.
    pub fn value(&mut self) -> Outcome<String> {
        if let Some(attached) = self.attached.take() {
            return Ok(attached);
        }
        self.rest
            .pop_front()
            .ok_or_else(|| Stop::usage(format_args!("{} needs a value", self.option)))
    }

    /// The value of the option taken last, as a number or another type.
    pub fn parse<T: FromStr>(&mut self) -> Outcome<T> {
        let value = self.value()?;
        value.parse().map_err(|_| Stop::usage(format_args!("{} cannot be {value:?}", self.option)))
    }

    /// The value of the option taken last, out of a list.
    pub fn choice<T: Copy>(&mut self, allowed: &[(&str, T)]) -> Outcome<T> {
        let value = self.value()?;
        let found = allowed.iter().find(|(word, _)| *word == value);
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<&str> = allowed.iter().map(|(word, _)| *word).collect();
            Stop::usage(format_args!(
                "{} is {value:?}: {} are allowed",
                self.option,
                words.join(", ")
            ))
        })
    }

    /// Refuses an option that the program does not have.
    pub fn unknown<T>(&self) -> Outcome<T> {
        Err(Stop::usage(format_args!("{:?} is no argument of this program", self.option)))
    }
}

/// The value of an option that must be there.
pub fn required<T>(value: Option<T>, option: &str) -> Outcome<T> {
    value.ok_or_else(|| Stop::usage(format_args!("{option} is missing")))
}
