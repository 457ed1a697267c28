//! `cargo xtask bench limit`: the machine's own limit, by packet size.

use std::ffi::OsString;
use std::process::Command;

use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;

/// Sizes in bytes when none are named.
const SIZES: [&str; 6] = ["64", "128", "256", "512", "1024", "1518"];

/// Measures each size that was named, or all of them.
pub fn run(sizes: Vec<OsString>) -> Result<bool, Error> {
    if sizes.iter().any(|word| word == "--help" || word == "-h") {
        print!("{}", super::USAGE);
        return Ok(true);
    }
    let program = super::build(&Workspace::load()?, "limit")?;
    let sizes = if sizes.is_empty() { SIZES.map(OsString::from).to_vec() } else { sizes };
    let mut all_well = true;
    for size in sizes {
        all_well &= process::succeeds(Command::new(&program).arg(size))?;
    }
    Ok(all_well)
}
