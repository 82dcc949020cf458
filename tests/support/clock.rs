//! A wall clock of a process's own, that jumps (libfaketime). Its monotonic clock stays the machine's.

use std::path::PathBuf;

use super::operator::Builder;
use super::{installed, workdir};

/// The clock.
pub struct FakeClock {
    file: PathBuf,
}

impl FakeClock {
    /// One that tells the time, for now.
    pub fn right() -> Self {
        Self { file: workdir::file("clock", "+0h") }
    }

    /// Moves it to so far from the right time, such as `+1h`.
    pub fn jump(&self, offset: &str) {
        std::fs::write(&self.file, offset).unwrap_or_else(|e| panic!("{}: {e}", self.file.display()));
    }

    /// Gives it to an operator.
    pub fn of(&self, operator: Builder) -> Builder {
        let library = installed("tools/test-servers/libfaketime/install.sh").join("libfaketimeMT.so.1");
        operator
            .env("LD_PRELOAD", library.display().to_string())
            .env("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string())
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("FAKETIME_CACHE_DURATION", "1")
    }
}
