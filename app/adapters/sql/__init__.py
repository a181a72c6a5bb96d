"""The stores on SQLAlchemy: SQLite and PostgreSQL."""
