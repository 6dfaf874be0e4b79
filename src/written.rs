//! What an admin wrote: TOML read so that **every** fault is found at once, each with file, line, key and remedy.
//!
//! serde stops at the first fault of a file and knows no line for an unknown key. Here each module pulls the keys
//! that it knows out of a [`Table`]; a wrong type, a value out of range or a missing key becomes a [`Fault`] and a
//! default takes its place so that reading goes on; what is left in the table at the end is an unknown key, which is
//! a fault too ("did you mean …"). The values that come out are *written*; each module then makes its *checked*
//! configuration from them.
//!
//! ```
//! use jiesu::written::{Faults, Source};
//! let faults = Faults::default();
//! let source = Source::new("lines.toml", "ring = \"2s\"\nflwo = \"main\"\n");
//! let mut table = source.read(&faults).expect("it is TOML");
//! let ring = table.duration("ring").or("1s", "0s".."30s");
//! let flow = table.text("flow").need("the name of a file under flows/");
//! table.finish();
//! let text = faults.to_string();
//! assert!(text.contains("lines.toml:2:1: flwo: unknown key"), "{text}");
//! # assert_eq!((ring.as_secs(), flow.as_str()), (2, ""));
//! ```

mod fault;
mod value;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

pub use fault::{Fault, Faults, Place, Written};
pub use value::{Value, duration};

/// A file larger than this is not a configuration file.
pub const MAX_BYTES: usize = 4 << 20;

/// The text of one file.
#[derive(Debug, Clone)]
pub struct Source {
    file: PathBuf,
    text: String,
}

impl Source {
    /// `file` is only a name for messages: nothing is opened here.
    pub fn new(file: impl Into<PathBuf>, text: impl Into<String>) -> Source {
        Source { file: file.into(), text: text.into() }
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Parses the text. `None` (and faults, all of them) if it is not TOML.
    pub fn read<'a>(&'a self, faults: &Faults) -> Option<Table<'a>> {
        if self.text.len() > MAX_BYTES {
            faults.file(&self.file, format!("larger than {MAX_BYTES} bytes"), "split it");
            return None;
        }
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        if !errors.is_empty() {
            for error in errors {
                let place = self.place(error.span().map_or(0, |span| span.start));
                faults.at(&place, "", error.message().trim().replace('\n', " "), "mend the TOML here");
            }
            return None;
        }
        let place = self.place(table.span().start);
        let context = Rc::new(Context { source: self, faults: faults.clone() });
        Some(Table::new(context, String::new(), place, table.into_inner()))
    }

    fn place(&self, offset: usize) -> Place {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        Place { file: self.file.clone(), line: line as u32, column: column as u32 }
    }
}

struct Context<'a> {
    source: &'a Source,
    faults: Faults,
}

/// One table of a file; keys are taken out of it as they are read.
pub struct Table<'a> {
    context: Rc<Context<'a>>,
    path: String,
    place: Place,
    left: DeTable<'a>,
    known: Vec<String>,
}

impl<'a> Table<'a> {
    fn new(context: Rc<Context<'a>>, path: String, place: Place, left: DeTable<'a>) -> Table<'a> {
        Table { context, path, place, left, known: Vec::new() }
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The path of `key` from the top of the file.
    pub fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub fn faults(&self) -> &Faults {
        &self.context.faults
    }

    /// A fault of this table as a whole.
    pub fn fault(&self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.faults().at(&self.place, self.path(key), what, remedy);
    }

    /// Whether a key is still there to be read.
    pub fn has(&self, key: &str) -> bool {
        self.left.contains_key(key)
    }

    /// The keys that have not been read yet, in the order of the file. For tables whose keys are names.
    pub fn keys(&self) -> Vec<String> {
        self.left.keys().map(|k| k.get_ref().to_string()).collect()
    }

    fn take(&mut self, key: &str) -> Option<(Place, DeValue<'a>)> {
        if !self.known.iter().any(|k| k == key) {
            self.known.push(key.to_owned());
        }
        let (_, value) = self.left.remove_entry(key)?;
        Some((self.context.source.place(value.span().start), value.into_inner()))
    }

