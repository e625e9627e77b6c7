//! A certificate for one run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// The names under which the server is reached.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// An authority made for one server, and what that server shows, as PEM files in its folder.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    /// The authority, which whoever connects has to trust.
    pub(super) authority: PathBuf,
    /// The server's certificate.
    pub(super) chain: PathBuf,
    /// The server's key.
    pub(super) key: PathBuf,
}

impl Certificate {
    /// Makes both and writes them into `folder`, which only its owner can read. The
    /// authority's own key is forgotten, so it signs nothing else.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "forebay's authority of one test run");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

        let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let chain = params.signed_by(&key, &authority)?;

        let files = Self {
            authority: folder.join("authority.pem"),
            chain: folder.join("server.pem"),
            key: folder.join("server.key"),
        };
        fs::write(&files.authority, authority.pem())?;
        fs::write(&files.chain, chain.pem())?;
        fs::write(&files.key, key.serialize_pem())?;
        Ok(files)
    }
}
