//! The list of clips: which file, what was said in it, of which kind it is.

use std::fs;
use std::path::{Path, PathBuf};

/// More are no list of clips.
const MOST_BYTES: u64 = 64 << 20;

/// One clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub file: PathBuf,
    /// What was said.
    pub text: String,
    /// Empty where the list says nothing.
    pub kind: String,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadList {
    #[error("{}: {error}", file.display())]
    Unreadable { file: PathBuf, error: std::io::Error },
    #[error("{}: larger than {} MB; is it a list?", file.display(), MOST_BYTES >> 20)]
    TooLarge { file: PathBuf },
    #[error("{}:{line}: a line needs a file and what was said in it, with a tab between", file.display())]
    Line { file: PathBuf, line: usize },
    #[error("{}: no clip in it", file.display())]
    Empty { file: PathBuf },
}

/// Reads a list; files are relative to its folder.
pub fn read(file: &Path) -> Result<Vec<Entry>, BadList> {
    let unreadable = |error| BadList::Unreadable { file: file.to_owned(), error };
    if fs::metadata(file).map_err(unreadable)?.len() > MOST_BYTES {
        return Err(BadList::TooLarge { file: file.to_owned() });
    }
    parse(&fs::read_to_string(file).map_err(unreadable)?, file)
}

/// Where each column stands.
struct Columns {
    file: usize,
    text: usize,
    kind: Option<usize>,
}

fn parse(text: &str, from: &Path) -> Result<Vec<Entry>, BadList> {
    let folder = from.parent().unwrap_or(Path::new(""));
    // A byte order mark is what spreadsheets write.
    let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    let mut lines = lines.filter(|(_, line)| !line.trim().is_empty()).peekable();
    let head: Vec<&str> = lines.peek().map(|(_, line)| line.split('\t').map(str::trim).collect()).unwrap_or_default();
    let named = |name: &str| head.iter().position(|column| *column == name);
    let columns = match (named("file"), named("text")) {
        (Some(file), Some(text)) => {
            lines.next();
            Columns { file, text, kind: named("kind") }
        }
        _ => Columns { file: 0, text: 1, kind: Some(2) },
    };
    let entry = |(line, words): (usize, &str)| {
        let cells: Vec<&str> = words.split('\t').map(str::trim).collect();
        let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
        let (file, kind) = (cell(columns.file), columns.kind.map(cell).unwrap_or_default());
        if file.is_empty() || cells.len() <= columns.text {
            return Err(BadList::Line { file: from.to_owned(), line: line + 1 });
        }
        Ok(Entry { file: folder.join(file), text: cell(columns.text).to_owned(), kind: kind.to_owned() })
    };
    let entries = lines.map(entry).collect::<Result<Vec<_>, _>>()?;
    if entries.is_empty() { Err(BadList::Empty { file: from.to_owned() }) } else { Ok(entries) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<(String, String, String)>, String> {
        let plain = |e: Entry| (e.file.display().to_string(), e.text, e.kind);
        parse(text, Path::new("d/list.tsv")).map(|all| all.into_iter().map(plain).collect()).map_err(|e| e.to_string())
    }

    #[test]
    fn with_and_without_names_of_columns() {
        let of = |file: &str, text: &str, kind: &str| (format!("d/{file}"), text.to_owned(), kind.to_owned());
        assert_eq!(
            parsed("a.wav\t路灯坏了\nb.wav\t停水\tfar\n"),
            Ok(vec![of("a.wav", "路灯坏了", ""), of("b.wav", "停水", "far")])
        );
        let named = "\u{feff}kind\tfile\tseconds\ttext\n\nfar\ta.wav\t1.5\t停水\n";
        assert_eq!(parsed(named), Ok(vec![of("a.wav", "停水", "far")]));
        assert_eq!(parsed("quiet.wav\t\n"), Ok(vec![of("quiet.wav", "", "")]), "nothing was said in it");
    }

    #[test]
    fn faults_name_the_line() {
        assert_eq!(parsed("a.wav\t一\nb.wav\n").expect_err("no text").split(": ").next(), Some("d/list.tsv:2"));
        assert!(parsed("").expect_err("empty").contains("no clip"));
        assert!(parsed("file\ttext\n").expect_err("only a head").contains("no clip"));
    }
}
