//! Archives, office documents and pictures: read, never rewritten, and nothing of a match gets out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "support/packing.rs"]
mod packing;
#[path = "support/streams.rs"]
mod streams;

use aegis_dlp::{Deed, Reason, StreamFlow, Unreadable, Why};
use packing::*;
use streams::*;

const ANY: &str = "application/octet-stream";
const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

/// A document with a text that a word processor has cut into runs.
fn document(runs: &[&str]) -> Vec<u8> {
    let runs: String =
        runs.iter().map(|run| format!("<w:r w:rsidR=\"00A1B2\"><w:rPr><w:b/></w:rPr><w:t>{run}</w:t></w:r>")).collect();
    let body = format!(
        "<?xml version=\"1.0\"?><w:document><w:body><w:p>{runs}</w:p><w:p><w:r><w:t>end</w:t></w:r></w:p></w:body></w:document>"
    );
    zip(
        &[
            Entry("[Content_Types].xml", b"<?xml version=\"1.0\"?><Types/>", true),
            Entry("word/", b"", false),
            Entry("word/document.xml", body.as_bytes(), true),
            Entry("word/media/image1.png", b"\x89PNG\r\n\x1a\nabc\x00\x01", false),
        ],
        false,
    )
}

#[test]
fn what_is_clean_leaves_as_it_came() {
    let text = "a clean text of some length, ".repeat(2000);
    for behind in [false, true] {
        let body = zip(&[Entry("a.txt", text.as_bytes(), true), Entry("b.txt", b"stored", false)], behind);
        for profile in [redacting(), denying(), redacting().report_only()] {
            assert_eq!(send(&profile, &typed(ANY), &body).passed(), body);
        }
    }
    assert_eq!(send(&redacting(), &typed(DOCX), &document(&["nothing"])).passed(), document(&["nothing"]));
    let packed = gzip(text.as_bytes());
    assert_eq!(send(&redacting(), &typed("application/gzip"), &packed).passed(), packed);
}

#[test]
fn a_match_in_an_entry_stops_before_it() {
    let before = "words before the number, all of them different: ".to_owned()
        + &(0..5000).map(|n| format!("{} ", n * 7919)).collect::<String>();
    let text = format!("{before} ssn {SSN} {before}");
    for behind in [false, true] {
        for compressed in [true, false] {
            let body = zip(&[Entry("a.txt", b"clean", true), Entry("b.txt", text.as_bytes(), compressed)], behind);
            let sent = send(&redacting(), &typed(ANY), &body);
            assert_eq!(sent.denied_by(), "ssn");
            assert!(sent.places()[0].ends_with(":zip:b.txt"), "{:?}", sent.places());
            assert!(
                body.starts_with(&sent.out) && sent.out.len() < body.len() * 6 / 10,
                "{} of {}",
                sent.out.len(),
                body.len()
            );
            assert!(sent.out.len() > body.len() / 4, "and it streams");
        }
    }
    let approving = send(&unreadable(redacting(), Unreadable::Approve), &typed(ANY), &gzip(text.as_bytes()));
    assert!(matches!(approving.flow, StreamFlow::Deny(Why::Approval(_))));
    let passing = send(&unreadable(redacting(), Unreadable::Pass), &typed(ANY), &gzip(text.as_bytes()));
    assert_eq!(passing.denied_by(), "ssn", "what was found never just passes");
}

