//! Certificates and keys out of files that were read, checked: every fault at the key that names the file.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, ClientConfig, Error, RootCertStore, ServerConfig};

use super::names::{AnyOf, Names};
use super::{Asked, Config, Far, Tls};
use crate::sip::endpoint::Transport;
use crate::sip::trunk::tls::Identity;
use crate::sip::trunk::{Trunk, Trunks};
use crate::written::{Fault, Faults, Written};

/// Reads a file that the configuration names, or says what is wrong.
pub type ReadFile<'a> = dyn Fn(&str) -> Result<Vec<u8>, String> + 'a;

/// A certificate of ours.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Where its file is named.
    pub written: Written<String>,
    pub ends: SystemTime,
}

impl Certificate {
    /// What is wrong with showing it at `now`, or soon after.
    pub fn fault(&self, now: SystemTime) -> Option<Fault> {
        let what = match self.ends.duration_since(now) {
            Ok(left) if left > SOON => return None,
            Ok(left) => format!("\"{}\" expires in {} days", self.written.value, left.as_secs() / DAY),
            Err(_) => format!("\"{}\" has expired", self.written.value),
        };
        let remedy = "put a new certificate there and reload (SIGHUP)".to_owned();
        Some(Fault { place: self.written.place.clone(), key: self.written.key.clone(), what, remedy })
    }
}

const DAY: u64 = 86_400;
/// Early enough for people who have to ask others for a new one.
const SOON: Duration = Duration::from_secs(14 * DAY);

impl Tls {
    /// Everything out of `[sip.tls]` and the `[tls]` of each trunk. A certificate that has expired is no fault here:
    /// the calls that come in the clear need the daemon; see [`Certificate::fault`].
    pub fn load(config: &Config, trunks: &Trunks, file: &ReadFile<'_>, faults: &Faults) -> Tls {
        let reader = Reader { file, faults, provider: Arc::new(ring::default_provider()) };
        let mut tls = Tls::default();
        let ours = config.ours.as_ref().and_then(|ours| reader.identity(ours, &mut tls.certificates));
        let server = ours.map(Arc::new);
        if let Some(ours) = &server {
            let callers = config.client_ca.as_ref().and_then(|ca| reader.callers(ca));
            // An authority that cannot be read is a fault, and never "nobody is asked".
            if callers.is_some() == config.client_ca.is_some() {
                tls.server = reader.server(ours, callers);
            }
        }
        for trunk in trunks.iter() {
            reader.trunk(trunk, config, server.as_ref(), &mut tls);
        }
        tls
    }
}

struct Reader<'a> {
    file: &'a ReadFile<'a>,
    faults: &'a Faults,
    provider: Arc<CryptoProvider>,
}

