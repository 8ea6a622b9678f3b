//! Command lines, read by clap as programs of Kafka are used to be called.

use clap::error::ErrorKind;
use clap::{ArgAction, ArgMatches, Command, Parser, ValueEnum};
use clap_complete::Shell;
use kavka_programs::{Outcome, Stop};

const COMPLETIONS: &str = "--completions";
const MAN: &str = "--man";

/// The command line of the process, without the name of the program.
pub fn arguments() -> impl Iterator<Item = String> {
    std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned())
}

/// Reads the command line of the process.
///
/// # Errors
/// What is wrong with it in one line; or the help, the completions of `--completions SHELL`, or the
/// manual page of `--man`, if one was asked for.
pub fn parse<T: Parser>() -> Outcome<T> {
    parse_from(arguments())
}

/// Reads a command line without the name of the program, as [`parse`].
pub fn parse_from<T: Parser>(arguments: impl IntoIterator<Item = impl Into<String>>) -> Outcome<T> {
    parse_with(arguments, |command| command).map(|(options, _)| options)
}

/// [`parse_from`] of a command that has more than `T` says; that is in the matches.
pub fn parse_with<T: Parser>(
    arguments: impl IntoIterator<Item = impl Into<String>>,
    more: impl FnOnce(Command) -> Command,
) -> Outcome<(T, ArgMatches)> {
    let mut command = told(lenient(more(T::command())));
    let arguments = detach(&command, arguments.into_iter().map(Into::into));
    // Before clap would ask for what the work needs.
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [COMPLETIONS, shell] => return Err(completions(command, shell)),
        [path @ .., MAN] => return Err(manual(command, path)),
        _ => {}
    }
    let words = std::iter::once(command.get_name().to_owned()).chain(arguments);
    let matches = command.try_get_matches_from_mut(words).map_err(|error| stop(&error))?;
    Ok((T::from_arg_matches(&matches).map_err(|error| stop(&error))?, matches))
}

/// Tells in the help what is no option.
fn told(command: Command) -> Command {
    let told = format!(
        "{COMPLETIONS} bash, zsh, fish, elvish or powershell alone prints what completes this \
         command line there, {MAN} the manual page."
    );
    let told = match command.get_after_help() {
        Some(help) => format!("{help}\n\n{told}"),
        None => told,
    };
    command.after_help(told)
}

fn completions(mut command: Command, shell: &str) -> Stop {
    let Ok(shell) = Shell::from_str(shell, true) else {
        let shells: Vec<_> = Shell::value_variants().iter().map(ToString::to_string).collect();
        return Stop::usage(format_args!(
            "{COMPLETIONS} is {shell:?}: {} are allowed",
            shells.join(", ")
        ));
    };
    let (mut script, name) = (Vec::new(), command.get_name().to_owned());
    clap_complete::generate(shell, &mut command, name, &mut script);
    Stop::Asked(String::from_utf8_lossy(&script).into_owned())
}

/// The manual page of a command, or of one inside of it: `admin topics create --man`.
fn manual(mut command: Command, path: &[&str]) -> Stop {
    // What is said of all holds for each.
    command.build();
    for word in path {
        command = match command.find_subcommand(word) {
            Some(found) => found.clone(),
            None => return Stop::usage(format_args!("{MAN} follows {word:?}: it stands alone")),
        };
    }
    let mut page = Vec::new();
    match clap_mangen::Man::new(command).render(&mut page) {
        Ok(()) => Stop::Asked(String::from_utf8_lossy(&page).into_owned()),
        Err(error) => Stop::failure(error),
    }
}

/// As Kafka's own tools: the last of two values counts, and a value may begin with a hyphen.
fn lenient(command: Command) -> Command {
    let command = command.args_override_self(true);
    let command = command.mut_args(|arg| {
        let is_valued = arg.get_action().takes_values() && !arg.is_positional();
        if is_valued { arg.allow_hyphen_values(true) } else { arg }
    });
    command.mut_subcommands(lenient)
}

/// Parts `-K=` into `-K` and `=`, as getopt does: clap would take the sign for a part of the
/// syntax.
fn detach(command: &Command, arguments: impl Iterator<Item = String>) -> Vec<String> {
    let takes_value = |letter| {
        let found = command.get_arguments().find(|arg| arg.get_short() == Some(letter));
        found.map(|arg| matches!(arg.get_action(), ArgAction::Set | ArgAction::Append))
    };
    let mut detached = Vec::new();
    let mut is_value = false;
    for argument in arguments {
        let letters =
            argument.strip_prefix('-').filter(|letters| !letters.starts_with('-') && !is_value);
        let valued = letters.and_then(|letters| {
            letters.char_indices().find(|(_, letter)| takes_value(*letter) != Some(false))
        });
        is_value = false;
        match valued.filter(|(_, letter)| takes_value(*letter).is_some()) {
            Some((at, letter)) => {
                let (option, value) = argument.split_at(1 + at + letter.len_utf8());
                is_value = value.is_empty();
                match value.starts_with('=') {
                    true => detached.extend([option.to_owned(), value.to_owned()]),
                    false => detached.push(argument),
                }
            }
            None => detached.push(argument),
        }
    }
    detached
}

