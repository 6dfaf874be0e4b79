//! `jiesu prompts`: render the prompts of the catalogue that have no recording yet.

use std::path::Path;

use anyhow::Context as _;

use super::Exit;
use crate::config;
use crate::ivr::Lines;
use crate::tts::catalogue::{self, Entry};
use crate::tts::render::{self, Became};
use crate::written::{Faults, Source};

/// Render the prompts that have no recording yet, by the voice of section `tts`.
///
/// A recording (any file that this command did not make) is never overwritten, unless it is forced.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Render every prompt anew, recordings too: they are lost.
    #[arg(long)]
    force: bool,
    /// Only this prompt (may be given several times).
    #[arg(long, value_name = "ID")]
    only: Vec<String>,
}

/// Renders; one line a prompt that changed, and the sum.
pub fn run(folder: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let main = match config::load_main(folder) {
        Ok(main) => main,
        Err(faults) => {
            eprint!("{faults}");
            return Ok(Exit::Usage);
        }
    };
    let faults = Faults::default();
    let mut entries = gather(folder, &main.tts, &faults)?;
    if !faults.is_empty() {
        eprint!("{faults}");
        return Ok(Exit::Usage);
    }
    if let Some(unknown) = arguments.only.iter().find(|id| entries.iter().all(|entry| entry.id != **id)) {
        eprintln!("jiesu: no prompt has the id {unknown}; the ids stand in {}/prompts/prompts.toml", folder.display());
        return Ok(Exit::Usage);
    }
    if !arguments.only.is_empty() {
        entries.retain(|entry| arguments.only.contains(&entry.id));
    }
    // Nobody waits on the line: a slow machine may take longer than a call would allow.
    let mut voice = main.tts;
    voice.time_limit = voice.time_limit.max(std::time::Duration::from_secs(30));
    let (mut rendered, mut current, mut recordings) = (0, 0, 0);
    let told = |entry: &Entry, became: Became| match became {
        Became::Rendered => {
            rendered += 1;
            println!("{}: {}", entry.id, entry.text);
        }
        Became::Current => current += 1,
        Became::Recording => recordings += 1,
    };
    let prompts = folder.join("prompts");
    let done = render::render(&prompts, &entries, &voice, arguments.force, told);
    super::runtime()?.block_on(done)?;
    println!("{rendered} prompts rendered, {current} were up to date, {recordings} are recordings and stay");
    Ok(Exit::Done)
}

/// What every prompt says: the greetings of the lines, and the catalogue, which has the last word.
fn gather(folder: &Path, voice: &crate::tts::Config, faults: &Faults) -> anyhow::Result<Vec<Entry>> {
    let source = read(&folder.join("prompts/prompts.toml"))?;
    let mut entries = catalogue::entries(&source, &voice.manner, faults);
    let source = read(&folder.join("lines.toml"))?;
    for (id, text) in Lines::read(&source, faults).texts() {
        if entries.iter().all(|entry| entry.id != id) {
            entries.push(Entry::sentence(id, text));
        }
    }
    Ok(entries)
}

fn read(path: &Path) -> anyhow::Result<Source> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(Source::new(path, text))
}
