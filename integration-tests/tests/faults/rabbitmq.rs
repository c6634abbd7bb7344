//! RabbitMQ breaks: restarted, cut off, blocked, gone for minutes, without a lane, with poison in it.
