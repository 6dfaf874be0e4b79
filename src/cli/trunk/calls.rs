//! Calls that are answered, given up, refused, challenged.

use std::time::Duration;

use tokio::time::Instant;

use super::bench::{Bench, Carrier, named, plug, unplug};
use super::check::{Came, Role, Short};
use super::probe::{Ask, NoAnswer, Probe, Step};
use super::wire::{Wire, line};
use crate::sdp::Session;
use crate::sip::{Command, Event, Message, Method, Name, Why};

/// How long an answered call is kept: enough for audio to flow.
const TALK: Duration = Duration::from_secs(2);
/// How long they have to hang up.
const THEIRS: Duration = Duration::from_secs(60);
/// How often is looked for what no event tells of.
const LOOK: Duration = Duration::from_millis(500);
/// A number that does not ring by then does not.
const RINGS: Duration = Duration::from_secs(5);
/// What the rules give a request without INVITE's patience: after it the answer is missing.
const PATIENCE: Duration = Duration::from_secs(8);

fn failed(what: impl Into<String>) -> Short {
    Short::Failed(what.into())
}

pub(super) async fn answered(bench: &Bench) -> Came {
    let mut probe = Probe::call(bench, Ask::to(bench, Role::Answer)?).await?;
    let offer = crate::sdp::offer(&probe.ours);
    probe.stay(TALK).await?;
    let stats = probe.sound().await;
    let answer = probe.answer.clone().unwrap_or_default();
    let codec = probe.agreed.as_ref().map_or("-", |agreed| agreed.codec.name());
    probe.hang_up().await?;
    let wire = bench.wire();
    let last = wire.answer(Method::Invite).ok_or_else(|| failed("no 200 is in the trace"))?;
    if let Some(fault) = fault_of(last).or_else(|| misfit(&offer, &answer)) {
        return Err(failed(fault));
    }
    if stats.received == 0 {
        return Err(failed("the call was answered, but no audio came (RTP)"));
    }
    let (received, lost) = (stats.received, stats.lost);
    Ok(format!("answered in {codec}, {received} packets of audio came ({lost} lost), BYE got 200"))
}

/// What is wrong with a 200 that makes a dialog.
fn fault_of(answer: &Message) -> Option<String> {
    if answer.to().ok().and_then(|to| to.tag()).is_none() {
        return Some("the 200 has no tag in To (RFC 3261 section 12.1.1)".into());
    }
    match (answer.count(Name::Contact), answer.contact()) {
        (1, Some(Ok(_))) => {}
        (1, _) => return Some("the 200's Contact cannot be read".into()),
        (count, _) => return Some(format!("the 200 has {count} Contacts, not one (RFC 3261 section 12.1.1)")),
    }
    (answer.count(Name::Via) != 1).then(|| format!("the 200 has {} Vias; we sent one", answer.count(Name::Via)))
}

/// Why an answer does not fit its offer (RFC 3264 section 6).
fn misfit(offer: &[u8], answer: &[u8]) -> Option<String> {
    let (Ok(offer), Ok(answer)) = (Session::parse(offer), Session::parse(answer)) else {
        return Some("the answer cannot be read".into());
    };
    let (asked, given) = (offer.media.len(), answer.media.len());
    if asked != given {
        return Some(format!("the answer has {given} m= lines, the offer {asked} (RFC 3264 section 6)"));
    }
    let pairs = offer.media.iter().zip(&answer.media);
    pairs.enumerate().find_map(|(i, (asked, given))| {
        let line = i + 1;
        if asked.kind != given.kind || asked.protocol != given.protocol {
            return Some(format!(
                "m= line {line} of the answer is of another kind than the offer's (RFC 3264 section 6)"
            ));
        }
        let common = given.formats.iter().any(|format| asked.formats.contains(format));
        (given.port != 0 && !common).then(|| format!("m= line {line} of the answer has no format of the offer"))
    })
}

