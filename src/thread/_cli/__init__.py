"""Ways to start a program under observation: the command line, or the environment alone."""
