//! Whether a caller wants to stay unknown (RFC 3323, RFC 3325), and how calls of ours say so.

use super::message::Message;
use super::name::Name;
use super::parse::split;

/// Our From where the caller is not to be known (RFC 3323 section 4.1.1.3).
pub const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

/// The value of Privacy in requests for such a caller (RFC 3325 section 9.3).
pub const ID: &str = "id";

/// The caller asks that nobody learns who it is: Privacy has `id`, `user` or `header`, or From is the anonymous one.
pub fn withheld(request: &Message) -> bool {
    let asked = |value: &[u8]| [&b"id"[..], b"user", b"header"].iter().any(|kind| value.eq_ignore_ascii_case(kind));
    // Values are parted by semicolons (RFC 3323 section 4.2); some write commas.
    let listed = request.list(Name::Privacy).flat_map(|item| split(item, b';')).any(asked);
    listed || request.from().is_ok_and(|from| from.uri.host.eq_ignore_ascii_case(b"anonymous.invalid"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Framing;

    fn hidden(from: &str, more: &str) -> bool {
        let text = format!("INVITE sip:a@h SIP/2.0\r\nFrom: {from};tag=1\r\n{more}\r\n");
        withheld(&Message::parse(text.into(), Framing::Datagram).expect("readable"))
    }

    #[test]
    fn each_way_of_asking() {
        let known = "\"x\" <sip:13800001111@h>";
        assert!(hidden("\"Anonymous\" <sip:anonymous@anonymous.invalid>", ""));
        for value in ["id", "user;critical", "header; ID", "none, id"] {
            assert!(hidden(known, &format!("Privacy: {value}\r\n")), "{value}");
        }
        for value in ["none", "critical", "session", "identity"] {
            assert!(!hidden(known, &format!("Privacy: {value}\r\n")), "{value}");
        }
        assert!(!hidden(known, "") && !hidden("\"id\" <sip:id@h>", ""));
    }
}
