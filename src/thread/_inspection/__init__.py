"""Names, sites and traces read from the program's objects and code, without running any of it."""
