"""Sending over OTLP/HTTP: the connection, its deadlines, and the standard environment variables."""
