//! The header fields of a part.

use super::delimiter::Newline;
use super::{AMBIGUOUS, HEADERS, words};
use crate::coding::Stop;
use crate::stream::{Content, Reason, Why, join};
use crate::{Place, Profile, scan_text};

use super::super::Within;
use super::super::media::{Media, parameters, percent_decoded};

/// Name and value of a field.
type Field = (String, String);

/// How fields are written.
pub(super) struct Style<'a> {
    pub(super) newline: Newline,
    /// The delimiter of the multipart body that they stand in: there no field may be twice.
    pub(super) boundary: Option<&'a [u8]>,
}

/// The fields of a part.
pub(super) struct Headers {
    /// What is sent, up to the empty line and with it.
    pub(super) sent: Vec<u8>,
    /// Name and value, in order, as they are sent.
    fields: Vec<Field>,
    /// Every file name that a reader could see.
    pub(super) file_names: Vec<String>,
}

impl Headers {
    /// The value of a field.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// The name of the form's field; empty where there is none.
    pub(super) fn field_name(&self) -> Box<str> {
        form_name(&self.fields).unwrap_or_default().into()
    }

    pub(super) fn media(&self) -> Media<'_> {
        Media::of(self.get("content-type"))
    }
}

/// The length of the fields that `held` begins with, once the empty line behind them is there.
pub(super) fn length(held: &[u8], newline: Newline) -> Result<Option<usize>, Reason> {
    let empty = newline.text().as_bytes();
    if held.starts_with(empty) {
        return Ok(Some(empty.len()));
    }
    let twice = empty.repeat(2);
    let found = memchr::memmem::find(held.get(..HEADERS).unwrap_or(held), &twice);
    match found {
        Some(at) => Ok(Some(at + twice.len())),
        None if held.len() > HEADERS => Err(Reason::TooLarge("the header fields of a part")),
        None => Ok(None),
    }
}

/// Reads fields, and scans and redacts them line by line: names of fields and files are content, too. `within` says where they
/// are.
pub(super) fn read(
    content: &mut Content,
    block: &[u8],
    style: &Style<'_>,
    within: &dyn Fn(&Content, &[Field]) -> Within,
) -> Result<(Headers, Within), Stop> {
    let lines = lines(block, style)?;
    let before = fields(&lines, style)?;
    let part = within(content, &before);
    let newline = style.newline.text().as_bytes();
    let mut sent = Vec::with_capacity(block.len());
    let mut changed = Vec::new();
    for line in &lines {
        let offset = sent.len() as u64;
        let line = scan(content, line, offset, &part.profile(content), &part.path).map_err(Stop::Why)?;
        for reading in words::readings(&line)? {
            // What is found in it cannot be replaced where it stands.
            scan(content, &reading, offset, &content.fixed.clone(), &part.path).map_err(Stop::Why)?;
        }
        sent.extend_from_slice(line.as_bytes());
        sent.extend_from_slice(newline);
        changed.push(line);
    }
    sent.extend_from_slice(newline);
    // Only where something was found: folded lines and bytes that are no text stay as they are.
    let same = changed == lines;
    let sent = if same { block.to_vec() } else { sent };
    let fields = if same { before } else { fields(&changed, style)? };
    let file_names = file_names(&fields);
    Ok((Headers { sent, fields, file_names }, part))
}

pub(super) fn scan(
    content: &mut Content,
    line: &str,
    offset: u64,
    profile: &Profile,
    path: &str,
) -> Result<String, Why> {
    let place = Place::Body { offset, path: Some(join(path, Some("headers"))) };
    let scanned = scan_text(profile, place, line);
    content.found(scanned.findings, "");
    match scanned.stopped {
        Some(why) => Err(why),
        None => Ok(scanned.text.into_owned()),
    }
}

/// The lines of a block, folded ones put together.
fn lines(block: &[u8], style: &Style<'_>) -> Result<Vec<String>, Reason> {
    let mut lines: Vec<String> = Vec::new();
    for line in block.split_inclusive(|byte| *byte == b'\n') {
        let text = match style.newline {
            Newline::Crlf => line.strip_suffix(b"\r\n"),
            Newline::Lf => line.strip_suffix(b"\n"),
        };
        let text = text.filter(|text| !text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))).ok_or(AMBIGUOUS)?;
        if style.boundary.is_some_and(|boundary| text.starts_with(boundary)) {
            return Err(AMBIGUOUS);
        }
        let text = String::from_utf8_lossy(text);
        match lines.last_mut() {
            _ if text.is_empty() => {}
            Some(last) if text.starts_with([' ', '\t']) => last.push_str(&text),
            _ => lines.push(text.into_owned()),
        }
    }
    Ok(lines)
}

fn fields(lines: &[String], style: &Style<'_>) -> Result<Vec<Field>, Reason> {
    let mut fields: Vec<Field> = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(AMBIGUOUS)?;
        let name = name.to_ascii_lowercase();
        let formed = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        let single = style.boundary.is_some() || name.starts_with("content-");
        if !formed || single && fields.iter().any(|(known, _)| *known == name) {
            return Err(AMBIGUOUS);
        }
        fields.push((name, value.trim().to_owned()));
    }
    Ok(fields)
}

/// What a part is called: by its field of the form, or by its number.
pub(super) fn name(fields: &[Field], number: usize) -> String {
    form_name(fields).filter(|name| !name.is_empty()).unwrap_or_else(|| number.to_string())
}

/// The name of the form's field, where the part has one.
fn form_name(fields: &[Field]) -> Option<String> {
    let (_, disposition) = fields.iter().find(|(name, _)| name == "content-disposition")?;
    parameters(disposition).into_iter().find(|(name, _)| name == "name").map(|(_, value)| value)
}

/// Every name that a reader could take the file to have (RFC 7578, RFC 8187, RFC 2231).
fn file_names(fields: &[Field]) -> Vec<String> {
    let mut names = Vec::new();
    let wanted = [("content-disposition", "filename"), ("content-type", "name")];
    for (field, parameter) in wanted {
        let value = fields.iter().find(|(name, _)| name == field).map_or("", |(_, value)| value);
        let mut pieces = String::new();
        for (name, value) in parameters(value) {
            match name.strip_prefix(parameter) {
                Some("") => {
                    names.push(percent_decoded(&value));
                    names.push(value);
                }
                Some(extended) if extended.starts_with('*') => {
                    let text = percent_decoded(value.rsplit('\'').next().unwrap_or_default());
                    pieces.push_str(&text);
                    names.push(text);
                }
                _ => {}
            }
        }
        if !pieces.is_empty() {
            names.push(pieces);
        }
    }
    names
}
