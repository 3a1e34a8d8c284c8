//! The tracer inside the server.
