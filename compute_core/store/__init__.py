"""What a cell remembers: schema, migrations, repository functions, and adapters for SQLite and PostgreSQL.

May not know what the cells do with it: every function here is one noun's reads and writes over a connection.
"""
