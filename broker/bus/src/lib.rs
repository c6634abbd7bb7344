//! The road to the lanes: in-process and RabbitMQ behind one trait.
