use forebay_queue_core::Durability::Fsynced;
use forebay_queue_core::{
    Environment, Fingerprint, Kind, Message, NewMessage, QueueConfig, State, Timestamp,
};
use forebay_queue_embedded::storage::keys::{ExpiryKey, StateKey};
use forebay_queue_embedded::storage::records::{Ended, Head, Known, Place};
use forebay_queue_embedded::storage::{Batch, Family, StorageError, Store};

use crate::subject::{Subject, folder, head, id, lease, queue};

fn put(store: &Store, name: &str, heads: &[Head]) {
    let mut batch = Batch::new();
    for head in heads {
        let payload = format!("payload {}", head.sequence);
        batch.put_message(&queue(name), head, payload.as_bytes());
    }
    store.write(&batch, Fsynced).unwrap();
}

fn numbers<K>(page: &[(K, Head)]) -> Vec<u64> {
    page.iter().map(|(_, head)| head.sequence).collect()
}

pub(crate) fn messages_are_put_read_and_removed(subject: &Subject) {
    let folder = folder();
    let store = subject.store(folder.path());
    let queue = queue("emails");
    let mut one = head("ann", 5, 1);
    let key = one.key(&queue);
    assert_eq!(store.message(&key).unwrap(), None);
    assert_eq!(store.payload(&key).unwrap(), None);
    put(&store, "emails", std::slice::from_ref(&one));
    assert_eq!(store.message(&key).unwrap(), Some(one.clone()));
    assert_eq!(&*store.payload(&key).unwrap().unwrap(), b"payload 1");

    one.attempt = 3;
    one.place = Place::Scheduled(Timestamp::from_nanos(99));
    let mut batch = Batch::new();
    batch.update_message(&queue, &one);
    store.write(&batch, Fsynced).unwrap();
    assert_eq!(store.message(&key).unwrap(), Some(one.clone()));
    assert_eq!(&*store.payload(&key).unwrap().unwrap(), b"payload 1");

    let mut batch = Batch::new();
    batch.delete_message(&queue, &one.message);
    store.write(&batch, Fsynced).unwrap();
    assert_eq!(store.message(&key).unwrap(), None);
    assert_eq!(store.payload(&key).unwrap(), None);
}

pub(crate) fn messages_are_listed_by_queue_time_and_id(subject: &Subject) {
    let folder = folder();
    let store = subject.store(folder.path());
    // Names that begin with one another. Whose a message is makes no difference.
    let heads = [
        head("b", 30, 1),
        head("b", 10, 2),
        head("b", 20, 3),
        head("bb", 1, 4),
        head("b:", 1, 5),
        head("a", 40, 6),
    ];
    for name in ["q", "qq", "q.q"] {
        put(&store, name, &heads);
    }
    for name in ["q", "qq", "q.q"] {
        let queue = queue(name);
        let all = store.messages(&queue, None, 100).unwrap();
        assert_eq!(numbers(&all), [4, 5, 2, 3, 1, 6], "{name}");

        let mut paged = Vec::new();
        let mut after = None;
        loop {
            let page = store.messages(&queue, after.as_ref(), 2).unwrap();
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            paged.extend(numbers(&page));
        }
        assert_eq!(paged, [4, 5, 2, 3, 1, 6], "{name}");
    }
    assert_eq!(store.messages(&queue("other"), None, 9).unwrap(), []);
}

pub(crate) fn a_hundred_ids_are_unique_and_in_order(subject: &Subject) {
    let folder = folder();
    let store = subject.store(folder.path());
    let environment = Environment::seeded(1);
    // All of one instant: then the id decides.
    let now = environment.now();
    let heads: Vec<_> = (0..100)
        .map(|number| {
            let new = NewMessage::new(Kind::from_static("k"), "");
            Head::new(&Message::accept(new, environment.next_id(), now), number)
        })
        .collect();
    put(&store, "q", &heads);
    let found = store.messages(&queue("q"), None, 1_000).unwrap();
    assert_eq!(numbers(&found), (0..100).collect::<Vec<_>>());
    assert!(found.is_sorted_by(|(a, _), (b, _)| a.id < b.id));
}

