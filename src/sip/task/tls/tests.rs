//! Handshakes with a rustls client of the test's own, certificates made for each test; and the task with a real one.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::SystemTime;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;
use crate::sip::trunk::{ReadPassword, Trunk, Unlisted};
use crate::written::{Faults, Source};

#[path = "../../../../tests/house/certificates.rs"]
mod certificates;

use certificates::{Authority, Signed};

const LIMIT: Duration = Duration::from_secs(10);

type Files = HashMap<String, String>;

fn files<const N: usize>(list: [(&str, String); N]) -> Files {
    list.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
}

/// What the listener and one trunk `a` at 192.0.2.1 come to.
fn load(main: &str, trunk: &str, files: &Files) -> (Tls, Faults) {
    let faults = Faults::default();
    let main = Source::new("jiesu.toml", main);
    let config = main.read(&faults).map(Config::read).expect("TOML");
    let nothing: &ReadPassword<'_> = &|_| Err("is not there".into());
    let trunk = Source::new("trunks/a.toml", format!("addresses = [\"192.0.2.1\"]\n{trunk}"));
    let trunks = Trunks::read(&[trunk], Unlisted::Drop, &faults, nothing, &mut |_, _| ());
    let file = |name: &str| files.get(name).map(|text| text.clone().into_bytes()).ok_or_else(|| "not there".to_owned());
    (Tls::load(&config, &trunks, &file, &faults), faults)
}

const LISTENER: &str = "listen = [\"127.0.0.1:0\"]\ncertificate = \"us.pem\"\nkey = \"us.key\"\n";
const REQUIRED: &str = "[tls]\nca = \"ca.pem\"\nnames = [\"sbc1.example\", \"sbc2.example\"]\nrequired = true\n";
const CALLED: &str = "outbound = [\"tls:192.0.2.1:5061\"]\n[tls]\nca = \"ca.pem\"\n";

fn trunk() -> TrunkName {
    "a".into()
}

/// What our side comes to when this client calls.
async fn called(tls: &Tls, config: ClientConfig) -> Result<Option<TrunkName>, Refused> {
    let (near, far) = duplex(64 * 1024);
    let name = ServerName::try_from("us.example").expect("a name");
    let call = async {
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, far).await?;
        stream.read_u8().await // in TLS 1.3 the refusal of a certificate comes after the handshake
    };
    let trunk = trunk();
    let ours = async {
        let (mut stream, shown) = tls.accept(Some(&trunk), near, LIMIT).await?;
        stream.write_all(b"x").await?;
        stream.flush().await?;
        Ok(shown)
    };
    let (ours, theirs) = tokio::join!(ours, call);
    assert_eq!(ours.is_ok(), theirs.is_ok(), "{ours:?} {theirs:?}");
    ours
}

fn word<T: std::fmt::Debug>(result: Result<T, Refused>) -> &'static str {
    result.expect_err("it should be refused").reason()
}

#[tokio::test]
async fn a_caller_shows_the_certificate_of_its_trunk() {
    let (us, carrier, other) = (Authority::new("us"), Authority::new("carrier"), Authority::new("other"));
    let Signed { certificate, key } = us.sign("us.example");
    let files = files([("us.pem", certificate), ("us.key", key), ("ca.pem", carrier.pem())]);
    let (tls, faults) = load(LISTENER, REQUIRED, &files);
    assert!(faults.is_empty(), "{faults}");
    for name in ["sbc1.example", "sbc2.example"] {
        let shown = called(&tls, us.client(Some(&carrier.sign(name)))).await.expect("it is the trunk");
        assert_eq!(shown, Some(trunk()));
    }
    assert_eq!(word(called(&tls, us.client(None)).await), "tls_no_certificate");
    assert_eq!(word(called(&tls, us.client(Some(&carrier.sign("sbc3.example")))).await), "tls_wrong_name");
    assert_eq!(word(called(&tls, us.client(Some(&other.sign("sbc1.example")))).await), "tls_unknown_issuer");
    // Somebody who calls himself as the carrier's authority does.
    let impostor = Authority::new("carrier").sign("sbc1.example");
    assert_eq!(word(called(&tls, us.client(Some(&impostor))).await), "tls_bad_certificate");
    let old = carrier.sign_until("sbc1.example", (2021, 1, 1));
    assert_eq!(word(called(&tls, us.client(Some(&old))).await), "tls_expired");
    assert_eq!(word(called(&tls, other.client(Some(&carrier.sign("sbc1.example")))).await), "tls_alert");

    // A trunk that need not, and a listener that asks everybody.
    let (tls, _) = load(LISTENER, "", &files);
    assert_eq!(called(&tls, us.client(None)).await.expect("nothing is asked"), None);
    let (tls, faults) = load(&format!("{LISTENER}client_ca = \"ca.pem\"\n"), "", &files);
    assert!(faults.is_empty(), "{faults}");
    assert_eq!(word(called(&tls, us.client(None)).await), "tls_no_certificate");
    called(&tls, us.client(Some(&carrier.sign("any.example")))).await.expect("its authority is believed");
}

