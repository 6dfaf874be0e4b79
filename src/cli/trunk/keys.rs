//! Keys that we send, in each of their ways.

use std::time::Duration;

use rand::Rng as _;

use super::bench::Bench;
use super::check::{Came, Role, Short};
use super::probe::{Ask, Probe};
use crate::cli::phone::tell;
use crate::media::Command as Audio;
use crate::sdp::{Keys, Terms};

const KEYS: [char; 12] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#'];
/// So many are sent, one after the other.
const COUNT: usize = 4;
/// Before the first, so that both ends have locked on to each other.
const BEFORE: Duration = Duration::from_millis(500);
/// What one may take, with the way there and back.
const EACH: Duration = Duration::from_millis(400);
const BEHIND: Duration = Duration::from_millis(1500);

/// Keys that nobody knows before; no two alike in a row, so that none can be taken for a repetition.
fn drawn() -> String {
    let mut random = rand::rng();
    let mut keys = String::new();
    while keys.len() < COUNT {
        let key = KEYS[random.random_range(0..KEYS.len())];
        if !keys.ends_with(key) {
            keys.push(key);
        }
    }
    keys
}

async fn sent(probe: &mut Probe<'_>, keys: &str) -> Result<String, Short> {
    probe.stay(BEFORE).await?;
    tell(&probe.leg, Audio::SendDigits(keys.to_owned()));
    probe.stay(EACH * COUNT as u32 + BEHIND).await
}

/// Where keys are sent: to a number that sends them back, or else to any.
fn ask(bench: &Bench, kind: Keys) -> Result<(Ask, bool), Short> {
    let back = bench.carrier.only(Role::Keys);
    let terms = Terms { keys: kind, ..bench.carrier.terms.clone() };
    let is_back = back.is_some();
    let number = match back {
        Some(number) => number,
        None => bench.carrier.number(Role::Answer)?,
    };
    Ok((Ask { terms, number, ..Ask::to(bench, Role::Answer)? }, is_back))
}

fn compared(sent: &str, heard: &str, how: &str) -> Came {
    if sent == heard {
        return Ok(format!("{sent} was sent {how} and came back"));
    }
    let heard = if heard.is_empty() { "nothing" } else { heard };
    Err(Short::Failed(format!("{sent} was sent {how}, {heard} came back")))
}

pub(super) async fn events(bench: &Bench) -> Came {
    let (ask, back) = ask(bench, Keys::Events)?;
    let mut probe = Probe::call(bench, ask).await?;
    let agreed = probe.agreed.as_ref().and_then(|agreed| Some((agreed.events?, agreed.events_clock)));
    let Some((payload, clock)) = agreed else {
        probe.hang_up().await?;
        return Err(Short::NotOffered("the answer has no telephone-event that was offered".into()));
    };
    let keys = drawn();
    let heard = sent(&mut probe, &keys).await?;
    probe.hang_up().await?;
    let how = format!("as telephone-event/{clock} (payload type {payload})");
    if back {
        return compared(&keys, &heard, &how);
    }
    Ok(format!("{keys} was sent {how}; without --to keys=NUMBER nobody told us what arrived"))
}

pub(super) async fn info(bench: &Bench) -> Came {
    let mut probe = Probe::call(bench, Ask::to(bench, Role::Answer)?).await?;
    probe.stay(BEFORE).await?;
    let keys = drawn();
    let mut codes = Vec::new();
    for key in keys.chars() {
        let code = probe.inform("application/dtmf-relay", format!("Signal={key}\r\nDuration=160\r\n")).await?;
        codes.push(code);
        // A refusal is the same for every key.
        if code != 200 {
            break;
        }
    }
    // Whoever does not take it goes on with the call all the same.
    probe.stay(Duration::from_millis(500)).await?;
    probe.hang_up().await?;
    match codes.last() {
        Some(200) => Ok(format!("{keys} was sent, each INFO got 200")),
        Some(code @ (405 | 415 | 469 | 501)) => {
            Err(Short::NotOffered(format!("INFO got {code}, and the call went on")))
        }
        Some(code) => Err(Short::Failed(format!("INFO got {code}"))),
        None => Err(Short::Failed("no INFO was sent".into())),
    }
}

pub(super) async fn tones(bench: &Bench) -> Came {
    let (ask, back) = ask(bench, Keys::Tones)?;
    if !back {
        let why = "tones are only known to have arrived if they come back: give --to keys=NUMBER";
        return Err(Short::NotTried(why.into()));
    }
    let mut probe = Probe::call(bench, ask).await?;
    let keys = drawn();
    let heard = sent(&mut probe, &keys).await?;
    probe.hang_up().await?;
    compared(&keys, &heard, "as tones")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_keys_are_keys_and_none_follows_itself() {
        for _ in 0..200 {
            let keys: Vec<char> = drawn().chars().collect();
            assert!(keys.len() == COUNT && keys.iter().all(|key| KEYS.contains(key)), "{keys:?}");
            assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "{keys:?}");
        }
    }
}
