"""The tests, one file per noun. Each test's docstring is the fact that it holds a server to."""
