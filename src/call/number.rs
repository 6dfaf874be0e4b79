//! Who calls, as the call's record keeps it: believed as far as the trunk is, written in the trunk's one form.

use crate::sip::{Message, Name, Trunk};

/// The caller's number or address: of P-Asserted-Identity where the trunk is trusted with it (RFC 3325 section 9.1),
/// else of From; from the addr-spec only, never from the display name.
pub fn caller(request: &Message, trunk: Option<&Trunk>) -> Option<String> {
    let trusted = trunk.is_some_and(|trunk| trunk.trust_identity);
    let asserted = || request.addresses(Name::AssertedIdentity).filter_map(|address| address.ok()?.uri.number()).next();
    let number = trusted.then(asserted).flatten().or_else(|| request.from().ok()?.uri.number())?;
    Some(trunk.map_or_else(|| number.to_string(), |trunk| trunk.numbers.inward(&number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Framing;

    #[test]
    fn an_asserted_identity_counts_only_where_it_is_trusted() {
        let text = "INVITE sip:12345@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:anon@h>;tag=1\r\n\
            To: <sip:12345@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nP-Asserted-Identity: \"x\" <tel:+8613800001111>\r\n\r\n";
        let request = Message::parse(text.into(), Framing::Datagram).expect("valid");
        let mut trunk = Trunk::new("t", Vec::new());
        assert_eq!(caller(&request, Some(&trunk)).as_deref(), Some("anon"));
        trunk.trust_identity = true;
        assert_eq!(caller(&request, Some(&trunk)).as_deref(), Some("13800001111"));
        assert_eq!(caller(&request, None).as_deref(), Some("anon"));
    }
}
