//! `jiesu check`: every fault of the configuration at once.

use std::path::Path;

use super::Exit;
use crate::config::proof;

pub fn run(folder: &Path) -> anyhow::Result<Exit> {
    let checked = crate::config::load(folder).and_then(|config| {
        let old = config.old_certificates(std::time::SystemTime::now());
        let today = jiff::Timestamp::now().to_zoned_datetime(config.main.zone.clone()).date();
        config.answers.aging(today).sorted().into_iter().for_each(|fault| old.add(fault));
        if old.is_empty() { Ok(config) } else { Err(old) }
    });
    match checked {
        Ok(config) => {
            for remark in config.proof.remarks(config.flows.values()) {
                println!("remark: {remark}");
            }
            for finding in &config.proof.findings {
                println!("not refused (check.flows): {}", proof::fault(finding));
            }
            if let Err(none) = config.main.classify.open(&config.catalogue) {
                println!("remark: {none}");
            }
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
