//! From the command line to the exit code.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use eal::{Eal, EalConfig, ProcessType};
use pmd_core::DriverList;

use crate::app::App;
use crate::cli::{self, CliError, Options};
use crate::commands::Which;
use crate::console::Session;
use crate::console::input::{Input, Wake};
use crate::output::Output;
use crate::setup::{self, Fatal};
use crate::signals::Signals;
use crate::{console, loopback, say, show, usage, warn_user};

/// Clears the screen and goes to its upper left.
const CLEAR: &str = "\x1b[2J\x1b[1;1H";
/// How long the first prompt waits for backends that connect to our ports: they try every second. (The reference's waits for
/// ever; scripts type on as soon as it shows.)
const BACKEND_PATIENCE: Duration = Duration::from_millis(1500);

/// What a command line asks for.
enum Wanted {
    Help(String),
    Loopback { config: Box<EalConfig>, options: Box<Options> },
    Ports { config: Box<EalConfig>, options: Box<Options>, version: bool },
}

/// Runs the program.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut out = Output::process();
    // Before any other thread exists, so that all of them leave signals to this one.
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(error) => return fail(&mut out, &format!("cannot watch for signals: {error}")),
    };
    match wanted(args.into_iter().collect()) {
        Err(problem) => {
            out.warn(format_args!("{}", problem.details));
            fail(&mut out, &problem.cause)
        }
        Ok(Wanted::Help(text)) => {
            out.say(format_args!("{text}"));
            out.flush();
            ExitCode::SUCCESS
        }
        Ok(Wanted::Loopback { config, options }) => {
            eal::logging::init(&config.log);
            loopback::run(&options, &config, &signals, out)
        }
        Ok(Wanted::Ports { config, options, version }) => {
            if version {
                warn_user!(out, "EAL: RTE Version: 'pmd-rs {}'", env!("CARGO_PKG_VERSION"));
            }
            ports(*config, &options, &signals, out)
        }
    }
}

/// A command line that will not do.
struct Problem {
    details: String,
    cause: String,
}

impl From<CliError> for Problem {
    fn from(error: CliError) -> Self {
        Self { details: error.details(), cause: error.cause().to_owned() }
    }
}

impl From<eal::Error> for Problem {
    fn from(error: eal::Error) -> Self {
        let error = match &error {
            eal::Error::UnknownOption { option, nearest } => misplaced(option)
                .or_else(|| misspelt(option).filter(|_| nearest.is_none()))
                .unwrap_or_else(|| error.to_string()),
            _ => error.to_string(),
        };
        let details = format!("EAL: {error}\nTry 'testpmd --help' for all options.\n");
        Self { details, cause: "Cannot init EAL: Invalid argument".into() }
    }
}

/// What to say about an option of the program that stands where the EAL's belong.
fn misplaced(option: &str) -> Option<String> {
    let place = match cli::full_name(option)? {
        "loopback" => {
            return Some(
                "--loopback comes first and takes no EAL options; to give some, put it after '--': \
                 testpmd [EAL options] -- --loopback"
                    .into(),
            );
        }
        "json" | "size" | "queues" => "'--loopback' or '--'",
        _ => "'--'",
    };
    Some(format!("option '{option}' is no EAL option: it goes after {place}"))
}

/// What to say about an option that is neither the EAL's nor the program's, and looks like one of the program's.
fn misspelt(option: &str) -> Option<String> {
    let name = option.trim_start_matches('-').split('=').next()?;
    let meant = cli::nearest(name)?;
    let place = if meant == "loopback" { "" } else { " (after '--')" };
    Some(format!("unknown option '{option}'; did you mean '--{meant}'{place}?"))
}

/// Reads a line that begins with `--loopback`.
fn loopback_options(args: Vec<OsString>) -> Result<Options, Problem> {
    cli::parse(args.into_iter().skip(1)).map_err(|error| match &error {
        CliError::Stray(word) if word.parse::<f64>().is_ok() => Problem {
            details: format!("testpmd: '{word}' belongs to no option; write --loopback={word}\n"),
            cause: error.cause().to_owned(),
        },
        CliError::Unknown { option, .. } if is_eal_option(option) => Problem {
            details: format!(
                "testpmd: '{option}' is an EAL option: --loopback in the first place takes no EAL options; to give some, \
                 put it after '--': testpmd [EAL options] -- --loopback\n"
            ),
            cause: error.cause().to_owned(),
        },
        _ => error.into(),
    })
}

fn is_eal_option(option: &str) -> bool {
    let line = ["testpmd", option].map(OsString::from);
    !matches!(eal::args::parse(line), Err(eal::Error::UnknownOption { .. }))
}

fn wanted(args: Vec<OsString>) -> Result<Wanted, Problem> {
    let first = args.get(1).map(|word| word.to_string_lossy().into_owned());
    if first.is_some_and(|word| word.starts_with("--loopback")) {
        let options = loopback_options(args)?;
        return Ok(match options.help {
            true => Wanted::Help(usage::text("testpmd")),
            false => Wanted::Loopback { config: Box::new(quiet()), options: Box::new(options) },
        });
    }
    let parsed = eal::args::parse(args)?;
    if let Some(text) = parsed.log_help {
        return Ok(Wanted::Help(text));
    }
    let options = cli::parse(parsed.rest)?;
    if parsed.help || options.help {
        let name = parsed.program.rsplit('/').next().unwrap_or("testpmd");
        return Ok(Wanted::Help(usage::text(name)));
    }
    if options.loopback.is_some() {
        return Ok(Wanted::Loopback {
            config: Box::new(parsed.config),
            options: Box::new(options),
        });
    }
    let config = Box::new(parsed.config);
    Ok(Wanted::Ports { config, options: Box::new(options), version: parsed.version })
}

