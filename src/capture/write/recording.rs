//! A window that is being written: its capture file, and what is known of it so far.
//!
//! The file grows by whole frames. When it cannot be written any more, because the disk is full, say, it is cut back to a
//! whole frame with some room behind it; what had to be given up is counted, and the end frame, which is small, tells of it.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::rundir;
use crate::capture::message::Call;
use crate::model::{Loss, LossCause};
use crate::wire::{CopyRecord, DispatchRecord, Encoder, LaunchRecord, Status};

/// Longest time that records wait before they are on disk.
const FLUSH_EVERY: Duration = Duration::from_millis(500);
/// The same in a process whose `_exit` we do not see coming.
const FLUSH_OFTEN: Duration = Duration::from_millis(50);
/// Bytes that are written out without waiting for the clock.
const WRITE_AT: usize = 1 << 20;

/// Bytes that are kept free for the end frame in a file that cannot grow any more.
const ROOM_FOR_THE_END: usize = 4096;

/// See the [module](self).
pub(super) struct Recording {
    pub(super) path: PathBuf,
    file: File,
    /// Frames on their way to the file go in here.
    pub(super) encoder: Encoder,
    /// Dispatches among them.
    unwritten: u64,
    /// Bytes in the file, all of whole frames.
    written: u64,
    /// Launch calls and copies taken, and those that could not be.
    calls: u64,
    pub(super) calls_lost: u64,
    /// Room for a block of each.
    launches: Vec<LaunchRecord>,
    copies: Vec<CopyRecord>,
    failed: bool,
    flushed: Instant,
    flush_every: Duration,
    pub(super) opened: Instant,
    /// The same on the clock of the records; `None`: everything is recorded, for want of a source of steps.
    pub(super) opened_ns: Option<u64>,
    pub(super) status: Status,
}

