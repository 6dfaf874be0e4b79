//! `jiesu ticket correct` and `jiesu ticket corrections`: what people know better, and how the classifier hears of it.

use std::path::Path;

use jiff::Timestamp;

use crate::catalogue::Urgency;
use crate::cli::Exit;
use crate::cli::reload::author;
use crate::store::{Corrected, Correction, Store};
use crate::ticket::Number;

/// What a ticket should have been.
#[derive(Debug, clap::Args)]
pub struct Correct {
    #[arg(value_name = "NUMBER")]
    number: Number,
    /// A category's name, or its path "one/two/three".
    #[arg(long, required_unless_present_any = ["kind", "urgency"])]
    category: Option<String>,
    /// The request type.
    #[arg(long = "type")]
    kind: Option<String>,
    /// urgent, soon or ordinary.
    #[arg(long)]
    urgency: Option<Urgency>,
}

/// Writes the store beside a running daemon.
pub async fn correct(folder: &Path, correct: &Correct) -> anyhow::Result<Exit> {
    let config = match crate::cli::load(folder) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let tree = config.catalogue.categories();
    let category = match correct.category.as_deref().map(|name| tree.means(name)).transpose() {
        Ok(category) => category.map(|id| tree.path(id).join("/")),
        Err(unknown) => {
            eprintln!("jiesu: --category: {} \"{}\" is not in catalogue/", unknown.what, unknown.name);
            return Ok(Exit::No);
        }
    };
    if let Some(kind) = correct.kind.as_deref().filter(|kind| config.catalogue.kind(kind).is_none()) {
        eprintln!("jiesu: --type: \"{kind}\" is not in catalogue/");
        return Ok(Exit::No);
    }
    let correction = Correction {
        ticket: correct.number,
        at: Timestamp::now(),
        author: author(),
        category,
        kind: correct.kind.clone(),
        urgency: correct.urgency.map(|urgency| urgency.to_string()),
    };
    let main = &config.main;
    let store = Store::open(&main.store, &main.state_dir, &main.zone, &[]).await?;
    let kept = store.correct(correction).await?;
    store.close().await;
    if kept {
        return Ok(Exit::Done);
    }
    eprintln!("jiesu: no ticket {}", correct.number);
    Ok(Exit::No)
}

/// A table as `jiesu train classify` reads it.
pub fn csv(rows: &[Corrected]) -> String {
    let mut text = "text,category,path,type,urgency\n".to_owned();
    for Corrected { text: said, category, kind, urgency } in rows {
        let path = category.as_deref().unwrap_or_default();
        let first = path.split('/').next().unwrap_or_default();
        let cells = [said, first, path, kind.as_deref().unwrap_or_default(), urgency.as_deref().unwrap_or_default()];
        let quoted = cells.map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")));
        text.push_str(&quoted.join(","));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::learn::Topic;
    use crate::cli::learn::table;

    #[test]
    fn what_is_exported_can_be_learned_from() {
        let rows = [
            Corrected {
                text: "楼道里\n\"没灯\",很黑".into(),
                category: Some("城乡建设/城市建设和市政管理/路灯".into()),
                kind: None,
                urgency: Some("soon".into()),
            },
            Corrected { text: "谢谢".into(), category: None, kind: Some("表扬".into()), urgency: None },
        ];
        let table = table::parse(Path::new("t.csv"), &csv(&rows), false).expect("a table");
        assert_eq!(table[0].text, rows[0].text);
        assert_eq!(table[0].labels, [(Topic::Category, "城乡建设".into()), (Topic::Urgency, "soon".into())]);
        assert_eq!(table[1].labels, [(Topic::Type, "表扬".into())]);
    }
}
