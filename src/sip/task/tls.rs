//! SIP over TLS (RFC 3261 section 26.2, RFC 5922): who we show ourselves as, whom we believe, and the handshake in both
//! directions. TLS 1.2 and 1.3 by rustls, so there is no renegotiation, no compression and no early data.
//!
//! Each trunk has its own authority: what the authority of one carrier signs says nothing about another. Refused: a
//! handshake that is slow, or one too many at a time; bytes that are no TLS; a certificate that is not the trunk's.
//! Certificates are read again with the configuration; connections that are open go on with what they began with.

mod config;
mod load;
mod names;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, InvalidMessage, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::sip::endpoint::{Transport, TrunkName};
use crate::sip::trunk::{Peer, Trunks};

pub use config::Config;
pub use load::{Certificate, ReadFile};
use names::Names;

/// Everything that handshakes need, from checked files.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Towards callers of whom the whole listener asks the same.
    server: Option<Arc<ServerConfig>>,
    /// Towards callers of trunks that must show a certificate of their own.
    required: HashMap<TrunkName, Asked>,
    trunks: HashMap<TrunkName, Far>,
    /// What we show, and until when it may be shown.
    certificates: Vec<Certificate>,
}

/// A trunk's callers.
#[derive(Debug, Clone)]
struct Asked {
    server: Arc<ServerConfig>,
    names: Names,
}

/// A trunk that we call.
#[derive(Debug, Clone)]
struct Far {
    client: Arc<ClientConfig>,
    /// What SNI says (RFC 6066 section 3); `None`: the address, which is not said.
    name: Option<ServerName<'static>>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("no certificate of ours is configured")]
    Unready,
    #[error("no trunk with [tls] has this address")]
    Unknown,
    #[error("it took longer than {0:?}")]
    Slow(Duration),
    #[error("{0}")]
    Handshake(#[from] io::Error),
}

impl Refused {
    /// The word that is counted; `remedy` in junk.rs says what to do about each.
    pub fn reason(&self) -> &'static str {
        let error = match self {
            Refused::Unready => return "tls_unready",
            Refused::Unknown => return "tls_unknown",
            Refused::Slow(_) => return "tls_slow",
            Refused::Handshake(error) => error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()),
        };
        match error {
            None => "tls_broken_off",
            Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => "tls_plain",
            Some(rustls::Error::NoCertificatesPresented) => "tls_no_certificate",
            Some(rustls::Error::AlertReceived(_)) => "tls_alert",
            Some(rustls::Error::PeerIncompatible(_)) => "tls_incompatible",
            Some(rustls::Error::InvalidCertificate(why)) => match why {
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => "tls_expired",
                CertificateError::UnknownIssuer => "tls_unknown_issuer",
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "tls_wrong_name",
                _ => "tls_bad_certificate",
            },
            Some(_) => "tls_bad_handshake",
        }
    }
}

impl Tls {
    /// These are the certificates from now on. A section that was removed takes effect at the next start, as its
    /// addresses do.
    pub fn replace(&mut self, new: Tls) {
        let server = new.server.clone().or_else(|| self.server.take());
        *self = Tls { server, ..new };
    }

    /// What we show.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// A connection that somebody opened, and the trunk whose certificate was shown on it.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        trunk: Option<&TrunkName>,
        stream: S,
        limit: Duration,
    ) -> Result<(server::TlsStream<S>, Option<TrunkName>), Refused> {
        let asked = trunk.and_then(|trunk| Some((trunk, self.required.get(trunk)?)));
        let server = asked.map(|(_, asked)| &asked.server).or(self.server.as_ref()).ok_or(Refused::Unready)?;
        let handshake = TlsAcceptor::from(server.clone()).accept(stream);
        let stream = tokio::time::timeout(limit, handshake).await.map_err(|_| Refused::Slow(limit))??;
        let Some((trunk, asked)) = asked else { return Ok((stream, None)) };
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let shown = shown.ok_or(rustls::Error::NoCertificatesPresented).map_err(io::Error::other)?;
        asked.names.check(shown).map_err(io::Error::other)?;
        Ok((stream, Some(trunk.clone())))
    }

    /// The trunk that is reached at `peer` over TLS: the first that calls it so, or lists its address.
    pub fn trunk_at(trunks: &Trunks, peer: SocketAddr) -> Option<TrunkName> {
        let wanted = Peer { address: peer, transport: Transport::Tls };
        let exact = trunks.iter().find(|trunk| trunk.outbound.contains(&wanted));
        exact.or_else(|| trunks.at(peer.ip())).map(|trunk| trunk.name.clone())
    }

    /// A connection of ours that is open, made one to this trunk.
    ///
    /// # Errors
    /// See [`Refused`]: among others, the certificate is not the trunk's.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        trunk: &TrunkName,
        peer: IpAddr,
        stream: S,
        limit: Duration,
    ) -> Result<client::TlsStream<S>, Refused> {
        let far = self.trunks.get(trunk).ok_or(Refused::Unknown)?;
        let name = far.name.clone().unwrap_or_else(|| ServerName::from(peer));
        let handshake = TlsConnector::from(far.client.clone()).connect(name, stream);
        Ok(tokio::time::timeout(limit, handshake).await.map_err(|_| Refused::Slow(limit))??)
    }
}

#[cfg(test)]
mod tests;
