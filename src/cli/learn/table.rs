//! Labelled texts from CSV files: quoted cells, a head line, columns by name in any order.
//!
//! A text is what stands under `title` and `text` (or `tokens`, words with blanks between). Labels stand under `category`
//! (or `label`), `type`, `urgency` and `unit`; a file needs one of them. Where there is a column `split`, only rows of the
//! split `train` are taken.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::classify::learn::Topic;

/// A row's text and what it is said to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    pub text: String,
    pub labels: Vec<(Topic, String)>,
    pub support: bool,
}

/// Why a file is no table of labelled texts.
#[derive(Debug, thiserror::Error)]
pub enum BadTable {
    #[error("{}: {error}", file.display())]
    Unreadable { file: PathBuf, error: std::io::Error },
    #[error("{}: no column named {wanted}", file.display())]
    NoColumn { file: PathBuf, wanted: &'static str },
    #[error("{}: row {row} has {has} cells, the head line has {needs}", file.display())]
    Uneven { file: PathBuf, row: usize, has: usize, needs: usize },
}

/// Columns that hold labels.
const LABELS: [(&str, Topic); 5] = [
    ("category", Topic::Category),
    ("label", Topic::Category),
    ("type", Topic::Type),
    ("urgency", Topic::Urgency),
    ("unit", Topic::Unit),
];

/// Reads one file; its bytes go into `hash`.
///
/// # Errors
/// What is wrong with the file, with the row.
pub fn read(file: &Path, support: bool, hash: &mut Sha256) -> Result<Vec<Labelled>, BadTable> {
    let bytes = std::fs::read(file).map_err(|error| BadTable::Unreadable { file: file.to_owned(), error })?;
    hash.update(&bytes);
    parse(file, &String::from_utf8_lossy(&bytes), support)
}

pub(super) fn parse(file: &Path, text: &str, support: bool) -> Result<Vec<Labelled>, BadTable> {
    let mut rows = cells(text).into_iter();
    let head = rows.next().unwrap_or_default();
    let column = |name: &str| head.iter().position(|cell| cell.trim() == name);
    let missing = |wanted| BadTable::NoColumn { file: file.to_owned(), wanted };
    let body = column("text").or_else(|| column("tokens")).ok_or_else(|| missing("text or tokens"))?;
    let title = column("title");
    let split = column("split");
    let labels: Vec<(usize, Topic)> = LABELS.iter().filter_map(|(name, topic)| Some((column(name)?, *topic))).collect();
    if labels.is_empty() {
        return Err(missing("category, label, type, urgency or unit"));
    }
    let mut table = Vec::new();
    for (number, row) in rows.enumerate() {
        if row.len() != head.len() {
            let (has, needs) = (row.len(), head.len());
            return Err(BadTable::Uneven { file: file.to_owned(), row: number + 2, has, needs });
        }
        if split.is_some_and(|split| row[split] != "train") {
            continue;
        }
        let text = match title.map(|title| row[title].trim()).filter(|title| !title.is_empty()) {
            Some(title) => format!("{title}。{}", row[body]),
            None => row[body].clone(),
        };
        let labels = labels.iter().map(|(column, topic)| (*topic, row[*column].trim().to_owned()));
        let labels = labels.filter(|(_, label)| !label.is_empty()).collect();
        table.push(Labelled { text, labels, support });
    }
    Ok(table)
}

/// Rows of cells; a cell in quotation marks may hold commas, line ends and doubled quotation marks.
fn cells(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut characters = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    rows.retain(|row| row.len() > 1 || row.iter().any(|cell| !cell.is_empty()));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_by_name_and_cells_in_quotes() {
        let text = "\u{feff}id,label,title,text\r\n1,环保,烟,\"有烟,\n\"\"很浓\"\"\"\n2,交通,,堵车\n";
        let table = parse(Path::new("t.csv"), text, false).expect("it is a table");
        assert_eq!(table[0].text, "烟。有烟,\n\"很浓\"");
        assert_eq!(table[1].text, "堵车");
        assert_eq!(table[1].labels, [(Topic::Category, "交通".to_owned())]);
    }

    #[test]
    fn only_the_training_part() {
        let table = parse(Path::new("t.csv"), "split,label,tokens\ntrain,a,停 水\ndev,a,停 电\n", true);
        assert_eq!(table.expect("a table").len(), 1);
    }

    #[test]
    fn what_is_missing_is_named() {
        let fault = |text| parse(Path::new("t.csv"), text, false).expect_err("no table").to_string();
        assert_eq!(fault("a,b\n1,2\n"), "t.csv: no column named text or tokens");
        assert_eq!(fault("text,b\n1,2\n"), "t.csv: no column named category, label, type, urgency or unit");
        assert_eq!(fault("text,type\n1\n"), "t.csv: row 2 has 1 cells, the head line has 2");
        assert_eq!(fault(""), "t.csv: no column named text or tokens");
    }

    proptest! {
        #[test]
        fn any_text_is_a_table_or_a_fault(text in "[a,\"\n\r停]{0,60}") {
            // It must not panic; what it says is the other tests' matter.
            parse(Path::new("t.csv"), &text, false).ok();
            parse(Path::new("t.csv"), &format!("text,type\n{text}"), false).ok();
        }
    }
}
