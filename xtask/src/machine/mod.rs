//! What a command takes from the machine: said first, taken once agreed, given back at the end.

mod huge_pages;
mod leftovers;
pub mod packages;
mod privilege;

use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Write};

use huge_pages::Pool;
use leftovers::Leftovers;
use packages::Package;
use privilege::Privilege;

/// What a command would like the machine to have.
#[derive(Debug)]
pub struct Needs {
    /// Debian packages.
    pub packages: &'static [Package],
    /// Free huge pages of 2 MiB, mounted.
    pub huge_pages: u64,
}

/// What has to be done so that the machine has it.
#[derive(Debug)]
pub struct Plan {
    privilege: Privilege,
    missing: Vec<&'static Package>,
    /// Pool sizes in pages: now, and wanted.
    resize: Option<(u64, u64)>,
    mount: bool,
}

/// What was taken, given back when dropped.
#[derive(Debug)]
pub struct Taken {
    privilege: Privilege,
    /// Pool sizes in pages: before, and as we left it.
    resized: Option<(u64, u64)>,
    mounted: bool,
    leftovers: Leftovers,
}

impl Plan {
    /// Compares `needs` with what is there.
    pub fn probe(needs: &Needs) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let pool = Pool::read();
        let resize = pool.and_then(|pool| {
            let target = pool.target(needs.huge_pages, huge_pages::available_kib());
            (target > pool.total).then_some((pool.total, target))
        });
        Self {
            privilege: Privilege::probe(),
            missing: packages::missing(needs.packages, &path),
            resize,
            mount: pool.is_some() && needs.huge_pages > 0 && huge_pages::mounts().is_empty(),
        }
    }

    /// Whether the machine has everything.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.resize.is_none() && !self.mount
    }

    /// What would be done, for a person to read.
    pub fn describe(&self) -> String {
        if self.is_empty() {
            return "Nothing to install and nothing to reserve.\n".to_owned();
        }
        let mut text = String::from("This is going to\n");
        for package in &self.missing {
            let _ =
                writeln!(text, "  install  Debian package {}: {}", package.name, package.purpose);
        }
        if let Some((now, then)) = self.resize {
            let mib = (then - now) * 2;
            let _ = writeln!(
                text,
                "  reserve  {} huge pages of 2 MiB ({mib} MiB of memory) beside the {now} that \
                 are there, until the end",
                then - now
            );
        }
        if self.mount {
            let place = huge_pages::mount_point().display();
            let _ = writeln!(text, "  mount    hugetlbfs at {place}, until the end");
        }
        let _ = writeln!(text, "  {}", self.privilege.words());
        text
    }

    /// Says what would be done and asks for it where there is somebody to ask. Whether to do it.
    pub fn agreed(&self, yes: bool) -> bool {
        print!("{}", self.describe());
        if self.is_empty() {
            return true;
        }
        if self.privilege == Privilege::None {
            println!("Going on without; what cannot be tested is counted as skipped.");
            return false;
        }
        if yes || std::env::var_os("CI").is_some_and(|value| value == "true") {
            return true;
        }
        if !io::stdin().is_terminal() {
            println!("Nobody to ask: going on without. --yes or CI=true agrees beforehand.");
            return false;
        }
        print!("Do it? [Y/n, n runs what needs nothing] ");
        let _ = io::stdout().flush();
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        read.is_ok_and(|bytes| bytes > 0) && is_yes(&answer)
    }

    /// Takes what was planned, as far as it can be had; what cannot is said and gone without.
    pub fn take(self) -> Taken {
        let mut taken = Taken::nothing(self.privilege);
        if !self.missing.is_empty() {
            println!("Installing ...");
            complain(packages::install(&self.missing, self.privilege));
        }
        if let Some((before, wanted)) = self.resize
            && complain(huge_pages::resize(wanted, self.privilege))
        {
            let got = Pool::read().map_or(before, |pool| pool.total);
            if got < wanted {
                println!("The kernel gave {got} huge pages of {wanted}.");
            }
            taken.resized = Some((before, got));
        }
        if self.mount {
            taken.mounted = complain(huge_pages::mount(self.privilege));
        }
        taken.leftovers = Leftovers::remember(&huge_pages::mounts());
        taken
    }

    /// Takes nothing, but still clears away at the end what the tests leave behind.
    pub fn take_nothing(&self) -> Taken {
        Taken::nothing(self.privilege)
    }
}

impl Taken {
    fn nothing(privilege: Privilege) -> Self {
        let leftovers = Leftovers::remember(&huge_pages::mounts());
        Self { privilege, resized: None, mounted: false, leftovers }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let removed = self.leftovers.remove_new();
        if removed > 0 {
            println!("Removed {removed} files and folders that DPDK had left behind.");
        }
        if self.mounted && complain(huge_pages::unmount(self.privilege)) {
            println!("Unmounted {}.", huge_pages::mount_point().display());
        }
        let Some((before, ours)) = self.resized else { return };
        if Pool::read().is_some_and(|pool| pool.total != ours) {
            println!("Huge pages were changed by somebody else meanwhile: left as they are.");
        } else if complain(huge_pages::resize(before, self.privilege)) {
            let now = Pool::read().map_or(before, |pool| pool.total);
            println!("Gave huge pages back: {now} as before.");
        }
    }
}

/// Prints what went wrong; whether nothing did.
fn complain(result: Result<(), String>) -> bool {
    result.inspect_err(|why| println!("{why}; going on without.")).is_ok()
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            privilege: Privilege::Root,
            missing: vec![&packages::DPDK],
            resize: Some((10, 512)),
            mount: true,
        }
    }

    #[test]
    fn the_plan_names_what_it_takes() {
        let text = plan().describe();
        for part in ["dpdk-dev", "502 huge pages", "1004 MiB", "beside the 10", "mount", "as root"]
        {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
    }

    #[test]
    fn an_empty_plan_says_so_and_needs_no_answer() {
        let plan =
            Plan { privilege: Privilege::None, missing: Vec::new(), resize: None, mount: false };
        assert!(plan.describe().starts_with("Nothing to install"));
        assert!(plan.agreed(false));
    }

    #[test]
    fn without_a_way_to_root_nothing_is_agreed() {
        let plan = Plan { privilege: Privilege::None, ..plan() };
        assert!(!plan.agreed(true));
    }

    #[test]
    fn only_a_plain_yes_is_a_yes() {
        assert!(["\n", "y\n", "Yes\n"].iter().all(|answer| is_yes(answer)));
        assert!(["n\n", "no\n", "later\n"].iter().all(|answer| !is_yes(answer)));
    }
}