/// The `Eal` of a loopback without EAL options: it says what it has to say itself.
fn quiet() -> EalConfig {
    let mut config = EalConfig::default();
    config.log.levels.push(("*".into(), 5));
    config
}

/// The drivers of this program.
pub fn drivers() -> DriverList {
    let list = DriverList::new().with(pmd_vhost::ethdev::VhostDriver::new());
    pmd_soft::add_drivers(list.with(pmd_virtio::VirtioUserDriver))
}

fn ports(config: EalConfig, options: &Options, signals: &Signals, mut out: Output) -> ExitCode {
    eal::logging::init(&config.log);
    if config.process == ProcessType::Secondary {
        return refuse_secondary(&mut out);
    }
    let eal = match Eal::new(config) {
        Ok(eal) => eal,
        Err(error) => {
            warn_user!(out, "EAL: {error}");
            return fail(&mut out, init_cause(&error));
        }
    };
    if !eal.memory().is_primary() {
        return refuse_secondary(&mut out);
    }
    match setup::bring_up(eal, drivers(), options, out) {
        Ok(app) => serve(app, options, signals),
        Err(Fatal { mut out, cause }) => fail(&mut out, &cause),
    }
}

/// Starts the ports and forwards, from the console or at once, until it is to end.
fn serve(mut app: App, options: &Options, signals: &Signals) -> ExitCode {
    let interrupted = || signals.arrived();
    let started = options.leave_stopped || app.start_ports(Which::All, interrupted);
    if !started && !options.interactive {
        // Nobody is there to mend it; the ports are closed as the app goes.
        return fail(&mut app.out, "Start ports failed");
    } else if !started {
        warn_user!(app.out, "Start ports failed");
    }
    app.tell_promiscuous();
    app.out.flush();
    app.await_peers(BACKEND_PATIENCE, &interrupted);
    let session = Session::new(signals).with_json(options.json);
    if let Some(path) = &options.command_file {
        console::load(&mut app, &session, path);
    }
    if session.has_ended() || signals.arrived() {
        // The file said so.
    } else if options.interactive {
        if options.auto_start {
            say!(app.out, "Start automatic packet forwarding");
            app.start_forwarding(0, interrupted);
        }
        console::run(&mut app, &session);
    } else {
        say!(app.out, "No commandline core given, start packet forwarding");
        app.start_forwarding(u32::from(options.tx_first), interrupted);
        watch(&mut app, options, signals);
    }
    if options.json && app.is_forwarding() {
        app.stop_forwarding_json();
    }
    app.shut_down();
    ExitCode::SUCCESS
}

/// A secondary process would have to join its primary's ports, which is not there.
fn refuse_secondary(out: &mut Output) -> ExitCode {
    warn_user!(
        out,
        "testpmd as a secondary process is not there yet; leave --proc-type out, \
         and give another --file-prefix if another primary runs"
    );
    fail(out, "Cannot init EAL: Operation not supported")
}

/// The reference's word for why there is no `Eal`.
fn init_cause(error: &eal::Error) -> &'static str {
    match error {
        eal::Error::NoCpu { .. } => "Cannot init EAL: Invalid argument",
        eal::Error::HugePages { .. }
        | eal::Error::AddressSpace { .. }
        | eal::Error::Reservation { .. } => "Cannot init EAL: Cannot allocate memory",
        _ => "Cannot init EAL",
    }
}

/// Without a console: waits for Enter or a signal, or shows statistics until a signal.
fn watch(app: &mut App, options: &Options, signals: &Signals) {
    let mut input = Input::new(std::io::stdin());
    if options.stats_period_s == 0 {
        say!(app.out, "Press enter to exit");
        app.out.flush();
        loop {
            match console::wait(app, &mut input, signals, None) {
                Wake::Events => app.print_events(),
                _ => return,
            }
        }
    }
    while !signals.arrived() && !app.out.is_broken() {
        show_all_stats(app, options.json);
        app.out.flush();
        for _ in 0..options.stats_period_s {
            setup::sleep_until_signal(signals, 1000);
            if signals.arrived() {
                return;
            }
            app.print_events();
        }
    }
}

/// The counters of all ports on a fresh screen, or as a line for a program.
fn show_all_stats(app: &mut App, json: bool) {
    let ports = app.ports.ids();
    if json {
        let ports = ports.into_iter().filter_map(|port| app.port_stats_json(port)).collect();
        say!(app.out, "{}", show::json::ports("port stats", ports));
        return;
    }
    // The first block begins with the end of this line.
    app.out.say(format_args!("{CLEAR}\nPort statistics ===================================="));
    ports.into_iter().for_each(|port| app.show_port_stats(port));
}

/// Says why the program ends.
pub fn fail(out: &mut Output, cause: &str) -> ExitCode {
    warn_user!(out, "EAL: Error - exiting with code: 1\n  Cause: {cause}");
    ExitCode::FAILURE
}
