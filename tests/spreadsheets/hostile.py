"""Writes files that nobody should have made: `hostile.py FOLDER`."""

import struct
import sys
import zipfile
import zlib
from pathlib import Path

FOLDER = Path(sys.argv[1])

TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/></Types>'
)
RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def relations(*targets):
    links = "".join(
        f'<Relationship Id="rId{number}" Type="{RELATIONSHIPS}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{links}</Relationships>'


PARTS = {
    "[Content_Types].xml": TYPES,
    "_rels/.rels": relations(("officeDocument", "xl/workbook.xml")),
    "xl/_rels/workbook.xml.rels": relations(("worksheet", "worksheets/sheet1.xml"), ("sharedStrings", "sharedStrings.xml")),
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONSHIPS}"><sheets>'
    '<sheet name="Shots" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}"/>',
}
HEADER = "".join(f'<c r="{cell}1" t="inlineStr"><is><t>{name}</t></is></c>' for cell, name in [("A", "prompt"), ("B", "image_url")])
BEFORE_ROWS = f'<worksheet xmlns="{MAIN}"><sheetData><row r="1">{HEADER}</row>'


class Repeated:
    """A part that says the same thing very often: compressed once, and written so many times."""

    def __init__(self, before, middle, times, after):
        # Fully flushed, a piece refers to nothing before it and ends with a byte.
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        flushed = lambda text: packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH)
        self.pieces = [(flushed(before), 1), (flushed(middle), times)]
        self.pieces.append((packer.compress(after) + packer.flush(zlib.Z_FINISH), 1))
        self.size = len(before) + len(middle) * times + len(after)
        self.crc = zlib.crc32(before)
        for _ in range(times):
            self.crc = zlib.crc32(middle, self.crc)
        self.crc = zlib.crc32(after, self.crc)


def write(name, parts):
    """A zip archive by hand, because `zipfile` would compress gigabytes to get there."""
    directory = b""
    with open(FOLDER / name, "wb") as file:
        for part, content in parts.items():
            if isinstance(content, str):
                content = Repeated(content.encode(), b"", 1, b"")
            packed = sum(len(piece) * times for piece, times in content.pieces)
            encoded = part.encode()
            common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0x21, content.crc, packed, content.size, len(encoded), 0)
            directory += struct.pack("<IH", 0x02014B50, 20) + common
            directory += struct.pack("<HHHII", 0, 0, 0, 0, file.tell()) + encoded
            file.write(struct.pack("<I", 0x04034B50) + common + encoded)
            for piece, times in content.pieces:
                file.write(piece * times)
        begin = file.tell()
        file.write(directory)
        file.write(struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, len(parts), len(parts), len(directory), begin, 0))


def bomb(name, part, before, middle, bytes_in_all, after):
    times = bytes_in_all // len(middle)
    write(name, {**PARTS, part: Repeated(before.encode(), middle.encode(), times, after.encode())})


SHEET = "xl/worksheets/sheet1.xml"
PARTS[SHEET] = f"{BEFORE_ROWS}</sheetData></worksheet>"
MIB = 1 << 20

# What a cell says unfolds without an end.
bomb("text-bomb.xlsx", SHEET, f'{BEFORE_ROWS}<row r="2"><c r="A2" t="inlineStr"><is><t>', "x" * MIB, 512 * MIB, "</t></is></c></row></sheetData></worksheet>")
# Texts that cells share are held in memory.
texts = f"<si><t>{'shared ' * 3_000}</t></si>" * 50
bomb("shared-bomb.xlsx", "xl/sharedStrings.xml", f'<sst xmlns="{MAIN}">', texts, 512 * MIB, "</sst>")
# Ranges, which are held in memory, too.
bomb("range-bomb.xlsx", SHEET, f"{BEFORE_ROWS}</sheetData><mergeCells>", '<mergeCell ref="A1:XFD1048576"/>' * 10_000, 128 * MIB, "</mergeCells></worksheet>")
# A few bytes that stand for gigabytes.
entities = '<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefghi", "bcdefghij")
) + "]>"
write("entities.xlsx", {**PARTS, SHEET: entities + BEFORE_ROWS + "<row><c><v>&j;</v></c></row></sheetData></worksheet>"})
write("good.xlsx", PARTS)


def compound(*names):
    """The beginning of an OLE file with streams of these names: what an encrypted workbook looks like from outside."""
    sector = 512
    header = struct.pack("<8s16xHHHHH6xIIIIIIIII", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack("<109I", 0, *[0xFFFFFFFF] * 108)
    table = struct.pack("<128I", 0xFFFFFFFD, 0xFFFFFFFE, *[0xFFFFFFFF] * 126)
    entries = b""
    for at, (name, kind) in enumerate([("Root Entry", 5), *[(name, 2) for name in names]]):
        encoded = (name + "\0").encode("utf-16-le")
        right = at + 1 if 0 < at < len(names) else 0xFFFFFFFF
        child = 1 if at == 0 else 0xFFFFFFFF
        entries += encoded.ljust(64, b"\0") + struct.pack("<HBBIII36xIII", len(encoded), kind, 1, 0xFFFFFFFF, right, child, 0xFFFFFFFE, 0, 0)
    return header + table + entries.ljust(sector, b"\0")


(FOLDER / "encrypted.xlsx").write_bytes(compound("EncryptionInfo", "EncryptedPackage"))
