//! `jiesu classify`: what a text would be understood as, before a citizen says it.

use std::path::Path;

use clap::Args;

use super::ticket::{as_json, say, tame};
use super::{Exit, said};
use crate::classify::{self, Evidence, Field, Hint, Understood};

#[derive(Debug, Args)]
pub struct Classify {
    /// The text, as a caller would say it; `-` reads it from standard input.
    text: String,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

pub fn run(folder: &Path, arguments: &Classify) -> anyhow::Result<Exit> {
    let config = match super::load(folder) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let text = said(&arguments.text)?;
    let understood = classify::classify(&config.catalogue, &config.places, &text, &Hint::default());
    if arguments.json { say(&(as_json(&understood)? + "\n")) } else { say(&lines(&understood)) }
}

fn lines(understood: &Understood) -> String {
    let of = |field| understood.evidence.iter().find(|evidence| evidence.field == field);
    let rests = |field| of(field).map_or_else(String::new, quoted);
    let sure = |field| of(field).map_or(0.0, |evidence| evidence.confidence);
    let mut text = String::new();
    for (name, value, field) in [
        ("type", understood.kind.clone(), Field::Type),
        ("category", understood.category.join(" / "), Field::Category),
        ("urgency", understood.urgency.to_string(), Field::Urgency),
    ] {
        text.push_str(&format!("{name:<9} {value} {:.2}{}\n", sure(field), rests(field)));
    }
    let place = super::place::line(understood.place.as_ref());
    text.push_str(&format!("{:<9} {place}{}\n", "place", rests(Field::Place)));
    text.push_str(&format!("{:<9} {}\n", "unit", understood.unit.as_deref().unwrap_or("-")));
    text
}

/// The words in brackets.
fn quoted(evidence: &Evidence) -> String {
    evidence.words.iter().map(|words| format!(" 「{}」", tame(&words.text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::{Urgency, Words};

    #[test]
    fn lines_name_the_words_each_field_rests_on() {
        let words = |text: &str| vec![Words { text: text.to_owned(), start: 0, end: 2 }];
        let of = |field, text: &str| Evidence { field, confidence: 0.9, words: words(text), model: None, asked: false };
        let understood = Understood {
            kind: "求助".to_owned(),
            category: ["城乡建设", "市政", "供水"].map(str::to_owned),
            urgency: Urgency::Urgent,
            unit: Some("自来水集团".to_owned()),
            evidence: vec![of(Field::Category, "停水"), of(Field::Urgency, "停水")],
            ..Understood::default()
        };
        assert_eq!(
            lines(&understood),
            "type      求助 0.00\ncategory  城乡建设 / 市政 / 供水 0.90 「停水」\nurgency   urgent 0.90 「停水」\nplace     -\n\
             unit      自来水集团\n"
        );
    }
}
