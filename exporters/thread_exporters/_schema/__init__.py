"""The metrics and attributes that all exporters share: their names, their meanings and how to read them."""
