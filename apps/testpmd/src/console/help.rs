//! `help`.

use super::request::Section;

const OVERVIEW: &str = "
Help is available for the following sections:

    help control                    : Start and stop forwarding.
    help display                    : Displaying port, stats and config information.
    help config                     : Configuration information.
    help ports                      : Configuring ports.
    help all                        : All of the above sections.

";

const CONTROL: &str = "
Control forwarding:
-------------------

start
    Start packet forwarding with current configuration.

start tx_first (N)
    Start packet forwarding after sending N bursts of packets on every stream, one if N is left out.

stop
    Stop packet forwarding, and display accumulated statistics.

quit
    Close all ports and leave.

";

const DISPLAY: &str = "
Display:
--------

show port (info|stats|summary) (port_id|all)
    Display information for port_id, or all.

show config (rxtx|cores|fwd|txpkts)
    Display the given configuration.

show fwd stats all
    Display statistics for all fwd engines.

clear port stats (port_id|all)
    Clear statistics for port_id, or all.

clear fwd stats all
    Clear statistics for all fwd engines.

";

const CONFIG: &str = "
Configuration:
--------------

set fwd (io|mac|rxonly|txonly) (retry)
    Set packet forwarding mode, offering again what the far end had no room for if retry is given.

set txpkts (x[,y]*)
    Set the length of each segment of made packets, in bytes.

set burst (num)
    Set the number of packets per burst, 512 at most.

set nbcore (num)
    Set the number of forwarding cores.

set nbport (num)
    Set the number of forwarding ports.

set portlist (x[,y]*), set portmask (mask)
    Set the list of forwarding ports.

set corelist (x[,y]*), set coremask (mask)
    Set the list of forwarding cores.

set eth-peer (port_id) (peer_addr)
    Set the address of the station that the port sends to.

set promisc (port_id|all) (on|off)
    Set the promiscuous mode on port_id, or all.

";

const PORTS: &str = "
Port Operations:
----------------

port start (port_id|all)
    Start all ports or port_id.

port stop (port_id|all)
    Stop all ports or port_id.

port close (port_id|all)
    Close all ports or port_id.

";

/// The text of a section, or of the list of sections.
pub fn text(section: Option<Section>) -> String {
    match section {
        None => OVERVIEW.into(),
        Some(Section::Control) => CONTROL.into(),
        Some(Section::Display) => DISPLAY.into(),
        Some(Section::Config) => CONFIG.into(),
        Some(Section::Ports) => PORTS.into(),
        Some(Section::All) => [CONTROL, DISPLAY, CONFIG, PORTS].concat(),
    }
}
