//! TLS by configuration: every member shows a certificate of the cluster's authority, on both kinds of connections.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

/// The PEM files of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Its certificate chain; names or addresses in it are those by which others reach it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authority that signed the certificates of all members.
    pub authority: PathBuf,
}

/// Why TLS cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct TlsError {
    /// The file.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

/// How connections of this process are protected.
#[derive(Clone, Default)]
pub struct Security {
    tls: Option<Arc<Tls>>,
}

struct Tls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    control_server: ServerTlsConfig,
    control_client: ClientTlsConfig,
}

impl std::fmt::Debug for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.tls.is_some() { "Security(TLS)" } else { "Security(none)" })
    }
}

impl Security {
    /// Plain TCP: for one machine, or a network that nobody else is in.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// TLS in both directions with these files.
    pub fn from_files(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|error| wrong(path, &error)).map(|bytes| (path.to_owned(), bytes))
        };
        let (certificate, key, authority) =
            (read(&files.certificate)?, read(&files.key)?, read(&files.authority)?);
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(roots(&authority)?);
        let (acceptor, connector) = (
            acceptor(&provider, &roots, (&certificate, &key))?,
            connector(&provider, &roots, (&certificate, &key))?,
        );
        let identity = Identity::from_pem(&certificate.1, &key.1);
        let ca = Certificate::from_pem(&authority.1);
        let tls = Tls {
            acceptor,
            connector,
            control_server: ServerTlsConfig::new().identity(identity.clone()).client_ca_root(ca.clone()),
            control_client: ClientTlsConfig::new().identity(identity).ca_certificate(ca),
        };
        Ok(Self { tls: Some(Arc::new(tls)) })
    }

    /// Whether connections are protected.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.tls.is_some()
    }

    pub(super) fn acceptor(&self) -> Option<&TlsAcceptor> {
        self.tls.as_deref().map(|tls| &tls.acceptor)
    }

    pub(super) fn connector(&self) -> Option<&TlsConnector> {
        self.tls.as_deref().map(|tls| &tls.connector)
    }

    /// For the control server.
    #[must_use]
    pub fn control_server(&self) -> Option<ServerTlsConfig> {
        self.tls.as_deref().map(|tls| tls.control_server.clone())
    }

    /// For a client of the control server.
    #[must_use]
    pub fn control_client(&self) -> Option<ClientTlsConfig> {
        self.tls.as_deref().map(|tls| tls.control_client.clone())
    }
}

/// A file and its bytes.
type Pem = (PathBuf, Vec<u8>);

fn wrong(path: &Path, reason: &impl ToString) -> TlsError {
    TlsError { path: path.display().to_string(), reason: reason.to_string() }
}

fn certificates((path, bytes): &Pem) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match all {
        Ok(all) if all.is_empty() => Err(wrong(path, &"there is no PEM certificate in it")),
        Ok(all) => Ok(all),
        Err(error) => Err(wrong(path, &error)),
    }
}

fn key((path, bytes): &Pem) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| wrong(path, &error))
}

fn roots(authority: &Pem) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authority)? {
        roots.add(certificate).map_err(|error| wrong(&authority.0, &error))?;
    }
    Ok(roots)
}

fn acceptor(
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
    (certificate, private): (&Pem, &Pem),
) -> Result<TlsAcceptor, TlsError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
        .build()
        .map_err(|error| wrong(&certificate.0, &error))?;
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&certificate.0, &error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(certificate)?, key(private)?)
        .map_err(|error| wrong(&certificate.0, &error))?;
    Ok(Arc::new(config).into())
}

fn connector(
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
    (certificate, private): (&Pem, &Pem),
) -> Result<TlsConnector, TlsError> {
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone())
        .build()
        .map_err(|error| wrong(&certificate.0, &error))?;
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&certificate.0, &error))?
        .with_webpki_verifier(verifier)
        .with_client_auth_cert(certificates(certificate)?, key(private)?)
        .map_err(|error| wrong(&certificate.0, &error))?;
    Ok(Arc::new(config).into())
}