impl Reader<'_> {
    fn fault(&self, at: &Written<String>, what: impl Into<String>, remedy: &str) {
        self.faults.at(&at.place, &at.key, what, remedy);
    }

    fn read(&self, written: &Written<String>) -> Option<Vec<u8>> {
        match (self.file)(&written.value) {
            Ok(bytes) => Some(bytes),
            Err(what) => {
                self.fault(written, what, "put the file there, readable for the daemon");
                None
            }
        }
    }

    fn certificates(&self, written: &Written<String>) -> Option<Vec<CertificateDer<'static>>> {
        let bytes = self.read(written)?;
        match CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() {
            Ok(list) if !list.is_empty() => Some(list),
            _ => {
                let what = format!("\"{}\" holds no certificate in PEM", written.value);
                self.fault(written, what, "it begins with -----BEGIN CERTIFICATE-----");
                None
            }
        }
    }

    fn identity(&self, ours: &Identity, shown: &mut Vec<Certificate>) -> Option<CertifiedKey> {
        let chain = self.certificates(&ours.certificate);
        let key = self.read(&ours.key)?;
        let Ok(key) = PrivateKeyDer::from_pem_slice(&key) else {
            let what = format!("\"{}\" holds no key in PEM, or one that needs a password", ours.key.value);
            self.fault(&ours.key, what, "it begins with -----BEGIN PRIVATE KEY-----");
            return None;
        };
        let chain = chain?;
        let ends = ends(&chain[0]);
        match CertifiedKey::from_der(chain, key, &self.provider) {
            Ok(certified) => {
                shown.extend(ends.map(|ends| Certificate { written: ours.certificate.clone(), ends }));
                Some(certified)
            }
            Err(Error::InconsistentKeys(_)) => {
                let what = format!("\"{}\" is not the key of \"{}\"", ours.key.value, ours.certificate.value);
                self.fault(&ours.key, what, "name the key that the certificate was made with");
                None
            }
            Err(error) => {
                self.fault(&ours.certificate, format!("cannot be used: {error}"), "have it made anew, RSA or ECDSA");
                None
            }
        }
    }

    fn roots(&self, ca: &Written<String>) -> Option<Arc<RootCertStore>> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates(ca)? {
            if let Err(error) = roots.add(certificate) {
                let what = format!("\"{}\" holds a certificate that cannot be used: {error}", ca.value);
                self.fault(ca, what, "take it out, or get it from the carrier again");
                return None;
            }
        }
        Some(Arc::new(roots))
    }

    /// Callers must show a certificate that one of these authorities signed.
    fn callers(&self, ca: &Written<String>) -> Option<Arc<dyn ClientCertVerifier>> {
        let roots = self.roots(ca)?;
        let built = WebPkiClientVerifier::builder_with_provider(roots, self.provider.clone()).build();
        self.good(ca, built).map(|verifier| verifier as Arc<dyn ClientCertVerifier>)
    }

    fn good<T>(&self, ca: &Written<String>, built: Result<T, impl std::fmt::Display>) -> Option<T> {
        built.map_err(|error| self.fault(ca, format!("cannot be used: {error}"), "name another file")).ok()
    }

    fn server(
        &self,
        ours: &Arc<CertifiedKey>,
        callers: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Option<Arc<ServerConfig>> {
        let builder = ServerConfig::builder_with_provider(self.provider.clone());
        let builder = builder.with_safe_default_protocol_versions().ok()?; // ring has suites for both
        let builder = match callers {
            Some(callers) => builder.with_client_cert_verifier(callers),
            None => builder.with_no_client_auth(),
        };
        Some(Arc::new(builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(ours.clone())))))
    }

    fn trunk(&self, trunk: &Trunk, config: &Config, server: Option<&Arc<CertifiedKey>>, tls: &mut Tls) {
        let Some(written) = &trunk.tls else { return };
        let called = trunk.outbound.iter().any(|peer| peer.transport == Transport::Tls);
        if config.listen.is_empty() && (called || written.required) {
            let what = "is written, but TLS is not listened for";
            self.fault(&written.ca, what, "write [sip.tls] with listen, certificate and key in jiesu.toml");
        }
        let name = |name: &Written<String>| match ServerName::try_from(name.value.clone()) {
            Ok(name) => Some(name),
            Err(_) => {
                self.fault(name, format!("\"{}\" is not a host's name", name.value), "write it as in the certificate");
                None
            }
        };
        let names = Names::new(written.names.iter().filter_map(name).collect());
        let Some(roots) = self.roots(&written.ca) else { return };
        if written.required
            && let Some(ours) = server
            && let Some(callers) = self.callers(&written.ca)
            && let Some(server) = self.server(ours, Some(callers))
        {
            tls.required.insert(trunk.name.clone(), Asked { server, names: names.clone() });
        }
        let ours = match &written.ours {
            None => None,
            Some(ours) => match self.identity(ours, &mut tls.certificates) {
                None => return,
                found => found.map(Arc::new),
            },
        };
        let built = WebPkiServerVerifier::builder_with_provider(roots, self.provider.clone()).build();
        let Some(verifier) = self.good(&written.ca, built) else { return };
        let builder = ClientConfig::builder_with_provider(self.provider.clone());
        let Ok(builder) = builder.with_safe_default_protocol_versions() else { return }; // ring has suites for both
        let name = names.first().cloned();
        let builder = match name {
            None => builder.with_webpki_verifier(verifier),
            Some(_) => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyOf { names, verifier })),
        };
        let client = match ours {
            Some(ours) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(ours))),
            None => builder.with_no_client_auth(),
        };
        tls.trunks.insert(trunk.name.clone(), Far { client: Arc::new(client), name });
    }
}

/// When a certificate ends: asked whether it is valid at the end of time, rustls says since when it is not.
fn ends(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let end_of_time = UnixTime::since_unix_epoch(Duration::from_secs(253_402_300_799)); // 31 December 9999
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    // Whether it is in time is looked at before who signed it.
    let nobody = RootCertStore::empty();
    match verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], end_of_time, algorithms) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(SystemTime::UNIX_EPOCH + Duration::from_secs(not_after.as_secs()))
        }
        _ => None, // it never ends (RFC 5280 section 4.1.2.5)
    }
}
