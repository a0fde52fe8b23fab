//! Numbers that states and banks give: how they are written, and when one is believed.

use std::sync::LazyLock;

use super::{NUMBERS, closes, continues, opens, value};
use super::{further as more, national as check};
use crate::context::{Said, Topic};
use crate::detect::Match;
use crate::finding::Confidence;
use crate::view::{Eval, View};
use crate::{Detector, DetectorSet};

/// A way to write a number.
struct Kind {
    detector: Detector,
    /// `0` is a digit, `A` a capital, `X` either, `~` the sign of a century; all else is itself.
    pattern: &'static [u8],
    /// Asked of the digits and letters alone.
    valid: fn(&[u8]) -> bool,
    /// How sure it is without a word about it; `None`: not at all.
    alone: Option<Confidence>,
    topic: Topic,
}

/// One that its pattern and check digits make likely enough.
const fn marked(
    detector: Detector,
    pattern: &'static [u8],
    valid: fn(&[u8]) -> bool,
    alone: Confidence,
    topic: Topic,
) -> Kind {
    Kind { detector, pattern, valid, alone: Some(alone), topic }
}

/// One that words must tell from other numbers.
const fn named(detector: Detector, pattern: &'static [u8], valid: fn(&[u8]) -> bool, topic: Topic) -> Kind {
    Kind { detector, pattern, valid, alone: None, topic }
}

use Confidence::{High, Medium};
use Detector as D;
use Topic as T;

