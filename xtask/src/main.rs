//! The project's own commands, run as `cargo xtask <command>`.
//!
//! `test` prepares the machine, runs everything and gives the machine back; `check` is what must
//! hold of the sources; `bench` measures whole processes. Nothing here is linked by the libraries.

use std::ffi::OsString;
use std::process::ExitCode;

mod bench;
mod check;
mod error;
mod interrupt;
mod machine;
mod process;
mod test;
mod workspace;

use error::Error;

const USAGE: &str = "\
cargo xtask <command> [options]

  test     prepare the machine, run every test, give the machine back
  check    formatting, lints, documentation, licences, closure size, house rules
  bench    peers | limit | startup: measure whole processes

cargo xtask <command> --help tells more.
";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let command = arguments.next().unwrap_or_default();
    match run(&command.to_string_lossy(), arguments.collect()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs one command; `Ok(false)` means that it ran and found something wrong.
fn run(command: &str, arguments: Vec<OsString>) -> Result<bool, Error> {
    match command {
        "test" => test::run(arguments),
        "check" => check::run(arguments),
        "bench" => bench::run(arguments),
        "" | "-h" | "--help" | "help" => {
            print!("{USAGE}");
            Ok(true)
        }
        other => Err(Error::UnknownCommand(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_help() {
        for command in ["", "--help", "test", "check", "bench"] {
            assert!(run(command, vec!["--help".into()]).expect("help needs nothing"), "{command}");
        }
    }

    #[test]
    fn a_misspelt_command_is_named_in_the_error() {
        let error = run("tset", Vec::new()).expect_err("there is no such command");
        assert!(error.to_string().contains("tset"), "{error}");
    }
}