/// The first paragraph of a message says it; the usage is in the help.
fn stop(error: &clap::Error) -> Stop {
    let text = error.render().to_string();
    if error.kind() == ErrorKind::DisplayHelp {
        return Stop::Asked(text);
    }
    let lines = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    let line = lines.collect::<Vec<_>>().join(" ");
    Stop::usage(line.strip_prefix("error: ").unwrap_or(&line))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "program", about = "Does nothing")]
    struct Options {
        #[arg(short = 'K')]
        separator: Option<String>,
        #[arg(short = 'o', long)]
        offset: Option<i64>,
        #[arg(short = 'J')]
        is_json: bool,
        #[arg(long, required = true)]
        topic: String,
        #[command(flatten)]
        connection: kavka_programs::Connection,
    }

    fn read(line: &str) -> Outcome<Options> {
        parse_from(line.split(' '))
    }

    #[test]
    fn values_may_be_attached_begin_with_a_hyphen_and_be_an_equals_sign() {
        for line in [
            "-K= --topic t",
            "-K = --topic t",
            "-JK= --topic=t",
            "--topic t -K=",
            "-K x -K= --topic s --topic t",
        ] {
            let options = read(line).expect(line);
            assert_eq!(
                (options.separator.as_deref(), options.topic.as_str()),
                (Some("="), "t"),
                "{line}"
            );
        }
        for line in [
            "-o -10 --topic t",
            "-o-10 --topic t",
            "--offset -10 --topic t",
            "--offset=-10 --topic t",
            "-Jo-10 --topic t",
        ] {
            assert_eq!(read(line).expect(line).offset, Some(-10), "{line}");
        }
        assert_eq!(
            read("-K -K= --topic t").expect("a value like an option").separator.as_deref(),
            Some("-K=")
        );
        let options = read("-X a=b=c -Xd=e --topic t --broker-list h:1").expect("settings");
        let properties = options.connection.properties(&[]).expect("pairs");
        assert_eq!((properties.get("a"), properties.get("d")), (Some("b=c"), Some("e")));
        assert!(!options.is_json);
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        for (line, part) in [
            ("--topic", "--topic"),
            ("-J", "--topic"),
            ("--topic t -o x", "'x' for '--offset <OFFSET>'"),
            ("--topic t word", "'word'"),
            ("--topic t --nonsense", "--nonsense"),
            ("--topic t -J=1", "'-='"),
        ] {
            let Err(Stop::Usage(message)) = read(line) else { panic!("{line} was understood") };
            assert!(
                message.contains(part) && !message.contains('\n') && !message.starts_with("error"),
                "{line}: {message}"
            );
        }
    }

    #[test]
    fn help_completions_and_the_manual_need_nothing_else() {
        for (line, part) in [
            ("--help", "Does nothing"),
            ("--help", "--completions bash"),
            ("-h", "--topic"),
            ("--completions bash", "_program()"),
            ("--man", ".TH program 1"),
        ] {
            let Err(Stop::Asked(text)) = read(line) else { panic!("{line} is not answered") };
            assert!(text.contains(part), "{text}");
        }
        for line in ["--topic t --man", "--man --topic t", "--completions none", "--completions"] {
            assert!(matches!(read(line), Err(Stop::Usage(_))), "{line}");
        }
    }

    /// The words of a text that are options by their look, in a manual page too.
    fn options_in(text: &str) -> BTreeSet<String> {
        let text = text.replace("\\-", "-").replace("\\fB", " ");
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        let words = text.split(|c| !is_part(c)).filter(|word| word.starts_with('-'));
        words.map(|word| word.trim_end_matches('.').to_owned()).collect()
    }

    #[test]
    fn every_option_is_completed_and_in_the_manual() {
        let command = Options::command();
        let options = command.get_arguments().flat_map(|arg| {
            let long = arg.get_long().map(|long| format!("--{long}"));
            long.into_iter().chain(arg.get_short().map(|short| format!("-{short}")))
        });
        let options: Vec<String> = options.collect();
        assert!(options.len() > 6, "{options:?}");
        for line in ["--completions bash", "--completions zsh", "--completions fish", "--man"] {
            let Err(Stop::Asked(text)) = read(line) else { panic!("{line} is not answered") };
            let shown = options_in(&text);
            for option in &options {
                // Fish names them without hyphens.
                let name = option.trim_start_matches('-');
                let words: Vec<&str> = text.split_whitespace().collect();
                let in_fish =
                    words.windows(2).any(|pair| ["-s", "-l"].contains(&pair[0]) && pair[1] == name);
                assert!(shown.contains(option) || in_fish, "{option} is not in {line}:\n{text}");
            }
        }
        let Err(Stop::Asked(bash)) = read("--completions bash") else { panic!("no completions") };
        let completed = bash.lines().find_map(|line| line.trim().strip_prefix("opts=\"")).unwrap();
        for option in completed.split(['"', ' ']).filter(|word| word.starts_with('-')) {
            let help = ["-h", "--help"].contains(&option);
            assert!(help || options.iter().any(|known| known == option), "{option}");
        }
    }
}
