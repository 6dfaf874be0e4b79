//! The grammar of `trunks/*.toml`.

use super::health;
use super::locate::{Place, Way};
use super::number::{Form, Rules};
use super::{Limits, Login, Peer, Trunk, Trunks, Unlisted, Users};
use crate::sip::auth::{Algorithm, Credentials};
use crate::sip::endpoint::Transport;
use crate::sip::registration::Wanted;
use crate::written::{Faults, Source, Table, Written};

/// Where a password is. It never stands in a configuration file, a log or an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordFrom {
    /// A file whose first line it is; relative to the configuration folder.
    File(String),
    /// A variable of the environment.
    Environment(String),
}

/// Fetches a password, or says what is wrong.
pub type ReadPassword<'a> = dyn Fn(&PasswordFrom) -> Result<String, String> + 'a;

/// Takes from the file of the trunk with this name what is not SIP's.
pub type ReadMore<'a> = dyn FnMut(&str, &mut Table<'_>) + 'a;

impl Trunks {
    /// Reads `trunks/*.toml`, one trunk a file, named after it. A file with `disabled = true` is checked and not used.
    pub fn read(
        sources: &[Source],
        unlisted: Unlisted,
        faults: &Faults,
        password: &ReadPassword<'_>,
        more: &mut ReadMore<'_>,
    ) -> Trunks {
        let mut list = Vec::new();
        for source in sources {
            let Some(mut table) = source.read(faults) else { continue };
            let name = source.file().file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let disabled = table.flag("disabled").or(false);
            // The passwords of a trunk that is not used need not be there.
            let unread = |_: &PasswordFrom| Ok(String::new());
            let trunk = trunk(&name, &mut table, if disabled { &unread } else { password });
            more(&name, &mut table);
            table.finish();
            if !disabled {
                list.push(trunk);
            }
        }
        Trunks::new(list, unlisted)
    }
}

fn trunk(name: &str, table: &mut Table<'_>, password: &ReadPassword<'_>) -> Trunk {
    let (networks, listed) = addresses(table);
    let mut trunk = Trunk::new(name, networks);
    trunk.listed = listed;
    let called = table.has("outbound");
    trunk.ways = outbound(table);
    trunk.outbound = trunk.ways.iter().filter_map(Way::at).collect();
    trunk.silence = table.duration("silence").or("4s", "500ms".."32s");
    if let Some(mut keepalive) = table.table("keepalive") {
        trunk.keepalive = Some(health::Settings::read(&mut keepalive));
        keepalive.finish();
    }
    if let Some(mut register) = table.table("register") {
        trunk.register = Some(Wanted::read(&mut register));
        register.finish();
    }
    for (key, asks) in [("keepalive", trunk.keepalive.is_some()), ("register", trunk.register.is_some())] {
        if asks && !called {
            table.fault(key, "has nobody to ask", "write outbound = [\"ADDRESS:PORT\"], or remove the table");
        }
    }
    trunk.trust_identity = table.flag("trust_identity").or(false);
    if let Some(mut limits) = table.table("limits") {
        trunk.limits = Limits {
            calls: limits.has("calls").then(|| limits.int("calls").or(1000, 1..100_000) as usize),
            per_second: limits.has("per_second").then(|| limits.int("per_second").or(100, 1..100_000) as u32),
        };
        limits.finish();
    }
    if let Some(mut numbers) = table.table("numbers") {
        trunk.numbers = rules(&mut numbers);
        numbers.finish();
    }
    if let Some(mut login) = table.table("login") {
        let realm = login.text("realm").check(|text| filled(text)).need("the realm that the carrier's challenge names");
        let credentials = credentials(&mut login, "user", password);
        login.finish();
        trunk.login = credentials.map(|credentials| Login { realm, credentials });
    }
    let tls = table.table("tls");
    secured(&trunk.ways, tls.is_some(), table);
    trunk.tls = tls.and_then(super::tls::read);
    required(&trunk, table);
    let realm = table.text("realm").check(|text| filled(text)).or("jiesu");
    let algorithms = algorithms(table);
    let users = table.tables("user");
    if !users.is_empty() {
        let read = |mut user: Table<'_>| {
            let one = credentials(&mut user, "name", password);
            user.finish();
            one
        };
        trunk.users = Some(Users { realm, algorithms, list: users.into_iter().filter_map(read).collect() });
    }
    trunk
}

