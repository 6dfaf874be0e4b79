//! Answers to questions that many ask (`config/answers/*.toml`): which one a caller's words ask for.
//!
//! Pure. Owns the answers and the likeness of a question to what was said. Refuses to speak what is past its `expires`,
//! and to decide that the likeness is enough: the flow's node says how like it must be, and the caller is asked.
//!
//! Likeness is the cosine between the two texts as sets of pairs of neighbouring characters, a pair weighing the more the
//! fewer questions have it (TF-IDF without counts). Words of courtesy (请问, 我想咨询一下) are taken away first. Pairs need
//! no dictionary and forgive a recogniser's single wrong character.

mod written;

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;

use super::spoken::bare;
use crate::written::{Place, Written};

/// A question is looked at up to here; who says more tells a story.
const MAX_CHARS: usize = 80;

/// What people put around a question; the longer before what begins them.
const COURTESY: [&str; 30] = [
    "我想咨询一下",
    "我想问一下",
    "我想请问一下",
    "想咨询一下",
    "咨询一下",
    "想问一下",
    "问一下",
    "请问一下",
    "我想咨询",
    "我想问",
    "我想知道",
    "想了解一下",
    "了解一下",
    "请问",
    "你好",
    "您好",
    "麻烦您",
    "麻烦",
    "谢谢",
    "一下",
    "咱们",
    "你们",
    "我们",
    "那个",
    "就是",
    "现在",
    "这个",
    "喂",
    "呢",
    "啊",
];

/// What makes a sentence a question.
const ASKING: [&str; 27] = [
    "吗",
    "怎么",
    "如何",
    "多少",
    "什么",
    "哪里",
    "哪儿",
    "哪个",
    "哪些",
    "几点",
    "几天",
    "几号",
    "多久",
    "多长",
    "是否",
    "能不能",
    "可不可以",
    "可以不可以",
    "是不是",
    "要不要",
    "有没有",
    "咨询",
    "请问",
    "问一下",
    "何时",
    "谁",
    "为啥",
];

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// A name for lists and logs.
    pub id: Written<String>,
    /// The ways to ask; the first is read back.
    pub questions: Vec<String>,
    pub answer: String,
    /// Where it stands written.
    pub source: String,
    /// Who keeps it true.
    pub owner: String,
    /// The last day on which it is spoken.
    pub expires: Date,
    expires_at: Place,
}

/// All of them, ready to be looked through.
#[derive(Debug, Default)]
pub struct Answers {
    answers: Vec<Answer>,
    /// The answer of each question, and its pairs.
    questions: Vec<(usize, HashSet<Pair>)>,
    weights: HashMap<Pair, f32>,
}

type Pair = [char; 2];

/// The answer that is most like what was said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found<'a> {
    pub answer: &'a Answer,
    /// 0 to 1.
    pub likeness: f32,
}

impl Answers {
    fn new(answers: Vec<Answer>) -> Answers {
        let pairs = |(of, answer): (usize, &Answer)| -> Vec<(usize, HashSet<Pair>)> {
            answer.questions.iter().map(|question| (of, pairs(question))).collect()
        };
        let questions: Vec<(usize, HashSet<Pair>)> = answers.iter().enumerate().flat_map(pairs).collect();
        let mut weights: HashMap<Pair, f32> = HashMap::new();
        for pair in questions.iter().flat_map(|(_, pairs)| pairs) {
            *weights.entry(*pair).or_default() += 1.0;
        }
        let all = questions.len() as f32;
        weights.values_mut().for_each(|count| *count = (1.0 + all / *count).ln());
        Answers { answers, questions, weights }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Answer> {
        self.answers.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// What is most like `said` and may be spoken `today`.
    pub fn find(&self, said: &str, today: Date) -> Option<Found<'_>> {
        let said = pairs(said);
        let of = |(of, question): &(usize, HashSet<Pair>)| {
            let answer = &self.answers[*of];
            (answer.expires >= today).then(|| Found { answer, likeness: self.likeness(&said, question) })
        };
        let found = self.questions.iter().filter_map(of).max_by(|a, b| a.likeness.total_cmp(&b.likeness));
        found.filter(|found| found.likeness > 0.0)
    }

    fn likeness(&self, a: &HashSet<Pair>, b: &HashSet<Pair>) -> f32 {
        // What no question has weighs as what only one has.
        let rare = (1.0 + self.questions.len() as f32).ln();
        let square = |pair: &Pair| self.weights.get(pair).copied().unwrap_or(rare).powi(2);
        let sum = |pairs: &HashSet<Pair>| pairs.iter().map(square).sum::<f32>().sqrt();
        let both: f32 = a.intersection(b).map(square).sum();
        if both == 0.0 { 0.0 } else { (both / (sum(a) * sum(b))).min(1.0) }
    }
}

/// Whether these words ask something: only such are counted where there was no answer.
pub fn asks(said: &str) -> bool {
    said.contains(['?', '？']) || ASKING.iter().any(|word| said.contains(word))
}

/// Neighbouring characters, ordered within the text, without courtesy.
fn pairs(text: &str) -> HashSet<Pair> {
    let mut text: String = bare(text).chars().take(MAX_CHARS).collect();
    for word in COURTESY {
        if text.chars().count() > word.chars().count() {
            text = text.replace(word, "");
        }
    }
    let chars: Vec<char> = text.chars().collect();
    chars.windows(2).map(|two| [two[0], two[1]]).collect()
}

#[cfg(test)]
mod tests;
