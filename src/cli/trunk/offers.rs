//! Descriptions that change hands in other ways than once at the beginning: later, again, and to stay alive.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::bench::Bench;
use super::check::{Came, Role, Short};
use super::codecs::{SILENT, converse};
use super::probe::{Ask, Probe, Step};
use super::wire::line;
use crate::media::Event as Sound;
use crate::sdp::{self, Codec, Direction, Session, Terms};
use crate::sip::check::MIN_SESSION;
use crate::sip::session::{self, Refresher};
use crate::sip::{Event, Method, Name, Why};

/// The session that we ask for: the shortest that the rules allow.
pub(super) const SESSION: Duration = Duration::from_secs(MIN_SESSION);
/// Talk between two offers.
const TALK: Duration = Duration::from_secs(1);

fn failed(what: impl Into<String>) -> Short {
    Short::Failed(what.into())
}

pub(super) async fn delayed(bench: &Bench) -> Came {
    let mut probe = Probe::call(bench, Ask { delayed: true, ..Ask::to(bench, Role::Echo)? }).await?;
    let codec = probe.agreed.as_ref().map_or("-", |agreed| agreed.codec.name());
    let seen = converse(bench, &mut probe).await?;
    probe.hang_up().await?;
    Ok(format!("their offer was answered with {codec}; {seen}"))
}

pub(super) async fn held(bench: &Bench) -> Came {
    let mut probe = Probe::call(bench, Ask::to(bench, Role::Echo)?).await?;
    probe.stay(TALK).await?;
    let mut said = Vec::new();
    for (direction, right) in [
        (Direction::SendOnly, [Direction::RecvOnly, Direction::Inactive].as_slice()),
        (Direction::SendRecv, &[Direction::SendRecv]),
    ] {
        probe.ours.version += 1;
        let offer = sdp::offer_in(&probe.ours, direction);
        let answer = match probe.offer_again(offer).await? {
            Ok(answer) => answer,
            Err(code) => return Err(failed(format!("re-INVITE with a={} got {code}", direction.name()))),
        };
        let given = direction_of(&answer)?;
        if !right.contains(&given) {
            let (ours, theirs) = (direction.name(), given.name());
            return Err(failed(format!("a={ours} was answered with a={theirs} (RFC 3264 section 6.1)")));
        }
        said.push(format!("a={} got a={}", direction.name(), given.name()));
        let agreed = sdp::accept(&answer, &probe.ours).map_err(|error| failed(error.to_string()))?;
        probe.connect(agreed);
        if direction == Direction::SendOnly {
            probe.stay(TALK).await?;
        }
    }
    flows(&mut probe, "after the resume").await?;
    let seen = converse(bench, &mut probe).await?;
    probe.hang_up().await?;
    Ok(format!("{}; {seen}", said.join(", ")))
}

/// Whether audio comes now: the leg says where it does not.
async fn flows(probe: &mut Probe<'_>, when: &str) -> Result<(), Short> {
    let until = Instant::now() + SILENT + TALK;
    while let Some(step) = probe.step(until).await {
        match step {
            Step::Sound(Sound::Inactive) => return Err(failed(format!("no audio came {when}"))),
            Step::Sip(Event::Ended { .. }) => return Err(failed(format!("the call ended {when}"))),
            Step::Sip(_) | Step::Sound(_) => {}
        }
    }
    Ok(())
}

/// Of their audio, as they wrote it.
fn direction_of(sdp: &Bytes) -> Result<Direction, Short> {
    let session = Session::parse(sdp).map_err(|error| failed(error.to_string()))?;
    let media = session.media.iter().find(|media| media.kind == b"audio");
    let media = media.ok_or_else(|| failed("the answer to re-INVITE has no audio"))?;
    Ok(session.direction_of(media))
}

pub(super) async fn changed(bench: &Bench) -> Came {
    let mut probe = Probe::call(bench, Ask::to(bench, Role::Echo)?).await?;
    probe.stay(TALK).await?;
    let spoken = probe.agreed.as_ref().map_or(Codec::Pcma, |agreed| agreed.codec);
    let other = if spoken == Codec::Pcma { Codec::Pcmu } else { Codec::Pcma };
    let before = probe.ours.terms.clone();
    probe.ours.terms = Terms { codecs: vec![other], ..before.clone() };
    probe.ours.version += 1;
    let (from, to) = (spoken.name(), other.name());
    match probe.offer_again(sdp::offer(&probe.ours)).await? {
        Ok(answer) => {
            let agreed = sdp::accept(&answer, &probe.ours);
            probe.connect(agreed.map_err(|error| failed(format!("the answer to the offer of {to}: {error}")))?);
        }
        // RFC 3261 section 14.1: the session stays what it was.
        Err(code @ (488 | 606)) => {
            probe.ours.terms = before;
            flows(&mut probe, &format!("after {code} to the offer of {to}, though the call goes on")).await?;
            probe.hang_up().await?;
            return Err(Short::NotOffered(format!("{code} to the offer of {to}; the call went on in {from}")));
        }
        Err(code) => return Err(failed(format!("re-INVITE that offers {to} got {code}"))),
    }
    flows(&mut probe, &format!("in {to}")).await?;
    let seen = converse(bench, &mut probe).await?;
    probe.hang_up().await?;
    Ok(format!("from {from} to {to}; {seen}"))
}

