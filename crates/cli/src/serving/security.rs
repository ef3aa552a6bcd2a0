//! TLS flags of coordinator and workers.

use std::path::PathBuf;

use helix_runtime::net::{Security, TlsFiles};

use crate::exit_codes::{Failure, Kind};

/// All three, or none.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Arguments {
    /// Certificate of this process (PEM); with --tls-key and --tls-ca turns TLS on between coordinator and workers
    #[arg(long = "tls-cert", value_name = "FILE", requires_all = ["key", "authority"])]
    certificate: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long = "tls-key", value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Certificate of the authority that signed those of all members (PEM)
    #[arg(long = "tls-ca", value_name = "FILE", requires = "certificate")]
    authority: Option<PathBuf>,
}

impl Arguments {
    /// Reads the files.
    pub fn security(&self) -> Result<Security, Failure> {
        let (Some(certificate), Some(key), Some(authority)) =
            (self.certificate.clone(), self.key.clone(), self.authority.clone())
        else {
            return Ok(Security::none());
        };
        let files = TlsFiles { certificate, key, authority };
        Security::from_files(&files).map_err(|error| Failure::new(Kind::BadInput, error))
    }

    /// Whether TLS is on.
    pub fn is_on(&self) -> bool {
        self.certificate.is_some()
    }
}