/// What our side comes to when it calls a server that shows this.
async fn calls(tls: &Tls, shows: Signed) -> Result<(), Refused> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("ring");
    let config = builder.with_no_client_auth().with_single_cert(shows.chain(), shows.private()).expect("they fit");
    let (near, far) = duplex(64 * 1024);
    let peer = IpAddr::from([192, 0, 2, 1]);
    let trunk = trunk();
    let (ours, _) = tokio::join!(
        tls.connect(&trunk, peer, near, LIMIT),
        TlsAcceptor::from(Arc::new(config)).accept(far) // what it thinks of our refusal is its own
    );
    ours.map(|_| ())
}

#[tokio::test]
async fn a_carrier_is_called_only_if_its_certificate_is_its_own() {
    let (us, carrier, other) = (Authority::new("us"), Authority::new("carrier"), Authority::new("other"));
    let Signed { certificate, key } = us.sign("us.example");
    let files = files([("us.pem", certificate), ("us.key", key), ("ca.pem", carrier.pem())]);
    let (tls, faults) = load(LISTENER, &format!("{CALLED}names = [\"sbc1.example\", \"sbc2.example\"]\n"), &files);
    assert!(faults.is_empty(), "{faults}");
    calls(&tls, carrier.sign("sbc1.example")).await.expect("its first name");
    calls(&tls, carrier.sign("sbc2.example")).await.expect("its second name");
    assert_eq!(word(calls(&tls, carrier.sign("192.0.2.1")).await), "tls_wrong_name");
    assert_eq!(word(calls(&tls, other.sign("sbc1.example")).await), "tls_unknown_issuer");
    assert_eq!(word(calls(&tls, carrier.sign_until("sbc1.example", (2021, 1, 1))).await), "tls_expired");
    // Without names it is the address that counts.
    let (tls, _) = load(LISTENER, CALLED, &files);
    calls(&tls, carrier.sign("192.0.2.1")).await.expect("the address");
    assert_eq!(word(calls(&tls, carrier.sign("192.0.2.2")).await), "tls_wrong_name");
    // Nobody said whom to believe.
    let (tls, _) = load(LISTENER, "", &files);
    assert_eq!(word(calls(&tls, carrier.sign("192.0.2.1")).await), "tls_unknown");
}

/// What our side says to bytes that are no handshake.
async fn says(tls: &Tls, bytes: &[u8]) -> &'static str {
    let (near, mut far): (DuplexStream, DuplexStream) = duplex(64 * 1024);
    far.write_all(bytes).await.expect("room");
    let limit = Duration::from_secs(3);
    let before = tokio::time::Instant::now();
    let word = word(tls.accept(None, near, limit).await.map(|_| ()));
    assert!(before.elapsed() <= limit);
    word
}

#[tokio::test(start_paused = true)]
async fn what_is_no_handshake_ends() {
    let us = Authority::new("us");
    let Signed { certificate, key } = us.sign("us.example");
    let (tls, _) = load(LISTENER, "", &files([("us.pem", certificate), ("us.key", key)]));
    assert_eq!(says(&tls, b"OPTIONS sip:a SIP/2.0\r\n\r\n").await, "tls_plain");
    // The first half of a ClientHello, and a record that promises more than comes.
    assert_eq!(says(&tls, &[0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3]).await, "tls_slow");
    assert_eq!(says(&tls, b"").await, "tls_slow");
    assert_eq!(says(&tls, &[0x16, 3, 1, 0xff, 0xff, 1, 2, 3]).await, "tls_bad_handshake");
    // An old SSL, which nothing is agreed on with.
    let old = [0x16, 3, 0, 0, 45, 1, 0, 0, 41, 3, 0];
    let hello = [&old[..], &[7; 32], &[0, 0, 2, 0, 5, 1, 0]].concat();
    assert!(["tls_incompatible", "tls_bad_handshake"].contains(&says(&tls, &hello).await));
    let (nothing, _) = load("", "", &Files::new());
    assert_eq!(says(&nothing, b"x").await, "tls_unready");
}

