"""The options of `core up`: what a command line and the files that it names say, as settings."""