pub(super) async fn kept_alive(bench: &Bench) -> Came {
    let mut probe = Probe::call(bench, Ask::to(bench, Role::Answer)?).await?;
    let wire = bench.wire();
    let asked = wire.sent(Method::Invite).last().and_then(session::expires).map_or(MIN_SESSION, |(seconds, _)| seconds);
    let longer = wire.answers(Method::Invite).find(|message| message.code() == Some(422)).map(|refusal| {
        let seconds = session::min(refusal);
        format!("422 with Min-SE: {seconds} came first; ")
    });
    let longer = longer.unwrap_or_default();
    let answer = wire.answer(Method::Invite).ok_or_else(|| failed("no 200 is in the trace"))?;
    let Some((seconds, refresher)) = session::expires(answer) else {
        probe.hang_up().await?;
        return Err(Short::NotOffered(format!("{longer}the 200 has no Session-Expires: no timer runs")));
    };
    let fault = if seconds > asked {
        Some(format!("the 200 has Session-Expires: {seconds}, more than the {asked} that we asked for"))
    } else if seconds < MIN_SESSION {
        Some(format!("the 200 has Session-Expires: {seconds}, less than {MIN_SESSION}"))
    } else if refresher.is_none() {
        Some("the Session-Expires of the 200 names no refresher".into())
    } else if refresher == Some(Refresher::Client) && !answer.has_tag(Name::Require, "timer") {
        Some("we are to refresh, and the 200 has no Require: timer".into())
    } else {
        None
    };
    if let Some(fault) = fault {
        probe.give_up().await;
        return Err(failed(format!("{longer}{fault} (RFC 4028 section 9)")));
    }
    let ours = refresher == Some(Refresher::Client);
    let who = if ours { "we" } else { "they" };
    let seen = refreshed(bench, &mut probe, Duration::from_secs(seconds), ours).await?;
    probe.hang_up().await?;
    Ok(format!("{longer}a session of {seconds} s that {who} refresh; {seen}"))
}

/// Waits for the refresh of whoever has to make it. It is due at half of the session's time (RFC 4028 section 10).
async fn refreshed(bench: &Bench, probe: &mut Probe<'_>, session: Duration, ours: bool) -> Came {
    let begun = Instant::now();
    let until = begun + session;
    // The first INVITE, and a second one where a password or a longer session was asked for.
    let invites = bench.wire().answers(Method::Invite).filter(|message| message.code() >= Some(200)).count();
    let mut look = begun;
    loop {
        look += Duration::from_secs(1);
        match probe.step(look.min(until)).await {
            Some(Step::Sip(Event::Ended { why, .. })) => {
                let after = begun.elapsed().as_secs();
                return Err(failed(match why {
                    Why::Expired => format!("they did not refresh the session; we gave it up after {after} s"),
                    Why::ByeReceived => format!("they hung up after {after} s"),
                    _ => format!("the call ended after {after} s: {}", why.as_str()),
                }));
            }
            Some(_) => continue,
            None if Instant::now() >= until => {
                return Err(failed(format!("nobody refreshed the session within {session:?}")));
            }
            None => {}
        }
        let wire = bench.wire();
        let after = begun.elapsed().as_secs();
        if !ours {
            let theirs = wire.asked(Method::Update).chain(wire.asked(Method::Invite)).next();
            if let Some(method) = theirs.and_then(|refresh| refresh.method().cloned()) {
                return Ok(format!("their {} came after {after} s", method.as_str()));
            }
            continue;
        }
        let update = wire.answer(Method::Update);
        let again = wire.answers(Method::Invite).filter(|message| message.code() >= Some(200)).nth(invites);
        match update.or(again) {
            // Refused because it is not taken: the re-INVITE follows at once.
            Some(answer) if matches!(answer.code(), Some(405 | 501)) && again.is_none() => {}
            Some(answer) if answer.code() == Some(200) => return Ok(format!("ours got 200 after {after} s")),
            Some(answer) => return Err(failed(format!("our refresh got {}", line(answer)))),
            None => {}
        }
    }
}
