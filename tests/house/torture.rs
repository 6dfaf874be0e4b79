//! The messages of RFC 4475 and RFC 5118 and what becomes of each.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Fit to be looked at: a call, an answer, or a method that we refuse for its own sake.
    Taken,
    Code(u16),
    /// Not a byte is answered.
    Silence,
}

use Verdict::{Code, Silence, Taken};

/// File, what becomes of it, and the section of the RFC.
pub const RFC4475: [(&str, Verdict, &str); 49] = [
    ("wsinv", Taken, "3.1.1.1"),
    ("intmeth", Taken, "3.1.1.2"),
    ("esc01", Taken, "3.1.1.3"),
    ("escnull", Taken, "3.1.1.4"),
    ("esc02", Taken, "3.1.1.5"),
    ("lwsdisp", Taken, "3.1.1.6"),
    ("longreq", Taken, "3.1.1.7"),
    ("dblreq", Taken, "3.1.1.8"),
    ("semiuri", Taken, "3.1.1.9"),
    ("transports", Taken, "3.1.1.10"),
    ("mpart01", Taken, "3.1.1.11"),
    ("unreason", Taken, "3.1.1.12"),
    ("noreason", Taken, "3.1.1.13"),
    ("badinv01", Code(400), "3.1.2.1"),
    ("clerr", Code(400), "3.1.2.2"),
    ("ncl", Code(400), "3.1.2.3"),
    ("scalar02", Code(400), "3.1.2.4"),
    ("scalarlg", Silence, "3.1.2.5"),
    ("quotbal", Code(400), "3.1.2.6"),
    ("ltgtruri", Code(400), "3.1.2.7"),
    ("lwsruri", Code(400), "3.1.2.8"),
    ("lwsstart", Code(400), "3.1.2.9"),
    ("trws", Taken, "3.1.2.10: may be taken; blanks at the end of a line are harmless"),
    ("escruri", Code(400), "3.1.2.11"),
    ("baddate", Taken, "3.1.2.12: may be taken; we do not read Date"),
    ("regbadct", Code(400), "3.1.2.13"),
    ("badaspec", Taken, "3.1.2.14: may be taken; the blanks are outside the URI"),
    ("baddn", Code(400), "3.1.2.15"),
    ("badvers", Code(505), "3.1.2.16"),
    ("mismatch01", Code(400), "3.1.2.17"),
    ("mismatch02", Code(400), "3.1.2.18: 501 or 400"),
    ("bigcode", Silence, "3.1.2.19"),
    ("badbranch", Taken, "3.2.1"),
    ("insuf", Code(400), "3.3.1"),
    ("unkscm", Code(416), "3.3.2"),
    ("novelsc", Code(416), "3.3.3"),
    ("unksm2", Taken, "3.3.4"),
    ("bext01", Code(420), "3.3.5"),
    ("invut", Code(415), "3.3.6"),
    ("regaut01", Taken, "3.3.7"),
    ("multi01", Code(400), "3.3.8"),
    ("mcl01", Code(400), "3.3.9"),
    ("bcast", Silence, "3.3.10"),
    ("zeromf", Taken, "3.3.11"),
    ("cparam01", Taken, "3.3.12"),
    ("cparam02", Taken, "3.3.13"),
    ("regescrt", Taken, "3.3.14"),
    ("sdp01", Taken, "3.3.15"),
    ("inv2543", Taken, "3.4.1"),
];

pub const RFC5118: [(&str, Verdict, &str); 12] = [
    ("ipv6-good", Taken, "4.1"),
    ("ipv6-bad", Code(400), "4.2"),
    ("port-ambiguous", Taken, "4.3"),
    ("port-unambiguous", Taken, "4.4"),
    ("via-received-param-with-delim", Taken, "4.5"),
    ("via-received-param-no-delim", Taken, "4.5"),
    ("ipv6-in-sdp", Taken, "4.6"),
    ("mult-ip-in-header", Taken, "4.7"),
    ("mult-ip-in-sdp", Taken, "4.8"),
    ("ipv4-mapped-ipv6", Taken, "4.9"),
    ("ipv6-bug-abnf-3-colons", Taken, "4.10"),
    ("ipv6-correct-abnf-2-colons", Taken, "4.10"),
];
