//! How much a run of letters and digits looks like data: its length in bits under a model of how hosts are named.
//!
//! The model knows which character follows which in the words of host and package names. Words cost about four bits a
//! letter in it, and what is random six or more, whatever alphabet it is written in: the entropy of a label's own
//! characters, the usual measure, tells `production-terraform-state` from base32 only when both are long.

/// A character, or the border of a run.
const SYMBOLS: &[u8; 37] = b".abcdefghijklmnopqrstuvwxyz0123456789";
/// Bits a character from which on a run looks like data; its end counts as one.
const DENSE: u32 = 49;
const DENSE_OF: u32 = 10;
/// Parts of a bit in the table.
const PARTS: u32 = 8;

/// The eighths of a bit that a character (column) costs after another (row), above `0` in ASCII. Counted over the names
/// of Debian's packages and the hosts in documentation, each word by the root of its frequency, hosts threefold; mixed
/// with a 15 % of any character, so that nothing is impossible; rounded up, so that every row is a code (Kraft).
const COSTS: [&[u8; 37]; 37] = [
    br"pVYQUZXU\Y`_DT[[QcWPW_a\ahgmimnonoooo", // .
    br"PiYQVhdWiYl_OTKjRlLPK]]df^gmmkmnnnoop", // a
    br"RQ\SZT[UaQ[YRV]PW]UQYUac^beljignmkopp", // b
    br"LNg\`QgeMYmOR`jG[nTXQZgkjfmkhgkknjpoo", // c
    br"FOW]]E\]fKhc[__P^lXYaYghjdniifimklpon", // d
    br"GW]TWZbakeliUWMc\gGORg]aXekjhgkllmoop", // e
    br"KPd\eSQfmHokQ`hKanRTUYlfe^oigcllUomko", // f
    br"GUd^^H_^ZOljS^VO[mOUZWhfjhijhfkimnoop", // g
    br"GIh]^GejnMlk`_fL[j[^QViflZmjiemnkmooo", // h
    br"W[?SY[_\nknfUXKVZm\URiambpdmklnoonpop", // i
    br"RF`U[JabfSoga]bQWbdFaSbbgjmnkilopnppp", // j
    br"DR_\XHR_fMmf]\dW_n]SY[icjamgdcdijlomo", // k
    br"MQhc_Nhim;ogWflRboiY^[fljcllihmmmmoop", // l
    br"KGZ_^IcdjMmiTYhMNidY`Wijkcnkgfklmmooo", // m
    br"HRdTQMZNiSg`ad^TamgQKY`jfbkkhidllmono", // n
    br"Q_\SUh_Ykaf_QQITRmJTTWa]`kkmkkmnnopoo", // o
    br"KLg[]JeaVSofPaeRUmPVUZkilSojgeikmnomp", // p
    br"N]d[_chbhcknLVge]f\]ABibglmmihkinoppp", // q
    br"GLdXYHc_kNm^]YaM_m`TUZ`kl[njhilmmiopo", // r
    br"CXfU`MffUSn`\\cUVceSI\eck]ohgdgkiinoo", // s
    br"FOf[bIahTMma]`jN]mOVY]kch\kigfklefooo", // t
    br"UWTZXW_YkQldRRLfTpMKKihk^mgnnmnopppnp", // u
    br"JLb^[AfahGoibY_Vaob^\bllnhpkcbkg[ipjp", // v
    br"KIdb`Hcb[Hng^XXPalWT\flVdinkiidnljnpp", // w
    br"BY_WZUZceUkd\Qd^Rj[WKghe^\lf__^kfonhp", // x
    br"@U^Y^Ya^hakfVXUYMh]MRbhffnjjffgmmoopn", // y
    br"IO_abEafaJlkVZbQhka]d[cfcUSjlffglnlhp", // z
    br"6dkeYimkojphhiamkojklo]n_opTbahje_fed", // 0
    br"8llg_goknkpnlommkpknkm^plopRRT]`^Z`_\", // 1
    br"9be_^dbUdfjidgh__m_bahgjgnlZ_aRh`bfek", // 2
    br"8le`Nkmhgjpjgikmjpheglfhmop`gHhkfjma_", // 3
    br"8`k[c\jZmgYl]ek`[dVabdimklp[jhehpnhbg", // 4
    br":UcW^ci_j_hZd[`jXdfWaif]dop__e`hc`jkk", // 5
    br"<ghbaWnkginfdhhicYe_elg`mmp^ed_Begp]n", // 6
    br"8bg^a`kjgbofce[edoeeejam`l`W^\jY\jXi^", // 7
    br";eiebeidieo]dhTg_od_ggennmoOYca`^Ji_d", // 8
    br"9^dghbgjkbobccfedoeedceemloQ^ab]c^jaM", // 9
];

/// The bits in `text` that look like data: those of its runs of letters and digits that no words are. `text` in lower case.
pub(super) fn data_bits(text: &str) -> u32 {
    let runs = text.as_bytes().split(|byte| !byte.is_ascii_alphanumeric());
    let eighths: u32 = runs.filter_map(dense).sum();
    eighths / PARTS
}

/// The cost of a run in eighths of a bit, where it looks like data.
fn dense(run: &[u8]) -> Option<u32> {
    if run.is_empty() {
        return None;
    }
    let mut before = b'.';
    let mut cost = 0_u32;
    let mut steps = 0_u32;
    for byte in run.iter().copied().chain([b'.']) {
        cost = cost.saturating_add(eighths(before, byte));
        steps = steps.saturating_add(1);
        before = byte;
    }
    (cost * DENSE_OF >= steps * DENSE * PARTS).then_some(cost)
}

fn eighths(before: u8, byte: u8) -> u32 {
    let place = |byte: u8| SYMBOLS.iter().position(|symbol| *symbol == byte);
    let cost = place(before).zip(place(byte)).and_then(|(row, column)| COSTS.get(row)?.get(column));
    // Not of the alphabet: as dear as the dearest.
    cost.map_or(64, |cost| u32::from(cost.saturating_sub(b'0')))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_code() {
        for (symbol, row) in SYMBOLS.iter().zip(COSTS) {
            let sum: f64 = row.iter().map(|cost| 2_f64.powf(-f64::from(cost - b'0') / f64::from(PARTS))).sum();
            assert!(sum <= 1.0 && sum > 0.8, "{}: {sum}", char::from(*symbol));
        }
    }

    #[test]
    fn words_hold_nothing_and_random_characters_what_they_hold() {
        for words in ["", "www", "production-terraform-state", "registry", "kubernetes.default.svc.cluster.local"] {
            assert!(data_bits(words) < 24, "{words}: {}", data_bits(words));
        }
        // 128 bits in each, as hex, base32 and letters alone; the model is dearer than the truth by a third or so.
        for random in ["3639ac514e785e898d2646601fa951d5", "xk4qzj7bwf2yhg5trmnpsl3cqe", "qzxjvbwfyhgtrmnpslckdqzwvxu"]
        {
            let bits = data_bits(random);
            assert!((128..230).contains(&bits), "{random}: {bits}");
        }
    }

    #[test]
    fn hyphens_do_not_hide_it() {
        let whole = data_bits("3639ac514e785e898d2646601fa951d5");
        let cut = data_bits("3639-ac51-4e78-5e89-8d26-4660-1fa9-51d5");
        assert!(cut * 10 >= whole * 9, "{cut} of {whole}");
    }
}