const KINDS: &[Kind] = &[
    marked(D::UsItin, b"000-00-0000", check::itin, Medium, T::Itin),
    named(D::UsItin, b"000000000", check::itin, T::Itin),
    named(D::UsItin, b"000-000000", check::itin, T::Itin),
    named(D::UsItin, b"00000-0000", check::itin, T::Itin),
    named(D::Ssn, b"000.00.0000", more::ssn, T::SocialSecurity),
    named(D::Ssn, b"000/00/0000", more::ssn, T::SocialSecurity),
    named(D::Ssn, b"000 - 00 - 0000", more::ssn, T::SocialSecurity),
    named(D::Ssn, b"000 000000", more::ssn, T::SocialSecurity),
    named(D::Ssn, b"000-000000", more::ssn, T::SocialSecurity),
    named(D::Ssn, b"00000-0000", more::ssn, T::SocialSecurity),
    named(D::UsRoutingNumber, b"000000000", check::routing, T::Routing),
    named(D::UsRoutingNumber, b"0000-0000-0", check::routing, T::Routing),
    marked(D::UsMbi, b"0AX0-AX0-AA00", more::mbi, Medium, T::Medicare),
    named(D::UsMbi, b"0AX0AX0AA00", more::mbi, T::Medicare),
    marked(D::UkNino, b"AA000000A", check::nino, Medium, T::Nino),
    marked(D::UkNino, b"AA 00 00 00 A", check::nino, Medium, T::Nino),
    named(D::UkNhsNumber, b"000 000 0000", check::nhs, T::Nhs),
    named(D::UkNhsNumber, b"000-000-0000", check::nhs, T::Nhs),
    named(D::UkNhsNumber, b"0000000000", check::nhs, T::Nhs),
    named(D::DeTaxId, b"00000000000", check::steuer_id, T::SteuerId),
    named(D::DeTaxId, b"00 000 000 000", check::steuer_id, T::SteuerId),
    marked(D::FrNir, b"000000000000000", check::nir, Medium, T::Nir),
    marked(D::FrNir, b"0 00 00 00 000 000 00", check::nir, High, T::Nir),
    marked(D::FrNir, b"000000A00000000", check::nir, High, T::Nir),
    marked(D::FrNir, b"0 00 00 0A 000 000 00", check::nir, High, T::Nir),
    marked(D::EsDni, b"00000000A", check::dni, Medium, T::Dni),
    marked(D::EsDni, b"00000000-A", check::dni, Medium, T::Dni),
    marked(D::EsDni, b"00.000.000-A", check::dni, High, T::Dni),
    marked(D::EsDni, b"A0000000A", check::dni, Medium, T::Dni),
    marked(D::EsDni, b"A-0000000-A", check::dni, Medium, T::Dni),
    marked(D::EsDni, b"A0000000-A", check::dni, Medium, T::Dni),
    named(D::EsDni, b"0000000A", check::dni, T::Dni),
    named(D::EsDni, b"0000000-A", check::dni, T::Dni),
    // A tax number of the same name: with a letter it is no Portuguese one.
    named(D::EsDni, b"00000000A", check::dni, T::Nif),
    named(D::EsDni, b"0000000A", check::dni, T::Nif),
    named(D::EsDni, b"0000000-A", check::dni, T::Nif),
    marked(D::ItCodiceFiscale, b"AAAAAA00A00A000A", check::codice_fiscale, High, T::CodiceFiscale),
    named(D::NlBsn, b"000000000", check::bsn, T::Bsn),
    named(D::NlBsn, b"0000.00.000", check::bsn, T::Bsn),
    marked(D::BeNationalNumber, b"00.00.00-000.00", check::rijksregister, High, T::Rijksregister),
    named(D::BeNationalNumber, b"00000000000", check::rijksregister, T::Rijksregister),
    named(D::BeNationalNumber, b"00 00 00 000 00", check::rijksregister, T::Rijksregister),
    named(D::BeNationalNumber, b"00.00.00-000 00", check::rijksregister, T::Rijksregister),
    named(D::PlPesel, b"00000000000", check::pesel, T::Pesel),
    marked(D::SePersonnummer, b"000000-0000", check::personnummer, Medium, T::Personnummer),
    marked(D::SePersonnummer, b"000000+0000", check::personnummer, Medium, T::Personnummer),
    marked(D::SePersonnummer, b"00000000-0000", check::personnummer, Medium, T::Personnummer),
    named(D::SePersonnummer, b"0000000000", check::personnummer, T::Personnummer),
    named(D::SePersonnummer, b"000000000000", check::personnummer, T::Personnummer),
    marked(D::FiHetu, b"000000~000X", check::hetu, High, T::Personnummer),
    named(D::DkCpr, b"000000-0000", check::cpr, T::Cpr),
    named(D::DkCpr, b"0000000000", check::cpr, T::Cpr),
    marked(D::NoFodselsnummer, b"00000000000", check::fodselsnummer, Medium, T::Personnummer),
    marked(D::NoFodselsnummer, b"000000 00000", check::fodselsnummer, Medium, T::Personnummer),
    named(D::NoFodselsnummer, b"000000-00000", check::fodselsnummer, T::Personnummer),
    named(D::NoFodselsnummer, b"00 00 00 00 000", check::fodselsnummer, T::Personnummer),
    named(D::NoFodselsnummer, b"00-00-00-00000", check::fodselsnummer, T::Personnummer),
    named(D::PtNif, b"000000000", check::nif, T::Nif),
    named(D::PtNif, b"000 000 000", check::nif, T::Nif),
    named(D::CaSin, b"000 000 000", check::sin, T::Sin),
    named(D::CaSin, b"000-000-000", check::sin, T::Sin),
    named(D::CaSin, b"000000000", check::sin, T::Sin),
    marked(D::BrCpf, b"000.000.000-00", check::cpf, High, T::Cpf),
    named(D::BrCpf, b"00000000000", check::cpf, T::Cpf),
    named(D::InAadhaar, b"0000 0000 0000", check::aadhaar, T::Aadhaar),
    named(D::InAadhaar, b"0000-0000-0000", check::aadhaar, T::Aadhaar),
    named(D::InAadhaar, b"000000000000", check::aadhaar, T::Aadhaar),
    marked(D::InPan, b"AAAAA0000A", check::pan, Medium, T::Pan),
    named(D::AuTfn, b"000 000 000", check::tfn, T::Tfn),
    named(D::AuTfn, b"000000000", check::tfn, T::Tfn),
    named(D::AuMedicare, b"0000 00000 0", check::medicare, T::Medicare),
    named(D::AuMedicare, b"0000000000", check::medicare, T::Medicare),
    named(D::IePps, b"0000000A", check::pps, T::Pps),
    named(D::IePps, b"0000000AA", check::pps, T::Pps),
    marked(D::ChAhv, b"000.0000.0000.00", check::ahv, High, T::Nir),
    marked(D::ChAhv, b"0000000000000", check::ahv, Medium, T::Nir),
    marked(D::CnResidentId, b"00000000000000000X", check::resident_id, High, T::Nir),
    marked(D::CnResidentId, b"000000000000000000", check::resident_id, High, T::Nir),
    marked(D::KrRrn, b"000000-0000000", check::rrn, Medium, T::Nir),
    // Since 2020 they have no check digit.
    named(D::KrRrn, b"000000-0000000", more::rrn_of_today, T::Rrn),
    named(D::KrRrn, b"0000000000000", more::rrn_of_today, T::Rrn),
    marked(D::SgNric, b"A0000000A", check::nric, Medium, T::Nir),
    marked(D::MxCurp, b"AAAA000000AAAAAAX0", check::curp, High, T::Nir),
    marked(D::ClRut, b"00.000.000-X", check::rut, High, T::Nir),
    marked(D::ClRut, b"0.000.000-X", check::rut, High, T::Nir),
    named(D::ClRut, b"00000000-X", check::rut, T::Rut),
    named(D::ClRut, b"0000000-X", check::rut, T::Rut),
    named(D::ClRut, b"000000000", check::rut, T::Rut),
    marked(D::DeRvnr, b"00000000A000", check::rvnr, Medium, T::Rentenversicherung),
    named(D::AtSvnr, b"0000000000", check::svnr, T::Rentenversicherung),
    named(D::AtSvnr, b"0000 000000", check::svnr, T::Rentenversicherung),
    marked(D::CzRodneCislo, b"000000/0000", check::rodne_cislo, Medium, T::RodneCislo),
    named(D::CzRodneCislo, b"0000000000", check::rodne_cislo, T::RodneCislo),
    named(D::RoCnp, b"0000000000000", check::cnp, T::Cnp),
    named(D::BgEgn, b"0000000000", check::egn, T::Egn),
    named(D::HrOib, b"00000000000", check::oib, T::Oib),
    named(D::EeIsikukood, b"00000000000", check::isikukood, T::Isikukood),
    named(D::GrAmka, b"00000000000", check::amka, T::Amka),
    named(D::TrKimlik, b"00000000000", check::tckn, T::Kimlik),
    named(D::ZaId, b"0000000000000", check::za_id, T::SouthAfrican),
    named(D::ZaId, b"000000 0000000", check::za_id, T::SouthAfrican),
    named(D::ZaId, b"000000 0000 00 0", check::za_id, T::SouthAfrican),
    named(D::ThId, b"0000000000000", check::thai, T::Thai),
    marked(D::ThId, b"0-0000-00000-00-0", check::thai, Medium, T::Thai),
    named(D::ThId, b"0 0000 00000 00 0", check::thai, T::Thai),
    named(D::IlId, b"000000000", check::zehut, T::Zehut),
    named(D::IlId, b"00000000-0", check::zehut, T::Zehut),
    named(D::JpMyNumber, b"000000000000", check::my_number, T::MyNumber),
    named(D::JpMyNumber, b"0000 0000 0000", check::my_number, T::MyNumber),
    named(D::JpMyNumber, b"0000-0000-0000", check::my_number, T::MyNumber),
    marked(D::ArCuit, b"00-00000000-0", check::cuit, Medium, T::Cuit),
    named(D::ArCuit, b"00000000000", check::cuit, T::Cuit),
    named(D::OtherNationalId, b"000000-0000", more::kennitala, T::Kennitala),
    named(D::OtherNationalId, b"0000000000", more::kennitala, T::Kennitala),
    named(D::OtherNationalId, b"000000-00-0000", more::mykad, T::Mykad),
    named(D::OtherNationalId, b"000000000000", more::mykad, T::Mykad),
    named(D::OtherNationalId, b"00000-0000000-0", more::cnic, T::Cnic),
    named(D::OtherNationalId, b"0000000000000", more::cnic, T::Cnic),
    named(D::OtherNationalId, b"0000000000000", more::jmbg, T::Jmbg),
    named(D::OtherNationalId, b"0000000000", more::rnokpp, T::Rnokpp),
    named(D::OtherNationalId, b"0000000000", more::cedula, T::Cedula),
    named(D::OtherNationalId, b"000000000-0", more::cedula, T::Cedula),
    named(D::OtherNationalId, b"000-0000000-0", more::cedula, T::Cedula),
    named(D::OtherNationalId, b"00000000000", more::cedula, T::Cedula),
    named(D::OtherNationalId, b"0000000000", more::nit, T::Nit),
    named(D::OtherNationalId, b"000.000.000-0", more::nit, T::Nit),
    named(D::OtherNationalId, b"000000000-0", more::nit, T::Nit),
    named(D::OtherNationalId, b"00.000.000-0", more::nit, T::Nit),
    named(D::OtherNationalId, b"00000000-0", more::nit, T::Nit),
    named(D::OtherNationalId, b"0000000000-0", more::nit, T::Nit),
    named(D::OtherNationalId, b"0000000000000000", more::nik, T::Nik),
    named(D::OtherNationalId, b"000000-00000", more::personas_kods, T::PersonasKods),
    named(D::OtherNationalId, b"00000000000", more::personas_kods, T::PersonasKods),
    named(D::OtherNationalId, b"A000000000", more::kvnr, T::Kvnr),
    named(D::OtherNationalId, b"AAAA000000XXX", more::rfc, T::Rfc),
    marked(D::OtherNationalId, b"A000000(X)", more::hkid, Medium, T::Hkid),
    named(D::OtherNationalId, b"A0000000", more::hkid, T::Hkid),
    named(D::OtherNationalId, b"A000000000", more::taiwanese, T::Taiwanese),
    marked(D::OtherNationalId, b"000-0000-0000000-0", more::emirates, High, T::Emirates),
    named(D::OtherNationalId, b"000000000000000", more::emirates, T::Emirates),
    marked(D::OtherNationalId, b"000-000-000 00", more::snils, Medium, T::Snils),
    named(D::OtherNationalId, b"00000000000", more::snils, T::Snils),
    named(D::OtherNationalId, b"000000000000", more::inn, T::Inn),
    named(D::OtherNationalId, b"000 000 000", more::taj, T::Taj),
    named(D::OtherNationalId, b"000-000-000", more::taj, T::Taj),
    named(D::OtherNationalId, b"000000000", more::taj, T::Taj),
    named(D::OtherNationalId, b"AAA0000000", more::epic, T::Epic),
    named(D::OtherNationalId, b"00000000000", more::nin, T::Nin),
    marked(D::DriverLicense, b"AAAAA000000AAXAA", more::uk_driver, Medium, T::DriverLicense),
];

