//! `jiesu trunk test NAME`: examines a carrier and writes the report.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;

use super::bench::{Carrier, make};
use super::check::{Check, Role, Verdict};
use super::report::{Report, Row, in_text};
use super::{html, report};
use crate::cli::Exit;
use crate::cli::phone::Setup;
use crate::cli::ticket::{as_json, say, tame};
use crate::config::Config;
use crate::sip::Trunk;
use crate::sip::ladder::Drawn;
use crate::sip::task::{resolve, route_to};
use crate::written;

/// How the numbers of the peer are given; shown by `--help`.
const NUMBERS: &str = "\
Numbers that the peer provides (--to WHAT=NUMBER, as we would dial them; the trunk's [numbers] apply):
  answer   answers at once or after some ringing, stays, and sends audio (RTP)
  echo     answers and sends back the audio that it gets: then codecs are measured both ways
  keys     answers and sends back the keys that it gets, or all RTP packets as they are
  ring     rings for five seconds or more before it answers
  early    sends audio before it answers (183 with SDP)
  hangup   answers and hangs up within a minute
  busy     is busy
  unknown  belongs to nobody
One that is not given is replaced where another will do (answer by echo, ring and early by answer); otherwise its checks
are \"not tried\". One number may have several roles.

Exit: 0 no check failed, 1 one failed (or nothing could be tried), 64 bad usage or configuration.";

#[derive(Debug, clap::Args)]
#[command(after_help = NUMBERS)]
pub struct Arguments {
    /// The trunk, by the name of its file.
    #[arg(value_name = "NAME")]
    name: String,
    /// A number of the peer and what it does; a number alone is one that answers. Several: again, or with commas. The
    /// hotline's own number, if none is given: a carrier brings it back to us.
    #[arg(long = "to", value_name = "WHAT=NUMBER", value_parser = number, value_delimiter = ',', default_value = "answer=12345")]
    numbers: Vec<(Role, String)>,
    /// Writes the report as one HTML page, which both sides can print and sign.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// Only these checks.
    #[arg(long, value_name = "CHECK", value_delimiter = ',', value_parser = check)]
    only: Vec<Check>,
    /// Not these checks.
    #[arg(long, value_name = "CHECK", value_delimiter = ',', value_parser = check)]
    skip: Vec<Check>,
    /// Our number in From.
    #[arg(long, value_name = "NUMBER", default_value = "12345")]
    from: String,
    /// How long a call may ring.
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = span)]
    ring: Duration,
    /// Where we call from, if the peer wants a certain port; the daemon must not have it.
    #[arg(long, value_name = "ADDRESS:PORT")]
    bind: Option<SocketAddr>,
    /// Telephone numbers whole in ladders.
    #[arg(long)]
    whole_numbers: bool,
    /// Every message in full in ladders.
    #[arg(long)]
    full: bool,
}

