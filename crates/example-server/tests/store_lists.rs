//! The store on real databases: how it lists what it wrote.

#![allow(clippy::unwrap_used, reason = "a test")]

use forebay_example_server::cursor::{Cursor, List};
use forebay_example_server::direction::Direction;
use uuid::Uuid;

#[allow(dead_code, reason = "shared with other tests")]
mod support;

use support::{START, TestDatabase, connect, conversations, id, messages, phone, sms};

#[tokio::test]
async fn conversations_page_stably() {
    for database in TestDatabase::all().await {
        let store = connect(&database).await;
        for number in 0..25 {
            // Groups of five share an instant, so that the id has to tell them apart.
            let event = sms(
                &phone(number),
                &phone(900),
                &format!("k{number}"),
                i64::from(number / 5),
            );
            store.persist(&event, id(number.into())).await.unwrap();
        }
        let whole = conversations(&store, 200).await;
        assert_eq!(whole.len(), 25);
        let keys: Vec<_> = whole.iter().map(|c| (c.last_activity_at, c.id)).collect();
        assert!(
            keys.windows(2).all(|pair| pair[0] > pair[1]),
            "newest first"
        );

        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let page = store.conversations(cursor, 7).await.unwrap();
            seen.extend(page.items.into_iter().map(|conversation| conversation.id));
            let Some(next) = page.next_cursor else { break };
            cursor = Some(Cursor::decode(List::Conversations, &next).unwrap());
            // Between two pages a new conversation begins, and one that was shown goes on.
            let step = u32::try_from(seen.len()).unwrap();
            let newcomer = sms(&phone(100 + step), &phone(900), &format!("n{step}"), 1_000);
            store
                .persist(&newcomer, id(u128::from(1_000 + step)))
                .await
                .unwrap();
            let shown = &whole[0].participants;
            let again = sms(&shown[0], &shown[1], &format!("a{step}"), 2_000);
            store
                .persist(&again, id(u128::from(2_000 + step)))
                .await
                .unwrap();
        }
        assert_eq!(seen, whole.iter().map(|c| c.id).collect::<Vec<_>>());
        let clamped = store.conversations(None, 0).await.unwrap();
        assert_eq!(clamped.items.len(), 1);
        store.close().await;
        database.remove().await;
    }
}

#[tokio::test]
async fn messages_page_oldest_first() {
    for database in TestDatabase::all().await {
        let store = connect(&database).await;
        for number in 0..11_u32 {
            let event = sms(
                &phone(1),
                &phone(2),
                &format!("k{number}"),
                i64::from(10 - number / 3),
            );
            store.persist(&event, id(number.into())).await.unwrap();
        }
        let conversation = conversations(&store, 1).await[0].id;
        for limit in [1, 3, 200] {
            let list = messages(&store, conversation, limit).await;
            let keys: Vec<_> = list.iter().map(|m| (m.timestamp, m.id)).collect();
            assert_eq!(keys.len(), 11);
            assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
        }
        assert_eq!(store.messages(Uuid::nil(), None, 10).await.unwrap(), None);
        store.close().await;
        database.remove().await;
    }
}

#[tokio::test]
async fn both_directions_share_a_conversation() {
    for database in TestDatabase::all().await {
        let store = connect(&database).await;
        let (ann, bob) = (phone(2), phone(1));
        // The answer is persisted first: what counts is when they were sent.
        for (number, event) in [
            (2, sms(&bob, &ann, "answer", 20)),
            (1, sms(&ann, &bob, "question", 10)),
            (3, sms(&ann, &bob, "thanks", 30)),
        ] {
            store.persist(&event, id(number)).await.unwrap();
        }
        let all = conversations(&store, 10).await;
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].key, format!("sms:{bob}<->{ann}"));
        assert_eq!(all[0].message_count, 3);
        assert_eq!(all[0].last_activity_at, START + time::Duration::seconds(30));
        let list: Vec<_> = messages(&store, all[0].id, 2)
            .await
            .into_iter()
            .map(|message| (message.id, message.direction))
            .collect();
        let expected = [
            (id(1), Direction::Outbound),
            (id(2), Direction::Inbound),
            (id(3), Direction::Outbound),
        ];
        assert_eq!(list, expected);
        assert_eq!(
            database.number("SELECT count(*) FROM message_bodies").await,
            1
        );
        store.close().await;
        database.remove().await;
    }
}
