//! Where the truth lives: SQLite and PostgreSQL behind one trait.
