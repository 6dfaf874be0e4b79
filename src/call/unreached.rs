//! Why nobody was reached, in the words of a log, a figure or a flow: from SIP's code and, where the network tells it,
//! Q.850's cause, which says more (RFC 6432, RFC 3398 section 8.2.6.1).

use crate::sip::Reason;
use crate::sip::reason::Protocol;

/// Why there is no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unreached {
    Busy,
    /// It rang, and nobody came.
    NoAnswer,
    /// The number is good; its telephone is off, or away.
    Unreachable,
    /// Somebody, or the network, did not want to.
    Refused,
    /// Nobody has this number.
    WrongNumber,
    /// The way there is broken or full.
    Network,
}

impl Unreached {
    /// `code` is the final response's; `cause` the Reason in it.
    pub fn of(code: u16, cause: Option<&Reason>) -> Unreached {
        let told =
            cause.filter(|cause| cause.protocol == Protocol::Q850).and_then(|cause| Unreached::of_q850(cause.cause));
        told.unwrap_or_else(|| Unreached::of_sip(code))
    }

    fn of_sip(code: u16) -> Unreached {
        match code {
            404 | 410 | 416 | 484 | 485 | 604 => Unreached::WrongNumber,
            486 | 600 => Unreached::Busy,
            // 487: our own CANCEL, after it rang for as long as it may.
            408 | 487 => Unreached::NoAnswer,
            430 | 480 => Unreached::Unreachable,
            482 | 483 | 500 | 502..=504 | 513 | 580 => Unreached::Network,
            _ => Unreached::Refused,
        }
    }

    /// `None`: the cause says nothing that SIP's code does not say better (16 and 31, normal; 127, interworking).
    fn of_q850(cause: u16) -> Option<Unreached> {
        Some(match cause {
            1 | 22 | 28 => Unreached::WrongNumber,
            17 => Unreached::Busy,
            18 | 19 => Unreached::NoAnswer,
            20 | 27 => Unreached::Unreachable,
            21 | 29 | 50..=79 | 87 | 88 => Unreached::Refused,
            2 | 3 | 6 | 25 | 34 | 38..=47 | 95..=102 | 111 => Unreached::Network,
            _ => return None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Unreached::Busy => "busy",
            Unreached::NoAnswer => "no_answer",
            Unreached::Unreachable => "unreachable",
            Unreached::Refused => "refused",
            Unreached::WrongNumber => "wrong_number",
            Unreached::Network => "network",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_carriers_say() {
        for (code, cause, means) in [
            (486, None, Unreached::Busy),
            (600, None, Unreached::Busy),
            (480, None, Unreached::Unreachable),
            (404, None, Unreached::WrongNumber),
            (604, None, Unreached::WrongNumber),
            (487, None, Unreached::NoAnswer),
            (603, None, Unreached::Refused),
            (302, None, Unreached::Refused),
            (503, None, Unreached::Network),
            // The gateway knows more than its code says.
            (480, Some(17), Unreached::Busy),
            (480, Some(19), Unreached::NoAnswer),
            (480, Some(20), Unreached::Unreachable),
            (500, Some(1), Unreached::WrongNumber),
            (403, Some(34), Unreached::Network),
            (404, Some(21), Unreached::Refused),
            // And sometimes nothing.
            (486, Some(16), Unreached::Busy),
            (404, Some(31), Unreached::WrongNumber),
            (480, Some(127), Unreached::Unreachable),
        ] {
            let reason = cause.map(|cause| Reason::q850(cause, ""));
            assert_eq!(Unreached::of(code, reason.as_ref()), means, "{code} {cause:?}");
        }
        // SIP's own number in Reason is the code of another branch, not a cause.
        assert_eq!(Unreached::of(480, Some(&Reason::sip(17, ""))), Unreached::Unreachable);
    }
}
