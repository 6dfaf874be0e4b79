//! Session timers (RFC 4028): what the two sides agree on. When something falls due is the endpoint's.

use std::time::Duration;

use super::check::MIN_SESSION;
use super::message::Message;
use super::name::Name;
use super::parse::{Params, decimal};

/// Who has to refresh, seen from one request: its sender is the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    Client,
    Server,
}

impl Refresher {
    fn as_str(self) -> &'static str {
        match self {
            Refresher::Client => "uac",
            Refresher::Server => "uas",
        }
    }
}

/// What both sides agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// Seconds.
    pub interval: u64,
    /// We refresh.
    pub ours: bool,
}

impl Agreed {
    /// When we refresh: at half of the interval (section 10).
    pub fn refresh_after(&self) -> Duration {
        Duration::from_secs(self.interval) / 2
    }

    /// When the session is given up without a refresh: before the interval is over, by a third of it or 32 s.
    pub fn over_after(&self) -> Duration {
        let interval = Duration::from_secs(self.interval);
        interval - (interval / 3).min(Duration::from_secs(32))
    }

    /// Session-Expires of our 2xx.
    pub fn in_response(&self) -> String {
        let refresher = if self.ours { Refresher::Server } else { Refresher::Client };
        format!("{};refresher={}", self.interval, refresher.as_str())
    }

    /// Session-Expires of our next request: the roles stay.
    pub fn in_request(&self) -> String {
        let refresher = if self.ours { Refresher::Client } else { Refresher::Server };
        format!("{};refresher={}", self.interval, refresher.as_str())
    }
}

/// Session-Expires of a message: seconds and refresher. `None`: it has none that can be read.
pub fn expires(message: &Message) -> Option<(u64, Option<Refresher>)> {
    let text = message.header(Name::SessionExpires)?;
    let end = text.iter().position(|b| *b == b';').unwrap_or(text.len());
    let seconds = decimal(text[..end].trim_ascii(), u64::from(u32::MAX))?;
    let refresher = Params(&text[end..]).get("refresher").and_then(|who| {
        let is = |name: &str| who.eq_ignore_ascii_case(name.as_bytes());
        if is("uac") { Some(Refresher::Client) } else { is("uas").then_some(Refresher::Server) }
    });
    Some((seconds, refresher))
}

/// Min-SE of a message in seconds, at least [`MIN_SESSION`].
pub fn min(message: &Message) -> u64 {
    let text = message.header(Name::MinSe).unwrap_or_default();
    let end = text.iter().position(|b| *b == b';').unwrap_or(text.len());
    decimal(text[..end].trim_ascii(), u64::from(u32::MAX)).unwrap_or(0).max(MIN_SESSION)
}

/// What our 2xx to an INVITE or UPDATE agrees to (section 9, table 2). `wish`: the interval that we want, in seconds;
/// 0: none unless the other side asks. `before`: what was agreed on until now; whoever refreshed goes on.
pub fn answer(request: &Message, wish: u64, before: Option<Agreed>) -> Option<Agreed> {
    let supports = request.has_tag(Name::Supported, "timer");
    let min = min(request);
    match expires(request) {
        Some((asked, refresher)) => {
            // Never longer than asked for, never shorter than the shortest that they take.
            let interval = if wish == 0 { asked } else { asked.min(wish.max(min)) };
            let kept = before.map_or(Refresher::Client, |b| if b.ours { Refresher::Server } else { Refresher::Client });
            let refresher = if supports { refresher.unwrap_or(kept) } else { Refresher::Server };
            Some(Agreed { interval, ours: refresher == Refresher::Server })
        }
        None if supports && wish > 0 => {
            Some(Agreed { interval: wish.max(min), ours: before.is_some_and(|before| before.ours) })
        }
        None => None,
    }
}

/// What the other side's 2xx to our request agrees to. Without a refresher in it we are (section 7.2 asks for one).
pub fn learn(response: &Message) -> Option<Agreed> {
    let (interval, refresher) = expires(response)?;
    // An interval that nobody may ask for would have us refresh without end.
    Some(Agreed { interval: interval.max(MIN_SESSION), ours: refresher != Some(Refresher::Server) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Framing;

    fn message(lines: &str) -> Message {
        let text = format!("UPDATE sip:a@h SIP/2.0\r\n{lines}\r\n");
        Message::parse(text.into(), Framing::Datagram).expect("readable")
    }

    fn agreed(lines: &str, wish: u64) -> Option<(u64, bool)> {
        answer(&message(lines), wish, None).map(|agreed| (agreed.interval, agreed.ours))
    }

    #[test]
    fn the_table_of_rfc_4028_section_9() {
        assert_eq!(agreed("", 1800), None, "they know no timer and did not ask");
        assert_eq!(agreed("Supported: timer\r\n", 1800), Some((1800, false)), "we ask, they refresh");
        assert_eq!(agreed("Supported: timer\r\n", 0), None);
        assert_eq!(agreed("Session-Expires: 600\r\n", 1800), Some((600, true)), "a proxy asked: only we can refresh");
        let both = "Supported: 100rel, timer\r\n";
        assert_eq!(agreed(&format!("{both}x: 600;refresher=uas\r\n"), 1800), Some((600, true)));
        assert_eq!(agreed(&format!("{both}x: 600;refresher=uac\r\n"), 1800), Some((600, false)));
        assert_eq!(agreed(&format!("{both}x: 600\r\n"), 1800), Some((600, false)));
        assert_eq!(agreed(&format!("{both}x: 3600\r\n"), 1800), Some((1800, false)), "shorter than asked for");
        assert_eq!(agreed(&format!("{both}x: 3600\r\nMin-SE: 3000\r\n"), 1800), Some((3000, false)));
        assert_eq!(agreed(&format!("{both}x: 3600\r\n"), 0), Some((3600, false)));
    }

    #[test]
    fn a_refresh_keeps_its_refresher() {
        let before = Some(Agreed { interval: 600, ours: true });
        let request = message("Supported: timer\r\nSession-Expires: 600\r\n");
        assert_eq!(answer(&request, 1800, before), before);
    }

    #[test]
    fn responses_are_taken_with_care() {
        let learnt = |lines: &str| learn(&message(lines)).map(|agreed| (agreed.interval, agreed.ours));
        assert_eq!(learnt("Session-Expires: 1800;refresher=uas\r\n"), Some((1800, false)));
        assert_eq!(learnt("Session-Expires: 1800\r\n"), Some((1800, true)));
        assert_eq!(learnt("Session-Expires: 1\r\n"), Some((90, true)), "no storm of refreshes");
        assert_eq!(learnt("Session-Expires: x\r\n"), None);
        assert_eq!(min(&message("Min-SE: 120;x=y\r\n")), 120);
        assert_eq!(min(&message("Min-SE: 1\r\n")), 90);
    }

    #[test]
    fn when_what_is_due() {
        let agreed = Agreed { interval: 90, ours: true };
        assert_eq!((agreed.refresh_after().as_secs(), agreed.over_after().as_secs()), (45, 60));
        let agreed = Agreed { interval: 1800, ours: false };
        assert_eq!((agreed.over_after().as_secs(), agreed.in_request()), (1768, "1800;refresher=uas".to_owned()));
    }
}
