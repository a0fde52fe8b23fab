//! Compiled descriptor sets, as files name them: read before the rules that may name a type of theirs.

use aegis_dlp::{Descriptors, MessageType};
use data_encoding::BASE64;

use crate::source::cursor::Cursor;
use crate::source::diagnostics::Source;
use crate::source::nearest;

/// Reads the `protobuf` of the files; `sources` hold the sets.
pub(super) fn read<'r, 'a: 'r>(roots: impl Iterator<Item = &'r Cursor<'a>>, sources: &[Source]) -> Descriptors {
    let (mut named, mut sets) = (Vec::<(Cursor<'a>, &str)>::new(), Vec::new());
    for root in roots {
        for item in root.child("protobuf").map(|list| list.items()).unwrap_or_default() {
            let Some(at) = item.fields(&["descriptors"]).require("descriptors").cloned() else { continue };
            let Some(file) = file(&at, sources) else { continue };
            if named.iter().any(|(_, known)| *known == file.name) {
                at.problem(format!("`{}` is named already", file.name), "named twice");
            } else if let Some(bytes) = bytes(&at, file) {
                named.push((at, &file.name));
                sets.push(bytes);
            }
        }
    }
    let sets: Vec<&[u8]> = sets.iter().map(Vec::as_slice).collect();
    Descriptors::read(&sets).unwrap_or_else(|(number, error)| {
        if let Some((at, name)) = named.get(number) {
            at.problem(format!("{name}: {error}"), "not read");
        } else if let Some((at, _)) = named.last() {
            at.problem(error.to_string(), "too many");
        }
        Descriptors::NONE
    })
}

/// The file of that name in the directory of the file that names it.
fn file<'s>(at: &Cursor<'_>, sources: &'s [Source]) -> Option<&'s Source> {
    let name = at.string()?;
    let here = &at.problems().source().name;
    let directory = here.rfind('/').map_or("", |slash| here.get(..=slash).unwrap_or_default());
    let path = format!("{directory}{name}");
    let file = sources.iter().find(|source| source.is_descriptors() && source.name == path);
    let file = file.filter(|_| !name.contains('/'));
    if file.is_none() {
        let fix = "it ends with .binpb and lies beside this file; load the directory, or name both files";
        at.problem_with(format!("there is no descriptor set `{name}`"), "not there", fix);
    }
    file
}

fn bytes(at: &Cursor<'_>, file: &Source) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(file.text.as_bytes()).ok();
    if bytes.is_none() {
        let fix = "push it with `aegisctl policy push`, which writes its bytes in base64";
        at.problem_with(format!("{}: not the base64 of a descriptor set", file.name), "not read", fix);
    }
    bytes
}

/// The message type of that name.
pub(super) fn message(at: &Cursor<'_>, descriptors: &Descriptors) -> Option<MessageType> {
    let name = at.string()?;
    let message = descriptors.message(name);
    if message.is_none() {
        let help = match nearest::nearest(name, descriptors.names()) {
            _ if descriptors.is_empty() => {
                "name its descriptors: `protobuf: [{descriptors: FILE.binpb}]` at the top of a file"
            }
            Some(near) => &format!("did you mean `{near}`?"),
            None => "write its full name, such as acme.v1.User",
        };
        at.problem_with(format!("no message type `{name}` is declared"), "unknown type", help);
    }
    message
}
