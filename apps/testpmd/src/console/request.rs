//! The console's grammar: from a line to a request.

use crate::engine::Mode;

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `start`, after sending `tx_first` bursts on every stream.
    Start { tx_first: u32 },
    /// `stop`
    Stop,
    /// `quit`
    Quit,
    /// `help`, of one section when one is named.
    Help(Option<Section>),
    /// `set fwd`
    SetForward { mode: Mode, retry: bool },
    /// `set fwd` with a mode of the reference that is not here yet.
    ForwardLater(String),
    /// `set txpkts`, the list as typed.
    SetTxpkts(String),
    /// `set burst`
    SetBurst(u16),
    /// `set verbose`
    SetVerbose(u16),
    /// `set nbcore`
    SetNbCore(u16),
    /// `set nbport`
    SetNbPort(u16),
    /// `set portlist`, as typed.
    SetPortList(String),
    /// `set portmask`, as typed.
    SetPortMask(String),
    /// `set corelist`, as typed.
    SetCoreList(String),
    /// `set coremask`, as typed.
    SetCoreMask(String),
    /// `set eth-peer`
    SetEthPeer(u16, String),
    /// `set promisc`
    SetPromisc(Which, bool),
    /// `show port ...`
    ShowPort(PortView, Which),
    /// `show config ...`
    ShowConfig(ConfigView),
    /// `show fwd stats all`
    ShowForward,
    /// `clear port stats`
    ClearPort(Which),
    /// `clear fwd stats all`
    ClearForward,
    /// `port start`, `stop`, `close`
    Port(PortAction, Which),
}

/// One port or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every port.
    All,
    /// The port of that number.
    One(u16),
}

/// What `show port` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortView {
    /// Counters and rates.
    Stats,
    /// What the device is and can do.
    Info,
    /// One line a port.
    Summary,
}

/// What `show config` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigView {
    /// Streams on lcores.
    Forward,
    /// Queues.
    RxTx,
    /// Forwarding lcores.
    Cores,
    /// Segments of made packets.
    TxPackets,
}

/// What is done to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortAction {
    /// Let packets pass.
    Start,
    /// Let none pass.
    Stop,
    /// Give everything back.
    Close,
}

/// A part of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// start, stop, quit
    Control,
    /// show, clear
    Display,
    /// set
    Config,
    /// port
    Ports,
    /// All of them.
    All,
}

/// Why a line is no request, in the reference's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No command begins like this.
    NotFound,
    /// A command begins like this but does not go on like it.
    BadArguments,
}

impl Refusal {
    /// The line to print.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotFound => "Command not found",
            Self::BadArguments => "Bad arguments",
        }
    }
}

/// Words that commands begin with.
const FIRST_WORDS: [&str; 8] = ["start", "stop", "quit", "help", "set", "show", "clear", "port"];

/// Reads a line. `None` for an empty one or a comment.
///
/// # Errors
///
/// [`Refusal`].
pub fn parse(line: &str) -> Result<Option<Request>, Refusal> {
    let text = line.split('#').next().unwrap_or_default();
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let Some(first) = words.first() else { return Ok(None) };
    if !FIRST_WORDS.contains(first) {
        return Err(Refusal::NotFound);
    }
    request(&words).map(Some).ok_or(Refusal::BadArguments)
}

fn request(words: &[&str]) -> Option<Request> {
    Some(match words {
        ["start"] => Request::Start { tx_first: 0 },
        ["start", "tx_first"] => Request::Start { tx_first: 1 },
        ["start", "tx_first", bursts] => Request::Start { tx_first: number(bursts)? },
        ["stop"] => Request::Stop,
        ["quit"] => Request::Quit,
        ["help"] => Request::Help(None),
        ["help", section] => Request::Help(Some(help_section(section)?)),
        ["set", rest @ ..] => return set(rest),
        ["show", rest @ ..] => return show(rest),
        ["clear", "port", "stats", port] => Request::ClearPort(which(port)?),
        ["clear", "fwd", "stats", "all"] => Request::ClearForward,
        ["port", action, port] => Request::Port(port_action(action)?, which(port)?),
        _ => return None,
    })
}

fn set(words: &[&str]) -> Option<Request> {
    Some(match words {
        ["fwd", mode] => forward(mode, false)?,
        ["fwd", mode, "retry"] => forward(mode, true)?,
        ["txpkts", list] => Request::SetTxpkts((*list).to_owned()),
        ["burst", count] => Request::SetBurst(number(count)?),
        ["verbose", level] => Request::SetVerbose(number(level)?),
        ["nbcore", count] => Request::SetNbCore(number(count)?),
        ["nbport", count] => Request::SetNbPort(number(count)?),
        ["portlist", list] => Request::SetPortList((*list).to_owned()),
        ["portmask", mask] => Request::SetPortMask((*mask).to_owned()),
        ["corelist", list] => Request::SetCoreList((*list).to_owned()),
        ["coremask", mask] => Request::SetCoreMask((*mask).to_owned()),
        ["eth-peer", port, mac] => Request::SetEthPeer(number(port)?, (*mac).to_owned()),
        ["promisc", port, "on"] => Request::SetPromisc(which(port)?, true),
        ["promisc", port, "off"] => Request::SetPromisc(which(port)?, false),
        _ => return None,
    })
}

