//! Reason (RFC 3326; in responses RFC 6432): why a call ended, in SIP's or Q.850's numbers.

use std::fmt;

use super::message::Message;
use super::name::Name;
use super::parse::{Params, decimal, is_token};

/// How much of a text from outside is kept, in characters.
const MAX_TEXT: usize = 80;

/// Whose numbers `cause` counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    Sip,
    /// ITU-T Q.850, as ISUP and ISDN have it.
    Q850,
}

/// One value of a Reason header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    pub protocol: Protocol,
    pub cause: u16,
    pub text: Option<String>,
}

impl Reason {
    pub fn q850(cause: u16, text: &str) -> Reason {
        Reason { protocol: Protocol::Q850, cause, text: Some(text.to_owned()) }
    }

    pub fn sip(code: u16, text: &str) -> Reason {
        Reason { protocol: Protocol::Sip, cause: code, text: Some(text.to_owned()) }
    }

    /// The message's reason: Q.850's if there is one, because it says more; values that cannot be read are passed over.
    pub fn of(message: &Message) -> Option<Reason> {
        let mut all = message.list(Name::Reason).filter_map(Reason::parse);
        let first = all.next()?;
        if first.protocol == Protocol::Q850 {
            return Some(first);
        }
        Some(all.find(|reason| reason.protocol == Protocol::Q850).unwrap_or(first))
    }

    fn parse(text: &[u8]) -> Option<Reason> {
        let end = text.iter().position(|b| *b == b';').unwrap_or(text.len());
        let name = text[..end].trim_ascii();
        let protocol = if name.eq_ignore_ascii_case(b"Q.850") {
            Protocol::Q850
        } else if name.eq_ignore_ascii_case(b"SIP") {
            Protocol::Sip
        } else {
            return None;
        };
        let params = Params(&text[end..]);
        let most = if protocol == Protocol::Q850 { 127 } else { 699 };
        let cause = decimal(params.get("cause")?, most)? as u16;
        Some(Reason { protocol, cause, text: params.get("text").map(clean).filter(|text| !text.is_empty()) })
    }
}

/// A text of the other side without quotes and control characters, and not endless.
fn clean(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars().filter(|c| !c.is_control() && !"\"\\".contains(*c)).take(MAX_TEXT).collect()
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Sip => "SIP",
            Protocol::Q850 => "Q.850",
        };
        write!(f, "{protocol};cause={}", self.cause)?;
        match &self.text {
            Some(text) if is_token(text.as_bytes()) => write!(f, ";text={text}"),
            Some(text) => write!(f, ";text=\"{}\"", clean(text.as_bytes())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Framing;
    use proptest::prelude::*;

    fn of(value: &str) -> Option<String> {
        let text = format!("BYE sip:a@h SIP/2.0\r\nReason: {value}\r\n\r\n");
        let message = Message::parse(text.into(), Framing::Datagram).ok()?;
        Reason::of(&message).map(|reason| reason.to_string())
    }

    #[test]
    fn q850_is_preferred_and_nonsense_is_passed_over() {
        assert_eq!(
            of("Q.850;cause=16;text=\"Normal call clearing\"").as_deref(),
            Some("Q.850;cause=16;text=\"Normal call clearing\"")
        );
        assert_eq!(
            of("SIP ;cause=200 ;text=\"Call completed elsewhere\", q.850; cause=26").as_deref(),
            Some("Q.850;cause=26")
        );
        assert_eq!(of("SIP;cause=600;text=busy").as_deref(), Some("SIP;cause=600;text=busy"));
        assert_eq!(of("X.25;cause=1, Q.850;cause=128, Q.850, SIP;cause=x"), None);
    }

    proptest! {
        #[test]
        fn any_text_gives_one_line_that_reads_the_same(value in "\\PC{0,100}") {
            if let Some(once) = of(&value) {
                prop_assert!(!once.contains(['\r', '\n']));
                prop_assert_eq!(of(&once), Some(once.clone()));
            }
        }

        #[test]
        fn a_reason_of_ours_can_be_read(cause in 0_u16..128, text in "\\PC{1,60}") {
            let written = Reason::q850(cause, &text).to_string();
            prop_assert_eq!(of(&written).map(|r| r.starts_with("Q.850")), Some(true));
        }
    }
}
