//! Files of commands.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use nix::errno::Errno;

use super::input::{Input, Wake};
use super::{Session, run_line};
use crate::app::App;
use crate::{say, warn_user};

/// Runs the lines of a file. They are not repeated on the output; one that is no command is complained about on standard error
/// with its number. `quit` ends the file only.
pub fn load(app: &mut App, session: &Session<'_>, path: &str) {
    let Some(_level) = session.enter_file() else {
        warn_user!(app.out, "{path} is not read: too many files load each other");
        return;
    };
    match open(path) {
        Ok(input) => {
            run(app, session, path, input);
            say!(app.out, "Read CLI commands from {path}");
        }
        Err(error) => {
            let why = match error.raw_os_error().map(Errno::from_raw) {
                Some(error) => error.desc().to_owned(),
                None => error.to_string(),
            };
            warn_user!(app.out, "Failed to create file based cmdline context: {path}: {why}");
        }
    }
}

/// Does not wait for the other end of a pipe that nobody writes: it would be waited for without end.
fn open(path: &str) -> io::Result<Input<File>> {
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut input = Input::new(file);
    if kind.is_fifo() && input.is_over() {
        return Err(io::Error::other("nobody writes to this pipe"));
    }
    Ok(input)
}

fn run(app: &mut App, session: &Session<'_>, path: &str, mut input: Input<File>) {
    for number in 1.. {
        let (line, last) = match input.wait(session.signals(), &[], None) {
            Wake::Line(line) => (line, false),
            // The last line may lack its end.
            Wake::End(rest) => (rest, true),
            _ => return,
        };
        if let Err(refusal) = run_line(app, session, &line) {
            warn_user!(app.out, "{path}:{number}: {}: {}", refusal.text(), line.trim());
        }
        if last || session.has_ended() || app.out.is_broken() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use crate::console::bench::Bench;

    #[test]
    fn lines_of_a_file_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let (outer, inner) = (folder.path().join("outer"), folder.path().join("inner"));
        let (outer, inner) = (outer.to_str().unwrap(), inner.to_str().unwrap());
        let lines = format!(
            "# comment\r\nfoo\nset burst\nset burst 16\nload {inner}\nquit\nset burst 17\n"
        );
        fs::write(outer, lines).unwrap();
        fs::write(inner, "set burst 18\nset burst 19").unwrap();
        let mut bench = Bench::one();
        let (out, err) = bench.type_in(&format!("load {outer}"));
        let set = |count| format!("Number of packets per burst set to {count}\n");
        let expected = set(16) + &set(18) + &set(19);
        let read = format!("Read CLI commands from {inner}\nRead CLI commands from {outer}\n");
        assert_eq!(out, expected + &read);
        // CR LF is two line ends.
        let complaints =
            format!("{outer}:3: Command not found: foo\n{outer}:4: Bad arguments: set burst\n");
        assert_eq!(err, complaints);
    }

    #[test]
    fn files_that_cannot_be_read() {
        let mut bench = Bench::one();
        let failed = "Failed to create file based cmdline context:";
        assert_eq!(
            bench.err("load /no/such/file"),
            format!("{failed} /no/such/file: No such file or directory\n")
        );
        assert_eq!(bench.err("load /"), format!("{failed} /: is a directory\n"));
        assert_eq!(bench.out("load /dev/null"), "Read CLI commands from /dev/null\n");
    }

    #[test]
    fn a_pipe_is_read_while_somebody_writes_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let path = pipe.to_str().unwrap();
        let mut bench = Bench::one();
        let failed = "Failed to create file based cmdline context:";
        let expected = format!("{failed} {path}: nobody writes to this pipe\n");
        assert_eq!(bench.err(&format!("load {path}")), expected);
        // Open for both, or it would wait for the reader.
        let mut writer = fs::File::options().read(true).write(true).open(&pipe).unwrap();
        writer.write_all(b"set burst 7\nquit\n").unwrap();
        let out = bench.out(&format!("load {path}"));
        assert_eq!(
            out,
            format!("Number of packets per burst set to 7\nRead CLI commands from {path}\n")
        );
    }

    #[test]
    fn a_file_that_loads_itself_comes_to_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("again");
        let path = file.to_str().unwrap();
        fs::write(&file, format!("load {path}\n")).unwrap();
        let mut bench = Bench::one();
        let (out, err) = bench.type_in(&format!("load {path}"));
        assert_eq!(err, format!("{path} is not read: too many files load each other\n"));
        assert_eq!(out.lines().count(), 16);
    }
}