/// The longest pattern.
const LONGEST: usize = 24;

/// A kind as it is looked up by its first group of digits.
struct Entry {
    kind: &'static Kind,
    /// The bytes before the first digit.
    lead: usize,
    /// The first group is all of it, or its end.
    bare: bool,
}

/// The kinds that have so many digits in their first group, in the order of the list; of sets of them bit N is the N-th.
#[derive(Default)]
struct Group {
    entries: Vec<Entry>,
    /// Those that the first group may be followed by a byte in: by the byte, those beyond ASCII together, and at last the end.
    after: Vec<u64>,
    /// Those whose second group may have so many digits.
    second: Vec<u64>,
    /// Those with something before the first digit.
    led: u64,
    /// Those that are nothing but the first group, and need a word.
    named: u64,
}

/// Behind the ASCII ones: bytes beyond, and the end.
const BEYOND: usize = 128;
const END: usize = 129;

/// By the digits in the first group.
static BY_GROUP: LazyLock<[Group; LONGEST]> = LazyLock::new(|| std::array::from_fn(Group::of));

impl Group {
    fn of(size: usize) -> Group {
        let mut group = Group { after: vec![0; END + 1], second: vec![0; LONGEST + 1], ..Group::default() };
        for (number, kind) in KINDS.iter().filter(|kind| kind.first_group().1 == size).enumerate() {
            let (lead, bit) = (kind.first_group().0, 1_u64 << number);
            let rest = kind.pattern.get(lead + size..).unwrap_or_default();
            for (at, set) in group.after.iter_mut().enumerate() {
                let byte = u8::try_from(at).ok().filter(u8::is_ascii);
                let follows = match rest.first() {
                    Some(code) => byte.is_some_and(|byte| fits(*code, byte.to_ascii_uppercase())),
                    None => !byte.is_some_and(|byte| byte.is_ascii_alphanumeric()),
                };
                *set |= if follows { bit } else { 0 };
            }
            for (digits, set) in group.second.iter_mut().enumerate() {
                *set |= if kind.may_go_on(size, digits) { bit } else { 0 };
            }
            group.led |= if lead > 0 { bit } else { 0 };
            group.named |= if lead == 0 && rest.is_empty() && kind.alone.is_none() { bit } else { 0 };
            group.entries.push(Entry { kind, lead, bare: rest.is_empty() });
        }
        group
    }

