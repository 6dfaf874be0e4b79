//! `[tls]` of a trunk: by what certificates it is known, and which of ours it is shown.
//!
//! Words only: who reads the files and does the sums is [`crate::sip::task`].

use crate::written::{Table, Written};

/// How a trunk and we know each other over TLS (RFC 5922).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Who signs the trunk's certificates: a file of PEM, one or more authorities.
    pub ca: Written<String>,
    /// The trunk's certificate is for one of these names. Where there is none, an address that we call must have a
    /// certificate for that address.
    pub names: Vec<Written<String>>,
    /// What we show when it asks who we are.
    pub ours: Option<Identity>,
    /// Its requests are taken over TLS alone, and only with such a certificate.
    pub required: bool,
}

/// A certificate and its key: files of PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Our certificate first, then those that lead to its authority.
    pub certificate: Written<String>,
    pub key: Written<String>,
}

/// Reads the table.
pub(super) fn read(mut table: Table<'_>) -> Option<Tls> {
    let faults = table.faults().clone();
    let complete = table.has("ca");
    let ca = table.text("ca").need_written("the file (PEM) of whoever signs this trunk's certificates");
    let names = table.texts("names").written();
    let names: Vec<Written<String>> = names.map_or_else(Vec::new, |list| {
        let place = |item: Written<String>| match item.place.line {
            0 => Written { place: list.place.clone(), ..item }, // one text instead of a list
            _ => item,
        };
        list.value.into_iter().map(place).collect()
    });
    let ours = Identity::read(&mut table);
    let required = table.flag("required").or(false);
    if required && names.is_empty() {
        // Every customer of a public authority has a certificate that it signed.
        table.fault("required", "needs `names`", "write names = [\"NAME IN THE CERTIFICATE\"]");
    }
    for name in names.iter().filter(|name| !is_host(&name.value)) {
        let what = format!("\"{}\" is not a host's name", name.value);
        faults.at(&name.place, &name.key, what, "write it as in the certificate, for example \"sbc.carrier.example\"");
    }
    table.finish();
    complete.then_some(Tls { ca, names, ours, required })
}

impl Identity {
    /// `certificate` and `key`: both or none.
    pub fn read(table: &mut Table<'_>) -> Option<Identity> {
        match (table.text("certificate").written(), table.text("key").written()) {
            (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
            (None, None) => None,
            (Some(_), None) => {
                table.fault("key", "missing beside `certificate`", "write key = \"FILE\"");
                None
            }
            (None, Some(_)) => {
                table.fault("certificate", "missing beside `key`", "write certificate = \"FILE\"");
                None
            }
        }
    }
}

fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.parse::<std::net::IpAddr>().is_ok() || (name.len() <= 253 && name.split('.').all(label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::{Faults, Source};

    fn of(text: &str) -> (Option<Tls>, Faults) {
        let faults = Faults::default();
        let source = Source::new("trunks/a.toml", text);
        let read = source.read(&faults).and_then(super::read);
        (read, faults)
    }

    #[test]
    fn a_whole_table_and_the_least() {
        let (tls, faults) = of("ca = \"ca.pem\"\nnames = [\"sbc.carrier.example\", \"192.0.2.1\"]\nrequired = true\n\
            certificate = \"us.pem\"\nkey = \"us.key\"\n");
        assert!(faults.is_empty(), "{faults}");
        let tls = tls.expect("it is whole");
        assert!(tls.required && tls.names.len() == 2 && tls.ours.is_some_and(|ours| ours.key.value == "us.key"));
        let (tls, faults) = of("ca = \"ca.pem\"\n");
        assert!(faults.is_empty() && tls.is_some_and(|tls| !tls.required && tls.ours.is_none()));
    }

    #[test]
    fn every_fault() {
        for (text, count) in [
            ("", 1),
            ("ca = \"a\"\nkey = \"k\"\n", 1),
            ("ca = \"a\"\ncertificate = \"c\"\n", 1),
            ("ca = \"a\"\nrequired = true\n", 1),
            ("ca = \"a\"\nnames = [\"sip:x\", \"a..b\", \"-a\"]\n", 3),
            ("ca = \"a\"\nverify = false\n", 1),
        ] {
            let (_, faults) = of(text);
            assert_eq!(faults.len(), count, "{text}: {faults}");
        }
    }
}
