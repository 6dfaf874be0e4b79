//! What comes before the answer: reliable responses, and audio.

use std::time::Duration;

use tokio::time::Instant;

use super::bench::Bench;
use super::check::{Came, Role, Short};
use super::probe::{Ask, NoAnswer, Probe, Step};
use super::wire::line;
use crate::sdp::Session;
use crate::sip::{Event, Message, Method, Name};

/// How long early audio is listened to.
const LISTEN: Duration = Duration::from_secs(2);
/// How long a PRACK may wait for its answer, and what is waited for repetitions.
const PRACKED: Duration = Duration::from_secs(4);

fn failed(what: impl Into<String>) -> Short {
    Short::Failed(what.into())
}

pub(super) async fn reliable(bench: &Bench) -> Came {
    let headers = vec![("Require".to_owned(), "100rel".to_owned())];
    let mut probe = Probe::invite(bench, Ask { headers, ..Ask::to(bench, Role::Early)? }).await?;
    let until = Instant::now() + bench.carrier.ring;
    // Until a first 18x has had the time to be acknowledged, or the call is answered.
    let mut rang = None;
    let ended = loop {
        let until = rang.map_or(until, |at: Instant| at + PRACKED);
        match probe.step(until).await {
            Some(Step::Sip(Event::Ringing { .. })) => rang = rang.or_else(|| Some(Instant::now())),
            Some(Step::Sip(Event::Answered { sdp, .. })) => {
                probe.take(sdp)?;
                break None;
            }
            Some(Step::Sip(Event::Failed { code, reason, .. })) => break Some((code, reason)),
            Some(_) => {}
            None => break None,
        }
        // An answered PRACK is all that was to be seen.
        if rang.is_some() && bench.wire().answer(Method::Prack).is_some() {
            break None;
        }
    };
    let wire = bench.wire();
    probe.give_up().await;
    let rings: Vec<&Message> = wire.answers(Method::Invite).filter(|m| (101..200).contains(&code(m))).collect();
    if let Some(plain) = rings.iter().find(|m| !m.has_tag(Name::Require, "100rel") || m.header(Name::RSeq).is_none()) {
        let line = line(plain);
        return Err(failed(format!(
            "{line} came without Require: 100rel and RSeq, though we required it (RFC 3262 section 3)"
        )));
    }
    match ended {
        Some((420, reason)) => {
            let refused = wire.answer(Method::Invite);
            let names = refused.is_some_and(|m| m.has_tag(Name::Unsupported, "100rel"));
            let what = format!("420 {reason}");
            return Err(if names {
                Short::NotOffered(format!("{what}, Unsupported: 100rel"))
            } else {
                failed(format!("{what} without Unsupported: 100rel (RFC 3261 section 8.2.2.3)"))
            });
        }
        Some(_) if wire.is_silent() => return Err(NoAnswer::Silent.into()),
        Some((code, reason)) if rings.is_empty() => return Err(NoAnswer::Refused { code, reason }.into()),
        _ => {}
    }
    let Some(first) = rings.first() else {
        return Err(Short::NotOffered("no 18x came before the answer: there was nothing to acknowledge".into()));
    };
    match wire.answer(Method::Prack) {
        Some(answer) if answer.code() == Some(200) => Ok(format!("{} came reliably, PRACK got 200", line(first))),
        Some(answer) => Err(failed(format!("PRACK got {} (RFC 3262 section 3)", line(answer)))),
        None => Err(failed(format!("PRACK was not answered within {PRACKED:?}"))),
    }
}

fn code(message: &Message) -> u16 {
    message.code().unwrap_or_default()
}

pub(super) async fn heard(bench: &Bench) -> Came {
    let mut probe = Probe::invite(bench, Ask::to(bench, Role::Early)?).await?;
    let until = Instant::now() + bench.carrier.ring;
    let mut since: Option<Instant> = None;
    let mut answered = None;
    loop {
        let until = since.map_or(until, |at| at + LISTEN);
        match probe.step(until).await {
            Some(Step::Sip(Event::Answered { sdp, .. })) => {
                answered = sdp;
                break;
            }
            Some(Step::Sip(Event::Failed { code, reason, .. })) if since.is_none() => {
                let silent = bench.wire().is_silent();
                let why = if silent { NoAnswer::Silent } else { NoAnswer::Refused { code, reason } };
                return Err(why.into());
            }
            Some(Step::Sip(Event::Failed { .. })) | None => break,
            Some(_) if probe.early.is_some() => since = since.or_else(|| Some(Instant::now())),
            Some(_) => {}
        }
    }
    let listened = since.map(|at| at.elapsed());
    // Nothing that comes after the answer is early.
    let stats = probe.sound().await;
    let (early, agreed) = (probe.early.clone(), probe.agreed.clone());
    if let Some(sdp) = &answered {
        probe.answer = Some(sdp.clone());
    }
    probe.give_up().await;
    let (Some(early), Some(listened)) = (early, listened) else {
        return Err(Short::NotOffered("no 18x with a description came before the answer".into()));
    };
    if agreed.is_none() {
        return Err(failed("the description of the 18x cannot be agreed to"));
    }
    if let Some(later) = answered.filter(|later| place(&early) != place(later)) {
        let (was, is) = (place(&early), place(&later));
        return Err(failed(format!("the 18x has audio at {was}, the 200 at {is}: an answer is given once")));
    }
    if stats.received == 0 {
        return Err(failed(format!(
            "no audio came in {listened:.1?} between the 18x with its description and the answer"
        )));
    }
    let received = stats.received;
    Ok(format!("{received} packets of audio in {listened:.1?} before the answer"))
}

/// Where a description wants its audio, and in which format, for people.
fn place(sdp: &[u8]) -> String {
    let Ok(session) = Session::parse(sdp) else { return "a place that cannot be read".into() };
    let Some(media) = session.media.iter().find(|media| media.kind == b"audio") else { return "no place".into() };
    let host = match session.connection_of(media) {
        Some(crate::sdp::Connection::Address(ip)) => ip.to_string(),
        _ => "a name".to_owned(),
    };
    let format = media.formats.first().map(|format| String::from_utf8_lossy(format)).unwrap_or_default();
    format!("{host} port {} in format {format}", media.port)
}
