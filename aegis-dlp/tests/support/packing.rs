//! Containers for tests, made by encoders that are not ours where there are some.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::io::Write;

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::CompressorWriter::new(&mut out, 4096, 5, 22).write_all(bytes).unwrap();
    out
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A message with its prefix.
pub fn framed(flags: u8, message: &[u8]) -> Vec<u8> {
    let mut framed = vec![flags];
    framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend_from_slice(message);
    framed
}

/// An entry of an archive: name, content, and whether it is compressed.
pub struct Entry<'a>(pub &'a str, pub &'a [u8], pub bool);

/// A zip archive with these entries, its sizes in the headers or behind the data.
pub fn zip(entries: &[Entry<'_>], sizes_behind: bool) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for Entry(name, content, compressed) in entries {
        let offset = archive.len() as u32;
        let data = if *compressed { deflate(content) } else { content.to_vec() };
        let behind = sizes_behind && *compressed;
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let mut sizes = crc.sum().to_le_bytes().to_vec();
        sizes.extend((data.len() as u32).to_le_bytes());
        sizes.extend((content.len() as u32).to_le_bytes());
        let mut fields = vec![20, 0, if behind { 8 } else { 0 }, 0, if *compressed { 8 } else { 0 }, 0, 0, 0, 33, 0];
        archive.extend(b"PK\x03\x04");
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&fields);
        fields.extend_from_slice(if behind { &[0; 12] } else { &sizes });
        archive.extend(fields);
        directory.extend_from_slice(&sizes);
        for to in [&mut archive, &mut directory] {
            to.extend((name.len() as u16).to_le_bytes());
            to.extend([0, 0]);
        }
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        archive.extend(name.bytes());
        directory.extend(name.bytes());
        archive.extend(data);
        if behind {
            archive.extend(b"PK\x07\x08");
            archive.extend(sizes);
        }
    }
    let (at, length, count) = (archive.len() as u32, directory.len() as u32, entries.len() as u16);
    archive.extend(directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(count.to_le_bytes());
    archive.extend(count.to_le_bytes());
    archive.extend(length.to_le_bytes());
    archive.extend(at.to_le_bytes());
    archive.extend([0, 0]);
    archive
}
