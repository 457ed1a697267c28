//! The other end of the tests: a process that can be killed. See [`lab::peer`].

use std::process::ExitCode;

fn main() -> ExitCode {
    env_logger::init();
    let args: Vec<String> = std::env::args().skip(1).collect();
    match lab::peer::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed {error}");
            eprintln!("lab-peer: {error}");
            ExitCode::FAILURE
        }
    }
}
