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

/// The first bytes of a name in words, lower case, padded with zeros; and the bits in which another text may not differ.
#[derive(Clone, Copy)]
struct Key {
    name: Name,
    length: usize,
    words: [u64; WORDS],
    counts: [u64; WORDS],
}

/// In so many words every long name stands.
const WORDS: usize = 3;
const BYTES: usize = WORDS * 8;

/// The word of the eight bytes from `at` on, the first one lowest.
const fn word(bytes: &[u8; BYTES], at: usize) -> u64 {
    let (mut word, mut i) = (0, 8);
    while i > 0 {
        i -= 1;
        word = word << 8 | bytes[at + i] as u64;
    }
    word
}

/// The lowest `length` bytes of a word.
const fn lowest(length: usize) -> u64 {
    if length >= 8 { u64::MAX } else { (1 << (8 * length)) - 1 }
}

const fn key(name: Name, long: &str) -> Key {
    let (text, mut bytes, mut i) = (long.as_bytes(), [0; BYTES], 0);
    assert!(text.len() >= 2 && text.len() <= BYTES);
    while i < text.len() {
        bytes[i] = text[i].to_ascii_lowercase();
        i += 1;
    }
    let mut key = Key { name, length: text.len(), words: [0; WORDS], counts: [0; WORDS] };
    i = 0;
    while i < WORDS {
        let word = word(&bytes, i * 8);
        // Letters alone have bit 6, and their case is bit 5; beside them names are made of hyphens.
        let case = (word & u64::from_le_bytes([0x40; 8])) >> 1;
        key.words[i] = word;
        key.counts[i] = lowest(text.len().saturating_sub(i * 8)) & !case;
        i += 1;
    }
    key
}

const FACTOR: u64 = 0x71e0_c07e_9e11_5e4b;

/// A long name's place in [`SLOTS`], from its length and its first word in any case.
const fn slot(first: u64, length: usize) -> usize {
    let folded = (first | u64::from_le_bytes([0x20; 8])) & lowest(length);
    // With this factor no two names share a place; a new name that does share one does not compile.
    ((folded ^ length as u64).wrapping_mul(FACTOR) >> 56) as usize
}

/// Every message has a score of names: they are looked up, not searched.
const SLOTS: [Key; 256] = {
    let nothing = Key { name: Name::Other, length: 0, words: [0; WORDS], counts: [0; WORDS] };
    let (mut slots, mut i) = ([nothing; 256], 0);
    while i < NAMES.len() {
        let key = key(NAMES[i].0, NAMES[i].1);
        let place = slot(key.words[0], key.length);
        assert!(slots[place].length == 0, "two names share a place: take another FACTOR");
        slots[place] = key;
        i += 1;
    }
    slots
};

impl Name {
    /// The name that stands before the colon, in any case, long or compact.
    pub fn read(text: &[u8]) -> Name {
        let mut bytes = [0; BYTES];
        match bytes.get_mut(..text.len()) {
            Some(begin) => begin.copy_from_slice(text),
            None => return Name::Other,
        }
        Name::at_start(&bytes, text.len())
    }

    /// As [`Name::read`], of the first `length` of these bytes; behind them may stand anything.
    #[inline]
    pub(super) fn at_start(bytes: &[u8; BYTES], length: usize) -> Name {
        if length <= 1 {
            return Name::short(bytes[0]).filter(|_| length == 1).unwrap_or(Name::Other);
        }
        let ([first, second, third], []) = bytes.as_chunks::<8>() else { return Name::Other };
        let words = [first, second, third].map(|bytes| u64::from_le_bytes(*bytes));
        let key = &SLOTS[slot(words[0], length)];
        let differs = |i: usize| (words[i] ^ key.words[i]) & key.counts[i];
        if key.length == length && differs(0) | differs(1) | differs(2) == 0 { key.name } else { Name::Other }
    }

    fn short(letter: u8) -> Option<Name> {
        let letter = letter.to_ascii_lowercase();
        NAMES.iter().find(|(_, _, short)| *short == Some(letter)).map(|(name, ..)| *name)
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