fn show(words: &[&str]) -> Option<Request> {
    Some(match words {
        ["port", "stats", port] => Request::ShowPort(PortView::Stats, which(port)?),
        ["port", "info", port] => Request::ShowPort(PortView::Info, which(port)?),
        ["port", "summary", port] => Request::ShowPort(PortView::Summary, which(port)?),
        ["config", "fwd"] => Request::ShowConfig(ConfigView::Forward),
        ["config", "rxtx"] => Request::ShowConfig(ConfigView::RxTx),
        ["config", "cores"] => Request::ShowConfig(ConfigView::Cores),
        ["config", "txpkts"] => Request::ShowConfig(ConfigView::TxPackets),
        ["fwd", "stats", "all"] => Request::ShowForward,
        _ => return None,
    })
}

fn forward(mode: &str, retry: bool) -> Option<Request> {
    match Mode::from_name(mode) {
        Some(mode) => Some(Request::SetForward { mode, retry }),
        None => Mode::LATER.contains(&mode).then(|| Request::ForwardLater(mode.to_owned())),
    }
}

fn which(word: &str) -> Option<Which> {
    if word == "all" { Some(Which::All) } else { number(word).map(Which::One) }
}

/// A number in decimal or, after `0x`, hexadecimal; no sign.
fn number<T: TryFrom<u64>>(word: &str) -> Option<T> {
    let value = match word.strip_prefix("0x") {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u64::from_str_radix(hex, 16),
        None if word.bytes().all(|b| b.is_ascii_digit()) => word.parse(),
        _ => return None,
    };
    value.ok().and_then(|value| T::try_from(value).ok())
}

fn help_section(word: &str) -> Option<Section> {
    Some(match word {
        "control" => Section::Control,
        "display" => Section::Display,
        "config" => Section::Config,
        "ports" => Section::Ports,
        "all" => Section::All,
        _ => return None,
    })
}

fn port_action(word: &str) -> Option<PortAction> {
    Some(match word {
        "start" => PortAction::Start,
        "stop" => PortAction::Stop,
        "close" => PortAction::Close,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_the_loopback_bench() {
        let table = [
            ("set fwd io", Request::SetForward { mode: Mode::Io, retry: false }),
            ("set fwd mac retry", Request::SetForward { mode: Mode::Mac, retry: true }),
            ("set txpkts 64,64", Request::SetTxpkts("64,64".into())),
            ("start", Request::Start { tx_first: 0 }),
            ("start tx_first", Request::Start { tx_first: 1 }),
            ("start tx_first 32", Request::Start { tx_first: 32 }),
            ("show port stats all", Request::ShowPort(PortView::Stats, Which::All)),
            ("  show  port   stats 0x1  # c", Request::ShowPort(PortView::Stats, Which::One(1))),
            ("port close 7", Request::Port(PortAction::Close, Which::One(7))),
            ("set fwd csum", Request::ForwardLater("csum".into())),
            ("stop", Request::Stop),
            ("quit", Request::Quit),
        ];
        for (line, request) in table {
            assert_eq!(parse(line), Ok(Some(request)), "{line}");
        }
    }

    #[test]
    fn nothing_to_do() {
        for line in ["", "   ", "# comment", "\t#"] {
            assert_eq!(parse(line), Ok(None), "{line:?}");
        }
    }

    #[test]
    fn refusals_are_the_reference_s() {
        for line in ["foo", "sta", "sto", "START", "quit!"] {
            assert_eq!(parse(line), Err(Refusal::NotFound), "{line}");
        }
        let bad = [
            "show",
            "show port",
            "set",
            "set mac fwd",
            "start foo",
            "stop now",
            "show port stats -1",
            "show port stats abc",
            "show port stats 0 0",
            "show port stats",
            "set burst abc",
            "set fwd bogus",
            "set fwd ieee1588",
            "start tx_first x",
            "show bogus",
            "set txpkts",
            "show port info",
            "set burst +1",
            "set burst 65536",
            "port stop",
            "help me",
            "start tx_first 4294967296",
            "show port stats 0x",
            "show port stats 0x+1",
        ];
        for line in bad {
            assert_eq!(parse(line), Err(Refusal::BadArguments), "{line}");
        }
    }
}
