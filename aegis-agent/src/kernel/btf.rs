//! The kernel's description of its own structures (BTF, Documentation/bpf/btf.rst): where a member stands. The programs
//! have no relocations of their own (rustc makes none), and the one crate that reads members is under the LGPL.

use std::ops::Range;

/// Where the kernel shows its BTF.
pub(super) const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
/// Structures within structures, further than any kernel goes.
const DEPTH: u32 = 16;

/// `enum` of linux/btf.h.
mod kind {
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const TYPE_TAG: u32 = 18;
}

/// The parsed description. Anything that is not as the format has it reads as "not there".
pub(super) struct Btf {
    bytes: Vec<u8>,
    strings: Range<usize>,
    /// Where each type begins; type 0 (void) is left out.
    types: Vec<usize>,
}

/// `struct btf_type` without what follows it.
#[derive(Clone, Copy)]
struct Type {
    name: u32,
    kind: u32,
    members: usize,
    /// The upper bits of members' offsets hold the sizes of bit fields.
    bit_fields: bool,
    /// The type that it stands for, if it does.
    of: u32,
}

impl Btf {
    /// `None` when these bytes are no BTF of this machine's byte order.
    pub(super) fn parse(bytes: Vec<u8>) -> Option<Self> {
        if u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?) != MAGIC {
            return None;
        }
        let header = word(&bytes, 4)?;
        let section = |field: usize| -> Option<Range<usize>> {
            let begin = (header as usize).checked_add(word(&bytes, field)? as usize)?;
            Some(begin..begin.checked_add(word(&bytes, field + 4)? as usize)?)
        };
        let (all, strings) = (section(8)?, section(16)?);
        let mut types = Vec::new();
        let mut at = all.start;
        while at < all.end {
            types.push(at);
            at = at.checked_add(12)?.checked_add(tail(word(&bytes, at + 4)?)?)?;
        }
        Some(Self { bytes, strings, types })
    }

    /// The offset in bytes of a member, as `d_name.name` through structures within `structure`.
    pub(super) fn offset(&self, structure: &str, member: &str) -> Option<u32> {
        let named = |found: &Type| found.kind == kind::STRUCT && self.is_named(found.name, structure);
        let ids = self.types.iter().zip(1..).filter(|(at, _)| self.type_at(**at).is_some_and(|found| named(&found)));
        let bits = ids.into_iter().find_map(|(_, id)| self.path(id, member))?;
        (bits % 8 == 0).then_some(bits / 8)
    }

    fn path(&self, structure: u32, path: &str) -> Option<u32> {
        let (mut at, mut bits) = (structure, 0u32);
        for name in path.split('.') {
            let (offset, next) = self.member(at, name, DEPTH)?;
            bits = bits.checked_add(offset)?;
            at = next;
        }
        Some(bits)
    }

    /// A member's offset in bits and its type; members of unnamed structures within count as their surroundings' own.
    fn member(&self, structure: u32, name: &str, depth: u32) -> Option<(u32, u32)> {
        let depth = depth.checked_sub(1)?;
        let (at, found) = self.plain(structure)?;
        if found.kind != kind::STRUCT && found.kind != kind::UNION {
            return None;
        }
        (0..found.members).find_map(|index| {
            let member = at + 12 + index * 12;
            let (label, of) = (word(&self.bytes, member)?, word(&self.bytes, member + 4)?);
            let offset = word(&self.bytes, member + 8)? & if found.bit_fields { 0x00ff_ffff } else { u32::MAX };
            if label == 0 {
                let (inner, of) = self.member(of, name, depth)?;
                return Some((offset.checked_add(inner)?, of));
            }
            self.is_named(label, name).then_some((offset, of))
        })
    }

    /// A type behind its other names and qualifiers.
    fn plain(&self, id: u32) -> Option<(usize, Type)> {
        let mut id = id;
        for _ in 0..DEPTH {
            let at = *self.types.get((id as usize).checked_sub(1)?)?;
            let found = self.type_at(at)?;
            match found.kind {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => id = found.of,
                _ => return Some((at, found)),
            }
        }
        None
    }

    fn type_at(&self, at: usize) -> Option<Type> {
        let info = word(&self.bytes, at + 4)?;
        Some(Type {
            name: word(&self.bytes, at)?,
            kind: info >> 24 & 0x1f,
            members: (info & 0xffff) as usize,
            bit_fields: info >> 31 != 0,
            of: word(&self.bytes, at + 8)?,
        })
    }

    fn is_named(&self, at: u32, name: &str) -> bool {
        let strings = self.bytes.get(self.strings.clone()).and_then(|strings| strings.get(at as usize..));
        strings.and_then(|rest| rest.strip_prefix(name.as_bytes())).is_some_and(|rest| rest.first() == Some(&0))
    }
}

/// How many bytes follow the head of a type; `None` for kinds that this does not know and so cannot step over.
fn tail(info: u32) -> Option<usize> {
    let count = (info & 0xffff) as usize;
    Some(match info >> 24 & 0x1f {
        // Pointers, forwards, names, qualifiers, functions, floats.
        2 | 7..=12 | 16 | 18 => 0,
        // Integers, variables, declaration tags.
        1 | 14 | 17 => 4,
        // Arrays.
        3 => 12,
        // Enumerations and parameters.
        6 | 13 => count * 8,
        // Members, section entries, wide enumerations.
        4 | 5 | 15 | 19 => count * 12,
        _ => return None,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn kernel() -> Btf {
        Btf::parse(std::fs::read(VMLINUX).unwrap()).unwrap()
    }

    /// Places that no kernel has ever moved, or that the kernel's own rules fix.
    #[test]
    fn members_of_the_running_kernel_are_found() {
        let btf = kernel();
        let table = [
            ("socket", "sk", Some(24)),
            ("sock", "__sk_common.skc_family", Some(16)),
            ("list_head", "prev", Some(8)),
            ("qstr", "name", Some(8)),
            // Through an unnamed union.
            ("qstr", "len", Some(4)),
            ("list_head", "absent", None),
            ("no_such_structure", "next", None),
            ("list_head", "next.next", None),
        ];
        for (structure, member, expected) in table {
            assert_eq!(btf.offset(structure, member), expected, "{structure}.{member}");
        }
    }

    #[test]
    fn broken_descriptions_are_none() {
        let good = std::fs::read(VMLINUX).unwrap();
        assert!(Btf::parse(Vec::new()).is_none());
        assert!(Btf::parse(b"\x7fELF and more".to_vec()).is_none());
        assert!(Btf::parse(good[..1000].to_vec()).is_none());
        let mut unknown = good;
        // The kind of the first type.
        unknown[24 + 7] = 0x1f;
        assert!(Btf::parse(unknown).is_none());
    }
}