#[test]
fn every_bad_file_is_a_fault_where_it_is_named() {
    let (us, other) = (Authority::new("us"), Authority::new("other"));
    let Signed { certificate, key } = us.sign("us.example");
    let good = files([("us.pem", certificate), ("us.key", key), ("ca.pem", us.pem())]);
    let trunk = "[tls]\nca = \"ca.pem\"\ncertificate = \"us.pem\"\nkey = \"us.key\"\n";
    let (_, faults) = load(LISTENER, trunk, &good);
    assert!(faults.is_empty(), "{faults}");
    let with = |name: &str, text: Option<String>| {
        let mut files = good.clone();
        match text {
            Some(text) => drop(files.insert(name.to_owned(), text)),
            None => drop(files.remove(name)),
        }
        load(LISTENER, trunk, &files).1.to_string()
    };
    let of_another = other.sign("us.example").key;
    for (name, text, at, what) in [
        ("us.key", Some(of_another), "jiesu.toml:3:7: key", "is not the key of \"us.pem\""),
        ("us.key", Some("x".into()), "trunks/a.toml:5:7: tls.key", "holds no key"),
        ("us.key", None, "jiesu.toml:3:7: key", "not there"),
        ("us.pem", Some("x".into()), "jiesu.toml:2:15: certificate", "holds no certificate"),
        ("us.pem", None, "jiesu.toml:2:15: certificate", "not there"),
        ("ca.pem", Some("x".into()), "trunks/a.toml:3:6: tls.ca", "holds no certificate"),
        ("ca.pem", None, "trunks/a.toml:3:6: tls.ca", "not there"),
    ] {
        let faults = with(name, text);
        assert!(faults.contains(at) && faults.contains(what), "{name}: {what:?} at {at:?} is not in {faults}");
    }
    // Whoever cannot say who is believed believes nobody.
    let (tls, faults) = load(&format!("{LISTENER}client_ca = \"gone.pem\"\n"), "", &good);
    assert!(faults.len() == 1 && tls.server.is_none(), "{faults}");
    for (main, trunk, what) in [
        ("listen = [\"127.0.0.1:0\"]\n", "", "cannot be listened for"),
        ("", CALLED, "is not listened for"),
        ("", REQUIRED, "is not listened for"),
    ] {
        let (_, faults) = load(main, trunk, &good);
        assert!(faults.len() == 1 && faults.to_string().contains(what), "{faults}");
    }
}

#[test]
fn a_certificate_says_when_it_ends() {
    let us = Authority::new("us");
    let Signed { certificate, key } = us.sign_until("us.example", (2031, 5, 1));
    let (tls, faults) = load(LISTENER, "", &files([("us.pem", certificate), ("us.key", key)]));
    assert!(faults.is_empty(), "{faults}");
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_935_360_000); // date -d 2031-05-01Z +%s
    let [certificate] = tls.certificates() else { panic!("one is shown") };
    assert_eq!(certificate.ends, end);
    let said = |days: u64, after: bool| {
        let span = Duration::from_secs(days * 86_400 + 60);
        certificate.fault(if after { end + span } else { end - span }).map(|fault| fault.what)
    };
    assert_eq!(said(14, false), None);
    assert_eq!(said(13, false).as_deref(), Some("\"us.pem\" expires in 13 days"));
    assert_eq!(said(0, true).as_deref(), Some("\"us.pem\" has expired"));
}

#[test]
fn whose_certificate_is_wanted_where() {
    let trunk = |name: &str, outbound: &str| {
        let mut trunk = Trunk::new(name, vec!["192.0.2.0/24".parse().expect("a network")]);
        let address = outbound.parse().expect("an address");
        trunk.outbound = vec![Peer { address, transport: Transport::Tls }];
        trunk
    };
    let trunks = Trunks::new(vec![trunk("a", "192.0.2.1:5061"), trunk("b", "192.0.2.2:5061")], Unlisted::Drop);
    let at = |ip: u8, port: u16| Tls::trunk_at(&trunks, (Ipv4Addr::new(192, 0, 2, ip), port).into());
    assert_eq!(at(2, 5061).as_deref(), Some("b"));
    assert_eq!(at(2, 5062).as_deref(), Some("a"), "the first that lists the address");
    assert_eq!(Tls::trunk_at(&trunks, (Ipv4Addr::new(198, 51, 100, 1), 5061).into()), None);
}
