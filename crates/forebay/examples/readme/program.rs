#[derive(Serialize, Deserialize)]
struct SendEmail { to: String, subject: String }
impl Task for SendEmail { const KIND: &'static str = "send-email"; }

async fn send_email(email: SendEmail, meta: Meta, State(mailer): State<Mailer>) -> Result<(), Failure> {
    mailer.send(&email.to, &email.subject, meta.idempotency_key()).await?; // `?` retries by policy
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), forebay::Error> {
    let queue = forebay::connect_from_env("emails").await?; // QUEUE_BACKEND=memory
    let emails = queue.producer();
    let worker = Worker::new(queue)
        .state(Mailer::new())
        .handle(send_email)
        .layer(TimeoutLayer::new(Duration::from_secs(30)))
        .concurrency(64);
    emails.publish(SendEmail { to: "ann@example.com".into(), subject: "hi".into() })
        .idempotency_key("welcome:42").delay(Duration::from_secs(1)).await?;
    Ok(worker.run_until(shutdown_signal()).await?)
}