    /// Those that may be what is at some digits, by what stands beside these.
    fn fitting(&self, view: &View<'_>, digits: usize, size: usize) -> u64 {
        let end = digits + size;
        let after = view.seen(end).map_or(END, |byte| usize::from(byte).min(BEYOND));
        let mut fitting = self.after.get(after).copied().unwrap_or(0);
        if !opens(view, digits) {
            fitting &= self.led;
        }
        if fitting != 0 && after < BEYOND {
            let rest = view.slice(end + 1, end + 1 + LONGEST);
            let second = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            // Of what has not arrived nothing is known.
            if second < rest.len() || view.end || second == LONGEST {
                fitting &= self.second.get(second).copied().unwrap_or(0);
            }
        }
        fitting
    }
}

impl Kind {
    /// The bytes before the first digit, and the digits that follow each other there.
    fn first_group(&self) -> (usize, usize) {
        let lead = self.pattern.iter().take_while(|code| **code != b'0').count();
        (lead, self.pattern.iter().skip(lead).take_while(|code| **code == b'0').count())
    }

    /// Whether so many digits may stand behind the byte that its first group, of this size, is followed by.
    fn may_go_on(&self, size: usize, digits: usize) -> bool {
        let rest = self.pattern.get(self.first_group().0 + size + 1..).unwrap_or_default();
        let group = rest.iter().take_while(|code| **code == b'0').count();
        let open = matches!(rest.get(group), Some(b'X')) || rest.is_empty();
        if open { digits >= group } else { digits == group }
    }