pub(super) async fn hung_up(bench: &Bench) -> Came {
    let number = bench.carrier.only(Role::Hangup);
    let number = number.ok_or_else(|| Short::NotTried("give --to hangup=NUMBER, which answers and hangs up".into()))?;
    let mut probe = Probe::call(bench, Ask { number, ..Ask::to(bench, Role::Hangup)? }).await?;
    let begun = Instant::now();
    let mut look = begun;
    let why = loop {
        look += LOOK;
        match probe.step(look).await {
            Some(Step::Sip(Event::Ended { why, reason, .. })) => break (why, reason),
            Some(_) => {}
            // One that fits the dialog would have ended it.
            None if bench.wire().asked(Method::Bye).next().is_some() => {
                probe.give_up().await;
                return Err(failed("their BYE does not belong to the dialog (Call-ID, tags or CSeq)"));
            }
            None if begun.elapsed() >= THEIRS => {
                probe.give_up().await;
                return Err(failed(format!("no BYE came within {THEIRS:?}")));
            }
            None => {}
        }
    };
    let talked = begun.elapsed().as_secs_f32();
    if why.0 != Why::ByeReceived {
        return Err(failed(format!("the call ended without their BYE: {}", why.0.as_str())));
    }
    // Our 200 ends it: who repeats the BYE did not take it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let byes = bench.wire().asked(Method::Bye).count();
    if byes > 2 {
        return Err(failed(format!("BYE came {byes} times, though it was answered with 200")));
    }
    let reason = why.1.map(|reason| format!(", Reason: {reason}")).unwrap_or_default();
    Ok(format!("they hung up after {talked:.1} s{reason}"))
}

pub(super) async fn cancelled(bench: &Bench) -> Came {
    let mut probe = Probe::invite(bench, Ask::to(bench, Role::Ring)?).await?;
    let until = Instant::now() + RINGS;
    let rang = loop {
        match probe.step(until).await {
            Some(Step::Sip(Event::Ringing { code, .. })) => break Some(code),
            Some(Step::Sip(Event::Answered { sdp, .. })) => {
                probe.take(sdp)?;
                probe.give_up().await;
                return Err(Short::NotTried("it answers without ringing: give --to ring=NUMBER, which rings".into()));
            }
            Some(Step::Sip(Event::Failed { code, reason, .. })) => {
                let silent = bench.wire().is_silent();
                let why = if silent { NoAnswer::Silent } else { NoAnswer::Refused { code, reason } };
                return Err(why.into());
            }
            Some(_) => {}
            None => break None,
        }
    };
    if bench.wire().is_silent() {
        return Err(NoAnswer::Silent.into());
    }
    let dialog = probe.dialog;
    probe.command(Command::Cancel { dialog }).await;
    let until = Instant::now() + PATIENCE;
    while let Some(step) = probe.step(until).await {
        if let Step::Sip(Event::Failed { .. } | Event::Ended { .. }) = step {
            break;
        }
    }
    let wire = bench.wire();
    let cancel = wire.answer(Method::Cancel).map(line);
    let invite = wire.answer(Method::Invite);
    match (cancel, invite.and_then(Message::code)) {
        (Some(cancel), Some(487)) if cancel.starts_with("200") => {
            Ok(format!("{}, CANCEL got 200, INVITE got 487", rang.map_or("100".to_owned(), |code| code.to_string())))
        }
        (_, Some(200)) => Err(Short::NotTried("it was answered in the same moment: give --to ring=NUMBER".into())),
        (None, _) => Err(failed(format!("CANCEL was not answered within {PATIENCE:?}"))),
        (Some(cancel), None) => Err(failed(format!("CANCEL got {cancel}, and INVITE no final answer"))),
        (Some(cancel), Some(_)) => {
            let invite = invite.map(line).unwrap_or_default();
            Err(failed(format!("CANCEL got {cancel} and INVITE {invite}; 200 and 487 are right")))
        }
    }
}

