"""The metrics and attributes that all exporters share: names, meanings, and where a snapshot holds the values."""
