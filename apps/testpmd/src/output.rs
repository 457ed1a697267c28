//! Where the app writes: reports to standard output, complaints to standard error, in the order in which they were
//! said even when both are one terminal.

use std::fmt;
use std::io::{self, BufWriter, Write};

/// Both streams. Writing never fails; once standard output is gone [`Output::is_broken`] says so and the app ends.
pub struct Output {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    broken: bool,
}

impl Output {
    /// The process's own streams.
    pub fn process() -> Self {
        Self::new(BufWriter::with_capacity(16 << 10, io::stdout()), io::stderr())
    }

    /// Any two streams.
    pub fn new(out: impl Write + Send + 'static, err: impl Write + Send + 'static) -> Self {
        Self { out: Box::new(out), err: Box::new(err), broken: false }
    }

    /// Writes to standard output.
    pub fn say(&mut self, text: fmt::Arguments<'_>) {
        self.broken |= self.out.write_fmt(text).is_err();
    }

    /// Writes to standard error, after all that was said before.
    pub fn warn(&mut self, text: fmt::Arguments<'_>) {
        self.flush();
        let _ = self.err.write_fmt(text);
        let _ = self.err.flush();
    }

    /// Lets the reader see what was said.
    pub fn flush(&mut self) {
        self.broken |= self.out.flush().is_err();
    }

    /// Whether nobody reads standard output any more.
    pub fn is_broken(&self) -> bool {
        self.broken
    }
}

/// Writes a line to the standard output of an [`Output`].
#[macro_export]
macro_rules! say {
    ($output:expr, $($text:tt)*) => {
        $output.say(format_args!("{}\n", format_args!($($text)*)))
    };
}

/// Writes a line to the standard error of an [`Output`].
#[macro_export]
macro_rules! warn_user {
    ($output:expr, $($text:tt)*) => {
        $output.warn(format_args!("{}\n", format_args!($($text)*)))
    };
}

#[cfg(test)]
pub mod capture {
    //! An [`Output`] whose text a test can read.

    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::Output;

    /// What was written to one stream.
    #[derive(Clone, Default)]
    pub struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        /// The text since the last call.
        pub fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An output and the two texts that it makes.
    pub fn output() -> (Output, Captured, Captured) {
        let (out, err) = (Captured::default(), Captured::default());
        (Output::new(out.clone(), err.clone()), out, err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_noticed() {
        let mut output = Output::new(Gone, io::sink());
        assert!(!output.is_broken());
        say!(output, "hello");
        assert!(output.is_broken());
    }

    #[test]
    fn a_closed_standard_error_does_no_harm() {
        let (out, text, _) = capture::output();
        let mut output = Output { err: Box::new(Gone), ..out };
        say!(output, "one");
        warn_user!(output, "lost");
        say!(output, "two");
        assert_eq!(text.take(), "one\ntwo\n");
        assert!(!output.is_broken());
    }
}
