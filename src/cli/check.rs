//! `jiesu check`: every fault of the configuration at once.

use std::path::Path;

use super::Exit;

pub fn run(folder: &Path) -> anyhow::Result<Exit> {
    match crate::config::load(folder) {
        Ok(config) => {
            println!("{}: good. {}", folder.display(), config.summary());
            Ok(Exit::Done)
        }
        Err(faults) => {
            print!("{faults}");
            println!("{} fault{}", faults.len(), if faults.len() == 1 { "" } else { "s" });
            Ok(Exit::No)
        }
    }
}
