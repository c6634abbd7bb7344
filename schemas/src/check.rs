//! What must hold in every canonical message, whatever format it came in.
