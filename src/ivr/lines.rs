//! One entry for the old lines: which number was dialled, and how that line greets (`config/lines.toml`).
//!
//! A call for an old line reaches us in one of two ways. The carrier routes the number here: it stands in the
//! Request-URI (or only in To, where a trunk rewrites the Request-URI to its own pilot number). Or the old switch
//! forwards: the Request-URI says 12345, and the old number stands in Diversion (RFC 5806) or History-Info (RFC 7044).
//! [`Lines::choose`] takes the first *old* line that it finds, in this order:
//!
//! 1. the Request-URI;
//! 2. To;
//! 3. Diversion, from the bottom: the newest forwarding stands on top (RFC 5806 section 3), the number that the citizen
//!    dialled at the bottom;
//! 4. History-Info, from the top: entries are in the order in which they came about (RFC 7044 section 5);
//! 5. otherwise the default line.
//!
//! Numbers are compared as digits, with and without country and area code: `12319`, `01012319`, `010-12319`,
//! `+861012319` and `00861012319` are one line. Whether a peer may be believed about Diversion is the trunk's matter.

use std::collections::{BTreeMap, HashMap};

use crate::written::{Faults, Source, Table, Written};

/// A line of `lines.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub number: String,
    /// What the line is called, for pages and tickets.
    pub name: String,
    /// A file of `flows/`, without its ending.
    pub flow: Written<String>,
    /// What callers of this line hear first; without it the flow's own greeting.
    pub greeting: Option<Written<String>>,
    /// What its calls are usually about, for the classifier.
    pub topic: Option<Written<String>>,
    /// What callers hear before the call is answered, and so before it costs them anything (183, early media).
    pub announce: Option<Written<String>>,
}

impl Line {
    /// The prompt with the line's greeting.
    pub fn prompt(&self) -> Option<String> {
        self.greeting.as_ref().map(|_| format!("line-{}", self.number))
    }

    /// The prompt with what is announced before the answer.
    pub fn announcement(&self) -> Option<String> {
        self.announce.as_ref().map(|_| format!("announce-{}", self.number))
    }
}

/// Every line, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    lines: Vec<Line>,
    by_number: HashMap<String, usize>,
    default: usize,
    country: String,
    areas: Vec<String>,
}

/// The line that a call is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    pub line: String,
    pub flow: String,
    /// A prompt's id.
    pub greeting: Option<String>,
    pub topic: Option<String>,
    /// The prompt that is played before the answer.
    pub announcement: Option<String>,
}

/// More digits than any telephone number has (E.164: 15, with `00` 17).
const LONGEST: usize = 24;

impl Lines {
    /// Reads `lines.toml`. With faults the result is only good for finding more of them.
    pub fn read(source: &Source, faults: &Faults) -> Lines {
        let mut lines = Lines {
            lines: Vec::new(),
            by_number: HashMap::new(),
            default: 0,
            country: "86".to_owned(),
            areas: Vec::new(),
        };
        let Some(mut table) = source.read(faults) else { return lines };
        lines.country = table.text("country").check(digits).or_else(|| "86".to_owned());
        let areas = table.texts("area").get().unwrap_or_default();
        for area in areas {
            match digits(&area.value) {
                Ok(area) => lines.areas.push(area),
                Err((what, remedy)) => faults.at(&area.place, area.key, what, remedy),
            }
        }
        let default =
            table.text("default").need_written("the number of the line for every other number, e.g. \"12345\"");
        let mut places = BTreeMap::new();
        for mut entry in table.tables("line") {
            let number = entry.text("number").need_written("the line's number, e.g. \"12319\"");
            let also = entry.texts("also").get().unwrap_or_default();
            let line = line(&mut entry, &number.value);
            let index = lines.lines.len();
            for number in std::iter::once(number).chain(also) {
                if number.value.is_empty() {
                    continue;
                }
                if let Err((what, remedy)) = digits(&number.value) {
                    faults.at(&number.place, number.key, what, remedy);
                } else if let Some(first) = places.insert(number.value.clone(), number.place.clone()) {
                    let what = format!("{} is already the line of {first}", number.value);
                    faults.at(&number.place, number.key, what, "remove one of the two");
                } else {
                    lines.by_number.insert(number.value, index);
                }
            }
            lines.lines.push(line);
            entry.finish();
        }
        match lines.by_number.get(&default.value) {
            Some(index) => lines.default = *index,
            None if default.value.is_empty() => {}
            None => {
                let what = format!("there is no line {}", default.value);
                faults.at(&default.place, default.key, what, "write a [[line]] with this number");
            }
        }
        if lines.lines.is_empty() {
            table.fault("line", "there is no line", "write a [[line]] with number, name and flow");
        }
        table.finish();
        lines
    }

