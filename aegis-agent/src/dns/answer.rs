//! What is kept of a server's answer: the records that answer the question, cleaned, and how long they hold.

use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use tokio::time::Instant;

use super::svcb::cleaned;

/// Records taken from one answer: the largest sets in use are a tenth of it.
const MAX_RECORDS: usize = 512;
/// CNAMEs followed for one question.
pub(super) const MAX_CHAIN: usize = 12;

/// The answer to one question.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// NoError or NXDomain.
    pub(super) rcode: ResponseCode,
    /// The CNAME chain from the question's name, then the records asked for.
    pub(super) records: Vec<Record>,
    /// The zone's SOA, where there are no records.
    pub(super) soa: Option<Record>,
    pub(super) fetched: Instant,
    /// How long it may be given again.
    pub(super) holds: Duration,
    /// Where the chain ends.
    pub(super) end: Name,
}

impl Answer {
    /// Of a checked `message`: only what hangs together with `name` is taken, whatever else the server put in.
    pub(super) fn of(message: Message, name: &Name, kind: RecordType, max_ttl: Duration, now: Instant) -> Self {
        let Message { metadata, answers, authorities, .. } = message;
        let answers: Vec<Record> =
            answers.into_iter().filter(|r| r.dns_class == DNSClass::IN).take(MAX_RECORDS).collect();
        let (mut records, end) = chain(&answers, name, kind);
        let asked_for = |r: &Record| kind != RecordType::CNAME && r.record_type() == kind && r.name == end;
        records.extend(answers.into_iter().filter(asked_for).filter_map(cleaned));
        let found = records.iter().any(|r| r.record_type() == kind);
        let is_soa = |r: &Record| r.record_type() == RecordType::SOA && r.name.zone_of(&end);
        let soa = authorities.into_iter().find(|r| !found && is_soa(r));
        let holds = time_to_live(&records, soa.as_ref(), found).min(max_ttl);
        Self { rcode: metadata.response_code, records, soa, fetched: now, holds, end }
    }

    /// An answer that was made here and has no server behind it.
    pub(super) fn local(name: &Name, records: Vec<Record>, now: Instant) -> Self {
        let rcode = ResponseCode::NoError;
        Self { rcode, records, soa: None, fetched: now, holds: Duration::ZERO, end: name.clone() }
    }

    /// Whether a CNAME leads on to a name that this answer says nothing about.
    pub(super) fn leads_on(&self, kind: RecordType) -> bool {
        self.rcode == ResponseCode::NoError
            && self.soa.is_none()
            && !self.records.is_empty()
            && !self.records.iter().any(|r| r.record_type() == kind)
    }

    /// Whether the chain comes back to a name that it has passed.
    pub(super) fn is_circle(&self) -> bool {
        self.records.iter().any(|r| r.name == self.end && r.record_type() == RecordType::CNAME)
    }

    /// This chain, followed by what its end was found to have.
    pub(super) fn joined(mut self, rest: &Self) -> Self {
        let chain = self.records.iter().map(|r| Duration::from_secs(r.ttl.into())).min();
        self.holds = chain.unwrap_or_default().min(rest.holds);
        self.records.extend(rest.records.iter().cloned());
        self.records.truncate(MAX_RECORDS);
        Self { rcode: rest.rcode, soa: rest.soa.clone(), end: rest.end.clone(), ..self }
    }

    /// The zone's SOA with the time that is left to the negative answer: who keeps it must not begin anew (RFC 2308
    /// sections 3 and 5).
    pub(super) fn soa_at(&self, now: Instant) -> Option<Record> {
        let left = self.holds.saturating_sub(now.saturating_duration_since(self.fetched)).as_secs();
        let ttl = u32::try_from(left).unwrap_or(u32::MAX);
        self.soa.clone().map(|mut soa| {
            soa.ttl = ttl;
            soa
        })
    }

    /// The records with the time that is left to them at `now`.
    pub(super) fn records_at(&self, now: Instant, max_ttl: Duration) -> impl Iterator<Item = Record> {
        let age = now.saturating_duration_since(self.fetched).as_secs();
        let cap = max_ttl.as_secs();
        self.records.iter().cloned().map(move |mut record| {
            let left = u64::from(record.ttl).min(cap).saturating_sub(age);
            record.ttl = u32::try_from(left).unwrap_or(u32::MAX);
            record
        })
    }
}

/// RFC 2308 section 5 for negative answers: without an SOA they are not kept.
fn time_to_live(records: &[Record], soa: Option<&Record>, found: bool) -> Duration {
    let positive = records.iter().map(|r| r.ttl).min();
    let negative = soa.map(|record| match &record.data {
        RData::SOA(soa) => record.ttl.min(soa.minimum),
        _ => 0,
    });
    let ttl = if found { positive } else { negative.map(|n| positive.map_or(n, |p| n.min(p))) };
    Duration::from_secs(ttl.unwrap_or(0).into())
}

/// The CNAMEs from `name` on, and the name they end at.
fn chain(answers: &[Record], name: &Name, kind: RecordType) -> (Vec<Record>, Name) {
    let mut records: Vec<Record> = Vec::new();
    let mut end = name.clone();
    let wanted = if kind == RecordType::CNAME { 1 } else { MAX_CHAIN };
    while records.len() < wanted {
        let next = answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == end => Some((record, target.0.clone())),
            _ => None,
        });
        let Some((record, target)) = next else { break };
        records.push(record.clone());
        // A name met before would be a circle: it ends there, with nothing found.
        if records.iter().any(|r| r.name == target) {
            break;
        }
        end = target;
    }
    (records, end)
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
