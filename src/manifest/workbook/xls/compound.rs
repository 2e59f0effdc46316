//! The container of old Office files: a small file system in a file, whose sectors are chained by a table.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use crate::manifest::workbook::binary::{Bytes, TooShort};
use crate::manifest::workbook::error::{Excess, WorkbookError};
use crate::manifest::workbook::limits::MOST_INFLATED_BYTES;

/// The first bytes of such a file.
pub(in crate::manifest::workbook) const SIGNATURE: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// An open container. Its tables take four bytes for each sector of 512 there is in the file.
pub(in crate::manifest::workbook) struct Compound {
    file: File,
    /// Bytes of a sector, as a power of two.
    shift: u32,
    sectors: u32,
    /// The sector after each sector.
    chains: Vec<u32>,
    /// The same for the small ones, of [`SMALL_BYTES`], and where the sectors are in which they lie.
    small_chains: Vec<u32>,
    small_sectors: Vec<u32>,
    /// What lies in its root.
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    first: u32,
    bytes: u64,
}

/// Streams below this size lie in small sectors.
const SMALL_STREAM_BYTES: u64 = 4_096;
const SMALL_SHIFT: u32 = 6;
const SMALL_BYTES: u64 = 1 << SMALL_SHIFT;

/// Numbers of sectors from here on have a meaning of their own, such as the end of a chain.
const FIRST_SPECIAL: u32 = 0xffff_fffa;

/// Entries of the root that are looked at. Workbooks have some ten.
const MOST_ENTRIES: usize = 10_000;

fn part() -> Arc<str> {
    Arc::from("the file's directory")
}

fn damaged(what: &str) -> WorkbookError {
    WorkbookError::damaged(&part(), what)
}

impl Compound {
    pub(in crate::manifest::workbook) fn open(mut file: File) -> Result<Compound, WorkbookError> {
        let failed = |error| WorkbookError::from_io(error, &part());
        let bytes = file.seek(SeekFrom::End(0)).map_err(failed)?;
        let mut header = [0; 512];
        file.rewind().map_err(failed)?;
        file.read_exact(&mut header).map_err(failed)?;
        let header = Header::read(&header).map_err(|error| error.in_part(&part()))?;
        if !matches!(header.shift, 9 | 12) {
            return Err(damaged("its sectors are of an unknown size"));
        }
        // The header takes the place of one.
        let sectors = u32::try_from(bytes >> header.shift).map_err(|_| damaged("it is larger than can be"))?;
        let mut compound = Compound {
            file,
            shift: header.shift,
            sectors,
            chains: Vec::new(),
            small_chains: Vec::new(),
            small_sectors: Vec::new(),
            entries: Vec::new(),
        };
        compound.read_chains(&header)?;
        let directory = compound.chain(header.directory)?;
        compound.read_entries(&directory, &header)?;
        Ok(compound)
    }

    /// Whether the root has a stream or folder of that name.
    pub(in crate::manifest::workbook) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The stream of that name, from its beginning.
    pub(in crate::manifest::workbook) fn stream(&self, name: &str) -> Result<Option<Stream>, WorkbookError> {
        let Some(entry) = self.find(name) else {
            return Ok(None);
        };
        let file = self
            .file
            .try_clone()
            .map_err(|error| WorkbookError::from_io(error, &part()))?;
        let is_small = entry.bytes < SMALL_STREAM_BYTES;
        let (shift, places) = if is_small {
            let chain = walk(&self.small_chains, entry.first, self.small_chains.len())?;
            let places = chain.iter().map(|sector| self.place_of_small(*sector));
            (SMALL_SHIFT, places.collect::<Option<Vec<u64>>>())
        } else {
            let places = self.chain(entry.first)?;
            (
                self.shift,
                Some(places.iter().map(|sector| self.place_of(*sector)).collect()),
            )
        };
        let places = places.ok_or_else(|| damaged("a stream leads out of the file"))?;
        let bytes = entry.bytes.min((places.len() as u64) << shift);
        if bytes > MOST_INFLATED_BYTES {
            return Err(WorkbookError::TooLarge(Excess::Inflated));
        }
        Ok(Some(Stream {
            file,
            shift,
            places,
            bytes,
            at: 0,
        }))
    }

    fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(name))
    }

    fn place_of(&self, sector: u32) -> u64 {
        (u64::from(sector) + 1) << self.shift
    }

    fn place_of_small(&self, sector: u32) -> Option<u64> {
        let offset = u64::from(sector) * SMALL_BYTES;
        let holder = self.small_sectors.get(usize::try_from(offset >> self.shift).ok()?)?;
        Some(self.place_of(*holder) + (offset & ((1 << self.shift) - 1)))
    }

    fn chain(&self, first: u32) -> Result<Vec<u32>, WorkbookError> {
        walk(&self.chains, first, self.sectors as usize)
    }

    fn sector(&mut self, sector: u32) -> Result<Vec<u8>, WorkbookError> {
        if sector >= self.sectors {
            return Err(damaged("a sector lies outside of the file"));
        }
        let mut bytes = Vec::with_capacity(1 << self.shift);
        let place = self.place_of(sector);
        let mut read = || {
            self.file.seek(SeekFrom::Start(place))?;
            // The last one may be cut short.
            self.file.by_ref().take(1 << self.shift).read_to_end(&mut bytes)
        };
        read().map_err(|error| WorkbookError::from_io(error, &part()))?;
        Ok(bytes)
    }

    /// Reads the table of chains, whose own sectors the header lists, and after 109 of them further sectors.
    fn read_chains(&mut self, header: &Header) -> Result<(), WorkbookError> {
        let mut of_table: Vec<u32> = header.table.clone();
        let mut next = header.more_table;
        let mut lists = 0;
        while next < FIRST_SPECIAL {
            lists += 1;
            if lists > self.sectors {
                return Err(damaged("a list leads back to itself"));
            }
            let mut numbers = numbers(&self.sector(next)?);
            next = numbers.pop().unwrap_or(FIRST_SPECIAL);
            of_table.extend(numbers);
        }
        for sector in of_table.into_iter().filter(|sector| *sector < FIRST_SPECIAL) {
            if self.chains.len() > self.sectors as usize {
                break;
            }
            let numbers = numbers(&self.sector(sector)?);
            self.chains.extend(numbers);
        }
        Ok(())
    }

    fn read_entries(&mut self, directory: &[u32], header: &Header) -> Result<(), WorkbookError> {
        let mut nodes = Vec::new();
        for sector in directory.iter().take(MOST_ENTRIES) {
            let bytes = self.sector(*sector)?;
            for entry in bytes.as_chunks::<128>().0 {
                nodes.push(Node::read(entry, self.shift).map_err(|error| error.in_part(&part()))?);
            }
        }
        let root = nodes.first().ok_or_else(|| damaged("it is empty"))?;
        if header.small_table < FIRST_SPECIAL {
            for sector in self.chain(header.small_table)? {
                let numbers = numbers(&self.sector(sector)?);
                self.small_chains.extend(numbers);
            }
            self.small_sectors = self.chain(root.first)?;
        }
        // The entries of a folder form a tree; those below other folders belong to what is embedded.
        let mut ahead = vec![root.child];
        let mut seen = vec![false; nodes.len()];
        while let Some(number) = ahead.pop() {
            let at = number as usize;
            let Some(node) = nodes.get(at).filter(|_| !seen[at]) else {
                continue;
            };
            seen[at] = true;
            ahead.extend([node.left, node.right]);
            self.entries.push(Entry {
                name: node.name.clone(),
                first: node.first,
                bytes: node.bytes,
            });
        }
        Ok(())
    }
}

/// Follows a chain to its end.
fn walk(chains: &[u32], first: u32, most: usize) -> Result<Vec<u32>, WorkbookError> {
    let mut chain = Vec::new();
    let mut sector = first;
    while sector < FIRST_SPECIAL {
        if chain.len() > most {
            return Err(damaged("a chain leads back to itself"));
        }
        chain.push(sector);
        sector = *chains
            .get(sector as usize)
            .ok_or_else(|| damaged("a chain leads out of the file"))?;
    }
    Ok(chain)
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|four| u32::from_le_bytes(*four))
        .collect()
}

struct Header {
    shift: u32,
    directory: u32,
    small_table: u32,
    table: Vec<u32>,
    more_table: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Header, TooShort> {
        let mut bytes = Bytes::new(bytes);
        bytes.take(30)?;
        let shift = u32::from(bytes.u16()?);
        bytes.take(16)?;
        let directory = bytes.u32()?;
        bytes.take(8)?;
        let small_table = bytes.u32()?;
        bytes.take(4)?;
        let more_table = bytes.u32()?;
        bytes.take(4)?;
        Ok(Header {
            shift,
            directory,
            small_table,
            table: numbers(bytes.rest()),
            more_table,
        })
    }
}

struct Node {
    name: String,
    left: u32,
    right: u32,
    child: u32,
    first: u32,
    bytes: u64,
}

impl Node {
    fn read(bytes: &[u8], shift: u32) -> Result<Node, TooShort> {
        let mut bytes = Bytes::new(bytes);
        let name = bytes.utf16(32)?;
        bytes.take(4)?;
        let (left, right, child) = (bytes.u32()?, bytes.u32()?, bytes.u32()?);
        bytes.take(36)?;
        let first = bytes.u32()?;
        let low = u64::from(bytes.u32()?);
        // The upper half is not filled in by old programs, whose files have small sectors.
        let high = if shift == 12 { u64::from(bytes.u32()?) } else { 0 };
        Ok(Node {
            name: name.split('\0').next().unwrap_or_default().to_owned(),
            left,
            right,
            child,
            first,
            bytes: high << 32 | low,
        })
    }
}

/// One stream of the container.
pub(in crate::manifest::workbook) struct Stream {
    file: File,
    shift: u32,
    /// Where in the file its pieces lie.
    places: Vec<u64>,
    bytes: u64,
    at: u64,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = usize::try_from(self.at >> self.shift).unwrap_or(usize::MAX);
        let Some(place) = self.places.get(piece).filter(|_| self.at < self.bytes) else {
            return Ok(0);
        };
        let within = self.at & ((1 << self.shift) - 1);
        // Most pieces follow on one another, and are read in one go.
        let size = 1_u64 << self.shift;
        let left = (self.bytes - self.at).min(buffer.len() as u64);
        let mut run = size - within;
        for (next, expected) in self.places[piece + 1..]
            .iter()
            .zip((place + size..).step_by(1 << self.shift))
        {
            if run >= left || *next != expected {
                break;
            }
            run += size;
        }
        self.file.seek(SeekFrom::Start(place + within))?;
        let count = self.file.by_ref().take(run.min(left)).read(buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Stream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.bytes.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
