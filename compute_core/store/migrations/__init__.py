"""The migrations of a cell's database, for Alembic, which loads them by path: packages so that they are shipped."""
