//! `jiesu answers`: which answer a text would get, and what was asked that had none.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::Exit;
use super::stored;
use super::ticket::{as_json, main, say, tame, time};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The answer that is most like a text, and how like it is. Exit 1 where there is none.
    Find {
        /// The question, as a caller would ask it.
        text: String,
        /// One JSON object (or null) instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Questions of callers that had no answer, the most asked first.
    Unanswered {
        /// So many of the newest are looked at.
        #[arg(long, value_name = "COUNT", default_value_t = 1000)]
        newest: u32,
        /// An array of objects.
        #[arg(long)]
        json: bool,
    },
}

pub fn run(config: &Path, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Find { text, json } => find(config, text, *json),
        Command::Unanswered { newest, json } => unanswered(config, *newest, *json),
    }
}

#[derive(Serialize)]
struct Like<'a> {
    id: &'a str,
    likeness: f32,
    question: &'a str,
    answer: &'a str,
    source: &'a str,
    owner: &'a str,
    expires: String,
}

fn find(folder: &Path, text: &str, json: bool) -> anyhow::Result<Exit> {
    let config = match super::load(folder) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let today = jiff::Timestamp::now().to_zoned_datetime(config.main.zone.clone()).date();
    let found = config.answers.find(text, today);
    let like = found.map(|found| Like {
        id: &found.answer.id.value,
        likeness: (found.likeness * 100.0).round() / 100.0,
        question: &found.answer.questions[0],
        answer: &found.answer.answer,
        source: &found.answer.source,
        owner: &found.answer.owner,
        expires: found.answer.expires.to_string(),
    });
    let exit = if like.is_some() { Exit::Done } else { Exit::No };
    if json {
        println!("{}", serde_json::to_string(&like)?);
    } else if let Some(Like { id, likeness, question, answer, source, owner, expires }) = like {
        println!("{id} {likeness:.2}\n{question}\n{answer}\n({source}; {owner}; until {expires})");
    } else {
        println!("-");
    }
    Ok(exit)
}

/// A question with how often it was asked, and when last.
#[derive(Serialize)]
struct Asked {
    question: String,
    times: usize,
    last: String,
    call: String,
}

fn unanswered(config: &Path, newest: u32, json: bool) -> anyhow::Result<Exit> {
    let main = match main(config) {
        Ok(main) => main,
        Err(exit) => return Ok(exit),
    };
    super::runtime()?.block_on(async {
        let Some(store) = stored::look(&main).await? else {
            return say(if json { "[]\n" } else { "" });
        };
        // Newest first: the first of each is the last time.
        let mut asked: BTreeMap<String, Asked> = BTreeMap::new();
        for row in store.questions(newest).await? {
            let same = crate::ivr::spoken::bare(&row.question);
            let at = time(row.at, &main.zone);
            let (question, call) = (row.question, row.call);
            asked.entry(same).or_insert(Asked { question, times: 0, last: at, call }).times += 1;
        }
        let mut asked: Vec<Asked> = asked.into_values().collect();
        asked.sort_by(|a, b| (b.times, &b.last).cmp(&(a.times, &a.last)));
        if json {
            return say(&as_json(&asked)?);
        }
        let line = |asked: &Asked| format!("{:>4}  {}  {}\n", asked.times, asked.last, tame(&asked.question));
        say(&asked.iter().map(line).collect::<String>())
    })
}