    fn value<T>(&mut self, key: &str, kind: &str, read: impl FnOnce(DeValue<'a>) -> Result<T, String>) -> Value<T> {
        let path = self.path(key);
        let found = self.take(key).map(|(place, value)| match read(value) {
            Ok(value) => Ok(Written { value, place, key: path.clone() }),
            Err(what) => {
                self.faults().at(&place, &path, what, format!("write {kind}"));
                Err(place)
            }
        });
        Value::new(found, self.place.clone(), path, self.faults().clone())
    }

    /// A string.
    pub fn text(&mut self, key: &str) -> Value<String> {
        self.value(key, "a text in quotes", |value| match value {
            DeValue::String(text) => Ok(text.into_owned()),
            other => Err(format!("is {}, not a text", kind_of(&other))),
        })
    }

    /// A whole number.
    pub fn int(&mut self, key: &str) -> Value<i64> {
        self.value(key, "a whole number", |value| match value {
            DeValue::Integer(n) => i64::from_str_radix(&n.as_str().replace('_', ""), n.radix())
                .map_err(|_| "does not fit 64 bits".to_owned()),
            other => Err(format!("is {}, not a whole number", kind_of(&other))),
        })
    }

    /// A number, whole or not.
    pub fn number(&mut self, key: &str) -> Value<f64> {
        self.value(key, "a number", |value| match value {
            DeValue::Float(n) => n.as_str().replace('_', "").parse().map_err(|_| "is not a number".to_owned()),
            DeValue::Integer(n) => n.as_str().replace('_', "").parse().map_err(|_| "is not a number".to_owned()),
            other => Err(format!("is {}, not a number", kind_of(&other))),
        })
    }

    pub fn flag(&mut self, key: &str) -> Value<bool> {
        self.value(key, "true or false", |value| match value {
            DeValue::Boolean(flag) => Ok(flag),
            other => Err(format!("is {}, not true or false", kind_of(&other))),
        })
    }

    /// A time span: `"20ms"`, `"1.5s"`, `"3m"`, `"2h"`, `"7d"`.
    pub fn duration(&mut self, key: &str) -> Value<Duration> {
        self.value(key, "a time span such as \"500ms\", \"8s\", \"3m\", \"2h\" or \"7d\"", |value| match value {
            DeValue::String(text) => duration(&text).ok_or_else(|| format!("\"{text}\" is not a time span")),
            other => Err(format!("is {}, not a time span", kind_of(&other))),
        })
    }

    /// A list of strings; one string stands for a list of one.
    pub fn texts(&mut self, key: &str) -> Value<Vec<Written<String>>> {
        let context = self.context.clone();
        let path = self.path(key);
        self.value(key, "a list of texts, as in [\"a\", \"b\"]", move |value| match value {
            DeValue::String(text) => Ok(vec![Written { value: text.into_owned(), place: Place::default(), key: path }]),
            DeValue::Array(array) => array
                .into_iter()
                .map(|item| {
                    let place = context.source.place(item.span().start);
                    match item.into_inner() {
                        DeValue::String(text) => Ok(Written { value: text.into_owned(), place, key: path.clone() }),
                        other => Err(format!("holds {}, not only texts", kind_of(&other))),
                    }
                })
                .collect(),
            other => Err(format!("is {}, not a list of texts", kind_of(&other))),
        })
    }

    /// A table below this one. Read it and [`Table::finish`] it.
    pub fn table(&mut self, key: &str) -> Option<Table<'a>> {
        let path = self.path(key);
        match self.take(key)? {
            (place, DeValue::Table(table)) => Some(Table::new(self.context.clone(), path, place, table)),
            (place, other) => {
                let what = format!("is {}, not a table", kind_of(&other));
                self.faults().at(&place, &path, what, format!("write a section [{path}]"));
                None
            }
        }
    }