#[test]
fn text_of_documents_is_put_together() {
    let body = document(&["My number: 536-", "22", "-87", "41, thank you"]);
    let sent = send(&redacting(), &typed(DOCX), &body);
    assert_eq!(sent.denied_by(), "ssn");
    assert!(sent.places()[0].ends_with("zip:word/document.xml"), "{:?}", sent.places());
    let entities = document(&["&#53;3&#x36;-22-8741"]);
    assert_eq!(send(&redacting(), &typed(DOCX), &entities).denied_by(), "ssn");
    // Attributes, comments, and character data that no entity is in.
    for hidden in [
        "</w:t><a href=\"mailto:jane@example.com\"/><w:t>",
        "<!-- jane@example.com -->",
        "<![CDATA[jane@example.com]]>",
    ] {
        assert_eq!(send(&redacting(), &typed(DOCX), &document(&[hidden])).denied_by(), "email", "{hidden}");
    }
    // The name of an element says what its text is, also in pieces and however the archive is cut.
    for (field, detector) in [
        ("<ssn>523456789</ssn>", "ssn"),
        ("<x:ssn id='1'>52345&#54;789</x:ssn><ssn><!-- of 2020 -->none</ssn>", "ssn"),
        ("<ssn>\n<![CDATA[523456789]]></ssn>", "ssn"),
        ("<row>\n  <dateOfBirth>1980-01-02</dateOfBirth>\n</row>", "date_of_birth"),
        ("<id>x</id><secret>464r3ib5xzipgd36zdzpvm09p00juu0b</secret>", "generic_secret"),
    ] {
        let body = zip(&[Entry("a.xml", format!("<?xml version=\"1.0\"?><a>{field}</a>").as_bytes(), true)], false);
        let cuts: Vec<usize> = (0..body.len()).collect();
        let whole = send(&redacting(), &typed(ANY), &body);
        assert_eq!(whole.denied_by(), detector, "{field}");
        assert_eq!(send_cut(&redacting(), &typed(ANY), &body, &cuts).findings, whole.findings, "{field}");
    }
    for kept in ["<a>523456789</a>", "<ssn/>\n<b>523456789</b>", "<ssn>none</ssn><id>523456789</id>"] {
        let body = zip(&[Entry("a.xml", format!("<?xml version=\"1.0\"?><a>{kept}</a>").as_bytes(), true)], false);
        assert_eq!(send(&redacting(), &typed(ANY), &body).passed(), body, "{kept}");
    }
    // A value that such an element cuts is one all the same.
    let hidden = document(&["536-<ssn/>22-<ssn>8741</ssn>"]);
    assert_eq!(send(&redacting(), &typed(DOCX), &hidden).denied_by(), "ssn");
    // Two paragraphs are two texts.
    let cut = document(&["536-22-</w:t></w:r></w:p><w:p><w:r><w:t>8741"]);
    assert_eq!(send(&redacting(), &typed(DOCX), &cut).passed(), cut);
}

#[test]
fn names_and_comments_are_content() {
    let body = zip(&[Entry(&format!("{SSN}.txt"), b"x", true)], false);
    let sent = send(&redacting(), &typed(ANY), &body);
    assert_eq!(sent.denied_by(), "ssn");
    assert!(!sent.places().concat().contains(SSN));
    let mut comment = zip(&[Entry("a", b"x", true)], false);
    let length = comment.len() - 2;
    comment[length] = 11;
    comment.extend(SSN.bytes());
    assert_eq!(send(&redacting(), &typed(ANY), &comment).denied_by(), "ssn");
}

#[test]
fn archives_in_archives_to_a_depth() {
    let mut body = zip(&[Entry("a.txt", SSN.as_bytes(), true)], false);
    body = zip(&[Entry("inner.zip", &body, false)], false);
    assert_eq!(send(&redacting(), &typed(ANY), &body).denied_by(), "ssn");
    for _ in 0..3 {
        body = zip(&[Entry("inner.zip", &gzip(&body), true)], true);
    }
    assert!(matches!(send(&redacting(), &typed(ANY), &body).reason(), Reason::TooLarge(_)));
}