/// Whom we call over TLS has to be known.
fn secured(ways: &[Way], known: bool, table: &Table<'_>) {
    if !known && ways.iter().any(|way| way.transport() == Some(Transport::Tls)) {
        let remedy = "write [tls] with ca = \"FILE\": whose certificates are believed";
        table.fault("tls", "missing: `outbound` has an address with tls:", remedy);
    }
}

/// Who must come over TLS is not called in the clear.
fn required(trunk: &Trunk, table: &Table<'_>) {
    if trunk.must_be_secured() && trunk.ways.iter().any(|way| way.transport() != Some(Transport::Tls)) {
        let remedy = "write \"tls:ADDRESS:PORT\" for each, or remove tls.required";
        table.fault("outbound", "has an address without tls:, though tls.required", remedy);
    }
    // DNS says the address, and anybody may be DNS: the certificate must be for a name that stands here (RFC 5922).
    let named = |way: &Way| matches!(way, Way::Named(place) if place.transport == Some(Transport::Tls));
    if trunk.tls.as_ref().is_some_and(|tls| tls.names.is_empty()) && trunk.ways.iter().any(named) {
        let remedy = "write names = [\"NAME IN THE CERTIFICATE\"] into [tls]";
        table.fault("outbound", "has a name with tls:, and tls.names is missing", remedy);
    }
}

fn filled(text: &str) -> Result<String, (String, String)> {
    let good = !text.trim().is_empty() && text.chars().all(|c| !c.is_control());
    good.then(|| text.to_owned()).ok_or_else(|| ("is empty".to_owned(), "write a text or remove the key".to_owned()))
}

/// `["192.0.2.0/24", "2001:db8::1", "srv:carrier.example"]`
fn addresses(table: &mut Table<'_>) -> (Vec<super::Cidr>, Vec<Place>) {
    let faults = table.faults().clone();
    let missing = !table.has("addresses");
    let written = table.texts("addresses").need_written("a list such as [\"192.0.2.0/24\", \"2001:db8::1\"]");
    if written.value.is_empty() && !missing {
        faults.at(&written.place, &written.key, "lists nothing", "write at least one address, or remove the file");
    }
    let mut names = Vec::new();
    let mut read = |item: &Written<String>| match item.value.parse() {
        _ if item.value.starts_with("srv:") => {
            match Place::parse(&item.value["srv:".len()..], None) {
                Some(place) => names.push(place),
                None => {
                    let what = format!("\"{}\" is not a name", item.value);
                    faults.at(&item.place, &item.key, what, "write for example \"srv:carrier.example\"");
                }
            }
            None
        }
        Ok(net) => Some(net),
        Err(error) => {
            let what = format!("\"{}\" is {error}", item.value);
            faults.at(&item.place, &item.key, what, "write for example \"192.0.2.0/24\" or \"2001:db8::1\"");
            None
        }
    };
    let networks = written.value.iter().filter_map(&mut read).collect();
    (networks, names)
}

/// `["192.0.2.10:5060", "tcp:192.0.2.11:5060", "carrier.example"]`
fn outbound(table: &mut Table<'_>) -> Vec<Way> {
    let faults = table.faults().clone();
    let Some(written) = table.texts("outbound").written() else { return Vec::new() };
    let read = |item: &Written<String>| {
        let (transport, address) = match item.value.split_at_checked(4) {
            Some(("tcp:", rest)) => (Transport::Tcp, rest),
            Some(("tls:", rest)) => (Transport::Tls, rest),
            Some(("udp:", rest)) => (Transport::Udp, rest),
            _ => (Transport::Udp, item.value.as_str()),
        };
        let place = if item.place.line > 0 { &item.place } else { &written.place };
        let Ok(address) = address.parse() else {
            // A transport that is not written is NAPTR's to say.
            let wanted = item.value.contains(&format!(":{address}")).then_some(transport);
            if let Some(place) = Place::parse(address, wanted) {
                return Some(Way::Named(place));
            }
            let what = format!("\"{}\" is neither an address with a port nor a name", item.value);
            faults.at(place, &written.key, what, "write for example \"192.0.2.10:5060\" or \"tcp:[2001:db8::1]:5060\"");
            return None;
        };
        Some(Way::At(Peer { address, transport }))
    };
    written.value.iter().filter_map(read).collect()
}

/// `["SHA-256", "MD5"]`
fn algorithms(table: &mut Table<'_>) -> Vec<Algorithm> {
    let faults = table.faults().clone();
    let Some(written) = table.texts("digest").written() else { return Algorithm::ALL.to_vec() };
    let mut list = Vec::new();
    for item in &written.value {
        match Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == item.value) {
            Some(algorithm) => list.push(algorithm),
            None => {
                let what = format!("\"{}\" is not known", item.value);
                faults.at(&written.place, &written.key, what, "write \"SHA-256\", \"MD5\" or both");
            }
        }
    }
    if written.value.is_empty() {
        faults.at(&written.place, &written.key, "lists nothing", "write \"SHA-256\", \"MD5\" or both");
    }
    list
}