    /// The line that was dialled; the order is explained in the module's text. Values are numbers or user parts of URIs.
    /// `None`: only with faults in the file, and then nothing is started.
    pub fn dialled<S: AsRef<str>>(
        &self,
        dialled: Option<&str>,
        to: Option<&str>,
        diversion: &[S],
        history: &[S],
    ) -> Option<&Line> {
        let old = dialled
            .into_iter()
            .chain(to)
            .chain(diversion.iter().rev().map(S::as_ref))
            .chain(history.iter().map(S::as_ref))
            .filter_map(|number| self.find(number))
            .find(|index| *index != self.default);
        self.lines.get(old.unwrap_or(self.default))
    }

    /// As [`Lines::dialled`]: what a call keeps of it.
    pub fn choose(&self, dialled: Option<&str>, to: Option<&str>, diversion: &[String], history: &[String]) -> Chosen {
        let Some(line) = self.dialled(dialled, to, diversion, history) else {
            let flow = "main".to_owned();
            return Chosen { line: String::new(), flow, greeting: None, topic: None, announcement: None };
        };
        Chosen {
            line: line.number.clone(),
            flow: line.flow.value.clone(),
            greeting: line.prompt(),
            topic: line.topic.as_ref().map(|topic| topic.value.clone()),
            announcement: line.announcement(),
        }
    }

    /// In the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Line> {
        self.lines.iter()
    }

    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The line that answers for all other numbers.
    pub fn default_line(&self) -> Option<&Line> {
        self.lines.get(self.default)
    }

    /// The greetings and announcements to be rendered: (prompt id, text).
    pub fn texts(&self) -> Vec<(String, String)> {
        self.spoken().map(|(id, text)| (id, text.value.clone())).collect()
    }

    /// Their ids, each with the place of its text.
    pub fn prompts(&self) -> Vec<Written<String>> {
        self.spoken().map(|(id, text)| text.clone().map(|_| id)).collect()
    }

    fn spoken(&self) -> impl Iterator<Item = (String, &Written<String>)> {
        self.lines.iter().flat_map(|line| {
            let greeting = line.prompt().zip(line.greeting.as_ref());
            greeting.into_iter().chain(line.announcement().zip(line.announce.as_ref()))
        })
    }

    /// The line with this number in any of its forms.
    fn find(&self, number: &str) -> Option<usize> {
        let (plus, digits) = plain(number)?;
        let digits = digits.as_str();
        let local = |digits: &str| -> Option<usize> {
            let exact = self.by_number.get(digits);
            exact
                .or_else(|| self.areas.iter().find_map(|area| self.by_number.get(digits.strip_prefix(area.as_str())?)))
                .copied()
        };
        let abroad = |digits: &str| -> Option<usize> {
            let national = digits.strip_prefix(self.country.as_str())?;
            // The area code loses its trunk prefix 0 behind the country code.
            let with_zero = format!("0{national}");
            local(national).or_else(|| local(&with_zero))
        };
        if plus {
            return abroad(digits);
        }
        local(digits).or_else(|| abroad(digits.strip_prefix("00")?)).or_else(|| abroad(digits))
    }
}