#[test]
fn what_cannot_be_read_is_the_rules_choice() {
    let archive = zip(&[Entry("a.txt", b"some text", true), Entry("b.txt", b"more", true)], false);
    let with = |at: usize, value: u8| {
        let mut changed = archive.clone();
        changed[at] = value;
        changed
    };
    let directory = archive.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    let cases: [(&str, Vec<u8>); 12] = [
        ("encrypted", with(6, 1)),
        ("an unknown method", with(8, 93)),
        ("a wrong size", with(18, 3)),
        ("another offset in the directory", with(directory + 42, 7)),
        ("another size in the directory", with(directory + 20, 7)),
        ("cut", archive[..archive.len() - 30].to_vec()),
        ("bytes behind the end", [&archive[..], b"x"].concat()),
        ("bytes before the directory", [&archive[..directory], b"hidden", &archive[directory..]].concat()),
        ("a PDF", b"%PDF-1.7\n...".to_vec()),
        ("an old Word document", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1...".to_vec()),
        ("7z", b"7z\xbc\xaf\x27\x1c\x00\x04".to_vec()),
        ("gzip that ends early", gzip(b"some text")[..12].to_vec()),
    ];
    for (name, body) in cases {
        let _ = send(&redacting(), &typed(ANY), &body).reason();
        let passing = send(&unreadable(redacting(), Unreadable::Pass), &typed(ANY), &body);
        assert_eq!((passing.passed(), passing.remarks[0].deed), (&body[..], Deed::Unread), "{name}");
        let asking = send(&unreadable(redacting(), Unreadable::Approve), &typed(ANY), &body);
        assert!(matches!(&asking.flow, StreamFlow::Deny(Why::Opaque(opaque)) if opaque.approvable), "{name}");
    }
}

#[test]
fn many_entries_and_large_ones_end() {
    let entries: Vec<Entry<'_>> = (0..10_001).map(|_| Entry("a", b"", false)).collect();
    assert!(matches!(send_cut(&redacting(), &typed(ANY), &zip(&entries, false), &[]).reason(), Reason::TooLarge(_)));
    let bomb = zip(&[Entry("a", &vec![0; 8 * 1024 * 1024], true)], false);
    assert!(matches!(send_cut(&redacting(), &typed(ANY), &bomb, &[]).reason(), Reason::TooLarge(_)));
}

#[test]
fn pictures_with_descriptions() {
    let noise: Vec<u8> = (0..20_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let picture = |text: &str| {
        [b"\x89PNG\r\n\x1a\n".as_slice(), &noise, b"tEXtComment\0", text.as_bytes(), b"\0", &noise].concat()
    };
    let clean = picture("a sunny day");
    assert_eq!(send(&redacting(), &typed("image/png"), &clean).passed(), clean);
    // Noise in which a scanner of text finds an address.
    let chance = [b"\x89PNG\r\n\x1a\n".as_slice(), b"\xff\x01a@b.co\x02\xfe"].concat();
    assert_eq!(send(&redacting(), &typed("image/png"), &chance).passed(), chance);
    let body = picture("taken by jane@example.com");
    let sent = send(&redacting(), &typed("image/png"), &body);
    assert_eq!(sent.denied_by(), "email");
    assert!(body.starts_with(&sent.out) && !sent.text().contains("jane@"));
    let reporting = send(&redacting().report_only(), &typed("image/png"), &body);
    assert_eq!((reporting.passed(), reporting.names()), (&body[..], vec!["email"]));
}

#[test]
fn a_type_does_not_hide_what_content_is() {
    let body = zip(&[Entry("a.txt", SSN.as_bytes(), true)], false);
    for kind in ["text/plain", "application/json", "image/png", ""] {
        assert_eq!(send(&redacting(), &typed(kind), &body).denied_by(), "ssn", "{kind}");
    }
}

/// What of an entry came before the archive breaks off was read, also where broken archives pass.
#[test]
fn a_value_at_the_place_where_an_archive_breaks_off() {
    let passing = unreadable(redacting(), Unreadable::Pass);
    for (name, text) in [("a.txt", "my ssn 536-22-8741, and more"), ("a.xml", "<a>my ssn <!-- 536-22-8741 --></a>")] {
        let body = zip(&[Entry(name, text.as_bytes(), false)], false);
        let end = body.windows(4).position(|four| four == b"8741").unwrap() + 4;
        assert_eq!(send(&passing, &typed(ANY), &body[..end]).denied_by(), "ssn", "{name}");
        let clean = &body[..end - 5];
        assert_eq!(send(&passing, &typed(ANY), clean).passed(), clean, "{name}");
    }
}
