//! Native JSON to canonical and back, without any input or output.
