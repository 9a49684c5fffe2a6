"""What every floor may use, the core's twin included: exact counters, whose error it is, what forgets at a fork."""