    /// A list of tables (`[[key]]`), in the order of the file.
    pub fn tables(&mut self, key: &str) -> Vec<Table<'a>> {
        let path = self.path(key);
        let Some((place, value)) = self.take(key) else { return Vec::new() };
        let DeValue::Array(array) = value else {
            self.faults().at(&place, &path, "is not a list of tables", format!("write sections [[{path}]]"));
            return Vec::new();
        };
        let mut list = Vec::new();
        for (i, item) in array.into_iter().enumerate() {
            let place = self.context.source.place(item.span().start);
            match item.into_inner() {
                DeValue::Table(table) => {
                    list.push(Table::new(self.context.clone(), format!("{path}[{i}]"), place, table));
                }
                other => {
                    let what = format!("holds {}, not only tables", kind_of(&other));
                    self.faults().at(&place, &path, what, format!("write sections [[{path}]]"));
                }
            }
        }
        list
    }

    /// Every key that nobody asked for is a fault.
    pub fn finish(self) {
        for (key, _) in &self.left {
            let place = self.context.source.place(key.span().start);
            let name = key.get_ref();
            let remedy = match self.known.iter().min_by_key(|known| distance(known, name)) {
                Some(known) if distance(known, name) <= 2 => format!("did you mean {known}?"),
                Some(_) => format!("known here: {}", self.known.join(", ")),
                None => "nothing is read here; remove it".to_owned(),
            };
            let path = self.path(name);
            self.faults().at(&place, path, "unknown key", remedy);
        }
    }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Levenshtein's distance, for "did you mean".
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (corner + usize::from(ca != *cb)).min(above + 1).min(row[j] + 1);
            corner = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn faults_of(text: &str, read: impl FnOnce(&mut Table<'_>)) -> Vec<String> {
        let faults = Faults::default();
        let source = Source::new("x.toml", text);
        if let Some(mut table) = source.read(&faults) {
            read(&mut table);
            table.finish();
        }
        faults.sorted().iter().map(Fault::to_string).collect()
    }

    #[test]
    fn every_fault_of_a_file_is_reported_at_once() {
        let text = "port = \"x\"\nnmae = 1\nring = \"9 weeks\"\nlevel = 12\n[deep]\nwhy = 1\n";
        let found = faults_of(text, |t| {
            t.int("port").or(5060, 1..65535);
            t.text("name").need("a name");
            t.duration("ring").or("1s", "0s".."1m");
            t.int("level").or(1, 0..10);
            let deep = t.table("deep").expect("it is there");
            deep.finish();
        });
        assert_eq!(
            found,
            [
                "x.toml:1:1: name: missing; write a name",
                "x.toml:1:8: port: is a text, not a whole number; write a whole number",
                "x.toml:2:1: nmae: unknown key; did you mean name?",
                "x.toml:3:8: ring: \"9 weeks\" is not a time span; write a time span such as \"500ms\", \"8s\", \"3m\", \"2h\" or \"7d\"",
                "x.toml:4:9: level: 12 is out of range; write 0 to 10",
                "x.toml:6:1: deep.why: unknown key; nothing is read here; remove it",
            ]
        );
    }

    #[test]
    fn what_is_not_toml_says_where() {
        let found = faults_of("a = 1\nb = = 2\n", |_| ());
        assert!(found[0].starts_with("x.toml:2:"), "{found:?}");
    }

    #[test]
    fn columns_count_characters() {
        let found = faults_of("\"键\" = 1\n", |_| ());
        assert!(found[0].starts_with("x.toml:1:1: 键: unknown key"), "{found:?}");
    }

    #[test]
    fn tables_come_in_the_order_of_the_file() {
        let mut names = Vec::new();
        let found = faults_of("[[z]]\nn = \"b\"\n[[z]]\nn = \"a\"\n", |t| {
            for mut z in t.tables("z") {
                names.push(z.text("n").need("n"));
                z.finish();
            }
        });
        assert_eq!((found.len(), names), (0, vec!["b".to_owned(), "a".to_owned()]));
    }

    #[test]
    fn spans_of_time() {
        assert_eq!(duration("20ms"), Some(Duration::from_millis(20)));
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(duration("7d"), Some(Duration::from_secs(604_800)));
        for bad in ["", "5", "s", "-1s", "1w", "nans", "infs", "1e99s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_a_table_or_faults(text in "\\PC{0,80}") {
            let faults = Faults::default();
            let source = Source::new("x", text);
            match source.read(&faults) {
                Some(table) => table.finish(),
                None => prop_assert!(!faults.is_empty()),
            }
        }
    }
}
