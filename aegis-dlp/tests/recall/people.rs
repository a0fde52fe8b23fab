//! What identifies a person, by the rules of those who give it out, and numbers that they or other scanners' tests print.

use crate::check_digits as digits;
use crate::draw::Draw;
use crate::keys::Told;

/// A kind of value: its detector, the name that forms and tables give it, what tells it, how one is made, and printed ones.
pub struct Personal(
    pub &'static str,
    pub &'static str,
    pub Told,
    pub fn(&mut Draw) -> String,
    pub &'static [&'static str],
);

use Told::{ByForm, ByName};

pub const ALL: &[Personal] = &[
    Personal("ssn", "SSN", ByForm, digits::ssn, &["536-90-4399", "078 05 1123", "219-09-9999"]),
    Personal("ssn", "ssn", ByName, |draw| digits::ssn(draw).replace('-', ""), &["536904399"]),
    Personal("us_itin", "ITIN", ByForm, digits::us_itin, &["912-90-3456", "911-70-1234"]),
    Personal("uk_nino", "National Insurance Number", ByForm, digits::uk_nino, &["AA 12 34 56 B", "PR123612C"]),
    Personal("uk_nhs_number", "NHS number", ByName, digits::uk_nhs, &["943-476-5870", "401-023-2137", "221 395 1837"]),
    Personal("de_tax_id", "Steuer-ID", ByName, digits::de_tax_id, &["36 574 261 809", "36574261809"]),
    Personal(
        "fr_nir",
        "numero de securite sociale",
        ByForm,
        digits::fr_nir,
        &["2 95 10 99 126 111 93", "295109912611193"],
    ),
    Personal("es_dni", "DNI", ByForm, digits::es_dni, &["54362315-K", "12345678Z", "X9613851N", "Z8078221M"]),
    Personal("it_codice_fiscale", "codice fiscale", ByForm, digits::it_codice_fiscale, &["RCCMNL83S18D969H"]),
    Personal("nl_bsn", "BSN", ByName, digits::nl_bsn, &["111222333"]),
    Personal("be_national_number", "rijksregisternummer", ByName, digits::be_national_number, &["85.07.30-033.28"]),
    Personal("pl_pesel", "PESEL", ByName, digits::pl_pesel, &["44051401359", "44051401458"]),
    Personal("se_personnummer", "personnummer", ByForm, digits::se_personnummer, &["880320-0016"]),
    Personal("fi_hetu", "henkilotunnus", ByForm, digits::fi_hetu, &["131052-308T", "010594Y9032"]),
    Personal("dk_cpr", "CPR", ByName, digits::dk_cpr, &["211062-5629"]),
    Personal("no_fodselsnummer", "fodselsnummer", ByName, digits::no_fodselsnummer, &["151086 95088", "15108695088"]),
    Personal("pt_nif", "NIF", ByName, digits::pt_nif, &["501964843"]),
    Personal("ie_pps", "PPS number", ByName, digits::ie_pps, &["6433435F", "6433435FT"]),
    Personal("ch_ahv", "AHV number", ByForm, digits::ch_ahv, &["7569217076985", "756.9217.0769.85"]),
    Personal("ca_sin", "SIN", ByName, digits::ca_sin, &["130 692 544", "347-677-452"]),
    Personal("br_cpf", "CPF", ByForm, digits::br_cpf, &["390.533.447-05"]),
    Personal("mx_curp", "CURP", ByForm, digits::mx_curp, &["BOXW310820HNERXN09"]),
    Personal("cl_rut", "RUT", ByForm, digits::cl_rut, &["12.531.909-2"]),
    Personal(
        "in_aadhaar",
        "Aadhaar",
        ByName,
        digits::in_aadhaar,
        &["2341 2341 2346", "3123 4567 8909", "399876543211"],
    ),
    Personal("in_pan", "PAN", ByName, digits::in_pan, &["ABBPM4567S", "ACUPA7085R"]),
    Personal("au_tfn", "TFN", ByName, digits::au_tfn, &["876 543 210", "123456782"]),
    Personal("au_medicare", "Medicare number", ByName, digits::au_medicare, &["2123 45670 1", "2123456701"]),
    Personal("sg_nric", "NRIC", ByForm, digits::sg_nric, &["S2740116C", "F2346401L", "S9108268C"]),
    Personal("kr_rrn", "RRN", ByForm, digits::kr_rrn, &["960121-1021413", "971013-9019902"]),
    Personal("cn_resident_id", "ID card", ByForm, digits::cn_resident_id, &["360426199101010071"]),
    Personal("de_rvnr", "RVNR", ByForm, digits::de_rvnr, &["15070649C103", "65070803A019"]),
    Personal("at_svnr", "SVNR", ByName, digits::at_svnr, &["1237 010180"]),
    Personal("cz_rodne_cislo", "rodne cislo", ByForm, digits::cz_rodne_cislo, &["710319/2745"]),
    Personal("ro_cnp", "CNP", ByName, digits::ro_cnp, &["1630615123457"]),
    Personal("bg_egn", "EGN", ByName, digits::bg_egn, &["8032056031"]),
    Personal("hr_oib", "OIB", ByName, digits::hr_oib, &["33392005961"]),
    Personal("ee_isikukood", "isikukood", ByName, digits::ee_isikukood, &["36805280109"]),
    Personal("ee_isikukood", "asmens kodas", ByName, digits::ee_isikukood, &["33309240064"]),
    Personal("gr_amka", "AMKA", ByName, digits::gr_amka, &["01013099997"]),
    Personal("tr_kimlik", "TC Kimlik No", ByName, digits::tr_kimlik, &["17291716060", "10000000146"]),
    Personal("za_id", "South African ID", ByName, digits::za_id, &["8001015009087", "7503305044089"]),
    Personal("th_id", "Thai ID", ByName, digits::th_id, &["3100600445635", "1234567890121"]),
    Personal("il_id", "teudat zehut", ByName, digits::il_id, &["039337423"]),
    Personal("jp_my_number", "my number", ByName, digits::jp_my_number, &["6214 9832 0257"]),
    Personal("ar_cuit", "CUIT", ByForm, digits::ar_cuit, &["20-05536168-2"]),
    Personal("cl_rut", "RUT", ByName, |draw| digits::cl_rut(draw).replace('.', ""), &["10075381-2", "10626628-K"]),
    Personal("kr_rrn", "RRN", ByName, digits::kr_rrn_of_today, &["960121-1234567", "9111245678901"]),
    Personal("us_mbi", "Medicare id", ByForm, digits::us_mbi, &["1EG4-TE5-MK73", "2AG9-XC4-NN22"]),
    Personal("us_mbi", "MBI", ByName, |draw| digits::us_mbi(draw).replace('-', ""), &["1EG4TE5MK73", "4EF6GH8JK12"]),
    Personal("other_national_id", "kennitala", ByName, digits::kennitala, &["450401-3150"]),
    Personal("other_national_id", "JMBG", ByName, digits::jmbg, &["0101006500006"]),
    Personal("other_national_id", "Emirates ID", ByForm, digits::emirates, &["784-1980-1234567-8"]),
    Personal(
        "other_national_id",
        "CNIC",
        ByName,
        |draw| draw.form("[1-7][0-9]{4}-[0-9]{7}-[1-9]"),
        &["34201-0891231-8"],
    ),
    Personal("mac_address", "MAC address", ByForm, mac, &["00:1A:2B:3C:4D:5E", "0a:23:f5:67:89:ac"]),
    Personal(
        "payment_card",
        "card number",
        ByName,
        digits::maestro,
        &["630427373398", "501864667909", "180016070420458"],
    ),
    Personal("driver_license", "driver's license", ByName, license, &["H12234567", "MORGA607054SM9IJ"]),
    Personal(
        "bank_account",
        "account number",
        ByName,
        |draw| draw.form("[1-9][0-9]{9}"),
        &["945456787654", "12345678"],
    ),
    Personal(
        "email",
        "email",
        ByForm,
        email,
        &["info@presidio.site", "user@xn--80ak6aa92e.com", "o'brien+tag@mail.example.co.uk"],
    ),
    Personal(
        "phone",
        "phone",
        ByForm,
        phone,
        &["(415) 555-0132", "+1 415 555 0132", "+55 11 98456 5666", "+44 (20) 7123 4567", "415-555-0132"],
    ),
    Personal(
        "phone",
        "phone number",
        ByName,
        local_phone,
        &["09-7625400", "090-1234-5678", "13812345678", "020 7123 4567"],
    ),
    Personal(
        "date_of_birth",
        "date of birth",
        ByName,
        date,
        &["5/20/1991", "1991-05-21", "21.5.1991", "May 21, 1991", "21 May 1991", "5-MAY-1971"],
    ),
    Personal(
        "passport",
        "passport number",
        ByName,
        passport,
        &["A12803456", "912803456", "C01234565", "AAA123456", "J6932157"],
    ),
    Personal("medical_record_number", "MRN", ByName, |draw| draw.form("[1-9][0-9]{6}"), &["MRN-00482913", "H12345678"]),
    Personal(
        "payment_card",
        "card",
        ByForm,
        digits::payment_card,
        &[
            "4012888888881881",
            "371449635398431",
            "30569309025904",
            "5555555555554444",
            "6011000400000000",
            "3528000700000000",
            "6759649826438453",
        ],
    ),
    Personal(
        "iban",
        "IBAN",
        ByForm,
        digits::iban,
        &[
            "AL47 2121 1009 0000 0002 3569 8741",
            "AD1200012030200359100100",
            "AZ21 NABZ 0000 0000 1370 1000 1944",
            "BY13NBRB3600900000002Z00AB00",
        ],
    ),
    Personal("us_routing_number", "routing number", ByName, digits::us_routing_number, &["111000025", "121000358"]),
    Personal(
        "ip_address",
        "ip",
        ByForm,
        ip_address,
        &["192.168.0.1", "2400:c401::5054:ff:fe1b:b031", "2345:0425:2CA1:0000:0000:0567:5673:23b5"],
    ),
    Personal("geo", "location", ByForm, geo, &["37.7749,-122.4194", "48.858370, 2.294481"]),
];