impl Recording {
    /// Begins the file of a process's `window` that opened then. `sees_ends`: whether we are told of every way in which it
    /// may end by itself.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn begin(
        directory: &Path,
        pid: u32,
        window: u32,
        opened_ns: Option<u64>,
        sees_ends: bool,
    ) -> io::Result<Self> {
        let (path, file) = rundir::create_capture(directory, window, pid)?;
        let opened = Instant::now();
        Ok(Self {
            path,
            file,
            encoder: Encoder::default(),
            unwritten: 0,
            written: 0,
            calls: 0,
            calls_lost: 0,
            launches: Vec::new(),
            copies: Vec::new(),
            failed: false,
            flushed: opened,
            flush_every: if sees_ends { FLUSH_EVERY } else { FLUSH_OFTEN },
            opened,
            opened_ns,
            status: Status::default(),
        })
    }

    /// Whether everything is recorded.
    pub(super) fn is_blind(&self) -> bool {
        self.opened_ns.is_none()
    }

    /// Takes dispatches, as many as there is room for below the bound.
    pub(super) fn dispatches(&mut self, records: &[DispatchRecord], max_records: u64) {
        let room = max_records.saturating_sub(self.status.records + self.unwritten);
        let kept = records.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.lose(LossCause::MemoryBound, (records.len() - kept) as u64);
        if self.failed {
            self.lose(LossCause::Unwritten, kept as u64);
            return;
        }
        self.encoder.dispatches(&records[..kept]);
        self.unwritten += kept as u64;
    }

    /// Takes launch calls and copies, as many as dispatches at most.
    pub(super) fn calls(&mut self, calls: &[Call], max_records: u64) {
        let room = if self.failed { 0 } else { max_records.saturating_sub(self.calls) };
        let kept = calls.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.calls += kept as u64;
        self.calls_lost += (calls.len() - kept) as u64;
        self.launches.clear();
        self.copies.clear();
        for call in &calls[..kept] {
            match call {
                Call::Launch(launch) => self.launches.push(*launch),
                Call::Copy(copy) => self.copies.push(*copy),
            }
        }
        self.encoder.launches(&self.launches);
        self.encoder.copies(&self.copies);
    }

    /// Records taken so far.
    pub(super) fn records(&self) -> u64 {
        self.status.records + self.unwritten
    }

    /// Records lost so far for a cause.
    pub(super) fn lost(&self, cause: LossCause) -> u64 {
        self.status.losses.iter().find(|loss| loss.cause == cause).map_or(0, |loss| loss.count)
    }

    fn lose(&mut self, cause: LossCause, count: u64) {
        self.set_loss(cause, self.lost(cause) + count);
    }

    /// Sets how many records were lost for a cause.
    pub(super) fn set_loss(&mut self, cause: LossCause, count: u64) {
        match self.status.losses.iter_mut().find(|loss| loss.cause == cause) {
            Some(loss) => loss.count = count,
            None if count > 0 => self.status.losses.push(Loss { cause, count }),
            None => {}
        }
    }

    /// Whether it is time to put what there is on disk.
    pub(super) fn is_due(&self) -> bool {
        self.encoder.buffer.len() >= WRITE_AT || self.flushed.elapsed() >= self.flush_every
    }

    /// Puts what there is on disk, with the status as it is.
    ///
    /// # Errors
    /// What the file system says, the first time; nothing is written after that.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.flushed = Instant::now();
        if self.failed {
            self.encoder.buffer.clear();
            return Ok(());
        }
        // The status goes out with the records that it counts.
        let records = self.status.records;
        self.status.records += self.unwritten;
        self.encoder.status(&self.status);
        let kept = self.write();
        if let Err((_, kept)) = kept {
            self.failed = true;
            self.status.records = records + kept;
            self.lose(LossCause::Unwritten, self.unwritten - kept);
        }
        self.unwritten = 0;
        kept.map_err(|(error, _)| error)
    }

    /// Ends the file: with the status as it is, and nothing after it.
    ///
    /// # Errors
    /// What the file system says, also when the file is not in its directory any more.
    pub(super) fn end(&mut self) -> io::Result<()> {
        let flushed = self.flush();
        self.encoder.buffer.clear();
        self.encoder.end(&self.status);
        let written = self.write().map_err(|(error, _)| error);
        // Closing would not do: a child forked in the meantime has the file open as well.
        let _ = self.file.unlock();
        flushed.and(written)?;
        if self.file.metadata()?.nlink() == 0 {
            let text = format!("the capture file was deleted, with {} dispatches in it", self.status.records);
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        Ok(())
    }

    /// Writes the buffer. An error comes with the number of dispatches in those of its frames that could be kept.
    fn write(&mut self) -> Result<(), (io::Error, u64)> {
        let mut done = 0;
        let error = loop {
            match self.file.write(&self.encoder.buffer[done..]) {
                Ok(0) if done < self.encoder.buffer.len() => break Some(io::ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Some(error),
            }
            if done == self.encoder.buffer.len() {
                break None;
            }
        };
        let result = match error {
            None => {
                self.written += done as u64;
                Ok(())
            }
            Some(error) => {
                // Half a frame would make the rest unreadable.
                let (bytes, dispatches) = self.encoder.whole_frames(done.saturating_sub(ROOM_FOR_THE_END));
                self.written += bytes as u64;
                let _ = self.file.set_len(self.written);
                let _ = io::Seek::seek(&mut self.file, io::SeekFrom::Start(self.written));
                Err((error, dispatches))
            }
        };
        self.encoder.buffer.clear();
        result
    }

    /// Removes the file.
    ///
    /// # Errors
    /// What the file system says, with the file.
    pub(super) fn discard(self) -> io::Result<()> {
        std::fs::remove_file(&self.path).map_err(|error| {
            io::Error::new(error.kind(), format!("{} could not be removed: {error}", self.path.display()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest;
    use crate::wire::{Meta, VERSION};

    fn recording(directory: &Path) -> Recording {
        let mut recording = Recording::begin(directory, 10, 1, Some(0), true).unwrap();
        recording.encoder.begin(&Meta { version: VERSION, ..Meta::default() });
        recording
    }

    fn records(count: u64) -> Vec<DispatchRecord> {
        (1..=count)
            .map(|id| DispatchRecord { dispatch_id: id, start_ns: id * 10, end_ns: id * 10 + 5, ..Default::default() })
            .collect()
    }

    fn losses(recording: &Recording) -> Vec<(LossCause, u64)> {
        recording.status.losses.iter().map(|loss| (loss.cause, loss.count)).collect()
    }

    #[test]
    fn records_beyond_the_bound_are_counted() {
        let root = tempfile::tempdir().unwrap();
        let mut recording = recording(root.path());
        recording.dispatches(&records(10), 15);
        recording.dispatches(&records(10), 15);
        assert_eq!(recording.records(), 15);
        recording.end().unwrap();
        assert_eq!(losses(&recording), [(LossCause::MemoryBound, 5)]);
        let trace = ingest::read(&[&recording.path]).unwrap();
        assert_eq!((trace.dispatches.len(), trace.capture.unwrap().records), (15, 15));
    }

    #[test]
    fn a_file_that_cannot_be_written_keeps_its_whole_frames_and_counts_the_rest() {
        let root = tempfile::tempdir().unwrap();
        let mut recording = recording(root.path());
        recording.dispatches(&records(3), 100);
        recording.flush().unwrap();
        // Opened for reading, the file takes no more bytes.
        let writable = std::mem::replace(&mut recording.file, File::open(&recording.path).unwrap());
        recording.dispatches(&records(5), 100);
        assert!(recording.flush().is_err());
        recording.dispatches(&records(7), 100);
        recording.flush().unwrap();
        assert_eq!((losses(&recording), recording.records()), (vec![(LossCause::Unwritten, 12)], 3));
        // There is room again for the end.
        recording.file = writable;
        recording.end().unwrap();
        let trace = ingest::read(&[&recording.path]).unwrap();
        assert_eq!(trace.dispatches.len(), 3);
        assert_eq!(trace.losses[0], Loss { cause: LossCause::Unwritten, count: 12 });
        assert!(trace.warnings.iter().all(|warning| warning.code != "capture-unfinished"), "{:?}", trace.warnings);
    }

    #[test]
    fn a_deleted_file_is_told_at_the_end() {
        let root = tempfile::tempdir().unwrap();
        let mut recording = recording(root.path());
        std::fs::remove_file(&recording.path).unwrap();
        assert_eq!(recording.end().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
