//! HTTP: the server that hospitals post to and the client that posts to them.
