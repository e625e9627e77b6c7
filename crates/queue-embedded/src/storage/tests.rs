mod golden;
mod key_order;
mod sealing;
