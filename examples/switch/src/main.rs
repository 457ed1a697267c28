//! A learning switch between vhost-user sockets, in one thread, with packets in buffers of its own.
//!
//! ```text
//! cargo run --release -p example-switch -- /tmp/a.sock /tmp/b.sock
//! ```
//!
//! Every path becomes a socket to which a guest (QEMU) or a virtio-user port connects. A frame goes to the port on which its
//! destination was last seen as a source, else to all others. ^C ends it and prints what each port passed.

use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use pmd_vhost::split::{Accept, Dequeue, Enqueue, Frames, GuestPacket, RxSink};
use pmd_vhost::{DeviceConfig, DeviceHandle, Service, events};

/// Frames of one burst.
const BURST: usize = 32;
/// Stations that are remembered at most: source addresses cost a guest nothing.
const STATIONS_MAX: usize = 4096;

/// One socket with its device and the two rings of its first queue pair.
struct Port {
    path: String,
    from_guest: Dequeue,
    to_guest: Enqueue,
    passed: [u64; 2],
    /// Dropping it closes the socket.
    _device: DeviceHandle,
}

/// Received frames.
struct Received(Vec<Vec<u8>>);

impl RxSink for Received {
    fn ready(&mut self, want: usize) -> usize {
        want
    }

    fn accept(&mut self, mut packet: GuestPacket<'_>) -> Accept {
        let mut frame = vec![0; packet.len() as usize];
        packet.read(&mut frame);
        self.0.push(frame);
        Accept::Taken
    }
}

fn open(service: &Service, path: String) -> Result<Port, Box<dyn Error>> {
    // A switch that wants to know when guests come and go keeps the second half.
    let (sender, _events) = events::channel()?;
    let device = service.add(DeviceConfig::new(&path), sender)?;
    device.set_active(true)?;
    let to_guest = Enqueue::claim(device.vring(0).ok_or("no ring")?, "switch")?;
    let from_guest = Dequeue::claim(device.vring(1).ok_or("no ring")?, "switch")?;
    Ok(Port { path, from_guest, to_guest, passed: [0; 2], _device: device })
}

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("example-switch: {error}");
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let paths: Vec<_> = std::env::args().skip(1).collect();
    if paths.is_empty() || paths.iter().any(|path| path.starts_with('-')) {
        return Err("usage: example-switch SOCKET...; name a socket for each guest".into());
    }
    let end = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    end.thread_block()?;
    let signals = SignalFd::with_flags(&end, SfdFlags::SFD_NONBLOCK)?;
    let service = Service::start()?;
    let ports = paths.into_iter().map(|path| open(&service, path));
    let mut ports = ports.collect::<Result<Vec<_>, _>>()?;
    println!("switching between {} sockets", ports.len());
    let mut seen: HashMap<[u8; 6], usize> = HashMap::new();
    let mut received = Received(Vec::with_capacity(BURST));
    while signals.read_signal()?.is_none() {
        for from in 0..ports.len() {
            ports[from].passed[0] += ports[from].from_guest.dequeue(&mut received, BURST) as u64;
            for frame in received.0.drain(..) {
                let ([to, source, ..], _) = frame.as_chunks::<6>() else { continue };
                if source[0] & 1 == 0 && (seen.len() < STATIONS_MAX || seen.contains_key(source)) {
                    seen.insert(*source, from);
                }
                let wanted = |port| port != from && seen.get(to).is_none_or(|&known| known == port);
                for (_, port) in ports.iter_mut().enumerate().filter(|(port, _)| wanted(*port)) {
                    port.passed[1] += port.to_guest.enqueue(&Frames(&[frame.as_slice()])) as u64;
                }
            }
        }
    }
    for port in &ports {
        println!("{}: received {}, sent {}", port.path, port.passed[0], port.passed[1]);
    }
    Ok(())
}
