//! Header names (RFC 3261 section 20 and later), long and compact, and methods.

use std::fmt;

macro_rules! names {
    ($($variant:ident = $long:literal $(, $short:literal)?;)*) => {
        /// A header that the code asks for; every other one is [`Name::Other`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Name { $($variant,)* Other }

        const NAMES: &[(Name, &str, Option<u8>)] = &[$((Name::$variant, $long, names!(@ $($short)?)),)*];
    };
    (@ $short:literal) => { Some($short) };
    (@) => { None };
}

names! {
    Via = "Via", b'v';
    From = "From", b'f';
    To = "To", b't';
    CallId = "Call-ID", b'i';
    CSeq = "CSeq";
    Contact = "Contact", b'm';
    MaxForwards = "Max-Forwards";
    ContentLength = "Content-Length", b'l';
    ContentType = "Content-Type", b'c';
    ContentEncoding = "Content-Encoding", b'e';
    Route = "Route";
    RecordRoute = "Record-Route";
    Require = "Require";
    ProxyRequire = "Proxy-Require";
    Supported = "Supported", b'k';
    Unsupported = "Unsupported";
    Allow = "Allow";
    Accept = "Accept";
    Expires = "Expires";
    Event = "Event", b'o';
    Diversion = "Diversion";
    HistoryInfo = "History-Info";
    AssertedIdentity = "P-Asserted-Identity";
    Reason = "Reason";
    RetryAfter = "Retry-After";
    Date = "Date";
    UserAgent = "User-Agent";
    Server = "Server";
    SessionExpires = "Session-Expires", b'x';
    MinSe = "Min-SE";
    Warning = "Warning";
    Authorization = "Authorization";
    RSeq = "RSeq";
    RAck = "RAck";
    ReferTo = "Refer-To", b'r';
    ReferredBy = "Referred-By", b'b';
    SubscriptionState = "Subscription-State";
    Privacy = "Privacy";
    UserToUser = "User-to-User";
    WwwAuthenticate = "WWW-Authenticate";
    ProxyAuthenticate = "Proxy-Authenticate";
    ProxyAuthorization = "Proxy-Authorization";
}

/// A long name's place in [`SLOTS`], from its length and its ends in any case.
const fn slot(text: &[u8]) -> Option<usize> {
    let [first, .., last] = text else { return None };
    let (first, last) = ((*first | 0x20) as usize, (*last | 0x20) as usize);
    Some((first * 7 + last * 31 + text.len() * 5) % 256)
}

const NONE: u8 = u8::MAX;

/// Every message has a score of names: they are looked up, not searched. Names that share a place stand side by side.
const SLOTS: [[u8; 4]; 256] = {
    let (mut slots, mut i) = ([[NONE; 4]; 256], 0);
    while i < NAMES.len() {
        let place = match slot(NAMES[i].1.as_bytes()) {
            Some(place) => place,
            None => panic!("a long name has two letters"),
        };
        let mut k = 0;
        while slots[place][k] != NONE {
            k += 1; // a fifth does not compile
        }
        slots[place][k] = i as u8;
        i += 1;
    }
    slots
};

/// In any case; without a way out in the middle, so that many bytes are compared at once.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differ = |a: &u8, b: &u8| a.to_ascii_lowercase() ^ b.to_ascii_lowercase();
    // As it stands in the RFCs, mostly.
    a == b || a.len() == b.len() && a.iter().zip(b).fold(0, |all, (a, b)| all | differ(a, b)) == 0
}

impl Name {
    /// The name that stands before the colon, in any case, long or compact.
    #[inline]
    pub fn read(text: &[u8]) -> Name {
        if let [letter] = text {
            let letter = letter.to_ascii_lowercase();
            return NAMES.iter().find(|(_, _, short)| *short == Some(letter)).map_or(Name::Other, |(name, ..)| *name);
        }
        let Some(slot) = slot(text) else { return Name::Other };
        let fits = |i: &&u8| same(NAMES[usize::from(**i)].1.as_bytes(), text);
        SLOTS[slot].iter().take_while(|i| **i != NONE).find(fits).map_or(Name::Other, |i| NAMES[usize::from(*i)].0)
    }

    /// The long form.
    pub fn as_str(self) -> &'static str {
        NAMES.get(self as usize).map_or("", |(_, long, _)| long)
    }
}

/// A request's method. Any token is one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Prack,
    Update,
    Info,
    Refer,
    Notify,
    Subscribe,
    Message,
    Publish,
    Other(Box<str>),
}

const METHODS: [(Method, &str); 14] = [
    (Method::Invite, "INVITE"),
    (Method::Ack, "ACK"),
    (Method::Bye, "BYE"),
    (Method::Cancel, "CANCEL"),
    (Method::Options, "OPTIONS"),
    (Method::Register, "REGISTER"),
    (Method::Prack, "PRACK"),
    (Method::Update, "UPDATE"),
    (Method::Info, "INFO"),
    (Method::Refer, "REFER"),
    (Method::Notify, "NOTIFY"),
    (Method::Subscribe, "SUBSCRIBE"),
    (Method::Message, "MESSAGE"),
    (Method::Publish, "PUBLISH"),
];

impl Method {
    /// `text` must be a token; methods are case-sensitive (RFC 3261 section 7.1).
    pub fn read(text: &[u8]) -> Method {
        match METHODS.iter().find(|(_, name)| name.as_bytes() == text) {
            Some((method, _)) => method.clone(),
            None => Method::Other(String::from_utf8_lossy(text).into()),
        }
    }

    pub fn as_str(&self) -> &str {
        match self {
            Method::Other(name) => name,
            known => METHODS.iter().find(|(method, _)| method == known).map_or("", |(_, name)| name),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_compact_and_unknown() {
        assert_eq!(Name::read(b"VIA"), Name::Via);
        assert_eq!(Name::read(b"V"), Name::Via);
        assert_eq!(Name::read(b"q"), Name::Other);
        assert_eq!(Name::read(b"X-Via"), Name::Other);
        for (name, long, short) in NAMES {
            assert_eq!((Name::read(long.as_bytes()), name.as_str()), (*name, *long));
            assert!(short.is_none_or(|s| Name::read(&[s]) == *name));
        }
    }

    #[test]
    fn methods_are_case_sensitive() {
        assert_eq!(Method::read(b"INVITE"), Method::Invite);
        assert_eq!(Method::read(b"invite").as_str(), "invite");
    }
}