pub(crate) fn leases_end_in_order_of_time(subject: &Subject) {
    let folder = folder();
    let store = subject.store(folder.path());
    let (one, two) = (queue("one"), queue("two"));
    let mut batch = Batch::new();
    batch.put_lease(&one, id(1), &lease(300, 1), None);
    batch.put_lease(&two, id(2), &lease(100, 2), None);
    batch.put_lease(&one, id(3), &lease(200, 3), None);
    batch.put_lease(&one, id(4), &lease(100, 4), None);
    store.write(&batch, Fsynced).unwrap();
    let ended = |before| {
        let expired = store.expired_leases(Timestamp::from_nanos(before), 10);
        let expired: Vec<ExpiryKey> = expired.unwrap();
        let bytes =
            |key: &ExpiryKey| u64::from_be_bytes(key.id.as_bytes()[8..].try_into().unwrap());
        expired
            .iter()
            .map(|key| (key.until.as_nanos(), bytes(key)))
            .collect::<Vec<_>>()
    };
    assert_eq!(ended(100), []);
    assert_eq!(ended(101), [(100, 4), (100, 2)]);
    assert_eq!(ended(u64::MAX), [(100, 4), (100, 2), (200, 3), (300, 1)]);
    let first = store.expired_leases(Timestamp::MAX, 1).unwrap();
    assert_eq!((first.len(), &first[0].queue), (1, &one));

    // Extended: the old end goes. Extended by nothing: it stays.
    let mut batch = Batch::new();
    batch.put_lease(&one, id(4), &lease(400, 4), Some(&lease(100, 4)));
    batch.put_lease(&one, id(3), &lease(200, 5), Some(&lease(200, 3)));
    store.write(&batch, Fsynced).unwrap();
    assert_eq!(ended(u64::MAX), [(100, 2), (200, 3), (300, 1), (400, 4)]);
    assert_eq!(store.lease(&one, id(4)).unwrap(), Some(lease(400, 4)));
    assert_eq!(store.lease(&one, id(2)).unwrap(), None);
    let page = store.leases(&one, None, 2).unwrap();
    assert_eq!(page, [(id(1), lease(300, 1)), (id(3), lease(200, 5))]);
    let page = store.leases(&one, Some(id(3)), 2).unwrap();
    assert_eq!(page, [(id(4), lease(400, 4))]);

    let mut batch = Batch::new();
    batch.delete_lease(&one, id(4), lease(400, 4).until);
    store.write(&batch, Fsynced).unwrap();
    assert_eq!(ended(u64::MAX), [(100, 2), (200, 3), (300, 1)]);
    assert_eq!(store.lease(&one, id(4)).unwrap(), None);
}

pub(crate) fn ended_messages_keep_their_payload(subject: &Subject) {
    let folder = folder();
    let store = subject.store(folder.path());
    let queue = queue("q");
    let heads = [head("a", 1, 1), head("a", 2, 2), head("b", 3, 3)];
    put(&store, "q", &heads);
    let ended = |place: usize, state| Ended {
        head: heads[place].clone(),
        state,
        at: Timestamp::from_nanos(50),
    };
    let mut batch = Batch::new();
    batch.end_message(&queue, 300, &ended(0, State::Dead));
    batch.end_message(&queue, 20, &ended(1, State::Dead));
    batch.end_message(&queue, 1, &ended(2, State::Cancelled));
    store.write(&batch, Fsynced).unwrap();
    assert_eq!(store.messages(&queue, None, 9).unwrap(), []);
    let dead = store.all_ended(&queue, State::Dead, None, 9).unwrap();
    assert_eq!(
        dead,
        [(20, ended(1, State::Dead)), (300, ended(0, State::Dead))]
    );
    let later = store.all_ended(&queue, State::Dead, Some(20), 9).unwrap();
    assert_eq!(later.len(), 1);
    let done = store.all_ended(&queue, State::Done, None, 9).unwrap();
    assert_eq!(done, [(1, ended(2, State::Cancelled))]);
    let one = store.ended(&queue, State::Dead, 300, id(1)).unwrap();
    assert_eq!(one, Some(ended(0, State::Dead)));

    let mut batch = Batch::new();
    batch.redrive_message(&queue, 300, &heads[0]);
    batch.delete_ended(&queue, 20, State::Dead, &ended(1, State::Dead).head.message);
    store.write(&batch, Fsynced).unwrap();
    let dead = store.all_ended(&queue, State::Dead, None, 9).unwrap();
    assert_eq!(dead, []);
    assert_eq!(numbers(&store.messages(&queue, None, 9).unwrap()), [1]);
    let payload = |place: usize| store.payload(&heads[place].key(&queue)).unwrap();
    assert_eq!(payload(0).as_deref(), Some(&b"payload 1"[..]));
    assert_eq!(payload(1), None);
    assert_eq!(payload(2).as_deref(), Some(&b"payload 3"[..]));
}

