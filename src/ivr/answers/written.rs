//! `answers/*.toml` as they are written.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{Answer, Answers, pairs};
use crate::ivr::spoken::bare;
use crate::written::{Faults, Source, Table};

/// Nobody keeps more of them true.
const MOST: usize = 2_000;
/// What the voice speaks at once ([tts] longest): a minute and a half.
const LONGEST: usize = 300;
/// Two questions that are so like each other are one.
const SAME: f32 = 0.95;
/// So long before it expires an answer is looked at again.
const SOON: i32 = 30;

impl Answers {
    /// Reads every file under `answers/`; what is wrong goes to `faults`.
    pub fn read(sources: &[Source], faults: &Faults) -> Answers {
        let mut answers = Vec::new();
        let mut ids = BTreeMap::new();
        for source in sources {
            let Some(mut table) = source.read(faults) else { continue };
            for entry in table.tables("answer") {
                if answers.len() == MOST {
                    entry.fault("id", format!("more than {MOST} answers"), "nobody keeps so many true: remove some");
                    break;
                }
                let answer = answer(entry);
                let id = answer.id.clone();
                if let Some(other) = ids.insert(id.value.clone(), id.place.clone()) {
                    let what = format!("\"{}\" is an answer already, at {other}", id.value);
                    faults.at(&id.place, &id.key, what, "give it another name");
                }
                answers.push(answer);
            }
            table.finish();
        }
        let answers = Answers::new(answers);
        answers.twice(faults);
        answers
    }

    /// A question that leads to two answers: nobody knows which is spoken.
    fn twice(&self, faults: &Faults) {
        let mut texts = self.answers.iter().flat_map(|answer| &answer.questions);
        for (i, (of, question)) in self.questions.iter().enumerate() {
            let text = texts.next().map_or("", String::as_str);
            let same = |(other, theirs): &&(usize, _)| other != of && self.likeness(question, theirs) >= SAME;
            if let Some((other, _)) = self.questions[..i].iter().find(same) {
                let id = &self.answers[*of].id;
                let what = format!("\"{text}\" also asks for \"{}\"", self.answers[*other].id.value);
                faults.at(&id.place, &id.key, what, "leave the question with one of the two");
            }
        }
    }

    /// Answers that are not spoken any more, or soon will not be.
    pub fn aging(&self, today: Date) -> Faults {
        let faults = Faults::default();
        for answer in self.iter() {
            let left = today.until(answer.expires).map_or(0, |span| span.get_days());
            let what = match left {
                ..0 => format!("\"{}\" expired on {} and is not spoken", answer.id.value, answer.expires),
                0..SOON => format!("\"{}\" expires on {}, in {left} days", answer.id.value, answer.expires),
                _ => continue,
            };
            let remedy = format!("ask {} whether it is still true, then write a later day", answer.owner);
            faults.at(&answer.expires_at, "expires", what, remedy);
        }
        faults
    }
}

fn answer(mut table: Table<'_>) -> Answer {
    let id = table.text("id").need_written("a name of your own, e.g. \"opening-hours\"");
    let questions: Vec<String> =
        table.texts("questions").get().unwrap_or_default().into_iter().map(|question| question.value).collect();
    if questions.is_empty() {
        table.fault("questions", "missing: nobody can ask it", "write questions = [\"...\", \"...\"]");
    }
    for question in &questions {
        if pairs(question).is_empty() || bare(question).is_empty() {
            table.fault("questions", format!("\"{question}\" asks nothing"), "write what people say");
        }
    }
    let spoken = |text: &String| match text.chars().count() {
        1..=LONGEST => Ok(text.clone()),
        0 => Err(("is empty".to_owned(), "write what is spoken".to_owned())),
        n => Err((format!("{n} characters are too many to listen to"), format!("write at most {LONGEST}"))),
    };
    let text = table.text("answer").check(spoken).need("what is spoken");
    let named = |text: &String| match text.trim() {
        "" => Err(("is empty".to_owned(), "write a name".to_owned())),
        _ => Ok(text.clone()),
    };
    let source = table.text("source").check(named).need("where it stands written, e.g. \"国办发〔2020〕53号\"");
    let owner = table.text("owner").check(named).need("who keeps it true");
    let day = |text: &String| {
        text.parse::<Date>().map_err(|_| (format!("\"{text}\" is no day"), "write e.g. \"2027-06-30\"".to_owned()))
    };
    let expires =
        table.text("expires").check(day).need_written("the last day on which it is spoken, e.g. \"2027-06-30\"");
    table.finish();
    Answer { id, questions, answer: text, source, owner, expires: expires.value, expires_at: expires.place }
}