    /// Whether it is not one that needs a word at `start` and has none.
    fn may_stand(&self, said: &Said<'_, '_>, start: usize) -> bool {
        self.alone.is_some() || said.of(start, self.topic)
    }

    /// The number that begins at `start`.
    fn examine(&self, said: &Said<'_, '_>, start: usize) -> Eval<Option<Match>> {
        let view = said.view;
        let (mut number, mut length) = ([0_u8; LONGEST], 0);
        let mut small = false;
        for (position, code) in (start..).zip(self.pattern) {
            let Some(byte) = view.at(position)? else {
                return Ok(None);
            };
            small |= byte.is_ascii_lowercase();
            let byte = byte.to_ascii_uppercase();
            if !fits(*code, byte) {
                return Ok(None);
            }
            if let (true, Some(slot)) = (byte.is_ascii_alphanumeric() || *code == b'~', number.get_mut(length)) {
                *slot = byte;
                length += 1;
            }
        }
        let end = start + self.pattern.len();
        let number = number.get(..length).unwrap_or_default();
        let spaced = self.pattern.contains(&b' ') && continues(view, start);
        if spaced || !opens(view, start) || !self.may_stand(said, start) || !(self.valid)(number) || !closes(view, end)?
        {
            return Ok(None);
        }
        let named = said.of(start, self.topic);
        // In small letters it is written by people, who say what it is.
        let confidence = if named { Some(High) } else { self.alone.filter(|_| !small) };
        Ok(confidence.map(|confidence| Match::new(self.detector, confidence, start, end)))
    }
}

/// Whether a byte is what a pattern has in its place.
fn fits(code: u8, byte: u8) -> bool {
    match code {
        b'0' => byte.is_ascii_digit(),
        b'A' => byte.is_ascii_uppercase(),
        b'X' => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        b'~' => matches!(byte, b'-' | b'+' | b'A'..=b'F' | b'U'..=b'Y'),
        code => byte == code,
    }
}

