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

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use pmd_vhost::split::{Accept, Dequeue, Enqueue, Frames, GuestPacket, RxSink};
use pmd_vhost::{DeviceConfig, DeviceHandle, Service, events};

/// Frames of one burst.
const BURST: usize = 32;

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
    let (receives, sends) = (device.vring(0).ok_or("no ring")?, device.vring(1).ok_or("no ring")?);
    let (from_guest, to_guest) =
        (Dequeue::claim(sends, "switch")?, Enqueue::claim(receives, "switch")?);
    Ok(Port { path, from_guest, to_guest, passed: [0; 2], _device: device })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut end = SigSet::empty();
    end.add(Signal::SIGINT);
    end.add(Signal::SIGTERM);
    end.thread_block()?;
    let signals = SignalFd::with_flags(&end, SfdFlags::SFD_NONBLOCK)?;
    let service = Service::start()?;
    let mut ports =
        std::env::args().skip(1).map(|path| open(&service, path)).collect::<Result<Vec<_>, _>>()?;
    println!("switching between {} sockets", ports.len());
    let mut seen: HashMap<[u8; 6], usize> = HashMap::new();
    let mut received = Received(Vec::with_capacity(BURST));
    while signals.read_signal()?.is_none() {
        for from in 0..ports.len() {
            ports[from].passed[0] += ports[from].from_guest.dequeue(&mut received, BURST) as u64;
            for frame in received.0.drain(..) {
                let Some((to, rest)) = frame.split_first_chunk::<6>() else { continue };
                let Some(source) = rest.first_chunk::<6>() else { continue };
                seen.insert(*source, from);
                let known = seen.get(to).copied();
                let wanted =
                    |&port: &usize| port != from && known.is_none_or(|known| known == port);
                for port in (0..ports.len()).filter(wanted) {
                    let port = &mut ports[port];
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
