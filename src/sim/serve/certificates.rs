//! The served cluster's own short-lived certificates: an authority, the server's, and one for each client that gets one.
//! What a certificate entitles to is decided by the API.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use std::net::{IpAddr, Ipv4Addr};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Days before the present from which the certificates are valid, for clocks that differ.
const EARLIER: i32 = 1;
/// Days after the present until which they are valid.
const LATER: i32 = 7;

/// A certificate and its key.
#[derive(Debug)]
pub(super) struct Pair {
    /// The certificate, PEM.
    pub(super) certificate_pem: String,
    /// The certificate, DER.
    pub(super) certificate: CertificateDer<'static>,
    /// The key, PEM.
    pub(super) key_pem: String,
    /// The key, DER.
    key: Vec<u8>,
}

impl Pair {
    /// The key as rustls takes it.
    pub(super) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }
}

/// A certificate authority of one served cluster. Its key never leaves the process.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
    today: jiff::civil::Date,
}

impl Authority {
    /// An authority whose certificates are valid around `now`.
    pub(super) fn new(now: jiff::Timestamp) -> Result<Self, rcgen::Error> {
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let mut params = params("comeback", None, today);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self { issuer: Issuer::new(params, key), certificate, today })
    }

    /// The authority's certificate, PEM.
    pub(super) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// The authority's certificate, DER.
    pub(super) fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    /// A certificate for a server on this machine.
    pub(super) fn server(&self) -> Result<Pair, rcgen::Error> {
        let mut params = CertificateParams::new(vec![
            "localhost".to_owned(),
            "kubernetes".to_owned(),
            "kubernetes.default".to_owned(),
            "kubernetes.default.svc".to_owned(),
            "kubernetes.default.svc.cluster.local".to_owned(),
        ])?;
        params.subject_alt_names.push(rcgen::SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        self.issue(limited(params, "kube-apiserver", None, self.today), ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for a client: its user (common name) and its group (organisation).
    pub(super) fn client(&self, user: &str, group: &str) -> Result<Pair, rcgen::Error> {
        self.issue(params(user, Some(group), self.today), ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Result<Pair, rcgen::Error> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Pair {
            certificate_pem: certificate.pem(),
            certificate: certificate.der().clone(),
            key_pem: key.serialize_pem(),
            key: key.serialize_der(),
        })
    }
}

fn params(name: &str, organisation: Option<&str>, today: jiff::civil::Date) -> CertificateParams {
    limited(CertificateParams::default(), name, organisation, today)
}

fn limited(mut params: CertificateParams, name: &str, organisation: Option<&str>, today: jiff::civil::Date) -> CertificateParams {
    params.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(organisation) = organisation {
        params.distinguished_name.push(DnType::OrganizationName, organisation);
    }
    params.distinguished_name.push(DnType::CommonName, name);
    let day = |days: i32| {
        let date = today.saturating_add(jiff::Span::new().days(days));
        date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = day(-EARLIER);
    params.not_after = day(LATER);
    params
}