fn email(draw: &mut Draw) -> String {
    let name = draw.one_of(&["jane.doe", "r_smith", "anna-maria", "x", "first.last+news", "ops%eu"]);
    let host = draw.one_of(&[
        "example.com",
        "mail.example.co.uk",
        "corp.example.io",
        "example.museum",
        "sub-domain.example.org",
    ]);
    format!("{name}{}@{host}", draw.between(1, 99))
}

fn phone(draw: &mut Draw) -> String {
    let form = draw.one_of(&[
        "+1 [2-9][0-9]{2} 555 01[0-9]{2}",
        "+1-212-555-01[0-9]{2}",
        "+44 20 7946 0[0-9]{3}",
        "+49 30 [1-9][0-9]{6}",
        "+33 1 23 45 [0-9]{2} [0-9]{2}",
        "(212) 555-01[0-9]{2}",
        "212-555-01[0-9]{2}",
        "+447700900[0-9]{3}",
        "+91 98765 [0-9]{5}",
        "+81-3-1234-[0-9]{4}",
    ]);
    draw.form(form)
}

/// As it is written within a country: nothing but what stands before it says that it is one.
fn local_phone(draw: &mut Draw) -> String {
    let form = draw.one_of(&[
        "030 [1-9][0-9]{6}",
        "0[1-9] 12 34 [0-9]{2} [0-9]{2}",
        "07700 900[0-9]{3}",
        "212.555.01[0-9]{2}",
        "21255501[0-9]{2}",
    ]);
    draw.form(form)
}

