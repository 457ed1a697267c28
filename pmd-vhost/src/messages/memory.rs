//! The memory table.

use virtio::vhost_user::{Incoming, MemoryTable};

use crate::device::Device;
use crate::guest_memory::{GuestMemory, RegionSpec};
use crate::refusal::Refusal;
use crate::session::Answer;

/// `SET_MEM_TABLE`: all or nothing; rings that run go on in the new table.
pub(super) fn set_mem_table(
    device: &mut Device,
    message: &mut Incoming,
) -> Result<Answer, Refusal> {
    let table = MemoryTable::from_bytes(&message.payload).ok_or(Refusal::Malformed)?;
    let spec = |(region, fd): (&virtio::vhost_user::MemoryRegion, _)| RegionSpec {
        guest_addr: region.guest_addr,
        size_bytes: region.size_bytes,
        user_addr: region.user_addr,
        mmap_offset: region.mmap_offset,
        fd,
    };
    let specs = table.regions().iter().zip(message.fds.drain(..)).map(spec).collect();
    let memory = GuestMemory::map(specs).map_err(|error| {
        device.complain(&error);
        Refusal::Memory
    })?;
    device.set_memory(Some(memory));
    Ok(Answer::Done)
}
