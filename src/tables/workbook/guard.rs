//! What rust_xlsxwriter does about errors, made the same everywhere.
//!
//! In constant-memory mode it panics where its temporary file cannot be written ("Couldn't write to xml file", with the
//! system's error in the text). A full disk must not end a run whose videos are paid for, so everything that may write
//! goes through [`guarded`].

use std::any::Any;
use std::cell::Cell;
use std::error::Error;
use std::io;
use std::panic::{self, AssertUnwindSafe};

use rust_xlsxwriter::XlsxError;

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is where a panic is caught and told as an error. A panic hook has nothing to say about it then.
pub fn panics_are_caught() -> bool {
    IS_GUARDED.get()
}

/// Calls `work`, with its panics as errors. After an error, what it was working on must be dropped.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, XlsxError>) -> io::Result<T> {
    let was_guarded = IS_GUARDED.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(was_guarded);
    match done {
        Ok(done) => done.map_err(io_error),
        Err(panic) => Err(behind_panic(&*panic)),
    }
}

/// The error of the system that is behind one of the package, or at least its text.
fn io_error(error: XlsxError) -> io::Error {
    let error = match error {
        XlsxError::IoError(error) | XlsxError::TempFileError(_, error) => return error,
        other => other,
    };
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(error.kind(), error.to_string()),
            };
        }
        source = cause.source();
    }
    io::Error::other(error.to_string())
}

/// The same for a panic, whose text has `Os { code: 28, … }` in it.
fn behind_panic(panic: &(dyn Any + Send)) -> io::Error {
    let text = match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (None, Some(text)) => *text,
        (None, None) => "the workbook's writer gave up",
    };
    let code = text.split_once("Os { code: ").and_then(|(_, rest)| {
        let digits = rest.split(|character: char| !character.is_ascii_digit()).next()?;
        digits.parse().ok()
    });
    code.map_or_else(|| io::Error::other(text.to_owned()), io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded_panic(panicking: fn()) -> io::Error {
        guarded(|| {
            panicking();
            Ok(())
        })
        .unwrap_err()
    }

    #[test]
    fn a_panic_over_a_full_disk_is_the_error_that_it_is_about() {
        // As `expect` words it.
        let full = guarded_panic(|| panic!("Couldn't write to xml file: {:?}", io::Error::from_raw_os_error(28)));
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        let other = guarded_panic(|| panic!("Couldn't write to xml file: {:?}", io::Error::other("odd")));
        assert!(other.to_string().contains("odd"), "{other}");
        assert!(!panics_are_caught());
    }

    #[test]
    fn errors_of_the_package_keep_the_systems_own() {
        let missing = || io::Error::from_raw_os_error(2);
        for error in [
            XlsxError::IoError(missing()),
            XlsxError::TempFileError("/nowhere".into(), missing()),
        ] {
            assert_eq!(
                guarded::<()>(|| Err(error)).unwrap_err().kind(),
                io::ErrorKind::NotFound
            );
        }
        let limit = guarded::<()>(|| Err(XlsxError::RowColumnLimitError)).unwrap_err();
        assert!(limit.to_string().contains("limits"), "{limit}");
    }
}