/// A number that nobody answers, and the codes that say so rightly.
pub(super) async fn refused(bench: &Bench, role: Role, right: &[u16]) -> Came {
    let mut probe = Probe::invite(bench, Ask::to(bench, role)?).await?;
    match probe.answered().await {
        Ok(()) => {
            probe.give_up().await;
            Err(failed("it was answered with 200, which begins a charge"))
        }
        Err(NoAnswer::Refused { code, reason }) if right.contains(&code) => Ok(format!("refused with {code} {reason}")),
        Err(other) => {
            let right: Vec<String> = right.iter().map(u16::to_string).collect();
            probe.give_up().await;
            Err(failed(format!("{other}; right would be {}", right.join(", "))))
        }
    }
}

pub(super) async fn each_address(bench: &Bench) -> Came {
    let outbound = &bench.carrier.trunk.outbound;
    if outbound.len() < 2 {
        return Err(Short::NotOffered("the trunk has one address".into()));
    }
    let mut good = Vec::new();
    for peer in outbound {
        let ask = Ask { peer: *peer, ..Ask::to(bench, Role::Answer)? };
        let at = |why: String| failed(format!("{}: {why}", named(peer)));
        let mut probe = Probe::invite(bench, ask).await?;
        probe.answered().await.map_err(|why| at(why.to_string()))?;
        probe.hang_up().await.map_err(|why| at(why.to_string()))?;
        good.push(named(peer));
    }
    Ok(format!("answered at {}", good.join(" and ")))
}

/// The right password, where one is asked for.
pub(super) async fn challenged(bench: &Bench) -> Came {
    let mut probe = Probe::invite(bench, Ask::to(bench, Role::Answer)?).await?;
    let answered = probe.answered().await;
    let wire = bench.wire();
    let Some((code, challenge)) = challenge(&wire) else {
        let why = answered.map_err(|why| why.to_string()).err().unwrap_or_else(|| "the call was answered".into());
        probe.give_up().await;
        return Err(Short::NotOffered(format!("no challenge came: {why}")));
    };
    let text = String::from_utf8_lossy(challenge);
    let Some(login) = &bench.carrier.trunk.login else {
        return Err(failed(format!("{code} came, and the trunk's file has no [login] for it: {text}")));
    };
    let has = |name: &str| text.to_ascii_lowercase().contains(&format!("{name}="));
    if let Some(missing) = ["realm", "nonce"].into_iter().find(|name| !has(name)) {
        return Err(failed(format!("the challenge has no {missing}")));
    }
    if let Err(why) = answered {
        return Err(failed(format!(
            "challenged with {code} ({text}); with the password of realm {}: {why}",
            login.realm
        )));
    }
    probe.hang_up().await?;
    let weak = if has("qop") { "" } else { "; it has no qop, which RFC 7616 wants" };
    Ok(format!("{code} {text}: our password was taken{weak}"))
}

/// The first challenge to an INVITE and its code.
fn challenge(wire: &Wire) -> Option<(u16, &[u8])> {
    wire.answers(Method::Invite).find_map(|message| {
        let name = match message.code()? {
            401 => Name::WwwAuthenticate,
            407 => Name::ProxyAuthenticate,
            _ => return None,
        };
        Some((message.code()?, message.header(name)?))
    })
}

/// The same call with a wrong password must not be answered. `before`: what the right one came to.
///
/// # Errors
/// The telephone cannot be plugged in.
pub(super) async fn wrong_password(carrier: &Carrier, before: String) -> anyhow::Result<(Came, Wire)> {
    let mut carrier = carrier.clone();
    if let Some(login) = &mut carrier.trunk.login {
        login.credentials.password.push('!');
    }
    let bench = plug(&carrier)?;
    let came = wrong(&bench).await.map(|refused| format!("{before}; a wrong one got {refused}"));
    let wire = unplug(bench).await?;
    Ok((came, wire))
}

async fn wrong(bench: &Bench) -> Came {
    let mut probe = Probe::invite(bench, Ask::to(bench, Role::Answer)?).await?;
    match probe.answered().await {
        Ok(()) => {
            probe.give_up().await;
            Err(failed("a call with a wrong password was answered"))
        }
        Err(NoAnswer::Refused { code, reason }) => Ok(format!("{code} {reason}")),
        Err(other) => Err(other.into()),
    }
}
