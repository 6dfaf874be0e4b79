//! Whether a certificate is for one of several names (RFC 5922 section 7): carriers have a pair of border controllers,
//! and each may show its own.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// The names of a trunk.
#[derive(Debug, Clone)]
pub struct Names(Arc<[ServerName<'static>]>);

impl Names {
    pub fn new(names: Vec<ServerName<'static>>) -> Names {
        Names(names.into())
    }

    pub fn first(&self) -> Option<&ServerName<'static>> {
        self.0.first()
    }

    /// # Errors
    /// The certificate, whose issuer was checked before, is for none of them.
    pub fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let certificate = ParsedCertificate::try_from(certificate)?;
        one_of(&self.0, |name| rustls::client::verify_server_name(&certificate, name))
    }
}

/// The first name that is good, or what was wrong with the last.
fn one_of<T>(names: &[ServerName<'_>], check: impl Fn(&ServerName<'_>) -> Result<T, Error>) -> Result<T, Error> {
    let mut last = Err(Error::General("no name to compare with".into()));
    for name in names {
        last = check(name);
        if last.is_ok() {
            break;
        }
    }
    last
}

/// As rustls verifies servers, but for any of the names.
#[derive(Debug)]
pub struct AnyOf {
    pub names: Names,
    pub verifier: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for AnyOf {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _said: &ServerName<'_>, // the first name, which SNI said
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        one_of(&self.names.0, |name| self.verifier.verify_server_cert(end, between, name, ocsp, now))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