/// The number whose first group is the `size` digits at `digits`.
pub(super) fn examine(said: &Said<'_, '_>, digits: usize, size: usize, wanted: DetectorSet) -> Eval<Option<Match>> {
    let Some(group) = BY_GROUP.get(size) else { return Ok(None) };
    let mut fitting = group.fitting(said.view, digits, size);
    if fitting & group.named != 0 && !said.any(digits, NUMBERS) {
        fitting &= !group.named;
    }
    let mut unnamed = None;
    while fitting != 0 {
        let entry = group.entries.get(fitting.trailing_zeros() as usize);
        fitting &= fitting - 1;
        let Some(entry) = entry.filter(|entry| wanted.contains(entry.kind.detector)) else { continue };
        // Several have a run of so many digits: of those nothing else need be looked at.
        if let Some(start) = digits.checked_sub(entry.lead)
            && (!entry.bare || entry.kind.may_stand(said, start))
            && let Some(found) = entry.kind.examine(said, start)?
        {
            // Some are written alike: a word before it says which it is.
            if found.confidence == High && said.of(start, entry.kind.topic) {
                return Ok(Some(found));
            }
            unnamed = unnamed.or(Some(found));
        }
    }
    Ok(unnamed)
}

/// Whether digits are the day, the month and, if there are more, the year of a date in this order.
pub(in crate::detect) fn date_of(day: &[u8], month: &[u8]) -> bool {
    let last = match value(month) {
        Some(2) => 29,
        Some(4 | 6 | 9 | 11) => 30,
        Some(1..=12) => 31,
        _ => 0,
    };
    value(day).is_some_and(|day| (1..=last).contains(&day))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_found_by_their_first_group() {
        for kind in KINDS {
            let (lead, size) = kind.first_group();
            // Sets of them are bits of a word.
            assert!(KINDS.iter().filter(|other| other.first_group().1 == size).count() <= 64);
            assert!(kind.pattern.len() <= LONGEST && (1..LONGEST).contains(&size), "{}", kind.detector);
            assert!(lead < 8, "{}: further back than is kept", kind.detector);
            let beside = (lead.checked_sub(1).map(|last| kind.pattern[last]), kind.pattern.get(lead + size));
            // What the prefilter counts on: in one run of digits others need a word.
            assert!(super::super::NUMBERS.has(kind.topic), "{}", kind.detector);
            // What `needs_word` counts on, and the prefilter.
            assert!(size < 4 || kind.pattern.get(lead + size..lead + size + 2) != Some(b" A"), "{}", kind.detector);
            assert!(size < 4 || beside.0 != Some(b' '), "{}", kind.detector);
            assert!(size != 4 || kind.pattern.len() > lead + size, "{}", kind.detector);
            assert!(size != 4 || !matches!(beside.0, Some(byte) if byte != b'A'), "{}", kind.detector);
            assert!(size != 2 || beside.0 != Some(b'-'), "{}", kind.detector);
            assert!(!kind.pattern.starts_with(b"0000-00-"), "{}", kind.detector);
            let bare = kind.pattern.len() == size && kind.alone.is_some();
            assert!(!bare || matches!(size, 11 | 13 | 15 | 18), "{}", kind.detector);
            // And `stands_alone`.
            assert!(beside.0 != Some(b'.') && !beside.1.is_some_and(u8::is_ascii_lowercase), "{}", kind.detector);
        }
    }

    /// Each is among those that are asked of a number that is written like it, however much of that has arrived.
    #[test]
    fn a_number_is_asked_of_the_kinds_it_is_written_like() {
        for (number, kind) in KINDS.iter().enumerate() {
            let (lead, size) = kind.first_group();
            let before = KINDS.iter().take(number).filter(|other| other.first_group().1 == size).count();
            for either in [b'7', b'K'] {
                let written = |code: &u8| match code {
                    b'0' => b'7',
                    b'X' => either,
                    b'A' | b'~' => b'B',
                    code => *code,
                };
                let text: Vec<u8> = kind.pattern.iter().map(written).collect();
                for arrived in text.len().min(lead + size + 1)..=text.len() {
                    let end = arrived == text.len();
                    let view = View { bytes: &text[..arrived], end, json: false, rows: false, heading: b"" };
                    let fitting = BY_GROUP[size].fitting(&view, lead, size);
                    assert!(fitting >> before & 1 == 1, "{} {arrived} {text:?}", kind.detector);
                }
            }
        }
    }
}