fn date(draw: &mut Draw) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let (day, month, year) = digits::birth(draw);
    let name = MONTHS[month - 1];
    match draw.below(7) {
        0 => format!("{year}-{month:02}-{day:02}"),
        1 => format!("{month:02}/{day:02}/{year}"),
        2 => format!("{day:02}.{month:02}.{year}"),
        3 => format!("{name} {day}, {year}"),
        4 => format!("{day} {name} {year}"),
        5 => format!("{year}/{month:02}/{day:02}"),
        _ => format!("{day:02}-{}-{year}", &name[..3]),
    }
}

fn passport(draw: &mut Draw) -> String {
    let form = draw.one_of(&[
        "[A-Z][0-9]{8}",
        "[1-9][0-9]{8}",
        "[A-Z]{2}[0-9]{7}",
        "C[0-9]{2}[RTVWX][0-9]{2}T[0-9]{2}",
        "[0-9]{2}[A-Z]{2}[0-9]{5}",
    ]);
    draw.form(form)
}

fn license(draw: &mut Draw) -> String {
    let form = draw.one_of(&[
        "[A-Z][0-9]{7}",
        "[1-9][0-9]{8}",
        "[A-Z]{5}6[0-9]{5}[A-Z]{2}9[A-Z]{2}",
        "[A-Z][0-9]{12}",
        "[1-9][0-9]{7}",
    ]);
    draw.form(form)
}

fn ip_address(draw: &mut Draw) -> String {
    if draw.below(3) == 0 {
        return draw.form("2001:db8:[a-f0-9]{4}:[1-9a-f][a-f0-9]{3}::[1-9a-f][a-f0-9]{2}");
    }
    format!("{}.{}.{}.{}", draw.between(11, 223), draw.below(256), draw.below(256), draw.between(1, 254))
}

fn geo(draw: &mut Draw) -> String {
    let sign = |draw: &mut Draw| if draw.below(2) == 0 { "-" } else { "" };
    let (north, east) = (sign(draw), sign(draw));
    format!(
        "{north}{}.{:06}, {east}{}.{:06}",
        draw.between(1, 89),
        draw.below(1_000_000),
        draw.between(1, 179),
        draw.below(1_000_000)
    )
}

fn mac(draw: &mut Draw) -> String {
    let form = draw.one_of(&[
        "[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}",
        "[0-9A-F]{2}:[0-9A-F]{2}:[0-9A-F]{2}:[0-9A-F]{2}:[0-9A-F]{2}:[0-9A-F]{2}",
    ]);
    draw.form(form)
}
