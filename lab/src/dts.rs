//! Test plans of the DPDK Test Suite, followed with our testpmd, DPDK's, or one at each end.
//!
//! # Concept
//!
//! A plan is a text ([`plan`]) that stands close to what the suite publishes: command lines, lines typed at the prompt,
//! and what is then to be seen. [`command`] makes of a command line what can be run here, [`testpmd`] runs it on a
//! terminal, [`report`] reads what is printed, and [`run`] goes through the steps.
//!
//! # Example
//!
//! ```
//! use lab::dts::plan::Plan;
//!
//! let plan = Plan::parse("== 1: hello\nvhost> show port stats all\nvhost expect link up\n")?;
//! assert_eq!(plan.case("1")?.steps.len(), 2);
//! # Ok::<(), lab::dts::plan::Fault>(())
//! ```

pub mod command;
pub mod mounts;
pub mod plan;
pub mod report;
pub mod run;
pub mod testpmd;

/// Makes of cases of a plan one test for each pairing of programs.
///
/// `dts_cases!(PLAN, name => "number", ...)`; the number is what stands after `==` in the plan.
#[macro_export]
macro_rules! dts_cases {
    ($plan:expr, $($name:ident => $case:literal),+ $(,)?) => {
        $(mod $name {
            use super::*;
            use $crate::dts::run::{Roles, follow};

            #[test]
            fn ours_with_ours() {
                follow($plan, $case, Roles::OURS, concat!(stringify!($name), "::ours_with_ours"));
            }

            #[test]
            fn our_vhost_with_dpdks_virtio_user() {
                let name = concat!(stringify!($name), "::our_vhost_with_dpdks_virtio_user");
                follow($plan, $case, Roles::OUR_VHOST, name);
            }

            #[test]
            fn dpdks_vhost_with_our_virtio_user() {
                let name = concat!(stringify!($name), "::dpdks_vhost_with_our_virtio_user");
                follow($plan, $case, Roles::OUR_VIRTIO, name);
            }
        })+
    };
}

/// As [`dts_cases!`], with our program at both ends only: for cases that differ from others in nothing that DPDK's would notice.
#[macro_export]
macro_rules! dts_cases_of_ours {
    ($plan:expr, $($name:ident => $case:literal),+ $(,)?) => {
        $(mod $name {
            use super::*;
            use $crate::dts::run::{Roles, follow};

            #[test]
            fn ours_with_ours() {
                follow($plan, $case, Roles::OURS, concat!(stringify!($name), "::ours_with_ours"));
            }
        })+
    };
}