pub(crate) fn queues_state_and_keys_are_kept(subject: &Subject) {
    let folder = folder();
    let store = subject.store(folder.path());
    let config = |capacity| QueueConfig {
        capacity,
        dead_letter_queue: Some(queue("dead")),
        ..QueueConfig::default()
    };
    let known = |number, print| Known {
        id: id(number),
        fingerprint: print,
        until: Timestamp::from_nanos(7),
    };
    let name = |text| StateKey::new(text).unwrap();
    let mut batch = Batch::new();
    batch
        .put_queue(&queue("bb"), &config(1))
        .put_queue(&queue("c"), &config(2))
        .put_state(&name("paused"), b"1")
        .put_state(&name("weights"), b"")
        .put_key(&queue("c"), &[9; 16], &known(1, None))
        .put_key(&queue("c"), &[8; 16], &known(2, Some(Fingerprint([1; 32]))))
        .put_key(&queue("bb"), &[8; 16], &known(3, None));
    store.write(&batch, Fsynced).unwrap();
    let queues = store.queues(None, 9).unwrap();
    assert_eq!(queues, [(queue("c"), config(2)), (queue("bb"), config(1))]);
    let rest = store.queues(Some(&queue("c")), 9).unwrap();
    assert_eq!(rest, [(queue("bb"), config(1))]);
    assert_eq!(store.queue(&queue("c")).unwrap(), Some(config(2)));
    assert_eq!(store.queue(&queue("b")).unwrap(), None);
    assert_eq!(store.state(&name("paused")).unwrap(), Some(b"1".to_vec()));
    assert_eq!(store.state(&name("weights")).unwrap(), Some(vec![]));
    assert_eq!(store.states(None, 9).unwrap().len(), 2);
    let keys = store.keys(&queue("c"), None, 9).unwrap();
    let second = known(2, Some(Fingerprint([1; 32])));
    assert_eq!(keys, [([8; 16], second), ([9; 16], known(1, None))]);
    assert_eq!(store.key(&queue("c"), &[8; 16]).unwrap(), Some(second));
    let rest = store.keys(&queue("c"), Some(&[8; 16]), 9).unwrap();
    assert_eq!(rest.len(), 1);

    let mut batch = Batch::new();
    batch
        .delete_queue(&queue("c"))
        .delete_state(&name("paused"))
        .delete_key(&queue("c"), &[8; 16]);
    store.write(&batch, Fsynced).unwrap();
    assert_eq!(store.queue(&queue("c")).unwrap(), None);
    assert_eq!(store.state(&name("paused")).unwrap(), None);
    assert_eq!(store.key(&queue("c"), &[8; 16]).unwrap(), None);
    assert_eq!(store.keys(&queue("c"), None, 9).unwrap().len(), 1);
}

pub(crate) fn a_removed_queue_leaves_the_others(subject: &Subject) {
    let folder = folder();
    let store = subject.store(folder.path());
    let known = Known {
        id: id(1),
        fingerprint: None,
        until: Timestamp::MAX,
    };
    for name in ["q", "qq"] {
        put(
            &store,
            name,
            &[head("a", 1, 1), head("b", 2, 2), head("c", 3, 3)],
        );
        let queue = queue(name);
        let mut batch = Batch::new();
        batch.put_queue(&queue, &QueueConfig::default());
        for number in 0..2_500 {
            batch.put_lease(&queue, id(number), &lease(number, number), None);
        }
        for (place, state) in [(1, State::Dead), (2, State::Done)] {
            let ended = Ended {
                head: head(["a", "b", "c"][place], place as u64 + 1, place as u64 + 1),
                state,
                at: Timestamp::ZERO,
            };
            batch.end_message(&queue, 1, &ended);
        }
        batch.put_key(&queue, &[1; 16], &known);
        store.write(&batch, Fsynced).unwrap();
    }
    store.remove_queue(&queue("q"), Fsynced).unwrap();
    let storage = store.storage();
    let count = |family| {
        let end = [0xff; 9];
        storage
            .scan(family, &[][..]..&end[..], usize::MAX)
            .unwrap()
            .len()
    };
    for (family, left) in [
        (Family::Messages, 1),
        (Family::Payloads, 3),
        (Family::Leases, 2_500),
        (Family::LeaseExpiry, 2_500),
        (Family::Queues, 1),
        (Family::Dead, 1),
        (Family::Done, 1),
        (Family::Keys, 1),
    ] {
        assert_eq!(count(family), left, "{family:?}");
    }
    assert_eq!(store.queues(None, 9).unwrap()[0].0, queue("qq"));
    assert_eq!(
        numbers(&store.messages(&queue("qq"), None, 9).unwrap()),
        [1]
    );
}

pub(crate) fn damaged_records_are_named_and_not_read(subject: &Subject) {
    let folder = folder();
    let store = subject.store(folder.path());
    let queue = queue("q");
    let heads = [head("canary", 1, 1), head("canary", 2, 2)];
    put(&store, "q", &heads);
    let keys = [heads[0].key(&queue), heads[1].key(&queue)];
    // The second one's rows under the first one's key: nothing in them is wrong but the place.
    let mut batch = Batch::new();
    for family in [Family::Messages, Family::Payloads] {
        let value = store
            .storage()
            .get(family, &keys[1].encode())
            .unwrap()
            .unwrap();
        batch.put(family, keys[0].encode(), value);
    }
    store.write(&batch, Fsynced).unwrap();
    let errors = [
        (store.message(&keys[0]).unwrap_err(), "messages"),
        (store.messages(&queue, None, 9).unwrap_err(), "messages"),
        (store.payload(&keys[0]).unwrap_err(), "payloads"),
    ];
    for (error, family) in errors {
        let text = format!("{error} {error:?}");
        assert!(matches!(error, StorageError::Damaged { .. }), "{text}");
        assert!(text.contains(family), "{text}");
        assert!(text.contains(folder.path().to_str().unwrap()), "{text}");
        assert!(
            !text.contains("canary") && !text.contains("payload 2"),
            "{text}"
        );
    }
    assert_eq!(store.message(&keys[1]).unwrap().as_ref(), Some(&heads[1]));
}