fn number(text: &str) -> Result<(Role, String), String> {
    let (role, number) = match text.split_once('=') {
        None => (Role::Answer, text),
        Some((name, number)) => {
            let known = Role::ALL.iter().find(|(known, _)| *known == name).map(|(_, role)| *role);
            let names = || Role::ALL.map(|(name, _)| name).join(", ");
            (known.ok_or_else(|| format!("\"{name}\" is none of {}", names()))?, number)
        }
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+*#-_.".contains(c);
    if number.is_empty() || number.len() > 64 || !number.chars().all(allowed) {
        return Err(format!("\"{number}\" is no number"));
    }
    Ok((role, number.to_owned()))
}

fn check(text: &str) -> Result<Check, String> {
    let names = || Check::ALL.iter().map(|check| check.about().name).collect::<Vec<_>>().join(", ");
    Check::named(text).ok_or_else(|| format!("\"{text}\" is none of {}", names()))
}

fn span(text: &str) -> Result<Duration, String> {
    written::duration(text).ok_or_else(|| format!("\"{text}\" is not a time span such as \"30s\""))
}

pub fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut config = match crate::cli::load(config) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let (trunks, missing) = crate::cli::runtime()?.block_on(resolve::once(&config.trunks, &config.main.sip.resolvers));
    config.trunks = trunks;
    for (name, why) in missing {
        eprintln!("jiesu: {name} is not found: {why}");
    }
    let Some(trunk) = config.trunks.get(&arguments.name) else {
        let known: Vec<String> = config.trunks.iter().map(|trunk| trunk.name.to_string()).collect();
        eprintln!("jiesu: there is no trunk {}; there are {}", tame(&arguments.name), known.join(", "));
        return Ok(Exit::Usage);
    };
    let Some(first) = trunk.outbound.first() else {
        let name = &trunk.name;
        eprintln!(
            "jiesu: trunks/{name}.toml has no `outbound` that is known: write the addresses where calls to it go"
        );
        return Ok(Exit::Usage);
    };
    let local = match arguments.bind {
        Some(local) => local,
        None => SocketAddr::new(route_to(first.address.ip()).context("there is no route to the trunk")?, 0),
    };
    if let Err(error) = UdpSocket::bind(local) {
        eprintln!("jiesu: cannot call from {local}: {error}; give --bind ADDRESS:PORT of this machine that nobody has");
        return Ok(Exit::Usage);
    }
    let carrier = carrier(&config, trunk, local, arguments);
    let report = crate::cli::runtime()?.block_on(examined(&config, &carrier, arguments))?;
    if let Some(file) = &arguments.report {
        std::fs::write(file, html::page(&report)).with_context(|| file.display().to_string())?;
    }
    if arguments.json {
        say(&(as_json(&report)? + "\n"))?;
    } else {
        say(&report::summary(&report))?;
    }
    Ok(if report.has_failed() { Exit::No } else { Exit::Done })
}

/// The trunk with our own manners, as the daemon would meet it.
fn carrier(config: &Config, trunk: &Trunk, local: SocketAddr, arguments: &Arguments) -> Carrier {
    let setup = Setup {
        local,
        trunks: config.trunks.clone(),
        sip: config.main.sip.clone(),
        media: config.main.media.clone(),
        tls: config.tls.clone(),
    };
    Carrier {
        from: trunk.numbers.outward(&arguments.from),
        trunk: trunk.clone(),
        numbers: arguments.numbers.clone(),
        terms: config.terms_of(&trunk.name),
        ring: arguments.ring,
        setup,
    }
}

async fn examined(config: &Config, carrier: &Carrier, arguments: &Arguments) -> anyhow::Result<Report> {
    let wanted = |check: &Check| {
        (arguments.only.is_empty() || arguments.only.contains(check)) && !arguments.skip.contains(check)
    };
    let checks: Vec<Check> = Check::ALL.iter().copied().filter(wanted).collect();
    let drawn = Drawn { full: arguments.full, numbers: arguments.whole_numbers };
    let zone = config.main.zone.clone();
    let mut report = Report::begun(carrier, Timestamp::now(), zone.clone());
    if !arguments.json {
        let takes: Duration = checks.iter().map(|check| check.takes()).sum();
        say(&format!("{} checks of {}, about {} s\n", checks.len(), carrier.trunk.name, takes.as_secs()))?;
    }
    for check in checks {
        let finding = make(check, carrier).await?;
        if let Some(agent) = finding.wire.agent() {
            report.peer.get_or_insert(agent);
        }
        let row = Row::of(&finding, drawn, &zone);
        if !arguments.json {
            say(&in_text(&row))?;
        }
        report.checks.push(row);
    }
    report.ended = Timestamp::now();
    Ok(report)
}

impl Report {
    /// Whether the answer is no: something failed, or nothing was seen at all.
    fn has_failed(&self) -> bool {
        let any = |verdict| self.checks.iter().any(|row| row.verdict == verdict);
        any(Verdict::Fail) || !(any(Verdict::Pass) || any(Verdict::NotOffered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_roles() {
        assert_eq!(number("echo=+8610123"), Ok((Role::Echo, "+8610123".to_owned())));
        assert_eq!(number("10086"), Ok((Role::Answer, "10086".to_owned())));
        for bad in ["", "echo=", "loud=1", "echo=a b", "echo=<sip:x>", "answer=1@h"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_help_names_every_role_and_every_check_can_be_asked_for() {
        for (name, _) in Role::ALL {
            assert!(NUMBERS.lines().any(|line| line.starts_with(&format!("  {name} "))), "{name}");
        }
        assert!(Check::ALL.iter().copied().all(|one| check(one.about().name) == Ok(one)));
    }
}
