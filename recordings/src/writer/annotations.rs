//! Annotations for the metadata: sorted by their first sample, in bounded memory.
//!
//! They come almost in order. Up to [`WAITING`] are held in memory; beyond that, the smallest goes to a temporary file.
//! A run of the file is sorted, and ends when an entry comes that belongs before its end. Finally all runs are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::sigmf::Annotation;

/// Number of annotations that are held in memory, since others may belong before them.
const WAITING: usize = 8192;
/// Bytes of a run that are read at once.
const PIECE: usize = 16 * 1024;

/// The annotations so far.
#[derive(Debug)]
pub(super) struct Annotations {
    folder: PathBuf,
    waiting: BinaryHeap<Reverse<Entry>>,
    file: Option<BufWriter<File>>,
    /// Start of each run in bytes; the last one is being written.
    runs: Vec<u64>,
    written: u64,
    /// The first sample of the last entry of the run.
    last: u64,
    count: u64,
}

/// An annotation, ordered as entries are written: by run, first sample, arrival.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    run: usize,
    start: u64,
    number: u64,
    line: String,
}

impl Annotations {
    /// Makes an empty list. `folder` is for the temporary file, if one is needed.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            waiting: BinaryHeap::new(),
            file: None,
            runs: Vec::new(),
            written: 0,
            last: 0,
            count: 0,
        }
    }

    pub(super) fn push(&mut self, annotation: &Annotation) -> io::Result<()> {
        let start = annotation.sample_start;
        let now = self.runs.len().saturating_sub(1);
        let run = if !self.runs.is_empty() && start < self.last { now + 1 } else { now };
        self.waiting.push(Reverse(Entry { run, start, number: self.count, line: annotation.line() }));
        self.count += 1;
        if self.waiting.len() > WAITING { self.spill() } else { Ok(()) }
    }

    /// Writes all annotations to `out`, with `,\n` between two.
    pub(super) fn finish(mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut first = true;
        let mut put = |line: &[u8]| {
            if !std::mem::take(&mut first) {
                out.write_all(b",\n")?;
            }
            out.write_all(line)
        };
        if self.file.is_none() {
            while let Some(Reverse(entry)) = self.waiting.pop() {
                put(entry.line.as_bytes())?;
            }
            return Ok(());
        }
        while !self.waiting.is_empty() {
            self.spill()?;
        }
        let Some(file) = self.file.take() else { return Ok(()) };
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let ends = self.runs.iter().skip(1).chain([&self.written]);
        let mut runs: Vec<Run> = self.runs.iter().zip(ends).map(|(&at, &end)| Run::new(at, end)).collect();
        let mut heads = BinaryHeap::new();
        for (n, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next(&mut file)?.map(|(start, line)| Reverse((start, n, line))));
        }
        while let Some(Reverse((_, n, line))) = heads.pop() {
            put(&line)?;
            heads.extend(runs[n].next(&mut file)?.map(|(start, line)| Reverse((start, n, line))));
        }
        Ok(())
    }

    /// Writes the smallest entry to the file.
    fn spill(&mut self) -> io::Result<()> {
        let Some(Reverse(entry)) = self.waiting.pop() else { return Ok(()) };
        let file = match &mut self.file {
            Some(file) => file,
            // The file has no name and disappears with the process.
            none => none.insert(BufWriter::new(tempfile::tempfile_in(&self.folder)?)),
        };
        if entry.run == self.runs.len() {
            self.runs.push(self.written);
        }
        self.last = entry.start;
        file.write_all(&entry.start.to_le_bytes())?;
        file.write_all(&(entry.line.len() as u64).to_le_bytes())?;
        file.write_all(entry.line.as_bytes())?;
        self.written += 16 + entry.line.len() as u64;
        Ok(())
    }
}

/// A sorted part of the temporary file.
struct Run {
    at: u64,
    end: u64,
    piece: Vec<u8>,
    used: usize,
}

impl Run {
    const fn new(at: u64, end: u64) -> Self {
        Self { at, end, piece: Vec::new(), used: 0 }
    }

    /// Returns the next entry: its first sample and its line.
    fn next(&mut self, file: &mut File) -> io::Result<Option<(u64, Vec<u8>)>> {
        if self.used == self.piece.len() && self.at == self.end {
            return Ok(None);
        }
        let mut number = || -> io::Result<u64> {
            let mut bytes = [0; 8];
            self.take(file, &mut bytes)?;
            Ok(u64::from_le_bytes(bytes))
        };
        let (start, length) = (number()?, number()?);
        let mut line = vec![0; length as usize];
        self.take(file, &mut line)?;
        Ok(Some((start, line)))
    }

    fn take(&mut self, file: &mut File, mut out: &mut [u8]) -> io::Result<()> {
        while !out.is_empty() {
            if self.used == self.piece.len() {
                let size = (self.end - self.at).min(PIECE as u64);
                if size == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.piece.resize(size as usize, 0);
                file.seek(SeekFrom::Start(self.at))?;
                file.read_exact(&mut self.piece)?;
                (self.at, self.used) = (self.at + size, 0);
            }
            let count = out.len().min(self.piece.len() - self.used);
            out[..count].copy_from_slice(&self.piece[self.used..self.used + count]);
            self.used += count;
            out = &mut out[count..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigmf::Metadata;

    /// Returns the first samples of `starts`, after they passed through.
    fn through(starts: impl Iterator<Item = u64>) -> Vec<(u64, u64)> {
        let mut annotations = Annotations::new(&std::env::temp_dir());
        for (n, sample_start) in starts.enumerate() {
            let subframe = Some(n as u64);
            annotations.push(&Annotation { sample_start, subframe, ..Annotation::default() }).unwrap();
        }
        let mut text = br#"{"global": {"core:datatype": "cf32_le"}, "annotations": ["#.to_vec();
        annotations.finish(&mut text).unwrap();
        text.extend(b"]}");
        let annotations = Metadata::parse(&text).unwrap().annotations;
        annotations.into_iter().map(|a| (a.sample_start, a.subframe.unwrap())).collect()
    }

    #[test]
    fn any_number_in_any_order_comes_out_sorted_and_the_first_first() {
        let many = 5 * WAITING as u64;
        let in_order: Vec<u64> = (0..many).map(|n| n / 3).collect();
        let reversed: Vec<u64> = in_order.iter().rev().copied().collect();
        // A permutation: 7919 is prime to the power of two.
        let scattered: Vec<u64> = (0..many).map(|n| n * 7919 % (1 << 16) / 2).collect();
        for starts in [vec![], vec![3, 1, 2], in_order, reversed, scattered] {
            let mut expected: Vec<(u64, u64)> = starts.iter().copied().zip(0..).collect();
            expected.sort();
            assert!(through(starts.into_iter()) == expected);
        }
    }
}
