//! The help on the command line.

/// The whole text.
pub fn text(program: &str) -> String {
    let eal = eal::args::usage(program);
    let own = crate::cli::usage();
    format!(
        "\
Usage: {program} [EAL options] -- [testpmd options]
       {program} --loopback[=SECONDS] [--size BYTES] [--burst N] [--queues N] [--json]

testpmd options:

{own}
Examples:

  Measure the two drivers against each other on this machine, needing nothing else:
    {program} --loopback
  A vhost-user port that waits for its peer, with a console:
    {program} --lcores '0@0,1@0' --file-prefix vhost --vdev net_vhost0,iface=/tmp/vhost.sock -- -i
  The virtio-user port that connects to it:
    {program} --lcores '0@1,1@1' --file-prefix virtio --vdev net_virtio_user0,path=/tmp/vhost.sock -- -i

Environment:

  TESTPMD_HISTORY   file of the lines typed on a terminal; empty for none
                    (pmd-rs/testpmd_history in $XDG_STATE_HOME or ~/.local/state)

{eal}"
    )
}
