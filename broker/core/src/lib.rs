//! The pure core: case machines, routing, deadlines and delivery, without clock, chance or I/O.
