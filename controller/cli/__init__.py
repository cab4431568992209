"""The command line: a client of the API, for people (tables, two languages, JST) and scripts (--json, exit codes)."""
