//! Encrypted connections: rustls, with its own cryptography, never the process's default.

use std::io;
use std::path::Path;
use std::sync::Arc;

use forebay_queue_core::Error;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::failure::{Advice, Failure};

/// Encrypts connections to servers whose certificate an authority vouches for.
#[derive(Clone)]
pub(crate) struct Tls(TlsConnector);

impl Tls {
    /// Trusts the authorities of a PEM file and no others; without a file those of the system.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] when there is no authority to trust.
    pub(crate) fn new(authority: Option<&Path>) -> Result<Self, Error> {
        let roots = match authority {
            Some(file) => own_roots(file),
            None => system_roots(),
        };
        let roots = roots.ok_or_else(|| Error::InvalidSetting {
            name: "REDIS_CA".to_owned(),
            value: "(value withheld)".to_owned(),
            allowed: "the path of a PEM file with the certificates of authorities; unset only where the system has some"
                .to_owned(),
        })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the default protocol versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Encrypts a connection to that host.
    pub(crate) async fn encrypt(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            Failure::not_done(Advice::Fatal, "the server's host is no name for TLS")
        })?;
        let encrypted = self.0.connect(name, stream).await;
        encrypted.map_err(|error| refused(&error))
    }
}

fn own_roots(file: &Path) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).ok()? {
        roots.add(certificate.ok()?).ok()?;
    }
    (!roots.is_empty()).then_some(roots)
}

fn system_roots() -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    (!roots.is_empty()).then_some(roots)
}

/// A certificate that is not trusted today is not tomorrow; anything else may be the network's doing.
fn refused(error: &io::Error) -> Failure {
    let inner = error.get_ref().and_then(|e| e.downcast_ref());
    // The error's own text has the names in the certificate.
    match inner {
        Some(rustls::Error::InvalidCertificate(problem)) => {
            let why = match problem {
                // An authority of the same name with another key is another one.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    "its authority is not trusted"
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "it has expired"
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => "it is for another host",
                _ => "it is not valid",
            };
            let text = format!("the server's certificate is refused: {why}");
            Failure::not_done(Advice::Fatal, text)
        }
        Some(_) => Failure::not_done(Advice::Reconnect, "the server does not speak TLS as we do"),
        None => Failure::not_done(Advice::Reconnect, "the TLS handshake was broken off"),
    }
}
