//! What a command prints: a table that fits its terminal, or JSON.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use kavka_programs::{Outcome, complain};
use serde_json::{Map, Value};

/// A terminal that does not say how wide it is.
const WIDTH: usize = 80;
/// No column is made narrower.
const NARROW: usize = 10;

#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
    failures: Vec<String>,
}

impl Table {
    pub(crate) fn new<const N: usize>(columns: [&'static str; N]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new(), failures: Vec::new() }
    }

    /// A table of what was printed before in another way.
    pub(crate) fn printed() -> Self {
        Self { columns: Vec::new(), rows: Vec::new(), failures: Vec::new() }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [Value; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(cells.to_vec());
    }

    /// Notes that an item failed, which the exit status tells.
    pub(crate) fn failure(&mut self, error: &kavka::Error) {
        self.failures.push(error.to_string());
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    /// Takes what came of one item.
    pub(crate) fn outcome<T, const N: usize>(
        &mut self,
        outcome: kavka::Result<T>,
        cells: impl FnOnce(T) -> [Value; N],
    ) {
        match outcome {
            Ok(found) => self.row(cells(found)),
            Err(error) => self.failure(&error),
        }
    }

    /// Prints it, and each failure in a line of its own; the status is 1 if there is one.
    pub(crate) fn print(self, is_json: bool) -> Outcome<ExitCode> {
        let width =
            std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(WIDTH);
        let is_json = is_json && !self.columns.is_empty();
        let text = if is_json { self.json() } else { self.text(width) };
        match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
            _ => {}
        }
        for failure in &self.failures {
            complain("admin", failure);
        }
        Ok(if self.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// A list of objects, with the columns' names in small letters.
    fn json(&self) -> String {
        let key = |column: &&str| column.to_lowercase().replace([' ', '-'], "_");
        let object = |row: &Vec<Value>| {
            Value::Object(Map::from_iter(self.columns.iter().map(key).zip(row.iter().cloned())))
        };
        format!("{}\n", Value::Array(self.rows.iter().map(object).collect()))
    }

    fn text(&self, width: usize) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        let widths = self.widths(&rows, width);
        let mut text = String::new();
        let header: Vec<String> = self.columns.iter().map(ToString::to_string).collect();
        lines(&mut text, &header, &widths);
        for (number, row) in rows.iter().enumerate() {
            let above = number.checked_sub(1).and_then(|above| rows.get(above));
            lines(&mut text, &without_repeats(row, above, &widths), &widths);
        }
        text
    }

    /// How wide each column is in a table of a width.
    fn widths(&self, rows: &[Vec<String>], width: usize) -> Vec<usize> {
        let cells = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max()
        };
        let cells: Vec<usize> =
            (0..self.columns.len()).map(|column| cells(column).unwrap_or(0)).collect();
        let room = width.saturating_sub(2 * self.columns.len().saturating_sub(1));
        let widest = |part: fn(&str) -> usize| {
            self.columns.iter().zip(&cells).map(move |(name, cells)| part(name).max(*cells))
        };
        let mut widths: Vec<usize> = widest(longest_part).collect();
        // Headers are broken before names are, and are whole where there is room.
        for (width, whole) in (0..).zip(widest(str::len)).collect::<Vec<(usize, usize)>>() {
            let spare = room.saturating_sub(widths.iter().sum());
            if let Some(width) = widths.get_mut(width).filter(|width| whole - **width <= spare) {
                *width = whole;
            }
        }
        // Where it makes the fewest lines gives way first: a long text beside names keeps the most
        // room.
        while widths.iter().sum::<usize>() > room {
            let broad = widths.iter_mut().zip(&cells).filter(|(width, _)| **width > NARROW);
            let Some((width, _)) = broad
                .min_by_key(|(width, cells)| (cells.div_ceil(**width - 1), usize::MAX - **width))
            else {
                break;
            };
            *width -= 1;
        }
        widths
    }
}

/// A row in which long names at its left are left out that the row above has told, where each would
/// take several lines again.
fn without_repeats(row: &[String], above: Option<&Vec<String>>, widths: &[usize]) -> Vec<String> {
    let Some(above) = above else { return row.to_vec() };
    let same = row.iter().zip(above).take_while(|(cell, above)| cell == above).count();
    let is_repeat = |column: usize, cell: &str| {
        column < same && cell.chars().count() > widths.get(column).copied().unwrap_or(0)
    };
    let cells = row.iter().enumerate();
    cells
        .map(|(column, cell)| if is_repeat(column, cell) { String::new() } else { cell.clone() })
        .collect()
}

/// The longest part of a header between blanks and hyphens, where it may be broken.
fn longest_part(header: &str) -> usize {
    header.split_inclusive([' ', '-']).map(|part| part.trim_end().len()).max().unwrap_or(0)
}

/// Writes a row in as many lines as its longest cell needs.
fn lines(text: &mut String, row: &[String], widths: &[usize]) {
    let cells: Vec<Vec<String>> =
        row.iter().zip(widths).map(|(cell, width)| wrapped(cell, *width)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..height {
        let mut written = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let part = cell.get(line).map_or("", String::as_str);
            // Writing to a string cannot fail.
            let _ = write!(written, "{part:<width$}  ");
        }
        text.push_str(written.trim_end());
        text.push('\n');
    }
}

/// Breaks a text at a blank, else after punctuation, else anywhere.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest: Vec<char> = text.chars().collect();
    while rest.len() > width {
        let last =
            |letters: &[char]| rest[..width].iter().rposition(|letter| letters.contains(letter));
        let at = last(&[' '])
            .or_else(|| last(&[',', '.', '-', '_', '/', ':']))
            .map_or(width, |at| at + 1);
        let line: String = rest.drain(..at).collect();
        lines.push(line.trim_end().to_owned());
        let blanks = rest.iter().take_while(|letter| **letter == ' ').count();
        rest.drain(..blanks);
    }
    lines.push(rest.into_iter().collect());
    lines
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(values) => list(values),
        // In JSON its parts have names.
        Value::Object(object) => object.values().map(cell).collect::<Vec<_>>().join(" "),
        Value::Number(_) => value.to_string(),
    }
}