fn line(entry: &mut Table<'_>, number: &str) -> Line {
    let filled = |text: &String| match text.trim() {
        "" => Err(("is empty".to_owned(), "write a text or remove the key".to_owned())),
        text => Ok(text.to_owned()),
    };
    Line {
        number: number.to_owned(),
        name: entry.text("name").check(filled).need("what the line is called"),
        flow: entry.text("flow").check(filled).need_written("the name of a file under flows/, e.g. \"main\""),
        greeting: entry.text("greeting").check(filled).written(),
        topic: entry.text("topic").check(filled).written(),
        announce: entry.text("announce").check(filled).written(),
    }
}

fn digits(text: &String) -> Result<String, (String, String)> {
    if !text.is_empty() && text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text.clone())
    } else {
        Err((format!("\"{text}\" is not a row of digits"), "write digits only, in quotes".to_owned()))
    }
}

/// The digits of a number, where they stand.
struct Digits {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Digits {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).expect("digits are ASCII")
    }
}

/// A number without its visual separators (RFC 3966 section 5.1.1) and parameters; `None` if it is none.
fn plain(number: &str) -> Option<(bool, Digits)> {
    let number = number.split(';').next()?.trim();
    let (plus, rest) = match number.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let mut digits = Digits { bytes: [0; LONGEST], length: 0 };
    for byte in rest.bytes() {
        match byte {
            b'0'..=b'9' if digits.length < LONGEST => {
                digits.bytes[digits.length] = byte;
                digits.length += 1;
            }
            b'-' | b'.' | b'(' | b')' | b' ' => {}
            _ => return None,
        }
    }
    (digits.length > 0).then_some((plus, digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::Fault;
    use proptest::prelude::*;

    const THREE: &str = r#"
default = "12345"
area = ["010", "022"]
[[line]]
number = "12345"
name = "市民服务热线"
flow = "main"
[[line]]
number = "12319"
also = "96310"
name = "城建服务热线"
flow = "short"
greeting = "您好，12319已并入12345。"
topic = "城市建设"
[[line]]
number = "12315"
name = "消费者投诉举报专线"
flow = "main"
"#;

    fn read(text: &str) -> (Lines, Vec<String>) {
        let faults = Faults::default();
        let lines = Lines::read(&Source::new("lines.toml", text), &faults);
        (lines, faults.sorted().iter().map(Fault::to_string).collect())
    }

    fn three() -> Lines {
        let (lines, faults) = read(THREE);
        assert_eq!(faults, [""; 0]);
        lines
    }

    fn owned(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn an_old_line_brings_its_flow_greeting_and_topic() {
        let chosen = three().choose(Some("12319"), None, &[], &[]);
        let expected = Chosen {
            line: "12319".to_owned(),
            flow: "short".to_owned(),
            greeting: Some("line-12319".to_owned()),
            topic: Some("城市建设".to_owned()),
            announcement: None,
        };
        assert_eq!(chosen, expected);
        assert_eq!(three().choose(Some("96310"), None, &[], &[]).line, "12319");
        assert_eq!(three().texts(), [("line-12319".to_owned(), "您好，12319已并入12345。".to_owned())]);
        assert_eq!(three().prompts()[0].place.line, 13);
    }

    #[test]
    fn a_line_may_announce_before_it_answers() {
        let (lines, faults) = read(&THREE.replace("topic =", "announce = \"本次通话免费。\"\ntopic ="));
        assert_eq!(faults, [""; 0]);
        assert_eq!(lines.choose(Some("12319"), None, &[], &[]).announcement.as_deref(), Some("announce-12319"));
        assert_eq!(lines.choose(Some("12315"), None, &[], &[]).announcement, None);
        assert_eq!(lines.texts()[1], ("announce-12319".to_owned(), "本次通话免费。".to_owned()));
        assert_eq!((lines.prompts()[1].place.line, lines.prompts()[1].value.as_str()), (14, "announce-12319"));
    }

    #[test]
    fn the_first_old_line_counts_in_the_order_of_the_headers() {
        let lines = three();
        let line = |dialled, to, diversion: &[&str], history: &[&str]| {
            lines.choose(dialled, to, &owned(diversion), &owned(history)).line
        };
        assert_eq!(line(Some("12319"), Some("12315"), &["12315"], &["12315"]), "12319");
        assert_eq!(line(Some("12345"), Some("12319"), &["12315"], &["12315"]), "12319");
        assert_eq!(line(Some("12345"), Some("12345"), &["12319"], &["12315"]), "12319");
        assert_eq!(line(Some("12345"), Some("12345"), &["12345"], &["12319", "12345"]), "12319");
        // Forwarded twice: Diversion has the newest on top, History-Info the oldest.
        assert_eq!(line(Some("12345"), None, &["12315", "12319"], &[]), "12319");
        assert_eq!(line(Some("12345"), None, &[], &["12319", "12315"]), "12319");
    }

    #[test]
    fn any_other_number_is_the_default_line() {
        let lines = three();
        for number in
            ["", "0", "+", "alice", "123191", "1231", "02912319", "+8712319", "12319x", "9".repeat(60).as_str()]
        {
            assert_eq!(lines.choose(Some(number), None, &[], &[]).line, "12345", "{number}");
        }
        assert_eq!(lines.choose(None, None, &[], &[]).line, "12345");
    }

    #[test]
    fn forms_of_a_number() {
        let forms = "12319 01012319 010-12319 02212319 (022)12319 +8612319 +861012319 +86-22-12319 8612319 861012319 00861012319 12319;phone-context=+86";
        for form in forms.split(' ') {
            assert_eq!(three().choose(Some(form), None, &[], &[]).line, "12319", "{form}");
        }
        assert_eq!(three().choose(Some("+86 10 1231 9"), None, &[], &[]).line, "12319");
    }

    #[test]
    fn every_fault_of_the_lines_comes_at_once() {
        let (_, faults) = read(
            "default = \"12354\"\narea = [\"010\", \"x\"]\ncolour = 1\n[[line]]\nnumber = \"12345\"\nname = \"a\"\n\
             flow = \"main\"\ngreting = \"x\"\n[[line]]\nnumber = \"12345\"\nname = \" \"\n[[line]]\nnumber = \"12-3\"\nname = \"b\"\nflow = \"main\"\n",
        );
        let expected = [
            "lines.toml:1:11: default: there is no line 12354; write a [[line]] with this number",
            "lines.toml:2:16: area: \"x\" is not a row of digits; write digits only, in quotes",
            "lines.toml:3:1: colour: unknown key; known here: country, area, default, line",
            "lines.toml:8:1: line[0].greting: unknown key; did you mean greeting?",
            "lines.toml:9:1: line[1].flow: missing; write the name of a file under flows/, e.g. \"main\"",
            "lines.toml:10:10: line[1].number: 12345 is already the line of lines.toml:5:10; remove one of the two",
            "lines.toml:11:8: line[1].name: is empty; write a text or remove the key",
            "lines.toml:13:10: line[2].number: \"12-3\" is not a row of digits; write digits only, in quotes",
        ];
        assert_eq!(faults, expected);
        let (lines, faults) = read("");
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert_eq!(lines.choose(Some("1"), None, &[], &[]).line, "");
    }

    proptest! {
        #[test]
        fn any_header_chooses_a_line(a in "\\PC{0,30}", b in "[0-9+;. -]{0,30}", list in prop::collection::vec("[0-9+]{0,20}", 0..20)) {
            let lines = three();
            let chosen = lines.choose(Some(&a), Some(&b), &list, &list);
            prop_assert!(lines.iter().any(|line| line.number == chosen.line));
        }
    }
}
