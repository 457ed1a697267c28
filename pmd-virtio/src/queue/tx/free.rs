//! Descriptors that the driver has, and the chains of those that it gave away.

/// Behind the last descriptor of a chain. Ids are below 32768.
const NO_LINK: u16 = u16::MAX;

/// Ids of free descriptors, oldest first, so that descriptors are used in rising order; a device that uses buffers in order
/// gets them strictly in ring order, as it must (virtio 1.2, 2.7.9).
pub(super) struct FreeIds {
    ids: Box<[u16]>,
    mask: u32,
    first: u32,
    end: u32,
    /// Of the free ones, as many are never used.
    reserved: u32,
}

impl FreeIds {
    pub fn new(size: u16) -> Self {
        let ids = vec![0; size.into()].into();
        Self { ids, mask: u32::from(size) - 1, first: 0, end: 0, reserved: 0 }
    }

    /// None free, `reserved` of those to come never used.
    pub fn clear(&mut self, reserved: u16) {
        (self.first, self.end, self.reserved) = (0, 0, reserved.into());
    }

    /// For a ring that is used in order: the `count` ids from `from` on are free.
    pub fn restart(&mut self, from: u16, count: u16, reserved: u16) {
        let mask = self.mask as u16;
        for (id, k) in self.ids.iter_mut().zip(0..) {
            *id = from.wrapping_add(k) & mask;
        }
        (self.first, self.end, self.reserved) = (0, count.into(), reserved.into());
    }

    #[inline(always)]
    fn len(&self) -> u32 {
        self.end.wrapping_sub(self.first)
    }

    /// How many may be used.
    #[inline(always)]
    pub fn available(&self) -> u32 {
        self.len().saturating_sub(self.reserved)
    }

    #[inline(always)]
    pub fn push(&mut self, id: u16) {
        self.ids[(self.end & self.mask) as usize] = id;
        self.end = self.end.wrapping_add(1);
    }

    /// The oldest id. Only called when one is available.
    #[inline(always)]
    pub fn pop(&mut self) -> u16 {
        let id = self.next();
        self.first = self.first.wrapping_add(1);
        id
    }

    /// The id that `pop` will give. When none is free it is, in a ring that is used in order, the one that will be freed next:
    /// the place still has what was there a whole ring ago.
    #[inline(always)]
    pub fn next(&self) -> u16 {
        self.ids[(self.first & self.mask) as usize]
    }

    /// In a ring that is used in order: the id that will be freed next.
    #[inline(always)]
    pub fn oldest_used(&self) -> u16 {
        let id = u32::from(self.next()).wrapping_add(self.len());
        // A masked id is below 32768.
        (id & self.mask) as u16
    }
}

/// For each descriptor of a posted chain the one behind it.
pub(super) struct Links {
    behind: Box<[u16]>,
    mask: u16,
}

impl Links {
    pub fn new(size: u16) -> Self {
        Self { behind: vec![NO_LINK; size.into()].into(), mask: size - 1 }
    }

    pub fn clear(&mut self) {
        self.behind.fill(NO_LINK);
    }

    #[inline(always)]
    fn place(&mut self, id: u16) -> &mut u16 {
        &mut self.behind[usize::from(id & self.mask)]
    }

    /// Puts `next` behind `id`, the last of a chain.
    #[inline(always)]
    pub fn append(&mut self, id: u16, next: u16) {
        *self.place(id) = next;
    }

    /// Puts `id` right behind `head`, in front of what is there.
    pub fn insert(&mut self, head: u16, id: u16) {
        *self.place(id) = *self.place(head);
        *self.place(head) = id;
    }

    /// Ends the chain at `id` and says what was behind it.
    #[inline(always)]
    pub fn take(&mut self, id: u16) -> Option<u16> {
        let next = std::mem::replace(self.place(id), NO_LINK);
        (next != NO_LINK).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_in_the_order_they_were_given() {
        let mut free = FreeIds::new(4);
        free.clear(0);
        (0..4).for_each(|id| free.push(id));
        assert_eq!([free.pop(), free.pop(), free.pop(), free.pop()], [0, 1, 2, 3]);
        assert_eq!((free.available(), free.next(), free.oldest_used()), (0, 0, 0));
        free.push(0);
        assert_eq!((free.available(), free.next(), free.oldest_used()), (1, 0, 1));
    }

    #[test]
    fn reserved_ids_stay() {
        let mut free = FreeIds::new(8);
        free.clear(3);
        (0..8).for_each(|id| free.push(id));
        assert_eq!(free.available(), 5);
        (0..5).for_each(|_| _ = free.pop());
        assert_eq!((free.available(), free.next(), free.oldest_used()), (0, 5, 0));
    }

    #[test]
    fn a_ring_in_order_goes_on_where_it_was_even_when_full() {
        let mut free = FreeIds::new(8);
        free.restart(6, 3, 0);
        assert_eq!([free.pop(), free.pop(), free.pop()], [6, 7, 0]);
        assert_eq!((free.available(), free.next(), free.oldest_used()), (0, 1, 1));
        (1..4).for_each(|id| free.push(id));
        assert_eq!((free.next(), free.oldest_used()), (1, 4));
    }

    #[test]
    fn links_are_followed_in_order() {
        let mut links = Links::new(8);
        // A rebuild finds the newest descriptors first.
        links.insert(6, 0);
        links.insert(6, 7);
        assert_eq!(links.take(6), Some(7));
        assert_eq!(links.take(7), Some(0));
        assert_eq!((links.take(0), links.take(6)), (None, None));
    }
}
