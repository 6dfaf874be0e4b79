//! `[[backend]]` of jiesu.toml.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use crate::written::{Place, Table};

use super::{Backend, Error, Log, Plugged, Retry, Webhook};

/// One plugged system.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Its name in the outbox: rows of a backend that is renamed wait for the old name.
    pub name: String,
    pub kind: Kind,
    pub retry: Retry,
    /// Deliveries under way at the same time.
    pub at_once: usize,
    /// Where it is written, for faults.
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// JSON lines in a file, relative to the state folder.
    Log { file: PathBuf },
    /// POST of JSON.
    Webhook { url: Url, secret: SecretFrom, timeout: Duration },
}

/// Where the secret is. It never stands in a configuration file, a log or an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFrom {
    Environment(String),
    /// Also systemd's `LoadCredential=`.
    File(PathBuf),
}

impl Config {
    pub fn read(table: &mut Table<'_>) -> Config {
        let place = table.place().clone();
        let name = table.text("name").check(|name| {
            let good = (1..=32).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if good {
                Ok(name.clone())
            } else {
                Err(("is no name".to_owned(), "write 1 to 32 of a-z, 0-9 and -".to_owned()))
            }
        });
        let name = name.need("a name, as in name = \"city\"");
        let kinds = || ("is no kind of backend".to_owned(), "write \"log\" or \"webhook\"".to_owned());
        let kind = table.text("kind").check(|kind| match kind.as_str() {
            "log" | "webhook" => Ok(kind.clone()),
            _ => Err(kinds()),
        });
        let kind = match kind.need("kind = \"log\" or kind = \"webhook\"").as_str() {
            "webhook" => webhook(table),
            _ => Kind::Log { file: table.text("file").or("tickets.jsonl").into() },
        };
        Config {
            name,
            kind,
            retry: Retry {
                first: table.duration("first_wait").or("1s", "10ms".."1h"),
                longest: table.duration("longest_wait").or("15m", "100ms".."24h"),
                tries: table.int("tries").or(100, 1..100_000) as u32,
            },
            at_once: table.int("at_once").or(16, 1..1000) as usize,
            place,
        }
    }

    /// Builds it: its file is opened, its secret read. Nothing is sent.
    ///
    /// # Errors
    /// What the operator has to mend.
    pub fn plug(&self, state_dir: &Path) -> Result<Plugged, Error> {
        let backend: Arc<dyn Backend> = match &self.kind {
            Kind::Log { file } => Arc::new(Log::open(&self.name, state_dir.join(file))?),
            Kind::Webhook { url, secret, timeout } => {
                let secret = secret.read().map_err(|what| Error::Secret { name: self.name.clone(), what })?;
                Arc::new(Webhook::new(&self.name, url.clone(), secret, *timeout)?)
            }
        };
        Ok(Plugged { backend, retry: self.retry, at_once: self.at_once })
    }
}

fn webhook(table: &mut Table<'_>) -> Kind {
    // Paths are relative to the folder of the configuration; an absolute one stays as it is.
    let beside = table.place().file.parent().unwrap_or(Path::new("")).to_owned();
    let plain = table.flag("plain_http").or(false);
    let url = table.text("url").check(|text| {
        let url = Url::parse(text).map_err(|error| (error.to_string(), "write an https:// address".to_owned()))?;
        let local = url.host_str().is_some_and(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&host));
        match url.scheme() {
            "https" => Ok(Some(url)),
            "http" if local || plain => Ok(Some(url)),
            "http" => Err((
                "would send citizens' words in the clear".to_owned(),
                "write https://, or plain_http = true if the way there is protected otherwise".to_owned(),
            )),
            other => Err((format!("{other}: is not HTTP"), "write an https:// address".to_owned())),
        }
    });
    let url = url.need("the address that is posted to, as in url = \"https://city.example/tickets\"");
    let secret = match (table.text("secret_env").get(), table.text("secret_file").get()) {
        (Some(variable), None) => SecretFrom::Environment(variable),
        (None, Some(file)) => SecretFrom::File(beside.join(file)),
        (given, _) => {
            let what = if given.is_some() { "two secrets" } else { "no secret" };
            table.fault(
                "secret_env",
                what,
                "write either secret_env (an environment variable's name) or secret_file (a path)",
            );
            SecretFrom::Environment(String::new())
        }
    };
    // A fault stands already where there is no address.
    let nowhere = || Url::parse("http://localhost/").expect("it is an address");
    Kind::Webhook {
        url: url.unwrap_or_else(nowhere),
        secret,
        timeout: table.duration("timeout").or("10s", "100ms".."2m"),
    }
}