/// A list, in which partitions of one topic name it once: `t-0,1,2 u-0`.
fn list(values: &[Value]) -> String {
    let mut text = String::new();
    let mut before = None;
    for value in values {
        let name = value
            .as_str()
            .and_then(|name| name.rsplit_once('-'))
            .filter(|(_, number)| number.parse::<u32>().is_ok());
        match name {
            Some((topic, number)) if before == Some(topic) => text.extend([",", number]),
            _ => {
                let gap = if name.is_some() { " " } else { "," };
                text.extend([if text.is_empty() { "" } else { gap }, &cell(value)]);
            }
        }
        before = name.map(|(topic, _)| topic);
    }
    text
}

/// A text, or nothing.
pub(crate) fn text(value: Option<impl ToString>) -> Value {
    value.map(|value| value.to_string()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_its_width_and_loses_nothing() {
        let mut table = Table::new(["TOPIC", "PARTITION", "REPLICAS"]);
        let name =
            "a-topic-with-a-name-of-many-words-as-large-companies-have-them-by-the-thousands";
        table.row([name.into(), 3.into(), (1..40).collect::<Vec<_>>().into()]);
        let text = table.text(80);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let column = |from: usize, to: usize| -> String {
            text.lines()
                .skip(1)
                .flat_map(|line| line.chars().skip(from).take(to - from))
                .filter(|letter| *letter != ' ')
                .collect()
        };
        let header = text.lines().next().unwrap();
        let (second, third) = (header.find("PARTITION").unwrap(), header.find("REPLICAS").unwrap());
        assert_eq!(column(0, second), name);
        assert!(
            column(third, 80).starts_with("1,2,3,") && column(third, 80).ends_with("38,39"),
            "{text}"
        );
    }

    #[test]
    fn partitions_of_a_topic_name_it_once_and_so_do_rows_with_a_long_name() {
        let mut table = Table::new(["GROUP", "ASSIGNMENT"]);
        let name = "a-group-with-a-long-name";
        table.row([
            name.into(),
            ["my-topic-0", "my-topic-1", "my-topic-12", "other-0"].to_vec().into(),
        ]);
        table.row([name.into(), ["my-topic-2"].to_vec().into()]);
        let expected = "GROUP               ASSIGNMENT\na-group-with-a-     \
                        my-topic-0,1,12\nlong-name           other-0\n                    \
                        my-topic-2\n";
        assert_eq!(table.text(38), expected);
        assert!(
            table.text(80).contains("a-group-with-a-long-name  my-topic-2"),
            "short enough to be told again"
        );
    }

    #[test]
    fn headers_are_broken_before_names_are() {
        let mut table =
            Table::new(["TOPIC", "PARTITIONS", "REPLICAS", "UNDER-REPLICATED", "LEADERLESS"]);
        let name = "orders-of-a-large-company.by-region.v12";
        table.row([name.into(), 3.into(), 3.into(), 0.into(), 0.into()]);
        let expected = format!(
            "{:39}  PARTITIONS  REPLICAS  UNDER-      LEADERLESS\n{:39}                        \
             REPLICATED\n\
             {name}  3           3         0           0\n",
            "TOPIC", ""
        );
        assert_eq!(table.text(85), expected);
        assert!(table.text(91).starts_with(&format!(
            "{:39}  PARTITIONS  REPLICAS  UNDER-REPLICATED  LEADERLESS\n",
            "TOPIC"
        )));
    }

    #[test]
    fn a_narrow_table_is_not_stretched_and_an_empty_one_is_nothing() {
        let mut table = Table::new(["GROUP", "STATE"]);
        assert_eq!(table.text(80), "");
        table.row(["g".into(), Value::Null]);
        assert_eq!(table.text(80), "GROUP  STATE\ng      -\n");
        assert_eq!(table.json(), "[{\"group\":\"g\",\"state\":null}]\n");
    }
}
