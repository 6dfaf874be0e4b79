//! `jiesu check`: every fault of the configuration at once.

use std::path::Path;

use super::Exit;

pub fn run(folder: &Path) -> anyhow::Result<Exit> {
    let checked = crate::config::load(folder).and_then(|config| {
        let old = config.old_certificates(std::time::SystemTime::now());
        if old.is_empty() { Ok(config) } else { Err(old) }
    });
    match checked {
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
