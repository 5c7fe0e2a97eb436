//! KmsRequest: the certificate, keys, certificates of others. TS 33.180 Annex D.2, D.3.

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Entropy;
use sidelink_security::key_period::{KeyPeriod, KeyPeriods};
use zeroize::Zeroizing;

use super::Kms;
use super::config::External;
use super::io::{
    Change, Escrow, EscrowRecord, EscrowRefused, Event, Holder, IssueRecord, Output, Refused, RequestId,
    Response, Waiting,
};
use crate::kms_messages::{
    Domains, ErrorCode, ErrorInfo, IdFormat, KeyOctets, KmsCertCache, KmsCertificate, KmsInit, KmsKeyProv,
    KmsKeySet, KmsMessage, KmsRequest, KmsResponse, KmsTime, Number, ROOT_PATH, Resource, Role, Text, Uri,
    UserId, is_media_type,
};

/// A request that is understood, before it is decided.
struct Asked {
    request: RequestId,
    holder: Holder,
    /// Who asks, as the answer names it.
    user: Uri,
    /// What was posted to, as the answer names it.
    url: Uri,
}

impl Kms {
    pub(super) fn request(
        &mut self,
        request: RequestId,
        holder: Holder,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<(), Refused> {
        self.pay(&holder)?;
        let resource = Resource::from_path(path).map_err(Refused::NoResource)?;
        let own = self.config.of(&holder);
        let said = match body {
            [] => None,
            _ if !is_media_type(content_type) => return Err(Refused::MediaType),
            body => Some(KmsRequest::from_xml(body).map_err(Refused::Malformed)?),
        };
        let user = said.as_ref().map(|said| &said.user).or(own.first());
        let user = user.unwrap_or(&self.config.uri).clone();
        let url = said.as_ref().map(|said| said.url.clone()).or_else(|| Uri::new(path));
        let url = url.unwrap_or_else(|| self.config.uri.clone());
        let asked = Asked { request, holder, user, url };
        if let Some(said) = said
            && let Err(error) = self.check(&said, path, &own)
        {
            self.reject(&asked, error);
            return Ok(());
        }
        match self.decide(&asked, resource, &own) {
            Ok(()) => Ok(()),
            Err(Decided::Error(error)) => {
                self.reject(&asked, error);
                Ok(())
            }
            Err(Decided::Refused(why)) => Err(why),
        }
    }

    /// What a KmsRequest says beside its path. TS 33.180 Annex D.2.2.
    fn check(&self, said: &KmsRequest, path: &str, own: &[Uri]) -> Result<(), ErrorCode> {
        if said.kms != self.config.uri {
            return Err(ErrorCode::OtherKms);
        }
        // A URL with scheme and host, or the path alone.
        let from = said.url.as_str().find(ROOT_PATH).unwrap_or_default();
        if said.url.as_str()[from..] != *path {
            return Err(ErrorCode::OtherUrl);
        }
        if said.time.0.millis().abs_diff(self.now.millis()) > self.config.tolerance {
            return Err(ErrorCode::Clock);
        }
        if own.contains(&said.user) { Ok(()) } else { Err(ErrorCode::NotYours) }
    }

    fn decide(&mut self, asked: &Asked, resource: Resource, own: &[Uri]) -> Result<(), Decided> {
        let message = match resource {
            Resource::KeyProv { user, time } => return self.key_prov(asked, user, time, own),
            Resource::Init => KmsMessage::Init(Box::new(KmsInit { certificate: self.certificate() })),
            Resource::CertCache { since } => KmsMessage::CertCache(self.cert_cache(since)),
            Resource::Cert { kms } => KmsMessage::CertCache(self.cert(&kms)?),
        };
        let response = self.document(asked, Ok(message));
        self.respond(asked.request, Response::Document(response));
        Ok(())
    }

    /// The server's own certificate.
    fn certificate(&self) -> KmsCertificate {
        let own = External {
            uri: self.config.uri.clone(),
            periods: self.config.periods,
            z: self.masters.z(),
            kpak: self.masters.kpak(),
        };
        let domains =
            (!self.config.domains.is_empty()).then(|| Domains { domains: self.config.domains.clone() });
        KmsCertificate {
            role: Some(Role::Root),
            issuer: self.config.issuer.clone(),
            domains,
            ..certificate_of(&own)
        }
    }

    fn cert_cache(&self, since: Option<u32>) -> KmsCertCache {
        // Whoever has this number already gets nothing new.
        let others =
            self.config.others.iter().filter(|_| since.is_none_or(|since| since < self.config.cache));
        self.cache_of(others.map(certificate_of).collect())
    }

    fn cert(&self, kms: &Uri) -> Result<KmsCertCache, Decided> {
        if *kms == self.config.uri {
            return Ok(self.cache_of(vec![self.certificate()]));
        }
        let other = self.config.others.iter().find(|other| other.uri == *kms);
        let certificate = other.map(certificate_of).ok_or(Decided::Error(ErrorCode::NoCertificate))?;
        Ok(self.cache_of(vec![certificate]))
    }

    fn cache_of(&self, certificates: Vec<KmsCertificate>) -> KmsCertCache {
        let (version, number) = (Text::new("1.0.0"), Some(Number(self.config.cache)));
        KmsCertCache { version, number, signed: Vec::new(), certificates }
    }

    fn key_prov(
        &mut self,
        asked: &Asked,
        user: Option<Uri>,
        time: Option<UtcTime>,
        own: &[Uri],
    ) -> Result<(), Decided> {
        let mut users = match user {
            Some(user) if !own.contains(&user) => return Err(Decided::Error(ErrorCode::NotYours)),
            Some(user) => vec![user],
            None if own.is_empty() => return Err(Decided::Error(ErrorCode::NotYours)),
            None => own.to_vec(),
        };
        users.retain(|user| !self.revoked.contains(user));
        if users.is_empty() {
            return Err(Decided::Error(ErrorCode::Revoked));
        }
        let periods = self.periods_for(time)?;
        if self.is_full() {
            return Err(Decided::Refused(Refused::Busy));
        }
        let (mut key_sets, mut changes) = (Vec::new(), Vec::new());
        for user in &users {
            for period in &periods {
                let key_set = self.issue(user, period).ok_or(Decided::Error(ErrorCode::BadIdentity))?;
                changes.push(Change::Issued(IssueRecord {
                    user: user.clone(),
                    period: period.number,
                    holder: asked.holder.clone(),
                    at: self.now,
                    pvt: key_set.pvt.0,
                }));
                key_sets.push(key_set);
            }
        }
        let event = Event::Issued { holder: asked.holder.clone(), key_sets: key_sets.len() };
        let message = KmsMessage::KeyProv(KmsKeyProv { version: Text::new("1.0.0"), key_sets });
        let response = Response::Document(self.document(asked, Ok(message)));
        let deadline = self.now.plus_millis(self.config.limits.patience);
        self.store(changes, Waiting::Answer { request: asked.request, deadline, users, event, response });
        Ok(())
    }

    /// Which periods' keys are given: those of now and soon, or that of a time, if it is one of them. RFC 6509 §3.3.
    fn periods_for(&self, time: Option<UtcTime>) -> Result<Vec<KeyPeriod>, Decided> {
        let given = self.config.periods.given_at(self.now);
        let Some(time) = time else {
            return if given.is_empty() { Err(Decided::Error(ErrorCode::PeriodTooEarly)) } else { Ok(given) };
        };
        match given.iter().find(|period| period.contains(time)) {
            Some(period) => Ok(vec![*period]),
            None if given.first().is_some_and(|present| time < present.from) => {
                Err(Decided::Error(ErrorCode::PeriodOver))
            }
            None => Err(Decided::Error(ErrorCode::PeriodTooEarly)),
        }
    }

    /// Makes keys. None where the identity is no name that keys are made for.
    fn issue(&mut self, user: &Uri, period: &KeyPeriod) -> Option<KmsKeySet> {
        let identifier = self.config.periods.identifier(user.as_str(), self.config.uri.as_str(), period)?;
        let random = self.random_for(&identifier);
        let signing = self.masters.authentication.issue(&identifier, &random).ok()?;
        let receiver = self.masters.encryption.issue(&identifier).ok()?;
        Some(KmsKeySet {
            kms: self.config.uri.clone(),
            cert: None,
            issuer: self.config.issuer.clone(),
            user: user.clone(),
            user_id: UserId(identifier),
            from: Some(KmsTime(period.early())),
            until: Some(KmsTime(period.late())),
            period: Number(period.number),
            revoked: Some(false),
            rsk: KeyOctets(*receiver.to_octets()),
            ssk: KeyOctets(*signing.ssk()),
            pvt: KeyOctets(*signing.pvt()),
        })
    }

    /// Chance for one key for signing. Two identities never get the same, even if the source of chance repeats itself: the
    /// identifier goes in. Of two keys of one identity under one v the second is the first again.
    fn random_for(&mut self, identifier: &[u8]) -> Zeroizing<[u8; 64]> {
        self.draws += 1;
        let seed = Zeroizing::new(self.chance.draw(self.draws));
        let mut source = Entropy::new(&seed);
        source.mix(identifier);
        let mut random = Zeroizing::new([0; 64]);
        for (part, number) in random.chunks_exact_mut(32).zip(0..) {
            part.copy_from_slice(&Zeroizing::new(source.draw(number))[..]);
        }
        random
    }

    pub(super) fn escrow(&mut self, escrow: Escrow) {
        let Escrow { order, user, time, by, why } = escrow;
        let made = match self.config.periods.at(time) {
            None => Err(EscrowRefused::NoPeriod),
            Some(period) => {
                self.issue(&user, &period).map(|set| (period, set)).ok_or(EscrowRefused::BadIdentity)
            }
        };
        match made {
            Ok((period, key_set)) => {
                let record = EscrowRecord { user, period: period.number, by, why, at: self.now };
                let waiting = Waiting::Escrow { order, key_set: Box::new(key_set) };
                self.store(vec![Change::Escrowed(record)], waiting);
            }
            Err(why) => self.outbox.push_back(Output::Escrowed { order, result: Err(why) }),
        }
    }

    fn reject(&mut self, asked: &Asked, error: ErrorCode) {
        self.report(Event::Rejected { holder: asked.holder.clone(), error });
        let document = self.document(asked, Err(error));
        self.respond(asked.request, Response::Document(document));
    }

    fn document(&self, asked: &Asked, message: Result<KmsMessage, ErrorCode>) -> Zeroizing<String> {
        let (message, error) = match message {
            Ok(message) => (Some(message), None),
            Err(code) => (None, Some(ErrorInfo::of(code))),
        };
        let response = KmsResponse {
            version: Text::new("1.0.0"),
            user: asked.user.clone(),
            kms: self.config.uri.clone(),
            time: KmsTime(self.now),
            kms_id: None,
            url: asked.url.clone(),
            message,
            error,
        };
        response.to_xml()
    }
}

/// Why a request does not get what it asks for.
enum Decided {
    /// A KmsError.
    Error(ErrorCode),
    /// Another status.
    Refused(Refused),
}

/// The certificate of another server.
fn certificate_of(server: &External) -> KmsCertificate {
    let (id_format, period, offset) = match server.periods {
        KeyPeriods::Months => (IdFormat::TelMonth, 0, 0),
        KeyPeriods::Seconds { length, offset } => (IdFormat::HashedUid, length.get(), offset),
    };
    KmsCertificate {
        version: Text::new("1.1.0"),
        role: Some(Role::External),
        cert: None,
        kms: server.uri.clone(),
        issuer: None,
        from: None,
        until: None,
        revoked: Some(false),
        id_format,
        period: Number(period),
        offset: Number(offset),
        z: KeyOctets(server.z),
        kpak: KeyOctets(server.kpak),
        parameter_set: Some(Number(1)),
        domains: None,
    }
}
