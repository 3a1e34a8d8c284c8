//! What a file is, by its first bytes.
//!
//! Never by its name: traces are renamed, gzipped without saying so, and saved as `.json` whatever they hold. JSON is
//! told apart further by its keys, which may stand anywhere, and SQLite by its tables, so both go by their container
//! here.

use crate::wire;

/// How many bytes [`sniff`] wants to see, if there are that many.
pub(super) const HEAD: usize = 4096;

/// A container, or a format that shows in its first bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Our own capture file.
    Capture,
    /// A JSON object or array.
    Json,
    /// A text whose first line names columns.
    Csv,
    /// A SQLite database.
    Sqlite,
    /// Something that is recognised and not read.
    Refused(Refused),
    /// No byte at all.
    Empty,
    /// Anything else.
    Unknown,
}

/// Formats that are recognised only to say what to do instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    Tar,
    Zip,
    Zstd,
    Xz,
    Bzip2,
    Perfetto,
    Parquet,
    NsysReport,
    Elf,
}

impl Refused {
    /// What it is and what the user can do.
    pub(super) fn advice(self) -> (&'static str, &'static str) {
        match self {
            Self::Tar => ("a tar archive is not read", "unpack it (tar xf FILE) and give the directory"),
            Self::Zip => ("a zip archive is not read", "unpack it and give the trace inside"),
            Self::Zstd => ("zstd compression is not read", "decompress it first: zstd -d FILE"),
            Self::Xz => ("xz compression is not read", "decompress it first: xz -d FILE"),
            Self::Bzip2 => ("bzip2 compression is not read", "decompress it first: bzip2 -d FILE"),
            Self::Perfetto => (
                "a Perfetto trace is not read",
                "export the same run again with rocprofv3 -f rocpd (or csv, json), or convert its database with rocpd convert",
            ),
            Self::Parquet => ("a Parquet file is no trace that is read", "give the trace it was made from"),
            Self::NsysReport => ("an Nsight Systems report is not read", "only traces of AMD GPUs and of PyTorch are"),
            Self::Elf => ("this is a program or a library, not a trace", "give the trace that the program left"),
        }
    }
}

/// Where the magic of a tar archive stands: behind the name and the rest of what describes the first file.
const TAR_AT: usize = 257;

/// Tells what begins with `head`, which is decompressed and without a byte order mark.
pub(super) fn sniff(head: &[u8]) -> Kind {
    const MAGICS: [(&[u8], Kind); 11] = [
        (&wire::MAGIC, Kind::Capture),
        (b"SQLite format 3\0", Kind::Sqlite),
        (b"PK\x03\x04", Kind::Refused(Refused::Zip)),
        (b"\x28\xB5\x2F\xFD", Kind::Refused(Refused::Zstd)),
        (b"\xFD7zXZ\0", Kind::Refused(Refused::Xz)),
        (b"BZh", Kind::Refused(Refused::Bzip2)),
        (b"PAR1", Kind::Refused(Refused::Parquet)),
        (b"NVTX", Kind::Refused(Refused::NsysReport)),
        (b"NVIDIA Tegra Profiler Report", Kind::Refused(Refused::NsysReport)),
        (b"QDSTRM", Kind::Refused(Refused::NsysReport)),
        (b"\x7FELF", Kind::Refused(Refused::Elf)),
    ];
    if head.is_empty() {
        return Kind::Empty;
    }
    if let Some(&(_, kind)) = MAGICS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return kind;
    }
    if head.get(TAR_AT..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        return Kind::Refused(Refused::Tar);
    }
    match head.trim_ascii_start() {
        [] => Kind::Empty,
        [b'{' | b'[', ..] => Kind::Json,
        _ if is_perfetto(head) => Kind::Refused(Refused::Perfetto),
        text if is_header_line(text) => Kind::Csv,
        _ => Kind::Unknown,
    }
}

/// A Perfetto trace is a sequence of packets: field 1, length-delimited, of which the next begins where one ends.
fn is_perfetto(head: &[u8]) -> bool {
    let packet = |bytes: &[u8]| -> Option<usize> {
        let [0x0A, rest @ ..] = bytes else { return None };
        let mut length = 0usize;
        for (i, &byte) in rest.iter().take(4).enumerate() {
            length |= usize::from(byte & 0x7F) << (7 * i);
            if byte & 0x80 == 0 {
                return Some(2 + i + length);
            }
        }
        None
    };
    // The first byte is a line feed too: text has no second packet.
    packet(head).is_some_and(|next| next > 2 && head.get(next) == Some(&0x0A))
}

/// Whether the first line is text with at least one comma.
fn is_header_line(text: &[u8]) -> bool {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or(text);
    let printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | 0x80..);
    line.contains(&b',') && line.iter().all(printable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_told_by_their_first_bytes() {
        let archive = [&[b'a'; TAR_AT][..], b"ustar\x0000"].concat();
        let heads: [(&[u8], Kind); 11] = [
            (&archive, Kind::Refused(Refused::Tar)),
            (b" NVIDIA", Kind::Unknown),
            (b"", Kind::Empty),
            (b" \n", Kind::Empty),
            (b"\n  {\"a\"", Kind::Json),
            (b"[ {}", Kind::Json),
            (b"SQLite format 3\0....", Kind::Sqlite),
            (b"\"Kind\",\"Agent_Id\"\r\n", Kind::Csv),
            (b"\x0A\x03abc\x0A\x01x", Kind::Refused(Refused::Perfetto)),
            (b"hello", Kind::Unknown),
            (b"PDCAPT\r\n\x01", Kind::Capture),
        ];
        for (head, kind) in heads {
            assert_eq!(sniff(head), kind, "{head:?}");
        }
    }
}
