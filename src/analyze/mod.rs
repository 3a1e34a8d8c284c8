//! From trace, classes and steps to a report.
