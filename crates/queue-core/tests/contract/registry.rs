use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{
    Backend, Environment, Error, Event, Observer, Observers, QueueConfig, QueueName, Registry,
    Settings,
};

use crate::bare::Bare;

fn registry() -> Registry {
    Registry::new()
        .with("bare", |_, _| {
            Box::pin(async { Ok(Bare::new().0 as Arc<dyn Backend>) })
        })
        .with("broken", |settings, _| {
            Box::pin(async move {
                settings.parse::<u16>("PORT", "a port")?;
                Err(Error::Unavailable {
                    backend: "broken",
                    source: None,
                })
            })
        })
        .without("redis", "redis")
}

async fn connect(name: &str, settings: Settings) -> Result<Arc<dyn Backend>, Error> {
    let environment = Environment::seeded(1);
    let observers = Observers::none();
    registry()
        .connect(name, settings, environment, observers)
        .await
}

#[tokio::test]
async fn a_backend_is_found_by_its_name() {
    let backend = connect("bare", Settings::default()).await.unwrap();
    assert_eq!(backend.name(), "bare");
}

#[tokio::test]
async fn an_unknown_name_is_told_with_those_there_are() {
    let error = connect("rabbit", Settings::default()).await.map(drop);
    let text = error.unwrap_err().to_string();
    assert_eq!(text, "\"rabbit\" is no backend; allowed: bare, broken");
}

#[tokio::test]
async fn an_unknown_name_of_any_length_is_told_in_short() {
    let name = "x\n".repeat(10_000);
    let error = connect(&name, Settings::default()).await.map(drop);
    let text = error.unwrap_err().to_string();
    assert!(text.len() < 200 && !text.contains('\n'), "{text}");
}

#[tokio::test]
async fn one_that_was_not_built_says_which_feature_brings_it() {
    let error = connect("redis", Settings::default()).await.map(drop);
    let Err(Error::BackendNotBuilt { name, feature }) = error else {
        panic!("not told");
    };
    assert_eq!((name.as_str(), feature), ("redis", "redis"));
}

#[tokio::test]
async fn what_a_backend_answers_is_passed_on() {
    let error = connect("broken", Settings::default()).await.map(drop);
    assert!(matches!(error, Err(Error::Unavailable { .. })));
    let settings = Settings::from_iter([("PORT", "seven")]);
    let error = connect("broken", settings).await.map(drop);
    assert!(matches!(error, Err(Error::InvalidSetting { .. })));
}

#[test]
fn names_are_those_that_are_built_in_order() {
    assert_eq!(registry().names(), ["bare", "broken"]);
    assert!(Registry::new().names().is_empty());
    assert_eq!(format!("{:?}", registry()), r#"{"bare", "broken"}"#);
}

#[test]
fn a_later_entry_replaces_an_earlier_one() {
    let replaced = registry().without("bare", "bare");
    assert_eq!(replaced.names(), ["broken"]);
}

#[tokio::test]
async fn a_connected_backend_is_guarded_and_observed() {
    struct Count(std::sync::atomic::AtomicUsize);
    impl Observer for Count {
        fn observe(&self, _: &Event<'_>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let count = Arc::new(Count(0.into()));
    let observers = Observers::none().with(Arc::clone(&count) as Arc<dyn Observer>);
    let backend = registry()
        .connect(
            "bare",
            Settings::default(),
            Environment::seeded(1),
            observers,
        )
        .await
        .unwrap();
    let name = QueueName::from_static("jobs");
    let asked = QueueConfig {
        retain_done: Duration::from_secs(1),
        ..QueueConfig::default()
    };
    let refused = backend.create(&name, &asked).await;
    assert!(matches!(refused, Err(Error::Unsupported { .. })));
    let queue = backend.open(&name, None).await.unwrap();
    let refused = queue.receive(0, Duration::ZERO).await;
    assert!(matches!(refused, Err(Error::Invalid { .. })));
    let told = count.0.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(told, 2, "the call and its refusal");
}
