//! The client's side: which challenge to answer, and the answer.

use super::{Algorithm, Credentials, Fields, quoted, response};
use crate::sip::parse::trim;

/// A challenge that we can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    pub realm: Vec<u8>,
    pub algorithm: Algorithm,
    nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    /// It wants nc and cnonce.
    qop: bool,
    /// Only the nonce was too old: the credentials were right.
    pub stale: bool,
}

impl Challenge {
    /// One `WWW-Authenticate` or `Proxy-Authenticate`. `None`: another scheme, algorithm or quality of protection, or
    /// not well formed.
    pub fn parse(value: &[u8]) -> Option<Challenge> {
        let fields = Fields::parse(value)?;
        let algorithm = Algorithm::of(fields.get("algorithm"))?;
        let qop = match fields.get("qop") {
            None => false,
            Some(list) if list.split(|b| *b == b',').any(|qop| trim(qop).eq_ignore_ascii_case(b"auth")) => true,
            Some(_) => return None,
        };
        Some(Challenge {
            realm: fields.get("realm")?.to_vec(),
            algorithm,
            nonce: fields.get("nonce")?.to_vec(),
            opaque: fields.get("opaque").map(<[u8]>::to_vec),
            qop,
            stale: fields.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case(b"true")),
        })
    }

    /// The strongest of several that is for `realm` (`None`: any). A stranger's realm gets no answer (ES2021-05).
    pub fn choose<'a>(values: impl IntoIterator<Item = &'a [u8]>, realm: Option<&str>) -> Option<Challenge> {
        let fits = |challenge: &Challenge| realm.is_none_or(|realm| challenge.realm == realm.as_bytes());
        values.into_iter().filter_map(Challenge::parse).filter(fits).max_by_key(|challenge| challenge.algorithm)
    }

    /// The value of `Authorization` or `Proxy-Authorization`. `nc` counts the uses of this nonce from 1; `cnonce` is
    /// random.
    pub fn answer(&self, credentials: &Credentials, method: &str, uri: &str, nc: u32, cnonce: &str) -> String {
        let nc = format!("{nc:08x}");
        let count = self.qop.then_some((nc.as_bytes(), cnonce.as_bytes()));
        let digest =
            response(self.algorithm, credentials, &self.realm, &self.nonce, count, method.as_bytes(), uri.as_bytes());
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{digest}\", algorithm={}",
            quoted(credentials.user.as_bytes()),
            quoted(&self.realm),
            quoted(&self.nonce),
            quoted(uri.as_bytes()),
            self.algorithm.name(),
        );
        if self.qop {
            value += &format!(", qop=auth, nc={nc}, cnonce={}", quoted(cnonce.as_bytes()));
        }
        if let Some(opaque) = &self.opaque {
            value += &format!(", opaque={}", quoted(opaque));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mufasa() -> Credentials {
        Credentials { user: "Mufasa".into(), password: "Circle of Life".into() }
    }

    /// RFC 7616 section 3.9.1.
    #[test]
    fn the_examples_of_the_rfc() {
        let challenge = |algorithm: &str| {
            format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            )
        };
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let challenge = Challenge::parse(challenge(algorithm).as_bytes()).expect(algorithm);
            let answer = challenge.answer(&mufasa(), "GET", "/dir/index.html", 1, cnonce);
            assert!(answer.contains(&format!("response=\"{response}\"")), "{answer}");
            assert!(answer.contains("nc=00000001") && answer.contains("opaque=\"FQhe/"), "{answer}");
        }
    }

    /// RFC 2617 section 3.5 without qop, as old registrars ask.
    #[test]
    fn without_quality_of_protection() {
        let challenge =
            Challenge::parse(b"Digest realm=\"testrealm@host.com\",nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"")
                .expect("a challenge");
        let answer = challenge.answer(&mufasa(), "GET", "/dir/index.html", 1, "x");
        // MD5(MD5(Mufasa:testrealm@host.com:Circle of Life):nonce:MD5(GET:/dir/index.html)).
        let md5 = |parts: &[&str]| Algorithm::Md5.hash(&parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>());
        let a1 = md5(&["Mufasa", "testrealm@host.com", "Circle of Life"]);
        let expected = md5(&[&a1, "dcd98b7102dd2f0e8b11d0f600bfb0c093", &md5(&["GET", "/dir/index.html"])]);
        assert!(answer.contains(&format!("response=\"{expected}\"")) && !answer.contains("qop"), "{answer}");
    }

    #[test]
    fn the_strongest_of_the_right_realm() {
        let values: [&[u8]; 5] = [
            b"Digest realm=\"a\", nonce=\"1\", algorithm=MD5, qop=\"auth\"",
            b"digest realm=\"a\", nonce=\"2\", algorithm=sha-256, qop=\"auth\", stale=TRUE",
            b"Digest realm=\"a\", nonce=\"3\", algorithm=SHA-512-256, qop=\"auth\"",
            b"Digest realm=\"b\", nonce=\"4\", algorithm=SHA-256, qop=\"auth\"",
            b"Basic realm=\"a\"",
        ];
        let chosen = Challenge::choose(values, Some("a")).expect("one fits");
        assert_eq!((chosen.nonce.as_slice(), chosen.stale), (&b"2"[..], true));
        assert_eq!(Challenge::choose(values, Some("stranger")), None);
        assert_eq!(Challenge::choose([&b"Digest realm=\"a\", nonce=\"1\", qop=\"auth-int\""[..]], None), None);
        for bad in [
            "Digest",
            "Digest realm=\"a\"",
            "Digest nonce=\"a\", nonce=\"b\", realm=\"c\"",
            "Digest realm=\"a, nonce=\"b\"",
        ] {
            assert_eq!(Challenge::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_challenge_is_answered_in_one_line(value in proptest::collection::vec(any::<u8>(), 0..200), realm in "\\PC{0,20}") {
            let made = format!("Digest realm=\"{}\", nonce=\"\r\nEvil: 1\"", realm.replace(['"', '\\'], ""));
            for value in [value.as_slice(), made.as_bytes()] {
                if let Some(challenge) = Challenge::parse(value) {
                    let answer = challenge.answer(&mufasa(), "INVITE", "sip:x@h", 7, "c");
                    prop_assert!(!answer.contains(['\r', '\n']));
                }
            }
        }
    }
}
