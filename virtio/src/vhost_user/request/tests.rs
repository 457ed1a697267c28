use super::*;

#[test]
fn table_is_in_the_order_of_the_numbers() {
    assert_eq!(RULES.len(), 44);
    assert_eq!(Request::ALL.len(), 44);
    for (at, (rule, request)) in RULES.iter().zip(Request::ALL).enumerate() {
        assert_eq!(rule.request as usize, at + 1);
        assert_eq!(rule.request, *request);
        assert_eq!(request.rule(), rule);
    }
}

#[test]
fn numbers_outside_the_table_come_back() {
    for id in [0, 45, 63, 255, u32::MAX] {
        assert_eq!(Request::try_from(id), Err(id));
    }
    for id in 1..=44 {
        assert_eq!(Request::try_from(id).map(|request| request as u32), Ok(id));
    }
}

/// (id, body bytes, fds, has an answer of its own), one row a message, typed from the document's table.
const ROWS: &[(u32, usize, usize, bool)] = &[
    (1, 0, 0, true),
    (2, 8, 0, false),
    (3, 0, 0, false),
    (4, 0, 0, false),
    (6, 16, 1, true),
    (7, 0, 1, false),
    (8, 8, 0, false),
    (9, 40, 0, false),
    (10, 8, 0, false),
    (11, 8, 0, true),
    (15, 0, 0, true),
    (16, 8, 0, false),
    (17, 0, 0, true),
    (18, 8, 0, false),
    (19, 8, 0, false),
    (20, 8, 0, false),
    (21, 0, 1, false),
    (22, 32, 0, true),
    (23, 8, 0, false),
    (27, 8, 0, false),
    (28, 0, 0, true),
    (29, 0, 0, false),
    (30, 0, 0, true),
    (31, 24, 0, true),
    (32, 24, 1, false),
    (33, 0, 1, false),
    (34, 0, 0, false),
    (35, 8, 0, false),
    (36, 0, 0, true),
    (37, 40, 1, false),
    (38, 40, 0, false),
    (39, 8, 0, false),
    (40, 0, 0, true),
    (41, 16, 0, true),
    (42, 8, 1, true),
    (43, 0, 0, true),
    (44, 0, 0, true),
];

#[test]
fn every_fixed_row() {
    for &(id, bytes, fds, native) in ROWS {
        let rule = Request::try_from(id).unwrap().rule();
        let body = vec![0; bytes];
        assert!(rule.is_well_formed(&body, fds), "message {id}");
        assert!(!rule.is_well_formed(&vec![0; bytes + 1], fds), "message {id}, one byte more");
        assert!(
            bytes == 0 || !rule.is_well_formed(&vec![0; bytes - 1], fds),
            "message {id}, one byte less"
        );
        assert!(!rule.is_well_formed(&body, fds + 2), "message {id}, two descriptors more");
        assert!(fds == 0 || !rule.is_well_formed(&body, 0), "message {id} without its descriptor");
        assert_eq!(!matches!(rule.reply, ReplyRule::Ack), native, "message {id}");
    }
}

#[test]
fn vring_descriptors_follow_bit_eight() {
    for id in [12, 13, 14] {
        let rule = Request::try_from(id).unwrap().rule();
        assert!(rule.is_well_formed(&1_u64.to_ne_bytes(), 1));
        assert!(!rule.is_well_formed(&1_u64.to_ne_bytes(), 0));
        assert!(rule.is_well_formed(&0x101_u64.to_ne_bytes(), 0));
        assert!(!rule.is_well_formed(&0x101_u64.to_ne_bytes(), 1));
        assert!(!rule.is_well_formed(&0x201_u64.to_ne_bytes(), 1), "bit 9 has no meaning");
    }
}

#[test]
fn memory_table_has_a_descriptor_for_each_region() {
    let rule = Request::SetMemTable.rule();
    let mut body = vec![0; 8 + 2 * 32];
    body[0] = 2;
    assert!(rule.is_well_formed(&body, 2));
    assert!(!rule.is_well_formed(&body, 1));
    assert!(!rule.is_well_formed(&body, 3));
    assert!(!rule.is_well_formed(&body[..7], 0));
    assert!(!PayloadRule::MemoryTable.allows(8 + 9 * 32));
}

#[test]
fn config_is_bounded() {
    assert!(PayloadRule::Config.allows(12) && PayloadRule::Config.allows(268));
    assert!(!PayloadRule::Config.allows(11) && !PayloadRule::Config.allows(269));
}
