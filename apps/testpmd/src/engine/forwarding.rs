//! Lcores that forward: starting them, changing their settings, stopping them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eal::Eal;

use super::Mode;
use super::control::Control;
use super::settings::Settings;
use super::stream::Stream;

/// Time between the two passes of a flush, and after the second.
const FLUSH_PAUSE: Duration = Duration::from_millis(10);
/// How often it is looked whether the first bursts are sent.
const READY_POLL: Duration = Duration::from_micros(200);

/// The streams of one lcore.
pub struct Job {
    /// The lcore.
    pub lcore: u32,
    /// Its streams, in the order in which they are polled.
    pub streams: Vec<Stream>,
}

/// Lcores at work. Dropping it asks them to end and does not wait.
pub struct Forwarding {
    lcores: Vec<Running>,
}

struct Running {
    lcore: u32,
    control: Arc<Control>,
    /// Where the lcore leaves its streams when it ends.
    back: Arc<Mutex<Vec<Stream>>>,
}

/// Throws away what waits in the receive queues, in two passes with a pause after each, so that what a
/// peer was just sending goes too.
pub fn flush(jobs: &mut [Job]) {
    for _ in 0..2 {
        for stream in jobs.iter_mut().flat_map(|job| &mut job.streams) {
            stream.flush();
        }
        std::thread::sleep(FLUSH_PAUSE);
    }
}

/// Sends `bursts` bursts of made packets on every stream, from the calling thread.
pub fn send_first(jobs: &mut [Job], settings: &Settings, bursts: u32) {
    for _ in 0..bursts {
        for stream in jobs.iter_mut().flat_map(|job| &mut job.streams) {
            stream.tx_only(settings);
        }
    }
}

impl Forwarding {
    /// Starts every job on its lcore: `tx_first` bursts of made packets on each of its streams, then `mode`.
    ///
    /// # Errors
    ///
    /// An lcore that cannot be used; those already started are stopped again.
    pub fn launch(
        eal: &Eal,
        mode: Mode,
        jobs: Vec<Job>,
        settings: &Settings,
        tx_first: u32,
    ) -> Result<Self, eal::Error> {
        let mut forwarding = Self { lcores: Vec::with_capacity(jobs.len()) };
        for job in jobs {
            match launch_one(eal, mode, job, settings.clone(), tx_first) {
                Ok(running) => forwarding.lcores.push(running),
                Err(error) => {
                    forwarding.stop(eal);
                    return Err(error);
                }
            }
        }
        Ok(forwarding)
    }

    /// Waits until the first bursts are sent, or `interrupted` says to stop waiting.
    pub fn wait_until_ready(&self, interrupted: impl Fn() -> bool) {
        while !self.lcores.iter().all(|running| running.control.is_ready()) && !interrupted() {
            std::thread::sleep(READY_POLL);
        }
    }

    /// Changes the settings of all lcores.
    pub fn update(&self, settings: &Settings) {
        for running in &self.lcores {
            running.control.update(settings.clone());
        }
    }

    /// Asks all lcores to end.
    pub fn tell_to_stop(&self) {
        for running in &self.lcores {
            running.control.stop();
        }
    }

    /// Stops all lcores, waits for them, and returns their streams and what went wrong on the way.
    pub fn stop(mut self, eal: &Eal) -> (Vec<Job>, Vec<eal::Error>) {
        self.tell_to_stop();
        let (mut jobs, mut errors) = (Vec::new(), Vec::new());
        for running in self.lcores.drain(..) {
            if let Err(error) = eal.wait(running.lcore) {
                errors.push(error);
            }
            let mut back = running.back.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.push(Job { lcore: running.lcore, streams: std::mem::take(&mut *back) });
        }
        (jobs, errors)
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        self.tell_to_stop();
    }
}

fn launch_one(
    eal: &Eal,
    mode: Mode,
    job: Job,
    settings: Settings,
    tx_first: u32,
) -> Result<Running, eal::Error> {
    let control = Arc::new(Control::new(settings));
    let back = Arc::new(Mutex::new(Vec::new()));
    let (orders, leave) = (Arc::clone(&control), Arc::clone(&back));
    let mut streams = job.streams;
    let work = move || {
        begin(&mut streams, &orders, tx_first);
        run(mode, &mut streams, &orders);
        *leave.lock().unwrap_or_else(PoisonError::into_inner) = streams;
    };
    eal.launch(job.lcore, work)?;
    Ok(Running { lcore: job.lcore, control, back })
}

/// What an lcore does first: `bursts` bursts of made packets on each stream.
fn begin(streams: &mut [Stream], control: &Control, bursts: u32) {
    let _said_when_done = Ready(control);
    let settings = control.settings();
    for _ in 0..bursts {
        if Control::is_stop(control.word()) {
            break;
        }
        for stream in &mut *streams {
            stream.tx_only(&settings);
        }
    }
}

/// Says that the first bursts are sent, or that a panic ended them: nobody is to wait for ever.
struct Ready<'a>(&'a Control);

impl Drop for Ready<'_> {
    fn drop(&mut self) {
        self.0.set_ready();
    }
}

fn run(mode: Mode, streams: &mut [Stream], control: &Control) {
    match mode {
        Mode::Io => poll(streams, control, Stream::io),
        Mode::Mac => poll(streams, control, Stream::mac),
        Mode::MacSwap => poll(streams, control, Stream::mac_swap),
        Mode::FlowGen => poll(streams, control, Stream::flow_gen),
        Mode::RxOnly => poll(streams, control, Stream::rx_only),
        Mode::TxOnly => poll(streams, control, Stream::tx_only),
        Mode::Csum => poll(streams, control, Stream::checksum),
        Mode::IcmpEcho => poll(streams, control, Stream::icmp_echo),
        Mode::FiveTupleSwap => poll(streams, control, Stream::five_tuple_swap),
    }
}

/// The loop of an lcore: rounds over its streams until it is told to end.
fn poll(
    streams: &mut [Stream],
    control: &Control,
    round: impl Fn(&mut Stream, &Settings) -> usize,
) {
    let mut seen = control.word();
    let mut settings = control.settings();
    streams.iter_mut().for_each(|stream| stream.adopt(&settings));
    loop {
        let word = control.word();
        if Control::is_stop(word) {
            return;
        }
        if word != seen {
            seen = word;
            settings = control.settings();
            streams.iter_mut().for_each(|stream| stream.adopt(&settings));
        }
        let moved: usize = match settings.record.cycles {
            false => streams.iter_mut().map(|stream| round(stream, &settings)).sum(),
            true => streams.iter_mut().map(|stream| stream.timed(|s| round(s, &settings))).sum(),
        };
        if moved == 0 && settings.polite {
            std::thread::yield_now();
        }
    }
}
