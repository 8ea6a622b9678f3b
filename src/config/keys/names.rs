//! What a name may be that is not in the table: a mistake, the application's own, or no name at all.

use super::{KEYS, Role, find};

/// The known name that takes the fewest edits to reach, of equals the first; `None` if it takes so
/// many that nobody meant it.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    if name.len() > LONGEST {
        return None;
    }
    let name = name.to_lowercase().replace('_', ".");
    let (edits, key) = KEYS
        .iter()
        .map(|key| (edit_distance(&name, key.name), key))
        .min_by_key(|(edits, _)| *edits)?;
    (edits <= (name.len() / 4).max(2)).then_some(key.name)
}

/// Whether a name may be shown: what is written in the place of a name can be a line of a private
/// key that has lost the backslashes at the ends of its lines.
pub(crate) fn is_showable(name: &str) -> bool {
    is_name(name) || find(name).is_some() || nearest(name).is_some()
}

/// Whether it looks like the name of a property.
fn is_name(name: &str) -> bool {
    let is_letter =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    name.len() <= LONGEST && name.contains('.') && name.chars().all(is_letter)
}

/// Kafka's longest name has 52 letters.
const LONGEST: usize = 80;

/// Levenshtein's distance: insertions, removals and replacements of one character.
pub(crate) fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (b, cell) in to.iter().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            left = (diagonal + usize::from(a != *b)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// The groups that names of Kafka begin with: others are the application's own.
fn is_of_kafka(name: &str) -> bool {
    let group = |name: &str| name.split('.').next().map(str::to_owned);
    KEYS.iter().any(|key| key.role != Role::Application && group(key.name) == group(name))
}

/// Whether a property is none that a client of Kafka has, but one of the application that shares
/// the file, such as `schema.registry.url`.
pub(crate) fn is_of_application(name: &str) -> bool {
    match find(name) {
        Some(key) => key.role == Role::Application,
        None => is_name(name) && !is_of_kafka(name) && nearest(name).is_none(),
    }
}