impl SecretFrom {
    fn read(&self) -> Result<Vec<u8>, String> {
        let secret = match self {
            SecretFrom::Environment(variable) => std::env::var(variable)
                .map_err(|_| format!("the environment variable {variable} is not set (or is no text); set it"))?
                .into_bytes(),
            SecretFrom::File(file) => {
                std::fs::read(file).map_err(|error| format!("{}: {error}; write the secret there", file.display()))?
            }
        };
        let secret = secret.trim_ascii().to_vec();
        if secret.len() < 16 { Err("it is shorter than 16 bytes; make a longer one".to_owned()) } else { Ok(secret) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::{Faults, Source};

    fn read(text: &str) -> (Vec<Config>, String) {
        let faults = Faults::default();
        let source = Source::new("etc/jiesu.toml", text);
        let mut table = source.read(&faults).expect("TOML");
        let configs: Vec<Config> = table
            .tables("backend")
            .into_iter()
            .map(|mut table| {
                let config = Config::read(&mut table);
                table.finish();
                config
            })
            .collect();
        super::super::check(&configs, &faults);
        (configs, faults.to_string())
    }

    #[test]
    fn both_kinds() {
        let (configs, faults) = read(
            "[[backend]]\nname = \"log\"\nkind = \"log\"\n\n[[backend]]\nname = \"city\"\nkind = \"webhook\"\n\
             url = \"https://city.example/t\"\nsecret_env = \"X\"\ntimeout = \"3s\"\ntries = 5\n",
        );
        assert_eq!(faults, "");
        assert_eq!(configs[0].kind, Kind::Log { file: "tickets.jsonl".into() });
        let Kind::Webhook { url, secret, timeout } = &configs[1].kind else { panic!("{configs:?}") };
        assert_eq!((url.as_str(), timeout.as_secs()), ("https://city.example/t", 3));
        assert_eq!((secret, configs[1].retry.tries), (&SecretFrom::Environment("X".into()), 5));
        assert_eq!(super::super::names(&configs), ["log", "city"]);
    }

    #[test]
    fn a_secret_lies_beside_the_configuration_or_where_it_says() {
        let of = |file: &str| {
            let text = format!(
                "[[backend]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"https://x/\"\nsecret_file = \"{file}\""
            );
            let (configs, faults) = read(&text);
            assert_eq!(faults, "");
            let Kind::Webhook { secret: SecretFrom::File(file), .. } = &configs[0].kind else { panic!("{configs:?}") };
            file.display().to_string()
        };
        assert_eq!(of("city.secret"), "etc/city.secret");
        assert_eq!(of("/run/credentials/city"), "/run/credentials/city");
    }

    #[test]
    fn every_fault_is_found_with_its_remedy() {
        let (_, faults) = read(
            "[[backend]]\nname = \"City Hall\"\nkind = \"fax\"\n\n[[backend]]\nname = \"a\"\nkind = \"webhook\"\n\
             url = \"http://city.example/\"\nsecret = \"hunter2\"\n\n[[backend]]\nname = \"a\"\nkind = \"log\"\n",
        );
        for expected in [
            "etc/jiesu.toml:2:8: backend[0].name: is no name",
            "etc/jiesu.toml:3:8: backend[0].kind: is no kind of backend",
            "etc/jiesu.toml:8:7: backend[1].url: would send citizens' words in the clear",
            "backend[1].secret_env: no secret",
            "backend[1].secret: unknown key",
            "\"a\" names two backends",
        ] {
            assert!(faults.contains(expected), "{expected} is missing in:\n{faults}");
        }
        assert!(!faults.contains("hunter2"), "a secret was shown:\n{faults}");
    }

    #[test]
    fn a_missing_secret_says_where_it_should_be() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        let missing = SecretFrom::File(file.clone()).read().expect_err("not there");
        assert!(missing.contains("write the secret there"), "{missing}");
        std::fs::write(&file, "short\n").expect("written");
        assert!(SecretFrom::File(file.clone()).read().expect_err("short").contains("16 bytes"));
        std::fs::write(&file, "0123456789abcdef\n").expect("written");
        assert_eq!(SecretFrom::File(file).read().as_deref(), Ok(&b"0123456789abcdef"[..]));
        let unset = SecretFrom::Environment("JIESU_TEST_IS_NOT_SET".into()).read().expect_err("not set");
        assert!(unset.contains("JIESU_TEST_IS_NOT_SET"), "{unset}");
    }
}
