//! Certificates made at test time: authorities of their own, and what they sign.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// An authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Signed {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for one name or address, for both sides of a connection.
    pub fn sign(&self, name: &str) -> Signed {
        self.sign_until(name, (2100, 1, 1))
    }

    /// The same that ends on this day.
    pub fn sign_until(&self, name: &str, (year, month, day): (i32, u8, u8)) -> Signed {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, month, day);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("signed").pem();
        Signed { certificate, key: key.serialize_pem() }
    }

    /// A client that believes what this authority signs, and shows this.
    pub fn client(&self, shows: Option<&Signed>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem().as_bytes()).expect("PEM")).expect("an authority");
        let ring = rustls::crypto::ring::default_provider().into();
        let builder = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions().expect("ring");
        let builder = builder.with_root_certificates(roots);
        match shows {
            None => builder.with_no_client_auth(),
            Some(shows) => builder.with_client_auth_cert(shows.chain(), shows.private()).expect("they fit"),
        }
    }
}

impl Signed {
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("PEM")]
    }

    pub fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("PEM")
    }
}