fn rules(table: &mut Table<'_>) -> Rules {
    let usual = Rules::default();
    let area = table.text("area").check(|text| {
        let good = (3..=4).contains(&text.len()) && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
        let bad = || (format!("\"{text}\" is no area code"), "write it with its 0, for example \"010\"".to_owned());
        good.then(|| text.to_owned()).ok_or_else(bad)
    });
    let form = table.text("out").check(|text| {
        Form::read(text).ok_or_else(|| {
            (format!("\"{text}\" is not known"), "write \"national\", \"local\", \"plus\" or \"00\"".to_owned())
        })
    });
    Rules { area: area.get().or(usual.area), out: form.get().unwrap_or(usual.out) }
}

/// A name under `key` and a password from a file or the environment.
fn credentials(table: &mut Table<'_>, key: &str, password: &ReadPassword<'_>) -> Option<Credentials> {
    let user = table.text(key).check(|text| filled(text)).need("the name that goes with the password");
    let file = table.text("password_file").check(|text| filled(text)).written();
    let variable = table.text("password_env").check(|text| filled(text)).written();
    let from = match (file, variable) {
        (Some(file), None) => file.map(PasswordFrom::File),
        (None, Some(variable)) => variable.map(PasswordFrom::Environment),
        (None, None) => {
            table.fault("password_file", "missing", "write password_file = \"NAME\" or password_env = \"NAME\"");
            return None;
        }
        (Some(_), Some(_)) => {
            table.fault("password_file", "stands beside password_env", "write one of the two");
            return None;
        }
    };
    match password(&from.value) {
        Ok(password) => Some(Credentials { user, password }),
        Err(what) => {
            table.faults().at(&from.place, &from.key, what, "put the password there, readable for the daemon alone");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sources: &[Source], faults: &Faults) -> Trunks {
        let password = |from: &PasswordFrom| match from {
            PasswordFrom::File(name) if name == "good" => Ok("s3cret".to_owned()),
            _ => Err("is not there".to_owned()),
        };
        Trunks::read(sources, Unlisted::Drop, faults, &password, &mut |_, _| ())
    }

    #[test]
    fn a_whole_trunk() {
        let faults = Faults::default();
        let text = "addresses = [\"192.0.2.0/24\"]\noutbound = [\"192.0.2.10:5060\", \"tcp:[2001:db8::1]:5062\"]\n\
            trust_identity = true\n[limits]\ncalls = 30\nper_second = 5\n[numbers]\narea = \"010\"\nout = \"plus\"\n\
            [login]\nrealm = \"c\"\nuser = \"u\"\npassword_file = \"good\"\n\
            [[user]]\nname = \"pbx\"\npassword_file = \"good\"\n";
        let trunks = read(&[Source::new("trunks/a.toml", text)], &faults);
        assert!(faults.is_empty(), "{faults}");
        let trunk = trunks.get("a").expect("it is named after its file");
        assert_eq!(trunk.limits, Limits { calls: Some(30), per_second: Some(5) });
        assert_eq!((trunk.outbound.len(), trunk.outbound[1].transport), (2, Transport::Tcp));
        assert_eq!(trunks.of("2001:db8::1".parse().unwrap()).map(|name| &**name), Some("a"), "outbound is listed too");
        assert_eq!(trunk.users.as_ref().map(|users| (users.realm.as_str(), users.list.len())), Some(("jiesu", 1)));
        assert!(trunk.trust_identity && !format!("{trunk:?}").contains("s3cret"));
    }

    #[test]
    fn tls_must_fit_the_addresses() {
        for (outbound, tls, count) in [
            ("tls:192.0.2.10:5061", "[tls]\nca = \"ca.pem\"\n", 0),
            ("tls:192.0.2.10:5061", "", 1),
            ("tls:carrier.example", "[tls]\nca = \"ca.pem\"\nnames = [\"a.example\"]\nrequired = true\n", 0),
            ("tls:carrier.example", "[tls]\nca = \"ca.pem\"\n", 1),
            ("tls:carrier.example", "", 1),
            ("carrier.example", "[tls]\nca = \"ca.pem\"\nnames = [\"a.example\"]\nrequired = true\n", 1),
            ("tcp:192.0.2.10:5060", "[tls]\nca = \"ca.pem\"\nnames = [\"a.example\"]\nrequired = true\n", 1),
        ] {
            let faults = Faults::default();
            let text = format!("addresses = [\"192.0.2.0/24\"]\noutbound = [\"{outbound}\"]\n{tls}");
            read(&[Source::new("trunks/a.toml", &text)], &faults);
            assert_eq!(faults.len(), count, "{text}: {faults}");
        }
    }

    #[test]
    fn every_fault_of_a_trunk_and_a_disabled_one_needs_no_password() {
        let faults = Faults::default();
        let text = "addresses = [\"192.0.2.0/24\"]\noutbound = [\"carrier\"]\n[numbers]\narea = \"10\"\nout = \"x\"\n\
            [limits]\ncalls = 0\n[login]\nuser = \"u\"\n[[user]]\nname = \"n\"\npassword_file = \"gone\"\nx = 1\n";
        read(&[Source::new("trunks/a.toml", text)], &faults);
        assert_eq!(faults.len(), 8, "{faults}");
        let faults = Faults::default();
        let text = "disabled = true\naddresses = [\"192.0.2.1\"]\n[[user]]\nname = \"n\"\npassword_env = \"GONE\"\n";
        assert!(read(&[Source::new("trunks/a.toml", text)], &faults).is_empty());
        assert!(faults.is_empty(), "{faults}");
    }

    #[test]
    fn names_stand_where_addresses_stand() {
        let faults = Faults::default();
        let text = "addresses = [\"srv:carrier.example\", \"192.0.2.1\"]\n\
            outbound = [\"192.0.2.1:5060\", \"tcp:Carrier.example\", \"carrier.example:5070\", \"carrier.example\"]\n\
            [keepalive]\n[register]\nuser = \"u\"\n";
        let trunks = read(&[Source::new("trunks/a.toml", text)], &faults);
        assert!(faults.is_empty(), "{faults}");
        let trunk = trunks.get("a").expect("it is named after its file");
        let named = |port, transport| Way::Named(Place { host: "carrier.example".into(), port, transport });
        assert_eq!(trunk.ways[1..], [named(None, Some(Transport::Tcp)), named(Some(5070), None), named(None, None)]);
        assert_eq!((trunk.outbound.len(), trunks.places().len()), (1, 3));
        // What is known of them comes in their places.
        let mut answers = crate::sip::trunk::locate::Answers::default();
        let peer = |last| Peer { address: ([192, 0, 2, last], 5060).into(), transport: Transport::Udp };
        answers.learn(&Place { host: "carrier.example".into(), port: None, transport: None }, vec![peer(7), peer(8)]);
        let located = trunks.located(&answers);
        let trunk = located.get("a").expect("still there");
        assert_eq!(trunk.outbound, [peer(1), peer(7), peer(8)]);
        assert!(
            located.of("192.0.2.8".parse().unwrap()).is_some() && trunks.of("192.0.2.8".parse().unwrap()).is_none()
        );

        for (text, count) in [
            ("addresses = [\"srv:carrier\"]\n", 1),
            ("addresses = [\"192.0.2.1\"]\n[keepalive]\n[register]\nuser = \"u\"\n", 2),
            ("addresses = [\"192.0.2.1\"]\noutbound = [\"a.b\"]\n[register]\nuser = \"a b\"\nexpires = \"1s\"\n", 2),
            ("addresses = [\"192.0.2.1\"]\noutbound = [\"a.b\"]\n[register]\n[keepalive]\nevry = 1\n", 2),
        ] {
            let faults = Faults::default();
            read(&[Source::new("trunks/a.toml", text)], &faults);
            assert_eq!(faults.len(), count, "{text}: {faults}");
        }
    }

    #[test]
    fn an_empty_list_is_a_fault_of_each_file() {
        let faults = Faults::default();
        let sources = ["a", "b"].map(|name| Source::new(format!("trunks/{name}.toml"), "addresses = []\n"));
        read(&sources, &faults);
        read(&[Source::new("trunks/c.toml", "\n")], &faults);
        assert_eq!(faults.len(), 3, "{faults}");
    }

    #[test]
    fn every_bad_address_is_a_fault() {
        let faults = Faults::default();
        let source = Source::new("trunks/a.toml", "addresses = [\"192.0.2.0/24\", \"x\", \"y\"]\n");
        let trunks = read(&[source], &faults);
        assert_eq!(faults.len(), 2, "{faults}");
        assert_eq!(trunks.of("192.0.2.1".parse().unwrap()).map(|n| &**n), Some("a"));
    }
}
