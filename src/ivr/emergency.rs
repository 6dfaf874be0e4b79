//! Emergencies: which words and keys are one, and what is done about it (`config/emergency.toml`).
//!
//! Pure. Owns the rules and [`Rules::look`], which reads one utterance in a single pass and says which rule it raises
//! and on which words that rests. Refuses to guess: there is no score; a word of the file stands in the text or it does
//! not. What the call then does is the interpreter's (`interpreter::alarm`); whether a target can be called and a prompt
//! exists is `config::check`.
//!
//! Three things keep an ordinary complaint from being an alarm. A longer word silences one inside it (没有着火, 火车站:
//! the lists `harmless`). A word that is only feared, forbidden or remembered (一旦着火, 火灾隐患: the lists under
//! `[doubt]`) is silent within its clause. And what the machine itself is saying just then may come back as an echo: those
//! words do not count ([`Rules::look_beside`]).

mod written;

use super::talk::Hints;
use crate::catalogue::text::{Text, folded};
use crate::catalogue::{Hit, Lexicon};
use crate::written::Written;

/// A doubt reaches so many characters, and not beyond its clause.
const REACH: usize = 8;
/// An utterance is looked through up to here: two minutes of fast speech.
const MAX_CHARS: usize = 1000;

/// What is done when a rule is raised.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub name: Written<String>,
    /// What is said first, while the ticket is being filed; who smells gas is told to go outside.
    pub say: Vec<Written<String>>,
    /// SIP addresses, tried one after the other. Without one the rule only announces.
    pub targets: Vec<Written<String>>,
    /// Said when nobody took it.
    pub unreached: Vec<Written<String>>,
    /// The node at which the flow goes on when there was no target, or none was reached.
    pub go: Written<String>,
    /// What the ticket says; its urgency is `urgent`.
    pub hints: Written<Hints>,
    /// Keys, in a row, that raise it in every state.
    pub key: Option<Written<String>>,
}

/// What a word of the file stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sense {
    /// Raises this rule. `firm`: also where it is only feared or announced (我要是再等就跳楼).
    Alarm {
        rule: usize,
        firm: bool,
    },
    Harmless,
    /// What follows is feared, forbidden or remembered.
    DoubtBefore,
    /// What precedes is.
    DoubtAfter,
}

/// Every rule of `emergency.toml`, checked; the first that is raised is taken.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    words: Lexicon<Sense>,
    /// Whether callers are heard while the machine speaks or waits for a key.
    overhear: bool,
}

/// A rule that was raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Its place in the file, from 0.
    pub rule: usize,
    /// What was said or keyed that raised it, as it was said.
    pub words: Vec<String>,
}

impl Rules {
    pub fn get(&self, rule: usize) -> Option<&Rule> {
        self.rules.get(rule)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether callers are heard while the machine speaks or waits for a key.
    pub fn overhears(&self) -> bool {
        self.overhear && !self.rules.is_empty()
    }

    /// The first rule that `said` raises, with the words of it.
    pub fn look(&self, said: &str) -> Option<Alarm> {
        self.look_beside(said, "")
    }

    /// As [`Rules::look`], but words that the machine was saying meanwhile (`spoken`) do not count.
    pub fn look_beside(&self, said: &str, spoken: &str) -> Option<Alarm> {
        let original: Vec<char> = said.chars().take(MAX_CHARS).collect();
        let text = Text::new(&original.iter().collect::<String>());
        let spoken = folded(spoken);
        let hits = self.words.find(&text);
        let mut raised: Vec<(usize, Hit)> = Vec::new();
        for hit in &hits {
            let echo = || spoken.contains(&text.chars()[hit.start..hit.end].iter().collect::<String>());
            for sense in self.words.senses(hit) {
                let Sense::Alarm { rule, firm } = *sense else { continue };
                let believed = firm || !self.is_doubted(&text, &hits, hit);
                if believed && !self.is_harmless(&hits, hit) && !echo() {
                    raised.push((rule, *hit));
                }
            }
        }
        let rule = raised.iter().map(|(rule, _)| *rule).min()?;
        let of_rule = raised.into_iter().filter(|(of, _)| *of == rule);
        let words = of_rule.map(|(_, hit)| {
            let (start, end) = text.original(hit.start, hit.end);
            original[start..end].iter().collect()
        });
        Some(Alarm { rule, words: words.collect() })
    }

    /// The rule whose keys are the last of `keyed`.
    pub fn keyed(&self, keyed: &str) -> Option<Alarm> {
        let of = |rule: &Rule| rule.key.as_ref().is_some_and(|key| keyed.ends_with(&key.value));
        let rule = self.rules.iter().position(of)?;
        let words = self.rules[rule].key.iter().map(|key| key.value.clone()).collect();
        Some(Alarm { rule, words })
    }

    fn others<'a>(&'a self, hits: &'a [Hit], sense: Sense) -> impl Iterator<Item = &'a Hit> {
        hits.iter().filter(move |hit| self.words.senses(hit).contains(&sense))
    }

    /// Inside a harmless word with gaps; the lexicon itself silences what lies in one without.
    fn is_harmless(&self, hits: &[Hit], alarm: &Hit) -> bool {
        self.others(hits, Sense::Harmless).any(|harmless| harmless.start <= alarm.start && alarm.end <= harmless.end)
    }

    fn is_doubted(&self, text: &Text, hits: &[Hit], alarm: &Hit) -> bool {
        let near = |from: usize, to: usize| {
            from <= to && to - from <= REACH && !text.chars()[from..to].iter().any(|c| ends_clause(*c))
        };
        self.others(hits, Sense::DoubtBefore).any(|doubt| near(doubt.end, alarm.start))
            || self.others(hits, Sense::DoubtAfter).any(|doubt| near(alarm.end, doubt.start))
    }
}

/// Full stops and commas, wide ones already folded to narrow ones.
fn ends_clause(c: char) -> bool {
    matches!(c, '。' | '!' | '?' | ';' | ',' | '、' | ':')
}

#[cfg(test)]
mod tests;
